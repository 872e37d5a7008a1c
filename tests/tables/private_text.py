"""Files with a customer's name and account in lines before the table and in cells, and all that greenkit says of them."""

import csv
import fnmatch
import random

from test_golden_days import GOLDEN, workbook

import greenkit
from greenkit import tables
from greenkit.errors import GreenkitError
from greenkit.findings import quiet
from greenkit.tables import layouts

NAME, ACCOUNT = "PAT EXAMPLE", "9876543210"


def spoiled(layout, day, seed):
    """Return a golden file with the name and the account before its table, and in some of its cells."""
    rng = random.Random(f"{layout} {day} {seed}")
    made = GOLDEN[layout, day]
    known = next(one for one in layouts.known() if one.name == layout)
    delimiter = max(",;", key=made.text.count)
    rows = list(csv.reader(made.text.splitlines(), delimiter=delimiter, skipinitialspace=True))
    headers = [bool(row) and layouts.match_header(known, row) for row in rows]
    head = headers.index(True)
    ids = {getattr(known.table.meter, "column", None), getattr(known.table.series, "column", None)}
    own = [name for name, mapped in known.layout.rename.items() if mapped in ids]
    names = [tables.cells.fold(name) for name in (*ids, *own) if name]  # ids are in the frame, so also in its summary
    places = [
        (i, j)
        for i, row in enumerate(rows)
        for j in range(len(row))
        if not headers[i] and (i < head or j >= len(rows[head]) or not _is_one_of(rows[head][j], names))
    ]
    for i, j in rng.sample(places, min(len(places), rng.randrange(4))):
        rows[i][j] = rng.choice([NAME, f"{NAME} {ACCOUNT}"])
    if rng.random() < 0.5:
        rows[:0] = [["Name", NAME], ["Customer Number", ACCOUNT], ["Address", f"{NAME} 1 MAIN ST"]]
    text = "\n".join(delimiter.join(f'"{c}"' if delimiter in c else c for c in row) for row in rows)
    sheets = [NAME, "Notes"] if rng.random() < 0.5 else []
    return (workbook(text, *sheets) if made.sheet else text.encode()), made.answers


def _is_one_of(column, names):
    return any(fnmatch.fnmatchcase(tables.cells.fold(column), name) for name in names)


def told(data, answers):
    """Return all that greenkit says of a file: errors, choices, findings, and the summary of what was read."""
    texts = []
    for read in (
        lambda: greenkit.open_table(data, **answers),
        lambda: greenkit.open_table(data),
        lambda: tables.explain_table(data),
        lambda: greenkit.open_table(data, {"time": {"columns": ["Date"]}, "values": {"Usage": {}}}),
    ):
        try:
            with quiet():
                found = read()
        except GreenkitError as e:
            texts += [str(e), repr(e), str(getattr(e, "choices", ""))]
            continue
        if isinstance(found, str):
            texts.append(found.partition("# First rows")[0])
        else:
            texts += [str([(f.text, f.evidence, f.what_to_do) for f in found.findings]), repr(found)]
    return texts
