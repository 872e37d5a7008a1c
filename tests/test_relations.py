"""Physical flows: parts, alternatives, copies, complements, and successors, with figures worked out by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import greenkit
from greenkit import _relations, frame, plot, store
from greenkit.analysis import intervals, shape
from greenkit.errors import SchemaError, SettingsError

SHARED = Path(__file__).parent.parent.parent / "shared" / "trials" / "green-button"
DAY = [0.5] * 7 + [1.5] * 4 + [1.0] * 6 + [1.5] * 2 + [0.5] * 5
"""kWh of the hours of a winter weekday: off-peak, on-peak, mid-peak, on-peak, off-peak."""
PERIODS = [3] * 7 + [1] * 4 + [2] * 6 + [1] * 2 + [3] * 5


def by_time_of_use(make_series, days=7):
    """Return a week in which each hour is in the series of its time-of-use period."""
    every = make_series(DAY * days, "2025-12-01", zone="America/New_York", series="1",
                        tou=pd.array(PERIODS * days, dtype="Int16"))  # fmt: skip
    return frame.tidy(every.assign(series=every["tou"].astype("str")))


def by_bill(make_series):
    """Return three months of delivered, received, and net, one series for each bill and flow."""
    parts = []
    for i, (start, hours) in enumerate((("2026-01-01", 744), ("2026-02-01", 672), ("2026-03-01", 743))):
        for flow, value in (("delivered", 0.9), ("received", 0.2), ("net", 0.7)):
            parts.append(make_series([value] * hours, start, zone="America/New_York", flow=flow, series=f"{i}-{flow}"))
    return frame.concat(parts)


def hourly_and_daily(make_series):
    hourly = make_series(DAY * 3, "2026-01-05", zone="America/New_York", series="H1")
    daily = make_series([sum(DAY)] * 3, "2026-01-05", zone="America/New_York", series="D1", every="24h")
    received = make_series([0.25] * 72, "2026-01-05", zone="America/New_York", series="H19", flow="received")
    return frame.concat(hourly, daily, received)


def received_negative(make_series):
    made = {"delivered": [50.0, 23.0, 31.0], "received": [-11.0, -29.5, -4.0], "net": [39.0, -6.5, 27.0]}
    return frame.concat(make_series(v, "2025-10-19", zone="America/Denver", every="24h", flow=f, series=f)
                        for f, v in made.items())  # fmt: skip


def without(df, row):
    return df.drop(index=row).reset_index(drop=True)


# -- parts


def test_series_by_time_of_use_are_parts_of_one_flow(make_series):
    df = by_time_of_use(make_series)
    found = frame.relations(df)
    assert found["relation"].tolist() == ["part"] * 3
    assert found["series"].tolist() == ["1", "2", "3"]
    assert found["of"].unique().tolist() == ["M1 / delivered / 1"]
    assert found[["compared", "equal"]].to_numpy().tolist() == [[168, 168]] * 3
    one = frame.physical(df)
    assert one["series"].unique().tolist() == ["1 (+2)"]
    assert one["value"].tolist() == DAY * 7
    assert one["tou"].tolist() == PERIODS * 7
    assert df.gk.series().sum() == pytest.approx(7 * sum(DAY))
    assert df.gk.wide().shape == (168, 1)
    assert df.gk.shape()["peak"].tolist() == [1.5]


def test_parts_are_found_beside_other_meters(make_series, monkeypatch):
    monkeypatch.setattr(_relations, "_BATCH", 50)
    others = [make_series([1.0] * 24, meter=meter) for meter in ("A", "Z")]
    more = by_time_of_use(make_series).assign(meter="M2")
    found = frame.relations(frame.concat(*others, by_time_of_use(make_series), frame.tidy(more)))
    assert found[["meter", "relation"]].to_numpy().tolist() == [["M1", "part"]] * 3 + [["M2", "part"]] * 3


def test_parts_with_a_missing_interval_stay_parts(make_series):
    df = without(by_time_of_use(make_series), 30)
    assert frame.relations(df)["relation"].tolist() == ["part"] * 3
    assert len(frame.physical(df)) == 167


def test_series_by_bill_are_parts_and_net_agrees(make_series):
    df = by_bill(make_series)
    found = frame.relations(df)
    assert found["relation"].tolist() == ["part"] * 9 + ["complement"]
    assert found.iloc[-1][["compared", "equal"]].tolist() == [2159, 2159]
    out = df.gk.flows("month")
    assert out["delivered"].tolist() == pytest.approx([669.6, 604.8, 668.7])
    assert out["received"].tolist() == pytest.approx([148.8, 134.4, 148.6])
    assert out["net"].tolist() == pytest.approx([520.8, 470.4, 520.1])
    assert out["is_complete"].all()
    assert df.gk.wide().shape == (2159, 3)


def test_series_that_overlap_with_other_values_stay_separate(make_series):
    df = frame.concat(make_series([1, 2, 3], series="a"), make_series([1, 2, 4], series="b"))
    found = frame.relations(df)
    assert found["relation"].tolist() == ["separate"] * 2
    assert found["decision"].iloc[0] == "Kept apart: 1 interval of these series overlap with different values."
    assert len(frame.physical(df)) == 6
    with pytest.raises(SchemaError, match="several delivered series"):
        df.gk.flows("day")


def test_an_interval_without_length_within_another_one_is_no_part(make_series):
    later = make_series([1, 2, 3], "2024-07-02", series="b")
    df = frame.concat(make_series([1, 2, 3], series="a"), later)
    assert frame.relations(df)["relation"].tolist() == ["part"] * 2
    inside = make_series([0.5], "2024-07-01 01:30", series="b")
    df = frame.concat(df, inside.assign(end=inside["start"]))
    assert frame.relations(df)["relation"].tolist() == ["separate"] * 2


def test_flows_units_kinds_and_meters_are_never_parts_of_each_other(make_series):
    later = "2024-07-02"
    df = frame.concat(
        make_series([1.0] * 24, kind="energy"),
        make_series([1.0] * 24, later, series="x", kind="other"),
        make_series([1.0] * 24, later, unit="kW", series="x"),
        make_series([1.0] * 24, later, meter="M2"),
        make_series([1.0] * 24, later, flow="received"),
    )
    assert len(frame.relations(df)) == 0
    assert frame.physical(df) is df


# -- alternatives


def test_daily_values_beside_hourly_are_an_alternative(make_series):
    df = hourly_and_daily(make_series)
    found = frame.relations(df).set_index("series")
    assert found["relation"].tolist() == ["alternative"] * 2
    assert found.loc["D1", ["compared", "equal"]].tolist() == [3, 3]
    assert frame.physical(df).groupby("series", observed=True).size().to_dict() == {"H1": 72, "H19": 72}
    out = df.gk.flows("month").iloc[0]
    assert out[["delivered", "received", "net"]].tolist() == pytest.approx([3 * sum(DAY), 18.0, 3 * sum(DAY) - 18])


def test_another_resolution_can_be_chosen(make_series):
    df = hourly_and_daily(make_series)
    for resolution in ("coarsest", "day"):
        made = frame.physical(df, resolution=resolution)
        assert made.groupby("series", observed=True).size().to_dict() == {"D1": 3, "H19": 72}
    assert len(frame.physical(df, resolution="hour")) == 144
    with pytest.raises(SchemaError, match="has no intervals of resolution '15min', only 1 h, 1 d"):
        frame.physical(df, resolution="15min")
    with pytest.raises(SettingsError, match="resolution is 'fine', but it must be one of finest, coarsest"):
        frame.physical(df, resolution="fine")


def test_alternatives_with_a_missing_hour_are_proven_by_the_other_days(make_series):
    df = hourly_and_daily(make_series)
    row = df.index[(df["series"] == "H1")][5]
    found = frame.relations(without(df, row)).set_index("series")
    assert found.loc["D1", ["relation", "compared", "equal"]].tolist() == ["alternative", 2, 2]


def test_finest_resolution_that_covers_less_time_is_reported(make_series):
    df = hourly_and_daily(make_series)
    recent = frame.tidy(df[(df["series"] != "H1") | (df["start"] >= "2026-01-07")])
    found = frame.relations(recent).set_index("series")
    assert found.loc["D1", ["compared", "equal", "decision"]].tolist() == [
        1, 1, "Left out: the same energy at 1 h, which is used. It does not cover 2 of 3 values completely."]  # fmt: skip
    title = plot.monthly(recent).layout.title.subtitle.text.replace("<br>", " ")
    assert "at 1 h, the finest of 2 resolutions, which does not cover all values at 1 d" in title
    assert frame.physical(recent, resolution="day")["value"].sum() == pytest.approx(3 * sum(DAY) + 18)
    # a day without a value is not lost
    empty = recent.assign(value=recent["value"].where((recent["series"] != "D1") | (recent["start"] >= "2026-01-07")))
    assert "cover" not in frame.relations(empty).set_index("series").loc["D1", "decision"]


def test_monthly_values_equal_days_of_different_lengths(make_series):
    zone = "America/New_York"
    days = [("2025-03-01", 8, "24h"), ("2025-03-09", 1, "23h"), ("2025-03-10", 52, "24h")]
    months = [("2025-03-01", 31.0, "743h"), ("2025-04-01", 30.0, "720h")]
    df = frame.concat(
        *(make_series([1.0] * n, start, zone=zone, series="D", every=every) for start, n, every in days),
        *(make_series([value], start, zone=zone, series="M", every=every) for start, value, every in months),
    )
    found = frame.relations(df).set_index("series")
    assert found.loc["M", ["relation", "compared", "equal"]].tolist() == ["alternative", 2, 2]


def test_daily_values_that_are_not_sums_stay_separate(make_series):
    df = hourly_and_daily(make_series)
    df.loc[df["series"] == "D1", "value"] = 99.0
    found = frame.relations(df)
    assert found["relation"].tolist() == ["separate"]
    assert found["decision"].iloc[0] == "Kept apart: 3 of 3 values differ from the sum of the finer intervals."
    assert len(frame.physical(df)) == len(df)


def test_parts_are_compared_with_a_coarser_series_as_one(make_series):
    parts = by_time_of_use(make_series)
    daily = make_series([sum(DAY)] * 7, "2025-12-01", zone="America/New_York", series="D", every="24h")
    df = frame.concat(parts, daily)
    assert frame.relations(df)["relation"].tolist() == ["part"] * 3 + ["alternative"] * 2
    assert frame.physical(df)["value"].sum() == pytest.approx(7 * sum(DAY))


def test_hour_that_moved_across_midnight_makes_two_days_incomplete(make_series):
    df = hourly_and_daily(make_series)
    row = df.index[df["series"] == "H1"][24]
    for name in ("start", "end"):
        df.loc[row, name] -= pd.Timedelta("30min")
    # whether or not another meter follows
    for both in (df, frame.concat(df, make_series([1.0] * 24, meter="M2"))):
        found = frame.relations(both).set_index("series")
        assert found.loc["D1", ["relation", "compared", "equal"]].tolist() == ["alternative", 1, 1]


# -- copies


def test_one_service_under_several_meters_is_counted_once(make_series):
    values = np.arange(48) % 13 / 10 + 0.1
    df = frame.concat(make_series(values), make_series(values, meter="M2"), make_series(values + 1, meter="M3"))
    found = frame.relations(df)
    assert found[["relation", "meter", "of"]].to_numpy().tolist() == [["copy", "M2", "M1 / delivered / delivered"]]
    assert frame.physical(df)["meter"].unique().tolist() == ["M1", "M3"]
    assert "M2" in df["meter"].unique()


def test_equal_readings_by_chance_are_not_copies(make_series):
    few = np.arange(23) / 10
    flat = [0.2, 0.3] * 24
    for values in (few, flat, np.zeros(48)):
        df = frame.concat(make_series(values), make_series(values, meter="M2"))
        assert len(frame.relations(df)) == 0


def test_copy_within_a_meter_is_counted_once(make_series):
    df = frame.concat(make_series([1, 2, 3], series="a"), make_series([1, 2], series="b"))
    found = frame.relations(df)
    assert found[["relation", "series"]].to_numpy().tolist() == [["copy", "b"]]
    assert frame.physical(df)["value"].tolist() == [1, 2, 3]


# -- complements


def test_received_that_is_stored_as_negative_gets_its_sign_from_net(make_series):
    df = received_negative(make_series)
    found = frame.relations(df)
    assert found[["relation", "series", "compared", "equal"]].to_numpy().tolist() == [
        ["complement", "received", 3, 3], ["complement", "net", 3, 3],
    ]  # fmt: skip
    out = df.gk.flows("month").iloc[0]
    assert out[["delivered", "received", "net"]].tolist() == [104.0, 44.5, 59.5]
    assert df["value"].min() == -29.5  # the frame itself is unchanged
    positive = df.assign(value=df["value"].where(df["flow"] != "received", -df["value"]))
    assert frame.relations(positive)["decision"].tolist() == ["Compared: net equals delivered − received."]


def test_net_that_disagrees_is_reported(make_series):
    df = received_negative(make_series)
    df.loc[df["flow"] == "net", "value"] = [1.0, 2.0, 3.0]
    found = frame.relations(df)
    assert found["decision"].tolist() == ["Compared: net differs from delivered − received in 3 of 3 intervals."]
    assert frame.physical(df)["value"].min() == -29.5


def test_relations_of_many_meters_equal_those_of_each(make_series, monkeypatch):
    shapes = [by_time_of_use, hourly_and_daily, received_negative]
    parts = [frame.tidy(shapes[i % 3](make_series).assign(meter=f"M{i}")) for i in range(7)]
    # one meter with a daily value that is no sum, one with a net that disagrees, and one with a missing hour
    parts[1].loc[parts[1]["series"] == "D1", "value"] = 99.0
    parts[2].loc[parts[2]["flow"] == "net", "value"] = 1.0
    parts[4] = without(parts[4], 80)
    df = frame.concat(parts)
    monkeypatch.setattr(_relations, "_CHUNK", 100)
    order = ["meter", "relation", "series"]
    found = frame.relations(df).sort_values(order, ignore_index=True)
    alone = pd.concat([frame.relations(part) for part in parts]).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(found, alone)
    assert found["relation"].value_counts().to_dict() == {
        "part": 9, "alternative": 2, "complement": 3, "separate": 1}  # fmt: skip


# -- successors


@pytest.mark.parametrize(
    "stated", [[("old", "new", "2024-07-03")], pd.DataFrame({"old": ["old"], "new": ["new"], "date": ["2024-07-03"]})]
)
def test_successor_continues_the_flow_of_the_old_meter(make_series, stated):
    # both meters have readings on 2 July: those of the old one count until its last day
    df = frame.concat(make_series([1.0] * 72, meter="old"), make_series([2.0] * 72, "2024-07-02", meter="new"))
    made = frame.physical(df, successors=stated)
    assert made["meter"].unique().tolist() == ["new"]
    assert made["value"].tolist() == [1.0] * 48 + [2.0] * 48
    assert made["start"].is_monotonic_increasing
    rows = made.attrs["greenkit"]["relations"]
    assert [r["relation"] for r in rows] == ["successor", "successor", "part", "part"]
    assert made.gk.quality().table["completeness"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("stated", "text"),
    [
        ([("a", "a", "2024-01-01")], "does not describe a successor"),
        ([("a", "b")], "does not describe a successor"),
        (["abc"], "does not describe a successor"),
        ([("a", "b", "2024-01-01"), ("a", "c", "2024-01-01")], "A meter has two successors"),
        (pd.DataFrame({"old": ["a"]}), "has no column new, date"),
    ],
)
def test_wrong_successors_raise(make_series, stated, text):
    with pytest.raises(SettingsError, match=text):
        frame.physical(make_series([1.0]), successors=stated)


# -- computed from the rows, whatever happened to the frame


@pytest.mark.parametrize("build", [by_time_of_use, by_bill, hourly_and_daily, received_negative])
def test_relations_depend_on_the_rows_alone(make_series, build, tmp_path):
    df = build(make_series)
    want = frame.relations(df)
    assert len(want)
    df.attrs["greenkit"] = {"relations": [{"relation": "wrong"}]}
    others = {
        "attrs that lie": df,
        "concat": frame.tidy(pd.concat([df.iloc[::2], df.iloc[1::2]])),
        "merge": frame.tidy(df.merge(pd.DataFrame({"meter": df["meter"].unique(), "tariff": "A"}), on="meter")),
        "parquet": store.read(store.write(df, tmp_path / "a.parquet")),
        "pickle": pd.read_pickle(pickled(df, tmp_path)),
        "shuffled": df.sample(frac=1, random_state=1),
    }
    for how, other in others.items():
        pd.testing.assert_frame_equal(frame.relations(other), want, obj=how)


def pickled(df, folder):
    df.to_pickle(folder / "a.pkl")
    return folder / "a.pkl"


def test_filtered_frame_has_its_own_relations(make_series):
    df = by_time_of_use(make_series)
    assert len(frame.relations(df[df["series"] == "1"])) == 0
    assert len(frame.relations(df[df["series"] != "1"])) == 2


# -- every analysis and chart


def test_chart_subtitle_states_the_decision(make_series):
    def subtitle(figure):
        return figure.layout.title.subtitle.text.replace("<br>", " ")

    assert "3 series of delivered [kWh] are parts of one flow" in subtitle(plot.load(by_time_of_use(make_series)))
    peaks = subtitle(plot.peak_days(hourly_and_daily(make_series)))
    assert "delivered [kWh] at 1 h, the finest of 2 resolutions" in peaks


def test_peaks_and_profiles_use_all_parts(make_series):
    df = by_time_of_use(make_series)
    assert shape.peaks(df, 2)["power"].tolist() == [1.5, 1.5]
    assert shape.average_day(df, ())["mean"].tolist() == DAY
    assert len(intervals.checked(df)) == 168


# -- revisions


def test_latest_keeps_the_newest_revision_completely(make_series):
    """An older day of 96 × 0.1 kWh and a newer one of 92 × 0.2 kWh are 18.4 kWh, not 18.8."""
    old = make_series([0.1] * 96, every="15min", revision=pd.Timestamp("2024-08-01", tz="UTC"))
    new = make_series([0.2] * 92, every="15min", revision=pd.Timestamp("2024-08-02", tz="UTC"))
    for both in (frame.concat(old, new), frame.concat(new, old)):
        assert both["value"].sum() == pytest.approx(18.4)
        assert frame.findings_of(both).names == ["frame.revision.superseded"]
    every = frame.concat(old, new, revisions="all")
    assert len(every) == 188
    assert frame.latest(every)["value"].sum() == pytest.approx(18.4)
    assert every.gk.drop_duplicates()["value"].sum() == pytest.approx(18.4)
    assert every.gk.totals("day")["value"].tolist() == pytest.approx([18.4])
    assert frame.latest(new) is new


def test_latest_keeps_days_and_meters_separate(make_series):
    parts = [
        make_series([1.0] * 24, revision=pd.Timestamp("2024-08-01", tz="UTC")),
        make_series([2.0] * 24, "2024-07-02", revision=pd.Timestamp("2024-07-05", tz="UTC")),
        make_series([3.0] * 24, meter="M2", revision=pd.Timestamp("2024-07-09", tz="UTC")),
        make_series([4.0] * 24, meter="M3"),
    ]
    assert len(frame.concat(parts)) == 96


# -- the documents of others, where they are


@pytest.mark.skipif(not SHARED.exists(), reason="no ../shared/trials beside the checkout")
@pytest.mark.parametrize(
    ("name", "flows"),
    [
        ("01-tou-split-series.xml", {"delivered": 187.32}),
        ("04-utilityapi-series-per-bill.xml", {"delivered": 1943.1, "received": 431.8, "net": 1511.3}),
        ("19-hourly-and-daily-in-one-feed.xml", {"delivered": 72.828, "received": 18.18, "net": 54.648}),
        ("02-smarthub-received-negative.xml", {"delivered": 73.0, "received": 40.5, "net": 32.5}),
    ],
)
@pytest.mark.filterwarnings("ignore::greenkit.findings.GreenkitWarning")
def test_documents_of_utilities_have_the_right_flows(name, flows):
    df = greenkit.load_espi(SHARED / name)
    out = df.gk.flows("year").iloc[0]
    assert {flow: out[flow] for flow in flows} == pytest.approx(flows)
