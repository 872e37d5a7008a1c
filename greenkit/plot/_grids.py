"""Pictures of days as columns or cells: the hour × date carpet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greenkit import days
from greenkit.analysis.intervals import HOUR, Floats, Intervals, Ints, power_unit, used
from greenkit.days import US
from greenkit.errors import SchemaError
from greenkit.plot import _theme

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

DAY: Final = 24 * HOUR
_FACETS: Final = 6
_SLOTS: Final = tuple(m * 60 * US for m in (1, 5, 10, 15, 20, 30, 60))
"""Heights of a row: the lengths that divide an hour."""


def heatmap(df: pd.DataFrame) -> go.Figure:
    """Draw the carpet: a column for each local day, a row for each time of day, power as colour.

    On the day that clocks go forward the skipped hour is blank; on the day that they go back, the second pass of
    the repeated hour stands in rows of its own above midnight. Times without a value are grey. Horizontal bands
    are habits, vertical ones are weather or absence.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of at most six series with intervals of an hour or less; one panel for each series.

    Raises
    ------
    SchemaError
        When there is no value, too many series, or a series with intervals of more than an hour.
    """
    found = _theme.few(used(df), _FACETS)
    found = found.take(found.valid & (found.hours > 0))
    for code in range(len(found.keys)):
        if found.interval[code] > 3600:
            raise SchemaError(
                f"{found.label(code)} has intervals of {found.interval[code] / 3600:g} h, and the carpet needs an "
                "hour or less: filter the series out, or draw df.gk.plot.calendar()"
            )
    here = np.unique(found.code)
    labels = [name if len(here) > 1 else "" for name in _theme.names(found.keys)]
    figure = _theme.grid(
        f"Hour by date, {_theme.subject(found.keys)}", len(here), 1, [labels[code] for code in here], height=110
    )
    for place, code in enumerate(here):
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
        z=grid, hovertemplate=f"{moment}%{{z:.4g}} {unit}<extra>{label}</extra>", **_theme.colours(grid),
        colorbar=_theme.colorbar(unit, figure.layout[f"yaxis{row if row > 1 else ''}"].domain), **base,
    )  # fmt: skip
    each = len([s for s in slots if not s.startswith("2nd")]) // 24
    ticks = [*slots[: 24 * each : 3 * each], *slots[24 * each :: each]]
    figure.update_xaxes(axis, row=row, col=1)
    figure.update_yaxes(type="category", showgrid=False, tickvals=ticks, title_text="local time", row=row, col=1)


def carpet(one: Intervals, code: int) -> tuple[Any, list[str], Floats, Any]:
    """Lay one series on a grid of local times of day × local dates.

    Returns
    -------
    dates : array of datetime64[D]
        Every date from the first to the last.
    slots : list of str
        Times of day, ``00:00`` …; after them ``2nd 01:00`` … when an hour is repeated on one of the dates.
    grid : array of float64, slots × dates
        Mean power; NaN where there is none.
    exists : array of bool, slots × dates
        Which of these times the clock showed on that date, within the span of the data.
    """
    size = next(s for s in _SLOTS if s >= one.interval[code] * US)
    zone = str(one.keys["zone"].iloc[code])
    # the whole grid in true time, from the first local midnight to the end of the last day
    dates = np.arange(one.date.min(), one.date.max() + 1)
    first, last = days.midnights([dates[0].astype("M8[D]"), (dates[-1] + 1).astype("M8[D]")], zone)
    true = np.arange(first, last, size)
    wall = days.times(true, zone).tz_localize(None).to_numpy("datetime64[us]").view(np.int64)
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
    """Where the clock shows a time that it has shown before."""
    return np.append(False, wall[1:] <= np.maximum.accumulate(wall)[:-1])


def _slots(wall: Ints, again: Any, size: int) -> tuple[Ints, Ints]:
    """Row of each time: its slot of the day, or a row above midnight for the second pass of a repeated hour."""
    slot = (wall % DAY) // size
    extra = np.unique(slot[again])
    slot[again] = DAY // size + np.searchsorted(extra, slot[again])
    return slot, extra


def _clock_text(micros: int) -> str:
    minutes = micros // (60 * US)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
