"""Explore a frame: choose meter, flow, days, and chart; open files in an upload box."""

from __future__ import annotations

import datetime
import io
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greenkit import _html, _style, detect, export, frame, plot, store, tables
from greenkit.errors import AmbiguousTable, Choice, SchemaError, SettingsError
from greenkit.findings import Findings, counted, quiet
from greenkit.times import midnights, to_times
from greenkit.widgets import _model, _parts
from greenkit.widgets._model import Kind, PanelModel

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

ALL: Final = "all"
_OFFERED: Final = 8
"""Most meters or flows that are offered as buttons."""
_DOWNLOAD: Final = 8_000_000
"""Most bytes of a download; Jupyter closes a connection that sends more than 10 MiB."""
# name of a chart → (function of greenkit.plot, whether it shows only one series)
CHARTS: Final[dict[str, tuple[str, bool]]] = {
    "Load": ("load", False),
    "Days": ("daily", False),
    "Heatmap": ("heatmap", False),
    "Average day": ("average_day", False),
    "Week": ("week", False),
    "Calendar": ("calendar", False),
    "Months": ("monthly", False),
    "Time of use": ("tou", False),
    "Peak days": ("peak_days", True),
    "Duration": ("duration", False),
    "Completeness": ("completeness", False),
}


class View(PanelModel):
    """A frame and the selection from it, without a widget.

    Parameters
    ----------
    df : DataFrame, optional
        A tidy frame. Default: an empty frame.

    Attributes
    ----------
    frame : DataFrame
        All loaded intervals.
    meter, flow : str
        The selected meter and flow; ``"all"`` for no restriction.
    first, last : date or None
        First and last selected local day, both inclusive; None for no restriction.
    picture : str
        Name of the chart: a key of :data:`CHARTS`.
    figure : Figure or None
        The chart of :attr:`chosen`; None if there is nothing to draw.
    questions : tuple of Choice
        Open questions about a table that waits for :meth:`answer`.
    offers : tuple of (str, str)
        Choices that the chart needs, such as ``("flow", "delivered")``; pass one of them to :meth:`choose`.
    """

    def __init__(self, df: pd.DataFrame | None = None) -> None:
        super().__init__()
        self.questions: tuple[Choice, ...] = ()
        self.offers: tuple[tuple[str, str], ...] = ()
        self._waiting: list[_Named] = []
        self.picture = next(iter(CHARTS))
        self.figure: go.Figure | None = None
        self._take(frame.empty() if df is None else frame.check(df))

    def _take(self, df: pd.DataFrame) -> None:
        self.frame = df
        meters = self.meters
        self.meter = meters[1] if len(meters) > 2 else ALL  # a chart of many meters is unreadable
        self.flow = ALL
        self.first, self.last = self.span

    # -- options

    @property
    def meters(self) -> list[str]:
        """``"all"`` and the meters of the frame."""
        return [ALL, *map(str, self.frame["meter"].unique())]

    @property
    def flows(self) -> list[str]:
        """``"all"`` and the flows of the chosen meter."""
        return [ALL, *map(str, self._of_meter()["flow"].unique())]

    @property
    def span(self) -> tuple[datetime.date | None, datetime.date | None]:
        """First and last local day of the frame."""
        if not len(self.frame):
            return None, None
        start, end = self.frame["start"], self.frame["end"]
        last = start.max() if end.max() == start.max() else end.max() - end.max().resolution
        return start.min().date(), last.date()

    @property
    def findings(self) -> Findings:
        """Findings of the load."""
        return frame.findings_of(self.frame)

    # -- selection

    def open(self, df: pd.DataFrame) -> None:
        """Replace the frame, and reset the selection."""
        frame.check(df)
        with self.lock:
            self._take(df)
            self.draw()

    def choose(self, **choices: Any) -> None:
        """Change ``meter``, ``flow``, ``first``, ``last``, or ``picture`` (the chart), and draw."""
        with self.lock:
            known = {"meter": self.meters, "picture": CHARTS}
            for name, value in choices.items():
                if name not in ("meter", "flow", "first", "last", "picture"):
                    raise TypeError(f"choose() has no argument {name!r}")
                if name in known and value not in known[name]:
                    label = "chart" if name == "picture" else name
                    raise SettingsError(
                        f"There is no {label} {value!r}", next_step=f"Choose one of {', '.join(known[name])}."
                    )
                setattr(self, name, value)
            if self.flow not in self.flows:
                self.flow = ALL
            self.draw()

    @property
    def chosen(self) -> pd.DataFrame:
        """Rows of the selected meter, flow, and days; the days are in each site's time zone."""
        df = self._of_meter()
        if self.flow != ALL:
            df = df[df["flow"] == self.flow]
        for zone in df["zone"].unique() if len(df) else ():
            df = df[(df["zone"] != zone) | self._within(df["start"], str(zone))]
        return df

    def _of_meter(self) -> pd.DataFrame:
        return self.frame if self.meter == ALL else self.frame[self.frame["meter"] == self.meter]

    def _within(self, start: pd.Series[Any], zone: str) -> pd.Series[bool]:
        within = start.notna()
        if self.first is not None:
            within &= start >= _midnight(self.first, zone)
        if self.last is not None:
            within &= start < _midnight(self.last + datetime.timedelta(days=1), zone)
        return within

    # -- drawing

    def draw(self) -> None:
        """Draw the selected chart of the selected rows, or show in the status line why there is none."""
        self.figure, self.offers = None, ()
        if not len(self.frame):
            self.set_status("No data loaded. Open a file or pass a frame.")
            return
        with self.guarded(), quiet():
            df = self.chosen
            if not len(df):
                raise SchemaError("There are no intervals in the selected days", next_step="Choose other days.")
            name, single = CHARTS[self.picture]
            series = len(df.drop_duplicates(list(frame.SERIES)))
            if single and series > 1:
                what = "meter" if df["meter"].nunique() > 1 else "flow"
                self.offers = tuple((what, str(value)) for value in df[what].unique()[:_OFFERED])
                raise SchemaError(
                    f"The chart {self.picture} shows one series, but {series} are selected",
                    next_step=f"Choose a {what}.",
                )
            draw: Callable[..., go.Figure] = getattr(plot, name)
            self.figure = draw(df, theme="page")
            self.set_status(self._summary_line(df), self._worst_kind)

    @property
    def _worst_kind(self) -> Kind:
        """Kind of status of the worst finding."""
        severities = {f.severity for f in self.findings}
        return "bad" if "serious" in severities else "warn" if "warning" in severities else "good"

    def _summary_line(self, df: pd.DataFrame) -> str:
        flows = frame.physical(df)
        sums = flows[flows["unit"].isin(frame.ADDITIVE)].groupby(["flow", "unit"], observed=True)["value"].sum()
        totals = [f"{_style.flow_label(str(r.flow))} {r.value:,.3f} {r.unit}" for r in sums.reset_index().itertuples()]
        line = "; ".join([f"{len(df):,} intervals", *totals])
        problems = [f for f in self.findings.by_severity if f.severity != "info"]
        if not problems:
            return line
        more = f" And {counted(len(problems) - 1, 'more finding')}." if len(problems) > 1 else ""
        return f"{line}. {problems[0].message}{more}"

    def download(self, kind: str) -> tuple[str, bytes]:
        """Return the name and the content of a file with the selected rows: ``"csv"`` or ``"parquet"``.

        Raises
        ------
        SettingsError
            If the file is too large to pass through the notebook.
        """
        writers: dict[str, Callable[[pd.DataFrame, Path], object]] = {"csv": export.write_csv, "parquet": store.write}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"usage.{kind}"
            writers[kind](self.chosen, path)
            content = path.read_bytes()
        if len(content) > _DOWNLOAD:
            raise SettingsError(
                f"The file is {len(content) / 1e6:.0f} MB, too large for a download from a notebook",
                next_step="Choose fewer days, or write it with df.gk.write_csv().",
            )
        return path.name, content

    def load(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Load files, given as (name, content), and replace the frame.

        If a table leaves questions open, it waits for :meth:`answer`.
        """
        named = [_named(name, content) for name, content in files]
        if named:
            self.start(
                f"Loading {named[0].name if len(named) == 1 else f'{len(named)} files'}", lambda: self._load(named)
            )

    def answer(self, answers: Mapping[str, str]) -> None:
        """Load the waiting table with answers to its questions, such as ``{"tz": "America/Chicago"}``."""
        files = self._waiting
        if not files:
            raise SettingsError("No table has an open question", next_step="Open a file first.")
        given = {question.argument: question.values[0] for question in self.questions} | dict(answers)
        self.start("Loading", lambda: self._load(files, given))

    def _load(self, files: list[_Named], answers: dict[str, Any] | None = None) -> None:
        for file in files:
            file.seek(0)
        try:
            if answers is None:
                df = detect.load(files)
            else:
                interval = answers.pop("interval", None)
                df = tables.load_table(files, interval=None if interval is None else float(interval), **answers)
        except AmbiguousTable as e:
            with self.lock:
                self._waiting, self.questions = files, _of_each_argument(e.choices)
            raise
        with self.lock:
            self._waiting, self.questions = [], ()
        if not len(df):
            names = ", ".join(f.name for f in files)
            raise SchemaError(f"{names} contains no interval readings", next_step="Open another file.")
        self.open(df)


def _of_each_argument(choices: Iterable[Choice]) -> tuple[Choice, ...]:
    """Return one question for each argument: several files may leave the same one open."""
    return tuple({choice.argument: choice for choice in reversed(list(choices))}.values())[::-1]


class _Named(io.BytesIO):
    """A file in memory that errors and the column ``source`` can name."""

    name = "file"


def _named(name: str, content: bytes) -> _Named:
    file = _Named(content)
    file.name = name
    return file


def _midnight(day: datetime.date, zone: str) -> pd.Timestamp:
    found: pd.Timestamp = to_times(midnights([day], zone))[0]
    return found


class Explore(_parts.Panel):
    """Panel to explore a frame: choose meter, flow, days, and chart, or open files.

    Parameters
    ----------
    df : DataFrame, optional
        A tidy frame. Without it, open files in the upload box.

    Attributes
    ----------
    frame : DataFrame
        All loaded intervals.
    chosen : DataFrame
        Rows that the chart shows.
    figure : Figure or None
        The chart.
    findings : Findings
        Findings of the load.

    Examples
    --------
    >>> panel = greenkit.widgets.Explore(greenkit.load(greenkit.samples.path("espi")))  # doctest: +SKIP
    >>> panel.chosen["value"].sum()  # doctest: +SKIP
    """

    model: View

    def __init__(self, df: pd.DataFrame | None = None) -> None:
        self.model = View(df)
        self._showing = False
        if _model.has_front_end():
            self._build()
        self.model.draw()

    @property
    def frame(self) -> pd.DataFrame:
        """All loaded intervals."""
        return self.model.frame

    @property
    def chosen(self) -> pd.DataFrame:
        """Rows that the chart shows."""
        return self.model.chosen

    @property
    def figure(self) -> go.Figure | None:
        """The chart."""
        return self.model.figure

    @property
    def findings(self) -> Findings:
        """Findings of the load."""
        return self.model.findings

    def fetched(self, df: pd.DataFrame | None) -> None:
        """Show the frame that another panel fetched, unless it is shown already."""
        if df is not None and df is not self.frame:
            self.model.open(df)

    def without_files(self) -> Any:
        """Return the widget without its upload box, for a panel that fetches the data itself."""
        _parts.show_when(self._files, False)
        return self.widget

    def _build(self) -> None:
        import ipywidgets as w

        field = {"style": _parts.FIELD, "layout": w.Layout(width="auto")}
        self._choices: dict[str, Any] = {
            "meter": w.Dropdown(description="Meter", **field),
            "flow": w.Dropdown(description="Flow", **field),
            "first": w.DatePicker(description="First day", **field),
            "last": w.DatePicker(description="Last day", **field),
            # buttons, because JupyterLab handles the arrow keys in a focused list itself
            "picture": w.ToggleButtons(
                description="Chart", options=list(CHARTS), style={**_parts.FIELD, "button_width": "auto"}
            ),
        }
        for name, box in self._choices.items():
            box.observe(self.model.guard(lambda change, name=name: self._chose(name, change["new"])), "value")
        self._upload = w.FileUpload(description="Open files", multiple=True)
        self._upload.layout.width = "auto"
        self._upload.observe(self.model.guard(self._uploaded), "value")
        self._place, self._drawn = _parts.chart_area(), None
        *narrow, picture = self._choices.values()
        self._files = _parts.row(self._upload, _parts.droppable())
        self._offers = _parts.row()
        self._offered: tuple[tuple[str, str], ...] = ()
        self._file = w.HTML()
        self._downloads = _parts.row(
            *(
                _parts.button(name, f"Download the selected rows as {name}", partial(self._download, kind), self.model)
                for name, kind in (("CSV", "csv"), ("Parquet", "parquet"))
            ),
            self._file,
        )
        self._questions = w.VBox()
        self._asked: tuple[Choice, ...] = ()
        _parts.show_when(self._questions, False)
        self.widget = _parts.column(
            _parts.row(*narrow),
            picture,
            self._files,
            self._questions,
            _parts.status(self.model),
            self._offers,
            self._place,
            self._downloads,
        )
        self.model.listen(self._show)

    def _chose(self, name: str, value: Any) -> None:
        # the lock keeps changes of the panel by another thread and clicks apart
        with self.model.lock:
            if not self._showing:
                self.model.choose(**{name: value})

    def _uploaded(self, change: Any) -> None:
        files = [(str(f["name"]), bytes(f["content"])) for f in change["new"]]
        if files:
            change["owner"].value = ()  # or Jupyter would save the file with the notebook
            self.model.load(files)

    def _download(self, kind: str) -> None:
        self._file.value = _parts.download(*self.model.download(kind))

    def _offer(self) -> None:
        """Show a button for each choice that the chart needs."""
        self._offered = self.model.offers
        self._offers.children = [
            _parts.button(
                _style.flow_label(value), f"Draw {value}", partial(self.model.choose, **{name: value}), self.model
            )
            for name, value in self._offered
        ]

    def _ask(self) -> None:
        """Show a list for each open question; each entry previews one row as that answer reads it."""
        import ipywidgets as w

        self._asked = self.model.questions
        boxes: dict[str, Any] = {}
        for question in self._asked:
            options = [
                (f"{value}: {question.readings[value]}" if question.readings.get(value) else value, value)
                for value in question.values
            ]
            boxes[question.argument] = w.Dropdown(
                description=question.question, options=options, style=_parts.FIELD, layout=w.Layout(width="auto")
            )
        button = w.Button(description="Load")
        button.on_click(
            self.model.guard(lambda _: self.model.answer({name: str(box.value) for name, box in boxes.items()}))
        )
        self._questions.children = [*boxes.values(), button] if boxes else []
        _parts.show_when(self._questions, bool(boxes))

    def _show(self) -> None:
        if self._asked != self.model.questions:
            self._ask()
        if self._offered != self.model.offers:
            self._offer()
        _parts.show_when(self._offers, bool(self._offered))
        _parts.show_when(self._downloads, bool(len(self.model.frame)))
        model, boxes = self.model, self._choices
        self._showing = True  # setting a box calls its observers, which must react only to clicks
        try:
            for name, values in (("meter", model.meters), ("flow", model.flows)):
                options = [(_style.flow_label(v) if name == "flow" else v, v) for v in values]
                if list(boxes[name].options) != options:
                    boxes[name].options = options
            for name, box in boxes.items():
                box.value = getattr(model, name)
                box.disabled = not len(model.frame)
        finally:
            self._showing = False
        if self._drawn is not model.figure:
            self._drawn = model.figure
            _parts.draw(self._place, model.figure)


def summary_html(df: pd.DataFrame) -> str:
    """Return a summary of fetched data as HTML, with one row per series."""
    made = frame.summary(df)
    rows = [_summary_row(dict(zip(made.columns, row, strict=True))) for row in made.itertuples(index=False)]
    head = ["meter", "flow", "from", "to", "intervals", "total"]
    return _html.block("Fetched data", _html.table(head, rows), text="")


def _summary_row(of: dict[str, Any]) -> list[str]:
    total = f"{of['total']:,.3f} {of['unit']}" if of["unit"] in frame.ADDITIVE else of["unit"]
    first, last = f"{of['first']:%Y-%m-%d %H:%M %Z}", f"{of['last']:%Y-%m-%d %H:%M %Z}"
    return [of["meter"], _style.flow_label(str(of["flow"])), first, last, f"{of['rows']:,}", total]
