"""Plans and bills in words: reprs as text and HTML, and the explanation of one bill."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np

from greenkit import _html, times
from greenkit.tariffs._clock import in_season, months_text, text_of
from greenkit.tariffs._model import (
    Charge,
    Demand,
    Energy,
    PriceSeries,
    Prorate,
    Schedule,
    Terms,
    Tier,
    Wires,
)

if TYPE_CHECKING:
    from greenkit.tariffs._bill import Bill, BillInfo
    from greenkit.tariffs._engine import Line
    from greenkit.tariffs._plan import Plan

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SIGNS: Final = {"USD": "$", "CAD": "$", "EUR": "€", "GBP": "£"}
_ROWS: Final = 40
KINDS: Final = {"wires": "delivery"}
"""Kinds of lines whose name in sentences differs from the key of a plan."""


def number(value: Decimal | float) -> str:
    """Return a number without an exponent and without trailing zeros."""
    made = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    text = f"{made:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(amount: Decimal | float, currency: str) -> str:
    """Return an amount with its currency: ``$1,234.50``, ``-$3.00``."""
    sign = _SIGNS.get(currency)
    text = f"{abs(amount):,.2f}"
    minus = "-" if amount < 0 else ""
    return f"{minus}{sign}{text}" if sign else f"{minus}{text} {currency}"


def counted(count: float, noun: str) -> str:
    """Return a number with its noun: ``1 bill``, ``1,200 bills``."""
    return f"{int(count):,} {noun}{'' if count == 1 else 's'}"


# -- a plan


def price_map(plan: Plan) -> list[tuple[str, list[tuple[str, str]], dict[str, str]]]:
    """Return the 12 × 24 map of each kind of day: title, (month, 24 letters) rows, and letter → period in words.

    A letter is the period of the first price of an hour; an hour that two periods share has a lowercase letter. A plan
    with one price at all hours has no map.
    """
    terms = plan.terms[-1]
    if terms.energy is None:
        return []
    keys: dict[tuple[str, str], str] = {}
    legend: dict[str, str] = {}
    made = []
    for title, kind in (("weekdays", 1), ("Saturday", 5), ("Sunday", 6), ("holidays", 7)):
        if kind == 7 and not plan.holidays:
            continue
        rows = []
        for month in range(1, 13):
            season = season_of(plan, month)
            schedule = terms.energy.of(season)
            compiled = plan.calendar.schedule(schedule)
            klass = np.full(1440, (month - 1) * 64 + kind * 8 + (kind - 1) % 7, dtype=np.int64)
            at = compiled.clock.at(klass, np.arange(1440, dtype=np.int64))
            text = ""
            for hour in range(24):
                held = at[hour * 60 : hour * 60 + 60]
                period = schedule.periods[int(held[0])]
                name = (season, period.name)
                if name not in keys:
                    keys[name] = _LETTERS[len(keys) % 26]
                    words = " ".join(w for w in (season, period.name) if w) or "all hours"
                    legend[keys[name]] = f"{words}: {worth(period.tiers, period.series, plan)}"
                letter = keys[name]
                text += letter if (held == held[0]).all() else letter.lower()
            rows.append((_MONTHS[month - 1], text))
        made.append((title, rows, legend))
    if len(legend) == 1:
        return []
    same = [r for _, r, _ in made]
    if all(r == same[0] for r in same):
        return [("every day", same[0], legend)]
    if same[1] == same[2]:
        made = [made[0], ("weekends", same[1], legend), *made[3:]]
    return made


def season_of(plan: Plan, month: int) -> str:
    """Return the season of the middle of a month."""
    at = (np.array([month], dtype=np.int64), np.array([15], dtype=np.int64))
    return next((s.name for s in plan.seasons if in_season(s, *at)[0]), "")


def worth(tiers: tuple[Tier, ...], series: PriceSeries | None, plan: Plan) -> str:
    """Return the price of a period in words."""
    unit = f"{plan.currency}/{plan.unit}"
    if series is not None:
        more = f" + {number(series.adder)}" if series.adder else ""
        return f"prices of {series.source}{more} {unit}"
    if len(tiers) == 1:
        return f"{number(tiers[0].price)} {unit}"
    words = []
    for tier in tiers:
        if tier.to is not None:
            words.append(f"{number(tier.price)} up to {number(tier.to)} {plan.unit}")
        elif tier.to_hours is not None:
            words.append(f"{number(tier.price)} up to {number(tier.to_hours)} {plan.unit} per kW")
        else:
            words.append(f"{number(tier.price)} above")
    return f"{', '.join(words)} ({unit})"


def describe(plan: Plan) -> list[str]:
    """Return the charges of a plan as sentences, one for each line of a bill."""
    made = []
    for terms in plan.terms:
        if len(plan.terms) > 1 or terms.first or terms.last:
            made.append(f"Valid {terms.first or 'from the start'} to {terms.last or 'further notice'}:")
        made += _terms(plan, terms)
    return made


def _terms(plan: Plan, terms: Terms) -> list[str]:
    made = []
    if terms.energy:
        made += _energy(plan, terms.energy, "Energy")
    if terms.baseline:
        days = ", ".join(f"{number(v)} {plan.unit} a day{f' in {s}' if s else ''}" for s, v in terms.baseline.per_day)
        made.append(f"Baseline: {number(terms.baseline.price)} {plan.currency}/{plan.unit} within {days}")
    made += [_charge(plan, c) for c in terms.charges]
    made += [_demand(plan, d) for d in terms.demand]
    if terms.wires:
        made += _wires(plan, terms.wires)
    if terms.export:
        export = terms.export
        price = export.price
        text = "the retail price of the period" if price == "energy" else ""
        if isinstance(price, PriceSeries):
            text = f"prices of {price.source}"
        elif isinstance(price, Schedule):
            text = ", ".join(f"{p.name} {worth(p.tiers, p.series, plan)}".strip() for p in price.periods)
        words = sorted({w for _, on in export.offsets for w in on})
        made.append(f"Export: {text}; netting {export.netting}; offsets {', '.join(words)}; carry {export.carry}")
    if terms.minimum:
        made.append(f"Minimum: {money(terms.minimum.amount, plan.currency)} a {terms.minimum.per}")
    for tax in terms.taxes:
        on = f" on {', '.join(tax.on)}" if tax.on else ""
        rate = f"{number(tax.rate * 100)}%" if tax.rate else f"{number(tax.per_kwh)} {plan.currency}/{plan.unit}"
        made.append(f"{tax.name}: {rate}{on}")
    made += [_charge(plan, c) for c in terms.rebates]
    return made


def _energy(plan: Plan, energy: Energy, name: str) -> list[str]:
    made = []
    for season, schedule in energy.seasons:
        for period in schedule.periods:
            words = " ".join(w for w in (name, season, period.name) if w)
            when = "; ".join(text_of(w) for w in period.whens)
            times_text = "" if schedule.flat or all(w.always for w in period.whens) else f", {when}"
            made.append(f"{words}: {worth(period.tiers, period.series, plan)}{times_text}")
        if schedule.tiered:
            made.append(f"{name} tiers: {tier_rule(schedule)}")
    return made


def tier_rule(schedule: Schedule) -> str:
    """Return in words how the tiers of a schedule count."""
    bound = {"day": "bounds are for each day of the bill"}.get(schedule.per, "bounds are for each bill")
    if any(t.to_hours is not None for p in schedule.periods for t in p.tiers):
        bound = "bounds are hours of use of the billed demand"
    if schedule.tier_month is not None:
        bound = f"bounds are for {number(schedule.tier_month)} days"
    pool = {
        "all": f"counted over all periods, {schedule.share}",
        "period": "counted for each period separately",
        "day": f"counted for each day, {schedule.share}",
    }[schedule.pool]
    return bound if schedule.flat and schedule.pool == "all" else f"{bound}; {pool}"


def _charge(plan: Plan, charge: Charge) -> str:
    if charge.per == "%":
        amount = f"{number(charge.amount * 100)}%"
        per = f" of {', '.join(charge.on)}" if charge.on else " of the bill"
    elif charge.per in ("kWh", "kW"):
        amount, per = f"{number(charge.amount)} {plan.currency}", f" per {charge.per}"
    else:
        exact = charge.amount == round(charge.amount, 2)
        amount = money(charge.amount, plan.currency) if exact else f"{number(charge.amount)} {plan.currency}"
        per = f" a {charge.per}"
    band = charge.band
    words = [
        text.format(number(v))
        for v, text in ((band.low, "from {} kWh"), (band.above, "above {} kWh"), (band.high, "up to {} kWh"),
                        (band.below, "below {} kWh"))
        if v is not None
    ]  # fmt: skip
    months = f" in {months_text(charge.months)}" if charge.months else ""
    rule = prorate_text(charge.prorate)
    shown = f", {' '.join(words)}" if words and "kWh" not in charge.name else ""
    return f"{charge.name}: {amount}{per}{shown}{months}{f', {rule}' if rule else ''}"


def prorate_text(rule: Prorate) -> str:
    """Return a rule of proration in words; empty for none."""
    if rule.base is None:
        return ""
    base = "days ÷ days of the month" if rule.base == "month" else f"days ÷ {number(round(rule.base, 6))}"
    return f"prorated by {base}{f' below {rule.below_days} days' if rule.below_days else ''}"


def _demand(plan: Plan, item: Demand) -> str:
    when = "; ".join(text_of(w) for w in item.when if not w.always)
    if len(item.tiers) == 1:
        price = f"{number(item.tiers[0].price)} {plan.currency}/{item.unit}"
    else:
        price = worth(item.tiers, None, plan).replace(f"{plan.currency}/{plan.unit}", f"{plan.currency}/{item.unit}")
    words = [
        f"{item.name}: {price}",
        f"highest {item.window} minutes" if not item.moments else "at given moments",
        when,
    ]
    if item.ratchet:
        of = f" of {months_text(item.ratchet.of)}" if item.ratchet.of else ""
        words.append(f"at least {number(item.ratchet.share * 100)}% of the {item.ratchet.months} bills before{of}")
    words += [f"at least {number(v)} {item.unit}" for v in (item.minimum, item.contract) if v]
    return ", ".join(w for w in words if w)


def _wires(plan: Plan, wires: Wires) -> list[str]:
    if wires.table:
        rule = "one price for a read cycle" if wires.change == "read" else "split by date"
        return [f"Delivery: table {wires.table}, {rule}"]
    made = _energy(plan, wires.energy, "Delivery") if wires.energy else []
    return made + [_charge(plan, c) for c in wires.charges] + [_demand(plan, d) for d in wires.demand]


def text(plan: Plan) -> str:
    """Return the repr of a plan: its map and its lines."""
    made = [f"<Plan {plan.name!r}, {plan.zone}, {plan.currency}>"]
    for title, rows, _ in price_map(plan):
        made += [f"  {title}", "      0     6     12    18    24"]
        made += [f"  {month} {letters[:6]} {letters[6:12]} {letters[12:18]} {letters[18:]}" for month, letters in rows]
    maps = price_map(plan)
    if maps:
        made += [f"  {letter} {words}" for letter, words in maps[0][2].items()]
    return "\n".join([*made, *(f"  {line}" for line in describe(plan))])


def html(plan: Plan) -> str:
    """Return the HTML repr of a plan, with everything escaped."""
    maps = price_map(plan)
    body = ""
    for title, rows, _ in maps:
        lines = "\n".join(f"{month} {letters}" for month, letters in rows)
        body += f"<p>{_html.text(title)}</p><pre>{_html.text(lines)}</pre>"
    if maps:
        body += _html.table(["letter", "price"], [[k, v] for k, v in maps[0][2].items()])
    body += _html.table(["charge"], [[line] for line in describe(plan)])
    return _html.block(f"Plan: {plan.name}", body, text=text(plan))


# -- a bill


def _cells(line: Line, plan: Plan) -> list[str]:
    words = [line.line, line.component, line.season, line.period, f"tier {line.tier}" if line.tier else ""]
    quantity = f"{line.quantity:,.6g}" if abs(line.quantity) < 1e5 else f"{line.quantity:,.0f}"
    price = "" if line.price is None else number(line.price)
    return [" ".join(w for w in words if w), f"{quantity} {line.unit}", price, money(line.amount, plan.currency)]


def bill_text(bill: Bill) -> str:
    """Return the repr of a bill: its totals, and the findings."""
    made = [f"<Bill: {bill.plan.name}, {counted(len(bill), 'bill')}, {money(bill.total, bill.plan.currency)}>"]
    infos = bill._infos
    for info in infos[:_ROWS]:
        whole = "" if info.whole else "  (incomplete)"
        made.append(f"  {info.meter}  {info.bill}  {info.delivered:,.3f} {bill.plan.unit}  "
                    f"{money(info.total, bill.plan.currency)}{whole}")  # fmt: skip
    if len(infos) > _ROWS:
        made.append(f"  … and {len(infos) - _ROWS:,} more")
    made += [f"  {f.severity}: {f.message}" for f in bill.findings.by_severity if f.severity != "info"]
    return "\n".join(made)


def bill_html(bill: Bill) -> str:
    """Return the HTML repr of a bill, with everything escaped."""
    head = ["meter", "bill", "days", bill.plan.unit, "total", "whole", "intervals"]
    rows = [
        [i.meter, i.bill, _html.Number(i.days), _html.Number(f"{i.delivered:,.3f}"),
         _html.Number(money(i.total, bill.plan.currency)), "yes" if i.whole else "no",
         _html.Number(f"{i.present:,} of {i.expected:,}")]
        for i in bill._infos[:_ROWS]
    ]  # fmt: skip
    body = _html.table(head, rows)
    if len(bill._infos) > _ROWS:
        body += f"<p>… and {len(bill._infos) - _ROWS:,} more bills.</p>"
    doubts = [[f.severity, f.name, f.message] for f in bill.findings]
    if doubts:
        body += _html.table(["severity", "name", "finding"], doubts)
    title = f"{bill.plan.name}: {money(bill.total, bill.plan.currency)}"
    return _html.block(title, body, text=bill_text(bill))


def explain(bill: Bill, info: BillInfo) -> str:
    """Return one bill in words."""
    plan = bill.plan
    a, b = (times.to_times(np.array([t]), info.zone)[0] for t in (info.start, info.end))
    average = f", {float(info.total) / info.delivered:.4f} {plan.currency}/{plan.unit}" if info.delivered > 0 else ""
    made = [
        f"{plan.name}, meter {info.meter}, {info.bill}",
        f"{a:%Y-%m-%d %H:%M} to {b:%Y-%m-%d %H:%M} ({info.zone}), {info.days} days, "
        f"{info.delivered:,.3f} {plan.unit}: {money(info.total, plan.currency)}{average}",
        "",
    ]
    mine = [x for x in bill.lines if x.meter == info.meter and x.bill == info.bill]
    rows = [_cells(x, plan) for x in mine]
    widths = [max((len(r[i]) for r in rows), default=0) for i in range(4)]
    for row in rows:
        price = f" × {row[2]}" if row[2] else ""
        made.append(f"  {row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}{price:<{widths[2] + 3}}  {row[3]:>{widths[3]}}")
    made.append("")
    made += dict.fromkeys(f"{x.line}: {basis(x, info.zone)}." for x in mine if x.basis is not None)
    made += [f"Rule: {rule}." for rule in rules(plan)]
    made.append(
        f"Data: {info.present:,} of {info.expected:,} intervals are present, {info.estimated:,} of them estimated."
        if info.expected
        else "Data: The bill was computed from its kWh, without intervals."
    )
    made += [f"Note: {f.message}" for f in bill.findings.by_severity if f.evidence.get("meter") in (None, info.meter)]
    return "\n".join(made)


def basis(line: Line, zone: str) -> str:
    """Return how the quantity of a demand line was computed, in words."""
    of, unit = line.basis, line.unit
    assert of is not None  # noqa: S101 called for lines with a basis
    if of.moments:
        return f"the mean demand of {of.moments} given {'time' if of.moments == 1 else 'times'}"
    if of.metered is None:
        made = "no demand was metered"
    else:
        made = f"the highest demand was {of.metered:,.6g} {'kW' if of.power_factor else unit}"
    if of.at is not None:
        start = times.to_times(np.array([of.at]), zone)[0]
        made += f", in the {of.window} minutes from {start:%Y-%m-%d %H:%M}"
    if of.power_factor is not None:
        made += f", billed higher for the power factor {of.power_factor:.3f}"
    if of.share is not None and of.highest is not None:
        made += f"; the ratchet bills {number(of.share * 100)}% of the {of.highest:,.6g} {unit} of {of.of}"
    elif line.line.endswith(" (minimum)"):
        made += "; the plan bills its minimum"
    elif line.line.endswith(" (contract)"):
        made += "; the plan bills the contract demand"
    if of.load_factor is not None:
        made += f"; the load factor is {100 * of.load_factor:.1f}%, so this demand is billed at the price of its group"
    return made


def rules(plan: Plan) -> list[str]:
    """Return the rules that decide between one bill and another, in words."""
    made = []
    clock = "local time" if plan.clock == "local" else "standard time all year"
    schedules = [s for t in plan.terms if t.energy for _, s in t.energy.seasons]
    if any(not s.flat for s in schedules):
        made.append(f"time-of-use periods go by {clock}, and an interval belongs to the time at which it starts")
        windows = [w for s in schedules for p in s.periods for when in p.whens for w in when.hours or ()]
        past = any(b <= a for a, b in windows)
        if past:
            owner = (
                "the day on which each hour falls" if plan.nights_belong_to == "day" else "the day on which it begins"
            )
            made.append(f"a window past midnight belongs to {owner}")
    if plan.holidays:
        observed = plan.observed or "the rule of the list"
        made.append(f"holidays are {', '.join(plan.holidays)}, observed by {observed}")
    made += list(dict.fromkeys(f"tiers: {tier_rule(s)}" for s in schedules if s.tiered))
    if plan.seasons:
        text_by = {"date": "by date", "bill-end": "by the end of the bill", "more-days": "by most days of the bill"}
        made.append(f"seasons are decided {text_by[plan.season_by]}")
    if len(plan.terms) > 1:
        how = "each day has the prices of its date" if plan.change == "day" else "a bill has the prices of its last day"
        made.append(f"when prices change, {how}")
    for terms in plan.terms:
        if terms.wires and terms.wires.table:
            how = (
                "one price for the read cycle, that of its last day"
                if terms.wires.change == "read"
                else "split by the date of the change"
            )
            made.append(f"delivery charges of {terms.wires.table} have {how}")
            break
    held = [c for t in plan.terms for c in t.charges if c.prorate.base is not None]
    made += [f"{c.name} is {prorate_text(c.prorate)}" for c in dict.fromkeys(held)]
    made.append("each line is rounded half up to the cent, and the total is the sum of the lines")
    return made
