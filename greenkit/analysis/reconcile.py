"""Do bills and registers agree with the intervals; and where not, what would explain it.

Each bill is held against each series of its meter that has its unit and is not the other direction. The explanations
are tried in a fixed order, and the first that brings both within the tolerance is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from greenkit import days
from greenkit.analysis import _periods, intervals
from greenkit.analysis import bills as _bills
from greenkit.analysis.bills import Bills
from greenkit.analysis.intervals import HOUR, Intervals
from greenkit.errors import SchemaError

# status → what it means
STATUSES: Final = {
    "match": "the same to a thousandth of the unit",
    "rounding": "within the tolerance",
    "power of ten": "the same but for a factor of ten, a hundred …: a multiplier is missing or applied twice",
    "net": "the bill is what was delivered less what was received",
    "gaps": "the intervals lack more than the difference",
    "estimated": "estimated intervals amount to more than the difference",
    "shifted": "the same when the bill's bounds are moved by an hour or a day",
    "differs": "none of these",
    "no amount": "the bill does not say how much",
    "no intervals": "no interval in that time has a value",
}
UNITS: Final = 2.0
SHARE: Final = 0.001
"""Tolerance: two units (UBP 1.4.3, two meter multipliers), or a thousandth, whichever is more."""
_SERIES: Final = ("meter", "flow", "series", "unit")
_COLUMNS: Final = (
    "start", "end", "billed", "metered", "difference", "status", "detail", "present", "expected", "estimated",
)  # fmt: skip
_SHIFTS: Final = tuple(h * HOUR for h in (0, -1, 1, -24, 24))


class _Sums(NamedTuple):
    value: float
    hours: float
    present: int
    estimated: int
    guessed: float
    highest: float


def compare_bills(df: pd.DataFrame, bills: Bills, *, units: float = UNITS, share: float = SHARE) -> pd.DataFrame:
    """Hold bills against the intervals of the same time.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    bills : DataFrame
        What :func:`greenkit.analysis.bills.tidy_bills` takes, with amounts: the bills of an ESPI feed or of SMT. A
        bill without bounds is held against all of the data.
    units, share : float
        Tolerance: so many units or this share of the bill, whichever is more.

    Returns
    -------
    DataFrame
        One row for each bill and series: meter, flow, series, unit, ``start``, ``end`` (in the site's zone; UTC when
        there are several), ``billed``, ``metered``, ``difference`` (metered − billed), ``status`` (a key of
        ``STATUSES``), ``detail``, ``present``, ``expected``, ``estimated``. No bills give no rows.

    Raises
    ------
    SchemaError
        When the frame is not tidy, or the bills have no start and end.
    """
    found = intervals.checked(df)
    rows = [row for zone in found.keys["zone"].unique() for row in _zone_rows(found, bills, str(zone), units, share)]
    out = pd.DataFrame(rows, columns=[*_SERIES, *_COLUMNS])
    for name in ("start", "end"):
        out[name] = days.times(out[name].to_numpy(dtype=np.int64), found.zone)
    return out


def compare_registers(df: pd.DataFrame, registers: pd.DataFrame, *, units: float = UNITS, share: float = SHARE) -> Any:
    """Hold the advance of registers (dials) against the intervals of the same time: the sum check (UBP 1.4.3).

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    registers : DataFrame
        ``open_espi(…).registers`` (the dial at each start) or ``open_smt(…).registers`` (a row for each day).
    units, share : float
        As in :func:`compare_bills`.

    Returns
    -------
    DataFrame
        As :func:`compare_bills` gives it, with the advance of the register as ``billed``. A dial that passed its
        highest number and began again at zero is allowed for.
    """
    return compare_bills(df, advances(registers), units=units, share=share)


def advances(registers: pd.DataFrame) -> pd.DataFrame:
    """Give what each register advanced by, between one read and the next, in the form of bills."""
    if not isinstance(registers, pd.DataFrame) or not {"meter", "flow", "unit", "value"} <= set(registers.columns):
        raise SchemaError("registers are a table such as open_espi(…).registers or open_smt(…).registers")
    if "usage_date" in registers.columns and "start_reading" in registers.columns:
        step = _roll(registers["end_reading"] - registers["start_reading"], registers["start_reading"])
        amount = registers["value"].where(registers["value"].notna(), step)
        after = registers["usage_date"] + pd.Timedelta(days=1)
        return registers[["meter", "flow", "unit"]].assign(
            start=registers["usage_date"], end=after, value=amount, field="register"
        )
    ordered = registers.sort_values([*_SERIES, "start"], kind="stable", ignore_index=True)
    keys = ordered[list(_SERIES)].astype("str")
    same = (keys.shift(-1) == keys).all(axis=1)
    step = _roll(ordered["value"].shift(-1) - ordered["value"], ordered["value"])
    made = ordered[["meter", "flow", "unit", "start"]].assign(end=ordered["start"].shift(-1), value=step)
    return made[same].assign(field="register").reset_index(drop=True)


def _roll(step: pd.Series[Any], before: pd.Series[Any]) -> pd.Series[Any]:
    """Mend the advance of a dial that has as many digits as its last read and began again at zero."""
    digits = np.floor(np.log10(before.where(before >= 1, 1.0))) + 1
    return step.where(~(step < 0), step + 10.0**digits)


def _zone_rows(found: Intervals, bills: Bills, zone: str, units: float, share: float) -> Iterator[tuple[Any, ...]]:
    edges = np.searchsorted(found.code, np.arange(len(found.keys) + 1))
    first, last = _periods.span(found)
    keys = found.keys.to_dict("records")
    here = found.keys[found.keys["zone"] == zone]
    of_meter = here.groupby("meter").indices
    for bill in _bills.tidy_bills(bills, zone).to_dict("records"):
        mine = here.index if not bill["meter"] else here.index[of_meter.get(bill["meter"], [])]
        for code in mine:
            if _same_side(bill, keys[code]):
                a, b = _bills.bounds(bill, int(first[code]), int(last[code]))
                one = _BilledSeries(found, int(code), edges, a, b)
                yield (*(keys[code][n] for n in _SERIES), a, b, *_row(one, bill["value"], units, share))


def _row(one: _BilledSeries, billed: float, units: float, share: float) -> tuple[Any, ...]:
    status, detail = _explain(one, billed, max(units, share * abs(billed)))
    sums = one.sums(one.start, one.end)
    lacking = int(one.found.count_in(np.array([one.end - one.start - sums.hours * HOUR]), [one.code])[0])
    expected = sums.present + lacking
    return billed, sums.value, sums.value - billed, status, detail, sums.present, expected, sums.estimated


def _same_side(bill: dict[Any, Any], key: dict[Any, Any]) -> bool:
    """Tell whether a bill of a meter may be for its series: the same unit, and not the other direction."""
    side = bill["flow"] == key["flow"] or (not bill["flow"] and key["flow"] != "received")
    return bill["unit"] in ("", key["unit"]) and side and intervals.adds_up(key["unit"])


class _BilledSeries:
    """One series and the bounds of one bill."""

    def __init__(self, found: Intervals, code: int, edges: Any, start: int, end: int) -> None:
        self.found, self.code, self.edges, self.start, self.end = found, code, edges, start, end

    def sums(self, start: int, end: int, code: int | None = None) -> _Sums:
        code = self.code if code is None else code
        low, high = self.edges[code], self.edges[code + 1]
        a, b = np.searchsorted(self.found.start[low:high], [start, end]) + low
        one = self.found.take(slice(int(a), int(b)))
        one = one.take(one.valid)
        if not len(one):
            return _Sums(np.nan, 0.0, 0, 0, 0.0, np.nan)
        guess = one.estimated
        highest = float(np.nanmax(one.power, initial=0.0))
        return _Sums(
            float(one.value.sum()), float(one.hours.sum()), len(one), int(guess.sum()),
            float(one.value[guess].sum()), highest,
        )  # fmt: skip

    def received(self) -> float:
        """Give what the same meter sent back in that time; NaN when it has no such series."""
        keys = self.found.keys
        me = keys.iloc[self.code]
        same = (keys["meter"] == me["meter"]) & (keys["unit"] == me["unit"]) & (keys["flow"] == "received")
        parts = [self.sums(self.start, self.end, int(c)).value for c in np.flatnonzero(same.to_numpy())]
        return parts[0] if len(parts) == 1 else np.nan


def _explain(one: _BilledSeries, billed: float, tolerance: float) -> tuple[str, str]:
    """Name the first explanation that holds."""
    sums = one.sums(one.start, one.end)
    if np.isnan(billed):
        return "no amount", ""
    if not sums.present:
        return "no intervals", ""
    off = sums.value - billed
    if abs(off) <= 0.001:
        return "match", ""
    if abs(off) <= tolerance:
        return "rounding", f"{off:+,.3f} of {billed:,.3f}"
    # what could be chance has to fit closely
    close = max(0.001, SHARE * abs(billed))
    for explain in (_power_of_ten, _net, _gaps, _estimated, _shifted):
        detail = explain(one, sums, billed, close)
        if detail:
            return explain.__name__.strip("_").replace("_", " "), detail
    return "differs", f"{off / billed:+.1%}" if billed else f"{off:+,.3f}"


def _power_of_ten(one: _BilledSeries, sums: _Sums, billed: float, close: float) -> str:
    if sums.value <= 0 or billed <= 0:
        return ""
    power = round(np.log10(billed / sums.value))
    near = power and abs(sums.value * 10.0**power / billed - 1) <= SHARE
    return f"the bill is 10^{power} times the intervals" if near else ""


def _net(one: _BilledSeries, sums: _Sums, billed: float, close: float) -> str:
    received = one.received() if one.found.keys["flow"].iloc[one.code] == "delivered" else np.nan
    near = abs(sums.value - received - billed) <= close
    return f"{sums.value:,.3f} delivered less {received:,.3f} received" if near else ""


def _gaps(one: _BilledSeries, sums: _Sums, billed: float, close: float) -> str:
    lacking = (one.end - one.start) / HOUR - sums.hours
    lost = billed - sums.value
    enough = lacking > 1e-6 and 0 < lost <= lacking * sums.highest
    return f"{lacking:g} h have no value; {lost / lacking:,.3f} per hour would fill them" if enough else ""


def _shifted(one: _BilledSeries, sums: _Sums, billed: float, close: float) -> str:
    off = {(a, b): abs(one.sums(one.start + a, one.end + b).value - billed) for a in _SHIFTS for b in _SHIFTS if a or b}
    near = {shift: o for shift, o in off.items() if o <= close}
    if not near:
        return ""
    a, b = min(near, key=lambda shift: near[shift])
    return f"start moved by {a // HOUR:+d} h, end by {b // HOUR:+d} h"


def _estimated(one: _BilledSeries, sums: _Sums, billed: float, close: float) -> str:
    enough = sums.estimated and abs(sums.value - billed) <= abs(sums.guessed)
    return f"{sums.estimated:,} estimated intervals amount to {sums.guessed:,.3f}" if enough else ""
