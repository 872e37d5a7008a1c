"""How long tariffs take: many plans for one meter-year, one plan for many meter-years, and PySAM beside them.

python benchmarks/tariffs.py                 # 10,000 plans, and 100 meter-years
python benchmarks/tariffs.py --meters 1000   # needs about 4 GB
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from greenkit import times
from greenkit.tariffs import Plan, compare_plans, load_plan, price

ZONE = "America/Chicago"


def frame_of(meters: int) -> pd.DataFrame:
    """A year of seeded 15-minute load of so many meters, built column by column."""
    first, last = times.midnights(["2025-01-01", "2026-01-01"], ZONE)
    start = np.arange(first, last, 900 * times.US)
    random = np.random.default_rng(1)
    value = np.tile(random.gamma(2, 0.15, len(start)), meters)
    n = len(value)
    one = np.zeros(n, dtype=np.int8)
    begins = times.to_times(np.tile(start, meters), ZONE)
    names = [f"m{i:06d}" for i in range(meters)]
    return pd.DataFrame(
        {
            "meter": pd.Categorical.from_codes(np.repeat(np.arange(meters), len(start)), names),
            "series": pd.Categorical.from_codes(one, ["1"]),
            "flow": pd.Categorical.from_codes(one, ["delivered"]),
            "start": begins,
            "end": begins + pd.Timedelta("15min"),
            "value": value,
            "unit": pd.Categorical.from_codes(one, ["kWh"]),
            "zone": pd.Categorical.from_codes(one, [ZONE]),
            "quality": pd.Categorical.from_codes(one, ["actual"]),
        }
    )


def plan_of(i: int) -> Plan:
    """A plan of 6 periods (two seasons of three) with 3 tiers each; hours and prices differ from plan to plan."""
    random = np.random.default_rng(i)

    def tiers() -> dict[str, object]:
        a, b, c = (float(x) for x in random.integers(50, 400, 3) / 1000)
        return {"tiers": [{"to": 300, "price": a}, {"to": 800, "price": b}, {"price": c}]}

    peak = int(random.integers(12, 18))
    season = {
        "peak": {"hours": f"{peak}-{peak + 4}", "days": "weekdays"},
        "part": {"hours": f"{peak - 4}-{peak}, {peak + 4}-{peak + 6}", "days": "weekdays"},
        "rest": {},
    }
    energy = {s: {name: {**tiers(), **times_of} for name, times_of in season.items()} for s in ("summer", "winter")}
    return load_plan(
        {
            "name": f"plan {i}",
            "zone": ZONE,
            "seasons": {"summer": "06-01/09-30", "winter": "rest"},
            "energy": energy,
            "fixed": [{"amount": float(random.integers(0, 2000)) / 100}],
        }
    )


def pysam_seconds() -> float | None:
    """Time of one plan in PySAM on 35,040 values; None where it is not installed."""
    try:
        from PySAM import Utilityrate5
    except ImportError:
        return None
    rate = Utilityrate5.new()
    tou = [[p + 1, t + 1, (300.0, 800.0, 1e38)[t], 0, 0.1 + 0.01 * p * t, 0.0] for p in range(6) for t in range(3)]
    row = [1] * 8 + [2] * 6 + [3] * 4 + [2] * 2 + [1] * 4
    summer = [1 + (x + 2) for x in row]
    weekday = [summer if 5 <= m <= 8 else row for m in range(12)]
    values = {
        "rate_escalation": [0], "ur_metering_option": 0, "ur_ec_tou_mat": tou, "ur_ec_sched_weekday": weekday,
        "ur_ec_sched_weekend": weekday, "ur_monthly_fixed_charge": 10, "ur_monthly_min_charge": 0,
        "ur_annual_min_charge": 0, "ur_en_ts_buy_rate": 0, "ur_en_ts_sell_rate": 0, "ur_nm_yearend_sell_rate": 0,
        "ur_nm_credit_month": 11, "ur_nm_credit_rollover": 0, "ur_dc_enable": 0,
    }  # fmt: skip
    for name, value in values.items():
        setattr(rate.ElectricityRates, name, value)
    rate.Lifetime.analysis_period, rate.Lifetime.system_use_lifetime_output, rate.Lifetime.inflation_rate = 1, 0, 0
    rate.SystemOutput.degradation, rate.SystemOutput.gen = [0], np.zeros(35040).tolist()
    rate.Load.load, rate.Load.load_escalation = np.full(35040, 1.2).tolist(), [0]
    rate.execute()
    begin = time.perf_counter()
    for _ in range(5):
        rate.execute()
    return (time.perf_counter() - begin) / 5


def best(work: object, runs: int = 3) -> float:
    """Fastest of some runs in CPU seconds."""
    found = []
    for _ in range(runs):
        begin = time.process_time()
        work()  # type: ignore[operator]
        found.append(time.process_time() - begin)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", type=int, default=10_000)
    parser.add_argument(
        "--distinct", type=int, default=500, help="plans that differ; loading them takes most of the run"
    )
    parser.add_argument("--meters", type=int, default=100)
    arguments = parser.parse_args()
    one = frame_of(1)
    distinct = [plan_of(i) for i in range(min(arguments.plans, arguments.distinct))]
    plans = [distinct[i % len(distinct)] for i in range(arguments.plans)]
    seconds = best(lambda: compare_plans(one, plans))
    print(f"{arguments.plans:,} plans × one 15-minute meter-year, summing included: {seconds:.2f} CPU s")
    peer = pysam_seconds()
    if peer is not None:
        print(f"PySAM: {peer * 1000:.1f} ms a plan, {peer * arguments.plans:.0f} s for all: "
              f"{peer * arguments.plans / seconds:.0f} times as long")  # fmt: skip
    many = frame_of(arguments.meters)
    flat = load_plan({"name": "flat", "zone": ZONE, "energy": 0.12, "fixed": 5, "wires": {"month": 4, "energy": 0.05}})
    for plan in (flat, distinct[0]):
        ranked = best(lambda plan=plan: compare_plans(many, [plan]), 2)
        lines = best(lambda plan=plan: price(many, plan), 2)
        print(f"{plan.name} × {arguments.meters:,} meter-years: costs {ranked:.2f} CPU s, every line {lines:.2f} CPU s")
    begin = time.process_time()
    price(one, flat).explain()
    print(f"one bill explained: {(time.process_time() - begin) * 1000:.0f} CPU ms")


if __name__ == "__main__":
    main()
