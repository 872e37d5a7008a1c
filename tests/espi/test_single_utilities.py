"""What single utilities do that no rule of the standard covers (greenkit/espi/quirks.py)."""

import re

from build import utc, xml

DUKE = """<?xml version="1.0" encoding="UTF-8"?>
<ns3:entry xmlns:espi="http://naesb.org/espi" xmlns:ns3="http://www.w3.org/2005/Atom"><ns3:content>{}</ns3:content></ns3:entry>"""


def duke(point, service, unit, length, start, *readings):
    said = {"servicePointId": point, "serviceType": service, "unitOfMeasure": unit, "secondsPerInterval": length}
    inner = xml("interval", {**said, "duration": 65840400, "start": start})
    for n, (quality, value) in enumerate(readings):
        period = {"start": start + n * length}
        inner += xml("IntervalReading", {"timePeriod": period, "readingQuality": quality, "value": value})
    return re.sub(r"<(/?)", r"<\1espi:", f"<IntervalBlock>{inner}</IntervalBlock>")


def test_an_interval_that_says_meter_unit_and_length(opened):
    """Duke Energy: no links, no other resource; words for codes; values with decimals, in the unit itself."""
    start = utc("2025-03-31 05:00")
    blocks = duke("TEST-001", "ELECTRIC", "kWH", 900, start, ("ACTUAL", 0.11), ("ESTIMATED", 0.1))
    blocks += duke("TEST-001", "ELECTRIC", "kWH", 900, start + 1800, ("ACTUAL", 0.25))
    blocks += duke("TEST-002", "GAS", "CCF", 86400, start, ("ACTUAL", 1.5))
    found = opened(DUKE.format(blocks).encode(), tz="America/New_York")
    df = found.readings
    assert df["meter"].tolist() == ["TEST-001"] * 3 + ["TEST-002"]
    assert df["series"].tolist() == ["electric"] * 3 + ["gas"]
    assert df["commodity"].tolist() == ["electricity"] * 3 + ["natural gas"]
    assert list(zip(df["value"], df["unit"], strict=True)) == [(0.11, "kWh"), (0.1, "kWh"), (0.25, "kWh"), (150, "ft3")]
    assert df["quality"].tolist() == ["actual", "estimated", "actual", "actual"]
    assert df["start"].dt.tz_convert("UTC").dt.strftime("%m-%d %H:%M").tolist() == [
        "03-31 05:00",
        "03-31 05:15",
        "03-31 05:30",
        "03-31 05:00",
    ]
    assert (df["end"] - df["start"]).dt.total_seconds().tolist() == [900, 900, 900, 86400]
    assert "espi.quirk.interval-terms" in found.findings.names
    assert not {"espi.reading-type.missing", "espi.code.unknown"} & set(found.findings.names)
