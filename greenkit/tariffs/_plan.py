"""The plan: its parts with their dates, its compiled times, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from greenkit.tariffs import _calendar, _text, _words
from greenkit.tariffs._calendar import PlanCalendar
from greenkit.tariffs._model import Label, Season, Terms, WiresTable


@dataclass(frozen=True)
class Plan:
    """A plan: who is billed how, from when to when.

    Create it with :func:`greenkit.load_plan`. It is immutable, and it can be shared between threads.

    Examples
    --------
    >>> from greenkit.tariffs import load_plan
    >>> plan = load_plan({"name": "Flat", "zone": "America/Chicago", "energy": 0.12})
    >>> plan.name, plan.currency, plan.terms[0].energy.of("").periods[0].tiers[0].price
    ('Flat', 'USD', Decimal('0.12'))
    """

    name: str
    zone: str
    terms: tuple[Terms, ...]
    currency: str = "USD"
    unit: str = "kWh"
    source: str = ""
    clock: Literal["local", "standard"] = "local"
    nights_belong_to: Literal["day", "evening"] = "day"
    change: Literal["read", "day"] = "day"
    seasons: tuple[Season, ...] = ()
    season_by: Literal["date", "bill-end", "more-days"] = "date"
    holidays: tuple[str, ...] = ()
    observed: str = ""
    label: Label | None = None
    eligible: tuple[tuple[str, Decimal], ...] = ()
    assumed_mix: tuple[tuple[str, Decimal], ...] = ()
    tables: tuple[WiresTable, ...] = ()
    folder: Path | None = None
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    notes: tuple[tuple[str, Mapping[str, Any]], ...] = field(default=(), compare=False, repr=False)

    @property
    def calendar(self) -> PlanCalendar:
        """The plan's periods, compiled once: the period of each local time on each kind of day."""
        made = self.__dict__.get("_calendar")
        if made is None:
            made = _calendar.PlanCalendar(self)
            self.__dict__["_calendar"] = made
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_calendar", "_shape")}

    def to_toml(self) -> str:
        """Return the plan as TOML that :func:`greenkit.load_plan` reads again, with everything it extends."""
        return _text.to_toml(self.document)

    def __repr__(self) -> str:
        return _words.text(self)

    def _repr_html_(self) -> str:
        return _words.html(self)
