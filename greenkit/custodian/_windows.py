"""What is asked for and what comes: windows of time, documents as they came, and requests still pending."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import urlencode

import pandas as pd

from greenkit import _files, frame
from greenkit._progress import Progress
from greenkit.custodian import _transport
from greenkit.custodian._resources import Bearer, Resources
from greenkit.custodian.profiles import Profile
from greenkit.errors import NotReady, SettingsError
from greenkit.findings import Findings

if TYPE_CHECKING:
    import pandas as pd


_NEAR: Final = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class Window:
    """A window of time, ``end`` exclusive; both aware, in whole seconds."""

    start: pd.Timestamp
    end: pd.Timestamp

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Document:
    """One answer, byte for byte as it came.

    Attributes
    ----------
    window : Window or None
        What was asked for.
    body : bytes or Path
        The bytes, or the private file that they were streamed to: either is a source for
        :func:`greenkit.load_espi`.
    """

    window: Window | None
    body: bytes | Path = field(repr=False)

    def read(self) -> bytes:
        """Give the bytes."""
        return self.body if isinstance(self.body, bytes) else self.body.read_bytes()


@dataclass(frozen=True)
class Pending:
    """The utility is still preparing (status 202) what was asked for.

    Attributes
    ----------
    windows : tuple of Window
        What is still awaited.
    documents : tuple of Document
        What has come already.
    retry_after : float
        Seconds after which asking again makes sense; until then nothing is sent.
    transaction : str or None
        The utility's own name for the job, for its help desk.
    """

    windows: tuple[Window | None, ...]
    documents: tuple[Document, ...] = field(repr=False)
    retry_after: float
    transaction: str | None = None

    @property
    def text(self) -> str:
        """What to do."""
        return (
            f"the utility is still preparing the data ({len(self.windows)} of "
            f"{len(self.windows) + len(self.documents)} requests): hand its notification to fetch_notified(), "
            f"or ask again in {self.retry_after:.0f} s"
        )

    def __str__(self) -> str:
        return self.text


class PendingRequests:
    """Remember what is pending, so that a job is never asked for twice."""

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, str | None]] = {}

    def add(self, url: str, seconds: float, transaction: str | None) -> None:
        """Note a 202."""
        self._until[url] = (time.monotonic() + seconds, transaction)

    def left(self, url: str) -> tuple[float, str | None] | None:
        """Give the seconds until it may be asked for again, and its name; None when it may be now."""
        until, transaction = self._until.get(url, (0.0, None))
        left = until - time.monotonic()
        return (left, transaction) if left > 0 else None


def instant(value: Any, zone: str) -> pd.Timestamp:
    """Read a date or time in whole seconds, in UTC; one without an offset is the utility's wall clock."""
    try:
        # a number could be a year, a day or an epoch; in 3/4/2024 either may be the month; "now" has a zone of its own
        if isinstance(value, int | float) or (isinstance(value, str) and not value[:4].isdecimal()):
            raise ValueError
        at = pd.Timestamp(value)
        if pd.isna(at):
            raise ValueError
        if at.tzinfo is None:
            at = at.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
    except (ValueError, TypeError):
        raise SettingsError(f"{value!r} is no date or time: write it as 2024-01-31") from None
    return at.tz_convert("UTC").floor("s")


def split(profile: Profile, start: Any, end: Any, *, now: pd.Timestamp | None = None) -> list[Window]:
    """Cut what is asked for into windows that the utility answers; those that would begin in the future are left out.

    Parameters
    ----------
    profile : Profile
        Its ``window_days``, ``whole_days``, ``clip_future`` and ``zone``.
    start, end : date or time
        ``end`` exclusive.

    Raises
    ------
    SettingsError
        ``end`` is not after ``start``; no date.

    Examples
    --------
    >>> from greenkit.custodian.profiles import load
    >>> [str(w) for w in split(load("pge"), "2024-03-01", "2024-04-10")]
    ['2024-03-01 08:00 to 2024-03-29 07:00', '2024-03-29 07:00 to 2024-04-10 07:00']
    """
    first, last = instant(start, profile.zone), instant(end, profile.zone)
    now = (now or pd.Timestamp.now("UTC")).floor("s")
    if profile.clip_future:
        last = min(last, now)
    if profile.whole_days:
        first = first.tz_convert(profile.zone).normalize().tz_convert("UTC")
    if first >= last:
        raise SettingsError(f"the window from {start} to {end} holds no time: give an end after the start")
    if not profile.window_days:
        return [Window(first, last)]
    # local days, so that windows begin at the same hour on both sides of a change of the clock
    step, found = pd.DateOffset(days=profile.window_days), list[Window]()
    while first < last and (first <= now or not found):
        edge = min(last, (first.tz_convert(profile.zone) + step).tz_convert("UTC"))
        found.append(Window(first, edge))
        first = edge
    return found


def parameters(profile: Profile, window: Window, *, bulk: bool = False) -> dict[str, str]:
    """Write a window as the utility wants it."""
    names = profile.bulk_window_parameters if bulk else profile.window_parameters
    return dict(zip(names, (_written(profile, t) for t in (window.start, window.end)), strict=True))


def _written(profile: Profile, at: pd.Timestamp) -> str:
    return str(int(at.timestamp())) if profile.dates == "epoch" else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def compare_with_window(df: pd.DataFrame, asked: Window, findings: Findings) -> None:
    """Say where the answer covers less or more than was asked for; nothing is dropped or filled."""
    evidence: dict[str, Any] = {"asked": str(asked)}
    if not len(df):
        findings.add(
            "custodian.window.empty",
            "The utility gave no reading for the window: ask for another, or ask it when data begin.",
            severity="warning",
            **evidence,
        )
        return
    by_meter = df.groupby("meter", observed=True)
    first, last = by_meter["start"].min().dt.tz_convert("UTC"), by_meter["end"].max().dt.tz_convert("UTC")
    evidence["came"] = str(Window(first.min(), last.max()))
    short = (first > asked.start) | (last < min(asked.end, pd.Timestamp.now("UTC").floor("s") - _NEAR))
    if short.any():
        findings.add(
            "custodian.window.less",
            "The answer covers less than was asked for: the rest may not exist, or may come later.",
            severity="warning",
            meters=[str(m) for m in first.index[short][:5]],
            short=int(short.sum()),
            **evidence,
        )
    if first.min() < asked.start or last.max() > asked.end:
        outside = int(((df["start"] < asked.start) | (df["end"] > asked.end)).sum())
        findings.add(
            "custodian.window.more",
            "The answer covers more than was asked for; all of it is kept.",
            rows=outside,
            **evidence,
        )


StrPath = str | os.PathLike[str]
EMPTY_FEED: Final = b'<feed xmlns="http://www.w3.org/2005/Atom"/>'
"""What no data are read as: tables of every column, without a row."""
_LONGEST_WAIT: Final = 86400.0
"""So many seconds are waited at most, whatever a 202 says."""


class Fetcher:
    """Fetch windows of one utility's usage."""

    def __init__(self, profile: Profile, resources: Resources) -> None:
        self._profile, self._resources, self.waiting = profile, resources, PendingRequests()

    def fetch_windows(
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
        """Fetch the windows that a span is cut into; see :meth:`fetch_urls`."""
        asked: list[tuple[str, Window | None]] = [
            (f"{address}?{urlencode(parameters(self._profile, w, bulk=bulk))}", w)
            for w in split(self._profile, start, end)
        ]
        return self.fetch_urls(asked, bearer, into, progress)

    def fetch_urls(
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


def load_documents(
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
        read = open_espi([as_source(d.body) for d in came], tz=tz, epoch=epoch)
        findings.extend(read.findings)
    else:
        read = open_espi(EMPTY_FEED, tz=tz or profile.zone, epoch=epoch)
    df = read.readings
    if asked is not None:
        compare_with_window(df, asked, findings)
    findings.warn(profile.name)
    return frame.note(df, findings)


def as_source(body: bytes | Path) -> BinaryIO | Path:
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
    return _files.inside(into, f"usage-{span}-{_transport.hashed_id(url)[1:]}.xml")
