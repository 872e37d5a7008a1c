"""The tidy interval frame: one row per interval of a series, with the same columns from every source.

The frame has columns and no time index, because an index invites ``df.resample("D")``, which on a long frame silently
adds received amounts to delivered amounts. Rows are sorted by meter, flow, series, and start. ``start`` labels an
interval, and ``end`` is exclusive.
"""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype, is_string_dtype, union_categoricals

from greenkit.errors import SchemaError
from greenkit.findings import Finding, Findings, Kind, counted

MIXED_ZONES: Final = Kind(
    "frame.zones.mixed",
    "info",
    "The frame holds {n} time zones, so its times are in UTC. Column zone has the zone of each meter.",
)
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
SERIES: Final = ("meter", "flow", "series", "unit")
"""The columns that identify a series."""
# fmt: off
ADDITIVE: Final = frozenset({
    "kWh", "kVAh", "kvarh", "Ah", "V2h", "A2h", "Qh", "Q45h", "Q60h", "therm", "Btu", "J", "m3", "m3 (compensated)",
    "m3 (uncompensated)", "ft3", "ft3 (compensated)", "gal", "imperial gal", "L", "L (compensated)",
    "L (uncompensated)", "currency", "count", "rev",
})
# fmt: on
"""Units of quantities that can be summed over time, unlike kW, V, A, or °C."""
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
    for name in df.columns.intersection(list(DTYPES)):
        if not fits(df[name], name, exact=exact):
            raise SchemaError(
                f"Column {name} has dtype {df[name].dtype}, not {DTYPES[name]}",
                next_step=f"{_TIDY} to restore the dtypes.",
            )
    for name in _FILLED:
        if df[name].isna().any():
            raise SchemaError(f"Column {name} has empty cells", next_step="Fill or drop those rows.")
    _check_times(df, exact=exact)
    if exact:
        _check_exact(df)
    return df


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
    zones = list(df["zone"].unique())
    for zone in zones:
        zone_of(zone)
    want = zones[0] if len(zones) == 1 else "UTC"
    for name in ("start", "end"):
        found = str(df[name].dt.tz)
        # the rows of one site, filtered from a frame of several zones, are still in UTC: correct, though not local
        if len(df) and found != want and (exact or found != "UTC"):
            raise SchemaError(f"Column {name} is in {found}, but column zone is {want}", next_step=f"{_TIDY}.")
    if (df["end"] < df["start"]).any():
        row = int(np.flatnonzero((df["end"] < df["start"]).to_numpy())[0])
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


def concat(*frames: pd.DataFrame | Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate greenkit frames: unite categories and zones, sort the rows, and keep the findings.

    Parameters
    ----------
    *frames : DataFrame or iterable of these
        ``concat(a, b)`` and ``concat([a, b])`` are the same.

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
    out = sort(pd.DataFrame({n: _joined([_part(df, n, zone) for df in full], n) for n in names}))
    findings = Findings(f for df in parts for f in findings_of(df))
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


def series(df: pd.DataFrame) -> pd.Series[float]:
    """Return the only series of a frame, indexed by interval start in local time and sorted.

    Returns
    -------
    Series of float64
        NaN if the source has no value. Its name is the flow and unit, as in ``delivered [kWh]``.

    Raises
    ------
    SchemaError
        If the frame has no series or several (the error lists them), or if a start occurs more than once.
    """
    check(df)
    found = df[list(SERIES)].astype(str).drop_duplicates()
    if len(found) != 1:
        names = "; ".join(" / ".join(row) for row in found.head(6).itertuples(index=False))
        raise SchemaError(
            f"The frame has {len(found)} series, not one ({names or 'it is empty'})",
            next_step="Filter it by meter, flow, and series first.",
        )
    twice = df["start"].duplicated()
    if twice.any():
        raise _duplicates(df["start"][twice], "")
    name = f"{found.iloc[0]['flow']} [{found.iloc[0]['unit']}]"
    return pd.Series(df["value"].to_numpy(), index=_local(df), name=name).sort_index()


def _duplicates(starts: pd.Series[Any], where: str) -> SchemaError:
    return SchemaError(
        f"{counted(len(starts), 'start time')} occur more than once{where}, first {starts.iloc[0]}",
        next_step="Call df.gk.drop_duplicates() to keep one of each.",
    )


def _local(df: pd.DataFrame) -> pd.DatetimeIndex:
    """Return the starts in the site's zone, or in UTC if there are several zones."""
    zones = df["zone"].unique()
    index = pd.DatetimeIndex(df["start"], name="start")
    return index.tz_convert(zone_of(zones[0])) if len(zones) == 1 else index


def wide(df: pd.DataFrame) -> pd.DataFrame:
    """Pivot to one column per (meter, flow, series, unit), with a DatetimeIndex of interval starts.

    Returns
    -------
    DataFrame
        float64 in the unit of each column; NaN if a series has no interval with that start. The index is in local
        time, or in UTC if the frame has several zones. A frame without rows returns one without columns.

    Raises
    ------
    SchemaError
        If a start occurs more than once in a series.
    """
    check(df)
    keys = [df[name].astype(str) for name in SERIES]
    flat = pd.DataFrame({**dict(zip(SERIES, keys, strict=True)), "value": df["value"]}).assign(start=_local(df))
    twice = flat.duplicated([*SERIES, "start"])
    if twice.any():
        raise _duplicates(flat["start"][twice], " in their series")
    out = flat.pivot(index="start", columns=list(SERIES), values="value")
    return out.sort_index(axis=1)


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
    >>> summary(empty())["rows"].sum()
    0
    """
    check(df)
    rows = [_summed(keys, part) for keys, part in df.groupby(list(SERIES), observed=True, sort=False)]
    names = ["meter", "series", "flow", "unit", "first", "last", "interval", "rows", "complete", "total"]
    return pd.DataFrame(rows, columns=names)


def _summed(keys: Any, part: pd.DataFrame) -> tuple[Any, ...]:
    meter, flow, series, unit = keys
    first, last = part["start"].min(), part["end"].max()
    spans = (part["end"] - part["start"]).dt.total_seconds()
    present = spans[part["value"].notna() & ~part["start"].where(part["value"].notna()).duplicated()].sum()
    total = float(part["value"].sum()) if unit in ADDITIVE else float("nan")
    complete = round(present / (last - first).total_seconds(), 4) if last > first else float("nan")
    return meter, series, flow, unit, first, last, int(spans.mode().iloc[0]), len(part), complete, round(total, 6)


def note(df: pd.DataFrame, findings: Iterable[Finding]) -> pd.DataFrame:
    """Store findings in ``df.attrs["greenkit"]`` as small plain JSON, and return the frame.

    They are a convenience: nothing in greenkit depends on them, because pandas drops ``attrs`` in many operations.
    """
    df.attrs["greenkit"] = {"findings": [f.as_dict() for f in findings]}
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
    except (TypeError, ValueError, AttributeError) as e:
        raise SchemaError(f"Column {name} cannot be converted to {want}: {e}") from None


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
    raise ValueError(f"it has no time zone. Set one, for example with df['{column.name}'].dt.tz_localize('UTC').")


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
        raise ValueError(
            "IDs were read as decimal numbers. Read the column as text, for example with pd.read_csv(…, dtype='str')."
        )
    return column.cat.rename_categories([str(c) for c in column.cat.categories])


def zone_of(name: object) -> zoneinfo.ZoneInfo:
    """Return the zone of an IANA name, or raise SchemaError."""
    try:
        return zoneinfo.ZoneInfo(str(name))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise SchemaError(
            f"{name!r} is not a valid IANA time zone", next_step="Use a name such as America/Chicago."
        ) from None
