"""The tidy interval frame: one row for an interval of a series, the same columns from every source.

Columns and no time index, since an index invites ``df.resample("D")``, which on a long frame silently adds what
was received to what was delivered. Rows are sorted by meter, flow, series, start; times label an interval by its
start, and its end is exclusive.
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
from greenkit.findings import Finding, Findings, Kind

MIXED_ZONES: Final = Kind(
    "frame.zones.mixed",
    "info",
    "The frame holds {n} time zones, so its times are in UTC. Column zone has the zone of each meter.",
)
# column → (dtype, meaning). "time" is datetime64[us] in the site's zone, or in UTC when the frame holds several.
COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "meter": ("category", "ESI ID, or the ESPI usage point's id"),
    "series": ("category", "which of the meter's series: the ESPI MeterReading's id, the SMT channel"),
    "flow": ("category", "delivered (to the customer), received (from the customer), net, total, …, unknown"),
    "start": ("time", "start of the interval, a true instant"),
    "end": ("time", "exclusive end of the interval"),
    "value": ("float64", "in unit; NaN when the source gives none; never zero-filled"),
    "unit": ("category", "kWh, kW, kvarh, V, A, therm, m3, ft3, gal, …"),
    "zone": ("category", "the site's IANA zone"),
    "quality": ("category", "actual, estimated, missing, …"),
}
EXTRAS: Final[Mapping[str, tuple[str, str]]] = {
    "quality_code": ("category", "the source's own quality code"),
    "cost": ("float64", "in units of currency"),
    "currency": ("category", "ISO 4217 letters"),
    "tou": ("Int16", "time-of-use code"),
    "cpp": ("Int16", "critical-peak code"),
    "tier": ("Int16", "consumption tier"),
    "commodity": ("category", "electricity, natural gas, potable water, …"),
    "kind": ("category", "energy, demand, volume, …"),
    "reading_type": ("category", "the ESPI ReadingType's id"),
    "revision": ("time", "when the source made this version of the day"),
    "usage_date": ("date", "the local day that the source filed the interval under"),
    "source": ("category", "the file or member it came from"),
}
DTYPES: Final = {name: dtype for name, (dtype, _) in {**COLUMNS, **EXTRAS}.items()}
SERIES: Final = ("meter", "flow", "series", "unit")
"""What keeps one series apart from another."""
# fmt: off
ADDITIVE: Final = frozenset({
    "kWh", "kVAh", "kvarh", "Ah", "V2h", "A2h", "Qh", "Q45h", "Q60h", "therm", "Btu", "J", "m3", "m3 (compensated)",
    "m3 (uncompensated)", "ft3", "ft3 (compensated)", "gal", "imperial gal", "L", "L (compensated)",
    "L (uncompensated)", "currency", "count", "rev",
})
# fmt: on
"""Units of quantities that add up over time; kW, V, A or °C do not."""
_SORT: Final = ("meter", "flow", "series", "start")
_FILLED: Final = ("meter", "series", "flow", "start", "end", "unit", "zone", "quality")


def empty(extras: Sequence[str] = (), zone: str = "UTC") -> pd.DataFrame:
    """Make a frame without rows that has every dtype of a full one.

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
    """Give the frame back when it is a tidy interval frame; SchemaError with the reason when not.

    Parameters
    ----------
    df : DataFrame
        Strings in place of categories, any datetime resolution, and UTC in place of the zone are accepted.
    exact : bool
        Demand the very dtypes, zone, order and index that readers return.

    Returns
    -------
    DataFrame
        ``df`` itself; one without rows passes when it has the columns.

    Raises
    ------
    SchemaError
        The first thing that is wrong, with the fix.
    """
    if not isinstance(df, pd.DataFrame):
        fix = "give its .readings" if hasattr(df, "readings") else "greenkit.load gives one"
        raise SchemaError(f"a greenkit frame is a pandas DataFrame, not {type(df).__name__}: {fix}")
    _check_columns(df)
    for name in df.columns.intersection(list(DTYPES)):
        if not fits(df[name], name, exact=exact):
            raise SchemaError(
                f"column {name} is {df[name].dtype}, not {DTYPES[name]}: greenkit.frame.tidy(df) restores the dtypes"
            )
    for name in _FILLED:
        if df[name].isna().any():
            raise SchemaError(f"column {name} has empty cells: fill or drop those rows")
    _check_times(df, exact=exact)
    if exact:
        _check_exact(df)
    return df


def lacking(df: pd.DataFrame, missing: Sequence[str]) -> str:
    """Say which columns a frame lacks, and how it gets them."""
    fix = "use df.reset_index()" if set(missing) <= set(df.index.names) else "load it with greenkit, or add the columns"
    return f"the frame lacks {', '.join(missing)}: {fix}"


def _check_columns(df: pd.DataFrame) -> None:
    missing = [name for name in COLUMNS if name not in df.columns]
    if missing:
        raise SchemaError(lacking(df, missing))


def _check_times(df: pd.DataFrame, *, exact: bool) -> None:
    zones = list(df["zone"].unique())
    for zone in zones:
        zone_of(zone)
    want = zones[0] if len(zones) == 1 else "UTC"
    for name in ("start", "end"):
        found = str(df[name].dt.tz)
        # one site of a frame of several zones keeps its UTC, which is right but not local
        if len(df) and found != want and (exact or found != "UTC"):
            raise SchemaError(f"column {name} is in {found}, but column zone says {want}: use greenkit.frame.tidy(df)")
    if (df["end"] < df["start"]).any():
        row = int(np.flatnonzero((df["end"] < df["start"]).to_numpy())[0])
        raise SchemaError(f"row {row} ends before it starts: mend start and end")


def _check_exact(df: pd.DataFrame) -> None:
    if list(df.columns[: len(COLUMNS)]) != list(COLUMNS):
        raise SchemaError("the columns are not in the order of greenkit.frame.COLUMNS: use greenkit.frame.tidy(df)")
    if not df.index.equals(pd.RangeIndex(len(df))):
        raise SchemaError("the index is not 0, 1, 2, …: use greenkit.frame.tidy(df)")
    for name in df.columns:
        if isinstance(df[name].dtype, pd.CategoricalDtype) and df[name].nunique() != len(df[name].cat.categories):
            raise SchemaError(f"column {name} has categories that no row holds: use greenkit.frame.tidy(df)")
    if not is_sorted(df):
        raise SchemaError("the rows are not sorted by meter, flow, series, start: use greenkit.frame.tidy(df)")


def tidy(df: pd.DataFrame) -> pd.DataFrame:
    """Restore the dtypes, order and index of a greenkit frame, after ``pd.concat`` or an edit of the user's own.

    Several zones become UTC. Columns that greenkit does not know are kept as they are, at the end.

    Raises
    ------
    SchemaError
        When a column is missing, or cannot become what it has to be.
    """
    _check_columns(df)
    zones = df["zone"].dropna().unique()
    zone = str(zones[0]) if len(zones) == 1 else _empty_zone(df) if not len(df) else "UTC"
    names = [*COLUMNS, *(n for n in EXTRAS if n in df.columns), *(n for n in df.columns if n not in DTYPES)]
    out = pd.DataFrame({n: cast(df[n], n, zone) if n in DTYPES else df[n] for n in names}, index=df.index, copy=False)
    out.attrs = dict(df.attrs)
    return check(sort(out))


def _empty_zone(df: pd.DataFrame) -> str:
    """Give the zone of a frame without rows, which stands in the dtype of its times alone."""
    dtype = df["start"].dtype
    return str(dtype.tz) if isinstance(dtype, pd.DatetimeTZDtype) else "UTC"


def is_sorted(df: pd.DataFrame) -> bool:
    """Tell whether the rows stand in the order of meter, flow, series, start."""
    tied = np.ones(max(len(df) - 1, 0), dtype=bool)
    for name in _SORT:
        key = _key(df[name])
        before, after = key[:-1], key[1:]
        if (tied & (before > after)).any():
            return False
        tied &= before == after
    return True


def sort(df: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows by meter, flow, series, start; rows with equal keys keep their order."""
    if not is_sorted(df):
        df = df.iloc[np.lexsort([_key(df[name]) for name in reversed(_SORT)])]
    return df.reset_index(drop=True)


def _key(column: pd.Series[Any]) -> np.ndarray[Any, Any]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy()
    return column.to_numpy("datetime64[us]") if column.dtype.kind == "M" else column.to_numpy()


def concat(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put greenkit frames together: categories and zones united, rows sorted, findings kept.

    Frames of several zones come back in UTC, with the finding ``frame.zones.mixed`` in
    ``df.attrs["greenkit"]["findings"]``. No frame gives an empty one.

    Examples
    --------
    >>> len(concat([empty(), empty()]))
    0
    """
    parts = [check(df) for df in frames]
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
        # a part without categories has a dtype of its own, which union_categoricals refuses
        index = next((p.cat.categories for p in parts if len(p.cat.categories)), parts[0].cat.categories)
        parts = [p if len(p.cat.categories) else p.cat.set_categories(index[:0]) for p in parts]
        return union_categoricals(parts, sort_categories=True)
    return pd.concat(parts, ignore_index=True)


def series(df: pd.DataFrame) -> pd.Series[float]:
    """Give the one series of a frame, indexed by the start of its intervals in local time, in order.

    Returns
    -------
    Series of float64
        NaN where the source gave no value; its name tells flow and unit, as in ``delivered [kWh]``.

    Raises
    ------
    SchemaError
        When the frame holds none or several, with their names; or one start twice.
    """
    check(df)
    found = df[list(SERIES)].astype(str).drop_duplicates()
    if len(found) != 1:
        names = "; ".join(" / ".join(row) for row in found.head(6).itertuples(index=False))
        raise SchemaError(
            f"the frame holds {len(found)} series, not one ({names or 'it is empty'}): "
            "filter it by meter, flow and series first"
        )
    twice = df["start"].duplicated()
    if twice.any():
        raise SchemaError(
            f"{int(twice.sum())} starts stand twice, first {df['start'][twice].iloc[0]}: "
            "df.gk.unique() keeps one of each"
        )
    name = f"{found.iloc[0]['flow']} [{found.iloc[0]['unit']}]"
    return pd.Series(df["value"].to_numpy(), index=_local(df), name=name).sort_index()


def _local(df: pd.DataFrame) -> pd.DatetimeIndex:
    """Give the starts in the site's zone; in UTC when there are several."""
    zones = df["zone"].unique()
    index = pd.DatetimeIndex(df["start"], name="start")
    return index.tz_convert(zone_of(zones[0])) if len(zones) == 1 else index


def wide(df: pd.DataFrame) -> pd.DataFrame:
    """Pivot to a DatetimeIndex of starts with a column for each (meter, flow, series, unit).

    Returns
    -------
    DataFrame
        float64 in the unit of its column, NaN where a series has no interval that starts then; local time, or UTC
        when the frame holds several zones. A frame without rows gives one without columns.

    Raises
    ------
    SchemaError
        When a series has the same start twice.
    """
    check(df)
    keys = [df[name].astype(str) for name in SERIES]
    flat = pd.DataFrame({**dict(zip(SERIES, keys, strict=True)), "value": df["value"]}).assign(start=_local(df))
    twice = flat.duplicated([*SERIES, "start"])
    if twice.any():
        raise SchemaError(
            f"{int(twice.sum())} starts stand twice in their series, first {flat['start'][twice].iloc[0]}: "
            "df.gk.unique() keeps one of each"
        )
    out = flat.pivot(index="start", columns=list(SERIES), values="value")
    return out.sort_index(axis=1)


def summary(df: pd.DataFrame) -> pd.DataFrame:
    """Tell at a glance what a frame holds: one row for each series.

    Returns
    -------
    DataFrame
        ``meter``, ``series``, ``flow``, ``unit``, ``first`` and ``last`` (start of the first interval, end of the
        last), ``interval`` (seconds, the most frequent), ``rows``, ``complete`` (share of the time between first and
        last that has a value; a start that stands twice counts once), ``total`` (NaN where values cannot be added, as
        kW).

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
    """Keep the findings in ``df.attrs["greenkit"]`` as small plain JSON: a convenience, never needed."""
    df.attrs["greenkit"] = {"findings": [f.as_dict() for f in findings]}
    return df


def findings_of(df: pd.DataFrame) -> Findings:
    """Read back the findings that :func:`note` keeps; none when pandas has dropped them."""
    return Findings(Finding(**f) for f in df.attrs.get("greenkit", {}).get("findings", ()))


# -- columns


def fits(column: pd.Series[Any], name: str, *, exact: bool) -> bool:
    """Tell whether a column has the dtype of its name; ``exact``: the very one that readers give it."""
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
    """Give a column the dtype of its name; times are shown in ``zone``."""
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
        raise SchemaError(f"column {name} cannot become {want}: {e}") from None


def _times(column: pd.Series[Any]) -> pd.Series[Any]:
    """Read times that are text, as from a CSV; the offsets in one column differ where the clocks change."""
    if isinstance(column.dtype, pd.ArrowDtype) and column.dtype.kind == "M":
        column = pd.Series(pd.DatetimeIndex(column), index=column.index)
    if column.dtype.kind != "M":
        offsets = len(column) > 0 and column.dropna().astype("str").str.contains(r"(?:[+-]\d\d:?\d\d|Z)$").all()
        column = pd.to_datetime(column, utc=bool(offsets))
    if column.dt.tz is not None:
        return column
    if column.isna().all():
        # no times at all have no zone that could be wrong
        times: pd.Series[Any] = column.dt.tz_localize("UTC")
        return times
    raise ValueError(f"it has no time zone: say which one it is in, as in df['{column.name}'].dt.tz_localize('UTC')")


def observed(column: pd.Series[Any]) -> pd.Series[Any]:
    """Make a category column of text that holds its observed values only, in alphabetical order."""
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
    """Make ids text again that pandas took for numbers."""
    if column.cat.categories.dtype.kind not in "iu":
        raise ValueError("numbers with a point are no ids: read it as text, as in pd.read_csv(…, dtype='str')")
    return column.cat.rename_categories([str(c) for c in column.cat.categories])


def zone_of(name: object) -> zoneinfo.ZoneInfo:
    """Look a zone up; SchemaError when there is none of the name."""
    try:
        return zoneinfo.ZoneInfo(str(name))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise SchemaError(f"{name!r} is no IANA time zone: use a name such as America/Chicago") from None
