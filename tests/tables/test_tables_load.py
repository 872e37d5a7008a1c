"""load(): tables beside Green Button and Smart Meter Texas files, in folders and archives."""

import email.message
import io
import mailbox
import zipfile

import pandas as pd
import pytest
from day_samples import day, values

import greenkit
from greenkit import samples
from greenkit.errors import AmbiguousTable, OtherFormat
from greenkit.findings import GreenkitWarning, quiet

PACIFIC = "America/Los_Angeles"
PREAMBLE = 'Name,PAT EXAMPLE\nAddress,"1 MAIN ST"\nAccount Number,7\nService,Service 1\n\n'


def opower(date="2024-11-03", unit="kWh"):
    rows = [
        f"Electric usage,{local:%Y-%m-%d},{local:%H:%M},{local.hour:02}:59,{v:.2f},{unit},$0.1,"
        for (_, local), v in zip(day(date, PACIFIC), values(25), strict=False)
    ]
    return (PREAMBLE + "TYPE,DATE,START TIME,END TIME,USAGE,UNITS,COST,NOTES\n" + "\n".join(rows)).encode()


def load(source, **answers):
    with quiet():
        return greenkit.load(source, **answers)


def workbook_of(text):
    import openpyxl

    book = openpyxl.Workbook()
    for line in text.decode().splitlines():
        row = line.split(",")
        book.active.append([float(c) if i == 4 and c[:1].isdigit() else c for i, c in enumerate(row)])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_load_reads_a_known_table():
    df = load(opower(), tz=PACIFIC)
    assert len(df) == 25
    greenkit.frame.check(df, exact=True)


def test_a_table_alone_that_no_layout_has_raises():
    with pytest.raises(OtherFormat, match="layout="):
        load(b"a,b,c\n1,2,3\n")


def test_folder_leaves_strangers_out_and_lists_them(tmp_path):
    (tmp_path / "a.csv").write_bytes(opower())
    (tmp_path / "b.csv").write_bytes(opower().replace(b"UNITS", b"UNIT"))
    (tmp_path / "notes.txt").write_text("remember the milk")
    (tmp_path / "bill.pdf").write_bytes(b"%PDF-1.7\n")
    df = load(tmp_path, tz=PACIFIC)
    assert len(df) == 25
    skipped = df.gk.findings.named("tables.file.skipped")
    assert {finding.evidence["file"] for finding in skipped} == {"b.csv", "notes.txt", "bill.pdf"}
    assert any("opower" in finding.text for finding in skipped)
    assert not any("PAT" in str(finding) for finding in df.gk.findings)


def test_archive_without_any_known_table_names_each_file(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "a,b,c\n1,2,3\n")
        archive.writestr("b.csv", "d,e,f\n1,2,3\n")
    with pytest.raises(OtherFormat) as caught:
        load(path)
    assert "a.csv" in str(caught.value)
    assert "b.csv" in str(caught.value)


def test_workbook_beside_the_csv_of_the_same_download_counts_once(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", opower())
        archive.writestr("b.xlsx", workbook_of(opower()))
    df = load(path, tz=PACIFIC)
    assert len(df) == 25
    (finding,) = df.gk.findings.named("tables.file.repeats")
    assert finding.evidence["count"] == 25


def test_green_button_beside_the_csv_of_the_same_meter_counts_once(tmp_path):
    feed = load(samples.path("espi"))
    part = feed[feed["flow"] == "delivered"]
    zone = str(part["zone"].iloc[0])
    local = part["start"].dt.tz_convert(zone)
    rows = [
        f"Electric usage,{t:%Y-%m-%d},{t:%H:%M},{t + pd.Timedelta(minutes=14):%H:%M},{v:.2f},kWh,,"
        for t, v in zip(local, part["value"], strict=True)
    ]
    text = PREAMBLE + "TYPE,DATE,START TIME,END TIME,USAGE,UNITS,COST,NOTES\n" + "\n".join(rows)
    (tmp_path / "a.xml").write_bytes(samples.path("espi").read_bytes())
    (tmp_path / "b.csv").write_text(text)
    df = load(tmp_path, tz=zone)
    assert len(df) == len(feed)
    assert "tables.file.repeats" in df.gk.findings.names


def test_smart_meter_texas_beside_a_table(tmp_path):
    smt = samples.path("smt-interval")
    (tmp_path / "a.csv").write_bytes(smt.read_bytes())
    (tmp_path / "b.csv").write_bytes(opower())
    df = load(tmp_path, tz=PACIFIC)
    assert len(df) == 25 + len(load(smt))


def test_overlapping_downloads_count_once(tmp_path):
    (tmp_path / "a.csv").write_bytes(opower("2024-11-02") + b"\n" + opower().split(b"NOTES\n")[1])
    (tmp_path / "b.csv").write_bytes(opower() + b"\n" + opower("2024-11-04").split(b"NOTES\n")[1])
    df = load(tmp_path, tz=PACIFIC)
    assert len(df) == 24 + 25 + 24
    assert not df.duplicated(["meter", "flow", "series", "start"]).any()


def test_ambiguous_table_of_a_known_layout_raises_in_a_folder_too(tmp_path):
    (tmp_path / "a.csv").write_bytes(opower())
    (tmp_path / "b.xml").write_bytes(samples.path("espi").read_bytes())
    with pytest.raises(AmbiguousTable) as caught:
        load(tmp_path)
    assert [choice.argument for choice in caught.value.choices] == ["tz"]
    df = load(tmp_path, errors="collect")
    assert len(df) == len(load(samples.path("espi")))
    assert "tables.file.ambiguous" in df.gk.findings.names


def test_an_open_file_stays_usable():
    file = io.BytesIO(opower())
    assert len(load(file, tz=PACIFIC)) == 25
    assert not file.closed


def test_unknown_errors_argument_raises():
    with pytest.raises(ValueError, match="'raise' or 'collect'"):
        load(opower(), errors="ignore")


def mail(name, content, kind):
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", "Usage of PAT EXAMPLE"
    message.set_content("Dear PAT EXAMPLE, your data is attached.")
    main, _, sub = kind.partition("/")
    message.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return message


@pytest.mark.parametrize("kind", ["text/csv", "application/octet-stream", "application/zip"])
def test_attachments_of_a_saved_email_are_read(kind, tmp_path):
    content, name = opower(), "usage.csv"
    if kind == "application/zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(name, content)
        content, name = file.getvalue(), "usage.zip"
    (tmp_path / "a.eml").write_bytes(mail(name, content, kind).as_bytes())
    df = load(tmp_path / "a.eml", tz=PACIFIC)
    assert df["value"].tolist() == [round(v, 2) for v in values(25)]
    with quiet():
        assert len(greenkit.load_table(tmp_path / "a.eml", tz=PACIFIC)) == 25


def test_attachments_of_a_mailbox_are_read(tmp_path):
    box = mailbox.mbox(tmp_path / "a.mbox")
    box.add(mail("usage.csv", opower(), "text/csv"))
    box.add(mail("later.csv", opower("2024-11-04"), "text/csv"))
    box.close()
    df = load(tmp_path / "a.mbox", tz=PACIFIC)
    assert len(df) == 25 + 24
    assert not any("PAT" in finding.text for finding in df.gk.findings)


def test_rows_of_meters_that_the_mapping_does_not_name_are_reported_with_their_column():
    mapping = {
        "time": {"columns": ["When"]}, "zone": "Europe/Berlin", "clock": "local", "label": "start", "interval": 60,
        "values": {"kWh": {"flow": "delivered"}},
    }  # fmt: skip
    rows = ["A,2025-11-01 00:00,1,x", "B,2025-11-01 00:00,2,x", "A,2025-11-01 01:00,3,x", "B,2025-11-01 01:00,4,x"]
    data = "\n".join(["Site,When,kWh,Note", *rows]).encode()
    (found,) = [f for f in greenkit.open_table(data, mapping).findings if f.name == "tables.row.conflict"]
    assert "first 2025-11-01 00:00:00+01:00" in found.text
    assert (
        found.what_to_do == 'Column Site differs in these rows. If it names the meter, add meter = { column = "Site" }.'
    )


@pytest.mark.parametrize(
    ("data", "what", "fix"),
    [
        (b"%PDF-1.7 ...", "a PDF", "Download the data"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><feed/>", "XML", "load_espi"),
    ],
)
def test_file_of_another_format_is_named(data, what, fix):
    with pytest.raises(OtherFormat, match=f"This is {what}. .*{fix}"):
        greenkit.load_table(data)


def test_pdf_in_a_folder_has_a_next_step_that_is_possible(tmp_path):
    (tmp_path / "bill.pdf").write_bytes(b"%PDF-1.7 ...")
    (tmp_path / "a.csv").write_bytes(opower())
    data = greenkit.open_table(tmp_path, tz=PACIFIC)
    (found,) = [f for f in data.findings if f.name == "tables.file.skipped"]
    assert "this is a PDF" in found.text
    assert "layout" not in found.what_to_do


def test_bills_without_intervals_are_reported():
    header = "TYPE,START DATE,END DATE,USAGE,UNITS,COST,NOTES"
    data = f"{header}\nElectric billing,2026-01-01,2026-01-31,300,kWh,$30.00,\n".encode()
    with pytest.warns(GreenkitWarning, match="1 bill and no intervals"):
        df = greenkit.load_table(data)
    assert [f.name for f in df.gk.findings] == ["tables.file.layout", "load.intervals.none"]
