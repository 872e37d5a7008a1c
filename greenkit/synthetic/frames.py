"""The truth as a tidy frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from greenkit import days, frame
from greenkit.synthetic import loads, tariff
from greenkit.synthetic.channels import Readings

if TYPE_CHECKING:
    from greenkit.synthetic.meters import Meter


def fleet_frame(meters: Iterable[Meter], start: Any, end: Any) -> pd.DataFrame:
    """Give the truth of several meters in one tidy frame; none give an empty one.

    Several zones come back in UTC, as from :func:`greenkit.concat`.
    """
    parts = [
        _frame_of(meter, meter.readings(channel, meter.instant(start), meter.instant(end)))
        for meter in meters
        for channel in meter.channels
    ]
    extras = ("cost", "currency", "tou", "commodity", "kind")
    return frame.concat(parts) if parts else frame.empty(extras)


def _frame_of(meter: Meter, r: Readings) -> pd.DataFrame:
    channel, count = r.channel, len(r)
    tou, cpp = tariff.periods(loads.moments(r.start, meter.zone))
    priced = channel.priced
    cost = tariff.cost(channel.unit, r.amount, tou, cpp) / 1e5 if priced else np.full(count, np.nan)
    timed = channel.commodity.startswith("electricity")

    def word(text: str | None) -> pd.Categorical:
        return pd.Categorical([text] * count, categories=[text] if text and count else [])

    made = pd.DataFrame(
        {
            "meter": word(meter.id),
            "series": word(channel.series),
            "flow": word(channel.flow),
            "start": days.times(r.start, meter.zone),
            "end": days.times(r.end, meter.zone),
            "value": r.value,
            "unit": word(channel.unit),
            "zone": word(meter.zone),
            "quality": pd.Categorical(np.where(r.estimated, "estimated", "actual")),
            "cost": cost,
            "currency": word(tariff.CURRENCY if priced else None),
            "tou": pd.array(tou if timed else [None] * count, dtype="Int16"),
            "commodity": word(channel.commodity),
            "kind": word(channel.kind),
        }
    )
    return frame.tidy(made) if count else frame.empty(list(made.columns[9:]), meter.zone)
