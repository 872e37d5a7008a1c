"""Hostile and odd tables: a typed error or the value, and bounded memory."""

import io
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import greenkit
from greenkit.errors import FormatError, GreenkitError, LimitError
from greenkit.findings import quiet
from greenkit.tables import cells

MAPPING = {
    "time": {"columns": ["Time"]},
    "zone": "America/Chicago",
    "clock": "local",
    "label": "start",
    "interval": 60,
    "values": {"kWh": {"flow": "delivered"}},
}
GOOD = b"Time,kWh\n2024-01-01 00:00,1.5\n2024-01-01 01:00,2.5\n"


def load(data, mapping=MAPPING, **answers):
    with quiet():
        return greenkit.load_table(data, mapping, **answers)


def test_a_million_columns():
    with pytest.raises(LimitError, match="columns"):
        load(b"Time,kWh" + b",x" * 1_000_000 + b"\n")


@pytest.mark.parametrize("size", [5_000_000, pytest.param(100_000_000, marks=pytest.mark.real)])
def test_a_very_large_cell(size):
    df = load(GOOD + b"2024-01-01 02:00,3.5\n" + b"x" * size + b",1\n")
    assert df["value"].tolist() == [1.5, 2.5, 3.5]


def test_nul_bytes_and_mixed_line_ends():
    df = load(b"Time,kWh\r\n2024-01-01 00:00,1.5\r2024-01-01 01:00,2.5\n2024-01-01 02:00,\0\0\n")
    assert df["value"].iloc[:2].tolist() == [1.5, 2.5]
    assert df["value"].iloc[2:].isna().all()


def test_nul_bytes_in_dates_and_numbers_are_ignored():
    df = load(b"Time,kWh\n2024-01-01\0 00:00,1.5\0\n\0002024-01-01 01:00,\0002.5\n")
    assert df["value"].tolist() == [1.5, 2.5]
    assert [f"{at:%H:%M}" for at in df["start"]] == ["00:00", "01:00"]


def test_a_stray_quotation_mark_does_not_swallow_rows():
    df = load(b'Time,kWh,Note\n2024-01-01 00:00,1.5,5" pipe\n2024-01-01 01:00,2.5,"open\n2024-01-01 02:00,3.5,x\n')
    assert 1.5 in df["value"].tolist()
    assert 3.5 in df["value"].tolist()


def findings_of(data):
    with quiet():
        found = greenkit.open_table(data, MAPPING)
    return found.readings, [f for f in found.findings if f.name == "tables.file.cut"]


def hours(count):
    return [f"2024-01-{1 + h // 24:02} {h % 24:02}:00,{(h + 1) / 7:.3f}" for h in range(count)]


def test_a_last_row_that_is_shorter_than_the_others_may_be_truncated():
    rows = [f"{row},actual" for row in hours(4)]
    complete = "\n".join(["Time,kWh,Quality", *rows])
    df, found = findings_of(complete[: -len("4,actual")].encode())
    assert df["value"].tolist() == [0.143, 0.286, 0.429, 0.57]  # of 0.571
    (finding,) = found
    assert finding.severity == "warning"
    assert "fewer cells" in finding.text
    assert not findings_of(complete.encode())[1]
    assert not findings_of((complete + "\n").encode())[1]
    assert not findings_of((complete + "\nTotal,1.43").encode())[1]


def test_a_last_number_with_fewer_decimals_than_all_others_may_be_truncated():
    complete = "\n".join(["Time,kWh", *hours(28)])
    df, found = findings_of(complete[:-1].encode())
    assert df["value"].iloc[-1] == 4.0
    assert "decimals" in found[0].text
    assert not findings_of(complete.encode())[1]
    assert not findings_of((complete[:-1] + "\n").encode())[1]
    short = complete.replace("0.143", "0.14")  # numbers of this table do not have equally many decimals
    assert not findings_of(short[:-1].encode())[1]


def test_encodings():
    text = "Zeit,Größe (kWh)\n2024-01-01 00:00,1.5\n"
    mapping = MAPPING | {"time": {"columns": ["Zeit"]}, "values": {"Größe (kWh)": {"flow": "delivered"}}}
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-16-le"):
        assert load(text.encode(encoding), mapping)["value"].tolist() == [1.5], encoding


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Time;kWh\n2024-01-01 00:00;0,145\n2024-01-01 01:00;1.234,5\n", [0.145, 1234.5]),
        ("Time\tkWh\n2024-01-01 00:00\t0,5\n2024-01-01 01:00\t7\n", [0.5, 7]),
        ('Time,kWh\n2024-01-01 00:00,"1,234.5"\n2024-01-01 01:00,(2.5)\n', [1234.5, -2.5]),
        ("Time;kWh\n2024-01-01 00:00;1\u00a0234,5\n2024-01-01 01:00;0,5\n", [1234.5, 0.5]),
    ],
)
def test_numbers_as_people_write_them(text, values):
    assert load(text.encode())["value"].tolist() == values


def test_ambiguous_decimals_are_asked():
    from greenkit.errors import AmbiguousTable

    data = b"Time;kWh\n2024-01-01 00:00;1,234\n2024-01-01 01:00;2,345\n"
    with pytest.raises(AmbiguousTable) as caught:
        load(data)
    assert [c.argument for c in caught.value.choices] == ["decimal"]
    assert load(data, decimal=",")["value"].tolist() == [1.234, 2.345]
    assert load(data, decimal=".")["value"].tolist() == [1234, 2345]


def test_ambiguous_dates_are_asked():
    from greenkit.errors import AmbiguousTable

    data = b"Time,kWh\n05/06/2024 00:00,1\n05/06/2024 01:00,2\n"
    with pytest.raises(AmbiguousTable) as caught:
        load(data)
    (choice,) = caught.value.choices
    assert choice.argument == "date_order"
    assert "2024-05-06" in choice.readings["month first"]
    assert "2024-06-05" in choice.readings["day first"]
    assert load(data, date_order="day first")["start"].iloc[0].month == 6


def test_registers_become_usage_and_never_cross_a_fall():
    mapping = MAPPING | {"values": {"kWh": {"flow": "delivered", "kind": "register"}}}
    rows = [("00", 100), ("01", 101.5), ("02", 103), ("05", 109), ("06", 3), ("07", 4)]
    data = "Time,kWh\n" + "".join(f"2024-01-01 {h}:00,{v}\n" for h, v in rows)
    found = greenkit.open_table(data.encode(), mapping)
    assert found.readings["value"].tolist() == [1.5, 1.5, 6, 1]
    hours = (found.readings["end"] - found.readings["start"]).dt.total_seconds() / 3600
    assert hours.tolist() == [1, 1, 3, 1]
    assert {"tables.register.falls", "tables.register.gap"} <= set(found.findings.names)
    assert found.registers["value"].tolist() == [100, 101.5, 103, 109, 3, 4]


def test_each_of_several_registers_becomes_usage():
    register = {"unit": "kWh", "kind": "register"}
    mapping = MAPPING | {"values": {"In": register | {"flow": "delivered"}, "Out": register | {"flow": "received"}}}
    data = b"Time,In,Out\n2024-01-01 00:00,100,7\n2024-01-01 01:00,101,9\n2024-01-01 02:00,103,9.5\n"
    assert load(data, mapping).groupby("flow", observed=True)["value"].agg(list).to_dict() == {
        "delivered": [1, 2],
        "received": [2, 0.5],
    }


def test_net_is_split_beside_another_column():
    columns = {"Net": {"flow": "net", "unit": "kWh", "split": True}, "Peak": {"flow": "delivered", "unit": "kW"}}
    data = b"Time,Net,Peak\n2024-01-01 00:00,1.5,4\n2024-01-01 01:00,-2.5,3\n"
    df = load(data, MAPPING | {"values": columns})
    assert df.groupby(["flow", "unit"], observed=True)["value"].agg(list).to_dict() == {
        ("delivered", "kW"): [4, 3],
        ("delivered", "kWh"): [1.5, 0],
        ("received", "kWh"): [0, 2.5],
    }


def test_wide_table_has_no_cost_for_each_interval():
    from greenkit.errors import SettingsError

    wide = {"time": {"columns": ["Day"], "wide": "{n}"}, "cells": {"flow": "net", "unit": "kWh"}}
    with pytest.raises(SettingsError, match="many intervals"):
        load(b"", wide | {"cost": {"column": "Paid"}})


def test_values_that_only_rise_are_asked():
    from greenkit.errors import AmbiguousTable

    data = "Time,kWh\n" + "".join(f"2024-01-{d:02} {h:02}:00,{5000 + d * 24 + h}\n" for d in (1, 2) for h in range(24))
    with pytest.raises(AmbiguousTable) as caught:
        load(data.encode())
    assert [c.argument for c in caught.value.choices] == ["kind"]
    assert len(load(data.encode(), kind="usage")) == 48
    assert len(load(data.encode(), kind="register")) == 47


def test_net_is_split_only_on_request():
    data = b"Time,kWh\n2024-01-01 00:00,1.5\n2024-01-01 01:00,-2.5\n"
    net = MAPPING | {"values": {"kWh": {"flow": "net"}}}
    assert load(data, net)["value"].tolist() == [1.5, -2.5]
    split = MAPPING | {"values": {"kWh": {"flow": "net", "split": True}}}
    df = load(data, split)
    assert df.groupby("flow", observed=True)["value"].sum().to_dict() == {"delivered": 1.5, "received": 2.5}
    greenkit.frame.check(df, exact=True)


def test_epoch_with_a_factor():
    mapping = {
        "time": {"epoch": "moment", "unit": "s"}, "zone": "Europe/Amsterdam", "interval": 60, "label": "start",
        "values": {"value": {"flow": "received", "unit": "kWh", "factor": -0.001}},
    }  # fmt: skip
    df = load(b"moment;value\n1704067200;-500\n1704070800;-1500\n", mapping)
    assert df["value"].tolist() == [0.5, 1.5]
    assert str(df["start"].iloc[0]) == "2024-01-01 01:00:00+01:00"


def test_missing_header_rows_and_two_header_rows():
    mapping = MAPPING | {
        "header": False,
        "time": {"columns": ["2"]},
        "values": {"3": {"flow": "delivered", "unit": "kWh"}},
    }
    assert load(b"M1,2024-01-01 00:00,1.5\nM1,2024-01-01 01:00,2\n", mapping)["value"].tolist() == [1.5, 2]
    mapping = MAPPING | {
        "header_rows": 2,
        "time": {"columns": ["Datum"]},
        "values": {"Stroom / Verbruik": {"flow": "delivered", "unit": "kWh"}, "Gas / Verbruik": {"flow": "delivered", "unit": "m3"}},
    }  # fmt: skip
    df = load(b",Stroom,,Gas\nDatum,Stand,Verbruik,Verbruik\n2024-01-01 00:00,7,1.5,0.2\n", mapping)
    assert df.groupby("unit", observed=True)["value"].sum().to_dict() == {"kWh": 1.5, "m3": 0.2}


def test_a_missing_column_suggests_the_nearest():
    from greenkit.errors import SettingsError

    with pytest.raises(SettingsError, match="Did you mean 'kWh'"):
        load(GOOD, MAPPING | {"values": {"kW h": {"flow": "delivered", "unit": "kWh"}}})


# workbooks


def workbook(rows):
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def repacked(data, change):
    """Return a workbook with changed parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, change(info.filename, old.read(info)))
    return out.getvalue()


def test_formulas_are_never_evaluated():
    df = load(workbook([["Time", "kWh"], ["2024-01-01 00:00", 1.5], ["2024-01-01 01:00", "=1+1"]]))
    assert df["value"].iloc[0] == 1.5
    assert df["value"].iloc[1:].isna().all()


ID_17 = "10443720001234567"


@pytest.mark.parametrize(
    ("cell", "meter", "reported"),
    [
        (ID_17, ID_17, False),  # text keeps all digits
        (1.04437200012345e16, "10443720001234500", True),  # as Excel writes it, with 15 digits
        (10443720001234, "10443720001234", False),
    ],
)
def test_ids_of_17_digits_in_workbooks(cell, meter, reported):
    data = workbook([["ESI ID", "Time", "kWh"], [cell, "2024-01-01 00:00", 1.5], [cell, "2024-01-01 01:00", 2.5]])
    with quiet():
        found = greenkit.open_table(data, MAPPING | {"meter": {"column": "ESI ID"}})
    assert set(found.readings["meter"]) == {meter}
    assert ("tables.meter.rounded" in found.findings.names) == reported


def test_ids_that_a_spreadsheet_has_rounded_in_a_csv_are_reported():
    data = b"ESI ID,Time,kWh\n1.04437E+16,2024-01-01 00:00,1.5\n1.04437E+16,2024-01-01 01:00,2.5\n"
    with quiet():
        found = greenkit.open_table(data, MAPPING | {"meter": {"column": "ESI ID"}})
    assert "tables.meter.rounded" in found.findings.names
    zeros = data.replace(b"1.04437E+16", b"10443720001234500", 1).replace(b"1.04437E+16", ID_17.encode())
    with quiet():
        found = greenkit.open_table(zeros, MAPPING | {"meter": {"column": "ESI ID"}})
    assert "tables.meter.rounded" not in found.findings.names  # another ID has all digits


def test_external_links_and_macros_are_neither_followed_nor_run(monkeypatch):
    import socket

    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    links = {
        "xl/workbook.xml": (
            b"</workbook>",
            f'<externalReferences><externalReference xmlns:r="{office}" r:id="rId99"/></externalReferences></workbook>',
        ),
        "xl/_rels/workbook.xml.rels": (
            b"</Relationships>",
            f'<Relationship Id="rId99" Type="{office}/externalLink" Target="externalLinks/externalLink1.xml"/>'
            '<Relationship Id="rId98" Type="http://schemas.microsoft.com/office/2006/relationships/vbaProject" '
            'Target="vbaProject.bin"/></Relationships>',
        ),
        "xl/worksheets/sheet1.xml": (b"<v>2.5</v>", "<f>[1]Sheet1!A1</f><v>2.5</v>"),
    }

    def change(name, part):
        old, new = links.get(name, (b"", ""))
        assert old in part
        return part.replace(old, new.encode(), 1) if old else part

    data = io.BytesIO(
        repacked(workbook([["Time", "kWh"], ["2024-01-01 00:00", 1.5], ["2024-01-01 01:00", 2.5]]), change)
    )
    with zipfile.ZipFile(data, "a") as book:
        book.writestr("xl/vbaProject.bin", b"\xd0\xcf\x11\xe0" + bytes(500))
        book.writestr("xl/externalLinks/externalLink1.xml", "<externalLink/>")
        book.writestr(
            "xl/externalLinks/_rels/externalLink1.xml.rels",
            f'<Relationships><Relationship Id="rId1" Type="{office}/externalLinkPath" '
            'Target="http://127.0.0.1:9/prices.xlsx" TargetMode="External"/></Relationships>',
        )
    monkeypatch.setattr(socket, "socket", None)  # a connection would raise TypeError
    assert load(data.getvalue())["value"].tolist() == [1.5, 2.5]  # the value that the workbook has kept


def test_workbook_with_a_doctype_is_refused():
    data = repacked(
        workbook([["Time", "kWh"], ["2024-01-01 00:00", 1.5]]),
        lambda name, part: part.replace(b"<worksheet", b'<!DOCTYPE a [<!ENTITY b "c">]><worksheet', 1),
    )
    with pytest.raises(LimitError, match="DOCTYPE"):
        load(data)


def test_workbook_bomb_is_refused():
    data = repacked(
        workbook([["Time", "kWh"]]),
        lambda name, part: part.replace(b"</sheetData>", b"</sheetData>" + b" " * (33 << 20)),
    )
    with pytest.raises(LimitError):
        load(data)


def test_workbook_with_a_wrong_dimension_is_read_by_its_cells():
    data = repacked(
        workbook([["Time", "kWh"], ["2024-01-01 00:00", 1.5]]),
        lambda name, part: part.replace(b'ref="A1:B2"', b'ref="A1:XFD1048576"'),
    )
    assert load(data)["value"].tolist() == [1.5]


@pytest.mark.parametrize("cut", [10, 100, 1000])
def test_damaged_workbook(cut):
    data = workbook([["Time", "kWh"], ["2024-01-01 00:00", 1.5]])
    with pytest.raises(GreenkitError):
        load(b"PK\x03\x04" + data[4:-cut])


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200), st.integers(0, len(GOOD)), st.integers(0, 20))
def test_any_bytes_give_a_frame_or_a_typed_error(noise, at, drop):
    data = GOOD[:at] + noise + GOOD[at + drop :]
    try:
        df = load(data)
    except (FormatError, GreenkitError):
        return
    greenkit.frame.check(df)


def test_numbers_without_a_decimal_sign_before_others_with_a_comma_have_the_same_sign(monkeypatch):
    # The first pieces of the file have thousands only, so that each can be read as numbers with a decimal point.
    monkeypatch.setattr(cells, "_PIECE", 1 << 10)
    rows = [f"2024-01-01 {h:02}:{m:02};1.230" for h in range(24) for m in range(60)]
    data = ("Time;kWh\n" + "\n".join(rows) + "\n2024-01-02 00:00;0,5\n").encode()
    df = load(data, MAPPING | {"interval": 1})
    assert df["value"].tolist() == [1230] * 1440 + [0.5]
