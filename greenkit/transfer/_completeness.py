"""Completeness of a fetch: requested, fetched, missing, and new intervals by meter, flow, and day.

It reads the plain files that a fetch stored. It does not know what SMT has, so without ``expected``, ``start``, and
``end`` it cannot report a missing meter, or days missing at the start or end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greenkit.errors import SettingsError
from greenkit.findings import quiet

if TYPE_CHECKING:
    import pandas as pd

    from greenkit.transfer._pull import FetchReport

_STEP: Final = timedelta(minutes=15)
_ZONE: Final = "America/Chicago"


def completeness(
    report: FetchReport, expected: Iterable[str] | None, start: date | str | None, end: date | str | None
) -> pd.DataFrame:
    """Return the table that :meth:`greenkit.transfer.FetchReport.completeness` documents."""
    import pandas as pd

    first, last = _day(start, "start"), _day(end, "end")
    if isinstance(expected, str | pd.DataFrame):
        raise SettingsError("expected is not a list of ESI IDs", next_step='Pass a list, or roster["meter"].')
    asked = None if expected is None else sorted({str(meter) for meter in expected})
    counts = _counts(report.new)
    older = [path for path in _plain_files(report.into) if path not in set(report.new)]
    before = _counts(older) if counts else {}
    days = [day for _, _, day in counts]
    first, last = first or min(days, default=None), last or max(days, default=None)
    flows = {(meter, flow) for meter, flow, _ in counts}
    flows |= {(meter, "delivered") for meter in asked or () if not any(m == meter for m, _ in flows)}
    wanted = list(_span(first, last))
    rows = []
    for meter, flow, day in sorted({*counts, *((m, f, d) for (m, f), d in product(flows, wanted))}):
        found, full = counts.get((meter, flow, day), 0), _full(day)
        rows.append(
            {
                "meter": meter,
                "flow": flow,
                "day": day,
                "asked": (asked is None or meter in asked) and (first is None or first <= day <= (last or day)),
                "intervals": found,
                "expected": full,
                "new": found > 0 and (meter, flow, day) not in before,
                "state": "missing" if not found else "complete" if found >= full else "incomplete",
            }
        )
    types = {"meter": "str", "flow": "str", "day": "object", "asked": "bool", "intervals": "int64"}
    types |= {"expected": "int64", "new": "bool", "state": "str"}
    return pd.DataFrame(rows, columns=list(types)).astype(types)


def _counts(paths: list[Path]) -> dict[tuple[str, str, date], int]:
    """Return the number of intervals with a value by meter, flow, and local day."""
    if not paths:
        return {}
    from greenkit.smt import load_smt

    with quiet():
        df = load_smt(paths)
    df = df[df["value"].notna() & (df["end"] - df["start"] == _STEP)]
    if df.empty:
        return {}
    day = df["start"].dt.tz_convert(_ZONE).dt.date
    sizes: Any = df.groupby([df["meter"].astype("str"), df["flow"].astype("str"), day], observed=True)[
        "start"
    ].nunique()
    return {(str(meter), str(flow), at): int(count) for (meter, flow, at), count in sizes.items()}


def _plain_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _full(day: date) -> int:
    """Return the quarter hours of a local day: 96, or 92 and 100 when clocks change."""
    import pandas as pd

    begins, ends = (pd.Timestamp(d).tz_localize(_ZONE).timestamp() for d in (day, day + timedelta(days=1)))
    return round((ends - begins) / _STEP.total_seconds())


def _span(first: date | None, last: date | None) -> Iterator[date]:
    while first is not None and last is not None and first <= last:
        yield first
        first += timedelta(days=1)


def _day(value: date | str | None, name: str) -> date | None:
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise SettingsError(
            f"{name} is {value!r}, but it must be a day such as 2026-07-01", next_step="Pass a date or YYYY-MM-DD."
        ) from None
