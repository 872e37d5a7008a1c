"""Keep to a utility's request limits, so that it never has to refuse us."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from greenkit.errors import RateLimited

PATIENCE = 120.0
"""Longest wait [s] that is made in silence; a longer one is an error that says when to come back."""


class Pacer:
    """Let requests pass no faster than several limits at once; safe between threads.

    It knows the requests of this process only: two processes that share a client id share its limits unknowing.

    Parameters
    ----------
    limits : sequence of (int, float)
        So many requests in so many seconds, each counted over a sliding window.
    clock, sleep : callable
        For tests.

    Examples
    --------
    >>> now, naps = [0.0], []
    >>> def nap(s): naps.append(s); now[0] += s
    >>> pacer = Pacer([(1, 1.0)], clock=lambda: now[0], sleep=nap)
    >>> for _ in range(3): pacer.wait()
    >>> naps
    [1.0, 1.0]
    """

    def __init__(
        self,
        limits: tuple[tuple[int, float], ...] | list[tuple[int, float]],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._limits = [(count, span, deque[float](maxlen=count)) for count, span in limits]
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait until a request may be sent, and count it; RateLimited when that is more than two minutes off."""
        with self._lock:
            now = self._clock()
            # a full deque's first entry is the request that has to leave its window before the next may pass
            free = max((sent[0] + span for count, span, sent in self._limits if len(sent) == count), default=now)
            pause = free - now
            if pause > PATIENCE:
                raise RateLimited(
                    f"the utility's request limit is used up: try again in {pause / 60:.0f} minutes", pause
                )
            due = max(now, free)
            for _, _, sent in self._limits:
                sent.append(due)
        if due > now:
            self._sleep(due - now)


_shared: dict[tuple[str, str], Pacer] = {}
_lock = threading.Lock()


def shared(address: str, client_id: str, limits: tuple[tuple[int, float], ...]) -> Pacer:
    """Give the one pacer of a client id at an address: the clients of several customers share its limits."""
    with _lock:
        return _shared.setdefault((address, client_id), Pacer(limits))
