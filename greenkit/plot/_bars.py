"""Bar charts: months or bills with their cost, and months by time-of-use period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from greenkit.analysis import _periods, blocks, intervals, totals
from greenkit.analysis.bills import Bills
from greenkit.analysis.shape import SERIES
from greenkit.errors import SchemaError, SettingsError
from greenkit.plot import _theme

if TYPE_CHECKING:
    import plotly.graph_objects as go

_PANELS: Final = 6
_LABELS: Final = 14
"""Most months that are all named on the axis; of more months, every second or third is named."""


def monthly(df: pd.DataFrame, *, bills: Bills | None = None) -> go.Figure:
    """Draw the totals of months, or of bill periods to scale, with those of the year before behind and the cost above.

    A hatched bar is incomplete: some of its intervals are missing, so it is lower than the total of the period.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of at most six series of amounts; one panel for each series.
    bills : DataFrame or sequence of dates, optional
        Draw these periods instead of months. See :func:`greenkit.analysis.totals.by_period`.
    """
    found = _theme.few(intervals.checked(df), _PANELS)
    table = totals.by_period(df, "month") if bills is None else totals.by_period(df, "bill", bills=bills)
    parts = [part for _, part in table.groupby(SERIES, observed=True, sort=False)]
    if not parts:
        raise _theme.nothing()
    title = f"{'Months' if bills is None else 'Bill periods'}, {_theme.subject(found.keys)}"
    names, colors = _theme.names(found.keys), _theme.colors(found.keys)
    second = "cost" in table.columns
    figure = _theme.grid(
        title, len(parts), 1, names if len(parts) > 1 else None, height=110, each=280,
        note=_theme.notes(found, "hatched: some intervals are missing"), second=second,
    )  # fmt: skip
    for i, part in enumerate(parts):
        _months(figure, part, colors[i], i + 1)
        if second and part["cost"].notna().any():
            _cost(figure, part, i + 1)
        _axes(figure, part, i + 1, months=bills is None)
    figure.update_layout(barmode="overlay", showlegend=len({trace.name for trace in figure.data}) > 1)
    return figure


def _axes(figure: go.Figure, part: pd.DataFrame, row: int, *, months: bool) -> None:
    start, unit = _local(part["start"]), str(part["unit"].iloc[0])
    title = unit if (part["statistic"] == "sum").all() else f"mean {unit}"
    edges = [str(start[0]), str(_local(part["end"]).max())]
    figure.update_xaxes(type="date", showgrid=False, range=edges, row=row, col=1)
    if months:
        each = -(-len(part) // _LABELS)
        middle = start + (_widths(part) / 2).astype("timedelta64[ms]")
        names = [f"{t:%b %Y}" for t in pd.DatetimeIndex(start)]
        figure.update_xaxes(tickvals=middle[::each].astype(str), ticktext=names[::each], row=row, col=1)
    figure.update_yaxes(title_text=title, rangemode="tozero", row=row, col=1, secondary_y=False)


def _months(figure: go.Figure, part: pd.DataFrame, color: str, row: int) -> None:
    unit, whole = str(part["unit"].iloc[0]), (part["present"] >= part["expected"]).to_numpy()
    start, width = _local(part["start"]), _widths(part)
    before = _year_before(part)
    shared = {"offset": 0, "row": row, "col": 1, "showlegend": row == 1}
    if np.isfinite(before).any():
        figure.add_bar(
            x=start, y=before, width=width, name="a year before", **shared,
            marker={"color": _theme.FAINT, "line": {"width": 0}},
            hovertemplate=f"a year before: %{{y:,.4g}} {unit}<extra></extra>",
        )  # fmt: skip
    figure.add_bar(
        x=start + (width * 0.12).astype("timedelta64[ms]"), y=part["value"], width=width * 0.76, name="total", **shared,
        customdata=np.stack([part["period"], part["present"], part["expected"]], axis=1),
        marker={
            "color": color, "line": {"width": 0},
            "pattern": {"shape": np.where(whole, "", "/"), "fgcolor": "rgba(255,255,255,0.75)"},
        },
        hovertemplate=f"%{{customdata[0]}}<br>%{{y:,.4g}} {unit}<br>%{{customdata[1]}} of %{{customdata[2]}} intervals"
        "<extra></extra>",
    )  # fmt: skip


def _local(times: pd.Series[Any]) -> Any:
    return pd.DatetimeIndex(times).tz_localize(None).to_numpy("datetime64[ms]")


def _widths(part: pd.DataFrame) -> Any:
    """Length of each period on the axis, in milliseconds."""
    return (_local(part["end"]) - _local(part["start"])).astype(np.float64)


def _year_before(part: pd.DataFrame) -> Any:
    """Return the total of the same month a year before; NaN for bills and for months without a total."""
    by_name = dict(zip(part["period"], part["value"], strict=True))
    names = [f"{int(p[:4]) - 1}{p[4:]}" if len(p) == 7 else "" for p in part["period"]]
    return np.array([by_name.get(n, np.nan) for n in names], dtype=np.float64)


def _cost(figure: go.Figure, part: pd.DataFrame, row: int) -> None:
    currency = str(part["currency"].iloc[0]) if "currency" in part.columns else "cost"
    middle = _local(part["start"]) + (_widths(part) / 2).astype("timedelta64[ms]")
    figure.add_scatter(
        x=middle, y=part["cost"], name="cost", mode="lines+markers", line={"color": _theme.COST, "width": 2},
        marker={"size": 7, "line": {"width": 1, "color": "white"}}, cliponaxis=False,
        showlegend=row == 1, hovertemplate=f"%{{y:,.2f}} {currency}<extra>cost</extra>",
        row=row, col=1, secondary_y=True,
    )  # fmt: skip
    low, high = min(0.0, part["cost"].min()), max(0.0, part["cost"].max())
    room = 0.08 * (high - low)
    figure.update_yaxes(
        title_text=currency, range=[low - room * (low < 0), high + room], showgrid=False, tickmode="auto",
        row=row, col=1, secondary_y=True,
    )  # fmt: skip


def tou(df: pd.DataFrame, names: Mapping[int, str] | None = None, *, schedule: str | None = None) -> go.Figure:
    """Draw each month's total by time-of-use period, with a switch to cost when the frame has costs.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of one series with the column ``tou`` (ESPI's time-of-use code; fill it yourself where the feed
        has none).
    names : dict, optional
        What the codes are called, such as ``{1: "on-peak"}``.

    schedule : {"wholesale"}, optional
        Draw the wholesale blocks 5x16, 2x16, and 7x8 (:mod:`greenkit.analysis.blocks`) instead of the column ``tou``.

    Raises
    ------
    SchemaError
        If there is no ``tou``, or if there is more than one series.
    """
    found, note = _theme.only(intervals.checked(df))
    if schedule not in (None, "wholesale"):
        raise SettingsError(
            f"schedule is {schedule!r}, but it must be 'wholesale'",
            next_step="Leave it out to use the column tou.",
        )
    if schedule is None and ("tou" not in df.columns or df["tou"].isna().all()):
        raise SchemaError(
            "The frame has no time-of-use codes", next_step="Fill the column tou with the codes of the tariff."
        )
    one = found.take(found.valid)
    laid = _periods.assign(one, _periods.MONTHS)
    if schedule is None:
        code = df["tou"].iloc[one.row].fillna(-1).to_numpy(dtype=np.int64)
    else:
        code, names = blocks.of(one).codes.astype(np.int64), names or dict(enumerate(blocks.NAMES))
    unit = str(found.keys["unit"].iloc[0])
    title = f"Months by time of use, {_theme.subject(found.keys)}"
    figure = _theme.sheet(title, note=_theme.notes(found, note), height=400, barmode="stack")
    amounts = {"value": one.amount}
    if "cost" in df.columns and df["cost"].notna().any():
        amounts["cost"] = df["cost"].iloc[one.row].fillna(0.0).to_numpy(dtype=np.float64)
    for what, amount in amounts.items():
        for i, value in enumerate(np.unique(code)):
            mine = code == value
            name = (names or {}).get(int(value), "unknown" if value == -1 else f"time of use {value}")
            figure.add_bar(
                x=laid.name, y=np.bincount(laid.where[mine], amount[mine], len(laid.name)), name=_theme.plain(name),
                marker={"color": _theme.COLORS[i % len(_theme.COLORS)]}, visible=what == "value",
            )  # fmt: skip
    if "cost" in amounts:
        _switch(figure, df, unit, len(np.unique(code)))
    figure.update_xaxes(type="category", showgrid=False, title_text="month")
    figure.update_yaxes(title_text=unit)
    return figure


def _switch(figure: go.Figure, df: pd.DataFrame, unit: str, n: int) -> None:
    currency = (
        str(df["currency"].dropna().iloc[0]) if "currency" in df.columns and df["currency"].notna().any() else "cost"
    )
    show = [[True] * n + [False] * n, [False] * n + [True] * n]
    buttons = [
        {"label": label, "method": "update", "args": [{"visible": visible}, {"yaxis.title.text": label}]}
        for label, visible in zip((unit, currency), show, strict=True)
    ]
    figure.update_layout(updatemenus=[{
        "type": "buttons", "direction": "right", "buttons": buttons, "x": 0, "xanchor": "left", "y": 1.02,
        "yanchor": "bottom", "bgcolor": "rgba(128,128,128,0.15)", "font": {"color": _theme.INK},
    }])  # fmt: skip
