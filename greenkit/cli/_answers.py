"""The options that describe a table: its mapping, and the answers to what it leaves open.

They are the arguments of :func:`greenkit.load_table`, and every command that reads files has them.
"""

from __future__ import annotations

import argparse
from typing import Any, Final, NamedTuple


class Answer(NamedTuple):
    """One option: an argument of :func:`greenkit.load_table`."""

    name: str
    about: str
    choices: tuple[str, ...] = ()
    metavar: str = ""
    convert: type[str] | type[float] = str


ANSWERS: Final = (
    Answer("unit", "unit of the values, such as kWh", metavar="UNIT"),
    Answer("flow", "direction of the values", ("delivered", "received", "net", "total", "unknown")),
    Answer("label", "bound of the interval that a time marks", ("start", "end")),
    Answer("clock", "local, standard, utc, offset, or an offset such as +10:00", metavar="CLOCK"),
    Answer("date_order", "order of dates such as 03/04/2025", ("month first", "day first", "year first")),
    Answer("decimal", "decimal separator", (".", ",")),
    Answer("kind", "usage, or a register, which is cumulative", ("usage", "register")),
    Answer("interval", "length of the intervals in minutes", metavar="MINUTES", convert=float),
    Answer("repeat", "columns of the repeated hour in a wide table", ("in order", "slots 9-12", "appended")),
    Answer("repeated_hour", "meaning of the one value of the repeated hour", ("lost", "summed")),
    Answer("date_system", "first year of a spreadsheet's dates", ("1900", "1904")),
    Answer("blank", "meaning of an empty cell", ("missing", "absent", "zero")),
    Answer("gaps", "meaning of an interval without a row", ("missing", "zero")),
    Answer("multiplier", "whether the values contain the multiplier", ("applied", "apply")),
    Answer("meters", "whether the meters are kept apart or added up", ("separate", "sum")),
    Answer("currency", "currency of the cost, such as USD", metavar="CODE"),
    Answer("credit", "meaning of amounts in a column of credits", ("credit", "charge")),
    Answer("day_start", "time at which days begin, such as 06:00", metavar="TIME"),
    Answer("bill_end", "whether the end date belongs to the bill", ("inclusive", "exclusive")),
    Answer("meter", "name of the meter, if the table has none", metavar="NAME"),
)
"""The answers that a table may need, in the order of the arguments of :func:`greenkit.load_table`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for tables."""
    group = parser.add_argument_group("tables", "What a table does not state. greenkit asks for what it needs.")
    group.add_argument("--layout", metavar="LAYOUT", help="mapping of the columns: a TOML file, or a known layout")
    for answer in ANSWERS:
        words = [f'"{word}"' if " " in word else word for word in answer.choices]
        group.add_argument(
            "--" + answer.name.replace("_", "-"),
            choices=answer.choices or None,
            metavar=answer.metavar or answer.name.rpartition("_")[2].upper(),
            type=answer.convert,
            help=f"{answer.about}: {_either(words)}" if words else answer.about,
        )


def _either(words: list[str]) -> str:
    """Return words as in "start or end" and "lost, summed, or kept"."""
    first, last = ", ".join(words[:-1]), words[-1]
    return f"{first}{',' if len(words) > 2 else ''} or {last}"


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the answers that were given, as arguments of :func:`greenkit.load_table`."""
    found = {answer.name: getattr(arguments, answer.name) for answer in ANSWERS}
    return {name: value for name, value in found.items() if value is not None}
