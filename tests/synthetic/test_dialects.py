"""Each dialect contains every value once, except for its quirk; a walk without namespaces reads it."""

import io
import re
from dataclasses import replace

import pytest
from lxml import etree

from greenkit import synthetic
from greenkit.synthetic import _espi_feed
from greenkit.synthetic._dialects import CONFORMING, DIALECTS, variant
from greenkit.synthetic.data_samples import quiet_home, texas_home

WINDOW = ("2024-11-02", "2024-11-05")
MIDNIGHT = 1730523600  # 2024-11-02T00:00 in Chicago
CODECS = {"iso-8859-1": "latin-1", "utf-8-sig": "utf-8-sig", "utf-16": "utf-16"}
# The resources of these validate against the schema; their quirks are outside of it.
VALID = [
    "prefixed", "utf-16", "latin-1", "blocks-together", "nested-links", "no-usage-point", "no-reading-type",
    "unlinked-type", "readings-first", "same-ids", "empty-usage-points", "gas-1e-8", "milli", "net", "many-units",
    "odd-codes", "wrong-kind", "all-members", "old-summary", "local-as-utc", "standard-as-utc", "eastern-epochs",
    "late-second", "short-second", "no-time-period", "dropped-hour", "paired-hour", "gas-day-86400", "smt",
]  # fmt: skip


def feed(meter, dialect, window=WINDOW):
    file = io.BytesIO()
    _espi_feed.write(file, [meter], *window, dialect=dialect)
    return file.getvalue()


def plain(data, dialect):
    """The document without namespaces or prefixes, so that one walk fits every dialect."""
    text = data.decode(CODECS.get(dialect.encoding, "utf-8"))
    text = re.sub(r"<\?xml .*?\?>", "", text.strip())
    text = re.sub(r'\s(xmlns(:\w+)?|xsi:type)="[^"]*"', "", text)
    return etree.fromstring(re.sub(r"<(/?)\w+:", r"<\1", text))


def readings(document):
    return [
        {e.tag: e.text.strip() for e in r.iter() if e.text and e.text.strip()} for r in document.iter("IntervalReading")
    ]


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_contains_every_value_once(name):
    dialect = DIALECTS[name]
    meter = synthetic.household(12, solar=4.0, faults=(), read_day=4)
    got = sorted(int(r["value"]) for r in readings(plain(feed(meter, dialect), dialect)))
    if not dialect.readings:
        assert got == []
        return
    start, end = (meter.instant(t) for t in WINDOW)
    channels = [*meter.channels, *dialect.more_channels] if dialect.root == "feed" else meter.channels[:1]
    expected = []
    for channel in channels:
        amounts = meter.readings(channel, start, end).amount
        if dialect.repeated_hour == "dropped":
            amounts = [a for i, a in enumerate(amounts) if not 96 + 8 <= i < 96 + 12]
        if dialect is DIALECTS["milli"]:
            amounts = [1000 * a for a in amounts]
        expected += [int(a) for a in amounts]
    if dialect.blocks_twice:
        expected *= 2
    if dialect.registers:
        expected += meter.registers(start, end)[1].tolist()
    assert got == sorted(expected)


@pytest.mark.parametrize("name", VALID)
def test_dialects_that_the_schema_allows_validate(name, validate):
    meter = quiet_home(900) if name not in ("gas-1e-8", "gas-day-86400") else synthetic.gas_meter(5, faults=())
    dialect = DIALECTS[name]
    if name == "utf-16":
        dialect = replace(dialect, encoding="utf-8")
    assert validate(feed(meter, dialect)) > 3


def starts(dialect, interval=3600):
    return [int(r["start"]) for r in readings(plain(feed(quiet_home(interval), dialect), dialect))]


TRUE = [MIDNIGHT + 3600 * i for i in range(73)]
CDT, CST = -5 * 3600, -6 * 3600


def test_dialects_shift_the_epochs():
    assert starts(CONFORMING) == TRUE
    wall = [t + (CDT if t < 1730617200 else CST) for t in TRUE]
    assert starts(DIALECTS["local-as-utc"]) == wall
    assert starts(DIALECTS["local-as-utc-dropped"]) == list(dict.fromkeys(wall))
    assert len(set(wall)) == 72
    assert starts(DIALECTS["standard-as-utc"]) == [t + CST for t in TRUE]
    assert starts(DIALECTS["late-second"]) == [t + 1 for t in TRUE]
    assert starts(DIALECTS["newest-first"]) == TRUE[::-1]
    assert len(starts(DIALECTS["dropped-hour"])) == 72
    west = replace(quiet_home(), zone="America/Los_Angeles")
    (first, *_) = readings(plain(feed(west, DIALECTS["eastern-epochs"]), CONFORMING))
    assert int(first["start"]) == 1730520000  # midnight in New York


def test_repeated_hour_as_a_pair_of_7200_and_0_seconds():
    found = readings(plain(feed(quiet_home(), DIALECTS["paired-hour"]), CONFORMING))
    pair = [r for r in found if r["start"] == str(MIDNIGHT + 25 * 3600)]
    assert [r["duration"] for r in pair] == ["7200", "0"]
    assert sum(int(r["duration"]) for r in found) == 73 * 3600


def test_durations_are_a_second_short():
    found = readings(plain(feed(quiet_home(900), DIALECTS["short-second"]), CONFORMING))
    assert {r["duration"] for r in found} == {"899"}
    block = plain(feed(quiet_home(900), DIALECTS["short-second"]), CONFORMING).find(".//IntervalBlock/interval")
    assert block.findtext("duration") == "86399"


def test_readings_with_one_start_or_none():
    found = readings(plain(feed(quiet_home(), DIALECTS["one-start"]), CONFORMING))
    assert {r["start"] for r in found} == {"1721154384.66136"}
    document = plain(feed(quiet_home(), DIALECTS["no-time-period"]), CONFORMING)
    assert document.find(".//IntervalReading/timePeriod") is None
    assert [b.findtext("interval/duration") for b in document.iter("IntervalBlock")] == ["86400", "90000", "86400"]


def test_smt_writes_days_by_position():
    document = plain(feed(texas_home(), DIALECTS["smt"]), CONFORMING)
    blocks = [
        [int(s.text) for s in b.iterfind("IntervalReading/timePeriod/start")] for b in document.iter("IntervalBlock")
    ]
    day = 1730505600  # 2024-11-02T00:00Z
    assert [len(b) for b in blocks] == [96, 100, 96] * 2
    assert blocks[0][:3] == [day, day + 1800, day + 2700]
    assert blocks[0][-1] == blocks[1][0] == day + 86400
    tags = [c[0].tag for c in document.iter("content")]
    assert tags.index("ReadingType") > tags.index("IntervalBlock")
    assert document.findtext(".//tzOffset") == "18000"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conforming", ["B40E2000", "3600", "360E2000", "-21600"]),
        ("late-second", ["B40E2000", "3600", "360E2000", "21600"]),
        ("local-as-utc", ["B40E2000", "3600", "360E2000", "0"]),
        ("bills-only", [None] * 4),
        ("four-digit-rules", ["B40E", "3600", "B60E", "-21600"]),
        ("energy-and-demand", ["B40E2000", "-21600", "360E2000", "-21600"]),
    ],
)
def test_local_time_parameters(name, expected):
    document = plain(feed(quiet_home(), DIALECTS[name]), DIALECTS[name])
    assert [e.text for e in document.find(".//LocalTimeParameters")] == expected


def test_zones_without_daylight_saving_time_and_in_europe():
    for zone, rules in (
        ("America/Phoenix", ["FFFFFFFF", "0", "FFFFFFFF", "-25200"]),
        ("Europe/Berlin", ["AE0E3000", "3600", "3E0E2000", "3600"]),
    ):
        document = plain(feed(replace(quiet_home(), zone=zone), CONFORMING), CONFORMING)
        assert [e.text for e in document.find(".//LocalTimeParameters")] == rules


def links(document, tag, rel):
    entries = [e for e in document.iter("entry") if e.find(f"content/{tag}") is not None]
    return [[x.get("href") for x in e.iter("link") if x.get("rel") == rel] for e in entries]


def test_links_of_each_style():
    def document(name):
        return plain(feed(quiet_home(), DIALECTS[name]), DIALECTS[name])

    usual = document("conforming")
    assert all(up[0] in links(usual, "MeterReading", "related")[0] for up in links(usual, "IntervalBlock", "up"))
    direct = document("direct-links")
    assert links(direct, "MeterReading", "related")[0][:3] == [s[0] for s in links(direct, "IntervalBlock", "self")]
    assert not any(links(direct, "IntervalBlock", "up"))
    nested = document("nested-links")
    mine = links(nested, "MeterReading", "self")[0][0]
    assert mine.startswith("https://")
    assert all(mine.endswith(s[0].rpartition("/IntervalBlock")[0]) for s in links(nested, "IntervalBlock", "self"))
    assert not any(links(nested, "MeterReading", "related"))
    back = document("back-links")
    assert all(links(back, "MeterReading", "self")[0][0] in r for r in links(back, "IntervalBlock", "related"))
    assert links(back, "UsagePoint", "self")[0][0] in links(back, "MeterReading", "related")[0]
    assert not any(links(document("no-links"), "IntervalBlock", "self"))
    same = document("same-ids")
    assert len({s[0] for s in links(same, "IntervalBlock", "self")}) == 1
    assert len({e.findtext("id") for e in same.iter("entry")}) == 1
    assert len(links(document("empty-usage-points"), "UsagePoint", "self")) == 5
    assert len(links(document("readings-first"), "UsagePoint", "self")) == 1


def test_gas_in_hundred_millionths_of_a_therm():
    gas = synthetic.gas_meter(5, faults=())
    document = plain(feed(gas, DIALECTS["gas-1e-8"]), CONFORMING)
    assert document.findtext(".//powerOfTenMultiplier") == "-8"
    total = sum(int(r["value"]) for r in readings(document)) * 1e-8
    assert total == pytest.approx(gas.frame(*WINDOW)["value"].sum())
    assert {int(r["duration"]) for r in readings(plain(feed(gas, DIALECTS["gas-day-86400"]), CONFORMING))} == {86400}
    assert [int(r["duration"]) for r in readings(plain(feed(gas, CONFORMING), CONFORMING))] == [86400, 90000, 86400]


def test_multiplier_that_loses_digits_is_refused():
    with pytest.raises(ValueError, match=r"powerOfTenMultiplier of 3 loses digits of kWh. Use 0 or less"):
        feed(quiet_home(), variant(exponents={"kWh": 3}))


def test_bills_in_thousandths():
    gas = synthetic.gas_meter(6, faults=(), read_day=4)
    (bill,) = gas.bills(*(gas.instant(t) for t in WINDOW))
    dialect = DIALECTS["bills-only"]
    document = plain(feed(gas, dialect), dialect)
    assert document.find(".//IntervalBlock") is None
    last = int(document.findtext(".//billLastPeriod"))
    assert last == pytest.approx(bill.total / 100, abs=len(bill.items))
    items = document.findall(".//costAdditionalDetailLastPeriod")
    assert sum(int(i.findtext("amount")) for i in items) == last
    assert {i.findtext("measurement/uom") for i in items} == {"80", "27", "114", "42"}


def test_costs_of_other_dialects():
    document = plain(feed(quiet_home(), DIALECTS["energy-and-demand"]), CONFORMING)
    period = document.find(".//billingPeriod")
    end = int(period.findtext("start")) + int(period.findtext("duration"))
    assert int(document.findtext(".//statusTimeStamp")) == 1000 * (end + 86_400)
    free = readings(plain(feed(quiet_home(), DIALECTS["no-usage-point"]), CONFORMING))
    assert {r["cost"] for r in free} == {"0"}


def test_members_have_the_order_of_the_schema():
    document = plain(feed(synthetic.household(12, interval=3600, faults=()), DIALECTS["all-members"]), CONFORMING)
    reading = document.find(".//IntervalReading")
    assert [e.tag for e in reading] == [
        "cost",
        "ReadingQuality",
        "timePeriod",
        "value",
        "consumptionTier",
        "tou",
        "cpp",
    ]


def test_tiers_change_when_the_month_reaches_the_limit():
    home = synthetic.household(3, ev=True, faults=())
    start, end = home.instant("2024-07-01"), home.instant("2024-09-01")
    whole = home.readings(home.channels[0], start, end)
    tiers = home.tiers(whole)
    july = whole.start < home.instant("2024-08-01")
    total = whole.amount[july].cumsum()
    assert (tiers[july] == 1 + (total > 600_000)).all()
    assert tiers[~july][0] == 1
    assert set(tiers.tolist()) == {1, 2}
    late = home.readings(home.channels[0], home.instant("2024-07-20"), end)
    assert (home.tiers(late) == tiers[-len(late) :]).all()


def test_dialects_are_switches():
    assert variant() == CONFORMING == DIALECTS["conforming"]
    assert len(set(map(repr, DIALECTS.values()))) == len(DIALECTS)
