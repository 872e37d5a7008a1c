"""The REST API of Smart Meter Texas: reads of single meters, and ad-hoc requests that SMT answers with files.

Sources: SMT's interface guide as public integrators quote it, "Large Volume Ad Hoc Usage API request" for the
limits, and the notice SMT-M-A051425-10 for the tokens that replaced client certificates on September 13, 2025.

This client is tested with a server that replays the documented answers, **never yet on a real account**. If SMT answers
differently, save :attr:`Answer.raw` and report it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from greenkit import _files, _net
from greenkit.errors import (
    ClientRejected,
    LimitError,
    LoginRejected,
    NotReady,
    RemoteError,
    SettingsError,
)
from greenkit.secret import Secret
from greenkit.settings import SmtSettings

if TYPE_CHECKING:
    import pandas as pd
    import requests

VERSIONS: Final[Mapping[str, str]] = {"latest": "L", "all": "A"}
FLOWS: Final[Mapping[str, str]] = {"delivered": "C", "received": "G", "all": "A"}


class Limit(NamedTuple):
    """One line of SMT's table: requests a day, and the most meters and days of each."""

    requests: int
    meters: int
    days: int


LIMITS: Final = (
    Limit(20, 1, 365),
    Limit(20, 10, 20),
    Limit(20, 50, 5),
    Limit(10, 100, 2),
    Limit(10, 200, 1),
)
"""SMT silently drops larger ad-hoc requests, so the client rejects them."""


def build_request(
    meters: list[str], start: date | str, end: date | str, *, flow: str, version: str, mode: str, form: str
) -> tuple[dict[str, Any], float]:
    """Build a request, and return the share of a day's allowance that it uses.

    Parameters
    ----------
    meters : list of str
        ESI IDs.
    start, end : date or str
        First and last day, both included.
    flow, version : str
        Keys of :data:`FLOWS` and :data:`VERSIONS`.
    mode, form : str
        ``API`` for an immediate answer or ``FTP`` for a file, and its format.

    Raises
    ------
    SettingsError
        If an argument is not valid.
    LimitError
        If the request is larger than SMT accepts.
    """
    first, last = _day(start), _day(end)
    wrong = [m for m in meters if not (isinstance(m, str) and m.isascii() and m.isdigit() and 10 <= len(m) <= 36)]
    if wrong or not meters:
        problem = f"{wrong[0]!r} is not an ESI ID" if wrong else "No ESI ID is given"
        raise SettingsError(problem, next_step="Pass ESI IDs as text of 17 or 22 digits.")
    if last < first:
        raise SettingsError(f"The last day {last} is before the first day {first}", next_step="Swap start and end.")
    for name, value, known in (("flow", flow, FLOWS), ("version", version, VERSIONS)):
        if value not in known:
            raise SettingsError(
                f"{name} is {value!r}, but it must be one of {', '.join(known)}", next_step=f"Correct {name}."
            )
    share = _share(len(set(meters)), (last - first).days + 1)
    asked = {
        "startDate": f"{first:%m/%d/%Y}",
        "endDate": f"{last:%m/%d/%Y}",
        "deliveryMode": mode,
        "reportFormat": form,
        "version": VERSIONS[version],
        "readingType": FLOWS[flow],
        "esiid": list(dict.fromkeys(meters)),
        "SMTTermsandConditions": "Y",
    }
    return asked, share


def _share(meters: int, days: int) -> float:
    """Return the share of a day's allowance that a request uses; each line of the table is a complete allowance."""
    fits = [limit for limit in LIMITS if meters <= limit.meters and days <= limit.days]
    if not fits:
        table = ", ".join(f"{limit.meters} meters for {limit.days} days" for limit in LIMITS)
        raise LimitError(
            f"{meters} meters for {days} days are more than SMT accepts in one request",
            next_step=f"Request at most {table}.",
        )
    return 1 / max(limit.requests for limit in fits)


def _day(day: date | str) -> date:
    if isinstance(day, datetime):
        return day.date()
    try:
        return date.fromisoformat(day) if isinstance(day, str) else day
    except ValueError:
        raise SettingsError(f"{day!r} is not a day", next_step="Write the day as 2026-07-01.") from None


__all__ = ["LIMITS", "Answer", "Limit", "SmtApi"]

HOSTS: Final[Mapping[str, str]] = {
    "production": "https://services.smartmetertexas.net",
    "uat": "https://uatservices.smartmetertexas.net",
}
PATHS: Final[Mapping[str, str]] = {
    "token": "/v2/token/",
    "interval": "/v2/15minintervalreads/",
    "daily": "/v2/dailyreads/",
    "agreements": "/v2/myagreements/",
    "subscriptions": "/v2/Mysubscriptions/",
}
# Fields of the lists, by column. Integrators document the requests and these names, but not how they are nested.
_LISTS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "agreements": {
        "agreement": ("agreementnumber", "agreementid"),
        "meter": ("esiid",),
        "status": ("status",),
        "reason": ("statusreason", "agreementstatus"),
    },
    "subscriptions": {
        "subscription": ("subscriptionnumber", "subscriptionid"),
        "meter": ("esiid",),
        "status": ("status", "subscriptionstatus"),
        "type": ("subscriptiontype",),
    },
}


_LARGEST_ANSWER: Final = 256 << 20
_TOTAL: Final = 1800.0  # longest time [s] for one exchange, from the connection to the last byte of the answer
_EARLY: Final = 60.0  # seconds before its end at which a token is no longer used
_DEEPEST: Final = 20  # levels of objects in a list
_NO_DATA: Final = "1"
_NOT_INTEGRATED: Final = "2076"


@dataclass(frozen=True)
class Answer:
    """An unchanged answer of SMT; ``load_smt(answer.raw)`` reads it.

    Parameters
    ----------
    raw : bytes
        Body of the response.
    request : str
        Transaction ID that was sent with the request.
    when : datetime
        Time of the response, in UTC.
    kind : str
        ``interval`` or ``daily``.
    """

    raw: bytes = field(repr=False)
    request: str
    when: datetime
    kind: str

    def json(self) -> dict[str, Any]:
        """Return the body as a mapping."""
        return _mapping(self.raw)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Save the bytes as a file whose name contains kind, time, and transaction, and return its path."""
        path = Path(folder) / f"{self.kind}-{self.when:%Y%m%dT%H%M%SZ}-{self.request}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        with _files.atomic(path) as file:
            file.write(self.raw)
        return path


class SmtApi:
    """A client of SMT's REST API, not yet tried on a real account.

    Parameters
    ----------
    user : str
        Requester ID, which SMT requires to be the user name too.
    password : Secret
        Password of the user.
    duns : str
        DUNS number of the company, which authenticates the requester.
    requester : {"CSP", "REP", "RES", "BUSINESS"}, optional
        Type of the account: competitive service provider (default), retail electric provider, residential, business.
    environment : {"production", "uat"}, optional
        SMT's service (default) or its test service.
    url : str, optional
        Replaces the address of the environment; https only.
    ca_file : path, optional
        Certificate authorities that may sign the server's certificate. Default: those that requests ships.
    timeout : float, optional
        Seconds to wait for an answer. Default: 60.
    proxy : str, optional
        HTTP proxy, ``http://HOST:PORT`` or ``http://USER@HOST:PORT``. Proxies of the environment are not used.
    proxy_password : Secret, optional
        Password of the proxy's user.

    Examples
    --------
    >>> api = SmtApi(user="REP1", password=Secret.env("SMT_API_PASSWORD"), duns="000000000")  # doctest: +SKIP
    >>> answer = api.interval_reads("10443720000000001", "2026-07-01", "2026-07-31")  # doctest: +SKIP
    >>> greenkit.load_smt(answer.raw)  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        user: str,
        password: Secret,
        duns: str,
        requester: str = "CSP",
        environment: str = "production",
        url: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        timeout: float = 60.0,
        proxy: str | None = None,
        proxy_password: Secret | None = None,
    ) -> None:
        password = Secret(password)
        if environment not in HOSTS:
            raise SettingsError(
                f"environment is {environment!r}, but it must be one of {', '.join(HOSTS)}",
                next_step='Set environment = "production" under [smt.api].',
            )
        self._proxy = _net.Proxy.parse(proxy, proxy_password) if proxy else None
        self.url = _address(url or HOSTS[environment])
        self.user, self.duns, self.requester, self.timeout = user, duns, requester, timeout
        self._password, self._ca_file = password, ca_file
        self._session: requests.Session | None = None
        self._token: Secret | None = None
        self._token_ends = 0.0
        self._total = _TOTAL
        self._spent = 0.0
        self._spent_on: date | None = None

    @classmethod
    def from_settings(cls, smt: SmtSettings) -> SmtApi:
        """Return a client for ``[smt]`` and ``[smt.api]`` of the settings, or raise SettingsError if one is missing."""
        api = smt.api
        if not (api.user and api.password and smt.duns):
            raise SettingsError(
                "The settings contain no account for the API",
                next_step="Add user and password under [smt.api], and duns under [smt].",
            )
        return cls(
            user=api.user, password=api.password.get(), duns=smt.duns, requester=api.requester,
            environment=api.environment, url=api.url, ca_file=api.ca_file, timeout=smt.timeout,
            proxy=smt.proxy, proxy_password=smt.proxy_password.get() if smt.proxy_password else None,
        )  # fmt: skip

    def interval_reads(
        self,
        meter: str,
        start: date | str,
        end: date | str,
        *,
        flow: str = "all",
        version: str = "latest",
    ) -> Answer:
        """Read a meter's 15-minute intervals.

        Parameters
        ----------
        meter : str
            ESI ID.
        start, end : date or str
            First and last day, both included; text such as ``2026-07-01``.
        flow : {"all", "delivered", "received"}
            Consumption, surplus generation, or both (default).
        version : {"latest", "all"}
            The newest revision of each day (default), or every one.

        Raises
        ------
        SettingsError, LimitError
            If an argument is not valid or the request is larger than SMT accepts; nothing was sent.
        NotReady
            If SMT has no data for those days yet.
        LoginRejected, ClientRejected, RateLimited, ServerUnavailable, HostRejected, RemoteError
            If SMT refuses or cannot be reached.
        """
        body = self._request([meter], start, end, flow=flow, version=version, mode="API", form="JSON")
        return self._ask("interval", body)

    def daily_reads(self, meter: str, start: date | str, end: date | str, *, version: str = "latest") -> Answer:
        """Read a meter's daily register readings; for arguments and errors see :meth:`interval_reads`."""
        body = self._request([meter], start, end, flow="delivered", version=version, mode="API", form="JSON")
        return self._ask("daily", body)

    def request_files(
        self,
        meters: Iterable[str],
        start: date | str,
        end: date | str,
        *,
        flow: str = "all",
        version: str = "latest",
        form: str = "LSE",
    ) -> Answer:
        """Request the 15-minute intervals of many meters as an encrypted file.

        SMT puts the file into the folder ``adhocusage`` of the file server: ``fetch_smt(remote, "adhocusage", ...)``.

        Parameters
        ----------
        meters : iterable of str
            ESI IDs, at most 200.
        start, end, flow, version
            See :meth:`interval_reads`.
        form : {"LSE", "CSV"}
            Format of the file.

        Returns
        -------
        Answer
            SMT's acknowledgement.

        Raises
        ------
        LimitError
            If the request, or this client's requests of today together, exceed what SMT accepts; nothing was sent.
        SettingsError, RemoteError
            See :meth:`interval_reads`.
        """
        if form not in ("LSE", "CSV"):
            raise SettingsError(
                f"form is {form!r}, but it must be LSE or CSV", next_step="Pass form='LSE' or form='CSV'."
            )
        body = self._request(list(meters), start, end, flow=flow, version=version, mode="FTP", form=form)
        return self._ask("interval", body)

    def agreements(self) -> pd.DataFrame:
        """List the agreements by which customers share their data with this account.

        Returns
        -------
        DataFrame
            One row for each agreement and meter, all columns text: ``agreement`` (its number), ``meter`` (ESI ID),
            ``status`` and ``reason`` in SMT's words, then every other field under SMT's name. A field that an
            agreement does not have is empty. Without agreements the table is empty.

        Raises
        ------
        LoginRejected, ClientRejected, RateLimited, ServerUnavailable, HostRejected, RemoteError
            If SMT refuses, cannot be reached, or sends a list that greenkit does not understand.

        Examples
        --------
        >>> agreed = api.agreements()  # doctest: +SKIP
        >>> report.completeness(agreed["meter"], start="2026-07-01", end="2026-07-31")  # doctest: +SKIP
        """
        return self._list("agreements")

    def subscriptions(self) -> pd.DataFrame:
        """List the subscriptions of this account, by which SMT sends data regularly.

        Returns
        -------
        DataFrame
            As :meth:`agreements` returns it, with ``subscription``, ``meter``, ``status``, and ``type`` first.

        Raises
        ------
        RemoteError
            See :meth:`agreements`.
        """
        return self._list("subscriptions")

    def _list(self, kind: str) -> pd.DataFrame:
        body = {
            "trans_id": secrets.token_hex(8),
            "requestorID": self.user,
            "requesterAuthenticationID": self.duns,
            "SMTTermsandConditions": "Y",
        }
        return _table(self._ask(kind, body).json(), _LISTS[kind])

    def close(self) -> None:
        """Delete the token and close the connections."""
        self._token = None
        if self._session is not None:
            self._session.close()
            self._session = None

    def __enter__(self) -> SmtApi:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SmtApi({self.user!r} at {self.url})"

    def _request(
        self, meters: list[str], start: date | str, end: date | str, *, flow: str, version: str, mode: str, form: str
    ) -> dict[str, Any]:
        """Build a request; what is not valid is raised before anything is sent."""
        asked, share = build_request(meters, start, end, flow=flow, version=version, mode=mode, form=form)
        if mode == "FTP":
            self._spend(share)
        who = {
            "trans_id": secrets.token_hex(8),
            "requestorID": self.user,
            "requesterType": self.requester,
            "requesterAuthenticationID": self.duns,
        }
        return who | asked

    def _spend(self, share: float) -> None:
        """Count an ad-hoc request against the day's allowance; requests of other programs are not known."""
        today = datetime.now(UTC).date()
        spent = self._spent if self._spent_on == today else 0.0
        if spent + share > 1 + 1e-9:
            raise LimitError(
                "Today's requests have reached SMT's daily limit", next_step="Send the request again tomorrow."
            )
        self._spent, self._spent_on = spent + share, today

    def _ask(self, kind: str, body: dict[str, Any]) -> Answer:
        text = Secret(json.dumps(body))
        answer = self._post(PATHS[kind], text, token=self._access())
        if answer.status_code == 401:
            # a token may expire early; a second refusal is final, because repeated ones lock an account
            self._token = None
            answer = self._post(PATHS[kind], text, token=self._access())
        raw = answer.content
        self._check(answer.status_code, answer.headers, raw)
        return Answer(raw, body["trans_id"], datetime.now(UTC), kind)

    def _access(self) -> Secret:
        if self._token is None or time.monotonic() >= self._token_ends:
            # no variable of this frame, which an error would show, contains the password or the token in clear text
            login = Secret(json.dumps({"username": self.user, "password": self._password.reveal()}))
            answer = self._post(PATHS["token"], login)
            if answer.status_code in (400, 401, 403):
                raise LoginRejected(
                    "SMT refuses the user or password of the API; greenkit does not try again",
                    next_step="Check user and password under [smt.api].",
                )
            self._check(answer.status_code, answer.headers, answer.content)
            token = _token_of(answer.content)
            if token is None:
                raise RemoteError(
                    "SMT's answer to the login contains no token",
                    next_step="Report the answer to the greenkit developers.",
                )
            self._token, seconds = token
            self._token_ends = time.monotonic() + seconds - _EARLY
        return self._token

    def _post(self, path: str, body: Secret, *, token: Secret | None = None) -> requests.Response:
        """Send a request; its errors contain neither the address nor the headers, as those of requests would."""
        import requests
        import urllib3

        from greenkit.custodian import _transport

        deadline = _net.Deadline(self._total)
        try:
            with deadline:
                return self._send(path, body, token)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as e:
            error: BaseException = _transport.exchange_error(
                e, self.url, deadline, timeout=self.timeout, proxy=self._proxy, where="Smart Meter Texas", who="SMT"
            )
        except BaseException as e:  # noqa: BLE001 Ctrl-C, too, must not leave the frames with the password behind
            error = _net.strip_traceback(e)
        raise error

    def _send(self, path: str, body: Secret, token: Secret | None) -> requests.Response:
        """Send a request; :meth:`_post` removes this frame, which has secrets in clear text, from each error."""
        import requests

        from greenkit.custodian import _transport

        if self._session is None:
            session = requests.Session()
            _transport.configure(
                session, _transport.Tls(ca_file=self._ca_file), limit=_LARGEST_ANSWER, proxy=self._proxy
            )
            self._session = session
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token.reveal()}"
        return self._session.post(
            self.url + path, data=body.reveal().encode(), headers=headers, timeout=(_transport.CONNECT, self.timeout),
            allow_redirects=False,
        )  # fmt: skip

    def _check(self, status: int, headers: Mapping[str, str], raw: bytes) -> None:
        """Raise the error that a status means, or the error code, which a response with status 200 may contain too."""
        general = _net.http_error(
            status,
            "SMT's API",
            wait=_net.retry_after(headers.get("Retry-After")),
            who="SMT",
            check="environment and url under [smt.api]",
        )
        if general is not None:
            raise general
        try:
            found = _mapping(raw)
        except RemoteError:
            if status == 200:
                raise
            found = {}
        code = str(found.get("errorCode", ""))
        refused = f"SMT's API refused the request ({status}{f', code {code}' if code else ''}: {self._reason(found)})"
        if code == _NOT_INTEGRATED:
            raise ClientRejected(refused, next_step="Ask SMT to finish the API integration of this account.")
        if code == _NO_DATA:
            raise NotReady(
                f"{refused}, because the utility has no data for those days yet", next_step="Try again later."
            )
        if status in (401, 403):
            raise LoginRejected(
                refused, next_step="Check that user, requester, and duns are those that SMT has registered."
            )
        if code or status != 200:
            raise RemoteError(refused, next_step="Check the meters, the days, and the account.")

    def _reason(self, found: Mapping[str, Any]) -> str:
        """Return the server's words, shortened, in one line, and without a secret that it may repeat."""
        text = str(found.get("errorMessage") or found.get("statusReason") or "no reason given")
        for secret in (self._password, self._token):
            if secret:
                text = text.replace(secret.reveal(), "***")
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


def _table(answer: Mapping[str, Any], fields: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """Build a table of the innermost objects of an answer, each with the fields of the objects around it.

    Parameters
    ----------
    answer : mapping
    fields : mapping
        Column → names of its field, in lower case without underscores. The first column identifies a row.

    Raises
    ------
    RemoteError
        If the answer has objects but none has a value for the first column.

    Examples
    --------
    >>> answer = {"trans_id": "1", "list": [{"AgreementNumber": 7, "meters": [{"ESIID": "10"}, {"ESIID": "11"}]}]}
    >>> _table(answer, {"agreement": ("agreementnumber",), "meter": ("esiid",)})[["agreement", "meter"]].values.tolist()
    [['7', '10'], ['7', '11']]
    """
    import pandas as pd

    rows = []
    for one in _objects(answer, {}, 0):
        known = {name.lower().replace("_", ""): name for name in reversed(list(one))}
        own = {column: next((known[n] for n in names if n in known), None) for column, names in fields.items()}
        rest = {name: text for name, text in one.items() if name not in own.values() and name != "trans_id"}
        rows.append({column: one[name] if name else "" for column, name in own.items()} | rest)
    key = next(iter(fields))
    kept = [row for row in rows if row[key]]
    if rows and not kept:
        raise RemoteError(
            f"SMT's answer contains no {key} that greenkit understands",
            next_step="Report the names of its fields to the greenkit developers.",
        )
    columns = list(dict.fromkeys([*fields, *(name for row in kept for name in row)]))
    return pd.DataFrame([[row.get(name, "") for name in columns] for row in kept], columns=columns).astype("str")


def _objects(value: Mapping[str, Any], around: Mapping[str, str], depth: int) -> Iterator[Mapping[str, str]]:
    """Yield the fields of each object that contains no further objects, with those of the objects around it."""
    texts = {k: str(v) for k, v in value.items() if isinstance(v, str | int | float) and str(v)}
    # JSON can escape half a character, which no column can hold
    own = {**around, **{k: v.encode("utf-8", "replace").decode() for k, v in texts.items()}}
    inner, lists = list[Mapping[str, Any]](), [list(value.values())]
    for values in lists:  # it grows, because a list may contain lists
        inner += [v for v in values if isinstance(v, dict) and v]
        lists += [v for v in values if isinstance(v, list)]
    for one in inner if depth < _DEEPEST else ():
        yield from _objects(one, own, depth + 1)
    if not inner and depth:
        yield own


def _address(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise SettingsError(
            "The URL of the API must be https://HOST without user, query, or fragment",
            next_step="Correct url under [smt.api].",
        )
    return url.rstrip("/")


def _token_of(raw: bytes) -> tuple[Secret, int] | None:
    """Return the token of an answer and the seconds that it is valid, or None if the answer has none."""
    found = _mapping(raw)
    token, seconds = found.get("accessToken"), str(found.get("expiresIn", "")).strip()
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        return None  # no header can contain it
    return (Secret(token), int(seconds)) if re.fullmatch("[0-9]{1,9}", seconds) else None


def _mapping(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise RemoteError("SMT's answer is not JSON; it may be an error page", next_step="Try again later.") from None
    if not isinstance(found, dict):
        raise RemoteError(
            "SMT's answer is JSON with an unknown structure", next_step="Report the answer to the greenkit developers."
        )
    return found
