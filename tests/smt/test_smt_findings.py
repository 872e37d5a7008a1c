"""Every kind of finding of Smart Meter Texas files: a document that raises it, and one that almost does and must not."""

import datetime as dt
import io
import json
import warnings
import zipfile
from pathlib import Path

import pytest
from smt_files import AUTUMN, HEADER, ID, PLAIN, SPRING, csv, csv_rows, lse, read, values

import greenkit
from greenkit.errors import FormatError
from greenkit.findings import GreenkitWarning, catalogue

ROWS = csv_rows()
NO_FLOW = HEADER.rpartition(",")[0]
OWN_COLUMN = "ESIID,USAGE_DATE,USAGE_START_TIME,USAGE_END_TIME,CONSUMPTION_KWH,SURPLUS_GENERATION_KWH"


def without_flow(rows):
    return [row.rpartition(",")[0] for row in rows]


def energy(slots=None, **more):
    slots = ["0.5-A"] * 8 + [""] * 4 + ["0.25-A"] * 88 if slots is None else slots
    entry = {"DT": "07/06/2025", "RevTS": "07/07/2025 09:40:14", "RT": "C", "RD": ",".join(slots)} | more
    return json.dumps({"esiid": [ID], "energyData": [entry]})


def changed(place, text, rows=ROWS):
    cells = rows[0].split(",")
    cells[place] = text
    return [",".join(cells), *rows[1:]]


def days(*dates):
    return csv(*(csv_rows(dt.date(*date)) for date in dates))


READS = "ESIID,READ_DATE,END_READING,KWH\n1,07/06/2025,110,10\n"
SPRING_96 = [row.replace("07/06/2025", "03/09/2025", 1) for row in ROWS]
NEWER = [row.replace("07/07/2025 09", "07/09/2025 09") for row in ROWS]
RECORD = lse()
JOINED = RECORD.rstrip("\n") + RECORD
# kind → a document that raises it, and a near miss
CASES = {
    "smt.file.none": ([], csv(ROWS)),
    "smt.file.empty": (HEADER, csv(ROWS)),
    "smt.file.headerless": ("\n".join(ROWS) + "\n", csv(ROWS)),
    "smt.file.other-reads": (READS, csv(ROWS)),
    "smt.file.cut": (csv(ROWS)[:-20], csv(ROWS)[:-1]),
    "smt.row.unreadable": (csv(changed(1, "07/32/2025")), csv(changed(1, "7/6/25"))),
    "smt.row.repeated-header": (csv(ROWS[:48], [HEADER], ROWS[48:]), csv(ROWS)),
    "smt.flow.assumed": (csv(without_flow(ROWS), header=NO_FLOW), csv(ROWS)),
    "smt.flow.other": (csv(changed(7, "Reactive")), csv(changed(7, "consumption"))),
    "smt.unit.other": (lse(header_2=",,,,,,900,02,,,,"), lse(header_2=",,,,,,900,1,,,,")),
    "smt.column.ignored": (
        csv([row + ",1.5" for row in ROWS], header=HEADER + ",REACTIVE_KVARH"),
        csv([row + ",12345" for row in ROWS], header=HEADER + ",ACCOUNT_NUMBER"),
    ),
    "smt.column.net": (
        OWN_COLUMN + f",NET_KWH\n{ID},07/01/2025,00:00,00:15,0.5,0.2,0.3\n",
        OWN_COLUMN + f"\n{ID},07/01/2025,00:00,00:15,0.5,0.2\n",
    ),
    "smt.meter.unknown": (energy().replace(ID, ""), energy()),
    "smt.revision.unreadable": (csv(changed(2, "soon")), csv(csv_rows(revision=""))),
    "smt.value.unreadable": (csv(csv_rows(kwh=["1_0", *values(95)])), csv(csv_rows(kwh=["1e-1", *values(95)]))),
    "smt.value.missing": (csv(csv_rows(kwh=["", *values(95)])), csv(csv_rows(kwh=["0", *values(95)]))),
    "smt.value.negative": (csv(csv_rows(kwh=["-0.1", *values(95)])), csv(csv_rows(kwh=["-0", *values(95)]))),
    "smt.value.zero-estimated": (
        csv(csv_rows(kwh=["0", *values(95)], status="E")),
        csv(csv_rows(kwh=["0", *values(95)], status="A")),
    ),
    "smt.quality.other": (csv(csv_rows(status="M")), csv(csv_rows(status="e"))),
    "smt.day.incomplete": (csv(ROWS[:-1]), csv(ROWS[::-1])),
    "smt.day.duplicate": (csv(ROWS, ROWS), days((2025, 7, 6), (2025, 7, 7))),
    "smt.day.conflict": (csv(ROWS, csv_rows(kwh=["9.9", *values(95)])), csv(ROWS, ROWS)),
    "smt.day.overlap": (
        csv([*ROWS, ROWS[0].replace("00:15", "01:00")]),
        csv([*ROWS[1:], ROWS[0]]),
    ),
    "smt.day.replaced": (csv(ROWS, NEWER), csv(ROWS, ROWS)),
    "smt.day.shortened": (
        csv(ROWS, NEWER[:50]),
        csv(ROWS, NEWER),
    ),
    "smt.time.skipped-hour": (csv(SPRING_96), csv(csv_rows(SPRING))),
    "smt.time.repeated-hour": (csv(csv_rows(AUTUMN)[:-1]), csv(csv_rows(AUTUMN)[::-1])),
    "smt.time.day-first": (days((2025, 7, 6), (2025, 8, 6)), days((2025, 7, 6), (2025, 8, 7))),
    "smt.odr.failed": ('{"data": {"odrstatus": "T-FAILED"}}', '{"data": {"odrstatus": "PENDING"}}'),
    "smt.odr.pending": (
        '{"data": {"odrstatus": "PENDING"}}',
        '{"odrstatus": "COMPLETED", "odrread": "5", "odrdate": "05/16/2020 16:08:23"}',
    ),
    "smt.api.slots": (energy(["0.5-A"] * 8 + [""] * 4 + ["0.25-A"] * 87), energy()),
    "smt.lse.count": (lse(kwh=values(95)), lse()),
    "smt.lse.stop": (lse(stop=""), lse(stop="20250706235900")),
    "smt.lse.beyond": (lse(kwh=values(97)), lse()),
    "smt.lse.sort-code": (lse(per_row=48).replace("10000001,", "10000002,"), lse(per_row=48)),
    "smt.lse.no-details": (lse(kwh=[]) + lse(SPRING), lse(SPRING)),
    "smt.lse.orphan": ("10000000,1.5,A,\n" + RECORD, RECORD),
    "smt.lse.invalid": (lse(flag="Y"), lse(flag="N")),
    "smt.lse.time": (lse(time="noon"), lse(time="")),
    "smt.lse.joined": (JOINED, RECORD + RECORD),
    "smt.lse.multiplier": (lse(header_2=",,,,2,,900,01,,,,"), lse(header_2=",,,,1,0,900,01,,,,")),
    "smt.lse.interval": (lse(header_2=",,,,,,x,01,,,,"), lse(header_2=",,,,,,,01,,,,")),
}


def files(**members):
    """A zip archive with these files; ``__`` is the dot of a name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "."), text)
    return out.getvalue()


def green_button(day):
    """A day of quarter-hours as Green Button XML of the same meter."""
    first = dt.datetime.combine(day, dt.time(5), tzinfo=dt.UTC)  # midnight of daylight time
    readings = "".join(
        f"<IntervalReading><timePeriod><duration>900</duration><start>{int(first.timestamp()) + 900 * n}</start>"
        f"</timePeriod><value>{n + 1}</value></IntervalReading>"
        for n in range(96)
    )
    path = f"UsagePoint/{ID}/MeterReading/4"
    return (
        '<feed xmlns="http://www.w3.org/2005/Atom"><title>SMT Green Button Report: x</title>'
        f'<entry><link rel="self" href="{path}/IntervalBlock/1"/><content><IntervalBlock xmlns="http://naesb.org/espi">'
        f'{readings}</IntervalBlock></content></entry><entry><content><ReadingType xmlns="http://naesb.org/espi">'
        "<flowDirection>1</flowDirection><uom>72</uom></ReadingType></content></entry></feed>"
    )


# kinds that sources of several files raise
CASES |= {
    "smt.file.skipped": (files(a__csv=csv(ROWS), b__png="\x89PNG\r\n"), files(a__csv=csv(ROWS), __b__png="x")),
    "smt.file.damaged": (
        files(a__csv=csv(ROWS), b__json='{"esiid": ["1"], "energyData": [{"DT": '),
        files(a__csv=csv(ROWS), b__json=energy()),
        {"errors": "collect"},
    ),
    "smt.file.error": (
        files(a__csv=csv(ROWS), b__json='{"errorCode": "1", "errorMessage": "Invalid ESIID"}'),
        files(a__csv=csv(ROWS), b__json=energy()[:-1] + ', "errorCode": "0", "errorMessage": "Success"}'),
    ),
    "smt.format.twice": (
        files(a__csv=csv(ROWS), b__xml=green_button(PLAIN)),
        files(a__csv=csv(ROWS), b__xml=green_button(PLAIN + dt.timedelta(days=1))),
    ),
}


def test_every_kind_has_a_case():
    kinds = {name for name in catalogue() if name.startswith("smt.") and not name.startswith("smt.fetch.")}
    assert set(CASES) == kinds


@pytest.mark.parametrize("name", CASES)
def test_kind_is_raised_and_its_near_miss_is_not(name):
    raises, near_miss, *options = CASES[name]
    found = read(raises, **(options or [{}])[0]).findings
    assert name in found.names
    finding = found.named(name)[0]
    assert (finding.severity, "{" in finding.message) == (catalogue()[name].severity, False)
    assert finding.text.endswith(".")
    assert ".." not in finding.message
    assert name not in read(near_miss, **(options or [{}])[0]).findings.names


PREAMBLE = "Name,PAT EXAMPLE\nAddress,12 MAIN ST\nAccount Number,98765\n\n"
PRIVATE = ("PAT", "EXAMPLE", "MAIN", "98765")


@pytest.mark.parametrize("place", ["before", "inside", "after"])
@pytest.mark.parametrize("name", [name for name in CASES if isinstance(CASES[name][0], str)])
def test_no_finding_quotes_a_customer_or_a_value_of_a_preamble(name, place):
    text = CASES[name][0]
    if text.startswith("{"):
        text = text.replace("{", '{"customerName": "PAT EXAMPLE", "account": "98765", "address": ["12 MAIN ST"], ', 1)
    else:
        lines = text.splitlines(keepends=True)
        at = {"before": 0, "inside": len(lines) // 2, "after": len(lines)}[place]
        text = "".join([*lines[:at], PREAMBLE, *lines[at:]])
    try:
        shown = [finding.message + finding.evidence_text() for finding in read(text).findings]
    except FormatError as e:
        shown = [str(e)]
    assert not [text for text in shown if any(word in text for word in PRIVATE)]


@pytest.mark.parametrize("newline", ["", "\n"])
def test_header_below_a_preamble_and_without_rows_is_an_empty_file(newline):
    found = read(PREAMBLE + HEADER + newline)
    assert found.findings.names == ["smt.file.empty"]
    assert found.readings.empty


@pytest.mark.parametrize("name", [name for name in CASES if name != "smt.file.other-reads"])  # an error of load_smt
def test_load_warns_once_and_for_each_serious_finding(name):
    raises, _, *options = CASES[name]
    raises = raises.encode() if isinstance(raises, str) else raises
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GreenkitWarning)
        noted = greenkit.load_smt(raises, **(options or [{}])[0]).gk.findings
    severities = [f.severity for f in noted]
    assert len(caught) == severities.count("serious") + ("warning" in severities)


# Surplus generation in a column of its own


def own_column(rows, header=OWN_COLUMN, delimiter=","):
    text = header + "\n" + "".join(f"{ID},{row}\n" for row in rows)
    return text.replace(",", delimiter)


def sums(found):
    return found.readings.groupby("flow", observed=True)["value"].sum().round(6).to_dict()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bad_row", [False, True], ids=["in bulk", "by row"])
def test_surplus_in_its_own_column_is_a_second_flow(delimiter, bad_row):
    rows = [f"07/01/2025,{i:02d}:00,{i + 1:02d}:00,0.5,0.2" for i in range(4)]
    found = read(own_column([*rows, "x"] if bad_row else rows, delimiter=delimiter))
    assert sums(found) == {"delivered": 4 * 0.5, "received": round(4 * 0.2, 6)}
    assert "smt.flow.assumed" not in found.findings.names
    assert found.readings["series"].unique().tolist() == ["4", "1"]


def test_surplus_column_before_consumption_and_two_meters():
    header = "ESIID,GENERATION_KWH,KWH,USAGE_DATE,START_TIME,END_TIME"
    text = (
        header
        + "\n1,0.25,1.5,07/01/2025,00:00,00:15\n2,0,3.5,07/01/2025,00:00,00:15\n1,0.75,0,07/01/2025,00:15,00:30\n"
    )
    found = read(text)
    assert sums(found) == {"delivered": 1.5 + 3.5, "received": 0.25 + 0.75}
    assert found.readings.groupby(["meter", "flow"], observed=True)["value"].sum().to_dict() == {
        ("1", "delivered"): 1.5,
        ("1", "received"): 1.0,
        ("2", "delivered"): 3.5,
        ("2", "received"): 0.0,
    }


@pytest.mark.parametrize(("day", "intervals"), [(SPRING, 92), (AUTUMN, 100), (PLAIN, 96)])
def test_surplus_on_days_when_clocks_change(day, intervals):
    rows = [row.split(",") for row in csv_rows(day)]
    lines = [f"{d},{s},{e},{v},{float(v) / 2 if v else ''}" for _, d, _, s, e, v, *_ in rows]
    found = read(own_column(lines))
    whole = intervals * (intervals + 1) / 2 / 1000
    assert sums(found) == {"delivered": round(whole, 6), "received": round(whole / 2, 6)}
    assert len(found.readings) == 2 * intervals


def test_blank_surplus_column_is_not_a_flow():
    rows = ["07/01/2025,00:00,00:15,0.5,", "07/01/2025,00:15,00:30,0.25,"]
    assert sums(read(own_column(rows))) == {"delivered": 0.5 + 0.25}


def test_surplus_column_beside_a_flow_column_is_reported_and_not_read():
    rows = [row + ",0.1" for row in ROWS]
    found = read(csv(rows, header=HEADER + ",SURPLUS_KWH"))
    assert sums(found) == {"delivered": 96 * 97 / 2 / 1000}
    assert found.findings.names == ["smt.column.ignored"]
    assert "SURPLUS_KWH" in found.findings[0].text


@pytest.mark.parametrize("column", ["NOTE", "ROW_NUMBER", "METER_ID"])
def test_columns_without_quantities_are_not_reported(column):
    cell = "ok" if column == "NOTE" else "7"
    assert not read(csv([f"{row},{cell}" for row in ROWS], header=f"{HEADER},{column}")).findings


def test_surplus_column_of_the_trial():
    path = Path(__file__).parents[3] / "shared" / "trials" / "smart-meter-texas" / "surplus-in-its-own-column.csv"
    if not path.exists():
        pytest.skip("the shared trials are not here")
    found = read(path)
    assert sums(found) == pytest.approx({"delivered": 96 * 0.5, "received": 96 * 0.2})
    assert "smt.column.net" in found.findings.names


# On-demand reads


@pytest.mark.parametrize(
    ("document", "name", "status"),
    [
        ({"data": {"odrstatus": "T-FAILED", "odrread": None, "odrdate": ""}}, "smt.odr.failed", "T-FAILED"),
        ({"odrstatus": "failed"}, "smt.odr.failed", "FAILED"),
        ({"data": {"odrstatus": "PENDING"}}, "smt.odr.pending", "PENDING"),
        ({"statusCode": "PEN", "odrRead": {"registeredRead": 0, "readDate": ""}}, "smt.odr.pending", "PEN"),
        ({"odrstatus": "Pat Example, 12 Main St"}, "smt.odr.failed", "unknown"),
    ],
)
def test_on_demand_read_without_a_reading_reports_its_status(document, name, status):
    found = read(json.dumps(document))
    assert found.findings.names == [name]
    assert found.findings[0].evidence["examples"][0].endswith(f"status {status}")
    assert len(found.registers) == 0


# Warnings and numbers


def test_one_warning_for_each_serious_finding_and_one_more():
    text = csv(changed(1, "07/32/2025", csv_rows(kwh=["x", "-1", *values(94)])))
    with pytest.warns(greenkit.findings.GreenkitWarning) as caught:
        greenkit.load_smt(text.encode())
    found = read(text).findings
    serious = [f for f in found if f.severity == "serious"]
    assert len(caught) == len(serious) + any(f.severity == "warning" for f in found)


@pytest.mark.parametrize("cell", ["１２.５", "1_000", "٣"])
def test_digits_of_other_scripts_and_underscores_are_reported(cell):
    found = read(csv(csv_rows(kwh=[cell, *values(95)])))
    assert "smt.value.unreadable" in found.findings.names
    assert found.readings["value"].isna().sum() == 1


@pytest.mark.parametrize("place", [1, 2, 3])
def test_dates_in_digits_of_other_scripts_are_reported(place):
    cells = ROWS[0].split(",")
    wide = cells[place].translate({ord("0") + i: ord("０") + i for i in range(10)})
    found = read(csv(changed(place, wide)))
    assert {"smt.row.unreadable", "smt.revision.unreadable"} & set(found.findings.names)


def test_unreadable_lines_are_read_in_linear_time():
    import time

    def seconds(text):
        begin = time.process_time()
        read(text)
        return time.process_time() - begin

    few, many = HEADER + "\n" + "x\n" * 5_000, HEADER + "\n" + "x\n" * 50_000
    seconds(few)
    assert seconds(many) < 40 * max(seconds(few), 0.01)
