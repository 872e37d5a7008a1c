"""Style that all charts share: colors for light and dark pages and for color blindness, series names, empty figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greenkit.analysis.intervals import Intervals
from greenkit.analysis.shape import SERIES
from greenkit.errors import SchemaError

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

# Mid-gray text has the same contrast (4.3 : 1) on white and on near-black; the page sets the background.
INK: Final = "#797979"
GRID: Final = "rgba(128,128,128,0.25)"
FAINT: Final = "rgba(128,128,128,0.35)"
CLEAR: Final = "rgba(0,0,0,0)"
# From the palette of Okabe and Ito, without the pale ones: each has at least 3 : 1 on white and on near-black.
COLORS: Final = ("#1f7fbf", "#009E73", "#C77CA8", "#D55E00", "#8c7ae6", "#b08a00", "#7f7f7f")
FLOW_COLOR: Final = {"delivered": COLORS[0], "received": COLORS[1], "net": COLORS[2]}
ESTIMATED: Final = "#D55E00"
COST: Final = "#D55E00"
SCALE: Final = "Cividis"  # even in lightness, and readable with color blindness
DIVERGING: Final = "PuOr_r"
_EACH_DAY: Final = 21
"""Most dates for which greenkit sets the ticks on days; plotly would set them between days."""
MOST: Final = 12
"""Most series in one chart; readers cannot tell more apart."""


def sheet(title: str, *, note: str = "", height: int = 420, **layout: Any) -> go.Figure:
    """Make an empty figure in greenkit's style, without registering a plotly template."""
    import plotly.graph_objects as go

    axis: dict[str, Any] = {
        "gridcolor": GRID,
        "zerolinecolor": FAINT,
        "linecolor": FAINT,
        "tickcolor": FAINT,
        "title": {"standoff": 8, "font": {"size": 13}},
        "automargin": True,
    }
    style: dict[str, Any] = {
        "template": "none",
        "font": {"color": INK, "size": 13},
        "title": {
            "text": title,
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
            "font": {"size": 16},
            "y": 0.98,
            "yref": "container",
        },
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "margin": {"l": 60, "r": 24, "t": 76, "b": 48},
        "height": height,
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1, "xanchor": "right"},
        "hoverlabel": {"namelength": -1},
        "modebar": {"bgcolor": CLEAR, "color": INK, "activecolor": COLORS[0]},
        "xaxis": axis,
        "yaxis": axis,
    }
    if note:
        style["margin"]["t"] = 88
        style["title"]["subtitle"] = {"text": note, "font": {"size": 12, "color": INK}}
    figure = go.Figure(layout=style)
    figure.update_layout(**layout)
    return figure


def series_of(table: pd.DataFrame) -> pd.DataFrame:
    """Return the series of a table in their order. A result may lack a series of the frame that has no value."""
    return table[SERIES].drop_duplicates(ignore_index=True)


def names(keys: pd.DataFrame) -> list[str]:
    """Return the shortest name that distinguishes each series from the others; the flow if there is only one."""
    for parts in (["flow"], ["meter"], ["meter", "flow"], ["flow", "series"], ["flow", "unit"]):
        if not keys.duplicated(parts).any():
            break
    else:
        parts = ["meter", "flow", "series", "unit"]
    return [plain(" · ".join(row)) for row in keys[parts].itertuples(index=False)]


def plain(text: str) -> str:
    """Escape a name from the data, so that plotly does not read it as HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def colors(keys: pd.DataFrame) -> list[str]:
    """Return the color of each series: that of its flow if all flows differ, or else the next color of the palette."""
    flows = [str(f) for f in keys["flow"]]
    if len(set(flows)) == len(flows) and set(flows) <= set(FLOW_COLOR):
        return [FLOW_COLOR[f] for f in flows]
    return [COLORS[i % len(COLORS)] for i in range(len(flows))]


def grid(
    title: str,
    rows: int,
    columns: int,
    titles: list[str] | None,
    *,
    height: int = 90,
    each: int = 300,
    note: str = "",
    second: bool = False,
) -> go.Figure:
    """Make an empty figure of panels in greenkit's style; ``second`` adds a second axis to the right of each panel."""
    from plotly.subplots import make_subplots

    titled = bool(titles and any(titles))
    # the legend is between the note and the panels' titles, which do not fit on one line of a narrow page
    legend = 22 if note and titled else 0
    total = height + each * rows + legend
    gap = min(95 / total, 1 / rows) if rows > 1 else 0
    panels = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=titles,
        shared_yaxes=columns > 1,
        vertical_spacing=gap,
        horizontal_spacing=0.03,
        specs=[[{"secondary_y": second}] * columns] * rows,
    )
    base = sheet(title, note=note, height=total).layout.to_plotly_json()
    base["margin"]["t"] += legend
    base["legend"]["y"] = 1 + (24 if titled else 0) / (total - base["margin"]["t"] - base["margin"]["b"])
    axes = {"xaxis": base.pop("xaxis"), "yaxis": base.pop("yaxis")}
    panels.update_layout(base)
    panels.update_xaxes(axes["xaxis"])
    panels.update_yaxes(axes["yaxis"])
    panels.update_annotations(font={"size": 13, "color": INK})
    return panels


def colorbar(unit: str, domain: Sequence[float]) -> dict[str, Any]:
    """Return the color bar next to the panel with this domain."""
    low, high = domain
    return {
        "title": {"text": unit, "font": {"size": 13}},
        "len": high - low,
        "y": (low + high) / 2,
        "thickness": 14,
        "outlinewidth": 0,
    }


def color_scale(values: Any) -> dict[str, Any]:
    """Return the color scale of some values: from the lowest to the highest, or centered on zero if any is negative."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < 0:
        return {"colorscale": DIVERGING, "zmid": 0}
    # a single value needs a span around it
    return {"colorscale": SCALE, "zmin": low if low < high else 0.0, "zmax": high if high > 0 else 1.0}


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


def few(found: Intervals, most: int = MOST) -> Intervals:
    """Return the intervals; raise SchemaError if there is no value, or if there are too many series for one chart."""
    if not found.valid.any():
        raise nothing()
    if len(found.keys) > most:
        raise too_many(len(found.keys), most, "series", found.keys)
    return found


def notes(found: Intervals, *texts: str) -> str:
    """Join the notes of a chart with the decisions about its physical flows, for the subtitle."""
    decided = found.relations.notes if found.relations is not None else []
    return plain("; ".join([*filter(None, texts), *decided]))


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
            one = replace(
                found.take(found.code == code), keys=found.keys.iloc[[code]].reset_index(drop=True),
                code=np.zeros(int((found.code == code).sum()), dtype=np.int64),
            )  # fmt: skip
            flow = chosen["flow"].iloc[0]
            return one, f"{flow} only, of {len(keys)} flows" if len(keys) > 1 else ""
    raise too_many(len(keys), 1, "series", keys)


def nothing() -> SchemaError:
    """Say that there is nothing to draw."""
    return SchemaError("The frame has no value to draw", next_step="Check it with df.gk.quality().")


def too_many(count: int, most: int, what: str, keys: pd.DataFrame) -> SchemaError:
    """Return the error for more series than one chart can show, with a column to filter by."""
    by = next((name for name in ("meter", "flow", "series", "unit") if keys[name].nunique() > 1), "start")
    example = f'df["{by}"] == {keys[by].iloc[0]!r}' if by in keys else 'df["start"] >= "2024"'
    return SchemaError(
        f"The frame has {count:,} {what}, but this chart shows at most {most}",
        next_step=f"Filter it first, as in df[{example}].",
    )


def one_unit(units: list[str]) -> SchemaError:
    """Say that units cannot share an axis."""
    return SchemaError(
        f"The series are in {' and '.join(units)}, but this chart has one axis",
        next_step="Filter the frame to one unit.",
    )


def rgba(color: str, alpha: float) -> str:
    """Return a ``#rrggbb`` color with an opacity, as ``rgba(…)``."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def subject(keys: pd.DataFrame) -> str:
    """Return the subject of a title: the meter if there is one, or else the number of meters."""
    meters = keys["meter"].unique()
    return f"meter {plain(meters[0])}" if len(meters) == 1 else f"{len(meters)} meters"
