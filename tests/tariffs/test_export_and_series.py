"""Net metering with a true-up, components, price files, and URDB's traps, worked out by hand."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from greenkit import frame
from greenkit.tariffs import PlanError, load_plan, price

ZONE = "America/Los_Angeles"


def solar(make_flow, imported, exported, start="2025-01-01", **keys):
    keys = {"zone": ZONE, **keys}
    return frame.tidy(
        pd.concat([make_flow(imported, start, **keys), make_flow(exported, start, flow="received", **keys)])
    )


def hours(start, end):
    return int((pd.Timestamp(end, tz=ZONE) - pd.Timestamp(start, tz=ZONE)) / pd.Timedelta("1h"))


def test_true_up_owes_the_larger_of_energy_and_non_bypassable(make_flow):
    n = hours("2025-01-01", "2026-01-01")
    imported, exported = np.zeros(n), np.zeros(n)
    imported[0], imported[n - 1], exported[12] = 1000, 2000, 1500
    plan = load_plan(
        {"name": "NEM", "zone": ZONE, "energy": 0.4, "fixed": 10,
         "export": {"price": "energy", "netting": "period", "non_bypassable": 0.03,
                    "year": {"start": "01-01", "surplus": 0.02}}}
    )  # fmt: skip
    bill = price(solar(make_flow, imported, exported), plan)
    totals = bill.totals["computed_total"].tolist()
    # January: 10 and 30 non-bypassable on 1,000 kWh; its −500 kWh (−200 $) wait for the true-up
    assert totals[0] == 40
    assert totals[1:11] == [10] * 10
    # the year: 1,500 kWh net = 600 $; non-bypassable 30 + 60; true-up 600 − 90 = 510
    assert totals[11] == 10 + 60 + 510
    assert bill.frame.query("line == 'True-up of the year'")["amount"].tolist() == [510]
    assert "Net surplus of the year" not in set(bill.frame["line"])


def test_net_surplus_of_a_year_is_paid_and_dollars_are_reset(make_flow):
    n = hours("2025-01-01", "2026-01-01")
    imported, exported = np.zeros(n), np.zeros(n)
    imported[0], exported[12] = 100, 300
    plan = load_plan(
        {"name": "NEM", "zone": ZONE, "energy": 0.4,
         "export": {"price": "energy", "netting": "period", "non_bypassable": 0.03,
                    "year": {"start": "01-01", "surplus": 0.02}}}
    )  # fmt: skip
    bill = price(solar(make_flow, imported, exported), plan)
    assert bill.total == Decimal("3.00") - Decimal("4.00")


def test_credits_by_component_offset_their_own_lines(make_flow):
    plan = load_plan(
        {"name": "NBT", "zone": ZONE, "energy": {"price": {"generation": 0.2, "delivery": 0.3}},
         "export": {"price": {"series": "nbt", "columns": ["generation", "delivery"]}, "carry": "money",
                    "offsets": {"generation": ["generation"], "delivery": ["delivery"]}}}
    )  # fmt: skip
    index = pd.date_range("2025-01-01", periods=24, freq="h", tz=ZONE)
    nbt = pd.DataFrame({"generation": 0.5, "delivery": 0.1}, index=index)
    bill = price(solar(make_flow, np.ones(24), np.ones(24)), plan, prices={"nbt": nbt})
    # generation: 4.80 owed, 12.00 earned, 7.20 carried; delivery: 7.20 owed, 2.40 earned
    assert bill.total == Decimal("4.80")
    carried = bill.frame.query("line == 'Export credit carried forward'")
    assert carried[["component", "amount"]].values.tolist() == [["generation", 7.2]]


def test_non_bypassable_part_is_never_offset(make_flow):
    keys = {"name": "P", "zone": ZONE, "energy": 0.4}
    df = solar(make_flow, np.ones(24), np.full(24, 5.0))
    full = load_plan({**keys, "export": {"price": 0.4, "carry": "none"}})
    part = load_plan({**keys, "export": {"price": 0.4, "carry": "none", "non_bypassable": 0.05}})
    assert price(df, full).total == 0
    assert price(df, part).total == Decimal("1.20")


@pytest.mark.parametrize(("cap", "total"), [("import", "0.00"), ("energy", "0.00"), (None, "-38.40")])
def test_cap_limits_what_exports_earn(make_flow, cap, total):
    export = {"price": 0.4, "carry": "pay", **({"cap": cap} if cap else {})}
    plan = load_plan({"name": "P", "zone": ZONE, "energy": 0.4, "export": export})
    assert price(solar(make_flow, np.ones(24), np.full(24, 5.0)), plan).total == Decimal(total)


def test_year_table_prices_by_month_kind_of_day_and_hour(make_flow, tmp_path):
    rows = [(m, d, h, m + h / 100) for m in range(1, 13) for d in ("weekday", "weekend") for h in range(24)]
    table = pd.DataFrame(rows, columns=["month", "day", "hour", "price"])
    table.loc[table["day"] == "weekend", "price"] = 0
    table["price"] /= 100
    table.to_csv(tmp_path / "nbt.csv", index=False)
    (tmp_path / "plan.toml").write_text(
        f'name = "P"\nzone = "{ZONE}"\nenergy = 0\n[export]\nprice = {{series = "nbt.csv"}}\ncarry = "pay"\n'
    )
    plan = load_plan(tmp_path / "plan.toml")
    # 2025-03-07 is a Friday: Σ (3 + h/100)/100 over 24 hours = 0.72 + 2.76/100
    df = solar(make_flow, np.zeros(48), np.ones(48), "2025-03-07")
    assert price(df, plan).total == Decimal("-0.75")
    table.iloc[:-1].to_csv(tmp_path / "nbt.csv", index=False)
    with pytest.raises(PlanError, match="575 rows"):
        price(df, plan)


def test_ercot_prices_are_per_mwh_and_the_flag_marks_the_repeated_hour(make_flow, tmp_path):
    rows = []
    for hour in range(1, 25):
        for flag in ("N", "Y") if hour == 2 else ("N",):
            rows += [
                ("11/02/2025", hour, q, "LZ_NORTH", "LZ", 100.0 if flag == "Y" else 20.0, flag) for q in range(1, 5)
            ]
    columns = ["DeliveryDate", "DeliveryHour", "DeliveryInterval", "SettlementPointName", "SettlementPointType",
               "SettlementPointPrice", "DSTFlag"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    other = table.assign(SettlementPointName="LZ_WEST", SettlementPointPrice=0.0)
    pd.concat([table, other]).to_csv(tmp_path / "rtm.csv", index=False)
    text = 'name = "P"\nzone = "America/Chicago"\nenergy = {series = "rtm.csv", point = "LZ_NORTH"}\n'
    (tmp_path / "plan.toml").write_text(text)
    df = make_flow(np.ones(25), "2025-11-02", zone="America/Chicago")
    assert price(df, load_plan(tmp_path / "plan.toml")).total == Decimal("0.58")
    (tmp_path / "plan.toml").write_text(text.replace(', point = "LZ_NORTH"', ""))
    with pytest.raises(PlanError, match="2 settlement points"):
        price(df, load_plan(tmp_path / "plan.toml"))


def urdb(**keys):
    return {"label": "x", "utility": "U", "name": "R", "energyratestructure": [[{"rate": 0.1}]], **keys}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"energyratestructure": [[{"rate": 0.1, "max": 100}]]}, "bound .* in the last tier"),
        ({"energyratestructure": [[{"rate": 10984}]]}, "looks like cents"),
        ({"flatdemandstructure": [[{"rate": 5}]], "lookbackpercent": 0.8, "lookbackmonths": [1] * 12, "lookbackrange": 3},
         "exclude each other"),
        ({"flatdemandstructure": [[{"rate": 5}]], "flatdemandmonths": [2] * 12}, "only 1 are defined"),
    ],
)  # fmt: skip
def test_urdb_trap_is_refused(keys, words):
    with pytest.raises(PlanError, match=words):
        load_plan(urdb(**keys))


def test_urdb_fields_that_are_not_priced_are_reported(make_flow):
    record = urdb(
        name="R [URDB cannot correctly model this rate]", servicetype="Delivery", description="See Rider PCA.",
        demandreactivepowercharge=0.3, flatdemandstructure=[[{"rate": 5}]], startdate=1262304000,
        fueladjustmentsmonthly=[0.01] * 6 + [0.02] * 6, peakkwcapacitymax=10,
        lookbackpercent=0.5, lookbackmonths=[0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0],
    )  # fmt: skip
    plan = load_plan(record, zone="America/Phoenix")
    bill = price(make_flow(np.full(744, 2.0)), plan)
    found = set(bill.findings.names)
    assert {f"tariff.urdb.{n}" for n in ("no-zone", "rider-in-text", "delivery-only", "cannot-model", "old",
                                         "demand-window", "not-priced", "no-export")} <= found  # fmt: skip
    assert plan.terms[0].demand[0].ratchet.of == {6, 7, 8}
    assert bill.frame.query("line == 'Fuel adjustment'")["price"].tolist() == [0.01]


def test_urdb_seasons_count_tiers_of_the_periods_that_share_a_month(make_flow):
    row, summer = [0] * 24, [1] * 12 + [2] * 12
    schedule = [summer if 5 <= m <= 8 else row for m in range(12)]
    structure = [
        [{"rate": 0.1, "max": 500}, {"rate": 0.2}],
        [{"rate": 0.1, "max": 300}, {"rate": 0.3}],
        [{"rate": 0.2, "max": 300}, {"rate": 0.4}],
    ]
    record = urdb(energyratestructure=structure, energyweekdayschedule=schedule, energyweekendschedule=schedule)
    plan = load_plan(record, zone="America/Phoenix")
    july = price(make_flow(np.ones(744), "2025-07-01"), plan).frame
    # 744 kWh, 300 in the first tier; half of each in each period
    assert july["quantity"].tolist() == [150, 222, 150, 222]
    january = price(make_flow(np.ones(744), "2025-01-01"), plan).frame
    assert january["quantity"].tolist() == [500, 244]
