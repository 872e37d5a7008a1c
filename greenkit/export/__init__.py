"""Frames for other tools: CSV and back, Excel, Home Assistant, OpenDSM, and a copy without identities.

Parquet is :mod:`greenkit.store`. Each format's own rules stand beside its writer.
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
