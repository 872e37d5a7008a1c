"""Files as they arrive: folders with strangers, archives, e-mail, pipes, damaged files, and odd names.

Sums are worked out by hand: a day of ``values(96)`` is 0.001 + 0.002 + … + 0.096 = 96 * 97 / 2 / 1000 = 4.656 kWh.
"""

import bz2
import email.message
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest
from smt_files import AUTUMN, ID, SPRING, csv, csv_rows, lse, read

import greenkit
from greenkit.errors import DamagedMessage, FormatError, LimitError, OtherFormat
from greenkit.findings import GreenkitWarning

DAY = 96 * 97 / 2 / 1000
FALL_BACK = 100 * 101 / 2 / 1000
SPRING_FORWARD = 92 * 93 / 2 / 1000
CSV = csv(csv_rows()).encode()
LSE = lse(AUTUMN).encode()
ATOM = b'<feed xmlns="http://www.w3.org/2005/Atom"></feed>'
TRIALS = Path(__file__).parents[3] / "shared" / "trials"
# Files that people have beside their data, none of which is meter data.
STRANGERS = {
    "analysis.ipynb": b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
    "package.json": b'{"name": "x", "version": "1.0.0"}',
    "broken.json": b'{"name": "x", ',
    "desktop.ini": b"[.ShellClassInfo]\r\nIconResource=C:\\x.dll,3\r\n",
    "settings.toml": b'[smt]\nuser = "x"\n',
    "logo.svg": b'<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "pom.xml": b"<project><modelVersion>4.0.0</modelVersion></project>",
    "report.html": b"<!DOCTYPE html><html></html>",
    "notes.md": b"# Notes, and more\n",
    "photo.png": b"\x89PNG\r\n\x1a\n" + bytes(40),
    "mail.eml": b"From: a@example.com\nMIME-Version: 1.0\n\nHello\n",
    "prices.csv": b"date,price\n2025-07-01,0.11\n",
}


def total(found):
    return round(float(found.readings["value"].sum()), 6)


def folder_with(path, files):
    for name, data in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return path


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files, mode="w"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def mail(*attachments, text="Your report is attached."):
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = "noreply@example.com", "a@example.com", "Report"
    message.set_content(text)
    for name, data in attachments:
        message.add_attachment(
            data, maintype="text" if name.endswith(".txt") else "application", subtype="octet-stream", filename=name
        )
    return bytes(message)


# Strangers


@pytest.mark.parametrize("name", STRANGERS)
def test_other_file_in_a_folder_is_left_out_and_listed(tmp_path, name):
    folder_with(tmp_path, {"IntervalData.csv": CSV, name: STRANGERS[name]})
    found = read(tmp_path)
    assert total(found) == DAY
    (finding,) = found.findings
    assert finding.name == "smt.file.skipped"
    assert list(finding.evidence["files"]) == [str(tmp_path / name)]
    assert len(finding.evidence["examples"][0]) > len(str(tmp_path / name)) + 10  # and the reason
    with pytest.warns(GreenkitWarning, match="smt.file.skipped"):
        assert round(greenkit.load(tmp_path)["value"].sum(), 6) == DAY


@pytest.mark.parametrize("pack", [zipped, tarred], ids=["zip", "tar"])
def test_other_files_in_an_archive_are_left_out(pack):
    found = read(pack({"a.csv": CSV, "b.lse": LSE, **STRANGERS}))
    assert total(found) == pytest.approx(DAY + FALL_BACK)
    (finding,) = found.findings
    assert finding.evidence["count"] == len(finding.evidence["files"]) == len(STRANGERS)


def test_other_files_beside_a_green_button_feed_are_left_out(tmp_path, sample_path):
    folder_with(tmp_path, {**STRANGERS, "feed.xml": sample_path("espi").read_bytes()})
    rows = len(greenkit.open_espi(sample_path("espi")).readings)
    for load in (greenkit.load, greenkit.load_espi):
        with pytest.warns(GreenkitWarning):
            assert len(load(tmp_path)) == rows
    (finding,) = greenkit.open_espi(tmp_path).findings.named("espi.file.passed-over")
    assert finding.evidence["count"] == len(STRANGERS)
    assert {Path(name).name for name in finding.evidence["files"]} == STRANGERS.keys()


def test_report_in_the_folder_does_not_break_the_next_load(tmp_path):
    folder_with(tmp_path, {"IntervalData.csv": CSV})
    greenkit.write_report(greenkit.load(tmp_path), tmp_path / "report.html")
    assert total(read(tmp_path)) == DAY


def test_other_file_that_the_caller_names_is_an_error(tmp_path):
    folder_with(tmp_path, STRANGERS)
    for name in STRANGERS:
        with pytest.raises(FormatError) as caught:
            greenkit.load_smt(tmp_path / name)
        assert caught.value.next_step


@pytest.mark.parametrize("load", [greenkit.load, greenkit.load_smt, greenkit.load_espi])
def test_source_without_a_readable_file_raises_and_names_each_file(tmp_path, load):
    folder_with(tmp_path, STRANGERS)
    packed = tmp_path.with_suffix(".zip")
    packed.write_bytes(zipped(STRANGERS))
    for source in (tmp_path, packed):
        with pytest.raises(OtherFormat) as caught:
            load(source)
        for name in STRANGERS:
            assert name in caught.value.problem
        assert "This is a web page" in caught.value.problem


def test_error_for_many_other_files_lists_the_first_ones(tmp_path):
    folder_with(tmp_path, {f"{i:03}.png": STRANGERS["photo.png"] for i in range(30)})
    with pytest.raises(OtherFormat, match=r"019\.png: This is an image.*\n  and 10 more"):
        greenkit.load_smt(tmp_path)


def test_command_reports_a_source_without_a_readable_file(tmp_path):
    folder_with(tmp_path, STRANGERS)
    done = subprocess.run(
        [sys.executable, "-m", "greenkit", "info", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "analysis.ipynb" in done.stderr
    folder_with(tmp_path, {"IntervalData.csv": CSV})
    done = subprocess.run(
        [sys.executable, "-m", "greenkit", "info", str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "smt.file.skipped" in done.stdout


def test_folder_of_the_trials():
    folder = TRIALS / "smart-meter-texas" / "folder"
    if not folder.exists():
        pytest.skip("the shared trials are not here")
    assert len(read(folder).readings) == 96


# Damaged files among others


DAMAGED = {
    "zip": ("b.zip", zipped({"x.csv": CSV})[:-40]),
    "zip member": ("b.zip", zipped({"x.csv": CSV}).replace(b"Consumption", b"consumption", 1)),
    "gzip": ("b.csv.gz", gzip.compress(CSV)[:-20]),
    "xz": ("b.csv.xz", lzma.compress(CSV)[:-20]),
    "bzip2": ("b.csv.bz2", bz2.compress(CSV)[:-20]),
    "json": ("b.json", b'{"esiid": ["10000000000000017"], "energyData": [{"DT": '),
    "rounded ID": ("b.csv", CSV.replace(b"'" + ID.encode(), b"1.00000E+16")),
    "standard": ("b.ls", b"0001" + b" " * 100),
    "encrypted": ("b.asc", b"-----BEGIN PGP MESSAGE-----\n\nhQ==\n-----END PGP MESSAGE-----\n"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_file_is_an_error_or_collected(tmp_path, what):
    name, data = DAMAGED[what]
    folder_with(tmp_path, {"a.csv": CSV, name: data, "c.lse": LSE})
    with pytest.raises((FormatError, greenkit.GreenkitError)):
        read(tmp_path)
    found = read(tmp_path, errors="collect")
    assert total(found) == pytest.approx(DAY + FALL_BACK)
    (finding,) = found.findings
    assert (finding.name, finding.severity, finding.evidence["count"]) == ("smt.file.damaged", "serious", 1)
    assert name.split(".")[0] + "." in finding.evidence["examples"][0]
    with pytest.warns(GreenkitWarning, match="smt.file.damaged"):
        assert round(greenkit.load(tmp_path, errors="collect")["value"].sum(), 6) == pytest.approx(DAY + FALL_BACK)


def test_rows_of_a_file_that_turns_out_damaged_are_left_out(tmp_path):
    rows = csv_rows(SPRING)
    rows[50] = rows[50].replace("'" + ID, "1.00000E+16")
    folder_with(tmp_path, {"a.csv": CSV, "b.csv": csv(csv_rows(AUTUMN), rows).encode()})
    found = read(tmp_path, errors="collect")
    assert total(found) == DAY
    assert found.findings.names == ["smt.file.damaged"]


def test_damaged_green_button_feed_is_collected(tmp_path, sample_path):
    feed = sample_path("espi").read_bytes()
    folder_with(tmp_path, {"a.csv": CSV, "b.xml": feed[: len(feed) // 2]})
    with pytest.raises(FormatError):
        read(tmp_path)
    found = read(tmp_path, errors="collect")
    assert total(found) == DAY
    assert found.findings.names == ["smt.file.damaged"]
    (tmp_path / "c.xml").write_bytes(feed)
    (tmp_path / "d.xml").write_bytes(feed)
    found = read(tmp_path, errors="collect")
    # the feeds that remain are still read as one, so that their readings count once
    assert len(found.readings) == 96 + len(greenkit.open_espi(feed).readings)
    (damaged,) = found.findings.named("espi.file.damaged")
    assert [Path(name).name for name in damaged.evidence["files"]] == ["b.xml"]


def test_only_damaged_files_are_an_error_that_names_them(tmp_path):
    folder_with(tmp_path, {"b.csv.gz": DAMAGED["gzip"][1], "c.json": DAMAGED["json"][1]})
    with pytest.raises(OtherFormat, match=r"(?s)b\.csv.*c\.json: .*The JSON is damaged"):
        read(tmp_path, errors="collect")


def test_options_for_errors_are_checked():
    with pytest.raises(ValueError, match="errors is 'ignore', but it must be 'raise' or 'collect'"):
        read(CSV, errors="ignore")
    with pytest.raises(ValueError, match="strict=True raises the first problem"):
        read(CSV, errors="collect", strict=True)


# Archives


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv.bz2", bz2.compress(CSV)),
        ("a.csv.xz", lzma.compress(CSV)),
        ("a.tar", tarred({"a.csv": CSV})),
        ("a.tar.gz", tarred({"a.csv": CSV}, "w:gz")),
        ("a.tar.bz2", tarred({"x/a.csv": CSV}, "w:bz2")),
        ("a.tar.xz", tarred({"a.csv": CSV}, "w:xz")),
        ("a.zip", zipped({"a.csv.xz": lzma.compress(CSV)})),
        ("a.tgz", gzip.compress(tarred({"a.csv.gz": gzip.compress(CSV)}))),
    ],
)
@pytest.mark.parametrize("load", [greenkit.load, greenkit.load_smt])
def test_compressed_files_and_tar_archives_are_read(tmp_path, name, data, load):
    (tmp_path / name).write_bytes(data)
    assert round(load(tmp_path / name)["value"].sum(), 6) == DAY
    assert round(load(data)["value"].sum(), 6) == DAY


def test_compressed_green_button_feeds_are_read(sample_path):
    feed = sample_path("espi").read_bytes()
    rows = len(greenkit.open_espi(feed).readings)
    for data in (bz2.compress(feed), lzma.compress(feed), tarred({"a.xml": feed}, "w:gz"), mail(("a.xml", feed))):
        assert len(greenkit.load_espi(data)) == len(greenkit.load(data)) == rows


def test_word_that_begins_like_bzip2_is_not_bzip2():
    with pytest.raises(FormatError, match="There are no columns of Smart Meter Texas"):
        read("BZh9 is not, the beginning of, a bzip2 file\n1,2,3\n")


def test_tar_members_outside_their_folder_are_refused():
    for name in ("../a.csv", "/a.csv", "x/../../a.csv"):
        with pytest.raises(LimitError, match="would be written outside its folder"):
            read(tarred({name: CSV}))


def test_tar_links_and_folders_are_skipped():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"x{kind.decode()}")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("a.csv")
        info.size = len(CSV)
        archive.addfile(info, io.BytesIO(CSV))
    found = read(out.getvalue())
    assert total(found) == DAY
    assert not found.findings


def test_compressed_bombs_are_refused():
    limits = greenkit.sources.Limits(unpacked=1 << 20)
    bomb = CSV * 600  # 4 MB
    for data in (bz2.compress(bomb), lzma.compress(bomb), tarred({"a.csv": bomb}, "w:xz"), zipped({"a": bomb})):
        with pytest.raises(LimitError, match=r"unpacks to more than|has more than"):
            read(data, limits=limits)


def test_deflate64_error_has_a_next_step():
    data = bytearray(zipped({"a.csv": CSV}))
    for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        place = data.index(mark) + at
        data[place : place + 2] = (9).to_bytes(2, "little")
    with pytest.raises(
        FormatError, match=r"Deflate64, which Python cannot read. Unpack the archive with another program"
    ):
        read(bytes(data))


@pytest.mark.parametrize(
    "name",
    [
        "zip-name-empty",
        "zip-name-dot",
        "zip-bad-utf8-central",
        "zip-bz2-damaged",
        "zip-lzma-damaged",
        "zip-negative-offset",
        "zip-name-bad-utf8",
    ],
)
def test_odd_zips_of_the_trials_are_format_errors(name, tmp_path):
    path = TRIALS / "fuzz" / f"{name}.zip"
    if not path.exists():
        pytest.skip("the shared trials are not here")
    for load in (greenkit.load, greenkit.load_smt, greenkit.load_espi):
        with pytest.raises(FormatError):
            load(path)
    folder_with(tmp_path, {"a.csv": CSV, "b.zip": path.read_bytes()})
    assert total(read(tmp_path, errors="collect")) == DAY


@pytest.mark.parametrize("name", ["", "."])
def test_member_without_a_name_is_a_format_error(name):
    with pytest.raises(FormatError, match="member without a name"):
        read(_with_name(name))


def _with_name(name):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = name
        archive.writestr(info, CSV)
    return out.getvalue()


def test_archive_with_too_many_members_is_refused_before_it_is_read():
    data = zipped({f"{i}.csv": b"x" for i in range(3000)})
    begin = time.perf_counter()
    with pytest.raises(LimitError, match="more than 100 members"):
        read(data, limits=greenkit.sources.Limits(members=100))
    assert time.perf_counter() - begin < 1  # the last record of the archive says how many there are


def test_archive_with_as_many_members_as_allowed_is_read():
    data = zipped({"a.csv": CSV, "b.lse": LSE})
    assert len(read(data, limits=greenkit.sources.Limits(members=2)).readings) == 196
    with pytest.raises(LimitError):
        read(data, limits=greenkit.sources.Limits(members=1))


def test_many_green_button_feeds_in_one_archive_are_read_as_one_feed(sample_path):
    feed = sample_path("espi-bare-entry").read_bytes()
    data = zipped({f"{i}.xml": feed for i in range(50)})
    assert len(read(data).readings) == len(greenkit.open_espi(data).readings)


# E-mail


@pytest.mark.parametrize(
    ("attachments", "expected"),
    [
        ([("IntervalMeterUsage20250702EML.CSV", CSV)], DAY),
        ([("a.csv", CSV), ("b.lse", LSE)], DAY + FALL_BACK),
        ([("a.zip", zipped({"a.csv": csv(csv_rows(SPRING)).encode()}))], SPRING_FORWARD),
        ([("logo.png", STRANGERS["photo.png"]), ("a.csv.gz", gzip.compress(CSV))], DAY),
    ],
)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_attachments_of_a_saved_email_are_read(attachments, expected, newline):
    data = mail(*attachments).replace(b"\n", newline)
    found = read(data)
    assert total(found) == pytest.approx(expected)
    assert round(greenkit.open_smt(io.BytesIO(data)).readings["value"].sum(), 6) == pytest.approx(expected)


def test_attachments_of_an_mbox_are_read():
    second = mail(("b.lse", LSE))
    box = (
        b"From a@example.com Wed Jul  2 07:37:17 2025\n" + mail(("a.csv", CSV)) + b"\n\nFrom b@example.com x\n" + second
    )
    assert total(read(box)) == pytest.approx(DAY + FALL_BACK)


def test_forwarded_email_is_read():
    message = email.message.EmailMessage()
    message["From"], message["Subject"] = "b@example.com", "Fwd"
    message.set_content("see below")
    message.add_attachment(email.message_from_bytes(mail(("a.csv", CSV))))
    assert total(read(bytes(message))) == DAY


def test_email_without_attachments_has_a_next_step():
    with pytest.raises(OtherFormat, match=r"This is an e-mail without attachments. Load the file that was attached"):
        read(mail())


def test_text_with_colons_is_not_an_email():
    with pytest.raises(OtherFormat) as caught:
        read("name: x\nsubject: mathematics\nto: a, b\n\nHello\n")
    assert "e-mail" not in str(caught.value)


def test_email_of_the_trials():
    path = TRIALS / "smart-meter-texas" / "smt-subscription.eml"
    if not path.exists():
        pytest.skip("the shared trials are not here")
    # 96 quarter-hours of 0.100, 0.101, …, 0.195 kWh, as the attachment has them
    assert total(read(path)) == pytest.approx(sum(100 + i for i in range(96)) / 1000)


# Pipes, devices, and names


def test_path_of_a_pipe_is_read_once_and_copied(tmp_path):
    for load in (greenkit.load, greenkit.load_smt):
        pipe = tmp_path / f"pipe-{load.__name__}"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(CSV,))
        writer.start()
        assert round(load(pipe)["value"].sum(), 6) == DAY
        writer.join()


def test_process_substitution_is_read():
    code = "import greenkit, sys; print(round(greenkit.load(sys.argv[1])['value'].sum(), 6))"
    reader, writer = os.pipe()
    os.write(writer, CSV)
    os.close(writer)
    done = subprocess.run(
        [sys.executable, "-c", code, f"/dev/fd/{reader}"], capture_output=True, text=True, check=True, pass_fds=[reader]
    )
    os.close(reader)
    assert float(done.stdout) == DAY


def test_standard_input_is_read_by_its_path():
    code = "import greenkit; print(len(greenkit.load('/dev/stdin')))"
    done = subprocess.run([sys.executable, "-c", code], input=CSV, capture_output=True, check=True)
    assert done.stdout.split() == [b"96"]


def test_endless_device_is_refused():
    with pytest.raises(LimitError, match="/dev/zero: The stream has more than 1,048,576 bytes"):
        read(Path("/dev/zero"), limits=greenkit.sources.Limits(unpacked=1 << 20))


def test_file_whose_name_is_not_utf_8_is_read_and_shown_escaped(tmp_path):
    path = os.fsencode(tmp_path) + b"/usage-\xe9.csv"
    with open(path, "wb") as file:
        file.write(CSV)
    for source in (tmp_path, Path(os.fsdecode(path)), [str(tmp_path / "*.csv")]):
        found = read(source)
        assert total(found) == DAY
        assert found.readings["source"].unique().tolist() == [r"usage-\xe9.csv"]
    assert len(greenkit.load(tmp_path)) == 96


def test_name_with_an_accent_is_shown_as_it_is(tmp_path):
    (tmp_path / "año.csv").write_bytes(CSV)
    assert read(tmp_path).readings["source"].unique().tolist() == ["año.csv"]


@pytest.mark.parametrize("place", ["status", "RT", "esiid"])
def test_lone_surrogate_in_json_is_read_and_shown_escaped(place):
    slots = ",".join(["0.5-" + ("\\ud800" if place == "status" else "A")] * 8 + [""] * 4 + ["0.25-A"] * 88)
    rt = "\\ud800" if place == "RT" else "C"
    meter = "\\ud800" if place == "esiid" else ID
    text = f'{{"esiid": ["{meter}"], "energyData": [{{"DT": "07/06/2025", "RT": "{rt}", "RD": "{slots}"}}]}}'
    found = read(text)
    assert total(found) == 8 * 0.5 + 88 * 0.25
    shown = found.readings.astype(str).to_string()
    assert shown.encode()  # a lone surrogate could not be encoded


def test_surrogate_pairs_in_json_are_kept():
    text = json.dumps(
        {"esiid": [ID], "monthlyData": [{"startdate": "07/01/2025", "enddate": "07/31/2025", "note": "⚡😀"}]}
    )
    assert read(text).bills["note"].tolist() == ["⚡😀"]


# OpenPGP messages that were changed on the way


ARMOR = (
    "-----BEGIN PGP MESSAGE-----\n\nhQEMA0VuY3J5cHRlZA0KMTIzNDU2Nzg5MGFiY2RlZg==\n=abcd\n-----END PGP MESSAGE-----\n"
)


def plain(message):
    """Decrypt like a keyring: the message must arrive as it was written."""
    assert message.read().decode() == ARMOR
    return io.BytesIO(CSV)


def test_armor_is_decrypted_in_any_encoding():
    for data in (ARMOR.encode(), ARMOR.encode("utf-16"), ARMOR.encode("utf-16-le")):
        assert total(read(data, pgp=plain)) == DAY


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("=", "=3D"),  # quoted-printable
        lambda text: text.replace("-----\n\n", "-----\n"),  # without the blank line
        lambda text: text.replace("\n\n", "\nnot a header\n\n"),
    ],
)
def test_armor_that_was_changed_is_named(change):
    with pytest.raises(DamagedMessage, match=r"ASCII armor .* was changed.* Download the file again in binary mode"):
        read(change(ARMOR), pgp=plain)


def test_armor_with_headers_is_not_changed():
    text = ARMOR.replace("-----\n\n", "-----\nVersion: GnuPG v2\nComment: x\n\n", 1)
    assert total(read(text, pgp=lambda message: io.BytesIO(CSV))) == DAY


# Refusals quote no values


PREAMBLE = "Name,PAT EXAMPLE\nAddress,12 MAIN ST\nAccount Number,12345\n\nTYPE,DATE,USAGE,UNITS,COST,NOTES\nElectric,2025-07-01,1,kWh,$1,\n"


@pytest.mark.parametrize(
    "text",
    [
        PREAMBLE,
        "PAT EXAMPLE\n12 MAIN ST\n\nTYPE;DATE;USAGE\nElectric;2025-07-01;1\n",
        "Customer: PAT EXAMPLE\nTYPE\tDATE\tUSAGE\nElectric\t2025-07-01\t1\n",
        "PAT,EXAMPLE,12 MAIN ST\n1,2,3\n",
    ],
)
@pytest.mark.parametrize("load", [greenkit.load, greenkit.load_smt, greenkit.load_espi])
def test_refusal_quotes_no_name_and_no_value(load, text):
    with pytest.raises(FormatError) as caught:
        load(text.encode())
    assert not any(word in str(caught.value) for word in ("PAT", "EXAMPLE", "MAIN", "12345"))


def test_refusal_names_the_columns_of_the_table():
    with pytest.raises(FormatError, match="among TYPE, DATE, USAGE, UNITS, COST, NOTES"):
        greenkit.load_smt(PREAMBLE.encode())


@pytest.mark.parametrize("column", range(8))
def test_unreadable_row_quotes_no_word(column):
    row = csv_rows()[0].split(",")
    row[column] = "PAT EXAMPLE"
    found = read(csv(csv_rows()[1:], [",".join(row)]))
    assert not any("PAT" in finding.message or "PAT" in finding.evidence_text() for finding in found.findings)


@pytest.mark.parametrize("name", ["a.xml", "a.csv", "a.json", "a.lse"])
@pytest.mark.parametrize(
    ("text", "what"), [(b"", "empty"), (bytes(5000), "only zero bytes"), (b" \n", "empty|only white space")]
)
def test_empty_file_is_named_as_empty(tmp_path, name, text, what):
    (tmp_path / name).write_bytes(text)
    for load in (greenkit.load, greenkit.load_smt, greenkit.load_espi):
        with pytest.raises(FormatError, match=rf"{name}: The file (is|contains) ({what})"):
            load(tmp_path / name)
