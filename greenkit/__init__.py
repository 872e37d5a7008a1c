"""Read Green Button (ESPI) and Smart Meter Texas (SMT) meter data into tidy pandas DataFrames.

>>> import greenkit
>>> df = greenkit.load_espi(greenkit.samples.path("espi"))
>>> df.groupby("flow", observed=True)["value"].sum().round(3).to_dict()
{'delivered': 247.888, 'received': 227.482}
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from greenkit import accessor as _accessor  # noqa: F401 registers df.gk

__version__ = "0.2.0"

# public name → the module that defines it; a name that equals the last part of its module is the module itself
_PUBLIC = {
    "Finding": "greenkit.findings",
    "Findings": "greenkit.findings",
    "GreenkitError": "greenkit.errors",
    "Secret": "greenkit.secret",
    "analysis": "greenkit.analysis",
    "certificates": "greenkit.certificates",
    "check_smt": "greenkit.transfer._doctor",
    "concat": "greenkit.frame",
    "connect": "greenkit.custodian",
    "custodian": "greenkit.custodian",
    "errors": "greenkit.errors",
    "export": "greenkit.export",
    "fetch_smt": "greenkit.transfer._pull",
    "frame": "greenkit.frame",
    "gk": "greenkit.accessor",
    "load": "greenkit.detect",
    "load_espi": "greenkit.espi",
    "load_plan": "greenkit.tariffs",
    "load_prices": "greenkit.tables",
    "load_smt": "greenkit.smt",
    "load_table": "greenkit.tables",
    "open_dataset": "greenkit.scale",
    "open_espi": "greenkit.espi",
    "open_smt": "greenkit.smt",
    "open_table": "greenkit.tables",
    "pgp": "greenkit.pgp",
    "plot": "greenkit.plot",
    "price_bills": "greenkit.tariffs",
    "samples": "greenkit.samples",
    "sandbox": "greenkit.sandbox",
    "scale": "greenkit.scale",
    "scan_espi": "greenkit.scale",
    "scan_smt": "greenkit.scale",
    "scan_tables": "greenkit.scale",
    "settings": "greenkit.settings",
    "smt_keyring": "greenkit.transfer._account",
    "smt_remote": "greenkit.transfer._account",
    "sources": "greenkit.sources",
    "store": "greenkit.store",
    "tables": "greenkit.tables",
    "synthetic": "greenkit.synthetic",
    "tariffs": "greenkit.tariffs",
    "to_dataset": "greenkit.scale",
    "transfer": "greenkit.transfer",
    "widgets": "greenkit.widgets",
    "write_report": "greenkit.report",
}
__all__ = ["__version__", *_PUBLIC]

if TYPE_CHECKING:
    from greenkit import analysis as analysis
    from greenkit import certificates as certificates
    from greenkit import custodian as custodian
    from greenkit import errors as errors
    from greenkit import export as export
    from greenkit import frame as frame
    from greenkit import pgp as pgp
    from greenkit import plot as plot
    from greenkit import samples as samples
    from greenkit import sandbox as sandbox
    from greenkit import scale as scale
    from greenkit import settings as settings
    from greenkit import sources as sources
    from greenkit import store as store
    from greenkit import synthetic as synthetic
    from greenkit import tables as tables
    from greenkit import tariffs as tariffs
    from greenkit import transfer as transfer
    from greenkit import widgets as widgets
    from greenkit.accessor import gk as gk
    from greenkit.custodian import connect as connect
    from greenkit.detect import load as load
    from greenkit.errors import GreenkitError as GreenkitError
    from greenkit.espi import load_espi as load_espi
    from greenkit.espi import open_espi as open_espi
    from greenkit.findings import Finding as Finding
    from greenkit.findings import Findings as Findings
    from greenkit.frame import concat as concat
    from greenkit.report import write_report as write_report
    from greenkit.scale import open_dataset as open_dataset
    from greenkit.scale import scan_espi as scan_espi
    from greenkit.scale import scan_smt as scan_smt
    from greenkit.scale import scan_tables as scan_tables
    from greenkit.scale import to_dataset as to_dataset
    from greenkit.secret import Secret as Secret
    from greenkit.smt import load_smt as load_smt
    from greenkit.smt import open_smt as open_smt
    from greenkit.tables import load_prices as load_prices
    from greenkit.tables import load_table as load_table
    from greenkit.tables import open_table as open_table
    from greenkit.tariffs import load_plan as load_plan
    from greenkit.tariffs import price_bills as price_bills
    from greenkit.transfer._account import smt_keyring as smt_keyring
    from greenkit.transfer._account import smt_remote as smt_remote
    from greenkit.transfer._doctor import check_smt as check_smt
    from greenkit.transfer._pull import fetch_smt as fetch_smt


def __getattr__(name: str) -> Any:
    try:
        where = _PUBLIC[name]
    except KeyError:
        import difflib

        near = ["load_espi"] if name.endswith("_xml") else difflib.get_close_matches(name, _PUBLIC, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise AttributeError(f"greenkit has no attribute {name!r}.{hint}") from None
    module = import_module(where)
    found = module if where == f"greenkit.{name}" else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
