"""The intervals of physical flows, as arrays: what every analysis computes on.

:func:`checked` reads a frame for a computation. It keeps each interval once, and it combines the series of each
physical flow as :func:`greenkit.frame.physical` does. :func:`unique` returns a frame without duplicates.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from greenkit import _intervals, _relations, frame
from greenkit._intervals import ESTIMATED as ESTIMATED
from greenkit._intervals import HOUR as HOUR
from greenkit._intervals import KEY as KEY
from greenkit._intervals import POWER as POWER
from greenkit._intervals import Bools as Bools
from greenkit._intervals import Floats as Floats
from greenkit._intervals import Intervals as Intervals
from greenkit._intervals import Ints as Ints
from greenkit._intervals import adds_up as adds_up
from greenkit._intervals import deduplicate as deduplicate
from greenkit._intervals import duplicates as duplicates
from greenkit._intervals import is_duplicate as is_duplicate
from greenkit._intervals import local as local
from greenkit._intervals import power_unit as power_unit
from greenkit.findings import counted, warn


def from_frame(df: pd.DataFrame) -> Intervals:
    """Read all rows of a tidy frame, sorted by series and start.

    Raises
    ------
    SchemaError
        If the frame is not tidy.
    """
    frame.check(df)
    return _intervals.of(df)


def unique(df: pd.DataFrame) -> pd.DataFrame:
    """Keep each interval of each series once.

    Of the revisions of a day, only the newest is kept (:func:`greenkit.frame.latest`). Of duplicates within it, a row
    with a value is kept before one without, then the newest ``revision``, then the last row. Rows that overlap without
    the same start and end are all kept, because it is not known which of them is correct.

    Returns
    -------
    DataFrame
        The remaining rows in the same order; ``df`` itself if there is no duplicate.

    Examples
    --------
    >>> import pandas as pd
    >>> from greenkit import frame
    >>> day = pd.date_range("2024-07-04", periods=2, freq="h", tz="UTC")
    >>> df = frame.tidy(pd.DataFrame({"meter": "1", "series": "1", "flow": "delivered", "start": day,
    ...     "end": day + pd.Timedelta("1h"), "value": [1.0, 2.0], "unit": "kWh", "zone": "UTC", "quality": "actual"}))
    >>> len(unique(frame.concat([df, df])))
    2
    """
    newest = frame.latest(df)
    found = _intervals.of(newest)
    kept = deduplicate(found, newest)
    return newest if len(kept) == len(newest) else newest.iloc[np.sort(kept.row)].reset_index(drop=True)


def checked(df: pd.DataFrame, *, resolution: str = "finest") -> Intervals:
    """Read a frame for a computation: each physical flow is one series, and each interval is there once.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    resolution : str
        As in :func:`greenkit.frame.physical`. Default: ``"finest"``.

    Returns
    -------
    Intervals
        With ``relations``, which states the decisions.

    Raises
    ------
    SchemaError
        If the frame is not tidy.

    Warns
    -----
    GreenkitWarning
        Once if there are duplicates, and once if intervals overlap.
    """
    found = _intervals.latest(from_frame(df), df)
    kept = deduplicate(found, df)
    dropped = len(found) - len(kept)
    if dropped:
        warn(f"{counted(dropped, 'duplicate interval')} left out. Call df.gk.quality() to see where.")
    kept = _relations.physical(kept, df, resolution=resolution)
    overlap = int(kept.overlap.sum())
    if overlap:
        warn(
            f"{overlap} intervals overlap others of their series, so that time is counted more than once. "
            "Call df.gk.quality() to see where."
        )
    return kept
