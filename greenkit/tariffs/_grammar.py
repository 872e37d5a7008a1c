"""The grammar of a plan: tables as TOML has them, read into the model.

Every part of the grammar is one function of a :class:`Node`, a value with its place in the file, so each error names
the file, the line where it is known, and the key. A plan's ``energy`` may be a price, tiers, periods, seasons, or a
price series; the functions are in that order. Wires charges are read with the same functions as the plan itself.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import numpy as np

from greenkit._toml import Place
from greenkit.tariffs import _clock
from greenkit.tariffs._model import (
    HOLIDAY,
    KINDS,
    REST,
    ZERO,
    Band,
    Baseline,
    Charge,
    Demand,
    Energy,
    Export,
    ExportYear,
    Label,
    Minimum,
    Period,
    PlanError,
    PowerFactor,
    PriceSeries,
    Prorate,
    Ratchet,
    Rounding,
    Schedule,
    Season,
    Tax,
    Terms,
    Tier,
    When,
    Wires,
    WiresTable,
)
from greenkit.tariffs._plan import Plan
from greenkit.times import is_zone

T = TypeVar("T")
SCHEMA: Final = 1
DEAREST: Final = Decimal(5)
"""Highest energy price that a plan may state, per kWh: above it the price is in cents."""
_DOLLARS: Final = frozenset({"USD", "CAD", "EUR", "GBP", "AUD", "NZD", "CHF"})

_WHEN_KEYS: Final = ("hours", "days", "months")
_SERIES_KEYS: Final = ("series", "adder", "multiplier", "loss_factor", "columns", "point")
_TIER_RULES: Final = ("tier_month", "per", "share", "pool")
_TERMS_KEYS: Final = (
    "energy", "baseline", "fixed", "fees", "credits", "wires", "demand", "minimum", "taxes", "riders", "rebates",
    "export", "power_factor", "loss_factor", "rounding",
)  # fmt: skip
_PLAN_KEYS: Final = (
    "schema", "name", "zone", "currency", "unit", "source", "valid", "version", "clock", "nights_belong_to", "change",
    "seasons", "holidays", "observed", "efl", "eligible", "assumed_mix", *_TERMS_KEYS,
)  # fmt: skip
_CHARGE_KEYS: Final = (
    "name", "amount", "rate", "per", "on", "from", "to", "above", "below", "by", "prorate", "months",
)  # fmt: skip
_PERS: Final = ("month", "bill", "day", "year", "kWh", "kW")
_PER_NAMES: Final = {"kwh": "kWh", "kw": "kW", "meter": "month"}
"""Other words for ``per``."""
_ELIGIBLE: Final = ("min_kw", "max_kw", "min_kwh", "max_kwh")
_MONTH_DAYS: Final = {"365/12": Decimal(365) / 12}


@dataclass(frozen=True)
class Node:
    """A value of the plan and its place; ``lines`` finds the line of a key in the text, if there is a text."""

    value: Any
    place: Place
    lines: Callable[[Place], int | None] | None = None

    def __truediv__(self, key: str | int) -> Node:
        value = self.value[key] if isinstance(key, int) else self.value.get(key)
        return Node(value, self.place / key, self.lines)

    def __contains__(self, key: str) -> bool:
        return key in self.value

    def fail(self, problem: str, next_step: str = "") -> NoReturn:
        """Raise the error that names the place."""
        line = self.lines(self.place) if self.lines else None
        place = ", ".join(p for p in (self.place.name, f"line {line}" if line else "") if p)
        label = self.place.label if self.place.keys else ""
        where = ": ".join(p for p in (place, label) if p)
        sep = " " if label else ": " if where else ""
        raise PlanError(f"{where}{sep}{problem}", next_step=next_step) from None

    def table(self, known: Sequence[str], *, what: str = "a table") -> Node:
        """Check that the value is a table with known keys."""
        if not isinstance(self.value, Mapping):
            self.fail(f"is {_shown(self.value)}, but it must be {what}")
        for key in self.value:
            if key not in known:
                (self / key).fail("is not a known key", nearest(str(key), known))
        return self

    def number(self, *, least: int | None = None, most: int | None = None) -> Decimal:
        """Return a number."""
        value = self.value.item() if isinstance(self.value, np.generic) else self.value
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            self.fail(f"is {_shown(value)}, but it must be a number", "Write the number without quotes.")
        made = value if isinstance(value, Decimal) else Decimal(repr(value) if isinstance(value, float) else int(value))
        if not made.is_finite() or abs(made.adjusted()) > 20:
            self.fail(f"is {_shown(value)}, but it must be a finite number")
        if (least is not None and made < least) or (most is not None and made > most):
            span = f"at least {least}" if most is None else f"from {least} to {most}"
            self.fail(f"is {made}, but it must be {span}")
        return made

    def integer(self, *, least: int = 0, most: int = 10_000) -> int:
        """Return a whole number."""
        made = self.number(least=least, most=most)
        if made != int(made):
            self.fail(f"is {made}, but it must be a whole number")
        return int(made)

    def text(self) -> str:
        """Return a text."""
        if not isinstance(self.value, str) or not self.value:
            self.fail(f"is {_shown(self.value)}, but it must be text in quotes")
        return str(self.value)

    def choice(self, *options: str) -> Any:
        """Return one of some words."""
        if self.value not in options:
            near = difflib.get_close_matches(str(self.value), options, n=1)
            listed = ", ".join(repr(o) for o in options)
            self.fail(
                f"is {_shown(self.value)}, but it must be one of {listed}", f"Did you mean {near[0]!r}?" if near else ""
            )
        return self.value

    def date(self) -> dt.date:
        """Return a date."""
        value = self.value
        if isinstance(value, dt.datetime):
            value = value.date()
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            try:
                value = dt.date.fromisoformat(value)
            except ValueError:
                self.fail(f"is {value!r}, which is not a date")
        if not isinstance(value, dt.date):
            self.fail(f"is {_shown(value)}, but it must be a date such as 2026-03-01")
        return value

    def words(self, parse: Callable[[Any], T]) -> T:
        """Parse a value with one of the functions of ``_clock``."""
        try:
            return parse(self.value)
        except (ValueError, TypeError) as e:
            self.fail(str(e))

    def items(self) -> list[Node]:
        """Return the items of a list; a single table is a list of one."""
        if isinstance(self.value, Mapping):
            return [self]
        if not isinstance(self.value, list | tuple):
            self.fail(f"is {_shown(self.value)}, but it must be a list of tables such as [{{amount = 4.95}}]")
        return [self / i for i in range(len(self.value))]

    def names(self) -> tuple[str, ...]:
        """Return one text or a list of texts."""
        if isinstance(self.value, str):
            return (self.value,)
        if not isinstance(self.value, list | tuple):
            self.fail(f"is {_shown(self.value)}, but it must be a list of names")
        return tuple((self / i).text() for i in range(len(self.value)))


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    return repr(value)[:60] if isinstance(value, str) else str(value)[:60]


def nearest(key: str, known: Sequence[str]) -> str:
    """Return the next step for an unknown name: the nearest known one, or all of them."""
    near = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else f"Use one of {', '.join(known)}."


# -- the plan


def read(root: Node, folder: Path | None, tables: Callable[[str, Node], WiresTable]) -> Plan:
    """Read a whole plan; ``tables`` finds a dated table of wires charges by its name.

    Raises
    ------
    PlanError
        If a key is unknown or wrong, or the plan prices nothing.
    """
    root.table(_PLAN_KEYS)
    if "schema" in root and (root / "schema").integer(least=1) > SCHEMA:
        (root / "schema").fail(
            f"is {root.value['schema']}, but this version of greenkit reads schema {SCHEMA} and older",
            "Upgrade greenkit.",
        )
    if "zone" not in root:
        root.fail("The plan has no zone", 'Add the time zone of the site, such as zone = "America/Chicago".')
    zone = root / "zone"
    _check_zone(zone)
    seasons: tuple[Season, ...] = ()
    by: Any = "date"
    if "seasons" in root:
        seasons, by = _seasons(root / "seasons")
    names = tuple(s.name for s in seasons)
    found: list[WiresTable] = []

    def table(name: str, node: Node) -> None:
        if all(t.name != name for t in found):
            found.append(tables(name, node))

    holidays = _holidays(root / "holidays") if "holidays" in root else ()
    context = Context(names, bool(holidays), root.value.get("currency", "USD"), table)
    plan = Plan(
        name=(root / "name").text() if "name" in root else "Unnamed plan",
        zone=zone.text(),
        terms=_versions(root, context),
        currency=(root / "currency").text() if "currency" in root else "USD",
        unit=(root / "unit").text() if "unit" in root else "kWh",
        source=(root / "source").text() if "source" in root else "",
        clock=(root / "clock").choice("local", "standard") if "clock" in root else "local",
        nights_belong_to=(root / "nights_belong_to").choice("day", "evening") if "nights_belong_to" in root else "day",
        change=(root / "change").choice("day", "read") if "change" in root else "day",
        seasons=seasons,
        season_by=by,
        holidays=holidays,
        observed=(root / "observed").choice(*_clock.OBSERVED) if "observed" in root else "",
        label=_label(root / "efl") if "efl" in root else None,
        eligible=_limits(root / "eligible") if "eligible" in root else (),
        assumed_mix=_shares(root / "assumed_mix") if "assumed_mix" in root else (),
        folder=folder,
        document=root.value,
    )
    return replace(plan, tables=tuple(found))


@dataclass(frozen=True)
class Context:
    """Properties of the complete plan that its parts need."""

    seasons: tuple[str, ...]
    has_holidays: bool
    currency: str
    table: Callable[[str, Node], None]


def _check_zone(zone: Node) -> None:
    if not is_zone(zone.text()):
        zone.fail(f"is {zone.value!r}, but it must be an IANA time zone such as America/Chicago")


def _versions(root: Node, context: Context) -> tuple[Terms, ...]:
    first, last = _valid(root / "valid") if "valid" in root else (None, None)
    if "version" not in root:
        return (replace(terms(root, context), first=first, last=last),)
    made: list[Terms] = []
    for node in (root / "version").items():
        node.table(("valid", *_TERMS_KEYS))
        if "valid" not in node:
            node.fail("has no dates", "Add valid = {from = 2026-03-01}.")
        base = {k: v for k, v in root.value.items() if k in _TERMS_KEYS and k not in node.value}
        merged = Node({**base, **{k: v for k, v in node.value.items() if k != "valid"}}, node.place, node.lines)
        a, b = _valid(node / "valid")
        made.append(replace(terms(merged, context), first=a or first, last=b or None))
    made.sort(key=lambda t: t.first or dt.date.min)
    out: list[Terms] = []
    for i, one in enumerate(made):
        after = made[i + 1].first if i + 1 < len(made) else None
        end = one.last or ((after - dt.timedelta(1)) if after else last)
        if after and end and end >= after:
            (root / "version").fail(
                f"contains two versions for {after}", "End each version before the next one starts."
            )
        out.append(replace(one, last=end))
    # the plan's own charges hold before the first version, unless every version states its own
    if any(k in root for k in _TERMS_KEYS) and out[0].first and _prices_something(root):
        before = out[0].first - dt.timedelta(1)
        if first is None or first <= before:
            out.insert(0, replace(terms(root, context), first=first, last=before))
    return tuple(out)


def _prices_something(node: Node) -> bool:
    return any(k in node for k in ("energy", "fixed", "fees", "demand", "wires", "minimum"))


def _valid(node: Node) -> tuple[dt.date | None, dt.date | None]:
    node.table(("from", "to"))
    first = (node / "from").date() if "from" in node else None
    last = (node / "to").date() if "to" in node else None
    if first and last and last < first:
        node.fail(f"ends on {last}, before it begins on {first}")
    return first, last


def terms(node: Node, context: Context) -> Terms:
    """Read the charges of one version of a plan."""
    if not _prices_something(node):
        node.fail("The plan prices nothing", "Add energy, fixed, demand, or wires.")
    charges = [
        *_charges(node, "fixed", "Fixed charge", context),
        *_charges(node, "fees", "Fee", context),
        *_charges(node, "credits", "Credit", context),
        *_charges(node, "riders", "Rider", context),
    ]
    return Terms(
        energy=energy(node / "energy", context) if "energy" in node else None,
        baseline=_baseline(node / "baseline", context) if "baseline" in node else None,
        charges=tuple(charges),
        demand=_demands(node / "demand", context, "demand", "Demand") if "demand" in node else (),
        wires=_wires(node / "wires", context) if "wires" in node else None,
        minimum=_minimum(node / "minimum") if "minimum" in node else None,
        taxes=tuple(_tax(n) for n in (node / "taxes").items()) if "taxes" in node else (),
        rebates=tuple(_charges(node, "rebates", "Rebate", context)),
        export=_export(node / "export", context) if "export" in node else None,
        power_factor=_power_factor(node / "power_factor") if "power_factor" in node else None,
        loss_factor=(node / "loss_factor").number(least=0, most=3) if "loss_factor" in node else Decimal(1),
        rounding=_rounding(node / "rounding") if "rounding" in node else Rounding(),
    )


# -- energy: a price, tiers, periods, seasons, or a series


def energy(node: Node, context: Context) -> Energy:
    """Read prices of energy for the whole year, or for each season."""
    value = node.value
    if isinstance(value, Mapping) and value:
        named = [k for k in value if k in context.seasons]
        if named:
            for key in value:
                if key not in context.seasons:
                    (node / key).fail("is not a season", f"Use the seasons of the plan: {', '.join(context.seasons)}.")
            missing = [s for s in context.seasons if s not in value]
            if missing:
                node.fail(f"has no prices for the season {missing[0]}", f"Add energy.{missing[0]}.")
            return Energy(tuple((s, schedule(node / s, context)) for s in context.seasons))
    return Energy((("", schedule(node, context)),))


def schedule(node: Node, context: Context) -> Schedule:
    """Read the prices of one season: a price, tiers, periods, or a series."""
    value = node.value
    if not isinstance(value, Mapping):
        return Schedule((Period("", (When(),), (Tier(_price(node, context)),)),))
    if not value:
        node.fail("contains no price", "Write a price, such as energy = 0.12.")
    single = {"tiers", "series", "price"} & set(value)
    if single and not any(_is_period(node / k) for k in value if k not in (*_SERIES_KEYS, "tiers", "price")):
        node.table(("tiers", "price", *_SERIES_KEYS, *_TIER_RULES))
        return _rules(node, (Period("", (When(),), *_worth(node, context)),), context)
    rules = [k for k in value if k in _TIER_RULES and not isinstance(value[k], Mapping)]
    names = sorted((k for k in value if k not in rules), key=lambda k: k == REST)
    periods = tuple(_period(node / k, str(k), context) for k in names)
    return _rules(node, periods, context)


def _is_period(node: Node) -> bool:
    return isinstance(node.value, Mapping)


def _period(node: Node, name: str, context: Context) -> Period:
    value = node.value
    if not isinstance(value, Mapping):
        if name != REST:
            node.fail(
                "has a price but no times",
                f'Write {name} = {{price = {_shown(value)}, hours = "16-21"}}, or call it rest.',
            )
        return Period(name, (When(),), (Tier(_price(node, context)),))
    node.table((*_WHEN_KEYS, "when", "price", "tiers", *_SERIES_KEYS))
    whens = _whens(node, context)
    if name != REST and all(w.always for w in whens):
        node.fail("has no times", "Add hours, days, or months, or call the period rest.")
    if name == REST and not all(w.always for w in whens):
        node.fail(
            "has times, but the period rest covers all the time that other periods leave",
            "Remove its times, or rename it.",
        )
    return Period(name, whens, *_worth(node, context))


def _worth(node: Node, context: Context) -> tuple[tuple[Tier, ...], PriceSeries | None]:
    """Read what energy costs in a period: a series, tiers, or one price."""
    if "series" in node:
        return (Tier(ZERO),), series(node, (*node.value,))
    if "tiers" in node:
        if "price" in node:
            node.fail("has both a price and tiers", "Keep one of them.")
        return _tiers(node / "tiers", context), None
    if "price" not in node:
        node.fail("has no price", "Add price, tiers, or series.")
    price = node / "price"
    if isinstance(price.value, Mapping) and "series" in price:
        return (Tier(ZERO),), series(price, _SERIES_KEYS)
    parts = _parts(price, context)
    return (Tier(sum((p for _, p in parts), ZERO), parts=parts if parts[0][0] else ()),), None


def series(node: Node, known: Sequence[str] = _SERIES_KEYS) -> PriceSeries:
    """Read a reference to a price series."""
    node.table(known)
    return PriceSeries(
        source=(node / "series").text(),
        adder=(node / "adder").number() if "adder" in node else ZERO,
        multiplier=(node / "multiplier").number() if "multiplier" in node else Decimal(1),
        loss_factor=(node / "loss_factor").number(least=0, most=3) if "loss_factor" in node else Decimal(1),
        columns=(node / "columns").names() if "columns" in node else (),
        point=(node / "point").text() if "point" in node else None,
    )


def _tiers(node: Node, context: Context, *, bounds: tuple[str, ...] = ("to", "to_hours")) -> tuple[Tier, ...]:
    """Read tiers, whose bounds rise and whose last one is open."""
    made: list[Tier] = []
    items = node.items()
    if not items:
        node.fail("contains no tier")
    for i, item in enumerate(items):
        item.table(("price", *bounds))
        if "price" not in item:
            item.fail("has no price")
        parts = _parts(item / "price", context)
        to = (item / "to").number(least=0) if "to" in item else None
        hours = (item / "to_hours").number(least=0) if "to_hours" in item else None
        if to is not None and hours is not None:
            item.fail("has both to and to_hours", "Keep one of them.")
        tier = Tier(sum((p for _, p in parts), ZERO), to, hours, parts if parts[0][0] else ())
        last = i == len(items) - 1
        if last and not tier.open:
            item.fail("is the last tier but has a bound", "Remove the bound; the last tier covers all further usage.")
        if not last and tier.open:
            item.fail("has no bound, but only the last tier may be open", "Add to, in kWh.")
        before = made[-1] if made else None
        if before and not tier.open:
            a, b = (before.to, tier.to) if tier.to is not None else (before.to_hours, tier.to_hours)
            if a is None or b is None:
                item.fail("has a different kind of bound than the previous tier", "Use to or to_hours in all tiers.")
            if b <= a:
                item.fail(f"ends at {b}, but the previous tier ends at {a}", "List the tiers with increasing bounds.")
        if not before and not tier.open and not (tier.to or tier.to_hours):
            item.fail("ends at 0, so it is empty", "Remove the tier.")
        made.append(tier)
    return tuple(made)


def _rules(node: Node, periods: tuple[Period, ...], context: Context) -> Schedule:
    """Read how tiers count, and check that the periods can share them."""
    pool: Any = (node / "pool").choice("all", "period", "day") if "pool" in node else "all"
    made = Schedule(
        periods,
        per=(node / "per").choice("bill", "day") if "per" in node else "bill",
        tier_month=(node / "tier_month").number(least=1, most=400) if "tier_month" in node else None,
        share=(node / "share").choice("pro rata", "in order") if "share" in node else "pro rata",
        pool=pool,
    )
    if made.tier_month and made.per == "day":
        node.fail('has both tier_month and per = "day"', "Keep one of them.")
    if made.tiered and pool != "period":
        bounds = {tuple((t.to, t.to_hours) for t in p.tiers) for p in periods if len(p.tiers) > 1}
        if len(bounds) > 1:
            node.fail(
                "has periods with different tier bounds, which cannot be counted together",
                'Use the same bounds, or add pool = "period".',
            )
        if any(p.series for p in periods):
            node.fail("mixes tiers with a price series", "Use one of them.")
    parts = {tuple(n for n, _ in t.parts) for p in periods for t in p.tiers if not p.series}
    if len(parts) > 1 and () in parts:
        node.fail("splits some prices into components but not all", "Split every price, or none.")
    return made


def _price(node: Node, context: Context) -> Decimal:
    made = node.number()
    if abs(made) > DEAREST and context.currency in _DOLLARS:
        node.fail(
            f"is {made} {context.currency}/kWh, above {DEAREST}, so it looks like cents",
            f"Write the price in {context.currency}: {(made / 100).normalize():f}.",
        )
    return made


def _parts(node: Node, context: Context) -> tuple[tuple[str, Decimal], ...]:
    """Read one price, or a table of components such as generation and delivery."""
    if isinstance(node.value, Mapping):
        if not node.value:
            node.fail("contains no price")
        return tuple((str(k), _price(node / k, context)) for k in node.value)
    return (("", _price(node, context)),)


def _whens(node: Node, context: Context) -> tuple[When, ...]:
    if "when" not in node:
        return (_when(node, context),)
    if any(k in node for k in _WHEN_KEYS):
        node.fail("has times both in when and outside of it", "Move all of them into when.")
    return tuple(_when(n.table(_WHEN_KEYS), context) for n in (node / "when").items())


def _when(node: Node, context: Context) -> When:
    found = When(
        hours=(node / "hours").words(_clock.hours) if "hours" in node else None,
        days=(node / "days").words(_clock.days) if "days" in node else None,
        months=(node / "months").words(_clock.months) if "months" in node else None,
    )
    if found.days == frozenset({HOLIDAY}) and not context.has_holidays:
        (node / "days").fail('is "holidays", but the plan has none', 'Add holidays, such as holidays = "NERC".')
    return found


# -- charges


def _charges(node: Node, key: str, name: str, context: Context) -> list[Charge]:
    if key not in node:
        return []
    part = node / key
    if isinstance(part.value, int | float | Decimal) and not isinstance(part.value, bool):
        items = [Node({"amount": part.value}, part.place, part.lines)]
    else:
        items = part.items()
    return [_charge(item, key, name) for item in items]


def _charge(node: Node, key: str, name: str) -> Charge:
    node.table(_CHARGE_KEYS)
    if ("amount" in node) == ("rate" in node):
        node.fail("must have either amount or rate")
    sign = -1 if key in ("credits", "rebates") else 1
    if "rate" in node:
        per, amount = "%", (node / "rate").number()
        if "per" in node:
            node.fail("has a rate, which is a share of lines, and per", "Remove per.")
        if abs(amount) > 2:
            (node / "rate").fail(f"is {amount}, but it must be a share: 0.05 for 5%")
    else:
        amount = (node / "amount").number()
        per = "month" if key == "fixed" else "bill"
        if "per" in node:
            word = str(node.value["per"])
            per = _PER_NAMES[word] if word in _PER_NAMES else (node / "per").choice(*_PERS)
    if sign < 0:
        if amount < 0:
            node.fail(f"is {amount}, but a credit is written as a positive number", f"Write {abs(amount)}.")
        amount = -amount
    band = Band(
        (node / "from").number(least=0) if "from" in node else None,
        (node / "to").number(least=0) if "to" in node else None,
        (node / "above").number(least=0) if "above" in node else None,
        (node / "below").number(least=0) if "below" in node else None,
    )
    band = band if band.bounds else Charge.band
    low = max((b for b in (band.low, band.above) if b is not None), default=None)
    high = min((b for b in (band.high, band.below) if b is not None), default=None)
    for one, other in (("from", "above"), ("to", "below")):
        if one in node and other in node:
            node.fail(f"has both {one} and {other}", f"Keep {one} if the threshold itself counts, otherwise {other}.")
    if low is not None and high is not None and (high < low or (high == low and not (band.low and band.high))):
        node.fail(f"applies from {low} to {high} kWh, which no bill can have")
    return Charge(
        name=(node / "name").text() if "name" in node else _charge_name(name, band),
        amount=amount,
        per=per,
        kind=key,
        band=band,
        by=(node / "by").choice("delivered", "net") if "by" in node else "delivered",
        on=_on(node),
        prorate=prorate(node / "prorate") if "prorate" in node else Prorate(),
        months=(node / "months").words(_clock.months) if "months" in node else None,
    )


def _charge_name(name: str, band: Band) -> str:
    words = {"low": "from {} kWh", "above": "above {} kWh", "high": "up to {} kWh", "below": "below {} kWh"}
    found = [text.format(getattr(band, k)) for k, text in words.items() if getattr(band, k) is not None]
    return " ".join([name, *found])


def _on(node: Node) -> tuple[str, ...]:
    return (node / "on").names() if "on" in node else ()


def prorate(node: Node) -> Prorate:
    """Read a rule of proration: ``"none"``, ``"days/30"``, ``"days/month"``, ``"365/12"``, or a table."""
    if isinstance(node.value, Mapping):
        node.table(("below_days", "rule"))
        if "rule" not in node:
            node.fail("has no rule", 'Add rule = "days/30".')
        below = (node / "below_days").integer(least=1, most=400) if "below_days" in node else None
        return Prorate(prorate(node / "rule").base, below)
    text = str(node.value).replace(" ", "").lower()
    if text == "none":
        return Prorate()
    text = text.removeprefix("days/")
    if text in ("month", "days-in-month", "daysinmonth", "days_in_month"):
        return Prorate("month")
    if text in _MONTH_DAYS or text == "(365/12)":
        return Prorate(_MONTH_DAYS["365/12"])
    if re.fullmatch(r"\d+(\.\d+)?", text) and 1 <= Decimal(text) <= 400:
        return Prorate(Decimal(text))
    return node.fail(
        f"is {_shown(node.value)}, but it must be 'none', 'days/30', 'days/30.4167', 'days/days-in-month', or '365/12'"
    )


def _wires(node: Node, context: Context) -> Wires:
    if isinstance(node.value, str):
        context.table(node.text(), node)
        return Wires(table=node.value)
    if isinstance(node.value, Mapping) and "table" in node:
        node.table(("table", "change"))
        context.table((node / "table").text(), node / "table")
        change: Any = (node / "change").choice("read", "day") if "change" in node else "read"
        return Wires(table=(node / "table").text(), change=change)
    return wires(node, context)


def wires(node: Node, context: Context) -> Wires:
    """Read delivery charges that are written out."""
    node.table(("month", "day", "energy", "demand", "fixed", "fees", "credits", "prorate", "change"))
    rule = prorate(node / "prorate") if "prorate" in node else Prorate()
    charges = []
    if "month" in node:
        charges.append(Charge("Delivery, monthly charge", (node / "month").number(), prorate=rule))
    if "day" in node:
        charges.append(Charge("Delivery, daily charge", (node / "day").number(), per="day"))
    for key, name in (("fixed", "Delivery, fixed charge"), ("fees", "Delivery fee"), ("credits", "Delivery credit")):
        charges += [
            c if c.prorate != Prorate() else replace(c, prorate=rule) for c in _charges(node, key, name, context)
        ]
    if not charges and "energy" not in node and "demand" not in node:
        node.fail("prices nothing", "Add month, energy, or demand.")
    return Wires(
        energy=energy(node / "energy", context) if "energy" in node else None,
        charges=tuple(replace(c, kind="wires") for c in charges),
        demand=_demands(node / "demand", context, "wires", "Delivery demand") if "demand" in node else (),
    )


# -- demand

_DEMAND_KEYS: Final = (
    "name", "price", "tiers", "window", "sliding", *_WHEN_KEYS, "when", "ratchet", "minimum", "contract", "unit",
    "moments", "moments_of", "per", "prorate", "load_factor",
)  # fmt: skip


def _demands(node: Node, context: Context, kind: str, name: str) -> tuple[Demand, ...]:
    if isinstance(node.value, int | float | Decimal) and not isinstance(node.value, bool):
        return (Demand(name, (Tier(node.number()),), kind=kind),)
    return tuple(_demand(n, context, kind, name) for n in node.items())


def _demand(node: Node, context: Context, kind: str, name: str) -> Demand:
    node.table(_DEMAND_KEYS)
    if ("price" in node) == ("tiers" in node):
        node.fail("must have either price or tiers")
    free = _without_limit(context)
    tiers = _tiers(node / "tiers", free, bounds=("to",)) if "tiers" in node else (Tier((node / "price").number()),)
    moments: tuple[str, ...] = ()
    if "moments" in node:
        value = (node / "moments").value
        moments = (value,) if isinstance(value, str) else tuple(str(m) for m in _list(node / "moments"))
        if not moments:
            (node / "moments").fail("is empty")
    return Demand(
        name=(node / "name").text() if "name" in node else name,
        tiers=tiers,
        when=_whens(node, context),
        window=(node / "window").integer(least=1, most=1440) if "window" in node else 15,
        sliding=_flag(node / "sliding") if "sliding" in node else False,
        per=(node / "per").choice("bill", "month", "day") if "per" in node else "bill",
        unit=(node / "unit").choice("kW", "kVA") if "unit" in node else "kW",
        minimum=(node / "minimum").number(least=0) if "minimum" in node else None,
        contract=(node / "contract").number(least=0) if "contract" in node else None,
        ratchet=_ratchet(node / "ratchet", context) if "ratchet" in node else None,
        moments=moments,
        moments_of=(node / "moments_of").choice("all", "bill", "year-before") if "moments_of" in node else "auto",
        prorate=prorate(node / "prorate") if "prorate" in node else Prorate(),
        kind=kind,
        load_factor=_load_factors(node / "load_factor") if "load_factor" in node else (),
    )


def _without_limit(context: Context) -> Context:
    """Return a context in which prices are not held to those of energy: $/kW may be above 5."""
    return replace(context, currency="")


def _list(node: Node) -> Sequence[Any]:
    if not isinstance(node.value, list | tuple):
        node.fail(f"is {_shown(node.value)}, but it must be a list of times or the name of a file")
    return node.value


def _flag(node: Node) -> bool:
    if not isinstance(node.value, bool):
        node.fail(f"is {_shown(node.value)}, but it must be true or false")
    return bool(node.value)


def _ratchet(node: Node, context: Context) -> Ratchet:
    node.table(("share", "months", "of", "enter", "history", "hours", "days"))
    if "share" not in node:
        node.fail("has no share", "Add share = 0.80.")
    share = (node / "share").number(least=0)
    if share > 1:
        (node / "share").fail(f"is {share}, but it must be from 0 to 1: 0.80 for 80%")
    other = When(
        hours=(node / "hours").words(_clock.hours) if "hours" in node else None,
        days=(node / "days").words(_clock.days) if "days" in node else None,
    )
    history = tuple(n.number(least=0) for n in (node / "history" / i for i in range(len(_list(node / "history"))))) \
        if "history" in node else ()  # fmt: skip
    return Ratchet(
        share,
        (node / "months").integer(least=1, most=120) if "months" in node else 11,
        (node / "of").words(_clock.months) if "of" in node else None,
        (node / "enter").choice("actual", "billed") if "enter" in node else "actual",
        None if other.always else other,
        history,
    )


def _load_factors(node: Node) -> tuple[tuple[Decimal, Decimal], ...]:
    made = []
    for item in node.items():
        item.table(("to", "price"))
        made.append(((item / "to").number(least=0, most=1), (item / "price").number()))
    if made != sorted(made, key=lambda m: m[0]):
        node.fail("must have rising load factors")
    return tuple(made)


def _power_factor(node: Node) -> PowerFactor:
    node.table(("floor", "value"))
    return PowerFactor(
        (node / "floor").number(least=0, most=1) if "floor" in node else None,
        (node / "value").number(least=0, most=1) or None if "value" in node else None,
    )


# -- baseline, minimum, taxes, export


def _baseline(node: Node, context: Context) -> Baseline:
    node.table(("price", "per_day"))
    for key in ("price", "per_day"):
        if key not in node:
            node.fail(f"has no {key}")
    price, days = _price(node / "price", context), node / "per_day"
    if not isinstance(days.value, Mapping):
        return Baseline(price, (("", days.number(least=0)),))
    for key in days.value:
        if key not in context.seasons:
            step = "Add seasons to the plan, or write one number of kWh: per_day = 10."
            (days / key).fail(
                "is not a season of the plan", nearest(str(key), context.seasons) if context.seasons else step
            )
    missing = [s for s in context.seasons if s not in days.value]
    if missing:
        days.fail(f"has no allowance for the season {missing[0]}")
    return Baseline(price, tuple((str(k), (days / k).number(least=0)) for k in days.value))


def _minimum(node: Node) -> Minimum:
    if not isinstance(node.value, Mapping):
        return Minimum(node.number(least=0))
    node.table(("amount", "per", "on", "prorate"))
    if "amount" not in node:
        node.fail("has no amount")
    return Minimum(
        (node / "amount").number(least=0),
        (node / "per").choice("month", "day", "year") if "per" in node else "month",
        _on(node),
        prorate(node / "prorate") if "prorate" in node else Prorate(),
    )


def _tax(node: Node) -> Tax:
    node.table(("name", "rate", "per_kwh", "on"))
    if ("rate" in node) == ("per_kwh" in node):
        node.fail("must have either rate or per_kwh")
    rate = (node / "rate").number() if "rate" in node else ZERO
    if abs(rate) >= 1:
        (node / "rate").fail(f"is {rate}, but it must be a share: 0.0825 for 8.25%")
    per_kwh = (node / "per_kwh").number() if "per_kwh" in node else ZERO
    return Tax((node / "name").text() if "name" in node else "Tax", rate, per_kwh, _on(node))


def _export(node: Node, context: Context) -> Export:
    node.table(("price", "netting", "carry", "offsets", "cap", "usable", "non_bypassable", "year"))
    if "price" not in node:
        node.fail("has no price", 'Add price = 0.05, price = "energy", or price = {series = "file"}.')
    price = node / "price"
    worth: Any
    if isinstance(price.value, str):
        if price.value != "energy":
            price.fail(
                f"is {_shown(price.value)}, but it must be a number, periods, a series, or 'energy'",
                'Write price = "energy" if the credit has the price of the energy used (1:1).',
            )
        worth = "energy"
    elif isinstance(price.value, Mapping) and "series" in price and not _is_period(price / "series"):
        worth = series(price)
    else:
        worth = schedule(price, context)
    netting: Any = "none"
    if "netting" in node:
        netting = (node / "netting").choice("none", "interval", "hour", "period", "bill")
    if isinstance(worth, PriceSeries) and netting in ("period", "bill"):
        node.fail(
            f"nets by {netting}, which leaves no hour to price by a series",
            'Use netting "none", "interval", or "hour".',
        )
    year = _export_year(node / "year") if "year" in node else None
    carry: Any = "year" if year and year.surplus is not None and "carry" not in node else "none"
    if "carry" in node:
        carry = (node / "carry").choice("kWh", "money", "none", "pay", "year")
    if carry == "year" and not year:
        node.fail("carries to the year's end, but has no year", "Add year = {start = 2026-01-01}.")
    return Export(
        worth,
        netting,
        carry,
        _offsets(node / "offsets") if "offsets" in node else (("", ("energy",)),),
        (node / "cap").choice("import", "energy") if "cap" in node else None,
        (node / "usable").choice("same", "next") if "usable" in node else "same",
        (node / "non_bypassable").number(least=0) if "non_bypassable" in node else ZERO,
        year,
    )


def _offsets(node: Node) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if isinstance(node.value, Mapping):
        return tuple((str(k), (node / k).names()) for k in node.value)
    return (("", node.names()),)


def _export_year(node: Node) -> ExportYear:
    node.table(("start", "surplus", "end"))
    if "start" not in node:
        node.fail("has no start", 'Add start = 2026-01-01, or start = "01-01".')
    start, first = node / "start", None
    if isinstance(start.value, str) and re.fullmatch(r"\d\d?-\d\d?", start.value):
        month, day = map(int, start.value.split("-"))
    elif isinstance(start.value, int) and not isinstance(start.value, bool):
        month, day = start.integer(least=1, most=12), 1
    else:
        first = start.date()
        month, day = first.month, first.day
    return ExportYear(
        month,
        day,
        first,
        (node / "surplus").number() if "surplus" in node else None,
        (node / "end").choice("carry", "pay", "reset") if "end" in node else "carry",
    )


def _rounding(node: Node) -> Rounding:
    if not isinstance(node.value, Mapping):
        return Rounding(None) if node.choice("none", "cent") == "none" else Rounding()
    node.table(("line", "kwh", "kw"))
    line = 2 if "line" not in node else None if (node / "line").value == "none" else (node / "line").integer(most=8)
    return Rounding(
        line,
        (node / "kwh").integer(most=6) if "kwh" in node else None,
        (node / "kw").integer(most=6) if "kw" in node else None,
    )


# -- seasons, holidays, label, limits


def _seasons(node: Node) -> tuple[tuple[Season, ...], Any]:
    if not isinstance(node.value, Mapping) or not node.value:
        node.fail('must be a table such as {summer = "06-01/09-30", winter = "rest"}')
    by = (node / "by").choice("date", "bill-end", "more-days") if "by" in node else "date"
    names = [k for k in node.value if k != "by"]
    rest = [k for k in names if node.value[k] == REST]
    if len(rest) > 1:
        node.fail("has more than one season that is the rest")
    made = [_clock.season(k, "01-01/12-31") if k in rest else (node / k).words(lambda v, k=k: _clock.season(k, v))
            for k in names]  # fmt: skip
    month = np.array([m for m in range(1, 13) for _ in range(31)], dtype=np.int64)
    day = np.array([d for _ in range(12) for d in range(1, 32)], dtype=np.int64)
    # 31 June and the like exist in no year, so no season needs to contain them
    real = ~(((month == 2) & (day > 29)) | (np.isin(month, [4, 6, 9, 11]) & (day > 30)))
    count = sum((_clock.in_season(s, month, day).astype(np.int64) for s in made if s.name not in rest), np.zeros(372))
    for bad, what in ((count > 1, "in two seasons"), ((count == 0) & (not rest), "in no season")):
        if (bad & real).any():
            i = int(np.flatnonzero(bad & real)[0])
            node.fail(f"puts {month[i]:02d}-{day[i]:02d} {what}", "Correct the dates, or make one season the rest.")
    ordered = [s for s in made if s.name not in rest] + [s for s in made if s.name in rest]
    return tuple(ordered), by


def _holidays(node: Node) -> tuple[str, ...]:
    if isinstance(node.value, list | tuple):
        names = tuple(str(v.isoformat() if isinstance(v, dt.date) else v) for v in node.value)
    else:
        names = (node.text(),)
    node.words(lambda _: _clock.check_holidays(names))
    return names


def _label(node: Node) -> Label:
    node.table(("average_cents", "shares", "load_factor", "bill", "days"))
    average: list[tuple[Decimal, Decimal]] = []
    if "average_cents" in node:
        cents = node / "average_cents"
        if not isinstance(cents.value, Mapping):
            cents.fail("must be a table of kWh and cents per kWh, such as {1000 = 9.9}")
        for key in cents.value:
            try:
                kwh = Decimal(str(key).replace(",", "").replace("_", ""))
            except ArithmeticError:
                (cents / key).fail("is not a number of kWh")
            if kwh <= 0:
                (cents / key).fail("must be above 0 kWh")
            average.append((kwh, (cents / key).number()))
    bills = []
    for item in (node / "bill").items() if "bill" in node else []:
        item.table(("kwh", "total"))
        bills.append(((item / "kwh").number(least=0), (item / "total").number()))
    return Label(
        tuple(average),
        _shares(node / "shares") if "shares" in node else (),
        (node / "load_factor").number(least=0, most=1) or None if "load_factor" in node else None,
        tuple(bills),
        (node / "days").integer(least=1, most=400) if "days" in node else 30,
    )


def _shares(node: Node) -> tuple[tuple[str, Decimal], ...]:
    if not isinstance(node.value, Mapping) or not node.value:
        node.fail("must be a table of periods and shares, such as {peak = 0.3, rest = 0.7}")
    made = tuple((str(k), (node / k).number(least=0, most=1)) for k in node.value)
    total = sum(v for _, v in made)
    if abs(total - 1) > Decimal("0.005"):
        node.fail(f"adds up to {total}, but shares must add up to 1")
    return made


def _limits(node: Node) -> tuple[tuple[str, Decimal], ...]:
    node.table(_ELIGIBLE)
    return tuple((str(k), (node / k).number(least=0)) for k in node.value)


def known_lines(plan: Plan) -> frozenset[str]:
    """Return every name that an ``on`` or ``offsets`` of the plan can refer to."""
    names = set(KINDS)
    for one in plan.terms:
        held = [one.wires] if one.wires else []
        held += [w for t in plan.tables for _, w in t.rows]
        names |= {c.name for c in (*one.charges, *one.rebates)} | {d.name for d in one.demand}
        names |= {t.name for t in one.taxes}
        for w in held:
            names |= {c.name for c in w.charges} | {d.name for d in w.demand}
        for source in (one.energy, *(w.energy for w in held)):
            for _, s in source.seasons if source else ():
                names |= {p.name for p in s.periods} | {n for p in s.periods for t in p.tiers for n, _ in t.parts}
                names |= {c for p in s.periods if p.series for c in p.series.columns}
    return frozenset(names - {""})
