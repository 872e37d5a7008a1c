"""Charts of bills and plans: bills by line, plans side by side, the price map, cost by hour, and what moved a bill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from greenkit import _style, tariffs
from greenkit._style import Theme
from greenkit.analysis import intervals
from greenkit.errors import SchemaError
from greenkit.findings import counted
from greenkit.plot import _theme
from greenkit.plot._theme import Names, Sheet
from greenkit.times import to_instants

if TYPE_CHECKING:
    import datetime

    import plotly.graph_objects as go

    from greenkit.tariffs import Bill, Comparison, Plan, Prices

_KINDS: Final = {
    "energy": "energy", "baseline": "baseline", "fixed": "fixed", "demand": "demand", "wires": "delivery",
    "fees": "fees", "riders": "riders", "minimum": "minimum", "credits": "credits", "export": "export",
    "taxes": "taxes", "rebates": "rebates",
}  # fmt: skip
"""Kinds of lines from the axis outwards, and their names in the legend."""
_COLORS: Final = {
    "energy": "#1f7fbf", "baseline": "#7fb3d9", "fixed": "#7f7f7f", "demand": "#8c7ae6", "wires": "#b08a00",
    "fees": "#C77CA8", "riders": "#a35d84", "minimum": "#5f6a72", "credits": "#009E73", "export": "#63b99a",
    "taxes": "#D55E00", "rebates": "#4d8f76",
}  # fmt: skip
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MOST_PLANS: Final = 20
_MOST_BILLS: Final = 36


def bill(
    bill: Bill, *, meter: str | None = None, title: str | None = None, height: int | None = None, theme: Theme = "light"
) -> go.Figure:
    """Draw the bills of one meter by kind of line, with the total as a point.

    Parameters
    ----------
    bill : Bill
        What ``df.gk.price(plan)`` returns.
    meter : str, optional
        Default: the first meter.
    title, height, theme
        As in :func:`greenkit.plot.load`.

    Raises
    ------
    SchemaError
        If there is no bill, or no such meter.
    """
    totals, lines = bill.totals, bill.frame
    if not len(totals):
        raise SchemaError("There is no bill to draw", next_step="Price a frame that has intervals.")
    chosen = str(totals["meter"].iloc[0]) if meter is None else meter
    totals = totals[totals["meter"] == chosen]
    count = len(totals)
    totals = totals.tail(_MOST_BILLS)
    if not len(totals):
        raise SchemaError(f"There is no bill of meter {chosen!r}", next_step="Use a meter of bill.totals.")
    lines = lines[lines["meter"] == chosen]
    bills = totals["bill"].tolist()
    names = [_theme.plain(_theme.period_label(b)) for b in bills]
    note = "" if totals["whole"].all() else "* incomplete: cut off, or more than 10% of the intervals are missing"
    sheet = Sheet.of(
        f"Bills on {_theme.plain(bill.plan.name)}, meter {_theme.plain(chosen)}",
        "; ".join(filter(None, [
            _about(totals), f"the last {_MOST_BILLS} of {count:,} bills" if count > _MOST_BILLS else "", note,
        ])),
        given=title, height=height, theme=theme, barmode="relative",
    )  # fmt: skip
    table = lines.groupby(["kind", "bill"], observed=True)["amount"].sum()
    for kind, name in _KINDS.items():
        if kind in table.index.get_level_values(0):
            amounts = table.loc[kind].reindex(bills).fillna(0.0)
            sheet.add(
                "bar", x=names, y=amounts.to_numpy(), name=name, marker={"color": _COLORS[kind]},
                hovertemplate=f"%{{x}}: {name} %{{y:,.2f}} {bill.plan.currency}<extra></extra>",
            )  # fmt: skip
    sheet.add(
        "scatter", x=names, y=totals["computed_total"].to_numpy(), name="total", mode="markers",
        marker={"color": sheet.page.ink, "size": 9, "symbol": "diamond", "line": {"width": 1, "color": "white"}},
        hovertemplate=f"%{{x}}: total %{{y:,.2f}} {bill.plan.currency}<extra></extra>",
    )  # fmt: skip
    ticks = _theme.period_ticks(bills)
    whole = dict(zip(names, totals["whole"], strict=True))
    parted = [text.partition("<br>") for text in ticks["ticktext"]]
    ticks["ticktext"] = [
        f"{month}{'' if whole[name] else ' *'}{sep}{year}"
        for name, (month, sep, year) in zip(ticks["tickvals"], parted, strict=True)
    ]
    sheet.axis("xaxis", type="category", showgrid=False, **ticks)
    sheet.axis("yaxis", bill.plan.currency)
    return sheet.figure()


def _about(totals: pd.DataFrame) -> str:
    """Return the period of some bills and their time zone; bills of several zones are in UTC."""
    zone = str(totals["start"].dt.tz)
    first, last = totals["start"].min(), totals["end"].max() - pd.Timedelta(1, "us")
    return f"{_style.days(first.date(), last.date())}, {zone}"


def plans(
    comparison: Comparison, *, title: str | None = None, height: int | None = None, theme: Theme = "light"
) -> go.Figure:
    """Draw plans side by side, the cheapest on top, with the range that gaps leave.

    Parameters
    ----------
    comparison : Comparison
        What ``df.gk.compare_plans(plans)`` returns; at most 20 plans are drawn.
    title, height, theme
        As in :func:`greenkit.plot.load`.

    Raises
    ------
    SchemaError
        If there is no plan or no bill.
    """
    ranking = comparison.ranking.head(_MOST_PLANS).iloc[::-1]
    if not len(ranking):
        raise SchemaError("There is no plan to draw", next_step="Compare at least one plan.")
    if not ranking["bills"].any():
        raise SchemaError("There is no bill to draw", next_step="Compare plans for a frame that has intervals.")
    currency = str(ranking["currency"].iloc[0])
    names = [_theme.plain(p) for p in ranking["plan"]]
    bills = comparison.by_bill
    bills = bills[bills["ranked"]]
    first, last = (_theme.period_label(str(name)) for name in (bills["bill"].min(), bills["bill"].max()))
    ranges = (ranking["cost_high"] - ranking["cost_low"]).to_numpy()
    ranged = bool((ranges > 0.01).any())
    sheet = Sheet.of(
        f"Cost of {counted(len(bills), 'bill')} by plan, {_theme.subject(bills)}",
        _theme.plain("; ".join(filter(None, [
            first if first == last else f"{first} to {last}",
            "line: range of what the missing usage could cost" if ranged else "",
            "" if comparison.certain else "gaps in the data could change which plan is cheapest",
        ]))),
        given=title, height=height, usual=140 + 34 * len(names), theme=theme,
    )  # fmt: skip
    sheet.name_rows()
    cost = ranking["computed_cost"].to_numpy()
    color = [_style.COLORS[1] if r == 1 else _style.COLORS[0] for r in ranking["rank"]]
    sheet.add(
        "bar", y=names, x=cost, orientation="h", marker={"color": color}, showlegend=False,
        # the range is at the end of the bar, so the cost is at its beginning, in black for contrast on both colors
        text=[f"{c:,.0f}" for c in cost], textposition="inside", insidetextanchor="start", textangle=0,
        insidetextfont={"color": "#000000"}, cliponaxis=False,
        error_x={"type": "data", "symmetric": False, "array": ranking["cost_high"].to_numpy() - cost,
                 "arrayminus": cost - ranking["cost_low"].to_numpy(), "color": sheet.page.ink, "visible": ranged},
        hovertemplate=f"%{{y}}: %{{x:,.2f}} {currency}<extra></extra>",
    )  # fmt: skip
    sheet.axis("xaxis", currency)
    sheet.axis("yaxis", showgrid=False, type="category")
    return sheet.figure()


def price_map(plan: Plan, *, title: str | None = None, height: int | None = None, theme: Theme = "light") -> go.Figure:
    """Draw what energy costs in each hour of each month, on weekdays and on weekends.

    The price is that of the first tier, without delivery. Hours that hold two periods have the price at their start.

    Parameters
    ----------
    plan : Plan
        A plan with fixed prices of energy.
    title, height, theme
        As in :func:`greenkit.plot.load`.

    Raises
    ------
    SchemaError
        If the plan has no fixed prices of energy.
    """
    terms = plan.terms[-1]
    if terms.energy is None or any(p.series for _, s in terms.energy.seasons for p in s.periods):
        raise SchemaError(f"{plan.name} has no fixed prices of energy", next_step="Draw df.gk.plot.cost_by_hour(plan).")
    panels = [_prices_of(plan, kind) for kind in (1, 6)]
    same = np.array_equal(panels[0], panels[1])
    titles = ["every day"] if same else ["weekdays", "weekends"]
    sheet = Sheet.of(f"Energy price by month and hour, {_theme.plain(plan.name)}", given=title, theme=theme)
    axes = sheet.panels(1, len(titles), titles, each=330, height=height)
    low, high = float(np.min(panels)), float(np.max(panels))
    for i, pair in enumerate(axes):
        sheet.add(
            "heatmap", pair, z=panels[i], x=[f"{h:02d}:00" for h in range(24)], y=list(_MONTHS), xgap=1, ygap=1,
            colorscale=_style.SCALE, zmin=low if low < high else 0.0, zmax=high if high > 0 else 1.0,
            showscale=i == 0, colorbar=sheet.colorbar(f"{plan.currency}/{plan.unit}", "y"),
            hovertemplate=f"%{{y}} %{{x}}<br>%{{z:.5~g}} {plan.currency}/{plan.unit}<extra></extra>",
        )  # fmt: skip
        sheet.axis(f"xaxis{pair[0][1:]}", _style.time_title([plan.zone]) if i == 0 else "", showgrid=False,
                   type="category", tickvals=[f"{h:02d}:00" for h in range(0, 24, 4)])  # fmt: skip
        sheet.axis(f"yaxis{pair[1][1:]}", showgrid=False, type="category", autorange="reversed")
    return sheet.figure()


def _prices_of(plan: Plan, kind: int) -> Any:
    from greenkit.tariffs import season_of

    made = np.zeros((12, 24))
    energy = plan.terms[-1].energy
    assert energy is not None  # noqa: S101 checked by the caller
    for month in range(1, 13):
        schedule = energy.of(season_of(plan, month))
        klass = np.full(24, (month - 1) * 64 + kind * 8 + (kind - 1) % 7, dtype=np.int64)
        at = plan.calendar.schedule(schedule).clock.at(klass, np.arange(24, dtype=np.int64) * 60)
        made[month - 1] = [float(schedule.periods[int(p)].tiers[0].price) for p in at]
    return made


def cost_by_hour(
    df: pd.DataFrame,
    plan: Prices,
    *,
    meter: Names = None,
    flow: Names = None,
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw what energy and delivery per kWh cost in each hour of the week, as an average of the hours with data.

    An hour of the week without data, such as the hour that clocks skip, is blank.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    plan : plan or prices
        What :func:`greenkit.tariffs.price_intervals` takes.
    meter, flow, start, end, title, height, theme
        As in :func:`greenkit.plot.load`.
    """
    df = _theme.choose(df, meter=meter, flow=flow, start=start, end=end)
    if not len(df):
        raise _theme.nothing(rows=0)
    if isinstance(plan, pd.Series | pd.DataFrame):
        unit = "cost per hour"
    else:
        unit = f"{tariffs.load_plan(plan).currency} per hour"
    made = tariffs.price_intervals(df, plan)
    made = made[made["computed_cost"].notna()]
    if not len(made):
        raise SchemaError("No interval has a price", next_step="Price delivered energy in kWh.")
    zones = [str(zone) for zone in made["zone"].unique()]
    # each meter's own local hours: 07:00 in New York and 07:00 in Chicago are the same hour of the week
    code = pd.Index(zones).get_indexer(pd.Index(made["zone"].astype("str")))
    wall = pd.Series(intervals.local(to_instants(made["start"]), code, zones).view("datetime64[us]"), index=made.index)
    # average cost of an hour of the week: its cost over the number of such hours with data, each instant once, so that
    # the hour that clocks skip has none, and the repeated hour has two
    hour = made["start"].dt.tz_convert("UTC") - (wall - wall.dt.floor("h"))
    keys = pd.DataFrame(
        {"weekday": wall.dt.day_of_week, "hour": wall.dt.hour, "at": hour, "cost": made["computed_cost"]}
    )
    groups = keys.groupby(["weekday", "hour"])
    mean = (groups["cost"].sum() / groups["at"].nunique()).unstack().reindex(index=range(7), columns=range(24))
    note = f"{_style.days(wall.min().date(), wall.max().date())}, {_style.zone_label(zones, local=True)}"
    if made["meter"].nunique() > 1:
        note += "; all meters together"
    scale = _theme.color_scale(mean.to_numpy(), unit)
    sheet = Sheet.of(f"Average cost by hour of the week, {_theme.subject(made)}", note, given=title, height=height,
                     usual=380, theme=theme)  # fmt: skip
    sheet.add(
        "heatmap", z=mean.to_numpy(), x=[f"{h:02d}:00" for h in range(24)],
        y=["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
        xgap=1, ygap=1, hoverongaps=False, **scale.colors, colorbar=sheet.colorbar(scale.label, "y"),
        hovertemplate=f"%{{y}} %{{x}}<br>%{{z:.4f}} {unit}<extra></extra>",
    )  # fmt: skip
    sheet.axis("xaxis", _style.time_title(zones, local=True), showgrid=False, type="category",
               tickvals=[f"{h:02d}:00" for h in range(0, 24, 3)])  # fmt: skip
    sheet.axis("yaxis", showgrid=False, type="category", autorange="reversed")
    return sheet.figure()


def bill_change(
    bill: Bill,
    before: str | int = 0,
    after: str | int = 1,
    *,
    meter: str | None = None,
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw what moved a bill: from one bill to another, step by step by kind of line.

    Energy is split into the part of more or less kWh (at the earlier average price) and the part of the price.

    Parameters
    ----------
    bill : Bill
        What ``df.gk.price(plan)`` returns.
    before, after : str or int
        Names or positions of two bills. Default: the first two.
    meter : str, optional
        Default: the first meter.
    title, height, theme
        As in :func:`greenkit.plot.load`.

    Raises
    ------
    SchemaError
        If there are fewer than two bills.
    KeyError
        If there is no such bill.
    """
    if not bill.totals["meter"].duplicated().any():
        raise SchemaError("A change needs two bills", next_step="Price a longer period, or choose shorter bills.")
    steps, a, b = bill.changes(before, after, meter=meter)
    first, last = (_theme.plain(_theme.period_label(name)) for name in (a[0], b[0]))
    every = bill.totals
    chosen = str(every["meter"].iloc[0]) if meter is None else meter
    sheet = Sheet.of(f"From {first} to {last}, {_theme.plain(bill.plan.name)}",
                     f"meter {_theme.plain(chosen)}, {every['start'].dt.tz}", given=title, height=height, theme=theme,
                     showlegend=False)  # fmt: skip
    names = [first, *(_theme.plain(_KINDS.get(k, k)) for k, _ in steps), last]
    sheet.add(
        "waterfall", x=names, y=[a[1], *(v for _, v in steps), b[1]],
        measure=["absolute", *["relative"] * len(steps), "total"],
        text=[f"{a[1]:,.2f}", *(f"{v:+,.2f}" for _, v in steps), f"{b[1]:,.2f}"], textposition="outside",
        increasing={"marker": {"color": _style.COLORS[3]}}, decreasing={"marker": {"color": _style.COLORS[1]}},
        totals={"marker": {"color": _style.COLORS[0]}}, connector={"line": {"color": sheet.page.line}},
        cliponaxis=False,
        hovertemplate=f"%{{x}}: %{{y:,.2f}} {bill.plan.currency}<extra></extra>",
    )  # fmt: skip
    sheet.axis("xaxis", type="category", showgrid=False)
    sheet.axis("yaxis", bill.plan.currency)
    return sheet.figure()
