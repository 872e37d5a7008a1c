"""Plans from files and tables: TOML, URDB JSON and CSV, dictionaries; with what they extend and refer to."""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import pandas as pd

from greenkit._help import explained
from greenkit._toml import Place
from greenkit.tariffs import _grammar, _label, _urdb
from greenkit.tariffs._grammar import Context, Node
from greenkit.tariffs._model import PlanError, WiresTable
from greenkit.tariffs._plan import Plan
from greenkit.tariffs._text import read_bytes, read_toml

WiresSource = Mapping[str, "str | os.PathLike[str] | pd.DataFrame"]
_DEEPEST: Final = 10
"""Largest number of plans that extend each other."""
_OWN: Final = ("efl", "source")
"""Keys that a plan does not inherit from the plan that it extends."""


@explained
def load_plan(
    source: str | bytes | os.PathLike[str] | Mapping[str, Any] | Plan,
    *,
    label: str | None = None,
    zone: str | None = None,
    wires: WiresSource | None = None,
    check: bool = True,
) -> Plan:
    """Read a tariff plan, and check it against its own label.

    Parameters
    ----------
    source : path, TOML text, or mapping
        A plan in TOML; a rate of the U.S. Utility Rate Database as JSON (the API's answer or one record) or as a row of
        its CSV; or a dictionary of either form. A text with line breaks is TOML text, and so are bytes.
    label : str, optional
        Which record of a URDB file to read. Needed if it holds several.
    zone : str, optional
        IANA time zone of a URDB rate, which has none of its own. Default: the clock of the meter that is priced.
    wires : mapping, optional
        Name of a dated table of delivery charges → CSV or TOML file, or a DataFrame, with the columns ``from``,
        ``month``, ``energy``, and optionally ``demand`` and ``name``. Default: a file of that name next to the plan.
    check : bool
        Compute the prices that ``[efl]`` prints, and raise an error if one differs. Default: True.

    Returns
    -------
    Plan
        Immutable. Its ``repr`` is its price map and its lines in words.

    Raises
    ------
    PlanError
        If the file is not a plan, a key is unknown or wrong, an instant has two prices or none, or the computed prices
        differ from the label. The error names the file, the key, and the line where it is known.

    Examples
    --------
    >>> load_plan({"name": "Flat", "zone": "America/Chicago", "energy": 0.12}).name
    'Flat'
    >>> load_plan({"zone": "America/Chicago", "enrgy": 0.12})
    Traceback (most recent call last):
    greenkit.tariffs._model.PlanError: enrgy is not a known key. Did you mean energy?
    """
    if isinstance(source, Plan):
        return source
    found = _tables(source, label, zone)
    folder = found.folder
    tables = _extended(found.tables, found.name, folder, ())
    root = Node(tables, Place(found.name, (), folder), found.lines)
    plan = _grammar.read(root, folder, lambda n, node: _wires_table(n, node, folder, wires))
    plan = replace(plan, notes=found.notes)
    plan.calendar  # noqa: B018 compiles the periods, which checks them
    _check_references(plan, root)
    if check and plan.label is not None:
        _label.prove(plan)
    return plan


@dataclass(frozen=True)
class _Found:
    """The tables of a source, its name and folder, what finds lines in it, and what it does not contain."""

    tables: dict[str, Any]
    name: str = ""
    folder: Path | None = None
    lines: Callable[[Place], int | None] | None = None
    notes: tuple[tuple[str, Mapping[str, Any]], ...] = ()


def _tables(source: str | bytes | os.PathLike[str] | Mapping[str, Any], label: str | None, zone: str | None) -> _Found:
    if isinstance(source, Mapping):
        if not _urdb.is_urdb(source):
            return _Found(dict(source))
        return _from_urdb(_urdb.pick(source, label, "the mapping"), zone)
    if isinstance(source, bytes) or (isinstance(source, str) and "\n" in source):
        data = source if isinstance(source, bytes) else source.encode()
        return _Found(read_toml(data, "plan"), lines=_lines(data))
    if not isinstance(source, str | os.PathLike):
        raise PlanError(
            f"A plan cannot be read from a {type(source).__name__}",
            next_step="Pass a path, TOML text, or a dictionary; compare_plans accepts a list of plans.",
        )
    path = Path(source).expanduser()
    if path.suffix.lower() in (".json", ".csv", ".gz"):
        return _from_urdb(_urdb.pick(_urdb.read(path), label, path.name), zone, path)
    data = read_bytes(path)
    return _Found(read_toml(data, path.name), path.name, path.absolute().parent, _lines(data))


def _from_urdb(record: dict[str, Any], zone: str | None, path: Path | None = None) -> _Found:
    tables, notes = _urdb.to_tables(record)
    if zone is not None:
        tables["zone"] = zone
    return _Found(tables, path.name if path else "", path.absolute().parent if path else None, notes=tuple(notes))


def _lines(data: bytes) -> Callable[[Place], int | None]:
    """Return a function that finds the line of a key: of each part of its path, in order, the first line with it."""
    text = data.decode("utf-8-sig", errors="replace").splitlines()

    def line(place: Place) -> int | None:
        at, found = 0, None
        for key in place.keys:
            if isinstance(key, int):
                continue
            pattern = re.compile(rf"(?:^|[\s\[{{,.\"'])(?:{re.escape(str(key))})(?=[\s\]=.\"'])")
            here = next((i for i in range(at, len(text)) if pattern.search(text[i].split("#")[0])), None)
            if here is None:
                break
            at, found = here, here + 1
        return found

    return line


def _extended(tables: dict[str, Any], name: str, folder: Path | None, seen: tuple[Path, ...]) -> dict[str, Any]:
    """Merge a plan with the plan that it extends; each key of the plan replaces the complete key of the other."""
    if "extends" not in tables:
        return tables
    other = tables["extends"]
    if not isinstance(other, str) or not other:
        raise PlanError(f"{name}: extends must be the name of a plan file", next_step='Write extends = "base.toml".')
    path = Path(other).expanduser()
    path = (folder / path if folder and not path.is_absolute() else path).resolve()
    if path in seen or len(seen) >= _DEEPEST:
        raise PlanError(
            f"{name}: extends {other}, which extends this plan", next_step="Remove one of the extends keys."
        )
    if not path.is_file():
        raise PlanError(f"{name}: There is no plan {other} to extend", next_step="Place it next to the plan.")
    base = read_toml(read_bytes(path), path.name)
    base = _extended(base, path.name, path.parent, (*seen, path))
    kept = {k: v for k, v in base.items() if k not in _OWN}
    return {**kept, **{k: v for k, v in tables.items() if k != "extends"}}


def _check_references(plan: Plan, root: Node) -> None:
    """Raise if a tax, rider, minimum, or rebate names a line that the plan does not have."""
    known = {n.lower() for n in _grammar.known_lines(plan)} | {"any", "all", "total", "subtotal"}
    for one in plan.terms:
        held = [(t.name, t.on) for t in one.taxes] + [(c.name, c.on) for c in (*one.charges, *one.rebates)]
        held += [("minimum", one.minimum.on)] if one.minimum else []
        # a credit by component may name components that the prices do not have: a finding reports this when it prices
        parts = {component.lower() for component, _ in one.export.offsets} if one.export else set()
        held += [("export.offsets", words) for _, words in one.export.offsets] if one.export else []
        for name, words in held:
            wrong = [w for w in words if w.lower() not in known | (parts if name == "export.offsets" else set())]
            if wrong:
                raise PlanError(
                    f"{root.place.name or plan.name}: {name} is on {wrong[0]!r}, which is not a line of the plan",
                    next_step=f"Use one of {', '.join(sorted(known))}.",
                )


# -- dated tables of delivery charges


def _wires_table(name: str, node: Node, folder: Path | None, given: WiresSource | None) -> WiresTable:
    source: Any = (given or {}).get(name)
    if source is None and folder is not None:
        places = [folder / name] if Path(name).suffix else [folder / f"{name}.toml", folder / f"{name}.csv"]
        source = next((p for p in places if p.is_file()), None)
        if source is None and (folder / "wires.csv").is_file():
            source = folder / "wires.csv"
    if source is None:
        node.fail(
            f"is {name!r}, but there is no table of delivery charges of that name",
            f"Place {name}.csv next to the plan, or pass wires={{{name!r}: path}}.",
        )
    if isinstance(source, pd.DataFrame):
        rows = source.astype("str").to_dict("records")
    else:
        path = Path(source)
        data = read_bytes(path)
        if path.suffix.lower() == ".toml":
            return _wires_toml(name, data, path.name)
        try:
            rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
        except (UnicodeDecodeError, csv.Error):
            raise PlanError(f"{path.name} is not a CSV file in UTF-8", next_step="Save it as CSV, UTF-8.") from None
    return _wires_rows(name, rows, node)


def _wires_toml(name: str, data: bytes, file: str) -> WiresTable:
    tables = read_toml(data, file)
    root = Node(tables, Place(file), _lines(data)).table(("schema", "name", "rate"))
    if "rate" not in root:
        root.fail("The table has no charges", "Add [[rate]] with from, month, and energy.")
    made = []
    for item in (root / "rate").items():
        rest = {k: v for k, v in item.value.items() if k != "from"}
        if "from" not in item:
            item.fail("has no date", "Add from = 2026-03-01.")
        made.append(((item / "from").date(), _grammar.wires(Node(rest, item.place, item.lines), _CONTEXT)))
    return WiresTable(name, tuple(sorted(made, key=lambda m: m[0])))


_CONTEXT: Final = Context((), False, "USD", lambda name, node: None)


def _wires_rows(name: str, rows: list[Any], node: Node) -> WiresTable:
    made = []
    for i, raw in enumerate(rows):
        row = {str(k).strip().lower(): str(v).strip() for k, v in raw.items() if k is not None}
        if "name" in row and row["name"].lower() != name.lower():
            continue
        place = Node({}, Place(name, (f"row {i + 1}",)))
        if "from" not in row:
            place.fail("has no column from", "Add the columns from, month, and energy.")
        try:
            first = dt.date.fromisoformat(row["from"][:10])
        except ValueError:
            place.fail(f"has the date {row['from']!r}", "Write dates as 2026-03-01.")
        tables: dict[str, Any] = {}
        for key in ("month", "day", "energy", "demand"):
            if row.get(key) not in (None, "", "nan", "None"):
                try:
                    tables[key] = Decimal(row[key])
                except InvalidOperation:
                    place.fail(f"has {row[key]!r} in column {key}", "Write a number.")
        made.append((first, _grammar.wires(Node(tables, place.place), _CONTEXT)))
    if not made:
        node.fail(f"is {name!r}, but the table has no row of that name")
    made.sort(key=lambda m: m[0])
    return WiresTable(name, tuple(made))
