"""What the checks saw, said as findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit.analysis._seen import Seen
from greenkit.analysis.checks import Limits
from greenkit.findings import SEVERITIES, Finding, counted

_EXAMPLES: Final = 3

# name of a finding → what was seen
NAMES: Final[Mapping[str, str]] = {
    "quality.empty": "no interval has a value",
    "quality.gap": "times without a value",
    "quality.repeated": "intervals that stand twice with the same value",
    "quality.contradicting": "intervals that stand twice with different values",
    "quality.overlap": "intervals that overlap others of their series",
    "quality.negative": "amounts below zero in a flow of one direction",
    "quality.zero-run": "runs of zeros where zeros are rare, or for more than a day",
    "quality.frozen": "runs of one repeated value where they are rare",
    "quality.spike": "days whose highest interval stands far above their third highest",
    "quality.ceiling": "power above the ceiling that was given",
    "quality.estimated": "values that nobody measured",
    "quality.placeholder": "estimated zeros where zeros are rare",
    "quality.change": "months whose average day differs from the month they are compared with",
    "quality.interval.mixed": "intervals of another length than the usual one",
    "quality.interval.empty": "intervals without length",
    "quality.unit.register": "values that only ever rise",
    "quality.unit.watt-hours": "whole numbers with a mean above 100 kW",
    "quality.sum-check": "registers that advanced by something else than the intervals add up to",
}
Doubt = tuple[str, str, str, dict[str, Any]]
"""Last part of the name, severity, sentence without its subject, evidence."""


def findings(seen: Seen, code: int, limits: Limits) -> list[Finding]:
    """Say what is doubtful in one series, the most severe first."""
    subject = {name: str(seen.records[code][name]) for name in ("meter", "flow", "series", "unit")}
    found = [
        Finding(f"quality.{name}", severity, f"{seen.found.label(code)}: {text}", {**subject, **evidence})
        for check in (_whole, _twice, _values, _guesses, _shape)
        for name, severity, text, evidence in check(seen, code, limits)
    ]
    return sorted(found, key=lambda f: -SEVERITIES.index(f.severity))


def _whole(seen: Seen, code: int, limits: Limits) -> Iterator[Doubt]:
    row, gaps = seen.records[code], seen.rows("gaps", code)
    if not row["present"]:
        yield "empty", "serious", "no interval has a value.", {"intervals": int(row["expected"])}
        return
    if len(gaps):
        longest = gaps.iloc[int((gaps["end"] - gaps["start"]).to_numpy().argmax())]
        bad = row["completeness"] < limits.completeness or row["longest_gap"] >= 24
        text = (
            f"{row['missing']:,} of {row['expected']:,} intervals are missing in {counted(len(gaps), 'gap')}, "
            f"the longest of {row['longest_gap']:g} h from {_at(seen, code, longest['start'])}."
        )
        evidence = {"missing": int(row["missing"]), "completeness": round(float(row["completeness"]), 5)}
        yield "gap", "warning" if bad else "info", text, {**evidence, "first": _first(seen, code, gaps)}


def _twice(seen: Seen, code: int, limits: Limits) -> Iterator[Doubt]:
    row = seen.records[code]
    if row["repeated"]:
        text = f"{row['repeated']:,} intervals stand twice with the same value; one of each counts."
        yield "repeated", "info", text, {"intervals": int(row["repeated"])}
    if row["contradicting"]:
        text = (
            f"{row['contradicting']:,} intervals stand twice with different values; the newest revision counts, "
            "else the last row: greenkit.analysis.intervals.unique(df) keeps just those."
        )
        yield "contradicting", "warning", text, {"intervals": int(row["contradicting"])}
    if row["overlapping"]:
        text = f"{row['overlapping']:,} intervals overlap others, so sums count that time more than once: choose one."
        yield "overlap", "serious", text, {"intervals": int(row["overlapping"])}


def _values(seen: Seen, code: int, limits: Limits) -> Iterator[Doubt]:
    row = seen.records[code]
    if row["negative"]:
        text = f"{row['negative']:,} values are negative, which a flow of one direction cannot be."
        yield "negative", "warning", text, {"intervals": int(row["negative"])}
    zero, frozen = seen.rows("zeros", code), seen.rows("frozen", code)
    if len(zero):
        text = f"{counted(len(zero), 'run')} of zeros, {_longest(seen, code, zero)}: an outage, or nobody there?"
        yield "zero-run", "warning", text, {"runs": len(zero), "first": _first(seen, code, zero)}
    if len(frozen):
        text = f"{counted(len(frozen), 'run')} of one repeated value, {_longest(seen, code, frozen)}: a stuck meter?"
        yield "frozen", "info", text, {"runs": len(frozen), "first": _first(seen, code, frozen)}
    if row["spike_days"]:
        spikes = seen.rows("spikes", code)
        most = spikes.iloc[int(spikes["excess"].to_numpy().argmax())]
        text = (
            f"on {counted(row['spike_days'], 'day')} the highest interval exceeds the third highest by more than "
            f"{limits.spike:.0%}, most on {_at(seen, code, most['start'])} ({most['excess']:.0%})."
        )
        yield "spike", "info", text, {"days": int(row["spike_days"]), "first": _first(seen, code, spikes)}
    if row["unit"] in ("kWh", "kW") and seen.highest[code] > limits.ceiling:
        text = f"the highest power is {seen.highest[code]:,.1f} kW, above the ceiling of {limits.ceiling:,g} kW."
        yield "ceiling", "warning", text, {"kW": float(seen.highest[code])}


def _guesses(seen: Seen, code: int, limits: Limits) -> Iterator[Doubt]:
    row, months = seen.records[code], seen.rows("months", code)
    if row["estimated"]:
        over = months[months["estimated"] > limits.estimated]
        share = row["estimated"] / row["present"]
        text = f"{row['estimated']:,} of {row['present']:,} values are estimated ({share:.1%})"
        text += f", more than {limits.estimated:.0%} in {', '.join(over['month'].head(6))}." if len(over) else "."
        evidence = {"share": round(float(share), 4), "months": list(over["month"])}
        yield "estimated", "warning" if len(over) else "info", text, evidence
    if row["placeholders"]:
        text = (
            f"{row['placeholders']:,} zeros are marked as estimates; utilities in Texas write that where they have "
            "no value, so count them as missing."
        )
        yield "placeholder", "warning", text, {"intervals": int(row["placeholders"])}
    change = months["change"].abs().to_numpy()
    if (change > limits.high_low).any():
        changed, most = months[change > limits.high_low], months.iloc[int(np.nanargmax(change))]
        text = (
            f"in {counted(len(changed), 'month')} the average day differs by more than {limits.high_low:.0%}, "
            f"most in {most['month']}: {most['change']:+.0%} against {most['against']}."
        )
        yield "change", "info", text, {"months": list(changed["month"])}


def _shape(seen: Seen, code: int, limits: Limits) -> Iterator[Doubt]:
    found, row = seen.found, seen.records[code]
    odd = int(seen.odd[code])
    if odd:
        text = f"{odd:,} intervals are not {row['minutes']:g} min long, as the others are."
        yield "interval.mixed", "info", text, {"intervals": odd}
    if seen.empty[code]:
        text = f"{counted(int(seen.empty[code]), 'interval')} without length, and so without power."
        yield "interval.empty", "warning", text, {"intervals": int(seen.empty[code])}
    if code in seen.registers:
        text = "the values only ever rise: they look like a register's, and must not be added up."
        yield "unit.register", "serious", text, {"intervals": int(row["present"])}
    if code in seen.thousands:
        mean = float(np.nanmean(found.power[found.code == code]))
        text = f"all values are whole numbers and the mean is {mean:,.0f} kW: are they watt-hours?"
        yield "unit.watt-hours", "warning", text, {"kW": round(mean, 3)}


def sum_findings(sums: pd.DataFrame) -> Iterator[Finding]:
    """Say in which series the registers advanced by something else than the intervals add up to."""
    held = sums[~sums["status"].isin(("no amount", "no intervals"))] if len(sums) else sums
    for key, part in held.groupby(["meter", "flow", "series", "unit"]) if len(held) else ():
        bad = part[~part["status"].isin(("match", "rounding"))]
        if len(bad):
            most = bad.iloc[int(bad["difference"].abs().to_numpy().argmax())]
            text = (
                f"on {len(bad):,} of {counted(len(part), 'span')} the register and the intervals differ, most from "
                f"{most['start']:%Y-%m-%d}: {most['difference']:+,.3f} ({most['status']})."
            )
            evidence = dict(zip(("meter", "flow", "series", "unit"), map(str, key), strict=True))
            subject = f"{' / '.join(map(str, key[:3]))} [{key[3]}]"
            yield Finding("quality.sum-check", "warning", f"{subject}: {text}", {**evidence, "spans": len(bad)})


def _longest(seen: Seen, code: int, runs: pd.DataFrame) -> str:
    run = runs.iloc[int(runs["intervals"].to_numpy().argmax())]
    return f"the longest of {run['intervals']:,} intervals from {_at(seen, code, run['start'])}"


def _first(seen: Seen, code: int, table: pd.DataFrame) -> list[str]:
    return [_at(seen, code, start) for start in table["start"].head(_EXAMPLES)]


def _at(seen: Seen, code: int, instant: int) -> str:
    zone = str(seen.found.keys["zone"].iloc[code])
    return f"{pd.Timestamp(int(instant), unit='us', tz='UTC').tz_convert(zone):%Y-%m-%d %H:%M %Z}"
