"""Utility tables: CSV and Excel downloads, and tables of your own, as tidy frames."""

from greenkit.errors import AmbiguousTable, Choice
from greenkit.tables.explain import explain_table
from greenkit.tables.mapping import TableMapping
from greenkit.tables.prices import load_prices
from greenkit.tables.reader import (
    TableData,
    TableReading,
    drop_repeats,
    is_known,
    load_table,
    open_table,
    source_name,
)

__all__ = [
    "AmbiguousTable",
    "Choice",
    "TableData",
    "TableMapping",
    "TableReading",
    "drop_repeats",
    "explain_table",
    "is_known",
    "load_prices",
    "load_table",
    "open_table",
    "source_name",
]
