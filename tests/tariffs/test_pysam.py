"""PySAM as a live oracle: random plans and years, month by month.

PySAM wants 8760 values of a year that begins on a Monday, without DST and holidays: 2018 in Phoenix.
"""

import numpy as np
import pandas as pd
import pytest

from greenkit import frame
from greenkit.tariffs import load_plan, price

pytestmark = pytest.mark.real
YEAR = pd.date_range("2018-01-01", periods=8760, freq="h", tz="America/Phoenix")


def pysam():
    return pytest.importorskip("PySAM.Utilityrate5", reason="NREL-PySAM is not installed")


def bills_of_pysam(load, mat, weekday, weekend, option, fixed, demand):
    rate = pysam().new()
    rate.ElectricityRates.rate_escalation = [0]
    values = {
        "ur_metering_option": option, "ur_ec_tou_mat": mat, "ur_ec_sched_weekday": weekday,
        "ur_ec_sched_weekend": weekend, "ur_monthly_fixed_charge": fixed, "ur_monthly_min_charge": 0,
        "ur_annual_min_charge": 0, "ur_en_ts_buy_rate": 0, "ur_en_ts_sell_rate": 0, "ur_nm_yearend_sell_rate": 0,
        "ur_nm_credit_month": 11, "ur_nm_credit_rollover": 0, "ur_dc_enable": 1, "TOU_demand_single_peak": 0,
        "ur_enable_billing_demand": 0, "ur_dc_tou_mat": [[1, 1, 1e38, 0.0]],
        "ur_dc_sched_weekday": [[1] * 24] * 12, "ur_dc_sched_weekend": [[1] * 24] * 12,
        "ur_dc_flat_mat": [[m, 1, 1e38, demand] for m in range(12)],
    }  # fmt: skip
    for name, value in values.items():
        setattr(rate.ElectricityRates, name, value)
    rate.Lifetime.analysis_period = 1
    rate.Lifetime.system_use_lifetime_output = 0
    rate.Lifetime.inflation_rate = 0
    rate.SystemOutput.degradation = [0]
    rate.SystemOutput.gen = np.zeros(8760).tolist()
    rate.Load.load = load.tolist()
    rate.Load.load_escalation = [0]
    rate.execute()
    return np.array(rate.Outputs.year1_monthly_utility_bill_wo_sys)


def times_of(weekday, weekend, p):
    made = []
    for days, rows in (("weekdays", weekday), ("sat-sun", weekend)):
        for m in range(12):
            hours = [h for h in range(24) if rows[m][h] == p]
            if hours:
                made.append({"days": days, "months": str(m + 1), "hours": ", ".join(f"{h}-{h + 1}" for h in hours)})
    return made


@pytest.mark.parametrize("seed", range(12))
def test_random_plan_and_year_agree_with_pysam(seed):
    pysam()
    rng = np.random.default_rng(seed)
    load = rng.gamma(2.0, 0.8, 8760)
    count, depth = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    bounds = [*(np.sort(rng.choice(np.arange(100, 1500, 50), depth - 1, replace=False)).astype(float)), 1e38]
    price_of = rng.integers(5, 60, (count, depth)) / 100
    mat = [[p + 1, t + 1, bounds[t], 0, float(price_of[p, t]), 0.0] for p in range(count) for t in range(depth)]
    weekday, weekend = (rng.integers(1, count + 1, (12, 24)).tolist() for _ in range(2))
    for p in range(count):
        weekday[p][p] = p + 1
    option, fixed, demand = int(rng.integers(0, 2)) * 2, float(rng.integers(0, 30)), float(rng.integers(0, 15))
    expected = bills_of_pysam(load, mat, weekday, weekend, option, fixed, demand)
    energy = {
        f"p{p}": {"tiers": [{"price": float(price_of[p, t]), **({} if t == depth - 1 else {"to": bounds[t]})}
                            for t in range(depth)], "when": times_of(weekday, weekend, p + 1)}
        for p in range(count)
    }  # fmt: skip
    if count == 1:
        energy = {"tiers": energy["p0"]["tiers"]}
    energy["share"] = "pro rata" if option == 0 else "in order"
    plan = load_plan({"name": "P", "zone": "America/Phoenix", "rounding": "none", "energy": energy, "fixed": fixed,
                      "demand": [{"price": demand, "window": 60}]})  # fmt: skip
    df = frame.tidy(pd.DataFrame({"meter": "1", "series": "1", "flow": "delivered", "start": YEAR,
                                  "end": YEAR + pd.Timedelta("1h"), "value": load, "unit": "kWh",
                                  "zone": "America/Phoenix", "quality": "actual"}))  # fmt: skip
    assert price(df, plan).totals["computed_total"].to_numpy() == pytest.approx(expected, abs=1e-4)
