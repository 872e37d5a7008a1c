"""Four shapes in which utilities spread one flow over series, as files: load, quality, flows, every chart, and report.

Nothing is filtered on the way, and each figure is worked out by hand.
"""

import io
import re
import sys
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import greenkit
from greenkit import frame, plot, samples

sys.path.insert(0, str(Path(__file__).parent.parent / "espi"))
from build import block, entry, feed, local_time, meter_reading, reading, reading_type, usage_point

sys.path.pop(0)

DAY = [0.5] * 7 + [1.5] * 4 + [1.0] * 6 + [1.5] * 2 + [0.5] * 5
"""kWh of the hours of a day: 21 kWh, with a peak of 1.5 kW."""
TOU = [3] * 7 + [1] * 4 + [2] * 6 + [1] * 2 + [3] * 5
MONDAY = 1767589200
"""5 January 2026 in New York."""
HOURS, DAYS = np.arange(168) * 3600 + MONDAY, np.arange(7) * 86400 + MONDAY
CODES = {"delivered": 1, "received": 19, "net": 4}
# charts of one frame; those of costs have a test of their own, and price_map, findings_by_day, fleet_band, and fleet_load
# take no frame
CHARTS = sorted(
    set(plot.__all__)
    - {"bill", "bill_change", "plans", "price_map", "cost_by_hour", "findings_by_day", "fleet_band", "fleet_load"}
)


def by_time_of_use():
    return [(f"tou {p}", "delivered", 3600, [(t, v, p) for t, v, of in zip(HOURS, DAY * 7, TOU * 7, strict=True) if of == p])
            for p in (1, 2, 3)]  # fmt: skip


def by_bill():
    values = {"delivered": DAY * 7, "received": [0.25] * 168, "net": [v - 0.25 for v in DAY * 7]}
    return [(f"bill {a}", flow, 3600, list(zip(HOURS[a:b], value[a:b], [None] * 168)))  # noqa: B905
            for flow, value in values.items() for a, b in pairwise((0, 48, 120, 168))]  # fmt: skip


def hourly_and_daily():
    return [("hourly", "delivered", 3600, [(t, v, None) for t, v in zip(HOURS, DAY * 7, strict=True)]),
            ("daily", "delivered", 86400, [(t, sum(DAY), None) for t in DAYS])]  # fmt: skip


def received_negative():
    values = {"delivered": DAY * 7, "received": [-0.25] * 168, "net": [v - 0.25 for v in DAY * 7]}
    return [("solar", flow, 3600, [(t, v, None) for t, v in zip(HOURS, value, strict=True)])
            for flow, value in values.items()]  # fmt: skip


def written(series):
    """Return a feed with one MeterReading and one block for each series."""
    readings = [f"UsagePoint/1/MeterReading/{i}" for i, _ in enumerate(series)]
    entries = [usage_point(related=(*readings, "LocalTimeParameters/4")), local_time()]
    for i, (_, flow, seconds, rows) in enumerate(series):
        inner = "".join(
            reading(int(t), round(v * 1000), seconds, **({} if tou is None else {"tou": tou})) for t, v, tou in rows
        )
        kind = f"ReadingType/{i}"
        entries += [
            meter_reading(readings[i], (f"{readings[i]}/IntervalBlock", kind)),
            reading_type(kind, flowDirection=CODES[flow], intervalLength=seconds, uom=72, accumulationBehaviour=4),
            entry(block(inner), f"{readings[i]}/IntervalBlock/1", f"{readings[i]}/IntervalBlock"),
        ]
    return io.BytesIO(feed(*entries))


# shape → (series, relations by name, kWh of the week by flow)
SHAPES = {
    "time of use": (by_time_of_use(), {"part": 3}, {"delivered": 147.0}),
    "bills": (by_bill(), {"part": 9, "complement": 1}, {"delivered": 147.0, "received": 42.0, "net": 105.0}),
    "hourly and daily": (hourly_and_daily(), {"alternative": 2}, {"delivered": 147.0}),
    "received negative": (received_negative(), {"complement": 1}, {"delivered": 147.0, "received": 42.0, "net": 105.0}),
}


@pytest.fixture(scope="module", params=SHAPES)
def shape(request):
    series, relations, flows = SHAPES[request.param]
    with pytest.warns() if request.param == "received negative" else nullcontext():
        df = greenkit.load_espi(written(series))
    return df, relations, flows


def drawn(figure):
    """Return what the traces of a figure draw."""
    return [
        [repr(np.asarray(trace[name]).tolist()) for name in ("x", "y", "z") if name in trace] for trace in figure.data
    ]


@pytest.fixture(scope="module")
def plain():
    """Return the same energy as one series for each flow, by the number of flows."""
    flows = by_bill()
    joined = {flow: [row for _, of, _, rows in flows for row in rows if of == flow] for flow in CODES}
    frames = {}
    for n, names in ((1, ["delivered"]), (3, ["delivered", "received", "net"])):
        frames[n] = greenkit.load_espi(written([(flow, flow, 3600, joined[flow]) for flow in names]))
    return frames


def test_quality_and_flows_are_correct(shape):
    df, relations, flows = shape
    assert frame.relations(df)["relation"].value_counts().to_dict() == relations
    report = df.gk.quality()
    assert report.table["flow"].tolist() == sorted(flows)
    assert report.table[["expected", "present", "missing", "completeness"]].to_numpy().tolist() == [
        [168, 168, 0, 1.0]] * len(flows)  # fmt: skip
    assert report.relations["relation"].value_counts().to_dict() == relations
    out = df.gk.flows("week").iloc[0]
    assert {flow: out[flow] for flow in flows} == pytest.approx(flows)
    made = df.gk.shape().set_index("flow")
    assert made.loc["delivered", ["peak", "mean"]].tolist() == pytest.approx([1.5, 147 / 168])
    assert df.gk.series(flow="delivered").sum() == pytest.approx(147.0)
    assert df.gk.wide().sum().tolist() == pytest.approx([flows[flow] for flow in sorted(flows)])


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_equals_that_of_a_plain_series(shape, plain, name):
    df, _, flows = shape
    more = {"schedule": "wholesale"} if name == "tou" else {}
    figure, want = (getattr(plot, name)(of, **more) for of in (df, plain[len(flows)]))
    assert drawn(figure) == drawn(want) != []


def test_charts_of_costs_equal_those_of_a_plain_series(shape, plain):
    df, _, flows = shape
    plan = greenkit.load_plan(samples.path("plan-california-tou"))
    charts = {
        "cost_by_hour": lambda of: plot.cost_by_hour(of, plan),
        "bill": lambda of: plot.bill(of.gk.price(plan)),
        "plans": lambda of: plot.plans(of.gk.compare_plans([plan])),
    }
    for draw in charts.values():
        assert drawn(draw(df)) == drawn(draw(plain[len(flows)])) != []


def test_report_has_the_figures(shape, tmp_path):
    df = shape[0]
    page = df.gk.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.search(r"147(\.0+)? kWh", page)
    assert "168 of 168" in page
    assert "it is not known whether" in page


@pytest.mark.parametrize("name", SHAPES)
def test_deleted_interval_is_a_named_gap_and_changes_no_relation(name):
    series, relations, _ = SHAPES[name]
    # without the hour from 10:00 of Tuesday
    lost = [(key, flow, seconds, [row for row in rows if flow != "delivered" or seconds != 3600 or row[0] != HOURS[34]])
            for key, flow, seconds, rows in series]  # fmt: skip
    with pytest.warns() if name == "received negative" else nullcontext():
        df = greenkit.load_espi(written(lost))
    assert frame.relations(df)["relation"].value_counts().to_dict() == relations
    report = df.gk.quality()
    assert report.table.set_index("flow").loc["delivered", ["expected", "present", "missing"]].tolist() == [168, 167, 1]
    assert report.gaps[["flow", "intervals"]].to_numpy().tolist() == [["delivered", 1]]
    assert str(report.gaps["start"].iloc[0]) == "2026-01-06 10:00:00-05:00"
    assert "1 of 168 intervals are missing in 1 gap of 1 h from 2026-01-06 10:00 EST." in repr(report)
    assert df.gk.flows("week")["delivered"].tolist() == pytest.approx([147.0 - 1.5])
    assert not df.gk.flows("week")["is_complete"].any()
