"""Whole documents as utilities and their platforms send them, several quirks at once; what they hold worked out by hand."""

import io
import zipfile

import pytest
from build import (
    ATOM,
    CENTRAL,
    EASTERN,
    ESPI,
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
)  # fmt: skip

NOON = utc("2024-01-05 05:00")  # Eastern midnight
HOST = "https://u.example/espi/1_1/resource/"
NO_DST = {"dstOffset": 0, "dstStartRule": "FFFFFFFF", "dstEndRule": "FFFFFFFF"}


def series(name, *contents, meter="1", type_=None, root="Subscription/5/"):
    """A MeterReading with its ReadingType and blocks, all in links."""
    mr = f"{HOST}{root}UsagePoint/{meter}/MeterReading/{name}"
    up = f"{HOST}{root}UsagePoint/{meter}/MeterReading"
    parts = [entry(resource("MeterReading"), mr, up, (f"{mr}/IntervalBlock", f"{HOST}ReadingType/{name}"))]
    parts += [reading_type(f"{HOST}ReadingType/{name}", **type_)] if type_ is not None else []
    return "".join([*parts, blocks(*contents, up=f"{mr}/IntervalBlock")])


def point(meter="1", zone="4", kind=0):
    up = f"{HOST}Subscription/5/UsagePoint/{meter}"
    return usage_point(kind, up, (f"{up}/MeterReading", f"{HOST}LocalTimeParameters/{zone}"))


def zone(members, number="4"):
    return entry(resource("LocalTimeParameters", members), f"{HOST}LocalTimeParameters/{number}")


def untimed(count, value, start):
    return block(reading(value=value) * count, utc(start), 86400)


def zipped(*documents):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for n, document in enumerate(documents):
            archive.writestr(f"{n}.xml", document)
    return out.getvalue()


def net_metered_standard_time():
    """Prefixes, days in standard time as if UTC, no timePeriod, milli-watt-hours, two types of one usage point."""
    days = [untimed(96, 1_500_000, day) for day in ("2024-07-05 23:00", "2024-12-06 00:00")]
    quarter = {"intervalLength": 900, "powerOfTenMultiplier": -3}
    text = feed(point(), series("d", *days, type_=quarter), series("r", *days[:1], type_=quarter | {"flowDirection": 19}),
                zone(CENTRAL)).decode()  # fmt: skip
    inside = [("<", "<espi:"), ("<espi:/", "</espi:")]
    head, *rest = text.replace(f' xmlns="{ESPI}"', "").split("<content>")
    for piece in rest:
        content, end, more = piece.partition("</content>")
        for old, new in inside:
            content = content.replace(old, new)
        head += "<content>" + content + end + more
    return head.replace("<feed ", f'<feed xmlns:espi="{ESPI}" ').encode()


def meters_of_six_zones():
    """One shared ReadingType; each usage point has its own LocalTimeParameters."""
    rules = {
        "ON": EASTERN, "AZ": NO_DST | {"tzOffset": -25200}, "NL": EASTERN | {"tzOffset": -12600},
        "UK": {"tzOffset": 0, "dstOffset": 3600, "dstStartRule": "3E0E1000", "dstEndRule": "AE0E2000"},
        "AU": {"tzOffset": 36000, "dstOffset": 3600, "dstStartRule": "A40E2000", "dstEndRule": "440E3000"},
        "DA": NO_DST | {"tzOffset": 34200},
    }  # fmt: skip
    parts = [reading_type(f"{HOST}ReadingType/x")]
    for name, members in rules.items():
        parts += [point(name, name), series("x", block(hourly(NOON, [1000, 2000])), meter=name), zone(members, name)]
    return feed(*parts)


def other_roots():
    """What one link calls a subscription's another calls a customer's; a second block comes before its MeterReading."""
    parts, ib = [], block(hourly(NOON, [1000, 2000]))
    for meter, power in (("7", 0), ("8", 3)):
        mr = f"UsagePoint/{meter}/MeterReading/{meter}1"
        parts += [
            entry(resource("UsagePoint"), f"{HOST}RetailCustomer/9/UsagePoint/{meter}"),
            meter_reading(f"{HOST}Subscription/5/{mr}", (f"{HOST}ReadingType/{meter}",)),
            reading_type(f"{HOST}ReadingType/{meter}", powerOfTenMultiplier=power),
            entry(ib, f"{HOST}Batch/{mr}/IntervalBlock/1"),
        ]
    return feed(*parts[:3], *parts[4:], parts[3], local_time())


def types_in_other_files():
    """Three answers of the REST interface in one archive."""
    ids = "Subscription/5/UsagePoint/1/MeterReading/w"
    return zipped(
        feed(point(), series("w"), zone(EASTERN)),
        feed(blocks(block(hourly(NOON, [2, 3])), up=f"{HOST}{ids}/IntervalBlock")),
        reading_type(f"{HOST}ReadingType/w", uom=128, powerOfTenMultiplier=1).replace("<entry>", f'<entry xmlns="{ATOM}">', 1),
    )  # fmt: skip


BARE = (
    resource("UsagePoint", {"ServiceCategory": {"kind": 0}})
    + resource("ReadingType", {"flowDirection": 1, "uom": 72})
    + block(hourly(NOON, [1000, 2000]))
    + resource("LocalTimeParameters", EASTERN)
)
SOAP = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header/><s:Body><r>%s</r></s:Body></s:Envelope>'
)
PLAIN = whole(block(hourly(NOON, [1000, 2000]))).partition(b"\n")[2].decode()
GAS = {"uom": 169, "powerOfTenMultiplier": -8, "commodity": 7, "intervalLength": 86400, "currency": 840}
GAS_DAYS = [("2024-03-09 08:00", 50_000_000, 86400), ("2024-03-10 08:00", 103_513_077, 82800)]
TWO = [("1", "delivered", "kWh", 2, 3.0, "01-05 05:00", "01-05 06:00", [3600])]
BARE_TWO = [("entry 1", *TWO[0][1:])]
TYPES = [resource("ReadingType", {"flowDirection": 1, "uom": uom}) for uom in (72, 169)]
MIXED = TYPES[0] + block(hourly(NOON, [1000])) + TYPES[1] + block(hourly(NOON, [5]))
MIXED_ROWS = [
    ("unknown", "delivered", "kWh", 1, 1.0, "01-05 05:00", "01-05 05:00", [3600]),
    ("unknown", "delivered", "therm", 1, 5.0, "01-05 05:00", "01-05 05:00", [3600]),
]

# name → document, options, rows of (meter, flow, unit, readings, sum, first and last start in UTC, durations), findings
FAMILIES = {
    "net metering in standard time": (
        net_metered_standard_time(), {"epoch": "standard"},
        [("1", "delivered", "kWh", 192, 288.0, "07-06 05:00", "12-07 05:45", [900]),
         ("1", "received", "kWh", 96, 144.0, "07-06 05:00", "07-07 04:45", [900])],
        {"espi.time.laid-out"},
    ),
    "the same, believed to be UTC": (
        net_metered_standard_time(), {},
        [("1", "delivered", "kWh", 192, 288.0, "07-05 23:00", "12-06 23:45", [900]),
         ("1", "received", "kWh", 96, 144.0, "07-05 23:00", "07-06 22:45", [900])],
        {"espi.time.laid-out", "espi.time.standard-as-utc"},
    ),
    "gas, therms of 10^-8, daily with a cost, over the day of change": (
        whole(block("".join(reading(utc(s), v, d, cost=123456) for s, v, d in GAS_DAYS)), local=PACIFIC, service=1, **GAS), {},
        [("1", "delivered", "therm", 2, 1.53513077, "03-09 08:00", "03-10 08:00", [82800, 86400])],
        set(),
    ),
    "gas days of always 24 hours": (
        whole(block("".join(reading(utc(s), 10**8, 86400) for s in ("2024-03-10 08:00", "2024-03-11 07:00"))), local=PACIFIC,
              service=1, **GAS), {},
        [("1", "delivered", "therm", 2, 2.0, "03-10 08:00", "03-11 07:00", [86400])],
        {"espi.reading.overlapping"},
    ),
    "gas in m3 beside ccf": (
        feed(point(kind=1), series("a", block(hourly(NOON, [1042, 958])), type_={"uom": 42, "powerOfTenMultiplier": -3}),
             series("b", block(hourly(NOON, [2])), type_={"uom": 119, "powerOfTenMultiplier": 2}), zone(EASTERN)), {},
        [("1", "delivered", "ft3", 1, 200.0, "01-05 05:00", "01-05 05:00", [3600]),
         ("1", "delivered", "m3", 2, 2.0, "01-05 05:00", "01-05 06:00", [3600])],
        set(),
    ),
    "energy, demand, reactive energy, voltage and a dial of one meter": (
        feed(point(), *(series(str(uom), block(hourly(NOON, [value] * 4, 900)), type_={"uom": uom, "kind": kind})
                        for uom, kind, value in ((72, 12, 250), (38, 8, 1000), (73, 12, 40), (29, 54, 121))),
             series("dial", block(reading(NOON, 5_000_000, 0)), type_={"accumulationBehaviour": 1}), zone(EASTERN)), {},
        [("1", "delivered", "V", 4, 484.0, "01-05 05:00", "01-05 05:45", [900]),
         ("1", "delivered", "kW", 4, 4.0, "01-05 05:00", "01-05 05:45", [900]),
         ("1", "delivered", "kWh", 4, 1.0, "01-05 05:00", "01-05 05:45", [900]),
         ("1", "delivered", "kvarh", 4, 0.16, "01-05 05:00", "01-05 05:45", [900])],
        {"espi.register.apart", "espi.time.other-length"},
    ),
    "meters of six zones": (
        meters_of_six_zones(), {},
        [(m, "delivered", "kWh", 2, 3.0, "01-05 05:00", "01-05 06:00", [3600]) for m in ("AU", "AZ", "DA", "NL", "ON", "UK")],
        {"frame.zones.mixed"},
    ),
    "paths of other roots": (
        other_roots(), {},
        [("7", "delivered", "kWh", 2, 3.0, "01-05 05:00", "01-05 06:00", [3600]),
         ("8", "delivered", "kWh", 2, 3000.0, "01-05 05:00", "01-05 06:00", [3600])],
        {"espi.link.path", "espi.link.only-one"},
    ),
    "water, its type in another file of the archive": (
        types_in_other_files(), {}, [("1", "delivered", "gal", 2, 50.0, "01-05 05:00", "01-05 06:00", [3600])], set()
    ),
    "a feed in a SOAP envelope": ((SOAP % PLAIN).encode(), {}, TWO, set()),
    "a feed in an entry": (f'<feed xmlns="{ATOM}"><entry><content>{PLAIN}</content></entry></feed>'.encode(), {}, TWO, set()),
    "bare resources": (f"<data>{BARE}</data>".encode(), {}, BARE_TWO, set()),
    "bare resources, deep": ((SOAP % f"<usage><x>{BARE}</x></usage>").encode(), {}, BARE_TWO, set()),
    "bare resources before an entry": (
        f'<feed xmlns="{ATOM}">{BARE}<entry><content>{resource("UsageSummary")}</content></entry></feed>'.encode(), {},
        BARE_TWO, {"espi.link.only-one"},
    ),
    "the resources in their usage point": (
        feed(entry(f'<UsagePoint xmlns="{ESPI}"><MeterReading><ReadingType><uom>72</uom><flowDirection>1</flowDirection>'
                   f"</ReadingType>{block(hourly(NOON, [1000, 2000]))}</MeterReading></UsagePoint>"), local_time()), {},
        BARE_TWO, {"espi.link.only-one"},
    ),
    "several types and blocks in one entry": (
        feed(entry(MIXED, "x"), local_time()), {}, MIXED_ROWS, {"espi.link.document-order"}
    ),
    "several bare types and blocks": (
        f"<data>{MIXED}{resource('LocalTimeParameters', EASTERN)}</data>".encode(), {}, MIXED_ROWS,
        {"espi.link.document-order"},
    ),
    "ESPI's namespace for Atom too": (PLAIN.replace(ATOM, ESPI).encode(), {}, TWO, set()),
    "no namespace but Atom's": (PLAIN.replace(f' xmlns="{ESPI}"', "").encode(), {}, TWO, set()),
    "https and www": (PLAIN.replace("http://naesb.org/espi", "https://www.naesb.org/espi/").encode(), {}, TWO, set()),
    "milliseconds for starts and durations": (
        whole(block(hourly(NOON * 1000, [1000, 2000], 3_600_000), NOON * 1000, 7_200_000)), {}, TWO, {"espi.time.milliseconds"}
    ),
    "milliseconds for starts alone": (
        whole(block(reading(NOON * 1000, 1000) + reading((NOON + 3600) * 1000, 2000))), {}, TWO, {"espi.time.milliseconds"}
    ),
    "starts without durations or an interval length": (
        whole(block("".join(f"<IntervalReading><timePeriod><start>{NOON + i * 3600}</start></timePeriod><value>{i + 1}000</value>"
                            "</IntervalReading>" for i in range(2))), intervalLength=None), {}, TWO, {"espi.time.laid-out"},
    ),
    "an hourly and a daily block of one type": (
        whole(block(hourly(NOON, [1000] * 24)), block(reading(NOON, 24000, 86400))), {},
        [("1", "delivered", "kWh", 25, 48.0, "01-05 05:00", "01-06 04:00", [3600, 86400])],
        {"espi.reading.conflicting", "espi.reading.overlapping", "espi.time.other-length"},
    ),
}  # fmt: skip


def held(df):
    rows = []
    for (meter, flow, unit), part in df.groupby(["meter", "flow", "unit"], observed=True):
        starts = part["start"].dt.tz_convert("UTC").dt.strftime("%m-%d %H:%M")
        spans = sorted({int(s) for s in (part["end"] - part["start"]).dt.total_seconds()})
        rows.append((meter, flow, unit, len(part), round(part["value"].sum(), 9), starts.min(), starts.max(), spans))
    return sorted(rows)


@pytest.mark.parametrize("name", FAMILIES)
def test_families(opened, name):
    data, options, rows, findings = FAMILIES[name]
    found = opened(data, **options)
    assert held(found.readings) == rows
    assert set(found.findings.names) - {"espi.time.no-zone"} == findings


def test_values_of_single_families(opened):
    gas = opened(FAMILIES["gas, therms of 10^-8, daily with a cost, over the day of change"][0]).readings
    assert gas["cost"].tolist() == [1.23456, 1.23456]
    assert gas[["currency", "commodity"]].iloc[0].tolist() == ["USD", "natural gas"]
    dial = opened(FAMILIES["energy, demand, reactive energy, voltage and a dial of one meter"][0]).registers
    assert dial[["series", "value", "unit"]].iloc[0].tolist() == ["dial", 5000, "kWh"]
    zones = opened(meters_of_six_zones()).readings.groupby("meter", observed=True)["zone"].first().to_dict()
    assert zones == {
        "ON": "America/New_York", "AZ": "America/Phoenix", "NL": "America/St_Johns", "UK": "Europe/London",
        "AU": "Australia/Sydney", "DA": "Australia/Darwin",
    }  # fmt: skip
