"""``open_dataset``: the questions that a dataset answers, with the names and rules of ``df.gk``.

Every analysis of a meter needs only its own readings, so the meters are divided into ranges, each range becomes a tidy
frame, and the tables are concatenated: the result is that of the whole frame. A fleet is summed day by day instead
(:mod:`greenkit.scale._fleet`).
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from greenkit import _html, frame
from greenkit._progress import Progress
from greenkit.analysis import fleet, quality, shape, totals
from greenkit.analysis.checks import Limits
from greenkit.analysis.roster import Roster, dates_of, read_roster, with_roster
from greenkit.errors import GreenkitError, LimitError, SchemaError, SettingsError
from greenkit.findings import SEVERITIES, counted
from greenkit.scale import _delta, _faults, _fleet, _query, _rows, _runner
from greenkit.scale._ingest import findings_html, findings_table
from greenkit.scale._query import Day, Where

if TYPE_CHECKING:
    from distributed import Client

    from greenkit.analysis.shape import Moments
    from greenkit.tariffs import PlanSource

MOST: Final = 100_000_000
"""Readings that :meth:`Dataset.frame` puts into one frame: about 6 GB."""
_DAY_ROWS: Final = 200_000
_DAYS: Final = 31
"""Most day rows and local days of a task of the fleet; each interval of a day needs 9 kB for its quantiles."""
_WEIGHT: Final = 2.0
"""Weight of a day row that is added up: its ranges have arrays of 20 MB, which are used again; larger ones are not."""
_QUALITY_DAYS: Final = ("date", "meters", "complete", "expected", "present", "estimated")


@dataclass(frozen=True)
class DatasetQuality:
    """The quality of the meters of a dataset, as :meth:`Dataset.quality` returns it.

    Attributes
    ----------
    table : DataFrame
        One row for each physical flow, as in :class:`greenkit.analysis.quality.QualityReport`.
    days : DataFrame
        One row for each local day: ``date``, ``meters`` (flows with readings), ``complete`` (flows without a missing
        value), ``expected``, ``present``, and ``estimated`` intervals.
    findings : DataFrame
        One row for each kind of finding and severity: ``severity``, ``name``, ``series`` (how many), ``example``.
    findings_by_day : DataFrame
        ``name``, ``date`` and ``series``: how many flows have a gap, estimates, or no value on each day.
    roster : DataFrame
        One row for each meter of the roster, if one was given.
    """

    table: pd.DataFrame
    days: pd.DataFrame
    findings: pd.DataFrame
    findings_by_day: pd.DataFrame
    roster: pd.DataFrame

    def __repr__(self) -> str:
        share = self.days["present"].sum() / max(int(self.days["expected"].sum()), 1)
        lines = [f"Quality of {len(self.table):,} series: {share:.2%} of the expected intervals have values"]
        lines += [
            f"{r['severity']}: {r['name']}: {r['series']:,} series, such as {r['example']}"
            for r in self.findings.to_dict("records")
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        body = findings_html(self.findings, "series") or "<p>No findings.</p>"
        return _html.block(repr(self).partition("\n")[0], body, text=repr(self))


def open_dataset(folder: str | os.PathLike[str]) -> Dataset:
    """Open a dataset that :func:`to_dataset` wrote.

    Parameters
    ----------
    folder : path or URL

    Returns
    -------
    Dataset
        As it is now; open it again to see what is added later.

    Raises
    ------
    FormatError
        If the folder contains no dataset, a damaged one, or one of a newer greenkit. A damaged file of readings is
        found when it is read.
    NotReadable
        If this user may not read it.
    SettingsError
        If the extra ``scale`` is not installed.
    """
    return Dataset(os.fspath(folder))


class Dataset:
    """The readings of all meters. Create it with :func:`open_dataset`.

    Methods that take ``start`` and ``end`` take local days of the meters; ``end`` is exclusive. ``client`` is as in
    :func:`to_dataset`.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._table = _delta.open_table(folder)
        self.version = int(self._table.version())
        self._parts = _delta.files_in(self._table)

    # -- what it contains

    def __repr__(self) -> str:
        rows = sum(p["rows"] or 0 for p in self._parts)
        if not rows:
            return f"Dataset {self.folder}: no readings"
        days = [p["days"] for p in self._parts]
        size = sum(p["size"] for p in self._parts)
        first, last = min(d[0] for d in days), max(d[1] for d in days)
        months = {p["month"] for p in self._parts}
        return (
            f"Dataset {self.folder}: {counted(rows, 'day row')} from {first} to {last} in "
            f"{counted(len(self._parts), 'file')} ({size / 1e6:,.1f} MB, {counted(len(months), 'month')}), version "
            f"{self.version}"
        )

    def _repr_html_(self) -> str:
        rows = [
            [r["month"], *(_html.Number(f"{r[n]:,}") for n in ("files", "day_rows", "bytes"))]
            for r in self.months.to_dict("records")
        ]
        return _html.block(repr(self), _html.table(["month", "files", "day rows", "bytes"], rows), text=repr(self))

    @property
    def months(self) -> pd.DataFrame:
        """One row for each local month: ``month``, ``files``, ``day_rows``, ``bytes``, ``first`` and ``last`` day."""
        table = pd.DataFrame(self._parts, columns=["path", "month", "size", "rows", "meters", "days"])
        table["first"], table["last"] = [d[0] for d in table["days"]], [d[1] for d in table["days"]]
        made = table.groupby("month", sort=True).agg(
            files=("path", "size"), day_rows=("rows", "sum"), bytes=("size", "sum"), first=("first", "min"),
            last=("last", "max"),
        )  # fmt: skip
        out: pd.DataFrame = made.reset_index()
        return out

    @functools.cached_property
    def files(self) -> pd.DataFrame:
        """One row for each file that was read or refused: name, digest, state, reason, readings, days, findings."""
        table = _delta.rows_of(self.folder, "files", self._table).to_pandas()
        kept: pd.DataFrame = table.drop_duplicates(["commit", "name"]).drop(columns="commit")
        return kept.reset_index(drop=True)

    @property
    def findings(self) -> pd.DataFrame:
        """What the readers found: one row for each kind and severity, with the number of files."""
        read = self.files
        return findings_table(zip(read["name"], read["findings"], strict=True))

    @property
    def registers(self) -> pd.DataFrame:
        """Register reads of all files, in the columns that their sources have."""
        return self._others("registers")

    @property
    def bills(self) -> pd.DataFrame:
        """Bills of all files, in the columns that their sources have."""
        return self._others("bills")

    def _others(self, name: str) -> pd.DataFrame:
        table = _delta.rows_of(self.folder, name, self._table).to_pandas().drop_duplicates(["digest", "place"])
        df = pd.DataFrame([json.loads(row) for row in table["row"]])
        for column in ("usage_date", "start_date", "end_date", "revision", "time", "start", "end"):
            if column in df.columns:
                df[column] = pd.to_datetime(df[column], utc=column in ("revision", "time"), errors="coerce")
        return df

    # -- meters

    @functools.cached_property
    def meters(self) -> pd.DataFrame:
        """The roster: ``meter``, ``from``, ``to``, and attributes. Without one, the meters with readings."""
        if self._roster is not None:
            return self._roster
        found = _query.count_by(self._table, Where(), "meter")
        return pd.DataFrame({"meter": pd.Series(found.index, dtype="str")})

    @functools.cached_property
    def _roster(self) -> pd.DataFrame | None:
        """The roster, if the dataset has one."""
        tables, where = _delta.deltalake().DeltaTable, _delta.location(self.folder, "meters")
        with _faults.reading(where):
            if not tables.is_deltatable(where):
                return None
            df: pd.DataFrame = tables(where).to_pyarrow_table().to_pandas()
        for name in ("from", "to"):
            if name in df.columns:
                df[name] = pd.to_datetime(df[name])
        return df

    def set_meters(self, table: pd.DataFrame) -> None:
        """Store the roster: the meters that are expected, and their attributes. It replaces the one before.

        Parameters
        ----------
        table : DataFrame
            ``meter``; optionally ``from`` and ``to`` (local days; ``to`` is exclusive), ``plan``, and any attributes,
            such as the TDSP or a class. A meter that left and returned has several rows. The attributes are joined in
            every table that the dataset returns.

        Raises
        ------
        SchemaError
            If it has no column ``meter``, or a date cannot be read.
        NotWritten
            If the disk is full, or this user may not write the folder.
        """
        read_roster(table)
        columns = {}
        for name in table.columns:
            if name in ("from", "to"):
                columns[name] = pa.array(pd.to_datetime(table[name]).dt.date, pa.date32())
            elif name == "meter" or not pd.api.types.is_numeric_dtype(table[name]):
                columns[str(name)] = pa.array(
                    [None if pd.isna(v) else str(v) for v in table[name].astype("object")], pa.string()
                )
            else:
                columns[str(name)] = pa.array(table[name])
        where = _delta.location(self.folder, "meters")
        with _faults.writing(where):
            _delta.deltalake().write_deltalake(
                where,
                pa.table(columns),
                mode="overwrite",
                schema_mode="overwrite",
                name="greenkit.meters",
                description=json.dumps({"schema": _delta.VERSION}),
            )
        self._forget("meters", "_roster")

    def _with_attributes(self, table: pd.DataFrame) -> pd.DataFrame:
        roster = self._roster
        if roster is None or "meter" not in table.columns:
            return table
        joined: pd.DataFrame = with_roster(table, roster)
        return joined

    # -- readings

    def frame(
        self,
        meters: Iterable[str] | str | None = None,
        *,
        start: Day = None,
        end: Day = None,
        revisions: Literal["latest", "all"] = "latest",
    ) -> pd.DataFrame:
        """Return the readings of some meters as a tidy frame.

        Parameters
        ----------
        meters : str or iterable of str, optional
            Default: all.
        start, end : date, optional
            Local days; ``end`` is exclusive.
        revisions : {"latest", "all"}
            Keep the newest revision of each day, as :func:`greenkit.load_smt` does, or all of them. Default:
            ``"latest"``. A compacted month has only the newest.

        Returns
        -------
        DataFrame
            Sorted, in the zone of the meters, or in UTC if there are several. Columns that no reading has a value in
            are left out, except the nine of every frame.

        Raises
        ------
        LimitError
            If that is more than 100 million readings.
        """
        if revisions not in ("latest", "all"):
            raise SettingsError(
                f"revisions is {revisions!r}, but it must be 'latest' or 'all'",
                next_step="Leave it out for the newest.",
            )
        which = _query.where(meters, start, end)
        if which.meters is None:
            rows = int(_query.count_by(self._table, which, "month").sum())
            if rows * 96 > MOST:
                raise LimitError(
                    f"That is about {rows * 96 / 1e6:,.0f} million readings, more than fit into one frame",
                    next_step="Pass meters, start, and end, or use a method of the dataset.",
                )
        return _rows.to_frame(_query.read(self._table, which, keep_all=revisions == "all"))

    def map(
        self,
        function: Callable[[pd.DataFrame], pd.DataFrame],
        by: Literal["meter", "month"] = "meter",
        *,
        meters: Iterable[str] | str | None = None,
        start: Day = None,
        end: Day = None,
        client: Client | Literal["in order"] | None = None,
        progress: Progress = None,
    ) -> pd.DataFrame:
        """Apply a function to tidy frames of some meters each, and concatenate the tables that it returns.

        Parameters
        ----------
        function : callable
            Takes a tidy frame, and returns a small table. It is called with all readings of each of its meters, so it
            must not depend on the meters beside them. With workers, it must be possible to pickle it.
        by : {"meter", "month"}
            Divide the readings by meter, or also by local month. Default: ``"meter"``.
        meters, start, end, client, progress
            As in :meth:`frame` and :func:`to_dataset`.

        Returns
        -------
        DataFrame
            The tables in the order of the meters, with the attributes of the roster if they have a column ``meter``.
            A dataset without readings returns what the function returns for an empty frame.
        """
        if by not in ("meter", "month"):
            raise SettingsError(
                f"by is {by!r}, but it must be 'meter' or 'month'", next_step="Leave it out for meters."
            )
        which = _query.where(meters, start, end)
        tasks = self._ranges(which)
        if by == "month":
            tasks = [part for task in tasks for part in self._months_of(task)]
        parts = self._run(_map, tasks, (self.folder, self.version, function), client, progress)
        if not parts:
            return function(frame.empty())
        return self._with_attributes(_joined(parts))

    def _ranges(self, which: Where) -> list[Where]:
        return _query.ranges(self._table, which)

    def _months_of(self, which: Where) -> list[Where]:
        out = []
        for month in self.months["month"]:
            first = dt.date.fromisoformat(f"{month}-01")
            after = (first + dt.timedelta(days=32)).replace(day=1)
            start = max(filter(None, [first, which.start]))
            end = min(filter(None, [after, which.end]))
            if start < end:
                out.append(Where(which.meters, which.low, which.high, start, end))
        return out

    def _run(
        self,
        function: Callable[..., Any],
        tasks: Sequence[Where],
        arguments: tuple[Any, ...],
        client: Client | Literal["in order"] | None,
        progress: Progress,
    ) -> list[Any]:
        """Return the results of tasks in their order."""
        size = sum(p["size"] for p in self._parts)
        weight = size // max(len(tasks), 1)
        out: dict[int, Any] = {}
        # a byte of the dataset is about as much work as eight bytes of a file
        with _runner.runner(client, size * 8, len(tasks)) as workers:
            results = _runner.run(
                function, tasks, arguments, client=workers, weights=[weight] * len(tasks), progress=progress,
                label="Meters", describe=lambda w: f"meters {w.low or 'from the first'} to {w.high or 'the last'}",
            )  # fmt: skip
            for i, result in results:
                if isinstance(result, GreenkitError):
                    raise result
                out[i] = result
        return [out[i] for i in sorted(out)]

    # -- the analyses of df.gk

    def quality(
        self,
        *,
        start: Day = None,
        end: Day = None,
        expected: pd.DataFrame | None = None,
        meters: Iterable[str] | str | None = None,
        limits: Limits | None = None,
        client: Client | Literal["in order"] | None = None,
        progress: Progress = None,
    ) -> DatasetQuality:
        """Check the meters as :func:`greenkit.analysis.quality.assess` does.

        Parameters
        ----------
        start, end : date, optional
            The window in which intervals are expected. For a night, pass its day and the next.
        expected : DataFrame, optional
            The roster. Default: that of the dataset, if it has one.
        meters, limits, client, progress
            As in :meth:`map` and in :func:`~greenkit.analysis.quality.assess`.
        """
        roster = self._roster if expected is None else expected
        which = _query.where(meters, start, end)
        if roster is not None and which.meters is not None:
            roster = roster[roster["meter"].astype("str").isin(which.meters)]
        tasks = self._ranges(which)
        if not tasks and roster is not None:
            raise SchemaError(
                "The dataset has no readings in this window, so its completeness cannot be computed",
                next_step="Check start and end, or add the new files to the dataset first.",
            )
        arguments = (self.folder, self.version, which.start, which.end, roster, limits)
        found = self._run(_quality, tasks, arguments, client, progress)
        if not found:
            return _joined_quality([_quality_of(quality.assess(frame.empty()))])
        return _joined_quality(found)

    def totals(
        self,
        period: str = "day",
        *,
        meters: Iterable[str] | str | None = None,
        start: Day = None,
        end: Day = None,
        client: Client | Literal["in order"] | None = None,
        progress: Progress = None,
    ) -> pd.DataFrame:
        """Add up each flow over periods: :func:`greenkit.analysis.totals.by_period`."""
        function = functools.partial(totals.by_period, period=period)
        return self.map(function, meters=meters, start=start, end=end, client=client, progress=progress)

    def shape(
        self,
        *,
        meters: Iterable[str] | str | None = None,
        start: Day = None,
        end: Day = None,
        client: Client | Literal["in order"] | None = None,
        progress: Progress = None,
    ) -> pd.DataFrame:
        """Describe the load of each flow: :func:`greenkit.analysis.shape.summarize`."""
        return self.map(shape.summarize, meters=meters, start=start, end=end, client=client, progress=progress)

    def peaks(
        self,
        n: int = 10,
        *,
        one_a_day: bool = True,
        meters: Iterable[str] | str | None = None,
        start: Day = None,
        end: Day = None,
        client: Client | Literal["in order"] | None = None,
        progress: Progress = None,
    ) -> pd.DataFrame:
        """Return the highest intervals of each flow: :func:`greenkit.analysis.shape.peaks`."""
        function = functools.partial(shape.peaks, n=n, one_a_day=one_a_day)
        return self.map(function, meters=meters, start=start, end=end, client=client, progress=progress)

    def coincident(
        self,
        moments: Moments | None = None,
        *,
        n: int = 4,
        flow: str = "delivered",
        label: Literal["start", "end"] = "start",
        meters: Iterable[str] | str | None = None,
        start: Day = None,
        end: Day = None,
        client: Client | Literal["in order"] | None = None,
        progress: Progress = None,
    ) -> pd.DataFrame:
        """Return the load of each meter at given times, or at the peaks of the fleet, and its share.

        Parameters
        ----------
        moments : time or iterable of times, optional
            As in :func:`greenkit.analysis.shape.coincident`. Default: the highest interval of the fleet in each local
            month, of the ``n`` highest months. For the 4CP, pass June to September as ``start`` and ``end``.
        n : int
            Number of peaks, if no moments are given. Default: 4.
        flow : str
            Flow whose peaks they are. Default: ``"delivered"``.
        label : {"start", "end"}
            Whether each time is the start or the end of the interval that it names. Default: ``"start"``.
        meters, start, end, client, progress
            As in :meth:`map`.

        Returns
        -------
        DataFrame
            As :func:`~greenkit.analysis.shape.coincident` returns it, and ``share``: power ÷ that of all meters with
            this flow and unit at that moment.
        """
        if moments is None:
            moments = self.fleet_peaks(n, flow=flow, start=start, end=end, client=client)["start"].tolist()
            label = "start"
        function = functools.partial(shape.coincident, moments=moments, label=label)
        table = self.map(function, meters=meters, start=start, end=end, client=client, progress=progress)
        total = table.groupby(["flow", "unit", "moment"], observed=True)["power"].transform("sum")
        table["share"] = np.where(total != 0, table["power"] / total, np.nan)
        return table

    def price(
        self,
        plan: PlanSource | Mapping[str, PlanSource],
        *,
        meters: Iterable[str] | str | None = None,
        start: Day = None,
        end: Day = None,
        client: Client | Literal["in order"] | None = None,
        progress: Progress = None,
    ) -> pd.DataFrame:
        """Price each meter, month by month.

        Parameters
        ----------
        plan : plan, path, or mapping
            One plan for all meters, as :func:`greenkit.load_plan` takes it; or name → plan, if the roster has a column
            ``plan`` with these names. The days of a meter from ``from`` to ``to`` are priced on the plan of that row,
            so a month in which the plan changes has two bills.
        meters, start, end, client, progress
            As in :meth:`map`.

        Returns
        -------
        DataFrame
            One row for each bill, as ``df.gk.price(plan).totals`` has it, with ``plan``. With plans by name, a day on
            which a meter is not in the roster, or its plan is not in the mapping, has no bill.

        Raises
        ------
        SettingsError
            If plans are given by name, and the dataset has no roster with a column ``plan``.
        """
        from greenkit import tariffs

        assignments = None
        roster = self._roster
        assigned = set() if roster is None or "plan" not in roster else set(roster["plan"].dropna().astype("str"))
        if roster is not None and isinstance(plan, Mapping) and assigned & set(map(str, plan)):
            assignments = _one_attribute(roster, "plan")
        if assignments is None:
            plans: dict[str, Any] = {"": tariffs.load_plan(plan)}
        else:
            plans = {str(name): tariffs.load_plan(one) for name, one in dict(plan).items()}  # type: ignore[arg-type]
        function = functools.partial(_price, plans=plans, assignments=assignments)
        return self.map(function, meters=meters, start=start, end=end, client=client, progress=progress)

    # -- the fleet

    def fleet(
        self,
        period: Literal["interval", "hour", "day"] = "hour",
        *,
        by: str | None = None,
        start: Day = None,
        end: Day = None,
        meters: Iterable[str] | str | None = None,
        client: Client | Literal["in order"] | None = None,
        progress: Progress = None,
    ) -> pd.DataFrame:
        """Add up all meters at each time, with the range that most of them are in.

        Parameters
        ----------
        period : {"interval", "hour", "day"}
            The intervals as they are, hours, or local days. Default: ``"hour"``.
        by : str, optional
            Attribute of the roster by which the meters are divided, such as "tdsp". Each day of a meter has the class
            of that day.
        start, end, meters, client, progress
            As in :meth:`map`.

        Returns
        -------
        DataFrame
            ``class`` ("all" without ``by``), ``flow``, ``unit``, ``minutes``, ``start`` (in the zone of most meters),
            ``value`` (sum over meters), ``power`` (sum of mean powers), ``meters`` (with a value), and ``p10``,
            ``p50``, ``p90`` (power over the meters, within 1%; negative ones count as 0). A meter that sends its data
            as several series of one flow is counted once (:func:`greenkit.frame.physical`). Intervals shorter than a
            minute are left out.

        Raises
        ------
        SettingsError
            If there is no roster with the attribute.
        """
        if period not in ("interval", "hour", "day"):
            raise SettingsError(
                f"period is {period!r}, but it must be 'interval', 'hour', or 'day'",
                next_step="Leave it out for hours.",
            )
        which = _query.where(meters, start, end)
        classes = None if by is None else self._classes(by)
        days, zones = _query.counts_by(self._table, which, ["day", "zone"])
        tasks = _day_tasks(days)
        # a task reads only this share of the day rows of a range
        share = min(max(days.max(), _DAY_ROWS) / days.sum(), 1.0) if len(days) else 1.0
        ranges = _query.ranges(self._table, which, weight=share * _WEIGHT)
        arguments = (self.folder, self.version, ranges, classes)
        table = _fleet.joined(self._run(_fleet.profile, tasks, arguments, client, progress))
        if not len(table):
            return table
        zone = str(zones.idxmax())
        if period != "interval":
            return _fleet.by_period(table, period, zone)
        return table.assign(start=pd.DatetimeIndex(table["start"]).tz_convert(zone))

    def fleet_peaks(
        self,
        n: int = 4,
        *,
        flow: str = "delivered",
        start: Day = None,
        end: Day = None,
        client: Client | Literal["in order"] | None = None,
    ) -> pd.DataFrame:
        """Return the highest interval of the fleet in each local month, of the ``n`` highest months, in time order.

        Returns
        -------
        DataFrame
            ``month``, ``start``, ``power``, ``meters``, and ``unit``.
        """
        table = self.fleet("interval", start=start, end=end, client=client)
        table = table[(table["flow"] == flow) & (table["unit"] == "kWh")] if len(table) else table
        if not len(table):
            raise SchemaError(
                f"The dataset has no energy of the flow {flow!r} in this window",
                next_step="Check flow, start, and end.",
            )
        # of several interval lengths, that of most meters
        usual = table.groupby("minutes")["meters"].sum().idxmax()
        table = table[table["minutes"] == usual]
        month = table["start"].dt.tz_localize(None).dt.strftime("%Y-%m")
        best = table.assign(month=month).sort_values("power", ascending=False).drop_duplicates("month").head(n)
        return best.sort_values("start", ignore_index=True)[["month", "start", "power", "meters", "unit"]]

    def _classes(self, by: str) -> Roster:
        roster = self._roster
        if roster is None or by not in roster.columns or by in ("meter", "from", "to"):
            has = ", ".join(
                c for c in (roster.columns if roster is not None else []) if c not in ("meter", "from", "to")
            )
            raise SettingsError(
                f"The roster has no attribute {by!r}" + (f" (it has {has})" if has else ""),
                next_step="Store a table with meter and this column with set_meters.",
            )
        return _one_attribute(roster, by)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        title: str = "Dataset report",
        by: str | None = None,
        start: Day = None,
        end: Day = None,
        client: Client | Literal["in order"] | None = None,
    ) -> None:
        """Write one HTML page about the dataset: files, completeness, the load of the fleet, and its meters.

        Parameters
        ----------
        path : path
            The page to write. An existing page is replaced.
        title : str
            Headline of the page.
        by : str, optional
            Attribute of the roster by which the load is divided.
        start, end, client
            As in :meth:`map`.
        """
        from greenkit.scale import _page

        _page.write(self, path, title=title, by=by, start=start, end=end, client=client)

    def fleet_table(
        self,
        *,
        meters: Iterable[str] | str | None = None,
        start: Day = None,
        end: Day = None,
        client: Client | Literal["in order"] | None = None,
        progress: Progress = None,
    ) -> pd.DataFrame:
        """Return the measures of each meter and flow, from which charts of many meters are drawn.

        See :func:`greenkit.analysis.fleet.fleet_table`, and :func:`greenkit.plot.ranking`.
        """
        return self.map(fleet.fleet_table, meters=meters, start=start, end=end, client=client, progress=progress)

    # -- maintenance

    def compact(
        self,
        month: str | Iterable[str] | None = None,
        *,
        client: Client | Literal["in order"] | None = None,
        progress: Progress = None,
    ) -> int:
        """Rewrite months sorted by meter, with what counts only, in one commit for each.

        Nightly files have all meters of a day; after this, a file has all days of some meters, so that one meter's
        year is read from a few files. Older revisions of a day are removed. Later deliveries of the month are added
        beside it, and resolved when the dataset is read.

        Parameters
        ----------
        month : str or iterable of str, optional
            "2025-07". Default: every month with more than one file.
        client, progress
            As in :func:`to_dataset`.

        Returns
        -------
        int
            Files that were replaced. If another process changes the month during the call, it is left as it is.
        """
        table = self.months
        chosen = list(table["month"][table["files"] > 1]) if month is None else month
        replaced = 0
        for one in [chosen] if isinstance(chosen, str) else chosen:
            replaced += self._compact(one, client, progress)
        self._reopen()
        return replaced

    def _compact(self, month: str, client: Client | Literal["in order"] | None, progress: Progress) -> int:
        old = [p for p in self._parts if p["month"] == month]
        if not old:
            raise SettingsError(
                f"The dataset has no month {month!r}", next_step=f"It has {', '.join(self.months['month'])}."
            )
        first = dt.date.fromisoformat(f"{month}-01")
        which = Where(start=first, end=(first + dt.timedelta(days=32)).replace(day=1))
        arguments = (self.folder, self.version, _delta.location(self.folder, "days"))
        results = self._run(_compact_range, self._ranges(which), arguments, client, progress)
        new = [part for parts in results for part in parts]
        paths = {p["path"] for p in old}
        is_done = [False]

        def choose(days: Any) -> _delta.Change | None:
            now = {p["path"] for p in _delta.files_in(days, month)}
            is_done[:] = [bool(new) and {p.path for p in new} <= now]
            if is_done[0]:  # the commit was reported as failed, although it was written
                return None
            # files that were added during the call stay beside the new ones; if any was removed, another compaction was
            # first
            return _delta.Change([], new, old) if paths <= now else None

        if _delta.commit(self.folder, choose) is None and not is_done[0]:
            _delta.delete_parts(_delta.location(self.folder, "days"), new)
            return 0
        return len(old)

    def _reopen(self) -> None:
        self.__init__(self.folder)  # type: ignore[misc]
        self._forget("files", "meters", "_roster")

    def _forget(self, *cached: str) -> None:
        for name in cached:
            self.__dict__.pop(name, None)

    def unused_files(self, *, hours: float = 168, delete: bool = False) -> list[str]:
        """Return the files that no version of the dataset uses, such as those of a killed worker.

        Parameters
        ----------
        hours : float
            Only files that are older. Never use a time in which a ``to_dataset`` may still run. Default: 7 days.
        delete : bool
            Also delete them. Default: False.
        """
        with (_faults.writing if delete else _faults.reading)(_delta.location(self.folder, "days")):
            found: list[str] = self._table.vacuum(
                retention_hours=int(hours), dry_run=not delete, enforce_retention_duration=False, full=True
            )
        return found


# -- what workers run


def _read_frame(which: Where, folder: str, version: int) -> pd.DataFrame:
    return _rows.to_frame(_query.read(_query.at_version(folder, version), which))


def _map(which: Where, folder: str, version: int, function: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    out = function(_read_frame(which, folder, version))
    out.attrs = {}
    out = _plain(out)  # categories of one range are not those of another
    times = [n for n in out.columns if isinstance(out[n].dtype, pd.DatetimeTZDtype)]
    return out.assign(**{n: out[n].dt.as_unit("us") for n in times})


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate the tables of ranges. Times of several zones are in UTC, as they are in one frame."""
    for name in parts[0].columns:
        zones = {str(kind.tz) for p in parts if isinstance(kind := p[name].dtype, pd.DatetimeTZDtype)}
        if len(zones) > 1:
            parts = [p.assign(**{name: p[name].dt.tz_convert("UTC")}) for p in parts]
    out: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return out


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with text instead of categories."""
    return table.astype({n: "str" for n in table.columns if isinstance(table[n].dtype, pd.CategoricalDtype)})


def _one_attribute(roster: pd.DataFrame, name: str) -> Roster:
    """Return the meters of a roster with their dates and one attribute, as text; empty where a row has none."""
    part = roster[["meter", *(n for n in ("from", "to") if n in roster.columns)]]
    return read_roster(part.assign(**{name: ["" if pd.isna(v) else str(v) for v in roster[name]]}))


def _price(df: pd.DataFrame, plans: Mapping[str, Any], assignments: Roster | None) -> pd.DataFrame:
    from greenkit import tariffs

    if assignments is None:
        (plan,) = plans.values()
        return tariffs.price(df, plan).totals.assign(plan=plan.name)
    number, date = assignments.number(df["meter"].astype("str")), np.asarray(dates_of(df), dtype=np.int64)
    row = np.where(assignments.ours(number, date), assignments.place(number, date), -1)
    assigned = np.append(assignments.details["plan"].to_numpy(dtype=str), "")[row]
    out = []
    for name, plan in plans.items():
        part = frame.tidy(df[assigned == name])
        if len(part):
            out.append(tariffs.price(part, plan).totals.assign(plan=name))
    return pd.concat(out, ignore_index=True) if out else pd.DataFrame({"meter": pd.Series(dtype="str")})


def _quality(
    which: Where,
    folder: str,
    version: int,
    start: dt.date | None,
    end: dt.date | None,
    roster: pd.DataFrame | None,
    limits: Limits | None,
) -> DatasetQuality:
    df = _read_frame(which, folder, version)
    if roster is not None:
        meter = roster["meter"].astype("str")
        inside = np.ones(len(roster), dtype=bool)
        if which.low is not None:
            inside &= (meter >= which.low).to_numpy()
        if which.high is not None:
            inside &= (meter < which.high).to_numpy()
        roster = roster[inside]
    return _quality_of(quality.assess(df, limits=limits, start=start, end=end, expected=roster))


def _quality_of(report: quality.QualityReport) -> DatasetQuality:
    days = report.days.assign(complete=report.days["present"] >= report.days["expected"])
    summed = days.groupby("date").agg(
        meters=("complete", "size"), complete=("complete", "sum"), expected=("expected", "sum"),
        present=("present", "sum"), estimated=("estimated", "sum"),
    )  # fmt: skip
    marks = {
        "missing": days["present"] < days["expected"],
        "no value": days["present"] == 0,
        "estimated": days["estimated"] > 0,
    }
    by_day = pd.concat(
        [
            days[mark].groupby("date").size().rename("series").reset_index().assign(name=name)
            for name, mark in marks.items()
        ],
        ignore_index=True,
    )
    return DatasetQuality(
        _plain(report.table), summed.reset_index()[list(_QUALITY_DAYS)], report.findings_table,
        by_day[["name", "date", "series"]], report.roster,
    )  # fmt: skip


def _joined_quality(parts: Sequence[DatasetQuality]) -> DatasetQuality:
    days = pd.concat([p.days for p in parts]).groupby("date").sum().reset_index()
    found = pd.concat([p.findings for p in parts], ignore_index=True)
    findings = found.groupby(["severity", "name"], sort=False).agg(
        series=("series", "sum"), example=("example", "first")
    )
    findings = findings.reset_index()
    findings = findings.sort_values(
        "severity", key=lambda s: -s.map(SEVERITIES.index), kind="stable", ignore_index=True
    )
    by_day = pd.concat([p.findings_by_day for p in parts]).groupby(["name", "date"])["series"].sum().reset_index()
    return DatasetQuality(
        _joined([p.table for p in parts]), days[list(_QUALITY_DAYS)], findings, by_day,
        pd.concat([p.roster for p in parts], ignore_index=True),
    )  # fmt: skip


def _compact_range(which: Where, folder: str, version: int, root: str) -> list[_delta.Part]:
    rows = _query.read(_query.at_version(folder, version), which)
    return _delta.write_parts(root, rows) if rows.num_rows else []


def _day_tasks(days: pd.Series[int]) -> list[Where]:
    """Return spans of local days that have some 200,000 day rows each, or one day."""
    out: list[Where] = []
    held, first = 0, None
    for day, count in zip(days.index.tolist(), days.tolist(), strict=True):
        after = day + dt.timedelta(days=1)
        if first is not None and held + count <= _DAY_ROWS and after - first <= dt.timedelta(days=_DAYS):
            out[-1] = Where(start=first, end=after)
            held += count
        else:
            out.append(Where(start=day, end=after))
            held, first = count, day
    return out
