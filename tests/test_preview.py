"""The preview of a frame and of the long tables of a feed."""

import re

import numpy as np
import pandas as pd
import pytest

import greenkit
from greenkit import frame, samples
from greenkit.errors import SettingsError


def test_preview_of_a_frame_has_its_main_columns(make_series):
    df = make_series([1.0, np.nan, 1234.5678], "2024-11-03", flow="received", cost=0.5, currency="USD")
    shown = df.gk.preview(2)
    assert shown.title == "First 2 of 3 rows, America/Chicago"
    assert shown.table.to_dict("records") == [
        {"meter": "M1", "flow": "export", "start": "Nov 3, 2024 00:00", "end": "01:00", "value": "1 kWh",
         "quality": "actual", "cost": "0.50 USD"},
        {"meter": "M1", "flow": "export", "start": "Nov 3, 2024 01:00", "end": "01:00", "value": "no value",
         "quality": "actual", "cost": "0.50 USD"},
    ]  # fmt: skip
    page = shown._repr_html_()
    assert '<td class="n">1 kWh</td>' in page
    assert "-05:00" not in page
    assert repr(shown).startswith("First 2 of 3 rows, America/Chicago\nmeter")


def test_preview_of_two_zones_has_a_column_and_an_unknown_one_is_stated(make_series):
    two = frame.concat([make_series([1.0]), make_series([2.0], meter="M2", zone="America/New_York")])
    assert two.gk.preview().table["zone"].tolist() == ["America/Chicago", "America/New_York"]
    assert two.gk.preview().table["start"].tolist() == ["Jul 1, 2024 00:00"] * 2
    assert make_series([1.0], zone="UTC").gk.preview().title == "1 row, UTC, time zone unknown"
    assert make_series([]).gk.preview().title == "0 rows"


def test_preview_of_long_tables_fits(make_series):
    feed = greenkit.open_espi(samples.path("espi"))
    for table in (feed.bills, feed.usage_points, feed.reading_types):
        shown = frame.preview(table, 3)
        assert shown.table.shape[1] >= 1
        # a character of a table takes 7 pixels and a cell 16 more
        width = sum(max(len(name), *map(len, shown.table[name])) * 7 + 16 for name in shown.table)
        assert width <= 1000, width
    assert frame.preview(pd.DataFrame()).title == "0 rows"


def test_hostile_text_is_escaped_and_a_count_is_checked(make_series):
    assert "<b>" not in make_series([1.0], meter="<b>x</b>").gk.preview()._repr_html_().partition("<table>")[2]
    with pytest.raises(SettingsError, match="n is 0"):
        make_series([1.0]).gk.preview(0)


def test_strip_and_numbers_keep_their_room_in_a_narrow_cell(make_series):
    df = make_series([1.0] * 48)
    assert re.search(r"<svg style=.min-width:10em", df.gk.quality()._repr_html_())
    assert ".gk.gk.gk .n{text-align:right;white-space:nowrap}" in df.gk.quality()._repr_html_()
    assert "Jul\N{NO-BREAK SPACE}1,\N{NO-BREAK SPACE}2024" in df.gk.preview(1)._repr_html_()


def test_series_of_a_feed_are_named_as_in_charts():
    page = greenkit.open_espi(samples.path("espi"))._repr_html_()
    assert "<td>export</td>" in page
    assert "<td>received</td>" not in page
