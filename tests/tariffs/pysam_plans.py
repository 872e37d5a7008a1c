"""Cases of PySAM as plans of greenkit, and PySAM itself on the same case.

PySAM wants 8760 values of a year that begins on a Monday, without daylight saving and holidays: 2018 in Phoenix.
"""

from decimal import Decimal

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
    price = {"series": "sell"} if "sell" in case else periods[used[0]][0][3]
    netting, carry = {0: ("period", "kWh"), 1: ("period", "money"), 2: ("interval", "pay"), 3: ("interval", "money"),
                      4: ("none", "pay")}[option]  # fmt: skip
    export = {"price": price, "netting": netting, "carry": carry, "offsets": ["energy"]}
    extra = case.get("extra", {})
    if option == 3 and not extra.get("ur_nb_apply_credit_current_month"):
        export["usable"] = "next"
    if option in (0, 1):
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
