"""The sixty edge cases of real meters and real plans; the number of each is in its name."""

import copy
import json
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from greenkit import frame
from greenkit.tariffs import (
    PlanError,
    compare_plans,
    load_plan,
    price,
    price_bills,
    price_intervals,
    reconcile_charges,
)

CHICAGO = "America/Chicago"


def plan(**keys):
    return load_plan({"name": "Plan", "zone": CHICAGO, **keys})


def both(*frames):
    return frame.tidy(pd.concat(frames))


@pytest.fixture
def chicago(make_flow):
    def make(values, start="2025-01-01", **keys):
        return make_flow(values, start, **{"zone": CHICAGO, **keys})

    return make


def hours(start, end, zone=CHICAGO):
    """Return the number of hours between two local dates."""
    return int((pd.Timestamp(end, tz=zone) - pd.Timestamp(start, tz=zone)) / pd.Timedelta("1h"))


def window(text, **keys):
    return plan(energy={"w": {"price": 1, "hours": text, **keys}, "rest": 0})


def names(bill):
    return bill.findings.names


# -- time


def test_01_window_in_the_skipped_hour_is_empty(chicago):
    df = chicago(np.ones(23), "2025-03-09")
    assert price(df, window("2-3")).total == 0
    assert price(df, window("1-4")).total == 2


def test_02_window_in_the_repeated_hour_has_two_hours(chicago):
    df = chicago(np.ones(25), "2025-11-02")
    assert price(df, window("1-2")).total == 2
    assert price(df, window("0-24")).total == 25


def test_03_leap_day_is_a_day_like_others(chicago):
    df = chicago(np.ones(hours("2024-01-01", "2025-01-01")), "2024-01-01")
    totals = price(df, plan(fixed=[{"amount": 1, "per": "day"}], energy=0)).totals
    assert totals["days"].sum() == 366
    assert totals["computed_total"].tolist()[1] == 29


def test_04_bill_across_a_season_is_split_by_day(make_flow):
    zone = "America/Toronto"
    df = make_flow(np.ones(hours("2025-10-17", "2025-11-16", zone)), "2025-10-17", zone=zone)
    ontario = load_plan(
        {
            "zone": zone, "currency": "CAD", "name": "Ontario",
            "seasons": {"winter": "11-01/04-30", "summer": "rest"},
            "energy": {"winter": {"tiers": [{"to": 1000, "price": 0.12}, {"price": 0.142}], "tier_month": 30},
                       "summer": {"tiers": [{"to": 600, "price": 0.12}, {"price": 0.142}], "tier_month": 30}},
            "baseline": {"price": -0.01, "per_day": {"summer": 9.8, "winter": 9.7}},
        }
    )  # fmt: skip
    lines = price(df, ontario, periods=["2025-10-17", "2025-11-16"]).frame
    energy = lines[lines["kind"] == "energy"]
    # summer: 15 days, 360 kWh, 300 of them within 600 × 15/30; winter: 15 days, 361 kWh (25-hour day), all within 500
    assert energy["quantity"].tolist() == [300, 60, 361]
    assert energy["season"].tolist() == ["summer", "summer", "winter"]
    assert energy["days"].tolist() == [15, 15, 15]
    base = lines[lines["kind"] == "baseline"]
    assert base["quantity"].round(6).tolist() == [147.0, 145.5]


def test_04_prices_of_all_year_apply_across_a_change_of_season(chicago):
    one = plan(
        seasons={"summer": "06-01/09-30", "winter": "rest"},
        energy={"tiers": [{"to": 500, "price": 0.1}, {"price": 0.2}]},
        wires={"energy": 0.05},
        baseline={"price": -0.01, "per_day": {"summer": 5, "winter": 4}},
    )
    df = chicago(np.ones(hours("2025-05-22", "2025-06-21")), "2025-05-22")
    lines = price(df, one, periods=["2025-05-22", "2025-06-21"]).frame
    assert lines.query("kind == 'energy'")["quantity"].tolist() == [500, 220]
    assert lines.query("kind == 'wires'")["quantity"].tolist() == [720]
    assert lines.query("kind == 'baseline'")["quantity"].tolist() == [40, 100]


@pytest.mark.parametrize("change", ["read", "day"])
def test_05_delivery_price_changes_in_a_bill(chicago, change):
    table = pd.DataFrame({"from": ["2025-01-01", "2025-03-01"], "month": [4, 6], "energy": [0.05, 0.06]})
    one = load_plan(
        {"zone": CHICAGO, "name": "P", "energy": 0.1, "wires": {"table": "area", "change": change}},
        wires={"area": table},
    )
    df = chicago(np.ones(hours("2025-02-15", "2025-03-17")), "2025-02-15")
    bill = price(df, one, periods=["2025-02-15", "2025-03-17"])
    wires = bill.frame.query("kind == 'wires'")
    if change == "read":
        assert wires["price"].tolist() == [0.06, 6]
        assert "one price for the read cycle" in bill.explain()
    else:
        assert wires["price"].tolist() == [0.05, 0.06, 4, 6]
        assert wires["quantity"].tolist()[:2] == [14 * 24, 16 * 24 - 1]
        assert wires["amount"].tolist()[2:] == [round(4 * 14 / 30, 2), round(6 * 16 / 30, 2)]
        assert "split by the date" in bill.explain()


def test_06_bill_without_a_version_is_refused_and_its_days_named(chicago):
    one = plan(energy=0.1, valid={"from": "2025-02-01"})
    df = chicago(np.ones(hours("2025-01-30", "2025-03-01")), "2025-01-30")
    bill = price(df, one)
    assert bill.totals["bill"].tolist() == ["2025-02"]
    found = bill.findings.named("tariff.version.none")[0]
    assert (found.severity, found.evidence["first_day"], found.evidence["last_day"]) == (
        "serious", "2025-01-30", "2025-01-31",
    )  # fmt: skip
    with pytest.raises(PlanError, match="2025-01-30 to 2025-01-31"):
        price(df[df["start"] < "2025-01-31 12:00-06:00"], one)


@pytest.mark.parametrize(
    ("observed", "sunday", "saturday"),
    [("none", [], []), ("monday", ["2027-07-05"], []), ("nearest", ["2027-07-05"], ["2026-07-03"]),
     ("next-weekday", ["2027-07-05"], ["2026-07-06"])],
)  # fmt: skip
def test_07_holiday_on_a_weekend_follows_the_observance(observed, sunday, saturday):
    one = plan(energy={"h": {"price": 1, "days": "holidays"}, "rest": 0}, holidays=["independence"], observed=observed)
    for year, moved in ((2027, sunday), (2026, saturday)):
        first = int(np.datetime64(f"{year}-07-01", "D").astype(int))
        kinds = one.calendar.dates(first, first + 9).kind
        assert [str(np.datetime64(first + i, "D")) for i in range(10) if kinds[i] == 7] == sorted(
            [f"{year}-07-04", *moved]
        )


def test_08_holidays_of_another_country_are_reported(chicago):
    df = chicago(np.ones(24))
    other = plan(energy={"p": {"price": 1, "days": "weekdays"}, "rest": 0}, holidays="CA-ON")
    assert "tariff.holidays.other-country" in names(price(df, other))
    own = plan(energy={"p": {"price": 1, "days": "weekdays"}, "rest": 0}, holidays="US-TX")
    assert "tariff.holidays.other-country" not in names(price(df, own))


def test_09_hour_across_a_boundary_is_split_by_time(chicago):
    bill = price(chicago(np.full(24, 2.0)), window("15:30-18:30"))
    assert bill.total == 6
    assert bill.findings.named("tariff.period.straddle")[0].evidence["kwh"] == 4.0


def test_10_daily_data_on_a_time_of_use_plan_are_refused(chicago):
    df = chicago(np.full(31, 10.0), every="24h")
    with pytest.raises(PlanError, match="prices by the hour"):
        price(df, window("16-21"))
    assert price(df, plan(energy=0.1)).total == 31


def test_11_last_interval_is_in_the_bill_of_its_start(chicago):
    df = chicago(np.ones(4 * hours("2025-01-01", "2025-03-01")), every="15min")
    totals = price(df, plan(energy=1)).totals
    assert totals["present"].tolist() == [31 * 96, 28 * 96]


def test_12_interval_across_the_end_of_a_bill_is_split(chicago):
    df = chicago(np.full(48, 2.0))
    bill = price(df, plan(energy=1), periods=["2025-01-01 00:00", "2025-01-02 00:30", "2025-01-03 00:00"])
    assert [float(t) for t in bill.totals["computed_total"]] == [49, 47]
    assert bill.findings.named("tariff.bill.straddle")[0].evidence["count"] == 1


@pytest.mark.parametrize(("owner", "saturday", "monday"), [("day", 0, 6), ("evening", 6, 0)])
def test_13_window_past_midnight_belongs_to_the_stated_day(chicago, owner, saturday, monday):
    one = plan(energy={"night": {"price": 1, "hours": "20-06", "days": "weekdays"}, "rest": 0}, nights_belong_to=owner)
    night = np.zeros(24)
    night[:6] = 1
    # 2025-01-04 is a Saturday, 2025-01-06 a Monday
    assert price(chicago(night, "2025-01-04"), one).total == saturday
    bill = price(chicago(night, "2025-01-06"), one)
    assert bill.total == monday
    assert "a window past midnight belongs to" in bill.explain()


# -- tiers and bands


@pytest.mark.parametrize(
    ("number", "tiers", "words"),
    [
        (14, [{"to": 100, "price": 1}, {"to": 200, "price": 2}], "last tier but has a bound"),
        (15, [{"to": 100, "price": 1}, {"to": 100, "price": 2}, {"price": 3}], "List the tiers with increasing bounds"),
        (15, [{"to": 200, "price": 1}, {"to": 100, "price": 2}, {"price": 3}], "List the tiers with increasing bounds"),
    ],
)
def test_14_15_tiers_must_rise_and_end_open(number, tiers, words):
    with pytest.raises(PlanError, match=words):
        plan(energy={"tiers": tiers})


def credit(kwh, **keys):
    one = plan(energy=0, credits=[{"amount": 125, "from": 1000}], **keys)
    return price_bills(one, pd.DataFrame({"start": ["2025-01-01"], "end": ["2025-02-01"], "kWh": [kwh]}))


def test_16_credit_from_1000_is_given_at_1000():
    assert credit(1000.0).total == -125
    assert credit(998.0).total == 0


def test_17_total_near_a_threshold_is_reported_and_rounded_as_in_the_plan():
    assert credit(999.996).total == 0
    assert credit(999.996, rounding={"kwh": 0}).total == -125
    found = credit(999.996).findings.named("tariff.credit.at-threshold")
    assert found[0].evidence["threshold"] == 1000.0
    assert not credit(998.9).findings.named("tariff.credit.at-threshold")


def test_17_bills_near_a_threshold_show_the_kwh_of_the_first():
    one = plan(energy=0, credits=[{"amount": 125, "from": 1000}])
    bills = {"start": ["2025-01-01", "2025-02-01"], "end": ["2025-02-01", "2025-03-01"], "kWh": [999.5, 1000.25]}
    (found,) = price_bills(one, pd.DataFrame(bills)).findings.named("tariff.credit.at-threshold")
    assert (found.evidence["count"], found.evidence["kwh"]) == (2, 999.5)


def test_18_bill_without_energy(chicago):
    one = plan(energy=0.1, fixed=[{"amount": 5}], fees=[{"amount": 10, "below": 800}], minimum=20)
    bill = price(chicago(np.zeros(hours("2025-01-01", "2025-02-01"))), one)
    assert bill.total == 20
    assert np.isnan(bill.totals["average_price"][0])
    assert "kWh" in bill.explain()


# -- doubts


def with_gap(df, start, end):
    zone = str(df["zone"].iloc[0])
    a, b = pd.Timestamp(start, tz=zone), pd.Timestamp(end, tz=zone)
    return frame.tidy(df[(df["start"] < a) | (df["start"] >= b)])


def test_19_gap_is_priced_as_present_and_bounded(chicago):
    df = with_gap(chicago(np.ones(hours("2025-01-01", "2025-02-01"))), "2025-01-10 06:00", "2025-01-10 12:00")
    bill = price(df, plan(energy=1))
    assert bill.total == 744 - 6
    found = bill.findings.named("tariff.data.gap")[0]
    assert (found.evidence["count"], found.evidence["filled_total"]) == (6, 744.0)
    assert bill.bounds()["filled_total"].tolist() == [744.0]
    assert bill.frame[["present", "expected"]].iloc[0].tolist() == [738, 744]


@pytest.mark.parametrize(("usage", "certain"), [(1.30, True), (1.345, False)])
def test_19_gap_below_and_above_the_break_even_changes_the_answer(chicago, usage, certain):
    """A credit from 1000 kWh: January has 744 hours, of which 6 are missing; 1.345 × 738 = 992.6, with the gap 1000.7."""
    df = with_gap(chicago(np.full(hours("2025-01-01", "2025-02-01"), usage)), "2025-01-10 06:00", "2025-01-10 12:00")
    with_credit = load_plan(
        {"name": "Credit", "zone": CHICAGO, "energy": 0.15, "credits": [{"amount": 125, "from": 1000}]}
    )
    flat = load_plan({"name": "Flat", "zone": CHICAGO, "energy": 0.12})
    result = compare_plans(df, [with_credit, flat])
    assert result.best == "Flat"
    assert result.certain is certain
    assert ("tariff.compare.uncertain" in result.findings.names) is not certain
    assert ("Gaps could change the ranking" in result.explain()) is not certain


def test_20_a_third_missing_ranks_over_complete_bills(chicago):
    df = with_gap(chicago(np.ones(hours("2025-01-01", "2026-01-01"))), "2025-03-01", "2025-07-01")
    result = compare_plans(df, [plan(energy=0.1), load_plan({"name": "B", "zone": CHICAGO, "energy": 0.2})])
    assert result.ranking["bills"].tolist() == [8, 8]
    assert result.findings.named("tariff.compare.partial-bills")[0].evidence == {"count": 12, "whole": 8}


def test_21_estimated_intervals_are_priced_and_their_share_is_reported(chicago):
    df = chicago(np.ones(48), quality=["estimated"] * 12 + ["actual"] * 36)
    bill = price(df, plan(energy=1))
    assert bill.total == 48
    assert bill.findings.named("tariff.data.estimated")[0].evidence == {"count": 12, "share": 25.0, "meter": "M1"} or (
        bill.findings.named("tariff.data.estimated")[0].evidence["share"] == 25.0
    )
    assert bill.frame["estimated"].tolist() == [12]


def test_22_estimated_zeros_are_billed_as_zero_and_bounded_as_gaps(chicago):
    values, quality = np.ones(744), np.array(["actual"] * 744, dtype=object)
    values[240:246], quality[240:246] = 0, "estimated"
    bill = price(chicago(values, quality=quality), plan(energy=1))
    assert bill.total == 738
    found = bill.findings.named("tariff.data.estimated-zero")[0]
    assert (found.evidence["count"], found.evidence["filled_total"]) == (6, 744.0)


def test_23_duplicate_interval_counts_once(chicago):
    df = chicago(np.ones(24))
    bill = price(both(df, df.iloc[:3]), plan(energy=1))
    assert bill.total == 24
    assert bill.findings.named("tariff.interval.duplicate")[0].evidence["count"] == 3


def test_24_newest_revision_counts(chicago):
    old = chicago(np.ones(24), revision=pd.Timestamp("2025-01-02", tz="UTC"))
    new = chicago(np.full(24, 2.0), revision=pd.Timestamp("2025-01-03", tz="UTC"))
    assert price(both(new, old), plan(energy=1)).total == 48


def test_25_negative_delivered_energy_is_refused_with_its_instant(chicago):
    values = np.ones(24)
    values[5] = -1
    with pytest.raises(PlanError, match=r"2025-01-01 05:00 -0600"):
        price(chicago(values), plan(energy=1))


def test_26_net_series_has_import_and_export(chicago):
    values = np.array([5.0, -3.0] * 12)
    one = plan(energy=0.2, export={"price": 0.05, "carry": "pay"})
    bill = price(chicago(values, flow="net"), one)
    assert bill.total == Decimal("12.00") - Decimal("1.80")
    assert "tariff.flow.net-only" in names(bill)


def test_27_unknown_flow_is_taken_as_delivered(chicago):
    bill = price(chicago(np.ones(24), flow="unknown"), plan(energy=1))
    assert bill.total == 24
    assert "tariff.flow.unknown" in names(bill)


def test_28_meters_are_billed_separately_unless_asked(chicago):
    df = both(chicago(np.ones(24), meter="A"), chicago(np.ones(24), meter="B"))
    one = plan(energy=1, fixed=[{"amount": 10}])
    assert price(df, one).total == 68
    assert price(df, one, aggregate=True).total == 58
    assert price(df, one).totals["meter"].tolist() == ["A", "B"]


def test_29_units_are_those_of_the_plan(chicago):
    power = chicago(np.full(24, 2.0), unit="kW")
    with pytest.raises(PlanError, match="power_as_energy=True"):
        price(power, plan(energy=1))
    assert price(power, plan(energy=1), power_as_energy=True).total == 48
    gas = chicago(np.ones(24), unit="therm")
    assert price(gas, plan(energy=1, unit="therm")).total == 24
    with pytest.raises(PlanError, match="priced in kWh, but the frame has therm"):
        price(gas, plan(energy=1))


# -- export


def solar(make, imported, exported, **keys):
    return both(make(imported, **keys), make(exported, flow="received", **keys))


def test_30_delivered_and_received_of_one_interval_are_both_kept(chicago):
    df = solar(chicago, np.array([5.0] + [0] * 23), np.array([3.0] + [0] * 23))
    assert price(df, plan(energy=0.2, export={"price": 0.05, "carry": "pay"})).total == Decimal("0.85")
    netted = {"price": 0.05, "carry": "pay", "netting": "interval"}
    assert price(df, plan(energy=0.2, export=netted)).total == Decimal("0.40")


def test_31_export_without_terms_is_not_credited_and_is_reported(chicago):
    bill = price(solar(chicago, np.ones(24), np.ones(24)), plan(energy=1))
    assert bill.total == 24
    assert bill.findings.named("tariff.export.no-terms")[0].evidence["kwh"] == 24.0


def test_31_export_without_terms_is_added_up_over_the_bills(chicago):
    hours = 24 * (31 + 29)  # January and February
    bill = price(solar(chicago, np.ones(hours), np.full(hours, 0.5), start="2024-01-01"), plan(energy=1))
    (found,) = bill.findings.named("tariff.export.no-terms")
    assert (found.evidence["count"], found.evidence["kwh"]) == (2, 0.5 * hours)
    assert "exported 720.000 kWh" in found.message


def test_31_comparison_names_the_plans_without_an_export_price(chicago):
    df = solar(chicago, np.ones(24), np.full(24, 0.5))
    without, paid = plan(name="without", energy=1), plan(name="paid", energy=2, export={"price": 0.1, "carry": "pay"})
    (found,) = compare_plans(df, [without, paid]).findings.named("tariff.compare.export-unpriced")
    assert (found.evidence["count"], found.evidence["kwh"]) == (1, 12.0)
    assert "earns no credit there: without." in found.message
    assert "tariff.compare.export-unpriced" not in compare_plans(df, [paid]).findings.names
    delivered = chicago(np.ones(24))
    assert "tariff.compare.export-unpriced" not in compare_plans(delivered, [without]).findings.names


@pytest.mark.parametrize(("carry", "totals"), [("money", [10, 10]), ("none", [10, 20]), ("pay", [-10, 20])])
def test_32_credit_beyond_the_bill_is_carried_lost_or_paid(chicago, carry, totals):
    n = hours("2025-01-01", "2025-02-01")
    imported, exported = np.zeros(n + 672), np.zeros(n + 672)
    exported[0], imported[n] = 20, 10
    one = plan(energy=1, fixed=[{"amount": 10}], export={"price": 1, "carry": carry})
    bill = price(solar(chicago, imported, exported), one)
    assert bill.totals["computed_total"].tolist() == totals
    assert ("tariff.export.lost" in names(bill)) is (carry == "none")


@pytest.mark.parametrize(("end", "settled"), [("2026-01-01", True), ("2025-12-01", False)])
def test_33_year_is_settled_only_when_it_is_complete(chicago, end, settled):
    n = hours("2025-01-01", end)
    exported = np.zeros(n)
    exported[:100] = 10
    one = plan(energy=0.2, export={"price": "energy", "netting": "period", "carry": "kWh",
                                   "year": {"start": "01-01", "surplus": 0.03}})  # fmt: skip
    bill = price(solar(chicago, np.full(n, 0.05), exported), one)
    surplus = bill.frame.query("line == 'Net surplus of the year'")
    assert len(surplus) == settled
    assert ("tariff.export.no-true-up" in names(bill)) is not settled
    if settled:
        assert surplus["quantity"].tolist() == pytest.approx([1000 - 0.05 * n])


def test_34_export_series_prices_the_quarters_of_its_hours(chicago):
    index = pd.date_range("2025-01-01", periods=24, freq="h", tz=CHICAGO)
    series = pd.Series(np.arange(24) / 100, index=index)
    one = plan(energy=0, export={"price": {"series": "sell"}, "carry": "pay"})
    df = solar(chicago, np.zeros(96), np.full(96, 0.25), every="15min")
    assert price(df, one, prices={"sell": series}).total == -round(Decimal(sum(range(24))) / 100, 2)
    with pytest.raises(PlanError, match="no price for 4 intervals, first at 2025-01-01 23:00"):
        price(df, one, prices={"sell": series.iloc[:-1]})


def test_35_series_without_a_zone_is_refused(chicago):
    one = plan(energy={"series": "rtm"})
    utc = pd.Series(0.05, index=pd.date_range("2025-01-01", periods=48, freq="h", tz="UTC"))
    assert price(chicago(np.ones(24)), one, prices={"rtm": utc}).total == Decimal("1.20")
    with pytest.raises(PlanError, match="without a time zone"):
        price(chicago(np.ones(24)), one, prices={"rtm": utc.tz_localize(None)})


def test_36_negative_price_is_a_negative_charge(chicago):
    series = pd.Series(-0.05, index=pd.date_range("2025-01-01", periods=24, freq="h", tz=CHICAGO))
    one = plan(energy={"series": "rtm", "adder": 0.01, "multiplier": 2, "loss_factor": 1.5})
    # 24 × 1.5 × (2 × −0.05 + 0.01)
    assert price(chicago(np.ones(24)), one, prices={"rtm": series}).total == Decimal("-3.24")


# -- demand


def test_37_hourly_data_give_a_lower_bound_of_demand(chicago):
    bill = price(chicago(np.full(744, 3.0)), plan(demand=[{"price": 10, "window": 15}]))
    assert bill.total == 30
    found = bill.findings.named("tariff.demand.coarse")[0]
    assert (found.evidence["window"], found.evidence["minutes"]) == (15, 60)


def test_38_half_hour_window_uses_clock_blocks(chicago):
    values = np.zeros(96)
    values[[1, 2]] = 1  # 00:15 and 00:30: two blocks of 2 kW, never one of 4 kW
    df = chicago(values, every="15min")
    assert price(df, plan(demand=[{"price": 1, "window": 30}])).total == 2
    assert price(df, plan(demand=[{"price": 1, "window": 30, "sliding": True}])).total == 4
    half = price(frame.tidy(df.drop(index=2)), plan(demand=[{"price": 1, "window": 30}]))
    assert half.findings.named("tariff.demand.incomplete-window")[0].evidence["count"] == 1


def test_39_first_of_equal_peaks_is_named(chicago):
    values = np.ones(24)
    values[[5, 9]] = 7
    from greenkit.tariffs._bill import Pricing
    from greenkit.tariffs._series import SeriesBook
    from greenkit.tariffs._usage import meters

    one = plan(demand=[{"price": 1, "window": 60}])
    of = Pricing(one, "month", SeriesBook()).quantities(next(meters(chicago(values), "kWh")))
    peak = of.peak(0, one.terms[0].demand[0], one.terms[0].demand[0].when)
    assert pd.Timestamp(peak.at, unit="us", tz="UTC") == pd.Timestamp("2025-01-01 05:00", tz=CHICAGO)


def peaks(chicago, kws, start="2025-01-01"):
    months = pd.date_range(start, periods=len(kws) + 1, freq="MS")
    values = []
    for a, b, kw in zip(months[:-1], months[1:], kws, strict=True):
        month = np.ones(hours(a, b))
        month[12] = kw
        values.append(month)
    return chicago(np.concatenate(values), start)


def test_40_ratchet_without_history_has_two_figures(chicago):
    bill = price(
        peaks(chicago, [50, 100]), plan(demand=[{"price": 1, "window": 60, "ratchet": {"share": 0.8, "months": 11}}])
    )
    assert bill.totals["computed_total"].tolist() == [50, 100]
    found = bill.findings.named("tariff.ratchet.unknown-history")[0]
    assert (found.evidence["without"], found.evidence["with_peak"]) == (50.0, 80.0)


def test_41_ratchet_reaches_exactly_so_many_bills_back_over_new_year(chicago):
    one = plan(demand=[{"price": 1, "window": 60, "ratchet": {"share": 0.8, "months": 2}}])
    bill = price(peaks(chicago, [100, 10, 10, 10, 10], "2024-11-01"), one)
    assert bill.totals["computed_total"].tolist() == [100, 80, 80, 10, 10]


def test_42_ratchet_with_a_missing_month_counts_the_others(chicago):
    df = with_gap(peaks(chicago, [100, 10, 10, 10]), "2025-02-01", "2025-03-01")
    one = plan(demand=[{"price": 1, "window": 60, "ratchet": {"share": 0.8, "months": 2}}])
    bill = price(df, one)
    assert bill.totals["computed_total"].tolist()[2:] == [80, 10]
    assert bill.findings.named("tariff.ratchet.missing-month")[0].evidence["count"] == 1


def test_43_hours_use_tiers_without_demand_hold_all_in_the_last():
    one = plan(energy={"tiers": [{"to_hours": 200, "price": 0.1}, {"price": 0.05}]}, demand=[{"price": 10}])
    rows = pd.DataFrame({"start": ["2025-01-01"], "end": ["2025-02-01"], "kWh": [100.0], "kW": [0.0]})
    energy = price_bills(one, rows).frame.query("kind == 'energy' and quantity > 0")
    assert energy["tier"].tolist() == [2]
    rows["kW"] = 0.3
    energy = price_bills(one, rows).frame.query("kind == 'energy' and quantity > 0")
    assert energy["quantity"].tolist() == [60.0, 40.0]


def test_44_kva_needs_reactive_energy_or_a_stated_power_factor(chicago):
    df = chicago(np.full(744, 3.0))
    apparent = {"price": 10, "unit": "kVA", "window": 60}
    with pytest.raises(PlanError, match="no reactive energy"):
        price(df, plan(demand=[apparent]))
    assert price(df, plan(demand=[apparent], power_factor={"value": 0.75})).total == 40
    reactive = chicago(np.full(744, 4.0), unit="kvarh")
    assert price(both(df, reactive), plan(demand=[apparent])).total == 50
    clause = plan(demand=[{"price": 10, "window": 60}], power_factor={"floor": 0.9})
    assert price(both(df, reactive), clause).total == 45
    assert "tariff.power-factor.unknown" in names(price(df, clause))


def test_45_customer_outside_the_limits_is_priced_and_reported(chicago):
    bill = price(chicago(np.full(744, 1020.0)), plan(energy=0.1, eligible={"min_kw": 20, "max_kw": 999}))
    assert bill.total == Decimal("75888.00")
    assert "1,020 kW" in bill.findings.named("tariff.not-eligible")[0].text


# -- proration


def test_46_bill_of_61_days_has_two_months_of_allowance():
    tiers = {"tiers": [{"to": 600, "price": 0.1}, {"price": 0.2}], "tier_month": 30.5}
    rows = pd.DataFrame({"start": ["2025-03-01"], "end": ["2025-05-01"], "kWh": [1500.0]})
    bill = price_bills(plan(energy=tiers), rows)
    assert bill.frame["quantity"].tolist() == [1200.0, 300.0]
    assert "tariff.bill.long" in names(bill)


def test_47_first_bill_of_9_days_is_prorated_as_in_the_plan():
    rows = pd.DataFrame({"start": ["2025-01-01"], "end": ["2025-01-10"], "kWh": [100.0]})
    one = plan(
        energy=0,
        fixed=[{"name": "A", "amount": 30, "prorate": "days/30"}, {"name": "B", "amount": 31, "prorate": "days/month"},
               {"name": "C", "amount": 5}, {"name": "D", "amount": 2.19, "prorate": {"below_days": 28, "rule": "days/30"}}],
        credits=[{"name": "E", "amount": 12, "to": 500}, {"name": "F", "amount": 12, "to": 500, "prorate": "days/30"}],
    )  # fmt: skip
    amounts = price_bills(one, rows).frame.query("kind != 'energy'").set_index("line")["amount"].to_dict()
    assert amounts == {"A": 9.0, "B": 9.0, "C": 5.0, "D": 0.66, "E": -12.0, "F": -3.6}
    rows["end"] = ["2025-01-31"]
    assert price_bills(one, rows).frame.set_index("line")["amount"]["D"] == 2.19


def test_48_month_that_the_data_cover_in_part_is_marked(chicago):
    bill = price(chicago(np.ones(hours("2025-01-15", "2025-03-01")), "2025-01-15"), plan(energy=1))
    totals = bill.totals
    assert totals["whole"].tolist() == [False, True]
    assert totals["days"].tolist() == [17, 28]
    assert "tariff.bill.partial" in names(bill)


# -- minimum, taxes, currency


def test_49_minimum_is_before_taxes_and_after_credits():
    rows = pd.DataFrame({"start": ["2025-01-01"], "end": ["2025-02-01"], "kWh": [100.0]})
    keys = {"energy": 0.3, "credits": [{"amount": 25}], "taxes": [{"rate": 0.1}]}
    assert price_bills(plan(minimum=20, **keys), rows).total == 22
    before = plan(minimum={"amount": 20, "on": ["energy"]}, **keys)
    assert price_bills(before, rows).total == Decimal("5.50")


def test_50_tax_is_on_the_lines_that_it_names():
    rows = pd.DataFrame({"start": ["2025-01-01"], "end": ["2025-02-01"], "kWh": [100.0]})
    one = plan(energy=1, fixed=[{"amount": 10}], taxes=[{"rate": 0.1, "on": ["fixed"]}])
    assert price_bills(one, rows).total == 111
    with pytest.raises(PlanError, match="not a line of the plan"):
        plan(energy=1, taxes=[{"rate": 0.1, "on": ["fixd"]}])


def test_51_price_in_cents_is_refused():
    with pytest.raises(PlanError, match=r"looks like cents.*0\.1519"):
        plan(energy=15.19)
    load_plan({"zone": "Asia/Tokyo", "currency": "JPY", "energy": 31})


def test_52_bills_in_another_currency_are_refused(chicago):
    bills = pd.DataFrame({"start": ["2025-01-01"], "end": ["2025-01-02"], "cost": [24.0], "currency": ["CAD"]})
    with pytest.raises(PlanError, match="in CAD, and the plan Plan is in USD"):
        reconcile_charges(chicago(np.ones(24)), plan(energy=1), bills)
    done = reconcile_charges(chicago(np.ones(24)), plan(energy=1), bills.assign(currency="USD"))
    assert done[["billed_amount", "computed_amount", "status"]].values.tolist() == [[24.0, 24.0, "match"]]


def test_53_label_that_differs_by_a_tenth_of_a_cent_is_refused():
    with pytest.raises(PlanError, match=r"results in 12\.8 at 500 kWh, 12\.4 at 1000 kWh, 12\.2 at 2000 kWh"):
        plan(energy=0.12, fixed=4, efl={"average_cents": {"500": 12.8, "1000": 12.4, "2000": 12.1}})


# -- URDB


def urdb(**keys):
    return {"label": "abc", "utility": "Utility", "name": "Rate", "energyratestructure": [[{"rate": 0.1}]],
            "fixedchargefirstmeter": 5, "fixedchargeunits": "$/month", **keys}  # fmt: skip


def test_54_urdb_period_that_is_not_defined_is_refused():
    schedule = [[0] * 24 for _ in range(12)]
    schedule[6][17] = 3
    with pytest.raises(PlanError, match="uses period 3, but only 1 are defined"):
        load_plan(urdb(energyweekdayschedule=schedule, energyweekendschedule=schedule))


def test_55_urdb_adjustment_without_a_rate_is_the_price():
    one = load_plan(urdb(energyratestructure=[[{"adj": 0.07}]]))
    assert one.terms[0].energy.of("").periods[0].tiers[0].price == Decimal("0.07")
    with pytest.raises(PlanError, match="neither rate nor adj"):
        load_plan(urdb(energyratestructure=[[{"unit": "kWh"}]]))


def test_56_urdb_is_read_as_api_answer_record_lines_and_csv(tmp_path):
    record = urdb()
    (tmp_path / "api.json").write_text(json.dumps({"items": [record]}))
    (tmp_path / "one.json").write_text(json.dumps(record))
    (tmp_path / "rows.json").write_text(json.dumps(record) + "\n" + json.dumps({**record, "label": "other"}))
    head = "label,utility,name,energyratestructure/period0/tier0rate,fixedchargefirstmeter,fixedchargeunits"
    (tmp_path / "bulk.csv").write_text(head + "\nabc,Utility,Rate,0.1,5,$/month\nother,Utility,Rate,0.2,5,$/month\n")
    one = load_plan(tmp_path / "api.json")
    assert one.terms == load_plan(tmp_path / "one.json").terms == load_plan(record).terms
    with pytest.raises(PlanError, match=r"has 2 rates: abc \(Rate\), other"):
        load_plan(tmp_path / "rows.json")
    assert load_plan(tmp_path / "rows.json", label="abc").terms == one.terms
    assert load_plan(tmp_path / "bulk.csv", label="abc").terms == one.terms
    with pytest.raises(PlanError, match="Did you mean other"):
        load_plan(tmp_path / "bulk.csv", label="othr")


def test_57_urdb_dictionary_of_the_caller_is_not_changed():
    row = [0] * 16 + [1] * 5 + [0] * 3
    record = urdb(
        energyratestructure=[[{"rate": 0.1}], [{"rate": 0.2}]],
        energyweekdayschedule=[row] * 12, energyweekendschedule=[[0] * 24] * 12,
    )  # fmt: skip
    before = copy.deepcopy(record)
    one = load_plan(record)
    assert record == before
    assert [p.name for p in one.terms[0].energy.of("").periods] == ["period0", "period1"]


# -- files, fleets


@pytest.mark.parametrize(
    "change", [lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n"), lambda t: t.replace("=", "\t=")]
)
def test_58_toml_with_tabs_bom_or_crlf_is_read(tmp_path, change):
    text = 'name = "P"\nzone = "America/Chicago"\nenergy = 0.1\n'
    path = tmp_path / "plan.toml"
    path.write_bytes(change(text).encode())
    assert load_plan(path).name == "P"


def test_58_bad_toml_names_line_and_column(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text('name = "P"\nenergy = = 0.1\n')
    with pytest.raises(PlanError, match=r"plan\.toml, line 2.*column"):
        load_plan(path)
    path.write_text('name = "P"\nzone = "America/Chicago"\n\n[energy]\npeak = {pric = 0.1, hours = "1-2"}\nrest = 0\n')
    with pytest.raises(PlanError, match=r"plan\.toml, line 5.*pric is not a known key\. Did you mean price\?"):
        load_plan(path)


def test_59_many_plans_take_one_pass_over_the_data(chicago, monkeypatch):
    from greenkit.tariffs import _layout

    passes = []
    place = _layout.Layout._place
    monkeypatch.setattr(_layout.Layout, "_place", lambda self, *a: passes.append(1) or place(self, *a))
    df = chicago(np.ones(hours("2025-01-01", "2025-03-01")))
    made = [load_plan({"name": f"P{i}", "zone": CHICAGO, "energy": {"w": {"price": i / 1000, "hours": f"{i % 20}-22"}, "rest": 0.1}})
            for i in range(1, 60)]  # fmt: skip
    compare_plans(df, made)
    few = len(passes)
    assert few <= 3


def test_60_partitions_by_meter_in_parallel_have_the_same_bills(chicago):
    df = both(*(chicago(np.full(48, i + 1.0), meter=f"M{i}") for i in range(4)))
    plans = [plan(energy={"w": {"price": 0.3, "hours": f"{h}-21"}, "rest": 0.1}) for h in range(20)]
    plans = pickle.loads(pickle.dumps(plans))
    parts = [frame.tidy(df[df["meter"].isin(m)]) for m in (["M0", "M1"], ["M2"], ["M3"])]

    def work(part):
        return price(part, plans[16]).frame, compare_plans(part, plans).by_bill

    with ThreadPoolExecutor(3) as pool:
        lines, costs = zip(*pool.map(work, parts), strict=True)
    for found, whole in ((lines, price(df, plans[16]).frame), (costs, compare_plans(df, plans).by_bill)):
        joined = pd.concat([f.astype({"meter": "str"}) for f in found], ignore_index=True)
        pd.testing.assert_frame_equal(
            joined, whole.astype({"meter": "str"}), check_dtype=False, check_categorical=False
        )


def test_interval_prices_add_up_to_the_energy_lines(chicago):
    one = plan(
        energy={"tiers": [{"to": 10, "price": 0.1}, {"price": 0.2}], "share": "in order"},
        wires={"energy": 0.05, "month": 4},
    )
    df = chicago(np.ones(24))
    made = price_intervals(df, one)
    lines = price(df, one).frame
    per_kwh = lines[lines["unit"] == "kWh"]["amount"].sum()
    assert made["computed_cost"].sum() == pytest.approx(per_kwh)
    attrs = made.attrs["greenkit"]
    assert attrs["not_included"] == ["Delivery, monthly charge"]
    assert attrs["load_weighted"] == pytest.approx(per_kwh / 24)
    assert re.search("do not include Delivery, monthly charge", str(frame.findings_of(made)))


def test_interval_prices_have_charges_per_kwh_only_in_their_months(chicago):
    one = plan(
        energy=0.1,
        fees=[{"name": "Fuel", "amount": 0.01, "per": "kWh", "months": "jan"},
              {"name": "Fuel", "amount": 0.03, "per": "kWh", "months": "feb"},
              {"name": "High use", "amount": 0.5, "per": "kWh", "from": 5000}],
        wires={"fees": [{"name": "Rider", "amount": 0.05, "per": "kWh"}]},
        loss_factor=1.1,
    )  # fmt: skip
    df = chicago(np.ones(48), "2025-01-31")
    made = price_intervals(df, one)
    assert made["computed_price"].round(6).unique().tolist() == [0.165, 0.185]
    assert made.attrs["greenkit"]["not_included"] == ["High use"]
    assert float(price(df, one).total) == pytest.approx(made["computed_cost"].sum(), abs=0.02)


def test_parts_of_one_flow_are_priced_together(chicago):
    peak, rest = chicago(np.ones(24)), chicago(np.ones(24))
    df = both(peak.iloc[16:21].assign(series="peak"), rest.drop(index=range(16, 21)).assign(series="rest"))
    bill = price(df, window("16-21"))
    assert bill.total == 5
    assert "tariff.series.several" in names(bill)


def test_report_has_the_cost_of_each_bill(chicago, tmp_path):
    df = chicago(np.ones(744))
    one = plan(energy=0.1, fixed=5, wires={"month": 0})
    page = df.gk.report(tmp_path / "r.html", plan=one).read_text(encoding="utf-8")
    assert "<h2>Cost</h2>" in page
    assert "Plan: 79.40 USD for 1 bill." in page
    assert "<th>energy</th><th>fixed</th><th>delivery</th><th>total</th>" in page
