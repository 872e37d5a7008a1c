"""Charts of cells: heatmap, calendar, weekday by hour, and the completeness of many series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from greenkit import _style
from greenkit._style import Theme
from greenkit.analysis import _periods, quality, shape, totals
from greenkit.analysis.intervals import HOUR, Floats, Intervals, Ints, check_lengths, checked, power_unit, reading_once
from greenkit.analysis.shape import SERIES
from greenkit.plot import _theme
from greenkit.plot._theme import Names, Scale, Sheet
from greenkit.times import ONE_DAY, US, midnights, to_times

if TYPE_CHECKING:
    import datetime

    import plotly.graph_objects as go

DAY: Final = 24 * HOUR
_PANELS: Final = 8
_FACETS: Final = 6
_ROWS: Final = 200
_SHORT: Final = tuple(d[:3] for d in _periods.WEEKDAYS)
_SLOTS: Final = tuple(m * 60 * US for m in (1, 5, 10, 15, 20, 30, 60))
"""Lengths of a row in microseconds: those that divide an hour."""
_AGAIN: Final = " again"
"""Ending of the name of a row for the second occurrence of a repeated time."""
_DATE: Final = "%{x|%a, %b %-d, %Y}"


@reading_once()
def calendar(
    df: pd.DataFrame,
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
    """Draw a cell for each local day: a row for each weekday, a column for each week, a panel for each year.

    Only the weeks of the data are drawn, with a line between months. A gray cell has no value. A dot marks a day with
    missing intervals.

    Parameters
    ----------
    df : DataFrame
        A tidy frame; series × years must be at most eight.
    meter, flow, start, end, aggregate, title, height, theme
        As in :func:`greenkit.plot.load`; ``aggregate`` is ``"day"`` or finer.
    """
    df = _theme.choose(df, meter=meter, flow=flow, start=start, end=end, aggregate=aggregate)
    found = _theme.few(checked(df), _PANELS)
    table = totals.by_period(df, "day")
    date = table["period"].to_numpy().astype("datetime64[D]")
    table = table.assign(date=date, year=date.astype("datetime64[Y]").astype(int) + 1970)
    panels = list(table.groupby([*SERIES, "year"], observed=True, sort=False))
    if len(panels) > _PANELS:
        raise _theme.too_many(len(panels), _PANELS, "panels of series and years", found.keys)
    names = dict(zip(found.keys[SERIES].itertuples(index=False, name=None), _theme.names(found.keys), strict=True))
    titles = [f"{key[-1]}" + (f" · {names[key[:-1]]}" if len(names) > 1 else "") for key, _ in panels]
    partial = bool(((table["present"] > 0) & (table["present"] < table["expected"])).any())
    sheet = Sheet.of(f"Day by day, {_theme.subject(found.keys)}",
                     _theme.notes(found, "dot: some intervals are missing" if partial else ""), given=title,
                     theme=theme)  # fmt: skip
    axes = sheet.panels(len(panels), 1, titles, each=165, height=height)
    # the years of a series share one color scale, so that they can be compared
    known = table[table["present"] > 0].groupby(SERIES, observed=True)
    scales = {key: _theme.color_scale(part["value"], _unit(part)) for key, part in known}
    layouts = [_Weeks.of(part["date"].to_numpy().astype("datetime64[D]")) for _, part in panels]
    wide = max(max(one.count for one in layouts), 8)
    for (key, part), weeks, pair in zip(panels, layouts, axes, strict=True):
        _year(sheet, part, weeks, wide, scales.get(key[:-1]), pair)
    return sheet.figure()


def _unit(part: pd.DataFrame) -> str:
    """Return the unit of the days: that of their totals, or of their means if it has no totals."""
    unit = str(part["unit"].iloc[0])
    return unit if (part["statistic"] == "sum").all() else f"mean {unit}"


class _Weeks:
    """The dates of a calendar panel, each with its weekday as the row and its week as the column."""

    def __init__(self, first: Any, last: Any) -> None:
        self.first = first
        self.every = np.arange(first, last + ONE_DAY)
        # 1970-01-01 was a Thursday; weeks begin on the Monday on or before the first date
        self.weekday = (self.every.astype(np.int64) + 3) % 7
        self.week = (np.arange(len(self.every)) + self.weekday[0]) // 7
        self.count = int(self.week[-1]) + 1

    @classmethod
    def of(cls, dates: Any) -> _Weeks:
        return cls(dates.min(), dates.max())

    @property
    def months(self) -> list[tuple[str, float]]:
        """Name of each month, and the middle of its weeks."""
        month = self.every.astype("datetime64[M]")
        return [
            (f"{pd.Timestamp(m):%b}", float(self.week[month == m].min() + self.week[month == m].max()) / 2)
            for m in np.unique(month)
        ]

    def outlines(self) -> tuple[list[float | None], list[float | None]]:
        """Return the borders between months as a line: each goes down one column and on down the next."""
        x: list[float | None] = []
        y: list[float | None] = []
        for i in np.flatnonzero((self.every.astype("datetime64[M]") == self.every) & (np.arange(len(self.every)) > 0)):
            week, row = float(self.week[i]), float(self.weekday[i])
            # the days above the first of the month belong to the month before
            corners = [(week + 0.5, -0.5), (week + 0.5, row - 0.5), (week - 0.5, row - 0.5), (week - 0.5, 6.5)]
            for a, b in corners if row else corners[2:]:
                x.append(a)
                y.append(b)
            x.append(None)
            y.append(None)
        return x, y


def _year(
    sheet: Sheet, part: pd.DataFrame, weeks: _Weeks, wide: int, scale: Scale | None, axes: tuple[str, str]
) -> None:
    unit, every = _unit(part), weeks.every
    place = (part["date"].to_numpy().astype("datetime64[D]") - weeks.first).astype(np.int64)
    value, share = np.full(len(every), np.nan), np.full(len(every), np.nan)
    value[place] = part["value"]
    share[place] = part["present"] / part["expected"]
    text = [f"{d:%a, %b} {d.day}, {d.year}" for d in pd.DatetimeIndex(every.astype("datetime64[us]"))]
    cells = {n: np.full((7, weeks.count), np.nan) for n in ("value", "share", "none")}
    words = np.full((7, weeks.count), "", dtype=object)
    at = (weeks.weekday, weeks.week)
    cells["value"][at], cells["share"][at], words[at] = value, share, text
    cells["none"][weeks.weekday[share == 0], weeks.week[share == 0]] = 1.0
    rows = list(range(7))
    base: dict[str, Any] = {"axes": axes, "y": rows, "hoverongaps": False, "xgap": 1, "ygap": 1, "text": words}
    sheet.add(
        "heatmap", z=cells["none"], colorscale=[[0, sheet.page.shade], [1, sheet.page.shade]], showscale=False,
        hovertemplate="%{text}<br>no value<extra></extra>", **base,
    )  # fmt: skip
    sheet.add(
        "heatmap", z=cells["value"], customdata=100 * cells["share"], **(scale.colors if scale else {}),
        hovertemplate=f"%{{text}}<br>%{{z:,.4~g}} {unit}<br>%{{customdata:.3~g}}% of its intervals<extra></extra>",
        colorbar=sheet.colorbar(scale.label if scale else unit, axes[1]), **base,
    )  # fmt: skip
    x, y = weeks.outlines()
    # a line within a wider one of the page's color, which is visible between dark cells and between bright ones
    for width, color in ((4, sheet.page.paper), (1.5, sheet.page.ink)):
        sheet.add("scatter", axes, x=x, y=y, mode="lines", hoverinfo="skip", showlegend=False,
                  line={"width": width, "color": color})  # fmt: skip
    partial = (share > 0) & (share < 1)
    sheet.add(
        "scatter", axes, x=weeks.week[partial], y=weeks.weekday[partial], mode="markers", hoverinfo="skip",
        showlegend=False, marker={"size": 4, "color": "white", "line": {"width": 1, "color": "black"}},
    )  # fmt: skip
    months = weeks.months
    sheet.axis(
        f"xaxis{axes[0][1:]}", tickvals=[middle for _, middle in months], ticktext=[name for name, _ in months],
        range=[-0.5, wide - 0.5], showgrid=False, zeroline=False,
    )  # fmt: skip
    sheet.axis(f"yaxis{axes[1][1:]}", range=[6.5, -0.5], tickvals=rows, ticktext=list(_SHORT), showgrid=False,
               zeroline=False)  # fmt: skip


@reading_once()
def week(
    df: pd.DataFrame,
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
    """Draw the mean power by weekday and local time of day; one panel for each of at most eight series.

    Parameters
    ----------
    df : DataFrame
        A tidy frame with intervals of an hour or less.
    meter, flow, start, end, aggregate, title, height, theme
        As in :func:`greenkit.plot.load`; ``aggregate`` is ``"hour"`` or finer.
    """
    df = _theme.choose(df, meter=meter, flow=flow, start=start, end=end, aggregate=aggregate)
    found = _theme.few(checked(df), _PANELS)
    check_lengths(found, 3600, "a chart of hours", next_step=_theme.DAILY)
    table = shape.average_day(df, ("weekday",))
    parts = _theme.by_series(table, found)
    titles = _theme.names(_theme.series_of(table)) if len(parts) > 1 else []
    sheet = Sheet.of(f"Weekday by hour, {_theme.subject(found.keys)}", _theme.notes(found), given=title, theme=theme)
    axes = sheet.panels(len(parts), 1, titles, each=220, height=height)
    for (part, size), pair in zip(parts, axes, strict=True):
        unit = power_unit(str(part["unit"].iloc[0]))
        cells = part.assign(weekday=part["weekday"].astype("str")).pivot(index="weekday", columns="hour", values="mean")
        # every slot of the day, as wide as its length
        hours = np.arange(0, 24, size)
        cells = cells.reindex(index=list(_periods.WEEKDAYS), columns=hours)
        clock = [f"{int(h):02d}:{round(h % 1 * 60):02d}" for h in hours]
        scale = _theme.color_scale(cells.to_numpy(), unit)
        sheet.add(
            "heatmap", pair, z=cells.to_numpy(dtype=np.float32), x=hours + size / 2, y=list(_SHORT),
            xgap=1 if size == 1 else 0, ygap=1, hoverongaps=False, text=[clock] * len(cells), **scale.colors,
            colorbar=sheet.colorbar(scale.label, pair[1]),
            hovertemplate=f"%{{y}} %{{text}}<br>%{{z:,.4~g}} {unit}<extra></extra>",
        )  # fmt: skip
        sheet.axis(f"xaxis{pair[0][1:]}", tick0=0, dtick=3, range=[0, 24], showgrid=False, zeroline=False)
        sheet.axis(f"yaxis{pair[1][1:]}", autorange="reversed", showgrid=False)
    sheet.axis(f"xaxis{axes[-1][0][1:]}", _hours_title(found))
    return sheet.figure()


def _hours_title(found: Intervals) -> str:
    return _style.time_title(list(found.keys["zone"]), "Local hour", local=True)


@reading_once()
def completeness(
    df: pd.DataFrame,
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
    """Draw a row for each series and a cell for each local day: complete, estimated, incomplete, or no value.

    For the completeness of more meters, by class, see :func:`greenkit.plot.fleet_completeness`.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of at most 200 series with intervals of a day or less.
    meter, flow, start, end, aggregate, title, height, theme
        As in :func:`greenkit.plot.load`.
    """
    df = _theme.choose(df, meter=meter, flow=flow, start=start, end=end, aggregate=aggregate)
    found = checked(df)
    # reject too many series before the computation
    of_days = found.keys[found.interval <= quality.DAILY]
    if len(of_days) > _ROWS:
        raise _theme.too_many(len(of_days), _ROWS, "series", of_days, instead="df.gk.plot.fleet_completeness()")
    days = quality.by_day(df)
    if not len(days):
        raise _theme.nothing(rows=len(df))
    # the rows of a series follow each other
    begins = ~days.duplicated(SERIES).to_numpy()
    keys, row = days.loc[begins, SERIES].reset_index(drop=True), np.cumsum(begins) - 1
    names = _theme.names(keys)
    date = days["date"].to_numpy().astype("datetime64[D]")
    every = np.arange(date.min(), date.max() + ONE_DAY)
    z, present, expected = (np.full((len(keys), len(every)), np.nan, dtype=np.float32) for _ in range(3))
    place = (date - every[0]).astype(np.int64)
    counts = [days[n].to_numpy() for n in ("present", "expected", "estimated")]
    z[row, place] = quality.day_status(*counts)
    present[row, place], expected[row, place] = counts[0], counts[1]
    sheet = Sheet.of(f"Completeness, {_theme.subject(keys)}", _theme.notes(found), given=title, theme=theme)
    sheet.name_rows()
    # more rows are lower, so that 200 fit on two screens
    each = 22 if len(keys) <= 40 else 9
    sheet.layout["height"] = height or int(sheet.top + 60 + each * max(len(keys), 3))
    places, axis = _theme.dates(every)
    steps = [s for i, (color, _) in enumerate(_style.DAYS) for s in ((i / 4, color), ((i + 1) / 4, color))]
    sheet.add(
        "heatmap", z=z, x=places, y=names, zmin=-0.5, zmax=3.5, colorscale=steps, showscale=False,
        ygap=2 if each > 9 else 1, hoverongaps=False, customdata=np.dstack([present, expected]),
        hovertemplate=f"%{{y}}<br>{_DATE}<br>%{{customdata[0]}} of %{{customdata[1]}} intervals<extra></extra>",
    )  # fmt: skip
    legend_of_days(sheet)
    sheet.axis("xaxis", _style.time_title(list(found.keys["zone"]), "Local date", local=True), **axis)
    # plotly leaves out names that do not fit
    sheet.axis("yaxis", type="category", autorange="reversed", showgrid=False, tickmode="auto", nticks=40)
    return sheet.figure()


def legend_of_days(sheet: Sheet) -> None:
    """Add the meanings of the colors of days to the legend."""
    for color, meaning in _style.DAYS:
        sheet.add("scatter", x=[None], y=[None], mode="markers", name=meaning,
                  marker={"symbol": "square", "size": 10, "color": color})  # fmt: skip


@reading_once()
def heatmap(
    df: pd.DataFrame,
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
    """Draw a heatmap (carpet plot) of power: a column for each local day, a row for each time of day.

    On a spring-forward day, the skipped hour is blank. On a fall-back day, the second occurrence of the repeated hour
    is in separate rows above the day, such as "01:00 again". Times without a value are gray. Horizontal bands show
    habits; vertical bands show weather or absence.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of at most six series with intervals of an hour or less; one panel for each series.
    meter, flow, start, end, aggregate, title, height, theme
        As in :func:`greenkit.plot.load`; ``aggregate`` is ``"hour"`` or finer.

    Raises
    ------
    SchemaError
        If there is no value, if there are too many series, or if a series has intervals of more than an hour.
    """
    df = _theme.choose(df, meter=meter, flow=flow, start=start, end=end, aggregate=aggregate)
    found = _theme.few(checked(df), _FACETS)
    found = _theme.few(found.take(found.valid & (found.hours > 0)), _FACETS)
    check_lengths(found, 3600, "a heatmap", next_step="Filter out the series, or draw df.gk.plot.calendar().")
    codes = np.unique(found.code)
    labels = [name if len(codes) > 1 else "" for name in _theme.names(found.keys)]
    sheet = Sheet.of(f"Heatmap, {_theme.subject(found.keys)}", _theme.notes(found), given=title, theme=theme)
    axes = sheet.panels(len(codes), 1, [labels[code] for code in codes], each=300, height=height)
    for code, pair in zip(codes.tolist(), axes, strict=True):
        _carpet(sheet, found.take(found.code == code), code, labels[code], pair)
    return sheet.figure()


def _carpet(sheet: Sheet, one: Intervals, code: int, label: str, axes: tuple[str, str]) -> None:
    unit = power_unit(one.keys["unit"].iloc[code])
    dates, slots, grid, exists = carpet(one, code)
    missing = np.where(exists & np.isnan(grid), np.float32(1), np.float32(np.nan))
    place, axis = _theme.dates(dates)
    base: dict[str, Any] = {"axes": axes, "x": place, "y": slots, "hoverongaps": False}
    moment = f"{_DATE} %{{y}}<br>"
    if (missing == 1).any():
        sheet.add(
            "heatmap", z=missing, colorscale=[[0, sheet.page.shade], [1, sheet.page.shade]], showscale=False,
            hovertemplate=f"{moment}no value<extra></extra>", **base,
        )  # fmt: skip
    scale = _theme.color_scale(grid, unit)
    sheet.add(
        "heatmap", z=grid.astype(np.float32), **scale.colors, colorbar=sheet.colorbar(scale.label, axes[1]),
        hovertemplate=f"{moment}%{{z:,.4~g}} {unit}<extra>{label}</extra>", **base,
    )  # fmt: skip
    each = len([s for s in slots if not s.endswith(_AGAIN)]) // 24
    ticks = [*slots[: 24 * each : 3 * each], *slots[24 * each :: each]]
    sheet.axis(f"xaxis{axes[0][1:]}", **axis)
    sheet.axis(f"yaxis{axes[1][1:]}", _style.time_title([str(one.keys["zone"].iloc[code])], "Local time"),
               type="category", showgrid=False, tickvals=ticks)  # fmt: skip


def carpet(one: Intervals, code: int) -> tuple[Any, list[str], Floats, Any]:
    """Return one series as a grid of local times of day × local dates.

    Returns
    -------
    dates : array of datetime64[D]
        Every date from the first to the last.
    slots : list of str
        Times of day, ``00:00`` …; after them ``01:00 again`` … when an hour is repeated on one of the dates.
    grid : array of float64, slots × dates
        Mean power; NaN if there is no value.
    exists : array of bool, slots × dates
        Whether the local day has this time, and the time is within the span of the data.
    """
    size = next(s for s in _SLOTS if s >= one.interval[code] * US)
    zone = str(one.keys["zone"].iloc[code])
    # the complete grid in UTC, from the first local midnight to the end of the last day
    dates = np.arange(one.date.min(), one.date.max() + 1)
    first, last = midnights([dates[0].astype("M8[D]"), (dates[-1] + 1).astype("M8[D]")], zone)
    true = np.arange(first, last, size)
    wall = to_times(true, zone).tz_localize(None).to_numpy("datetime64[us]").view(np.int64)
    again = _repeated(wall)
    slot, extra = _slots(wall, again, size)
    column = wall // DAY - dates[0]
    height = DAY // size + len(extra)
    where = (one.start - first) // size
    total, hours = np.bincount(where, one.power * one.hours, len(true)), np.bincount(where, one.hours, len(true))
    with np.errstate(invalid="ignore"):
        mean = np.where(hours > 0, total / hours, np.nan)
    grid, exists = np.full((height, len(dates)), np.nan), np.zeros((height, len(dates)), dtype=bool)
    grid[slot, column] = mean
    exists[slot, column] = (true >= one.start.min()) & (true < one.end.max())
    names = [_clock_text(i * size) for i in range(DAY // size)] + [
        f"{_clock_text(int(e) * size)}{_AGAIN}" for e in extra
    ]
    return dates.astype("datetime64[D]"), names, grid, exists


def _repeated(wall: Ints) -> Any:
    """Return which local times have occurred before."""
    return np.append(False, wall[1:] <= np.maximum.accumulate(wall)[:-1])


def _slots(wall: Ints, again: Any, size: int) -> tuple[Ints, Ints]:
    """Return the row of each time: its slot of the day, or a row above midnight for the second repeated hour."""
    slot = (wall % DAY) // size
    extra = np.unique(slot[again])
    slot[again] = DAY // size + np.searchsorted(extra, slot[again])
    return slot, extra


def _clock_text(micros: int) -> str:
    minutes = micros // (60 * US)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
