"""The tidy interval frame: one row per interval of a series, with the same columns from every source.

The frame has columns and no time index, because an index invites ``df.resample("D")``, which on a long frame silently
adds received amounts to delivered amounts. Rows are sorted by meter, flow, series, and start. ``start`` labels an
interval, and ``end`` is exclusive.
"""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype, is_string_dtype, union_categoricals

from greenkit._series import ADDITIVE as ADDITIVE
from greenkit._series import SERIES as SERIES
from greenkit.errors import SchemaError, SettingsError
from greenkit.findings import SEVERITIES, Count, Finding, Findings, Kind
from greenkit.times import US, is_zone, to_times, view_instants

if TYPE_CHECKING:
    from greenkit._intervals import Intervals
    from greenkit._preview import Preview

MIXED_ZONES: Final = Kind(
    "frame.zones.mixed",
    "info",
    "The frame contains {n} time zones, so its times are in UTC. Column zone has the zone of each meter.",
)
MORE_FINDINGS: Final = Kind(
    "frame.findings.more",
    "info",
    "{count:more finding} {count:is|are} not stored with the frame.",
    "Open the source with open_espi or open_smt to see all of them.",
)
SUPERSEDED: Final = Kind(
    "frame.revision.superseded",
    "info",
    "greenkit left out {count:row} of older revisions of a day.",
    "To keep every revision, pass revisions='all'.",
)
_KEPT: Final = 100
"""Findings that a frame carries in its attrs."""
# column → (dtype, meaning). "time" is datetime64[us] in the site's zone, or in UTC if the frame has several zones.
COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "meter": ("category", "ESI ID, or the ID of the ESPI usage point"),
    "series": ("category", "which of the meter's series: the ID of the ESPI meter reading, or the SMT channel"),
    "flow": ("category", "delivered (to the customer), received (from the customer), net, total, …, unknown"),
    "start": ("time", "start of the interval"),
    "end": ("time", "exclusive end of the interval"),
    "value": ("float64", "in unit; NaN if the source has no value; never filled with zero"),
    "unit": ("category", "kWh, kW, kvarh, V, A, therm, m3, ft3, gal, …"),
    "zone": ("category", "IANA time zone of the site"),
    "quality": ("category", "actual, estimated, missing, …"),
}
EXTRAS: Final[Mapping[str, tuple[str, str]]] = {
    "quality_code": ("category", "the source's own quality code"),
    "cost": ("float64", "in currency; the utility's own figure"),
    "currency": ("category", "ISO 4217 code"),
    "tou": ("Int16", "time-of-use code"),
    "cpp": ("Int16", "critical-peak code"),
    "tier": ("Int16", "consumption tier"),
    "commodity": ("category", "electricity, natural gas, potable water, …"),
    "kind": ("category", "energy, demand, volume, …"),
    "reading_type": ("category", "ID of the ESPI reading type"),
    "revision": ("time", "when the source created this version of the day"),
    "usage_date": ("date", "local day to which the source assigns the interval"),
    "source": ("category", "file or archive member of the reading"),
}
DTYPES: Final = {name: dtype for name, (dtype, _) in {**COLUMNS, **EXTRAS}.items()}
_TIDY: Final = "Call greenkit.frame.tidy(df)"
_SORT: Final = ("meter", "flow", "series", "start")
_FILLED: Final = ("meter", "series", "flow", "start", "end", "unit", "zone", "quality")


def empty(extras: Sequence[str] = (), zone: str = "UTC") -> pd.DataFrame:
    """Return a frame without rows that has every column and dtype of a full one.

    Examples
    --------
    >>> list(empty(["cost"]).columns)[-2:]
    ['quality', 'cost']
    """
    return _empty(tuple(extras), zone).copy()


@functools.lru_cache(maxsize=32)
def _empty(extras: tuple[str, ...], zone: str) -> pd.DataFrame:
    names = [*COLUMNS, *extras]
    return pd.DataFrame({name: cast(pd.Series([], dtype=object), name, zone) for name in names})


def check(df: pd.DataFrame, *, exact: bool = False) -> pd.DataFrame:
    """Check that a DataFrame is a tidy interval frame, and return it.

    Parameters
    ----------
    df : DataFrame
        Strings instead of categories, any datetime resolution, and UTC instead of the site's zone are accepted.
    exact : bool
        Require exactly the dtypes, zone, order, and index that the readers return. Default: False.

    Returns
    -------
    DataFrame
        ``df`` itself. A frame without rows passes if it has the columns.

    Raises
    ------
    SchemaError
        If the frame is not tidy. The error names the first problem and its fix.
    """
    if not isinstance(df, pd.DataFrame):
        fix = "Pass its .readings." if hasattr(df, "readings") else "Load one with greenkit.load."
        raise SchemaError(f"A greenkit frame is a pandas DataFrame, not {type(df).__name__}", next_step=fix)
    _check_columns(df)
    for name in df.columns:
        if name in DTYPES and not fits(df[name], name, exact=exact):
            raise SchemaError(
                f"Column {name} has dtype {df[name].dtype}, not {DTYPES[name]}",
                next_step=f"{_TIDY} to restore the dtypes.",
            )
    for name in _FILLED:
        # an empty end is earlier than its start, so the check of the times finds it
        if name != "end" and _has_empty(df[name]):
            raise _has_empty_cells(name)
    _check_times(df, exact=exact)
    if exact:
        _check_exact(df)
    return df


def _has_empty_cells(name: str) -> SchemaError:
    return SchemaError(f"Column {name} has empty cells", next_step="Fill or drop those rows.")


def _has_empty(column: pd.Series[Any]) -> bool:
    """Return whether a column has an empty cell; categories and times need no mask of all rows."""
    if not len(column):
        return False
    if isinstance(column.dtype, pd.CategoricalDtype):
        return bool(column.array.codes.min() < 0)
    if column.dtype.kind == "M":
        return bool(view_instants(column).min() == np.iinfo(np.int64).min)
    return bool(column.isna().any())


def _zones(df: pd.DataFrame) -> list[Any]:
    """Return the time zones of a frame."""
    column = df["zone"]
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return list(column.unique())
    codes = column.array.codes
    if len(codes) and codes.min() == codes.max() >= 0:
        return [column.cat.categories[codes[0]]]
    return list(column.unique())


def lacking(df: pd.DataFrame, missing: Sequence[str]) -> SchemaError:
    """Return the error for a frame without some of its columns."""
    in_index = set(missing) <= set(df.index.names)
    fix = "Call df.reset_index()." if in_index else "Load the data with greenkit, or add the columns."
    return SchemaError(f"The frame has no column {', '.join(missing)}", next_step=fix)


def _check_columns(df: pd.DataFrame) -> None:
    missing = [name for name in COLUMNS if name not in df.columns]
    if missing:
        raise lacking(df, missing)


def _check_times(df: pd.DataFrame, *, exact: bool) -> None:
    zones = _zones(df)
    for zone in zones:
        zone_of(zone)
    want = zones[0] if len(zones) == 1 else "UTC"
    for name in ("start", "end"):
        found = str(df[name].dt.tz)
        # the rows of one site, filtered from a frame of several zones, are still in UTC: correct, though not local
        if len(df) and found != want and (exact or found != "UTC"):
            raise SchemaError(f"Column {name} is in {found}, but column zone is {want}", next_step=f"{_TIDY}.")
    backwards = view_instants(df["end"]) < view_instants(df["start"])
    if backwards.any():
        if _has_empty(df["end"]):
            raise _has_empty_cells("end")
        row = int(np.flatnonzero(backwards)[0])
        raise SchemaError(f"Row {row} ends before it starts", next_step="Correct its start and end.")


def _check_exact(df: pd.DataFrame) -> None:
    if list(df.columns[: len(COLUMNS)]) != list(COLUMNS):
        raise SchemaError("The columns are not in the order of greenkit.frame.COLUMNS", next_step=f"{_TIDY}.")
    if not df.index.equals(pd.RangeIndex(len(df))):
        raise SchemaError("The index is not 0, 1, 2, …", next_step=f"{_TIDY}.")
    for name in df.columns:
        if isinstance(df[name].dtype, pd.CategoricalDtype) and df[name].nunique() != len(df[name].cat.categories):
            raise SchemaError(f"Column {name} has categories that no row uses", next_step=f"{_TIDY}.")
    if not is_sorted(df):
        raise SchemaError("The rows are not sorted by meter, flow, series, and start", next_step=f"{_TIDY}.")


def tidy(df: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with the dtypes, order, and index of a greenkit frame, after ``pd.concat`` or your own edits.

    If the frame has several zones, its times become UTC. Columns that greenkit does not know stay unchanged
    at the end.

    Raises
    ------
    SchemaError
        If a column is missing or cannot be converted to its dtype.
    """
    _check_columns(df)
    zones = df["zone"].dropna().unique()
    zone = str(zones[0]) if len(zones) == 1 else _empty_zone(df) if not len(df) else "UTC"
    names = [*COLUMNS, *(n for n in EXTRAS if n in df.columns), *(n for n in df.columns if n not in DTYPES)]
    out = pd.DataFrame({n: cast(df[n], n, zone) if n in DTYPES else df[n] for n in names}, index=df.index, copy=False)
    out.attrs = dict(df.attrs)
    return check(sort(out))


def _empty_zone(df: pd.DataFrame) -> str:
    """Return the zone of a frame without rows, which only the dtype of its times contains."""
    dtype = df["start"].dtype
    return str(dtype.tz) if isinstance(dtype, pd.DatetimeTZDtype) else "UTC"


def is_sorted(df: pd.DataFrame) -> bool:
    """Return whether the rows are sorted by meter, flow, series, and start."""
    tied = np.ones(max(len(df) - 1, 0), dtype=bool)
    for name in _SORT:
        key = _key(df[name])
        before, after = key[:-1], key[1:]
        if (tied & (before > after)).any():
            return False
        tied &= before == after
    return True


def sort(df: pd.DataFrame) -> pd.DataFrame:
    """Return the rows sorted by meter, flow, series, and start; rows with equal keys keep their order."""
    if not is_sorted(df):
        df = df.iloc[np.lexsort([_key(df[name]) for name in reversed(_SORT)])]
    return df.reset_index(drop=True)


def _key(column: pd.Series[Any]) -> np.ndarray[Any, Any]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy()
    return column.to_numpy("datetime64[us]") if column.dtype.kind == "M" else column.to_numpy()


def concat(
    *frames: pd.DataFrame | Iterable[pd.DataFrame], revisions: Literal["latest", "all"] = "latest"
) -> pd.DataFrame:
    """Concatenate greenkit frames: unite categories and zones, sort the rows, and keep the findings.

    Parameters
    ----------
    *frames : DataFrame or iterable of these
        ``concat(a, b)`` and ``concat([a, b])`` are the same.
    revisions : {"latest", "all"}
        Keep only the newest revision of each meter's day and series (:func:`latest`), with the finding
        ``frame.revision.superseded``, or all of them. Default: ``"latest"``.

    Returns
    -------
    DataFrame
        A tidy frame with the columns of all of them. If the frames have several zones, it is in UTC and has the
        finding ``frame.zones.mixed``. Without frames, an empty frame.

    Raises
    ------
    SchemaError
        If one of them is not a tidy frame.

    Examples
    --------
    >>> len(concat(empty(), empty()))
    0
    """
    given = [one for each in frames for one in ([each] if isinstance(each, pd.DataFrame) else each)]
    parts = [check(df) for df in given]
    full = [df for df in parts if len(df)]
    if not full:
        return parts[0].copy() if parts else empty()
    zones = sorted({str(z) for df in full for z in df["zone"].unique()})
    zone = zones[0] if len(zones) == 1 else "UTC"
    names = [n for n in [*COLUMNS, *EXTRAS] if any(n in df.columns for df in full)]
    names += [n for n in dict.fromkeys(n for df in full for n in df.columns) if n not in DTYPES]
    every = sort(pd.DataFrame({n: _joined([_part(df, n, zone) for df in full], n) for n in names}))
    findings = Findings(f for df in parts for f in findings_of(df))
    out = every if revisions == "all" else latest(every)
    if len(out) < len(every):
        findings.add(SUPERSEDED, count=len(every) - len(out))
        out = tidy(out)
    if len(zones) > 1:
        findings.add(MIXED_ZONES, words={"n": len(zones)}, zones=zones)
    return note(out, findings)


def _part(df: pd.DataFrame, name: str, zone: str) -> pd.Series[Any]:
    if name in df.columns:
        return cast(df[name], name, zone) if name in DTYPES else df[name]
    return (
        cast(pd.Series([None] * len(df), dtype=object), name, zone) if name in DTYPES else pd.Series([None] * len(df))
    )


def _joined(parts: list[pd.Series[Any]], name: str) -> Any:
    if DTYPES.get(name) == "category":
        # union_categoricals rejects a part without categories if the dtype of its empty index differs
        index = next((p.cat.categories for p in parts if len(p.cat.categories)), parts[0].cat.categories)
        parts = [p if len(p.cat.categories) else p.cat.set_categories(index[:0]) for p in parts]
        return union_categoricals(parts, sort_categories=True)
    return pd.concat(parts, ignore_index=True)


def preview(df: pd.DataFrame, n: int = 10) -> Preview:
    """Return the first rows of a table as a person reads them.

    Parameters
    ----------
    df : DataFrame
        A tidy frame, or another table of greenkit, such as bills or usage points.
    n : int
        Number of rows. Default: 10.

    Returns
    -------
    Preview
        In a notebook a table of at most 1,000 pixels. Of a frame, it has the meter, the flow, the local start and end
        without their offsets, the value with its unit, the quality, and the cost if there is one; its title names the
        time zone. Of another table, it has the columns that have a value, without those of internal IDs.

    Raises
    ------
    SettingsError
        If ``n`` is not a whole number of at least 1.

    Examples
    --------
    >>> preview(empty())
    0 rows
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise SettingsError(
            f"n is {n!r}, but it must be a whole number of at least 1", next_step="Pass the number of rows."
        )
    from greenkit import _preview

    return _preview.of_frame(df, n) if set(COLUMNS) <= set(df.columns) else _preview.of_table(df, n)


# -- physical flows


def latest(df: pd.DataFrame) -> pd.DataFrame:
    """Keep only the newest revision of each local day of each series, completely.

    A revision replaces the earlier ones of its meter, series, and day: intervals of two revisions are never mixed,
    even if the newest has fewer of them. This is the rule of :func:`greenkit.load_smt`, for frames that were loaded
    file by file.

    Returns
    -------
    DataFrame
        The remaining rows in the same order; ``df`` itself if it has no ``revision``, or only one of each day. A row
        without a revision is older than any other of its day.

    Raises
    ------
    SchemaError
        If the frame is not tidy.
    """
    from greenkit import _intervals

    check(df)
    if "revision" not in df.columns or not len(df) or df["revision"].isna().all():
        return df
    kept = _intervals.latest(_intervals.of(df), df)
    return df if len(kept) == len(df) else df.iloc[np.sort(kept.row)].reset_index(drop=True)


def relations(df: pd.DataFrame) -> pd.DataFrame:
    """Return how the series of a frame relate to each other, with the proof and the decision for each.

    A flow of a meter can be spread over several series: parts (by time of use or by bill), alternatives (hourly and
    daily), copies (one service under several meters), and complements (net beside delivered and received). Relations
    are proven from the rows of this frame, so a filtered frame may have others.

    Returns
    -------
    DataFrame
        One row for each series that has a relation: ``relation``, ``meter``, ``flow``, ``unit``, ``series``,
        ``minutes``, ``intervals``, ``of`` (the physical flow), ``compared`` and ``equal`` (the proof), and
        ``decision``. A frame in which each series is a flow of its own returns a table without rows.

    Raises
    ------
    SchemaError
        If the frame is not tidy.

    Examples
    --------
    >>> relations(empty())["relation"].tolist()
    []
    """
    from greenkit import _intervals, _relations

    check(df)
    runs = _intervals.plain(df)
    if runs is not None and (runs.code[1:] > runs.code[:-1]).all():
        made = _relations.find(runs, df)
        if not made.rows or not _intervals.has_revisions(df):
            return made.table
    found = _intervals.deduplicate(_intervals.latest(_intervals.of(df), df), df)
    return _relations.find(found, df).table


def physical(
    df: pd.DataFrame,
    *,
    resolution: str = "finest",
    successors: pd.DataFrame | Iterable[tuple[str, str, Any]] = (),
) -> pd.DataFrame:
    """Return one row for each physical flow and time: the one rule by which every analysis reads a frame.

    Parts of a flow become one series. Of alternatives, the finest resolution is used. Copies are counted once. A
    received series that is stored as negative values gets its sign from the net series beside it. Duplicates are
    counted once, in the newest revision of their day.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    resolution : {"finest", "coarsest", "15min", "30min", "hour", "day", "month"}
        Which of several resolutions of the same energy to use. Default: ``"finest"``.
    successors : DataFrame or iterable of (old, new, date), optional
        Meters that replace others: the intervals of ``old`` before the local date, and those of ``new`` from it on,
        become one flow of meter ``new``. A frame has the columns ``old``, ``new``, and ``date``.

    Returns
    -------
    DataFrame
        A tidy frame; ``df`` itself if each series is a flow of its own. A flow that is made of parts is named after
        its first series and the number of the others, as in ``"1 (+2)"``. The decisions are in
        ``attrs["greenkit"]["relations"]`` (up to 20 rows); :func:`relations` returns all of them.

    Raises
    ------
    SchemaError
        If the frame is not tidy, or a flow has alternatives but none of that resolution.
    SettingsError
        If ``resolution`` is unknown, or ``successors`` are not (old, new, date).

    Examples
    --------
    >>> len(physical(empty()))
    0
    """
    from greenkit import _intervals, _relations

    check(df)
    found = _intervals.deduplicate(_intervals.latest(_intervals.of(df), df), df)
    stated = _relations.successors_of(successors)
    found, rows = _relations.succeed(found, stated)
    made = _relations.physical(found, df, resolution=resolution)
    known = _relations.Relations([*rows, *(made.relations.rows if made.relations else [])])
    if len(made) == len(df) and not known.rows:
        return df
    out = df.iloc[made.row].copy()
    for name in ("meter", "series"):
        codes, words = pd.factorize(made.keys[name], sort=True)
        out[name] = pd.Categorical.from_codes(codes[made.code], categories=pd.Index(words, dtype="str"))
    out["value"] = made.value
    out.attrs = dict(df.attrs)
    out.attrs["greenkit"] = {**df.attrs.get("greenkit", {}), **known.as_attrs()}
    return tidy(out)


def _flows(df: pd.DataFrame) -> Intervals:
    """Return the physical flows of a checked frame; duplicates raise an error, because a pivot would lose one."""
    from greenkit import _intervals, _relations

    found = _intervals.latest(_intervals.of(df), df)
    twice = _intervals.is_duplicate(found)
    if not twice.any():
        found = _relations.physical(found, df)
        twice = np.zeros(len(found), dtype=bool)
        twice[1:] = (found.code[1:] == found.code[:-1]) & (found.start[1:] == found.start[:-1])
    if twice.any():
        raise _duplicates(pd.Series(to_times(found.start[twice], found.zone)), " in their series")
    return found


def _duplicates(starts: pd.Series[Any], where: str) -> SchemaError:
    n = Count(len(starts))
    return SchemaError(
        f"{n:start time} {n:occurs|occur} more than once{where}, first {starts.iloc[0]}",
        next_step="Call df.gk.drop_duplicates() to keep one of each.",
    )


def series(df: pd.DataFrame, *, flow: str | None = None) -> pd.Series[float]:
    """Return the only physical flow of a frame, indexed by interval start in local time and sorted.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    flow : str, optional
        Use only the series of this flow, such as ``"delivered"``. Default: all flows.

    Returns
    -------
    Series of float64
        NaN if the source has no value. Its name is the flow and unit, as in ``delivered [kWh]``.

    Raises
    ------
    SchemaError
        If the frame has no flow or several (the error lists them), or if a start occurs more than once.
    """
    check(df)
    if flow is not None:
        have = sorted(df["flow"].astype("str").unique())
        if flow not in have:
            fix = f"Use one of {', '.join(have)}." if have else "Pass a frame with rows."
            raise SchemaError(f"The frame has no flow {flow!r}", next_step=fix)
        df = df[df["flow"] == flow]
    found = _flows(df)
    if len(found.keys) != 1:
        names = "; ".join(" / ".join(row) for row in found.keys[list(SERIES)].head(6).itertuples(index=False))
        raise SchemaError(
            f"The frame has {len(found.keys)} series, not one ({names or 'it is empty'})",
            next_step="Filter it by meter, flow, and series first, or pass flow=.",
        )
    key = found.keys.iloc[0]
    index = pd.DatetimeIndex(to_times(found.start, found.zone), name="start")
    return pd.Series(found.value, index=index, name=f"{key['flow']} [{key['unit']}]")


def wide(df: pd.DataFrame) -> pd.DataFrame:
    """Pivot to one column per physical flow, (meter, flow, series, unit), with a DatetimeIndex of interval starts.

    Returns
    -------
    DataFrame
        float64 in the unit of each column; NaN if a flow has no interval with that start. The index is in local
        time, or in UTC if the frame has several zones. A frame without rows returns one without columns.

    Raises
    ------
    SchemaError
        If a start occurs more than once in a flow.
    """
    check(df)
    found = _flows(df)
    keys = found.keys[list(SERIES)]
    order = keys.sort_values(list(SERIES)).index.to_numpy()
    column = np.empty(len(order), dtype=np.int64)
    column[order] = np.arange(len(order))
    which, starts = pd.factorize(found.start, sort=True)
    # one row of memory per column of the result, so that the values of a series are written next to each other
    values = np.full((len(keys), len(starts)), np.nan)
    values[column[found.code], which] = found.value
    index = pd.DatetimeIndex(to_times(np.asarray(starts, dtype=np.int64), found.zone), name="start")
    columns = pd.MultiIndex.from_frame(keys.iloc[order].reset_index(drop=True))
    out = pd.DataFrame(values.T, index=index, columns=columns, copy=False)
    if found.relations is not None and found.relations.rows:
        out.attrs["greenkit"] = found.relations.as_attrs()
    return out


def summary(df: pd.DataFrame) -> pd.DataFrame:
    """Summarize a frame, with one row per series.

    Returns
    -------
    DataFrame
        ``meter``, ``series``, ``flow``, ``unit``, ``first`` and ``last`` (start of the first interval and end of the
        last), ``interval`` (most frequent length, in seconds), ``rows``, ``complete`` (share of the time between
        first and last that has a value; a duplicate start is counted once), ``total`` (NaN if values cannot be
        summed, as for kW).

    Examples
    --------
    >>> len(summary(empty()))
    0
    """
    from greenkit import _intervals

    check(df)
    found = _intervals.plain(df)
    if found is None:
        every = _intervals.of(df)
        code = every.code[every.first]
        found = _intervals.Runs(every.first, code, every.keys, every.start, every.end, every.value)
    first, code = found.first, found.code
    count = np.diff(np.append(first, len(df)))
    low, high, last = (np.zeros(len(first), dtype=np.int64) for _ in range(3))
    total = np.zeros(len(first))
    for a, b, rows in _intervals.groups(first, len(df)) if len(df) else ():
        edge = first[a:b] - first[a]
        length = found.end[rows] - found.start[rows]
        low[a:b], high[a:b] = np.minimum.reduceat(length, edge), np.maximum.reduceat(length, edge)
        last[a:b], total[a:b] = np.maximum.reduceat(found.end[rows], edge), np.add.reduceat(found.value[rows], edge)
    covered, usual = count * low, low.copy()
    for i in np.flatnonzero(low < high):
        rows = slice(first[i], first[i] + count[i])
        sizes, counts = np.unique(found.end[rows] - found.start[rows], return_counts=True)
        usual[i], covered[i] = sizes[counts.argmax()], (sizes * counts).sum()
    again = found.start[1:] == found.start[:-1]
    if not np.isfinite(total).all() or again.any():
        # a missing value covers no time, and of values with the same start the first one does
        valid = np.isfinite(found.value)
        total = np.add.reduceat(np.where(valid, found.value, 0.0), first)
        held = np.flatnonzero(valid)
        series = np.searchsorted(first, held, side="right") - 1
        length = found.end - found.start
        repeat = (found.start[held][1:] == found.start[held][:-1]) & (series[1:] == series[:-1])
        kept = np.append(np.ones(min(len(held), 1), dtype=bool), ~repeat)
        covered = np.bincount(series[kept], length[held[kept]], len(first)).astype(np.int64)
    keys = found.keys.iloc[code]
    span = last - found.start[first]
    share = np.divide(covered, span, out=np.full(len(first), np.nan), where=span > 0)
    additive = keys["unit"].isin(ADDITIVE).to_numpy(dtype=bool)
    zones = found.keys["zone"].unique()
    zone = str(zones[0]) if len(zones) == 1 else "UTC"
    return pd.DataFrame(
        {
            "meter": keys["meter"].to_numpy(),
            "series": keys["series"].to_numpy(),
            "flow": keys["flow"].to_numpy(),
            "unit": keys["unit"].to_numpy(),
            "first": to_times(found.start[first], zone),
            "last": to_times(last, zone),
            "interval": usual // US,
            "rows": count,
            "complete": np.round(share, 4),
            "total": np.where(additive, np.round(total, 6), np.nan),
        }
    )


def note(df: pd.DataFrame, findings: Iterable[Finding]) -> pd.DataFrame:
    """Store findings in ``df.attrs["greenkit"]`` as small plain JSON, and return the frame.

    They are a convenience: nothing in greenkit depends on them, because pandas drops ``attrs`` in many operations. It
    also copies them in every other one, so at most 100 are stored, the most severe of each kind first, and the
    finding ``frame.findings.more`` counts the others.
    """
    every = Findings(findings)
    kept = list(every)
    if len(kept) > _KEPT:
        seen: dict[str, int] = {}
        rank = []
        for place, f in enumerate(every):
            seen[f.name] = seen.get(f.name, 0) + 1
            # the first of each kind, then the second of each, in the order of severity
            rank.append((seen[f.name], -SEVERITIES.index(f.severity), place))
        chosen = sorted(place for _, _, place in sorted(rank)[:_KEPT])
        most = Findings(every[place] for place in chosen)
        most.add(MORE_FINDINGS, count=len(kept) - _KEPT)
        kept = list(most)
    df.attrs["greenkit"] = {"findings": [f.as_dict() for f in kept]}
    return df


def findings_of(df: pd.DataFrame) -> Findings:
    """Return the findings that :func:`note` stored; none if pandas dropped them."""
    return Findings(Finding(**f) for f in df.attrs.get("greenkit", {}).get("findings", ()))


# -- columns


def fits(column: pd.Series[Any], name: str, *, exact: bool) -> bool:
    """Return whether a column has the dtype of its name; with ``exact``, the one that the readers return."""
    want = DTYPES[name]
    dtype: Any = column.dtype
    if want == "category":
        return isinstance(dtype, pd.CategoricalDtype) or (not exact and is_string_dtype(column))
    if want == "time":
        return isinstance(dtype, pd.DatetimeTZDtype) and (not exact or dtype.unit == "us")
    if exact or want == "date":
        return bool(dtype == ("datetime64[us]" if want == "date" else want)) or (not exact and dtype.kind == "M")
    return want != "float64" or is_float_dtype(dtype)


def cast(column: pd.Series[Any], name: str, zone: str) -> pd.Series[Any]:
    """Convert a column to the dtype of its name; times are shown in ``zone``."""
    want = DTYPES[name]
    try:
        if want == "category":
            return observed(column)
        if want == "time":
            times: pd.Series[Any] = _times(column).dt.as_unit("us").dt.tz_convert(zone_of(zone))
            return times
        cast: pd.Series[Any] = column.astype(np.dtype("M8[us]") if want == "date" else pd.api.types.pandas_dtype(want))
        return cast
    except SchemaError as e:
        raise SchemaError(f"Column {name} cannot be converted to {want}: {e.problem}", next_step=e.next_step) from None
    except (TypeError, ValueError, AttributeError) as e:
        raise SchemaError(
            f"Column {name} cannot be converted to {want}: {e}", next_step=f"Correct the values of column {name}."
        ) from None


def _times(column: pd.Series[Any]) -> pd.Series[Any]:
    """Parse times that are text, as from a CSV; the offsets in one column differ if the clocks change."""
    if isinstance(column.dtype, pd.ArrowDtype) and column.dtype.kind == "M":
        column = pd.Series(pd.DatetimeIndex(column), index=column.index)
    if column.dtype.kind != "M":
        offsets = len(column) > 0 and column.dropna().astype("str").str.contains(r"(?:[+-]\d\d:?\d\d|Z)$").all()
        column = pd.to_datetime(column, utc=bool(offsets))
    if column.dt.tz is not None:
        return column
    if column.isna().all():
        # without any times, no zone can be wrong
        times: pd.Series[Any] = column.dt.tz_localize("UTC")
        return times
    raise SchemaError(
        "it has no time zone", next_step=f"Set one, for example with df['{column.name}'].dt.tz_localize('UTC')."
    )


def observed(column: pd.Series[Any]) -> pd.Series[Any]:
    """Convert a column to categories of text: only the values that occur, in alphabetical order."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype("category") if len(column) else pd.Series([], dtype="str", index=column.index)
        column = column.astype("category")
    column = column.cat.remove_unused_categories()
    if is_numeric_dtype(column.cat.categories.dtype) and len(column.cat.categories):
        column = _as_text(column)
    if not len(column.cat.categories):
        return column.cat.set_categories(pd.Index([], dtype="str"))
    ordered = sorted(column.cat.categories)
    return column if ordered == list(column.cat.categories) else column.cat.reorder_categories(ordered)


def _as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """Convert IDs that pandas read as numbers back to text."""
    if column.cat.categories.dtype.kind not in "iu":
        raise SchemaError(
            "IDs were read as decimal numbers",
            next_step="Read the column as text, for example with pd.read_csv(…, dtype='str').",
        )
    return column.cat.rename_categories([str(c) for c in column.cat.categories])


def zone_of(name: object) -> zoneinfo.ZoneInfo:
    """Return the zone of an IANA name, or raise SchemaError."""
    if not is_zone(str(name)):
        raise SchemaError(f"{name!r} is not a valid IANA time zone", next_step="Use a name such as America/Chicago.")
    return zoneinfo.ZoneInfo(str(name))
