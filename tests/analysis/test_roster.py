"""Attributes of a roster in frames, results, and exports."""

import pandas as pd
import pytest

from greenkit import export, frame, store
from greenkit.analysis import roster, shape, totals
from greenkit.errors import SchemaError

ROSTER = pd.DataFrame({"meter": ["A", "B"], "TDSP": ["Oncor", "TNMP"], "zone": ["North", "West"], "kW": [5, 50]})


@pytest.fixture(scope="module")
def df(make_series):
    made = frame.concat(make_series([1.0] * 48, meter="A"), make_series([2.0] * 48, meter="B"),
                        make_series([4.0] * 48, meter="C"))  # fmt: skip
    return roster.with_roster(made, ROSTER)


def test_frame_has_attributes_as_columns_and_stays_tidy(df):
    frame.check(df, exact=True)
    assert df.groupby("TDSP", observed=True)["value"].sum().to_dict() == {"Oncor": 48.0, "TNMP": 96.0}
    assert df["zone"].unique().tolist() == ["America/Chicago"]
    assert df["roster_zone"].cat.categories.tolist() == ["North", "West"]
    assert df.loc[df["meter"] == "C", ["TDSP", "roster_zone", "kW"]].isna().all(axis=None)
    assert len(df[df["TDSP"] == "Oncor"].gk.totals("day")) == 2


def test_with_roster_twice_adds_nothing(df):
    pd.testing.assert_frame_equal(roster.with_roster(df, ROSTER), df)


@pytest.mark.parametrize(
    "analysis",
    [
        lambda df: df.gk.totals("month"),
        lambda df: df.gk.flows("month"),
        lambda df: df.gk.blocks("month"),
        lambda df: df.gk.shape(),
        lambda df: df.gk.peaks(1),
        lambda df: df.gk.duration(),
        lambda df: df.gk.average_day(()),
        lambda df: df.gk.coincident("2024-07-01 12:00-05:00"),
        lambda df: df.gk.compare(("2024-07-01", "2024-07-02"), ("2024-07-02", "2024-07-03")),
        lambda df: df.gk.reconcile(["2024-07-01", "2024-07-02"]),
        lambda df: df.gk.quality().table,
        lambda df: df.gk.quality().days,
        lambda df: df.gk.quality().months,
        shape.daily,
    ],
)
def test_every_result_has_the_attributes_of_the_meters(df, analysis):
    made = analysis(df)
    tdsp = made.groupby(made["meter"].astype("str"))["TDSP"].agg(lambda c: c.iloc[0])
    assert tdsp[["A", "B"]].tolist() == ["Oncor", "TNMP"]
    assert pd.isna(tdsp["C"])
    assert list(made.columns[-3:]) == ["TDSP", "roster_zone", "kW"]


def test_exports_keep_the_attributes(df, tmp_path):
    assert export.read_csv(export.write_csv(df, tmp_path / "a.csv"))["TDSP"].iloc[0] == "Oncor"
    assert store.read(store.write(df, tmp_path / "a.parquet")).equals(df)
    pytest.importorskip("openpyxl")
    book = pd.read_excel(export.write_excel(df, tmp_path / "a.xlsx"), sheet_name=["intervals", "days"])
    assert {name: sheet["TDSP"].iloc[0] for name, sheet in book.items()} == {"intervals": "Oncor", "days": "Oncor"}


def test_estimated_intervals_have_the_attributes(df):
    gap = df.drop(index=5).gk.fill_gaps()
    assert gap.loc[5, ["filled_by", "TDSP", "kW"]].tolist() == ["line", "Oncor", 5.0]


def test_copy_to_share_has_no_attributes(df):
    assert "TDSP" not in export.redact(df)


def test_attributes_change_on_the_local_day_of_the_roster(make_series):
    listed = pd.DataFrame({"meter": ["A", "A", "B"], "from": [None, "2024-07-02", None],
                           "rate": ["flat", "time of use", "flat"]})  # fmt: skip
    df = frame.concat(make_series([1.0] * 72, meter="A"), make_series([1.0] * 72, meter="B"))
    made = roster.with_roster(df, listed)
    assert made.groupby(["meter", "rate"], observed=True)["value"].sum().to_dict() == {
        ("A", "flat"): 24.0, ("A", "time of use"): 48.0, ("B", "flat"): 72.0,
    }  # fmt: skip
    # it is no attribute of the meter, so results are joined by their dates
    assert "rate" not in made.gk.totals("day")
    assert roster.with_roster(made.gk.totals("day"), listed)["rate"].tolist()[:3] == ["flat", *["time of use"] * 2]
    # a table without dates has the last ones
    assert roster.with_roster(pd.DataFrame({"meter": ["A", "?"]}), listed)["rate"].tolist() == [
        "time of use", pytest.approx(float("nan"), nan_ok=True)]  # fmt: skip


def test_columns_that_change_within_a_meter_are_not_attributes(df):
    own = df.assign(temperature=range(len(df)), site="here")
    assert set(totals.by_period(own, "month").columns) - set(totals.COLUMNS) == {"TDSP", "roster_zone", "kW", "site"}


def test_empty_frame_and_empty_roster(make_series):
    assert roster.with_roster(frame.empty(), ROSTER).columns[-3:].tolist() == ["TDSP", "roster_zone", "kW"]
    assert roster.with_roster(make_series([1.0]), ROSTER[:0])["TDSP"].isna().all()


def test_table_without_meters_raises(df):
    with pytest.raises(SchemaError, match="has no column meter"):
        roster.with_roster(df.drop(columns="meter"), ROSTER)


# -- the decisions about the series


def test_results_state_the_relations(make_series):
    parts = frame.concat(make_series([1.0, 2.0], series="1"), make_series([3.0], "2024-07-01 02:00", series="2"))
    for made in (parts.gk.totals(), parts.gk.flows(), parts.gk.shape(), parts.gk.peaks(), parts.gk.reconcile(
            ["2024-07-01", "2024-07-02"]), parts.gk.wide(), frame.physical(parts)):  # fmt: skip
        stated = made.attrs["greenkit"]
        assert stated["relations_of"] == 2
        assert [r["decision"] for r in stated["relations"]] == [
            "One of 2 parts of one flow: no interval overlaps another."] * 2  # fmt: skip
    single = make_series([1.0, 2.0]).gk.totals().attrs["greenkit"]
    assert single == {"rows": 2, "of": 2, "first": "2024-07-01 05:00:00+00:00", "last": "2024-07-01 07:00:00+00:00"}


def test_attrs_stay_small_however_many_relations(make_series):
    df = frame.concat(make_series([i], pd.Timestamp("2024-07-01") + pd.Timedelta(hours=i), series=f"{i:02d}")
                      for i in range(40))  # fmt: skip
    stated = df.gk.totals().attrs["greenkit"]
    assert (len(stated["relations"]), stated["relations_of"]) == (20, 40)
