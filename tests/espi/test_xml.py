"""Every way in which the same feed can be written (namespaces, prefixes, encodings, wrappers) reads the same."""

import gzip
import io
import zipfile

import pandas as pd
import pytest
from build import (
    ATOM,
    ESPI,
    block,
    blocks,
    entry,
    feed,
    hourly,
    local_time,
    reading,
    reading_type,
    resource,
    usage_point,
    utc,
    whole,
)  # fmt: skip

from greenkit.errors import FormatError, LimitError
from greenkit.espi import load_espi
from greenkit.findings import GreenkitWarning

START = utc("2024-01-05 05:00")
PLAIN = whole(block(hourly(START, [100, 200, 300]), START, 10800))


def prefixed(espi="espi", atom=""):
    """The plain feed with ESPI, and Atom too when asked, under prefixes."""
    text = PLAIN.decode().replace(f' xmlns="{ESPI}"', "").replace(f' xmlns="{ATOM}"', "")
    names = {"entry", "link", "content", "id", "title", "updated", "feed"}
    out, colon = "", f"{atom}:" if atom else ""
    for piece in text.split("<")[1:]:
        slash = "/" if piece.startswith("/") else ""
        name = piece.lstrip("/?").split(">")[0].split()[0].rstrip("/")
        if piece.startswith("?"):
            out += "<" + piece
            continue
        out += f"<{slash}{colon if name in names else espi + ':'}{piece.removeprefix('/')}"
    declared = f' xmlns{":" + atom if atom else ""}="{ATOM}" xmlns:{espi}="{ESPI}"'
    return out.replace(f"<{colon}feed>", f"<{colon}feed{declared}>").encode()


VARIANTS = {
    "A1 default namespaces": PLAIN,
    "A2 espi: prefix": prefixed(),
    "A2 ns0: prefix": prefixed("ns0"),
    "A2 Atom prefixed too": prefixed("ns0", "ns1"),
    "A2 ESPI the default, Atom prefixed": prefixed("espi", "ns2")
    .replace(b"espi:", b"")
    .replace(b"xmlns:espi", b"xmlns"),
    "A4 stray text after the prolog": PLAIN.replace(b"?>\n", b"?>\\n"),
    "A5 blank lines before the prolog": b"\n\n  " + PLAIN,
    "A5 text before the prolog": b"HTTP/1.1 200 OK\r\n\r\n" + PLAIN,
    "A5 no prolog": PLAIN.partition(b"\n")[2],
    "A5 byte-order mark": b"\xef\xbb\xbf" + PLAIN,
    "A5 CRLF": PLAIN.replace(b"><", b">\r\n<"),
    "A5 style sheet and comments": PLAIN.replace(
        b"?>\n", b'?><?xml-stylesheet href="x.xsl"?><!-- <feed> ' + b"long " * 99999 + b"-->", 1
    ).replace(b"<value>", b"<!-- here --><value>"),
    "A6 xsi:type": PLAIN.replace(
        b"<title>", b'<title xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="a:textType">'
    ),
    "A7 white space in values": PLAIN.replace(b"<value>", b"<value> ").replace(b"</uom>", b"\n </uom>"),
    "A11 content type": PLAIN.replace(b"<content>", b'<content type="xml">'),
    "comment inside a value": PLAIN.replace(b"<value>100", b"<value>1<!-- -->00"),
    "CDATA": PLAIN.replace(b"<value>100", b"<value><![CDATA[100]]>"),
    "character references": PLAIN.replace(b"<value>100", b"<value>&#49;00"),
    "UTF-16": PLAIN.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
    "UTF-16 without a mark": PLAIN.decode().replace("UTF-8", "UTF-16").encode("utf-16-le"),
    "said to be UTF-16, is not": PLAIN.replace(b"UTF-8", b"utf-16"),
    "declared Latin-1": PLAIN.decode().replace("UTF-8", "latin-1").replace("<title>", "<title>é").encode("latin-1"),
    "declared ISO-8859-1": PLAIN.replace(b"UTF-8", b"ISO-8859-1"),
    "A11 dates inside content": PLAIN.replace(b"<content>", b"<content><updated>2024-01-01T00:00:00Z</updated>"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_spelling_reads_the_same(opened, name):
    found = opened(VARIANTS[name])
    df = found.readings
    assert df["value"].tolist() == [0.1, 0.2, 0.3]
    assert df["start"].iloc[0] == pd.Timestamp("2024-01-05 00:00", tz="America/New_York")
    assert df[["meter", "series", "flow", "unit", "zone"]].astype(str).drop_duplicates().to_numpy().tolist() == [
        ["1", "2", "delivered", "kWh", "America/New_York"]
    ]
    assert found.findings.names == ["espi.xml.stray-text"] * ("text" in name)


def test_wrongly_declared_utf8_is_read_as_windows_1252(opened):
    for name in (b"Caf\xe9", b"Caf\xe9 \x81"):  # the second holds a byte that Windows-1252 leaves open
        found = opened(PLAIN.replace(b"<title>", b"<title>" + name))
        assert found.readings["value"].tolist() == [0.1, 0.2, 0.3]
        assert found.findings.names == ["espi.xml.encoding"]


def test_undeclared_prefixes_of_a_fragment(opened):  # A3
    text = f"<ns1:entry><ns1:content><ns0:IntervalBlock>{reading(START, 5)}</ns0:IntervalBlock>"
    text = text.replace("IntervalReading", "ns0:IntervalReading").replace("value", "ns0:value")
    text = text.replace("timePeriod", "ns0:timePeriod").replace("start>", "ns0:start>")
    text = text.replace("duration", "ns0:duration").replace("</ns0:ns0:", "</ns0:").replace("</start", "</ns0:start")
    text = text.replace("</ns0:ns0", "</ns0") + "</ns1:content></ns1:entry>"
    found = opened(text.encode())
    assert found.readings["value"].tolist() == [5]
    assert "espi.xml.undeclared-prefix" in found.findings.names


@pytest.mark.parametrize(
    ("wrap", "what"),
    [
        (lambda b: feed(entry(b)), "feed"),
        (lambda b: feed(entry(b)).partition(b"<entry>")[1].replace(b">", f' xmlns="{ATOM}">'.encode(), 1)
         + entry(b).encode()[7:], "entry"),
        (lambda b: b.encode(), "bare resource"),
        (lambda b: f"<response>{b}{resource('ReadingType', {'uom': 72})}</response>".encode(), "foreign wrapper"),
    ],
)  # fmt: skip
def test_roots(opened, wrap, what):  # A9
    assert opened(wrap(block(hourly(START, [1, 2])))).readings["value"].sum() in (3, 0.003), what


def test_roots_without_readings(opened):  # A9
    batch = (
        f'<BatchList xmlns="{ESPI}"><resources>https://a/1</resources><resources>https://a/2</resources></BatchList>'
    )
    assert opened(batch.encode()).batch["resources"].tolist() == ["https://a/1; https://a/2"]
    status = f'<ServiceStatus xmlns="{ESPI}"><currentStatus>1</currentStatus></ServiceStatus>'
    assert opened(status.encode()).service_status["current_status"].tolist() == ["normal"]
    assert len(opened(feed()).readings) == 0


def test_several_resources_in_one_content(opened):  # A10
    days = "".join(block(hourly(START + d * 86400, [1000] * 24)) for d in range(3))
    assert len(opened(whole(days)).readings) == 72


def test_any_order_of_entries(opened):  # B11
    parts = PLAIN.decode().replace("</feed>", "").split("<entry>")
    shuffled = parts[0] + "".join("<entry>" + p for p in reversed(parts[1:])) + "</feed>"
    assert opened(shuffled.encode()).readings["value"].tolist() == [0.1, 0.2, 0.3]


@pytest.mark.parametrize("wrap", ["zip", "gz", "zip in zip", "folder", "glob", "list", "file", "path"])
def test_sources(opened, tmp_path, wrap):  # A8
    def zipped(name, data):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr(name, data)
        return out.getvalue()

    (tmp_path / "a.XML").write_bytes(PLAIN)
    sources = {
        "zip": zipped("a.xml", PLAIN),
        "gz": gzip.compress(PLAIN),
        "zip in zip": zipped("b.zip", zipped("a.xml", PLAIN)),
        "folder": tmp_path,
        "glob": str(tmp_path / "*.XML"),
        "list": [tmp_path / "a.XML"],
        "file": io.BytesIO(PLAIN),
        "path": str(tmp_path / "a.XML"),
    }
    assert opened(sources[wrap]).readings["value"].tolist() == [0.1, 0.2, 0.3]


def test_other_file_in_a_folder_is_skipped_with_a_finding(opened, tmp_path):
    (tmp_path / "feed.xml").write_bytes(PLAIN)
    (tmp_path / "notes.txt").write_text("nothing here")
    found = opened(tmp_path)
    assert len(found.readings) == 3
    assert found.findings.names == ["espi.file.passed-over"]


def test_style_sheet_and_web_page_beside_a_feed_are_skipped(opened, tmp_path):
    (tmp_path / "feed.xml").write_bytes(PLAIN)
    (tmp_path / "GreenButtonDataStyleSheet.xslt").write_text(
        '<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform"/>'
    )
    (tmp_path / "index.html").write_text("<!DOCTYPE html><html><body>Help</body></html>")
    found = opened(tmp_path)
    assert len(found.readings) == 3
    passed = found.findings.named("espi.file.passed-over")
    assert [([n[-5:] for n in f.evidence["files"]], f.severity) for f in passed] == [
        ([".xslt"], "info"),
        ([".html"], "warning"),
    ]
    with pytest.raises(FormatError, match=r"style sheet.*Open the XML file that came with it"):
        opened(tmp_path / "GreenButtonDataStyleSheet.xslt")
    (tmp_path / "feed.xml").write_bytes(PLAIN[:-30])
    with pytest.raises(FormatError, match="is truncated"):
        opened(tmp_path)
    (tmp_path / "feed.xml").unlink()
    with pytest.raises(FormatError, match="The source contains no Green Button feed"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", FormatError, "bytes: The file is empty"),
        (b"   \n", FormatError, "The file is empty"),
        (b"<!DOCTYPE html><html></html>", FormatError, "web page"),
        (b"<html><body>Sign in</body></html>", FormatError, "web page"),
        (b"ESIID,USAGE_DATE\n1,2\n", FormatError, "CSV"),
        (b"Energy Usage\n\nTime,kWh\n00:00,1\n", FormatError, "CSV.*load_table if it is from another portal"),
        (b'{"a": 1}', FormatError, "JSON"),
        (b"%PDF-1.4", FormatError, "PDF"),
        (b"<rss><channel/></rss>", FormatError, "no ESPI resource"),
        (PLAIN[:-20], FormatError, "The document is truncated .*recover=True"),
        (PLAIN.replace(b"</value>", b"</valu>", 1), FormatError, "The XML is damaged"),
        (b'<!DOCTYPE feed [<!ENTITY a "b">]>' + PLAIN.partition(b"\n")[2], LimitError, "DOCTYPE"),
        (PLAIN.replace(str(START).encode(), b"99999999999999999"), FormatError, "not a time in seconds"),
    ],
)
def test_errors_have_a_type_and_a_reason(opened, data, error, says):
    with pytest.raises(error, match=says):
        opened(data)


@pytest.mark.parametrize(
    "more",
    [PLAIN.partition(b"\n")[2], b"\n" + PLAIN, b"<feed/>", b"x", b"\0"],
    ids=["two", "two prologs", "tag", "x", "nul"],
)
def test_text_after_the_document_is_reported(opened, more):
    found = opened(PLAIN + more)
    assert found.readings["value"].tolist() == [0.1, 0.2, 0.3]
    assert [(f.name, f.severity) for f in found.findings] == [("espi.xml.trailing", "serious")]
    assert opened(PLAIN + b"\n<!-- bye --><?x?>\n").findings.names == []


def test_unknown_resource_is_reported_once(opened):
    found = opened(
        feed(*[entry(resource("Foo", {"a": 1}))] * 5, reading_type(), entry(resource("IntervalReading", {"value": 5})))
    )
    assert [(f.name, f.severity, f.evidence["count"]) for f in found.findings.named("espi.resource")] == [
        ("espi.resource.unknown", "info", 5)
    ]


@pytest.mark.parametrize("wrap", ["<![CDATA[%s]]>", "%s"])
def test_resources_written_as_text_are_reported(opened, wrap):
    inner = block(hourly(START, [1]))
    content = wrap % (inner if "CDATA" in wrap else inner.replace("<", "&lt;"))
    found = opened(feed(entry(content), entry(resource("ReadingType", {"uom": 72}))))
    assert [(f.name, f.severity) for f in found.findings] == [("espi.content.escaped", "serious")]


def test_feed_of_another_namespace_is_reported(opened):
    found = opened(PLAIN.replace(ESPI.encode(), b"urn:vendor"))
    assert found.readings.empty
    assert [(f.name, f.severity) for f in found.findings] == [("espi.feed.foreign", "serious")]


def test_blocks_helper_makes_linked_entries():
    assert blocks("x", "y").count("<entry>") == 2


def test_feed_without_readings_lists_its_contents():
    with pytest.warns(
        GreenkitWarning,
        match="no interval readings: the feed has only 1 UsagePoint, 1 LocalTimeParameters. .* call open",
    ):
        assert load_espi(feed(usage_point(), local_time())).empty
    with pytest.warns(
        GreenkitWarning, match="no interval readings: the feed contains nothing that greenkit recognizes"
    ):
        assert load_espi(feed()).empty


def test_readings_in_a_wrapper_of_their_block(opened):
    wrapped = PLAIN.replace(b"<IntervalReading>", b"<IntervalReadings><IntervalReading>", 1)
    wrapped = wrapped.replace(b"</IntervalBlock>", b"</IntervalReadings></IntervalBlock>", 1)
    plain, found = opened(PLAIN), opened(wrapped)
    pd.testing.assert_frame_equal(found.readings, plain.readings)
    assert found.readings["value"].sum() > 0
    assert found.findings.names == plain.findings.names


def test_quality_without_its_wrapper(opened):
    odd = PLAIN.replace(b"<value>", b"<quality>8</quality><value>", 1)
    assert sorted(opened(odd).readings["quality_code"].dropna()) == ["8"]


def test_feed_in_lower_case_is_reported(opened):
    found = opened(PLAIN.lower())
    assert found.readings.empty
    assert {f.severity for f in found.findings.named("espi.resource.unknown")} == {"serious"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"From: <Saved by Blink>\nContent-Type: text/xml\n\n" + PLAIN, r"saved as MHTML"),
        (PLAIN.replace(b"<", b"&lt;"), "Download the file again"),
        (PLAIN.replace(b"<title></title>", b"<title>Gas & Electric</title>"), "The XML is damaged"),
    ],
)
def test_feeds_changed_by_browsers_and_editors(data, said):
    with pytest.raises(FormatError, match=said):
        load_espi(data)
