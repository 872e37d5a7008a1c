"""load(): which reader, told by the bytes."""

import io
import re
import zipfile

import pandas as pd
import pytest
import requests

import greenkit
from greenkit import detect, samples
from greenkit.errors import DecryptError, FormatError
from greenkit.findings import GreenkitWarning
from greenkit.sources import is_openpgp

LSE = "00000001,10000000000000017,4,20240701000000,20240701235959,Y,N\n00000002,,,,,,,900,01,,,,\n00000003,\n"
LSE += "00000004,20240702063000,M\n10000000," + "0.25,A,," * 96 + "\n"


@pytest.mark.parametrize(
    ("name", "meter_is_esi_id"), [("espi", False), ("smt-interval", True), ("smt-lse", True), ("smt-api", True)]
)
@pytest.mark.filterwarnings("ignore::greenkit.findings.GreenkitWarning")
def test_every_format_is_detected(name, meter_is_esi_id):
    path = samples.path(name)
    df = greenkit.load(path)
    greenkit.frame.check(df, exact=True)
    assert len(df) > 0
    assert df["meter"].iloc[0].isdigit() == meter_is_esi_id
    for source in (path.read_bytes(), [path], str(path)):
        assert greenkit.load(source)["value"].equals(df["value"])


@pytest.mark.filterwarnings("ignore::greenkit.findings.GreenkitWarning")
def test_stream_that_can_be_read_only_once_is_loaded():
    class Once(io.RawIOBase):
        def __init__(self, data):
            self._file = io.BytesIO(data)

        def readable(self):
            return True

        def readinto(self, buffer):
            return self._file.readinto(buffer)

    data = samples.path("espi").read_bytes()
    assert len(greenkit.load(Once(data))) == len(greenkit.load(data))
    assert len(greenkit.load(path for path in [samples.path("espi")])) == len(greenkit.load(data))
    assert len(greenkit.load(io.BytesIO(LSE.encode()))) == 96


@pytest.mark.filterwarnings("ignore::greenkit.findings.GreenkitWarning")
def test_both_kinds_in_one_folder_are_loaded(tmp_path):
    (tmp_path / "a.txt").write_text(LSE)
    (tmp_path / "b.txt").write_bytes(samples.path("espi").read_bytes())
    df = greenkit.load(tmp_path)
    assert len(df) == 96 + len(greenkit.load(samples.path("espi")))
    greenkit.frame.check(df)


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\r\n  "])
def test_marks_and_blanks_before_xml_are_accepted(mark):
    feed = b"<feed xmlns='http://www.w3.org/2005/Atom'></feed>"
    with pytest.raises(FormatError) as raised:
        greenkit.load(mark + feed[:-3])
    assert "Smart Meter Texas" not in str(raised.value)


def test_unknown_format_raises_format_error():
    with pytest.raises(FormatError, match="No known layout has these columns"):
        greenkit.load(b"a,b,c\n1,2,3\n")
    with pytest.raises(DecryptError, match=r"(?i)pass pgp="):
        greenkit.load(b"-----BEGIN PGP MESSAGE-----\n\nx\n")
    with pytest.raises(TypeError, match="A source must be a path"):
        greenkit.load(7)
    with pytest.raises(TypeError, match="Open it with mode 'rb'"):
        greenkit.load(io.StringIO("<feed/>"))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("84 5E 03", True), ("85 01 0C 03", True), ("C1 4C 03", True), ("C1 4C 06", True),  # to a public key
        ("8C 0D 04", True), ("C3 0D 04", True),  # to a passphrase
        ("C1 4C 07", False), ("84 5E 07", False), ("D2 4C 03", False), ("98 4D 04", False), ("41 4C 03", False),
        ("84 5E", False), ("84", False), ("", False),
    ],
)  # fmt: skip
def test_openpgp_is_detected_by_its_first_packet(head, message):
    assert is_openpgp(bytes.fromhex(head)) is message


def test_empty_name_is_not_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"file name is empty. Pass a path, or '\.' for the current folder"):
        greenkit.load("")


def zipped(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return path


READERS = [greenkit.load, greenkit.load_espi, greenkit.load_smt]


@pytest.mark.parametrize("load", READERS)
@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"%PDF-1.4\n%\xe2\xe3", "a PDF[.:] Download the data instead, as XML or CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an Excel workbook[.:] Use the file as it was delivered"),
        (b"PAR1" + bytes(50), r"a Parquet file[.:] Read it with greenkit\.store\.read"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(50), "a 7-Zip archive[.:] Unpack it"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "an image"),
    ],
)
def test_common_other_formats_are_named(load, head, says):
    with pytest.raises(FormatError, match=f"(?i)this is {says}"):
        load(head)


def test_workbook_without_a_known_layout_is_refused_as_a_table(tmp_path):
    pd.DataFrame({"kWh": [1.0]}).to_excel(tmp_path / "book.xlsx")
    with pytest.raises(FormatError, match=r"book\.xlsx: No known layout has these columns"):
        greenkit.load(tmp_path / "book.xlsx")


@pytest.mark.parametrize("load", READERS[1:])
def test_workbook_is_not_an_archive_of_feeds(load, tmp_path):
    book = tmp_path / "book.xlsx"
    pd.DataFrame({"kWh": [1.0]}).to_excel(book)
    with pytest.raises(
        FormatError, match=r"book\.xlsx: (?i:this) is an Excel workbook[.:] .* or save the worksheet as CSV"
    ):
        load(book)


def test_workbook_beside_the_data_is_skipped(tmp_path):
    pd.DataFrame({"kWh": [1.0]}).to_excel(tmp_path / "notes.xlsx")
    (tmp_path / "feed.xml").write_bytes(samples.path("espi").read_bytes())
    for load in READERS:
        with pytest.warns(GreenkitWarning, match=r"skipped 1 file .*notes\.xlsx|left out .*notes\.xlsx"):
            assert len(load(tmp_path)) == 2672


@pytest.mark.parametrize("load", READERS)
def test_zip_with_a_password_is_reported(load, tmp_path):
    path = zipped(tmp_path / "a.zip", feed__xml=b"<feed/>")
    data = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"a\.zip!feed\.xml: The zip archive is protected by a password. Unpack it"):
        load(path)


@pytest.mark.parametrize("load", READERS)
@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"/>',
            r"text of a file, not a path. Pass text\.encode",
        ),
        ("ESIID,USAGE_DATE\n1,2\n" * 1000, "text of a file, not a path"),
        (pd.DataFrame(), "A DataFrame is already loaded"),
        ([pd.DataFrame({"meter": [1]})], "A DataFrame is already loaded"),
        (requests.Response(), r"A Response is not a file. Pass its \.content"),
    ],
    ids=["XML", "CSV", "frame", "frames", "response"],
)
def test_invalid_source_raises_with_what_to_pass(load, source, says):
    with pytest.raises(TypeError, match=says):
        load(source)
    with pytest.raises(TypeError, match="A GreenButton is already loaded"):
        load(greenkit.open_espi(b"<feed xmlns='http://www.w3.org/2005/Atom'/>"))


def test_zone_and_the_clock_reach_a_feed():
    path = samples.path("espi-local-as-utc")
    df = greenkit.load(path, tz="America/Chicago", epoch="local")
    assert df.equals(greenkit.load_espi(path, tz="America/Chicago", epoch="local"))
    for options in ({"tz": "America/Chicago"}, {"epoch": "local"}):
        with pytest.raises(FormatError, match="tz= and epoch= apply only to Green Button feeds"):
            greenkit.load(samples.path("smt-lse"), **options)


@pytest.mark.parametrize(
    ("tz", "says"),
    [
        ("america/chicago", r"Did you mean 'America/Chicago'\?"),
        ("America/New York", r"Did you mean 'America/New_York'\?"),
        ("CST", "Use a name such as"),
    ],
)
def test_mistyped_zone_gets_a_suggestion(tz, says):
    with pytest.raises(ValueError, match=f"tz='{tz}' is not a valid IANA time zone. {says}"):
        greenkit.load_espi(b"", tz=tz)


def test_load_of_a_source_without_files_raises_and_names_it(tmp_path):
    zipped(tmp_path / "empty.zip")
    (tmp_path / "below").mkdir()
    for source, what in (
        (tmp_path / "empty.zip", "archive .*empty.zip"),
        (tmp_path / "below", "folder .*below"),
        ([], "source"),
    ):
        with pytest.raises(FormatError, match=f"The {what} has no files. greenkit reads .xml, .csv, .xlsx,"):
            greenkit.load(source)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("espi-bills-only", "The source has 3 bills and no intervals. Call greenkit.open_espi(FILE).bills."),
        ("smt-monthly", "The source has 26 bills and no intervals. Call greenkit.open_smt(FILE).bills."),
        ("smt-daily", "The source has 122 register readings and no intervals. Call greenkit.open_smt(FILE).registers."),
    ],
)
def test_source_without_intervals_has_one_finding_from_every_loader(name, sentence):
    path = samples.path(name)
    for load in (greenkit.load, greenkit.load_espi if name.startswith("espi") else greenkit.load_smt):
        with pytest.warns(GreenkitWarning, match=re.escape(sentence)):
            df = load(path)
        assert df.empty
        assert [f.message for f in df.gk.findings if f.name == "load.intervals.none"] == [sentence]


def test_table_of_bills_has_the_same_finding_from_load_and_load_table():
    bills = b"Read Date,kWh,End\n2025-07-01,450,2025-07-31\n"
    mapping = {
        "time": {"columns": ["Read Date"]}, "label": {"end": "End"}, "interval": "period", "zone": "America/Denver",
        "bill_end": "inclusive", "date_order": "year first", "values": {"kWh": {"flow": "delivered", "unit": "kWh"}},
    }  # fmt: skip
    sentence = "The source has 1 bill and no intervals. Call greenkit.open_table(FILE).bills."
    with pytest.warns(GreenkitWarning, match=re.escape(sentence)):
        assert greenkit.load_table(bills, mapping).empty
    found = detect.open_contents(bills, layout=mapping)
    assert [f.message for f in found.findings] == [sentence]
    assert found.parts[0].bills["value"].tolist() == [450.0]


def test_answers_apply_to_tables_only():
    with pytest.raises(FormatError, match="unit= applies only to tables, and the source contains none"):
        detect.open_contents(samples.path("espi"), answers={"unit": "kWh"})


@pytest.mark.parametrize("load", READERS[1:])
def test_folder_without_files_returns_no_rows_and_a_warning(load, tmp_path):
    zipped(tmp_path / "empty.zip")
    (tmp_path / "below").mkdir()
    for source in (tmp_path / "empty.zip", tmp_path / "below", []):
        with pytest.warns(
            GreenkitWarning, match="(the source contains no file. Check|The source contains no file. Check) the path"
        ):
            assert load(source).empty


def test_warning_names_the_line_of_the_caller(make_series):
    doubled = pd.concat([make_series([1.0])] * 2)
    for warns in (
        lambda: greenkit.load(samples.path("espi-local-as-utc")),
        lambda: greenkit.load_espi(samples.path("espi-local-as-utc")),
        lambda: greenkit.load(samples.path("smt-interval")),
        lambda: doubled.gk.totals("day"),
    ):
        with pytest.warns(GreenkitWarning) as said:
            warns()
        assert {w.filename for w in said} == {__file__}
