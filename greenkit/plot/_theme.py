"""What all charts share: the choice of rows, titles, panels, legends, and one figure built in one step.

Colors, names, and formats are those of :mod:`greenkit._style`. A chart adds traces and axes to a :class:`Sheet`, as
dictionaries, and plotly sees all of them once.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np
import pandas as pd

from greenkit import _style, frame, times
from greenkit._style import Page, Theme
from greenkit.analysis import totals
from greenkit.analysis.intervals import Intervals, adds_up, checked
from greenkit.analysis.shape import SERIES
from greenkit.errors import SchemaError, SettingsError
from greenkit.findings import counted
from greenkit.times import US

if TYPE_CHECKING:
    import plotly.graph_objects as go

CLEAR: Final = "rgba(0,0,0,0)"
MOST: Final = 12
"""Maximum number of series in one chart; readers cannot distinguish more."""
Names = str | Sequence[str] | None
Moment = "str | datetime.date | datetime.datetime | pd.Timestamp | None"
_EACH_DAY: Final = 21
"""Most dates for which greenkit sets the ticks on days; plotly would set them between days."""
_TICKS: Final = 12
"""Maximum number of periods for which every tick has a label."""
_WRAP: Final = {"title": 62, "note": 72}
"""Characters of a line of the title and of the notes, which fit into a cell of a page of 640 pixels."""
_NAME: Final = 28
"""Most characters of a name in a legend, on an axis, or above a panel. Names of meters have 17 to 22."""
_TITLE: Final = 36
"""Most characters of the title of a panel that has another beside it; a longer one breaks before its last part."""
_COLUMNS: Final = 0.05
"""Share of the width between two columns of panels; 24 at the end of one does not touch 0 of the next at 640 pixels."""
_LINE: Final = {"title": 21, "note": 16, "legend": 21}
"""Height of a line in pixels."""
_FLATTENED: Final = {99: 1.5, 95: 3.0, 90: 3.0}
"""Percentile → a scale ends there if it would otherwise end more than this many times as high."""


DAILY: Final = "Filter out the series, or draw df.gk.plot.daily()."
"""Next step for data of days in a chart of hours."""


# -- the rows of a chart


def choose(
    df: pd.DataFrame, *, meter: Names, flow: Names, start: Any = None, end: Any = None, aggregate: str | None = None
) -> pd.DataFrame:
    """Return the rows that a chart draws: of some meters and flows, from ``start`` to ``end``, by ``aggregate``.

    Raises
    ------
    SchemaError
        If the frame is not tidy, or if it has no such meter or flow.
    SettingsError
        If ``start`` or ``end`` is not a date or time, or ``aggregate`` is not a period.
    """
    if meter is flow is start is end is aggregate is None:
        checked(df)
        return df
    frame.check(df)
    df = _named(df, "meter", meter)
    df = _named(df, "flow", flow)
    if start is not None or end is not None:
        df = _within(df, start, end)
    return df if aggregate is None else _aggregated(df, aggregate)


def _named(df: pd.DataFrame, column: str, wanted: Names) -> pd.DataFrame:
    if wanted is None:
        return df
    given = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted]
    if column == "flow":
        given = ["received" if name == "export" else name for name in given]
    known = [str(name) for name in df[column].unique()]
    unknown = [name for name in given if name not in known]
    if unknown and len(df):
        raise SchemaError(
            f"The frame has no {column} {unknown[0]!r}",
            next_step=f"Use one of {', '.join(known[:MOST])}{', …' if len(known) > MOST else ''}.",
        )
    return df[df[column].isin(given)]


def _within(df: pd.DataFrame, start: Any, end: Any) -> pd.DataFrame:
    kept = np.ones(len(df), dtype=bool)
    zone = df["zone"].astype("str").to_numpy()
    for name, value in (("start", start), ("end", end)):
        if value is None:
            continue
        try:
            bounds = {z: times.moment(value, z) for z in set(zone)}
        except (TypeError, ValueError):
            raise SettingsError(
                f"{name} is {value!r}, but it must be a date or time",
                next_step=f"Pass {name}='2024-07-01', for example.",
            ) from None
        for z, bound in bounds.items():
            fits = df["start"] >= bound if name == "start" else df["start"] < bound
            kept &= (zone != z) | fits.to_numpy()
    if len(df) and not kept.any():
        raise SchemaError(
            "There are no intervals between start and end",
            next_step=f"The data begins on {df['start'].min():%Y-%m-%d} and ends on {df['end'].max():%Y-%m-%d}.",
        )
    return df[kept]


def _aggregated(df: pd.DataFrame, period: str) -> pd.DataFrame:
    """Return a tidy frame with one row per period: the mean power of the hours with data, over the whole period."""
    name = totals.SPELLINGS.get(period, "") if isinstance(period, str) else ""
    if name not in ("15min", "30min", "hour", "day", "week", "month", "quarter", "year"):
        raise SettingsError(
            f"aggregate is {period!r}, but it must be a period",
            next_step="Use 15min, 30min, hour, day, week, month, quarter, or year.",
        )
    table = totals.by_period(df, name)
    hours = (table["end"] - table["start"]).dt.total_seconds() / 3600
    sums = np.array([adds_up(str(unit)) for unit in table["unit"]], dtype=bool)
    out = table[["meter", "series", "flow", "start", "end", "unit", "zone"]].assign(
        value=np.where(sums, table["power"] * hours, table["value"]),
        quality=np.where(table["estimated"] > 0, "estimated", "actual"),
    )
    for extra in ("cost", "currency"):
        if extra in table.columns:
            out[extra] = table[extra]
    return frame.tidy(out)


def few(found: Intervals, most: int = MOST) -> Intervals:
    """Return the intervals; raise SchemaError if there is no value, or if there are too many series for one chart."""
    if not found.valid.any():
        raise nothing(rows=len(found))
    if len(found.keys) > most:
        raise too_many(len(found.keys), most, "series", found.keys)
    return found


def only(found: Intervals) -> tuple[Intervals, str]:
    """Return the one flow that a chart of a single flow draws, with a note if it is not the only one.

    It is the only flow with values, else the only delivered one, in kWh if it has several units.
    """
    few(found, MOST)
    codes = np.unique(found.code[found.valid])
    keys = found.keys.iloc[codes]
    for chosen in (
        keys,
        keys[keys["flow"] == "delivered"],
        keys[(keys["flow"] == "delivered") & (keys["unit"] == "kWh")],
    ):
        if len(chosen) == 1:
            code = int(chosen.index[0])
            name = _names(keys)[keys.index.get_loc(code)]
            return single(found, code), f"{name} only, of {len(keys)} series" if len(keys) > 1 else ""
    raise too_many(len(keys), 1, "series", keys)


def single(found: Intervals, code: int) -> Intervals:
    """Return one series of some intervals, as the only one."""
    one = found.take(found.code == code)
    return replace(
        one, keys=found.keys.iloc[[code]].reset_index(drop=True), code=np.zeros(len(one), dtype=np.int64), usual=None
    )


def series_of(table: pd.DataFrame) -> pd.DataFrame:
    """Return the series of a table in their order. A result may lack a series of the frame that has no value."""
    return table[SERIES].drop_duplicates(ignore_index=True)


# -- errors


def by_series(table: pd.DataFrame, found: Intervals) -> list[tuple[pd.DataFrame, float]]:
    """Return the rows of each series of a table, with the hours of an interval of the series."""
    hours = dict(zip(found.keys[SERIES].itertuples(index=False, name=None), found.interval / 3600, strict=True))
    return [(part, hours[key]) for key, part in table.groupby(SERIES, observed=True, sort=False)]


def nothing(*, rows: int = 1) -> SchemaError:
    """Return the error for a frame without a value, or without rows."""
    if not rows:
        return SchemaError("The frame has no rows to draw", next_step="Check how it was loaded and filtered.")
    return SchemaError("The frame has no value to draw", next_step="Check it with df.gk.quality().")


def too_many(count: int, most: int, what: str, keys: pd.DataFrame, *, instead: str = "") -> SchemaError:
    """Return the error for more series than one chart can show, with an argument that chooses fewer.

    ``instead`` is a chart that can show them.
    """
    by = next((name for name in ("meter", "flow", "series", "unit") if keys[name].nunique() > 1), "start")
    if by in ("meter", "flow"):
        example = f"Choose fewer with {by}=, as in {by}={str(keys[by].iloc[0])!r}."
    elif by == "start":
        example = "Choose fewer days with start= and end=."
    else:
        example = f'Filter the frame, as in df[df["{by}"] == {str(keys[by].iloc[0])!r}].'
    if instead:
        example = f"{example.removesuffix('.')}, or draw {instead}."
    return SchemaError(f"The frame has {count:,} {what}, but this chart shows at most {most}", next_step=example)


def one_unit(units: Sequence[str], filters: Sequence[str] = ()) -> SchemaError:
    """Return the error for units that cannot share an axis.

    ``filters`` are the units of the frame, if they are not those of the axis: kWh for kW.
    """
    known = list(filters or units)
    example = "kWh" if "kWh" in known else known[0]
    return SchemaError(
        f"The series are in {listed(units)}, but this chart has one axis",
        next_step=f'Filter the frame to one unit, as in df[df["unit"] == {example!r}].',
    )


def no_totals(units: Sequence[str], next_step: str) -> SchemaError:
    """Return the error for units that do not add up, such as kW, in a chart of totals."""
    return SchemaError(f"The series are in {listed(units)}, which have no totals", next_step=next_step)


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence.

    Examples
    --------
    >>> listed(["kW", "V"]), listed(["kW", "kWh", "V"])
    ('kW and V', 'kW, kWh, and V')
    """
    if len(words) < 3:
        return " and ".join(words)
    return f"{', '.join(words[:-1])}, and {words[-1]}"


# -- names


def plain(text: str) -> str:
    """Escape a name from the data, so that plotly does not read it as HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def names(keys: pd.DataFrame) -> list[str]:
    """Return the shortest name that distinguishes each series from the others; the flow if there is only one."""
    return [plain(name) for name in _names(keys)]


def _names(keys: pd.DataFrame) -> list[str]:
    columns = {name: [str(value) for value in keys[name]] for name in ("meter", "flow", "series", "unit")}
    columns["flow"] = [_style.flow_label(flow) for flow in columns["flow"]]
    columns |= {name: short(columns[name]) for name in ("meter", "series")}
    made: list[str] = []
    for parts in ("flow",), ("meter",), ("meter", "flow"), ("flow", "unit"), ("flow", "series"), tuple(columns):
        made = [" · ".join(row) for row in zip(*(columns[name] for name in parts), strict=True)]
        if len(set(made)) == len(made):
            break
    return made


def short(names: Sequence[str], most: int = _NAME) -> list[str]:
    """Return names without the middle of those that are too long for a legend or an axis.

    Names stay as they are if their ends do not distinguish them.

    Examples
    --------
    >>> short(["M1", "Community center, north wing, meter 2"])
    ['M1', 'Community…orth wing, meter 2']
    """
    head = most // 3
    made = [n if len(n) <= most else f"{n[:head]}…{n[len(n) - (most - head - 1) :]}" for n in names]
    return made if len(set(made)) == len(set(names)) else list(names)


def colors(keys: pd.DataFrame) -> list[str]:
    """Return the color of each series: that of its flow for the first amount of a flow, and else an unused color.

    Examples
    --------
    >>> colors(pd.DataFrame({"flow": ["delivered", "received"], "unit": "kWh"}))
    ['#1f7fbf', '#009E73']
    >>> colors(pd.DataFrame({"flow": ["delivered", "delivered", "received"], "unit": ["kW", "kWh", "kWh"]}))
    ['#C77CA8', '#1f7fbf', '#009E73']
    """
    flows = [str(f) for f in keys["flow"]]
    own = {_style.FLOWS[f] for f in flows if f in _style.FLOWS}
    # the colors of other flows come last, so that a second meter is not mistaken for export
    rest = sorted((c for c in _style.COLORS if c not in own), key=lambda c: c in _style.FLOWS.values())
    made = [""] * len(flows)
    later = 0
    amounts_first = sorted(range(len(flows)), key=lambda i: not adds_up(str(keys["unit"].iloc[i])))
    for i in amounts_first:
        color = _style.FLOWS.get(flows[i], "")
        if not color or color in made:
            color, later = rest[later % len(rest)], later + 1
        made[i] = color
    return made


def subject(keys: pd.DataFrame) -> str:
    """Return the subject of a title: the meter if there is one, or else the number of meters."""
    known = keys["meter"].unique()
    return f"meter {plain(str(known[0]))}" if len(known) == 1 else counted(len(known), "meter")


def notes(found: Intervals, *texts: str, utc: bool = False) -> str:
    """Return the subtitle: the period and the time zone, then the notes of the chart and of its physical flows.

    ``utc`` says that the chart draws the series of several time zones in UTC, and not each in its own.
    """
    decided = found.relations.notes if found.relations is not None else []
    return plain("; ".join([*filter(None, [about(found, utc=utc), *texts]), *decided]))


def period_label(period: str) -> str:
    """Return the name of a period as people write it.

    Examples
    --------
    >>> period_label("2024-07"), period_label("2024-W27")
    ('July 2024', '2024-W27')
    """
    return f"{pd.Timestamp(period + '-01'):%B %Y}" if _is_month(period) else period


def _is_month(period: str) -> bool:
    return len(period) == 7 and period[4] == "-" and period[5:].isdigit()


def period_ticks(periods: Sequence[str]) -> dict[str, Any]:
    """Return the ticks of an axis whose categories are the labels of these periods; at most 12 have a name.

    Examples
    --------
    >>> period_ticks(["2024-12", "2025-01", "2025-02"])["ticktext"]
    ['Dec<br>2024', 'Jan<br>2025', 'Feb']
    """
    each = -(-len(periods) // _TICKS)
    text = []
    for i, period in enumerate(periods):
        if _is_month(period):
            month = pd.Timestamp(period + "-01")
            text.append(f"{month:%b}<br>{month:%Y}" if i == 0 or month.month == 1 or each > 1 else f"{month:%b}")
        else:
            text.append(plain(period))
    return {"tickvals": [plain(period_label(p)) for p in periods][::each], "ticktext": text[::each]}


def about(found: Intervals, *, utc: bool = False) -> str:
    """Return the period of the intervals and the time zone of their days."""
    if not len(found):
        return ""
    zone = found.keys["zone"].astype("str").to_numpy()
    if len(set(zone)) == 1 or utc:
        one = str(zone[0]) if len(set(zone)) == 1 else "UTC"
        return _about({one: (int(found.start.min()), int(found.end.max()))}, _style.zone_label(list(zone)))
    of = zone[found.code]
    spans = {str(z): (int(found.start[of == z].min()), int(found.end[of == z].max())) for z in set(of)}
    return _about(spans, _style.zone_label(list(zone), local=True))


def about_frame(df: pd.DataFrame) -> str:
    """Return the period of the rows of a tidy frame and the time zone of their days, as :func:`about` does."""
    if not len(df):
        return ""
    spans = {}
    zones = [str(zone) for zone in df["zone"].unique()]
    for zone in zones:
        mine = df if len(zones) == 1 else df[df["zone"] == zone]
        first, last = times.to_instants(pd.Series([mine["start"].min(), mine["end"].max()]))
        spans[zone] = (int(first), int(last))
    return _about(spans, _style.zone_label(zones, local=True))


def _about(spans: Mapping[str, tuple[int, int]], label: str) -> str:
    """Return the local dates from the first start to the last end in any of the zones."""
    dates = [
        time.date()
        for zone, (start, end) in spans.items()
        for time in times.to_times(np.array([start, max(end - 1, start)], dtype=np.int64), zone)
    ]
    return f"{_style.days(min(dates), max(dates))}, {label}"


# -- the sheet


@dataclass
class Sheet:
    """A figure under construction: traces and layout as dictionaries.

    Parameters
    ----------
    page : Page
        Colors of text and lines.
    data : list of dict
        Traces.
    layout : dict
        Layout.
    top : float
        Pixels above the panels: title and notes.
    """

    page: Page
    data: list[dict[str, Any]] = field(default_factory=list)
    layout: dict[str, Any] = field(default_factory=dict)
    top: float = 0.0

    @classmethod
    def of(
        cls, title: str, note: str = "", *, given: str | None = None, height: int | None = None, usual: int = 420,
        theme: Theme = "light", **layout: Any,
    ) -> Sheet:  # fmt: skip
        """Begin a figure with a title and its notes; ``given`` and ``height`` are those of the caller, if any."""
        if theme not in get_args(Theme):
            raise SettingsError(
                f"theme is {theme!r}, but it must be 'light', 'dark', or 'page'",
                next_step="Leave theme out for a light chart.",
            )
        page = _style.PAGES[theme]
        head = _wrapped(title if given is None else plain(given), _WRAP["title"])
        below = _wrapped(note, _WRAP["note"])
        top = 18 + _LINE["title"] * len(head) + _LINE["note"] * len(below) + 14
        hover = _style.PAGES["light" if theme == "light" else "dark"]
        base: dict[str, Any] = {
            "template": "none",
            "font": {"color": page.ink, "size": _style.SIZES["text"], "family": _style.FONT},
            "title": {
                "text": "<br>".join(head), "x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": "container",
                "yanchor": "top", "pad": {"t": 12}, "font": {"size": _style.SIZES["title"]},
            },
            "paper_bgcolor": page.paper,
            "plot_bgcolor": CLEAR,
            "margin": {"l": 60, "r": 24, "t": top, "b": 48},
            "height": height or usual,
            "legend": {
                "orientation": "h", "x": 0, "xanchor": "left", "xref": "paper", "y": 0, "yanchor": "bottom",
                "yref": "container", "font": {"size": _style.SIZES["small"]},
            },
            "hoverlabel": {
                "namelength": -1, "bgcolor": hover.paper, "bordercolor": hover.line,
                "font": {"color": hover.ink, "size": _style.SIZES["small"], "family": _style.FONT},
            },
            "modebar": {"bgcolor": CLEAR, "color": page.muted, "activecolor": _style.COLORS[0]},
        }  # fmt: skip
        if below:
            base["title"]["subtitle"] = {
                "text": "<br>".join(below), "font": {"size": _style.SIZES["small"], "color": page.muted}
            }  # fmt: skip
        return cls(page, [], {**base, **layout}, float(top))

    def name_rows(self) -> None:
        """Begin the title at the edge of the page, because names of rows beside the chart would push it out."""
        self.layout["title"] |= {"xref": "container", "pad": {"t": 12, "l": 16}}

    def axis(self, name: str, title: str = "", **settings: Any) -> None:
        """Set an axis, such as ``"xaxis2"``; a second call changes the settings that it names."""
        base = self.layout.setdefault(
            name,
            {
                "gridcolor": self.page.grid, "zerolinecolor": self.page.line, "linecolor": self.page.line,
                "tickcolor": self.page.line, "automargin": True,
                "tickfont": {"size": _style.SIZES["small"], "color": self.page.muted},
                # 10,000 rather than 10k
                "separatethousands": True, "exponentformat": "none",
            },
        )  # fmt: skip
        if title:
            base["title"] = {"text": title, "standoff": 8, "font": {"size": _style.SIZES["text"]}}
        base.update(settings)

    def panels(
        self, rows: int, columns: int = 1, titles: Sequence[str] = (), *, each: int = 300, height: int | None = None,
        x_titles: bool = True, colorbar: bool = False,
    ) -> list[tuple[str, str]]:  # fmt: skip
        """Divide the sheet into panels, and return the axes of each, row by row: ``[("x", "y"), ("x2", "y2"), …]``.

        Parameters
        ----------
        rows, columns : int
            Number of panels. The panels of a row share their y axis.
        titles : sequence of str
            Title above each panel; an empty one takes no room only if all are empty.
        each : int
            Height of a panel in pixels, if the caller gave no ``height``.
        height : int, optional
            Height of the figure that the caller gave.
        x_titles : bool
            Whether every row has labels below, or only the last.
        colorbar : bool
            Whether the panels have a color bar at their right.
        """
        if columns > 1 and any(len(title) > _TITLE for title in titles):
            titles = ["<br>".join(title.rsplit(" · ", 1)) for title in titles]
        lines = max((1 + title.count("<br>") for title in titles if title), default=0)
        above = 8 + _LINE["note"] * lines if lines else 0
        between = (2 + above if lines else 8) + (44 if x_titles else 10)  # pixels from one row to the next
        top, bottom = self.top + above, self.layout["margin"]["b"]
        total = height or int(top + bottom + each * rows + between * (rows - 1))
        self.layout["height"] = total
        self.layout["margin"]["t"] = top
        inner = max(total - top - bottom, 1.0)
        gap = between / inner
        tall = max((1 - gap * (rows - 1)) / rows, 0.02)
        wide = (1 - _COLUMNS * (columns - 1)) / columns
        made: list[tuple[str, str]] = []
        for place in range(rows * columns):
            row, column = divmod(place, columns)
            number = "" if place == 0 else str(place + 1)
            high = 1 - row * (tall + gap)
            left = column * (wide + _COLUMNS)
            x, y = f"x{number}", f"y{number}"
            self.axis(f"xaxis{number}", anchor=y, domain=[left, min(left + wide, 1)])
            self.axis(f"yaxis{number}", anchor=x, domain=[max(high - tall, 0), high])
            if column:
                first = made[row * columns][1]
                self.layout[f"yaxis{number}"] |= {"matches": first, "showticklabels": False}
            title = titles[place] if place < len(titles) else ""
            if title:
                self.layout.setdefault("annotations", []).append({
                    "text": title, "x": left, "y": high, "xref": "paper", "yref": "paper", "xanchor": "left",
                    "yanchor": "bottom", "align": "left", "showarrow": False, "font": {"size": _style.SIZES["text"]},
                })  # fmt: skip
            made.append((x, y))
        if colorbar:
            self.layout["margin"]["r"] = 8
        return made

    def add(self, kind: str, axes: tuple[str, str] = ("x", "y"), **trace: Any) -> None:
        """Add a trace on two axes."""
        self.data.append({"type": kind, "xaxis": axes[0], "yaxis": axes[1], **trace})

    def domain(self, y: str) -> tuple[float, float]:
        """Return the bottom and the top of the panel with this y axis, as shares of the height."""
        low, high = self.layout.get(f"yaxis{y[1:]}", {}).get("domain", (0.0, 1.0))
        return float(low), float(high)

    def colorbar(self, unit: str, y: str) -> dict[str, Any]:
        """Return the color bar next to the panel with this y axis."""
        low, high = self.domain(y)
        return {
            # above the bar, the title would touch the highest tick
            "title": {"text": unit, "side": "right", "font": {"size": _style.SIZES["small"]}},
            "tickfont": {"size": _style.SIZES["small"], "color": self.page.muted},
            "separatethousands": True, "exponentformat": "none",
            "len": high - low, "y": (low + high) / 2, "thickness": 12, "outlinewidth": 0, "lenmode": "fraction",
        }  # fmt: skip

    def figure(self) -> go.Figure:
        """Build the figure, with room for its legend below."""
        import plotly.graph_objects as go

        entries = [str(t.get("name", "")) for t in self.data if _in_legend(t)]
        shown = self.layout.get("showlegend", len(entries) > 1)
        self.layout["showlegend"] = shown
        if shown:
            # a row of the legend fits on a page of 640 pixels
            rows = -(-sum(7 * len(name) + 46 for name in entries) // 600)
            self.layout["margin"]["b"] += 8 + _LINE["legend"] * rows
            self.layout["height"] += 8 + _LINE["legend"] * rows
        return go.Figure({"data": self.data, "layout": self.layout})


def _in_legend(trace: dict[str, Any]) -> bool:
    listed = trace.get("showlegend", trace["type"] not in ("heatmap",))
    return bool(listed) and trace.get("visible", True) is not False


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) if text else []


# -- scales and axes


@dataclass(frozen=True)
class Scale:
    """A color scale: its settings for plotly, and the label of its color bar, which states where it ends."""

    colors: dict[str, Any]
    label: str


def color_scale(values: Any, unit: str) -> Scale:
    """Return the color scale of some values: from zero to the highest, or centered on zero if any is negative.

    If a few values are far above the others, such as those of a car charger, the scale ends at the 99th, 95th, or 90th
    percentile, and its label says so.

    Examples
    --------
    >>> color_scale([0.5, 2.0], "kW").colors["zmax"], color_scale([0.5, 2.0], "kW").label
    (2.0, 'kW')
    >>> color_scale([1.0] * 999 + [11.0], "kW").label
    'kW, to the<br>99th percentile<br>(highest 11.0)'
    >>> color_scale([1.0] * 93 + [11.0] * 7, "kW").label
    'kW, to the<br>90th percentile<br>(highest 11.0)'
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    size = np.abs(known)
    highest = float(size.max(initial=0.0))
    top, label = highest, unit
    for percentile, times_as_high in _FLATTENED.items():
        usual = float(np.percentile(size, percentile)) if len(size) else 0.0
        if top > times_as_high * usual > 0:
            top, label = usual, f"{unit}, to the<br>{percentile}th percentile<br>(highest {_style.number(highest)})"
    if len(known) and known.min() < 0:
        return Scale({"colorscale": _style.DIVERGING, "zmid": 0, "zmin": -top, "zmax": top}, label)
    return Scale({"colorscale": _style.SCALE, "zmin": 0.0, "zmax": top or 1.0}, label)


def dates(days: Any) -> tuple[Any, dict[str, Any]]:
    """Return the positions of consecutive local dates on an axis, and the axis with its ticks on days."""
    day, half = np.timedelta64(86_400, "s"), np.timedelta64(43_200, "s")
    places = np.asarray(days).astype("datetime64[s]")
    axis: dict[str, Any] = {"type": "date", "showgrid": False}
    if len(places) == 1:
        # plotly cannot infer the width of a single cell from its position, so pass its edges
        edges = np.array([places[0], places[0] + day])
        return edges, {**axis, "range": edges.astype(str).tolist(), "tickvals": [str(places[0] + half)],
                       "tickformat": "%b %-d\n%Y"}  # fmt: skip
    axis["range"] = [str(places[0] - half), str(places[-1] + half)]
    if len(places) <= _EACH_DAY:
        axis |= {"tick0": str(places[0]), "dtick": 86_400_000 * -(-len(places) // 8), "tickformat": "%b %-d\n%Y"}
    return places, axis


def milliseconds(instants: Any) -> Any:
    """Return microseconds as the milliseconds of a plotly axis; numbers take half the room of texts."""
    return np.asarray(instants, dtype=np.float64) / (US / 1000)
