"""Run tasks in order, or on the workers of Dask, with the same results.

Dask is used as a task runner only: workers read and write, and return small objects. A worker that dies is started
again by its nanny, and its task runs again elsewhere.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from greenkit._progress import Progress, progress_bar
from greenkit.errors import GreenkitError, SettingsError

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")
R = TypeVar("R")

WORTH_A_CLUSTER: Final = 64 << 20
"""Bytes of work below which starting a local cluster takes longer than it saves."""
PLANNED: Final = 2 << 30
"""Memory that a worker needs for a task of 64 MB of LSE, with room for the analysis of its meters."""
_RETRIES: Final = 2
# Dask lets workers return free memory to the system at once, so that each array costs new pages: twice the CPU time
_MEMORY: Final = {
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 1 << 28,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 1 << 25,
}


class WorkerTooSmall(GreenkitError):
    """The workers of Dask died again and again on the same task, usually because they have too little memory."""


def has_dask() -> bool:
    """Return whether the task runner of Dask is installed."""
    import importlib.util

    return importlib.util.find_spec("distributed") is not None


@contextlib.contextmanager
def runner(client: Client | Literal["in order"] | None, weight: int, tasks: int) -> Iterator[Client | None]:
    """Yield the client that runs the tasks, or None to run them in order.

    Parameters
    ----------
    client : distributed.Client, "in order", or None
        None starts a local cluster with one worker for each core, if Dask is installed and there is work for it.
    weight : int
        Bytes to read.
    tasks : int
        Number of tasks.
    """
    if client is not None and not isinstance(client, str):
        yield client
        return
    if client is not None and client != "in order":
        raise SettingsError(
            f"client is {client!r}, but it must be a distributed.Client, 'in order', or None",
            next_step="Leave it out to use the cores of this machine.",
        )
    if client == "in order" or tasks < 2 or weight < WORTH_A_CLUSTER or not has_dask():
        yield None
        return
    import dask
    from distributed import Client, LocalCluster

    workers = min(os.cpu_count() or 1, tasks)
    with (
        dask.config.set(_MEMORY),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster) as local,
    ):
        yield local


def run(
    function: Callable[..., R],
    tasks: Sequence[T],
    arguments: tuple[Any, ...] = (),
    *,
    client: Client | None,
    weights: Sequence[int],
    progress: Progress = None,
    label: str = "",
    describe: Callable[[T], str] = str,
) -> Iterator[tuple[int, R | GreenkitError]]:
    """Yield the number and the result of each task as it ends; a task that no worker survives yields an error.

    Raises
    ------
    Exception
        What ``function`` raises. Results that were yielded before are safe.
    """
    with progress_bar(progress, sum(weights), label) as advance:
        if client is None:
            for i, task in enumerate(tasks):
                yield i, function(task, *arguments)
                advance(weights[i])
            return
        yield from _distributed(function, tasks, arguments, client, weights, advance, describe)


def _distributed(
    function: Callable[..., R],
    tasks: Sequence[T],
    arguments: tuple[Any, ...],
    client: Client,
    weights: Sequence[int],
    advance: Callable[[int], object],
    describe: Callable[[T], str],
) -> Iterator[tuple[int, R | GreenkitError]]:
    from distributed import KilledWorker, as_completed

    futures = {
        client.submit(call, function, task, *arguments, pure=False, retries=_RETRIES): i for i, task in enumerate(tasks)
    }
    # asked before any worker dies, because a dead one has no limit to report
    memory = _least_memory(client)
    done = as_completed(list(futures))
    try:
        for future in done:
            i = futures[future]
            try:
                yield i, future.result()
            except KilledWorker:
                yield i, _too_small(describe(tasks[i]), weights[i], memory)
            advance(weights[i])
            future.release()
    finally:
        client.cancel(list(futures))


def call(function: Callable[..., R], task: T, *arguments: Any) -> R:
    """Return the result of a task; an error of greenkit is raised without the error that it translates.

    Dask sends an error together with its context, and the errors of deltalake cannot be sent.
    """
    try:
        return function(task, *arguments)
    except GreenkitError as e:
        failed = e
    failed.__context__ = None
    raise failed


def _least_memory(client: Client) -> int:
    """Return the smallest memory limit of the workers in bytes; 0 if there is none."""
    limits = [w.get("memory_limit") or 0 for w in client.scheduler_info(n_workers=-1)["workers"].values()]
    return int(min(limits, default=0))


def _too_small(what: str, weight: int, least: int) -> WorkerTooSmall:
    has = f"; the smallest has a memory limit of {least / 1e9:.1f} GB" if least else ""
    return WorkerTooSmall(
        f"Workers died repeatedly while they processed {what} ({weight / 1e6:,.0f} MB){has}",
        next_step=f"Start workers with at least {PLANNED / 1e9:.0f} GB of memory each, or pass a smaller cut.",
    )
