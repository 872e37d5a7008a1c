"""The parts of a plan as frozen dataclasses: the contents of a tariff sheet or a label, and nothing computed.

Prices and amounts are :class:`~decimal.Decimal` in the plan's currency; energy bounds are kWh (or the plan's own unit).
Clock times are minutes after local midnight, months are 1 to 12, and days are 0 (Monday) to 6 (Sunday); 7 is a holiday.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from greenkit.errors import SettingsError

HOLIDAY: Final = 7
"""Number of the day type "holiday", after Monday (0) to Sunday (6)."""
REST: Final = "rest"
"""Name of the period or season that covers all time that no other one names."""
ALL_DAYS: Final = frozenset(range(8))
ZERO: Final = Decimal(0)
# What a tax, rider, minimum, or export credit can refer to besides the names of single lines.
KINDS: Final = (
    "energy",
    "baseline",
    "fixed",
    "demand",
    "wires",
    "credits",
    "fees",
    "export",
    "riders",
    "minimum",
    "taxes",
)


class PlanError(SettingsError):
    """The plan is wrong, or it cannot price these data: edit the plan, or choose other data."""


@dataclass(frozen=True)
class When:
    """A set of clock times, day types, and months; ``None`` is all of them.

    Parameters
    ----------
    hours : tuple of (int, int), optional
        Half-open windows in minutes after midnight; a window whose end is not after its start passes midnight.
    days : frozenset of int, optional
        0 (Monday) to 6 (Sunday), 7 for holidays.
    months : frozenset of int, optional
        1 to 12.
    """

    hours: tuple[tuple[int, int], ...] | None = None
    days: frozenset[int] | None = None
    months: frozenset[int] | None = None

    @property
    def always(self) -> bool:
        """Whether nothing is restricted."""
        return self.hours is None and self.days is None and self.months is None


@dataclass(frozen=True)
class PriceSeries:
    """Energy priced by a series: ``kWh × loss_factor × (multiplier × series + adder)``."""

    source: str
    adder: Decimal = ZERO
    multiplier: Decimal = Decimal(1)
    loss_factor: Decimal = Decimal(1)
    columns: tuple[str, ...] = ()
    point: str | None = None


@dataclass(frozen=True)
class Tier:
    """A price up to a bound: ``to`` in kWh, or ``to_hours`` in kWh for each kW of billed demand; the last has none."""

    price: Decimal
    to: Decimal | None = None
    to_hours: Decimal | None = None
    parts: tuple[tuple[str, Decimal], ...] = ()

    @property
    def open(self) -> bool:
        """Whether the tier has no upper bound."""
        return self.to is None and self.to_hours is None


@dataclass(frozen=True)
class Period:
    """A time-of-use period: its times and its tiers (one tier without a bound is a plain price)."""

    name: str
    whens: tuple[When, ...]
    tiers: tuple[Tier, ...]
    series: PriceSeries | None = None


@dataclass(frozen=True)
class Schedule:
    """Prices of energy for every instant: periods, and how their tiers count."""

    periods: tuple[Period, ...]
    per: Literal["bill", "day"] = "bill"
    tier_month: Decimal | None = None
    share: Literal["pro rata", "in order"] = "pro rata"
    pool: Literal["all", "period", "day"] = "all"

    @property
    def tiered(self) -> bool:
        """Whether any period has more than one price."""
        return any(len(p.tiers) > 1 for p in self.periods)

    @property
    def flat(self) -> bool:
        """Whether every instant has the same price."""
        return len(self.periods) == 1


@dataclass(frozen=True)
class Energy:
    """A schedule for each season; one under the name ``""`` is for the whole year."""

    seasons: tuple[tuple[str, Schedule], ...]

    def of(self, season: str) -> Schedule:
        """Return the schedule of a season."""
        held = dict(self.seasons)
        return held[season] if season in held else held[""]


@dataclass(frozen=True)
class Prorate:
    """Rule by which a monthly amount depends on the length of a bill.

    ``base`` is the number of days that count as a month, ``"month"`` (the days of the calendar month), or ``None``: the
    amount is charged in full. With ``below_days``, only shorter bills are prorated.
    """

    base: Decimal | Literal["month"] | None = None
    below_days: int | None = None


@dataclass(frozen=True)
class Band:
    """Kilowatt-hours of a bill for which a credit or fee applies; ``low`` and ``high`` are inclusive as printed."""

    low: Decimal | None = None
    high: Decimal | None = None
    above: Decimal | None = None
    below: Decimal | None = None

    def holds(self, kwh: Decimal) -> bool:
        """Return whether the band contains the kWh of a bill."""
        return (
            (self.low is None or kwh >= self.low)
            and (self.high is None or kwh <= self.high)
            and (self.above is None or kwh > self.above)
            and (self.below is None or kwh < self.below)
        )

    @property
    def bounds(self) -> tuple[Decimal, ...]:
        """Every threshold of the band."""
        return tuple(b for b in (self.low, self.high, self.above, self.below) if b is not None)


@dataclass(frozen=True)
class Charge:
    """A fixed charge, fee, credit, or rebate of a bill.

    ``per`` is ``"month"``, ``"bill"``, ``"day"``, ``"year"``, ``"kWh"``, ``"kW"``, or ``"%"`` (``amount`` is then a
    share of the lines ``on``). Amounts of credits are negative.
    """

    name: str
    amount: Decimal
    per: str = "month"
    kind: str = "fixed"
    band: Band = Band()
    by: Literal["delivered", "net"] = "delivered"
    on: tuple[str, ...] = ()
    prorate: Prorate = Prorate()
    months: frozenset[int] | None = None


@dataclass(frozen=True)
class Ratchet:
    """Billed demand is at least ``share`` of the highest demand of the ``months`` bills before."""

    share: Decimal
    months: int
    of: frozenset[int] | None = None
    enter: Literal["actual", "billed"] = "actual"
    when: When | None = None
    history: tuple[Decimal, ...] = ()


@dataclass(frozen=True)
class Demand:
    """A charge on the highest mean power of a bill."""

    name: str
    tiers: tuple[Tier, ...]
    when: tuple[When, ...] = (When(),)
    window: int = 15
    sliding: bool = False
    per: Literal["bill", "day"] = "bill"
    unit: str = "kW"
    minimum: Decimal | None = None
    contract: Decimal | None = None
    ratchet: Ratchet | None = None
    moments: tuple[str, ...] = ()
    moments_of: Literal["auto", "all", "bill", "year-before"] = "auto"
    prorate: Prorate = Prorate()
    kind: str = "demand"
    load_factor: tuple[tuple[Decimal, Decimal], ...] = ()


@dataclass(frozen=True)
class Baseline:
    """A credit (or charge) on the kWh within a daily allowance of each season."""

    price: Decimal
    per_day: tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True)
class Minimum:
    """The minimum amount of some lines."""

    amount: Decimal
    per: str = "month"
    on: tuple[str, ...] = ()
    prorate: Prorate = Prorate()


@dataclass(frozen=True)
class Tax:
    """A rate on lines, or a price for each kWh."""

    name: str
    rate: Decimal = ZERO
    per_kwh: Decimal = ZERO
    on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wires:
    """Delivery charges: like a plan of their own, or the name of a dated table."""

    energy: Energy | None = None
    charges: tuple[Charge, ...] = ()
    demand: tuple[Demand, ...] = ()
    table: str | None = None
    change: Literal["read", "day"] = "read"


@dataclass(frozen=True)
class ExportYear:
    """The yearly settlement: its date, the payment for a year's net surplus, and what happens to the balance."""

    month: int
    day: int = 1
    first: dt.date | None = None
    surplus: Decimal | None = None
    end: Literal["carry", "pay", "reset"] = "carry"


@dataclass(frozen=True)
class Export:
    """The value of received energy: the six settings of solar billing."""

    price: Literal["energy"] | Schedule | PriceSeries
    netting: Literal["none", "interval", "hour", "period", "bill"] = "none"
    carry: Literal["kWh", "money", "none", "pay", "year"] = "none"
    offsets: tuple[tuple[str, tuple[str, ...]], ...] = (("", ("energy",)),)
    cap: Literal["import", "energy"] | None = None
    usable: Literal["same", "next"] = "same"
    non_bypassable: Decimal = ZERO
    year: ExportYear | None = None


@dataclass(frozen=True)
class PowerFactor:
    """A clause on power factor: billed = kW × floor ÷ pf where pf < floor; ``value`` is a stated power factor."""

    floor: Decimal | None = None
    value: Decimal | None = None


@dataclass(frozen=True)
class Rounding:
    """Decimals: of each line's money (``None``: not rounded), of the kWh of a bill, and of its kW."""

    line: int | None = 2
    kwh: int | None = None
    kw: int | None = None


@dataclass(frozen=True)
class Terms:
    """The charges of a plan from one date to another (both inclusive; ``None``: open)."""

    first: dt.date | None = None
    last: dt.date | None = None
    energy: Energy | None = None
    baseline: Baseline | None = None
    charges: tuple[Charge, ...] = ()
    demand: tuple[Demand, ...] = ()
    wires: Wires | None = None
    minimum: Minimum | None = None
    taxes: tuple[Tax, ...] = ()
    rebates: tuple[Charge, ...] = ()
    export: Export | None = None
    power_factor: PowerFactor | None = None
    loss_factor: Decimal = Decimal(1)
    rounding: Rounding = Rounding()


@dataclass(frozen=True)
class Season:
    """A season: local dates as (month, day) pairs, both inclusive; ranges may pass New Year."""

    name: str
    ranges: tuple[tuple[tuple[int, int], tuple[int, int]], ...]


@dataclass(frozen=True)
class Label:
    """Printed figures of a plan's label: the average price at some kWh, or complete bills."""

    average_cents: tuple[tuple[Decimal, Decimal], ...] = ()
    shares: tuple[tuple[str, Decimal], ...] = ()
    load_factor: Decimal | None = None
    bills: tuple[tuple[Decimal, Decimal], ...] = ()
    days: int = 30


@dataclass(frozen=True)
class WiresTable:
    """A dated table of delivery charges: the charges that hold from each date on."""

    name: str
    rows: tuple[tuple[dt.date, Wires], ...]
