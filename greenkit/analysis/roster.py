"""The roster: the meters that are expected on each day, their attributes, and the intervals received for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import times
from greenkit._categories import of_series
from greenkit.analysis import _periods, intervals
from greenkit.analysis._periods import DAY, Window
from greenkit.analysis.intervals import Bools, Intervals, Ints, local
from greenkit.errors import SchemaError

PREFIX: Final = "roster_"
"""Prefix of an attribute whose name the table already uses, such as ``roster_zone`` for a load zone."""
_OPEN: Final = np.iinfo(np.int64).max // (4 * DAY)
"""A date, in days since 1970, that no data reaches."""
_KEY: Final = ["meter", "flow", "series", "unit"]
_SPAN: Final = 2 * _OPEN + 1
DAY_STATUS: Final = ("complete", "incomplete", "missing", "not ours", "unknown meter")
"""Status of a meter on a local day."""
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

    @cached_property
    def _key(self) -> tuple[Ints, Ints]:
        # the meter of each period, and one number for each: its meter times a span that no date exceeds, plus its
        # first day. They are sorted, so one search finds the period of a meter and a date
        which = np.asarray(self.meters.get_indexer(pd.Index(self.periods["meter"])), dtype=np.int64)
        return which, which * _SPAN + self.periods["first"].to_numpy() + _OPEN

    def number(self, meters: Any) -> Ints:
        """Return the position of each meter in :attr:`meters`; −1 for those that are not in the roster."""
        return np.asarray(self.meters.get_indexer(pd.Index(meters, dtype="str")), dtype=np.int64)

    def place(self, number: Ints, date: Ints) -> Ints:
        """Return the last period of each meter that begins on or before a date; −1 if none does.

        For a meter with periods from day 0 and from day 90, the days 10, 90, and 95 have the places 0, 1, and 1.
        """
        which, key = self._key
        place = np.searchsorted(key, number * _SPAN + date + _OPEN, side="right") - 1
        return np.where((number >= 0) & (place >= np.searchsorted(which, number)), place, -1)

    def row(self, number: Ints, date: Ints) -> Ints:
        """Return the row whose attributes each meter has on a date; −1 for those that are not in the roster.

        Days before the first period of a meter have its attributes.
        """
        place = self.place(number, date)
        return np.where((place < 0) & (number >= 0), np.searchsorted(self._key[0], number), place)

    def ours(self, number: Ints, date: Ints) -> Bools:
        """Return whether each meter is ours on each date."""
        # a period that began earlier may end later than the last one, so the latest end so far counts
        reach = np.append(self.periods.groupby("meter")["after"].cummax().to_numpy(), -_OPEN)
        return np.asarray(date < reach[self.place(number, date)], dtype=bool)

    def days(self, found: Intervals, window: Window) -> pd.DataFrame:
        """Count the intervals of each meter, flow, and local day of the window.

        Returns
        -------
        DataFrame
            meter, flow, series, unit, ``date``, ``expected``, ``received``, ``missing``, ``estimated``, ``not_ours``,
            ``status``, and the attributes of the day. A meter without any interval has one row for each day on which
            it is ours, with the usual interval length of the other meters, and without flow, series, and unit.
        """
        held = set(found.keys["meter"])
        absent = [m for m in self.meters if m not in held] if len(found.keys) else []
        parts = [_counts(one, (window[0][a : a + len(one.keys)], window[1][a : a + len(one.keys)]), a)
                 for a, one in found.batches()]  # fmt: skip
        table = pd.concat([*parts, *self._absent(found, window, absent)], ignore_index=True)
        keys = pd.concat([found.keys[_KEY], pd.DataFrame({"meter": absent}).reindex(columns=_KEY, fill_value="")])
        code, day = table["code"].to_numpy(dtype=np.int64), table["day"].to_numpy(dtype=np.int64)
        number = self.number(keys["meter"])[code]
        ours, received = self.ours(number, day), table["received"].to_numpy()
        expected = np.where(ours, table["expected"], 0)
        missing = np.where(ours, np.maximum(expected - received, 0), 0)
        status = np.select([number < 0, ~ours, received == 0, missing > 0], [4, 3, 2, 1], 0)
        # days on which a meter is not ours and has no intervals are left out
        kept = np.flatnonzero((status < 3) | (received > 0))
        names = {name: of_series(keys[name], code) for name in _KEY}
        out = pd.DataFrame(names).assign(
            date=day.astype("datetime64[D]").astype("datetime64[us]"),
            expected=expected,
            received=np.where(ours, received, 0),
            missing=missing,
            estimated=np.where(ours, table["estimated"], 0),
            not_ours=np.where(ours, 0, received),
            status=pd.Categorical.from_codes(status, DAY_STATUS),  # type: ignore[call-overload]
        )
        order = kept[np.lexsort([day[kept], *(names[name].codes[kept] for name in reversed(_KEY))])]
        return self.join(out.iloc[order].reset_index(drop=True), day[order])

    def _absent(self, found: Intervals, window: Window, names: list[str]) -> Iterator[pd.DataFrame]:
        """Yield the days of the meters that have no intervals."""
        if not names:
            return
        length = found.interval[found.interval > 0]
        usual = int(np.bincount(length).argmax()) if len(length) else 900
        zone = str(found.keys["zone"].mode().iloc[0])
        first, last = (int(local(np.array([at]), np.zeros(1, np.int64), [zone])[0] // DAY)
                       for at in (window[0].min(), window[1].max() - 1))  # fmt: skip
        every = np.arange(first, last + 1)
        code, day = np.repeat(np.arange(len(names)), len(every)), np.tile(every, len(names))
        count = np.tile(times.day_seconds(every.astype("datetime64[D]"), zone) // usual, len(names))
        ours = self.ours(self.number(names)[code], day)
        yield pd.DataFrame({"code": len(found.keys) + code, "day": day, "expected": count, "received": 0,
                            "estimated": 0})[ours]  # fmt: skip

    def within(self, found: Intervals, window: Window) -> tuple[Intervals, Window]:
        """Keep the intervals of days on which their meter is ours, and limit the window of each series to them.

        The series of unknown meters keep their intervals, from the first to the last.
        """
        number = self.number(found.keys["meter"])
        known = number >= 0
        kept = [self.ours(number[a:][one.code], one.date) | ~known[a:][one.code] for a, one in found.batches()]
        own, zones = _periods.span(found), found.keys["zone"].to_numpy(dtype=str)
        grouped = self.periods.groupby("meter")
        begin = np.append(grouped["first"].min().to_numpy(), -_OPEN)[number]
        after = np.append(grouped["after"].max().to_numpy(), _OPEN)[number]
        first, last = np.where(known, window[0], own[0]), np.where(known, window[1], own[1])
        for bound, date, limit in ((first, begin, np.maximum), (last, after, np.minimum)):
            stated = np.flatnonzero(np.abs(date) < _OPEN)
            bound[stated] = limit(bound[stated], _periods.midnights_of(date[stated], zones[stated]))
        return found.take(np.concatenate(kept)), (first, np.maximum(first, last))

    def problems(self, days: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the kind and the evidence of each finding of the roster."""
        absent = days[(days["flow"] == "") & (days["status"] == "missing")]["meter"].astype("str").unique()
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
        lacks = days["missing"] > 0
        counted = days[[*_KEY, *_COUNTS]].assign(days_missing=lacks, first_missing=days["date"].where(lacks))
        grouped = counted.groupby(_KEY, observed=True, sort=True)
        out = grouped[[*_COUNTS, "days_missing"]].sum()
        out = out.assign(first_missing=grouped["first_missing"].min()).reset_index()
        out[_KEY] = out[_KEY].astype("str")
        known = out["meter"].isin(self.meters)
        out["status"] = np.select(
            [~known, out["received"] == 0, out["missing"] > 0], ["unknown meter", "absent", "incomplete"], "complete"
        )
        return self.join(out)

    def join(self, table: pd.DataFrame, date: Ints | None = None) -> pd.DataFrame:
        """Add the attributes of each meter to a table: those of a local date, or else those of its last period."""
        meter = table["meter"].astype("category")
        which, codes = self._key[0], meter.cat.codes.to_numpy()
        of_meter = self.number(meter.cat.categories.astype("str"))
        if date is None:
            last = np.searchsorted(which, of_meter, side="right") - 1
            place = np.append(np.where(of_meter >= 0, last, -1), -1)[codes]
        else:
            place = self.row(np.append(of_meter, -1)[codes], date)
        made = {name: intervals.taken(self.details[name], place) for name in self.details.columns}
        return intervals.with_columns(table, made, prefix=PREFIX)


def _counts(found: Intervals, window: Window, first: int) -> pd.DataFrame:
    """Count the intervals of each local day of some series, of which the first one has the number ``first``."""
    periods = _periods.assign(found, _periods.DAYS, window)
    sums = _periods.aggregate(found, periods, window=window)
    day = local(periods.start, periods.code, found.keys["zone"]) // DAY
    return pd.DataFrame({"code": periods.code + first, "day": day, "expected": sums.expected,
                         "received": sums.present, "estimated": sums.estimated})  # fmt: skip


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
    listed = read_roster(roster)
    # only a meter with several rows has attributes that depend on the date
    return listed.join(table, dates_of(table) if len(listed.periods) > len(listed.meters) else None)


def dates_of(table: pd.DataFrame) -> Ints | None:
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
            f"The roster has a row for meter {meter[int(np.flatnonzero(after < first)[0])]} in which to is before from",
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
