"""A customer reproduces a printed bill line by line, from a Green Button feed with line items."""

import numpy as np
import pandas as pd
import pytest

import greenkit
from greenkit import frame
from greenkit.tariffs import PlanError, reconcile_charges

E_TOU_C = """
name = "E-TOU-C, basic"
zone = "America/Los_Angeles"
valid = {from = 2026-03-01}
fixed = [{name = "Base services charge", amount = 0.79343, per = "day"}]
seasons = {summer = "06-01/09-30", winter = "rest"}
energy.summer = {peak = {price = 0.52240, hours = "16-21"}, rest = 0.39940}
energy.winter = {peak = {price = 0.39757, hours = "16-21"}, rest = 0.36757}
baseline = {price = -0.08140, per_day = {summer = 9.8, winter = 9.7}}
taxes = [{name = "Energy Commission tax", per_kwh = 0.0003}]
"""
# 17 days of winter and 13 of summer at 0.5 kWh an hour: 2.5 kWh of peak and 9.5 kWh of other hours a day
PRINTED = {
    "Winter Peak": 16.90,  # 42.5 × 0.39757
    "Winter Off Peak": 59.36,  # 161.5 × 0.36757
    "Summer Peak": 16.98,  # 32.5 × 0.52240
    "Summer Off Peak": 49.33,  # 123.5 × 0.39940
    "Baseline Credit": -13.42 - 10.37,  # 17 × 9.7 and 13 × 9.8 kWh
    "Base Services Charge": 23.80,  # 30 × 0.79343
    "Energy Commission Tax": 0.11,  # 360 × 0.0003
}
NAMESPACE = ' xmlns="http://naesb.org/espi" '
MATCH = {"Winter Off Peak": "winter rest", "Summer Off Peak": "summer rest"}


def text_of(amounts):
    """A feed of 720 hours from 15 May to 14 June 2026 in California, with these line items."""
    start = int(pd.Timestamp("2026-05-15", tz="America/Los_Angeles").timestamp())
    hours = "".join(
        f"<IntervalReading><timePeriod><duration>3600</duration><start>{start + 3600 * i}</start></timePeriod>"
        "<value>500</value></IntervalReading>" for i in range(720)
    )  # fmt: skip
    items = "".join(
        f"<costAdditionalDetailLastPeriod><amount>{round(a * 1e5)}</amount><note>{n}</note>"
        f"<itemKind>{4 if a < 0 else 2}</itemKind></costAdditionalDetailLastPeriod>" for n, a in amounts
    )  # fmt: skip
    parts = {
        "UsagePoint/1": "<UsagePoint ><ServiceCategory><kind>0</kind></ServiceCategory></UsagePoint>",
        "LocalTimeParameters/4": "<LocalTimeParameters ><dstEndRule>B40E2000</dstEndRule><dstOffset>3600</dstOffset>"
        "<dstStartRule>360E2000</dstStartRule><tzOffset>-28800</tzOffset></LocalTimeParameters>",
        "UsagePoint/1/MeterReading/2": "<MeterReading />",
        "ReadingType/3": "<ReadingType ><flowDirection>1</flowDirection><intervalLength>3600</intervalLength>"
        "<powerOfTenMultiplier>0</powerOfTenMultiplier><uom>72</uom></ReadingType>",
        "UsagePoint/1/MeterReading/2/IntervalBlock/5": f"<IntervalBlock >{hours}</IntervalBlock>",
        "UsagePoint/1/UsageSummary/6": f"<UsageSummary ><billingPeriod><duration>{720 * 3600}</duration>"
        f"<start>{start}</start></billingPeriod><billLastPeriod>{round(sum(a for _, a in amounts) * 1e5)}"
        f"</billLastPeriod>{items}<currency>840</currency></UsageSummary>",
    }  # fmt: skip
    related = {
        "UsagePoint/1": ["LocalTimeParameters/4", "UsagePoint/1/MeterReading/2"],
        "UsagePoint/1/MeterReading/2": ["ReadingType/3", "UsagePoint/1/MeterReading/2/IntervalBlock"],
    }
    entries = "".join(
        f'<entry><link rel="self" href="{href}"/>'
        f'<link rel="up" href="{href.rpartition("/")[0]}"/>'
        + "".join(f'<link rel="related" href="{r}"/>' for r in related.get(href, ()))
        + f"<content>{content.replace(' ', NAMESPACE, 1)}</content></entry>"
        for href, content in parts.items()
    )  # fmt: skip
    return f'<feed xmlns="http://www.w3.org/2005/Atom">{entries}</feed>'


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    path = tmp_path_factory.mktemp("pge") / "feed.xml"
    credits = [("Baseline Credit", -13.42), ("Baseline Credit", -10.37)]
    path.write_text(text_of([(n, a) for n, a in PRINTED.items() if n != "Baseline Credit"] + credits))
    return greenkit.open_espi(path)


def test_feed_with_line_items_is_reproduced_line_by_line(feed):
    made = reconcile_charges(feed.readings, E_TOU_C, feed.bills, line_items=feed.line_items, match=MATCH)
    assert made["line"].tolist() == ["total", *[n for n in PRINTED if n != "Baseline Credit"], "Baseline Credit"]
    assert made["status"].unique().tolist() == ["match"]
    assert made["difference"].tolist() == [0.0] * 8
    assert made["computed_amount"].tolist()[0] == 142.69
    assert feed.readings.gk.reconcile_charges(
        E_TOU_C, feed.bills, line_items=feed.line_items, match=MATCH
    ).equals(made)  # fmt: skip


def test_line_that_differs_is_found_among_lines_that_agree(feed):
    items = feed.line_items.copy()
    items.loc[items["note"] == "Summer Peak", "amount"] = 18.00
    other = E_TOU_C.replace("0.79343", "0.70")
    made = reconcile_charges(feed.readings, other, feed.bills, line_items=items, match=MATCH).set_index("line")
    assert made["status"].to_dict() == dict.fromkeys(PRINTED, "match") | {
        "total": "differs", "Summer Peak": "differs", "Base Services Charge": "differs",
    }  # fmt: skip
    assert made.loc["Base Services Charge", "difference"] == -2.80
    assert made.loc["Summer Peak", ["billed_amount", "computed_amount"]].tolist() == [18.00, 16.98]


def test_line_without_a_match_is_on_one_side_only(feed):
    made = reconcile_charges(feed.readings, E_TOU_C, feed.bills, line_items=feed.line_items).set_index("line")
    assert made.loc["Winter Off Peak", "status"] == "only billed"
    rest = made.loc["Energy"]
    assert (rest["status"], rest["computed_amount"]) == ("only computed", 108.69)


@pytest.mark.parametrize(
    ("match", "words"),
    [({"Winter Offpeak": "winter rest"}, "'Winter Offpeak', which no bill has. Did you mean Winter Off Peak"),
     ({"Winter Off Peak": "winter rset"}, "'winter rset', which the plan does not have. Did you mean winter rest")],
)  # fmt: skip
def test_match_with_a_typing_error_is_refused(feed, match, words):
    with pytest.raises(PlanError, match=words):
        reconcile_charges(feed.readings, E_TOU_C, feed.bills, line_items=feed.line_items, match=match)


def test_bills_and_lines_of_other_meters_stay_separate(make_flow):
    df = frame.tidy(pd.concat([make_flow(np.ones(24), meter="A"), make_flow(np.full(24, 2.0), meter="B")]))
    bills = pd.DataFrame({"meter": ["A", "B"], "start": "2024-01-01", "end": "2024-01-02", "cost": [24.0, 50.0]})
    items = pd.DataFrame({"meter": ["A", "B", "B"], "start": "2024-01-01", "note": ["Energy", "Energy", "Days"],
                          "amount": [24.0, 48.0, np.nan]})  # fmt: skip
    made = reconcile_charges(df, {"zone": "America/Phoenix", "energy": 1}, bills, line_items=items)
    assert made[["meter", "line", "billed_amount", "computed_amount", "status"]].values.tolist() == [
        ["A", "total", 24, 24, "match"], ["A", "Energy", 24, 24, "match"],
        ["B", "total", 50, 48, "differs"], ["B", "Energy", 48, 48, "match"],
    ]  # fmt: skip
