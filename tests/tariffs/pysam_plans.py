"""Cases of PySAM as plans of greenkit, and PySAM itself on the same case.

PySAM wants 8760 values of a year that begins on a Monday, without daylight saving and holidays: 2018 in Phoenix.
"""

from decimal import Decimal

import numpy as np
import pandas as pd

from greenkit import frame

YEAR = pd.date_range("2018-01-01", periods=8760, freq="h", tz="America/Phoenix")


def frame_of(load, gen):
    end = YEAR + pd.Timedelta("1h")
    parts = [
        pd.DataFrame({"meter": "1", "series": flow, "flow": flow, "start": YEAR, "end": end, "value": value,
                      "unit": "kWh", "zone": "America/Phoenix", "quality": "actual"})
        for flow, value in (("delivered", load), ("received", gen))
    ]  # fmt: skip
    return frame.tidy(pd.concat(parts))


def whens(weekday, weekend, p):
    made = []
    for days, rows in (("weekdays", weekday), ("sat-sun", weekend)):
        for m in range(12):
            hours = [h for h in range(24) if rows[m][h] == p]
            if hours:
                made.append({"days": days, "months": str(m + 1), "hours": ", ".join(f"{h}-{h + 1}" for h in hours)})
    return made


def plan_of_case(case):
    """Translate the PySAM inputs of a case into a plan."""
    option = case.get("option", 4)
    plan = {"name": case["name"], "zone": "America/Phoenix", "rounding": "none"}
    periods = {}
    for period, _, bound, unit, buy, sell in case["tou"]:
        periods.setdefault(int(period), []).append((float(bound), int(unit), buy, sell))
    weekday = case.get("wd", [[1] * 24] * 12)
    weekend = case.get("we", weekday)
    used = sorted({p for row in (*weekday, *weekend) for p in row})
    energy = {}
    for p in used:
        tiers = [{"price": buy, **({} if bound > 1e37 else {"to": bound})} for bound, _, buy, _ in periods[p]]
        energy[f"p{p}"] = {"tiers": tiers, "when": whens(weekday, weekend, p)}
    if len(used) == 1:
        energy = {"tiers": energy[f"p{used[0]}"]["tiers"]}
    if periods[used[0]][0][1] == 2:
        energy["per"] = "day"
    energy["share"] = "pro rata" if option < 2 else "in order"
    plan["energy"] = energy
    if "fixed" in case:
        plan["fixed"] = case["fixed"]
    if "an_min" in case:
        plan["minimum"] = {"amount": case["an_min"], "per": "year"}
    if "min" in case:
        plan["minimum"] = case["min"]
    price = {"series": "sell"} if "sell" in case else periods[used[0]][0][3]
    netting, carry = {0: ("period", "kWh"), 1: ("period", "money"), 2: ("interval", "pay"), 3: ("interval", "money"),
                      4: ("none", "pay")}[option]  # fmt: skip
    export = {"price": price, "netting": netting, "carry": carry, "offsets": ["energy"]}
    extra = case.get("extra", {})
    if option == 3 and not extra.get("ur_nb_apply_credit_current_month"):
        export["usable"] = "next"
    if option in (0, 1, 3):
        export["year"] = {"start": "01-01", "end": "pay"}
        if option == 0:
            export["year"]["surplus"] = extra.get("ur_nm_yearend_sell_rate", 0)
    plan["export"] = export
    if "dc" in case:
        plan["demand"] = list(demand_of(case["dc"]))
    return plan


def demand_of(dc):
    for period, _, _, rate in dc["ur_dc_tou_mat"]:
        if rate:
            when = whens(dc["ur_dc_sched_weekday"], dc["ur_dc_sched_weekend"], period)
            yield {"name": f"TOU {period}", "price": rate, "window": 60, "when": when}
    flat = {"name": "Flat", "price": dc["ur_dc_flat_mat"][0][3], "window": 60}
    if dc["ur_enable_billing_demand"]:
        peaks = dc["ur_yearzero_usage_peaks"]
        flat["minimum"] = dc["ur_billing_demand_minimum"]
        flat["ratchet"] = {
            "share": Decimal(dc["ur_billing_demand_lookback_percentages"][0][0]) / 100,
            "months": dc["ur_billing_demand_lookback_period"],
            "history": peaks,
        }
    yield flat


def random_case(seed):
    """Return a random plan in the terms of PySAM, with a year of load and generation.

    Some combinations are left out because PySAM is at fault in them. With option 0, it loses the kWh that a period
    carries over, unless the period has the first hour of the month. With option 4, it bills a minimum or ratchet a
    second time, for the generation. Tiers go with generation only where both registers are billed (option 4), because
    PySAM nets first.
    """
    rng = np.random.default_rng(seed)
    load = rng.gamma(2.0, 0.8, 8760)
    count, depth, option = int(rng.integers(1, 4)), int(rng.integers(1, 4)), int(rng.integers(0, 5))
    unit = int(rng.choice([0, 2]))
    bounds = np.sort(rng.choice(np.arange(100, 1500, 50), depth - 1, replace=False)).astype(float)
    bounds = [*(bounds if unit == 0 else np.round(bounds / 30)), 1e38]
    buy, sell = rng.integers(5, 60, (count, depth)) / 100, float(rng.integers(0, 20)) / 100
    solar = option == 4 or (depth == 1 and rng.random() < 0.7)
    if option == 0 and solar:
        count, buy = 1, buy[:1]
    hour = np.arange(8760) % 24
    gen = np.where((hour >= 8) & (hour < 18), rng.gamma(2.0, 1.2, 8760), 0.0) if solar else np.zeros(8760)

    def schedule(n):
        rows = rng.integers(1, n + 1, (12, 24))
        rows[np.arange(n), np.arange(n)] = np.arange(1, n + 1)
        return rows.tolist()

    case = {
        "name": f"random {seed}", "option": option, "load": load, "gen": gen, "fixed": float(rng.integers(0, 30)),
        "tou": [[p + 1, t + 1, bounds[t], unit, float(buy[p, t]), sell] for p in range(count) for t in range(depth)],
        "wd": schedule(count), "we": schedule(count),
    }  # fmt: skip
    if rng.random() < 0.7:
        periods = int(rng.integers(1, 4))
        ratchet = option != 4 and rng.random() < 0.5
        case["dc"] = {
            "ur_dc_tou_mat": [[p + 1, 1, 1e38, float(rng.integers(1, 12))] for p in range(periods)],
            "ur_dc_sched_weekday": schedule(periods), "ur_dc_sched_weekend": schedule(periods),
            "ur_dc_flat_mat": [[m, 1, 1e38, float(rng.integers(1, 15)) if m == 0 else 0.0] for m in range(12)],
            "TOU_demand_single_peak": 0, "ur_enable_billing_demand": int(ratchet),
        }  # fmt: skip
        flat = case["dc"]["ur_dc_flat_mat"]
        for m in range(12):
            flat[m][3] = flat[0][3]
        if ratchet:
            share = int(rng.integers(50, 101))
            case["dc"] |= {
                "ur_dc_tou_mat": [[p + 1, 1, 1e38, 0.0] for p in range(periods)],
                "ur_dc_billing_demand_periods": [[p + 1, 1] for p in range(periods)],
                "ur_billing_demand_minimum": float(rng.integers(0, 12)),
                "ur_billing_demand_lookback_period": int(rng.integers(1, 12)),
                "ur_billing_demand_lookback_percentages": [[share, 1]] * 12,
                "ur_yearzero_usage_peaks": [0] * 12,
            }  # fmt: skip
    if not solar and rng.random() < 0.3:
        case["an_min"] = float(rng.integers(200, 4000))
    return case


def bills_of_pysam(case):
    """Return the twelve bills that PySAM computes for a case of :func:`random_case`."""
    from PySAM import Utilityrate5

    rate = Utilityrate5.new()
    dc = case.get("dc", {})
    values = {
        "rate_escalation": [0], "ur_metering_option": case["option"], "ur_ec_tou_mat": case["tou"],
        "ur_ec_sched_weekday": case["wd"], "ur_ec_sched_weekend": case["we"],
        "ur_monthly_fixed_charge": case["fixed"], "ur_monthly_min_charge": case.get("min", 0),
        "ur_annual_min_charge": case.get("an_min", 0), "ur_en_ts_buy_rate": 0, "ur_en_ts_sell_rate": 0,
        "ur_nm_yearend_sell_rate": 0, "ur_nm_credit_month": 11, "ur_nm_credit_rollover": 0, "ur_dc_enable": bool(dc),
        **dc,
    }  # fmt: skip
    for name, value in values.items():
        setattr(rate.ElectricityRates, name, value)
    rate.Lifetime.analysis_period = 1
    rate.Lifetime.system_use_lifetime_output = 0
    rate.Lifetime.inflation_rate = 0
    rate.SystemOutput.degradation = [0]
    rate.SystemOutput.gen = case["gen"].tolist()
    rate.Load.load = case["load"].tolist()
    rate.Load.load_escalation = [0]
    rate.execute()
    return np.array(rate.Outputs.year1_monthly_utility_bill_w_sys)
