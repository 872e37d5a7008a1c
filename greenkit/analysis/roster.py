"""The roster: the meters that are expected on each day, their attributes, and the intervals received for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
from pandas.api.types import is_string_dtype

from greenkit import times
from greenkit.analysis import _periods, intervals
from greenkit.analysis._periods import DAY, Window
from greenkit.analysis.intervals import Intervals, Ints, local
from greenkit.errors import SchemaError

PREFIX: Final = "roster_"
"""Prefix of an attribute whose name the table already uses, such as ``roster_zone`` for a load zone."""
_OPEN: Final = np.iinfo(np.int64).max // (4 * DAY)
"""A date, in days since 1970, that no data reaches."""
_KEY: Final = ["meter", "flow", "series", "unit"]
_COUNTS: Final = ["expected", "received", "missing", "estimated", "not_ours"]


@dataclass(frozen=True)
class Roster:
    """Meters with the local days on which they are ours, and their attributes.

    Parameters
    ----------
    periods : DataFrame
        ``meter`` (str), ``first`` and ``after`` (days since 1970): one row for each period, sorted by meter and first.
    details : DataFrame
        The attributes of each period, in the same order.
    """

    periods: pd.DataFrame
    details: pd.DataFrame

    @cached_property
    def meters(self) -> pd.Index[str]:
        """The meters, sorted."""
        names: pd.Index[str] = pd.Index(self.periods["meter"].unique())
        return names

    def ours(self, meter: Any, date: Ints) -> Any:
        """Return whether each meter is ours on each date."""
        out = np.zeros(len(date), dtype=bool)
        codes, names = pd.factorize(pd.Series(meter, dtype="str"))
        of_meter = dict(iter(self.periods.groupby("meter")))
        order = np.argsort(codes, kind="stable")
        edges = np.searchsorted(codes[order], np.arange(len(names) + 1))
        for i, name in enumerate(names):
            here = order[edges[i] : edges[i + 1]]
            for first, after in of_meter[name][["first", "after"]].to_numpy() if name in of_meter else ():
                out[here] |= (date[here] >= first) & (date[here] < after)
        return out

    def days(self, found: Intervals, window: Window) -> pd.DataFrame:
        """Count the intervals of each meter, flow, and local day of the window.

        Returns
        -------
        DataFrame
            meter, flow, series, unit, ``date``, ``expected``, ``received``, ``missing``, ``estimated``, ``not_ours``,
            and ``status``. A meter without any interval has one row for each day on which it is ours, with the usual
            interval length of the other meters, and without flow, series, and unit.
        """
        periods = _periods.assign(found, _periods.DAYS, window)
        sums = _periods.aggregate(found, periods, window=window)
        date = local(periods.start, periods.code, found.keys["zone"]) // DAY
        keys = found.keys[_KEY].iloc[periods.code].reset_index(drop=True)
        table = keys.assign(day=date, expected=sums.expected, received=sums.present, estimated=sums.estimated)
        absent = self._absent(found, window)
        table = pd.concat([table, absent], ignore_index=True) if len(absent) else table
        known = table["meter"].isin(self.meters).to_numpy(dtype=bool)
        ours = self.ours(table["meter"], table["day"].to_numpy(dtype=np.int64))
        received, estimated = table["received"].to_numpy(), table["estimated"].to_numpy()
        expected = np.where(ours, table["expected"], 0)
        missing = np.where(ours, np.maximum(expected - received, 0), 0)
        status = np.select(
            [~known, ~ours, received == 0, missing > 0],
            ["unknown meter", "not ours", "missing", "incomplete"],
            "complete",
        )
        out = table[_KEY].assign(
            date=table["day"].to_numpy().astype("datetime64[D]").astype("datetime64[us]"),
            expected=expected,
            received=np.where(ours, received, 0),
            missing=missing,
            estimated=np.where(ours, estimated, 0),
            not_ours=np.where(ours, 0, received),
            status=status,
        )
        # days on which a meter is not ours and sent nothing say nothing
        silent = (status == "not ours") & (received == 0) | ((status == "unknown meter") & (received == 0))
        kept: pd.DataFrame = out[~silent].sort_values([*_KEY, "date"], ignore_index=True)
        return kept

    def _absent(self, found: Intervals, window: Window) -> pd.DataFrame:
        names = [m for m in self.meters if m not in set(found.keys["meter"])]
        if not names or not len(found.keys):
            return pd.DataFrame()
        length = found.interval[found.interval > 0]
        usual = int(np.bincount(length).argmax()) if len(length) else 900
        zone = str(found.keys["zone"].mode().iloc[0])
        first, last = (int(local(np.array([at]), np.zeros(1, np.int64), [zone])[0] // DAY)
                       for at in (window[0].min(), window[1].max() - 1))  # fmt: skip
        every = np.arange(first, last + 1)
        dates = np.tile(every, len(names))
        meter = np.repeat(np.array(names, dtype=object), len(every))
        count = times.day_seconds(every.astype("datetime64[D]"), zone) // max(usual, 1)
        table = pd.DataFrame({"meter": meter, "flow": "", "series": "", "unit": "", "day": dates,
                              "expected": np.tile(count, len(names)), "received": 0, "estimated": 0})  # fmt: skip
        kept: pd.DataFrame = table[self.ours(meter, dates)]
        return kept

    def within(self, found: Intervals, window: Window) -> tuple[Intervals, Window]:
        """Keep the intervals of days on which their meter is ours, and limit the window of each series to them.

        The series of unknown meters keep their intervals, from the first to the last.
        """
        meters = found.keys["meter"].to_numpy(dtype=str)
        known = np.isin(meters, self.meters.to_numpy(dtype=str))
        kept = found.take(self.ours(meters[found.code], found.date) | ~known[found.code])
        first, last = window[0].copy(), window[1].copy()
        own = _periods.span(found)
        first[~known], last[~known] = own[0][~known], own[1][~known]
        of_meter = self.periods.groupby("meter").agg(first=("first", "min"), after=("after", "max"))
        for code in np.flatnonzero(known):
            zone = str(found.keys["zone"].iloc[code])
            begin, after = of_meter.loc[meters[code], ["first", "after"]]
            if begin > -_OPEN:
                first[code] = max(first[code], times.midnights(np.array([begin]).astype("datetime64[D]"), zone)[0])
            if after < _OPEN:
                last[code] = min(last[code], times.midnights(np.array([after]).astype("datetime64[D]"), zone)[0])
        return kept, (first, np.maximum(first, last))

    def problems(self, days: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the findings of the roster: its kind and its evidence."""
        absent = days[(days["flow"] == "") & (days["status"] == "missing")]["meter"].unique()
        if len(absent):
            yield "absent", {"meters": len(absent), "first": str(absent[0])}
        unknown = days[days["status"] == "unknown meter"]["meter"].unique()
        if len(unknown):
            yield "unknown", {"meters": len(unknown), "first": str(unknown[0])}
        not_ours = days[days["status"] == "not ours"]
        if len(not_ours):
            first = not_ours.iloc[0]
            yield (
                "not ours",
                {
                    "intervals": int(not_ours["not_ours"].sum()),
                    "meters": int(not_ours["meter"].nunique()),
                    "first": f"{first['meter']} on {first['date']:%Y-%m-%d}",
                },
            )

    def summary(self, days: pd.DataFrame) -> pd.DataFrame:
        """Sum the days of each meter and flow, with the attributes of the roster."""
        grouped = days.groupby(_KEY, observed=True, sort=True)
        out = grouped[_COUNTS].sum().reset_index()
        lost = days[days["missing"] > 0].groupby(_KEY, observed=True)["date"].agg(["size", "min"])
        place = pd.MultiIndex.from_frame(out[_KEY])
        out["days_missing"] = lost["size"].reindex(place, fill_value=0).to_numpy()
        out["first_missing"] = lost["min"].reindex(place).to_numpy()
        known = out["meter"].isin(self.meters)
        out["status"] = np.select(
            [~known, out["received"] == 0, out["missing"] > 0], ["unknown meter", "absent", "incomplete"], "complete"
        )
        return self.join(out)

    def join(self, table: pd.DataFrame, date: Ints | None = None) -> pd.DataFrame:
        """Add the attributes of each meter to a table: those of a local date, or else those of its last period."""
        # key: one number for each period, its meter times a span that no date exceeds, plus its first day. Of the
        # periods of a meter, the last one whose key is not above that of a row applies: for periods from day 0 and
        # day 90 and rows on the days 10, 90, and 95, the places are 0, 1, and 1. Days before the first get the first
        which = self.meters.get_indexer(pd.Index(self.periods["meter"]))
        span = 2 * _OPEN + 1
        key = which * span + self.periods["first"].to_numpy() + _OPEN
        meter = table["meter"].astype("category")
        number = np.append(self.meters.get_indexer(meter.cat.categories.astype("str")), -1)[meter.cat.codes]
        day = np.full(len(table), _OPEN) if date is None else date
        place = np.searchsorted(key, number * span + day + _OPEN, side="right") - 1
        place = np.maximum(place, np.searchsorted(which, number))
        place[number < 0] = -1
        made = {name: _taken(self.details[name], place) for name in self.details.columns}
        return intervals.with_columns(table, made, prefix=PREFIX)


def _taken(column: pd.Series[Any], place: Ints) -> Any:
    """Return the values at some positions, empty for position −1; text becomes categories."""
    values = column.astype("category") if is_string_dtype(column.dtype) else column
    return pd.api.extensions.take(values.array, place, allow_fill=True)


def with_roster(table: pd.DataFrame, roster: pd.DataFrame) -> pd.DataFrame:
    """Add the attributes of a roster to a frame, or to any table with a column ``meter``.

    In a frame, they are columns like any other: filter and group by them, and export them. The results of every
    analysis of such a frame have them too, if they do not change within a meter.

    Parameters
    ----------
    table : DataFrame
        A tidy frame, or a table with the column ``meter``, such as bills or the result of an analysis.
    roster : DataFrame
        The column ``meter``, any attributes (TDSP, load zone, load profile, rate class, name, read cycle), and
        optionally ``from`` and ``to`` as for :func:`greenkit.analysis.quality.assess`.

    Returns
    -------
    DataFrame
        A copy with one more column for each attribute: categories for text, else the dtype of the roster. Meters that
        are not in the roster have no value. An attribute whose name the table already uses gets the prefix
        ``roster_``. If a meter has several rows, each interval has the attributes of the row whose ``from`` is the
        latest up to its local date; in a table without ``start`` and ``date``, those of its last row.

    Raises
    ------
    SchemaError
        If the table or the roster has no column ``meter``, or a date of the roster cannot be read.

    Examples
    --------
    >>> from greenkit import synthetic
    >>> df = synthetic.household(1).frame("2024-07-01", "2024-07-03")
    >>> roster = pd.DataFrame({"meter": df["meter"].unique(), "TDSP": "Oncor"})
    >>> totals = with_roster(df, roster).gk.totals("month")
    >>> totals.groupby("TDSP", observed=True)["present"].sum().to_dict()
    {'Oncor': 192}
    """
    if not isinstance(table, pd.DataFrame) or "meter" not in table.columns:
        raise SchemaError("The table has no column meter", next_step="Pass a frame, or a table with a column meter.")
    return read_roster(roster).join(table, _dates_of(table))


def _dates_of(table: pd.DataFrame) -> Ints | None:
    """Return the local date of each row, as days since 1970; None if the table has no dates."""
    day = table["date"] if "date" in table.columns else table["start"] if "start" in table.columns else None
    if day is None or day.dtype.kind != "M":
        return None
    if isinstance(day.dtype, pd.DatetimeTZDtype):
        if "zone" in table.columns and len(table):
            code, zones = pd.factorize(table["zone"].astype("str"))
            return local(times.to_instants(day), code, list(zones)) // DAY
        day = day.dt.tz_localize(None)
    return day.to_numpy("datetime64[D]").astype(np.int64)


def read_roster(table: pd.DataFrame) -> Roster:
    """Read a roster: ``meter``, ``from``, ``to``, and attributes.

    A meter that is listed twice, without dates, has the attributes of its last row.

    Raises
    ------
    SchemaError
        If it is not a table with a column ``meter``, a date cannot be read, or a period ends before it begins.
    """
    if not isinstance(table, pd.DataFrame) or "meter" not in table.columns:
        raise SchemaError(
            "The roster must be a table with the column meter",
            next_step="Pass a DataFrame with the columns meter, from, and to.",
        )
    meter = table["meter"].astype("str").reset_index(drop=True)
    first, after = _dates(table, "from", -_OPEN), _dates(table, "to", _OPEN)
    if (after < first).any():
        raise SchemaError(
            f"The roster lists meter {meter[int(np.flatnonzero(after < first)[0])]} with a to before its from",
            next_step="Correct its dates; to is the first day after the period.",
        )
    details = table.drop(columns=["meter", "from", "to"], errors="ignore").reset_index(drop=True)
    periods = pd.DataFrame({"meter": meter, "first": first, "after": after})
    order = periods.sort_values(["meter", "first"], kind="stable").index
    return Roster(periods.loc[order].reset_index(drop=True), details.loc[order].reset_index(drop=True))


def _dates(table: pd.DataFrame, name: str, empty: int) -> Ints:
    if name not in table.columns:
        return np.full(len(table), empty, dtype=np.int64)
    try:
        given = pd.to_datetime(table[name]).reset_index(drop=True)
    except (TypeError, ValueError) as e:
        raise SchemaError(
            f"Column {name} of the roster has values that are not dates ({e})", next_step="Write dates as 2024-07-01."
        ) from None
    if given.dt.tz is not None:
        given = given.dt.tz_localize(None)
    day = given.to_numpy("datetime64[D]").astype(np.int64)
    return np.where(given.isna(), empty, day)
