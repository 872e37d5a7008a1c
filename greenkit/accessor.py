"""``df.gk``: the frame's own verbs, thin and stateless (pandas 3 makes a new accessor at each access)."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from greenkit import frame
from greenkit.findings import Findings

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from greenkit.analysis.quality import QualityReport


@pd.api.extensions.register_dataframe_accessor("gk")
class GreenkitAccessor:
    """What a greenkit frame can do: is it whole, what does it add up to, what shape has it, show me."""

    def __init__(self, df: pd.DataFrame) -> None:
        missing = [name for name in frame.COLUMNS if name not in df.columns]
        if missing:
            # AttributeError, so that hasattr(df, "gk") is False on other frames, as pandas asks
            raise AttributeError(f"df.gk is for greenkit frames: {frame.lacking(df, missing)}")
        self._df = df

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(_near("df.gk", name, type(self)))

    def __repr__(self) -> str:
        return f"df.gk, for {len(self._df):,} intervals: {_verbs(type(self))}"

    def check(self) -> pd.DataFrame:
        """Give the frame back when it is tidy; SchemaError with the reason when not: :func:`greenkit.frame.check`."""
        return frame.check(self._df)

    def series(self) -> pd.Series[float]:
        """Give the only series, indexed by local time: :func:`greenkit.frame.series`."""
        return frame.series(self._df)

    def wide(self) -> pd.DataFrame:
        """Pivot to a column for each series, indexed by local time: :func:`greenkit.frame.wide`."""
        return frame.wide(self._df)

    @property
    def findings(self) -> Findings:
        """What was doubtful when the frame was read: :func:`greenkit.frame.findings_of`."""
        return frame.findings_of(self._df)

    def quality(self, **options: Any) -> QualityReport:
        """Check completeness, gaps, repeats, spikes, runs and estimates; ``registers=``, ``limits=``.

        See :func:`greenkit.analysis.quality.assess`.
        """
        from greenkit.analysis import quality

        return quality.assess(self._df, **options)

    def unique(self) -> pd.DataFrame:
        """Keep each interval once, the newest revision of it: :func:`greenkit.analysis.intervals.unique`."""
        from greenkit.analysis import intervals

        return intervals.unique(self._df)

    def fill_gaps(self, **options: Any) -> pd.DataFrame:
        """Estimate what is missing, in columns of its own; ``short=`` hours, ``weeks=``, ``holidays=``.

        See :func:`greenkit.analysis.estimate.fill_gaps`.
        """
        from greenkit.analysis import estimate

        return estimate.fill_gaps(self._df, **options)

    def totals(self, period: str = "day", **options: Any) -> pd.DataFrame:
        """Add up hours, days, weeks, months, seasons, years or bills of the local calendar; ``bills=``, ``seasons=``.

        See :func:`greenkit.analysis.totals.by_period`.
        """
        from greenkit.analysis import totals

        return totals.by_period(self._df, period, **options)

    def flows(self, period: str = "day", **options: Any) -> pd.DataFrame:
        """Put the totals of delivered, received and net side by side; options as in :meth:`totals`.

        See :func:`greenkit.analysis.totals.by_flow`.
        """
        from greenkit.analysis import totals

        return totals.by_flow(self.totals(period, **options))

    def reconcile(self, bills: Any, **options: Any) -> pd.DataFrame:
        """Hold bills against the intervals of the same time; tolerance ``units=``, ``share=``.

        See :func:`greenkit.analysis.reconcile.compare_bills`.
        """
        from greenkit.analysis import reconcile

        return reconcile.compare_bills(self._df, bills, **options)

    def shape(self) -> pd.DataFrame:
        """Give mean, peak, load factor and base load of each series: :func:`greenkit.analysis.shape.summarize`."""
        from greenkit.analysis import shape

        return shape.summarize(self._df)

    def duration(self) -> pd.DataFrame:
        """Sort the load from high to low: :func:`greenkit.analysis.shape.duration`."""
        from greenkit.analysis import shape

        return shape.duration(self._df)

    def peaks(self, n: int = 10, **options: Any) -> pd.DataFrame:
        """Find the ``n`` highest intervals, one a day; ``one_a_day=False`` gives all of them.

        See :func:`greenkit.analysis.shape.peaks`.
        """
        from greenkit.analysis import shape

        return shape.peaks(self._df, n, **options)

    def coincident(self, moments: Iterable[Any]) -> pd.DataFrame:
        """Tell the load at given moments, such as 4CP: :func:`greenkit.analysis.shape.coincident`."""
        from greenkit.analysis import shape

        return shape.coincident(self._df, moments)

    def average_day(self, by: str | Sequence[str] = ("day_type",), **options: Any) -> pd.DataFrame:
        """Average the load by time of day and day type; ``holidays="US-TX"``.

        See :func:`greenkit.analysis.shape.average_day`.
        """
        from greenkit.analysis import shape

        return shape.average_day(self._df, by, **options)

    def compare(self, before: tuple[Any, Any], after: tuple[Any, Any], **options: Any) -> pd.DataFrame:
        """Compare the average days of two spans of dates; ``holidays=``.

        See :func:`greenkit.analysis.shape.compare`.
        """
        from greenkit.analysis import shape

        return shape.compare(self._df, before, after, **options)

    def redact(self, salt: str | bytes | None = None) -> pd.DataFrame:
        """Make a copy without ids and file names: :func:`greenkit.export.redact`."""
        from greenkit import export

        return export.redact(self._df, salt)

    def report(self, path: str | os.PathLike[str], **options: Any) -> Path:
        """Write all of it as one page; ``title=``, ``findings=``, ``bills=``, ``notebook=True``.

        See :func:`greenkit.report.write_report`.
        """
        from greenkit import report

        return report.write_report(self._df, path, **options)

    @property
    def plot(self) -> Pictures:
        """The frame's pictures: ``df.gk.plot.load()`` and the others of :mod:`greenkit.plot`."""
        return Pictures(self._df)


class Pictures:
    """The pictures of :mod:`greenkit.plot` for one frame; each gives a plotly Figure, and none shows itself."""

    def __init__(self, df: pd.DataFrame) -> None:
        self._df = df

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(_near("df.gk.plot", name, type(self)))

    def __repr__(self) -> str:
        return f"df.gk.plot: {_verbs(type(self))}"

    def _draw(self, name: str, *args: Any, **options: Any) -> go.Figure:
        from greenkit import plot

        return getattr(plot, name)(self._df, *args, **options)

    def load(self, **options: Any) -> go.Figure:
        """See :func:`greenkit.plot.load`: power over time, with a range slider; ``points=``."""
        return self._draw("load", **options)

    def heatmap(self) -> go.Figure:
        """See :func:`greenkit.plot.heatmap`: the hour × date carpet."""
        return self._draw("heatmap")

    def calendar(self) -> go.Figure:
        """See :func:`greenkit.plot.calendar`: a cell for each day."""
        return self._draw("calendar")

    def week(self) -> go.Figure:
        """See :func:`greenkit.plot.week`: weekday × hour."""
        return self._draw("week")

    def average_day(self, by: str | Sequence[str] = ("day_type",), **options: Any) -> go.Figure:
        """See :func:`greenkit.plot.average_day`: with the band of 10th to 90th percentile; ``holidays=``."""
        return self._draw("average_day", by, **options)

    def duration(self) -> go.Figure:
        """See :func:`greenkit.plot.duration`: the load duration curve."""
        return self._draw("duration")

    def peak_days(self, n: int = 5, **options: Any) -> go.Figure:
        """See :func:`greenkit.plot.peak_days`: the days of the highest peaks over each other; ``moments=``."""
        return self._draw("peak_days", n, **options)

    def monthly(self, **options: Any) -> go.Figure:
        """See :func:`greenkit.plot.monthly`: months or bills, with their cost; ``bills=``."""
        return self._draw("monthly", **options)

    def tou(self, names: dict[int, str] | None = None) -> go.Figure:
        """See :func:`greenkit.plot.tou`: months by time of use."""
        return self._draw("tou", names)

    def completeness(self) -> go.Figure:
        """See :func:`greenkit.plot.completeness`: series × days."""
        return self._draw("completeness")


def _near(where: str, name: str, kind: type) -> str:
    """Say which of its verbs a mistyped one may mean."""
    near = difflib.get_close_matches(name, vars(kind), n=1)
    return f"{where} has no {name!r}: " + (f"did you mean {near[0]!r}?" if near else f"it has {_verbs(kind)}")


def _verbs(kind: type) -> str:
    return ", ".join(name for name in vars(kind) if not name.startswith("_"))
