"""What goes wrong at a meter, planted from the seed or by hand, so that a check can be checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from greenkit import days
from greenkit.synthetic.chance import one
from greenkit.synthetic.loads import HOUR_US

# kind → (chance in a month, shortest and longest in hours, what it does to the readings)
KINDS: Final[Mapping[str, tuple[float, int, int, str]]] = {
    "outage": (0.08, 2, 7, "nothing flows: readings of 0, and two long interruptions at most in a month"),
    "gap": (0.06, 3, 12, "the readings never came: no rows at all"),
    "estimated": (0.15, 6, 36, "the readings are those of the week before, marked as estimates"),
    "spike": (0.03, 1, 1, "an hour that reads twelve times what it was"),
    "meter change": (0.01, 0, 0, "a new meter at local midnight: its register begins again at 0"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted fault: what, and from when until when (microseconds since 1970 UTC; the end is exclusive)."""

    kind: str
    start: int
    end: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is no kind of fault: use {', '.join(KINDS)}")


def seeded(seed: int, zone: str, start: int, end: int) -> Iterator[Fault]:
    """Give the faults that a seed plants between two instants: each kind at most once in a calendar month."""
    first, last = (np.datetime64(t // days.US, "s").astype("datetime64[M]").astype(int) for t in (start, end))
    for month in range(int(first) - 1, int(last) + 1):
        begin = np.datetime64(month, "M").astype("datetime64[D]")
        for stream, (kind, (likely, shortest, longest, _)) in enumerate(KINDS.items(), 30):
            if one(seed, stream, month) < likely:
                day = begin + int(27 * one(seed, stream + 20, month)) * days.ONE_DAY
                midnight = int(days.midnights([day], zone)[0])
                hour = 0 if kind == "meter change" else int(4 + 14 * one(seed, stream + 40, month))
                length = shortest + int((longest - shortest + 1) * one(seed, stream + 60, month))
                found = Fault(kind, midnight + hour * HOUR_US, midnight + (hour + length) * HOUR_US)
                if found.start < end and found.end >= start:
                    yield found


def table(faults: Iterable[tuple[str, Fault]], zone: str = "UTC") -> pd.DataFrame:
    """List planted faults: meter, fault, start and end (datetime64[us] in the zone), and what they do."""
    rows = list(faults)
    instants = {n: np.array([getattr(f, n) for _, f in rows], dtype=np.int64) for n in ("start", "end")}
    return pd.DataFrame(
        {
            "meter": pd.array([meter for meter, _ in rows], dtype="str"),
            "fault": pd.array([f.kind for _, f in rows], dtype="str"),
            "start": days.times(instants["start"], zone),
            "end": days.times(instants["end"], zone),
            "effect": pd.array([KINDS[f.kind][3] for _, f in rows], dtype="str"),
        }
    )
