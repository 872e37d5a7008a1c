"""File names of Smart Meter Texas, which state the report, its time, and its sender.

    999999999IntervalData20240702063000001.lse                         LSE file of a TDSP (LSE File Definition, v.04)
    IntervalMeterUsage20240702063000123<32 hex digits>EML.CSV          e-mail subscription
    DailyMeterUsage20240702063000….CSV.<requester's DUNS>.asc          on-demand request, OpenPGP

Names are hints: greenkit recognizes a format by its content, and uses a name only to tell which of two files is newer.
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
    """The parts of a file name. Create it with :func:`parse_name`.

    Parameters
    ----------
    report : str, optional
        ``IntervalData``, ``IntervalMeterUsage``, ``DailyMeterUsage``, …
    created : datetime, optional
        When the file was made, in local time of the ERCOT market (America/Chicago), without a time zone.
    duns : str, optional
        DUNS number of the TDSP that wrote the file, with leading zeros.
    counter : str, optional
        Number of the file among those of the same second.
    requester : str, optional
        DUNS number of the party that requested the file.
    """

    report: str | None = None
    created: dt.datetime | None = None
    duns: str | None = None
    counter: str | None = None
    requester: str | None = None


def parse_name(name: str) -> SmtName:
    """Parse a file name into its parts.

    Parameters
    ----------
    name : str
        File name, with or without a folder or an archive.

    Returns
    -------
    SmtName
        Each part is None if the name does not contain it.

    Examples
    --------
    >>> parse_name("957877905IntervalData20240702063000001.lse").duns
    '957877905'
    >>> parse_name("export.csv").created is None
    True
    """
    base = PurePosixPath(name.replace("\\", "/").rpartition("!")[2]).name
    if match := _TDSP_FILE.match(base):
        return SmtName(match["report"], _created(match["stamp"]), match["duns"], match["counter"])
    if match := _SMT_FILE.match(base):
        # the requester's number can precede the time stamp, so a stamp may begin at any digit
        rest = match["rest"]
        created = next((when for i in range(len(rest) - 13) if (when := _created(rest[i : i + 14]))), None)
        return SmtName(match["report"], created, requester=match["requester"])
    return SmtName()


def _created(stamp: str) -> dt.datetime | None:
    if not stamp.isdigit() or not "2005" < stamp[:4] < "2100":
        return None
    try:
        return dt.datetime.strptime(stamp, "%Y%m%d%H%M%S")
    except ValueError:
        return None
