import inspect

import pandas as pd
import pytest

import greenkit
from greenkit import accessor, plot
from greenkit.analysis import totals


def test_the_verbs_are_those_of_the_modules(make_series, tmp_path):
    df = make_series([1.0, 2.0, 3.0] * 16)
    pd.testing.assert_frame_equal(df.gk.totals("D"), totals.by_period(df, "D"))
    assert df.gk.quality().table["completeness"].tolist() == [1.0]
    assert df.gk.shape()["peak"].tolist() == [3.0]
    assert df.gk.peaks(1)["power"].tolist() == [3.0]
    assert len(df.gk.duration()) == 48
    assert len(df.gk.average_day(())) == 24
    assert df.gk.coincident(["2024-07-01 01:30-05:00"])["power"].tolist() == [2.0]
    assert df.gk.compare(("2024-07-01", "2024-07-02"), ("2024-07-02", "2024-07-03"))["difference"].eq(0).all()
    assert df.gk.fill_gaps()["filled"].tolist() == df["value"].tolist()
    assert df.gk.unique() is df
    assert df.gk.reconcile(["2024-07-01", "2024-07-02"])["status"].tolist() == ["no amount"]
    assert df.gk.flows("D")["delivered"].tolist() == [48.0, 48.0]
    assert df.gk.redact()["meter"].iloc[0].startswith("meter-")
    assert df.gk.report(tmp_path / "r.html").exists()


@pytest.mark.parametrize("name", plot.__all__)
def test_every_picture_hangs_on_the_frame_with_its_own_arguments(make_series, name):
    df = make_series([1.0, 2.0], tou=pd.array([1, 2], dtype="Int16"))
    assert getattr(df.gk.plot, name)().data
    mine = inspect.signature(getattr(accessor.Pictures, name)).parameters
    theirs = inspect.signature(getattr(plot, name)).parameters
    for parameter in mine.values():
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name != "self":
            assert parameter.default == theirs[parameter.name].default


def test_other_frames_have_no_gk():
    assert not hasattr(pd.DataFrame({"a": [1]}), "gk")


def test_what_is_mistyped_is_told_the_nearest_verb(make_series):
    df = make_series([1.0])
    for what, name, text in (
        (df.gk, "totls", "df.gk has no 'totls': did you mean 'totals'?"),
        (df.gk.plot, "heatmp", "df.gk.plot has no 'heatmp': did you mean 'heatmap'?"),
        (df.gk.plot, "xyz", "df.gk.plot has no 'xyz': it has load, heatmap,"),
        (greenkit, "laod", "greenkit has no 'laod': did you mean 'load'?"),
        (pd.DataFrame(), "gk", "df.gk is for greenkit frames: the frame lacks meter, .*: load it with greenkit"),
    ):
        with pytest.raises(AttributeError, match=text.replace("?", r"\?")):
            getattr(what, name)


def test_the_analysis_is_at_hand():
    assert {"bills", "quality", "totals"} <= set(greenkit.analysis.__all__)
    assert greenkit.analysis.bills.bills_to_months


def test_it_says_what_it_can_do(make_series):
    df = make_series([1.0])
    assert repr(df.gk).startswith("df.gk, for 1 intervals: check, series, wide, findings, quality")
    assert "heatmap" in repr(df.gk.plot)
