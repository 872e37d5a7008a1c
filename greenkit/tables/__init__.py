"""Utility tables: CSV and Excel downloads, and tables of your own, as tidy frames."""

from greenkit.errors import AmbiguousTable, Choice
from greenkit.tables.mapping import TableMapping
from greenkit.tables.reader import TableData, load_table, open_table

__all__ = ["AmbiguousTable", "Choice", "TableData", "TableMapping", "load_table", "open_table"]
