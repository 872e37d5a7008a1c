"""Smart Meter Texas files (LSE, interval CSV, JSON) to tidy frames."""

from greenkit.smt._codes import tdsp_hint
from greenkit.smt._names import SmtName, parse_name
from greenkit.smt._reader import SmtData, is_smt, load_smt, open_smt

__all__ = ["SmtData", "SmtName", "is_smt", "load_smt", "open_smt", "parse_name", "tdsp_hint"]
