"""Rates of the U.S. Utility Rate Database (URDB, version 8) as plans.

A record is translated into the tables of a plan in TOML, so there is one reader, and ``to_toml()`` shows the
translation. URDB has no time zone, no holidays, no riders except in prose, no usage bands, and no export series. What a
record cannot say, or says in a field that greenkit does not price, becomes a finding of every bill.

=============================  ========================================================================================
Field                          Becomes
=============================  ========================================================================================
``energyratestructure``        ``energy``: price = ``rate`` + ``adj``; months with the same periods are a season
``…weekday/weekendschedule``   12 × 24 of 0-based periods; column h is [h, h + 1) local
``flatdemandstructure``        ``[[demand]]`` for the months of ``flatdemandmonths``
``demandratestructure``        ``[[demand]]`` with hours, days, and months
``fixedcharge…``, ``min…``     ``fixed``, ``minimum``
``fueladjustmentsmonthly``     ``fees`` per kWh by month
``lookback…``                  ``ratchet``: months that count, or a range, never both
``dgrules``, ``sell``          ``[export]``
``peakkw…``, ``peakkwh…``      ``eligible``
=============================  ========================================================================================

Source: the field descriptions of URDB version 8 and its bulk files.
"""

from __future__ import annotations

import csv
import datetime as dt
import difflib
import gzip
import io
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greenkit.findings import Findings, Kind
from greenkit.tariffs._model import PlanError
from greenkit.tariffs._text import LARGEST, read_bytes

if TYPE_CHECKING:
    from greenkit.tariffs._plan import Plan

KINDS: Final = {
    k.name: k
    for k in (
        Kind(
            "tariff.urdb.no-zone",
            "info",
            "URDB rates have no time zone and no holidays. greenkit used the time zone of the meter and no holidays.",
        ),
        Kind(
            "tariff.urdb.rider-in-text",
            "warning",
            "The description of the rate mentions riders or adjustments that its fields do not price: {text}",
            "Read the utility's tariff sheet and add what is missing to the plan's TOML.",
        ),
        Kind(
            "tariff.urdb.delivery-only",
            "warning",
            "The rate is for {service}. The price of the energy itself is not in it.",
            "Add the supplier's price to the plan's TOML.",
        ),
        Kind(
            "tariff.urdb.cannot-model",
            "serious",
            "The name of the rate states that URDB cannot model it: {text}",
            "Write the plan in TOML from the utility's tariff sheet.",
        ),
        Kind(
            "tariff.urdb.old",
            "warning",
            "The record was last changed on {date}, so its prices may be out of date.",
            "Compare the prices with the utility's current tariff sheet.",
        ),
        Kind(
            "tariff.urdb.demand-window",
            "info",
            "The record does not specify the length of the demand window. greenkit used 15 minutes.",
        ),
        Kind(
            "tariff.urdb.not-priced",
            "warning",
            "greenkit does not price these fields of the record: {fields}.",
            "Add what they charge to the plan's TOML.",
        ),
        Kind(
            "tariff.urdb.no-export",
            "info",
            "The record has no rules for distributed generation, so greenkit credits nothing for exported energy.",
        ),
        Kind(
            "tariff.urdb.export-assumed",
            "warning",
            "The record specifies {rule}, but not which charges credits may offset or whether they carry over. "
            "greenkit carries them over and lets them offset energy charges.",
            "Correct [export] in the plan's TOML.",
        ),
        Kind(
            "tariff.urdb.tiers-differ",
            "warning",
            "Periods of the same months have different tier bounds, so greenkit counts tiers by period.",
            "Compare a calculated bill with a printed one.",
        ),
    )
}
_OPEN: Final = Decimal("1e37")
_HP: Final = Decimal("0.7456999")
_OLD: Final = 5  # years
_RIDER: Final = re.compile(r"\b(rider|surcharge|adjustment|PCA|ECA|franchise|fuel cost|tax)\w*", re.IGNORECASE)
_ALIASES: Final = {
    "rateName": "name", "utilityName": "utility", "energyRateStrux": "energyratestructure",
    "energyWeekdaySched": "energyweekdayschedule", "energyWeekendSched": "energyweekendschedule",
    "demandRateStrux": "demandratestructure", "demandWeekdaySched": "demandweekdayschedule",
    "demandWeekendSched": "demandweekendschedule", "flatDemandStrux": "flatdemandstructure",
    "fixedChargeUnits": "fixedchargeunits", "coincidentschedule": "coincidentrateschedule", "eia": "eiaid",
    "supercedes": "supersedes", "serviceType": "servicetype", "dgRules": "dgrules",
}  # fmt: skip
_STRUCTURES: Final = (
    "energyratestructure", "demandratestructure", "flatdemandstructure", "coincidentratestructure",
)  # fmt: skip
_LISTS: Final = ("flatdemandmonth", "lookbackmonth", "fueladjustmentsmonthly", "demandratchetpercentage")
_DG: Final = {
    "net metering": ("period", "kWh"),
    "net billing": ("interval", "money"),
    "net billing instantaneous": ("interval", "money"),
    "net billing hourly": ("hour", "money"),
    "buy all sell all": ("none", "pay"),
}
Record = dict[str, Any]


# -- reading


def is_urdb(tables: Mapping[str, Any]) -> bool:
    """Return whether a mapping is a URDB record, or an answer of its API."""
    return bool({"items", *_STRUCTURES, "fixedchargefirstmeter", "energyRateStrux"} & set(tables)) or (
        "label" in tables and "utility" in tables
    )


def read(path: Path) -> list[Record]:
    """Read the records of a JSON, JSON-lines, or CSV file, also gzipped.

    Raises
    ------
    PlanError
        If the file is none of these.
    """
    data = read_bytes(path)
    if data[:2] == b"\x1f\x8b":
        with gzip.open(io.BytesIO(data)) as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise PlanError(
                f"{path.name} is larger than {LARGEST:,} bytes",
                next_step="Save the record that you need as a file of its own, and load that.",
            )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PlanError(f"{path.name} is not UTF-8", next_step="Save the file as UTF-8.") from None
    if text.lstrip()[:1] in "{[":
        return _json(text, path.name)
    return [_unflattened(row) for row in csv.DictReader(io.StringIO(text))]


def _json(text: str, name: str) -> list[Record]:
    def loads(part: str) -> Any:
        return json.loads(part, parse_float=Decimal)

    try:
        try:
            found = loads(text)
        except json.JSONDecodeError:
            found = [loads(line) for line in text.splitlines() if line.strip()]
    except (json.JSONDecodeError, RecursionError) as e:
        line = getattr(e, "lineno", 1)
        raise PlanError(f"{name}, line {line}: The JSON is not valid", next_step="Download the file again.") from None
    if isinstance(found, Mapping) and "items" in found:
        found = found["items"]
    records = found if isinstance(found, list) else [found]
    if not all(isinstance(r, Mapping) for r in records):
        raise PlanError(f"{name} has no URDB records", next_step="Check the path.")
    return [dict(r) for r in records]


def _unflattened(row: Mapping[str, Any]) -> Record:
    """Turn the columns of a CSV row, such as ``energyratestructure/period0/tier0rate``, into lists."""
    made: Record = {}
    for key, text in row.items():
        if key is None or text in (None, ""):
            continue
        found = re.fullmatch(r"(\w+)/period(\d+)/tier(\d+)(\w+)", key)
        if found:
            name, p, t, field = found[1], int(found[2]), int(found[3]), found[4]
            periods = made.setdefault(name, [])
            while len(periods) <= p:
                periods.append([])
            while len(periods[p]) <= t:
                periods[p].append({})
            periods[p][t][field] = _value(text)
            continue
        listed = next((n for n in _LISTS if re.fullmatch(rf"{n}s?\d+", key)), None)
        if listed:
            name = {"flatdemandmonth": "flatdemandmonths", "lookbackmonth": "lookbackmonths"}.get(listed, listed)
            values = made.setdefault(name, [0] * 12)
            number = int(re.sub(r"\D", "", key))
            if 1 <= number <= 12:
                values[number - 1] = _value(text)
            continue
        made[key] = _value(text)
    return made


def _value(text: str) -> Any:
    text = text.strip()
    if text[:1] in "[{":
        try:
            return json.loads(text.replace("'", '"').replace("L", ""), parse_float=Decimal)
        except json.JSONDecodeError:
            return text
    try:
        return Decimal(text) if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text) else text
    except InvalidOperation:
        return text


def pick(records: Mapping[str, Any] | Sequence[Mapping[str, Any]], label: str | None, name: str) -> Record:
    """Return the record with a label; the only one if there is one.

    Raises
    ------
    PlanError
        If there are several and none, or an unknown one, is named.
    """
    held: Any = records.get("items", [records]) if isinstance(records, Mapping) else records
    known: list[Record] = [_renamed(r) for r in held]
    if label is not None:
        found = next((r for r in known if str(r.get("label")) == label), None)
        if found is None:
            near = difflib.get_close_matches(label, [str(r.get("label")) for r in known], n=1)
            hint = f"Did you mean {near[0]}?" if near else "Check the label."
            raise PlanError(f"{name} has no rate with the label {label!r}", next_step=hint)
        return found
    if not known:
        raise PlanError(f"{name} has no rates", next_step="Choose another file, or check the request to the API.")
    if not any(is_urdb(r) for r in known):
        raise PlanError(
            f"{name} is not a plan: it has no fields of the U.S. Utility Rate Database",
            next_step="Pass a plan in TOML, or a URDB rate as JSON or CSV; interval data are a source of usage.",
        )
    if len(known) > 1:
        shown = ", ".join(f"{r.get('label')} ({r.get('name')})" for r in known[:5])
        raise PlanError(
            f"{name} has {len(known):,} rates: {shown}", next_step="Pass label= with the one that you want."
        )
    return known[0]


def _renamed(record: Mapping[str, Any]) -> Record:
    """Return a record with the names of the API; bulk JSON has others, and wraps some values."""
    made: Record = {}
    for key, value in record.items():
        if key == "_id" and isinstance(value, Mapping):
            made.setdefault("label", value.get("$oid"))
            continue
        name = _ALIASES.get(key, key.lower() if re.search(r"[a-z][A-Z]", key) else key)
        if isinstance(value, Mapping) and "$date" in value:
            value = value["$date"]
        made[name] = value
    for name in _STRUCTURES:
        if isinstance(made.get(name), list):
            made[name] = [
                next((v for v in p.values() if isinstance(v, list)), [p]) if isinstance(p, Mapping) else p
                for p in made[name]
            ]
    return made


# -- translating


class _Record:
    """One record under translation, with its findings."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.notes: list[tuple[str, Mapping[str, Any]]] = []

    def note(self, name: str, **words: Any) -> None:
        self.notes.append((name, words))

    def number(self, key: str, default: int | None = None) -> Decimal | None:
        value = self.record.get(key)
        if value is None or value == "":
            return Decimal(default) if default is not None else None
        return _decimal(value, key)

    def text(self, key: str) -> str:
        return str(self.record.get(key) or "").strip()

    def numbers(self, key: str) -> list[Decimal] | None:
        value = self.record.get(key)
        if not isinstance(value, list) or len(value) != 12:
            return None
        return [_decimal(v if v is not None else 0, key) for v in value]


def _decimal(value: Any, key: str) -> Decimal:
    try:
        made = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise PlanError(
            f"The URDB field {key} is {str(value)[:40]!r}, which is not a number", next_step=_WRITE
        ) from None
    if not made.is_finite():
        raise PlanError(f"The URDB field {key} is {value}, which is not a finite number", next_step=_WRITE)
    return made


def to_tables(record: Record) -> tuple[dict[str, Any], list[tuple[str, Mapping[str, Any]]]]:
    """Translate a record into the tables of a plan, and report what it does not contain.

    Raises
    ------
    PlanError
        If a period is used but not defined, a tier has no price, the last tier has a bound, or two look-back rules are
        set.
    """
    of = _Record(record)
    tables: dict[str, Any] = {
        "schema": 1,
        "name": " · ".join(t for t in (of.text("utility"), of.text("name")) if t) or "URDB rate",
        "zone": "UTC",
        "source": " ".join(t for t in (f"URDB {of.text('label')}".strip(), of.text("uri")) if t),
    }
    of.note("tariff.urdb.no-zone")
    tables |= _energy(of)
    demand = [*_flat_demand(of), *_tou_demand(of)]
    if demand:
        _lookback(of, demand)
        tables["demand"] = demand
    tables |= _fixed(of)
    tables |= _export(of, tables)
    tables |= _eligible(of)
    _doubts(of)
    if not {"energy", "demand", "fixed", "fees", "minimum"} & set(tables):
        raise PlanError("The URDB record has no charges", next_step="Choose another rate.")
    return tables, of.notes


def _tiers(of: _Record, period: Any, key: str, p: int) -> list[dict[str, Any]]:
    """Return the tiers of a period: price, bound, and unit of the bound."""
    if not isinstance(period, list) or not period:
        raise PlanError(f"The URDB field {key} has no tiers in period {p}", next_step="Choose another rate.")
    made = []
    for t, tier in enumerate(period):
        rate, adj = tier.get("rate"), tier.get("adj")
        if rate in (None, "") and adj in (None, ""):
            raise PlanError(
                f"The URDB field {key} has neither rate nor adj in period {p}, tier {t}",
                next_step="Write the plan in TOML, with the price of that tier.",
            )
        price = _decimal(rate or 0, key) + _decimal(adj or 0, key)
        bound = tier.get("max")
        top = None if bound in (None, "") or _decimal(bound, key) >= _OPEN else _decimal(bound, key)
        made.append({"price": price, "max": top, "unit": str(tier.get("unit") or "").strip(), "sell": tier.get("sell")})
    if made[-1]["max"] is not None:
        raise PlanError(
            f"The URDB field {key} has a bound ({made[-1]['max']}) in the last tier of period {p}",
            next_step="Choose another rate; this one has no price above that bound.",
        )
    return made


def _energy(of: _Record) -> dict[str, Any]:
    structure = of.record.get("energyratestructure")
    if not isinstance(structure, list) or not structure:
        return {}
    weekday, weekend = _schedules(of, "energy", len(structure))
    tiers = {}
    for p in sorted({x for row in (*weekday, *weekend) for x in row}):
        tiers[p] = _tiers(of, structure[p], "energyratestructure", p)
    # months whose days use the same periods are one season, whose tiers count together
    used = [frozenset(weekday[m]) | frozenset(weekend[m]) for m in range(12)]
    sets = list(dict.fromkeys(used))
    made: dict[str, Any] = {}
    schedules = {}
    for i, one in enumerate(sets):
        months = [m for m in range(12) if used[m] == one]
        schedules[f"season{i + 1}"] = _schedule(of, sorted(one), tiers, months, weekday, weekend)
    if len(sets) == 1:
        made["energy"] = next(iter(schedules.values()))
    else:
        made["seasons"] = {
            f"season{i + 1}": _ranges([m for m in range(12) if used[m] == one]) for i, one in enumerate(sets)
        }
        made["energy"] = schedules
    return made


def _schedule(
    of: _Record, periods: list[int], tiers: dict[int, list[dict[str, Any]]], months: list[int],
    weekday: list[list[int]], weekend: list[list[int]],
) -> dict[str, Any]:  # fmt: skip
    units = {t["unit"].lower() for p in periods for t in tiers[p] if t["max"] is not None}
    if len(units) > 1:
        raise PlanError("The URDB tiers have bounds in different units", next_step="Write the plan in TOML.")
    unit = next(iter(units), "kwh")
    rules: dict[str, Any] = {"per": "day"} if unit.endswith("daily") else {}
    base = unit.removesuffix("daily").strip() or "kwh"
    in_kva = "kva" in of.text("flatdemandunit").lower() or "kva" in of.text("demandrateunit").lower()
    if base == "kwh/kva" and not in_kva:
        raise PlanError(
            "The URDB tiers have bounds in kWh/kVA, but no demand of the rate is in kVA",
            next_step="Write the plan in TOML, with the demand that the tiers refer to.",
        )
    # a bound in hours counts for each unit of the billed demand, so kWh/kVA needs no factor
    if base not in ("kwh", "kwh/kw", "kwh/kva", "kwh/hp"):
        raise PlanError(
            f"The URDB tiers have bounds in {unit}, which greenkit does not price", next_step="Write the plan in TOML."
        )

    def worth(p: int) -> dict[str, Any]:
        if len(tiers[p]) == 1:
            return {"price": tiers[p][0]["price"]}
        listed = []
        for tier in tiers[p]:
            one = {"price": tier["price"]}
            if tier["max"] is not None:
                bound = tier["max"] / _HP if base == "kwh/hp" else tier["max"]
                one["to" if base == "kwh" else "to_hours"] = bound
            listed.append(one)
        return {"tiers": listed}

    bounds = {tuple(t["max"] for t in tiers[p]) for p in periods if len(tiers[p]) > 1}
    if len(bounds) > 1:
        of.note("tariff.urdb.tiers-differ")
        rules["pool"] = "period"
    if len(periods) == 1:
        return {**worth(periods[0]), **rules}
    named = {f"period{p}": {**worth(p), "when": _when(p, months, weekday, weekend)} for p in periods}
    return {**rules, **named}


def _schedules(of: _Record, kind: str, count: int) -> tuple[list[list[int]], list[list[int]]]:
    """Return the 12 × 24 periods of weekdays and of weekends, checked."""
    made = []
    for part in ("weekday", "weekend"):
        key = f"{kind}{part}schedule"
        rows = of.record.get(key)
        if rows is None and count == 1:
            rows = [[0] * 24] * 12
        if not isinstance(rows, list) or len(rows) != 12 or any(not isinstance(r, list) or len(r) != 24 for r in rows):
            raise PlanError(f"The URDB field {key} is not a table of 12 × 24 periods", next_step="Choose another rate.")
        checked = [[int(_decimal(x, key)) for x in row] for row in rows]
        wrong = next((x for row in checked for x in row if not 0 <= x < count), None)
        if wrong is not None:
            raise PlanError(
                f"The URDB field {key} uses period {wrong}, but only {count} are defined",
                next_step="Write the plan in TOML, with the price of that period.",
            )
        made.append(checked)
    return made[0], made[1]


def _when(p: int, months: list[int], weekday: list[list[int]], weekend: list[list[int]]) -> list[dict[str, str]]:
    """Return the times of a period as windows of hours by kind of day and months."""
    found: dict[tuple[str, str], list[int]] = {}
    for m in months:
        rows = {"weekdays": weekday[m], "weekends": weekend[m]}
        if weekday[m] == weekend[m]:
            rows = {"every day": weekday[m]}
        for days, row in rows.items():
            hours = _hours([h for h in range(24) if row[h] == p])
            if hours:
                found.setdefault((days, hours), []).append(m)
    made = []
    for (days, hours), listed in found.items():
        one = {} if hours == "0-24" else {"hours": hours}
        if days != "every day":
            one["days"] = days
        if len(listed) < 12:
            one["months"] = ", ".join(str(m + 1) for m in listed)
        made.append(one or {"days": "every day"})
    return made


def _hours(hours: list[int]) -> str:
    parts: list[list[int]] = []
    for h in hours:
        if parts and parts[-1][1] == h:
            parts[-1][1] = h + 1
        else:
            parts.append([h, h + 1])
    return ", ".join(f"{a}-{b}" for a, b in parts)


def _ranges(months: list[int]) -> str:
    """Return months (0 to 11) as ranges of dates."""
    runs: list[list[int]] = []
    for m in months:
        if runs and runs[-1][1] == m - 1:
            runs[-1][1] = m
        else:
            runs.append([m, m])
    last = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return ", ".join(f"{a + 1:02d}-01/{b + 1:02d}-{last[b]}" for a, b in runs)


def _demand_price(of: _Record, period: Any, key: str, p: int, unit: str) -> dict[str, Any]:
    tiers = _tiers(of, period, key, p)
    scale = _HP if unit == "hp" else Decimal(1)
    if len(tiers) == 1:
        return {"price": tiers[0]["price"] / scale}
    return {
        "tiers": [
            {"price": t["price"] / scale, **({"to": t["max"] * scale} if t["max"] is not None else {})} for t in tiers
        ]
    }


def _demand_rules(of: _Record, key: str) -> dict[str, Any]:
    text = of.text(key).lower() or "kw"
    unit = text.removesuffix("daily").strip()
    rules: dict[str, Any] = {"per": "day"} if text.endswith("daily") else {}
    if unit == "kva":
        rules["unit"] = "kVA"
    elif unit not in ("kw", "hp"):
        raise PlanError(f"The URDB field {key} is {of.text(key)!r}, which greenkit does not price", next_step=_WRITE)
    window = of.number("demandwindow")
    if window is None:
        if not any(n == "tariff.urdb.demand-window" for n, _ in of.notes):
            of.note("tariff.urdb.demand-window")
    else:
        rules["window"] = int(window)
    return rules


def _is_free(price: dict[str, Any]) -> bool:
    return not price.get("price") and not any(t["price"] for t in price.get("tiers", ()))


def _flat_demand(of: _Record) -> list[dict[str, Any]]:
    structure, months = of.record.get("flatdemandstructure"), of.numbers("flatdemandmonths")
    if not isinstance(structure, list) or not structure:
        return []
    owner = [int(m) for m in months] if months else [0] * 12
    made = []
    for p in dict.fromkeys(owner):
        if not 0 <= p < len(structure):
            raise PlanError(
                f"The URDB field flatdemandmonths uses period {p}, but only {len(structure)} are defined",
                next_step="Write the plan in TOML.",
            )
        price = _demand_price(of, structure[p], "flatdemandstructure", p, of.text("flatdemandunit").lower())
        if _is_free(price):
            continue
        mine = [m for m in range(12) if owner[m] == p]
        when = {} if len(mine) == 12 else {"months": ", ".join(str(m + 1) for m in mine)}
        made.append({"name": "Demand", **price, **_demand_rules(of, "flatdemandunit"), **when})
    return made


def _tou_demand(of: _Record) -> list[dict[str, Any]]:
    structure = of.record.get("demandratestructure")
    if not isinstance(structure, list) or not structure:
        return []
    weekday, weekend = _schedules(of, "demand", len(structure))
    made = []
    for p in sorted({x for row in (*weekday, *weekend) for x in row}):
        price = _demand_price(of, structure[p], "demandratestructure", p, of.text("demandrateunit").lower())
        if _is_free(price):
            continue
        when = _when(p, list(range(12)), weekday, weekend)
        made.append({"name": f"Demand, period {p}", **price, **_demand_rules(of, "demandrateunit"), "when": when})
    return made


def _lookback(of: _Record, demand: list[dict[str, Any]]) -> None:
    share = of.number("lookbackpercent")
    months, span = of.numbers("lookbackmonths"), of.number("lookbackrange")
    flagged = months is not None and any(months)
    if not share:
        return
    if flagged and span:
        raise PlanError(
            "The URDB record sets both lookbackmonths and lookbackrange, which exclude each other",
            next_step="Write the plan in TOML, with the ratchet of the tariff sheet.",
        )
    if not flagged and not span:
        return
    ratchet: dict[str, Any] = {"share": share if share <= 1 else share / 100, "months": int(span) if span else 11}
    if flagged and months is not None and not all(months):
        ratchet["of"] = ", ".join(str(m + 1) for m in range(12) if months[m])
    flat = [d for d in demand if d["name"] == "Demand"] or demand
    for item in flat:
        if item.get("per") != "day":
            item["ratchet"] = dict(ratchet)


_WRITE: Final = "Write the plan in TOML."
_PER: Final = {"$/month": "month", "$/day": "day", "$/year": "year"}


def _per(of: _Record, key: str) -> str:
    text = of.text(key) or "$/month"
    if text not in _PER:
        raise PlanError(f"The URDB field {key} is {text!r}, but it must be one of {', '.join(_PER)}", next_step=_WRITE)
    return _PER[text]


def _fixed(of: _Record) -> dict[str, Any]:
    made: dict[str, Any] = {}
    fixed = of.number("fixedchargefirstmeter") or of.number("fixedmonthlycharge")
    if fixed:
        per = _per(of, "fixedchargeunits")
        made["fixed"] = [{"name": "Fixed charge", "amount": fixed, "per": per}]
    least, yearly = of.number("mincharge"), of.number("annualmincharge")
    if least:
        made["minimum"] = {"amount": least, "per": _per(of, "minchargeunits")}
        if yearly:
            of.note("tariff.urdb.not-priced", fields="annualmincharge")
    elif yearly:
        made["minimum"] = {"amount": yearly, "per": "year"}
    fuel = of.numbers("fueladjustmentsmonthly")
    if fuel and any(fuel):
        made["fees"] = [
            {
                "name": "Fuel adjustment",
                "amount": amount,
                "per": "kWh",
                **({} if all(f == amount for f in fuel) else {
                    "months": ", ".join(str(m + 1) for m in range(12) if fuel[m] == amount)}),
            }
            for amount in dict.fromkeys(f for f in fuel if f)
        ]  # fmt: skip
    return made


def _export(of: _Record, tables: Mapping[str, Any]) -> dict[str, Any]:
    rule = of.text("dgrules")
    if not rule:
        of.note("tariff.urdb.no-export")
        return {}
    if rule.lower() not in _DG or "energy" not in tables:
        of.note("tariff.urdb.not-priced", fields=f"dgrules = {rule}")
        return {}
    netting, carry = _DG[rule.lower()]
    structure = of.record["energyratestructure"]
    sells = {_decimal(t["sell"], "sell") for p in structure for t in p if t.get("sell") not in (None, "")}
    price: Any = "energy" if not sells else max(sells)
    if len(sells) > 1:
        weekday, weekend = _schedules(of, "energy", len(structure))
        used = sorted({x for row in (*weekday, *weekend) for x in row})
        price = {
            f"period{p}": {
                "price": _decimal(structure[p][0].get("sell") or 0, "sell"),
                "when": _when(p, list(range(12)), weekday, weekend),
            }
            for p in used
        }
    of.note("tariff.urdb.export-assumed", rule=rule)
    return {"export": {"price": price, "netting": netting, "carry": carry, "offsets": ["energy"]}}


def _eligible(of: _Record) -> dict[str, Any]:
    names = {
        "min_kw": "peakkwcapacitymin", "max_kw": "peakkwcapacitymax", "min_kwh": "peakkwhusagemin",
        "max_kwh": "peakkwhusagemax",
    }  # fmt: skip
    made = {k: v for k, field in names.items() if (v := of.number(field)) is not None and 0 <= v < _OPEN}
    return {"eligible": made} if made else {}


def _doubts(of: _Record) -> None:
    service = of.text("servicetype")
    if service.lower().startswith("delivery"):
        of.note("tariff.urdb.delivery-only", service=service.lower())
    if "cannot correctly model" in of.text("name").lower():
        of.note("tariff.urdb.cannot-model", text=of.text("name")[:120])
    prose = " ".join(
        of.text(k) for k in ("description", "basicinformationcomments", "energycomments", "demandcomments")
    )
    found = _RIDER.search(prose)
    if found:
        start = max(found.start() - 40, 0)
        of.note("tariff.urdb.rider-in-text", text=f"“…{prose[start : found.end() + 60].strip()}…”")
    unpriced = [k for k in ("demandreactivepowercharge", "fixedchargeeaaddl") if of.number(k)]
    if of.numbers("demandratchetpercentage") and any(of.numbers("demandratchetpercentage") or ()):
        unpriced.append("demandratchetpercentage")
    if of.record.get("coincidentratestructure"):
        unpriced.append("coincidentratestructure (its moments are not in the record)")
    if unpriced:
        of.note("tariff.urdb.not-priced", fields=", ".join(unpriced))
    changed = _date(of.record.get("latest_update")) or _date(of.record.get("startdate"))
    if changed and (dt.date.today() - changed).days > 365 * _OLD:
        of.note("tariff.urdb.old", date=changed.isoformat())


def _date(value: Any) -> dt.date | None:
    """Return a date from epoch seconds or text; years before 1990 are unknown."""
    try:
        if isinstance(value, int | float | Decimal):
            seconds = float(value) / (1000 if float(value) > 1e11 else 1)
            made = dt.datetime.fromtimestamp(seconds, dt.UTC).date()
        else:
            made = dt.date.fromisoformat(str(value)[:10])
    except (ValueError, OverflowError, OSError):
        return None
    return made if made.year >= 1990 else None


def report(plan: Plan, findings: Findings) -> None:
    """Add the findings on a record to those of a bill."""
    for name, words in plan.notes:
        findings.add(KINDS[name], **words)
