"""What Smart Meter Texas file names and ESI IDs say. Both are hints: content decides.

999999999IntervalData20240702063000001.lse                         a TDSP's LSE file (LSE File Definition, v.04)
IntervalMeterUsage20240702063000123<32 hex digits>EML.CSV          e-mail subscription
DailyMeterUsage20240702063000….CSV.<requester's DUNS>.asc          ad-hoc request, OpenPGP
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

_TDSP_FILE: Final = re.compile(
    r"(?P<duns>\d{13}|\d{9})(?P<report>[A-Za-z]+)(?P<stamp>\d{14})(?P<counter>\d{3})\.lse(?:\..*)?$", re.IGNORECASE
)
_SMT_FILE: Final = re.compile(
    r"(?P<report>[A-Za-z]*MeterUsage)(?P<rest>[0-9A-Fa-f]*)(?P<by_email>EML)?\.(?:CSV|LSE|XML|JSON)"
    r"(?:\.(?P<requester>\d{9,13}))?(?:\.(?:asc|pgp|gpg|zip))*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SmtName:
    """The parts of a file name that follows a convention; None where it has no such part.

    Parameters
    ----------
    report : str
        ``IntervalData``, ``IntervalMeterUsage``, ``DailyMeterUsage``, …
    created : datetime
        Local time of ERCOT's market.
    duns : str
        Of the TDSP that wrote it; leading zeros kept.
    counter : str
    requester : str
        DUNS of who asked for it.
    """

    report: str | None = None
    created: dt.datetime | None = None
    duns: str | None = None
    counter: str | None = None
    requester: str | None = None


def parse_name(name: str) -> SmtName:
    """Read a file name, with or without a folder; one that follows no convention gives empty parts.

    Examples
    --------
    >>> parse_name("957877905IntervalData20240702063000001.lse").duns
    '957877905'
    >>> parse_name("export.csv").created is None
    True
    """
    base = PurePosixPath(name.replace("\\", "/").rpartition("!")[2]).name
    if found := _TDSP_FILE.match(base):
        return SmtName(found["report"], _created(found["stamp"]), found["duns"], found["counter"])
    if found := _SMT_FILE.match(base):
        # the requester's id may stand before the time stamp, so look for a stamp wherever one can begin
        rest = found["rest"]
        created = next((when for i in range(len(rest) - 13) if (when := _created(rest[i : i + 14]))), None)
        return SmtName(found["report"], created, requester=found["requester"])
    return SmtName()


def _created(stamp: str) -> dt.datetime | None:
    if not stamp.isdigit() or not "2005" < stamp[:4] < "2100":
        return None
    try:
        return dt.datetime.strptime(stamp, "%Y%m%d%H%M%S")
    except ValueError:
        return None
