"""Known layouts: a synthetic file of each, with expected rows worked out by hand, both days of change included."""

import io
import itertools
from pathlib import Path

import pandas as pd
import pytest
from day_samples import day, utc, values

import greenkit
from greenkit.errors import AmbiguousTable, OtherFormat, SettingsError
from greenkit.findings import GreenkitWarning, quiet
from greenkit.tables import layouts

PACIFIC, EASTERN, CENTRAL = "America/Los_Angeles", "America/New_York", "America/Chicago"
FALL, SPRING = "2024-11-03", "2024-03-10"
PREAMBLE = 'Name,PAT EXAMPLE\nAddress,"1 MAIN ST, TOWN CA 94000"\nAccount Number,0000000000\nService,Service 1\n\n'


def load(text, **answers):
    with quiet():
        return greenkit.load_table(text.encode() if isinstance(text, str) else text, **answers)


def opened(text, **answers):
    return greenkit.open_table(text.encode() if isinstance(text, str) else text, **answers)


def names(df):
    return df.gk.findings.names


def totals(df):
    sums = df.groupby(["flow", "unit"], observed=True)["value"].sum().round(3)
    return {key: float(value) for key, value in sums.items()}


def contiguous(df):
    return (df["start"].iloc[1:].to_numpy() == df["end"].iloc[:-1].to_numpy()).all()


def workbook(rows, title="1"):
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


# Opower


def opower(date, minutes, zone=PACIFIC, header="USAGE,UNITS,COST,NOTES", cells="{v},kWh,$0.13,"):
    rows = [
        f"Electric usage,{local:%Y-%m-%d},{local:%H:%M},{local + pd.Timedelta(minutes=minutes - 1):%H:%M},"
        + cells.format(v=v)
        for (_, local), v in zip(day(date, zone, minutes), values(200), strict=False)
    ]
    return "\ufeff" + PREAMBLE + f"TYPE,DATE,START TIME,END TIME,{header}\n" + "\n".join(rows)


@pytest.mark.parametrize("minutes", [15, 30, 60])
@pytest.mark.parametrize(("date", "hours"), [(FALL, 25), (SPRING, 23), ("2024-07-04", 24)])
def test_opower_days(date, hours, minutes):
    df = load(opower(date, minutes), tz=PACIFIC)
    count = hours * 60 // minutes
    assert df["value"].tolist() == values(count)
    assert utc(df) == [f"{at:%m-%d %H:%M}" for at, _ in day(date, PACIFIC, minutes)]
    assert contiguous(df)
    assert (df["end"] - df["start"] == pd.Timedelta(minutes=minutes)).all()
    assert df["meter"].unique().tolist() == ["0000000000 Service 1"]
    assert df["cost"].sum() == pytest.approx(0.13 * count)
    assert df["currency"].unique().tolist() == ["USD"]
    assert df["commodity"].unique().tolist() == ["electricity"]


def test_opower_spring_of_2025_prints_02_for_03():
    text = opower("2025-03-09", 60).replace("2025-03-09,03:00,03:59", "2025-03-09,02:00,02:59")
    df = load(text, tz=PACIFIC)
    assert len(df) == 23
    assert utc(df)[2] == "03-09 10:00"
    assert contiguous(df)
    assert "tables.time.moved" in names(df)


def test_opower_import_and_export():
    df = load(opower(FALL, 60, header="IMPORT (kWh),EXPORT (kWh),COST,NOTES", cells="{v},0.5,$0.13,"), tz=PACIFIC)
    assert totals(df) == {("delivered", "kWh"): round(sum(values(25)), 3), ("received", "kWh"): 12.5}
    assert df.groupby("flow", observed=True)["cost"].sum().round(2).to_dict() == {"delivered": 3.25, "received": 0}


def test_opower_net_billing_has_a_cost_and_a_credit():
    header = "IMPORT (kWh),EXPORT (kWh),TOTAL IMPORT COST,TOTAL EXPORT CREDIT (=A+B+C),NOTES"
    df = load(opower(SPRING, 60, header=header, cells="{v},0.5,$0.13,$0.02,"), tz=PACIFIC)
    assert df.groupby("flow", observed=True)["cost"].sum().round(2).to_dict() == {"delivered": 2.99, "received": -0.46}


def test_opower_estimated_rows_and_rows_without_notes():
    text = opower("2024-07-04", 60).splitlines()
    text[-1] = text[-1] + "* This data was estimated"
    text[-2] = text[-2].removesuffix(",")
    df = load("\n".join(text), tz=PACIFIC)
    assert len(df) == 24
    assert df["quality"].tolist() == ["actual"] * 23 + ["estimated"]
    assert df["quality_code"].iloc[-1] == "* This data was estimated"


def test_opower_after_a_spreadsheet():
    rows = [f"Electric usage,7/{d}/2026,{h}:00,{h}:59,0.5,kWh,$0.12 ," for d in (1, 22) for h in range(24)]
    df = load("TYPE,DATE,START TIME,END TIME,USAGE,UNITS,COST,NOTES\n" + "\n".join(rows), tz=EASTERN)
    assert len(df) == 48
    assert df["start"].iloc[0] == pd.Timestamp("2026-07-01", tz=EASTERN)
    assert df["cost"].sum() == pytest.approx(0.12 * 48)


def test_opower_gas_by_day_with_and_without_times():
    rows = "\n".join(f"Natural gas usage,2024-11-0{d},1.0{d},therms,$2.7{d}," for d in range(1, 6))
    df = load(PREAMBLE + "TYPE,DATE,USAGE,UNITS,COST,NOTES\n" + rows, tz=PACIFIC)
    assert totals(df) == {("delivered", "therm"): 5.15}
    assert ((df["end"] - df["start"]) / pd.Timedelta(hours=1)).tolist() == [24, 24, 25, 24, 24]
    rows = "\n".join(f"Natural gas usage,2024-11-0{d},00:00,23:59,1.0{d},$2.7{d}," for d in range(1, 6))
    again = load(PREAMBLE + "TYPE,DATE,START TIME,END TIME,USAGE (therms),COST,NOTES\n" + rows, tz=PACIFIC)
    pd.testing.assert_frame_equal(df, again)


def test_opower_bills_end_on_the_day_after():
    text = (
        PREAMBLE + "TYPE,START DATE,END DATE,USAGE,UNITS,COST,NOTES\n"
        "Electric billing,2025-01-15,2025-02-12,310,kWh,$98.12,\nNatural gas billing,2025-01-15,2025-02-12,21,therms,$40.00,\n"
    )
    bills = opened(text).bills
    assert bills["start"].tolist() == [pd.Timestamp("2025-01-15")] * 2
    assert bills["end"].tolist() == [pd.Timestamp("2025-02-13")] * 2
    assert bills["value"].tolist() == [310, 21]
    assert bills["unit"].tolist() == ["kWh", "therm"]
    assert bills["cost"].tolist() == [98.12, 40.0]
    assert bills["commodity"].tolist() == ["electricity", "natural gas"]
    with pytest.warns(GreenkitWarning, match=r"2 bills and no intervals. Call greenkit\.open_table\(FILE\)\.bills"):
        assert greenkit.load_table(text.encode()).empty


# SDG&E


def sdge(date, minutes=60, duration=None, generation="", net="{v}"):
    head = "".join(f"{name},\n" for name in ("Name", "Address", "Account Number", "Disclaimer", "Title", "Resource"))
    rows = [
        f'"00012345","{local.month}/{local.day}/{local.year}","{local:%I:%M %p}","{duration or minutes}","{v}",'
        f'"{generation}","{net.format(v=v)}"'
        for (_, local), v in zip(day(date, PACIFIC, minutes), values(200), strict=False)
    ]
    return head + "Meter Number,Date,Start Time,Duration,Consumption,Generation,Net\r\n" + "\r\n".join(rows) + "\r\n"


@pytest.mark.parametrize("minutes", [15, 60])
@pytest.mark.parametrize(("date", "hours"), [(FALL, 25), (SPRING, 23)])
def test_sdge_days(date, hours, minutes):
    df = load(sdge(date, minutes, generation="0.0000"))
    part = df[df["flow"] == "delivered"]
    assert part["value"].tolist() == values(hours * 60 // minutes)
    assert utc(part) == [f"{at:%m-%d %H:%M}" for at, _ in day(date, PACIFIC, minutes)]
    assert df["meter"].unique().tolist() == ["00012345"]
    assert "tables.energy.again" in names(df)
    assert totals(df)[("received", "kWh")] == 0


def test_sdge_spacing_wins_over_a_wrong_duration():
    df = load(sdge("2024-07-04", 15, duration=60))
    assert (df["end"] - df["start"] == pd.Timedelta(minutes=15)).all()


def test_sdge_file_that_changes_from_hours_to_quarters():
    later = sdge("2024-07-05", 15).split("Net\r\n")[1]
    df = load(sdge("2024-07-04") + later)
    assert len(df) == 24 + 96
    assert contiguous(df)
    assert "tables.interval.changes" in names(df)


def test_sdge_net_that_is_not_the_difference_is_reported():
    df = load(sdge("2024-07-04", generation="0.5", net="9"))
    assert "tables.energy.disagrees" in names(df)
    assert set(df["flow"]) == {"delivered", "received"}


def test_sdge_since_2024_is_net():
    rows = [["Name : PAT EXAMPLE"], ["UOM: kWh"], ["Meter Number", "Date", "Start Time", "Duration", "Consumed"]]
    rows += [["00012345", f"{local:%m/%d/%Y}", f"{local:%I:%M:%S %p}", "Hour", 0.5 - (12 < local.hour < 16)]
             for _, local in day(FALL, PACIFIC)]  # fmt: skip
    df = load(workbook(rows, "Export"))
    assert set(df["flow"]) == {"net"}
    assert len(df) == 25
    assert df["value"].sum() == 12.5 - 3


# SCE


def sce(date, blocks=(("Energy consumption time period", "Usage(Real energy in kilowatt-hours)", 1),), days=1):
    text = (
        'Energy Usage Information\n"For location: X"\n\nDetailed Usage\n"Start date: 2022-07-31 23:00:00  for 1 days"\n'
    )
    for period, usage, scale in blocks:
        text += f'\n"Data for period starting: {date} 00:00:00\u00a0 for 24 hours"\n{period},{usage},Reading quality\n'
        shown = [local for _, local in day(date, PACIFIC, 15)]
        for local, v in zip(shown, values(200), strict=False):
            text += (
                f'"{local:%Y-%m-%d %H:%M:%S} to {local + pd.Timedelta(minutes=15):%Y-%m-%d %H:%M:%S}",'
                f'"{v * scale:.3f}",""\n'
            )
    return text


@pytest.mark.parametrize(("date", "count"), [("2022-08-01", 96), (FALL, 100), (SPRING, 92)])
def test_sce_days(date, count):
    df = load(sce(date))
    assert df["value"].tolist() == values(count)
    assert utc(df) == [f"{at:%m-%d %H:%M}" for at, _ in day(date, PACIFIC, 15)]
    assert contiguous(df)


def test_sce_blocks_of_two_flows_with_non_breaking_blanks():
    blocks = (
        ("Energy \u00a0Delivered time period", "Usage \u00a0Delivered(Real energy in kilowatt-hours)", 1),
        ("Energy \u00a0Received time period", "Usage \u00a0Received(Real energy in kilowatt-hours)", 2),
    )
    df = load(sce(FALL, blocks) + sce("2024-11-04", blocks).split('for 1 days"\n')[1])
    assert len(df) == 2 * (100 + 96)
    once = sum(values(100)) + sum(values(96))
    assert totals(df) == {("delivered", "kWh"): pytest.approx(once), ("received", "kWh"): pytest.approx(2 * once)}


def test_sce_after_a_spreadsheet_with_commas_and_a_mark():
    text = "\ufeff" + "\n".join(line + ",," for line in sce("2022-08-01").splitlines())
    assert load(text)["value"].tolist() == values(96)


# SmartHub


def smarthub(blocks, header="Energy consumption time period,Usage(Real energy in kilowatt-hours),Events occurred"):
    text = "=====\n Usage Information\n=====\n Type of readings: Electricity, Energy Consumption, Real energy in kilowatt-hours\n"
    for rows in blocks:
        text += f"\n Interval Blockdata for period starting:, 2025-10-19\n{header}\n"
        text += "".join(f" {a} to {b},{v:.3f},,\n" for a, b, v in rows)
    return text


def _blocks():
    shown = [local for _, local in day("2025-10-19", CENTRAL)]
    labels = [(f"{a:%Y-%m-%d %H:%M}", f"{a + pd.Timedelta(hours=1):%Y-%m-%d %H:%M}") for a in shown]
    delivered = [0.5 + i / 100 for i in range(24)]
    received = [-(i % 5) / 10 for i in range(24)]
    net = [d + r for d, r in zip(delivered, received, strict=True)]
    return {
        name: [(*label, v) for label, v in zip(labels, row, strict=True)]
        for name, row in (("delivered", delivered), ("received", received), ("net", net))
    }


@pytest.mark.parametrize("order", [("received", "delivered", "net"), ("net", "received", "delivered")])
def test_smarthub_blocks_are_told_apart_by_their_sum(order):
    blocks = _blocks()
    df = load(smarthub([blocks[name] for name in order]), tz=CENTRAL)
    assert totals(df) == {("delivered", "kWh"): 14.76, ("received", "kWh"): 4.6}
    assert (df["value"] >= 0).all()
    assert "tables.energy.again" in names(df)


def test_smarthub_blocks_that_do_not_add_up_are_asked():
    blocks = _blocks()
    blocks["net"][3] = (*blocks["net"][3][:2], 9.0)
    with pytest.raises(AmbiguousTable) as caught:
        load(smarthub(blocks.values()), tz=CENTRAL)
    assert [choice.argument for choice in caught.value.choices] == ["flow"]


def test_smarthub_one_block_is_usage():
    df = load(smarthub([_blocks()["delivered"]]), tz=CENTRAL)
    assert totals(df) == {("delivered", "kWh"): 14.76}


def test_smarthub_one_block_with_negative_values_is_asked():
    with pytest.raises(AmbiguousTable) as caught:
        load(smarthub([[*_blocks()["net"][:3], ("2025-10-19 03:00", "2025-10-19 04:00", -1.0)]]), tz=CENTRAL)
    assert [choice.argument for choice in caught.value.choices] == ["flow"]


# DTE


def dte(date, hourly, daily):
    rows = [
        f'"1","M7","{date}","{(pd.Timestamp("2024-01-01") + pd.Timedelta(hours=h)):%I:%M %p}","{v}","{daily}","KWH"'
        for h, v in enumerate(hourly)
    ]
    return "\r\n".join(rows)


DTE_HEADER = (
    '"Account Number","Meter Number","Day","Hour of Day","Hourly Total","Daily Total","Unit of Measurement"\r\n'
)


def test_dte_repeated_hour_contains_both_hours():
    hourly = [1.0, 9.0, *[1.0] * 22]
    df = load(DTE_HEADER + dte("11/03/2024", hourly, 32.0))
    assert len(df) == 24
    both = df[df["value"] == 9.0]
    assert utc(both) == ["11-03 05:00"]
    assert utc(both, "end") == ["11-03 07:00"]
    assert contiguous(df)
    assert "tables.time.hours-summed" in names(df)


def test_dte_no_data_in_the_skipped_hour():
    hourly = [1.0, 1.0, "No Data", *[1.0] * 21]
    df = load(DTE_HEADER + dte("03/10/2024", hourly, 23.0))
    assert len(df) == 23
    assert df["value"].sum() == 23
    assert contiguous(df)
    assert set(df["quality"]) == {"actual"}


# PPL


def ppl(days):
    head = ["Account Number", "Meter Number", "Date", "Read Type", "Min", "Max", "Total"]
    head += [f"{(pd.Timestamp('2024-01-01') + pd.Timedelta(minutes=15 * i)):%I:%M %p}".lstrip("0") for i in range(96)]
    rows = [head]
    for date, blank in days:
        for kind, v in (("kWh Net", 0.25), ("Delivered Usage kWh", 0.5), ("Received Usage kWh", 0.25)):
            cells = ["" if blank[0] <= i < blank[1] else v for i in range(96)]
            rows.append([1000000001, 3000000002, pd.Timestamp(date).to_pydatetime(), kind, v, v, 96 * v, *cells])
    rows += [[], ["Confidential: this workbook holds a customer's data"]]
    return workbook(rows)


def test_ppl_workbook_newest_first_with_both_days():
    df = load(ppl([("2024-11-03", (0, 0)), ("2024-11-02", (0, 0)), ("2024-03-10", (8, 12))]))
    part = df[df["flow"] == "delivered"]
    assert len(part) == 96 + 96 + 92
    assert totals(df) == {("delivered", "kWh"): 0.5 * 284, ("received", "kWh"): 0.25 * 284}
    assert df["meter"].unique().tolist() == ["3000000002"]
    assert "11-03 06:00" not in utc(part)  # 01:00 EST: the hour that is lost
    assert "tables.time.hour-lost" in names(df)
    spring = part[part["start"] < "2024-03-11 00:00-04:00"]
    assert contiguous(spring)
    assert "tables.row.unreadable" not in names(df)


# Aclara


def test_aclara_two_resolutions_are_one_energy():
    text = "\ufeffName,,\nTitle,Advanced Metering Data\nCommodity,Electric\n\n"
    text += "Start Interval Date/Time,Meter Id,Usage,Units,Interval,Usage,Units,Interval\n"
    fall = [local for _, local in day(FALL, CENTRAL, 15)]
    fall = [local for i, local in enumerate(fall) if not 8 <= i < 12]  # 01:00 to 01:45 once
    spring = [local for _, local in day(SPRING, CENTRAL, 15)]
    spring[8] = spring[8].replace(hour=2)
    for local in spring + fall:
        whole = "2.0" if local.minute == 0 else "-"
        text += f"{local:%m/%d/%Y %H:%M},E9,{whole},kwh,60min,0.5,kwh,15min\n"
    df = load(text, tz=CENTRAL)
    assert totals(df) == {("delivered", "kWh"): 0.5 * (92 + 96)}
    assert (df["end"] - df["start"] == pd.Timedelta(minutes=15)).all()
    assert {"tables.time.hour-lost", "tables.time.moved"} <= set(names(df))
    spring_rows = df[df["start"] < "2024-03-11 00:00-05:00"]
    assert contiguous(spring_rows)


# PG&E's business portal


def test_pge_commercial_flag_settles_the_repeated_hour():
    head = ("Account ID,Service Agreement ID,Service UUID,Service Point ID,Meter Badge Number,Service Descriptor,Rate Code,"
            "Interval Billed,Date,Time,Usage Hour,Interval Number,Interval Length,TOU Code,Daylight Savings Flag,"
            "Direction of Energy,Unit of Measure,Usage Value,Estimate Flag")  # fmt: skip
    rows = []
    for (at, local), v in zip(day(FALL, PACIFIC, 15), values(100), strict=True):
        end = local + pd.Timedelta(minutes=15)
        flag = "Y" if at < pd.Timestamp("2024-11-03 09:00Z") else "N"
        for flow in "DR":
            rows.append(
                f"1,0042,,,,,B19,Y,{local:%m/%d/%Y},{end:%H:%M},{local.hour + 1},{local.minute // 15 + 1},15,P,{flag},{flow},"
                f"kWh,{v},A"
            )
    df = load("Historical interval data\n" + head + "\n" + "\n".join(rows[::-1]))
    for flow in ("delivered", "received"):
        part = df[df["flow"] == flow]
        assert part["value"].tolist() == values(100)
        assert contiguous(part)
    assert df["meter"].unique().tolist() == ["0042"]
    assert set(df["tou_name"]) == {"P"}


# BC Hydro


def bc_hydro(stamps):
    head = ('"Account Holder","Account Number","Meter Number","Interval Start Date/Time","Time of Day Period",'
            '"Inflow (kWh)","Outflow (kWh)","Net Consumption (kWh)","Peak Demand (kW)","Power Factor (%)",'
            '"Estimated Usage","Service Address","City"')  # fmt: skip
    rows = [f'"PAT",\'1,\'77,"{s}","Off Peak","1.5","0.5","1.0","N/A","N/A","","1 MAIN","TOWN"' for s in stamps]
    return head + "\n" + "\n".join(rows)


def test_bc_hydro_hours():
    df = load(bc_hydro(f"{local:%Y-%m-%d %H:%M}" for _, local in day(FALL, "America/Vancouver")))
    assert totals(df) == {("delivered", "kWh"): 37.5, ("received", "kWh"): 12.5}
    assert df["meter"].unique().tolist() == ["77"]


def test_bc_hydro_days_and_months():
    df = load(bc_hydro(["2024-11-02", "2024-11-03", "2024-11-04"]))
    part = df[df["flow"] == "delivered"]
    assert ((part["end"] - part["start"]) / pd.Timedelta(hours=1)).tolist() == [24, 25, 24]
    df = load(bc_hydro(["2024-09-01", "2024-10-01", "2024-11-01"]))
    part = df[df["flow"] == "delivered"]
    assert part["end"].iloc[-1] == pd.Timestamp("2024-12-01", tz="America/Vancouver")
    assert contiguous(part)


# UtilityAPI, Duke, Xcel, Portfolio Manager


def test_utilityapi_names_its_zone_in_a_column():
    head = (
        "meter_uid,utility,utility_service_id,interval_start,interval_end,interval_kWh,net_kWh,source,interval_timezone"
    )
    rows = [
        f"{zone[-3:]},DEMO,2,{local.month}/{local.day}/{local.year} {local.hour}:00,"
        f"{(local + pd.Timedelta(hours=1)):%m/%d/%Y %H:%M},0.9,0.9,,{zone}"
        for zone in (EASTERN, PACIFIC)
        for _, local in day(SPRING, zone)
    ]
    df = load(head + "\n" + "\n".join(rows))
    assert len(df) == 46
    assert set(df["zone"]) == {EASTERN, PACIFIC}
    assert df["start"].min() == pd.Timestamp("2024-03-10", tz=EASTERN)
    assert all(contiguous(part) for _, part in df.groupby("meter", observed=True))


def test_duke_inclusive_ends_on_both_days():
    for date, hours in ((FALL, 25), (SPRING, 23)):
        rows = "\n".join(
            f"{local:%m/%d/%Y %H:%M},{local + pd.Timedelta(minutes=59):%m/%d/%Y %H:%M},{v}"
            for (_, local), v in zip(day(date, EASTERN), values(25), strict=False)
        )
        df = load("Start Date,End Date,Usage(kWh)\n" + rows, tz=EASTERN)
        assert df["value"].tolist() == values(hours)
        assert contiguous(df)


def test_xcel_bills_begin_with_the_bill_before():
    text = (
        "Bill Date,Electric Charges,Gas Charges,Electric Usage (kWh),Gas Usage (Therms),Total Charges\n"
        '"09/24/2025","89.45","23.32","450","12","112.77"\n"08/26/2025","102.34","24.17","520","13","126.51"\n'
    )
    bills = opened(text).bills.set_index(["commodity", "end"])
    newest = bills.loc[("electricity", pd.Timestamp("2025-09-24"))]
    assert newest["start"] == pd.Timestamp("2025-08-26")
    assert newest["value"] == 450
    assert newest["cost"] == 89.45
    assert pd.isna(bills.loc[("natural gas", pd.Timestamp("2025-08-26")), "start"])


def test_portfolio_manager_ends_are_inclusive_if_the_next_bill_starts_a_day_later():
    head = ["Meter Name", "Meter Type", "Start Date", "End Date", "Usage/Quantity", "Usage Units", "Cost ($)"]
    unit = "kWh (thousand Watt-hours)"
    rows = [["Meters"], head, ["E", "Electric", "01/01/2024", "01/31/2024", 100, unit, "Not Available"],
            ["E", "Electric", "02/01/2024", "02/29/2024", 90, unit, 12.5]]  # fmt: skip
    bills = opened(workbook(rows)).bills
    assert bills["end"].tolist() == [pd.Timestamp("2024-02-01"), pd.Timestamp("2024-03-01")]
    assert bills["unit"].unique().tolist() == ["kWh"]
    assert pd.isna(bills["cost"].iloc[0])
    rows[2][3] = "02/01/2024"
    assert opened(workbook(rows)).bills["end"].iloc[0] == pd.Timestamp("2024-02-01")


# EDI tables of the eastern United States


def test_comed_wide_has_power_and_an_appended_hour():
    head = "INTERVAL USAGE DATA\nCustomer,METER_NBR,RECORDING_DT,CHANNEL_NBR," + ",".join(
        f"KW_INTERVAL_{i}" for i in range(1, 101)
    )
    normal = ",".join(["2"] * 96 + [""] * 4)
    fall = ",".join(["2"] * 96 + ["7"] * 4)
    text = f"{head}\nX,M1,11/02/2024,1,{normal}\nX,M1,11/03/2024,1,{fall}\nX,M1,11/03/2024,2,{fall}\n"
    df = load(text)
    assert len(df) == 196
    assert set(df["unit"]) == {"kW"}
    assert utc(df[df["value"] == 7]) == ["11-03 07:00", "11-03 07:15", "11-03 07:30", "11-03 07:45"]


def test_edi_867_has_columns_of_the_repeated_hour():
    ends = [f"{(15 * i) // 60:02}{(15 * i) % 60:02}" for i in range(1, 97)]
    names_ = [f"Interval Ending {e}" for e in ends]
    names_[8:8] = [f"Interval Ending {e} DS" for e in ("0115", "0130", "0145", "0200")]
    head = "Report Period Date,Measurement Unit," + ",".join(names_)
    fall = ["1"] * 8 + ["5"] * 4 + ["1"] * 88
    normal = ["1"] * 8 + [""] * 4 + ["1"] * 88
    text = head + "\n" + f"20241102,KH,{','.join(normal)}\n20241103,KH,{','.join(fall)}\n20241103,K3,{','.join(fall)}\n"
    df = load(text, tz=EASTERN)
    assert len(df) == 196
    assert utc(df[df["value"] == 5]) == ["11-03 06:00", "11-03 06:15", "11-03 06:30", "11-03 06:45"]


def test_baltimore_end_times_are_numbers():
    shown = [local + pd.Timedelta(minutes=15) for _, local in day("2024-07-04", EASTERN, 15)]
    rows = "\n".join(f"{(t - pd.Timedelta(minutes=1)):%m/%d/%Y},{int(f'{t:%H%M}') or 2400},0.25" for t in shown)
    df = load("RdgDate,EndTime,Kwh\n" + rows)
    assert len(df) == 96
    assert df["start"].iloc[0] == pd.Timestamp("2024-07-04", tz=EASTERN)
    rows = "\n".join(f"07/04/2024,{h}59,0.25" if h else "07/04/2024,59,0.25" for h in range(24))
    df = load("ReadDate,EndTime,Kwh\n" + rows)
    assert df["start"].iloc[0] == pd.Timestamp("2024-07-04", tz=EASTERN)
    assert len(df) == 24


# greenkit's own CSV


@pytest.mark.parametrize("sample", ["espi", "smt-lse"])
def test_own_csv_is_read_back_without_loss(sample, tmp_path):
    with quiet():
        df = greenkit.load(greenkit.samples.path(sample))
    greenkit.export.write_csv(df, tmp_path / "own.csv")
    back = load((tmp_path / "own.csv").read_bytes())
    pd.testing.assert_frame_equal(back, df)


# recognition


def test_every_layout_has_a_sample_here():
    text = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    for layout in layouts.known():
        header = layout.layout.headers[0]
        assert next(name for name in header if name not in ("...", "<cells>")).removesuffix("?") in text, layout.name


def test_no_two_layouts_have_the_same_header():
    pairs = itertools.combinations(layouts.known(), 2)
    assert [(one.name, other.name) for one, other in pairs if layouts.same_header(one, other)] == []


MINE = {
    "layout": {"name": "mine", "title": "Mine", "headers": [["Meter", "Date", "Hour", "kWh", "Note?"]]},
    "table": {
        "time": {"columns": ["Date", "Hour"]},
        "meter": {"column": "Meter"},
        "label": "start",
        "clock": "local",
        "zone": "America/Denver",
        "values": {"kWh": {"flow": "delivered", "unit": "kWh"}},
    },
}


@pytest.fixture
def registering(monkeypatch):
    monkeypatch.setattr(layouts, "_registered", [])
    monkeypatch.setitem(layouts._state, "read", False)


def other(**about):
    return {"layout": {**MINE["layout"], "name": "other", **about}, "table": {**MINE["table"], "zone": CENTRAL}}


@pytest.mark.usefixtures("registering")
@pytest.mark.parametrize(
    "header",
    [
        ["Meter", "Date", "Hour", "kWh"],
        ["METER", "date", "Hour", "kWh", "Note"],
        ["Site?", "Meter", "Date", "Hour", "kWh"],
        ["Meter", "Date", "Hour", "*"],
    ],
)
def test_register_refuses_a_header_that_another_layout_has(header):
    layouts.register(MINE)
    with pytest.raises(SettingsError, match="'mine' and 'other' have the same header") as caught:
        layouts.register(other(headers=[header]))
    assert "preamble" in caught.value.next_step
    layouts.register(other(headers=[header], preamble="Other Energy"))
    df = load("Meter,Date,Hour,kWh\nm,2024-07-04,00:00,1\nm,2024-07-04,01:00,2\n")
    assert utc(df) == ["07-04 06:00", "07-04 07:00"]


@pytest.mark.usefixtures("registering")
def test_register_refuses_equal_names_of_any_columns():
    layouts.register(other(headers=[["...", "Alpha", "Beta"]], name="mine"))
    with pytest.raises(SettingsError, match="same header"):
        layouts.register(other(headers=[["Gamma"], ["...", "alpha", "Beta?"]]))
    layouts.register(other(headers=[["Alpha", "Beta", "..."]]))


@pytest.mark.usefixtures("registering")
def test_register_refuses_a_header_of_the_package():
    with pytest.raises(SettingsError, match="'ppl' and 'other'"):
        layouts.register(
            other(headers=[list(next(one for one in layouts.known() if one.name == "ppl").layout.headers[0])])
        )


def test_near_miss_names_the_layout_and_the_difference_and_no_preamble():
    text = (
        PREAMBLE
        + "TYPE,DATE,START TIME,END TIME,USAGE,UNIT,COST,NOTES\nElectric usage,2024-01-01,00:00,00:59,1,kWh,,\n"
    )
    with pytest.raises(OtherFormat) as caught:
        load(text)
    assert "opower" in str(caught.value)
    assert "it has column 'UNIT' instead of 'UNITS'" in str(caught.value)
    assert "PAT" not in str(caught.value)
    assert "layout=" in caught.value.next_step


def test_unknown_table_quotes_nothing():
    with pytest.raises(OtherFormat) as caught:
        load("Name,PAT EXAMPLE\nAddress,1 MAIN ST\nA,B,C\n1,2,3\n")
    assert "PAT" not in str(caught.value)
    assert "MAIN" not in str(caught.value)
