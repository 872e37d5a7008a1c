"""Which table a CSV of Smart Meter Texas is, and which column plays which role: told by the header's names.

Names are compared without regard to case, spaces, underscores and slashes. Only the interval layout is known from
real files; the daily and monthly names are those that SMT's JSON uses for the same data, and obvious variants.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from greenkit.smt import stamps
from greenkit.smt.codes import squeezed
from greenkit.text import decode, decode_head

Roles = Mapping[str, tuple[str, ...]]


def _any(names: str) -> tuple[str, ...]:
    return tuple(names.split())


_METER: Final = _any("esiid esi esiidnumber esiidno esinumber electricserviceidentifier")
_REVISION: Final = _any("revisiondate revision revisiontimestamp revisiondatetime revts")
_QUALITY: Final = _any("estimatedactual actualestimated estact actest estimatedoractual readquality quality")
_FLOW: Final = _any(
    "consumptionsurplusgeneration consumptiongeneration consumptionorsurplusgeneration consumptionsurplus readingtype "
    "flow type channel"
)

INTERVAL: Final[Roles] = {
    "meter": _METER,
    "date": _any("usagedate date intervaldate readdate servicedate startdate usagestartdate intervalstartdate"),
    "revision": _REVISION,
    "start": _any("usagestarttime starttime intervalstarttime intervalstart usagestart start time"),
    "end": _any("usageendtime endtime intervalendtime intervalend usageend end"),
    "value": _any("usagekwh kwh usage kwhusage energykwh intervalkwh consumptionkwh value"),
    "quality": _QUALITY,
    "flow": _FLOW,
}
REGISTER: Final[Roles] = {
    "meter": _METER,
    "date": _any("readdate usagedate date meterreaddate readingdate"),
    "revision": _REVISION,
    "start_reading": _any("startreading startread startmeterreading startregisterread beginreading"),
    "end_reading": _any(
        "endreading endread endmeterreading endregisterread meterreading reading meterreadingkwh registerread "
        "registeredread"
    ),
    "value": _any("energydatakwh usagekwh kwh usage dailyusagekwh consumptionkwh energykwh consumption"),
    "quality": _QUALITY,
    "flow": _FLOW,
}
BILLING: Final[Roles] = {
    "meter": _METER,
    "start": _any(
        "startdate billstartdate billstart billingstartdate billperiodstart servicestartdate fromdate usagestartdate "
        "periodstart readstartdate"
    ),
    "end": _any(
        "enddate billenddate billend billingenddate billperiodend serviceenddate todate usageenddate periodend "
        "readenddate"
    ),
    "revision": _REVISION,
    "value": _any(
        "actlkwhusg actualkwhusage actualkwh kwh usagekwh billedkwh billedusage usage energykwh monthlyusagekwh "
        "consumptionkwh energydatakwh totalkwh"
    ),
    "quality": _QUALITY,
    "flow": _FLOW,
}
# kind → its roles, and those without which a header is not of this kind; the first that fits is taken
KINDS: Final[Sequence[tuple[str, Roles, tuple[tuple[str, ...], ...]]]] = (
    ("interval", INTERVAL, (("meter",), ("date", "start"), ("start",), ("value",))),
    ("billing", BILLING, (("meter",), ("start",), ("end",), ("value",))),
    ("register", REGISTER, (("meter",), ("date",), ("value", "end_reading"))),
)
# The layouts of the portal by their number of columns, for a file that has lost its header.
HEADERLESS: Final[Mapping[int, tuple[str, ...]]] = {
    6: ("meter", "date", "start", "end", "value", "quality"),
    7: ("meter", "date", "start", "end", "value", "quality", "flow"),
    8: ("meter", "date", "revision", "start", "end", "value", "quality", "flow"),
}
_DELIMITERS: Final = (",", "\t", ";", "|")
_PREAMBLE: Final = 20
"""Lines that may stand before the header."""


@dataclass(frozen=True)
class Layout:
    """How the columns of one file are laid out.

    Parameters
    ----------
    kind : {"interval", "register", "billing"}
    delimiter : str
    names : tuple of str
        The columns as the file names them.
    roles : mapping
        Role → place of its column.
    skip : int
        Lines before the first row.
    header : bytes
        The header line, empty for a file without one.
    """

    kind: str
    delimiter: str
    names: tuple[str, ...]
    roles: Mapping[str, int]
    skip: int
    header: bytes

    def is_header(self, cells: Sequence[str]) -> bool:
        """Tell whether a row is the header again."""
        return [squeezed(cell) for cell in cells[: len(self.names)]] == [squeezed(name) for name in self.names]


def find(head: bytes) -> Layout | None:
    """Find the header among the first lines of a file, of any encoding; None when it is no table of SMT."""
    lines = decode_head(head).replace("\r\n", "\n").replace("\r", "\n").encode().split(b"\n")[:_PREAMBLE]
    for i, raw in enumerate(lines):
        line = decode(raw)
        for delimiter in _DELIMITERS:
            if delimiter in line:
                layout = named(next(csv.reader([line], delimiter=delimiter)), delimiter, i + 1, raw)
                if layout:
                    return layout
    return _headerless(lines)


def named(names: list[str], delimiter: str, skip: int = 0, raw: bytes = b"") -> Layout | None:
    """Give the layout that a header's names make; None where they make none."""
    while names and not names[-1].strip():
        names.pop()
    columns = [squeezed(name) for name in names]
    for kind, table, required in KINDS:
        roles = {role: place for role, known in table.items() if (place := _place(columns, known)) is not None}
        if all(any(role in roles for role in either) for either in required):
            if kind == "interval":
                roles.setdefault("date", roles["start"])  # the start is a date and time
            return Layout(
                kind,
                delimiter,
                tuple(name.strip() for name in names),
                roles,
                skip,
                raw or delimiter.join(names).encode(),
            )
    return None


def _place(columns: list[str], known: tuple[str, ...]) -> int | None:
    return next((columns.index(name) for name in known if name in columns), None)


def _headerless(lines: list[bytes]) -> Layout | None:
    for i, raw in enumerate(lines):
        line = decode(raw)
        if not line.strip():
            continue
        cells = next(csv.reader([line]))
        order = HEADERLESS.get(len(cells))
        if order is None:
            return None
        cell = dict(zip(order, cells, strict=True))
        if stamps.day(cell["date"]) is None or stamps.minute(cell["start"]) is None:
            return None
        return Layout("interval", ",", order, {role: place for place, role in enumerate(order)}, i, b"")
    return None
