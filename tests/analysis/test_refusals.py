"""A chart that refuses a frame does so before it computes the quality checks."""

import pytest

from greenkit import frame, plot
from greenkit.analysis import quality
from greenkit.errors import SchemaError


@pytest.mark.parametrize(("meters", "calls"), [(200, 1), (201, 0)])
def test_completeness_of_too_many_meters_is_refused_before_it_is_computed(make_series, monkeypatch, meters, calls):
    one = make_series([1.0])
    df = frame.tidy(one.loc[one.index.repeat(meters)].assign(meter=[f"M{i}" for i in range(meters)]))
    made = []
    by_day = quality.by_day
    monkeypatch.setattr(quality, "by_day", lambda df: made.append(len(df)) or by_day(df))
    if calls:
        plot.completeness(df)
    else:
        with pytest.raises(SchemaError, match="201"):
            plot.completeness(df)
    assert len(made) == calls
