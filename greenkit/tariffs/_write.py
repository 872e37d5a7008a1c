"""A plan as TOML, with everything that it extends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from greenkit import _toml

if TYPE_CHECKING:
    from greenkit.tariffs._model import Plan


def to_toml(plan: Plan) -> str:
    """Return the tables that a plan was read from; plain values first, so that no table takes them in."""
    tables = {"schema": 1, **{k: v for k, v in plan.document.items() if k != "schema"}}
    return _toml.dumps(_plain(tables))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, str | bool | int | float | Decimal | dt.date | dt.time):
        return value
    return str(value)
