"""Blocks of SmartHub that do not name their flow: received (negative), delivered, and net, identified by arithmetic.

Each block has its own header. Blocks that cover the same time are different flows; blocks that follow each other in
time are one. Net is the sum of the other two in every interval, and that proves which block is which.
"""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np
import numpy.typing as npt

from greenkit.tables.cells import fold
from greenkit.tables.engine import Engine
from greenkit.tables.mapping import FLOWS, Value
from greenkit.tables.placement import occurrence
from greenkit.tables.stamps import NEVER

_TOLERANCE: Final = 0.0111

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_Block = dict[tuple[int, int], float]


def prepare(engine: Engine) -> None:
    """Set the flow and unit of each block."""
    unit = _unit(engine)
    label, _, _ = engine.stamps()
    lane = _lanes(engine, label)
    count = int(lane.max(initial=-1)) + 1
    values = engine.numbers("Usage")
    if count <= 1:
        engine.lanes = [(lane == 0, _single(engine, values[label != NEVER], unit))]
        return
    tables = [_by_time(label[lane == i], values[lane == i]) for i in range(count)]
    flows = _by_arithmetic(tables)
    if flows is None:
        engine.ask(
            "flow", "Which direction does the energy of each block flow?", FLOWS[:3],
            f"The file has {count} blocks of the same time, and none is the sum of the others in every interval",
            int(np.argmax(lane >= 0)),
        )  # fmt: skip
        flows = ["delivered"] + ["skip"] * (count - 1)
    specs = {
        "delivered": Value(flow="delivered", unit=unit, blank="absent"),
        "received": Value(flow="received", unit=unit, factor=-1.0, blank="absent"),
        "skip": Value(skip=True),
    }
    engine.lanes = [(lane == i, specs[flow]) for i, flow in enumerate(flows)]
    if "skip" in flows:
        engine.report_again("Net block", "the blocks of delivered and received energy")


def _unit(engine: Engine) -> str | None:
    text = " ".join([*engine.header, *engine.preamble.values(), *engine.preamble])
    text = fold(text)
    if "kilowatt-hours" in text or "kwh" in text:
        return "kWh"
    return "kW" if "kilowatts" in text else None


def _single(engine: Engine, values: Floats, unit: str | None) -> Value:
    flow = next(iter(engine.table.values.values())).flow
    if flow is None and not (values < 0).any():
        flow = "delivered"
    return Value(flow=flow, unit=unit, blank="absent")


def _lanes(engine: Engine, label: Ints) -> Ints:
    """Return the flow that each row belongs to, as a number; -1 for a row without a time."""
    column = engine.words("Energy consumption time period")
    is_header = column.map([fold(word) in engine.header for word in column.words], bool)
    good = label != NEVER
    block = np.cumsum(is_header)
    if not is_header.any():  # without headers in between, a block begins where the time goes back by a day or more
        at = np.where(good, label, 0)
        last = np.maximum.accumulate(np.where(good, np.arange(len(label)), 0))
        block = np.cumsum(np.concatenate([[False], np.diff(at[last]) < -86_400_000_000]))
    lane = np.full(len(label), -1, dtype=np.int64)
    seen: list[set[int]] = []
    for number in np.unique(block[good]):
        rows = good & (block == number)
        times = set(label[rows].tolist())
        place = next((i for i, earlier in enumerate(seen) if not times & earlier), len(seen))
        if place == len(seen):
            seen.append(set())
        seen[place] |= times
        lane[rows] = place
    return lane


def _by_time(label: Ints, values: Floats) -> _Block:
    """Return the values of a block by label, and by how often the label has occurred, since an hour repeats in fall."""
    return dict(zip(zip(label.tolist(), occurrence(label).tolist(), strict=True), values.tolist(), strict=True))


def _by_arithmetic(tables: list[_Block]) -> list[str] | None:
    """Return the flow of each block, if the values prove it."""
    if len(tables) == 2:
        signs = [({v > 0 for v in t.values() if v}) for t in tables]
        if {False} in signs and {True} in signs:
            return ["received" if sign == {False} else "delivered" for sign in signs]
        return None
    if len(tables) != 3:
        return None
    for net in range(3):
        first, second = (i for i in range(3) if i != net)
        common = [at for at in tables[net] if at in tables[first] and at in tables[second]]
        adds_up = len(common) >= 4 and all(
            abs(tables[net][at] - tables[first][at] - tables[second][at]) <= _TOLERANCE for at in common
        )
        if not adds_up:
            continue
        for received, delivered in itertools.permutations((first, second)):
            negative = all(v <= 0 for v in tables[received].values()) and any(v < 0 for v in tables[received].values())
            if negative and all(v >= 0 for v in tables[delivered].values()):
                flows = ["skip"] * 3
                flows[received], flows[delivered] = "received", "delivered"
                return flows
    return None
