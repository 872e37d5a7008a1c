"""Fetch what is asked for: window by window, one thing never twice while it is pending; and read what came."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import urlencode

from greenkit import _files, frame
from greenkit._progress import Progress
from greenkit.custodian import urls, windows
from greenkit.custodian.profiles import Profile
from greenkit.custodian.resources import Bearer, Resources
from greenkit.custodian.windows import Document, Pending, Window
from greenkit.errors import NotReady
from greenkit.findings import Findings

if TYPE_CHECKING:
    import pandas as pd

StrPath = str | os.PathLike[str]
NOTHING: Final = b'<feed xmlns="http://www.w3.org/2005/Atom"/>'
"""What no data are read as: tables of every column, without a row."""
_LONGEST_WAIT: Final = 86400.0
"""So many seconds are waited at most, whatever a 202 says."""


class Fetcher:
    """Fetch windows of one utility's usage."""

    def __init__(self, profile: Profile, resources: Resources) -> None:
        self._profile, self._resources, self.waiting = profile, resources, windows.Waiting()

    def windows(
        self,
        address: str,
        start: Any,
        end: Any,
        bearer: Bearer,
        into: StrPath | None,
        progress: Progress,
        *,
        bulk: bool = False,
    ) -> list[Document] | Pending:
        """Fetch the windows that a span is cut into; see :meth:`each`."""
        asked: list[tuple[str, Window | None]] = [
            (f"{address}?{urlencode(windows.parameters(self._profile, w, bulk=bulk))}", w)
            for w in windows.split(self._profile, start, end)
        ]
        return self.each(asked, bearer, into, progress)

    def each(
        self, asked: Iterable[tuple[str, Window | None]], bearer: Bearer, into: StrPath | None, progress: Progress
    ) -> list[Document] | Pending:
        """Fetch addresses in turn: documents, or Pending when any of them is still prepared."""
        came, awaited, wait, transaction = list[Document](), list[Window | None](), 0.0, None
        for url, window in asked:
            known = self.waiting.left(url)
            if known is None:
                answer = self._resources.get(url, bearer, into=_file_for(into, url, window), progress=progress)
                if answer.status == 200:
                    came.append(Document(window, answer.body))
                if answer.status != 202:
                    continue
                known = (
                    self._profile.pending_wait
                    if answer.retry_after is None
                    else min(answer.retry_after, _LONGEST_WAIT),
                    answer.headers.get("x-transaction"),
                )
                self.waiting.add(url, *known)
            awaited.append(window)
            wait, transaction = max(wait, known[0]), known[1] or transaction
        return Pending(tuple(awaited), tuple(came), wait, transaction) if awaited else came


def load(
    profile: Profile, came: list[Document] | Pending, asked: Window | None, *, tz: str | None, epoch: str
) -> pd.DataFrame:
    """Read documents into a tidy frame, with a finding where they cover less or more than was asked for.

    Raises
    ------
    NotReady
        They are still prepared.
    """
    if isinstance(came, Pending):
        raise NotReady(f"{came.text[0].upper()}{came.text[1:]}", came.retry_after)
    from greenkit.espi import open_espi

    findings = Findings()
    if came:
        read = open_espi([named(d.body) for d in came], tz=tz, epoch=epoch)
        findings.extend(read.findings)
    else:
        read = open_espi(NOTHING, tz=tz or profile.zone, epoch=epoch)
    df = read.readings
    if asked is not None:
        windows.compare(df, asked, findings)
    findings.warn(profile.name)
    return frame.note(df, findings)


def named(body: bytes | Path) -> BinaryIO | Path:
    """Give an answer as a source whose errors say whose it is."""
    if isinstance(body, Path):
        return body
    file = io.BytesIO(body)
    file.name = "the utility's answer"
    return file


def _file_for(into: StrPath | None, url: str, window: Window | None) -> Path | None:
    """Name a file by its window and a hash of its address: no customer's id stands in a file name."""
    if into is None:
        return None
    Path(into).mkdir(parents=True, exist_ok=True)
    span = f"{window.start:%Y%m%dT%H%M}-{window.end:%Y%m%dT%H%M}" if window else "notified"
    return _files.inside(into, f"usage-{span}-{urls.hashed(url)[1:]}.xml")
