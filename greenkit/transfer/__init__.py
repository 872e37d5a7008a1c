"""Fetch files from Smart Meter Texas: the remotes, and what is built on them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = ("doctor", "ftps", "pull", "remote", "sftp", "smt_api")


def __getattr__(name: str) -> Any:
    # each is loaded when it is used: paramiko is slow to import
    if name in _PUBLIC:
        return import_module(f"greenkit.transfer.{name}")
    raise AttributeError(f"module 'greenkit.transfer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_PUBLIC)
