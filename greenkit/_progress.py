"""One way to show progress: ``progress=None | True | callable``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

Progress = bool | Callable[[int, int | None], object] | None
"""None or False: no output. True: a tqdm bar. A callable is called with (done, total or None) from time to time."""


@contextlib.contextmanager
def progress_bar(progress: Progress, total: int | None, label: str) -> Iterator[Callable[[int], object]]:
    """Yield a callback that takes the number of bytes processed since the last call."""
    if callable(progress):
        done = 0

        def advance(n: int) -> object:
            nonlocal done
            done += n
            return progress(done, total)

        yield advance
    elif progress:
        from tqdm.auto import tqdm

        with tqdm(total=total, desc=label, unit="B", unit_scale=True) as bar:
            yield bar.update
    else:
        yield lambda n: None
