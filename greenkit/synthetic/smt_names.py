"""Name and pack files as Smart Meter Texas does: ZIP, then OpenPGP."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from greenkit.synthetic._channels import TDSPS

REQUESTER: Final = "000000000"
"""DUNS number of the requester, which SMT writes into the names of encrypted files; this one is not real."""


def lse_name(tdsp: str, made: datetime, counter: int = 1) -> str:
    """Return the name of an LSE file (market guide): DUNS of the utility, report, time stamp, counter.

    Examples
    --------
    >>> lse_name("oncor", datetime(2024, 7, 2, 6, 30))
    '1039940674000IntervalData20240702063000001.lse'
    """
    return f"{TDSPS[tdsp][0]}IntervalData{made:%Y%m%d%H%M%S}{counter:03d}.lse"


def csv_name(report: str, made: datetime, counter: int = 1, *, mailed: bool = False) -> str:
    """Return the name of an SMT CSV file: report, such as ``IntervalMeterUsage``, time stamp, 32 digits.

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
    """Pack files into a ZIP archive as SMT does, and encrypt it if ``encrypt`` is passed.

    Parameters
    ----------
    name : str
        Name of the file. The archive replaces its ending; an encrypted archive ends in ``.<requester>.asc``.
    members : mapping
        Bytes by name.
    compress : bool
        False stores the members uncompressed, so that the archive is the same with every zlib.
    encrypt : callable, optional
        Takes bytes and returns an OpenPGP message.

    Returns
    -------
    tuple of str and bytes
        Name of the file on the server, and its bytes.
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
