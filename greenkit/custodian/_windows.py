"""Requests for a period of time: the windows it is split into, the documents that arrive, and the pages they name.

A utility limits how many days one request may cover, so a period is split into windows. An answer may be split into
pages (``rel="next"``, RFC 4287), or may not be ready yet (status 202).
"""

from __future__ import annotations

import contextlib
import datetime
import io
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urlencode, urljoin
from xml.sax.saxutils import unescape

import numpy as np
import pandas as pd

from greenkit import _files
from greenkit._progress import Progress
from greenkit.custodian._resources import Bearer, Resources
from greenkit.custodian._transport import checked_url, hashed_id
from greenkit.custodian.profiles import Profile
from greenkit.errors import FormatError, HostRejected, LimitError, NotReady, NotWritten, SettingsError
from greenkit.times import moment

StrPath = str | os.PathLike[str]
Moment = str | float | datetime.date | np.datetime64 | np.number
"""A date or time: text such as ``"2024-01-31"``, a date, a datetime, a Timestamp, or epoch seconds."""
EMPTY_FEED: Final = b'<feed xmlns="http://www.w3.org/2005/Atom"/>'
"""Feed that replaces an empty answer. Its tables have all columns and no rows."""
MOST_PAGES: Final = 1000
"""Largest number of pages of one answer."""
_LONGEST_WAIT: Final = 86_400.0
"""Longest time [s] before a request is sent again, whatever a 202 specifies."""
_AGAIN: Final = (
    "Request the data again; if the answer is the same, check resource_url in the profile and ask the utility about it."
)
_EDGE: Final = 1 << 16
"""Bytes at each end of a large document that are searched for the link to the next page."""


# -- what is requested


@dataclass(frozen=True)
class Window:
    """A period of time. ``end`` is exclusive; both have a time zone and whole seconds."""

    start: pd.Timestamp
    end: pd.Timestamp

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"

    def in_zone(self, zone: str) -> str:
        """Return the period in local time with the zone, as a person would write it."""
        return f"{Window(self.start.tz_convert(zone), self.end.tz_convert(zone))} ({zone})"


def instant(value: object, zone: str) -> pd.Timestamp:
    """Read a date or time, in whole seconds of UTC.

    Parameters
    ----------
    value : str, date, datetime, Timestamp, datetime64, int, or float
        Without an offset it is local time in ``zone``. A number, or text of 9 to 11 digits, is epoch seconds.
    zone : str
        IANA time zone.

    Raises
    ------
    SettingsError
        If it is anything else: a number of 8 digits could be a date, and in 3/4/2024 either number may be the month.

    Examples
    --------
    >>> print(instant("2024-03-01", "America/Los_Angeles"), instant(1709280000, "America/Los_Angeles"))
    2024-03-01 08:00:00+00:00 2024-03-01 08:00:00+00:00
    """
    try:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{9,11}", value.strip()):
            value = int(value)
        if isinstance(value, int | float | np.number) and not isinstance(value, bool | np.timedelta64):
            if not 1e8 <= value < 1e11:  # false for NaN too
                raise ValueError
            return pd.Timestamp(int(value), unit="s", tz="UTC")
        if not isinstance(value, str | datetime.date | np.datetime64) or (
            isinstance(value, str) and not re.match(r"[0-9]{4}", value)  # pandas reads "now" in another time zone
        ):
            raise ValueError
        at = pd.Timestamp(value)
        if pd.isna(at):
            raise ValueError
        if at.tzinfo is None:
            at = at.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
        return at.tz_convert("UTC").floor("s")
    except (ValueError, TypeError, OverflowError):
        pass
    raise SettingsError(
        f"{value!r} is not an unambiguous date or time",
        next_step="Write it as 2024-01-31, 2024-01-31T08:00Z, or in epoch seconds.",
    )


def split(profile: Profile, start: Moment, end: Moment, *, now: pd.Timestamp | None = None) -> list[Window]:
    """Split a period into windows that the utility accepts; windows that would begin in the future are left out.

    Parameters
    ----------
    profile : Profile
        Its ``window_days``, ``whole_days``, ``clip_future``, and ``zone``.
    start, end : date or time
        ``end`` is exclusive.

    Raises
    ------
    SettingsError
        If ``end`` is not after ``start``, one of them is not a date, or the utility refuses a period in the future.

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
    if first < instant(end, profile.zone) and first >= last:
        raise SettingsError(
            f"The period from {start} to {end} is in the future", next_step="Request it after it has begun."
        )
    if first >= last:
        raise SettingsError(
            f"The period from {start} to {end} is empty", next_step="Pass an end that is after the start."
        )
    if not profile.window_days:
        return [Window(first, last)]
    # local days, so that windows begin at the same hour before and after a DST change
    step, found = pd.Timedelta(days=profile.window_days), list[Window]()
    while first < last and (first <= now or not found):
        local = first.tz_convert(profile.zone).tz_localize(None) + step
        edge = min(last, moment(local, profile.zone))
        found.append(Window(first, edge))
        first = edge
    return found


def parameters(profile: Profile, window: Window, *, bulk: bool = False) -> dict[str, str]:
    """Return the query parameters of a window in the utility's names and format."""
    names = profile.bulk_window_parameters if bulk else profile.window_parameters
    return dict(zip(names, (_written(profile, t) for t in (window.start, window.end)), strict=True))


def _written(profile: Profile, at: pd.Timestamp) -> str:
    return str(int(at.timestamp())) if profile.dates == "epoch" else at.strftime("%Y-%m-%dT%H:%M:%SZ")


# -- what arrives


@dataclass(frozen=True)
class Document:
    """One answer, byte for byte.

    Attributes
    ----------
    window : Window or None
        What was requested.
    body : bytes or Path
        The bytes, or the private file that they were streamed to. :func:`greenkit.load_espi` reads both.
    unfollowed : str
        Why the next page that the document names was not fetched; empty if there is none, or it was.
    """

    window: Window | None
    body: bytes | Path = field(repr=False)
    unfollowed: str = ""

    def read(self) -> bytes:
        """Return the bytes."""
        return self.body if isinstance(self.body, bytes) else self.body.read_bytes()


@dataclass(frozen=True)
class Pending:
    """The utility is still preparing the data (status 202).

    Attributes
    ----------
    windows : tuple of Window
        What has not arrived yet.
    documents : tuple of Document
        What has arrived.
    retry_after : float
        Seconds after which a new request makes sense. Until then greenkit sends none.
    transaction : str or None
        The utility's name for the job, for its help desk.
    """

    windows: tuple[Window | None, ...]
    documents: tuple[Document, ...] = field(repr=False)
    retry_after: float
    transaction: str | None = None

    @property
    def problem(self) -> str:
        """What the utility is still preparing."""
        asked = len(self.windows) + len(self.documents)
        return f"The utility is still preparing the data ({len(self.windows)} of {asked} requests)"

    @property
    def next_step(self) -> str:
        """Next step."""
        return f"Pass its notification to fetch_notified(), or request the data again in {self.retry_after:.0f} s."

    @property
    def text(self) -> str:
        """Problem and next step."""
        return f"{self.problem}. {self.next_step}"

    def error(self) -> NotReady:
        """Return this answer as an error."""
        return NotReady(self.problem, self.retry_after, next_step=self.next_step)

    def __str__(self) -> str:
        return self.text


class PendingRequests:
    """The requests that the utility is still preparing, so that no job is requested twice."""

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, str | None]] = {}

    def add(self, url: str, seconds: float, transaction: str | None) -> None:
        """Record a 202."""
        self._until[url] = (time.monotonic() + seconds, transaction)

    def left(self, url: str) -> tuple[float, str | None] | None:
        """Return the seconds until a URL may be requested again and the job's name; None if it may be requested now."""
        until, transaction = self._until.get(url, (0.0, None))
        left = until - time.monotonic()
        return (left, transaction) if left > 0 else None


# -- fetching


class Fetcher:
    """Fetch windows of one utility's usage."""

    def __init__(self, profile: Profile, resources: Resources) -> None:
        self._profile, self._resources, self.waiting = profile, resources, PendingRequests()

    def fetch_windows(
        self,
        url: str,
        start: Moment,
        end: Moment,
        bearer: Bearer,
        into: StrPath | None,
        progress: Progress,
        *,
        bulk: bool = False,
    ) -> list[Document] | Pending:
        """Fetch the windows of a period; see :meth:`fetch_urls`."""
        asked: list[tuple[str, Window | None]] = [
            (f"{url}?{urlencode(parameters(self._profile, w, bulk=bulk))}", w) for w in split(self._profile, start, end)
        ]
        return self.fetch_urls(asked, bearer, into, progress)

    def fetch_urls(
        self, asked: Iterable[tuple[str, Window | None]], bearer: Bearer, into: StrPath | None, progress: Progress
    ) -> list[Document] | Pending:
        """Fetch URLs in turn, each with the pages that follow it; Pending if any of them is still being prepared."""
        documents, awaited, wait, transaction = list[Document](), list[Window | None](), 0.0, None
        for url, window in asked:
            known = self.waiting.left(url)
            if known is None:
                known = self._fetch_pages(url, window, bearer, into, progress, documents)
            if known is not None:
                awaited.append(window)
                wait, transaction = max(wait, known[0]), known[1] or transaction
        return Pending(tuple(awaited), tuple(documents), wait, transaction) if awaited else documents

    def _fetch_pages(
        self,
        url: str,
        window: Window | None,
        bearer: Bearer,
        into: StrPath | None,
        progress: Progress,
        documents: list[Document],
    ) -> tuple[float, str | None] | None:
        """Fetch a URL and the pages after it; return wait and job if one of them is still being prepared."""
        seen: set[str] = set()
        while True:
            seen.add(url)
            answer = self._resources.get(url, bearer, into=_file_for(into, url, window), progress=progress)
            if answer.status == 202:
                wait = answer.retry_after if answer.retry_after is not None else self._profile.pending_wait
                known = (min(wait, _LONGEST_WAIT), answer.headers.get("x-transaction"))
                self.waiting.add(url, *known)
                return known
            if answer.status != 200:
                return None
            link = next_page(answer.body)
            following, reason = self._page_after(url, link, seen) if link else ("", "")
            documents.append(Document(window, answer.body, reason))
            if not following:
                return None
            url = following

    def _page_after(self, url: str, link: str, seen: set[str]) -> tuple[str, str]:
        """Return the URL of the next page, or why it is not fetched."""
        try:
            following = checked_url(self._profile, urljoin(url, link))
        except (HostRejected, ValueError):
            return "", "its URL is not one of the utility's resources"
        if following in seen:
            return "", "it is a page that was fetched already"
        if len(seen) >= MOST_PAGES:
            return "", f"there are more than {MOST_PAGES:,} pages"
        return following, ""


_LINK: Final = re.compile(rb"<(?:[\w.-]+:)?link\b([^<>]*)>")
_ATTRIBUTE: Final = re.compile(rb"""([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_FIRST_ENTRY: Final = re.compile(rb"<(?:[\w.-]+:)?entry[\s>/]")
_LAST_ENTRY: Final = re.compile(rb"</(?:[\w.-]+:)?entry\s*>")


def next_page(body: bytes | Path) -> str:
    """Return the link of a feed to its next page (``rel="next"``, RFC 5005, 3); empty if it has none.

    Only links of the feed itself count, which are before its first entry or after its last one.

    Examples
    --------
    >>> next_page(b'<feed><link rel="next" href="?page=2&amp;n=9"/><entry/></feed>')
    '?page=2&n=9'
    >>> next_page(b'<feed><entry><link rel="next" href="x"/></entry></feed>')
    ''
    """
    for edge in _edges(body):
        for link in _LINK.finditer(edge):
            found = {k: a or b for k, a, b in _ATTRIBUTE.findall(link[1])}
            if b"next" in found.get(b"rel", b"").lower().split():
                return unescape(found.get(b"href", b"").decode("utf-8", "replace"), {"&quot;": '"', "&apos;": "'"})
    return ""


def _edges(body: bytes | Path) -> tuple[bytes, bytes]:
    """Return the text before the first entry and after the last one, within the searched ends of the document."""
    if isinstance(body, bytes):
        head, tail = body[:_EDGE], body[-_EDGE:]
    else:
        with body.open("rb") as file:
            head = file.read(_EDGE)
            file.seek(max(0, body.stat().st_size - _EDGE))
            tail = file.read()
    first = _FIRST_ENTRY.search(head)
    ends = [m.end() for m in _LAST_ENTRY.finditer(tail)]
    return head[: first.start()] if first else head, tail[ends[-1] :] if ends else b""


def as_source(body: bytes | Path) -> BinaryIO | Path:
    """Return an answer as a source whose errors name its origin."""
    if isinstance(body, Path):
        return body
    file = io.BytesIO(body)
    file.name = "the utility's answer"
    return file


@contextlib.contextmanager
def reading_an_answer() -> Iterator[None]:
    """Replace the next step of errors that readers raise: unlike a file, an answer cannot be downloaded again.

    Raises
    ------
    FormatError, LimitError
        Of the reader, with what to do about the answer of a server.

    Examples
    --------
    >>> with reading_an_answer():
    ...     raise FormatError("This is a web page", next_step="Download the file again.")
    Traceback (most recent call last):
    greenkit.errors.FormatError: This is a web page. Request the data again; if the answer is the same, check \
resource_url in the profile and ask the utility about it.
    """
    try:
        yield
    except FormatError as e:
        e.next_step = _AGAIN
        raise
    except LimitError as e:
        e.next_step = "Do not trust the answer; ask the utility about it."
        raise


def _file_for(into: StrPath | None, url: str, window: Window | None) -> Path | None:
    """Name a file by its window and a hash of its URL, so that the name contains no customer ID."""
    if into is None:
        return None
    fault = ""
    try:
        Path(into).mkdir(parents=True, exist_ok=True)
    except OSError as e:
        fault = e.strerror or type(e).__name__
    if fault:
        raise NotWritten(f"The folder {into} cannot be created ({fault})", next_step="Pass another folder as into.")
    span = f"{window.start:%Y%m%dT%H%M}-{window.end:%Y%m%dT%H%M}" if window else "notified"
    return _files.inside(into, f"usage-{span}-{hashed_id(url)[1:]}.xml")
