"""Small Smart Meter Texas files, written by hand, and what must be read from them."""

import datetime as dt

import greenkit
from greenkit import frame

ID = "10000000000000017"
LONG_ID = "1000000000000000000017"
HEADER = "ESIID,USAGE_DATE,REVISION_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL,"
HEADER += "CONSUMPTION_SURPLUSGENERATION"
PLAIN, SPRING, AUTUMN = dt.date(2025, 7, 6), dt.date(2025, 3, 9), dt.date(2025, 11, 2)
INTERVALS = {PLAIN: 96, SPRING: 92, AUTUMN: 100}


def read(source, **options):
    """Open a source and check that its frame is tidy to the letter."""
    if isinstance(source, str):
        source = source.encode()
    found = greenkit.open_smt(source, **options)
    frame.check(found.readings, exact=True)
    return found


def values(n, start=0):
    """Values in Wh that differ from each other, as kWh text."""
    return [f"{(start + i + 1) / 1000:.3f}" for i in range(n)]


def clock(minutes):
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def labels(day):
    """Start and end label of each row of a day, as SMT writes them; None marks spring's blank rows."""
    rows = [(m, m + 15, True) for m in range(0, 1440, 15)]
    if INTERVALS.get(day) == 92:
        rows = [(s, e, not 120 <= s < 180) for s, e, _ in rows]
    if INTERVALS.get(day) == 100:
        rows = [*rows[:8], (120, 75, True), (75, 90, True), (90, 105, True), (105, 120, True), *rows[8:]]
    return rows


def csv_rows(day=PLAIN, kwh=None, *, meter="'" + ID, revision="auto", flow="Consumption", status="A", date="%m/%d/%Y"):
    """Return the lines of one day of the interval CSV."""
    if revision == "auto":
        revision = f"{day + dt.timedelta(days=1):%m/%d/%Y} 09:40:14"
    left = iter(kwh if kwh is not None else values(INTERVALS.get(day, 96)))
    lines = []
    for start, end, filled in labels(day):
        cell, letter = (next(left), status) if filled else ("", "")
        lines.append(f"{meter},{day.strftime(date)},{revision},{clock(start)},{clock(end)},{cell},{letter},{flow}")
    return lines


def csv(*days, header=HEADER, newline="\n"):
    """Return days (lists of lines) under the header as one text."""
    return newline.join([header, *(line for day in days for line in day), ""])


def lse(
    day=PLAIN,
    kwh=None,
    *,
    meter=ID,
    channel="4",
    stop=None,
    per_row=96,
    revision="20250707063000",
    header_2=",,,,,,900,01,,,,",
    header_3="",
    header_4=None,
    dst="Y",
    flag="N",
    status="A",
    time="",
    trailing=True,
    newline="\n",
):
    """Return one LSE record."""
    kwh = values(INTERVALS.get(day, 96)) if kwh is None else kwh
    stop = f"{day:%Y%m%d}235959" if stop is None else stop
    fourth = f"{revision},M" if header_4 is None else header_4
    lines = [
        f"00000001,{meter},{channel},{day:%Y%m%d}000000,{stop},{dst},{flag}",
        f"00000002,{header_2}",
        f"00000003,{header_3}",
        f"00000004,{fourth}",
    ]
    for i in range(0, len(kwh), per_row):
        row = ",".join(f"{v},{status if v else ''},{time}" for v in kwh[i : i + per_row])
        lines.append(f"{10_000_000 + i // per_row},{row}" if trailing else f"{10_000_000 + i // per_row},{row}"[:-1])
    return newline.join([*lines, ""])
