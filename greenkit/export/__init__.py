"""Export frames to other tools: CSV (also read back), Excel, Home Assistant, OpenDSM, and a redacted copy.

For Parquet, see :mod:`greenkit.store`. Each writer describes the rules of its format.
"""

from __future__ import annotations

from greenkit.export._csv import read_csv, write_csv
from greenkit.export._excel import write_excel
from greenkit.export._home_assistant import home_assistant, write_home_assistant
from greenkit.export._opendsm import opendsm_frame
from greenkit.export._redact import redact

__all__ = [
    "home_assistant",
    "opendsm_frame",
    "read_csv",
    "redact",
    "write_csv",
    "write_excel",
    "write_home_assistant",
]
