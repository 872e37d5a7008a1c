"""Compare bills and registers with the intervals, and name what can explain a difference.

Each bill is compared with each physical flow of its meter that has the same unit and is not of the other direction. The
explanations are tested in a fixed order, and the first one that brings both figures within the tolerance is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from greenkit.analysis import _periods, intervals
from greenkit.analysis import bills as _bills
from greenkit.analysis.bills import Bills
from greenkit.analysis.intervals import HOUR, Intervals
from greenkit.errors import SchemaError, SettingsError
from greenkit.findings import Findings, Kind, warn
from greenkit.times import from_wall_clock, to_instants, to_times, to_wall_clock

# status → what it means
STATUSES: Final = {
    "match": "equal to a thousandth of the unit",
    "rounding": "within the tolerance",
    "power of ten": "equal except for a factor of 10, 100, …: a multiplier is missing or applied twice",
    "net": "the bill equals delivered − export",
    "gaps": "the missing intervals can explain the difference",
    "estimated": "the estimated intervals can explain the difference",
    "shifted": "equal if the start or end of the bill is moved by an hour or a day",
    "differs": "no explanation was found",
    "no amount": "the bill has no amount",
    "no intervals": "no interval in that period has a value",
}
# convention of a bill's dates → days to add to its start and to its end, so that both are midnights, the end exclusive
DATES: Final = {"exclusive": (0, 0), "inclusive": (0, 1), "earlier": (-1, -1), "later": (1, 1)}
"""Exclusive: the end is the first day after the bill. Inclusive: the end is its last day. Earlier, later: the bill runs
from a day before or after the printed dates."""
CONVENTION: Final = Kind(
    "bill.dates.convention",
    "warning",
    "With the dates read as {used}, {agree:,} of {of:,} bills agree with the intervals. As {best}, {better:,} do.",
    "Pass dates={best!r} to compare the bills that way.",
)
UNITS: Final = 2.0
SHARE: Final = 0.001
"""Tolerance: two units (UBP 1.4.3, two meter multipliers), or a thousandth, whichever is greater."""
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


def compare_bills(
    df: pd.DataFrame, bills: Bills, *, units: float = UNITS, share: float = SHARE, dates: str = "exclusive"
) -> pd.DataFrame:
    """Compare bills with the intervals of the same period.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    bills : DataFrame
        Bills with amounts, as :func:`greenkit.analysis.bills.tidy_bills` takes them: those of an ESPI feed or of SMT.
        A bill without bounds is compared with all of the data.
    units, share : float
        Tolerance: this number of units or this share of the bill, whichever is greater. Default: 2 and 0.001.
    dates : {"exclusive", "inclusive", "earlier", "later"}
        How to read the dates of the bills. Exclusive: the end is the first day after the bill. Inclusive: the end is
        its last day. Earlier, later: both dates are exclusive, and the bill runs a day earlier or later than they say.
        Default: ``"exclusive"``.

    Returns
    -------
    DataFrame
        One row for each bill and flow: meter, flow, series, unit, ``start``, ``end`` (in the site's time zone; in UTC
        if there are several), ``billed``, ``metered``, ``difference`` (metered − billed), ``status`` (a key of
        ``STATUSES``), ``detail``, ``present``, ``expected``, ``estimated``. Without bills, a table without rows.
        ``attrs["greenkit"]["dates"]`` states how many bills agree with each convention of dates.

    Raises
    ------
    SchemaError
        If the frame is not tidy, or the bills have no start and end.
    SettingsError
        If ``dates`` is unknown.

    Warns
    -----
    GreenkitWarning
        If more bills agree with another convention of dates: once.
    """
    if dates not in DATES:
        raise SettingsError(
            f"dates is {dates!r}, but it must be one of {', '.join(DATES)}",
            next_step="Pass dates='inclusive' if the end of a bill is its last day.",
        )
    found = intervals.checked(df)
    zones = [str(zone) for zone in found.keys["zone"].unique()]
    rows = [row for zone in zones for row in _zone_rows(found, bills, zone, units, share, dates)]
    out = pd.DataFrame(rows, columns=[*_SERIES, *_COLUMNS])
    agree = {name: sum(_agreeing(found, bills, z, units, share, name) for z in zones) for name in DATES}
    of = int(out["billed"].notna().sum())
    out = intervals.state(out, df, found)
    out.attrs["greenkit"]["dates"] = {**agree, "of": of, "used": dates}
    best = max(agree, key=lambda name: (agree[name], name == dates))
    if agree[best] > agree[dates] and agree[best] > 1:
        better = Findings()
        better.add(CONVENTION, used=dates, agree=agree[dates], of=of, best=best, better=agree[best])
        warn(f"{better[0].message} [{CONVENTION.name}]")
    for name in ("start", "end"):
        out[name] = to_times(out[name].to_numpy(dtype=np.int64), found.zone)
    return out


def compare_registers(
    df: pd.DataFrame, registers: pd.DataFrame, *, units: float = UNITS, share: float = SHARE
) -> pd.DataFrame:
    """Compare the differences of registers with the intervals of the same period: the sum check (UBP 1.4.3).

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    registers : DataFrame
        ``open_espi(…).registers`` (the register at each start) or ``open_smt(…).registers`` (a row for each day).
    units, share : float
        As in :func:`compare_bills`.

    Returns
    -------
    DataFrame
        As from :func:`compare_bills`, with the difference of the register as ``billed``. Rollovers are corrected.
    """
    return compare_bills(df, advances(registers), units=units, share=share)


def advances(registers: pd.DataFrame) -> pd.DataFrame:
    """Return the difference of each register between one reading and the next, in the form of bills."""
    if not isinstance(registers, pd.DataFrame) or not {"meter", "flow", "unit", "value"} <= set(registers.columns):
        raise SchemaError(
            "registers must be a table with the columns meter, flow, unit, and value",
            next_step="Pass open_espi(…).registers or open_smt(…).registers.",
        )
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
    """Correct the rollover of a register that has as many digits as its last reading."""
    digits = np.floor(np.log10(before.where(before >= 1, 1.0))) + 1
    return step.where(~(step < 0), step + 10.0**digits)


def _agreeing(found: Intervals, bills: Bills, zone: str, units: float, share: float, dates: str) -> int:
    """Count the bills that agree with the intervals if their dates are read in one way."""
    agree = 0
    for _, one, billed in _pairs(found, bills, zone, dates):
        value = one.sums(one.start, one.end).value
        agree += bool(abs(value - billed) <= max(units, share * abs(billed)))
    return agree


def _zone_rows(
    found: Intervals, bills: Bills, zone: str, units: float, share: float, dates: str
) -> Iterator[tuple[Any, ...]]:
    for key, one, billed in _pairs(found, bills, zone, dates):
        yield (*(key[n] for n in _SERIES), one.start, one.end, *_row(one, billed, units, share))


def _pairs(
    found: Intervals, bills: Bills, zone: str, dates: str
) -> Iterator[tuple[dict[Any, Any], _BilledSeries, float]]:
    """Yield each bill with each flow that it may be for."""
    edges = np.searchsorted(found.code, np.arange(len(found.keys) + 1))
    first, last = _periods.span(found)
    keys = found.keys.to_dict("records")
    here = found.keys[found.keys["zone"] == zone]
    of_meter = here.groupby("meter").indices
    table = _bills.tidy_bills(bills, zone)
    for name, shift in zip(("start", "end"), DATES[dates], strict=True):
        if shift:
            given = table[name].notna()
            wall = to_wall_clock(to_instants(table.loc[given, name]), zone) + shift * _periods.DAY
            table.loc[given, name] = to_times(from_wall_clock(wall, zone))
    for bill in table.to_dict("records"):
        mine = here.index if not bill["meter"] else here.index[of_meter.get(bill["meter"], [])]
        for code in mine:
            if _same_side(bill, keys[code]):
                a, b = _bills.bounds(bill, int(first[code]), int(last[code]))
                yield keys[code], _BilledSeries(found, int(code), edges, a, b), bill["value"]


def _row(one: _BilledSeries, billed: float, units: float, share: float) -> tuple[Any, ...]:
    status, detail = _explain(one, billed, max(units, share * abs(billed)))
    sums = one.sums(one.start, one.end)
    lacking = int(one.found.count_in(np.array([one.end - one.start - sums.hours * HOUR]), [one.code])[0])
    expected = sums.present + lacking
    return billed, sums.value, sums.value - billed, status, detail, sums.present, expected, sums.estimated


def _same_side(bill: dict[Any, Any], key: dict[Any, Any]) -> bool:
    """Return whether a bill can be for a series of its meter: the same unit, and not the other direction."""
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
        """Return what the same meter received in that period; NaN if it has no such flow."""
        keys = self.found.keys
        me = keys.iloc[self.code]
        same = (keys["meter"] == me["meter"]) & (keys["unit"] == me["unit"]) & (keys["flow"] == "received")
        parts = [self.sums(self.start, self.end, int(c)).value for c in np.flatnonzero(same.to_numpy())]
        return parts[0] if len(parts) == 1 else np.nan


def _explain(one: _BilledSeries, billed: float, tolerance: float) -> tuple[str, str]:
    """Return the first explanation that holds, as status and detail."""
    sums = one.sums(one.start, one.end)
    if np.isnan(billed):
        return "no amount", ""
    if not sums.present:
        return "no intervals", ""
    off = sums.value - billed
    if abs(off) <= 0.001:
        return "match", ""
    if abs(off) <= tolerance:
        lacking = _lacking(one, sums)
        missing = f"; {lacking:g} h have no value" if lacking > 1e-6 else ""
        return "rounding", f"{off:+,.3f} of {billed:,.3f}{missing}"
    # an explanation that could be coincidence must agree closely
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
    return f"{sums.value:,.3f} delivered less {received:,.3f} export" if near else ""


def _gaps(one: _BilledSeries, sums: _Sums, billed: float, close: float) -> str:
    lacking, lost = _lacking(one, sums), billed - sums.value
    if not (lacking > 1e-6 and 0 < lost <= lacking * sums.highest):
        return ""
    each = f"{lost / lacking:,.3f} {one.found.keys['unit'].iloc[one.code]}"
    return f"{lacking:g} h have no value; {each} in each of these hours would explain the difference"


def _lacking(one: _BilledSeries, sums: _Sums) -> float:
    """Return the hours of a bill without a value."""
    return float((one.end - one.start) / HOUR - sums.hours)


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
