"""Odd and hostile plans and data: the right figure, or an error or finding that names the place and the next step."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from greenkit import frame
from greenkit.tariffs import PlanError, compare_plans, load_offers, load_plan, price, price_bills, reconcile_charges

ZONE = "America/Chicago"


def plan(**keys):
    return load_plan({"name": "P", "zone": ZONE, **keys})


def rows(kwh, start="2025-01-01", end="2025-02-01", **more):
    return pd.DataFrame({"start": [start], "end": [end], "kWh": [float(kwh)], **{k: [v] for k, v in more.items()}})


def cost(keys, kwh, *dates):
    return float(price_bills(plan(**keys), rows(kwh, *dates)).total)


def hours(start, end, zone=ZONE):
    return int((pd.Timestamp(end, tz=zone) - pd.Timestamp(start, tz=zone)) / pd.Timedelta("1h"))


@pytest.fixture
def flow(make_flow):
    def make(values, start="2025-01-01", **keys):
        return make_flow(values, start, **{"zone": ZONE, **keys})

    return make


# -- labels: base charge, minimum usage fee, and credits at their edges

LABEL = {
    "energy": 0.1,
    "fixed": 9.95,
    "fees": [{"name": "Minimum usage fee", "amount": 9.95, "below": 1000}],
    "credits": [{"amount": 30, "from": 1000, "to": 1999}, {"amount": 15, "from": 2000}],
}


@pytest.mark.parametrize(
    ("kwh", "total"),
    [(0, 19.90), (999, 119.80), (999.999, 119.90), (1000, 79.95), (1999, 179.85), (1999.5, 209.90), (2000, 194.95)],
)
def test_base_charge_fee_and_credits_apply_at_their_edges(kwh, total):
    assert cost(LABEL, kwh) == total


@pytest.mark.parametrize(
    ("band", "kwh", "applies"),
    [({"above": 1000}, 1000, False), ({"above": 1000}, 1000.001, True), ({"from": 1000}, 1000, True),
     ({"to": 800}, 800, True), ({"below": 800}, 800, False), ({"above": 999}, 999.4, True),
     ({"from": 500, "below": 1000}, 500, True), ({"from": 500, "below": 1000}, 1000, False)],
)  # fmt: skip
def test_band_is_inclusive_or_exclusive_as_written(band, kwh, applies):
    assert cost({"energy": 0, "fees": [{"amount": 5, **band}]}, kwh) == (5 if applies else 0)


def test_sum_of_intervals_reaches_a_threshold_in_spite_of_float_noise(flow):
    df = flow(np.full(744, 1000 / 744))
    assert price(df, plan(energy=0, credits=[{"amount": 5, "from": 1000}])).total == -5


@pytest.mark.parametrize(
    ("band", "words"),
    [({"from": 2000, "to": 1000}, "which no bill can have"), ({"from": 1000, "below": 1000}, "which no bill can have"),
     ({"above": 1000, "to": 1000}, "which no bill can have"), ({"from": 1000, "above": 1000}, "both from and above"),
     ({"to": 5, "below": 5}, "both to and below")],
)  # fmt: skip
def test_band_that_no_bill_can_have_is_refused(band, words):
    with pytest.raises(PlanError, match=words):
        plan(energy=0.1, credits=[{"amount": 5, **band}])


# -- bills of other lengths, over New Year and days when clocks change


@pytest.mark.parametrize(
    ("days", "thirtieths", "of_month", "short"),
    [(27, 27.0, 28.07, 1.97), (28, 28.0, 29.18, 2.19), (31, 31.0, 32.5, 2.19), (35, 35.0, 36.93, 2.19)],
)
def test_bills_of_27_to_35_days_are_prorated_by_the_rule_of_each_charge(days, thirtieths, of_month, short):
    """From 15 January: 17 days of January at 1/31 and the rest of February at 1/28, 31 $ a month."""
    one = plan(
        fixed=[{"name": "a", "amount": 30, "prorate": "days/30"}, {"name": "b", "amount": 31, "prorate": "days/month"},
               {"name": "c", "amount": 2.19, "prorate": {"below_days": 28, "rule": "days/30"}},
               {"name": "d", "amount": 1, "per": "day"}, {"name": "e", "amount": 7}],
    )  # fmt: skip
    end = str((pd.Timestamp("2025-01-15") + pd.Timedelta(days=days)).date())
    amounts = price_bills(one, rows(0, "2025-01-15", end)).frame["amount"].tolist()
    assert amounts == [thirtieths, of_month, short, days, 7.0]


def test_bill_over_new_year_is_split_at_the_version(flow):
    one = plan(
        version=[{"valid": {"from": "2024-01-01"}, "energy": 0.1}, {"valid": {"from": "2025-01-01"}, "energy": 0.2}]
    )
    lines = price(flow(np.ones(720), "2024-12-17"), one, periods=["2024-12-17", "2025-01-16"]).frame
    assert lines[["quantity", "amount", "days"]].values.tolist() == [[360, 36, 15], [360, 72, 15]]


@pytest.mark.parametrize(
    ("start", "end", "window", "count"),
    [("2025-10-17", "2025-11-16", "1-2", 31), ("2025-02-20", "2025-03-22", "2-3", 29)],
)
def test_bill_over_a_day_when_clocks_change_counts_its_hours(flow, start, end, window, count):
    df = flow(np.ones(hours(start, end)), start)
    one = plan(energy={"w": {"price": 1, "hours": window}, "rest": 0})
    assert price(df, one, periods=[start, end]).total == count


def test_charges_and_credits_of_a_plan_that_changes_in_a_bill_count_their_days(flow):
    one = plan(
        version=[
            {"valid": {"from": "2025-01-01"}, "energy": 0.1, "fixed": 10, "credits": [{"amount": 30, "from": 500}]},
            {"valid": {"from": "2025-01-16"}, "energy": 0.2, "fixed": 20, "credits": [{"amount": 60, "from": 500}]},
        ]
    )
    lines = price(flow(np.ones(744)), one).frame
    assert lines["amount"].tolist() == [36.0, 76.8, 4.84, 10.32, -14.52, -30.97]
    assert price(flow(np.ones(744)), plan(change="read", version=one.document["version"])).total == Decimal("108.80")


def test_charge_of_some_months_counts_only_its_own_version(flow):
    one = plan(
        version=[
            {"valid": {"from": "2025-01-01"}, "fixed": [{"name": "A", "amount": 30, "months": "jan"}]},
            {"valid": {"from": "2025-02-01"}, "fixed": [{"name": "B", "amount": 30, "months": "jan"}]},
        ]
    )
    lines = price(flow(np.ones(720), "2025-01-16"), one, periods=["2025-01-16", "2025-02-15"]).frame
    assert lines[["line", "amount"]].values.tolist() == [["A", 16.0]]


def test_tiers_of_two_versions_count_their_own_days(flow):
    def tiers(*prices):
        return {"tiers": [{"to": 310, "price": prices[0]}, {"price": prices[1]}]}

    one = plan(version=[{"valid": {"from": "2024-01-01"}, "energy": tiers(0.1, 0.2)},
                        {"valid": {"from": "2025-01-11"}, "energy": tiers(0.3, 0.4)}])  # fmt: skip
    assert price(flow(np.ones(744)), one).frame["quantity"].tolist() == [100, 140, 210, 294]


@pytest.mark.parametrize(
    ("days", "total"),
    [("sat-sun", 24), ("sun", 24), ("weekdays", 0), ("thu", 0), ("holidays", 24)],
)
@pytest.mark.parametrize("holidays", ["NERC", "US-TX", ["2025-12-25"]])
def test_holiday_on_a_thursday_is_priced_as_a_sunday(flow, days, total, holidays):
    one = plan(holidays=holidays, energy={"w": {"price": 1, "days": days}, "rest": 0})
    assert price(flow(np.ones(24), "2025-12-25"), one).total == total


def test_holidays_with_prices_of_their_own_are_not_sundays(flow):
    energy = {"w": {"price": 1, "days": "sat-sun"}, "h": {"price": 2, "days": "holidays"}, "rest": 0}
    assert price(flow(np.ones(24), "2025-12-25"), plan(holidays="NERC", energy=energy)).total == 48


# -- negative prices, solar, and bills without usage


@pytest.mark.parametrize(
    ("keys", "kwh", "total"),
    [({"energy": -0.05}, 100, -5.0),
     ({"energy": {"tiers": [{"to": 100, "price": -0.05}, {"price": 0.1}]}}, 200, 5.0),
     ({"energy": 0.1, "fixed": -5}, 100, 5.0),
     ({"energy": 0.1, "credits": [{"amount": 50}], "taxes": [{"rate": 0.1}]}, 10, -53.9),
     ({"energy": 0, "credits": [{"amount": 2.125}]}, 0, -2.13),
     ({"energy": 0.1, "riders": [{"rate": 0.1, "on": ["energy"]}]}, 0, 0.0),
     ({"energy": 0.1, "minimum": {"amount": 1, "per": "day"}}, 10, 31.0)],
)  # fmt: skip
def test_negative_and_zero_amounts_are_priced(keys, kwh, total):
    assert cost(keys, kwh) == total


@pytest.mark.parametrize(("carry", "total"), [("none", 5.0), ("money", 5.0), ("pay", -69.4)])
def test_export_larger_than_import_over_a_bill(flow, carry, total):
    df = frame.tidy(pd.concat([flow(np.full(744, 0.5)), flow(np.full(744, 1.5), flow="received")]))
    one = plan(energy=0.1, fixed=5, export={"price": "energy", "netting": "bill", "carry": carry})
    assert float(price(df, one).total) == total


@pytest.mark.parametrize(("netting", "total"), [("hour", -0.05), ("interval", 0.0), ("none", 0.0)])
def test_netting_within_the_hour_differs_from_netting_by_interval(flow, netting, total):
    df = frame.tidy(pd.concat([flow([1, 0, 0, 0], every="15min"), flow([0, 0, 2, 0], every="15min", flow="received")]))
    assert float(price(df, plan(energy=0.1, export={"price": 0.05, "netting": netting, "carry": "pay"})).total) == total


def test_both_repeated_hours_are_netted_separately(make_flow):
    # 01:00 occurs twice on this day, at 06:00 and 07:00 UTC
    imported, exported = (
        make_flow(v, "2025-11-02 06:00", zone="UTC", flow=f) for v, f in (([1, 0], "delivered"), ([0, 2], "received"))
    )
    one = plan(energy=0.1, export={"price": 0.05, "netting": "hour", "carry": "pay"})
    assert price(frame.tidy(pd.concat([imported, exported])), one).total == 0


def test_registers_of_other_intervals_cannot_be_netted_but_priced_separately(flow):
    df = frame.tidy(pd.concat([flow(np.full(24, 1.0)), flow(np.full(96, 1.0), every="15min", flow="received")]))
    apart = {"price": 0.05, "carry": "pay"}
    assert price(df, plan(energy=0.1, export=apart)).total == Decimal("-2.40")
    with pytest.raises(PlanError, match="delivered and received energy in different intervals"):
        price(df, plan(energy=0.1, export={**apart, "netting": "interval"}))


def test_meter_with_only_a_received_register_is_billed_its_fixed_charges(flow):
    one = plan(energy=1, fixed=5, export={"price": 0.5, "carry": "pay"})
    assert price(flow(np.ones(24), flow="received"), one).total == -7


def test_month_without_usage_has_no_average_price_of_a_series(flow):
    series = pd.Series(0.1, index=pd.date_range("2025-01-01", periods=744, freq="h", tz=ZONE))
    lines = price(flow(np.zeros(744)), plan(energy={"series": "x"}, fixed=5), prices={"x": series}).frame
    assert lines["amount"].tolist() == [0.0, 5.0]
    assert np.isnan(lines["price"][0])


def test_month_without_values_costs_its_fixed_charges(flow):
    one = plan(energy=1, fixed=5, demand=[{"price": 10, "window": 60}])
    bill = price(flow(np.full(24, np.nan)), one)
    assert bill.total == 5
    assert "tariff.data.gap" in bill.findings.names


# -- data of other lengths


@pytest.mark.parametrize(("every", "total"), [("5min", 9.0), ("10min", 4.5), ("15min", 3.0), ("30min", 1.5)])
def test_intervals_of_any_length_are_split_at_a_quarter_past(flow, every, total):
    # one kWh an interval, priced from 01:15 to 02:00
    df = flow(np.ones(pd.Timedelta("1D") // pd.Timedelta(every)), every=every)
    assert float(price(df, plan(energy={"w": {"price": 1, "hours": "01:15-02:00"}, "rest": 0})).total) == total


def test_daily_data_price_kinds_of_days_but_not_hours(flow):
    df = flow(np.full(31, 24.0), every="24h")
    weekend = {"w": {"price": 1, "days": "sat-sun"}, "rest": 0}
    assert price(df, plan(energy=weekend)).total == 8 * 24
    with pytest.raises(PlanError, match=r"by the hour .* has intervals of 1440 minutes\. Use hourly"):
        price(df, plan(energy={"w": {"price": 1, "hours": "16-21"}, "rest": 0}))
    with pytest.raises(PlanError, match="has intervals of 31 days"):
        price(flow([700.0], every="744h"), plan(energy=weekend))


def test_bills_that_overlap_or_lie_outside_the_data_are_reported(flow):
    df = flow(np.ones(hours("2025-01-01", "2025-04-01")))
    dates = pd.DataFrame(
        {"start": ["2025-01-01", "2025-01-20", "2025-06-01"], "end": ["2025-02-01", "2025-02-20", "2025-07-01"]}
    )
    bill = price(df, plan(energy=1), periods=dates)
    assert bill.totals["delivered"].tolist() == [744, 744]
    assert bill.findings.named("tariff.bill.overlap")[0].evidence["first"] == "2025-01-20 – 2025-02-19"
    assert bill.findings.named("tariff.bill.outside")[0].evidence["first"] == "2025-06-01 – 2025-06-30"
    made = reconcile_charges(df, plan(energy=1), dates.assign(cost=[744.0, 744.0, 9.0]))
    assert made["status"].tolist() == ["match", "match", "only billed"]
    assert "tariff.bill.outside" not in price(df, plan(energy=1)).findings.names


# -- plan files with typing errors

HEAD = 'name = "x"\nzone = "America/Chicago"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("energy_price = 0.1", r"^line 3: energy_price is not a known key\. Did you mean energy\?"),
        ('energy = "0.1"', "Write the number without quotes"),
        ("energy = 0.1\ntaxes = [{rate = 8.25}]", "0.0825 for 8.25%"),
        ("energy = {tiers = [{to = 500, price = 9.8}, {price = 0.12}]}", "Write the price in USD: 0.098"),
        ("energy = 0.1\nwires = {month = 4.23, energy = 5.58}", r"\[wires\] energy is 5.58 .* looks like cents"),
        ('energy.peak = {price = 0.1, hours = "4pm-9pm"}\nenergy.rest = 0.1', "windows of hours such as '16-21'"),
        ('energy.peak = {price = 0.1, hours = "16-16"}\nenergy.rest = 0.1', "a window must have a length"),
        ('energy.peak = {price = 0.1, days = "wekdays"}\nenergy.rest = 0.1', "days such as 'weekdays'"),
        ('energy.a = {price = 0.1, hours = "16-21"}\nenergy.b = {price = 0.1, hours = "22-16"}',
         "no period at 21:00 on Monday in January"),
        ('seasons = {summer = "06-01/09-30"}\nenergy = 0.1', "puts 01-01 in no season"),
        ('seasons = {summer = "06-01/09-30", winter = "rest"}\nenergy = {summer = 0.1, wintr = 0.2}',
         "wintr is not a season. Use the seasons of the plan: summer, winter"),
        ("energy = 0.1\nbaseline = {price = -0.08, per_day = {summer = 10}}", "per_day = 10"),
        ('energy = 0.1\nfixed = [{amount = 5, per = "week"}]', "'month', 'bill', 'day', 'year', 'kWh', 'kW'$"),
        ('energy = 0.1\nexport = {price = "1:1"}', 'Write price = "energy"'),
        ('energy = 0.1\nexport = {price = "energy", offsets = ["enrgy"]}', "export.offsets is on 'enrgy'"),
        ('energy = 0.1\ndemand = [{price = 10, window = "15min"}]', "Write the number without quotes"),
        ("energy = 0.1\ndemand = [{price = 10, ratchet = {share = 80}}]", "0.80 for 80%"),
        ('energy = {n = {price = 0.1, hours = "1-2"}, rest = 0.2}\nefl = {average_cents = {500 = 10}}',
         r"Write the shares that the label assumes: shares = \{n = "),
        ('energy = {n = {price = 0.1, hours = "1-2"}, rest = 0.2}\n'
         "efl = {average_cents = {500 = 10}, shares = {nite = 0.4, rest = 0.6}}",
         "share for nite, which is not a period of the plan. Use the periods of the plan: n, rest"),
        ("energy = 0.1\nefl = {average_cents = {500 = 0.10}}", r"prints 0\.10 cents/kWh, but the plan results in 10\.00"),
        ("energy = nan", "finite number"),
        ("energy = 0,12", "line 3"),
        ("valid = {from = 2025-02-01, to = 2025-01-01}\nenergy = 0.1", "before it begins"),
    ],
)  # fmt: skip
def test_plan_with_a_typing_error_is_refused_with_its_next_step(text, words):
    with pytest.raises(PlanError, match=words):
        load_plan(HEAD + text + "\n")


@pytest.mark.parametrize("source", [None, ["a.toml"], 5])
def test_source_that_is_not_a_plan_is_refused(source):
    with pytest.raises(PlanError, match="A plan cannot be read from a"):
        load_plan(source)


@pytest.mark.parametrize(
    ("text", "words"),
    [("name,energy,bse\nA,0.1,5\n", "'bse', which is unknown. Did you mean base"),
     ("name,energy\nA,0.1,5\n", "row 1 has more cells than the header"),
     ("name;energy\nA;0,1\n", "Separate the columns by commas"),
     ("name,energy\nA,0.1\nB,12.5\n", "row 2: energy is 12.5"), ("name,energy\nA,$0.1\n", "'\\$0.1' is not a number")],
)  # fmt: skip
def test_table_of_offers_with_an_error_names_it(tmp_path, text, words):
    (tmp_path / "offers.csv").write_text(text)
    with pytest.raises(PlanError, match=words):
        load_offers(tmp_path / "offers.csv")


def test_one_bill_is_written_in_the_singular(flow):
    text = compare_plans(flow(np.ones(744)), [plan(energy=0.1), {"name": "Q", "zone": ZONE, "energy": 0.2}]).explain()
    assert "P is cheapest: $74.40 for 1 bill, and the cheapest in 1 of them." in text
    assert "cover 31 days" in text
