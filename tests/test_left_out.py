"""Files that one load leaves out: of another kind in a folder, and damaged ones with errors="collect"."""

import io
import zipfile

import pytest

from greenkit import load, load_table
from greenkit._left_out import LeftOut, reason
from greenkit.errors import BadPassphrase, DecryptedTooLarge, FormatError, LimitError, OtherFormat
from greenkit.sources import Source

MAPPING = {
    "time": {"columns": ["at"]},
    "label": "start",
    "zone": "America/Chicago",
    "values": {"kWh": {"flow": "delivered", "unit": "kWh"}},
}
GOOD = b"at,kWh\n2026-01-15 00:00,0.5\n2026-01-15 01:00,0.25\n"


def found(name="a.csv"):
    return Source(name, io.BytesIO, named=False)


@pytest.mark.parametrize(
    ("error", "named", "errors"),
    [
        (OtherFormat("This is a picture"), False, "raise"),
        (OtherFormat("This is a picture"), False, "collect"),
        (FormatError("The file is truncated"), True, "collect"),
        (BadPassphrase("The passphrase is wrong"), True, "collect"),
    ],
)
def test_file_is_left_out_and_its_additions_are_undone(error, named, errors):
    rows, reported = [1], []
    left_out = LeftOut(errors, lambda name, e: reported.append((name, e)))
    with left_out.reading(Source("a.csv", io.BytesIO, named=named), undo=rows.clear):
        raise error
    assert left_out.files == {"a.csv": error}
    assert reported == [("a.csv", error)]
    assert rows == []


@pytest.mark.parametrize(
    ("error", "named", "errors"),
    [
        (OtherFormat("This is a picture"), True, "collect"),
        (FormatError("The file is truncated"), False, "raise"),
        (LimitError("The archive is too large"), False, "collect"),
        (DecryptedTooLarge("The message is too large"), False, "collect"),
        (ValueError("a fault of greenkit"), False, "collect"),
    ],
)
def test_error_is_raised(error, named, errors):
    rows, left_out = [1], LeftOut(errors)
    with pytest.raises(type(error)), left_out.reading(Source("a.csv", io.BytesIO, named=named), undo=rows.clear):
        raise error
    assert not left_out.files
    assert rows == [1]


def test_nothing_read_names_twenty_files_and_counts_the_rest():
    left_out = LeftOut()
    for i in range(23):
        left_out.add(f"in/{i}.txt", OtherFormat("This is a text", source=f"{i}.txt"))
    lines = str(left_out.nothing_read("table")).splitlines()
    assert lines[:2] == ["The source contains no table:", "  in/0.txt: This is a text"]
    assert lines[20:22] == ["  in/19.txt: This is a text", "  and 3 more"]


def test_reason_has_the_line_but_not_the_file():
    error = FormatError("There is no value", source="in/a.csv", line=3, next_step="Check it.")
    assert reason(error, "in/a.csv") == "line 3: There is no value. Check it."
    assert reason(error, "in/a.csv", brief=True) == "line 3: There is no value"


@pytest.mark.parametrize("load_any", [load, load_table])
def test_unknown_word_for_errors_raises_value_error(load_any):
    with pytest.raises(ValueError, match="errors is 'ignore', but it must be 'raise' or 'collect'"):
        load_any(GOOD, errors="ignore")


def test_damaged_table_is_left_out_and_reported(tmp_path):
    (tmp_path / "a.csv").write_bytes(GOOD)
    workbook = io.BytesIO()
    with zipfile.ZipFile(workbook, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    (tmp_path / "b.xlsx").write_bytes(workbook.getvalue())
    with pytest.raises(FormatError, match=r"b\.xlsx"):
        load_table(tmp_path, MAPPING)
    with pytest.warns(match="greenkit left out b.xlsx, which it cannot read: "):
        df = load_table(tmp_path, MAPPING, errors="collect")
    assert df["value"].tolist() == [0.5, 0.25]
    assert [f.evidence["file"] for f in df.gk.findings.named("tables.file.damaged")] == ["b.xlsx"]


def test_damaged_archive_of_tables_is_left_out_and_reported(tmp_path):
    (tmp_path / "a.csv").write_bytes(GOOD)
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04" + bytes(60))
    with pytest.warns(match="greenkit left out b.zip, which it cannot read: "):
        df = load_table(tmp_path, MAPPING, errors="collect")
    assert df["value"].tolist() == [0.5, 0.25]
