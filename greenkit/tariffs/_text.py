"""Files of plans: bytes, TOML, and back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from greenkit import _toml
from greenkit.errors import SettingsError
from greenkit.tariffs._model import PlanError

LARGEST: Final = 100_000_000
"""Largest size of a plan or a file of rates, in bytes."""


def read_bytes(path: Path) -> bytes:
    """Read a file of a plan.

    Raises
    ------
    PlanError
        If it is missing, not readable, or too large.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise PlanError(f"{path.name} is larger than {LARGEST:,} bytes", next_step="Check the path.")
        return path.read_bytes()
    except FileNotFoundError:
        raise PlanError(f"There is no file {path}", next_step="Check the path of the plan.") from None
    except (IsADirectoryError, PermissionError, OSError) as e:
        raise PlanError(f"{path} cannot be read ({type(e).__name__})", next_step="Check the path.") from None


def read_toml(data: bytes, name: str) -> dict[str, Any]:
    """Parse TOML, with decimals as Decimal.

    Raises
    ------
    PlanError
        If it is not TOML; the error names the line.
    """
    try:
        return _toml.parse(data, name=name)
    except SettingsError as e:
        raise PlanError(e.problem, next_step=e.next_step) from None


def to_toml(document: Mapping[str, Any]) -> str:
    """Return the tables of a plan as TOML."""
    tables = {"schema": 1, **{k: v for k, v in document.items() if k != "schema"}}
    return _toml.dumps(_plain(tables))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, str | bool | int | float | Decimal | dt.date | dt.time):
        return value
    return str(value)
