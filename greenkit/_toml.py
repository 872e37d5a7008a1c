"""Convert TOML files into frozen dataclasses, and write them.

Settings, utility profiles, tariff plans, and table layouts are TOML files that people write by hand. One converter
reads all of them, so every mistake has the same kind of error: it names the file and the key, states the rule, and
suggests the nearest known key. A dataclass is the schema; its field types are the rules.

    class Server:
        host: str
        port: Annotated[int, between(1, 65_535)] = 22
        mode: Literal["read", "write"] = "read"

=========================  ============================================================================================
Type of a field            TOML value
=========================  ============================================================================================
``str``, ``bool``          text, true or false
``int``                    whole number, never a decimal
``float``, ``Decimal``     number; never NaN or infinity. A ``Decimal`` has exactly the digits of the file.
``date``, ``time``,        date or time without quotes
``datetime``
``Path``                   text, relative to the folder of the file; ``~`` is the home folder
``Literal["a", "b"]``      one of these values
``tuple[T, ...]``          list
``tuple[A, B]``            list of exactly two values
``Mapping[str, T]``        table with any keys; ``Mapping[int, T]`` takes keys such as ``400``
a dataclass                table with these keys. A field ``from_`` is the key ``from``.
``A | B``                  the first alternative of the value's TOML type; of several dataclasses, the one that knows
                           the most of the table's keys. ``None`` only marks a default: TOML cannot express it.
class with ``from_toml``   whatever ``from_toml(value, place)`` accepts
``object``                 anything, unchecked; decimals stay ``Decimal``
=========================  ============================================================================================

``Annotated[T, rule]`` adds a :class:`Rule`, and ``field(metadata={"toml": False})`` is a field that is not a key. A
``__post_init__`` may raise ValueError or SettingsError; the error then gets the file and the table in front. Values of
secrets never appear in an error, and neither do tables and lists.

cattrs and msgspec were tried and not taken. Neither suggests the nearest key, and neither reads a field that is a
number or one of two tables without a hook or a tag. msgspec ignores unknown keys of dataclasses, and cattrs turns the
text ``"22"`` into the number 22 unless each basic type gets a hook. The hooks and the translation of their errors would
be most of this module.
"""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import functools
import os
import re
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from greenkit.errors import SettingsError
from greenkit.times import is_zone

T = TypeVar("T")

SCHEMA: Final = 1
"""Newest ``schema`` of the files that this version reads."""

_LARGEST_FILE: Final = 10_000_000  # bytes
_LARGEST_POWER: Final = 30  # of ten in a Decimal: 1E+999999 is valid TOML, and arithmetic with it never ends
_LONGEST_QUOTE: Final = 60  # characters of a file that an error repeats

_WANTED: Final[Mapping[object, str]] = {
    str: "text in quotes",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Decimal: "a number",
    Path: "a path in quotes",
    datetime.date: "a date such as 2026-01-31, without quotes",
    datetime.time: "a time such as 07:30:00, without quotes",
    datetime.datetime: "a date and time such as 2026-01-31T07:30:00, without quotes",
}
_KINDS: Final[Mapping[type, str]] = {
    bool: "true or false",
    str: "text",
    int: "a number",
    float: "a number",
    Decimal: "a number",
    datetime.datetime: "a date and time",
    datetime.date: "a date",
    datetime.time: "a time",
    list: "a list",
    tuple: "a list",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for a value beyond its type, for use in ``Annotated``.

    Parameters
    ----------
    holds : callable
        Returns whether the rule holds for a converted value.
    wanted : str
        What the value must be, as the end of the sentence "port is 0, but it must be …".
    """

    holds: Callable[[Any], bool]
    wanted: str


def between(low: float, high: float) -> Rule:
    """Return the rule that a number is in a range, both ends included."""
    return Rule(lambda value: low <= value <= high, f"from {low:,} to {high:,}")


def above(low: float, *, at_most: float | None = None) -> Rule:
    """Return the rule that a number is greater than ``low`` and, optionally, not greater than ``at_most``."""
    limit = "" if at_most is None else f" and at most {at_most:,}"
    return Rule(lambda value: value > low and (at_most is None or value <= at_most), f"greater than {low:,}{limit}")


TIME_ZONE: Final = Rule(is_zone, "an IANA time zone such as America/Chicago")
NOT_EMPTY: Final = Rule(bool, "text that is not empty")


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a value in a file, for error messages.

    Examples
    --------
    >>> str(Place("plan.toml") / "energy" / "tiers" / 0 / "price")
    'plan.toml: [energy.tiers #1] price'
    >>> str(Place("profile.toml") / "limits" / 0 / 1)
    'profile.toml: limits #1 #2'
    """

    name: str = ""
    keys: tuple[str | int, ...] = ()
    folder: Path | None = None

    def __truediv__(self, key: str | int) -> Place:
        return Place(self.name, (*self.keys, key), self.folder)

    @property
    def label(self) -> str:
        """The table in brackets and the key, without the file."""
        names = len(self.keys)
        while names > 1 and isinstance(self.keys[names - 1], int):  # an item stays beside the name of its list
            names -= 1
        tables, last = self.keys[: names - 1], self.keys[names - 1 :]
        return f"{f'[{_joined(tables)}] ' if tables else ''}{_joined(last)}"

    @property
    def table(self) -> str:
        """The table itself in brackets; empty for the file."""
        return f"[{_joined(self.keys)}]" if self.keys else ""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.name, self.label)))

    def error(self, problem: str, next_step: str = "") -> SettingsError:
        """Return the error "{file}: {key} {problem}. {next_step}"."""
        return SettingsError(f"{self} {problem}".strip(), next_step=next_step)

    def table_error(self, problem: str, next_step: str = "") -> SettingsError:
        """Return the error "{file}: {table} {problem}. {next_step}"."""
        start = ": ".join(filter(None, (self.name, self.table)))
        return SettingsError(f"{start}{' ' if self.keys else ': ' if start else ''}{problem}", next_step=next_step)


def load(
    source: str | bytes | os.PathLike[str],
    kind: type[T],
    *,
    name: str = "",
    schema: int = SCHEMA,
    base: T | None = None,
) -> T:
    """Read a TOML file, or TOML text, into a dataclass.

    Parameters
    ----------
    source : path, str or bytes
        A path object is read as a file; str and bytes are TOML text. Text may start with a byte order mark.
    kind : type
        The dataclass.
    name : str, optional
        Name of the source in error messages. Default: the path.
    schema : int, optional
        Newest schema that the caller reads; see :func:`convert`.
    base : optional
        Object of the dataclass with the values of all keys that the source does not set.

    Returns
    -------
    object
        Of type ``kind``. A relative path in the file starts from the folder of the file.

    Raises
    ------
    SettingsError
        If the file cannot be read, is not TOML (with the line), has a newer schema, an unknown key, a missing key, or a
        value of the wrong type.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Server:
    ...     host: str
    ...     port: int = 22
    >>> load('host = "files.example"', Server)
    Server(host='files.example', port=22)
    >>> load('hots = "files.example"', Server, name="server.toml")
    Traceback (most recent call last):
    greenkit.errors.SettingsError: server.toml: hots is not a known key. Did you mean host?
    """
    path = None if isinstance(source, str | bytes) else Path(source)
    return convert(
        parse(source, name=name),
        kind,
        name=name or (str(path) if path else ""),
        folder=path.expanduser().absolute().parent if path else None,
        schema=schema,
        base=base,
    )


def parse(source: str | bytes | os.PathLike[str], *, name: str = "") -> dict[str, Any]:
    r"""Parse a TOML file or TOML text into plain tables, with decimals as ``Decimal``.

    Parameters
    ----------
    source, name
        As for :func:`load`.

    Raises
    ------
    SettingsError
        If the file cannot be read or is not TOML. The error names the line, never a value.

    Examples
    --------
    >>> parse("price = 0.1519")
    {'price': Decimal('0.1519')}
    >>> parse("price = 0.1\nprice = 0.2\n", name="plan.toml")
    Traceback (most recent call last):
    greenkit.errors.SettingsError: plan.toml, line 2: Cannot overwrite a value. Correct the TOML at column 12.
    """
    if isinstance(source, str | bytes):
        name = name or "TOML text"
        data = source.encode() if isinstance(source, str) else source
    else:
        name = name or str(source)
        data = _read(Path(source), name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise SettingsError(
            f"{name}, line {line}: The text is not UTF-8", next_step="Save the file as UTF-8."
        ) from None
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as e:
        failure = str(e)
    except (RecursionError, ValueError, ArithmeticError):
        failure = ""  # tomllib gives up on deep nesting, 5,000 digits, and 1e99999999999
    if not failure:
        raise _unreadable(text, name)
    reason, _, place = failure.removesuffix(")").rpartition(" (at ")
    # A reason quotes at most a key or one character of the file; a long one may quote more.
    reason = reason if len(reason) < _LONGEST_QUOTE else "The syntax is not valid"
    found = re.fullmatch(r"line (\d+), column (\d+)", place)
    at_line = int(found[1]) if found else text.count("\n") + 1
    where = f"column {found[2]}" if found else "the end of the file"
    raise SettingsError(f"{name}, line {at_line}: {reason}", next_step=f"Correct the TOML at {where}.")


def _read(path: Path, name: str) -> bytes:
    try:
        with path.expanduser().open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise SettingsError(f"There is no file {name}", next_step="Check the path.") from None
    except (OSError, RuntimeError, ValueError) as e:  # RuntimeError: ~nobody; ValueError: a null character in the name
        raise SettingsError(f"{name} cannot be read ({type(e).__name__})", next_step="Check the path.") from None
    if len(data) > _LARGEST_FILE:
        raise SettingsError(f"{name} is larger than {_LARGEST_FILE:,} bytes", next_step="Check the path.")
    return data


def _unreadable(text: str, name: str) -> SettingsError:
    """Return the error for text on which the parser gives up, with the first line that makes it do so."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    low, high = 0, len(lines)  # the parser reads all of lines[:low] and gives up within lines[:high]
    while high - low > 1:
        middle = (low + high) // 2
        try:
            tomllib.loads("".join(lines[:middle]), parse_float=Decimal)
            gives_up = False
        except tomllib.TOMLDecodeError:  # only incomplete
            gives_up = False
        except (RecursionError, ValueError, ArithmeticError):
            gives_up = True
        low, high = (low, middle) if gives_up else (middle, high)
    key = next(filter(None, (re.match(r"\s*([\w.\"'-]+)\s*=", line) for line in reversed(lines[:high]))), None)
    what = f"{key[1][:_LONGEST_QUOTE]} is" if key else "A value is"
    return SettingsError(
        f"{name}, line {high}: {what} nested too deeply or is a number with too many digits",
        next_step="Correct the value.",
    )


def convert(
    tables: Mapping[str, Any],
    kind: type[T],
    *,
    name: str = "",
    folder: Path | None = None,
    schema: int = SCHEMA,
    base: T | None = None,
) -> T:
    """Convert parsed TOML, or a dictionary of the same form, into a dataclass.

    Parameters
    ----------
    tables : mapping
        Plain tables, as from :func:`parse` or ``tomllib.loads``. Floats are accepted where decimals are.
    kind : type
        The dataclass.
    name : str, optional
        Name of the source in error messages.
    folder : Path, optional
        Folder from which relative paths start. Default: they stay relative.
    schema : int, optional
        Newest schema that the caller reads. The key ``schema`` is accepted in every file; a newer one raises an error,
        and a file without it has schema 1.
    base : optional
        Object of the dataclass with the values of all keys that the tables do not set.

    Returns
    -------
    object
        Of type ``kind``.

    Raises
    ------
    SettingsError
        If the schema is newer, or a key is unknown, missing, or has a value of the wrong type.
    """
    place = Place(name, (), folder)
    if not isinstance(tables, Mapping):
        raise SettingsError(
            f"{f'{name}: ' if name else ''}The content is {_kind(tables)}, but it must be a table",
            next_step="Write keys and values.",
        )
    tables = dict(tables)
    fields = _fields(typing.cast(Any, kind))
    found = tables.get("schema", 1) if "schema" in fields else tables.pop("schema", 1)
    if type(found) is not int or found < 1:
        raise (place / "schema").error(
            f"is {_shown(found)}, but it must be a whole number", f"Write schema = {schema}."
        )
    if found > schema:
        raise (place / "schema").error(
            f"is {_shown(found)}, but this version of greenkit reads schema {schema} and older", "Upgrade greenkit."
        )
    result: T = _dataclass(kind, tables, place, base)
    return result


@functools.cache
def _fields(kind: type) -> dict[str, tuple[dataclasses.Field[Any], Any]]:
    """Return the fields of a dataclass and their types, by their keys in TOML."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {f.name.removesuffix("_"): (f, hints[f.name]) for f in dataclasses.fields(kind) if _is_key(f)}


def _is_key(field: dataclasses.Field[Any]) -> bool:
    return field.init and bool(field.metadata.get("toml", True))


def _dataclass(kind: Any, value: object, place: Place, base: Any = None) -> Any:
    if not isinstance(value, Mapping):
        raise place.error(f"is {_seen(value)}, but it must be a table", f"Write it as a table: {_example(place)}.")
    fields = _fields(kind)
    for key in value:
        if key not in fields:
            raise (place / key).error("is not a known key", _suggestion(str(key), list(fields)))
    values = {fields[key][0].name: _value(fields[key][1], held, place / key) for key, held in value.items()}
    if base is None:
        needed = [key for key, (field, _) in fields.items() if _required(field) and key not in value]
        if needed:
            raise place.table_error(
                f"lacks {_listed(needed, 'and')}" if place.keys else f"{_listed(needed, 'and')} not set",
                f"Add {'it' if len(needed) == 1 else 'them'}.",
            )
    failure = None
    try:
        return kind(**values) if base is None else dataclasses.replace(base, **values)
    except SettingsError as e:
        failure = (e.problem, e.next_step)
    except ValueError as e:
        failure = (str(e), "")
    # Outside the handlers, so that a traceback does not show the values.
    raise place.table_error(*failure)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _value(hint: Any, value: Any, place: Place) -> Any:
    """Convert one value, or raise the error that states what it must be."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _annotated(inside[0], inside[1:], value, place)
    if origin in (types.UnionType, typing.Union):
        return _union([a for a in inside if a is not types.NoneType], value, place)
    if hint in (object, Any):
        return value
    if hasattr(hint, "from_toml"):
        return hint.from_toml(value, place)
    if origin is Literal:
        return _literal(inside, value, place)
    if origin is tuple and isinstance(value, list | tuple):
        return _tuple(inside, value, place)
    if origin in (dict, Mapping) and isinstance(value, Mapping):
        return {_key(inside[0], key, place): _value(inside[1], held, place / key) for key, held in value.items()}
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, value, place)
    if hint is Path and isinstance(value, str | Path):
        return resolve(str(value), place)
    if hint in (float, Decimal) and type(value) in (int, float, Decimal):
        return _number(hint, value, place)
    if hint in (str, bool, int, datetime.date, datetime.time, datetime.datetime) and type(value) is hint:
        return value
    raise place.error(f"is {_seen(value)}, but it must be {_wanted(hint)}", "Correct the value.")


def _annotated(hint: Any, rules: Sequence[object], value: Any, place: Place) -> Any:
    converted = _value(hint, value, place)
    for rule in rules:
        if isinstance(rule, Rule) and not rule.holds(converted):
            raise place.error(f"is {_shown(value)}, but it must be {rule.wanted}", "Correct the value.")
    return converted


def _union(choices: Sequence[Any], value: Any, place: Place) -> Any:
    """Convert with the alternative of the value's TOML type, so that its own error is raised if it does not fit."""
    fitting = [choice for choice in choices if _takes(choice, value)]
    if not fitting:
        wanted = " or ".join(dict.fromkeys(map(_wanted, choices)))
        raise place.error(f"is {_seen(value)}, but it must be {wanted}", "Correct the value.")
    if len(fitting) > 1 and isinstance(value, Mapping):
        fitting.sort(key=lambda choice: _likeness(choice, value), reverse=True)  # stable: the first of equals
    elif len(fitting) > 1:
        fitting.sort(key=lambda choice: not _is_exact(choice, value))
    return _value(fitting[0], value, place)


def _takes(hint: Any, value: Any) -> bool:
    """Return whether a type takes values of this TOML type, whatever they contain."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _takes(inside[0], value)
    if origin is Literal:
        return type(value) in {type(choice) for choice in inside}
    if origin is tuple:
        return isinstance(value, list | tuple)
    if origin in (dict, Mapping) or dataclasses.is_dataclass(hint):
        return isinstance(value, Mapping)
    if hint is Path:
        return isinstance(value, str | Path)
    if hint in (float, Decimal):
        return type(value) in (int, float, Decimal)
    return hint in (object, Any) or hasattr(hint, "from_toml") or type(value) is hint


def _is_exact(hint: Any, value: Any) -> bool:
    """Return whether a scalar is one of a Literal's values, or of exactly this type."""
    return value in typing.get_args(hint) if typing.get_origin(hint) is Literal else type(value) is hint


def _likeness(hint: Any, table: Mapping[str, Any]) -> tuple[bool, int, int]:
    """Return how well a table fits a type: no required key is missing, known keys, number of required keys."""
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    if not dataclasses.is_dataclass(hint):
        return True, 0, 0
    fields = _fields(typing.cast(Any, hint))
    required = [key for key, (field, _) in fields.items() if _required(field)]
    known = sum(2 if key in fields else bool(_similar(key, fields)) for key in table)
    return all(key in table for key in required), known, len(required)


def _literal(choices: Sequence[object], value: Any, place: Place) -> Any:
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return choice
    listed = _listed([c if isinstance(c, str) else _shown(c) for c in choices], "or")
    raise place.error(f"is {_shown(value)}, but it must be {listed}", "Correct the value.")


def _tuple(inside: Sequence[Any], value: Sequence[Any], place: Place) -> tuple[Any, ...]:
    if len(inside) == 2 and inside[1] is Ellipsis:
        return tuple(_value(inside[0], held, place / i) for i, held in enumerate(value))
    if len(inside) != len(value):
        raise place.error(f"is a list of {len(value):,}, but it must be a list of {len(inside)}", "Correct the list.")
    return tuple(_value(hint, held, place / i) for i, (hint, held) in enumerate(zip(inside, value, strict=True)))


def _key(hint: Any, key: Any, place: Place) -> Any:
    if hint is int and isinstance(key, str):
        if not re.fullmatch(r"[0-9]{1,9}", key):
            raise (place / key).error("is not a valid key", "Use a whole number as the key.")
        return int(key)
    if hint is str or type(key) is hint:
        return key
    return _value(hint, key, place / str(key))


def _number(hint: Any, value: Any, place: Place) -> Any:
    wanted = "a finite number" if hint is float else f"a number with fewer than {_LARGEST_POWER} digits"
    try:
        number = hint(repr(value) if hint is Decimal and type(value) is float else value)
    except (OverflowError, ValueError):  # of a whole number beyond any float
        raise place.error(f"is {_shown(value)}, but it must be {wanted}", "Correct the value.") from None
    exact = number if isinstance(number, Decimal) else Decimal(number)
    out_of_range = (
        hint is Decimal
        and exact.is_finite()
        and exact != 0
        and (abs(exact.adjusted()) > _LARGEST_POWER or len(exact.as_tuple().digits) > _LARGEST_POWER)
    )
    if not exact.is_finite() or out_of_range:
        raise place.error(f"is {_shown(value)}, but it must be {wanted}", "Correct the value.")
    return number


def resolve(value: str, place: Place) -> Path:
    """Return the path that a text of a file names: ``~`` is the home folder, and the folder of the file is the start.

    Raises
    ------
    SettingsError
        If the text is not a path.
    """
    if not value or "\0" in value:
        raise place.error("is empty or contains a null character", "Write a path in quotes.")
    failure = None
    try:
        path = Path(value).expanduser()
        return place.folder / path if place.folder else path
    except RuntimeError:  # the home folder of ~nobody
        failure = f"is {_shown(value)}, which has no home folder"
    raise place.error(failure, "Write the complete path.")


def dumps(value: object, *, schema: int | None = None) -> str:
    r"""Write a dataclass or a mapping as TOML.

    Parameters
    ----------
    value : dataclass or mapping
        Fields that have their default and values that are None are left out.
    schema : int, optional
        Written as the first key. Default: no key ``schema``.

    Returns
    -------
    str
        TOML that :func:`load` converts to an equal object.

    Raises
    ------
    TypeError
        If TOML cannot express a value, such as a Secret.

    Examples
    --------
    >>> print(dumps({"folders": ("a",), "scope": None, "password": {"env": "X"}}, schema=1), end="")
    schema = 1
    folders = [
        "a",
    ]
    <BLANKLINE>
    [password]
    env = "X"
    """
    import tomli_w

    tables = plain(value)
    if not isinstance(tables, dict):
        raise TypeError(f"TOML is written from a dataclass or a mapping, not from {type(value).__name__}")
    return tomli_w.dumps(tables if schema is None else {"schema": schema} | tables)


def plain(value: object) -> Any:
    """Return a value in the types of TOML, without what has its default."""
    if hasattr(value, "to_toml"):
        return value.to_toml()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        held = {f: getattr(value, f.name) for f in dataclasses.fields(value) if _is_key(f)}
        return {f.name.removesuffix("_"): plain(v) for f, v in held.items() if v is not None and v != _default(f)}
    if isinstance(value, Mapping):
        return {str(key): plain(held) for key, held in value.items() if held is not None}
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    return str(value) if isinstance(value, os.PathLike) else value


def _default(field: dataclasses.Field[Any]) -> object:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _wanted(hint: Any) -> str:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _wanted(inside[0])
    if origin in (types.UnionType, typing.Union):
        return " or ".join(dict.fromkeys(_wanted(a) for a in inside if a is not types.NoneType))
    if origin is Literal:
        return _listed([c if isinstance(c, str) else _shown(c) for c in inside], "or")
    if origin is tuple:
        return "a list of text in quotes" if inside[0] is str else "a list"
    if origin in (dict, Mapping) or dataclasses.is_dataclass(hint):
        return "a table"
    return _WANTED.get(hint, getattr(hint, "__name__", str(hint)))


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "a table"
    return _KINDS.get(type(value), f"of type {type(value).__name__}")


def _seen(value: object) -> str:
    """Return what a value of the wrong type is: the kind of a text, which may be a secret, and a number itself."""
    return _kind(value) if isinstance(value, str) else _shown(value)


def _shown(value: object) -> str:
    """Return a scalar as the file has it, if it is short, else its kind: a table or list may hold anything."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):  # str() raises beyond 4,300 digits, which hexadecimal numbers may have
        return str(value) if value.bit_length() < 4 * _LONGEST_QUOTE else "a number with too many digits"
    if isinstance(value, float | Decimal | datetime.date | datetime.time):
        return str(value)[:_LONGEST_QUOTE]
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST_QUOTE else value[:_LONGEST_QUOTE] + "…")
    return _kind(value)


def _written(key: object) -> str:
    text = str(key)[:_LONGEST_QUOTE]
    return text if re.fullmatch(r"[\w#\[\] -]*", text) else repr(text)


def _joined(keys: Sequence[str | int]) -> str:
    """Return the name of a table: ``energy.tiers #1``."""
    return "".join(f" #{key + 1}" if isinstance(key, int) else f".{_written(key)}" for key in keys).removeprefix(".")


def _example(place: Place) -> str:
    return place.table if place.keys and all(isinstance(key, str) for key in place.keys) else "{key = value}"


def _listed(names: Sequence[str], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])}{',' if len(names) > 2 else ''} {word} {names[-1]}"


def _suggestion(key: str, known: Sequence[str]) -> str:
    near = _similar(key, known)
    return f"Did you mean {near[0]}?" if near else f"Use one of {', '.join(known)}."


def _similar(key: str, known: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(key.lower()[:_LONGEST_QUOTE], list(known), n=1, cutoff=0.5)
