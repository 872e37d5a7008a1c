"""Random frames, random mappings of the whole grammar that can hold them, and the file that such a table becomes."""

import functools
import io

import numpy as np
import pandas as pd
from hypothesis import strategies as st

import greenkit
from greenkit.tables.mapping import read_mapping
from greenkit.tables.write import to_table
from greenkit.times import to_instants

ZONES = ["America/Chicago", "America/New_York", "Europe/Berlin", "Australia/Sydney", "America/Phoenix"]
# days around changes of the clock, for each zone
FIRST = {
    "America/Chicago": ["2024-11-02", "2024-11-03", "2024-03-09", "2024-03-10", "2024-07-04"],
    "America/New_York": ["2024-11-03", "2024-03-10"],
    "Europe/Berlin": ["2024-10-26", "2024-10-27", "2024-03-31"],
    "Australia/Sydney": ["2024-04-06", "2024-04-07", "2024-10-06"],
    "America/Phoenix": ["2024-11-03"],
}
FLOWS = {"In": "delivered", "Out": "received", "Sum": "net", "Old": "skip"}
FORMS = [(",", "."), (";", ","), ("\t", ".")]
ONE_COLUMN = ["", "%Y-%m-%d %H:%M", "%m/%d/%Y %I:%M %p", "%d.%m.%Y %H:%M:%S", "%d-%b-%y %H:%M", "%Y%m%d %H:%M", "excel",
              "%Y-%m-%dT%H:%M:%S%z"]  # fmt: skip
TWO_COLUMNS = ["", "%Y-%m-%d %H:%M", "%m/%d/%Y %I:%M %p", "%d.%m.%Y %H:%M:%S", "excel", "%Y%m%d %H%M"]


def build(zone, first, days, minutes, flows, meters, seed=0):
    """Return a tidy frame of complete local days, with different values in every series."""
    return _built(zone, first, days, minutes, tuple(flows), tuple(meters), seed).copy()


@functools.lru_cache(maxsize=4096)
def _built(zone, first, days, minutes, flows, meters, seed):
    start = pd.Timestamp(first, tz=zone)
    if minutes < 1440:
        start = pd.date_range(start, start + pd.DateOffset(days=days), freq=f"{minutes}min", inclusive="left")
        end = start + pd.Timedelta(minutes=minutes)
    else:
        start = pd.date_range(start, periods=days, freq="D")
        end = start + pd.DateOffset(days=1)
    count, parts = len(start), [(meter, flow) for meter in meters for flow in flows]
    values = np.random.default_rng(seed).permutation(np.arange(1, count * len(parts) + 1)) / 1000
    return greenkit.frame.tidy(
        pd.DataFrame(
            {
                "meter": np.repeat([meter for meter, _ in parts], count), "series": "usage",
                "flow": np.repeat([flow for _, flow in parts], count), "start": list(start) * len(parts),
                "end": list(end) * len(parts), "unit": "kWh", "zone": zone, "quality": "actual", "value": values,
            }
        )
    )  # fmt: skip


@st.composite
def long_tables(draw):
    """Draw a frame and a mapping with one row for each interval."""
    one_of = lambda *values: draw(st.sampled_from(values))  # noqa: E731
    kind = one_of(
        "columns", "columns", "rows", "rows", "split", "registers", "series", "units", "sum", "blocks", "days"
    )
    zone = one_of(*ZONES)
    first, minutes = one_of(*FIRST[zone]), one_of(60, 60, 60, 30, 15)
    meters = one_of(["shop-1"], ["-7"], ["12345678901234567890", "=1+1"])
    flows = one_of(["delivered"], ["delivered", "received"], ["net"])
    if kind in ("split", "sum", "blocks"):
        flows = ["delivered", "received"]
    elif kind in ("series", "units"):
        flows, meters = ["delivered"], meters[:1]
    days, minutes = (4, 1440) if kind == "days" else (one_of(1, 1, 1, 2), minutes)
    df = build(zone, first, days, minutes, flows, meters, draw(st.integers(0, 3)))
    table = {"zone": zone}
    if len(meters) > 1 or draw(st.booleans()):
        table["meter"] = {"column": "Meter"}
    else:
        table["meter"] = meters[0]
    _times(draw, table, minutes, kind)
    df = _values(draw, df, table, kind, flows)
    df = _others(draw, df, table, kind, flows)
    _form(draw, table)
    return greenkit.frame.tidy(df), read_mapping(table)


def _times(draw, table, minutes, kind):
    one_of = lambda *values: draw(st.sampled_from(values))  # noqa: E731
    clock = table["clock"] = one_of("local", "local", "standard", "utc", "offset", "+10:00")
    how = one_of("one", "one", "two", "two", "epoch", "between", "slots")
    label = one_of("start", "end", "column", "inclusive", "two columns")
    if kind == "blocks":
        how, label = one_of("one", "between"), "start"
    if kind == "days":
        clock = table["clock"] = "local"
        how, label = "one", one_of("start", "column", "inclusive")
    form = one_of(*(ONE_COLUMN if how in ("one", "between") else TWO_COLUMNS))
    if kind == "days":
        form = one_of("", "%Y-%m-%d", "%m/%d/%y")
    if clock == "offset" and how in ("one", "two", "between"):
        form = one_of("", "%Y-%m-%d %H:%M%z", "%d.%m.%Y %I:%M:%S %p %z")
    time = {"columns": ["Day", "Clock"] if how == "two" else ["Day"]} | ({"format": form} if form else {})
    if how == "epoch":
        time = {"epoch": "Moment", "unit": one_of("s", "ms", "us")}
    elif how == "between":
        time |= {"between": one_of(" to ", " / ")}
    elif how == "slots":
        if clock == "offset":
            clock = table["clock"] = "local"
        time = {"columns": ["Day"], "format": one_of("%Y%m%d", "%m/%d/%Y")}
        hours = {"column": "Hour", "minutes": 60, "first": one_of(0, 1)}
        parts = {"column": "Part", "minutes": one_of(minutes, {"column": "Length"})}
        every = {"column": "Number", "minutes": minutes}
        time["slots"] = one_of([every], [hours, parts]) if minutes < 60 else [hours]
        label = one_of("start", "end")
    if clock == "local" and how != "epoch" and kind not in ("days", "blocks") and draw(st.booleans()):
        words = one_of(
            {"Y": "daylight", "N": "standard"}, {"1": "first", "2": "second"}, {"*": "second"}, {"N": "standard"}
        )
        time["dst"] = {"column": "Flag", "words": words}
    table["time"] = time
    if label in ("start", "end"):
        table["label"] = label
    elif label == "two columns" and how == "two" and clock != "offset":
        table["label"] = {"end": ["Until", "Until Clock"]}
    elif how in ("one", "two") and not (how == "two" and (clock == "offset" or form)):
        table["label"] = {"end": "Until", "inclusive": label == "inclusive"}
    else:
        table["label"] = "start"
    if how != "between" and kind != "days":
        table["interval"] = one_of(minutes, minutes, {"column": "Length"})


def _values(draw, df, table, kind, flows):
    """Set the value columns, and change the frame to what such columns can hold."""
    one_of = lambda *values: draw(st.sampled_from(values))  # noqa: E731
    factor, unit = one_of((1.0, "kWh"), (1.0, "Wh"), (-0.001, "kWh"), (1.0, "MWh"))
    spec = {"factor": factor, "kind": "usage"}
    where = one_of("value", "value", "table", "column", "words") if kind not in ("units", "series", "sum") else "value"
    if where == "value":
        spec["unit"] = unit
    elif where == "table":
        table["unit"] = unit
    elif where == "column":
        table["unit"] = {"column": "Unit"}
    else:
        table["unit"] = {"column": "Unit", "words": {"energy": "Wh", "power": "kW"}}
    if where in ("column", "words") and draw(st.booleans()):
        df["unit"] = "kW" if where == "words" else "therm"
    if kind == "split":
        df["value"] = df["value"].where((df["flow"] == "delivered") == df["start"].dt.hour.isin(range(6, 18)), 0.0)
        table["values"] = {"Net": spec | {"flow": "net", "split": True}}
    elif kind == "registers":
        if "net" in flows:
            df["flow"] = "total"
        table["values"] = {f"R {f}": spec | {"flow": f, "kind": "register"} for f in df["flow"].unique()}
    elif kind == "series":
        df = greenkit.frame.tidy(pd.concat([df.assign(series="low"), df.assign(series="high", value=df["value"] / 3)]))
        if draw(st.booleans()):
            table["values"] = {name: spec | {"flow": "delivered"} for name in ("low", "high")}
        else:
            table["values"] = {f"T {name}": spec | {"flow": "delivered", "series": name} for name in ("low", "high")}
    elif kind == "units":
        df = greenkit.frame.tidy(pd.concat([df, df.assign(unit="kW", value=df["value"] * 7)]))
        table["values"] = {"Use (kWh)": {"flow": "delivered"}, "Peak": {"flow": "delivered", "unit": "kW"}}
    elif kind == "sum":
        table["values"] = {f"v {flow}": spec | {"flow": flow} for flow in flows}
        table["values"] |= {"Net": {"sum_of": ["v delivered", "-v received"]}, "Temp": {"skip": True}}
    elif kind == "blocks":
        table["flow"] = {"header": {"Day": "delivered", "Day received": "received"}}
        table["values"] = {"Amount": spec}
    elif kind == "rows":
        table["flow"] = {"column": "Way", "words": FLOWS}
        table["values"] = {"Amount": spec}
    else:
        table["values"] = {f"v {flow}": spec | {"flow": flow} for flow in flows}
        if len(flows) > 1 and kind == "columns" and draw(st.booleans()):
            df = df[(df["flow"] == "delivered") | df["start"].dt.hour.isin(range(6, 18))]
            table["values"]["v received"]["blank"] = "absent"
    if kind != "series" and draw(st.booleans()):
        df["series"] = "register 1"
        table["series"] = {"column": "Register"}
    return df.reset_index(drop=True)


def _others(draw, df, table, kind, flows):
    """Add quality, cost, commodity, time of use, selected rows, a multiplier, and missing values."""
    one_of = lambda *values: draw(st.sampled_from(values))  # noqa: E731
    some = lambda: draw(st.booleans())  # noqa: E731
    values = table["values"]
    if some() and kind not in ("registers", "split") and "absent" not in str(values):
        df.loc[df["start"].dt.hour % 7 == 5, "value"] = np.nan
        df["quality"] = df["quality"].astype(str).mask(df["value"].isna(), "missing")
        table["missing"] = ["none"]
    if some():
        words = one_of({"guess": "estimated"}, {"A": "actual", "E": "estimated"}, {"*": "estimated"})
        table["quality"] = {"column": "Notes", "words": words}
        guess = (df["start"].dt.hour % 5 == 0) & (df["quality"] != "missing")
        df["quality"] = df["quality"].astype(str).mask(guess, "estimated")
    if some():
        mine = df["flow"].isin(flows[:1]) | (kind == "rows")
        if kind == "registers" and "net" in flows:
            mine |= True
        if kind == "series":
            mine &= df["series"] == "low"
        elif kind == "units":
            mine &= df["unit"] == "kWh"
        elif kind == "blocks":
            mine |= True
        paid = {"column": "Paid (p)" if some() else "Paid", "currency": "GBP"}
        paid |= one_of({}, {"factor": 0.5}, {"credit": True})
        sign = -1 if "credit" in paid else one_of(1, -1)
        df["cost"] = np.where(mine, sign * np.arange(1, len(df) + 1) / 100, np.nan)
        df["currency"] = pd.Series(np.where(mine, "GBP", None), dtype="str")
        if some() and kind not in ("rows", "blocks"):
            values[next(iter(values))]["cost"] = paid
        else:
            table["cost"] = paid
    if some():
        df["commodity"] = "electricity"
        table["commodity"] = {"column": "Fuel", "words": {"E": "electricity"}}
    if some():
        df["tou"] = pd.array(np.where(df["start"].dt.hour < 12, 1, 2), dtype="Int16")
        table["tou"] = {"column": "Rate", "words": one_of({"low": "1", "high": "2"}, {"low": "1"})}
    if some():
        table["zone"] = {"column": "Zone"}
    if some():
        rows = one_of({"keep": ["use", "USE"]}, {"drop": ["", "total"]}, {"drop": ["total"]})
        table["rows"] = {"column": "What"} | rows
    if some() and "multiplier" not in table:
        table["multiplier"] = {"column": "Multiplier"}
    return df


def _form(draw, table):
    """Set the form of the file: header, lines before it, decimal sign."""
    how = draw(st.sampled_from(["plain", "plain", "skip", "header", "two rows", "decimal"]))
    if how == "skip":
        table["skip"] = draw(st.integers(0, 3))
    elif how == "header":
        first = (table["time"].get("columns") or [table["time"].get("epoch")])[0]
        table["header"] = draw(st.sampled_from([first, f"Site,{first},", f"{first}"[:2]]))
        table["delimiter"] = ","
    elif how == "two rows" and isinstance(table.get("meter"), dict) and "header" not in str(table.get("flow")):
        table["header_rows"] = 2
        table["meter"] = {"column": "Site / Meter"}
    elif how == "decimal":
        table["decimal"] = draw(st.sampled_from([",", "."]))


@st.composite
def wide_tables(draw):
    """Draw a frame and a mapping with one row for each day."""
    one_of = lambda *values: draw(st.sampled_from(values))  # noqa: E731
    some = lambda: draw(st.booleans())  # noqa: E731
    zone = one_of(*ZONES)
    minutes = one_of(60, 60, 60, 30, 15)
    flows = one_of(["delivered"], ["delivered", "received"])
    meters = one_of(["shop-1"], ["0042", "00043"])
    kind = one_of("flow", "rows", "patterns", "split", "register")
    clock = one_of("local", "local", "standard", "utc", "+10:00")
    if kind in ("patterns", "split"):
        flows = ["delivered", "received"]
    elif kind in ("flow", "register"):
        flows = ["delivered"]
    df = build(zone, one_of(*FIRST[zone]), one_of(1, 2), minutes, flows, meters, draw(st.integers(0, 3)))
    names = one_of(
        "INT{n}",
        "KW {n} (kWh)",
        "HE{n}",
        "{n}",
        "%H:%M",
        "%I:%M %p",
        "Use {HH:MM}",
        "{HHMM}",
        "{HH:MM}-*",
        "Interval Ending {HHMM}",
    )
    table = {"time": {"columns": ["Date"]}, "zone": zone, "clock": clock, "meter": {"column": "Meter"}}
    table["time"]["format"] = one_of("%Y-%m-%d", "%m/%d/%Y", "%Y%m%d", "excel")
    if "{n}" in names:
        table["repeat"] = one_of("in order", "slots 9-12", "appended")
    else:
        table["label"] = one_of("start", "end")
        if kind != "patterns":
            table["time"]["extra"] = f"DS {names}"
        elif clock == "local":
            table["clock"] = "standard"
    unit, factor = one_of(("kWh", 1.0), ("Wh", -1.0), ("MWh", 0.5))
    spec = {"unit": unit, "factor": factor, "kind": "usage"}
    if kind == "rows":
        table["flow"] = {"column": "Way", "words": FLOWS}
        table["cells"] = spec
    elif kind == "patterns":
        table["cells"] = {f"In {names}": spec | {"flow": "delivered"}, f"{names}~": spec | {"flow": "received"}}
    elif kind == "split":
        df["value"] = df["value"].where((df["flow"] == "delivered") == df["start"].dt.hour.isin(range(6, 18)), 0.0)
        table["cells"] = spec | {"flow": "net", "split": True}
    else:
        table["cells"] = spec | {"flow": "delivered", "kind": "register" if kind == "register" else "usage"}
    if kind != "patterns":
        table["time"]["wide"] = names
    if some():
        df["series"] = "1.8.0"
        table["series"] = {"column": "Register"}
    if some():
        table["quality"] = {"column": "Notes", "words": {"E": "estimated"}}
    if some() and kind not in ("register", "split"):
        df.loc[df["start"].dt.hour == 5, "value"] = np.nan
        df["quality"] = df["quality"].astype(str).mask(df["value"].isna(), "missing")
    if some():
        df["commodity"] = "electricity"
        table["commodity"] = {"column": "Fuel", "words": {"E": "electricity"}}
    if some():
        table["rows"] = {"column": "What", "keep": ["use"]}
    if some():
        table["multiplier"] = {"column": "Multiplier"}
    return greenkit.frame.tidy(df), read_mapping(table)


def written(df, mapping, delimiter=",", decimal=".", reverse=False):
    """Return a frame as the bytes of a table, with lines before its header."""
    table, form = to_table(df, mapping), mapping.table
    if reverse and "header" not in str(form.flow):
        table = table.iloc[::-1]
    delimiter = form.delimiter or (";" if form.decimal == "," else delimiter)
    file = io.StringIO()
    file.write("Report\n" * (1 if form.skip is None else form.skip))
    table.to_csv(file, index=False, sep=delimiter, decimal=form.decimal or decimal, header=form.header is not False)
    return file.getvalue().encode()


def same(back, df):
    """Compare a frame with the one that it was before it was a table.

    An empty cell is a missing reading, and the cells before and after the intervals of a wide table are empty.
    """
    if len(back) != len(df):
        back, df = (one[one["value"].notna()].reset_index(drop=True) for one in (back, df))
    order = ["meter", "flow", "series", "unit", "start"]
    back, df = (one.sort_values(order, ignore_index=True) for one in (back, df))
    for name in ("start", "end"):
        assert (to_instants(back[name]) == to_instants(df[name])).all()
    names = [name for name in ("series", "commodity", "tou") if name in back and name in df]
    for name in ("meter", "flow", "unit", "zone", "quality", *names):
        assert back[name].tolist() == df[name].tolist()
    np.testing.assert_allclose(back["value"], df["value"], rtol=1e-9, atol=1e-9)
    assert ("cost" in back) == ("cost" in df)
    if "cost" in df:
        np.testing.assert_allclose(back["cost"], df["cost"], rtol=1e-9, atol=1e-12)
