"""The mapping grammar backwards: a tidy frame as the table that a mapping describes.

Each interval of the frame belongs to one value column (or to one pattern of columns). Split and cumulative columns get
the numbers that they contain, intervals of one time become one row (or the cells of one day), times follow the clock of
the table, and a word is one that means what its row has.

A mapping can be unable to hold a frame: local time does not tell the two hours of an incomplete repeated hour apart, a
register has no place for a gap, and one row has one quality. So the table is read back with the reader's own engine and
compared with the frame. A table that :func:`write` returns is therefore one that ``load_table`` reads as the frame.
Readings without a value are not compared, because an empty cell is either a missing reading or none.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit import frame
from greenkit.errors import SchemaError, SettingsError
from greenkit.tables._written_times import ISO, is_fixed, stamp, time_columns, to_local
from greenkit.tables._written_words import BLOCK, unit_item, word_columns
from greenkit.tables.cells import Columns, fold
from greenkit.tables.cells import Words as Coded
from greenkit.tables.engine import Engine, local_text, needed_columns
from greenkit.tables.intervals import MINUTE
from greenkit.tables.mapping import Blocks, Column, Cost, Table, Value, Words
from greenkit.tables.numbers import UNITS
from greenkit.tables.placement import HOUR, changes
from greenkit.tables.stamps import DAY, time_format
from greenkit.tables.wide import PER_DAY
from greenkit.times import to_instants

Ints = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]


def write(df: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Return a tidy frame as the table that a mapping describes.

    Raises
    ------
    SchemaError
        If the table cannot hold the frame.
    SettingsError
        If the mapping describes bills.
    """
    if table.interval == "period":
        raise SettingsError(
            "The mapping describes bills, and a frame has intervals", next_step="Remove interval from the mapping."
        )
    specs = table.patterns if table.is_wide else {name: spec for name, spec in table.values.items() if spec.read}
    by_series = isinstance(table.series, Column) or any(_series_of(table, specs))
    df = df if by_series else frame.physical(df)
    keys = _keys(table, specs)
    cells = _converted(_cells(df, table, specs), table, specs, keys)
    _check_series(cells, keys)
    out = _wide(cells, table, specs, keys) if table.is_wide else _long(cells, table, specs, keys)
    if isinstance(table.flow, Blocks):
        out = _blocks(out, table, table.flow)
    if len(df):
        _compare(df, _read_back(out, df, table), table, ["series"] if by_series else [])
    return _shaped(out, table)


# -- which column each interval belongs to


def _keys(table: Table, specs: Mapping[str, Value]) -> list[str]:
    """Return the columns of the frame that separate rows of the table beside the time."""
    keys = [name for name in ("meter", "series", "zone") if isinstance(getattr(table, name), Column)]
    if table.flow is not None and any(spec.flow is None for spec in specs.values()):
        keys.append("flow")
    if any(isinstance(unit_item(name, spec, table), Column | Words) for name, spec in specs.items()):
        keys.append("unit")
    if isinstance(table.commodity, Words):
        keys.append("commodity")
    return keys


def _series_of(table: Table, specs: Mapping[str, Value]) -> list[str]:
    """Return the series of each value column: its own, its name if several columns have one flow and unit, or none."""
    meanings = [(spec.flow, unit_item(name, spec, table)) for name, spec in specs.items()]
    shared = [table.series is None and meanings.count(meaning) > 1 for meaning in meanings]
    return [spec.series or name * same for (name, spec), same in zip(specs.items(), shared, strict=True)]


def _cells(df: pd.DataFrame, table: Table, specs: Mapping[str, Value]) -> pd.DataFrame:
    """Return the frame as plain columns, with the number of the value column of each interval."""
    names = ("meter", "series", "flow", "unit", "zone", "quality", "quality_code", "commodity")
    cells = pd.DataFrame({name: _text(df, name) for name in names} | {"tou": _text(df, _tou(df))})
    if isinstance(table.zone, str):
        cells["zone"] = table.zone
    if table.zone is None and cells["zone"].nunique() > 1 and not is_fixed(table):
        raise SchemaError("The frame has several zones", next_step="Add a column of zones to the mapping.")
    cells["start"], cells["end"] = to_instants(df["start"]), to_instants(df["end"])
    cells["value"] = df["value"].to_numpy(dtype=float)
    cells["cost"] = df["cost"].to_numpy(dtype=float) if "cost" in df else np.nan
    _check_currency(df, table, specs)
    cells["column"] = _columns_of(cells, table, specs)
    return cells


def _text(df: pd.DataFrame, name: str) -> npt.NDArray[Any]:
    """Return a column as text; empty if the frame does not have it, or a cell has no value."""
    if name not in df:
        return np.full(len(df), "", dtype=object)
    codes, words = pd.factorize(df[name])
    texts = np.array([*map(str, words), ""], dtype=object)
    return np.asarray(texts[codes])


def _tou(df: pd.DataFrame) -> str:
    return "tou_name" if "tou_name" in df else "tou"


def _columns_of(cells: pd.DataFrame, table: Table, specs: Mapping[str, Value]) -> Ints:
    column = np.full(len(cells), -1)
    for i, ((name, spec), series) in enumerate(zip(specs.items(), _series_of(table, specs), strict=True)):
        mine = column < 0
        if spec.flow is not None:
            mine &= cells["flow"].isin(["delivered", "received"] if spec.split else [spec.flow]).to_numpy()
        unit = unit_item(name, spec, table)
        if isinstance(unit, str):
            mine &= (cells["unit"] == UNITS.get(fold(unit), (unit,))[0]).to_numpy()
        if series:
            mine &= (cells["series"] == series).to_numpy()
        column[mine] = i
    lost = cells[column < 0]
    if len(lost):
        what = (lost["flow"] + " in " + lost["unit"]).unique()
        raise SchemaError(
            f"The table has no column for {', '.join(sorted(what))}",
            next_step="Filter the frame, or add a column to the mapping.",
        )
    return column


def _check_currency(df: pd.DataFrame, table: Table, specs: Mapping[str, Value]) -> None:
    have = set(df["currency"].dropna().astype(str)) if "currency" in df and "cost" in df else set()
    stated = {cost.currency for cost in (table.cost, *(spec.cost for spec in specs.values())) if cost is not None}
    if stated and have - stated - {None} and None not in stated:
        raise SchemaError(
            f"The costs are in {', '.join(sorted(have))}, and the table is in {', '.join(sorted(map(str, stated)))}",
            next_step="Correct currency in the mapping.",
        )


def _check_series(cells: pd.DataFrame, keys: Sequence[str]) -> None:
    """Raise SchemaError if one column would have intervals that nothing in the table tells apart."""
    if not len(cells):
        return
    for name in ("meter", "flow", "unit", "series"):
        if name in keys or cells[name].nunique() == 1:
            continue
        if cells.groupby(["column", *keys], sort=False)[name].nunique().max() > 1:
            raise SchemaError(
                f"The frame has several {'series' if name == 'series' else name + 's'}, and the table has no column "
                "that tells them apart",
                next_step=f"Add {name} with its column to the mapping, or filter the frame to one {name}.",
            )
    again = cells.duplicated(["column", *keys, "start", "end"])
    if again.any():
        raise SchemaError(
            "The frame has several intervals of one series and time", next_step="Call df.gk.drop_duplicates() first."
        )


# -- numbers that are not usage: split net values, and registers


def _converted(cells: pd.DataFrame, table: Table, specs: Mapping[str, Value], keys: Sequence[str]) -> pd.DataFrame:
    """Return the cells with net values where a column is split, and with cumulative readings where it is a register."""
    parts = [] if any(spec.split or spec.kind == "register" for spec in specs.values()) else [cells]
    for i, spec in enumerate(specs.values() if not parts else ()):
        part = cells[cells["column"] == i]
        if len(part) and spec.split:
            part = _net(part, keys)
        if len(part) and spec.kind == "register":
            ends = table.label == "end" and not table.is_wide
            part = pd.concat([_register(one, ends) for _, one in part.groupby(["meter", "series", "flow", "unit"])])
        parts.append(part)
    return pd.concat(parts).sort_values(["meter", "start"], kind="stable").reset_index(drop=True)


def _net(part: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return delivered − received of each interval, in which only one of the two flows may have energy."""
    by = list(dict.fromkeys(["meter", "unit", "start", "end", *(key for key in keys if key != "flow")]))
    delivered, received = (part[part["flow"] == flow] for flow in ("delivered", "received"))
    both = delivered.merge(received[[*by, "value", "cost"]], on=by, how="outer", suffixes=("", "_out"), indicator=True)
    into, out = both["value"], both["value_out"]
    good = (both["_merge"] == "both") & ((into == 0) | (out == 0) | (into.isna() & out.isna()))
    good &= both["cost_out"].isna() & ~(into < 0) & ~(out < 0)
    if not good.all():
        raise SchemaError(
            "Split net values cannot hold this frame: each interval must have delivered and received, of which one is "
            f"zero, and no cost of received; {_first(both, ~good)} does not",
            next_step="Write the two flows to two columns, or to rows with a column of flows.",
        )
    return both.assign(value=into - out, flow="net")[part.columns]


def _register(part: pd.DataFrame, ends: bool) -> pd.DataFrame:
    """Return the cumulative readings of a series, from 0 on: one at each start of an interval, and one at the last end.

    What the frame has for an interval (its quality and cost) is in the row of the reading at its start.
    """
    part = part.sort_values("start")
    value, start, end = (part[name].to_numpy() for name in ("value", "start", "end"))
    good = (np.append(start[1:], end[-1]) == end) & (value >= 0)
    if not good.all():
        raise SchemaError(
            "A register cannot hold a gap, a missing value, or a negative one, because usage is the difference of "
            f"neighboring readings; {_first(part, ~good)} is followed by a gap or has no positive value",
            next_step="Filter the frame to complete intervals, or write usage.",
        )
    out = pd.concat([part, part.iloc[[-1]].assign(cost=np.nan)])
    at, length = np.append(start, end[-1]), np.append(end - start, end[-1] - start[-1])
    out["start"], out["end"] = (at - length, at) if ends else (at, at + length)
    return out.assign(value=np.round(np.append(0, np.cumsum(value)), 9))


def _first(cells: pd.DataFrame, which: Any) -> str:
    one = cells[which].iloc[0]
    return f"the interval from {local_text(int(one['start']), str(one['zone']))}"


# -- long tables


def _long(cells: pd.DataFrame, table: Table, specs: Mapping[str, Value], keys: Sequence[str]) -> pd.DataFrame:
    """Return one row for each interval, with one number for each value column."""
    if isinstance(table.flow, Blocks):
        cells = cells.sort_values("flow", kind="stable")
    number, rows = _rows(cells, [*keys, "start", "end"])
    words, units = word_columns(rows, table, specs)
    out: dict[str, Any] = {
        name: words.pop(name) for name in _columns(table, "meter", "series", "zone", "flow") if name in words
    }
    out |= time_columns(rows, table)
    raw: dict[str, Any] = {}
    for i, (name, spec) in enumerate(specs.items()):
        mine = (cells["column"] == i).to_numpy()
        raw[name] = np.full(len(rows), np.nan)
        raw[name][number[mine]] = cells["value"].to_numpy()[mine]
        raw[name] = raw[name] / (spec.factor * units[name]) + 0.0
    for name, spec in table.values.items():
        if name in raw:
            out[name] = raw[name]
        elif spec.sum_of:
            signs = [(-1 if other.startswith("-") else 1, other.lstrip("-")) for other in spec.sum_of]
            out[name] = sum(sign * np.nan_to_num(raw.get(other, np.zeros(len(rows)))) for sign, other in signs)
    out |= _costs(cells, number, len(rows), table, specs)
    return pd.DataFrame(out | words)


def _columns(table: Table, *names: str) -> list[str]:
    """Return the columns that some items of a mapping name."""
    found = (getattr(table, name) for name in names)
    return [item.column for item in found if isinstance(item, Column | Words)]


def _rows(cells: pd.DataFrame, keys: list[str]) -> tuple[Ints, pd.DataFrame]:
    """Return the row of each cell, and the rows; a row has the quality of a cell with a value, if it has one."""
    number = cells.groupby(keys, sort=False).ngroup().to_numpy()
    order = np.lexsort([cells["value"].isna().to_numpy(), number])
    first = np.unique(number[order], return_index=True)[1]
    return number, cells.iloc[order[first]].reset_index(drop=True)


def _costs(
    cells: pd.DataFrame, number: Ints, count: int, table: Table, specs: Mapping[str, Value]
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the columns of money: that of the table is the cost of its first value column."""
    costs: list[Cost | None] = [spec.cost for spec in specs.values()]
    if table.cost is not None and costs and costs[0] is None:
        costs[0] = table.cost
    out: dict[str, npt.NDArray[np.float64]] = {}
    for i, cost in enumerate(costs):
        if cost is None:
            continue
        mine = (cells["column"] == i).to_numpy()
        amount = np.full(count, np.nan)
        amount[number[mine]] = cells["cost"].to_numpy()[mine] / cost.scale
        # credits have no minus sign; if one of the costs is positive, all keep their signs, as the reader expects
        out[cost.column] = -amount + 0.0 if cost.credit and not (amount > 0).any() else amount
    return out


def _blocks(out: pd.DataFrame, table: Table, flow: Blocks) -> pd.DataFrame:
    """Return one block for each flow, each but the first after a row that repeats the header with the name of it.

    The column ``flow`` of the table, which the reader does not know, shows the blocks and is left out.
    """
    time = table.time.columns[0]
    names = {meaning: token for token, meaning in reversed(list(flow.header.items()))}
    own = {fold(token): meaning for token, meaning in flow.header.items()}.get(fold(time), next(iter(names), ""))
    flows = out.pop(BLOCK)
    blocks = [out[flows == own]] if own in names else []
    for other in dict.fromkeys(flows):
        if other not in names:
            raise SchemaError(
                f"The mapping has no block for {other}", next_step="Filter the frame, or add it to flow.header."
            )
        if other != own:
            header = pd.DataFrame([{name: names[other] if name == time else name for name in out}])
            blocks += [header, out[flows == other].astype(object)]
    return pd.concat([block.astype(object) for block in blocks], ignore_index=True) if len(blocks) > 1 else out


# -- wide tables


def _wide(cells: pd.DataFrame, table: Table, specs: Mapping[str, Value], keys: Sequence[str]) -> pd.DataFrame:
    """Return one row for each local day, with one column for each interval of it."""
    length = (cells["end"] - cells["start"]).to_numpy()
    step = int(np.median(length)) if len(length) else HOUR
    if isinstance(table.interval, int | float):
        step = int(table.interval * MINUTE)
    if step <= 0 or DAY % step or DAY // step not in PER_DAY:
        raise SchemaError(
            f"Intervals of {step / MINUTE:g} minutes are not the columns of a day", next_step="Filter the frame first."
        )
    local, second = to_local(cells["start"].to_numpy(), cells["zone"].to_numpy(), table)
    date = local // DAY * DAY
    if ((local - date) % step).any():
        raise SchemaError(
            f"{_first(cells, (local - date) % step != 0).capitalize()} does not begin with a column of the table",
            next_step="Filter the frame first.",
        )
    cells = cells.assign(date=date)
    number, rows = _rows(cells, [*keys, "date"])
    words, units = word_columns(rows, table, specs)
    out: dict[str, Any] = {
        name: words.pop(name) for name in _columns(table, "meter", "series", "zone", "flow") if name in words
    }
    day = pd.Series(rows["date"].to_numpy().astype("datetime64[us]"))
    form = time_format(table.time.format or ISO)[0] if len(table.time.columns) > 1 else table.time.format or "%Y-%m-%d"
    dates = [stamp(day.to_numpy().astype(np.int64), form, None)]
    dates += [stamp(day.to_numpy().astype(np.int64), "%H:%M", None)] * (len(table.time.columns) - 1)
    out |= dict(zip(table.time.columns, dates, strict=True))
    place, count, extra = _places(local - date, second, date, step, cells, table)
    columns: dict[str, Any] = {}
    for i, (pattern, spec) in enumerate(specs.items()):
        mine = (cells["column"] == i).to_numpy()
        grid = np.full((len(rows), count + len(extra)), np.nan)
        grid[number[mine], place[mine]] = cells["value"].to_numpy()[mine]
        grid /= np.broadcast_to(np.asarray(spec.factor * units[pattern]).reshape(-1, 1), (len(rows), 1))
        ends = table.label == "end"
        names = [_column_name(pattern, j, step, ends) for j in range(count)]
        names += [_column_name(table.time.extra, j, step, ends) for j in extra]
        columns |= {name: grid[:, j] + 0.0 for j, name in enumerate(names)}
    return pd.DataFrame(out | columns | words)


def _places(
    since: Ints, second: Bools, date: Ints, step: int, cells: pd.DataFrame, table: Table
) -> tuple[Ints, int, range]:
    """Return the column of each interval, how many there are, and the intervals of the day that have one more.

    Example, hours of the United States with 25 columns: the second 01:00 is in column 3 (``in order`` and ``slots
    9-12``), or in column 25 (``appended``); 02:00 is in column 4 on that day (``in order``), or on every day (``slots
    9-12``), or never (``appended``).
    """
    slot, per_day = since // step, DAY // step
    repeat, zones = table.repeat, cells["zone"].unique() if table.clock in (None, "local") else ()
    falls = [c for zone in zones for c in changes(zone, int(date.min()), int(date.max()) + 366 * DAY) if c.is_fall]
    begin, end = (bound % DAY // step for bound in falls[0].window) if falls else (HOUR // step, 2 * HOUR // step)
    hour = per_day // 24
    if table.time.extra:
        return np.where(second, per_day + slot - begin, slot), per_day, range(begin, end)
    if repeat is None:
        if second.any():
            raise SchemaError(
                "The table has one column for the two hours of the day when clocks go back",
                next_step='Set repeat in the mapping, such as "in order", or time.extra for additional columns.',
            )
        return slot, per_day, range(0)
    if repeat == "appended":
        place = np.where(second, per_day + slot - begin, slot)
    else:
        on_fall = np.isin(date, date[second]) | (repeat == "slots 9-12")
        place = np.where(second | (on_fall & (slot >= end)), slot + hour, slot)
    return place, per_day + hour, range(0)


def _column_name(pattern: str, place: int, step: int, ends: bool) -> str:
    minutes = (place + ends) * step // MINUTE
    if "%" in pattern:
        return str((pd.Timestamp("2000-01-01") + pd.Timedelta(minutes=minutes)).strftime(pattern))
    text = pattern.replace("{n}", str(place + 1)).replace("{HH:MM}", f"{minutes // 60:02}:{minutes % 60:02}")
    return re.sub(r"\*", "", text.replace("{HHMM}", f"{minutes // 60:02}{minutes % 60:02}"))


# -- the form of the file


def _shaped(out: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Return the table with the header that the mapping describes, and with its decimal sign."""
    made = {str(name): out[name] for name in out}
    for name, column in made.items():
        if table.decimal == "," and column.dtype.kind == "f":
            made[name] = column.map(lambda number: _number_text(number, ","))
        elif isinstance(table.flow, Blocks):  # numbers, and the names in repeated headers
            sign = table.decimal or "."
            made[name] = column.map(
                lambda cell, sign=sign: _number_text(cell, sign) if isinstance(cell, float) else cell
            )
    if table.header is False:
        made = _numbered(made)
    elif isinstance(table.header, str):
        made = _beginning_with(made, table.header, table.delimiter or ",")
    shaped = pd.DataFrame(made, index=out.index)
    if table.header_rows == 2:
        pairs = [tuple(name.split(" / ", 1)) if " / " in name else ("", name) for name in made]
        order = sorted(range(len(pairs)), key=lambda i: bool(pairs[i][0]))  # a group goes on until the next one begins
        shaped = shaped.iloc[:, order]
        shaped.columns = pd.MultiIndex.from_tuples([pairs[i] for i in order])
    return shaped


def _number_text(number: float, sign: str = ".") -> str:
    return "" if np.isnan(number) else np.format_float_positional(number, trim="-").replace(".", sign)


def _numbered(made: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns in the order of their numbers, with blank ones for those that the mapping does not name."""
    if not all(name.isdigit() for name in made):
        raise SettingsError(
            'header is false, so the columns are "1", "2", …', next_step="Use these names in the mapping."
        )
    return {str(i + 1): made.get(str(i + 1), "") for i in range(max(map(int, made)))}


def _beginning_with(made: Mapping[str, Any], header: str, delimiter: str) -> dict[str, Any]:
    """Return the columns in an order in which the header line begins as the mapping states."""
    *tokens, rest = header.split(delimiter)
    first = [next((name for name in made if fold(name) == fold(token)), token) for token in tokens]
    others = [name for name in made if name not in first]
    if rest:
        first.append(next((name for name in others if fold(name).startswith(fold(rest))), rest))
    return {name: made.get(name, "") for name in [*first, *(name for name in others if name not in first)]}


# -- reading it back


def _read_back(out: pd.DataFrame, df: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Return the frame that the reader's engine makes of the table, with what the frame answers."""
    from greenkit.tables.reader import build_frame

    table = _answered(table, df)
    names = [str(name) for name in out]
    words, numbers, used = needed_columns(table, names)
    columns = Columns("table", len(out))
    for name in words:
        codes, found = pd.factorize(out[name].astype(str))
        columns.words[name] = Coded(codes, [str(word) for word in found])
    for name in numbers:
        columns.numbers[name] = pd.to_numeric(out[name], errors="coerce").to_numpy(dtype=float)
    engine = Engine(columns, table, names, used, meter="meter", file="table", header=names)
    engine.asks_kind = False
    return build_frame(engine.read(), engine, "table")


def _answered(table: Table, df: pd.DataFrame) -> Table:
    """Return the mapping with the zone, unit, and flow of the frame where it leaves them open."""

    def only(name: str) -> Any:
        values = df[name].astype(str).unique()
        return str(values[0]) if len(values) == 1 else None

    def complete(name: str, spec: Value) -> Value:
        unit = spec.unit if unit_item(name, spec, table) is not None else only("unit")
        flow = spec.flow if spec.flow is not None or table.flow is not None else only("flow")
        return dataclasses.replace(spec, unit=unit, flow=flow)

    values = {name: complete(name, spec) if spec.read else spec for name, spec in table.values.items()}
    cells = {pattern: complete(pattern, spec) for pattern, spec in table.patterns.items()} if table.is_wide else None
    zone = only("zone") if table.zone is None else table.zone
    return dataclasses.replace(table, values=values, cells=cells, zone=zone)


def _compare(df: pd.DataFrame, back: pd.DataFrame, table: Table, names: Sequence[str]) -> None:
    """Raise SchemaError if the table is not read back as the frame, with the first interval that differs."""
    keys = ["flow", "unit", *names, *(["meter"] if isinstance(table.meter, Column) else []), "at", "until"]
    extra = [name for name in ("quality", "tou", "tou_name", "commodity") if name in df and _names(table, name)]
    extra += ["cost"] if "cost" in df and "cost" in back else []
    have, read = (_plain(one, keys, extra) for one in (df, back))
    if _are_equal(have, read, keys, extra):
        return
    have, read = (one.sort_values(keys, ignore_index=True) for one in (have, read))
    if _are_equal(have, read, keys, extra):
        return
    both = have.merge(read, on=keys, how="outer", suffixes=("", "_read"), indicator=True)
    lost = (both["_merge"] != "both").to_numpy()
    other = both[[f"{name}_read" for name in ("value", *extra)]].set_axis(["value", *extra], axis=1)
    wrong = lost | _differ(both, other, extra)
    one = both[wrong].sort_values("at", kind="stable").iloc[0]
    zone = str(df["zone"].iloc[0])
    start, end = local_text(int(one["at"]), zone), local_text(int(one["until"]), zone)
    if not lost.any():
        fix = "Write each flow to rows of its own, with a column of flows, and check blank and credit in the mapping."
    elif (both["at"] == one["at"]).sum() > 1 and not table.is_wide:
        fix = 'Add label = { end = "End" } to the mapping, so that each row has its end, or check interval and gaps.'
    else:
        fix = 'Set clock = "utc" or "offset" in the mapping, add time.dst, or filter the frame to complete days.'
    raise SchemaError(
        f"The table would not be read back as the frame: {int(wrong.sum()):,} of {len(both):,} intervals differ, first "
        f"the one from {start} to {end}",
        next_step=fix,
    )


def _plain(one: pd.DataFrame, keys: Sequence[str], extra: Sequence[str]) -> pd.DataFrame:
    """Return the intervals with a value as plain columns."""
    one = one if one["value"].notna().all() else one[one["value"].notna()]
    made = pd.DataFrame({name: _text(one, name) for name in keys if name in one})
    made["at"], made["until"] = to_instants(one["start"]), to_instants(one["end"])
    made["value"] = one["value"].to_numpy()
    for name in extra:
        made[name] = one[name].to_numpy() if name == "cost" else _text(one, name)
    return made


def _are_equal(have: pd.DataFrame, read: pd.DataFrame, keys: list[str], extra: Sequence[str]) -> bool:
    return len(have) == len(read) and have[keys].equals(read[keys]) and not _differ(have, read, extra).any()


def _differ(have: pd.DataFrame, read: pd.DataFrame, extra: Sequence[str]) -> Bools:
    """Return which values, costs, and words of two tables of equal rows differ by more than rounding."""
    largest = max(float(have["value"].abs().max()), 1e-3) if len(have) else 1e-3
    differ = ~np.isclose(have["value"], read["value"], rtol=1e-9, atol=1e-9 * largest)
    for name in extra:
        a, b = have[name], read[name]
        differ |= ~np.isclose(a, b, equal_nan=True) if name == "cost" else (a != b).to_numpy()
    return np.asarray(differ)


def _names(table: Table, name: str) -> bool:
    item = table.tou if name.startswith("tou") else getattr(table, name)
    return isinstance(item, Words)
