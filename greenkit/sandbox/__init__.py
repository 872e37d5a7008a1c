"""A simulated utility on loopback: Green Button Connect, FTPS, and SFTP, for demos, notebooks, and tests."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from greenkit.errors import SettingsError

if TYPE_CHECKING:
    from greenkit.sandbox._utility import Utility as Utility
    from greenkit.sandbox._utility import serve as serve
    from greenkit.sandbox._utility import start as start

__all__ = ["Utility", "serve", "start"]
_MODULES = ("authority", "custodian", "files", "visitor")


def __getattr__(name: str) -> Any:
    # The packages of the servers are imported when a server starts.
    if name in (*__all__, *_MODULES):
        try:
            if name in _MODULES:
                return import_module(f"greenkit.sandbox.{name}")
            return getattr(import_module("greenkit.sandbox._utility"), name)
        except ImportError as e:
            raise SettingsError(
                f"The sandbox needs the package {e.name}", next_step='Run pip install "greenkit[sandbox]".'
            ) from None
    raise AttributeError(f"module 'greenkit.sandbox' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
