import inspect
import re

import pandas as pd
import pytest

import greenkit
from greenkit import accessor, export, frame, plot, report, tariffs
from greenkit.analysis import blocks, estimate, fleet, intervals, quality, reconcile, roster, shape, totals
from greenkit.tables import write

# method → the function behind it
BEHIND = {
    "check": frame.check,
    "summary": frame.summary,
    "series": frame.series,
    "preview": frame.preview,
    "relations": frame.relations,
    "physical": frame.physical,
    "latest": frame.latest,
    "with_roster": roster.with_roster,
    "wide": frame.wide,
    "quality": quality.assess,
    "drop_duplicates": intervals.unique,
    "fill_gaps": estimate.fill_gaps,
    "totals": totals.by_period,
    "flows": totals.by_period,
    "blocks": blocks.totals,
    "reconcile": reconcile.compare_bills,
    "shape": shape.summarize,
    "duration": shape.duration,
    "peaks": shape.peaks,
    "coincident": shape.coincident,
    "average_day": shape.average_day,
    "fleet_table": fleet.fleet_table,
    "compare": shape.compare,
    "price": tariffs.price,
    "price_intervals": tariffs.price_intervals,
    "compare_plans": tariffs.compare_plans,
    "reconcile_charges": tariffs.reconcile_charges,
    "redact": export.redact,
    "to_table": write.to_table,
    "write_csv": export.write_csv,
    "write_excel": export.write_excel,
    "home_assistant": export.home_assistant,
    "write_home_assistant": export.write_home_assistant,
    "opendsm_frame": export.opendsm_frame,
    "report": report.write_report,
}
PROPERTIES = {"findings", "plot"}


def parameters(function):
    """Return name, kind, default, and annotation of each argument but the first, annotations without module names."""
    found = list(inspect.signature(function).parameters.values())[1:]
    return [(p.name, p.kind, p.default, re.sub(r"\b_?\w+\.(?=[A-Z])", "", str(p.annotation))) for p in found]


def test_methods_call_the_functions_behind_them(make_series, tmp_path):
    df = make_series([1.0, 2.0, 3.0] * 16)
    pd.testing.assert_frame_equal(df.gk.totals("D"), totals.by_period(df, "D"))
    pd.testing.assert_frame_equal(df.gk.summary(), frame.summary(df))
    assert df.gk.quality().table["completeness"].tolist() == [1.0]
    assert df.gk.shape()["peak"].tolist() == [3.0]
    assert df.gk.peaks(1)["power"].tolist() == [3.0]
    assert len(df.gk.duration()) == 48
    assert len(df.gk.average_day(())) == 24
    assert df.gk.coincident(["2024-07-01 01:30-05:00"])["power"].tolist() == [2.0]
    assert df.gk.compare(("2024-07-01", "2024-07-02"), ("2024-07-02", "2024-07-03"))["difference"].eq(0).all()
    assert df.gk.fill_gaps()["filled"].tolist() == df["value"].tolist()
    assert df.gk.drop_duplicates() is df
    assert df.gk.reconcile(["2024-07-01", "2024-07-02"])["status"].tolist() == ["no amount"]
    assert df.gk.with_roster(pd.DataFrame({"meter": ["M1"], "TDSP": "Oncor"}))["TDSP"].unique().tolist() == ["Oncor"]
    assert df.gk.blocks()["value"].tolist() == [62.0, 34.0]
    assert df.gk.flows("D")["delivered"].tolist() == [48.0, 48.0]
    assert df.gk.price({"zone": "America/Chicago", "energy": 1}).total == 96
    assert df.gk.price_intervals({"zone": "America/Chicago", "energy": 2})["computed_cost"].sum() == 192
    assert df.gk.compare_plans([{"name": "A", "zone": "America/Chicago", "energy": 1}]).best == "A"
    printed = pd.DataFrame({"start": ["2024-07-01"], "end": ["2024-07-03"], "cost": [96.0]})
    plan = {"zone": "America/Chicago", "energy": 1}
    assert df.gk.reconcile_charges(plan, printed)["status"].tolist() == ["match"]
    assert df.gk.redact()["meter"].iloc[0].startswith("meter-")
    assert df.gk.report(tmp_path / "r.html").exists()
    assert len(export.read_csv(df.gk.write_csv(tmp_path / "a.csv"))) == 48
    assert df.gk.write_excel(tmp_path / "a.xlsx").exists()
    assert df.gk.home_assistant(source="home")[0]["metadata"]["statistic_id"].startswith("home:")
    assert df.gk.write_home_assistant(tmp_path / "a.json").exists()
    warm = pd.Series(70.0, index=pd.DatetimeIndex(df["start"]))
    assert df.gk.opendsm_frame(warm, period="day")["observed"].sum() == 96


@pytest.mark.parametrize("name", BEHIND)
def test_arguments_equal_those_of_the_function_behind(name):
    assert parameters(getattr(accessor.GreenkitAccessor, name)) == parameters(BEHIND[name])


def test_every_method_is_compared():
    public = {name for name in vars(accessor.GreenkitAccessor) if not name.startswith("_")}
    assert public == set(BEHIND) | PROPERTIES


# charts of a result, not of a frame, or with an argument that has no default
OF_RESULTS = {"bill", "bill_change", "plans", "price_map", "findings_by_day", "fleet_band", "fleet_load"}


def test_chart_of_a_plan_calls_the_function_behind_it(make_series):
    df = make_series([1.0, 2.0, 3.0] * 16)
    assert df.gk.plot.cost_by_hour({"zone": "America/Chicago", "energy": 1}).data
    assert parameters(accessor.PlotAccessor.cost_by_hour) == parameters(plot.cost_by_hour)


@pytest.mark.parametrize("name", sorted(set(plot.__all__) - OF_RESULTS - {"cost_by_hour"}))
def test_charts_take_the_arguments_of_the_function_behind(make_series, name):
    df = make_series([1.0, 2.0], tou=pd.array([1, 2], dtype="Int16"))
    assert getattr(df.gk.plot, name)().data
    assert parameters(getattr(accessor.PlotAccessor, name)) == parameters(getattr(plot, name))


def test_other_frames_have_no_gk():
    assert not hasattr(pd.DataFrame({"a": [1]}), "gk")


def test_unknown_name_raises_with_the_nearest_method(make_series):
    df = make_series([1.0])
    for what, name, text in (
        (df.gk, "totls", "df.gk has no 'totls': did you mean 'totals'?"),
        (df.gk, "unique", "df.gk has no 'unique': did you mean 'drop_duplicates'?"),
        (df.gk.plot, "heatmp", "df.gk.plot has no 'heatmp': did you mean 'heatmap'?"),
        (df.gk.plot, "xyz", "df.gk.plot has no 'xyz': it has load, daily, heatmap,"),
        (greenkit, "laod", "greenkit has no attribute 'laod'. Did you mean 'load'?"),
        (greenkit, "load_xml", "greenkit has no attribute 'load_xml'. Did you mean 'load_espi'?"),
        (
            pd.DataFrame(),
            "gk",
            "df.gk is for greenkit frames: The frame has no column meter, .*Load the data with greenkit",
        ),
    ):
        with pytest.raises(AttributeError, match=text.replace("?", r"\?")):
            getattr(what, name)


def test_unknown_argument_raises_with_the_arguments_of_the_method(make_series):
    df = make_series([1.0])
    wrong = r"df\.gk\.totals\(\): there is no argument 'freq'\. Did you mean 'period'\? Its arguments are period, bills"
    with pytest.raises(TypeError, match=wrong):
        df.gk.totals(freq="D")
    with pytest.raises(
        TypeError, match=r"df\.gk\.plot\.load\(\): there is no argument 'point'\. Did you mean 'points'"
    ):
        df.gk.plot.load(point=3)
    with pytest.raises(TypeError, match=r"df\.gk\.shape\(\): there is no argument 'by'\. It takes no arguments"):
        df.gk.shape(by="month")
    with pytest.raises(TypeError, match=r"df\.gk\.peaks\(\): too many positional arguments\. Its arguments are n, one"):
        df.gk.peaks(1, 2, 3)


def test_help_of_a_method_shows_the_parameters_of_the_function_behind_it(make_series):
    df = make_series([1.0])
    text = inspect.getdoc(df.gk.fill_gaps)
    assert text.startswith("Estimate missing intervals")
    assert "short : float\n    Longest gap" in text
    assert "Returns\n-------\nDataFrame" in text
    assert "df :" not in text
    assert "aggregate : " in inspect.getdoc(df.gk.plot.monthly)
    assert inspect.ismethod(df.gk.price)
    for method in (df.gk.price, df.gk.reconcile, df.gk.report, df.gk.plot.load):
        assert all(name in method.__doc__ for name in inspect.signature(method).parameters), method


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        (
            greenkit.load,
            r"greenkit\.load\(\): there is no argument 'timezone'\. Did you mean 'tz'\? Its arguments are source",
        ),
        (greenkit.load_table, r"greenkit\.load_table\(\): there is no argument 'timezone'\. Did you mean 'tz'\?"),
        (greenkit.load_espi, r"greenkit\.load_espi\(\): there is no argument 'timezone'\. Did you mean 'tz'\?"),
    ],
)
def test_unknown_argument_of_a_loader_raises_with_a_suggestion(call, wrong):
    with pytest.raises(TypeError, match=wrong):
        call(b"", timezone="America/Chicago")


def test_plot_itself_is_not_a_chart(make_series):
    with pytest.raises(TypeError, match=r"df\.gk\.plot is not a chart\. Call one of its charts: load, daily, heatmap"):
        make_series([1.0]).gk.plot()


@pytest.mark.parametrize("n", ["5", 0, 2.5, True])
def test_count_of_peaks_is_a_whole_number(make_series, n):
    with pytest.raises(ValueError, match="but it must be a whole number of at least 1"):
        make_series([1.0]).gk.peaks(n)


def test_no_public_method_takes_arbitrary_arguments():
    for accessor_class in (accessor.GreenkitAccessor, accessor.PlotAccessor):
        for name in vars(accessor_class):
            method = getattr(accessor_class, name)
            if not name.startswith("_") and inspect.isfunction(method):
                kinds = {p.kind for p in inspect.signature(method).parameters.values()}
                assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}


def test_analysis_is_a_public_package():
    assert {"bills", "quality", "totals"} <= set(greenkit.analysis.__all__)
    assert greenkit.analysis.bills.bills_to_months


def test_repr_lists_the_methods(make_series):
    df = make_series([1.0])
    assert repr(df.gk).startswith(
        "df.gk, for 1 intervals: check, summary, preview, series, relations, physical, latest, wide"
    )
    assert "heatmap" in repr(df.gk.plot)
