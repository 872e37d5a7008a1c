"""End times of Baltimore Gas and Electric: 15, 30, 100 are ends; 59, 159 are the last minute of an hour."""

from __future__ import annotations

from greenkit.tables.engine import Engine
from greenkit.tables.intervals import MINUTE


def prepare(engine: Engine) -> None:
    """Shift labels by a minute if every time is the last minute of an interval."""
    words = [word for word in engine.words("EndTime").words if word.isdigit()]
    if words and all(word.endswith("9") for word in words):
        engine.shift = MINUTE
