"""Load curves of Enedis: the lines before the header name the direction."""

from __future__ import annotations

import dataclasses
from typing import Final, Literal

from greenkit.tables.engine import Engine

_FLOWS: Final[dict[str, Literal["delivered", "received"]]] = {"cons": "delivered", "prod": "received"}


def prepare(engine: Engine) -> None:
    """Set the flow from ``Grandeur metier``: consumption or production."""
    direction = engine.preamble.get("grandeur metier", "").casefold()[:4]
    spec = engine.table.values["Valeur"]
    if direction in _FLOWS and spec.flow is None:
        engine.change(values={"Valeur": dataclasses.replace(spec, flow=_FLOWS[direction])})
