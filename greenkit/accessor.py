"""``df.gk``: the methods of a greenkit frame.

Each method calls the function that its docstring names, with the same arguments and defaults. The accessor is
stateless, because pandas 3 creates a new one at each access.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pandas as pd

from greenkit import _help, frame
from greenkit.findings import Finding, Findings

if TYPE_CHECKING:
    import datetime

    import plotly.graph_objects as go

    from greenkit._preview import Preview
    from greenkit._style import Theme
    from greenkit.analysis._periods import Date, Holidays
    from greenkit.analysis.bills import Bills
    from greenkit.analysis.checks import Limits
    from greenkit.analysis.quality import QualityReport
    from greenkit.analysis.shape import Moments
    from greenkit.export._home_assistant import Form
    from greenkit.plot._theme import Names
    from greenkit.tables.mapping import TableMapping
    from greenkit.tariffs import Bill, BillPeriods, Comparison, Plan, Plans, PlanSource, Prices, PriceSources


@pd.api.extensions.register_dataframe_accessor("gk")
class GreenkitAccessor:
    """Quality checks, totals, load shape, charts, and exports for a greenkit frame."""

    def __init__(self, df: pd.DataFrame) -> None:
        missing = [name for name in frame.COLUMNS if name not in df.columns]
        if missing:
            # AttributeError, as pandas asks, so that hasattr(df, "gk") is False for other frames
            raise AttributeError(f"df.gk is for greenkit frames: {frame.lacking(df, missing)}")
        self._df = df

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(_near("df.gk", name, type(self)))

    def __repr__(self) -> str:
        return f"df.gk, for {len(self._df):,} intervals: {_methods(type(self))}"

    # -- the frame

    @_help.method
    def check(self, *, exact: bool = False) -> pd.DataFrame:
        """Return the frame if it is tidy. See :func:`greenkit.frame.check`."""
        return frame.check(self._df, exact=exact)

    @_help.method
    def summary(self) -> pd.DataFrame:
        """Summarize the frame, with one row per series. See :func:`greenkit.frame.summary`."""
        return frame.summary(self._df)

    @_help.method
    def preview(self, n: int = 10) -> Preview:
        """Show the first rows as a person reads them. See :func:`greenkit.frame.preview`."""
        return frame.preview(self._df, n)

    @_help.method
    def series(self, *, flow: str | None = None) -> pd.Series[float]:
        """Return the only physical flow, indexed by local time. See :func:`greenkit.frame.series`."""
        return frame.series(self._df, flow=flow)

    @_help.method
    def relations(self) -> pd.DataFrame:
        """Return how the series relate: parts, copies, resolutions, net. See :func:`greenkit.frame.relations`."""
        return frame.relations(self._df)

    @_help.method
    def physical(
        self,
        *,
        resolution: str = "finest",
        successors: pd.DataFrame | Iterable[tuple[str, str, Any]] = (),
    ) -> pd.DataFrame:
        """Return one row for each physical flow and time. See :func:`greenkit.frame.physical`."""
        return frame.physical(self._df, resolution=resolution, successors=successors)

    @_help.method
    def latest(self) -> pd.DataFrame:
        """Keep only the newest revision of each day. See :func:`greenkit.frame.latest`."""
        return frame.latest(self._df)

    @_help.method
    def wide(self) -> pd.DataFrame:
        """Pivot to one column per physical flow, indexed by local time. See :func:`greenkit.frame.wide`."""
        return frame.wide(self._df)

    @_help.method
    def with_roster(self, roster: pd.DataFrame) -> pd.DataFrame:
        """Add the attributes of a roster, as columns. See :func:`greenkit.analysis.roster.with_roster`."""
        from greenkit.analysis import roster as rosters

        return rosters.with_roster(self._df, roster)

    @property
    def findings(self) -> Findings:
        """Findings that were reported when the frame was read. See :func:`greenkit.frame.findings_of`."""
        return frame.findings_of(self._df)

    # -- quality

    @_help.method
    def quality(
        self,
        *,
        registers: pd.DataFrame | None = None,
        limits: Limits | None = None,
        start: Date | datetime.datetime | None = None,
        end: Date | datetime.datetime | None = None,
        expected: pd.DataFrame | None = None,
    ) -> QualityReport:
        """Check completeness, gaps, duplicates, spikes, runs, and estimates, in a window and against a roster.

        See :func:`greenkit.analysis.quality.assess`.
        """
        from greenkit.analysis import quality

        return quality.assess(self._df, registers=registers, limits=limits, start=start, end=end, expected=expected)

    @_help.method
    def drop_duplicates(self) -> pd.DataFrame:
        """Keep each interval once. See :func:`greenkit.analysis.intervals.unique`."""
        from greenkit.analysis import intervals

        return intervals.unique(self._df)

    @_help.method
    def fill_gaps(self, *, short: float = 2.0, weeks: int = 3, holidays: Holidays = None) -> pd.DataFrame:
        """Estimate missing intervals, in columns of their own. See :func:`greenkit.analysis.estimate.fill_gaps`."""
        from greenkit.analysis import estimate

        return estimate.fill_gaps(self._df, short=short, weeks=weeks, holidays=holidays)

    # -- totals

    @_help.method
    def totals(
        self,
        period: str = "day",
        *,
        bills: Bills | None = None,
        seasons: Mapping[str, tuple[int, ...]] | None = None,
    ) -> pd.DataFrame:
        """Add up each series over periods of the local calendar. See :func:`greenkit.analysis.totals.by_period`."""
        from greenkit.analysis import totals

        return totals.by_period(self._df, period, bills=bills, seasons=seasons)

    @_help.method
    def flows(
        self,
        period: str = "day",
        *,
        bills: Bills | None = None,
        seasons: Mapping[str, tuple[int, ...]] | None = None,
    ) -> pd.DataFrame:
        """Return the totals of delivered, received, and net in columns.

        The arguments are those of :meth:`totals`. See :func:`greenkit.analysis.totals.by_flow`.
        """
        from greenkit.analysis import totals

        return totals.by_flow(totals.by_period(self._df, period, bills=bills, seasons=seasons))

    @_help.method
    def blocks(self, period: str = "month", *, bills: Bills | None = None) -> pd.DataFrame:
        """Add up each flow by the wholesale blocks 5x16, 2x16, and 7x8: :func:`greenkit.analysis.blocks.totals`."""
        from greenkit.analysis import blocks

        return blocks.totals(self._df, period, bills=bills)

    @_help.method
    def reconcile(
        self, bills: Bills, *, units: float = 2.0, share: float = 0.001, dates: str = "exclusive"
    ) -> pd.DataFrame:
        """Compare bills with interval totals for the same period, within the tolerances ``units`` and ``share``.

        See :func:`greenkit.analysis.reconcile.compare_bills`.
        """
        from greenkit.analysis import reconcile

        return reconcile.compare_bills(self._df, bills, units=units, share=share, dates=dates)

    # -- load shape

    @_help.method
    def shape(self) -> pd.DataFrame:
        """Return mean, peak, load factor, and base load. See :func:`greenkit.analysis.shape.summarize`."""
        from greenkit.analysis import shape

        return shape.summarize(self._df)

    @_help.method
    def duration(self) -> pd.DataFrame:
        """Return the load duration curve. See :func:`greenkit.analysis.shape.duration`."""
        from greenkit.analysis import shape

        return shape.duration(self._df)

    @_help.method
    def peaks(self, n: int = 10, *, one_a_day: bool = True) -> pd.DataFrame:
        """Return the ``n`` highest intervals, one per day. See :func:`greenkit.analysis.shape.peaks`."""
        from greenkit.analysis import shape

        return shape.peaks(self._df, n, one_a_day=one_a_day)

    @_help.method
    def coincident(self, moments: Moments, *, label: str = "start") -> pd.DataFrame:
        """Return the load at given times, such as the 4CP peaks. See :func:`greenkit.analysis.shape.coincident`."""
        from greenkit.analysis import shape

        return shape.coincident(self._df, moments, label=label)

    @_help.method
    def average_day(self, by: str | Sequence[str] = ("day_type",), *, holidays: Holidays = None) -> pd.DataFrame:
        """Average the load by time of day and day type. See :func:`greenkit.analysis.shape.average_day`."""
        from greenkit.analysis import shape

        return shape.average_day(self._df, by, holidays=holidays)

    @_help.method
    def compare(
        self, before: tuple[Date, Date], after: tuple[Date, Date], *, holidays: Holidays = None
    ) -> pd.DataFrame:
        """Compare the average days of two spans of dates. See :func:`greenkit.analysis.shape.compare`."""
        from greenkit.analysis import shape

        return shape.compare(self._df, before, after, holidays=holidays)

    @_help.method
    def fleet_table(self, *, roster: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return one row for each meter, for charts of many. See :func:`greenkit.analysis.fleet.fleet_table`."""
        from greenkit.analysis import fleet

        return fleet.fleet_table(self._df, roster=roster)

    # -- tariffs

    @_help.method
    def price(
        self,
        plan: PlanSource,
        *,
        periods: BillPeriods = "month",
        prices: PriceSources | None = None,
        aggregate: bool = False,
        power_as_energy: bool = False,
    ) -> Bill:
        """Price the intervals on a tariff plan: :func:`greenkit.tariffs.price`."""
        from greenkit import tariffs

        return tariffs.price(
            self._df, plan, periods=periods, prices=prices, aggregate=aggregate, power_as_energy=power_as_energy
        )

    @_help.method
    def price_intervals(self, plan: Prices, *, prices: PriceSources | None = None) -> pd.DataFrame:
        """Add the marginal price and cost of each interval: :func:`greenkit.tariffs.price_intervals`."""
        from greenkit import tariffs

        return tariffs.price_intervals(self._df, plan, prices=prices)

    @_help.method
    def compare_plans(
        self,
        plans: Plans,
        *,
        periods: BillPeriods = "month",
        prices: PriceSources | None = None,
        aggregate: bool = False,
        power_as_energy: bool = False,
    ) -> Comparison:
        """Rank tariff plans by what they cost: :func:`greenkit.tariffs.compare_plans`."""
        from greenkit import tariffs

        return tariffs.compare_plans(
            self._df, plans, periods=periods, prices=prices, aggregate=aggregate, power_as_energy=power_as_energy
        )

    @_help.method
    def reconcile_charges(
        self,
        plan: PlanSource,
        bills: pd.DataFrame,
        *,
        line_items: pd.DataFrame | None = None,
        match: Mapping[str, str] | None = None,
        prices: PriceSources | None = None,
        tolerance: float = 0.02,
    ) -> pd.DataFrame:
        """Compare printed bills with computed ones: :func:`greenkit.tariffs.reconcile_charges`."""
        from greenkit import tariffs

        return tariffs.reconcile_charges(
            self._df, plan, bills, line_items=line_items, match=match, prices=prices, tolerance=tolerance
        )

    # -- exports

    @_help.method
    def to_table(self, layout: str | os.PathLike[str] | Mapping[str, Any] | TableMapping) -> pd.DataFrame:
        """Return a table that a mapping describes, or a named one. See :func:`greenkit.tables.write.to_table`.

        ``"hours"`` (HE01 to HE25), ``"quarters"`` (100 columns), ``"8760"``, and ``"averages"`` (12 by 2 by 24).
        """
        from greenkit.tables import write

        return write.to_table(self._df, layout)

    @_help.method
    def redact(self, salt: str | bytes | None = None) -> pd.DataFrame:
        """Return a copy without IDs and file names. See :func:`greenkit.export.redact`."""
        from greenkit import export

        return export.redact(self._df, salt)

    @_help.method
    def write_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write a CSV file that can be read back without loss. See :func:`greenkit.export.write_csv`."""
        from greenkit import export

        return export.write_csv(self._df, path)

    @_help.method
    def write_excel(self, path: str | os.PathLike[str]) -> Path:
        """Write an Excel workbook. See :func:`greenkit.export.write_excel`."""
        from greenkit import export

        return export.write_excel(self._df, path)

    @_help.method
    def home_assistant(
        self, *, form: Form = "websocket", source: str = "greenkit", before: float = 0.0
    ) -> list[dict[str, Any]]:
        """Return hourly statistics for Home Assistant. See :func:`greenkit.export.home_assistant`."""
        from greenkit import export

        return export.home_assistant(self._df, form=form, source=source, before=before)

    @_help.method
    def write_home_assistant(
        self,
        path: str | os.PathLike[str],
        *,
        form: Form = "websocket",
        source: str = "greenkit",
        before: float = 0.0,
    ) -> Path:
        """Write statistics for Home Assistant as JSON or TSV. See :func:`greenkit.export.write_home_assistant`."""
        from greenkit import export

        return export.write_home_assistant(self._df, path, form=form, source=source, before=before)

    @_help.method
    def opendsm_frame(self, temperature: pd.Series[float], *, period: str = "hour") -> pd.DataFrame:
        """Return the input of OpenDSM's models. See :func:`greenkit.export.opendsm_frame`."""
        from greenkit import export

        return export.opendsm_frame(self._df, temperature, period=period)

    @_help.method
    def report(
        self,
        path: str | os.PathLike[str],
        *,
        title: str = "Meter data report",
        findings: Iterable[Finding] | None = None,
        bills: Bills | None = None,
        notebook: bool = False,
        plan: PlanSource | None = None,
    ) -> Path:
        """Write summary, quality, totals, load shape, and charts as one page. See :func:`greenkit.write_report`."""
        from greenkit import report

        return report.write_report(
            self._df, path, title=title, findings=findings, bills=bills, notebook=notebook, plan=plan
        )

    @property
    def plot(self) -> PlotAccessor:
        """The charts of the frame: ``df.gk.plot.load()`` and the others of :mod:`greenkit.plot`."""
        return PlotAccessor(self._df)


class PlotAccessor:
    """Charts from :mod:`greenkit.plot` for one frame. Each method returns a plotly Figure without displaying it."""

    def __init__(self, df: pd.DataFrame) -> None:
        self._df = df

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(_near("df.gk.plot", name, type(self)))

    def __call__(self, *_: object) -> NoReturn:
        """Raise TypeError with the charts."""
        raise TypeError(f"df.gk.plot is not a chart. Call one of its charts: {_methods(type(self))}.")

    def __repr__(self) -> str:
        return f"df.gk.plot: {_methods(type(self))}"

    @_help.method
    def load(
        self,
        *,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        aggregate: str | None = None,
        points: int = 40_000,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw power over time, with a range slider. See :func:`greenkit.plot.load`."""
        from greenkit import plot

        return plot.load(
            self._df,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            aggregate=aggregate,
            points=points,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def daily(
        self,
        *,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        aggregate: str | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw the energy of each day as bars, with export below zero and the net. See :func:`greenkit.plot.daily`."""
        from greenkit import plot

        return plot.daily(
            self._df,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            aggregate=aggregate,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def heatmap(
        self,
        *,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        aggregate: str | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw power by local date and time of day. See :func:`greenkit.plot.heatmap`."""
        from greenkit import plot

        return plot.heatmap(
            self._df,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            aggregate=aggregate,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def calendar(
        self,
        *,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        aggregate: str | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw one cell per day. See :func:`greenkit.plot.calendar`."""
        from greenkit import plot

        return plot.calendar(
            self._df,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            aggregate=aggregate,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def week(
        self,
        *,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        aggregate: str | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw mean power by weekday and hour. See :func:`greenkit.plot.week`."""
        from greenkit import plot

        return plot.week(
            self._df,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            aggregate=aggregate,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def average_day(
        self,
        by: str | Sequence[str] = ("day_type",),
        *,
        holidays: Holidays = None,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        aggregate: str | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw the average day, with the band of the 10th to 90th percentile. See :func:`greenkit.plot.average_day`."""
        from greenkit import plot

        return plot.average_day(
            self._df,
            by,
            holidays=holidays,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            aggregate=aggregate,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def duration(
        self,
        *,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        aggregate: str | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw the load duration curve. See :func:`greenkit.plot.duration`."""
        from greenkit import plot

        return plot.duration(
            self._df,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            aggregate=aggregate,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def peak_days(
        self,
        n: int = 5,
        *,
        moments: Moments = (),
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        aggregate: str | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw the days of the highest peaks over each other. See :func:`greenkit.plot.peak_days`."""
        from greenkit import plot

        return plot.peak_days(
            self._df,
            n,
            moments=moments,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            aggregate=aggregate,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def monthly(
        self,
        *,
        bills: Bills | None = None,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        aggregate: str | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw the totals of months or billing periods, with their cost. See :func:`greenkit.plot.monthly`."""
        from greenkit import plot

        return plot.monthly(
            self._df,
            bills=bills,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            aggregate=aggregate,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def tou(
        self,
        names: Mapping[int, str] | None = None,
        *,
        schedule: str | Mapping[str, str | Mapping[str, str]] | Plan | None = None,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        aggregate: str | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw months by time of use. See :func:`greenkit.plot.tou`."""
        from greenkit import plot

        return plot.tou(
            self._df,
            names,
            schedule=schedule,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            aggregate=aggregate,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def cost_by_hour(
        self,
        plan: Prices,
        *,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw the average cost of each hour of the week on a plan. See :func:`greenkit.plot.cost_by_hour`."""
        from greenkit import plot

        return plot.cost_by_hour(
            self._df,
            plan,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def completeness(
        self,
        *,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        aggregate: str | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw the completeness of each series and day. See :func:`greenkit.plot.completeness`."""
        from greenkit import plot

        return plot.completeness(
            self._df,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            aggregate=aggregate,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def ranking(
        self,
        measure: str = "total",
        *,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw the meters from the highest to the lowest of a measure. See :func:`greenkit.plot.ranking`."""
        from greenkit import plot

        return plot.ranking(
            self._df,
            measure,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def small_multiples(
        self,
        *,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw the average day of each meter in a small pane. See :func:`greenkit.plot.small_multiples`."""
        from greenkit import plot

        return plot.small_multiples(
            self._df,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def fleet_completeness(
        self,
        by: Mapping[str, str] | None = None,
        *,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw completeness by day and class of meters. See :func:`greenkit.plot.fleet_completeness`."""
        from greenkit import plot

        return plot.fleet_completeness(
            self._df,
            by,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def annual_energy(
        self,
        *,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw how many meters use how much energy per year. See :func:`greenkit.plot.annual_energy`."""
        from greenkit import plot

        return plot.annual_energy(
            self._df,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            title=title,
            height=height,
            theme=theme,
        )

    @_help.method
    def load_factor(
        self,
        by: Mapping[str, str] | None = None,
        *,
        meter: Names = None,
        flow: Names = None,
        start: str | datetime.date | None = None,
        end: str | datetime.date | None = None,
        title: str | None = None,
        height: int | None = None,
        theme: Theme = "light",
    ) -> go.Figure:
        """Draw the load factor of each meter over its energy per year. See :func:`greenkit.plot.load_factor`."""
        from greenkit import plot

        return plot.load_factor(
            self._df,
            by,
            meter=meter,
            flow=flow,
            start=start,
            end=end,
            title=title,
            height=height,
            theme=theme,
        )


def _near(where: str, name: str, kind: type) -> str:
    """Return the message for an unknown attribute, with the closest existing one."""
    import difflib

    near = difflib.get_close_matches(name, _public(kind), n=1)
    if name == "unique" and where == "df.gk":
        near = ["drop_duplicates"]
    return f"{where} has no {name!r}: " + (f"did you mean {near[0]!r}?" if near else f"it has {_methods(kind)}")


def _public(kind: type) -> list[str]:
    return [name for name in vars(kind) if not name.startswith("_")]


def _methods(kind: type) -> str:
    return ", ".join(_public(kind))


def gk(df: pd.DataFrame) -> GreenkitAccessor:
    """Return ``df.gk``, for type checkers, which do not know the accessors that pandas registers.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.

    Returns
    -------
    GreenkitAccessor
        The same methods as ``df.gk``.

    Examples
    --------
    >>> import greenkit
    >>> df = greenkit.load_espi(greenkit.samples.path("espi"))
    >>> len(greenkit.gk(df).totals("week"))
    4
    """
    return GreenkitAccessor(df)
