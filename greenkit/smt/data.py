"""What Smart Meter Texas files hold: frames and findings, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from greenkit import _glance, _html
from greenkit.findings import Findings


@dataclass
class SmtData:
    """What Smart Meter Texas files hold. Made by :func:`open_smt`.

    Attributes
    ----------
    readings : DataFrame
        Intervals: a tidy frame, as :func:`load_smt` gives it.
    registers : DataFrame
        Register reads, one row for a meter's day: ``meter``, ``series``, ``flow``, ``usage_date`` (local date),
        ``start_reading``, ``end_reading`` and ``value`` (kWh), ``unit``, ``quality``, ``quality_code``,
        ``revision``, ``source``, then the file's other columns as text. They must never be summed with usage.
    bills : DataFrame
        Monthly usage: ``meter``, ``series``, ``flow``, ``start_date`` and ``end_date`` (local dates, as the file
        gives them), ``value`` (kWh), and the same others.
    findings : Findings
        What was doubtful.
    """

    readings: pd.DataFrame
    registers: pd.DataFrame
    bills: pd.DataFrame
    findings: Findings = field(default_factory=Findings)

    def _counts(self) -> str:
        tables = (("register reads", self.registers), ("bills", self.bills))
        return ", ".join(f"{len(table):,} {what}" for what, table in tables if len(table))

    def __repr__(self) -> str:
        more = self._counts()
        lines = [f"SmtData: {len(self.readings):,} readings" + (f"; {more}" if more else "")]
        lines += _glance.series_text(self.readings)
        lines.append(str(self.findings))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        body = _glance.series_html(self.readings)
        body += f"<p>{_html.text(self._counts() or 'no register reads, no bills')}</p>"
        body += _glance.findings_html(self.findings)
        return _html.block(f"Smart Meter Texas: {len(self.readings):,} readings", body, text=repr(self))
