"""Known layouts as people's programs save them again: the frame is the same, in every form of the file."""

import csv
import datetime
import io

import openpyxl
import pytest
from test_golden_days import GOLDEN, bills, intervals, opened

import greenkit
from greenkit.errors import AmbiguousTable, OtherFormat
from greenkit.findings import quiet


def again(rows, delimiter, quoting=csv.QUOTE_MINIMAL):
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows(rows)
    return file.getvalue()


# name → the bytes of a file, of its text, its rows, and its delimiter
FORMS = {
    "byte-order mark": lambda text, rows, d: ("\ufeff" + text).encode(),
    "UTF-16": lambda text, rows, d: text.encode("utf-16"),
    "CRLF": lambda text, rows, d: text.replace("\n", "\r\n").encode(),
    "CR": lambda text, rows, d: text.replace("\n", "\r").encode(),
    "mixed line ends": lambda text, rows, d: text.replace("\n", "\r\n", text.count("\n") // 2).encode(),
    "all quoted": lambda text, rows, d: again(rows, d, csv.QUOTE_ALL).encode(),
    "tabs": lambda text, rows, d: again(rows, "\t").encode(),
    "semicolons": lambda text, rows, d: again(rows, ";").encode(),
    "delimiters at the end": lambda text, rows, d: "\n".join(line + d * 3 for line in text.split("\n")).encode(),
    "blank lines": lambda text, rows, d: text.replace("\n", "\n\n").encode(),
    "rows without cells": lambda text, rows, d: text.replace("\n", f"\n{d * 4}\n").encode(),
    "lines before it": lambda text, rows, d: f"A title\nName{d}PAT EXAMPLE\n\n{text}".encode(),
    "a line after it": lambda text, rows, d: f"{text.rstrip()}\n\nEnd of report\n".encode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", ["opower", "sdge", "texas-wide", "enedis", "fluvius"])
def test_layout_is_read_in_every_form(layout, form):
    made = GOLDEN[layout, "fall"]
    delimiter = max(",;", key=made.text.count)
    rows = list(csv.reader(made.text.splitlines(), delimiter=delimiter))
    with quiet():
        found = greenkit.open_table(FORMS[form](made.text, rows, delimiter), **made.answers)
    expected = made.rows.splitlines()
    assert intervals(found.readings)[: len(expected)] == expected
    assert len(found.readings) == len(expected) + made.more


def test_header_that_comes_again_is_not_a_unit():
    header, *rest = GOLDEN["opower", "fall"].text.split("TYPE,", 1)[1].split("\n")
    text = "\n".join([f"TYPE,{header}", *rest, f"TYPE,{header}"])
    with quiet():
        found = greenkit.open_table(text.encode(), **GOLDEN["opower", "fall"].answers)
    assert "tables.unit.unknown" not in found.findings.names


def test_bill_that_two_rows_have_counts_once():
    header, row = (
        "TYPE,START DATE,END DATE,USAGE,UNITS,COST,NOTES",
        "Electric billing,2024-10-15,2024-11-12,310,kWh,$98.12,",
    )
    with quiet():
        found = greenkit.open_table(f"{header}\n{row}\n{row}\n".encode())
    assert len(found.bills) == 1
    assert "tables.bill.duplicate" in found.findings.names


def test_interval_length_that_cannot_be_read_is_reported():
    text = GOLDEN["pge-commercial", "spring"].text
    assert text.count(",15,") > 1
    with quiet():
        found = greenkit.open_table(text.replace(",15,", ",PAT 9876543210,", 1).encode(), tz="America/Los_Angeles")
    assert "tables.interval.unreadable" in found.findings.names
    assert ((found.readings["end"] - found.readings["start"]).dt.total_seconds() == 900).all()


def typed(cell):
    """Return a cell as a spreadsheet has it after it has opened a CSV: numbers, dates, and times of day."""
    for parse in (float, datetime.datetime.fromisoformat, datetime.time.fromisoformat):
        if len(cell) < 20 and (parse is not float or not cell.startswith("0")):
            try:
                return parse(cell)
            except ValueError:
                pass
    return cell or None


@pytest.mark.parametrize("day", ["fall", "spring"])
@pytest.mark.parametrize("layout", ["opower", "opower-days", "opower-bills", "bc-hydro", "ercot-day-ahead"])
def test_layout_is_read_from_a_workbook_with_dates_and_times(layout, day):
    # openpyxl returns 2024-11-03 00:00:00 for the date 2024-11-03, which is a day of 25 hours, or the last day of a bill
    made = GOLDEN[layout, day]
    book = openpyxl.Workbook()
    for row in csv.reader(made.text.splitlines()):
        book.active.append([typed(cell) for cell in row])
    file = io.BytesIO()
    book.save(file)
    with quiet():
        found = opened(file.getvalue(), layout, made.answers)
    expected = made.rows.splitlines()
    got = bills(found.bills) if " bill " in expected[0] else intervals(found.readings)
    assert got[: len(expected)] == expected


def test_dates_that_a_spreadsheet_has_changed_are_asked():
    text = GOLDEN["hydro-quebec", "fall"].text.replace("2024-11-03 ", "11/3/2024 ")
    with pytest.raises(AmbiguousTable) as caught:
        greenkit.open_table(text.encode())
    assert [choice.argument for choice in caught.value.choices] == ["date_order"]


def test_near_miss_of_a_wide_table_names_the_column_that_differs():
    header, rest = GOLDEN["jemena", "fall"].text.split("\n", 1)
    with pytest.raises(OtherFormat, match=r"nearest is jemena, but column 'Comment' is not part of it"):
        greenkit.open_table(f"{header},Comment\n{rest}".encode())
