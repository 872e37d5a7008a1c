"""The visual language of charts, reports, panels, and reprs: colors, sizes, names, numbers, and dates.

Every display takes its colors and formats from here, so a flow has one color and a number one form wherever a person
sees it. ``docs/explanation/visual-language.md`` explains the choices.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

Theme = Literal["light", "dark", "page"]

# -- type

FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
SIZES: Final = {"small": 12, "text": 13, "title": 16, "figure": 26}
"""The typographic scale in pixels: notes and ticks, text, titles, and the large figures of a report."""


# -- colors


@dataclass(frozen=True)
class Page:
    """The colors of text and lines on one kind of page.

    Parameters
    ----------
    paper : str
        Background.
    ink, muted : str
        Text, and text of less weight. Both have a contrast of at least 4.5 to the paper.
    grid, line : str
        Grid lines; axes and borders.
    shade : str
        Cells without a value, and the background of buttons.
    """

    paper: str
    ink: str
    muted: str
    grid: str
    line: str
    shade: str


PAGES: Final[dict[str, Page]] = {
    "light": Page("#ffffff", "#1f2328", "#57606a", "#e4e7ea", "#8c959f", "#d0d4d9"),
    "dark": Page("#16181c", "#e6e8ea", "#a9b1ba", "#2c3138", "#7d8590", "#3d444d"),
    # transparent, for a page that sets the color of text itself, as the report and the panels do
    "page": Page("rgba(0,0,0,0)", "#767676", "#767676", "rgba(128,128,128,0.25)", "rgba(128,128,128,0.6)",
                 "rgba(128,128,128,0.35)"),
}  # fmt: skip

COLORS: Final = ("#1f7fbf", "#009E73", "#C77CA8", "#D55E00", "#8c7ae6", "#b08a00", "#7f7f7f")
"""After the palette of Okabe and Ito. Each has a contrast of at least 3 to white and to the dark paper."""
FLOWS: Final = {"delivered": COLORS[0], "received": COLORS[1], "net": COLORS[4]}
"""Color of each flow."""
ESTIMATED: Final = "#D55E00"
COST: Final = "#b08a00"
SCALE: Final = "Cividis"
"""Sequential scale: even in lightness, and readable with color blindness."""
DIVERGING: Final = "PuOr_r"
DAYS: Final = (
    ("#1f7fbf", "complete"),
    ("#D55E00", "partly or all estimated"),
    ("#b08a00", "some intervals missing"),
    ("#7f7f7f", "no value"),
)
"""Color and meaning of each status of a day."""
SEVERITIES: Final = {
    "serious": ("#b3261e", "#ff8a80"),
    "warning": ("#8a5300", "#ffb74d"),
    "info": ("#57606a", "#a9b1ba"),
}
"""Severity → its color on a light and on a dark page."""
MARKS: Final = {"serious": "▲", "warning": "◆", "info": "○", "": "●"}
"""Severity of the worst finding → a mark that repeats the meaning of its color."""


def rgba(color: str, alpha: float) -> str:
    """Return a ``#rrggbb`` color with an opacity, as ``rgba(…)``."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


# -- names


def flow_label(flow: str) -> str:
    """Return the label of a flow as people say it, or else the flow itself.

    Examples
    --------
    >>> flow_label("received"), flow_label("unknown"), flow_label("net")
    ('export', 'direction not stated', 'net')
    """
    return {"received": "export", "unknown": "direction not stated"}.get(flow, flow)


def series_label(meter: object, flow: object, series: object, unit: object) -> str:
    """Return the label of a series, with that of its flow.

    Examples
    --------
    >>> series_label("M1", "received", "2", "kWh")
    'M1 / export / 2 [kWh]'
    """
    return f"{meter} / {flow_label(str(flow))} / {series} [{unit}]"


def zone_label(zones: Sequence[str], *, local: bool = False) -> str:
    """Return the label of local times: the zone, or UTC if it is unknown or if there are several.

    ``local`` says that each of several series is in its own zone, and not in UTC.

    Examples
    --------
    >>> zone_label(["America/Chicago"]), zone_label(["UTC"])
    ('America/Chicago', 'UTC, time zone unknown')
    >>> zone_label(["America/Chicago", "America/Denver"]), zone_label(["America/Chicago", "America/Denver"], local=True)
    ('UTC, 2 time zones', '2 time zones')
    """
    distinct = sorted(set(zones))
    if len(distinct) > 1:
        return f"{'' if local else 'UTC, '}{len(distinct)} time zones"
    return "UTC, time zone unknown" if not distinct or distinct[0] == "UTC" else distinct[0]


def time_title(zones: Sequence[str], what: str = "Local time", *, local: bool = False) -> str:
    """Return the title of a time axis; ``local`` is that of :func:`zone_label`.

    Examples
    --------
    >>> time_title(["America/Chicago"]), time_title(["UTC"])
    ('Local time (America/Chicago)', 'UTC (time zone unknown)')
    """
    label = zone_label(zones, local=local)
    return f"UTC ({label.removeprefix('UTC, ')})" if label.startswith("UTC, ") else f"{what} ({label})"


# -- numbers


def number(value: float, unit: str = "") -> str:
    """Return a number with sensible digits and thousands separators, followed by its unit.

    Examples
    --------
    >>> number(247.888, "kWh"), number(12345.6), number(0.04321), number(0)
    ('247.9 kWh', '12,346', '0.0432', '0')
    """
    if not np.isfinite(value):
        return "no value"
    size = abs(float(value))
    text = f"{value:,.0f}" if size >= 9999.5 or size == 0 else f"{value:,.1f}" if size >= 0.9995 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def percent(share: float) -> str:
    """Return a share as a percentage; it is rounded down below 100%, so that a gap never disappears.

    Examples
    --------
    >>> percent(0.99999), percent(1.0), percent(0.991)
    ('99.9%', '100%', '99.1%')
    """
    if not np.isfinite(share):
        return "unknown"
    if share == 1:
        return "100%"
    return f"{np.floor(float(share) * 1000 + 1e-9) / 10 if share < 1 else float(share) * 100:.1f}%"


# -- dates


def day(date: Any, *, year: bool = True) -> str:
    """Return a date as people write it.

    Examples
    --------
    >>> day("2024-11-03"), day("2024-11-03", year=False)
    ('November 3, 2024', 'November 3')
    """
    stamp = pd.Timestamp(date)
    return f"{stamp:%B} {stamp.day}" + (f", {stamp.year}" if year else "")


def days(first: Any, last: Any) -> str:
    """Return a span of dates, both inclusive, as people write it.

    Examples
    --------
    >>> days("2024-10-28", "2024-11-10")
    'October 28 to November 10, 2024'
    >>> days("2024-11-03", "2024-11-03"), days("2023-12-31", "2024-01-01")
    ('November 3, 2024', 'December 31, 2023 to January 1, 2024')
    """
    first, last = pd.Timestamp(first), pd.Timestamp(last)
    if first == last:
        return day(first)
    return f"{day(first, year=first.year != last.year)} to {day(last)}"


def moment(time: pd.Timestamp, *, year: bool = True) -> str:
    """Return a local time with the abbreviation of its zone.

    Examples
    --------
    >>> moment(pd.Timestamp("2024-11-03 23:15", tz="America/Chicago"), year=False)
    'November 3 at 23:15 CST'
    """
    return f"{day(time, year=year)} at {time:%H:%M %Z}"


def today() -> str:
    """Return the date of today as people write it."""
    return day(datetime.date.today())
