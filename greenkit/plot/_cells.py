"""Charts of cells: heatmap, calendar, weekday by hour, and the completeness of many series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from greenkit.analysis import _periods, intervals, quality, shape, totals
from greenkit.analysis.intervals import HOUR, Floats, Intervals, Ints, checked, power_unit
from greenkit.analysis.shape import SERIES
from greenkit.errors import SchemaError
from greenkit.plot import _theme
from greenkit.times import ONE_DAY, US, midnights, to_times

if TYPE_CHECKING:
    import plotly.graph_objects as go
if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_PANELS: Final = 8
_ROWS: Final = 200
_SHORT: Final = tuple(d[:3] for d in _periods.WEEKDAYS)


def calendar(df: pd.DataFrame) -> go.Figure:
    """Draw a cell for each local day: a row for each weekday, a column for each week, a panel for each year.

    A gray cell has no value. A dot marks a day with missing intervals.

    Parameters
    ----------
    df : DataFrame
        A tidy frame; series × years must be at most eight.
    """
    found = _theme.few(intervals.checked(df), _PANELS)
    table = totals.by_period(df, "day")
    date = table["period"].to_numpy().astype("datetime64[D]")
    table = table.assign(date=date, year=date.astype("datetime64[Y]").astype(int) + 1970)
    panels = list(table.groupby([*SERIES, "year"], observed=True, sort=False))
    if len(panels) > _PANELS:
        raise _theme.too_many(len(panels), _PANELS, "panels of series and years", found.keys)
    names = dict(zip(found.keys[SERIES].itertuples(index=False, name=None), _theme.names(found.keys), strict=True))
    titles = [f"{key[-1]}" + (f" {names[key[:-1]]}" if len(names) > 1 else "") for key, _ in panels]
    figure = _theme.grid(f"Day by day, {_theme.subject(found.keys)}", len(panels), 1, titles, height=190, each=150,
                         note=_theme.notes(found))  # fmt: skip
    # the years of a series share one color scale, so that they can be compared
    known = table[table["present"] > 0].groupby(SERIES, observed=True)["value"]
    scales = {key: _theme.color_scale(values) for key, values in known}
    for i, (key, part) in enumerate(panels):
        _year(figure, part, scales.get(key[:-1], {}), i + 1)
    return figure


def _year(figure: go.Figure, part: pd.DataFrame, colors: dict[str, Any], row: int) -> None:
    unit, year = str(part["unit"].iloc[0]), int(part["year"].iloc[0])
    first = np.datetime64(f"{year}-01-01", "D")
    every = np.arange(first, np.datetime64(f"{year + 1}-01-01", "D"))
    # ISO weekday as the row; weeks from the Monday on or before January 1 as the column
    weekday = (every.astype(np.int64) + 3) % 7
    week = (np.arange(len(every)) + weekday[0]) // 7
    place = (part["date"].to_numpy().astype("datetime64[D]") - first).astype(np.int64)
    value, share = np.full(len(every), np.nan), np.full(len(every), np.nan)
    value[place] = part["value"]
    share[place] = part["present"] / part["expected"]
    text = np.array([f"{d:%a %d %b %Y}" for d in pd.DatetimeIndex(every.astype("datetime64[us]"))], dtype=object)
    cells = {n: np.full((7, 54), np.nan) for n in ("value", "share", "none")}
    words = np.full((7, 54), "", dtype=object)
    cells["value"][weekday, week], cells["share"][weekday, week], words[weekday, week] = value, share, text
    cells["none"][weekday[share == 0], week[share == 0]] = 1.0
    base = {"y": list(_SHORT), "hoverongaps": False, "xgap": 1, "ygap": 1, "text": words}
    figure.add_heatmap(
        z=cells["none"], colorscale=[[0, _theme.FAINT], [1, _theme.FAINT]], showscale=False, row=row, col=1,
        hovertemplate="%{text}<br>no value<extra></extra>", **base,
    )  # fmt: skip
    figure.add_heatmap(
        z=cells["value"], customdata=100 * cells["share"], row=row, col=1, **colors,
        hovertemplate=f"%{{text}}<br>%{{z:.4g}} {unit}<br>%{{customdata:.3g}}% of its intervals<extra></extra>",
        colorbar=_theme.colorbar(unit, figure.layout[f"yaxis{row if row > 1 else ''}"].domain), **base,
    )  # fmt: skip
    part_days = (share > 0) & (share < 1)
    figure.add_scatter(
        x=week[part_days], y=[_SHORT[d] for d in weekday[part_days]], mode="markers", hoverinfo="skip",
        marker={"size": 4, "color": "white", "line": {"width": 1, "color": "black"}}, showlegend=False, row=row, col=1,
    )  # fmt: skip
    months = [int(week[d]) for d in np.flatnonzero(np.array([str(e)[8:] == "01" for e in every]))]
    figure.update_xaxes(
        tickvals=months, ticktext=list("JFMAMJJASOND"), range=[-0.5, 53.5], showgrid=False, zeroline=False,
        row=row, col=1,
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False, row=row, col=1)


def week(df: pd.DataFrame) -> go.Figure:
    """Draw the mean power by weekday and local time of day; one panel for each of at most eight series."""
    found = _theme.few(intervals.checked(df), _PANELS)
    table = shape.average_day(df, ("weekday",)).merge(shape.summarize(df)[[*SERIES, "minutes"]], on=SERIES)
    parts = [part for _, part in table.groupby(SERIES, observed=True, sort=False)]
    titles = _theme.names(_theme.series_of(table)) if len(parts) > 1 else None
    figure = _theme.grid(f"Weekday by hour, {_theme.subject(found.keys)}", len(parts), 1, titles, height=110, each=220,
                         note=_theme.notes(found))  # fmt: skip
    for i, part in enumerate(parts):
        unit, size = power_unit(str(part["unit"].iloc[0])), float(part["minutes"].iloc[0]) / 60
        cells = part.assign(weekday=part["weekday"].astype("str")).pivot(index="weekday", columns="hour", values="mean")
        # every slot of the day, as wide as its length
        hours = np.arange(0, 24, size)
        cells = cells.reindex(index=list(_periods.WEEKDAYS), columns=hours)
        clock = [f"{int(h):02d}:{round(h % 1 * 60):02d}" for h in hours]
        figure.add_heatmap(
            z=cells.to_numpy(), x=hours + size / 2, y=list(_SHORT), xgap=1 if size == 1 else 0, ygap=1,
            hoverongaps=False, text=[clock] * len(cells), **_theme.color_scale(cells.to_numpy()),
            colorbar=_theme.colorbar(unit, figure.layout[f"yaxis{i + 1 if i else ''}"].domain),
            hovertemplate=f"%{{y}} %{{text}}<br>%{{z:.4g}} {unit}<extra></extra>", row=i + 1, col=1,
        )  # fmt: skip
        figure.update_xaxes(
            title_text="local hour", tick0=0, dtick=3, range=[0, 24], showgrid=False, zeroline=False, row=i + 1, col=1
        )
        figure.update_yaxes(autorange="reversed", showgrid=False, row=i + 1, col=1)
    return figure


def completeness(df: pd.DataFrame) -> go.Figure:
    """Draw a row for each series and a cell for each local day: complete, estimated, incomplete, or no value."""
    found = intervals.checked(df)
    # reject too many series before the computation
    daily = found.keys[found.interval <= quality.DAILY]
    if len(daily) > _ROWS:
        raise _theme.too_many(len(daily), _ROWS, "series", daily)
    report = quality.assess(df)
    if not len(report.days):
        raise _theme.nothing()
    keys = report.days[SERIES].drop_duplicates(ignore_index=True)
    names = _theme.names(keys)
    row = report.days.merge(keys.assign(row=range(len(keys))), on=SERIES)["row"].to_numpy()
    date = report.days["date"].to_numpy().astype("datetime64[D]")
    every = np.arange(date.min(), date.max() + ONE_DAY)
    z, present, expected = (np.full((len(keys), len(every)), np.nan) for _ in range(3))
    place = (date - every[0]).astype(np.int64)
    counts = [report.days[n].to_numpy() for n in ("present", "expected", "estimated")]
    z[row, place] = quality.day_status(*counts)
    present[row, place], expected[row, place] = counts[0], counts[1]
    height = 150 + 22 * max(len(keys), 3)
    figure = _theme.sheet(f"Completeness, {_theme.subject(keys)}", note=_theme.notes(found), height=height)
    places, axis = _theme.dates(every)
    steps = [s for i, (color, _) in enumerate(quality.STATUS) for s in ((i / 4, color), ((i + 1) / 4, color))]
    figure.add_heatmap(
        z=z, x=places, y=names, zmin=-0.5, zmax=3.5, colorscale=steps, showscale=False, ygap=2,
        hoverongaps=False, customdata=np.dstack([present, expected]),
        hovertemplate="%{y}<br>%{x|%a %d %b %Y}<br>%{customdata[0]} of %{customdata[1]}<extra></extra>",
    )  # fmt: skip
    for color, meaning in quality.STATUS:
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=meaning, marker={"symbol": "square", "size": 10, "color": color}
        )
    figure.update_xaxes(axis, title_text="local date")
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False, title_text="series")
    return figure


DAY: Final = 24 * HOUR
_FACETS: Final = 6
_SLOTS: Final = tuple(m * 60 * US for m in (1, 5, 10, 15, 20, 30, 60))
"""Lengths of a row in microseconds: those that divide an hour."""


def heatmap(df: pd.DataFrame) -> go.Figure:
    """Draw a heatmap (carpet plot) of power: a column for each local day, a row for each time of day.

    On a spring-forward day, the skipped hour is blank. On a fall-back day, the second occurrence of the repeated hour
    is in separate rows above midnight. Times without a value are gray. Horizontal bands show habits; vertical bands
    show weather or absence.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of at most six series with intervals of an hour or less; one panel for each series.

    Raises
    ------
    SchemaError
        If there is no value, if there are too many series, or if a series has intervals of more than an hour.
    """
    found = _theme.few(checked(df), _FACETS)
    found = found.take(found.valid & (found.hours > 0))
    for code in range(len(found.keys)):
        if found.interval[code] > 3600:
            raise SchemaError(
                f"{found.label(code)} has intervals of {found.interval[code] / 3600:g} h, but a heatmap needs an hour "
                "or less",
                next_step="Filter out the series, or draw df.gk.plot.calendar().",
            )
    codes = np.unique(found.code)
    labels = [name if len(codes) > 1 else "" for name in _theme.names(found.keys)]
    figure = _theme.grid(
        f"Heatmap, {_theme.subject(found.keys)}", len(codes), 1, [labels[code] for code in codes], height=110,
        note=_theme.notes(found),
    )  # fmt: skip
    for place, code in enumerate(codes):
        _carpet(figure, found.take(found.code == code), int(code), labels[code], place + 1)
    return figure


def _carpet(figure: go.Figure, one: Intervals, code: int, label: str, row: int) -> None:
    unit = power_unit(one.keys["unit"].iloc[code])
    dates, slots, grid, exists = carpet(one, code)
    missing = np.where(exists & np.isnan(grid), np.float32(1), np.float32(np.nan))
    place, axis = _theme.dates(dates)
    base = {"x": place, "y": slots, "hoverongaps": False, "row": row, "col": 1}
    moment = "%{x|%a %d %b %Y} %{y}<br>"
    figure.add_heatmap(
        z=missing, colorscale=[[0, _theme.FAINT], [1, _theme.FAINT]], showscale=False,
        hovertemplate=f"{moment}no value<extra></extra>", **base,
    )  # fmt: skip
    figure.add_heatmap(
        z=grid, hovertemplate=f"{moment}%{{z:.4g}} {unit}<extra>{label}</extra>", **_theme.color_scale(grid),
        colorbar=_theme.colorbar(unit, figure.layout[f"yaxis{row if row > 1 else ''}"].domain), **base,
    )  # fmt: skip
    each = len([s for s in slots if not s.startswith("2nd")]) // 24
    ticks = [*slots[: 24 * each : 3 * each], *slots[24 * each :: each]]
    figure.update_xaxes(axis, row=row, col=1)
    figure.update_yaxes(type="category", showgrid=False, tickvals=ticks, title_text="local time", row=row, col=1)


def carpet(one: Intervals, code: int) -> tuple[Any, list[str], Floats, Any]:
    """Return one series as a grid of local times of day × local dates.

    Returns
    -------
    dates : array of datetime64[D]
        Every date from the first to the last.
    slots : list of str
        Times of day, ``00:00`` …; after them ``2nd 01:00`` … when an hour is repeated on one of the dates.
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
    names = [_clock_text(i * size) for i in range(DAY // size)] + [f"2nd {_clock_text(int(e) * size)}" for e in extra]
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
