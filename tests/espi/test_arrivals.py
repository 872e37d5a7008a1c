"""Green Button files as utilities really deliver them: one group of documents for each kind of fault."""

import bz2
import email.message
import gzip
import io
import itertools
import lzma
import os
import tarfile
import threading
import warnings
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from build import (
    CENTRAL,
    EASTERN,
    PACIFIC,
    block,
    blocks,
    entry,
    feed,
    hourly,
    local_time,
    meter_reading,
    reading,
    reading_type,
    resource,
    usage_point,
    utc,
    whole,
)

from greenkit import load, load_espi, samples
from greenkit.errors import FormatError, OtherFormat
from greenkit.findings import GreenkitWarning

TRIALS = Path(__file__).parents[3] / "shared" / "trials" / "green-button"
START = utc("2024-01-05 06:00")


def trial(name):
    path = TRIALS / name
    if not path.exists():
        pytest.skip("no ../shared/trials beside the checkout")
    return path


def names(found):
    return set(found.findings.names)


def seconds(df):
    return (df["end"] - df["start"]).dt.total_seconds().tolist()


def starts(df, zone="UTC"):
    return df["start"].dt.tz_convert(zone).dt.strftime("%m-%d %H:%M").tolist()


# Usage that is declared as a register


@pytest.mark.parametrize(
    ("step", "values", "members", "unit", "want"),
    [
        (60, [29, 31, 0, 14, 12, 40], {}, "kWh", [0.029, 0.031, 0, 0.014, 0.012, 0.04]),
        (3600, [5, 3, 4, 1], {"uom": 169, "commodity": 7}, "therm", [5, 3, 4, 1]),
        (900, [7, 2, 9, 1, 8], {"uom": 42, "powerOfTenMultiplier": -2}, "m3", [0.07, 0.02, 0.09, 0.01, 0.08]),
        (86400, [99_990, 3, 7, 2, 5, 1], {"powerOfTenMultiplier": 3}, "kWh", [99_990, 3, 7, 2, 5, 1]),
    ],
    ids=["minutes", "gas", "cubic metres", "days with one rollover"],
)
@pytest.mark.parametrize("behaviour", [1, 3])
def test_register_that_falls_is_usage(opened, step, values, members, unit, want, behaviour):
    readings = "".join(reading(START + step * n, v, 0) for n, v in enumerate(values))
    found = opened(whole(block(readings), accumulationBehaviour=behaviour, intervalLength=step, **members))
    df = found.readings
    assert df["value"].tolist() == want
    assert set(df["unit"]) == {unit}
    assert seconds(df) == [step] * len(values)
    assert found.registers.empty
    assert found.findings.named("espi.register.not-a-dial")[0].evidence["count"] == len(values)


@pytest.mark.parametrize(
    "values",
    [[10, 12, 12, 15], [99_998, 99_999, 3, 7], [500, 510, 2, 9, 11]],
    ids=["grows", "rolls over", "meter exchanged once"],
)
def test_register_that_grows_or_rolls_over_stays_a_register(opened, values):
    readings = "".join(reading(START + 3600 * n, v, 0) for n, v in enumerate(values))
    found = opened(whole(block(readings), accumulationBehaviour=1))
    assert found.readings.empty
    assert found.registers["value"].tolist() == [v / 1000 for v in values]


def test_register_that_falls_sums_to_the_bill_of_the_trial(opened):
    df = opened(trial("dial-falls-duration-0.xml")).readings
    assert df["value"].round(3).tolist()[:6] == [0.029, 0.031, 0, 0.014, 0.012, 0.04]
    assert set(seconds(df)) == {60}


# Durations that starts and intervalLength contradict


@pytest.mark.parametrize(
    ("length", "duration", "count", "members", "factor"),
    [
        (3600, 86400, 24, {}, 0.001),
        (900, 3600, 8, {}, 0.001),
        (3600, 60, 6, {"uom": 42}, 1),
        (900, 86400, 96, {"uom": 38}, 0.001),
    ],
    ids=["hours that last a day", "quarters that last an hour", "gas hours of a minute", "demand that lasts a day"],
)
@pytest.mark.parametrize("newest_first", [False, True])
def test_durations_against_starts_and_interval_length_are_corrected(
    opened, length, duration, count, members, factor, newest_first
):
    readings = [reading(START + length * n, n + 1, duration) for n in range(count)]
    content = block("".join(readings[::-1] if newest_first else readings))
    found = opened(whole(content, intervalLength=length, **members))
    assert seconds(found.readings) == [length] * count
    assert found.readings["value"].sum() == pytest.approx(count * (count + 1) / 2 * factor)
    (finding,) = found.findings.named("espi.time.wrong-duration")
    assert (finding.severity, finding.evidence["count"]) == ("warning", count)
    assert "espi.reading.overlapping" not in names(found)


@pytest.mark.parametrize(
    ("length", "step", "duration", "members"),
    [
        (86400, 3600, 86400, {}),  # the type agrees with the durations
        (3600, 86400, 86400, {}),  # the starts agree with the durations
        (3600, 3600, 900, {"uom": 38}),  # a demand of 15 minutes, once an hour
        (3600, 1800, 86400, {}),  # nothing agrees
    ],
)
def test_durations_without_proof_are_kept(opened, length, step, duration, members):
    readings = "".join(reading(START + step * n, 5, duration) for n in range(12))
    found = opened(whole(block(readings), intervalLength=length, **members))
    assert seconds(found.readings) == [duration] * 12
    assert "espi.time.wrong-duration" not in names(found)


def test_hours_that_last_a_day_in_the_trial(opened):
    df = opened(trial("08-enwin-hours-said-to-last-a-day.xml")).readings
    assert set(seconds(df)) == {3600}
    assert df["value"].tolist() == [(1000 + n) / 1000 for n in range(len(df))]


# Readings outside of a block


def alone(start, value, duration=3600):
    return reading(start, value, duration).replace(
        "<IntervalReading>", '<IntervalReading xmlns="http://naesb.org/espi">'
    )


TYPE = entry(resource("ReadingType", {"powerOfTenMultiplier": 0, "uom": 72}))


@pytest.mark.parametrize(
    "entries",
    [
        [TYPE, *(entry(alone(START + 3600 * n, 1000 + n)) for n in range(6))],
        [*(entry(alone(START + 3600 * n, 1000 + n)) for n in range(6)), TYPE],
        [TYPE, entry("<x>" + "".join(alone(START + 3600 * n, 1000 + n) for n in range(6)) + "</x>")],
        [TYPE, "".join(alone(START + 3600 * n, 1000 + n) for n in range(6))],
    ],
    ids=["entries", "type last", "wrapper", "in the feed"],
)
def test_reading_without_block_is_read_by_its_own_time(opened, entries):
    found = opened(feed(*entries), tz="America/Chicago")
    assert found.readings["value"].tolist() == [(1000 + n) / 1000 for n in range(6)]
    assert starts(found.readings)[::5] == ["01-05 06:00", "01-05 11:00"]
    (finding,) = found.findings.named("espi.reading.without-block")
    assert (finding.severity, finding.evidence["count"]) == ("info", 6)


def test_reading_without_block_and_without_time_is_reported(opened):
    bare = '<IntervalReading xmlns="http://naesb.org/espi"><value>5</value></IntervalReading>'
    found = opened(feed(TYPE, entry(bare)), tz="UTC")
    assert found.readings.empty
    assert [f.severity for f in found.findings.named("espi.time.none")] == ["serious"]


def test_reading_in_a_block_is_not_without_one(opened):
    assert "espi.reading.without-block" not in names(opened(whole(block(hourly(START, [1])))))


def test_readings_without_block_of_the_trial(opened):
    df = opened(trial("10-readings-without-block.xml"), tz="UTC").readings
    assert df["value"].tolist() == [(1000 + n) / 1000 for n in range(len(df))]
    assert df["value"].sum() == pytest.approx(sum(1000 + n for n in range(24)) / 1000)


# Pages, stray text, and web pages beside the feed


def page(*links):
    extra = "".join(f'<link rel="{rel}" href="{target}"/>' for rel, target in links)
    return whole(block(hourly(START, [1]))).replace(b"<title></title>", b"<title></title>" + extra.encode())


@pytest.mark.parametrize(
    "link", [("next", "Batch?page=2"), ("NEXT", "/x/Batch?page=2"), ("next", "https://u.example/2")]
)
def test_page_with_a_next_page_is_reported(opened, link):
    (finding,) = opened(page(link)).findings.named("espi.feed.more-pages")
    assert (finding.severity, finding.evidence["file"]) == ("serious", "bytes")


@pytest.mark.parametrize("links", [[("self", "Batch")], [("previous", "Batch")], [("related", "next")]])
def test_only_page_is_not_reported(opened, links):
    assert "espi.feed.more-pages" not in names(opened(page(*links)))


def test_pages_loaded_together_are_complete(opened):
    first, second = page(("next", "https://u.example/Batch?page=2")), page(("self", "/Batch?page=2"))
    assert "espi.feed.more-pages" not in names(opened([first, second]))


@pytest.mark.parametrize("stray", [b"\\n", b"?>\\n", "é\n".encode(), b"junk "])
def test_text_before_the_root_is_reported_and_not_quoted(opened, stray):
    data = whole(block(hourly(START, [7]))).partition(b"\n")[2]
    found = opened(stray + data)
    assert found.readings["value"].tolist() == [0.007]
    (finding,) = found.findings.named("espi.xml.stray-text")
    assert stray.decode().strip() not in finding.message


@pytest.mark.parametrize("clean", [b"", b"\xef\xbb\xbf", b"\r\n  ", b"<!-- x -->\n", b"<?xml version='1.0'?>\n<?x y?>"])
def test_markup_before_the_root_is_not_stray(opened, clean):
    assert "espi.xml.stray-text" not in names(opened(clean + whole(block(hourly(START, [7]))).partition(b"\n")[2]))


def archive(path, **members):
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name.replace("__", "."), data)
    return path


def tarred(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return out.getvalue()


def mail(*attachments):
    message = email.message.EmailMessage()
    message["From"], message["Subject"] = "noreply@example.com", "Your usage"
    message.set_content("Attached.")
    for name, data in attachments:
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return bytes(message)


PAGE = b"<html><body>Your usage</body></html>"


@pytest.mark.parametrize("page", [PAGE, b"<!DOCTYPE html>\n" + PAGE, b"<!-- saved -->" + PAGE])
def test_web_page_beside_the_feed_in_an_archive_causes_no_warning(opened, tmp_path, page):
    feed_ = whole(block(hourly(START, [7])))
    found = opened(archive(tmp_path / "a.zip", usage__xml=feed_, usage__html=page))
    assert [f.severity for f in found.findings.named("espi.file.passed-over")] == ["info"]
    assert found.readings["value"].tolist() == [0.007]


def test_web_page_of_another_archive_is_a_warning(opened, tmp_path):
    archive(tmp_path / "a.zip", usage__xml=whole(block(hourly(START, [7]))))
    archive(tmp_path / "b.zip", usage__html=PAGE, usage__txt=b"x")
    found = opened(tmp_path)
    assert {f.severity for f in found.findings.named("espi.file.passed-over")} == {"warning"}


# Damaged files among others


GOOD = whole(block(hourly(START, [1250, 1250, 1250, 500])))  # 3 * 1.25 + 0.5 kWh
GAS = whole(block(hourly(START, [3, 4])), service=1, uom=169, commodity=7).replace(b"UsagePoint/1", b"UsagePoint/8")
BROKEN = {
    "truncated": ("b.xml", GOOD[:-60]),
    "damaged": ("b.xml", GOOD.replace(b"</IntervalBlock>", b"</intervalblock>")),
    "not a time": ("b.xml", GOOD.replace(str(START).encode(), b"9" * 15)),
    "gzip": ("b.xml.gz", gzip.compress(GAS)[:-9]),
    "zip": ("b.zip", b"PK\x03\x04" + bytes(60)),
    "encoding": ("b.xml", GOOD.replace(b'"UTF-8"', b'"rot13"')),
}


@pytest.mark.parametrize("what", BROKEN)
def test_damaged_file_is_an_error_or_collected(opened, tmp_path, what):
    name, data = BROKEN[what]
    for each, content in (("a.xml", GOOD), (name, data), ("c.xml", GAS), ("notes.md", b"# Notes")):
        (tmp_path / each).write_bytes(content)
    with pytest.raises(FormatError):
        opened(tmp_path)
    found = opened(tmp_path, errors="collect", tz="America/New_York")
    assert found.readings.groupby("unit", observed=True)["value"].sum().to_dict() == {
        "kWh": 3 * 1.25 + 0.5,
        "therm": 3 + 4,
    }
    (damaged,) = found.findings.named("espi.file.damaged")
    assert (damaged.severity, [Path(n).name.split(".")[0] for n in damaged.evidence["files"]]) == ("serious", ["b"])
    (skipped,) = found.findings.named("espi.file.passed-over")
    assert [Path(n).name for n in skipped.evidence["files"]] == ["notes.md"]
    for load_ in (load_espi, load):
        with pytest.warns(GreenkitWarning) as caught:
            df = load_(tmp_path, errors="collect", tz="America/New_York")
        assert df["value"].sum() == 3 * 1.25 + 0.5 + 3 + 4
        # one for the serious finding, and one for the file of another kind
        assert [str(w.message).rpartition("[")[2].partition("]")[0] for w in caught] == [
            "espi.file.damaged",
            "espi.file.passed-over",
        ]


def test_damaged_member_of_an_archive_is_collected(opened, tmp_path):
    path = archive(tmp_path / "a.zip", good__xml=GOOD, bad__xml=GOOD[:500], gas__xml=GAS)
    found = opened(path, errors="collect")
    assert found.readings["value"].sum() == 3 * 1.25 + 0.5 + 3 + 4
    assert [n.rpartition("!")[2] for n in found.findings.named("espi.file.damaged")[0].evidence["files"]] == ["bad.xml"]


def test_two_exports_count_once_beside_a_damaged_one(opened):
    found = opened([GOOD, GOOD, GOOD[:-60]], errors="collect")
    assert found.readings["value"].sum() == 3 * 1.25 + 0.5


def test_only_damaged_feeds_are_an_error_that_names_each(tmp_path):
    for name, data in (("x.xml", GOOD[:-60]), ("y.zip", BROKEN["zip"][1]), ("z.txt", b"hello")):
        (tmp_path / name).write_bytes(data)
    for load_ in (load_espi, load):
        with pytest.raises(OtherFormat, match=r"(?s)y\.zip: .*damaged") as caught:
            load_(tmp_path, errors="collect")
        assert "x.xml: " in caught.value.problem
        assert "z.txt: " in caught.value.problem


def test_errors_of_a_feed_is_checked():
    with pytest.raises(ValueError, match="errors is 'ignore'"):
        load_espi(GOOD, errors="ignore")


@pytest.mark.parametrize(
    "data",
    [
        *(pytest.param(pack(GOOD), id=pack.__module__) for pack in (gzip.compress, bz2.compress, lzma.compress)),
        pytest.param(gzip.compress(tarred(("x/a.xml", GOOD), ("x/notes.md", b"# Notes"))), id="tar.gz"),
        pytest.param(tarred(("a.xml.xz", lzma.compress(GOOD))), id="xz in tar"),
        pytest.param(mail(("GreenButton.xml", GOOD)), id="eml"),
        pytest.param(b"From a@example.com x\n" + mail(("a.xml", GOOD), ("logo.png", b"\x89PNG\r\n")), id="mbox"),
    ],
)
def test_packed_feed_is_read(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GreenkitWarning)  # of the files beside the feed
        for load_ in (load_espi, load):
            assert load_(data)["value"].sum() == 3 * 1.25 + 0.5


def test_feed_from_a_pipe_is_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(GOOD,))
    writer.start()
    assert load_espi(pipe)["value"].sum() == 3 * 1.25 + 0.5
    writer.join()


def test_web_page_in_the_archive_of_the_trial_causes_no_warning(opened):
    found = opened(trial("03-smarthub-zip-with-html.zip"))
    assert [f.severity for f in found.findings.named("espi.file.passed-over")] == ["info"]
    sums = found.readings.groupby("flow", observed=True)["value"].sum().to_dict()
    assert sums == {"delivered": 50 + 23, "net": 50 + 23 - 40.5, "received": 40.5}
    assert found.findings.worst.name == "espi.value.sign-corrected"


def test_first_page_of_the_trial_is_reported(opened):
    found = opened(trial("../smart-meter-texas/feed-page-1-of-2.xml"))
    assert [f.severity for f in found.findings.named("espi.feed.more-pages")] == ["serious"]
    assert len(found.readings) == 14 * 96 + 4 - 12 == 1336  # the fall-back day has four more, and twelve are missing


@pytest.mark.parametrize("codec", ["rot13", "hex", "base64", "zlib", "punycode", "undefined"])
@pytest.mark.parametrize("load_", [load, load_espi])
def test_codecs_of_the_trials_are_refused(codec, load_):
    with pytest.raises(FormatError, match=f"declares the encoding '{codec}'"):
        load_(trial(f"../fuzz/codec-{codec}.xml"))


# Encodings and numbers that only Python knows


@pytest.mark.parametrize("codec", ["rot13", "hex", "base64", "zlib", "punycode", "undefined", "bz2", "unicode_escape"])
def test_encoding_that_is_not_of_text_is_refused(opened, codec):
    data = whole(block(hourly(START, [7]))).replace(b'encoding="UTF-8"', f'encoding="{codec}"'.encode())
    with pytest.raises(FormatError, match=f"declares the encoding '{codec}'"):
        opened(data)


@pytest.mark.parametrize("codec", ["ISO-8859-15", "windows-1252", "us-ascii", "no-such-encoding", "UTF-16"])
def test_encoding_of_text_is_read(opened, codec):
    data = whole(block(hourly(START, [7]))).replace(b'encoding="UTF-8"', f'encoding="{codec}"'.encode())
    assert opened(data).readings["value"].tolist() == [0.007]


@pytest.mark.parametrize("text", ["1_000", "１２", "1_0.5"])
def test_number_that_only_python_knows_is_empty(opened, text):
    found = opened(whole(block(hourly(START, [text, 7], cost=text))))
    assert found.readings["value"].isna().tolist() == [True, False]
    counts = {f.evidence["member"]: f.evidence["count"] for f in found.findings.named("espi.value.not-a-number")}
    assert counts == {"value": 1, "cost": 2}


def test_time_or_code_that_only_python_knows_is_empty(opened):
    odd = reading("1_704_434_400", 5, 3600, tou="1_0")
    found = opened(whole(block(odd + reading(START, 7), START - 3600, 7200)))
    members = {f.evidence["member"] for f in found.findings.named("espi.value.not-a-number")}
    assert members == {"start", "tou"}


def test_many_unknown_names_make_few_findings(opened):
    odd = "".join(f'<X{n} xmlns="http://naesb.org/espi">1</X{n}>' for n in range(2000))
    found = opened(whole(block(hourly(START, [7])), more=entry(odd)))
    unknown = found.findings.named("espi.resource.unknown")
    assert len(unknown) == 21
    assert sum(f.evidence["count"] for f in unknown) == 2000


def test_file_of_zeros_is_named(opened):
    with pytest.raises(OtherFormat, match="only zero bytes"):
        opened(bytes(5000))


# One warning for one problem


def local_days(first, count, **type_members):
    """Days of local time stored as UTC: each block begins at 00:00 UTC."""
    return [block(hourly(utc(first) + 86400 * d, [1] * 24), utc(first) + 86400 * d, 86400) for d in range(count)]


@pytest.mark.parametrize("local", [EASTERN | {"tzOffset": 0}, None, EASTERN | {"tzOffset": 12345}])
def test_local_time_without_a_zone_warns_once(local):
    with pytest.warns(GreenkitWarning) as caught:
        df = load_espi(whole(*local_days("2024-07-05 00:00", 4), local=local))
    assert [str(w.message).rpartition("[")[2] for w in caught] == ["espi.time.local-as-utc]"]
    assert "tz=" in str(caught[0].message)
    assert len(df) == 96


def test_local_as_utc_sample_of_the_readme_warns_once():
    with pytest.warns(GreenkitWarning) as caught:
        load_espi(samples.path("espi-local-as-utc"))
    assert [str(w.message).rpartition("[")[2] for w in caught] == ["espi.time.local-as-utc]"]


def test_unknown_zone_alone_still_warns():
    days = [block(hourly(utc("2024-07-05 05:00"), [1] * 24), utc("2024-07-05 05:00"), 86400)]
    with pytest.warns(GreenkitWarning, match=r"espi\.time\.no-zone"):
        load_espi(whole(*days, local=None))


# The clock, whatever the order of the blocks


def stored(first, days, hours=24, *, newest_first=False):
    """Blocks of a day each, whose first reading begins at the given stored time; the days have equal steps."""
    out = []
    for d in range(days):
        texts = [reading(utc(first) + 86400 * d + 3600 * n, 5) for n in range(hours)]
        out.append(block("".join(texts[::-1] if newest_first else texts)))
    return out[::-1] if newest_first else out


def clock_finding(found):
    kinds = ("espi.time.local-as-utc", "espi.time.standard-as-utc", "espi.time.other-zone")
    return [f.name.rpartition(".")[2] for name in kinds for f in found.findings.named(name)]


@pytest.mark.parametrize(
    ("first", "local", "want"),
    [
        ("2024-07-05 04:00", EASTERN, []),
        ("2024-01-05 08:00", PACIFIC, []),
        ("2024-07-05 00:00", EASTERN, ["local-as-utc"]),
        ("2024-07-05 23:00", CENTRAL, ["standard-as-utc"]),
        ("2024-01-05 05:00", PACIFIC, ["other-zone"]),
    ],
)
def test_newest_first_does_not_matter_to_the_clock(opened, first, local, want):
    for newest_first in (False, True):
        assert clock_finding(opened(whole(*stored(first, 4, newest_first=newest_first), local=local))) == want


@pytest.mark.parametrize(("month", "zone", "local"), [(7, "America/Chicago", CENTRAL), (9, "America/New_York", EASTERN), (5, "America/Los_Angeles", PACIFIC)])  # fmt: skip
def test_standard_time_in_blocks_that_start_at_its_midnight(opened, month, zone, local):
    # local days of summer begin at 23:00 standard time; the blocks are cut at 00:00 of what is stored
    first = utc(f"2024-{month:02}-10 23:00")
    times = [first + 3600 * n for n in range(24 * 4)]
    cuts = [times[:1], *(times[n : n + 24] for n in range(1, len(times), 24))]
    found = opened(whole(*[block("".join(reading(t, 5) for t in cut)) for cut in cuts], local=local))
    (finding,) = found.findings.named("espi.time.standard-as-utc")
    assert finding.what_to_do == "Load the file again with epoch='standard'."
    right = opened(whole(*[block("".join(reading(t, 5) for t in cut)) for cut in cuts], local=local), epoch="standard")
    assert right.readings["start"].dt.tz_convert(zone).iloc[0].hour == 0
    assert right.readings["end"].dt.tz_convert(zone).iloc[-1].hour == 0


@pytest.mark.parametrize(("first", "local"), [("2024-07-05 04:00", EASTERN), ("2024-01-05 08:00", PACIFIC)])
def test_correct_times_in_blocks_that_start_at_midnight_utc_are_kept(opened, first, local):
    times = [utc(first) + 3600 * n for n in range(24 * 3)]
    cut = utc(first[:10] + " 00:00") + 86400
    parts = [[t for t in times if t < cut], *([t for t in times if cut + 86400 * n <= t < cut + 86400 * (n + 1)] for n in range(3))]  # fmt: skip
    found = opened(whole(*[block("".join(reading(t, 5) for t in p)) for p in parts if p], local=local))
    assert clock_finding(found) == []


@pytest.mark.parametrize("days", [1, 3])
@pytest.mark.parametrize(
    ("first", "members", "local", "other"),
    [
        ("2012-02-05 05:00", {}, PACIFIC, "America/New_York"),
        ("2012-07-05 04:00", {}, PACIFIC, "America/New_York"),
        ("2012-01-20 06:00", {"uom": 42, "commodity": 7}, PACIFIC, "America/Chicago"),
        ("2012-07-05 06:00", {"intervalLength": 900}, CENTRAL, "America/Denver"),
    ],
)
def test_one_block_in_the_days_of_another_zone_is_reported(opened, first, members, local, other, days):
    step = members.get("intervalLength", 3600)
    content = block(hourly(utc(first), [5] * (86400 // step) * days, step))
    found = opened(whole(content, local=local, **members))
    (finding,) = found.findings.named("espi.time.other-zone")
    assert finding.evidence["other"] == other
    # in that zone, days begin at midnight
    right = opened(whole(content, local=local, **members), tz=other).readings
    assert right["start"].dt.strftime("%H:%M").iloc[0] == right["end"].dt.strftime("%H:%M").iloc[-1] == "00:00"
    assert right["value"].sum() == pytest.approx(days * (86400 // step) * 5 / (1 if "uom" in members else 1000))
    part = block(hourly(utc("2012-02-05 05:00"), [5] * 17))  # a part of a day shows nothing
    assert clock_finding(opened(whole(part, local=PACIFIC))) == []


def test_clock_of_the_trials(opened):
    assert clock_finding(opened(trial("40-newest-first-local-as-utc.xml"))) == ["local-as-utc"]
    assert clock_finding(opened(trial("standard-as-utc-blocks-at-label-midnight.xml"))) == ["standard-as-utc"]
    assert clock_finding(opened(trial("04-utilityapi-series-per-bill.xml"))) == []


# The repeated hour of a fall-back day on one epoch


def fall_back(change, step, on, *, newest_first=False):
    """Readings from six hours before a change (UTC, the end of daylight time) to six after it.

    ``on`` is the hour whose times both repeated hours have: -1 the daylight hour, 0 the standard hour.
    """
    per = 3600 // step
    times = [change + step * n for n in range(-6 * per, 6 * per)]
    kept = [t if not change - 3600 <= t < change + 3600 else change + 3600 * on + (t - change) % 3600 for t in times]
    texts = [reading(t, n + 1, step) for n, t in enumerate(kept)]
    return times, block("".join(texts[::-1] if newest_first else texts))


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("on", [-1, 0])
@pytest.mark.parametrize(
    ("change", "step", "local"),
    [("2024-11-03 06:00", 3600, EASTERN), ("2023-11-05 07:00", 900, CENTRAL), ("2022-11-06 09:00", 1800, PACIFIC)],
)
def test_repeated_hour_on_one_epoch_is_split(opened, change, step, local, on, newest_first):
    times, content = fall_back(utc(change), step, on, newest_first=newest_first)
    found = opened(whole(content, local=local, intervalLength=step))
    df = found.readings
    assert (
        df["start"].dt.tz_convert("UTC").astype("int64") // 10 ** (6 if df["start"].dt.unit == "us" else 9)
    ).tolist() == times
    # nothing is lost, and the first of each pair is the earlier one
    assert df["value"].tolist() == [(n + 1) / 1000 for n in range(len(times))]
    (finding,) = found.findings.named("espi.time.repeated-hour")
    assert finding.evidence["count"] == 2 * 3600 // step
    assert "espi.reading.conflicting" not in names(found)


def test_two_values_of_one_hour_without_a_gap_conflict(opened):
    change = utc("2024-11-03 06:00")
    times = [change + 3600 * n for n in (-3, -2, -1, 0, 0, 1, 2)]  # both repeated hours are there
    found = opened(whole(block("".join(reading(t, n) for n, t in enumerate(times)))))
    assert "espi.reading.conflicting" in names(found)
    assert "espi.time.repeated-hour" not in names(found)


def test_two_values_of_an_hour_of_another_day_conflict(opened):
    change = utc("2024-11-04 06:00")
    times = [change + 3600 * n for n in (-3, -2, 0, 0, 1, 2)]
    found = opened(whole(block("".join(reading(t, n) for n, t in enumerate(times)))))
    assert "espi.reading.conflicting" in names(found)
    assert "espi.time.repeated-hour" not in names(found)


def test_repeated_hour_of_the_trial(opened):
    found = opened(trial("18-fall-back-hour-twice-one-epoch.xml"))
    df = found.readings
    assert df["start"].is_unique
    assert len(df) == 24 + 25  # no hour is lost
    assert "espi.time.repeated-hour" in names(found)
    assert set(df["start"].diff().dropna()) == {pd.Timedelta("1h")}


# Local time with durations in true seconds


def bills(dates, zone, *, true):
    """One reading for each period between local dates, as local time stored as UTC."""
    out = []
    for first, end in itertools.pairwise(dates):
        label = (pd.Timestamp(end) - pd.Timestamp(first)).total_seconds()
        real = (pd.Timestamp(end, tz=zone) - pd.Timestamp(first, tz=zone)).total_seconds()
        out.append(block(reading(utc(first), 40, int(real if true else label))))
    return out


PERIODS = [
    (
        ["2021-09-29", "2021-10-26", "2021-11-25", "2021-12-28"],
        "America/New_York",
        EASTERN,
        {"uom": 169, "commodity": 7},
    ),
    (["2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01"], "America/Chicago", CENTRAL, {}),
    (["2024-03-08", "2024-03-09", "2024-03-10", "2024-03-11", "2024-03-12"], "America/Los_Angeles", PACIFIC, {}),
    (["2023-11-04", "2023-11-05", "2023-11-06"], "America/Denver", EASTERN | {"tzOffset": -25200}, {"uom": 42}),
]


@pytest.mark.parametrize("true", [True, False])
@pytest.mark.parametrize(("dates", "zone", "local", "members"), PERIODS)
def test_local_periods_end_where_the_next_begins(opened, dates, zone, local, members, true):
    found = opened(whole(*bills(dates, zone, true=true), local=local, **members), epoch="local")
    df = found.readings
    assert df["start"].tolist() == [pd.Timestamp(d, tz=zone) for d in dates[:-1]]
    assert df["end"].tolist() == [pd.Timestamp(d, tz=zone) for d in dates[1:]]
    assert not found.findings.named("espi.reading.overlapping")


def test_local_periods_of_the_trial(opened):
    found = opened(trial("elapsed-durations-local-as-utc.xml"), epoch="local")
    df = found.readings
    assert (df["value"].sum(), set(df["unit"])) == (881, {"therm"})
    assert df["start"].dt.strftime("%H:%M").tolist() == df["end"].dt.strftime("%H:%M").tolist() == ["00:00"] * 6
    assert "espi.reading.overlapping" not in names(found)
    assert df["end"].tolist()[:-1] == df["start"].tolist()[1:]


# Entries that share a self link


def shared_link(first, second, values):
    """Two meter readings that both name one reading type link, under which the feed has two types."""
    parts = [usage_point(related=("UsagePoint/1/MeterReading",))]
    for n in (1, 2):
        parts.append(
            meter_reading(
                f"UsagePoint/1/MeterReading/{n}", (f"UsagePoint/1/MeterReading/{n}/IntervalBlock", "ReadingType/3")
            )
        )
    parts += [reading_type(**first), reading_type(**second)]
    for n, held in enumerate(values, start=1):
        parts.append(blocks(block(hourly(START, held)), up=f"UsagePoint/1/MeterReading/{n}/IntervalBlock"))
    return feed(*parts, local_time())


@pytest.mark.parametrize(
    ("first", "second", "want"),
    [
        ({"flowDirection": 19}, {"uom": 38}, {("received", "kWh"): 0.3, ("delivered", "kW"): 0.7}),
        ({}, {"flowDirection": 19}, {("delivered", "kWh"): 0.3, ("received", "kWh"): 0.7}),
        ({"uom": 169, "commodity": 7}, {"uom": 42}, {("delivered", "therm"): 300, ("delivered", "m3"): 700}),
    ],
)
def test_two_types_under_one_link_are_joined_in_order_and_reported(opened, first, second, want):
    found = opened(shared_link(first, second, ([100, 200], [300, 400])))
    sums = found.readings.groupby(["flow", "unit"], observed=True)["value"].sum()
    assert sums.round(9).to_dict() == want
    (finding,) = found.findings.named("espi.link.same-self")
    assert (finding.severity, finding.evidence) == ("serious", {"of": "ReadingType", "count": 1})


def shared_types(lengths, types, *, title="", swapped=False):
    """Two meter readings that name one type link: the blocks have the given durations, and the types are in any order."""
    parts = [usage_point(related=("UsagePoint/1/MeterReading",))]
    for n, length in enumerate(lengths, start=1):
        up = f"UsagePoint/1/MeterReading/{n}"
        parts.append(
            entry(resource("MeterReading"), up, related=(f"{up}/IntervalBlock", "ReadingType/3"), title=title * n)
        )
        parts.append(blocks(block(hourly(START, [100 * n, 200 * n], length)), up=f"{up}/IntervalBlock"))
    written = [
        entry(resource("ReadingType", t), "ReadingType/3", title=title * n) for n, t in enumerate(types, start=1)
    ]
    return feed(*parts, *(written[::-1] if swapped else written), local_time())


ENERGY = {"flowDirection": 1, "intervalLength": 3600, "powerOfTenMultiplier": 0, "uom": 72}
DEMAND = {"flowDirection": 1, "intervalLength": 900, "powerOfTenMultiplier": 0, "uom": 38}
GAS_DAY = {"flowDirection": 1, "intervalLength": 86400, "commodity": 7, "powerOfTenMultiplier": -2, "uom": 169}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    ("lengths", "types", "want"),
    [
        ((3600, 900), (ENERGY, DEMAND), {"kWh": (100 + 200) / 1000, "kW": (200 + 400) / 1000}),
        ((900, 3600), (DEMAND, ENERGY | {"uom": 42}), {"kW": (100 + 200) / 1000, "m3": 200 + 400}),
        ((86400, 3600), (GAS_DAY, ENERGY), {"therm": (100 + 200) / 100, "kWh": (200 + 400) / 1000}),
        ((899, 3600), (DEMAND, ENERGY), {"kW": (100 + 200) / 1000, "kWh": (200 + 400) / 1000}),
    ],
    ids=["energy and demand", "demand and volume", "gas days and hours", "one second short"],
)
def test_two_types_under_one_link_are_joined_by_interval_length_in_any_order(opened, lengths, types, want, swapped):
    found = opened(shared_types(lengths, types, swapped=swapped))
    assert found.readings.groupby("unit", observed=True)["value"].sum().round(9).to_dict() == want
    assert [f.severity for f in found.findings.named("espi.link.same-self")] == ["serious"]
    assert found.findings.named("espi.link.fitting")[0].evidence["count"] == 2
    assert "espi.link.document-order" not in names(found)


@pytest.mark.parametrize("swapped", [False, True])
def test_two_types_of_one_length_are_joined_by_title_in_any_order(opened, swapped):
    received = ENERGY | {"flowDirection": 19}
    parts = [usage_point(related=("UsagePoint/1/MeterReading",))]
    for n, title in ((1, "Delivered"), (2, "Received")):
        up = f"UsagePoint/1/MeterReading/{n}"
        parts.append(entry(resource("MeterReading"), up, related=(f"{up}/IntervalBlock", "ReadingType/3"), title=title))
        parts.append(blocks(block(hourly(START, [1000 * n, 250])), up=f"{up}/IntervalBlock"))
    types = [
        entry(resource("ReadingType", t), "ReadingType/3", title=f"energy {title} (kWh)")
        for t, title in ((ENERGY, "delivered"), (received, "received"))
    ]
    found = opened(feed(*parts, *(types[::-1] if swapped else types), local_time()))
    assert found.readings.groupby("flow", observed=True)["value"].sum().to_dict() == {
        "delivered": 1 + 0.25,
        "received": 2 + 0.25,
    }
    assert "espi.link.fitting" in names(found)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_two_meter_readings_under_one_link_are_joined_by_interval_length(opened, order):
    """Blocks of hours and of quarter-hours, and two meter readings with one self link but different types."""
    mr = "UsagePoint/1/MeterReading/2"
    parts = [
        entry(resource("MeterReading"), mr, related=(f"{mr}/IntervalBlock", "ReadingType/1")),
        entry(resource("MeterReading"), mr, related=(f"{mr}/IntervalBlock", "ReadingType/2")),
        entry(block(hourly(START, [1250, 500])), f"{mr}/IntervalBlock/1", up=f"{mr}/IntervalBlock"),
        entry(block(hourly(START, [5000, 7000], 900)), f"{mr}/IntervalBlock/2", up=f"{mr}/IntervalBlock"),
    ]
    types = [entry(resource("ReadingType", t), f"ReadingType/{n}") for n, t in ((1, ENERGY), (2, DEMAND))]
    found = opened(feed(usage_point(related=(mr,)), *(parts[n] for n in order), *types, local_time()))
    assert found.readings.groupby("unit", observed=True)["value"].sum().to_dict() == {"kWh": 1.25 + 0.5, "kW": 5 + 7}


def test_type_that_was_sent_twice_is_one_type(opened):
    found = opened(shared_link({}, {}, ([100, 200], [300, 400])))
    assert found.readings["value"].sum() == pytest.approx((100 + 200 + 300 + 400) / 1000)
    assert "espi.link.same-self" not in names(found)


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("same-self-two-types.xml", {("received", "kWh"): 0.273 + 0.273 + 0.819, ("delivered", "kW"): 8.3}),
        ("same-self-two-meterreadings.xml", {("delivered", "kWh"): 0.5 + 0.6 + 0.7, ("received", "kWh"): 0.1}),
    ],
)
def test_shared_links_of_the_trials_are_serious(opened, name, want):
    found = opened(trial(name))
    assert [f.severity for f in found.findings.named("espi.link.same-self")] == ["serious"]
    sums = found.readings.groupby(["flow", "unit"], observed=True)["value"].sum().round(9).to_dict()
    assert sums == want


# A path and a link that name different meter readings


def contradictory(content, own, up, *, first=ENERGY, second=DEMAND, up_first=False):
    """A block in the path of one meter reading with a link to another, beside hours of the first one."""
    mrs = [f"UsagePoint/1/MeterReading/{n}" for n in (1, 2)]
    odd = entry(content, f"{mrs[own - 1]}/IntervalBlock/9", up=f"{mrs[up - 1]}/IntervalBlock")
    parts = [
        entry(resource("MeterReading"), mr, related=(f"{mr}/IntervalBlock", f"ReadingType/{n}"))
        for n, mr in enumerate(mrs, 1)
    ]
    parts += [entry(resource("ReadingType", t), f"ReadingType/{n}") for n, t in ((1, first), (2, second))]
    plain = entry(block(hourly(START, [230, 230, 230])), f"{mrs[0]}/IntervalBlock/1", up=f"{mrs[0]}/IntervalBlock")
    return feed(usage_point(related=("UsagePoint/1/MeterReading",)), *parts, *([odd, plain] if up_first else [plain, odd]), local_time())  # fmt: skip


@pytest.mark.parametrize("up_first", [False, True])
@pytest.mark.parametrize(
    ("content", "own", "up", "second", "want"),
    [
        (block(hourly(START, [8300], 900)), 2, 1, DEMAND, {("1", "kWh"): 3 * 0.23, ("2", "kW"): 8.3}),
        (block(hourly(START, [8300, 9000], 900)), 1, 2, DEMAND, {("1", "kWh"): 3 * 0.23, ("2", "kW"): 8.3 + 9}),
        (block(hourly(START + 10800, [500])), 2, 1, DEMAND, {("1", "kWh"): 3 * 0.23 + 0.5}),
        (block(hourly(START, [150, 350], 86400)), 2, 1, GAS_DAY, {("1", "kWh"): 3 * 0.23, ("2", "therm"): 1.5 + 3.5}),
        (block(hourly(START, [70], 82800)), 1, 2, GAS_DAY, {("1", "kWh"): 3 * 0.23, ("2", "therm"): 0.7}),
        (block(hourly(START + 10800, [70], 1800)), 2, 1, GAS_DAY, {("1", "kWh"): 3 * 0.23 + 0.07}),
    ],
    ids=["path fits", "link fits", "link fits hours", "gas days", "short gas day", "nothing fits: the link"],
)
def test_contradictory_path_is_decided_by_the_interval_length(opened, content, own, up, second, want, up_first):
    found = opened(contradictory(content, own, up, second=second, up_first=up_first))
    assert found.readings.groupby(["series", "unit"], observed=True)["value"].sum().to_dict() == pytest.approx(want)
    (finding,) = found.findings.named("espi.link.contradictory")
    fits = ("1", "kWh") not in want or want["1", "kWh"] != 3 * 0.23 + 0.07
    assert (finding.severity, finding.evidence["fitting"]) == (("warning", 1) if fits else ("serious", 0))


def test_contradictory_path_of_two_types_of_one_length_keeps_the_link(opened):
    received = ENERGY | {"flowDirection": 19}
    found = opened(contradictory(block(hourly(START + 10800, [500])), 2, 1, second=received))
    assert found.readings.groupby("flow", observed=True)["value"].sum().round(9).to_dict() == {
        "delivered": 3 * 0.23 + 0.5
    }
    assert found.findings.named("espi.link.contradictory")[0].severity == "serious"


@pytest.mark.parametrize("own", [1, 2])
def test_path_and_link_of_one_meter_reading_are_not_contradictory(opened, own):
    length = 3600 if own == 1 else 900
    found = opened(contradictory(block(hourly(START + 10800, [500], length)), own, own))
    assert "espi.link.contradictory" not in names(found)


def test_path_of_a_meter_reading_that_the_feed_lacks_is_not_contradictory(opened):
    other = block(hourly(START + 10800, [500]))
    data = contradictory(other, 2, 1).replace(b"MeterReading/2/IntervalBlock/9", b"MeterReading/7/IntervalBlock/9")
    found = opened(data)
    assert found.readings["value"].sum() == pytest.approx(3 * 0.23 + 0.5)
    assert "espi.link.contradictory" not in names(found)


def test_contradictory_path_of_the_trial(opened):
    found = opened(trial("up-and-self-disagree.xml"))
    sums = found.readings.groupby(["series", "unit"], observed=True)["value"].sum().to_dict()
    assert sums == pytest.approx({("1", "kWh"): 3 * 0.23, ("2", "kW"): 8.3})


@pytest.mark.parametrize(
    ("length", "durations", "count"),
    [
        (3600, [3600, 900, 3600], 1),
        (900, [900, 900, 1800, 900], 1),
        (86400, [86400, 3600], 1),
        (3600, [3599, 3599], 0),  # a second short
        (86400, [82800, 86400, 90000], 0),  # days when clocks change
        (2678400, [2505600, 2678400], 0),  # months
        (3600, [3600, 3600], 0),
    ],
)
def test_durations_other_than_the_interval_length_are_reported(opened, length, durations, count):
    starts_ = itertools.accumulate(durations[:-1], initial=START)
    found = opened(
        whole(block("".join(reading(s, 5, d) for s, d in zip(starts_, durations, strict=True))), intervalLength=length)
    )
    assert [f.evidence["count"] for f in found.findings.named("espi.time.other-length")] == [count] * bool(count)
    assert [d - d % 60 + 60 * (d % 60 > 0) for d in durations] == seconds(found.readings)


# One bill for each flow


def two_flows(values, used, *, unit=72, power=0, days=31):
    """Hours of two flows, and two bills of one period with these amounts."""
    parts = [usage_point(related=("UsagePoint/1/MeterReading", "LocalTimeParameters/4"))]
    for n, held in enumerate(values, start=1):
        up = f"UsagePoint/1/MeterReading/{n}"
        parts.append(entry(resource("MeterReading"), up, related=(f"{up}/IntervalBlock", f"ReadingType/{n}")))
        flow = {"flowDirection": (1, 19)[n - 1], "intervalLength": 3600, "powerOfTenMultiplier": power, "uom": unit}
        parts.append(entry(resource("ReadingType", flow), f"ReadingType/{n}"))
        parts.append(blocks(block(hourly(START, held)), up=f"{up}/IntervalBlock"))
    for n, amount in enumerate(used, start=1):
        total = {"powerOfTenMultiplier": power, "uom": unit, "value": amount}
        path = f"UsagePoint/1/UsageSummary/{n}"
        parts.append(summary(path, (START, days * 86400), 1000 * n, overallConsumptionLastPeriod=total))
    return feed(*parts, local_time())


@pytest.mark.parametrize(
    ("values", "used", "kw"),
    [
        (([230, 230, 230], [0, 10, 20]), (690, 30), {}),
        (([230, 230, 230], [0, 10, 20]), (30, 690), {}),
        (([5, 7], [1, 2]), (12, 3), {"unit": 42}),
        (([1200, 300], [40, 60]), (1500, 100), {"power": 3, "days": 1}),
    ],
    ids=["Wh", "other order", "gas", "kWh of a day"],
)
def test_bills_of_one_period_are_of_two_flows_if_the_sums_show_it(opened, values, used, kw):
    found = opened(two_flows(values, used, **kw))
    assert {sum(values[0]), sum(values[1])} == set(used)
    (finding,) = found.findings.named("espi.bill.per-flow")
    assert (finding.severity, finding.evidence["count"]) == ("info", 2)
    flows = ["delivered", "received"] if used[0] == sum(values[0]) else ["received", "delivered"]
    assert finding.evidence["flows"] == {"1": flows}
    assert len(found.bills) == 2
    assert not {"espi.bill.same-period", "espi.bill.overlap"} & names(found)


@pytest.mark.parametrize(
    "used",
    [(690, 31), (690, 690), (690, 680), (691, 30)],
    ids=["one does not fit", "both are of one flow", "a corrected bill", "nothing fits"],
)
def test_bills_of_one_period_without_proof_are_one_bill_sent_again(opened, used):
    found = opened(two_flows(([230, 230, 230], [0, 10, 20]), used))
    assert "espi.bill.same-period" in names(found)
    assert "espi.bill.per-flow" not in names(found)


def test_bills_of_two_flows_of_the_trial(opened):
    found = opened(trial("summary-per-flow.xml"))
    assert found.findings.named("espi.bill.per-flow")[0].evidence["flows"] == {"1": ["delivered", "received"]}
    assert found.bills["overall_consumption_last_period"].tolist() == pytest.approx([3 * 0.23, 0.01 + 0.02])
    assert "espi.bill.same-period" not in names(found)


# A path that names another usage point


def summary(path, period=(START, 2678400), amount=4173000, **members):
    duration = {"duration": period[1], "start": period[0]}
    return entry(
        resource("UsageSummary", {"billingPeriod": duration, "billLastPeriod": amount, "currency": 840, **members}),
        path,
    )


@pytest.mark.parametrize("path", ["UsagePoint/3/UsageSummary/1", "RetailCustomer/9/UsagePoint/3/UsageSummary/7"])
@pytest.mark.parametrize("service", [0, 1])
def test_bill_of_another_usage_point_keeps_its_id(opened, path, service):
    found = opened(whole(block(hourly(START, [230] * 3)), more=summary(path), service=service))
    assert found.bills["meter"].tolist() == ["3"]
    assert set(found.readings["meter"]) == {"1"}
    (finding,) = found.findings.named("espi.link.other-usage-point")
    assert (finding.severity, finding.evidence["of"]) == ("warning", "UsageSummary")


@pytest.mark.parametrize("path", ["UsagePoint/1/UsageSummary/1", "UsageSummary/3"])
def test_bill_of_the_only_usage_point_belongs_to_it(opened, path):
    found = opened(whole(block(hourly(START, [230] * 3)), more=summary(path)))
    assert found.bills["meter"].tolist() == ["1"]
    assert "espi.link.other-usage-point" not in names(found)


def test_bill_of_another_point_of_the_trial(opened):
    assert opened(trial("bill-of-another-point.xml")).bills["meter"].tolist() == ["3"]


# Received amounts that are stored as negative numbers


def flows(series, **members):
    """A feed with one meter reading for each (flowDirection, values)."""
    parts = [usage_point(related=("UsagePoint/1/MeterReading",))]
    for n, (flow, values) in enumerate(series):
        up = f"UsagePoint/1/MeterReading/{n}"
        parts.append(meter_reading(up, (f"{up}/IntervalBlock", f"ReadingType/{n}")))
        parts.append(reading_type(f"ReadingType/{n}", flowDirection=flow, **members))
        parts.append(blocks(block(hourly(START, values)), up=f"{up}/IntervalBlock"))
    return feed(*parts, local_time())


@pytest.mark.parametrize(
    ("series", "members", "received"),
    [
        ([(1, [50000, 23000]), (4, [39000, -6500]), (19, [-11000, -29500])], {}, [11, 29.5]),
        ([(19, [-5, 0, -2]), (1, [0, 3, 2]), (4, [-5, 3, 0])], {"uom": 42}, [5, 0, 2]),
        ([(4, [1, -4]), (19, [-3, -4]), (1, [4, 0])], {"powerOfTenMultiplier": 3}, [3, 4]),
    ],
)
def test_received_negative_is_positive_if_the_net_series_proves_it(opened, series, members, received):
    found = opened(flows(series, **members))
    df = found.readings
    assert df[df["flow"] == "received"]["value"].tolist() == received
    net, delivered = (df[df["flow"] == flow]["value"].sum() for flow in ("net", "delivered"))
    assert delivered - sum(received) == pytest.approx(net)
    assert [f.severity for f in found.findings.named("espi.value.sign-corrected")] == ["warning"]
    assert "espi.value.negative" not in names(found)


@pytest.mark.parametrize(
    "series",
    [
        [(1, [50, 23]), (19, [-11, -29])],  # no net series
        [(1, [50, 23]), (4, [40, -6]), (19, [-11, -29])],  # the net series proves nothing
        [(1, [50, 23]), (4, [39, 34]), (19, [-11, 11])],  # both signs
    ],
)
def test_received_negative_without_proof_is_kept(opened, series):
    found = opened(flows(series))
    values = found.readings[found.readings["flow"] == "received"]["value"]
    assert values.tolist() == [v / 1000 for v in dict(series)[19]]
    assert "espi.value.negative" in names(found)


def test_received_negative_of_the_trial(opened):
    df = opened(trial("02-smarthub-received-negative.xml")).readings
    assert df.groupby("flow", observed=True)["value"].sum().to_dict() == {
        "delivered": 73,
        "net": 32.5,
        "received": 40.5,
    }


# Feeds in kWh that hold Wh


def opower(value, cost, title="Opower ESPI Third Party Batch Feed v1", **members):
    texts = "".join(reading(START + 3600 * n, value, cost=cost) for n in range(4))
    return whole(block(texts), title=title, **{"powerOfTenMultiplier": 3, "currency": 840, **members})


@pytest.mark.parametrize(("value", "cost"), [(250, 4000), (1200, 30000), (90, 1800)])
def test_wh_that_are_declared_as_kwh_are_scaled_if_the_price_proves_it(opened, value, cost):
    found = opened(opower(value, cost))
    assert found.readings["value"].tolist() == [value / 1000] * 4
    (finding,) = found.findings.named("espi.quirk.opower-wh-by-price")
    assert finding.severity == "serious"
    assert finding.evidence["corrected"] == pytest.approx(cost * 1e-5 / (value / 1000))
    assert not {"espi.value.unlikely-price", "espi.quirk.opower-wh"} & names(found)


@pytest.mark.parametrize(
    "data",
    [
        opower(250, 4_000_000),  # the price is ordinary as declared
        opower(250, 40),  # the price is absurd either way
        opower(250, 4000, title="Opower"),  # not a feed of this kind
        opower(250, 0),  # no price
    ],
    ids=["ordinary", "absurd", "other feed", "no cost"],
)
def test_kwh_without_proof_stay_kwh(opened, data):
    found = opened(data)
    assert found.readings["value"].tolist() == [250] * 4
    assert "espi.quirk.opower-wh-by-price" not in names(found)


def test_opower_of_the_trial_has_no_price_and_is_reported(opened):
    found = opened(trial("09-opower-milli-kwh.xml"))
    assert found.readings["value"].iloc[:4].tolist() == [120, 121, 122, 123]
    assert [f.severity for f in found.findings.named("espi.quirk.opower-wh")] == ["serious"]
