"""Bills line by line: the frame that is priced, and the result with its findings."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from greenkit import frame, times
from greenkit.findings import Findings, Kind
from greenkit.tariffs import _gaps, _load, _urdb, _words
from greenkit.tariffs._engine import Line, Notes, Pricer
from greenkit.tariffs._layout import BillPeriod, Layout, Segment, given, months, segments, wires_changes
from greenkit.tariffs._model import ZERO, PlanError
from greenkit.tariffs._plan import Plan
from greenkit.tariffs._quantities import LayoutCache, MeterQuantities
from greenkit.tariffs._series import SeriesBook
from greenkit.tariffs._usage import Channel, Meter, meters

BillPeriods = Literal["month"] | pd.DataFrame | Sequence[Any]
PriceSources = Mapping[str, pd.Series | pd.DataFrame | str | os.PathLike[str]]
"""Price series by their name in a plan."""
PlanSource = Plan | str | os.PathLike[str] | Mapping[str, Any]
"""Sources that :func:`greenkit.load_plan` accepts."""
COLUMNS: Final = {
    "meter": "category", "bill": "category", "line": "category", "kind": "category", "season": "category",
    "period": "category", "tier": "int64", "component": "category", "quantity": "float64", "unit": "category",
    "price": "float64", "amount": "float64", "days": "int64", "present": "int64", "expected": "int64",
    "estimated": "int64", "currency": "category",
}  # fmt: skip
"""Columns of the frame of lines."""
WHOLE: Final = 0.9
"""Smallest share of the expected intervals with which a bill counts as complete."""
BOUNDED: Final = 20
"""Largest number of meters with gaps for which the effect of the gaps is computed at once."""

GAP: Final = Kind(
    "tariff.data.gap",
    "warning",
    "{count:interval} of meter {meter} {count:is|are} missing in {bills:bill}, first {first}. greenkit priced only "
    "the intervals in the data{bound}.",
    "Load the missing intervals, or treat the billed usage as a lower bound.",
)
ESTIMATED: Final = Kind(
    "tariff.data.estimated",
    "info",
    "{share}% of the energy intervals of meter {meter} are estimated. greenkit priced their values.",
)
ZERO_ESTIMATE: Final = Kind(
    "tariff.data.estimated-zero",
    "warning",
    "{count:interval} of meter {meter} {count:is an estimated zero|are estimated zeros}, which TDSPs write when they "
    "have no data. greenkit billed 0{bound}.",
    "Check {count:that day|those days} before you rely on the bills.",
)
NO_VERSION: Final = Kind(
    "tariff.version.none",
    "serious",
    "The plan {plan} has no prices for {count:bill} of meter {meter}, because no version is valid on {days}. greenkit "
    "left {count:it|them} out.",
    "Add the prices of those days as a [[version]], or price a shorter period.",
)
ENDS: Final = Kind(
    "tariff.plan.ends",
    "info",
    "The plan {plan} ends on {date}, within 60 days of the last interval.",
    "Look for its successor before you rely on the price.",
)
ZONE: Final = Kind(
    "tariff.zone.differs",
    "warning",
    "Meter {meter} is in {zone}, but the plan is for {plan_zone}. greenkit used the time zone of the meter.",
    "Check that the plan is offered where the meter is.",
)
NOT_ELIGIBLE: Final = Kind(
    "tariff.not-eligible",
    "warning",
    "The plan is for {limit}, but meter {meter} has {seen}. greenkit priced it anyway.",
    "Check whether the customer is eligible for the plan.",
)
PARTIAL: Final = Kind(
    "tariff.bill.partial",
    "info",
    "{count:bill} of meter {meter} {count:covers|cover} only part of a calendar month, first {first}.",
)
LONG: Final = Kind(
    "tariff.bill.long",
    "info",
    "{count:bill} of meter {meter} {count:is|are} longer than 45 days, first {first} with {days} days. {how}",
)
OVERLAP: Final = Kind(
    "tariff.bill.overlap",
    "warning",
    "{count:bill} of meter {meter} {count:begins|begin} before the previous one ends, first {first}, so energy is "
    "billed twice.",
    "Correct the dates of the bills, or remove corrected bills from the table.",
)
OUTSIDE: Final = Kind(
    "tariff.bill.outside",
    "warning",
    "{count:bill} {count:has|have} no intervals of meter {meter}, first {first}, so {count:it is|they are} not priced.",
    "Load the intervals of those dates.",
)
HOLIDAY_COUNTRY: Final = Kind(
    "tariff.holidays.other-country",
    "warning",
    "The plan's holidays are those of {country}, but its zone {zone} is in {other}.",
    "Correct holidays or zone in the plan.",
)


@dataclass(frozen=True)
class BillInfo:
    """One bill of one meter: its period, its kWh, and how complete it is."""

    meter: str
    bill: str
    start: int
    end: int
    zone: str
    days: int
    delivered: float
    received: float
    total: Decimal
    whole: bool
    present: int
    expected: int
    estimated: int
    full: bool = True


class Bill:
    """The lines of all bills of one plan.

    Create it with ``df.gk.price(plan)`` or :func:`greenkit.price_bills`. Frames hold money as float64, rounded to the
    cent; ``lines`` and ``total`` hold the exact decimals.

    Attributes
    ----------
    plan : Plan
        The plan that was priced.
    lines : tuple of Line
        Every line, with its exact amount, in the order of meters, bills, and the steps of a bill.
    findings : Findings
        Gaps, estimates, and everything that could make the bill differ from the utility's.
    """

    def __init__(
        self, plan: Plan, lines: Sequence[Line], infos: Sequence[BillInfo], findings: Findings, source: Any = None
    ) -> None:
        self.plan, self.lines, self.findings = plan, tuple(lines), findings
        self._infos = tuple(infos)
        self._source = source

    @cached_property
    def total(self) -> Decimal:
        """The exact sum of all lines."""
        return sum((x.amount for x in self.lines), ZERO)

    @cached_property
    def _frame(self) -> pd.DataFrame:
        columns: dict[str, Any] = {}
        for name, dtype in COLUMNS.items():
            if name == "currency":
                values: Any = [self.plan.currency] * len(self.lines)
            elif name in ("price", "amount"):
                held = [getattr(x, name) for x in self.lines]
                values = np.array([np.nan if v is None else float(v) for v in held], dtype=np.float64)
            else:
                values = [getattr(x, name) for x in self.lines]
            if dtype == "category":
                columns[name] = pd.Categorical(values, categories=list(dict.fromkeys(values)))
            else:
                columns[name] = np.asarray(values, dtype=dtype)
        return pd.DataFrame(columns)

    @property
    def frame(self) -> pd.DataFrame:
        """The lines as a DataFrame.

        Returns
        -------
        DataFrame
            One row for each line: ``meter``, ``bill``, ``line``, ``kind`` (energy, fixed, wires, …), ``season``,
            ``period``, ``tier`` (from 1; 0 without tiers), ``component``, ``quantity`` in ``unit``, ``price`` and
            ``amount`` in ``currency``, ``days``, and ``present``, ``expected``, and ``estimated`` intervals.
        """
        return self._frame.copy()

    @property
    def totals(self) -> pd.DataFrame:
        """One row for each bill.

        Returns
        -------
        DataFrame
            ``meter``, ``bill``, ``start``, ``end`` (in the meter's zone; UTC for several), ``days``, ``delivered`` and
            ``received`` energy, ``computed_total``, ``average_price`` (per kWh delivered; NaN for a bill without
            energy), ``whole`` (the bill covers its period and its data has at most 10% gaps), ``present``,
            ``expected``, ``estimated``, and ``currency``.
        """
        infos = self._infos
        zones = {i.zone for i in infos}
        zone = zones.pop() if len(zones) == 1 else "UTC"
        made = pd.DataFrame(
            {
                "meter": pd.Categorical([i.meter for i in infos]),
                "bill": [i.bill for i in infos],
                "start": times.to_times(np.array([i.start for i in infos], dtype=np.int64), zone),
                "end": times.to_times(np.array([i.end for i in infos], dtype=np.int64), zone),
                "days": np.array([i.days for i in infos], dtype=np.int64),
                "delivered": np.array([i.delivered for i in infos], dtype=np.float64),
                "received": np.array([i.received for i in infos], dtype=np.float64),
                "computed_total": np.array([float(i.total) for i in infos], dtype=np.float64),
            }
        )
        energy = made["delivered"].to_numpy()
        made["average_price"] = np.divide(
            made["computed_total"].to_numpy(), energy, out=np.full(len(made), np.nan), where=energy > 0
        )
        for name, dtype in (("whole", "bool"), ("present", "int64"), ("expected", "int64"), ("estimated", "int64")):
            made[name] = np.array([getattr(i, name) for i in infos], dtype=dtype)
        made["currency"] = self.plan.currency
        return made

    def bounds(self) -> pd.DataFrame:
        """Return what gaps and estimated zeros could change, by bill.

        Returns
        -------
        DataFrame
            ``meter``, ``bill``, ``computed_total`` (as the intervals are), and ``filled_total`` (with the missing
            intervals as :func:`greenkit.analysis.estimate.fill_gaps` estimates them). Only bills that differ.
        """
        rows = []
        for meter, filled in (self._source.filled() if self._source is not None else {}).items():
            for info in self._infos:
                if info.meter == meter and filled.get(info.bill) is not None and filled[info.bill] != info.total:
                    rows.append((meter, info.bill, float(info.total), float(filled[info.bill])))
        return pd.DataFrame(rows, columns=["meter", "bill", "computed_total", "filled_total"])

    def explain(self, bill: str | int | None = None, *, meter: str | None = None) -> str:
        """Return one bill in words: each line with its quantity, price, and amount, the rules, and the findings.

        Parameters
        ----------
        bill : str or int, optional
            Name or position of the bill. Default: the first one.
        meter : str, optional
            Default: the first meter.

        Raises
        ------
        KeyError
            If there is no such bill.
        """
        return _words.explain(self, self._info(bill, meter))

    def changes(
        self, before: str | int = 0, after: str | int = 1, *, meter: str | None = None
    ) -> tuple[list[tuple[str, float]], tuple[str, float], tuple[str, float]]:
        """Return the causes of the difference between two bills.

        Parameters
        ----------
        before, after : str or int
            Names or positions of two bills. Default: the first two.
        meter : str, optional
            Default: the first meter.

        Returns
        -------
        steps : list of (str, float)
            Each cause and its amount: more or less energy at the earlier average price, the average price of energy,
            and every other kind of line. They add up to the difference.
        before, after : (str, float)
            Names and totals of the two bills.
        """
        meter = meter if meter is not None else (self._infos[0].meter if self._infos else None)
        a, b = self._info(before, meter), self._info(after, meter)

        def kinds(info: BillInfo) -> dict[str, float]:
            made: dict[str, float] = {}
            for x in self.lines:
                if x.meter == info.meter and x.bill == info.bill:
                    made[x.kind] = made.get(x.kind, 0.0) + float(x.amount)
            return made

        old, new = kinds(a), kinds(b)
        steps = []
        for kind in dict.fromkeys([*old, *new]):
            step = new.get(kind, 0.0) - old.get(kind, 0.0)
            if kind == "energy" and a.delivered > 0 and b.delivered > 0:
                volume = (b.delivered - a.delivered) * old.get(kind, 0.0) / a.delivered
                steps += [("energy used", volume), ("energy price", step - volume)]
            else:
                steps.append((kind, step))
        kept = [(k, round(v, 2)) for k, v in steps if abs(v) >= 0.005]
        return kept, (a.bill, float(a.total)), (b.bill, float(b.total))

    def _info(self, bill: str | int | None, meter: str | None) -> BillInfo:
        mine = [i for i in self._infos if meter is None or i.meter == meter]
        if isinstance(bill, str):
            mine = [i for i in mine if i.bill == bill]
        position = bill if isinstance(bill, int) else 0
        if not -len(mine) <= position < len(mine):
            known = ", ".join(dict.fromkeys(i.bill for i in self._infos)) or "none"
            raise KeyError(f"There is no bill {bill!r}. The bills are: {known}.")
        return mine[position]

    def __len__(self) -> int:
        return len(self._infos)

    def __repr__(self) -> str:
        return _words.bill_text(self)

    def _repr_html_(self) -> str:
        return _words.bill_html(self)


@dataclass
class Source:
    """Inputs of a bill, to compute it again with filled gaps."""

    pricing: Pricing
    held: list[Meter]

    def filled(self) -> dict[str, dict[str, Decimal]]:
        """Return the totals by meter and bill with filled gaps, for the meters that have any."""
        made = {}
        for meter in self.held:
            for filled in _gaps.filled(meter, self.pricing.zone_of(meter), self.pricing.bills(meter)):
                priced = self.pricing.meter(filled, Findings(), quiet=True)
                made[meter.name] = {i.bill: i.total for i in priced[1]}
        return made


class Pricing:
    """One plan, one way to cut bills, and one set of price series: prices any number of meters."""

    def __init__(
        self,
        plan: Plan,
        periods: BillPeriods,
        book: SeriesBook,
        *,
        rounded: bool = True,
        cache: LayoutCache | None = None,
    ) -> None:
        if isinstance(periods, str) and periods != "month":
            raise PlanError(
                f"periods is {periods!r}, but it must be 'month', a table of bills, or dates",
                next_step="Pass periods='month'.",
            )
        self.plan, self.periods, self.book, self.rounded = plan, periods, book, rounded
        self.cache = cache or LayoutCache()
        exports = [t.export for t in plan.terms if t.export]
        self.netting = exports[-1].netting if exports else "none"
        self._parts: dict[Any, list[Segment]] = {}
        self._given: tuple[tuple[str, str], list[BillPeriod]] | None = None
        self._cells: tuple[Any, Layout] | None = None

    def zone_of(self, meter: Meter) -> str:
        """Return the time zone that the bills follow: the meter's, or the plan's if the meter is in UTC."""
        return self.plan.zone if meter.zone == "UTC" else meter.zone

    def bills(self, meter: Meter) -> list[BillPeriod]:
        """Return the bills of a meter."""
        spans = [c for c in (meter.delivered, meter.received) if c is not None and len(c)]
        if not spans:
            return []
        first = min(int(c.start[0]) for c in spans)
        last = max(int(c.end.max()) for c in spans)
        zone = self.zone_of(meter)
        if isinstance(self.periods, str):
            return list(months(first, last, zone))
        return [b for b in self._given_to(meter, zone) if b.start < last and b.end > first]

    def outside(self, meter: Meter) -> list[BillPeriod]:
        """Return the given bills that the data of a meter do not touch."""
        if isinstance(self.periods, str):
            return []
        inside = {(b.start, b.end) for b in self.bills(meter)}
        return [b for b in self._given_to(meter, self.zone_of(meter)) if (b.start, b.end) not in inside]

    def _given_to(self, meter: Meter, zone: str) -> list[BillPeriod]:
        """Return the given bills of a meter; those of the last meter are kept."""
        key = (meter.name, zone)
        if self._given is None or self._given[0] != key:
            assert not isinstance(self.periods, str)  # noqa: S101 months are not given
            self._given = key, given(self.periods, meter.name, zone)
        return self._given[1]

    def cell_layout(
        self, channel: Channel, zone: str, bills: Sequence[BillPeriod], parts: Sequence[Segment], step: int
    ) -> Layout:
        """Return the rows of a channel in slots of ``step`` minutes, for all plans; the last one is kept."""
        key = (step, tuple((b.start, b.end) for b in bills))
        if self._cells is not None and self._cells[0] == key and self._cells[1].channel.same_times(channel):
            return self._cells[1]
        made = Layout(self.plan, channel, zone, bills, parts, step=step)
        self._cells = (key, made)
        return made

    def infos(self, meter: Meter, bills: Sequence[BillPeriod]) -> list[BillInfo]:
        """Return the bills of a meter without prices: period, energy, and coverage."""
        of = self.quantities(meter, bills)
        pricer = Pricer(self.plan, of, Notes(meter.name), rounded=False)
        return [self._info(of, pricer, b, ZERO) for b in range(len(bills))]

    @staticmethod
    def _info(of: MeterQuantities, pricer: Pricer, b: int, total: Decimal) -> BillInfo:
        period = of.bills[b]
        present, expected, estimated = pricer.coverage(b)
        whole = period.full and expected > 0 and present >= WHOLE * expected
        return BillInfo(
            of.name, period.name, period.start, period.end, of.zone, period.days, of.delivered(b), of.received(b),
            total, whole, present, expected, estimated, period.full,
        )  # fmt: skip

    def quantities(self, meter: Meter, bills: Sequence[BillPeriod] | None = None) -> MeterQuantities:
        """Return the layout of a meter on its bills."""
        bills = self.bills(meter) if bills is None else bills
        key = tuple((b.start, b.end) for b in bills)
        if key not in self._parts:
            self._parts[key] = [w for s in segments(self.plan, bills) for w in wires_changes(self.plan, s)]
        of = MeterQuantities(
            self.plan, meter, self.zone_of(meter), bills, self._parts[key], self.book, self.cache, self.netting
        )
        if of.layout.coarse:
            longest = int((meter.delivered.end - meter.delivered.start).max()) // 60_000_000
            shown = f"{longest} minutes" if longest <= 1440 else f"{longest / 1440:.3g} days"
            raise PlanError(
                f"{self.plan.name} has prices by the hour or by kind of day, and meter {meter.name} has intervals of "
                f"{shown}",
                next_step="Use hourly or finer data, or a plan with one price.",
            )
        return of

    def meter(
        self, meter: Meter, findings: Findings, *, quiet: bool = False, bills: Sequence[BillPeriod] | None = None
    ) -> tuple[list[Line], list[BillInfo]]:
        """Price one meter, on its own bills or on given ones."""
        of = self.quantities(meter, bills)
        notes = Notes(meter.name)
        pricer = Pricer(self.plan, of, notes, rounded=self.rounded)
        lines: list[Line] = []
        infos: list[BillInfo] = []
        refused: list[tuple[str, list[str]]] = []
        for b, period in enumerate(of.bills):
            if b in pricer.refused:
                refused.append((period.name, pricer.refused[b]))
                continue
            made = pricer.bill(b)
            lines += made
            infos.append(self._info(of, pricer, b, sum((x.amount for x in made), ZERO)))
        if quiet:
            return lines, infos
        findings.extend(meter.findings)
        report_refused(refused, self.plan, meter.name, findings)
        _report_times(self, of, infos, findings)
        notes.report(findings)
        of.report(findings, _demands(self.plan))
        _report_eligible(self.plan, of, findings)
        return lines, infos


def _demands(plan: Plan) -> list[Any]:
    held = [d for t in plan.terms for d in t.demand]
    held += [d for t in plan.terms if t.wires for d in t.wires.demand]
    return held + [d for table in plan.tables for _, w in table.rows for d in w.demand]


def report_refused(refused: list[tuple[str, list[str]]], plan: Plan, meter: str, findings: Findings) -> None:
    """Report the bills that no version of a plan can price."""
    if not refused:
        return
    days = [d for _, missing in refused for d in missing]
    shown = f"{days[0]} to {days[-1]}" if len(days) > 1 else days[0]
    findings.add(
        NO_VERSION, count=len(refused), words={"plan": plan.name, "meter": meter, "days": shown}, meter=meter,
        bills=[name for name, _ in refused][:12], first_day=days[0], last_day=days[-1],
    )  # fmt: skip


def _report_times(pricing: Pricing, of: MeterQuantities, infos: list[BillInfo], findings: Findings) -> None:
    plan, meter = pricing.plan, of.meter
    name = meter.name
    partial = [b for b in of.bills if not b.full]
    if partial:
        findings.add(PARTIAL, count=len(partial), first=partial[0].name, words={"meter": name}, meter=name)
    twice = [b for a, b in itertools.pairwise(of.bills) if b.start < a.end]
    if twice:
        findings.add(OVERLAP, count=len(twice), first=twice[0].name, words={"meter": name}, meter=name)
    outside = pricing.outside(meter)
    if outside:
        findings.add(OUTSIDE, count=len(outside), first=outside[0].name, words={"meter": name}, meter=name)
    report_long(plan, of.bills, name, findings)
    total = sum(i.present for i in infos)
    guessed = sum(i.estimated for i in infos)
    if guessed:
        share = round(100 * guessed / max(total, 1), 1)
        findings.add(ESTIMATED, count=guessed, share=share, words={"meter": name}, meter=name)
    if meter.zone not in ("UTC", plan.zone) and len(meter.delivered):
        at = np.arange(int(meter.delivered.start[0]), int(meter.delivered.end[-1]), 86_400_000_000, dtype=np.int64)
        if (times.to_wall_clock(at, meter.zone) != times.to_wall_clock(at, plan.zone)).any():
            findings.add(
                ZONE, meter=name, words={"zone": meter.zone, "plan_zone": plan.zone}, zone=meter.zone,
                plan_zone=plan.zone,
            )  # fmt: skip
    last = plan.terms[-1].last
    if last is not None and infos:
        end = times.to_times(np.array([infos[-1].end]), of.zone)[0].date()
        if 0 <= (last - end).days + 1 <= 60:
            findings.add(ENDS, words={"plan": plan.name}, plan=plan.name, date=last.isoformat())


def report_long(plan: Plan, bills: Sequence[BillPeriod], meter: str, findings: Findings) -> None:
    """Report bills of more than 45 days, and how the plan's monthly amounts treat them."""
    long = [b for b in bills if b.days > 45]
    if long:
        how = _how_long(plan, long[0])
        words = {"meter": meter, "how": how}
        findings.add(LONG, count=len(long), first=long[0].name, days=long[0].days, words=words, meter=meter)


def _how_long(plan: Plan, bill: BillPeriod) -> str:
    held = [s for t in plan.terms if t.energy for _, s in t.energy.seasons if s.tiered]
    month = next((s.tier_month for s in held if s.tier_month), None)
    if month is not None:
        return f"Its tiers contain {bill.days / float(month):.3g} months of allowance."
    return "Monthly amounts are charged by the plan's rules of proration."


def _report_eligible(plan: Plan, of: MeterQuantities, findings: Findings) -> None:
    limits = dict(plan.eligible)
    if not limits or not of.bills:
        return
    power = of.imported.value / np.maximum((of.imported.end - of.imported.start) / 3.6e9, 1e-12)
    kw = float(np.nanmax(power)) if np.isfinite(power).any() else 0.0
    kwh = max(of.delivered(b) for b in range(len(of.bills)))
    for key, seen, unit, text in (
        ("min_kw", kw, "kW", "customers with a peak of at least {} kW"),
        ("max_kw", kw, "kW", "customers with a peak of at most {} kW"),
        ("min_kwh", kwh, "kWh", "customers with bills of at least {} kWh"),
        ("max_kwh", kwh, "kWh", "customers with bills of at most {} kWh"),
    ):
        limit = limits.get(key)
        if limit is not None and (seen < float(limit) if key.startswith("min") else seen > float(limit)):
            findings.add(
                NOT_ELIGIBLE, meter=of.name, limit=text.format(f"{limit:f}"), seen=f"{seen:,.6g} {unit}",
            )  # fmt: skip


def plan_findings(plan: Plan) -> Findings:
    """Return the findings on a plan itself."""
    found = Findings()
    zone = _country(plan.zone)
    for name in plan.holidays:
        country = "US" if name in ("NERC", "US-8") else name.partition("-")[0]
        if len(country) == 2 and country.isalpha() and zone and country != zone:
            found.add(HOLIDAY_COUNTRY, country=country, zone=plan.zone, words={"other": zone})
    _urdb.report(plan, found)
    return found


_CITIES: Final = {
    "US": (
        "New_York Chicago Denver Los_Angeles Phoenix Detroit Boise Anchorage Juneau Indiana Kentucky Menominee "
        "North_Dakota Adak Nome Sitka Metlakatla Yakutat Honolulu Indianapolis Louisville"
    ),
    "CA": (
        "Toronto Vancouver Edmonton Winnipeg Halifax Regina St_Johns Moncton Montreal Whitehorse Yellowknife Calgary "
        "Thunder_Bay Atikokan Goose_Bay Glace_Bay Iqaluit Dawson Dawson_Creek Fort_Nelson Swift_Current"
    ),
    "MX": "Mexico_City Tijuana Monterrey Merida Cancun Chihuahua Hermosillo Mazatlan Ciudad_Juarez Matamoros",
}
"""Zones under America/ and Pacific/ by country, where the country of a list of holidays can be checked."""


def _country(zone: str) -> str:
    area, _, city = zone.partition("/")
    city = city.split("/")[0]
    if area in ("US", "Canada", "Mexico"):
        return {"US": "US", "Canada": "CA", "Mexico": "MX"}[area]
    if area not in ("America", "Pacific"):
        return ""
    return next((country for country, cities in _CITIES.items() if city in cities.split()), "")


def price(
    df: pd.DataFrame,
    plan: PlanSource,
    *,
    periods: BillPeriods = "month",
    prices: PriceSources | None = None,
    aggregate: bool = False,
    power_as_energy: bool = False,
) -> Bill:
    """Price the intervals of a frame on a plan, bill by bill and line by line.

    Parameters
    ----------
    df : DataFrame
        A tidy frame. Each meter is billed apart. Intervals are priced as they are: gaps cost nothing, and a finding
        states what they could change.
    plan : Plan, path, or mapping
        A plan, or a source that :func:`greenkit.load_plan` accepts.
    periods : "month", DataFrame, or sequence of dates
        Calendar months in local time, the bills of a feed (``start`` and ``end``, half-open), or the dates of meter
        reads. A month whose first or last day has no data, or with more than 10% gaps, has ``whole = False``.
    prices : mapping, optional
        Price series by their name in the plan: a Series or DataFrame with zone-aware times, or a path.
    aggregate : bool
        Add all meters up and bill them as one. Default: False.
    power_as_energy : bool
        Price series in kW as mean power. Default: False, which leaves them out.

    Returns
    -------
    Bill
        ``.frame`` (lines), ``.totals``, ``.total`` (exact), ``.explain()``, and ``.findings``. An empty frame gives a
        bill without lines.

    Raises
    ------
    PlanError
        If the plan cannot price these data: another unit, intervals that are too long for its periods, negative
        delivered energy, a missing price file, or no version for any bill.
    SchemaError
        If ``df`` is not a tidy frame.
    """
    plan = _load.load_plan(plan)
    frame.check(df)
    findings = plan_findings(plan)
    if not len(df):
        return Bill(plan, (), (), findings)
    pricing = Pricing(plan, periods, SeriesBook(prices))
    lines: list[Line] = []
    infos: list[BillInfo] = []
    doubtful: list[Meter] = []
    for meter in meters(df, plan.unit, power_as_energy=power_as_energy, aggregate=aggregate):
        made, held = pricing.meter(meter, findings)
        lines += made
        infos += held
        if _gaps.doubtful(meter, held):
            doubtful.append(meter)
    if not infos and findings.named("tariff.version.none"):
        worst = findings.named("tariff.version.none")[0]
        raise PlanError(worst.text.removesuffix("."), next_step=worst.what_to_do)
    source = Source(pricing, doubtful)
    bill = Bill(plan, lines, infos, findings, source)
    _report_gaps(bill, source)
    return bill


def _report_gaps(bill: Bill, source: Source) -> None:
    bounds = bill.bounds() if 0 < len(source.held) <= BOUNDED else None
    for meter in source.held:
        mine = [i for i in bill._infos if i.meter == meter.name]
        text = ". Call .bounds() for what this could change"
        evidence: dict[str, Any] = {}
        if bounds is not None:
            own = bounds[bounds["meter"] == meter.name]
            low, high = float(own["computed_total"].sum()), float(own["filled_total"].sum())
            text = ""
            if len(own):
                text = f", which cost {low:,.2f}; with the usage of similar days in their place, they cost {high:,.2f}"
                evidence = {"computed_total": round(low, 2), "filled_total": round(high, 2)}
        missing = [(i, i.expected - i.present) for i in mine if i.expected > i.present]
        if missing:
            bill.findings.add(
                GAP, count=sum(n for _, n in missing), first=missing[0][0].bill, bills=len(missing),
                words={"meter": meter.name, "bound": text}, meter=meter.name, **evidence,
            )  # fmt: skip
        zeros = _gaps.estimated_zeros(meter)
        bound_of_zeros = text.replace(", which", " in bills that")
        if zeros:
            bill.findings.add(
                ZERO_ESTIMATE, count=zeros, words={"meter": meter.name, "bound": bound_of_zeros},
                meter=meter.name, **evidence,
            )  # fmt: skip
