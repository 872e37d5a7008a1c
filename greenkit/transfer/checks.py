"""What a diagnosis is made of: checks in order, each with what was tried, what came back, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from greenkit import _html
from greenkit.errors import GreenkitError

if TYPE_CHECKING:
    import pandas as pd

STATES: Final = ("ok", "warning", "failed", "skipped")
_MARKS: Final = {"ok": "ok", "warning": "warning", "failed": "serious", "skipped": "not tried"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
        Which thing.
    state : {"ok", "warning", "failed", "skipped"}
        ``skipped``: it would have meant nothing, since an earlier one failed.
    tried : str
        What was done.
    found : str
        What came back.
    do : str
        What to do now; empty when there is nothing to do.
    """

    name: str
    state: str
    tried: str
    found: str
    do: str = ""

    def __str__(self) -> str:
        return f"{self.state:<8}{self.name}: {self.tried}: {self.found}{f'. Do: {self.do}' if self.do else ''}"


class Note(Exception):
    """Ends a check with another state than ok: raised by what is tried."""

    def __init__(self, found: str, do: str, state: str = "warning") -> None:
        super().__init__(found)
        self.found, self.do, self.state = found, do, state


@dataclass(frozen=True)
class Diagnosis:
    """The checks of one run, in their order."""

    title: str
    checks: tuple[Check, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Nothing failed; there may be warnings."""
        return not any(check.state == "failed" for check in self.checks)

    @property
    def frame(self) -> pd.DataFrame:
        """The checks as a frame of text: name, state, tried, found, do."""
        import pandas as pd

        names = ("name", "state", "tried", "found", "do")
        return pd.DataFrame({n: pd.Series([getattr(c, n) for c in self.checks], dtype="str") for n in names})

    def named(self, name: str) -> Check:
        """Give the check of that name; KeyError when it was not made."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    def __len__(self) -> int:
        return len(self.checks)

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __str__(self) -> str:
        return "\n".join([self.title, *map(str, self.checks)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [[_MARKS[c.state], c.name, c.tried, c.found, c.do] for c in self.checks]
        body = _html.table(["", "check", "tried", "came back", "what to do"], rows)
        return _html.block(self.title, body, text=str(self))


class Examination:
    """Makes checks one after another, and passes over those whose needs failed."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def add(self, name: str, state: str, tried: str, found: str, do: str = "") -> None:
        """Record a check."""
        self.checks.append(Check(name, state, tried, found, do))

    def broken(self, needs: Sequence[str]) -> str:
        """Give the first needed check that did not pass; empty when all did."""
        bad = {check.name for check in self.checks if check.state in ("failed", "skipped")}
        return next((name for name in needs if name in bad), "")

    def passed_over(self, name: str, tried: str, needs: Sequence[str]) -> bool:
        """Record a check that is not made, when one that it needs did not pass."""
        if broken := self.broken(needs):
            self.add(name, "skipped", tried, f"not tried, since {broken} did not pass")
        return bool(broken)

    def run(self, name: str, tried: str, do: Callable[[], str], *, needs: Sequence[str] = (), fix: str = "") -> None:
        """Make a check: what ``do`` returns was found, what it raises went wrong; ``fix`` where the error has none."""
        if self.passed_over(name, tried, needs):
            return
        try:
            self.add(name, "ok", tried, do())
        except Note as note:
            self.add(name, note.state, tried, note.found, note.do)
        except (GreenkitError, FileNotFoundError) as e:
            self.add(name, "failed", tried, *split(e, fix))


def split(e: Exception, fix: str = "see the settings") -> tuple[str, str]:
    """Take greenkit's one sentence apart into what is wrong and the next step, which stands behind its last colon.

    Examples
    --------
    >>> split(ValueError("the key k is encrypted: give its password"))
    ('the key k is encrypted', 'give its password')
    """
    wrong, _, step = str(e).rpartition(": ")
    return (wrong, step) if wrong else (step, fix)
