"""Files to a dataset and back: any cut, order, and repetition of the same bytes gives the frame of load_smt."""

import dataclasses
import datetime as dt
import gzip
import itertools
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scale_files import STAMP, hours, record, write

import greenkit
from greenkit import frame, samples, store, synthetic
from greenkit.errors import FormatError, LimitError, SettingsError
from greenkit.findings import quiet
from greenkit.scale import _delta, _scan

DAYS = [dt.date(2025, 11, 1), dt.date(2025, 11, 2), dt.date(2025, 3, 9), dt.date(2025, 12, 31)]


def plain(df):
    df = df.drop(columns=[c for c in df.columns if c not in frame.COLUMNS and df[c].isna().all()])
    df.attrs = {}
    return df


def to_dataset(scan, folder):
    return greenkit.to_dataset(scan, folder, client="in order")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A dataset of three meters and four days, in two files, with its folder."""
    root = tmp_path_factory.mktemp("small")
    for n, meters in enumerate((("A", "B"), ("C",))):
        text = "".join(record(m, d, [round(0.1 * (ord(m) - 64) + 0.01 * h, 3) for h in range(hours(d))])
                       for m in meters for d in DAYS)  # fmt: skip
        write(root / "in" / f"f{n}.lse", text, n)
    report = to_dataset(greenkit.scan_smt(root / "in"), root / "usage")
    return root, report


# -- any cut of the same bytes


@st.composite
def deliveries(draw):
    """Records of a few meters and days, with revisions, ties, shorter revisions, and blanks, in up to four files."""
    records = []
    for _ in range(draw(st.integers(1, 8))):
        day = draw(st.sampled_from(DAYS))
        # the newest revision is shorter than the others
        revision = draw(st.sampled_from([STAMP, "20251108000000", "", "20251109000000"]))
        n = 5 if revision == "20251109000000" else hours(day)
        values = draw(st.lists(st.sampled_from([0.5, 1.25, None]), min_size=1, max_size=4))
        values = [values[i % len(values)] for i in range(n)]
        records.append(record(draw(st.sampled_from(["A", "B"])), day, values, revision=revision))
    files = draw(st.integers(1, 4))
    where = [draw(st.integers(0, files - 1)) for _ in records]
    texts = ["".join(r for r, w in zip(records, where, strict=True) if w == f) for f in range(files)]
    ages = [draw(st.integers(0, 2)) for _ in range(files)]
    # bytes that the dataset has are skipped, so equal files would differ from load_smt in what counts as later
    return [(text, age) for text, age in zip(texts, ages, strict=True) if text and texts.count(text) == 1]


def check_any_cut(folder, files, cut, order, compacts):
    shutil.rmtree(folder, ignore_errors=True)
    paths = [write(folder / "in" / f"f{i}.lse", text, age) for i, (text, age) in enumerate(files)]
    with quiet():
        want = plain(greenkit.load_smt(paths))
    for step in order:
        scan = greenkit.scan_smt([p for i, p in enumerate(paths) if i in step] or paths)
        to_dataset(dataclasses.replace(scan, cut=cut), folder / "usage")
        if compacts:
            greenkit.open_dataset(folder / "usage").compact(client="in order")
    report = to_dataset(greenkit.scan_smt(paths), folder / "usage")
    found = greenkit.open_dataset(folder / "usage").frame()
    columns = [c for c in want.columns if c != "source"]
    pd.testing.assert_frame_equal(found[columns], want[columns])
    assert report.rows == 0 or report.known < len(paths)
    assert to_dataset(greenkit.scan_smt(paths), folder / "usage").rows == 0


@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.generate, Phase.reuse],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    deliveries(),
    st.sampled_from([60, 150, 700, 10_000]),
    st.lists(st.sets(st.integers(0, 3)), max_size=2),
    st.booleans(),
)
def test_any_cut_of_the_bytes_gives_the_frame_of_load_smt(tmp_path, files, cut, order, compacts):
    check_any_cut(tmp_path / "one", files, cut, order, compacts)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_ranges_are_disjoint_and_cover_the_file_wherever_it_is_cut(tmp_path, newline):
    from greenkit.scale import _read

    text = "".join(record("A", d, [1.0] * hours(d), newline=newline) for d in DAYS).rstrip()
    path = write(tmp_path / "a.lse", text, 0)
    file = _scan._file(path)
    for cut in (1, 7, 50, 173, len(text) - 1, len(text), len(text) + 9):
        found = [_read.lse_range(file, a, a + cut) for a in range(0, file.size, cut)]
        assert found[0][0] == 0
        assert found[-1][1] == file.size
        assert all(a[1] == b[0] for a, b in itertools.pairwise(found))
        assert sum(a < b for a, b in found) <= 4


# -- scan and report


def test_scan_opens_no_file(small, monkeypatch):
    root, _ = small
    scans = []

    def refuse(*a, **k):
        raise AssertionError("a file was opened")

    monkeypatch.setattr("builtins.open", refuse)
    scans.append(greenkit.scan_smt(root / "in"))
    text = repr(scans[0])
    monkeypatch.undo()
    assert text == "Scan (smt): 2 files, 0.0 MB, 1 task"
    assert len(list(dataclasses.replace(scans[0], cut=1500).tasks())) > 2


def test_empty_folder_gives_an_empty_dataset(tmp_path):
    (tmp_path / "in").mkdir()
    report = to_dataset(greenkit.scan_smt(tmp_path / "in"), tmp_path / "usage")
    ds = greenkit.open_dataset(tmp_path / "usage")
    assert (report.rows, report.complete) == (0, True)
    assert list(ds.frame().columns) == list(frame.COLUMNS)
    assert len(ds.quality().table) == len(ds.fleet()) == 0
    assert "no readings" in repr(ds)


def test_each_bad_file_is_one_row_and_the_rest_is_read(tmp_path):
    good = record("A", DAYS[0], [1.0] * 24)
    folder = tmp_path / "in"
    write(folder / "good.lse", good, 0)
    bad = {
        "page.html": b"<!doctype html><html></html>", "note.txt": b"hello", "empty.csv": b"",
        "error.json": json.dumps({"errorCode": "x"}).encode(), "cut.gz": gzip.compress(good.encode())[:-9],
        "cut.zip": b"PK\x03\x04" + b"\0" * 40, "resaved.csv": good.replace("00000001,", "1,").encode(),
        "key.asc": b"-----BEGIN PGP MESSAGE-----\n\nabc\n-----END PGP MESSAGE-----\n", "picture.png": b"\x89PNG\r\n\x1a\n" * 9,
    }  # fmt: skip
    for name, data in bad.items():
        (folder / name).write_bytes(data)
    report = to_dataset(greenkit.scan_smt(folder), tmp_path / "usage")
    assert sorted(report.refused["name"].str.rpartition("/")[2]) == sorted(bad)
    assert report.refused["reason"].str.len().min() > 10
    assert [r for r in report.refused["reason"] if str(tmp_path) in r] == []
    assert (report.rows, report.complete) == (24, False)
    again = to_dataset(greenkit.scan_smt(folder), tmp_path / "usage")
    assert (again.known, len(again.refused)) == (1, len(bad)), "a refused file is tried again"


def test_same_bytes_under_another_name_are_skipped(small, tmp_path):
    root, _ = small
    copy = tmp_path / "usage"
    shutil.copytree(root / "usage", copy)
    shutil.copy(root / "in" / "f0.lse", tmp_path / "again.lse")
    report = to_dataset(greenkit.scan_smt(tmp_path / "again.lse"), copy)
    assert (report.known, report.rows) == (1, 0)
    assert report.version == greenkit.open_dataset(copy).version


def test_corrected_file_of_the_same_name_counts(small, tmp_path):
    root, _ = small
    copy = tmp_path / "usage"
    shutil.copytree(root / "usage", copy)
    path = write(tmp_path / "f0.lse", record("A", DAYS[0], [9.0] * 24), 50)
    to_dataset(greenkit.scan_smt(path), copy)
    found = greenkit.open_dataset(copy).frame("A", start="2025-11-01", end="2025-11-02")
    assert set(found["value"]) == {9.0}


def test_late_older_revision_does_not_come_back_after_compaction(small, tmp_path):
    root, _ = small
    copy = tmp_path / "usage"
    shutil.copytree(root / "usage", copy)
    ds = greenkit.open_dataset(copy)
    before = ds.frame("B")
    assert ds.compact(sorted(ds.months["month"]), client="in order") == 3
    old = write(tmp_path / "late.lse", record("B", DAYS[1], [7.0] * 25, revision="20251101000000"), 90)
    to_dataset(greenkit.scan_smt(old), copy)
    pd.testing.assert_frame_equal(greenkit.open_dataset(copy).frame("B"), before)
    assert len(greenkit.open_dataset(copy).frame("B", revisions="all")) == len(before) + 25


def test_other_folders_and_newer_layouts_are_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    scan = greenkit.scan_smt(samples.path("smt-lse"))
    with pytest.raises(FormatError, match=r"thesis\.txt, which is not part of a dataset"):
        to_dataset(scan, tmp_path / "mine")
    with pytest.raises(FormatError, match="contains no dataset"):
        greenkit.open_dataset(tmp_path / "mine")
    to_dataset(scan, tmp_path / "new")
    log = next((tmp_path / "new" / "days" / "_delta_log").glob("*0.json"))
    log.write_text(log.read_text().replace(r"{\"schema\": 1}", r"{\"schema\": 2}"))
    with pytest.raises(FormatError, match="layout 2 of a newer greenkit"):
        greenkit.open_dataset(tmp_path / "new")


def test_chicago_and_los_angeles_in_one_dataset(tmp_path):
    home = synthetic.household(1).frame("2025-11-01", "2025-11-04")
    west = home.assign(meter="west", zone="America/Los_Angeles")
    for name in ("start", "end"):
        west[name] = (west[name] + pd.Timedelta("2h")).dt.tz_convert("America/Los_Angeles")
    west = frame.tidy(west)
    store.write(home, tmp_path / "a")
    store.write(west, tmp_path / "b.parquet")
    for name in ("a", "b.parquet"):
        greenkit.to_dataset(tmp_path / name, tmp_path / "usage", client="in order")
    ds = greenkit.open_dataset(tmp_path / "usage")
    want = frame.concat(home, west)
    pd.testing.assert_frame_equal(ds.frame(), plain(want))
    day = ds.frame("west", start="2025-11-02", end="2025-11-03")
    assert day["start"].iloc[0] == pd.Timestamp("2025-11-02", tz="America/Los_Angeles")


def test_own_columns_of_a_store_are_reported(tmp_path):
    store.write(synthetic.household(1).frame("2025-11-01", "2025-11-02").assign(mine=1), tmp_path / "a.parquet")
    report = greenkit.to_dataset(tmp_path / "a.parquet", tmp_path / "usage", client="in order")
    assert "scale.column.left-out" in report.findings["name"].tolist()


@pytest.mark.parametrize("meters", [127, 128, 300])
def test_any_number_of_meters_in_a_part(tmp_path, meters):
    text = "".join(record(f"{m:017d}", DAYS[0], [0.5] * 24) for m in range(meters))
    to_dataset(greenkit.scan_smt(write(tmp_path / "a.lse", text, 0)), tmp_path / "usage")
    ds = greenkit.open_dataset(tmp_path / "usage")
    assert ds.frame()["meter"].nunique() == meters == len(ds.meters)


def test_registers_and_bills_are_kept(tmp_path):
    scan = greenkit.scan_smt([samples.path("smt-daily"), samples.path("smt-monthly")])
    report = to_dataset(scan, tmp_path / "usage")
    ds = greenkit.open_dataset(tmp_path / "usage")
    want = greenkit.open_smt(samples.path("smt-daily")).registers
    assert report.complete
    assert ds.registers["value"].sum() == pytest.approx(want["value"].sum())
    assert ds.bills["value"].sum() == pytest.approx(greenkit.open_smt(samples.path("smt-monthly")).bills["value"].sum())


def test_espi_and_tables_go_into_one_dataset(tmp_path):
    table = synthetic.household(2).frame("2025-07-01", "2025-07-03")
    csv = tmp_path / "t.csv"
    greenkit.export.write_csv(table, csv)
    scans = [greenkit.scan_espi(samples.path("espi")), greenkit.scan_tables(csv)]
    report = to_dataset(scans, tmp_path / "usage")
    ds = greenkit.open_dataset(tmp_path / "usage")
    assert len(report.files) == 2
    with quiet():
        want = plain(greenkit.load_espi(samples.path("espi")))
    found = ds.frame(want["meter"].unique())
    pd.testing.assert_frame_equal(found[want.columns], want)


# -- answers


def test_answers_equal_those_of_the_complete_frame(small, monkeypatch):
    root, _ = small
    monkeypatch.setattr("greenkit.scale._query.ranges.__defaults__", (4,))  # one meter a range
    ds = greenkit.open_dataset(root / "usage")
    df = ds.frame()
    assert len(ds._ranges(greenkit.scale._query.Where())) == 3
    moment = "2025-11-01 17:00-05:00"
    for mine, whole in (
        (ds.totals("day"), df.gk.totals("day")),
        (ds.shape(), df.gk.shape()),
        (ds.peaks(2), df.gk.peaks(2)),
        (ds.coincident(moment).drop(columns="share"), df.gk.coincident(moment)),
        (ds.quality().table, df.gk.quality().table),
        (ds.price(samples.path("plan-flat")).drop(columns="plan"), df.gk.price(samples.path("plan-flat")).totals),
    ):
        texts = {c: "str" for c in whole.columns if isinstance(whole[c].dtype, pd.CategoricalDtype)}
        whole.attrs = mine.attrs = {}
        pd.testing.assert_frame_equal(mine, whole.astype(texts), check_dtype=False)
    found = ds.quality()
    report = df.gk.quality()
    assert dict(zip(found.findings["name"], found.findings["series"], strict=True)) == dict(
        zip(report.findings_table["name"], report.findings_table["series"], strict=True)
    )
    by_day = report.days.groupby("date")[["expected", "present"]].sum()
    assert found.days.set_index("date")["present"].tolist() == by_day["present"].tolist()


def test_fleet_is_the_sum_of_the_meters(small, monkeypatch):
    root, _ = small
    monkeypatch.setattr("greenkit.scale._fleet._BLOCK", 2)  # the three meters of a day are two blocks
    ds = greenkit.open_dataset(root / "usage")
    df = ds.frame()
    fleet = ds.fleet("interval")
    want = df.groupby("start")["value"].agg(["sum", "size"])
    assert np.allclose(fleet["value"], want["sum"])
    assert fleet["meters"].tolist() == want["size"].tolist()
    spread = df.groupby("start")["value"].quantile(0.5).to_numpy()
    assert np.abs(fleet["p50"] / spread - 1).max() < 0.0101
    day = ds.fleet("day")
    assert np.allclose(day["value"], df.groupby(df["start"].dt.date)["value"].sum())
    peaks = ds.fleet_peaks(2)
    assert peaks["power"].max() == pytest.approx(want["sum"].max())
    shares = ds.coincident(n=2)
    assert shares.groupby("moment")["share"].sum().round(9).tolist() == [1.0, 1.0]


def test_fleet_quantiles_are_within_one_percent():
    from greenkit.scale import _fleet

    power = np.random.default_rng(0).lognormal(0, 2, 4001)
    bins = np.bincount(_fleet.bins_of(power), minlength=_fleet._BINS)[None, :]
    for name, q in _fleet.QUANTILES.items():
        assert _fleet.quantiles(bins)[name][0] == pytest.approx(np.quantile(power, q), rel=0.01)


def test_blank_value_is_not_a_meter_of_the_fleet(tmp_path):
    day = [record("A", DAYS[0], [None, *[1.0] * 23]), record("B", DAYS[0], [4.0] * 24)]
    to_dataset(greenkit.scan_smt(write(tmp_path / "a.lse", "".join(day), 0)), tmp_path / "usage")
    fleet = greenkit.open_dataset(tmp_path / "usage").fleet("interval", client="in order")
    assert fleet["meters"].tolist() == [1, *[2] * 23]
    assert fleet["value"].tolist() == [4.0, *[5.0] * 23]
    assert fleet["p10"].round(1).tolist() == [4.0, *[1.0] * 23]


def test_days_of_a_small_fleet_are_divided_into_tasks_of_bounded_memory():
    from greenkit.scale import _dataset

    days = pd.date_range("2020-01-01", "2024-12-31").date
    tasks = _dataset._day_tasks(pd.Series(3, index=days))
    assert max(t.end - t.start for t in tasks) == dt.timedelta(days=_dataset._DAYS)
    assert tasks[0].start == days[0]
    assert tasks[-1].end == dt.date(2025, 1, 1)
    assert all(a.end == b.start for a, b in itertools.pairwise(tasks))


def test_fleet_counts_a_flow_in_two_series_once(tmp_path, make_series):
    hourly = make_series([1.0] * 48, "2025-07-01", series="hourly")
    daily = make_series([24.0] * 2, "2025-07-01", every="24h", series="daily")
    store.write(frame.concat(hourly, daily), tmp_path / "a.parquet")
    greenkit.to_dataset(tmp_path / "a.parquet", tmp_path / "usage", client="in order")
    fleet = greenkit.open_dataset(tmp_path / "usage").fleet("day")
    assert fleet["value"].sum() == 48.0


def test_roster_is_joined_in_every_answer(small, tmp_path):
    root, _ = small
    shutil.copytree(root / "usage", tmp_path / "usage")
    ds = greenkit.open_dataset(tmp_path / "usage")
    with pytest.raises(SettingsError, match="no attribute 'tdsp'"):
        ds.fleet(by="tdsp")
    ds.set_meters(pd.DataFrame({
        "meter": ["A", "B", "C", "Z"], "from": ["2025-01-01", None, None, None], "tdsp": ["ONCOR", "ONCOR", None, "AEP"],
        "plan": ["flat", "none", "flat", "flat"],
    }))  # fmt: skip
    assert ds.totals("month")["tdsp"].dropna().unique().tolist() == ["ONCOR"]
    night = ds.quality(start="2025-11-01", end="2025-11-02")
    assert dict(zip(night.roster["meter"], night.roster["status"], strict=True)) == {
        "A": "complete", "B": "complete", "C": "complete", "Z": "absent",
    }  # fmt: skip
    assert night.table["tdsp"].tolist()[:2] == ["ONCOR", "ONCOR"]
    assert sorted(ds.fleet("day", by="tdsp")["class"].unique()) == ["ONCOR", "none"]
    bills = ds.price({"flat": samples.path("plan-flat")})
    assert sorted(bills["meter"].unique()) == ["A", "C"]
    assert set(bills["plan"]) == {"flat"}
    ds.set_meters(pd.DataFrame({"meter": ["A"], "class": ["home"]}))
    assert list(greenkit.open_dataset(tmp_path / "usage").meters.columns) == ["meter", "class"]


def test_plan_and_class_of_a_meter_change_on_their_dates(small, tmp_path):
    root, _ = small
    shutil.copytree(root / "usage", tmp_path / "usage")
    ds = greenkit.open_dataset(tmp_path / "usage")
    # A changes on November 2, B leaves on that day and C has no class from then on
    ds.set_meters(pd.DataFrame({
        "meter": ["A", "A", "B", "C", "C"], "plan": ["x", "y", "x", "x", "z"], "class": ["home", "shop", "shop", "home", None],
        "from": ["2025-01-01", "2025-11-02", "2025-11-01", "2025-01-01", "2025-11-02"],
        "to": ["2025-11-02", None, "2025-11-02", "2025-11-02", None],
    }))  # fmt: skip
    bills = ds.price({name: samples.path("plan-flat") for name in "xy"}, client="in order")
    energy = bills.groupby(["meter", "plan"])["delivered"].sum().round(3).to_dict()
    assert energy == {("A", "x"): 9.99, ("A", "y"): 10.66, ("B", "x"): 7.56, ("C", "x"): 19.39}
    load = ds.fleet("day", by="class", start="2025-11-01", end="2025-11-03", client="in order")
    found = load.assign(day=load["start"].dt.day).set_index(["day", "class"])["meters"].to_dict()
    assert found == {(1, "home"): 2, (1, "shop"): 1, (2, "none"): 1, (2, "shop"): 2}


def test_map_passes_each_meter_complete_and_each_month_separately(small):
    root, _ = small
    ds = greenkit.open_dataset(root / "usage")

    def count(df):
        return df.groupby("meter", observed=True).size().rename("rows").reset_index()

    total = sum(hours(d) for d in DAYS)
    assert ds.map(count)["rows"].tolist() == [total] * 3
    assert ds.map(count, "month", meters="A")["rows"].tolist() == [23, 49, 24]
    assert ds.map(count, meters=["A", "C"], start="2025-11-02", end="2025-11-03")["rows"].tolist() == [25, 25]


def test_arguments_are_checked(small, monkeypatch):
    root, _ = small
    ds = greenkit.open_dataset(root / "usage")
    for call, text in (
        (lambda: ds.frame(start="2025-11-02", end="2025-11-02"), "is empty"),
        (lambda: ds.frame(start="2025-11-02 12:00"), "must be a local day"),
        (lambda: ds.frame(start=2025), "must be a local day"),
        (lambda: ds.frame(revisions="newest"), "must be 'latest' or 'all'"),
        (lambda: ds.fleet("week"), "must be 'interval', 'hour', or 'day'"),
        (lambda: ds.map(len, "year"), "must be 'meter' or 'month'"),
        (lambda: ds.compact("1999-01"), "no month '1999-01'"),
        (lambda: ds.totals(client="dask"), "must be a distributed.Client"),
        (lambda: greenkit.scan_smt(root / "in", cut=3), "must be at least 1024"),
    ):
        with pytest.raises(SettingsError, match=text):
            call()
    monkeypatch.setattr("greenkit.scale._dataset.MOST", 100)
    with pytest.raises(LimitError, match="more than fit into one frame"):
        ds.frame()


def test_killed_driver_leaves_files_that_are_not_part_of_the_dataset(small, tmp_path):
    root, _ = small
    shutil.copytree(root / "usage", tmp_path / "usage")
    ds = greenkit.open_dataset(tmp_path / "usage")
    want, files = ds.frame(), len(ds.files)
    # what a driver leaves that was killed between the tables and the commit: parts, and rows of files
    place = _delta.location(tmp_path / "usage", "days")
    part = next((tmp_path / "usage" / "days" / "month=2025-11").glob("*.parquet"))
    shutil.copy(part, part.with_name("orphan.parquet"))
    lost = _delta.open_table(tmp_path / "usage", "files").to_pyarrow_table()
    index = lost.schema.get_field_index("commit")
    import pyarrow as pa

    lost = lost.set_column(index, "commit", pa.array(["lost"] * lost.num_rows, pa.string()))
    _delta.append(tmp_path / "usage", "files", lost)
    ds = greenkit.open_dataset(tmp_path / "usage")
    pd.testing.assert_frame_equal(ds.frame(), want)
    assert len(ds.files) == files
    assert ds.unused_files(hours=0) == ["month=2025-11/orphan.parquet"]
    assert place.endswith("days")


def test_times_of_meters_in_several_zones_are_in_utc_as_in_a_frame(tmp_path, monkeypatch):
    for n, zone in enumerate(("America/Chicago", "America/Los_Angeles")):
        home = greenkit.synthetic.household(n + 1, zone=zone, faults=())
        greenkit.synthetic.write_espi(tmp_path / f"{n}.xml", [home], "2024-11-02", "2024-11-04")
    greenkit.to_dataset(greenkit.scan_espi(sorted(tmp_path.glob("*.xml"))), tmp_path / "usage", client="in order")
    monkeypatch.setattr("greenkit.scale._query.ranges.__defaults__", (1,))  # one meter a range
    ds = greenkit.open_dataset(tmp_path / "usage")
    df = ds.frame()
    assert len(ds._ranges(greenkit.scale._query.Where())) == 2
    for mine, whole in (
        (ds.totals("day"), df.gk.totals("day")),
        (ds.peaks(2), df.gk.peaks(2)),
        (ds.quality().table, df.gk.quality().table),
    ):
        assert str(mine["start"].dtype) == str(whole["start"].dtype) == "datetime64[us, UTC]"
        assert sorted(mine["start"]) == sorted(whole["start"])
