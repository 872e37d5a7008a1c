"""Take the fingerprint of what greenkit reads and exports.

``v0_1.json`` was taken from greenkit 0.1 and is never edited. Each file in ``differences/`` holds differences that are
intended: the reason, and the new value of each part that changed. To write one after an intended change::

    python tests/snapshot/fingerprints.py "Why these parts change" tests/snapshot/differences/name.json

Read the file before you commit it: everything in it is a change that users see.
"""

import hashlib
import inspect
import json
import re
import sys
import warnings
from io import BytesIO
from pathlib import Path

import pandas as pd

import greenkit
from greenkit import espi, smt
from greenkit.errors import GreenkitError
from greenkit.findings import GreenkitWarning
from greenkit.synthetic import data_samples

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SHARED = ROOT.parent / "shared"
BASE = HERE / "v0_1.json"
DIFFERENCES = HERE / "differences"
NAME = re.compile(
    r"""["']((?:analysis|bill|certificate|csv|custodian|demo|espi|export|frame|pgp|quality|settings|smt|transfer)"""
    r"""(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)+)["']"""
)
ESPI_TABLES = (
    *("registers", "usage_points", "reading_types", "bills", "line_items", "power_quality", "local_time"),
    *("authorizations", "application_information", "service_status", "batch", "customers", "accounts", "agreements"),
    *("service_locations", "suppliers", "meters", "programs", "statements"),
)


# -- frames


def digest(text):
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()[:10]


def column(values):
    """Hash a column: equal for equal values on every pandas, whatever the resolution of times or the dtype of text."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        zone = str(values.dtype.tz)
        instants = values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]").astype("<i8")
        return digest(zone.encode() + instants.tobytes())
    if values.dtype.kind == "f":
        return digest((values.to_numpy("float64") + 0.0).astype("<f8").tobytes())
    if isinstance(values.dtype, pd.CategoricalDtype):
        words = [*map(str, values.cat.categories), ""]  # code -1, a missing value, is the last word
        return digest("\0".join([words[code] for code in values.cat.codes.tolist()]))
    return digest("\0".join("" if pd.isna(v) else str(v) for v in values.tolist()))


def frame(df):
    return {"rows": len(df), "columns": {name: column(df[name]) for name in df.columns}}


def findings(found, *, readable):
    """List findings by name, severity and evidence; the evidence of other people's files is hashed."""
    rows = []
    for f in found:
        evidence = json.dumps(dict(f.evidence), default=str, sort_keys=True)
        rows.append([f.name, f.severity, json.loads(evidence) if readable else digest(evidence)])
    return rows


def document(data, opener, loader, tables, *, readable):
    """Take the fingerprint of one file, read by ``opener`` with everything and by ``loader`` for its readings alone."""
    parts = {}
    try:
        everything = opener(BytesIO(data))
    except GreenkitError as e:
        parts["open"] = type(e).__name__
    else:
        parts["readings"] = frame(everything.readings)
        for name in tables:
            table = getattr(everything, name)
            if len(table):
                parts[name] = frame(table)
        parts["findings"] = findings(everything.findings, readable=readable)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GreenkitWarning)
            df = loader(BytesIO(data))
    except GreenkitError as e:
        parts["load"] = type(e).__name__
    else:
        loaded = frame(df)
        parts["load"] = "readings" if loaded == parts.get("readings") else loaded
        noted = findings(greenkit.frame.findings_of(df), readable=readable)
        parts["load findings"] = "findings" if noted == parts.get("findings") else noted
    return parts


def samples():
    """Return the fingerprints of all synthetic samples by file name."""
    taken = {}
    for name, sample in data_samples.SAMPLES.items():
        file = BytesIO()
        sample.make(file)
        taken[name] = _as(name, file.getvalue(), readable=True)
    return taken


def shared():
    """Return the fingerprints of the public documents beside the checkout; empty where they are absent."""
    paths = [*sorted((SHARED / "corpus").glob("*/*.xml")), *sorted((SHARED / "smt-samples").glob("*.[!m]*"))]
    return {f"{p.parent.name}/{p.name}": _as(p.name, p.read_bytes(), readable=False) for p in paths}


def _as(name, data, *, readable):
    if name.endswith(".xml"):
        return document(data, espi.open_espi, espi.load_espi, ESPI_TABLES, readable=readable)
    return document(data, smt.open_smt, smt.load_smt, ("registers", "bills"), readable=readable)


# -- names


def signature(function):
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    return [[p.name, p.kind.name, None if p.default is p.empty else repr(p.default)] for p in found.parameters.values()]


def names():
    """Return every public name with its signature: the top level, one level below it, and the accessors."""
    found = {}
    for name in greenkit.__all__:
        value = getattr(greenkit, name)
        found[name] = _signatures(value)
        if inspect.ismodule(value):
            for inner in dir(value):
                member = None if inner.startswith("_") else getattr(value, inner)
                home = getattr(member, "__module__", "")
                # what a module imports is not its own; a package exports what it imports
                own = home.startswith("greenkit") if hasattr(value, "__path__") else home == value.__name__
                if own and not inspect.ismodule(member):
                    found[f"{name}.{inner}"] = _signatures(member)
    df = greenkit.frame.empty()
    for prefix, accessor in (("df.gk", type(df.gk)), ("df.gk.plot", type(df.gk.plot))):
        public = [name for name in vars(accessor) if not name.startswith("_")]
        found |= {f"{prefix}.{name}": signature(getattr(accessor, name)) for name in public}
    return found


def _signatures(value):
    if inspect.isclass(value):
        methods = {n: signature(f) for n, f in vars(value).items() if not n.startswith("_") and inspect.isfunction(f)}
        return {"": signature(value), **methods}
    return signature(value) if callable(value) else None


def finding_names():
    """Return every dotted name of a finding that stands in the package's source."""
    text = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "greenkit").rglob("*.py"))
    return sorted(n for n in set(NAME.findall(text)) if n.rpartition(".")[2] not in ("csv", "toml", "xml"))


# -- the record


def write(path, base):
    """Write the record with a line for each document, so that two versions of it can be compared."""
    blocks = []
    for part, held in base.items():
        rows = held.items() if isinstance(held, dict) else None
        lines = (
            [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in rows] if rows else [f"  {json.dumps(v)}" for v in held]
        )
        opening, closing = "{}" if rows else "[]"
        blocks.append(f" {json.dumps(part)}: {opening}\n" + ",\n".join(lines) + f"\n {closing}")
    path.write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="utf-8")


def flat(taken):
    """Write nested parts as one level, ``(document, part)`` → value, so that a difference is small."""
    rows = {}
    for name, parts in taken.items():
        for part, value in parts.items():
            if isinstance(value, dict) and "columns" in value:
                rows[name, f"{part}: rows"] = value["rows"]
                rows |= {(name, f"{part}: {c}"): h for c, h in value["columns"].items()}
            else:
                rows[name, part] = value
    return rows


def expected(base):
    """Overlay the intended differences on what 0.1 read; a part that is null there is gone."""
    rows = flat(base)
    for path in sorted(DIFFERENCES.glob("*.json")):
        for name, parts in json.loads(path.read_text(encoding="utf-8"))["parts"].items():
            for part, value in parts.items():
                rows[name, part] = value
    return {key: value for key, value in rows.items() if value is not None}


def main():
    reason, path = sys.argv[1:]
    base = json.loads(BASE.read_text(encoding="utf-8"))
    parts = {}
    for kind, take in (("samples", samples), ("shared", shared)):
        now, then = flat(take()), expected(base[kind])
        if not now:
            continue
        known = {name for name, _ in flat(base[kind])}
        for key in sorted(now.keys() | {k for k in then if k[0] in known}):
            if now.get(key) != then.get(key):
                parts.setdefault(key[0], {})[key[1]] = now.get(key)
    Path(path).write_text(json.dumps({"reason": reason, "parts": parts}, indent=1) + "\n", encoding="utf-8")
    print(f"{sum(map(len, parts.values()))} parts of {len(parts)} documents differ")


if __name__ == "__main__":
    main()
