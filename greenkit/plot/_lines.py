"""Charts over time: the load with its range slider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greenkit import _style
from greenkit._style import Theme
from greenkit.analysis.intervals import HOUR, Bools, Floats, Intervals, checked, power_unit, reading_once
from greenkit.plot import _theme
from greenkit.plot._clock import Clock, clock
from greenkit.plot._theme import Names, Sheet
from greenkit.times import US, Instants

if TYPE_CHECKING:
    import datetime

    import pandas as pd
    import plotly.graph_objects as go

POINTS: Final = 40_000
"""Most intervals of one series that are drawn individually; a longer series is drawn as means with their range."""
_DAY: Final = 24 * HOUR
_LONG: Final = 62
"""Days from which a chart also shows daily means with their range."""
_SLIDER: Final = 36
"""Pixels of the margin below that a chart with a range slider does not need."""
_BINS: Final = (900, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400)
# days that a button shows → the button
_BUTTONS: Final = {
    1: {"count": 1, "step": "day", "label": "day"},
    7: {"count": 7, "step": "day", "label": "week"},
    31: {"count": 1, "step": "month", "label": "month"},
    366: {"count": 1, "step": "year", "label": "year"},
}


@reading_once()
def load(
    df: pd.DataFrame,
    *,
    meter: Names = None,
    flow: Names = None,
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    aggregate: str | None = None,
    points: int = POINTS,
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw power over local time as steps, with a range slider.

    Each series has a line, and each unit has a panel. Missing intervals leave a gap in the line, and estimated values
    are shaded. If a meter has delivered and received energy, export is drawn below zero, and a click on ``net`` in the
    legend shows the difference. Data of more than 62 days also has the mean of each day, with a band from the lowest to
    the highest interval; zoom in to see the intervals.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of at most 12 series; kWh is drawn as kW (value ÷ hours).
    meter, flow : str or sequence of str, optional
        Draw only these meters and flows; ``"export"`` is ``"received"``. Default: all.
    start, end : date or time, optional
        Draw the intervals that start in this window; ``end`` is exclusive. A date is a local midnight. Default: all.
    aggregate : str, optional
        Draw the mean power of each period instead of each interval: ``"15min"``, ``"30min"``, ``"hour"``, ``"day"``,
        ``"week"``, ``"month"``, ``"quarter"``, or ``"year"``. Default: as the data is.
    points : int
        Most intervals of one series to draw individually. A longer series is drawn as means over longer steps, with
        their range. Default: 40,000, more than a year of quarter-hours.
    title : str, optional
        Default: the chart and its meter. The subtitle states the period and the time zone.
    height : int, optional
        Height in pixels. Default: as the chart needs.
    theme : {"light", "dark", "page"}
        Page of the chart; ``"page"`` is transparent, for pages that set the color of text. Default: ``"light"``.

    Returns
    -------
    Figure
        Hover text is in local time. The two hours that a fall-back day repeats share one hour of the axis.

    Raises
    ------
    SchemaError
        If there is no value, or if there are more series than one chart can show.
    """
    df = _theme.choose(df, meter=meter, flow=flow, start=start, end=end, aggregate=aggregate)
    found = _theme.few(checked(df))
    found = _theme.few(found.take(found.valid & (found.hours > 0)))
    units = [power_unit(u) for u in found.keys["unit"]]
    panels = list(dict.fromkeys(units))
    axis = clock(found.start, list(found.keys["zone"]))
    mirrored = {"delivered", "received"} <= set(found.keys["flow"])
    lines = [_Line.of(found.take(found.code == code), points) for code in range(len(found.keys))]
    notes = [*dict.fromkeys(line.note for line in lines if line.note)]
    if mirrored:
        notes.append("export is below zero")
    notes += _repeats(axis, found)
    sheet = Sheet.of(
        f"Load, {_theme.subject(found.keys)}", _theme.notes(found, *notes, utc=True), given=title, height=height,
        usual=360 - _SLIDER + 150 * len(panels), theme=theme, hovermode="x unified",
    )  # fmt: skip
    _axes(sheet, panels, axis, found)
    for code, (name, color) in enumerate(zip(_theme.names(found.keys), _theme.colors(found.keys), strict=True)):
        if len(lines[code].start):
            below = mirrored and found.keys["flow"].iloc[code] == "received"
            _draw(sheet, lines[code], axis, _Pen(name, color, units[code], _y(panels, units[code]), -1 if below else 1))
    _net(sheet, found, lines, axis, panels)
    return sheet.figure()


def _repeats(axis: Clock, found: Intervals) -> list[str]:
    """Return a note if the repeated hour of a fall-back day is in the chart, with intervals within it."""
    first, last = int(found.start.min()), int(found.end.max())
    if found.interval.min() * US > HOUR:
        return []
    if any(first < at + by and last > at - by for at, by in axis.back):
        return ["the repeated hour is drawn at half its width"]
    return []


def _y(panels: list[str], unit: str) -> str:
    i = panels.index(unit)
    return "y" if i == 0 else f"y{i + 1}"


def _axes(sheet: Sheet, panels: list[str], axis: Clock, found: Intervals) -> None:
    each = 1 / len(panels)
    for i, unit in enumerate(panels):
        sheet.axis(
            f"yaxis{'' if i == 0 else i + 1}", unit, domain=[1 - (i + 1) * each + 0.04, 1 - i * each],
            rangemode="tozero", anchor="x",
        )  # fmt: skip
    span = int(found.end.max() - found.start.min()) / _DAY
    buttons = [button | {"stepmode": "backward"} for days, button in _BUTTONS.items() if days < span]
    selector: dict[str, Any] = {"visible": False}
    if buttons:
        sheet.layout["margin"]["t"] += 24
        selector = {
            "buttons": [*buttons, {"step": "all", "label": "all"}], "bgcolor": sheet.page.shade, "x": 0, "y": 1.0,
            "activecolor": sheet.page.line, "yanchor": "bottom", "font": {"size": _style.SIZES["small"]},
        }  # fmt: skip
    # plotly makes the room that the range slider needs below; the title of the axis needs its own without a legend
    sheet.layout["margin"]["b"] -= _SLIDER if len(found.keys) > 1 or found.estimated.any() else 0
    sheet.axis(
        "xaxis", axis.title, type="date", anchor="y" if len(panels) == 1 else f"y{len(panels)}",
        hoverformat="%a, %b %-d, %Y, %H:%M", rangeselector=selector, showspikes=False,
        rangeslider={"visible": True, "thickness": 0.1, "bgcolor": _theme.CLEAR, "bordercolor": sheet.page.grid,
                     "borderwidth": 1},
    )  # fmt: skip


@dataclass(frozen=True)
class _Pen:
    """How one series is drawn: its name, color, unit, y axis, and whether it is below zero (sign −1)."""

    name: str
    color: str
    unit: str
    y: str
    sign: int

    def style(self, label: str, *, listed: bool) -> dict[str, Any]:
        return {"axes": ("x", self.y), "name": label, "legendgroup": self.name, "showlegend": listed, "mode": "lines"}


@dataclass(frozen=True)
class _Line:
    """One series as it is drawn: its intervals, or longer steps with their range, and the means of its days."""

    start: Instants
    end: Instants
    power: Floats
    estimated: Bools
    band: tuple[Floats, Floats] | None = None
    days: _Line | None = None
    note: str = ""

    @classmethod
    def of(cls, one: Intervals, points: int) -> _Line:
        if not len(one):
            return cls(one.start, one.end, one.power, one.estimated)
        span = int(one.end.max() - one.start.min())
        fine = one.interval[one.code[0]] * US
        days = None
        if span > _LONG * _DAY and fine < _DAY:
            days = cls._steps_of(one, one.wall // _DAY)
        if len(one) <= points:
            note = "thick: mean of each day, with a band from its lowest to its highest interval" if days else ""
            return cls(one.start, one.end, one.power, one.estimated, days=days, note=note)
        # a band takes twice the corners of a line
        size = next((b for b in _BINS if 2 * span / US / b <= points), _BINS[-1]) * US
        line = cls._steps_of(one, one.start // size if size <= HOUR else one.wall // size)
        length = f"{size // (60 * US)} min" if size < HOUR else f"{size // HOUR} h"
        if days and size < _DAY:
            note = (
                f"thin: means of {length}; thick: mean of each day, with a band from its lowest to its highest interval"
            )
            return cls(line.start, line.end, line.power, line.estimated, None, days, note)
        note = f"means of {length}, with a band from the lowest to the highest interval"
        return cls(line.start, line.end, line.power, line.estimated, line.band, None, note)

    @classmethod
    def _steps_of(cls, one: Intervals, step: Any) -> _Line:
        """Return the means of runs of intervals that have the same ``step``, with their range."""
        first = np.flatnonzero(np.append(True, step[1:] != step[:-1]))
        last = np.append(first[1:], len(step)) - 1
        mean = np.add.reduceat(one.power * one.hours, first) / np.add.reduceat(one.hours, first)
        band = np.minimum.reduceat(one.power, first), np.maximum.reduceat(one.power, first)
        return cls(one.start[first], one.end[last], mean, np.logical_or.reduceat(one.estimated, first), band)


def _draw(sheet: Sheet, line: _Line, axis: Clock, pen: _Pen) -> None:
    wide = line.days or line
    if wide.band:
        x, y = _outline(wide, axis, *wide.band)
        sheet.add(
            "scatter", x=x, y=np.float32(pen.sign * y), fill="toself", line={"width": 0},
            fillcolor=_style.rgba(pen.color, 0.22), hoverinfo="skip", **pen.style(pen.name, listed=False),
        )  # fmt: skip
    if line.days:
        _thin_trace(sheet, line, axis, pen)
        _step_trace(sheet, line.days, axis, pen, label=f"{pen.name}, mean of the day")
    else:
        _step_trace(sheet, line, axis, pen)
    if line.estimated.any():
        _estimated(sheet, line, axis, pen)


def _step_trace(sheet: Sheet, line: _Line, axis: Clock, pen: _Pen, *, label: str = "") -> None:
    x, y, place = _steps(axis.axis(line.start), axis.ends(line.end), line.power)
    words = axis.repeated(line.start)
    sheet.add(
        "scatter", x=x, connectgaps=False, line={"shape": "hv", "width": 2 if label else 1.3, "color": pen.color},
        **_values(pen, y, [words[i] for i in place.tolist()] if any(words) else []),
        **pen.style(label or pen.name, listed=True),
    )  # fmt: skip


def _values(pen: _Pen, y: Floats, words: list[str]) -> dict[str, Any]:
    """Return the values of a trace and its hover text, which shows a value below zero as it is."""
    shown = "y" if pen.sign > 0 else "customdata"
    extra: dict[str, Any] = {"text": words} if words else {}
    if pen.sign < 0:
        extra["customdata"] = np.float32(y)
    template = f"%{{{shown}:,.4~g}} {pen.unit}{'%{text}' if words else ''}"
    return {"y": np.float32(pen.sign * y), "hovertemplate": template, **extra}


def _thin_trace(sheet: Sheet, line: _Line, axis: Clock, pen: _Pen) -> None:
    """Draw the intervals of a long series as a thin line, with one number for each of them.

    The position of a value follows from its index, so that a year of quarter-hours needs no times. A slot without an
    interval is NaN. What does not fit into the slots is a second trace: the last interval before each gap, because a
    step ends at the next value, and the intervals of a repeated hour.
    """
    x, end = axis.axis(line.start), axis.ends(line.end)
    size = float(np.median(end - x))
    slot = np.round((x - x[0]) / size).astype(np.int64)
    fits = (np.abs(x[0] + slot * size - x) < 1) & (np.abs(end - x - size) < 1)
    if fits.mean() < 0.9 or slot[-1] > 3 * len(x):
        _step_trace(sheet, line, axis, pen)
        return
    grid = np.full(int(slot[-1]) + 1, np.nan)
    grid[slot[fits]] = line.power[fits]
    style: dict[str, Any] = {
        "line": {"shape": "hv", "width": 0.8, "color": _style.rgba(pen.color, 0.4)},
        "connectgaps": False,
    }
    style |= pen.style(pen.name, listed=False)
    sheet.add("scatter", x0=float(x[0]), dx=size, **_values(pen, grid, []), **style)
    followed = np.append(np.isfinite(grid[1:]), False)
    rest = ~fits | ~followed[slot]
    if rest.any():
        corners = np.stack([x[rest], end[rest], end[rest]], axis=1).reshape(-1)
        y = np.stack([line.power[rest], line.power[rest], np.full(int(rest.sum()), np.nan)], axis=1).reshape(-1)
        words = np.repeat(np.array(axis.repeated(line.start[rest]), dtype=object), 3).tolist()
        sheet.add("scatter", x=corners, **_values(pen, y, words), **style)
        if not any(words):
            sheet.data[-1]["hoverinfo"] = "skip"
            del sheet.data[-1]["hovertemplate"]


def _estimated(sheet: Sheet, line: _Line, axis: Clock, pen: _Pen) -> None:
    """Shade each stretch of estimated values as a polygon from zero to the line."""
    kept = line.estimated
    part = _Line(line.start[kept], line.end[kept], line.power[kept], kept[kept])
    x, y = _outline(part, axis, np.zeros(len(part.power)), part.power)
    listed = not any(t.get("legendgroup") == "estimated" for t in sheet.data)
    sheet.add(
        "scatter", axes=("x", pen.y), x=x, y=np.float32(pen.sign * y), name="estimated", legendgroup="estimated",
        showlegend=listed, mode="lines", fill="toself", fillcolor=_style.rgba(_style.ESTIMATED, 0.35),
        line={"width": 1, "color": _style.ESTIMATED}, hoverinfo="skip",
    )  # fmt: skip


def _net(sheet: Sheet, found: Intervals, lines: list[_Line], axis: Clock, panels: list[str]) -> None:
    """Add delivered − received of each meter and unit that has both, as a line that a click on its name shows."""
    keys = found.keys.assign(code=range(len(found.keys)))
    for (meter, unit), both in keys.groupby(["meter", "unit"], sort=False, observed=True):
        codes = dict(zip(both["flow"], both["code"], strict=True))
        if "net" in codes or len(both) != len(codes) or not {"delivered", "received"} <= set(codes):
            continue
        sides = [lines[codes[flow]] for flow in ("delivered", "received")]
        if all(side.days for side in sides):
            sides = [side.days for side in sides if side.days]
        start, one, other = np.intersect1d(sides[0].start, sides[1].start, return_indices=True)
        if not len(start):
            continue
        line = _Line(start, sides[0].end[one], sides[0].power[one] - sides[1].power[other], np.zeros(len(one), bool))
        name = "net" if keys["meter"].nunique() == 1 else f"{_theme.plain(str(meter))} · net"
        if len(panels) > 1:
            name = f"{name} · {_theme.plain(str(unit))}"
        pen = _Pen(name, _style.FLOWS["net"], power_unit(str(unit)), _y(panels, power_unit(str(unit))), 1)
        _step_trace(sheet, line, axis, pen)
        sheet.data[-1]["visible"] = "legendonly"


def _breaks(start: Any, end: Any) -> Bools:
    """Return which intervals are followed by a gap; True for the last. Positions of a millisecond are the same."""
    return np.append(start[1:] > end[:-1] + 1, np.ones(min(len(start), 1), dtype=bool))


def _steps(start: Floats, end: Floats, value: Floats) -> tuple[Floats, Floats, Any]:
    """Return the corners of an ``hv`` step line, and the interval of each corner.

    Each run of adjacent intervals ends with its value and a break. For intervals [0, 1), [1, 2), [4, 5) with the values
    7, 8, 9, the corners are x = 0, 1, 2, 2, 4, 5 and y = 7, 8, 8, NaN, 9, 9.
    """
    closes = _breaks(start, end)
    at = np.repeat(np.flatnonzero(closes) + 1, 2)
    x = np.insert(start, at, np.repeat(end[closes], 2))
    y = np.insert(value, at, np.stack([value[closes], np.full(int(closes.sum()), np.nan)], axis=1).reshape(-1))
    place = np.insert(np.arange(len(start)), at, np.repeat(np.flatnonzero(closes), 2))
    return x[:-1], y[:-1], place[:-1]


def _outline(line: _Line, axis: Clock, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return one polygon per run of adjacent steps: along the highest values and back along the lowest."""
    start, end = axis.axis(line.start), axis.ends(line.end)
    last = np.flatnonzero(_breaks(start, end))
    xs: list[Floats] = []
    ys: list[Floats] = []
    for a, b in zip(np.append(0, last[:-1] + 1), last + 1, strict=True):
        x = np.stack([start[a:b], end[a:b]], axis=1).reshape(-1)
        xs += [x, x[::-1], x[:1], x[:1]]
        ys += [np.repeat(high[a:b], 2), np.repeat(low[a:b], 2)[::-1], high[a : a + 1], np.array([np.nan])]
    return np.concatenate(xs)[:-1], np.concatenate(ys)[:-1]
