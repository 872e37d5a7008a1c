"""The tidy frame after what a user does to it with pandas: filtered, joined, written and read as text."""

import io

import pandas as pd
import pytest

from greenkit import frame
from greenkit.errors import SchemaError

TEXT = ("meter", "series", "flow", "unit", "zone", "quality")


@pytest.fixture
def df(make_series):
    """Two meters over the day that has 25 hours."""
    hours = [float(i) for i in range(25)]
    return frame.concat([make_series(hours, "2024-11-03"), make_series(hours, "2024-11-03", flow="received")])


def back(df, **options):
    return pd.read_csv(io.StringIO(df.to_csv(index=False)), **options)


@pytest.mark.parametrize(
    "change",
    [
        lambda df: df.astype(dict.fromkeys(TEXT, str)),
        lambda df: df.astype(dict.fromkeys(TEXT, object)),
        lambda df: df.assign(start=df["start"].dt.as_unit("ns"), end=df["end"].dt.as_unit("ms")),
        lambda df: df.sample(frac=1, random_state=1),
        lambda df: pd.concat([df[df["flow"] == "received"], df[df["flow"] == "delivered"]]),
        lambda df: df.assign(start=df["start"].dt.tz_convert("UTC"), end=df["end"].dt.tz_convert("UTC")),
        lambda df: df.convert_dtypes(),
        lambda df: df.convert_dtypes(dtype_backend="pyarrow"),
        lambda df: back(df, dtype={"meter": str}),
        lambda df: back(df, dtype={"meter": str}, parse_dates=["start", "end"]),
        lambda df: df[list(reversed(df.columns))],
    ],
)
def test_tidy_restores_a_frame(df, change):
    pd.testing.assert_frame_equal(frame.check(frame.tidy(change(df)), exact=True), df)


def test_readers_keep_the_order_of_the_columns(df):
    turned = df[df.columns[::-1]]
    frame.check(turned)
    with pytest.raises(SchemaError, match="not in the order"):
        frame.check(turned, exact=True)


def test_one_site_of_several_zones_is_used_directly(make_series):
    both = frame.concat([make_series([1.0, 2.0]), make_series([4.0], meter="M2", zone="America/New_York")])
    assert both.gk.findings.names == ["frame.zones.mixed"]
    one = both[both["meter"] == "M1"]
    assert str(one["start"].dt.tz) == "UTC"
    assert one.gk.totals("day")["value"].tolist() == [3.0]
    assert str(one.gk.series().index.tz) == str(one.gk.wide().index.tz) == "America/Chicago"
    with pytest.raises(SchemaError, match=r"is in UTC, but column zone is America/Chicago. Call greenkit\.frame\.tidy"):
        frame.check(one, exact=True)


def test_ids_that_pandas_read_as_numbers_are_converted_to_text(df):
    text = df.assign(meter="10443720000000042")
    out = frame.tidy(back(text))
    assert list(out["meter"].cat.categories) == ["10443720000000042"]
    assert len(frame.concat([out, df])) == 100
    with pytest.raises(
        SchemaError, match=r"Column meter cannot be converted to category: IDs were read as .*dtype='str'"
    ):
        frame.tidy(df.assign(meter=1.5))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda df: df["value"], "A greenkit frame is a pandas DataFrame, not Series"),
        (
            lambda df: df.drop(columns=["unit", "zone"]),
            "has no column unit, zone. Load the data with greenkit, or add the columns",
        ),
        (lambda df: df.set_index(["meter", "start"]), r"has no column meter, start. Call df\.reset_index\(\)"),
        (
            lambda df: df.assign(value=1),
            r"value has dtype int64, not float64. Call greenkit\.frame\.tidy\(df\) to restore",
        ),
        (lambda df: df.assign(zone="Mars/Phobos"), "'Mars/Phobos' is not a valid IANA time zone. Use a name such as"),
        (
            lambda df: df.assign(zone="America/New_York"),
            "start is in America/Chicago, but column zone is America/New",
        ),
        (
            lambda df: df.assign(end=df["start"] - pd.Timedelta("1h")),
            "Row 0 ends before it starts. Correct its start and end",
        ),
        (lambda df: df.assign(unit=df["unit"].where(df.index > 3)), "unit has empty cells. Fill or drop those rows"),
    ],
)
def test_invalid_frame_raises_with_a_next_step(df, change, text):
    with pytest.raises(SchemaError, match=text):
        frame.check(change(df))


def test_times_without_a_zone_are_not_guessed(df):
    naive = df.assign(start=df["start"].dt.tz_localize(None), end=df["end"].dt.tz_localize(None))
    with pytest.raises(
        SchemaError, match=r"start cannot be converted to time: it has no time zone. Set one, .*df\['start'\]"
    ):
        frame.tidy(naive)


def test_one_series_in_order_and_the_reasons_when_it_is_not_one(df):
    one = df[df["flow"] == "delivered"].sample(frac=1, random_state=1).gk.series()
    assert one.name == "delivered [kWh]"
    assert one.tolist() == [float(i) for i in range(25)]
    with pytest.raises(SchemaError, match=r"has 2 series, not one .M1 / delivered / .*; .*Filter it by meter"):
        df.gk.series()
    twice = pd.concat([df[df["flow"] == "delivered"]] * 2)
    for verb in ("series", "wide"):
        with pytest.raises(
            SchemaError, match=r"25 start times occur more than once.*first 2024-11-03.*df\.gk\.drop_duplicates\(\)"
        ):
            getattr(twice.gk, verb)()


def test_summary_counts_time_not_rows(make_series):
    mixed = frame.concat([make_series([1.0] * 24), make_series([1.0] * 96, "2024-07-02", every="15min")])
    row = frame.summary(mixed).iloc[0]
    assert (row["rows"], row["interval"], row["complete"], row["total"]) == (120, 900, 1.0, 120.0)
    assert frame.summary(mixed.drop(index=[0, 1, 2, 3, 5, 6]))["complete"].tolist() == [
        pytest.approx(42 / 44, abs=1e-4)
    ]
