"""Look at a frame: choose meter, flow, days and picture; open files in an upload box."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from greenkit import _html, detect, frame, plot, tables
from greenkit.errors import AmbiguousTable, Choice, SchemaError, SettingsError
from greenkit.findings import Findings, counted, quiet
from greenkit.times import midnights, to_times
from greenkit.widgets import _model, _parts
from greenkit.widgets._model import PanelModel

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

ALL: Final = "all"
# what a picture is called here → the function of greenkit.plot that draws it, whether it shows one series only
PICTURES: Final[dict[str, tuple[str, bool]]] = {
    "Load": ("load", False),
    "Hour by date": ("heatmap", False),
    "Average day": ("average_day", False),
    "Week": ("week", False),
    "Calendar": ("calendar", False),
    "Months": ("monthly", False),
    "Time of use": ("tou", True),
    "Peak days": ("peak_days", True),
    "Duration": ("duration", False),
    "Completeness": ("completeness", False),
}


class View(PanelModel):
    """A frame and what is chosen of it, without a widget.

    Parameters
    ----------
    df : DataFrame, optional
        A tidy frame; empty when absent.

    Attributes
    ----------
    frame : DataFrame
        All of it.
    meter, flow : str
        The chosen ones; ``"all"`` for every one.
    first, last : date or None
        The chosen local days, both included; None leaves that end open.
    picture : str
        A key of :data:`PICTURES`.
    figure : Figure or None
        The picture of :attr:`chosen`; None when there is nothing to draw.
    questions : tuple of Choice
        What a table leaves open, while it waits for :meth:`answer`.
    """

    def __init__(self, df: pd.DataFrame | None = None) -> None:
        super().__init__()
        self.questions: tuple[Choice, ...] = ()
        self._waiting: list[_Named] = []
        self.picture = next(iter(PICTURES))
        self.figure: go.Figure | None = None
        self._take(frame.empty() if df is None else frame.check(df))

    def _take(self, df: pd.DataFrame) -> None:
        self.frame = df
        meters = self.meters
        self.meter = meters[1] if len(meters) > 2 else ALL  # many meters in one picture are no picture
        self.flow = ALL
        self.first, self.last = self.span

    # -- what can be chosen

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
        """The first and the last local day that the frame reaches into."""
        if not len(self.frame):
            return None, None
        start, end = self.frame["start"], self.frame["end"]
        last = start.max() if end.max() == start.max() else end.max() - end.max().resolution
        return start.min().date(), last.date()

    @property
    def findings(self) -> Findings:
        """What the reader found doubtful."""
        return frame.findings_of(self.frame)

    # -- choosing

    def open(self, df: pd.DataFrame) -> None:
        """Take another frame; the choices begin anew."""
        frame.check(df)
        with self.lock:
            self._take(df)
            self.draw()

    def choose(self, **choices: Any) -> None:
        """Change ``meter``, ``flow``, ``first``, ``last`` or ``picture``, and draw."""
        with self.lock:
            known = {"meter": self.meters, "picture": PICTURES}
            for name, value in choices.items():
                if name not in ("meter", "flow", "first", "last", "picture"):
                    raise TypeError(f"there is no choice {name!r}")
                if name in known and value not in known[name]:
                    raise SettingsError(f"{value!r} is no {name}: choose one of {', '.join(known[name])}")
                setattr(self, name, value)
            if self.flow not in self.flows:
                self.flow = ALL
            self.draw()

    @property
    def chosen(self) -> pd.DataFrame:
        """The rows of the chosen meter, flow and days, the days counted in each site's own zone."""
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

    # -- showing

    def draw(self) -> None:
        """Draw the chosen picture of the chosen rows; without any it says so."""
        self.figure = None
        if not len(self.frame):
            self.set_status("No data yet: open a file, or give a frame.")
            return
        with self.guarded(), quiet():
            df = self.chosen
            if not len(df):
                raise SchemaError("no interval lies in the chosen days: choose others")
            name, single = PICTURES[self.picture]
            series = len(df.drop_duplicates(list(frame.SERIES)))
            if single and series > 1:
                raise SchemaError(
                    f"{self.picture} shows one series, and {series} are chosen: choose a meter and a flow"
                )
            draw: Callable[[pd.DataFrame], go.Figure] = getattr(plot, name)
            self.figure = draw(df)
            self.set_status(self._summary_line(df), "good")

    def _summary_line(self, df: pd.DataFrame) -> str:
        flows = frame.physical(df)
        sums = flows[flows["unit"].isin(frame.ADDITIVE)].groupby(["flow", "unit"], observed=True)["value"].sum()
        totals = [f"{r.flow} {r.value:,.3f} {r.unit}" for r in sums.reset_index().itertuples()]
        doubtful = sum(f.severity != "info" for f in self.findings)
        notes = [f"{counted(doubtful, 'finding')}: see .findings"] if doubtful else []
        return "; ".join([f"{len(df):,} intervals", *totals, *notes])

    def load(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Load files given as (name, content) in place of the frame.

        A table that leaves questions open waits for :meth:`answer`.
        """
        named = [_named(name, content) for name, content in files]
        if named:
            self.start(
                f"Loading {named[0].name if len(named) == 1 else f'{len(named)} files'}", lambda: self._load(named)
            )

    def answer(self, answers: Mapping[str, str]) -> None:
        """Load the waiting table with answers to its questions, by argument: ``{"tz": "America/Chicago"}``."""
        files = self._waiting
        if not files:
            raise SettingsError("No table waits for an answer", next_step="Open a file first.")
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
            raise SchemaError(f"{', '.join(f.name for f in files)}: there is no interval reading in it")
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
    """A panel to look at a frame: choose meter, flow, days and picture, or open files.

    Parameters
    ----------
    df : DataFrame, optional
        A tidy frame; the upload box can bring one instead.

    Attributes
    ----------
    frame : DataFrame
        All that is loaded.
    chosen : DataFrame
        What the picture shows.
    figure : Figure or None
        The picture itself.
    findings : Findings
        What the reader found doubtful.

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
        """All that is loaded."""
        return self.model.frame

    @property
    def chosen(self) -> pd.DataFrame:
        """What the picture shows."""
        return self.model.chosen

    @property
    def figure(self) -> go.Figure | None:
        """The picture itself."""
        return self.model.figure

    @property
    def findings(self) -> Findings:
        """What the reader found doubtful."""
        return self.model.findings

    def fetched(self, df: pd.DataFrame | None) -> None:
        """Show what a panel fetched, unless it is shown already."""
        if df is not None and df is not self.frame:
            self.model.open(df)

    def without_files(self) -> Any:
        """Give the widget for a panel that fetches: what is shown is what was fetched, so no file is asked for."""
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
            # buttons, since JupyterLab takes the arrow keys from a list that has the focus
            "picture": w.ToggleButtons(
                description="Picture", options=list(PICTURES), style={**_parts.FIELD, "button_width": "auto"}
            ),
        }
        for name, box in self._choices.items():
            box.observe(self.model.guard(lambda change, name=name: self._chose(name, change["new"])), "value")
        self._upload = w.FileUpload(description="Open files", multiple=True)
        self._upload.layout.width = "auto"
        self._upload.observe(self.model.guard(self._uploaded), "value")
        self._place, self._drawn = _parts.picture(), None
        *narrow, picture = self._choices.values()
        self._files = _parts.row(self._upload, _parts.droppable())
        self._questions = w.VBox()
        self._asked: tuple[Choice, ...] = ()
        _parts.show_when(self._questions, False)
        self.widget = _parts.column(
            _parts.row(*narrow), picture, self._files, self._questions, _parts.status(self.model), self._place
        )
        self.model.listen(self._show)

    def _chose(self, name: str, value: Any) -> None:
        with (
            self.model.lock
        ):  # while another thread shows, its own changes are not mistaken for clicks, nor clicks for them
            if not self._showing:
                self.model.choose(**{name: value})

    def _uploaded(self, change: Any) -> None:
        files = [(str(f["name"]), bytes(f["content"])) for f in change["new"]]
        if files:
            change["owner"].value = ()  # or the whole file would be saved with the notebook
            self.model.load(files)

    def _ask(self) -> None:
        """Show a list for each open question, whose entries preview one row read in that way."""
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
        model, boxes = self.model, self._choices
        self._showing = True  # setting a box tells its observers, who are to hear of clicks alone
        try:
            for name, options in (("meter", model.meters), ("flow", model.flows)):
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
    """Write what came: a row for each series."""
    made = frame.summary(df)
    rows = [_summary_row(dict(zip(made.columns, row, strict=True))) for row in made.itertuples(index=False)]
    return _html.block("What came", _html.table(["meter", "flow", "from", "to", "intervals", "total"], rows), text="")


def _summary_row(of: dict[str, Any]) -> list[str]:
    total = f"{of['total']:,.3f} {of['unit']}" if of["unit"] in frame.ADDITIVE else of["unit"]
    first, last = f"{of['first']:%Y-%m-%d %H:%M}", f"{of['last']:%Y-%m-%d %H:%M %Z}"
    return [of["meter"], of["flow"], first, last, f"{of['rows']:,}", total]
