"""How Smart Meter Texas names its files, and packs them: zip, then OpenPGP."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from greenkit.synthetic._channels import TDSPS

REQUESTER: Final = "000000000"
"""The DUNS number of whoever asked, in the names of what SMT encrypts for them; this one is nobody's."""


def lse_name(tdsp: str, made: datetime, counter: int = 1) -> str:
    """Name an LSE file as the market guide does: the utility's DUNS, report, time stamp, counter.

    Examples
    --------
    >>> lse_name("oncor", datetime(2024, 7, 2, 6, 30))
    '1039940674000IntervalData20240702063000001.lse'
    """
    return f"{TDSPS[tdsp][0]}IntervalData{made:%Y%m%d%H%M%S}{counter:03d}.lse"


def csv_name(report: str, made: datetime, counter: int = 1, *, mailed: bool = False) -> str:
    """Name a CSV of SMT: ``IntervalMeterUsage``, ``DailyMeterUsage`` or ``MonthlyMeterUsage``, stamp, 32 digits.

    Examples
    --------
    >>> csv_name("IntervalMeterUsage", datetime(2024, 7, 2, 6, 30))[:35]
    'IntervalMeterUsage20240702063000001'
    """
    return f"{report}{made:%Y%m%d%H%M%S}{counter:03d}{_digits(report, made, counter)}{'EML' if mailed else ''}.CSV"


def pack(
    name: str,
    members: Mapping[str, bytes],
    *,
    compress: bool = True,
    encrypt: Callable[[bytes], bytes] | None = None,
    requester: str = REQUESTER,
) -> tuple[str, bytes]:
    """Put files into a zip as SMT delivers them, encrypted when a callable is given that does so.

    Parameters
    ----------
    name : str
        Name of the plain file; the zip replaces its ending, and the encrypted one ends ``.<requester>.asc``.
    members : mapping
        Name → bytes.
    compress : bool
        False stores the members as they are, so the zip is the same on every zlib.
    encrypt : callable, optional
        Plain bytes → an OpenPGP message.

    Returns
    -------
    tuple of str and bytes
        The name under which it lies on the server, and its bytes.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for member, data in members.items():
            info = zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0))
            info.compress_type = archive.compression
            archive.writestr(info, data)
    packed = file.getvalue()
    name = name.rpartition(".")[0] + ".zip"
    return (name, packed) if encrypt is None else (f"{name}.{requester}.asc", encrypt(packed))


def _digits(*keys: object) -> str:
    return hashlib.sha256(repr(keys).encode()).hexdigest()[:32].upper()
