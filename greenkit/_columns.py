"""The columns of the tidy frame: what each holds, its dtype, and how a column of a user's own becomes one."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype, is_string_dtype

from greenkit.errors import SchemaError

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
