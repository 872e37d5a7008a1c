"""What 0.1 read and exported is still read and exported, but for the differences that are listed with a reason."""

import json

import fingerprints
import pytest

BASE = json.loads(fingerprints.BASE.read_text(encoding="utf-8"))

# Public names of 0.1 that have another name now, or are gone.
RENAMED = {"df.gk.unique": "df.gk.drop_duplicates"}
# Signatures of 0.1 that changed otherwise than by new arguments with defaults: name → reason.
RESIGNED = {
    "Findings.add": "takes a declared Kind",
    "plot.load": "draws 40,000 intervals of a series, a year of quarter-hours, where 0.1 drew 20,000",
    "settings.Settings": "its default holds the new settings proxy and proxy_password",
    "sandbox.serve": "the second argument, talk, is named write_line, as in the demo",
    **dict.fromkeys(("connect", "custodian.connect"), "limit is smaller for an answer in memory"),
    "custodian.Client": "it is made by connect: proxies is proxy, and limit is smaller for an answer in memory",
    **dict.fromkeys(
        (
            "errors.AuthorizationExpired",
            "errors.FormatError",
            "errors.NotReady",
            "errors.OtherFormat",
            "errors.RateLimited",
        ),
        "the first argument, always passed by position, is named problem",
    ),
}
# Findings of 0.1 that are no longer made: name → reason.
DROPPED_FINDINGS = {}


def compare(now, base):
    now, then = fingerprints.flat(now), fingerprints.expected(base)
    names = {name for name, _ in fingerprints.flat(base)}
    then = {key: value for key, value in then.items() if key[0] in names}
    return {f"{name}: {part}": (then.get((name, part)), now.get((name, part))) for name, part in sorted(now.keys() | then.keys())
            if then.get((name, part)) != now.get((name, part))}  # fmt: skip


def test_samples_are_read_as_before():
    assert compare(fingerprints.samples(), BASE["samples"]) == {}


def test_public_documents_are_read_as_before():
    now = fingerprints.shared()
    if not now:
        pytest.skip("no ../shared/corpus beside the checkout")
    base = {name: parts for name, parts in BASE["shared"].items() if name in now}
    now = {name: parts for name, parts in now.items() if name in base}
    assert compare(now, base) == {}


def test_finding_names_stay():
    gone = set(BASE["findings"]) - set(fingerprints.finding_names()) - set(DROPPED_FINDINGS)
    assert gone == set()


def test_public_names_stay():
    now = fingerprints.names()
    assert {name for name in BASE["names"] if name not in now and name not in RENAMED} == set()
    assert {new for new in RENAMED.values() if new and new not in now} == set()


def test_signatures_only_gain_arguments_with_defaults():
    now = fingerprints.names()
    wrong = []
    for name, old in BASE["names"].items():
        new = now.get(RENAMED.get(name, name))
        pairs = [("", old, new)]
        if isinstance(old, dict):
            pairs = [(f".{m}" if m else "", s, new.get(m) if isinstance(new, dict) else None) for m, s in old.items()]
        wrong += [
            name + part for part, o, n in pairs if o is not None and name + part not in RESIGNED and not fits(o, n)
        ]
    assert wrong == []


def fits(old, new):
    """Return whether every call that the old signature took means the same to the new one."""
    if new is None:
        return False
    open_ended = any(kind == "VAR_KEYWORD" for _, kind, _ in old)
    old = [p for p in old if p[1] != "VAR_KEYWORD"]
    theirs = {p[0]: p for p in new}
    positional = [p[0] for p in old if p[1] != "KEYWORD_ONLY"]
    if [p[0] for p in new if p[1] != "KEYWORD_ONLY"][: len(positional)] != positional:
        return False
    if any(p[0] not in theirs or theirs[p[0]][2] != p[2] for p in old):
        return False
    added = [p for p in new if p[0] not in {q[0] for q in old}]
    return all(p[2] is not None or open_ended or p[1].startswith("VAR") for p in added)
