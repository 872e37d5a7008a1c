"""Completeness of an answer: what was requested and what arrived, by meter, flow, and local day.

A utility that leaves out a meter, a page, or a day still answers with status 200. Each answer is compared
with what was requested, with the utility's list of usage points, and with the previous fetch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit import times
from greenkit.custodian._windows import Window
from greenkit.errors import FormatError
from greenkit.findings import Findings, Kind

EMPTY: Final = Kind(
    "custodian.window.empty",
    "warning",
    "The utility sent no readings for {asked}.",
    "Request another period, or ask the utility when its data begins.",
)
FUTURE: Final = Kind(
    "custodian.window.future",
    "info",
    "The requested period, {asked}, {reaches} the future, for which there are no readings yet.",
    "Request these days after they have passed.",
)
LESS: Final = Kind(
    "custodian.window.less",
    "warning",
    "For {short:meter}, the answer covers only part of the requested period, {asked}.",
    "Request the rest later, and ask the utility if it is still missing.",
)
MORE: Final = Kind(
    "custodian.window.more",
    "info",
    "The answer covers more than was requested. greenkit kept all of it, including {rows:reading} outside {asked}.",
)
METER_MISSING: Final = Kind(
    "custodian.answer.meter-missing",
    "warning",
    "{count:usage point} of the subscription {count:is|are} missing from the answer, first {first}.",
    "Request {count:this usage point|these usage points} separately, and ask the utility if there is no data.",
)
LOST: Final = Kind(
    "custodian.answer.lost",
    "warning",
    "The answer no longer contains readings for {count:day} that an earlier fetch contained, first {first}.",
    "Request the period again, and ask the utility if the readings are still missing.",
)
DAYS_MISSING: Final = Kind(
    "custodian.answer.days-missing",
    "warning",
    "{count:day} between the first and the last reading {count:has|have} no readings, first {first}.",
    "Request {count:this day|these days} again, and ask the utility if {count:it is|they are} still missing.",
)
CHANGED: Final = Kind(
    "custodian.answer.changed",
    "info",
    "Compared with the previous fetch, {new:day} {new:is|are} new and {revised:day} {revised:has|have} different "
    "values.",
)
PAGE_UNFOLLOWED: Final = Kind(
    "custodian.answer.page-unfollowed",
    "serious",
    "greenkit did not fetch the next page of the answer, because {reason}. Readings are missing.",
    "If the host of the page belongs to the utility, add it to hosts in a profile of your own. Otherwise, ask the "
    "utility for the page.",
)
NOT_COMPARED: Final = Kind(
    "custodian.answer.not-compared",
    "info",
    "The answer has too many series and days for greenkit to check that none is missing.",
    "Request a shorter period.",
)
_SCHEMA: Final = 1
_MOST_DAYS: Final = 36_525
_MOST_LATER: Final = 366  # days in the future that are listed, if the period begins before now
_MOST_CELLS: Final = 20_000_000  # series × days
_NEAR: Final = 3_600 * times.US  # an answer may end this long before now
_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Received:
    """Readings received so far: the number of readings and their sum, by meter, flow, and local day.

    Attributes
    ----------
    days : mapping
        (meter, flow) → date in ISO format → (number of readings, sum of their values).
    """

    days: Mapping[tuple[str, str], Mapping[str, tuple[int, float]]] = field(default_factory=dict)

    @property
    def last_day(self) -> str | None:
        """Newest local day with a reading, in ISO format."""
        return max((max(d) for d in self.days.values() if d), default=None)

    def of_meter(self, meter: str) -> Received:
        """Return the readings received for one meter."""
        return Received({key: days for key, days in self.days.items() if key[0] == meter})

    def joined(self, newer: Received) -> Received:
        """Return the days of both; newer days replace older ones."""
        keys = {**self.days, **newer.days}
        return Received({key: {**self.days.get(key, {}), **newer.days.get(key, {})} for key in keys})

    def to_json(self) -> str:
        """Return the record as JSON."""
        days = [[*key, {day: list(held) for day, held in d.items()}] for key, d in self.days.items()]
        return json.dumps({"schema": _SCHEMA, "days": days})

    @classmethod
    def from_json(cls, text: str) -> Received:
        """Read the JSON of :meth:`to_json`; raise FormatError for anything else."""
        try:
            held = json.loads(text)
            if held["schema"] != _SCHEMA:
                raise ValueError
            return cls(
                {
                    (str(m), str(f)): {str(day): (int(n), float(s)) for day, (n, s) in d.items()}
                    for m, f, d in held["days"]
                }
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            pass
        raise FormatError(
            "The record of received days is damaged or was written by a newer greenkit", next_step="Delete it."
        )


@dataclass(frozen=True)
class Coverage:
    """Coverage of one answer, as arrays of one row per series and one column per local day.

    Attributes
    ----------
    asked : Window or None
        The requested period.
    series : list of (meter, flow)
    dates : array of datetime64[D]
    covered, length : arrays of int64
        Seconds with readings (series × day), and seconds of each local day within the request (day).
    count, total : arrays
        Number of readings and sum of their values (series × day).
    later : array of bool
        Whether a local day begins in the future (day).
    skipped : bool
        Whether there were too many series and days to compare.
    """

    asked: Window | None
    series: list[tuple[str, str]]
    dates: npt.NDArray[np.datetime64]
    covered: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    total: npt.NDArray[np.float64]
    later: npt.NDArray[np.bool_]
    skipped: bool = False

    @property
    def received(self) -> Received:
        """Readings received."""
        names = self.dates.astype(str)
        return Received(
            {
                key: {
                    str(names[d]): (int(self.count[s, d]), float(self.total[s, d]))
                    for d in np.flatnonzero(self.count[s])
                }
                for s, key in enumerate(self.series)
                if self.count[s].any()
            }
        )

    def with_absent(self, meters: Iterable[str]) -> Coverage:
        """Return the coverage with a row of zeros for each usage point that is missing from the answer.

        Parameters
        ----------
        meters : iterable of str
            Usage points of the subscription; see :meth:`report`. Their flow is unknown, so it is empty text. An answer
            without any series gets one row without a name if there are none, so that no requested day is left out.
        """
        present, wanted = {meter for meter, _ in self.series}, set(meters)
        absent = sorted(wanted - present) if not present or present & wanted else []
        added = [(meter, "") for meter in absent] or ([] if self.series else [("", "")])

        def grown(held: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.vstack([held, np.zeros((len(added), len(self.dates)), dtype=held.dtype)])

        return replace(
            self,
            series=[*self.series, *added],
            covered=grown(self.covered),
            count=grown(self.count),
            total=grown(self.total),
        )

    def frame(self, before: Received | None = None) -> pd.DataFrame:
        """Return one row per meter, flow, and local day.

        Returns
        -------
        DataFrame
            ``meter``, ``flow``, ``day``, ``requested_hours``, ``received_hours``, ``readings``, ``status`` (complete,
            partial, missing, not yet, or not requested), ``change`` (new, revised, or same; empty without a previous
            fetch).
        """
        s, d = (a.ravel() for a in np.indices(self.covered.shape))
        covered, length, count = self.covered[s, d], self.length[d], self.count[s, d]
        status = np.select(
            [length == 0, (count == 0) & self.later[d], count == 0, covered < length],
            ["not requested", "not yet", "missing", "partial"],
            "complete",
        )
        keys = self.series or [("", "")]
        meters, flows = (np.array(part, dtype=object) for part in zip(*keys, strict=True))
        made = pd.DataFrame(
            {
                "meter": pd.Series(meters[s], dtype="str"),
                "flow": pd.Series(flows[s], dtype="str"),
                "day": self.dates[d].astype("datetime64[s]"),
                "requested_hours": length / 3600,
                "received_hours": covered / 3600,
                "readings": count,
                "status": pd.Series(status, dtype="str"),
                "change": pd.Series(self._changes(before).ravel().astype(object), dtype="str"),
            }
        )
        lost = pd.DataFrame(
            [(meter, flow, np.datetime64(day, "s"), "missing") for meter, flow, day in self._lost(before)],
            columns=["meter", "flow", "day", "status"],
        )
        if len(lost):
            hours = pd.Series(self.length / 3600, index=self.dates.astype("datetime64[s]"))
            lost = lost.astype({"meter": "str", "flow": "str", "day": made["day"].dtype, "status": "str"}).assign(
                requested_hours=lambda rows: rows["day"].map(hours), received_hours=0.0, readings=0, change=""
            )
            made = made[
                ~(
                    (made["readings"] == 0)
                    & made.set_index(["meter", "flow", "day"]).index.isin(
                        lost.set_index(["meter", "flow", "day"]).index
                    )
                )
            ]
            made = pd.concat([made, lost[made.columns].astype(made.dtypes)]).sort_values(["meter", "flow", "day"])
        return made[(made["readings"] > 0) | (made["requested_hours"] > 0)].reset_index(drop=True)

    def _lost(self, before: Received | None) -> list[tuple[str, str, str]]:
        """Return (meter, flow, day) of the requested days that an earlier fetch contained and this one does not."""
        if before is None or not len(self.dates):
            return []
        whole = _whole_days(self)
        present = {(key, day) for key, days in self.received.days.items() for day in days}
        return sorted(
            (*key, day) for key, days in before.days.items() for day in days.keys() & whole if (key, day) not in present
        )

    def changed_days(self, before: Received) -> tuple[int, int]:
        """Return the number of local days with new readings of a series, and of those with different values."""
        changes = self._changes(before)
        return int((changes == "new").any(axis=0).sum()), int((changes == "revised").any(axis=0).sum())

    def _changes(self, before: Received | None) -> npt.NDArray[np.str_]:
        changes = np.full(self.covered.shape, "", dtype="<U7")
        if before is None:
            return changes
        names = self.dates.astype(str).tolist()
        for s, key in enumerate(self.series):
            known = before.days.get(key, {})
            old = np.array([known.get(name, (-1, 0.0)) for name in names]).reshape(-1, 2)  # day × (count, sum)
            same = (old[:, 0] == self.count[s]) & np.isclose(old[:, 1], self.total[s])
            here = self.count[s] > 0
            changes[s, here] = np.select([old[here, 0] < 0, same[here]], ["new", "same"], "revised")
        return changes

    def report(self, findings: Findings, *, meters: Iterable[str] = (), before: Received | None = None) -> None:
        """Report what is missing and what has changed.

        Parameters
        ----------
        findings : Findings
        meters : iterable of str
            Usage points of the subscription. They count only if at least one of them is in the answer, because some
            utilities list other names.
        before : Received, optional
            The previous fetch.
        """
        if self.skipped:
            findings.add(NOT_COMPARED)
            return
        present = {meter for meter, _ in self.series}
        missing = sorted(set(meters) - present) if present & set(meters) else []
        if missing:
            findings.add(METER_MISSING, count=len(missing), first=missing[0], meters=missing[:_EXAMPLES])
        lost = self._lost(before)
        if lost:
            texts = [f"{day} of {meter} ({flow})" for meter, flow, day in lost[:_EXAMPLES]]
            findings.add(LOST, count=len({day for *_, day in lost}), first=texts[0], days=texts)
        self._report_gaps(findings)
        if before is not None and before.days:
            new, revised = self.changed_days(before)
            if new or revised:
                findings.add(CHANGED, new=new, revised=revised)

    def _report_gaps(self, findings: Findings) -> None:
        # gaps: series × day; a day without readings that lies between two days with readings
        has = self.count > 0
        gaps = ~has & np.logical_or.accumulate(has, axis=1) & np.logical_or.accumulate(has[:, ::-1], axis=1)[:, ::-1]
        if gaps.any():
            s, d = (int(i[0]) for i in np.nonzero(gaps))
            meter, flow = self.series[s]
            findings.add(
                DAYS_MISSING,
                count=int(gaps.any(axis=0).sum()),
                first=f"{self.dates[d]} of {meter} ({flow})",
                series=int(gaps.any(axis=1).sum()),
                days=[str(day) for day in self.dates[gaps.any(axis=0)][:_EXAMPLES]],
            )


def _whole_days(found: Coverage) -> set[str]:
    """Return the local days that were requested completely, in ISO format."""
    return set(found.dates[found.length >= 23 * 3600].astype(str))


@dataclass(frozen=True)
class Readings:
    """The columns of a tidy frame that this module needs, each read once: pandas copies attrs at every access."""

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    codes: tuple[npt.NDArray[np.int64], ...]  # of meter, flow, and series
    meters: pd.Index
    flows: pd.Index

    @classmethod
    def of(cls, df: pd.DataFrame) -> Readings:
        """Read the columns of a frame."""
        categories = [df[name].array for name in ("meter", "flow", "series")]
        return cls(
            times.to_instants(df["start"]),
            times.to_instants(df["end"]),
            np.nan_to_num(df["value"].to_numpy()),
            tuple(np.asarray(c.codes, dtype=np.int64) for c in categories),
            categories[0].categories,
            categories[1].categories,
        )


def coverage(rows: Readings, asked: Window | None, zone: str, *, now: pd.Timestamp | None = None) -> Coverage:
    """Measure which local days of each series an answer covers.

    Parameters
    ----------
    rows : Readings
        Readings of the answer.
    asked : Window or None
        The requested period.
    zone : str
        IANA time zone of the days.
    now : Timestamp, optional
        Time after which days are in the future. Default: now.

    Notes
    -----
    It runs in every fetch, so it builds no frame: it calls ``bincount`` three times over one number per reading.
    """
    starts, ends, codes = rows.starts, rows.ends, rows.codes
    now = now or pd.Timestamp.now("UTC")
    first, last = _span(starts, ends, asked, now)
    if first is None or last is None:
        return _nothing(asked)
    if last - first > _MOST_DAYS * 86_400 * times.US:  # a start in the year 9999
        return _nothing(asked, skipped=True)
    dates = np.arange(_local_date(first, zone), _local_date(last - 1, zone) + 1, dtype="datetime64[D]")
    edges = times.midnights(np.append(dates, dates[-1] + 1), zone)
    if asked is None:
        length = np.zeros(len(dates), dtype=np.int64)
    else:
        begin, end = (int(t.timestamp()) * times.US for t in (asked.start, asked.end))
        length = np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin), 0, None) // times.US
    # one number per reading: its series (by flow within meter) and its day. A frame is sorted by meter, flow, series,
    # so runs of equal codes are series, and a (meter, flow) consists of one or more of them:
    #
    #     meter  flow       series        run  key
    #     m1     delivered  m1/kWh        0    0 · days + day
    #     m1     delivered  m1/kWh/peak   1    1 · days + day
    #     m1     received   m1/kWh/back   2    2 · days + day
    new_run = np.ones(len(starts), dtype=bool)
    if len(starts):
        new_run[1:] = np.logical_or.reduce([c[1:] != c[:-1] for c in codes])
    heads = np.flatnonzero(new_run)
    run = np.cumsum(new_run) - 1
    if len(heads) * len(dates) > _MOST_CELLS:
        return _nothing(asked, skipped=True)
    day = np.clip(np.searchsorted(edges, starts, side="right") - 1, 0, len(dates) - 1)
    key, size = run * len(dates) + day, len(heads) * len(dates)
    shape = (len(heads), len(dates))
    seconds = np.bincount(key, weights=(ends - starts) / times.US, minlength=size).astype(float).reshape(shape)
    count = np.bincount(key, minlength=size).astype(np.int64).reshape(shape)
    total = np.bincount(key, weights=rows.values, minlength=size).astype(float).reshape(shape)
    # one name per run; a meter and flow may have several runs
    names = [(str(rows.meters[m]), str(rows.flows[f])) for m, f in zip(codes[0][heads], codes[1][heads], strict=True)]
    later = edges[:-1] >= int(now.timestamp()) * times.US
    return _by_flow(asked, names, dates, seconds, np.diff(edges) // times.US, length, count, total, later)


def _nothing(asked: Window | None, *, skipped: bool = False) -> Coverage:
    none = np.zeros((0, 0), dtype=np.int64)
    dates = np.array([], dtype="datetime64[D]")
    return Coverage(asked, [], dates, none, none.ravel(), none, none.astype(float), none.ravel().astype(bool), skipped)


def _by_flow(
    asked: Window | None,
    names: list[tuple[str, str]],
    dates: npt.NDArray[np.datetime64],
    seconds: npt.NDArray[np.float64],
    day_length: npt.NDArray[np.int64],
    length: npt.NDArray[np.int64],
    count: npt.NDArray[np.int64],
    total: npt.NDArray[np.float64],
    later: npt.NDArray[np.bool_],
) -> Coverage:
    """Join the series of one meter and flow.

    Parts of a day (time of use) add up to a day at most; alternatives (hourly and daily) add up to more, and then the
    fullest series counts.
    """
    series = list(dict.fromkeys(names))
    where = {key: [i for i, name in enumerate(names) if name == key] for key in series}
    summed = np.array([seconds[rows].sum(axis=0) for rows in where.values()]).reshape(len(series), len(dates))
    fullest = np.array([seconds[rows].max(axis=0) for rows in where.values()]).reshape(len(series), len(dates))
    covered = np.minimum(np.where(summed > day_length, fullest, summed), day_length).astype(np.int64)
    counts = np.array([count[rows].sum(axis=0) for rows in where.values()]).reshape(len(series), len(dates))
    totals = np.array([total[rows].sum(axis=0) for rows in where.values()]).reshape(len(series), len(dates))
    return Coverage(asked, series, dates, covered, length, counts, totals, later)


def compare_with_window(rows: Readings, asked: Window, zone: str, findings: Findings) -> None:
    """Report whether the answer covers less or more than was requested; nothing is dropped or filled."""
    text, at = asked.in_zone(zone), pd.Timestamp.now("UTC").floor("s")
    if not len(rows.starts):
        if asked.start >= at:
            findings.add(FUTURE, severity="warning", asked=text, words={"reaches": "lies in"})
        else:
            findings.add(EMPTY, asked=text)
        return
    if asked.end > at:
        findings.add(FUTURE, asked=text, words={"reaches": "reaches into"})
    starts, ends = rows.starts, rows.ends
    begin, end = (int(t.timestamp()) * times.US for t in (asked.start, asked.end))
    came = Window(*(pd.Timestamp(int(t), unit="us", tz="UTC") for t in (starts.min(), ends.max())))
    evidence: dict[str, Any] = {"asked": text, "came": came.in_zone(zone)}
    # first and last of each meter, by the codes of its category
    codes, names = rows.codes[0], rows.meters
    first, last = np.full(len(names), np.iinfo(np.int64).max), np.full(len(names), np.iinfo(np.int64).min)
    np.minimum.at(first, codes, starts)
    np.maximum.at(last, codes, ends)
    now = int(at.timestamp()) * times.US
    short = (last > np.iinfo(np.int64).min) & ((first > begin) | (last < min(end, now - _NEAR)))
    if short.any():
        findings.add(LESS, meters=[str(m) for m in names[short][:_EXAMPLES]], short=int(short.sum()), **evidence)
    outside = int(((starts < begin) | (ends > end)).sum())
    if outside:
        findings.add(MORE, rows=outside, **evidence)


def _span(
    starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], asked: Window | None, now: pd.Timestamp
) -> tuple[int | None, int | None]:
    firsts = [int(starts.min())] if len(starts) else []
    lasts = [max(int(ends.max()), int(starts.max()) + 1)] if len(starts) else []
    if asked is not None:
        firsts.append(int(asked.start.timestamp()) * times.US)
        until = max(now, asked.start) + pd.Timedelta(days=_MOST_LATER)  # an end in the year 9999 lists no more
        lasts.append(int(min(asked.end, until).timestamp()) * times.US)
    if not firsts:
        return None, None
    return min(firsts), max(max(lasts), min(firsts) + 1)


def _local_date(microseconds: int, zone: str) -> np.datetime64:
    at = pd.Timestamp(microseconds, unit="us", tz="UTC").tz_convert(zone)
    return np.datetime64(at.date(), "D")
