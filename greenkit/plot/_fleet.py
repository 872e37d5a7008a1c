"""Charts of many meters: ranking, small multiples, completeness, annual energy, and load factor.

Each chart is drawn from a small table, with a row for each meter and not for each interval. A chart that gets a tidy
frame computes its table first; a dataset of thousands of meters passes the table that it computed itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from greenkit import _style
from greenkit._style import Theme
from greenkit.analysis import fleet, intervals, quality, shape
from greenkit.analysis.intervals import power_unit, reading_once
from greenkit.errors import SchemaError, SettingsError
from greenkit.findings import counted
from greenkit.plot import _theme
from greenkit.plot._theme import Names, Sheet

if TYPE_CHECKING:
    import datetime

    import plotly.graph_objects as go

MEASURES: Final[Mapping[str, tuple[str, str]]] = {
    "total": ("Total", "unit"),
    "annual": ("Energy per year", "unit"),
    "mean": ("Mean power", "power_unit"),
    "peak": ("Peak power", "power_unit"),
    "load_factor": ("Load factor", ""),
    "completeness": ("Completeness", "share"),
}
"""Measures of a meter: the title of each, and the column with its unit."""
_NAMED: Final = 60
"""Most meters whose names fit beside their bars."""
_POINTS: Final = 4000
"""Most meters that are drawn one by one. A page with a million of them would have 40 MB, and show a blot."""
_CELLS: Final = (80, 50)
"""Cells of a density, across and up."""
_PANES: Final = 400
_CLASSES: Final = 60
_WORST: Final = 20
"""Most meters below the row of all meters."""
_ALL: Final = "all meters"
_TOTALS: Final = "Filter out the series, or draw df.gk.plot.ranking()."


def _table(data: pd.DataFrame, columns: Sequence[str], meter: Names, flow: Names, start: Any, end: Any
           ) -> tuple[pd.DataFrame, str]:  # fmt: skip
    """Return the table of a tidy frame with its period and zone, or the given one if it is a table already."""
    about = ""
    if _is_frame(data):
        df = _theme.choose(data, meter=meter, flow=flow, start=start, end=end)
        if not len(df):
            raise _theme.nothing(rows=0)
        made, about = fleet.fleet_table(df), _theme.about_frame(df)
    else:
        _require(data, columns, "Pass a tidy frame, or the result of df.gk.fleet_table().")
        made = data
        for name, wanted in (("meter", meter), ("flow", flow)):
            if wanted is not None:
                given = [wanted] if isinstance(wanted, str) else list(wanted)
                made = made[made[name].isin([*given, *(["received"] if "export" in given else [])])]
    return made, about


def _is_frame(data: pd.DataFrame) -> bool:
    return "start" in data.columns and "value" in data.columns


def _require(data: pd.DataFrame, columns: Sequence[str], next_step: str) -> None:
    """Raise SchemaError if a table lacks one of these columns."""
    missing = [name for name in columns if name not in data.columns]
    if missing:
        raise SchemaError(f"The table has no column {', '.join(missing)}", next_step=next_step)


def _one_flow(table: pd.DataFrame, measure: str = "") -> pd.DataFrame:
    """Return the rows of one flow that have the measure: the delivered one if there are several flows.

    Units are never mixed; a demand series has no total, so the energy of its meter is drawn without it.
    """
    if measure:
        known = np.isfinite(table[measure].to_numpy(dtype=np.float64))
        if len(table) and not known.any() and "unit" in table.columns:
            rates = [unit for unit in table["unit"].astype("str").unique() if not intervals.adds_up(unit)]
            if rates and measure in ("total", "annual"):
                raise _theme.no_totals(rates, "Pass a frame of energy, or draw df.gk.plot.ranking('peak').")
        table = table[known]
    if "flow" in table.columns and table["flow"].nunique() > 1 and (table["flow"] == "delivered").any():
        table = table[table["flow"] == "delivered"]
    if "unit" in table.columns and table["unit"].nunique() > 1:
        raise _theme.one_unit(sorted(table["unit"].astype("str").unique()))
    return table


def _no_load_factor() -> SchemaError:
    return SchemaError("No meter has a load factor, because no load is above zero",
                       next_step="Draw df.gk.plot.ranking('total').")  # fmt: skip


def _check_measure(measure: str) -> None:
    if measure not in MEASURES:
        raise SettingsError(f"There is no measure {measure!r}", next_step=f"Use one of {', '.join(MEASURES)}.")


def _unit(table: pd.DataFrame, measure: str) -> str:
    column = MEASURES[measure][1]
    unit = str(table[column].iloc[0]) if column in table.columns else ""
    return f"{unit}/year" if measure == "annual" and unit else unit


def _flow_note(table: pd.DataFrame) -> str:
    return _style.flow_label(str(table["flow"].iloc[0])) if "flow" in table.columns else ""


def _middle(count: int, text: str) -> str:
    """Return the note of the median, which says nothing about a single meter."""
    return f"median {text}" if count > 1 else "one meter only; df.gk.plot.monthly() shows it over time"


@reading_once()
def ranking(
    data: pd.DataFrame,
    measure: str = "total",
    *,
    meter: Names = None,
    flow: Names = None,
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw the meters from the highest to the lowest of a measure, with the median.

    Parameters
    ----------
    data : DataFrame
        A tidy frame, or the table of :func:`greenkit.analysis.fleet.fleet_table`.
    measure : {"total", "annual", "mean", "peak", "load_factor", "completeness"}
        What the meters are ranked by. Default: ``"total"``.
    meter, flow, start, end, title, height, theme
        As in :func:`greenkit.plot.load`. Of several flows, the delivered one is drawn.

    Raises
    ------
    SchemaError
        If no meter has a value, or if the meters have several units.
    SettingsError
        If there is no such measure.

    Notes
    -----
    Of more than 4,000 meters, the 1,000 highest are drawn one by one, and of the others every so many.
    """
    _check_measure(measure)
    table, about = _table(data, ("meter", measure), meter, flow, start, end)
    table = _one_flow(table, measure)
    if not len(table):
        raise _no_load_factor() if measure == "load_factor" else _theme.nothing()
    table = table.sort_values(measure, ascending=False, kind="stable")
    value = table[measure].to_numpy(dtype=np.float64)
    what, unit = MEASURES[measure][0], _unit(table, measure)
    middle = float(np.median(value))
    shown = {"completeness": _style.percent(middle), "load_factor": f"{middle:.2f}"}.get(
        measure, _style.number(middle, unit)
    )
    few = len(table) <= _NAMED
    highest = "" if few else f"highest: {', '.join(str(m) for m in table['meter'].head(3))}"
    note = "; ".join(filter(None, [about, _flow_note(table), _middle(len(table), shown), highest]))
    sheet = Sheet.of(f"{what} of {counted(len(table), 'meter')}", _theme.plain(note), given=title, theme=theme,
                     showlegend=False)  # fmt: skip
    sheet.layout["height"] = height or (int(sheet.top + 70 + 18 * max(len(table), 6)) if few else 460)
    rank = _drawn(len(table))
    meters = [str(m) for m in table["meter"].to_numpy()[rank - 1]]
    names = [_theme.plain(m) for m in meters]
    digits = ".1%" if measure == "completeness" else ",.4~g"
    label = f"%{{customdata}}<br>%{{{'x' if few else 'y'}:{digits}}} {unit}<extra></extra>"
    settings = {"tickformat": ".0%"} if measure == "completeness" else {}
    marks: dict[str, Any] = {"customdata": names, "hovertemplate": label}
    bars = {**marks, "marker": {"color": _style.COLORS[0], "line": {"width": 0}}}
    line = {"type": "line", "line": {"dash": "dot", "width": 1.5, "color": sheet.page.ink}}
    if few:
        sheet.name_rows()
        sheet.add("bar", x=value, y=[_theme.plain(m) for m in _theme.short(meters)], orientation="h", **bars)
        sheet.axis("xaxis", unit or what.lower(), anchor="y", rangemode="tozero", **settings)
        sheet.axis("yaxis", type="category", autorange="reversed", showgrid=False, anchor="x")
        if len(table) > 1:
            sheet.layout["shapes"] = [{**line, "x0": middle, "x1": middle, "y0": 0, "y1": 1, "yref": "paper"}]
    else:
        if len(rank) == len(table):
            sheet.add("bar", x=rank, y=value, **bars)
        else:
            sheet.add("scatter", x=rank, y=value[rank - 1], mode="lines", fill="tozeroy",
                      line={"color": _style.COLORS[0], "width": 1}, **marks)  # fmt: skip
        sheet.axis("xaxis", "Rank", anchor="y", showgrid=False, range=[0, len(table) + 1])
        sheet.axis("yaxis", unit or what.lower(), anchor="x", **settings)
        sheet.layout["shapes"] = [{**line, "x0": 0, "x1": 1, "xref": "paper", "y0": middle, "y1": middle}]
        sheet.layout["bargap"] = 0.05
    return sheet.figure()


def _drawn(n: int) -> Any:
    """Return the ranks of the meters that are drawn: all, or the 1,000 highest and 3,000 of the others."""
    if n <= _POINTS:
        return np.arange(1, n + 1)
    return np.unique(np.append(np.arange(1, 1001), np.linspace(1001, n, _POINTS - 1000).astype(np.int64)))


def small_multiples(
    data: pd.DataFrame,
    *,
    meter: Names = None,
    flow: Names = None,
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw the average day of each meter in a small pane, from midnight to midnight and from zero to its own highest.

    Parameters
    ----------
    data : DataFrame
        A tidy frame with intervals of an hour or less, or a table with the columns ``meter``, ``hour``, and ``mean``,
        such as ``df.gk.average_day(())`` returns; at most 400 meters.
    meter, flow, start, end, title, height, theme
        As in :func:`greenkit.plot.load`. Of several flows, the delivered one is drawn.

    Raises
    ------
    SchemaError
        If there is no value, or if there are too many meters.
    """
    about = ""
    if _is_frame(data):
        df = _theme.choose(data, meter=meter, flow=flow, start=start, end=end)
        found = _theme.few(intervals.checked(df), len(df))
        intervals.check_lengths(found, 3600, "an average day", next_step=_TOTALS)
        data, about = shape.average_day(df, ()), _theme.about_frame(df)
    _require(data, ("meter", "hour", "mean"), "Pass a tidy frame or df.gk.average_day(()).")
    table = _one_flow(data)
    days = [(str(name), part.sort_values("hour")) for name, part in table.groupby("meter", observed=True, sort=False)]
    if not days:
        raise _theme.nothing()
    if len(days) > _PANES:
        raise _theme.too_many(len(days), _PANES, "meters", table.assign(flow="", series="", unit=""))
    columns = next((n for n in (4, 6, 8, 10, 12) if len(days) <= 3 * n * n // 4), 16)
    columns = min(columns, len(days))
    rows = -(-len(days) // columns)
    # all panes are one line in one pair of axes: pane (row, column) is the square from (column, -row)
    x: list[Any] = []
    y: list[Any] = []
    text: list[str] = []
    zeros: list[float] = []
    for i, (name, part) in enumerate(days):
        row, column = divmod(i, columns)
        hour, mean = part["hour"].to_numpy(dtype=np.float64), part["mean"].to_numpy(dtype=np.float64)
        low, high = float(np.nanmin(mean, initial=0.0)), float(np.nanmax(mean, initial=0.0))
        scale = 0.6 / ((high - low) or 1.0)
        zeros.append(-row - scale * low)
        x += [*(column + 0.06 + 0.88 * hour / 24), None]
        y += [*(-row + scale * (mean - low)), None]
        text += [*(f"{_theme.plain(name)}<br>{int(h):02d}:{round(h % 1 * 60):02d}: {_style.number(m)}"
                   for h, m in zip(hour, mean, strict=True)), ""]  # fmt: skip
    unit = power_unit(str(table["unit"].iloc[0])) if "unit" in table.columns else ""
    prefix = _shared_prefix([name for name, _ in days])
    # below zero only with a net flow or reversed signs
    lowest = "its lowest, with a line at zero," if any(zero % 1 for zero in zeros) else "zero"
    note = "; ".join(filter(None, [
        about, _flow_note(table), f"each pane: one day, from {lowest} to its own highest value",
        f"names without {_theme.plain(prefix)}" if prefix else "",
    ]))  # fmt: skip
    sheet = Sheet.of(f"Average day of {counted(len(days), 'meter')}", note, given=title, theme=theme, showlegend=False)
    sheet.layout["height"] = height or int(sheet.top + 30 + (70 if columns <= 8 else 54) * max(rows, 2))
    sheet.layout["margin"] |= {"l": 16, "r": 16, "b": 16}
    sheet.add(
        "scatter", x=x, y=y, text=text, mode="lines", line={"width": 1.4, "color": _style.COLORS[0]},
        hovertemplate=f"%{{text}} {unit}<extra></extra>", connectgaps=False,
    )  # fmt: skip
    most = 16 if columns <= 6 else 9 if columns <= 10 else 5
    short = [_theme.plain(_ending(name[len(prefix) :], most)) for name, _ in days]
    sheet.add(
        "scatter", x=[i % columns + 0.06 for i in range(len(days))],
        y=[-(i // columns) + 0.78 for i in range(len(days))],
        text=short, mode="text", textposition="middle right", hoverinfo="skip",
        textfont={"size": 11 if columns <= 8 else 10, "color": sheet.page.muted},
    )  # fmt: skip
    bases: dict[str, Any] = {"x": [], "y": []}
    for i in range(len(days)):
        bases["x"] += [i % columns + 0.06, i % columns + 0.94, None]
        bases["y"] += [zeros[i]] * 2 + [None]
    sheet.add("scatter", **bases, mode="lines", line={"width": 1, "color": sheet.page.line}, hoverinfo="skip")
    sheet.axis("xaxis", visible=False, range=[0, columns], anchor="y", fixedrange=True)
    sheet.axis("yaxis", visible=False, range=[-rows + 0.85, 1], anchor="x", fixedrange=True)
    return sheet.figure()


def _shared_prefix(names: list[str]) -> str:
    """Return what all names begin with, such as ``household-``, if it is long enough to leave out.

    Examples
    --------
    >>> _shared_prefix(["household-0001", "household-0012"]), _shared_prefix(["M1", "M2"])
    ('household-00', '')
    """
    first, last = min(names), max(names)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    prefix = first[:same]
    return prefix if len(prefix) >= 4 else ""


def _ending(name: str, most: int) -> str:
    """Return a name, or its end, which differs more often between meters than its beginning."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


def fleet_completeness(
    data: pd.DataFrame,
    by: Mapping[str, str] | None = None,
    *,
    meter: Names = None,
    flow: Names = None,
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw the share of the expected intervals that are present, by day and class of meters.

    Parameters
    ----------
    data : DataFrame
        A tidy frame, or a table with the columns ``date``, ``present``, and ``expected``, and ``class`` or ``meter``,
        such as ``df.gk.quality().days``.
    by : mapping of str to str, optional
        Meter → class, such as its rate, utility, or read cycle: ``roster.set_index("meter")["rate"]``. Default: the
        column ``class``, or all meters as one class with the 20 least complete meters below it.
    meter, flow, start, end, title, height, theme
        As in :func:`greenkit.plot.load`.

    Raises
    ------
    SchemaError
        If no interval is expected, or if there are more than 60 classes.
    """
    zone = ""
    if _is_frame(data):
        df = _theme.choose(data, meter=meter, flow=flow, start=start, end=end)
        if not len(df):
            raise _theme.nothing(rows=0)
        data, zone = quality.by_day(df), _style.zone_label([str(z) for z in df["zone"].unique()], local=True)
    if not len(data):
        raise _theme.nothing()
    worst: list[str] = []
    count = counted(data["meter"].nunique(), "meter") if "meter" in data.columns else "meters"
    if by is not None:
        classes = dict(by.items())
        data = data.assign(**{"class": [classes.get(str(m), "no class") for m in data["meter"]]})
    elif "class" not in data.columns:
        worst = _least_complete(data)
        below = data[data["meter"].astype("str").isin(worst)] if worst else None
        data = data.assign(**{"class": _ALL})
        if below is not None:
            data = pd.concat([data, below.assign(**{"class": below["meter"].astype("str")})])
    sums = data.groupby(["class", "date"], observed=True)[["present", "expected"]].sum().reset_index()
    names = [_ALL, *worst] if worst else sorted(sums["class"].astype("str").unique())
    if len(names) > _CLASSES:
        raise SchemaError(f"There are {len(names):,} classes, but this chart shows at most {_CLASSES}",
                          next_step="Combine some of the classes.")  # fmt: skip
    date = sums["date"].to_numpy().astype("datetime64[D]")
    every = np.arange(date.min(), date.max() + np.timedelta64(1, "D"))
    row = sums["class"].astype("str").map({name: i for i, name in enumerate(names)}).to_numpy(dtype=np.int64)
    share = np.full((len(names), len(every)), np.nan, dtype=np.float32)
    counts = np.full((*share.shape, 2), np.nan, dtype=np.float32)
    place = (date - every[0]).astype(np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        share[row, place] = 100 * sums["present"].to_numpy() / sums["expected"].to_numpy()
    counts[row, place] = sums[["present", "expected"]].to_numpy()
    note = ", ".join(filter(None, [_style.days(every[0], every[-1]), zone]))
    if worst:
        note += (
            f"; below: {'the least complete meter' if len(worst) == 1 else f'the {len(worst)} least complete meters'}"
        )
    sheet = Sheet.of(f"Completeness of {count} by day", note, given=title, theme=theme)
    sheet.name_rows()
    sheet.layout["height"] = height or int(sheet.top + 80 + 26 * max(len(names), 4))
    places, axis = _theme.dates(every)
    sheet.axis("yaxis", type="category", autorange="reversed", showgrid=False, anchor="x")
    sheet.axis("xaxis", anchor="y", **axis)
    sheet.add(
        "heatmap", z=share, x=places, y=[_theme.plain(n) for n in _theme.short(names)], zmin=0, zmax=100,
        colorscale=_style.SCALE, colorbar=sheet.colorbar("% present", "y"), ygap=2, hoverongaps=False,
        customdata=counts,
        hovertemplate="%{y}<br>%{x|%a, %b %-d, %Y}<br>%{z:.1f}%: %{customdata[0]:,} of %{customdata[1]:,} intervals"
        "<extra></extra>",
    )  # fmt: skip
    return sheet.figure()


def _least_complete(days: pd.DataFrame) -> list[str]:
    """Return the meters with the largest share of missing intervals, worst first; none if all are complete."""
    if "meter" not in days.columns or days["meter"].nunique() < 2:
        return []
    sums = days.assign(meter=days["meter"].astype("str")).groupby("meter")[["present", "expected"]].sum()
    share = (sums["present"] / sums["expected"]).sort_values(kind="stable")
    return [str(name) for name in share[share < 1].head(_WORST).index]


@reading_once()
def annual_energy(
    data: pd.DataFrame,
    *,
    meter: Names = None,
    flow: Names = None,
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw how many meters use how much energy per year, with the median.

    Parameters
    ----------
    data : DataFrame
        A tidy frame, or the table of :func:`greenkit.analysis.fleet.fleet_table`.
    meter, flow, start, end, title, height, theme
        As in :func:`greenkit.plot.load`. Of several flows, the delivered one is drawn.

    Notes
    -----
    The energy of a meter is its total ÷ hours with data × 8,766 hours. Data of a part of a year therefore includes the
    season of that part.
    """
    table, about = _table(data, ("meter", "annual"), meter, flow, start, end)
    table = _one_flow(table, "annual")
    value = table["annual"].to_numpy(dtype=np.float64)
    if not len(value):
        raise _theme.nothing()
    unit, middle = _unit(table, "annual"), float(np.median(value))
    low, high = float(value.min()), float(value.max())
    span = (low - 0.1 * abs(low), low + 0.1 * abs(low)) if low == high != 0 else None
    count, edge = np.histogram(value, bins=min(40, max(7, int(np.sqrt(len(value)) * 1.8))), range=span)
    note = "; ".join(filter(None, [about, _flow_note(table), _middle(len(value), _style.number(middle, unit))]))
    sheet = Sheet.of(f"Energy per year of {counted(len(value), 'meter')}", note, given=title, height=height, usual=380,
                     theme=theme, showlegend=False, bargap=0.03)  # fmt: skip
    labels = [f"{_style.number(a)} to {_style.number(b)}" for a, b in pairwise(edge.tolist())]
    sheet.add(
        "bar", x=(edge[:-1] + edge[1:]) / 2, y=count, width=np.diff(edge), customdata=labels,
        marker={"color": _style.COLORS[0], "line": {"width": 0}},
        hovertemplate=f"%{{y}} meters with %{{customdata}} {unit}<extra></extra>",
    )  # fmt: skip
    if len(value) > 1:
        sheet.layout["shapes"] = [{"type": "line", "x0": middle, "x1": middle, "y0": 0, "y1": 1, "yref": "paper",
                                   "line": {"dash": "dot", "width": 1.5, "color": sheet.page.ink}}]  # fmt: skip
    sheet.axis("xaxis", unit, showgrid=False, anchor="y")
    sheet.axis("yaxis", "meters", anchor="x", rangemode="tozero", **({"dtick": 1} if count.max() <= 5 else {}))
    return sheet.figure()


@reading_once()
def load_factor(
    data: pd.DataFrame,
    by: Mapping[str, str] | None = None,
    *,
    meter: Names = None,
    flow: Names = None,
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw the load factor of each meter over its energy per year, on a logarithmic axis.

    Parameters
    ----------
    data : DataFrame
        A tidy frame, or the table of :func:`greenkit.analysis.fleet.fleet_table`.
    by : mapping of str to str, optional
        Meter → class; each class has a color.
    meter, flow, start, end, title, height, theme
        As in :func:`greenkit.plot.load`. Of several flows, the delivered one is drawn.

    Notes
    -----
    Of more than 4,000 meters, the chart shows how many are in each cell of a grid, for all classes together.
    """
    table, about = _table(data, ("meter", "annual", "load_factor"), meter, flow, start, end)
    table = _one_flow(table, "annual")
    table = table[(table["annual"] > 0) & table["load_factor"].notna()]
    if not len(table):
        raise _no_load_factor()
    classes = {} if by is None else dict(by.items())
    group = np.array([str(classes.get(str(m), "no class")) if classes else "" for m in table["meter"]])
    note = "; ".join(filter(None, [about, _flow_note(table), "" if len(table) > 1 else _middle(1, "")]))
    sheet = Sheet.of(f"Load factor of {counted(len(table), 'meter')}", note, given=title, height=height, theme=theme,
                     hovermode="closest")  # fmt: skip
    unit = _unit(table, "annual")
    if len(table) > _POINTS:
        _add_density(sheet, table["annual"].to_numpy(), table["load_factor"].to_numpy(), unit)
        group = group[:0]
    for i, name in enumerate(sorted(set(group))):
        part = table[group == name]
        sheet.add(
            "scatter", x=part["annual"].to_numpy(), y=part["load_factor"].to_numpy(), mode="markers",
            name=_theme.plain(name), customdata=[_theme.plain(str(m)) for m in part["meter"]],
            marker={"size": 8, "opacity": 0.75, "color": _style.COLORS[i % len(_style.COLORS)]},
            hovertemplate=f"%{{customdata}}<br>load factor %{{y:.2f}}, %{{x:,.4~g}} {unit}<extra></extra>",
        )  # fmt: skip
    # on a logarithmic axis, plotly would label 2,000 as 2
    low, high = np.floor(np.log10(table["annual"].min())), np.ceil(np.log10(table["annual"].max()))
    ticks = [m * 10.0**e for e in np.arange(low, high + 1) for m in ((1, 2, 5) if high - low <= 3 else (1,))]
    if sum(table["annual"].min() <= tick <= table["annual"].max() for tick in ticks) < 2:
        # meters that are close together lie between two ticks, so show both
        edges = (
            max(t for t in ticks if t <= table["annual"].min()),
            min(t for t in ticks if t >= table["annual"].max()),
        )
        sheet.axis("xaxis", range=[np.log10(edges[0]) - 0.02, np.log10(edges[1]) + 0.02])
    sheet.axis("xaxis", unit, type="log", anchor="y", tickvals=ticks, ticktext=[f"{t:,.10g}" for t in ticks])
    sheet.axis("yaxis", "load factor", anchor="x", rangemode="tozero")
    return sheet.figure()


def _add_density(sheet: Sheet, annual: Any, factor: Any, unit: str) -> None:
    """Add the number of meters in each cell of a grid: equal ratios across, equal steps up.

    The colors follow the logarithm of the number, so that single meters far from the others can be seen.
    """
    across = np.geomspace(annual.min(), annual.max() * 1.0001, _CELLS[0] + 1)
    up = np.linspace(0, max(float(factor.max()), 1e-9), _CELLS[1] + 1)
    count = np.histogram2d(annual, factor, bins=(across, up))[0].T
    with np.errstate(divide="ignore"):
        color = np.where(count > 0, np.log10(count), np.nan)
    powers = np.arange(np.floor(np.log10(count.max())) + 1)
    bar = {**sheet.colorbar("meters", "y"), "tickvals": powers, "ticktext": [f"{10**p:,.0f}" for p in powers]}
    sheet.add(
        "heatmap", x=across, y=up, z=color.astype(np.float32), customdata=count.astype(np.int32),
        colorscale=_style.SCALE, colorbar=bar, hoverongaps=False,
        hovertemplate=f"%{{customdata:,}} meters<br>load factor about %{{y:.2f}}, %{{x:,.3~g}} {unit}<extra></extra>",
    )  # fmt: skip


def fleet_load(
    table: pd.DataFrame,
    *,
    flow: str = "delivered",
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw the load of a fleet over time, stacked by class of meters.

    Parameters
    ----------
    table : DataFrame
        ``class``, ``flow``, ``unit``, ``minutes``, ``start``, and ``power``, as the method ``fleet`` of a dataset
        returns it. Of several interval lengths, the shortest is drawn.
    flow : str
        Flow to draw. Default: ``"delivered"``.
    title, height, theme
        As in :func:`greenkit.plot.load`.

    Raises
    ------
    SchemaError
        If the table has no rows of this flow.
    """
    rows, unit = _fleet_rows(table, flow)
    names = sorted(rows["class"].astype("str").unique())
    note = _style.days(*_dates_of(rows))
    sheet = Sheet.of(f"Load of the fleet, {_style.flow_label(flow)}", note, given=title, height=height, theme=theme,
                     showlegend=len(names) > 1, hovermode="x unified")  # fmt: skip
    for i, name in enumerate(names):
        part = rows[rows["class"] == name]
        sheet.add(
            "scatter", x=_wall(part), y=part["power"], name=_theme.plain(name), mode="lines", stackgroup="fleet",
            line={"width": 0.5, "color": _style.COLORS[i % len(_style.COLORS)]},
            hovertemplate=f"%{{y:,.4g}} {unit}",
        )  # fmt: skip
    sheet.axis("xaxis", type="date", anchor="y", showgrid=False)
    sheet.axis("yaxis", f"Power [{unit}]", anchor="x", rangemode="tozero")
    return sheet.figure()


def fleet_band(
    table: pd.DataFrame,
    *,
    flow: str = "delivered",
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw the median of the meters over time, in the band from the 10th to the 90th percentile.

    Parameters
    ----------
    table : DataFrame
        As in :func:`fleet_load`, with ``p10``, ``p50``, and ``p90``. Of several classes, the one with most meters is
        drawn.
    flow, title, height, theme
        As in :func:`fleet_load`.

    Raises
    ------
    SchemaError
        If the table has no rows of this flow.
    """
    rows, unit = _fleet_rows(table, flow)
    name = rows.groupby("class")["meters"].max().idxmax()
    rows = rows[rows["class"] == name]
    most = int(rows["meters"].max())
    note = f"{_style.days(*_dates_of(rows))}; {counted(most, 'meter')}" + ("" if name == "all" else f" of class {name}")
    sheet = Sheet.of(f"Range of the meters, {_style.flow_label(flow)}", note, given=title, height=height, theme=theme,
                     showlegend=False, hovermode="x unified")  # fmt: skip
    x, color = _wall(rows), _style.COLORS[0]
    sheet.add("scatter", x=x, y=rows["p10"], name="10% below", mode="lines", line={"width": 0, "color": color},
              hovertemplate=f"%{{y:,.4g}} {unit}")  # fmt: skip
    sheet.add("scatter", x=x, y=rows["p90"], name="10% above", mode="lines", line={"width": 0, "color": color},
              fill="tonexty", hovertemplate=f"%{{y:,.4g}} {unit}")  # fmt: skip
    sheet.add("scatter", x=x, y=rows["p50"], name="median", mode="lines", line={"width": 2, "color": color},
              hovertemplate=f"%{{y:,.4g}} {unit}")  # fmt: skip
    sheet.axis("xaxis", type="date", anchor="y", showgrid=False)
    sheet.axis("yaxis", f"Power of a meter [{unit}]", anchor="x", rangemode="tozero")
    return sheet.figure()


def _fleet_rows(table: pd.DataFrame, flow: str) -> tuple[pd.DataFrame, str]:
    """Return the rows of one flow, unit, and interval length, and the unit of their power."""
    rows = table[table["flow"] == flow] if len(table) else table
    if not len(rows):
        raise _theme.nothing()
    unit = "kWh" if (rows["unit"] == "kWh").any() else str(rows["unit"].iloc[0])
    rows = rows[rows["unit"] == unit]
    return rows[rows["minutes"] == rows["minutes"].min()], power_unit(unit)


def _dates_of(rows: pd.DataFrame) -> tuple[Any, Any]:
    local = _wall(rows).astype("datetime64[D]")
    return local.min(), local.max()


def _wall(rows: pd.DataFrame) -> Any:
    return pd.DatetimeIndex(rows["start"]).tz_localize(None).to_numpy("datetime64[ms]")


def findings_by_day(
    table: pd.DataFrame, *, title: str | None = None, height: int | None = None, theme: Theme = "light"
) -> go.Figure:
    """Draw how many series have which kind of problem on each day.

    Parameters
    ----------
    table : DataFrame
        ``name``, ``date``, and ``series``, as the quality of a dataset has it.
    title, height, theme
        As in :func:`greenkit.plot.load`.

    Raises
    ------
    SchemaError
        If the table has no rows.
    """
    if not len(table):
        raise _theme.nothing()
    names = sorted(table["name"].unique())
    date = table["date"].to_numpy().astype("datetime64[D]")
    every = np.arange(date.min(), date.max() + np.timedelta64(1, "D"))
    count = np.zeros((len(names), len(every)))
    count[np.searchsorted(names, table["name"].astype("str")), (date - every[0]).astype(np.int64)] = table["series"]
    sheet = Sheet.of("Findings by day", _style.days(every[0], every[-1]), given=title, theme=theme)
    sheet.name_rows()
    sheet.layout["height"] = height or int(sheet.top + 80 + 30 * max(len(names), 4))
    places, axis = _theme.dates(every)
    sheet.axis("yaxis", type="category", autorange="reversed", showgrid=False, anchor="x")
    sheet.axis("xaxis", anchor="y", **axis)
    sheet.add(
        "heatmap", z=count, x=places, y=names, zmin=0, colorscale=_style.SCALE, ygap=2,
        colorbar=sheet.colorbar("series", "y"),
        hovertemplate="%{y}<br>%{x|%a, %b %-d, %Y}<br>%{z:,} series<extra></extra>",
    )  # fmt: skip
    return sheet.figure()
