"""Findings: problems in the data, as objects with stable dotted names.

An error stops the work; a finding does not. Findings travel with the data, so an analyst can filter them by name,
and a report can show them with their evidence. Each module that reports findings declares their kinds in a table at
its top; :func:`catalogue` collects them all.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, overload

SEVERITIES = ("info", "warning", "serious")
"""From least to most: no action is needed; check before you rely on the numbers; results mislead until it is fixed."""

# Modules that report nothing, need an optional dependency, or run on import.
_NOT_IN_CATALOGUE = ("__main__", "cli", "demo", "sandbox", "synthetic", "widgets")


class GreenkitWarning(UserWarning):
    """The warning with which a ``load_*`` call reports findings."""


def warn(text: str) -> None:
    """Warn at the line of the user's code that called greenkit, however deep the call is."""
    level, here = 1, sys._getframe()
    while here.f_back and here.f_globals.get("__name__", "").partition(".")[0] == "greenkit":
        level, here = level + 1, here.f_back
    warnings.warn(text, GreenkitWarning, stacklevel=level)


_quiet: ContextVar[bool] = ContextVar("greenkit_quiet", default=False)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress the warnings of ``load_*`` in this thread, for callers that show the findings themselves."""
    before = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(before)


@dataclass(frozen=True, eq=False)  # a kind is declared once, so it is compared by identity
class Kind:
    """One kind of finding: its name, how severe it is, and its words.

    Parameters
    ----------
    name : str
        Stable dotted name, ``"espi.time.local-as-utc"``. It is public: filters and reports refer to it.
    severity : {"info", "warning", "serious"}
        Usual severity. :meth:`Findings.add` can raise or lower it for one finding.
    text : str
        What was seen and what greenkit did, as complete sentences with slots: ``"{count:reading} {count:has|have} no
        value."`` A slot is the name of a piece of evidence or of a word that is passed to :meth:`Findings.add`; a
        whole number takes a noun or two forms that agree with it (see :class:`Count`).
    what_to_do : str, optional
        One imperative sentence, with the same slots. Empty if no action is needed.

    Examples
    --------
    >>> MISSING = Kind("demo.missing", "warning", "{count:reading} {count:has|have} no value.", "Ask the utility.")
    >>> found = Findings()
    >>> found.add(MISSING, count=2)
    >>> print(found)
    warning: demo.missing: 2 readings have no value. Ask the utility.
    """

    name: str
    severity: str
    text: str
    what_to_do: str = ""

    def __post_init__(self) -> None:
        _check_severity(self.severity)


def catalogue() -> dict[str, Kind]:
    """Return every kind of finding that greenkit can report, by name, in alphabetical order.

    Kinds are collected from the modules that declare them, each as a constant or in a mapping or sequence of kinds.

    Examples
    --------
    >>> catalogue()["frame.zones.mixed"].severity
    'info'
    """
    import pkgutil
    from importlib import import_module

    import greenkit

    kinds: dict[str, Kind] = {}
    for module in pkgutil.walk_packages(greenkit.__path__, "greenkit."):
        if module.name.split(".")[1] in _NOT_IN_CATALOGUE:
            continue
        for value in list(vars(import_module(module.name)).values()):
            held = (
                value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else [value]
            )
            kinds |= {k.name: k for k in held if isinstance(k, Kind)}
    return dict(sorted(kinds.items()))


def _check_severity(severity: str) -> None:
    if severity not in SEVERITIES:
        raise ValueError(f"severity is {severity!r}, but it must be one of {', '.join(SEVERITIES)}")


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem in the data.

    Parameters
    ----------
    name : str
        Stable dotted name, ``espi.time.local-as-utc``.
    severity : {"info", "warning", "serious"}
        How much it matters.
    text : str
        What was seen and what greenkit did.
    evidence : mapping
        Small plain JSON: file, entry, counts, examples.
    what_to_do : str
        One imperative sentence; empty if no action is needed.
    """

    name: str
    severity: str
    text: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    what_to_do: str = ""

    def __post_init__(self) -> None:
        _check_severity(self.severity)

    @property
    def message(self) -> str:
        """The text, then what to do."""
        return f"{self.text} {self.what_to_do}".rstrip()

    def evidence_text(self) -> str:
        """Return the evidence as one line, without empty values.

        Examples
        --------
        >>> Finding("a.b", "info", "…", {"count": 2, "examples": ["x", "y"], "files": {}}).evidence_text()
        'count: 2; examples: x, y'
        """
        return "; ".join(
            f"{name}: {_line(value)}" for name, value in self.evidence.items() if value not in ([], {}, "")
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON, as stored in ``df.attrs["greenkit"]["findings"]``."""
        return {
            "name": self.name,
            "severity": self.severity,
            "text": self.text,
            "evidence": dict(self.evidence),
            "what_to_do": self.what_to_do,
        }

    def __str__(self) -> str:
        return f"{self.severity}: {self.name}: {self.message}"


class Findings(Sequence[Finding]):
    """The findings of one load call, in the order in which they were reported.

    Examples
    --------
    >>> found = Findings()
    >>> found.add(Kind("demo.link.only-one", "info", "Used the only ReadingType."), entries=2)
    >>> found.names
    ['demo.link.only-one']
    >>> print(found)
    info: demo.link.only-one: Used the only ReadingType.
    """

    def __init__(self, found: Iterable[Finding] = ()) -> None:
        self._found = list(found)

    def add(
        self,
        kind: Kind,
        /,
        *,
        severity: str | None = None,
        words: Mapping[str, Any] | None = None,
        **evidence: Any,
    ) -> None:
        """Add a finding of a declared kind.

        Parameters
        ----------
        kind : Kind
            What is reported.
        severity : str, optional
            Severity of this finding, if it differs from the kind's.
        words : mapping, optional
            Values for slots of the sentence that are not evidence.
        **evidence
            Small plain JSON, which also fills the slots of the sentence.
        """
        # a Count is for the text only; in the evidence it would print as words
        plain = {key: int(value) if isinstance(value, Count) else value for key, value in evidence.items()}
        slots = {
            key: Count(value) if isinstance(value, int) and not isinstance(value, bool) else value
            for key, value in {**plain, **(words or {})}.items()
        }
        self._found.append(
            Finding(
                kind.name,
                severity or kind.severity,
                kind.text.format(**slots),
                plain,
                kind.what_to_do.format(**slots),
            )
        )

    def extend(self, others: Iterable[Finding]) -> None:
        """Add the findings of another load."""
        self._found.extend(others)

    def truncate(self, length: int) -> None:
        """Remove all but the first ``length`` findings."""
        del self._found[length:]

    @overload
    def __getitem__(self, i: int) -> Finding: ...
    @overload
    def __getitem__(self, i: slice) -> Findings: ...
    def __getitem__(self, i: int | slice) -> Finding | Findings:
        return Findings(self._found[i]) if isinstance(i, slice) else self._found[i]

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found)

    @property
    def names(self) -> list[str]:
        """Each name once, in order of first appearance."""
        return list(dict.fromkeys(f.name for f in self._found))

    def named(self, name: str) -> Findings:
        """Return the findings with this name or below it (``espi.time`` includes ``espi.time.local-as-utc``)."""
        return Findings(f for f in self._found if f.name == name or f.name.startswith(name + "."))

    @property
    def by_severity(self) -> Findings:
        """The findings in the order in which they are shown: most severe first, else as they were reported."""
        return Findings(sorted(self._found, key=lambda f: -SEVERITIES.index(f.severity)))

    @property
    def worst(self) -> Finding | None:
        """The first of the most severe findings; None if there are none."""
        return max(self._found, key=lambda f: SEVERITIES.index(f.severity), default=None)

    def as_list(self) -> list[dict[str, Any]]:
        """Return plain JSON, one dict per finding."""
        return [f.as_dict() for f in self._found]

    def warn(self, what: str) -> None:
        """Warn once for each serious finding, and once for the first of severity ``warning``.

        The latter warning also contains the number of other findings.
        """
        if _quiet.get():
            return
        relevant = [f for f in self._found if f.severity != "info"]
        serious = [f for f in relevant if f.severity == "serious"]
        for f in serious:
            warn(f"{what}: {f.message} [{f.name}]")
        if len(relevant) > len(serious):
            first = next(f for f in relevant if f.severity == "warning")
            more = f"; {len(self) - 1:,} more in .findings" if len(self) > 1 else ""
            warn(f"{what}: {first.message} [{first.name}]{more}")

    def __repr__(self) -> str:
        return f"<Findings: {len(self)}>" if not self._found else str(self)

    def __str__(self) -> str:
        return "\n".join(str(f) for f in self.by_severity) or "No findings."

    def _repr_html_(self) -> str:
        from greenkit import _html

        rows = [[f.severity, f.name, f.message, f.evidence_text()] for f in self.by_severity]
        body = _html.table(["severity", "name", "finding", "evidence"], rows) if rows else "<p>No findings.</p>"
        return _html.block(f"Findings: {len(self)}", body, text=str(self))


def _line(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def counted(n: int, what: str) -> str:
    """Return a count with its noun in the singular or plural.

    Examples
    --------
    >>> counted(1, "file"), counted(2000, "file")
    ('1 file', '2,000 files')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


class Count(int):
    """A whole number that formats with the noun it counts, and with words that agree with it.

    Examples
    --------
    >>> [f"{n:day} {n:lacks|lack} intervals" for n in (Count(1), Count(2000))]
    ['1 day lacks intervals', '2,000 days lack intervals']
    """

    def __format__(self, words: str) -> str:
        if words in ("", ","):
            return format(int(self), words)
        one, either, more = words.partition("|")
        return (one if self == 1 else more) if either else counted(int(self), words)
