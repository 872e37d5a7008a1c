"""Price tables, and NEM12."""

import pandas as pd
import pytest

import greenkit
from greenkit.errors import AmbiguousTable, FormatError, OtherFormat
from greenkit.findings import quiet

CENTRAL = "America/Chicago"


def ercot(date, hours, points=("HB_NORTH",), types=("HU",)):
    rows = [
        "DeliveryDate,DeliveryHour,DeliveryInterval,SettlementPointName,SettlementPointType,SettlementPointPrice,DSTFlag"
    ]
    for i, (hour, flag) in enumerate(hours):
        for part in range(1, 5):
            rows += [f"{date},{hour},{part},{p},{t},{10 + i + part / 10},{flag}" for p in points for t in types]
    return "\n".join(rows).encode()


FALL = [(1, "N"), (2, "N"), (2, "Y"), *((h, "N") for h in range(3, 25))]
SPRING = [(h, "N") for h in (1, 2, *range(4, 25))]


def test_real_time_prices_are_right_in_the_repeated_hour():
    prices = greenkit.load_prices(ercot("11/03/2024", FALL), per="MWh")
    assert len(prices) == 100
    assert prices.loc["2024-11-03 01:00-05:00"] == 11.1
    assert prices.loc["2024-11-03 01:00-06:00"] == 12.1
    assert prices.index.is_unique
    assert prices.index.is_monotonic_increasing
    assert prices.name == "HB_NORTH"
    assert prices.attrs == {"unit": "USD/MWh", "interval": 900}


def test_real_time_prices_of_a_shuffled_file_are_told_by_the_flag():
    lines = ercot("11/03/2024", FALL).split(b"\n")
    prices = greenkit.load_prices(b"\n".join([lines[0], *lines[:0:-1]]), per="MWh")
    assert prices.loc["2024-11-03 01:00-06:00"] == 12.1


def test_spring_prices_have_23_hours():
    prices = greenkit.load_prices(ercot("03/10/2024", SPRING))
    assert len(prices) == 92
    assert prices.loc["2024-03-10 03:00-05:00"] == pytest.approx(0.0121)
    assert prices.attrs["unit"] == "USD/kWh"


def test_several_points_and_types_are_asked():
    data = ercot("07/04/2024", [(1, "N")], points=("HB_NORTH", "LZ_WEST"), types=("LZ", "LZEW"))
    with pytest.raises(AmbiguousTable) as caught:
        greenkit.load_prices(data)
    assert caught.value.choices[0].values == ("HB_NORTH", "LZ_WEST")
    with pytest.raises(AmbiguousTable, match="point_type"):
        greenkit.load_prices(data, point="LZ_WEST")
    assert len(greenkit.load_prices(data, point="LZ_WEST", point_type="LZ")) == 4
    with pytest.raises(FormatError, match="There is no point 'X'"):
        greenkit.load_prices(data, point="X")


def test_two_prices_of_one_interval_raise():
    data = ercot("07/04/2024", [(1, "N")]) + b"\n07/04/2024,1,1,HB_NORTH,HU,99.9,N\n"
    with pytest.raises(FormatError, match="two different prices"), quiet():
        greenkit.load_prices(data)


def test_caiso_prices():
    head = ("INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,OPR_DT,OPR_HR,NODE_ID_XML,NODE_ID,NODE,MARKET_RUN_ID,LMP_TYPE,"
            "XML_DATA_ITEM,PNODE_RESMRID,GRP_TYPE,POS,MW,GROUP")  # fmt: skip
    rows = [
        f"2024-11-03T0{h}:00:00-00:00,2024-11-03T0{h + 1}:00:00-00:00,2024-11-03,{h},N,N,TH_NP15,DAM,{kind},X,N,ALL,0,{40 + h},1"
        for h in (7, 8)
        for kind in ("LMP", "MCC")
    ]
    prices = greenkit.load_prices((head + "\n" + "\n".join(rows)).encode(), per="MWh")
    assert prices.tolist() == [47, 48]
    assert str(prices.index[0]) == "2024-11-03 00:00:00-07:00"


def test_own_prices():
    mapping = {
        "time": {"columns": ["When"]},
        "label": "start",
        "clock": "local",
        "zone": "Europe/Berlin",
        "values": {"Price": {"unit": "EUR/MWh"}},
    }
    prices = greenkit.load_prices(b"When,Price\n2024-07-04 00:00,100\n2024-07-04 01:00,-20\n", mapping)
    assert prices.tolist() == [0.1, -0.02]
    assert prices.attrs["unit"] == "EUR/kWh"


def test_a_meter_table_has_no_prices_and_a_price_table_no_readings():
    with pytest.raises(OtherFormat):
        greenkit.load_table(ercot("07/04/2024", [(1, "N")]))
    with pytest.raises(OtherFormat):
        greenkit.load_prices(b"Start Date,End Date,Usage(kWh)\n01/15/2026 00:00,01/15/2026 00:59,0.9\n")


# NEM12

SYDNEY = "Australia/Sydney"


def day300(date, values, quality="A", tail=",,,20240701000000,"):
    return f"300,{date},{','.join(map(str, values))},{quality}{tail}"


def nem(*records, head=True):
    lines = ["100,NEM12,202407010000,MDP,RETAILER"] if head else []
    return "\n".join([*lines, *records, *(["900"] if head else [])]).encode()


CHANNEL = "200,6102345678,E1B1,E1,E1,N1,M1,{unit},30,"


def load(data, **answers):
    with quiet():
        return greenkit.load_table(data, **answers)


def test_nem12_is_market_time_without_days_of_change():
    # Sydney changes its clocks on 2024-04-07 and 2024-10-06; every day has 48 intervals all the same
    records = [CHANNEL.format(unit="kWh")] + [day300(d, [0.5] * 48) for d in ("20240407", "20241006")]
    df = load(nem(*records), tz=SYDNEY)
    assert len(df) == 96
    assert df["start"].iloc[0] == pd.Timestamp("2024-04-07 00:00+10:00")
    assert str(df["start"].iloc[0]) == "2024-04-07 01:00:00+11:00"
    assert (df["end"] - df["start"] == pd.Timedelta(minutes=30)).all()
    assert df["meter"].unique().tolist() == ["6102345678"]
    greenkit.frame.check(df, exact=True)


def test_nem12_directions_units_and_circuits():
    records = []
    for suffix, unit, value in (("E1", "KWH", 1), ("E2", "kWh", 2), ("B1", "WH", 500), ("Q1", "kvarh", 3)):
        records += [f"200,6102345678,E1E2B1Q1,{suffix},{suffix},N1,M1,{unit},30,", day300("20240701", [value] * 48)]
    df = load(nem(*records, head=False), tz=SYDNEY)
    sums = df.groupby(["series", "flow", "unit"], observed=True)["value"].sum().to_dict()
    assert sums == {
        ("E1", "delivered", "kWh"): 48, ("E2", "delivered", "kWh"): 96, ("B1", "received", "kWh"): 24,
        ("Q1", "unknown", "kvarh"): 144,
    }  # fmt: skip


def test_nem12_quality_records_divide_a_day():
    records = [
        CHANNEL.format(unit="kWh"),
        day300("20240701", [0.5] * 48, "V"),
        "400,1,20,A,,",
        "400,21,40,S14,,",
        "400,41,48,N,,",
    ]
    df = load(nem(*records), tz=SYDNEY)
    assert df["quality"].tolist() == ["actual"] * 20 + ["estimated"] * 20 + ["missing"] * 8
    assert df["quality_code"].iloc[25] == "S14"
    assert df["value"].isna().sum() == 8


def test_nem12_later_version_of_a_day_counts():
    old, new = (
        day300("20240701", [v] * 48, tail=f",,,{stamp},") for v, stamp in ((1, "20240702000000"), (2, "20240801000000"))
    )
    channel = CHANNEL.format(unit="kWh")
    for records in ([channel, old, channel, new], [channel, new, channel, old]):
        df = load(nem(*records), tz=SYDNEY)
        assert df["value"].tolist() == [2] * 48
        assert "tables.nem12.versions" in df.gk.findings.names


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([CHANNEL.format(unit="kWh"), day300("20240701", [1] * 40)], "must have 48 values"),
        ([CHANNEL.format(unit="kWh"), day300("20240701", [1] * 48, "V"), "400,1,50,A,,"], "invalid range of intervals"),
        ([CHANNEL.format(unit="kWh"), day300("20240701", [1] * 48, "V"), "400,1,20,A,,"], "variable quality"),
        ([day300("20240701", [1] * 48)], "before the first channel"),
    ],
)
def test_nem12_invalid_records_are_named_with_their_line(records, message):
    with pytest.raises(FormatError, match=message) as caught:
        load(nem(*records), tz=SYDNEY)
    assert caught.value.line is not None


def test_nem12_asks_for_the_zone_and_the_unit():
    with pytest.raises(AmbiguousTable) as caught:
        load(nem(CHANNEL.format(unit=""), day300("20240701", [1] * 48)))
    assert [choice.argument for choice in caught.value.choices] == ["tz", "unit"]
    df = load(nem(CHANNEL.format(unit=""), day300("20240701", [1] * 48)), tz=SYDNEY, unit="Wh")
    assert df["value"].sum() == pytest.approx(0.048)


def test_nem13_is_named():
    with pytest.raises(OtherFormat, match="NEM13"):
        load(b"100,NEM13,202407010000,MDP,RETAILER\n250,6102345678\n900\n")
