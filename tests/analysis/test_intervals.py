import numpy as np
import pandas as pd
import pytest

from greenkit import _intervals, frame
from greenkit.analysis import intervals, receipt, shape
from greenkit.errors import SchemaError
from greenkit.findings import GreenkitWarning


def test_series_never_mix(make_series):
    df = frame.concat(
        [
            make_series([1, 2], meter="B"),
            make_series([3, 4], meter="A", flow="received"),
            make_series([5, 6], meter="A", unit="therm", series="gas", zone="America/Denver"),
        ]
    )
    found = intervals.from_frame(df)
    assert found.keys.to_dict("list") == {
        "meter": ["A", "A", "B"],
        "flow": ["delivered", "received", "delivered"],
        "series": ["gas", "received", "delivered"],
        "unit": ["therm", "kWh", "kWh"],
        "zone": ["America/Denver", "America/Chicago", "America/Chicago"],
    }
    assert found.value.tolist() == [5, 6, 3, 4, 1, 2]
    # local midnight in each series' own zone
    assert (found.wall[::2] % (24 * intervals.HOUR) == 0).all()


def test_power_is_value_over_hours_and_a_state_stays(make_series):
    energy = make_series([1.5, 3.0], every="15min")
    state = make_series([240.0, 241.0], every="15min", unit="V", series="volts")
    found = intervals.from_frame(frame.concat([energy, state]))
    assert found.power.tolist() == [6.0, 12.0, 240.0, 241.0]
    assert found.amount.tolist() == [1.5, 3.0, 60.0, 60.25]


def test_unsorted_frame_is_sorted_and_its_rows_are_known(make_series):
    df = make_series([1, 2, 3]).iloc[[2, 0, 1]].reset_index(drop=True)
    found = intervals.from_frame(df)
    assert found.value.tolist() == [1, 2, 3]
    assert found.row.tolist() == [1, 2, 0]


def test_duplicate_interval_is_used_once_with_a_warning(make_series):
    df = make_series([1, 2, 3])
    twice = frame.concat([df, df.iloc[[1]]])
    with pytest.warns(GreenkitWarning, match="1 duplicate interval left out"):
        assert intervals.checked(twice).value.tolist() == [1, 2, 3]
    assert intervals.unique(twice)["value"].tolist() == [1, 2, 3]
    assert intervals.unique(df) is df


def test_newest_revision_of_a_day_is_kept_completely(make_series):
    old = make_series([1, 5, 6], revision=pd.Timestamp("2024-08-01", tz="UTC"))
    new = make_series([2, np.nan], revision=pd.Timestamp("2024-08-02", tz="UTC"))
    both = frame.concat([new, old], revisions="all")
    assert len(both) == 5
    np.testing.assert_array_equal(intervals.unique(both)["value"], [2, np.nan])
    np.testing.assert_array_equal(intervals.checked(both).value, [2, np.nan])


def test_value_is_kept_before_none_within_a_revision(make_series):
    first, second = make_series([1, 5]), make_series([2, np.nan])
    assert intervals.unique(frame.concat(first, second))["value"].tolist() == [2, 5]


def test_overlaps_are_seen_within_a_series_only(make_series):
    df = frame.concat(
        [make_series([1, 2, 3]), make_series([9], start="2024-07-01 00:30"), make_series([4, 5], meter="M2")]
    )
    found = intervals.from_frame(df)
    assert found.overlap.tolist() == [False, True, True, False, False, False]
    with pytest.warns(GreenkitWarning, match="2 intervals overlap"):
        assert len(intervals.checked(df)) == 6


def test_empty_frame_has_no_series():
    found = intervals.from_frame(frame.empty())
    assert (len(found), len(found.keys), found.interval.tolist(), found.overlap.tolist()) == (0, 0, [], [])


def test_usual_interval_of_each_series(make_series):
    df = frame.concat(
        [make_series([1, 2, 3], every="15min"), make_series([1], "2024-07-02"), make_series([1, 1], meter="M2")]
    )
    assert intervals.from_frame(df).interval.tolist() == [900, 3600]


def test_fingerprint_is_of_the_data_alone(make_series):
    df = make_series([1, 2, np.nan])
    assert receipt.fingerprint(df) == receipt.fingerprint(df.astype({"meter": "str"}).iloc[::-1])
    other = df.copy()
    other.loc[0, "value"] = 1.0000001
    assert receipt.fingerprint(df) != receipt.fingerprint(other)
    assert receipt.fingerprint(make_series([0.0])) == receipt.fingerprint(make_series([-0.0]))
    assert receipt.fingerprint(df) != receipt.fingerprint(make_series([1, 2, np.nan], meter="M2"))


def test_receipt_lists_what_was_used(make_series):
    made = receipt.make_receipt(make_series([1, 2], source="a.xml"))
    assert (made["rows"], made["series"], made["sources"]) == (2, 1, ["a.xml"])
    assert (made["first"], made["last"]) == ("2024-07-01T05:00:00+00:00", "2024-07-01T07:00:00+00:00")
    assert made["versions"]["pandas"] == pd.__version__
    assert receipt.make_receipt(frame.empty())["first"] is None
    with pytest.raises(SchemaError, match="zone"):
        receipt.make_receipt(make_series([1]).drop(columns="zone"))
    # a page that is handed on does not tell where its author keeps his files
    paths = frame.concat([make_series([1], source=name) for name in ("/home/me/a.xml", r"C:\me\b.xml")])
    assert receipt.make_receipt(paths)["sources"] == ["a.xml", "b.xml"]


def test_mask_that_keeps_all_rows_makes_no_copy(make_series):
    found = intervals.from_frame(make_series([1.0, np.nan, 3.0]))
    assert found.take(found.code == 0) is found
    assert found.take(found.valid).value.tolist() == [1, 3]
    assert len(found.take(slice(0, 0))) == len(found.take(~found.valid & found.valid)) == 0


def test_results_in_groups_of_series_equal_those_at_once(make_series, monkeypatch):
    parts = [make_series(np.arange(24 * n) % 17 / 8, meter=f"M{n}", cost=0.1 * n, currency="USD") for n in (3, 1, 8, 2)]
    df = frame.concat(*parts, make_series([1.0] * 30, meter="M9", unit="kW"), make_series([2.0, np.nan], meter="N"))
    df = df.drop(index=[5, 6, 200, 201]).reset_index(drop=True)
    moments = ["2024-07-01 12:00-05:00", "2024-07-03 12:00-05:00"]

    def results():
        report = df.gk.quality(start="2024-06-30")
        yield from (report.table, report.days, report.months, report.gaps, report.runs, report.findings_table)
        yield pd.DataFrame([f.as_dict() for f in report.findings])
        yield from (df.gk.totals("day"), df.gk.totals("hour"), df.gk.shape(), shape.daily(df), df.gk.duration())
        yield from (df.gk.peaks(2), df.gk.average_day(("month", "day_type")), df.gk.coincident(moments))

    at_once = list(results())
    monkeypatch.setattr(_intervals, "BATCH", 60)
    assert [first for first, _ in intervals.checked(df).batches()] == [0, 1, 2, 3, 4]
    for made, want in zip(results(), at_once, strict=True):
        pd.testing.assert_frame_equal(made, want)


def test_a_frame_is_read_once_within_a_block_and_anew_after_it(make_series, monkeypatch):
    reads = []
    read = intervals.from_frame
    monkeypatch.setattr(intervals, "from_frame", lambda df: reads.append(1) or read(df))
    df = make_series([1.0, 2.0])
    with intervals.reading_once():
        first = intervals.checked(df)
        with intervals.reading_once():
            assert intervals.checked(df) is first
        assert len(intervals.checked(make_series([1.0]))) == 1
    assert len(reads) == 2
    assert intervals.checked(df) is not first
