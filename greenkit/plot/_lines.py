"""Charts over time: the load with its range slider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greenkit.analysis.intervals import HOUR, Bools, Floats, Intervals, checked, power_unit
from greenkit.plot import _theme
from greenkit.plot._clock import Clock, clock
from greenkit.times import US, Instants

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

POINTS: Final = 20_000
"""Most intervals of one series that are drawn individually; a longer series is drawn as means with their range."""
_LEGEND: Final = 2
"""Most legend entries that fit above the chart."""
_BINS: Final = (900, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400)
_BUTTONS: Final = ((1, "day", "1d"), (7, "day", "7d"), (1, "month", "1m"), (1, "year", "1y"))


def load(df: pd.DataFrame, *, points: int = POINTS) -> go.Figure:
    """Draw power over time as steps, with a range slider.

    Each series has a line, and each unit has a panel. Missing intervals leave a gap in the line, and estimated values
    are shaded. A series of more than ``points`` intervals is drawn as means over longer steps. A band shows the range
    from the lowest to the highest interval of each step, so that no peak is hidden.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of at most 12 series; kWh is drawn as kW (value ÷ hours).
    points : int
        Most intervals of one series to draw individually.

    Raises
    ------
    SchemaError
        If there is no value, or if there are more series than one chart can show.

    Notes
    -----
    The axis has one fixed offset from UTC, which its title names, so that the days of a DST change are not distorted.
    """
    found = _theme.few(checked(df))
    found = found.take(found.valid & (found.hours > 0))
    units = [power_unit(u) for u in found.keys["unit"]]
    panels = list(dict.fromkeys(units))
    axis = clock(found.start, list(found.keys["zone"]))
    mirrored = {"delivered", "received"} <= set(found.keys["flow"])
    notes = ["received is drawn below zero"] if mirrored else []
    if found.relations is not None:
        notes += found.relations.notes
    lines = [_Line.of(found.take(found.code == code), axis.offset, points) for code in range(len(found.keys))]
    if any(line.note for line in lines):
        notes.append("; ".join(dict.fromkeys(line.note for line in lines if line.note)))
    figure = _panels(f"Load of {_theme.subject(found.keys)}", "; ".join(notes), panels, axis)
    for code, (name, color) in enumerate(zip(_theme.names(found.keys), _theme.colors(found.keys), strict=True)):
        style = {"name": name, "legendgroup": name, "yaxis": _axis("y", panels.index(units[code]))}
        sign = -1 if mirrored and found.keys["flow"].iloc[code] == "received" else 1
        _draw(figure, lines[code], axis, units[code], color, sign, style)
    if sum(trace.showlegend is not False for trace in figure.data) > _LEGEND:
        # above the chart, many names would cover its buttons and its note
        figure.update_layout(
            legend={"yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"},
            height=figure.layout.height + 12 * len(figure.data),
        )
    return figure


def _panels(title: str, note: str, panels: list[str], axis: Clock) -> go.Figure:
    figure = _theme.sheet(title, note=note, height=330 + 150 * len(panels), hovermode="closest")
    each = 1 / len(panels)
    for i, unit in enumerate(panels):
        figure.layout[_axis("yaxis", i)] = {
            **figure.layout.yaxis.to_plotly_json(),
            "title": {"text": unit},
            "domain": [1 - (i + 1) * each + 0.04, 1 - i * each],
            "rangemode": "tozero",
            "anchor": "x",
        }
    buttons = [{"count": n, "step": step, "label": label, "stepmode": "backward"} for n, step, label in _BUTTONS]
    figure.update_xaxes(
        type="date",
        title_text=axis.title,
        anchor=_axis("y", len(panels) - 1),
        rangeslider={"visible": True, "thickness": 0.12, "bgcolor": _theme.CLEAR, "bordercolor": _theme.FAINT},
        rangeselector={
            "buttons": [*buttons, {"step": "all", "label": "all"}],
            "bgcolor": "rgba(128,128,128,0.15)",
            "activecolor": "rgba(128,128,128,0.4)",
            "y": 1.0,
            "yanchor": "bottom",
        },
    )
    return figure


def _axis(name: str, i: int) -> str:
    return name if i == 0 else f"{name}{i + 1}"


@dataclass(frozen=True)
class _Line:
    """One series as it is drawn: its intervals, or longer steps with their range."""

    start: Instants
    end: Instants
    power: Floats
    estimated: Bools
    band: tuple[Floats, Floats] | None = None
    note: str = ""

    @classmethod
    def of(cls, one: Intervals, offset: int, points: int) -> _Line:
        if len(one) <= points:
            return cls(one.start, one.end, one.power, one.estimated)
        # a band takes twice the corners of a line
        span = int(one.end.max() - one.start.min()) // US
        size = next((b for b in _BINS if 2 * span / b <= points), _BINS[-1]) * US
        step = (one.start + offset) // size
        first = np.flatnonzero(np.append(True, step[1:] != step[:-1]))
        mean = np.add.reduceat(one.power * one.hours, first) / np.add.reduceat(one.hours, first)
        low, high = np.minimum.reduceat(one.power, first), np.maximum.reduceat(one.power, first)
        start = step[first] * size - offset
        length = f"{size // (60 * US)} min" if size < HOUR else f"{size // HOUR} h"
        note = f"means of {length}, with the range from the lowest to the highest interval"
        return cls(start, start + size, mean, np.logical_or.reduceat(one.estimated, first), (low, high), note)


def _draw(figure: go.Figure, line: _Line, axis: Clock, unit: str, color: str, sign: int, style: dict[str, Any]) -> None:
    if line.band:
        x, y = _outline(line, *line.band)
        figure.add_scatter(
            x=axis.axis(x), y=sign * y, fill="toself", fillcolor=_theme.rgba(color, 0.3), line={"width": 0},
            mode="lines", hoverinfo="skip", showlegend=False, **style,
        )  # fmt: skip
    _steps_trace(figure, line, np.ones(len(line.start), dtype=bool), axis, unit, color, sign, style)
    if line.estimated.any():
        shaded = {"fill": "tozeroy", "fillcolor": _theme.rgba(_theme.ESTIMATED, 0.25), **style}
        shaded["name"] = f"{style['name']}, estimated"
        _steps_trace(figure, line, line.estimated, axis, unit, _theme.ESTIMATED, sign, shaded)


def _steps_trace(
    figure: go.Figure, line: _Line, where: Bools, axis: Clock, unit: str, color: str, sign: int, style: dict[str, Any]
) -> None:
    x, y = _steps(line.start[where], line.end[where], line.power[where])
    true = "customdata" if sign < 0 else "y"
    figure.add_scatter(
        x=axis.axis(x), y=sign * y, text=axis.hover(x), customdata=y if sign < 0 else None,
        hovertemplate=f"%{{text}}<br>%{{{true}:.4g}} {unit}<extra>%{{fullData.name}}</extra>",
        mode="lines", connectgaps=False, line={"shape": "hv", "width": 1.2, "color": color}, **style,
    )  # fmt: skip


def _breaks(start: Instants, end: Instants) -> Bools:
    """Return which intervals are followed by a gap; True for the last."""
    return np.append(start[1:] > end[:-1], np.ones(min(len(start), 1), dtype=bool))


def _steps(start: Instants, end: Instants, value: Floats) -> tuple[Instants, Floats]:
    """Return the corners of an ``hv`` step line: each run of adjacent intervals ends with its value and a break."""
    closes = _breaks(start, end)
    at = np.flatnonzero(closes) + 1
    x = np.insert(start, np.repeat(at, 2), np.repeat(end[closes], 2))
    y = np.insert(value, np.repeat(at, 2), np.stack([value[closes], np.full(len(at), np.nan)], axis=1).reshape(-1))
    return x[:-1], y[:-1]


def _outline(line: _Line, low: Floats, high: Floats) -> tuple[Instants, Floats]:
    """Return one polygon per run of adjacent steps: along the highest values and back along the lowest."""
    last = np.flatnonzero(_breaks(line.start, line.end))
    xs: list[Instants] = []
    ys: list[Floats] = []
    for a, b in zip(np.append(0, last[:-1] + 1), last + 1, strict=True):
        x = np.stack([line.start[a:b], line.end[a:b]], axis=1).reshape(-1)
        xs += [x, x[::-1], x[:1], x[:1]]
        ys += [np.repeat(high[a:b], 2), np.repeat(low[a:b], 2)[::-1], high[a : a + 1], np.array([np.nan])]
    return np.concatenate(xs)[:-1], np.concatenate(ys)[:-1]
