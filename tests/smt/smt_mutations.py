"""Seeded damage to small Smart Meter Texas files (interval CSV, LSE, JSON), and what must hold for each of them."""

import contextlib
import json
import random
import re
import time
from collections import Counter

import numpy as np
import pandas as pd
from smt_files import AUTUMN, HEADER, ID, PLAIN, SPRING, csv, csv_rows, lse, values

import greenkit
from greenkit import frame
from greenkit.smt import _interval_csv, _lse

SLOWEST = 3.0  # seconds of CPU time, which other work on the machine does not lengthen
"""Seconds that one of these files, of a few kilobytes, may take at most on a busy machine."""
ODD = (
    *("", " ", "-0", "+7", "007", "1.10", ".5", "1e3", "NaN", "inf", "x", "１２", "1_000", "99999", "9" * 30, "'5", '"5"'),
    *("01/02/2025", "13/13/2025", "2025-11-02", "24:00", "00:00", "02:30", "25:61", "A", "E", "Consumption", "Generation"),
    *("\ufeff", "\0", "é", "=1+1", "1,5", "1;5", "\t"),
)  # fmt: skip
LINES = (
    "",
    "x",
    ",,,,,,,",
    HEADER,
    "Name,PAT EXAMPLE",
    '"',
    "'",
    "00000001,1,4",
    "10000000,1,A,",
    "{",
    "\u2028",
    "5" * 300,
)


def _json(day):
    slots = [f"{v}-A" for v in values({SPRING: 92, AUTUMN: 100}.get(day, 96))]
    slots = [*slots[:8], *([""] * 4 if len(slots) == 96 else []), *slots[8:]]
    entry = {"DT": f"{day:%m/%d/%Y}", "RevTS": f"{day:%m/%d/%Y} 09:40:14", "RT": "C", "RD": ",".join(slots)}
    return json.dumps({"esiid": [ID], "energyData": [entry]}, indent=1)


def bases():
    """Files of each format, as text."""
    for day in (PLAIN, SPRING, AUTUMN):
        yield csv(csv_rows(day))
        yield csv(csv_rows(day), csv_rows(day, flow="Generation", meter="'2"))
        yield lse(day) + lse(day, channel="1", per_row=24)
        yield lse(day, trailing=False, per_row=7, header_3="5,6,7,8")
        yield _json(day)
    yield csv(csv_rows(PLAIN), csv_rows(SPRING), newline="\r\n")
    yield "Name,PAT EXAMPLE\n\n" + csv(csv_rows(PLAIN))


BASES = tuple(bases())


def _cells(rng, text):
    """Change one cell, or all that are equal to it."""
    found = list(re.finditer(r"[^,\n{}\[\]:\"-]+", text))
    if not found:
        return text
    old, new = rng.choice(found), rng.choice(ODD)
    if rng.random() < 0.3:
        return text.replace(old[0], new)
    return text[: old.start()] + new + text[old.end() :]


def _lines(rng, text):
    """Drop, repeat, swap, insert, or join lines."""
    lines = text.split("\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    how = rng.randrange(6)
    if how == 0:
        del lines[min(a, b) : max(a, b) + 1]
    elif how == 1:
        lines.insert(a, lines[b])
    elif how == 2:
        lines[a], lines[b] = lines[b], lines[a]
    elif how == 3:
        lines.insert(a, rng.choice(LINES))
    elif how == 4:
        rng.shuffle(lines)
    else:
        lines[a : a + 2] = ["".join(lines[a : a + 2])]
    return "\n".join(lines)


def _column(rng, text):
    """Drop or repeat a column of every line, or separate the columns otherwise."""
    if rng.random() < 0.3:
        return text.replace(",", rng.choice([";", "\t", ", ", ",,", "|"]))
    place, twice = rng.randrange(8), rng.random() < 0.5
    lines = [line.split(",") for line in text.split("\n")]
    return "\n".join(",".join([*row[:place], *([row[place]] * 2 if twice else []), *row[place + 1 :]]) if len(row) > place else ",".join(row) for row in lines)  # fmt: skip


def _end(rng, text):
    """Truncate the text, or put something behind it."""
    return (
        text[: rng.randrange(len(text) + 1)] if rng.random() < 0.6 else text + rng.choice([text, "x", "\n\n", *BASES])
    )


def _bytes(rng, text):
    how = rng.choice(["utf-8"] * 8 + ["utf-16", "utf-8-sig", "latin-1", "flip", "drop", "cut"])
    if how in ("utf-8", "utf-16", "utf-8-sig", "latin-1"):
        return text.encode(how, "replace")
    data = bytearray(text.encode("utf-8", "replace"))
    at = rng.randrange(len(data) or 1)
    if how == "flip" and data:
        data[at] = rng.randrange(256)
    else:
        del data[at : len(data) if how == "cut" else at + rng.randrange(1, 40)]
    return bytes(data)


CHANGES = (_cells, _cells, _cells, _lines, _lines, _column, _end)


def mutant(seed):
    """Make one file from its seed: a base with up to three changes, encoded."""
    rng = random.Random(seed)
    text = rng.choice(BASES)
    for _ in range(rng.choice([0, 1, 1, 2, 2, 3])):
        text = rng.choice(CHANGES)(rng, text)
    return _bytes(rng, text)


def _refuse(*arguments):
    raise _interval_csv._DoesNotFit


@contextlib.contextmanager
def plainly(patch):
    """Read every CSV by its rows and every LSE record by itself, as files that do not fit the bulk readers are."""
    with patch.context() as patched:
        patched.setattr(_interval_csv._Columns, "_in_bulk", _refuse)
        patched.setattr(_lse, "_is_one_day", lambda *one: False)
        yield


def state(data):
    """All that a file gives: its frames and findings, or its error."""
    try:
        found = greenkit.open_smt(data)
    except greenkit.GreenkitError as e:
        return type(e), str(e)
    frame.check(found.readings, exact=True)
    noted = sorted((f.name, f.severity, f.evidence["count"]) for f in found.findings if "count" in f.evidence)
    return *map(_observed, (found.readings, found.registers, found.bills)), noted


def _observed(df):
    """Drop the categories without rows: the bulk readers see each word of a file, also of rows that are superseded."""
    categorical = df.select_dtypes("category").columns
    return df.assign(**{name: df[name].cat.remove_unused_categories() for name in categorical})


def compare(seeds, patch):
    """Read each mutant in bulk and plainly, and assert that both give the same in reasonable time."""
    total = Counter()
    for seed in seeds:
        data = mutant(seed)
        began = time.process_time()
        fast = state(data)
        seconds = time.process_time() - began
        assert seconds < SLOWEST, f"seed {seed} took {seconds:.1f} s"
        with plainly(patch):
            plain = state(data)
        assert len(fast) == len(plain), f"seed {seed}: {fast} {plain}"
        for a, b in zip(fast, plain, strict=True):
            if isinstance(a, pd.DataFrame):
                pd.testing.assert_frame_equal(a, b, obj=f"seed {seed}", check_exact=True)
            else:
                assert a == b, f"seed {seed}"
        total["files"] += 1
        total["errors" if len(fast) == 2 else "read"] += 1
        if len(fast) > 2:
            total["rows"] += len(fast[0])
            total["values"] += int(np.isfinite(fast[0]["value"]).sum())
    return total
