"""A strip picture of one series: a thin cell for each local day, as inline SVG without any script."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np

from greenkit._html import Markup
from greenkit.analysis.intervals import Ints

# status → (colour, meaning); told apart by lightness as well as by hue
STATUS: Final = (
    ("#1f7fbf", "whole"),
    ("#D55E00", "partly or all estimated"),
    ("#e3b34c", "some intervals missing"),
    ("#8c8c8c", "no value"),
)
_WIDTH: Final = 360


def status(present: Ints, expected: Ints, estimated: Ints) -> Ints:
    """Give each day its place in :data:`STATUS`."""
    return np.select([present == 0, present < expected, estimated > 0], [3, 2, 1], 0).astype(np.int64)


def strip(days: Ints) -> Markup:
    """Draw the days of one series; many days share a cell, which shows the worst of them."""
    each = -(-len(days) // _WIDTH) or 1
    cells = [int(days[i : i + each].max()) for i in range(0, len(days), each)]
    edge = [0, *(i for i in range(1, len(cells)) if cells[i] != cells[i - 1]), len(cells)]
    width = max(1.0, 240 / max(len(cells), 1))
    bars = "".join(
        f'<rect x="{a * width:.1f}" width="{(b - a) * width:.1f}" height="12" fill="{STATUS[cells[a]][0]}"/>'
        for a, b in pairwise(edge)
        if b > a
    )
    total = f"{len(cells) * width:.0f}"
    return Markup(f'<svg width="{total}" height="12" viewBox="0 0 {total} 12" role="img">{bars}</svg>')


def legend() -> Markup:
    """Name the colours."""
    names = [f'<span style="color:{color}">■</span> {meaning}' for color, meaning in STATUS]
    return Markup("<p>" + " &nbsp; ".join(names) + "</p>")
