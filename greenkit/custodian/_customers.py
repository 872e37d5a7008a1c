"""The customers of one registration: all their grants in one table, and one nightly fetch of what is new for each."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pandas as pd

from greenkit import _files
from greenkit.custodian._client import Client
from greenkit.custodian._connect import connect, grant_name
from greenkit.custodian._coverage import Received
from greenkit.custodian._tokens import FileStore
from greenkit.custodian._transport import PATIENCE
from greenkit.custodian._windows import Moment, Pending, StrPath, Window, instant
from greenkit.errors import AuthorizationExpired, GreenkitError, NotReady, RateLimited, SettingsError
from greenkit.findings import counted, quiet
from greenkit.settings import CustodianSettings, Settings

AGAIN: Final = 3
"""Number of last received days that greenkit fetches again, because utilities revise recent readings."""
FIRST: Final = 30
"""Number of days that greenkit fetches for a customer without readings, if no first day is passed."""


@dataclass(frozen=True)
class NightlyFetch:
    """Outcome of :meth:`Customers.fetch_new`.

    Attributes
    ----------
    rows : tuple of dict
        One per customer: ``customer``, ``state``, ``readings``, ``new_days``, ``revised_days``, ``first_day``,
        ``last_day``, ``problem``, ``next_step``, ``folder``.
    readings : mapping
        Tidy frame of each customer with an answer, by name.
    """

    rows: tuple[Mapping[str, object], ...]
    readings: Mapping[str, pd.DataFrame] = field(repr=False)

    @property
    def table(self) -> pd.DataFrame:
        """One row per customer.

        ``state`` is fetched, up to date, pending (the utility is still preparing the data), ended (the customer must
        authorize again), failed (see ``problem`` and ``next_step``), or not tried (the request limit was reached).
        ``folder`` has the documents of the customer; it is empty text if they were not kept.
        """
        made = pd.DataFrame(list(self.rows), columns=list(_row("", "")))
        texts = ("customer", "state", "first_day", "last_day", "problem", "next_step", "folder")
        return made.astype(dict.fromkeys(texts, "str") | dict.fromkeys(("readings", "new_days", "revised_days"), int))

    @property
    def ended(self) -> tuple[str, ...]:
        """Customers whose grant has ended."""
        return tuple(str(row["customer"]) for row in self.rows if row["state"] == "ended")

    def __str__(self) -> str:
        states = [str(row["state"]) for row in self.rows]
        parts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
        return f"{counted(len(states), 'customer')}: {', '.join(parts) or 'none'}"


class Customers:
    """The customers of one registration with grants in one folder. Create it with :func:`open_customers`.

    Iterating yields the names of the customers.
    """

    def __init__(
        self,
        utility: str | os.PathLike[str],
        settings: StrPath | Settings | CustodianSettings | None,
        tokens: StrPath | None,
        names: Iterable[str],
    ) -> None:
        self._utility, self._settings, self._tokens, self._names = utility, settings, tokens, tuple(names)
        with self.client("default") as one:
            store = one._grants.store
            self.profile, self._client_id = one.profile, one._id
        if not isinstance(store, FileStore):
            raise SettingsError(
                f"The grants of several customers need token files, but tokens are in {store}",
                next_step='Set tokens to "file" or to a folder.',
            )
        self._folder = store.path.parent

    def client(self, customer: str) -> Client:
        """Return the client of one customer; call its ``authorize()`` to add a new customer."""
        return connect(self._utility, settings=self._settings, customer=customer, tokens=self._tokens)

    def __iter__(self) -> Iterator[str]:
        found = {name for name in ("default", *self._names) if self._path(name).exists()}
        for path in self._folder.glob(f"{self.profile.name}-*.json"):
            try:
                name = json.loads(path.read_bytes()).get("customer", "")
            except (OSError, ValueError, AttributeError, RecursionError):
                continue  # damaged: its own client reports it
            if isinstance(name, str) and self._path(name) == path:
                found.add(name)
        return iter(sorted(found))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _path(self, customer: str) -> Path:
        return self._folder / f"{grant_name(self.profile, self._client_id, customer)}.json"

    def table(self) -> pd.DataFrame:
        """Return one row per customer, without a request.

        Returns
        -------
        DataFrame
            ``customer``, ``state`` (authorized, expired, or not authorized), ``renewed_at`` (UTC, in the future: when
            the access token expires and is renewed), ``scope``, ``last_day`` (newest local day that :meth:`fetch_new`
            received), and ``text`` (state and next step). Without customers it is empty and has the same dtypes.
        """
        rows = []
        for name in self:
            with self.client(name) as client:
                status = client.status()
            rows.append(
                (name, status.state, status.renewed_at, status.scope, self._received(name).last_day, status.text)
            )
        made = pd.DataFrame(rows, columns=["customer", "state", "renewed_at", "scope", "last_day", "text"])
        return made.astype(
            {"customer": "str", "state": "str", "renewed_at": "datetime64[us, UTC]", "scope": "str"}
            | {"last_day": "datetime64[s]", "text": "str"}
        )

    def fetch_new(
        self, *, first: Moment | None = None, into: StrPath | None = None, now: Moment | None = None
    ) -> NightlyFetch:
        """Fetch what is new for each customer up to the last local midnight. An error of one stops no other.

        Parameters
        ----------
        first : date, optional
            First day of a customer without readings. Default: 30 days ago.
        into : path, optional
            Folder to keep each document in, as a private file in a folder of each customer.
        now : date or time, optional
            Time that counts as now. Default: now.

        Returns
        -------
        NightlyFetch
        """
        rows, frames = list[Mapping[str, object]](), dict[str, pd.DataFrame]()
        names = list(self)
        for i, name in enumerate(names):
            try:
                row, df = self._fetch_one(name, first, into, now)
                if df is not None:
                    frames[name] = df
            except AuthorizationExpired as e:
                row = {
                    **_row(name, "ended", e),
                    "next_step": f"Call client({name!r}).authorize(), and ask {name} to sign in.",
                }
            except NotReady as e:
                row = _row(name, "pending", e)
            except GreenkitError as e:
                row = _row(name, "failed", e)
                if isinstance(e, RateLimited) and (e.retry_after or 0.0) > PATIENCE:
                    rows += [row, *(_row(other, "not tried", e) for other in names[i + 1 :])]
                    break
            rows.append(row)
        if into is not None:
            rows = [{**row, "folder": str(self._folder_of(str(row["customer"]), into))} for row in rows]
        return NightlyFetch(tuple(rows), frames)

    def _folder_of(self, name: str, into: StrPath) -> Path:
        """Return the folder of a customer's documents, whose name contains no name of a customer."""
        return Path(into) / self._path(name).stem

    def _fetch_one(
        self, name: str, first: Moment | None, into: StrPath | None, now: Moment | None
    ) -> tuple[Mapping[str, object], pd.DataFrame | None]:
        received = self._received(name)
        at = pd.Timestamp.now("UTC") if now is None else instant(now, self.profile.zone)
        end = at.tz_convert(self.profile.zone).normalize()
        if received.last_day is not None:
            start = pd.Timestamp(received.last_day).tz_localize(self.profile.zone) - pd.DateOffset(days=AGAIN - 1)
            up_to_date = pd.Timestamp(received.last_day) + pd.DateOffset(days=1) >= end.tz_localize(None)
        else:
            start = end - pd.DateOffset(days=FIRST) if first is None else instant(first, self.profile.zone)
            up_to_date = start >= end
        if up_to_date:
            return _row(name, "up to date", received=received), None
        with self.client(name) as client, quiet():
            client._before = received
            folder = None if into is None else self._folder_of(name, into)
            documents = client.fetch_usage(start, end, into=folder)
            if isinstance(documents, Pending):
                raise documents.error()
            df = client._load(documents, Window(start.tz_convert("UTC"), end.tz_convert("UTC")), tz=None, epoch="utc")
            found = client._coverage
            if found is None:
                raise AssertionError("a loaded answer has a coverage")
        new, revised = found.changed_days(received)
        joined = received.joined(found.received)
        self._keep(name, joined)
        row = _row(name, "fetched", received=joined, readings=len(df))
        return {**row, "new_days": new, "revised_days": revised}, df

    def _received(self, name: str) -> Received:
        path = self._path(name).with_suffix(".received")
        try:
            return Received.from_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Received()
        except (OSError, UnicodeDecodeError) as e:
            fault = type(e).__name__
        raise SettingsError(
            f"{path} cannot be read ({fault})", next_step="Delete the file; greenkit then fetches the readings again."
        )

    def _keep(self, name: str, received: Received) -> None:
        path = self._path(name).with_suffix(".received")
        with _files.writing(path):
            _files.write_private(path, received.to_json().encode())

    def __repr__(self) -> str:
        if not hasattr(self, "_folder"):  # in a traceback of an error in __init__
            return f"<Customers of {self._utility!s}>"
        return f"<Customers of {self.profile.name}: {counted(len(self), 'grant')} in {self._folder}>"


def _row(
    name: str, state: str, e: GreenkitError | None = None, *, received: Received | None = None, readings: int = 0
) -> dict[str, object]:
    days = sorted(day for d in received.days.values() for day in d) if received else []
    return {
        "customer": name,
        "state": state,
        "readings": readings,
        "new_days": 0,
        "revised_days": 0,
        "first_day": days[0] if days else "",
        "last_day": days[-1] if days else "",
        "problem": e.problem if e else "",
        "next_step": e.next_step if e else "",
        "folder": "",
    }


def open_customers(
    utility: str | os.PathLike[str] = "pge",
    *,
    settings: StrPath | Settings | CustodianSettings | None = None,
    tokens: StrPath | None = None,
    names: Iterable[str] = (),
) -> Customers:
    """Open all grants of one registration.

    Parameters
    ----------
    utility, settings
        As in :func:`greenkit.connect`; the registration must be complete in the settings.
    tokens : "file" or path of a folder, optional
        Where the grants are stored. Default: as in the settings.
    names : iterable of str
        Names of customers whose grants were stored by greenkit 0.1, which did not write the name down.

    Raises
    ------
    SettingsError
        If the settings are incomplete, or the grants are not in files.

    Examples
    --------
    >>> customers = open_customers("pge")  # doctest: +SKIP
    >>> customers.client("ada").authorize().prompt()  # doctest: +SKIP
    >>> customers.table()  # doctest: +SKIP
    >>> customers.fetch_new(first="2024-01-01", into="feeds").ended  # every night # doctest: +SKIP
    """
    return Customers(utility, settings, tokens, names)
