"""The fast path gives what the plain reader gives, on whatever it meets: readings, findings and errors."""

import io
import itertools
import random
import re
import time
from collections import Counter
from dataclasses import astuple
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest
from build import ESPI, MR, block, blocks, entry, hourly, reading, utc, whole
from build import feed as feed_of
from mutations import BASES, mutant

from greenkit.errors import GreenkitError
from greenkit.espi import _fast as fast
from greenkit.espi import _feed as feed
from greenkit.espi import _parse as parse
from greenkit.espi import _reader as reader
from greenkit.espi import _xml, load_espi, open_espi
from greenkit.sources import Source
from greenkit.synthetic import data_samples

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
SAMPLES = [name.partition(".")[0] for name in data_samples.SAMPLES if name.endswith(".xml")]
START = utc("2024-01-05 05:00")
SLOWEST = 3.0  # seconds of CPU time for a mutant, which takes milliseconds


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """Learn from the first entry, since the feeds here are small."""
    monkeypatch.setattr(fast, "_FEW", 0)


class Counting(fast.FastReader):
    """Counts what the fast path took out, over all documents."""

    total: ClassVar[Counter[str]] = Counter()

    def run(self, advance):
        findings = super().run(advance)
        fitting = self.entry_cutter.fitting
        self.total.update(seen=self.run_cutter.seen, proved=self.run_cutter.proved, documents=1, entries=fitting)
        return findings


def state(data, faster, recover=False):
    """All that a document gives: everything behind it is made from this alone."""
    found = feed.Feed()
    source = Source("a.xml", lambda: io.BytesIO(data), len(data))
    done = []
    try:
        findings = parse.read(found, source, recover=recover, advance=done.append, faster=faster)
    except GreenkitError as e:
        return type(e), str(e)
    assert sum(done) == len(data) or recover or findings.named("espi.xml")
    columns = {name: column.tobytes() for name, column in found.readings.columns.items() if name != "quality"}
    qualities = [found.readings.quality_texts[n] if n >= 0 else None for n in found.readings.columns["quality"]]
    rest = found.readings.blocks, found.entries, found.resources, found.documents
    return (
        columns,
        qualities,
        [list(map(astuple, part)) for part in rest],
        findings.as_list(),
        found.readings.doubtful,
    )


def compare(seeds, monkeypatch):
    Counting.total.clear()
    for seed in seeds:
        data, rng = mutant(seed), random.Random(~seed)
        monkeypatch.setattr(_xml, "CHUNK", rng.choice([64, 700, 4000, 1 << 18, 1 << 18]))
        recover = rng.random() < 0.2
        began = time.process_time()
        one = state(data, Counting, recover)
        assert time.process_time() - began < SLOWEST, f"seed {seed}"
        assert one == state(data, None, recover), f"seed {seed}"
    return Counting.total


def test_mutants_are_read_the_same_by_both_parsers(monkeypatch):
    total = compare(range(250), monkeypatch)
    # the comparison would prove nothing if the fast path stood aside
    assert total["documents"] > 125
    assert total["proved"] > total["seen"] / 2 > 800
    assert total["entries"] > 200


@pytest.mark.real
def test_more_mutants_are_read_the_same_by_both_parsers(monkeypatch):
    compare(range(600, 4_600), monkeypatch)  # tests/soak/read_mutants.py reads many more


def opened(source, monkeypatch, faster):
    with monkeypatch.context() as patched:
        patched.setattr(reader._fast, "FastReader", faster)
        try:
            found = open_espi(source)
        except GreenkitError as e:
            return type(e), str(e)
    return found.readings, found.registers, found.findings.as_list(), found.usage_points, found.bills


def assert_same(source, monkeypatch):
    one, other = opened(source, monkeypatch, fast.FastReader), opened(source, monkeypatch, None)
    for a, b in zip(one, other, strict=True):
        if isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b, check_exact=True)
        else:
            assert a == b


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_read_the_same_by_both_parsers(monkeypatch, name, sample_path):
    assert_same(sample_path(name), monkeypatch)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of public documents is not beside the checkout")
def test_corpus_is_read_the_same_by_both_parsers():
    files = sorted(CORPUS.rglob("*.xml"))
    assert len(files) == 84
    for path in files:
        data = path.read_bytes()
        assert state(data, Counting) == state(data, None), path.name


@pytest.mark.parametrize("seed", range(40))
def test_frames_of_mutants_are_equal(monkeypatch, seed):
    assert_same(mutant(seed), monkeypatch)


@pytest.mark.parametrize("size", [1, 7, 100, 333, 1_000, 5_000])
def test_runs_split_over_pieces(monkeypatch, size):
    monkeypatch.setattr(_xml, "CHUNK", size)
    for base in BASES:
        assert state(base.encode(), Counting) == state(base.encode(), None)


def proved(data):
    Counting.total.clear()
    one = state(data, Counting)
    assert one == state(data, None)
    return Counting.total["proved"], Counting.total["documents"]


@pytest.mark.parametrize(
    ("readings", "taken"),
    [
        (hourly(START, range(50)), 50),
        (hourly(START, range(-50, 0)), 50),  # signs
        (hourly(START, range(10)) + hourly(START, range(10), cost=5) + hourly(START, range(10), tou=2), 30),
        (hourly(START, range(10), ReadingQuality={"quality": 8}) + hourly(START, range(10)), 20),
        (hourly(START, range(10), ReadingQuality=[{"quality": 8}, {"quality": 14}]), 10),
        (hourly(START, range(10)).replace("<value>", "\n<value> "), 10),
        (hourly(START, range(10)).replace("<value>", "<vendor>5</vendor><value>"), 10),
        (hourly(START, range(10)).replace("</start>", "</start><!-- 3/6/2012 5:00:00 AM  -->"), 10),
        (hourly(START, range(10)).replace("</value>", "</value><value>7</value>"), 10),  # the last one counts
        (hourly(START, range(10)).replace("<value>", '<value a="b">'), 10),
        (hourly(START, range(10)).replace("<value>", '<value xml:lang="en">'), 0),
        (hourly(START, range(10)).replace("<value>", '<value xmlns="http://naesb.org/espi">'), 0),
        (hourly(START, range(10)).replace("<value>", '<value a="&lt;">'), 0),
        (hourly(START, range(10)).replace("<value>", '<value a="é">'), 0),
        (hourly(START, range(10)).replace("<value>", "<value><!-- 5 -->"), 10),
        (hourly(START, [".5", 1, 0.1, 1.1, "0.30", "0012.5", "123456789.123456"], cost="2.5"), 7),
        (hourly(START, ["-0.7", "-1.25", -3, "-0.0", -0]), 5),
        (hourly(START, ["5.", "1e3", ".", "1.234567890123456", "1..5", "1.5.5"]), 0),
        (hourly(START, range(5)).replace("</duration>", ".0</duration>"), 0),
        (hourly(START, [""] * 10) + hourly(START, [" "] * 10).replace("<value> </value>", "<value/>"), 20),
        (hourly(START, ["4294967296"] * 5) + hourly(START, ["9" * 15] * 5), 10),
        (hourly(START, range(10)) + hourly(START, ["9" * 16] * 5), 10),
        (hourly(START, range(5)) + hourly(START, range(5), tou=40_000), 5),
        (hourly(START, range(5)) + hourly(START * 1000, range(5), 0), 5),  # milliseconds
    ],
)
def test_readings_that_fit_a_template(readings, taken):
    assert proved(whole(block(readings, START, 36000))) == (taken, 1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t.replace("<IntervalBlock", "<!-- <IntervalBlock").replace(
            "</IntervalBlock>", "</IntervalBlock> -->"
        ),
        lambda t: t.replace("<interval>", "<![CDATA[<interval>").replace("</IntervalBlock>", "]]></IntervalBlock>"),
        lambda t: t.replace('<IntervalBlock xmlns="http://naesb.org/espi"', '<IntervalBlock xmlns="urn:vendor"'),
        lambda t: t.replace("</interval>", '</interval><x xmlns="urn:vendor">').replace(
            "</IntervalBlock>", "</x></IntervalBlock>"
        ),
        lambda t: t.replace("</interval>", "</interval><?p ").replace("</IntervalBlock>", "?></IntervalBlock>"),
        lambda t: t.replace("IntervalBlock", "UsageSummary"),
        lambda t: t.replace("</value>", "</valu>", 1)[: len(t) // 2],
        lambda t: t + "<more/>",
        lambda t: t.replace("<IntervalReading>", "\x0b<IntervalReading>"),
    ],
)
def test_document_that_does_not_fit_is_read_by_the_plain_parser(damage):
    text = whole(block(hourly(START, range(20)), START, 72000)).decode()
    assert proved(damage(text).encode()) == (0, 0)


def daily(count=20, title="Day {}"):
    """A feed of an entry a day, of two readings each."""
    days = range(count)
    return [
        entry(
            block(hourly(START + i * 7200, [i, i / 8]), START + i * 7200, 7200),
            f"https://x.example/espi/1_1/resource/{MR}/IntervalBlock/{i}",
            f"{MR}/IntervalBlock",
            updated=f"2024-02-{i + 1:02}T00:00:00Z",
            title=title.format(i),
            id_=f"urn:uuid:{i}",
        )
        for i in days
    ]


def dated(text):
    number = itertools.count()
    return re.sub("<interval>", lambda m: f"{m[0]}<!-- from: {next(number)}/6/2014 4:00:00 AM -->", text)


def prefixed(text):
    return re.sub(r"<(/?)(?=Interval|interval|timePeriod|duration|start|value)", r"<\1espi:", text)


DECLARED = f'<feed xmlns:espi="{ESPI}" '


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        (lambda t: t, 20),
        (lambda t: t.replace("><", ">\r\n\t<"), 20),
        (dated, 20),
        (lambda t: prefixed(t).replace("<feed ", DECLARED), 20),
        (lambda t: t.replace("<entry>", "<entry lang='en' >"), 20),
        (lambda t: re.sub("<interval>.*?</interval>", "", t), 20),
        (lambda t: re.sub("<link[^>]*/>", "", t), 20),
        (lambda t: re.sub("<title>Day[^<]*", "<title>", t), 20),
        (lambda t: re.sub("<title>Day[^<]*", "<title>Ann&apos;s \u00e9t\u00e9", t), 20),
        (lambda t: t.replace("Day 7<", "Day &amp; night<"), 20),
        (lambda t: t.replace(">Day 7<", "> Day 7 <"), 20),
        (lambda t: t.replace("<entry><id>", block(reading(START, 5)) + "<entry><id>", 1), 20),
        (lambda t: t.replace("IntervalBlock/7", "%"), 20),
        (lambda t: re.sub('href="[^"]*IntervalBlock/7"', 'href="/"', t), 20),
        (lambda t: re.sub('(rel="up" href=)"[^"]*"', r'\1"https://x.example/"', t), 0),  # no link: passed over
        (lambda t: re.sub('(Block/7"/><link rel="up" href=)"[^"]*"', r'\1"https://x.example/"', t), 19),
        (lambda t: t.replace("</content>", "<x>7</x></content>"), 20),
        (lambda t: t.replace("</content>", f'<x xmlns="{ESPI}">7</x></content>'), 0),  # a finding
        (lambda t: t.replace("</content>", "<published>2024</published></content>"), 20),
        (lambda t: t.replace("</content>", block(reading(START, 5)) + "</content>"), 0),
        (lambda t: t.replace("</entry><entry>", "</entry>junk<!-- 5 --><entry>"), 20),
        (lambda t: t.replace("<duration>7200", "<duration>x"), 0),
        (lambda t: t.replace("<duration>7200", "<duration>12345678900"), 0),
        (lambda t: t.replace("<interval>", "<interval><start>5</start>"), 20),  # the last one counts
        (lambda t: t.replace("<interval>", f"{reading(START, 7)}<!-- x --><interval>"), 0),  # two runs
    ],
)
def test_entries_that_fit_a_template(change, taken):
    text = whole(more="".join(daily())).decode()
    changed = change(text)
    assert changed != text or taken == 20
    proved(changed.encode())
    assert (Counting.total["entries"], Counting.total["documents"]) == (taken, 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: prefixed(t),  # nobody declares it
        lambda t: t.replace("<entry><id>", "<x><entry><id>", 1) + "</x>",
        lambda t: "<!--" + t.replace("Day 1<", "Day -->"),
    ],
)
def test_entries_that_do_not_fit_are_read_by_the_plain_parser(change):
    parts = daily()
    text = whole(more=parts[0] + change("".join(parts[1:]))).decode()
    proved(text.encode())
    assert Counting.total["entries"] <= 1  # the first, which the change leaves alone


def test_entries_are_learned_once_there_are_many(monkeypatch):
    monkeypatch.setattr(fast, "_FEW", 20)
    for count, taken in ((20, 0), (30, 30)):
        proved(whole(more="".join(daily(count))))
        assert Counting.total["entries"] == taken


def test_entries_are_left_to_the_parser_once_too_few_fit(monkeypatch):
    monkeypatch.setattr(fast, "_ENTRY_TEMPLATES", 1)
    monkeypatch.setattr(_xml, "CHUNK", 2000)
    data = whole(more="".join(daily(2)) + "".join(daily(title="{}&lt;")) + "".join(daily()))
    taken = {}
    for enough in (1024, 10):
        monkeypatch.setattr(fast, "_ENOUGH_ENTRIES", enough)
        proved(data)
        taken[enough] = Counting.total["entries"]
    assert taken[10] < 3 < 12 < taken[1024]


@pytest.mark.parametrize(
    "path",
    [
        "https://x.example/espi/1_1/resource/UsagePoint/1",
        "https://x.example/espi/1_1/resource/UsagePoint",
        "https://x.example/espi/1_1/resource",
        "https://x.example/DataCustodian/espi/1_1/resource/UsagePoint/1/ ",
        "https://x.example",
        "https:/",
        "/",
        "",
        " a/b ",
        "/a/b/",
        "a%2Fb/c",
        "a/b%20c",
        "a/%2F",
        "//espi/1_1/resource/a",
    ],
)
def test_links_of_one_folder_are_normalized_alike(path):
    several = [path, f"{path}/7", f"{path}/8", f"{path}7", f"{path}/%41", f"{path}/ ", f"{path}/7/"]
    assert feed.hrefs(several) == list(map(feed.href, several))


def test_templates_are_learned_from_any_reading():
    odd = "".join(reading(START, 5).replace("</value>", f"</value><x{i}>&lt;</x{i}>") for i in "abcdefgh")
    assert proved(whole(block(odd + hourly(START, range(30)))))[0] == 30


def test_feed_with_few_proved_readings_is_left_to_the_parser():
    odd = "".join(reading(START + i, f"{i}e0") for i in range(fast._ENOUGH * 2))
    assert proved(whole(block(hourly(START, range(9)) + odd)))[0] == 9


def test_no_document_can_forge_a_marker(monkeypatch):
    runs = [
        fast.FastReader(feed.Feed(), Source("", io.BytesIO), recover=False, encoding=None).attribute for _ in range(2)
    ]
    assert runs[0] != runs[1]
    monkeypatch.setattr(fast.secrets, "token_hex", lambda n: "0")
    forged = block('<IntervalReading run-1="0"/>' + hourly(START, range(9)))
    assert proved(whole(forged))[0] == 9


def test_errors_name_the_line_of_the_document():
    text = whole(block(hourly(START, range(50)))).decode().replace("<IntervalReading>", "\n<IntervalReading>")
    late = text.replace("<value>49<", "<value>49</valu><")
    assert "line 52:" in state(late.encode(), Counting)[1]
    wrong = text.replace(f"<start>{START + 49 * 3600}<", "<start>99999999999999999<")
    assert state(wrong.encode(), Counting) == state(wrong.encode(), None)
    assert "not a time in seconds" in state(wrong.encode(), Counting)[1]


def test_progress_ends_at_the_size(monkeypatch):
    monkeypatch.setattr(_xml, "CHUNK", 500)
    data = whole(block(hourly(START, range(50)), START, 180000))
    forged = data.replace(b"<interval>", b"<![CDATA[<interval>").replace(b"</IntervalBlock>", b"]]></IntervalBlock>")
    for text in (data, forged):
        seen = []
        open_espi(text, tz="UTC", progress=lambda done, total, seen=seen: seen.append((done, total)))
        assert max(seen) == seen[-1] == (len(text), len(text))


def test_two_feeds_in_one_call():
    one = whole(block(hourly(START, range(20)), START, 72000))
    other = one.replace(b"UsagePoint/1", b"UsagePoint/7").replace(b"</value>", b"</value><!-- 5 -->")
    assert len(load_espi([one, other])) == 40
    assert feed_of(entry(blocks("x"))).count(b"entry") == 4


def test_readings_between_similar_entries_keep_their_order(monkeypatch):
    entries = [
        f'<entry><title>Day {n}</title><content><IntervalBlock xmlns="{ESPI}">'
        + "".join(
            f"<IntervalReading><timePeriod><duration>900</duration><start>{1700000100 + 900 * (3 * n + i)}</start>"
            f"</timePeriod><value>{n}{i}</value></IntervalReading>"
            for i in range(3)
        )
        + "</IntervalBlock></content></entry>"
        for n in range(12)
    ]
    loose = (
        f'<IntervalReading xmlns="{ESPI}"><timePeriod><duration>900</duration><start>1700090100</start></timePeriod>'
        "<value>7</value></IntervalReading>"
    )
    data = (
        f'<feed xmlns="http://www.w3.org/2005/Atom">{"".join(entries[:6])}{loose}{"".join(entries[6:])}</feed>'.encode()
    )
    assert state(data, Counting) == state(data, None)


def test_document_that_fails_twice_counts_its_odd_texts_once():
    """The fast path gives up, then UTF-8 does: both go back to the same mark."""
    reading = b"<IntervalReading><timePeriod><duration>900</duration><start>17000001%02d.5</start></timePeriod><value>1</value></IntervalReading>"
    body = b"".join(reading % n for n in range(20, 40))
    data = (
        b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><content><IntervalBlock xmlns="http://naesb.org/espi">'
        + body
        + b"</IntervalBlock></content></entry><entry><title>Ren\xe9e</title></entry></feed>"
    )
    found = feed.Feed()
    parse.read(found, Source("a.xml", lambda: io.BytesIO(data)), recover=True, advance=lambda n: None, faster=Counting)
    assert found.readings.doubtful == {("fractional", "start"): 20}


def test_entry_with_its_own_reading_type_is_not_joined_as_others_with_its_links():
    days = daily(6)
    typed = (
        f'<ReadingType xmlns="{ESPI}"><uom>72</uom><powerOfTenMultiplier>3</powerOfTenMultiplier>'
        "<flowDirection>19</flowDirection></ReadingType></content>"
    )
    days[3] = days[3].replace("</content>", typed)
    df = load_espi(whole(more="".join(days)))
    assert df.loc[df["flow"] == "received", "value"].tolist() == [3, 0.375]  # kWh, of 3 and 3 / 8
