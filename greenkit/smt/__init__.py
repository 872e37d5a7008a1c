"""Smart Meter Texas files (LSE, interval CSV, JSON) to tidy frames."""

from greenkit.smt.data import SmtData
from greenkit.smt.reader import load_smt, open_smt

__all__ = ["SmtData", "load_smt", "open_smt"]
