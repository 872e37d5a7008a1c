"""What a pull did, file by file: the report of :func:`greenkit.fetch_smt`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from greenkit import _html
from greenkit.findings import Findings

if TYPE_CHECKING:
    import pandas as pd

SAFE: Final = ("decrypted", "copied", "done")
"""States in which the file's content is here, ready to load."""
_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file of a report: a version of a name on the server, and what has become of it."""

    name: str
    bytes: int | None
    state: str
    when: datetime
    why: str = ""
    new: bool = False
    path: Path | None = None

    def __str__(self) -> str:
        size = "" if self.bytes is None else f" {self.bytes:,} bytes"
        return f"{self.when:%Y-%m-%dT%H:%M:%SZ} {self.state} {self.name!r}{size}{f': {self.why}' if self.why else ''}"


@dataclass(frozen=True)
class FetchReport:
    """What one call of :func:`~greenkit.fetch_smt` found and did.

    Parameters
    ----------
    folder : str
        The remote folder.
    into : Path
        The local one: ``load_smt(report.into)`` loads what is there.
    files : tuple of Fetched
        One for each file that the server listed, and for those that changed since.
    findings : Findings
        What is doubtful: files about to expire, lost, refused, or of a wrong size.
    """

    folder: str
    into: Path
    files: tuple[Fetched, ...] = ()
    findings: Findings = field(default_factory=Findings)

    @property
    def frame(self) -> pd.DataFrame:
        """The files as a frame: name, bytes (Int64), state, when (UTC), why (empty: nothing is amiss), new, path."""
        import pandas as pd

        return pd.DataFrame(
            {
                "name": pd.Series([f.name for f in self.files], dtype="str"),
                "bytes": pd.Series([f.bytes for f in self.files], dtype="Int64"),
                "state": pd.Series([f.state for f in self.files], dtype="str"),
                "when": pd.to_datetime(pd.Series([f.when for f in self.files], dtype="datetime64[us, UTC]")),
                "why": pd.Series([f.why for f in self.files], dtype="str"),
                "new": pd.Series([f.new for f in self.files], dtype="bool"),
                "path": pd.Series([str(f.path or "") for f in self.files], dtype="str"),
            }
        )

    @property
    def new(self) -> list[Path]:
        """The plain files that this call brought, to be loaded: ``load_smt(report.new)``."""
        return [f.path for f in self.files if f.new and f.path and f.state in SAFE]

    @property
    def complete(self) -> bool:
        """Every file that the server listed is here and ready to load."""
        return all(f.state in SAFE for f in self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {state}" for state, n in sorted(Counter(f.state for f in self.files).items()))
        return f"{self.folder}: {counts or 'no files'}; {len(self.new)} new in {self.into}"

    def __repr__(self) -> str:
        return f"<FetchReport {self}>"

    def _repr_html_(self) -> str:
        amiss = [f for f in self.files if f.why]
        shown = (amiss + [f for f in self.files if not f.why])[:_SHOWN]
        rows = [
            [f.name, "" if f.bytes is None else f"{f.bytes:,}", f.state, f"{f.when:%Y-%m-%d %H:%M}", f.why]
            for f in shown
        ]
        body = _html.table(["name", "bytes", "state", "when (UTC)", "why not"], rows) if rows else ""
        more = len(self.files) - len(shown)
        if more:
            body += f"<p>and {more:,} more without remark</p>" if len(amiss) <= _SHOWN else f"<p>and {more:,} more</p>"
        if self.findings:
            body += self.findings._repr_html_()
        return _html.block(str(self), body, text="\n".join([str(self), *map(str, shown), *map(str, self.findings)]))
