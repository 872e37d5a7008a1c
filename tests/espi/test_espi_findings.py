"""Every kind of finding of Green Button feeds: a document that raises it, and one that almost does and must not.

The near miss differs from the document that raises in the one fact that the finding rests on.
"""

import re
import warnings

import pytest
from build import (
    CENTRAL,
    EASTERN,
    ESPI,
    MR,
    PACIFIC,
    RT,
    block,
    blocks,
    entry,
    feed,
    hourly,
    local_time,
    meter_reading,
    meters,
    reading,
    reading_type,
    resource,
    usage_point,
    utc,
    whole,
)

from greenkit import load_espi
from greenkit.espi import open_espi, quirks
from greenkit.findings import GreenkitWarning, catalogue, quiet

START = utc("2024-01-05 05:00")  # midnight in New York
DAY = 86_400
HOURS = block(hourly(START, [1000, 2000]))
GOOD = whole(HOURS)


def hours(values, **members):
    return whole(block(hourly(START, values)), **members)


def summary(number=1, start=START, days=31, meter=1, **members):
    period = {"duration": days * DAY, "start": start}
    path = f"UsagePoint/{meter}/UsageSummary/{number}"
    return entry(resource("UsageSummary", {"billingPeriod": period, "currency": 840} | members), path)


def bills(*summaries):
    return whole(HOURS, more="".join(summaries))


def used(value, power=0):
    return {"powerOfTenMultiplier": power, "uom": 72, "value": value}


def items(amount, power):
    return {
        "amount": amount,
        "note": "Charge",
        "measurement": {"powerOfTenMultiplier": power, "uom": 80},
        "itemKind": 3,
    }


def point(**members):
    """A feed whose usage point has these members."""
    return feed(usage_point(**members), meter_reading(), reading_type(), blocks(HOURS), local_time())


def linked(*mrs, types, related=(MR,)):
    return feed(usage_point(related=related), *mrs, *types, blocks(HOURS), local_time())


def series(*own):
    """One meter with a series for each (members of the type, readings)."""
    parts = [usage_point(related=("UsagePoint/1/MeterReading",))]
    for n, (members, readings) in enumerate(own, start=1):
        up = f"UsagePoint/1/MeterReading/{n}"
        parts.append(meter_reading(up, (f"{up}/IntervalBlock", f"ReadingType/{n}")))
        parts.append(reading_type(f"ReadingType/{n}", **members))
        parts.append(blocks(block(readings), up=f"{up}/IntervalBlock"))
    return feed(*parts, local_time())


def contradictory(own):
    """Quarter-hours of demand with a link to the hours of energy, in the path of the demand (2) or of the energy (1)."""
    data = series(({}, hourly(START, [500])), ({"uom": 38, "intervalLength": 900}, hourly(START, [500], 900)))
    return data.replace(
        b'rel="self" href="UsagePoint/1/MeterReading/2/IntervalBlock/0"/><link rel="up" href="UsagePoint/1/MeterReading/2',
        f'rel="self" href="UsagePoint/1/MeterReading/{own}/IntervalBlock/9"/><link rel="up" href="UsagePoint/1/MeterReading/1'.encode(),
    )


def days(first, count=3, offset=0):
    """Blocks of a day each, from midnight UTC of a date on, shifted by hours."""
    begins = [utc(first) + DAY * n + 3600 * offset for n in range(count)]
    return [block(hourly(begin, [5] * 24), begin, DAY) for begin in begins]


def texts(*texts, duration=3600):
    """Readings whose starts are these texts."""
    return whole(block("".join(reading(text, 5, duration) for text in texts)))


def dials(values, **members):
    return whole(block("".join(reading(START + 3600 * n, v, 0) for n, v in enumerate(values))), **members)


def fall_back(*hours_):
    change = utc("2024-11-03 06:00")
    return whole(block("".join(reading(change + 3600 * h, n + 1) for n, h in enumerate(hours_))))


def interval_terms(name):
    start = utc("2024-08-03 05:00")
    inner = f"<interval><duration>{DAY}</duration><start>{start}</start><{name}>72</{name}></interval>" + hourly(
        start, [250]
    )
    return feed(entry(resource("IntervalBlock", inner=inner)), local_time())


def link_terms(name):
    up = "UsagePoint/77/MeterReading/9/IntervalBlock"
    return feed(entry(block(hourly(START, [0.25], 900)), f"{up}/SP_77_{name}", up), local_time())


def opower(cost, title="Opower ESPI Third Party Batch Feed v1"):
    readings = "".join(reading(START + 3600 * n, 250, cost=cost) for n in range(4))
    return whole(block(readings), title=title, powerOfTenMultiplier=3, currency=840)


def smt(title):
    first = utc("2025-11-01")
    starts = [first + 900 * n for n in range(96)]
    starts[72:] = [s - 900 for s in starts[72:]]
    readings = "".join(reading(s, 5, 900) for s in starts)
    return whole(block(readings, first, DAY), title=title, intervalLength=900, local=CENTRAL)


def titled(title):
    data = hours([1040], uom=119, powerOfTenMultiplier=-3, commodity=7)
    return data.replace(b"<content><ReadingType", f"<title>{title}</title><content><ReadingType".encode())


UNDECLARED = (
    "<ns1:entry><ns1:content><ns0:IntervalBlock><ns0:IntervalReading><ns0:timePeriod><ns0:duration>900</ns0:duration>"
    f"<ns0:start>{START}</ns0:start></ns0:timePeriod><ns0:value>5</ns0:value></ns0:IntervalReading></ns0:IntervalBlock>"
    "</ns1:content></ns1:entry>"
)
DECLARED = UNDECLARED.replace("<ns1:entry", f'<ns1:entry xmlns:ns1="http://www.w3.org/2005/Atom" xmlns:ns0="{ESPI}"', 1)
ALONE = reading(START, 5).replace("<IntervalReading>", f'<IntervalReading xmlns="{ESPI}">')
SERVED = [usage_point(kind, f"UsagePoint/{kind}", related=()) for kind in (0, 1)]
OF_SERVICE = [blocks(HOURS, up=f"UsagePoint/{kind}/MeterReading/1/IntervalBlock") for kind in (0, 1)]
TYPES = [reading_type("ReadingType/8", commodity=1), reading_type("ReadingType/9", commodity=7, uom=169)]
TWO_TYPES = [reading_type("T/1"), reading_type("T/2", flowDirection=19)]
SHARED = {"related": (f"{MR}/IntervalBlock", "T/1")}
LONG_NAME = "UsagePoint/1/MeterReading/S01-KWH"
RULES = {"dstStartRule": "360E2000", "dstEndRule": "B40E2000"}
NO_CLASH = [(1, [5, 4]), (4, [4, 3]), (19, [-1, -1])]


class Rival(quirks.Quirk):
    """A made-up sender that sets the zone of feeds that Smart Meter Texas sends."""

    name = "rival"
    zone = "Asia/Seoul"

    def recognizes(self, document):
        return document.title.startswith("SMT")


# kind → a source that raises it, and a near miss; options of both
CASES = {
    "espi.bill.money-scale": (
        bills(summary(billLastPeriod=8487, costAdditionalDetailLastPeriod=items(8487, -2))),
        bills(summary(billLastPeriod=8487, costAdditionalDetailLastPeriod=items(8487, -5))),
    ),
    "espi.bill.money-unsure": (
        bills(summary(billLastPeriod=777, costAdditionalDetailLastPeriod=items(1000, -2))),
        bills(summary(billLastPeriod=1000, costAdditionalDetailLastPeriod=items(1000, -2))),
    ),
    "espi.bill.overlap": (
        bills(summary(1), summary(2, START + 20 * DAY)),
        bills(summary(1), summary(2, START + 30 * DAY)),  # the day on which the meter is read
    ),
    "espi.bill.per-flow": (
        series(({}, hourly(START, [500])), ({"flowDirection": 19}, hourly(START, [20]))).replace(
            b"</feed>",
            (summary(1, overallConsumptionLastPeriod=used(500)) + summary(2, overallConsumptionLastPeriod=used(20))
             + "</feed>").encode(),
        ),
        series(({}, hourly(START, [500])), ({"flowDirection": 19}, hourly(START, [20]))).replace(
            b"</feed>",
            (summary(1, overallConsumptionLastPeriod=used(500)) + summary(2, overallConsumptionLastPeriod=used(21))
             + "</feed>").encode(),
        ),
    ),
    "espi.bill.price": (
        bills(summary(billLastPeriod=12_800, overallConsumptionLastPeriod=used(64_000_000, 0))),
        bills(summary(billLastPeriod=1_280_000_000, overallConsumptionLastPeriod=used(64_000_000, 0))),
    ),
    "espi.bill.repeated": (bills(summary(1, billToDate=5), summary(2, billToDate=5)), bills(summary(1), summary(2, START + 31 * DAY))),
    "espi.bill.same-period": (
        bills(summary(1, billToDate=5), summary(2, billToDate=6)),
        bills(summary(1, billToDate=5, commodity=1), summary(2, billToDate=6, commodity=7)),
    ),
    "espi.bill.total-zero": (
        bills(summary(billLastPeriod=0, costAdditionalDetailLastPeriod=items(5_000_000, -5))),
        bills(summary(billLastPeriod=0, costAdditionalDetailLastPeriod=items(0, -5))),
    ),
    "espi.block.repeated": (whole(HOURS, HOURS), whole(HOURS, block(hourly(START + 7200, [1000, 2000])))),
    "espi.code.unknown": (hours([7], kind=999), hours([7], kind=12)),
    "espi.content.escaped": (
        feed(entry(HOURS.replace("<", "&lt;")), entry(resource("ReadingType", {"uom": 72}))),
        feed(entry("5 &lt; 7"), entry(resource("ReadingType", {"uom": 72}))),
    ),
    "espi.feed.foreign": (GOOD.replace(ESPI.encode(), b"urn:vendor"), GOOD.replace(ESPI.encode(), b"https://naesb.org/espi/")),
    "espi.feed.more-pages": (
        GOOD.replace(b"<title></title>", b'<link rel="next" href="Batch?page=2"/>'),
        GOOD.replace(b"<title></title>", b'<link rel="previous" href="Batch?page=2"/>'),
    ),
    "espi.file.damaged": ([GOOD, GOOD[:-60]], [GOOD, GOOD + b"\n "], {"errors": "collect"}),
    "espi.file.passed-over": ({"a.xml": GOOD, "notes.md": b"# Notes"}, {"a.xml": GOOD, ".notes.md": b"# Notes"}),
    "espi.link.contradictory": (contradictory(2), contradictory(1)),
    "espi.link.document-order": (
        linked(meter_reading(related=(f"{MR}/IntervalBlock", "T/1", "T/2")), types=TWO_TYPES),
        linked(meter_reading(related=(f"{MR}/IntervalBlock", "T/1")), types=TWO_TYPES),
    ),
    "espi.link.fitting": (
        linked(meter_reading(**SHARED), types=[reading_type("T/1"), reading_type("T/1", intervalLength=900, uom=38)]),
        linked(meter_reading(**SHARED), types=[reading_type("T/1"), reading_type("T/1", uom=38)]),
    ),
    "espi.link.none": (
        [*(feed(usage_point(self_=name, related=())) for name in "AB"), feed(reading_type(), entry(HOURS))],
        [*(feed(usage_point(self_=name, related=())) for name in "A"), feed(reading_type(), entry(HOURS))],
    ),
    "espi.link.only-one": (feed(usage_point(self_="", related=()), reading_type(), entry(HOURS)), GOOD),
    "espi.link.other-usage-point": (bills(summary(meter=3)), bills(summary(meter=1))),
    "espi.link.path": (
        feed(usage_point(related=()), meter_reading(related=(RT,)), reading_type(), entry(HOURS, f"{MR}/IntervalBlock/7")),
        feed(usage_point(), meter_reading(), reading_type(), blocks(HOURS)),
    ),
    "espi.link.same-id": (
        feed(reading_type("ReadingType/S01-KWH"), reading_type("ReadingType/S02-KWH", uom=38), blocks(HOURS, up=LONG_NAME)),
        feed(reading_type("ReadingType/1"), reading_type("ReadingType/2", uom=38), blocks(HOURS, up="UsagePoint/1/MeterReading/1")),
    ),
    "espi.link.same-self": (
        linked(meter_reading(**SHARED), types=[reading_type("T/1"), reading_type("T/1", flowDirection=19)]),
        linked(meter_reading(**SHARED), types=[reading_type("T/1"), reading_type("T/1")]),
    ),
    "espi.link.service": (
        feed(*SERVED, *TYPES, *OF_SERVICE),
        feed(*SERVED, *TYPES, reading_type("ReadingType/7", commodity=1, uom=38), *OF_SERVICE[:1]),
    ),
    "espi.member.repeated": (bills(summary(billToDate=[1, 2])), bills(summary(billToDate=[1, 1]))),
    "espi.member.too-many": (
        bills(summary(**{f"m{n}": n for n in range(201)})),
        bills(summary(**{f"m{n}": n for n in range(200)})),
    ),
    "espi.member.withheld": (bills(summary(accessToken="hush")), bills(summary(tokens_of_thanks="5").replace("tokens_of", "t_of"))),
    "espi.quirk.conflict": (smt("SMT Green Button Report: x"), smt("Report: x")),
    "espi.quirk.interval-terms": (interval_terms("uom"), interval_terms("note")),
    "espi.quirk.link-terms": (link_terms("KWH 15 Minute Interval Read Interval"), link_terms("KWH Interval Read Interval")),
    "espi.quirk.opower-wh": (opower(4_000_000), opower(4_000_000, "Opower")),
    "espi.quirk.opower-wh-by-price": (opower(4000), opower(40)),
    "espi.quirk.smt-day-blocks": (smt("SMT Green Button Report: x"), smt("Report: x")),
    "espi.reading-type.missing": (feed(blocks(HOURS)), feed(reading_type(), blocks(HOURS))),
    "espi.reading-type.no-unit": (hours([7], uom=None), hours([7], uom=0 + 72)),
    "espi.reading.conflicting": (
        whole(block(hourly(START, [1, 2])), block(hourly(START + 3600, [3]))),
        whole(block(hourly(START, [1, 2])), block(hourly(START + 3600, [2]))),
    ),
    "espi.reading.in-two-files": (
        [hours([1, 2]), whole(block(hourly(START + 3600, [2, 3])))],
        [hours([1, 2]), whole(block(hourly(START + 7200, [2, 3])))],
    ),
    "espi.reading.none": (feed(usage_point()), GOOD),
    "espi.reading.overlapping": (
        whole(block(reading(START, 5, 5400) + reading(START + 3600, 5)), intervalLength=None),
        whole(block(reading(START, 5, 3600) + reading(START + 3600, 5)), intervalLength=None),
    ),
    "espi.reading.repeated": (
        whole(block(hourly(START, [1, 2])), block(hourly(START + 3600, [2, 3]))),
        whole(block(hourly(START, [1, 2])), block(hourly(START + 3600, [4, 3]))),
    ),
    "espi.reading.without-block": (feed(reading_type(), entry(ALONE)), feed(reading_type(), entry(HOURS))),
    "espi.register.apart": (dials([5, 7], accumulationBehaviour=1), dials([5, 7], accumulationBehaviour=4)),
    "espi.register.assumed": (dials([5, 7, 8]), dials([5, 7, 6])),
    "espi.register.not-a-dial": (
        dials([5, 3, 4, 2], accumulationBehaviour=1),
        dials([5, 6, 99, 2], accumulationBehaviour=1),  # a rollover
    ),
    "espi.resource.unknown": (whole(HOURS, more=entry(resource("Foo", {"a": 1}))), whole(HOURS, more=entry(resource("Foo", {"a": 1}, ns="urn:v")))),
    "espi.series.same": (
        meters(START, [100 + n for n in range(24)], [100 + n for n in range(24)]),
        meters(START, [100 + n for n in range(24)], [100 + n for n in range(24)][::-1]),
    ),
    "espi.time.dst-offset": (whole(HOURS, local=EASTERN | {"dstOffset": -18000}), whole(HOURS, local=EASTERN | {"dstOffset": 3600})),
    "espi.time.fractional": (texts(f"{START}.25"), texts(f"{START}")),
    "espi.time.iso": (texts("2024-01-05T06:00:00Z"), texts(f" {START} ")),
    "espi.time.laid-out": (whole(block(reading(value=5), START, 3600)), whole(block(reading(START, 5), START, 3600))),
    "espi.time.late-second": (texts(START + 1, START + 3601), texts(START, START + 3601)),
    "espi.time.local-as-utc": (whole(*days("2024-07-05")), whole(*days("2024-07-05", offset=4))),
    "espi.time.milliseconds": (texts(START * 1000), texts(START)),
    "espi.time.no-such-zone": (whole(HOURS, local=RULES | {"tzOffset": 0}), whole(HOURS, local=RULES | {"tzOffset": -18000})),
    "espi.time.no-zone": (whole(HOURS, local=None), whole(HOURS, local=EASTERN)),
    "espi.time.none": (whole(block(reading(value=5))), whole(block(reading(value=5), START, 3600))),
    "espi.time.not-a-time": (bills(summary(statusTimeStamp=10**17)), bills(summary(statusTimeStamp=START))),
    "espi.time.offset-sign": (whole(HOURS, local=EASTERN | {"tzOffset": 18000}), whole(HOURS, local=EASTERN)),
    "espi.time.other-length": (
        whole(block(hourly(START, [5]) + reading(START + 3600, 5, 900))),
        whole(block(hourly(START, [5]) + reading(START + 3600, 5, 3599))),
    ),
    "espi.time.other-zone": (whole(*days("2024-01-05", offset=5), local=PACIFIC), whole(*days("2024-01-05", offset=8), local=PACIFIC)),
    "espi.time.repeated-hour": (fall_back(-3, -2, 0, 0, 1), fall_back(-3, -2, -1, 0, 0, 1)),
    "espi.time.rules-undecodable": (
        whole(HOURS, local=EASTERN | {"dstStartRule": "B60E", "dstEndRule": "B40E"}),
        whole(HOURS, local=EASTERN | {"dstStartRule": "360e2000", "dstEndRule": "b40e2000"}),
    ),
    "espi.time.same-start": (texts(START, START, START), texts(START, START)),
    "espi.time.short-duration": (
        whole(block("".join(reading(START + 900 * n, 5, 899) for n in range(3))), intervalLength=900),
        whole(block("".join(reading(START + 900 * n, 5, 900 - (n == 1)) for n in range(3))), intervalLength=900),
    ),
    "espi.time.standard-as-utc": (whole(*days("2024-07-05", offset=-1)), whole(*days("2024-07-05", offset=4))),
    "espi.time.wrong-duration": (
        whole(block("".join(reading(START + 3600 * n, 5, DAY) for n in range(6)))),
        whole(block("".join(reading(START + DAY * n, 5, DAY) for n in range(6)))),
    ),
    "espi.value.decimals": (hours([0.25, 0.5, 0.125]), hours([250.25, 500.5, 125.125])),
    "espi.value.grouped": (hours(["1,234"]), hours(["1234"])),
    "espi.value.missing": (hours([None, 5]), hours([0, 5])),
    "espi.value.multiplier": (hours([5], powerOfTenMultiplier=4096), hours([5], powerOfTenMultiplier=-8)),
    "espi.value.negative": (hours([-300, 500]), hours([-300, 500], flowDirection=4)),
    "espi.value.not-a-flag": (point(isSdp="maybe"), point(isSdp="Yes")),
    "espi.value.not-a-number": (hours(["1_000", 5]), hours(["1e3", 5])),
    "espi.value.own-multiplier": (
        whole(block(hourly(START, [5], powerOfTenMultiplier=3))),
        whole(block(hourly(START, [5])), powerOfTenMultiplier=3),
    ),
    "espi.value.sign-corrected": (
        series(*(({"flowDirection": flow}, hourly(START, values)) for flow, values in NO_CLASH)),
        series(*(({"flowDirection": flow}, hourly(START, values)) for flow, values in [*NO_CLASH[:1], (4, [4, 4]), NO_CLASH[2]])),
    ),
    "espi.value.titled-otherwise": (titled("Energy Delivered (CCF)"), titled("Energy Delivered (CCFX)")),
    "espi.value.unlikely-price": (
        whole(block(hourly(START, [1000], cost=140)), currency=840),
        whole(block(hourly(START, [1000], cost=14_000)), currency=840),
    ),
    "espi.xml.damaged": (GOOD.replace(b"</value>", b"</valu>", 1), GOOD.replace(b"<value>", b"<value >", 1), {"recover": True}),
    "espi.xml.encoding": (
        GOOD.replace(b"<title>", b"<title>Caf\xe9"),
        GOOD.replace(b"<title>", b"<title>Caf\xe9").replace(b"UTF-8", b"ISO-8859-1"),
    ),
    "espi.xml.stray-text": (GOOD.replace(b"?>\n", b"?>\\n"), GOOD.replace(b"?>\n", b"?>\r\n\t<!-- x -->\n")),
    "espi.xml.trailing": (GOOD + GOOD.partition(b"\n")[2], GOOD + b"\n<!-- bye --><?x?>\n"),
    "espi.xml.truncated": (GOOD[:-20], GOOD + b"\n" * 20, {"recover": True}),
    "espi.xml.undeclared-prefix": (UNDECLARED.encode(), DECLARED.encode()),
}  # fmt: skip


def found(source, tmp_path, options):
    """Open a source, of which a dict is a folder, and return the findings; a load adds the kind for no readings."""
    if isinstance(source, dict):
        for name, data in source.items():
            (tmp_path / name).write_bytes(data)
        source = tmp_path
    opened = open_espi(source, **options)
    if opened.readings.empty and not options:
        with quiet():
            return [*opened.findings, *load_espi(source).gk.findings]
    return list(opened.findings)


@pytest.fixture
def rival(monkeypatch, request):
    """The registry of quirks with the made-up sender, for the kind that needs two."""
    if "quirk.conflict" in request.node.name:
        quirks.registered()
        for name in ("_BUILT_IN", "_added", "_read"):
            monkeypatch.setattr(quirks, name, list(getattr(quirks, name)) if name != "_read" else [])
        quirks.register(Rival())


def test_every_kind_has_a_case():
    assert set(CASES) == {name for name in catalogue() if name.startswith("espi.")}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("rival")
def test_kind_is_raised_and_its_near_miss_is_not(name, tmp_path):
    raises, near_miss, *options = CASES[name]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    raised = found(raises, tmp_path / "a", *options or [{}])
    kinds = {f.name for f in raised}
    assert name in kinds
    missed = found(near_miss, tmp_path / "b", *options or [{}])
    assert name not in {f.name for f in missed}
    for finding in (f for f in [*raised, *missed] if f.name == name):
        assert "{" not in finding.message
        assert finding.text.endswith(".")
        assert not finding.what_to_do or finding.what_to_do.endswith(".")
        assert ".." not in finding.message


PRIVATE = ("PAT", "EXAMPLE", "MAIN", "98765")


def with_customer(data):
    """A feed with the customer's name in its titles and in a resource of the customer."""
    named = "<title>PAT EXAMPLE, 12 MAIN ST</title>"
    members = "<customerName>PAT EXAMPLE</customerName><accountId>98765</accountId><Other>12 MAIN ST</Other>"
    customer = f'<entry>{named}<content><Customer xmlns="{ESPI}/customer">{members}</Customer></content></entry>'
    for kind in (b"UsagePoint", b"MeterReading", b"IntervalBlock", b"UsageSummary"):
        data = re.sub(rb"<content>(?=<" + kind + rb"[ >/])", named.encode() + b"<content>", data)
    head, mark, tail = data.rpartition(b"</feed>")
    return head + customer.encode() + mark + tail if mark else data


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("rival")
def test_findings_quote_no_customer_and_a_load_warns_for_each_serious_one(name, tmp_path):
    raises, _, *options = CASES[name]
    if isinstance(raises, dict):
        raises = {n: with_customer(data) for n, data in raises.items()}
    else:
        raises = [with_customer(data) for data in raises] if isinstance(raises, list) else with_customer(raises)
    for finding in found(raises, tmp_path, *options or [{}]):
        shown = finding.message + finding.evidence_text()
        assert not any(word in shown for word in PRIVATE), finding
    if not options:  # options are those of open_espi
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", GreenkitWarning)
            noted = load_espi(tmp_path if isinstance(raises, dict) else raises).gk.findings
        severities = [f.severity for f in noted]
        assert len(caught) == severities.count("serious") + ("warning" in severities)
