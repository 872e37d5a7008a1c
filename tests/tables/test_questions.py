"""Questions that tables leave open: each is asked with its evidence and one row read in each way, and each is answered."""

import pandas as pd
import pytest

import greenkit
from greenkit.errors import AmbiguousTable
from greenkit.findings import quiet

MAPPING = {
    "time": {"columns": ["Time"]},
    "zone": "America/Chicago",
    "clock": "local",
    "label": "start",
    "interval": 60,
    "values": {"kWh": {"flow": "delivered", "unit": "kWh"}},
}
TWO = {"values": {"In": {"flow": "delivered", "unit": "kWh"}, "Out": {"flow": "received", "unit": "kWh"}}}
PAID = {"cost": {"column": "Cost"}}
DATES = {"time": {"columns": ["Day"]}, "interval": None}


def table(header, *rows):
    return "\n".join([header, *rows]).encode()


def load(data, mapping=(), **answers):
    merged = {name: value for name, value in (MAPPING | dict(mapping)).items() if value is not None}
    with quiet():
        return greenkit.load_table(data, merged, **answers)


def asked(data, mapping=(), **answers):
    with pytest.raises(AmbiguousTable) as caught:
        load(data, mapping, **answers)
    return {choice.argument: choice for choice in caught.value.choices}


def only(data, mapping=(), **answers):
    (choice,) = asked(data, mapping, **answers).values()
    assert choice.evidence
    assert set(choice.readings) == set(choice.values)
    return choice


BLANKS = table("Time,In,Out", *(f"2024-01-01 {h:02}:00,{h + 1},{0.5 if h == 12 else ''}" for h in range(24)))


def test_empty_cells_beside_values_are_missing_absent_or_zero():
    choice = only(BLANKS, TWO)
    assert choice.argument == "blank"
    assert choice.evidence.startswith("23 of 24 cells of column Out are empty")
    rows = {answer: load(BLANKS, TWO, blank=answer).groupby("flow", observed=True)["value"] for answer in choice.values}
    assert rows["missing"].size().to_dict() == {"delivered": 24, "received": 24}
    assert rows["absent"].size().to_dict() == {"delivered": 24, "received": 1}
    assert rows["zero"].count().to_dict() == {"delivered": 24, "received": 24}
    assert rows["zero"].sum().to_dict() == {"delivered": 300, "received": 0.5}
    assert choice.readings["zero"] == "1 kWh delivered from 2024-01-01 00:00:00-06:00 to 2024-01-01 01:00:00-06:00"


def test_a_few_empty_cells_are_missing_readings():
    data = table("Time,In,Out", *(f"2024-01-01 {h:02}:00,{h + 1},{'' if h == 12 else 0.5}" for h in range(24)))
    assert load(data, TWO)["quality"].value_counts()["missing"] == 1


def test_words_that_are_not_numbers_are_never_zero():
    df = load(BLANKS.replace(b"0.5", b"fault"), {"values": {"Out": {"flow": "received", "unit": "kWh"}}}, blank="zero")
    assert df["value"].isna().sum() == 1
    assert df["value"].sum() == 0


ABSENT = table("Time,kWh", *(f"2024-01-{d:02} {h:02}:00,1.5" for d in range(1, 6) for h in range(24) if h % 3))


def test_absent_rows_are_missing_or_zero():
    choice = only(ABSENT)
    assert choice.argument == "gaps"
    assert "39 intervals in 39 gaps have no row, and no value is zero" in choice.evidence
    assert choice.readings["zero"] == "0 kWh delivered from 2024-01-01 03:00:00-06:00 to 2024-01-01 04:00:00-06:00"
    assert choice.readings["missing"].startswith("1.5 kWh delivered from 2024-01-01 02:00:00-06:00")
    assert len(load(ABSENT, gaps="missing")) == 80
    filled = load(ABSENT, gaps="zero")
    assert len(filled) == 80 + 39
    assert filled["value"].sum() == 80 * 1.5
    assert (filled["start"].iloc[1:].to_numpy() == filled["end"].iloc[:-1].to_numpy()).all()
    assert filled["start"].is_unique
    assert "tables.row.zero" in filled.gk.findings.names
    greenkit.frame.check(filled, exact=True)


def test_a_zero_in_the_table_proves_that_zeros_have_rows():
    assert len(load(ABSENT.replace(b"2024-01-02 04:00,1.5", b"2024-01-02 04:00,0"))) == 80


SCALED = table("Time,kWh,Multiplier", "2024-01-01 00:00,1.5,40", "2024-01-01 01:00,2.5,40")


def test_multiplier_is_applied_already_or_not():
    choice = only(SCALED)
    assert choice.argument == "multiplier"
    assert choice.readings["applied"].startswith("1.5 kWh")
    assert choice.readings["apply"].startswith("60 kWh")
    assert load(SCALED, multiplier="applied")["value"].tolist() == [1.5, 2.5]
    assert load(SCALED, multiplier="apply")["value"].tolist() == [60, 100]
    assert load(SCALED, {"multiplier": {"column": "Multiplier"}})["value"].tolist() == [60, 100]
    assert load(SCALED.replace(b",40", b",1"))["value"].tolist() == [1.5, 2.5]


METERS = table("Meter Number,Time,kWh", *(f"{m},2024-01-01 0{h}:00,{h}.5" for m in (71, 72) for h in range(4)))


def test_several_meters_are_kept_apart_or_added_up():
    choice = only(METERS)
    assert choice.argument == "meters"
    assert choice.evidence == "Column Meter Number has 2 meters, and the mapping does not name it"
    apart = load(METERS, meters="separate")
    assert apart["meter"].unique().tolist() == ["71", "72"]
    together = load(METERS, meters="sum", meter="both")
    assert together["value"].tolist() == [1, 3, 5, 7]
    assert together["meter"].unique().tolist() == ["both"]
    assert len(load(METERS, {"meter": {"column": "Meter Number"}})) == 8
    assert load(METERS.replace(b"72,", b"71,").split(b"\n71,2024-01-01 03:00")[0])["meter"].unique().tolist() == [
        "meter"
    ]


MONEY = table("Time,kWh,Cost", "2024-01-01 00:00,1.5,$0.30", "2024-01-01 01:00,2.5,$0.50")


def test_currency_of_a_dollar_sign_is_asked():
    choice = only(MONEY, PAID)
    assert choice.argument == "currency"
    assert choice.evidence == "Amounts of column Cost have a dollar sign"
    assert choice.readings["CAD"].endswith(", 0.3 CAD")
    df = load(MONEY, PAID, currency="CAD")
    assert df["cost"].tolist() == [0.3, 0.5]
    assert df["currency"].unique().tolist() == ["CAD"]


@pytest.mark.parametrize(("sign", "currency"), [("€", "EUR"), ("£", "GBP")])
def test_currency_of_other_signs_is_that_of_the_sign(sign, currency):
    df = load(MONEY.decode().replace("$", sign).encode(), PAID)
    assert df["currency"].unique().tolist() == [currency]


def test_cents_in_the_name_of_a_column_are_hundredths():
    df = load(
        table("Time,kWh,Cost (p)", "2024-01-01 00:00,1.5,30"), {"cost": {"column": "Cost (p)", "currency": "GBP"}}
    )
    assert df["cost"].tolist() == [0.3]
    assert "tables.cost.cents" in df.gk.findings.names


def test_credits_without_a_sign_are_asked():
    data = table("Time,kWh,Credit", "2024-01-01 00:00,1.5,0.30")
    spec = {"cost": {"column": "Credit", "currency": "USD"}}
    choice = only(data, spec)
    assert choice.argument == "credit"
    assert choice.readings["credit"].endswith(", -0.3 USD")
    assert load(data, spec, credit="credit")["cost"].tolist() == [-0.3]
    assert load(data, spec, credit="charge")["cost"].tolist() == [0.3]


def test_years_of_two_digits_can_be_first():
    data = table("Day,kWh", "05/06/07,1", "05/06/08,2")
    choice = only(data, DATES)
    assert choice.values == ("month first", "day first", "year first")
    assert "2007-05-06" in choice.readings["month first"]
    assert "2007-06-05" in choice.readings["day first"]
    assert "2005-06-07" in choice.readings["year first"]
    assert load(data, DATES, date_order="year first")["start"].iloc[1] == pd.Timestamp(
        "2005-06-08", tz="America/Chicago"
    )


def test_years_of_two_digits_are_settled_by_consecutive_days():
    data = table("Day,kWh", *(f"24/06/{d:02},{d}" for d in range(1, 10)))
    assert load(data, DATES)["start"].iloc[0] == pd.Timestamp("2024-06-01", tz="America/Chicago")


def test_serial_numbers_of_spreadsheets_are_asked():
    # 45292 days after 1899-12-30 is 2024-01-01, and 1904 is 1,462 days later
    data = table("Time,kWh", "45292,1", "45292.0416666667,2")
    choice = only(data)
    assert choice.argument == "date_system"
    assert "2024-01-01 00:00:00" in choice.readings["1900"]
    assert "2028-01-02 00:00:00" in choice.readings["1904"]
    df = load(data, date_system="1900")
    assert df["start"].dt.strftime("%Y-%m-%d %H:%M").tolist() == ["2024-01-01 00:00", "2024-01-01 01:00"]


GAS = table("Day,Gas (m3)", *(f"2024-01-0{d},{d}" for d in range(1, 5)))
GAS_SPEC = DATES | {"zone": "Europe/Brussels", "values": {"Gas (m3)": {"flow": "delivered"}}}


def test_gas_days_in_europe_begin_at_midnight_or_at_six():
    choice = only(GAS, GAS_SPEC)
    assert choice.argument == "day_start"
    assert choice.readings["06:00"].startswith("1 m3 delivered from 2024-01-01 06:00:00+01:00 to 2024-01-02 06:00")
    six = load(GAS, GAS_SPEC, day_start="06:00")
    assert six["start"].iloc[0] == pd.Timestamp("2024-01-01 06:00", tz="Europe/Brussels")
    midnight = load(GAS, GAS_SPEC, day_start="00:00")
    assert midnight["start"].iloc[0] == pd.Timestamp("2024-01-01", tz="Europe/Brussels")
    assert len(load(GAS, GAS_SPEC | {"zone": "America/Chicago"})) == 4


BILL = {
    "time": {"columns": ["From"]}, "label": {"end": "To"}, "interval": "period",
    "values": {"kWh": {"flow": "delivered", "unit": "kWh"}},
}  # fmt: skip


def bills(data, **answers):
    return greenkit.open_table(data, BILL | {"clock": "local", "zone": "America/Chicago"}, **answers)


def test_end_of_bills_is_proved_by_the_next_bill_or_asked():
    ends = [pd.Timestamp("2024-02-01"), pd.Timestamp("2024-03-01")]
    same = bills(table("From,To,kWh", "2024-01-01,2024-02-01,5", "2024-02-01,2024-03-01,6"))
    assert same.bills["end"].tolist() == ends
    after = bills(table("From,To,kWh", "2024-01-01,2024-01-31,5", "2024-02-01,2024-02-29,6"))
    assert after.bills["end"].tolist() == ends
    assert "tables.label.inclusive" in after.findings.names
    alone = table("From,To,kWh", "2024-01-01,2024-01-31,5")
    with pytest.raises(AmbiguousTable) as caught:
        bills(alone)
    assert [choice.argument for choice in caught.value.choices] == ["bill_end"]
    assert bills(alone, bill_end="inclusive").bills["end"].tolist() == ends[:1]
    assert bills(alone, bill_end="exclusive").bills["end"].tolist() == [pd.Timestamp("2024-01-31")]


def test_inclusive_ends_of_intervals_are_inferred():
    rows = [f"2024-01-01 0{h}:{m:02},2024-01-01 0{h}:{m + 14:02},1" for h in range(3) for m in (0, 15, 30, 45)]
    df = load(table("Time,End,kWh", *rows), {"label": {"end": "End"}, "interval": None})
    assert ((df["end"] - df["start"]) == pd.Timedelta(minutes=15)).all()
    assert "tables.label.inclusive" in df.gk.findings.names


def test_all_questions_come_in_one_error():
    data = table("Meter ID,Day,Amount,Cost", "1,05/06/2024,1.5,$2", "2,05/06/2024,2.5,$3")
    spec = {"time": {"columns": ["Day"]}, "values": {"Amount": {}}, "cost": {"column": "Cost"}}
    with pytest.raises(AmbiguousTable) as caught:
        greenkit.load_table(data, spec)
    assert {choice.argument for choice in caught.value.choices} == {
        "tz",
        "clock",
        "unit",
        "flow",
        "date_order",
        "meters",
        "currency",
    }
    assert all(f"({choice.argument}=)" in str(caught.value) for choice in caught.value.choices)
    df = greenkit.load_table(
        data, spec, tz="America/Chicago", unit="kWh", flow="delivered", date_order="day first", meters="separate",
        currency="USD", clock="local",
    )  # fmt: skip
    assert df["value"].tolist() == [1.5, 2.5]


def test_every_answer_is_a_key_of_the_grammar_or_of_its_values():
    import dataclasses
    import inspect

    from greenkit.tables.mapping import Cost, Table, Value

    keys = {field.name for kind in (Table, Value, Cost) for field in dataclasses.fields(kind)}
    others = {"source", "layout", "tz", "errors", "progress", "limits"}
    for function in (greenkit.load_table, greenkit.open_table):
        assert set(inspect.signature(function).parameters) - keys == others


def test_unread_column_of_numbers_is_a_finding():
    df = load(table("Time,kWh,Export", "2024-01-01 00:00,1.5,0.1", "2024-01-01 01:00,2.5,0.2"))
    (finding,) = df.gk.findings.named("tables.column.unread")
    assert finding.evidence["column"] == "Export"
    skipped = {"values": MAPPING["values"] | {"Export": {"skip": True}}}
    df = load(table("Time,kWh,Export", "2024-01-01 00:00,1.5,0.1", "2024-01-01 01:00,2.5,0.2"), skipped)
    assert "tables.column.unread" not in df.gk.findings.names
