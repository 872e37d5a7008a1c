"""Bills and labels that others printed or computed, through the engine."""

import re
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pandas as pd
import pytest
from pysam_plans import YEAR, frame_of, plan_of_case
from tariff_reference import REFERENCE, load_reference, reference

from greenkit import frame
from greenkit.tariffs import PlanError, load_plan, price, price_bills
from greenkit.tariffs._label import proofs

CENTS = Decimal(100)


# -- labels


def window(text):
    return ", ".join(re.sub(r":00", "", part) for part in text.split(","))


def plan_of_label(case):
    """Translate a label of the reference file into a plan."""
    plan = {"name": case["id"], "zone": "America/Chicago"}
    if "periods" in case:
        plan["energy"] = {
            f"p{i}": {"price": c / CENTS, "hours": window(w)} for i, (w, c, _) in enumerate(case["periods"])
        }
        shares = {f"p{i}": s for i, (_, _, s) in enumerate(case["periods"])}
    else:
        shares = None
        tiers = [{"price": c / CENTS, **({} if to is None else {"to": to})} for to, c in case["energy"]]
        plan["energy"] = tiers[0]["price"] if len(tiers) == 1 else {"tiers": tiers}
    fixed = [{"amount": case["base"]}] if "base" in case else []
    fixed += [{"amount": case["daily"], "per": "day"}] if "daily" in case else []
    if fixed:
        plan["fixed"] = fixed
    plan["wires"] = {"month": case["tdsp_month"], "energy": case["tdsp_kwh"] / CENTS}
    if "tdsp_kw" in case:
        plan["wires"]["demand"] = case["tdsp_kw"]
    for key in ("credits", "fees"):
        if key in case:
            plan[key] = case[key]
    plan["efl"] = {"average_cents": dict(case["printed"])}
    if shares:
        plan["efl"]["shares"] = shares
    if "load_factor" in case:
        plan["efl"]["load_factor"] = case["load_factor"]
    return plan


def labels(group):
    path = REFERENCE / "efl_average_price.json"
    if not path.exists():
        return [
            pytest.param(None, marks=pytest.mark.skip(reason="the reference figures are not beside the repository"))
        ]
    return [pytest.param(c, id=c["id"]) for c in load_reference("efl_average_price.json")[group]]


@pytest.mark.parametrize("case", labels("cases"))
def test_label_is_reproduced(case):
    plan = load_plan(plan_of_label(case))
    assert [p.rounded for p in proofs(plan)] == [Decimal(p) for p in case["printed"].values()]


@pytest.mark.parametrize("case", labels("cases"))
def test_label_is_reproduced_from_intervals(case):
    """A flat month of 30 days; time-of-use labels get their shares of it."""
    plan = load_plan(plan_of_label(case))
    for kwh, printed in case["printed"].items():
        start = pd.date_range("2025-04-01", periods=720, freq="h", tz="America/Chicago")
        each = np.full(720, float(kwh) / 720)
        if "periods" in case:
            at = plan.calendar.schedule(plan.terms[0].energy.of("")).clock.at(
                np.zeros(720, dtype=np.int64), start.hour.to_numpy().astype(np.int64) * 60
            )
            for i, (_, _, share) in enumerate(case["periods"]):
                each[at == i] = float(kwh) * float(share) / (at == i).sum()
        df = frame.tidy(pd.DataFrame({"meter": "1", "series": "1", "flow": "delivered", "start": start,
                                      "end": start + pd.Timedelta("1h"), "value": each, "unit": "kWh",
                                      "zone": "America/Chicago", "quality": "actual"}))  # fmt: skip
        bill = price(df, plan)
        assert len(bill) == 1
        average = 100 * bill.total / Decimal(kwh)
        # each line is rounded to the cent, which moves the average of 500 kWh by less than 0.01 cents
        assert abs(average - Decimal(printed)) <= Decimal("0.0601")


@pytest.mark.parametrize("case", labels("not_reproduced"))
def test_label_that_does_not_fit_raises_an_error_with_the_computed_prices(case):
    with pytest.raises(PlanError) as caught:
        load_plan(plan_of_label(case))
    load_plan(plan_of_label(case), check=False)
    for printed in case["printed"].values():
        assert str(printed) in caught.value.problem
    assert re.search(
        r"the plan results in [\d.]+ at \d+ kWh, [\d.]+ at \d+ kWh, [\d.]+ at \d+ kWh", caught.value.problem
    )


# -- PySAM


def arrays(case):
    h = np.arange(8760)
    month = YEAR.month.to_numpy() - 1
    names = {
        "np": np, "h": h, "hod": h % 24, "dow": h // 24 % 7, "month": month, "dom": YEAR.day.to_numpy() - 1,
        "first": np.array([int((month < m).sum()) for m in range(12)]), "range": range,
    }  # fmt: skip
    load, gen = (eval(case[k], names) + 0.0 * h for k in ("load", "gen"))
    sell = eval(case["sell"], names) if "sell" in case else None
    return load, gen, sell


def cases():
    if not (REFERENCE / "pysam_cases.json").exists():
        return [
            pytest.param(None, marks=pytest.mark.skip(reason="the reference figures are not beside the repository"))
        ]
    return [pytest.param(c, id=c["name"]) for c in load_reference("pysam_cases.json")["cases"]]


@pytest.mark.parametrize("case", cases())
def test_bills_agree_with_pysam(case):
    load, gen, sell = arrays(case)
    prices = {"sell": pd.Series(np.asarray(sell, dtype=float), index=YEAR)} if sell is not None else None
    bill = price(frame_of(load, gen), load_plan(plan_of_case(case)), prices=prices)
    computed = bill.totals["computed_total"].to_numpy()
    expected = np.array([float(x) for x in case["monthly_bill"]])
    if case["name"] == "ratchet80_lookback1_yearzero_nov":
        # PySAM looks back two months in January: it bills November's 200 kW, the ratchet of one month sees December's 0
        assert expected[0] == 1600
        expected[0] = 10
    assert np.abs(computed - expected).max() <= 1e-4


# -- printed bills


def bills_public():
    return {c["id"]: c for c in load_reference("bills_public.json")["cases"]}


@pytest.mark.parametrize("name", ["seymour-in-residential-winter-1200", "seymour-in-residential-summer-2000"])
def test_seymour_bill_is_reproduced_to_the_cent(name):
    case = bills_public()[name]
    plan = load_plan(
        {
            "name": name,
            "zone": "America/Indiana/Indianapolis",
            "energy": {"tiers": [{"price": p, **({} if to is None else {"to": to})} for to, p in case["tiers"]]},
            "fees": [{"name": "Power cost", "amount": case["per_kwh"], "per": "kWh"}],
            "fixed": [{"amount": case["fixed"]}],
            "taxes": [{"name": "Tax", "rate": case["tax"]}],
        }
    )
    bill = price_bills(plan, pd.DataFrame({"start": ["2025-01-01"], "end": ["2025-02-01"], "kWh": [case["kwh"]]}))
    amounts = [x.amount for x in bill.lines]
    assert sorted(amounts) == sorted([*(Decimal(str(x)) for x in case["lines"]), Decimal(str(case["tax_line"]))])
    assert bill.total == Decimal(str(case["total"]))


def test_otter_tail_fixed_charge_and_energy_are_prorated():
    case = bills_public()["otter-tail-proration-29-days"]
    plan = load_plan(
        f"""
name = "Otter Tail"
zone = "America/Chicago"
fixed = [{{amount = {case["fixed_month"]}, prorate = "days/{case["month_days"]}"}}]
[[version]]
valid = {{from = 2018-01-01}}
energy = 0.10
[[version]]
valid = {{from = 2018-12-31}}
energy = 0.11
"""
    )
    rows = pd.DataFrame({"start": [case["from"]], "end": [case["to"]], "kWh": [case["kwh"]]})
    bill = price_bills(plan, rows)
    lines = bill.frame
    assert lines.loc[lines["kind"] == "fixed", "amount"].tolist() == [float(case["fixed_line"])]
    energy = lines[lines["kind"] == "energy"]
    assert energy["days"].tolist() == case["split_days"]
    assert energy["quantity"].round(6).tolist() == [float(x) for x in case["split_kwh"]]


def test_oracle_quantity_is_shared_by_days():
    case = bills_public()["oracle-proration-45-days"]
    plan = load_plan(
        """
name = "Change after 15 days"
zone = "America/Chicago"
[[version]]
valid = {from = 2020-01-01}
energy = 0.10
[[version]]
valid = {from = 2025-01-16}
energy = 0.11
"""
    )
    bill = price_bills(plan, pd.DataFrame({"start": ["2025-01-01"], "end": ["2025-02-15"], "kWh": [case["kwh"]]}))
    assert bill.frame["days"].tolist() == case["split_days"]
    assert [round(q) for q in bill.frame["quantity"]] == case["split_kwh"]


def test_rate_change_in_mid_bill_counts_calendar_days():
    case = bills_public()["metrix-rate-change-mid-bill"]
    plan = load_plan(
        f"""
name = "Change at New Year"
zone = "America/Chicago"
[[version]]
valid = {{from = 1995-01-01}}
energy = 0.10
[[version]]
valid = {{from = {case["change"]}}}
energy = 0.11
"""
    )
    rows = pd.DataFrame({"start": [case["from"]], "end": [case["to"]], "kWh": [1000]})
    assert price_bills(plan, rows).frame["days"].tolist() == case["calendar_days"]


def test_4cp_is_the_mean_of_the_four_moments(make_flow):
    case = bills_public()["arcadia-4cp-oncor"]
    moments = ["2023-06-20T17:00", "2023-07-18T16:45", "2023-08-10T17:00", "2023-09-06T16:30"]
    values = np.full(96 * 365, 10.0)
    for moment, kw in zip(moments, case["kw"], strict=True):
        values[int((pd.Timestamp(moment) - pd.Timestamp("2023-01-01")) / pd.Timedelta("15min"))] = kw / 4
    df = make_flow(values, "2023-01-01", every="15min")
    plan = load_plan(
        {
            "name": "4CP",
            "zone": "America/Phoenix",
            "demand": [{"name": "4CP", "price": 5, "moments": [f"{m}:00-07:00" for m in moments]}],
        }
    )
    lines = price(df, plan).frame
    assert lines["quantity"].unique().tolist() == [float(case["mean_kw"])]


def test_base_services_charge_of_31_days():
    case = bills_public()["pge-base-services-31-days"]
    plan = load_plan(reference("plans/pge_etouc.toml"))
    charge = plan.terms[0].charges[0]
    assert charge.amount == Decimal(str(case["per_day"]))
    rows = pd.DataFrame({"start": ["2026-07-01"], "end": ["2026-08-01"], "kWh": [0]})
    lines = price_bills(plan, rows, assumed_mix={"peak": 0.3, "rest": 0.7}).frame
    assert lines.loc[lines["kind"] == "fixed", "amount"].tolist() == [float(case["line"])]


# -- PG&E components, plans


def test_pge_components_add_up_to_the_printed_totals():
    sheet = load_reference("pge_etouc_2026-03-01.json")
    adders = sum(sheet["adders"].values())
    plan = load_plan(reference("plans/pge_etouc.toml")).terms[0]
    for name, parts in sheet["components"].items():
        season, period = name.split("_")
        total = sheet["totals"][name]
        assert abs(sum(parts.values()) + adders - total) < Decimal("1e-5")
        energy = {p.name: p for p in plan.energy.of(season).periods}
        assert energy["peak" if period == "peak" else "rest"].tiers[0].price == total
    within, over = sheet["conservation_incentive_within"], sheet["adders"]["conservation_incentive_over"]
    assert plan.baseline.price == -sheet["baseline_credit"] == within - over


def test_components_price_like_their_total(make_flow):
    sheet = load_reference("pge_etouc_2026-03-01.json")

    def split(name):
        parts = dict(sheet["components"][name])
        parts["other"] = sum(sheet["adders"].values())
        return parts

    whole = load_plan(reference("plans/pge_etouc.toml"))
    plan = load_plan(
        {
            **{k: v for k, v in whole.document.items() if k != "energy"},
            "rounding": "none",
            "energy": {
                s: {"peak": {"price": split(f"{s}_peak"), "hours": "16-21"},
                    "off": {"price": split(f"{s}_off"), "hours": "21-16"}}
                for s in ("summer", "winter")
            },
        }
    )  # fmt: skip
    df = make_flow(np.linspace(0.1, 3, 24 * 61), "2026-05-01", zone="America/Los_Angeles")
    one = price(df, plan)
    other = price(df, load_plan({**whole.document, "rounding": "none"}))
    assert abs(one.total - other.total) < Decimal("1e-4")
    assert set(one.frame["component"]) == {"", "generation", "distribution", "other"}


@pytest.mark.parametrize(
    "name",
    [
        "commercial_ratchet", "nem2", "ontario_tiered", "ontario_ulo", "pge_etouc", "pge_nbt_export",
        "texas_free_weekends", "texas_prepaid", "texas_solar_buyback", "texas_usage_credit",
    ],
)  # fmt: skip
def test_reference_plan_loads_and_is_written_and_read_again(name):
    plan = load_plan(reference(f"plans/{name}.toml"))
    again = load_plan(plan.to_toml())
    assert (again.terms, again.seasons, again.holidays) == (plan.terms, plan.seasons, plan.holidays)
    assert plan.name in repr(plan)


def test_missing_file_of_a_plan_is_named_when_it_prices(make_flow):
    df = make_flow(np.ones(24 * 40), "2026-06-03", zone="America/Los_Angeles")
    received = df.assign(flow="received", series="received")
    both = frame.tidy(pd.concat([df, received]))
    with pytest.raises(PlanError, match=r"nbt26\.parquet"):
        price(both, load_plan(reference("plans/pge_nbt_export.toml")))
    with pytest.raises(PlanError, match=r"4cp\.csv"):
        price(make_flow(np.ones(24 * 40)), load_plan(reference("plans/commercial_ratchet.toml")))


def test_label_average_rounds_half_up():
    # 500 kWh at 0.1005 is 10.05 cents, which prints 10.1
    plan = {
        "name": "Half",
        "zone": "America/Chicago",
        "energy": Decimal("0.1005"),
        "efl": {"average_cents": {"500": 10.1}},
    }
    assert proofs(load_plan(plan))[0].computed.quantize(Decimal("0.1"), ROUND_HALF_UP) == Decimal("10.1")
    plan["efl"] = {"average_cents": {"500": Decimal("10.0")}}
    with pytest.raises(PlanError, match=r"prints 10.0 cents/kWh, but the plan results in 10.1 at 500 kWh"):
        load_plan(plan)
