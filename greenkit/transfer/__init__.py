"""Fetch files from Smart Meter Texas over SFTP or FTPS, diagnose the connection, and use its REST API."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenkit.transfer._account import smt_keyring as smt_keyring
    from greenkit.transfer._account import smt_remote as smt_remote
    from greenkit.transfer._doctor import Check as Check
    from greenkit.transfer._doctor import Diagnosis as Diagnosis
    from greenkit.transfer._doctor import check_smt as check_smt
    from greenkit.transfer._ftps import FtpsRemote as FtpsRemote
    from greenkit.transfer._pull import Fetched as Fetched
    from greenkit.transfer._pull import FetchReport as FetchReport
    from greenkit.transfer._pull import fetch_smt as fetch_smt
    from greenkit.transfer._remote import SMT_FTPS as SMT_FTPS
    from greenkit.transfer._remote import SMT_SFTP as SMT_SFTP
    from greenkit.transfer._remote import Endpoint as Endpoint
    from greenkit.transfer._remote import Remote as Remote
    from greenkit.transfer._remote import Stat as Stat
    from greenkit.transfer._sftp import SftpRemote as SftpRemote
    from greenkit.transfer.onboarding import write_onboarding as write_onboarding
    from greenkit.transfer.smt_api import SmtApi as SmtApi

_WHERE = {
    "Check": "_doctor",
    "Diagnosis": "_doctor",
    "Endpoint": "_remote",
    "FetchReport": "_pull",
    "Fetched": "_pull",
    "FtpsRemote": "_ftps",
    "Remote": "_remote",
    "SMT_FTPS": "_remote",
    "SMT_SFTP": "_remote",
    "SftpRemote": "_sftp",
    "SmtApi": "smt_api",
    "Stat": "_remote",
    "check_smt": "_doctor",
    "fetch_smt": "_pull",
    "smt_keyring": "_account",
    "smt_remote": "_account",
    "write_onboarding": "onboarding",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    # each is loaded when it is used: paramiko is slow to import
    if name in ("onboarding", "smt_api"):
        return import_module(f"greenkit.transfer.{name}")
    if name in _WHERE:
        return getattr(import_module(f"greenkit.transfer.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'greenkit.transfer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_WHERE)
