"""Bar charts: days, months or bills with their cost, and months by time-of-use period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from greenkit import _style, tariffs
from greenkit._style import Theme
from greenkit.analysis import _periods, blocks, intervals, totals
from greenkit.analysis.bills import Bills
from greenkit.analysis.intervals import HOUR, Floats, Intervals, reading_once
from greenkit.analysis.shape import SERIES
from greenkit.errors import SchemaError, SettingsError
from greenkit.plot import _theme
from greenkit.plot._theme import Names, Sheet
from greenkit.times import to_instants

if TYPE_CHECKING:
    import datetime

    import plotly.graph_objects as go

    from greenkit.tariffs import Plan

_PANELS: Final = 6
_LABELS: Final = 12
"""Most months that are all named on the axis; of more months, every second or third is named."""
_MARKED: Final = 62
"""Most periods whose values on a line have markers; a line over more is shown by a click on its name."""
_EACH_DAY: Final = 21
"""Most days for which greenkit sets the ticks on days; plotly would set them between days."""
_DAY_MS: Final = 86_400_000.0
# "overlay" keeps the color of the bar below the lines
_HATCH: Final = {"shape": "/", "fillmode": "overlay", "fgcolor": "#ffffff", "fgopacity": 0.75, "size": 5}
_OTHER: Final = "other hours"
_PANDAS: Final = {"day": "D", "week": "W", "month": "M", "quarter": "Q", "year": "Y"}
_DEMAND: Final = (_style.COLORS[3], _style.COLORS[2])
"""Colors of at most two series of demand."""


@reading_once()
def daily(
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
    """Draw the energy of each local day as bars, with export below zero and the net of each day as a line.

    If the frame also has a demand series (kW, kVA), a line shows the highest demand of each day on a second axis. A
    hatched bar is incomplete: some of the intervals of the day are missing.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of amounts in one unit, of at most 12 series.
    meter, flow, start, end, title, height, theme
        As in :func:`greenkit.plot.load`.
    aggregate : {"day", "week", "month", "quarter", "year"}, optional
        Period of a bar. Default: ``"day"``.

    Raises
    ------
    SchemaError
        If there is no amount to draw, or if the amounts have several units.
    """
    period = totals.SPELLINGS.get(aggregate or "day", "")
    if period not in ("day", "week", "month", "quarter", "year"):
        raise SettingsError(
            f"aggregate is {aggregate!r}, but it must be a period of whole days",
            next_step="Use day, week, month, quarter, or year.",
        )
    df = _theme.choose(df, meter=meter, flow=flow, start=start, end=end)
    sums = df["unit"].isin(sorted(intervals.POWER))
    both = sums.any() and not sums.all()
    amounts, rates = (df[sums], df[~sums]) if both else (df, None)
    found = _theme.few(intervals.checked(amounts))
    units = list(dict.fromkeys(found.keys["unit"]))
    if len(units) > 1:
        raise _theme.one_unit(units)
    table = totals.by_period(amounts, period)
    mirrored = {"delivered", "received"} <= set(found.keys["flow"])
    what = {"day": "Energy per day" if units[0] == "kWh" else "Amount per day"}.get(period, f"Total per {period}")
    partial = (table["present"] < table["expected"]) & (table["present"] > 0)
    sheet = Sheet.of(
        f"{what}, {_theme.subject(found.keys)}",
        _theme.notes(
            found, "export is below zero" if mirrored else "",
            "hatched: some intervals are missing" if partial.any() else "",
        ),
        given=title, height=height, usual=400, theme=theme, barmode="relative" if mirrored else "group",
        hovermode="x unified", bargap=0.15,
    )  # fmt: skip
    first, last = _local(table, "start").min(), _local(table, "end").max()
    zones = list(found.keys["zone"])
    sheet.axis("xaxis", _style.time_title(zones, "Local date", local=True), type="date", showgrid=False,
               range=[str(first), str(last)], anchor="y",
               hoverformat="%a, %b %-d, %Y" if period == "day" else "%b %-d, %Y")  # fmt: skip
    count = int((last - first) / np.timedelta64(1, "D"))
    if period == "day" and count <= _EACH_DAY:
        # in the middle of the bars
        sheet.axis("xaxis", tick0=str(first + np.timedelta64(12, "h")), dtick=_DAY_MS * -(-count // 8),
                   tickformat="%b %-d\n%Y")  # fmt: skip
    sheet.axis("yaxis", units[0] if (table["statistic"] == "sum").all() else f"mean {units[0]}", anchor="x",
               rangemode="tozero")  # fmt: skip
    names, colors = _theme.names(found.keys), _theme.colors(found.keys)
    parts = dict(iter(table.groupby(SERIES, observed=True, sort=False)))
    for i, key in enumerate(found.keys[SERIES].itertuples(index=False, name=None)):
        place = (0, 1) if mirrored else (i, len(found.keys))
        _day_bars(sheet, parts[key], names[i], colors[i], place, below=mirrored and key[1] == "received")
    if found.keys["meter"].nunique() == 1 and not found.keys["flow"].duplicated().any():
        _net_line(sheet, dict(zip(found.keys["flow"], parts.values(), strict=True)))
    if rates is not None:
        _demand(sheet, rates, period)
    return sheet.figure()


def _day_bars(sheet: Sheet, part: pd.DataFrame, name: str, color: str, place: tuple[int, int], *, below: bool) -> None:
    """Draw the bars of one series. ``place`` is (i, n): the i-th of n series that share the width of a day."""
    # plotly does not group bars that have a width, so each has its offset from the middle of the day
    i, n = place
    whole = (part["present"] >= part["expected"]).to_numpy()
    start, width = _ms(part, "start"), _widths(part)
    counts = np.stack([part["value"], part["present"], part["expected"]], axis=1)
    sheet.add(
        "bar", x=start + width / 2, y=(-1 if below else 1) * part["value"].to_numpy(), width=width * 0.85 / n,
        offset=width * 0.85 * (i / n - 0.5), name=name,
        customdata=counts, marker={"color": color, "line": {"width": 0}, "pattern": _pattern(whole)},
        hovertemplate=f"%{{customdata[0]:,.4~g}} {part['unit'].iloc[0]} (%{{customdata[1]:,}} of %{{customdata[2]:,}} "
        "intervals)",
    )  # fmt: skip


def _pattern(whole: Any) -> dict[str, Any]:
    return {} if whole.all() else {**_HATCH, "shape": np.where(whole, "", "/").tolist()}


def _net_line(sheet: Sheet, parts: Mapping[str, pd.DataFrame]) -> None:
    """Draw delivered − received of the periods that both have; ``parts`` holds the totals of each flow."""
    if not {"delivered", "received"} <= set(parts) or "net" in parts:
        return
    one, other = parts["delivered"], parts["received"]
    start, a, b = np.intersect1d(_ms(one, "start"), _ms(other, "start"), return_indices=True)
    few = len(start) <= _MARKED
    sheet.add(
        "scatter", x=start + _widths(one)[a] / 2, y=one["value"].to_numpy()[a] - other["value"].to_numpy()[b],
        name="net", visible=True if few else "legendonly", mode="lines+markers" if few else "lines",
        line={"width": 1.5, "color": _style.FLOWS["net"]}, marker={"size": 4},
        hovertemplate=f"%{{y:,.4~g}} {one['unit'].iloc[0]}",
    )  # fmt: skip


def _demand(sheet: Sheet, rates: pd.DataFrame, period: str) -> None:
    """Draw the highest demand of each period on a second axis."""
    found = intervals.checked(rates)
    one = found.take(found.valid)
    codes = [c for c in range(len(one.keys)) if str(one.keys["unit"].iloc[c]) in ("kW", "kVA", "kvar")]
    codes = codes[: len(_DEMAND)]
    if not codes:
        return
    units = [str(unit) for unit in one.keys["unit"].iloc[codes]]
    names = _theme.names(one.keys.iloc[codes].reset_index(drop=True))
    sheet.axis("yaxis2", f"highest demand [{', '.join(dict.fromkeys(units))}]", anchor="x", overlaying="y",
               side="right", showgrid=False, rangemode="tozero", tickmode="auto")  # fmt: skip
    for code, unit, name, color in zip(codes, units, names, _DEMAND, strict=False):
        mine = one.take(one.code == code)
        dates = pd.Series(mine.wall.view("datetime64[us]")).dt.to_period(_PANDAS[period])
        highest = pd.Series(mine.power).groupby(dates).max()
        periods = pd.PeriodIndex(highest.index)
        edges = (periods.start_time, (periods + 1).start_time)
        first, last = (edge.to_numpy("datetime64[ms]").astype(np.float64) for edge in edges)
        sheet.add(
            "scatter", ("x", "y2"), x=(first + last) / 2, y=highest.to_numpy(),
            name="demand" if len(codes) == 1 else f"demand · {name}",
            mode="lines+markers" if len(highest) <= _MARKED else "lines",
            line={"width": 1.5, "color": color}, marker={"size": 4}, hovertemplate=f"%{{y:,.4~g}} {unit}",
        )  # fmt: skip


# -- months and bills


@reading_once()
def monthly(
    df: pd.DataFrame,
    *,
    bills: Bills | None = None,
    meter: Names = None,
    flow: Names = None,
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    aggregate: str | None = None,
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw the totals of months, or of bill periods to scale, with those of the year before behind and the cost above.

    A hatched bar is incomplete: some of its intervals are missing, so it is lower than the total of the period.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of at most six series of amounts; one panel for each series.
    bills : DataFrame or sequence of dates, optional
        Draw these periods instead of months. See :func:`greenkit.analysis.totals.by_period`.
    meter, flow, start, end, title, height, theme
        As in :func:`greenkit.plot.load`.
    aggregate : {"month", "quarter", "year", "week"}, optional
        Period of a bar, without ``bills``. Default: ``"month"``.
    """
    period = "bill" if bills is not None else totals.SPELLINGS.get(aggregate or "month", "")
    if period not in ("week", "month", "quarter", "year", "bill"):
        raise SettingsError(
            f"aggregate is {aggregate!r}, but it must be a period", next_step="Use week, month, quarter, or year."
        )
    df = _theme.choose(df, meter=meter, flow=flow, start=start, end=end)
    found = _theme.few(intervals.checked(df), _PANELS)
    table = totals.by_period(df, period, bills=bills)
    parts = [part for _, part in table.groupby(SERIES, observed=True, sort=False)]
    if not parts:
        raise _theme.nothing()
    what = {"month": "Months", "bill": "Bill periods", "week": "Weeks", "quarter": "Quarters", "year": "Years"}[period]
    keys = _theme.series_of(table)
    names = _theme.names(keys)
    colors = dict(zip(_theme.names(found.keys), _theme.colors(found.keys), strict=True))
    partial = bool((table["present"] < table["expected"]).any())
    sheet = Sheet.of(
        f"{what}, {_theme.subject(found.keys)}",
        _theme.notes(found, "hatched: some intervals are missing" if partial else ""),
        given=title, theme=theme, barmode="overlay",
    )  # fmt: skip
    axes = sheet.panels(len(parts), 1, names if len(parts) > 1 else [], each=240, height=height)
    for i, (part, pair) in enumerate(zip(parts, axes, strict=True)):
        named = (i == 0) if len(parts) == 1 else True
        _months(sheet, part, colors.get(names[i], _style.COLORS[0]), pair, "total" if len(parts) == 1 else names[i],
                named=named, first=i == 0)  # fmt: skip
        if "cost" in table.columns and part["cost"].notna().any():
            _cost(sheet, part, pair, len(parts), first=i == 0)
        _axes(sheet, part, pair, named_months=period == "month")
    return sheet.figure()


def _axes(sheet: Sheet, part: pd.DataFrame, axes: tuple[str, str], *, named_months: bool) -> None:
    start, unit = _local(part, "start"), str(part["unit"].iloc[0])
    settings: dict[str, Any] = {}
    if named_months:
        each = -(-len(part) // _LABELS)
        middle = start + (_widths(part) / 2).astype("timedelta64[ms]")
        names = [f"{t:%b}<br>{t:%Y}" if i == 0 or t.month == 1 else f"{t:%b}"
                 for i, t in enumerate(pd.DatetimeIndex(start))]  # fmt: skip
        settings = {"tickvals": middle[::each].astype(str).tolist(), "ticktext": names[::each]}
        if each > 1:
            settings["ticktext"] = [f"{t:%b}<br>{t:%Y}" for t in pd.DatetimeIndex(start)][::each]
    edges = [str(start[0]), str(_local(part, "end").max())]
    sheet.axis(f"xaxis{axes[0][1:]}", type="date", showgrid=False, range=edges, **settings)
    title = unit if (part["statistic"] == "sum").all() else f"mean {unit}"
    sheet.axis(f"yaxis{axes[1][1:]}", title, rangemode="tozero")


def _months(
    sheet: Sheet, part: pd.DataFrame, color: str, axes: tuple[str, str], name: str, *, named: bool, first: bool
) -> None:
    unit, whole = str(part["unit"].iloc[0]), (part["present"] >= part["expected"]).to_numpy()
    start, width = _ms(part, "start"), _widths(part)
    before = _year_before(part)
    if np.isfinite(before).any():
        sheet.add(
            "bar", axes, x=start, y=before, width=width, offset=0, name="a year before", legendgroup="before",
            showlegend=first, marker={"color": sheet.page.shade, "line": {"width": 0}},
            hovertemplate=f"a year before: %{{y:,.4~g}} {unit}<extra></extra>",
        )  # fmt: skip
    names = [_theme.period_label(p) for p in part["period"]]
    sheet.add(
        "bar", axes, x=start + width * 0.12, y=part["value"].to_numpy(), width=width * 0.76, offset=0, name=name,
        showlegend=named, marker={"color": color, "line": {"width": 0}, "pattern": _pattern(whole)},
        customdata=np.stack([np.array(names, dtype=object), part["present"], part["expected"]], axis=1),
        hovertemplate=f"%{{customdata[0]}}<br>%{{y:,.4~g}} {unit}<br>%{{customdata[1]}} of %{{customdata[2]}} intervals"
        "<extra></extra>",
    )  # fmt: skip


def _local(part: pd.DataFrame, edge: str) -> Any:
    """Return the start or the end of periods in the time zone of their meter; a table of several zones is in UTC."""
    times = pd.DatetimeIndex(part[edge])
    if str(times.tz) != "UTC":
        return times.tz_localize(None).to_numpy("datetime64[ms]")
    code, zones = pd.factorize(part["zone"].astype("str"))
    return intervals.local(to_instants(times), code, list(zones)).view("datetime64[us]").astype("datetime64[ms]")


def _ms(part: pd.DataFrame, edge: str) -> Floats:
    """Return local times as milliseconds of a plotly axis."""
    return np.asarray(_local(part, edge).astype(np.int64), dtype=np.float64)


def _widths(part: pd.DataFrame) -> Floats:
    """Return the length of each period on the axis, in milliseconds."""
    return np.asarray(_ms(part, "end") - _ms(part, "start"))


def _year_before(part: pd.DataFrame) -> Any:
    """Return the total of the same month a year before; NaN for bills and for months without a total."""
    by_name = dict(zip(part["period"], part["value"], strict=True))
    names = [f"{int(p[:4]) - 1}{p[4:]}" if len(p) == 7 else "" for p in part["period"]]
    return np.array([by_name.get(n, np.nan) for n in names], dtype=np.float64)


def _cost(sheet: Sheet, part: pd.DataFrame, axes: tuple[str, str], panels: int, *, first: bool) -> None:
    currency = str(part["currency"].iloc[0]) if "currency" in part.columns else "cost"
    number = panels + (int(axes[1][1:]) if axes[1][1:] else 1)
    low, high = min(0.0, part["cost"].min()), max(0.0, part["cost"].max())
    room = 0.08 * (high - low)
    sheet.axis(
        f"yaxis{number}", currency, anchor=axes[0], overlaying=axes[1], side="right", showgrid=False,
        range=[low - room * (low < 0), high + room], tickmode="auto",
    )  # fmt: skip
    sheet.add(
        "scatter", (axes[0], f"y{number}"), x=_ms(part, "start") + _widths(part) / 2, y=part["cost"].to_numpy(),
        name="cost", legendgroup="cost", showlegend=first, cliponaxis=False,
        mode="lines+markers" if len(part) <= _MARKED else "lines",
        line={"color": _style.COST, "width": 2}, marker={"size": 7, "line": {"width": 1, "color": "white"}},
        hovertemplate=f"%{{y:,.2f}} {currency}<extra>cost</extra>",
    )  # fmt: skip


# -- time of use


@reading_once()
def tou(
    df: pd.DataFrame,
    names: Mapping[int, str] | None = None,
    *,
    schedule: str | Mapping[str, str | Mapping[str, str]] | Plan | None = None,
    meter: Names = None,
    flow: Names = None,
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    aggregate: str | None = None,
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw each month's total by time-of-use period; one panel for each flow, and a switch to cost if there are costs.

    Series that have no total, such as demand in kW, are not drawn.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of at most six series; without ``schedule``, with the column ``tou`` (ESPI's time-of-use code).
    names : dict, optional
        The names of the codes, such as ``{1: "on-peak"}``.
    schedule : {"wholesale"}, mapping, or Plan, optional
        Where the periods come from, instead of the column ``tou``: the wholesale blocks 5x16, 2x16, and 7x8
        (:mod:`greenkit.analysis.blocks`); windows of local hours by name, such as ``{"on-peak": "16-21"}`` or
        ``{"on-peak": {"hours": "16-21", "days": "weekdays"}}``, with all other time as "other hours"; or the energy
        periods of a plan (:func:`greenkit.load_plan`).
    meter, flow, start, end, title, height, theme
        As in :func:`greenkit.plot.load`.
    aggregate : {"day", "week", "month", "quarter", "year"}, optional
        Period of a bar. Default: ``"month"``.

    Raises
    ------
    SchemaError
        If there is neither a column ``tou`` nor a schedule, if a schedule is for intervals longer than an hour, if
        there are too many series, or if none has a total.
    SettingsError
        If the schedule is not one of these.
    """
    calendars = {"day": _periods.DAYS, "week": _periods.WEEKS, "month": _periods.MONTHS, "quarter": _periods.QUARTERS,
                 "year": _periods.YEARS}  # fmt: skip
    calendar = calendars.get(totals.SPELLINGS.get(aggregate or "month", ""))
    if calendar is None:
        raise SettingsError(f"aggregate is {aggregate!r}, but it must be a period",
                            next_step=f"Use one of {', '.join(calendars)}.")  # fmt: skip
    df = _theme.choose(df, meter=meter, flow=flow, start=start, end=end)
    found = _theme.few(intervals.checked(df), _PANELS)
    sums = np.array([intervals.adds_up(str(unit)) for unit in found.keys["unit"]], dtype=bool)
    one = found.take(found.valid & sums[found.code])
    if not len(one):
        units = list(dict.fromkeys(found.keys["unit"]))
        raise _theme.no_totals(units, "Pass a frame of energy or another amount.")
    if schedule is not None:
        monthly = "Filter out the series, or draw df.gk.plot.monthly()."
        intervals.check_lengths(one, 3600, "a schedule", next_step=monthly)
    words, code = _periods_of(df, one, names, schedule)
    laid = _periods.assign(one, calendar)
    amounts: dict[str, Floats] = {"value": one.amount}
    if "cost" in df.columns and df["cost"].notna().any():
        amounts["cost"] = df["cost"].iloc[one.row].fillna(0.0).to_numpy(dtype=np.float64)
    codes = np.unique(one.code)
    labels = [_theme.names(found.keys)[c] if len(codes) > 1 else "" for c in codes]
    sheet = Sheet.of(f"Time of use, {_theme.subject(found.keys)}", _theme.notes(found), given=title, theme=theme,
                     barmode="stack", hovermode="x unified")  # fmt: skip
    if "cost" in amounts:
        sheet.top += 44
    axes = sheet.panels(len(codes), 1, labels, each=240, height=height)
    used = [i for i in range(len(words)) if (code == i).any()]
    for what, amount in amounts.items():
        for panel, (c, pair) in enumerate(zip(codes, axes, strict=True)):
            rows = np.flatnonzero(laid.code == c)
            for i in used:
                mine = (code == i) & (one.code == c)
                total = np.bincount(laid.where[mine], amount[mine], len(laid.name))[rows]
                unit = str(found.keys["unit"].iloc[c]) if what == "value" else _currency(df)
                sheet.add(
                    "bar", pair, x=[_theme.period_label(laid.name[r]) for r in rows], y=total,
                    name=_theme.plain(words[i]),
                    legendgroup=words[i], showlegend=panel == 0, visible=what == "value",
                    marker={"color": _style.COLORS[i % len(_style.COLORS)]}, hovertemplate=f"%{{y:,.4~g}} {unit}",
                )  # fmt: skip
    for c, pair in zip(codes, axes, strict=True):
        periods = [laid.name[r] for r in np.flatnonzero(laid.code == c)]
        sheet.axis(f"xaxis{pair[0][1:]}", type="category", showgrid=False, **_theme.period_ticks(periods))
        sheet.axis(f"yaxis{pair[1][1:]}", str(found.keys["unit"].iloc[c]), rangemode="tozero")
    if "cost" in amounts:
        _switch(sheet, [str(found.keys["unit"].iloc[c]) for c in codes], _currency(df), axes)
    return sheet.figure()


def _currency(df: pd.DataFrame) -> str:
    if "currency" in df.columns and df["currency"].notna().any():
        return str(df["currency"].dropna().iloc[0])
    return "cost"


def _periods_of(
    df: pd.DataFrame, one: Intervals, names: Mapping[int, str] | None,
    schedule: str | Mapping[str, str | Mapping[str, str]] | Plan | None,
) -> tuple[list[str], Any]:  # fmt: skip
    """Return the names of the time-of-use periods, and for each interval the position of its name."""
    if schedule is None:
        if "tou" not in df.columns or df["tou"].isna().all():
            fine = bool((one.interval <= 3600).all())
            raise SchemaError(
                "The frame has no time-of-use codes" + ("" if fine else ", and its intervals are longer than an hour"),
                next_step="Pass schedule=, such as schedule={'on-peak': '16-21'}, or fill the column tou." if fine
                else "Draw df.gk.plot.monthly().",
            )  # fmt: skip
        value = df["tou"].iloc[one.row].fillna(-1).to_numpy(dtype=np.int64)
        distinct, code = np.unique(value, return_inverse=True)
        known = names or {}
        return [known.get(int(v), "unknown" if v == -1 else f"time of use {v}") for v in distinct], code.reshape(-1)
    if isinstance(schedule, str):
        if schedule != "wholesale":
            raise SettingsError(
                f"schedule is {schedule!r}, but it must be 'wholesale', hours by name, or a plan",
                next_step="Leave it out to use the column tou.",
            )
        return list(blocks.NAMES), blocks.of(one).codes.astype(np.int64)
    plan = _hours_plan(schedule, str(one.keys["zone"].iloc[0])) if isinstance(schedule, Mapping) else schedule
    return _plan_periods(plan, one)


def _hours_plan(schedule: Mapping[str, str | Mapping[str, str]], zone: str) -> Plan:
    """Return a plan without prices whose periods are windows of local hours."""
    energy: dict[str, Any] = {
        name: {"price": 0, "hours": when} if isinstance(when, str) else {"price": 0, **when}
        for name, when in schedule.items()
    }
    return tariffs.load_plan({"name": "Schedule", "zone": zone, "energy": {**energy, "rest": 0}})


def _plan_periods(plan: Plan, one: Intervals) -> tuple[list[str], Any]:
    dates = plan.calendar.dates(int(one.date.min()), int(one.date.max()))
    place = one.date - dates.first
    minute = one.wall % (24 * HOUR) // (60 * 1_000_000)
    words: list[str] = []
    code = np.full(len(one), -1, dtype=np.int64)
    for version in np.unique(dates.version[place]).tolist():
        energy = plan.terms[version].energy if version >= 0 else None
        for season in np.unique(dates.season[place]).tolist():
            mine = np.flatnonzero((dates.version[place] == version) & (dates.season[place] == season))
            if energy is None or not len(mine):
                continue
            compiled = plan.calendar.schedule(energy.of(plan.seasons[season].name if plan.seasons else ""))
            period = compiled.clock.at(dates.klass[place[mine]], minute[mine])
            for i, name in enumerate(compiled.names):
                label = _OTHER if name == "rest" else name
                if label not in words:
                    words.append(label)
                code[mine[period == i]] = words.index(label)
    if (code < 0).any():
        words.append("no price")
        code[code < 0] = len(words) - 1
    return words, code


def _switch(sheet: Sheet, units: list[str], currency: str, axes: Sequence[tuple[str, str]]) -> None:
    half = len(sheet.data) // 2
    show = [[True] * half + [False] * half, [False] * half + [True] * half]
    titles = [{f"yaxis{pair[1][1:]}.title.text": unit for pair, unit in zip(axes, units, strict=True)},
              {f"yaxis{pair[1][1:]}.title.text": currency for pair in axes}]  # fmt: skip
    buttons = [
        {"label": label, "method": "update", "args": [{"visible": visible}, title]}
        for label, visible, title in zip((units[0], currency), show, titles, strict=True)
    ]
    # plotly always draws the active button in almost white, so the text of the buttons is dark on every page
    light = _style.PAGES["light"]
    sheet.layout["updatemenus"] = [{
        "type": "buttons", "direction": "right", "buttons": buttons, "x": 0, "xanchor": "left", "y": 1.0,
        "yanchor": "bottom", "pad": {"b": 6 if len(axes) == 1 else 28}, "bgcolor": light.shade,
        "font": {"color": light.ink, "size": _style.SIZES["small"]},
    }]  # fmt: skip
