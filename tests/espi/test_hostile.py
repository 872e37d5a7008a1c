"""Hostile, damaged and foreign input: a clear typed error, never another exception, never much memory or time."""

import gzip
import io
import random
import re
import tracemalloc
import zipfile

import pytest
from build import ATOM, ESPI, block, entry, feed, hourly, reading, resource, usage_point, utc, whole
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mutations import mutant

from greenkit import frame
from greenkit.errors import FormatError, GreenkitError, LimitError
from greenkit.espi import _fast as fast
from greenkit.espi import _parse as parse
from greenkit.espi import load_espi, open_espi
from greenkit.espi._feed import Feed
from greenkit.sources import Limits, Source

START = utc("2024-01-05 05:00")
FEED = whole(block(hourly(START, range(6)), START, 21600), block(hourly(START + 21600, range(3)), START + 21600, 10800))
BODY = FEED.partition(b"\n")[2]

LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (i, b"&l%d;" % (i - 1) * 10) for i in range(1, 10))
DOCTYPES = {
    "plain": b"<!DOCTYPE feed>",
    "entity expansion": b'<!DOCTYPE feed [<!ENTITY l0 "lol">' + LAUGHS + b"]>",
    "external entity": b'<!DOCTYPE feed [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    "parameter entity": b'<!DOCTYPE feed [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>',
    "external subset": b'<!DOCTYPE feed SYSTEM "http://127.0.0.1:9/x.dtd">',
    "lower case": b"<!doctype feed>",
    "behind a comment": b"<!-- - --><?p ?>\n<!DOCTYPE feed>",
    "far behind": b"<!--" + b" long" * 300_000 + b"-->" + b"<!DOCTYPE feed>",
}


def said(data, **kw):
    """Read it, and give the one sentence by which it is refused."""
    with pytest.raises(GreenkitError) as caught:
        open_espi(data, **kw)
    message = str(caught.value)
    assert message.startswith("bytes")
    assert "\n" not in message
    return caught.type, message


@pytest.mark.parametrize("recover", [False, True])
@pytest.mark.parametrize("name", DOCTYPES)
def test_doctype_is_refused_whatever_is_in_it(name, recover):
    body = BODY.replace(b"<title></title>", b"<title>&l9;&x;</title>")
    for data in (
        DOCTYPES[name] + body,
        b'<?xml version="1.0"?>' + DOCTYPES[name] + body,
        b"junk" + DOCTYPES[name] + body,
    ):
        kind, message = said(data, recover=recover)
        assert (kind, "DOCTYPE" in message or "not XML" in message) == (LimitError, True) or "far" in name
    kind, _ = said(
        ('<?xml version="1.0"?>' + DOCTYPES[name].decode() + body.decode()).encode("utf-16"), recover=recover
    )
    assert kind is LimitError or "far" in name


def test_doctype_after_the_root_is_damage():
    kind, message = said(BODY.replace(b"<title>", DOCTYPES["external entity"] + b"<title>"))
    assert kind is FormatError
    assert "line 1" in message


def test_undeclared_entities_are_damage():
    assert "damaged" in said(BODY.replace(b"<title>", b"<title>&x;"))[1]


@pytest.mark.parametrize("tag", ["a", "entry", "feed", "IntervalBlock", "IntervalReading", "UsagePoint", "content"])
@pytest.mark.parametrize("depth", [200, 200_000])
def test_nesting(tag, depth):
    deep = f"<{tag}>".encode() * depth
    heart = BODY.replace(b"<title>", deep + f"</{tag}>".encode() * depth + b"<title>", 1)
    for data in (heart, deep, b'<feed xmlns="%s">' % ATOM.encode() + deep):
        if data is heart and depth == 200:
            open_espi(data)
            continue
        kind, message = said(data)
        assert kind is LimitError if depth > 250 else kind is FormatError
        assert "nested" in message or depth == 200


def test_one_text_of_twenty_megabytes():
    assert said(BODY.replace(b"<title>", b"<title>" + b"x" * 20_000_000, 1))[0] is LimitError


def test_many_attributes_and_namespaces_do_not_take_long():
    attributes = " ".join(f'a{i}="{i}" xmlns:n{i}="urn:{i}"' for i in range(5_000))
    open_espi(BODY.replace(b"<title>", f"<title {attributes}>".encode(), 1))


@pytest.fixture(scope="module")
def bomb(tmp_path_factory):
    """A gzip of 10 GB of entries, 10 MB on disk: 16 MB of them packed once, and repeated as the members of the gzip."""
    path = tmp_path_factory.mktemp("bomb") / "feed.xml.gz"
    entries = gzip.compress((b"<entry>" + b" " * 65_520 + b"</entry>") * 256, 9)
    with path.open("wb") as file:
        file.write(gzip.compress(f'<feed xmlns="{ATOM}">'.encode()))
        for _ in range(10_000_000_000 >> 24):
            file.write(entries)
    return path


@pytest.mark.parametrize("recover", [False, True])
def test_gzip_of_ten_gigabytes(bomb, recover):
    tracemalloc.start()
    try:
        with pytest.raises(LimitError, match=r"feed\.xml: The archive unpacks to more than 400 times its size"):
            open_espi(bomb, recover=recover)
        with pytest.raises(LimitError, match=r"unpacks to more than 50,000,000 bytes"):
            open_espi(bomb, recover=recover, limits=Limits(unpacked=50_000_000, ratio=10**9))
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def zipped(members, **kw):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **kw) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    "name", ["../feed.xml", "a/../../feed.xml", "/etc/feed.xml", "..\\feed.xml", "C:\\feed.xml", "C:feed.xml"]
)
def test_zip_whose_names_leave_its_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    kind, message = said(zipped({name: FEED}))
    assert kind is LimitError
    assert "would be written outside its folder" in message
    assert list(tmp_path.iterdir()) == []


def test_zip_bomb_is_refused_before_it_is_unpacked():
    kind, message = said(zipped({"feed.xml": bytes(40 << 20)}))
    assert (kind, "unpacks to more than 400 times its size" in message) == (LimitError, True)


def test_nested_zips():
    data = zipped({"feed.xml": FEED})
    for depth in range(2):
        data = zipped({f"{depth}.zip": data})
    assert len(open_espi(data).readings) == 9
    kind, message = said(zipped({"more.zip": data}))
    assert kind is LimitError
    assert "more than 3 deep" in message


def test_zip_of_too_many_members():
    data = zipped({f"{i}.xml": "" for i in range(20)})
    with pytest.raises(LimitError, match="more than 10 members"):
        load_espi(data, limits=Limits(members=10))


def test_zip_with_a_password_or_damage():
    data = bytearray(zipped({"feed.xml": FEED}))
    locked = bytearray(data)
    locked[6] |= 1  # the encryption flag, in both headers
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    for broken in (bytes(locked), bytes(data[:-30]), bytes(data[:60]) + bytes(20) + bytes(data[80:])):
        assert said(broken)[0] is FormatError


def test_truncated_gzip():
    packed = gzip.compress(FEED)
    for at in range(3, len(packed), 40):
        assert said(packed[:at])[0] is FormatError


FOREIGN = {
    "HTML saved as XML": (b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml"><body/></html>', "web page"),
    "an HTML page": (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "DOCTYPE|web page"),
    "nothing": (b"", "The file is empty"),
    "blanks": (b" \r\n\t " * 1000, "The file is empty"),
    "a byte-order mark only": (b"\xef\xbb\xbf", "empty|not XML"),
    "CSV": (b"ESIID,USAGE_DATE,USAGE_KWH\r\n1008,01/05/2024,.1\r\n", "CSV"),
    "JSON with tags": (b' {"feed": "<entry>"}', "JSON"),
    "a list of JSON": (b"[1, 2]", "JSON"),
    "PDF": (b"%PDF-1.7\n1 0 obj <</Type /Catalog>> <x:xmpmeta/>", "PDF"),
    "OpenPGP": (b"-----BEGIN PGP MESSAGE-----\n\nhQEMA", r"an OpenPGP message.*greenkit\.load\(…, pgp="),
    "plain text": (b"Dear customer, thank you", "CSV|not XML"),
    "one tag": (b"<", "not XML|cut"),
    "another XML": (b"<rss><channel><item/></channel></rss>", "no ESPI resource"),
    "an Excel workbook of 2003": (b'<?xml version="1.0"?><Workbook xmlns="urn:x"><Worksheet/></Workbook>', "no ESPI resource"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "an image"),
    "zeros": (bytes(5000), "only zero bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_format_of_another_file_is_named(name):
    data, says = FOREIGN[name]
    assert re.search(says, said(data)[1])


def test_truncation_at_any_byte():
    for at in range(0, len(FEED), 3):  # the test of recovery has every cut
        with pytest.raises(FormatError) as caught:
            parse.read(Feed(), Source("bytes", lambda at=at: io.BytesIO(FEED[:at])), recover=False, advance=abs)
        kind, message = caught.type, str(caught.value)
        assert issubclass(kind, FormatError)
        assert any(word in message for word in ("truncated", "empty", "not XML")), (at, message)


def recovered(data, faster=fast.FastReader):
    """What reading with recover=True gives: values, whether a ReadingType is there, the findings."""
    found = Feed()
    source = Source("a.xml", lambda: io.BytesIO(data), len(data))
    findings = parse.read(found, source, recover=True, advance=abs, faster=faster)
    return list(found.readings.columns["value"]), [r.kind for r in found.resources], findings


@pytest.mark.parametrize("newline", ["", "\n  "])
def test_recovery_at_any_byte_keeps_complete_readings(newline):
    small = whole(
        block(hourly(START, range(2)), START, 7200), block(hourly(START + 7200, range(2)), START + 7200, 7200)
    )
    text = small.decode().replace("><", f">{newline}<")

    def ends(tag):
        return [found.end() for found in re.finditer(f"<{tag}[^<]*/>|</{tag}>", text)]

    readings = ends("IntervalReading")
    resources = {kind: ends(kind)[0] for kind in ("UsagePoint", "MeterReading", "ReadingType", "LocalTimeParameters")}
    values, kinds, _ = recovered(text.encode())
    assert (len(values), len(kinds)) == (4, 4)
    for at in range(text.index("<feed") + 6, len(text)):
        # a damaged document is read plainly in the end, whatever the fast path made of it
        kept, whole_kinds, findings = recovered(text[:at].encode(), None if at % 8 else fast.FastReader)
        assert kept == values[: sum(end <= at for end in readings)], at
        assert whole_kinds == [kind for kind, end in resources.items() if end <= at], at
        assert [(f.name, f.severity) for f in findings] == [("espi.xml.truncated", "serious")]


@pytest.mark.parametrize("at", range(200, 2_400, 150))
def test_recovered_frames_are_frames(at):
    found = open_espi(FEED[:at], recover=True)
    frame.check(found.readings, exact=True)
    assert found.findings.names[0] == "espi.xml.truncated"


@pytest.mark.parametrize("kind", ["ReadingType", "UsagePoint", "IntervalBlock"])
def test_truncated_bare_resource_is_not_complete(kind):
    bare = resource(kind, {"uom": 72, "kind": 12}, reading(START, 5) + reading(START + 3600, 6)).encode()
    values, kinds, _ = recovered(bare[:-20])
    assert (values, kinds) == ([5.0] if kind == "IntervalBlock" else [], [])


def test_recovery_from_damage_in_the_middle():
    values, _, findings = recovered(FEED.replace(b"<value>4<", b"<value>4</valu><"))
    assert values == [0, 1, 2, 3]
    assert [(f.name, f.severity) for f in findings] == [("espi.xml.damaged", "serious")]
    _, kinds, findings = recovered(BODY.replace(b"<ReadingType", b"&x;<ReadingType"))
    assert kinds == ["UsagePoint", "MeterReading"]
    assert findings.names == ["espi.xml.damaged"]


def read_or_refused(data, **kw):
    """What was read, or the message of the error; no other exception passes."""
    try:
        return open_espi(data, **kw)
    except GreenkitError as e:
        return str(e)


@pytest.mark.parametrize(
    "text",
    ["1e999999999", "-1e999999999", "9" * 5_000, "9" * 200_000, "inf", "nan", "1e-999999", "0x10", "\u0661", "1" * 18],
)
@pytest.mark.parametrize(
    "member", ["start", "duration", "value", "cost", "tou", "uom", "powerOfTenMultiplier", "tzOffset"]
)
def test_enormous_numbers_are_refused_or_reported(member, text):
    if member in ("uom", "powerOfTenMultiplier"):
        data = whole(block(hourly(START, [1, 2]), START, 7200), **{member: text})
    elif member == "tzOffset":
        data = whole(block(hourly(START, [1, 2]), START, 7200), local={"tzOffset": text})
    else:
        row = {"start": START, "duration": 3600, "value": 1, member: text}
        data = whole(block(reading(row.pop("start"), row.pop("value"), row.pop("duration"), **row)))
    found = read_or_refused(data)
    if isinstance(found, str):
        assert len(found) < 300
        return
    # one whose start is no time at all is left out, and said so
    assert len(found.readings) in (1, 2) or "espi.time.none" in found.findings.names
    assert not found.readings["value"].isin([float("inf"), float("-inf")]).any()


@pytest.mark.parametrize(
    ("members", "block_"),
    [
        ({"tou": 99999, "cpp": -40000, "consumptionTier": 10**18}, block(reading(START, 1))),
        ({"intervalLength": 2**63 - 1}, block(reading(value=1), START, 3600)),
        ({"intervalLength": 2**32 - 1}, block(reading(value=1) * 70, START, 3600)),
        ({}, block(reading(253402200000, 1, 2**32 - 1), 253402200000, 1)),
    ],
)
@pytest.mark.parametrize("tz", [None, "Pacific/Auckland"])
def test_codes_lengths_and_ends_beyond_all_bounds(members, block_, tz):
    found = open_espi(whole(block_, **members), tz=tz)
    assert frame.check(found.readings, exact=True)["value"].iloc[0] == 0.001
    assert len(repr(found.readings))


def test_hostile_names_are_escaped_and_leave_no_trace():
    evil = "&lt;script&gt;alert(1)&lt;/script&gt;"
    data = feed(usage_point(self_=f"UsagePoint/{evil}", title=evil), entry(block(hourly(START, [1]))), title=evil)
    assert "<script>" not in open_espi(data)._repr_html_()


@pytest.mark.parametrize("seed", range(30))
def test_random_bytes(seed):
    rng = random.Random(seed)
    noise = rng.randbytes(rng.choice([1, 10, 5_000]))
    for data in (
        noise,
        b"<" + noise,
        b"<feed>" + noise,
        BODY[:200] + noise + BODY[200:],
        b"\x1f\x8b" + noise,
        b"PK\x03\x04" + noise,
    ):
        for recover in (False, True):
            found = read_or_refused(data, recover=recover)
            assert not isinstance(found, str) or found.startswith("bytes")


def test_broken_stream_of_deflate():
    packed = bytearray(gzip.compress(FEED))
    packed[30] ^= 0xFF
    kind, message = said(bytes(packed))
    assert kind is FormatError
    assert re.search("damaged|cut", message)


@pytest.mark.real
@settings(max_examples=500, deadline=None)
@given(st.integers(100_000, 10**9), st.sampled_from(["utc", "local", "standard"]), st.booleans())
@example(100_000, "local", True)
def test_fuzz_mutants(seed, epoch, recover):
    found = read_or_refused(mutant(seed), epoch=epoch, recover=recover)
    assert isinstance(found, str) or found._repr_html_().startswith("<")


XML = st.recursive(
    st.text(alphabet="0123456789 .-+eTZ:é", max_size=12),
    lambda inner: st.builds(
        lambda tag, parts: f"<{tag}>{''.join(parts)}</{tag.split()[0]}>",
        st.sampled_from(
            [*["entry", "content", "link", "id", "title", "updated", "UsagePoint", "MeterReading", "ReadingType", "IntervalBlock", "interval"],
             *["IntervalReading", "timePeriod", "start", "duration", "value", "cost", "ReadingQuality", "quality", "tou", "UsageSummary"],
             *["LocalTimeParameters", "tzOffset", "dstOffset", "dstStartRule", "uom", "kind", "ServiceCategory", "Customer"],
             'link rel="self" href="a/b"', 'link rel="related" href="a"', f'x xmlns="{ESPI}"']
        ),
        st.lists(inner, max_size=6),
    ),
    max_leaves=40,
)  # fmt: skip


@pytest.mark.real
@settings(max_examples=500, deadline=None)
@given(st.lists(XML, max_size=5), st.sampled_from([f' xmlns="{ATOM}"', f' xmlns="{ESPI}"', ""]), st.booleans())
def test_fuzz_shapes(parts, declared, recover):
    """Any tree of the names that the reader knows."""
    found = read_or_refused(f"<feed{declared}>{''.join(parts)}</feed>".encode(), recover=recover)
    assert not isinstance(found, str) or len(found) < 500


@pytest.mark.real
@settings(max_examples=500, deadline=None)
@given(
    st.binary(max_size=3_000),
    st.sampled_from([b"", b"<feed", b"<feed>", b"PK\x03\x04", b"\x1f\x8b\x08", b"\xff\xfe<\0"]),
)
def test_fuzz_bytes(noise, head):
    found = read_or_refused(head + noise)
    assert not isinstance(found, str) or found.startswith("bytes")
