"""The effect of gaps: a meter with its missing intervals filled from similar days."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from greenkit import frame, times
from greenkit.analysis import estimate
from greenkit.findings import Findings, GreenkitWarning
from greenkit.tariffs._layout import BillPeriod
from greenkit.tariffs._usage import Bools, Channel, Meter

if TYPE_CHECKING:
    from greenkit.tariffs._bill import BillInfo


def zeros(channel: Channel) -> Bools:
    """Return which values are estimated zeros, which mean that there is no data."""
    if channel.estimated is None:
        return np.zeros(len(channel), dtype=bool)
    return np.asarray(channel.estimated & (channel.value == 0))


def estimated_zeros(meter: Meter) -> int:
    """Count the estimated zeros of delivered energy."""
    return int(zeros(meter.delivered).sum())


def doubtful(meter: Meter, infos: Sequence[BillInfo]) -> bool:
    """Return whether a meter has gaps in its bills, or estimated zeros."""
    return any(i.expected > i.present for i in infos) or estimated_zeros(meter) > 0


def filled(meter: Meter, zone: str, bills: Sequence[BillPeriod], shares: Sequence[float] = (1.0,)) -> list[Meter]:
    """Return meters whose missing delivered intervals have some shares of the energy of similar days.

    Returns
    -------
    list of Meter
        One for each share; empty if nothing is missing, or nothing can be estimated.
    """
    d = meter.delivered
    lacking = ~d.valid | zeros(d)
    one = d if not lacking.any() else Channel(d.start[~lacking], d.end[~lacking], d.value[~lacking])
    if len(one) < 2 or not bills:
        return []
    df = _frame(meter, one, zone)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GreenkitWarning)
        full: Any = estimate.fill_gaps(df)
    new = full[full["filled_by"].isin(["line", "like-days"])]
    if not len(new):
        return []
    start = np.concatenate([one.start, times.to_instants(new["start"])])
    end = np.concatenate([one.end, times.to_instants(new["end"])])
    order = np.argsort(start, kind="stable")
    made = []
    for share in shares:
        value = np.concatenate([one.value, share * new["filled"].to_numpy(dtype=np.float64)])
        channel = Channel(start[order], end[order], value[order])
        made.append(Meter(meter.name, meter.zone, channel, meter.received, meter.reactive, meter.signed, Findings()))
    return made


def _frame(meter: Meter, channel: Channel, zone: str) -> pd.DataFrame:
    return frame.tidy(
        pd.DataFrame(
            {
                "meter": meter.name,
                "series": "delivered",
                "flow": "delivered",
                "start": times.to_times(channel.start, zone),
                "end": times.to_times(channel.end, zone),
                "value": channel.value,
                "unit": "kWh",
                "zone": zone,
                "quality": "actual",
            }
        )
    )
