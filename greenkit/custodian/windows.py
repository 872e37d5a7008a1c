"""What is asked for and what comes: windows of time, documents as they came, and requests still pending."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from greenkit.custodian.profiles import Profile
from greenkit.errors import SettingsError
from greenkit.findings import Findings

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


class Waiting:
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


def compare(df: pd.DataFrame, asked: Window, findings: Findings) -> None:
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
