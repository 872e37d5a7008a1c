"""The REST API of Smart Meter Texas: reads of single meters, now, and ad-hoc requests that come as files.

Sources: SMT's interface guide as public integrators quote it, "Large Volume Ad Hoc Usage API request" for the
limits, and the notice SMT-M-A051425-10 for the tokens that replaced client certificates on 13 September 2025.

This client is tried against a stand-in that replays the documented shapes, **never yet on a real account**. If SMT
answers in another way, keep :attr:`Answer.raw` and report it.
"""

from __future__ import annotations

import json
import os
import secrets
import time
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from greenkit import _files
from greenkit.errors import (
    ClientRejected,
    LimitError,
    LoginRejected,
    NotReady,
    RateLimited,
    RemoteError,
    ServerUnavailable,
    SettingsError,
)
from greenkit.secret import Secret
from greenkit.settings import SmtSettings

if TYPE_CHECKING:
    import requests

VERSIONS: Final[Mapping[str, str]] = {"latest": "L", "all": "A"}
FLOWS: Final[Mapping[str, str]] = {"delivered": "C", "received": "G", "all": "A"}


class Limit(NamedTuple):
    """One line of SMT's table: so many requests a day, each of at most so many meters and days."""

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
"""SMT drops larger ad-hoc requests without a word, so they are refused here."""


def lay_out(
    meters: list[str], start: date | str, end: date | str, *, flow: str, version: str, mode: str, form: str
) -> tuple[dict[str, Any], float]:
    """Lay out a request, and give what part of a day's allowance it takes; whatever is wrong with it is raised.

    Parameters
    ----------
    meters : list of str
        ESI IDs.
    start, end : date or str
        First and last day, both included.
    flow, version : str
        Of :data:`FLOWS`, of :data:`VERSIONS`.
    mode, form : str
        ``API`` for an answer at once, ``FTP`` for a file; its format.

    Raises
    ------
    ValueError, LimitError
        A wrong argument, or more than SMT serves at once.
    """
    first, last = _day(start), _day(end)
    wrong = [m for m in meters if not (isinstance(m, str) and m.isascii() and m.isdigit() and 10 <= len(m) <= 36)]
    if wrong or not meters:
        raise ValueError(f"{wrong[0]!r} is no ESI ID: give digits as text" if wrong else "no ESI ID is given")
    if last < first:
        raise ValueError(f"the last day {last} is before the first day {first}")
    if flow not in FLOWS or version not in VERSIONS:
        raise ValueError(f"flow is one of {', '.join(FLOWS)}, version one of {', '.join(VERSIONS)}")
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
    """Give the part of a day's allowance that a request takes, each line of the table being the whole of it."""
    fits = [limit for limit in LIMITS if meters <= limit.meters and days <= limit.days]
    if not fits:
        table = ", ".join(f"{limit.meters} meters for {limit.days} days" for limit in LIMITS)
        raise LimitError(f"{meters} meters for {days} days are more than SMT serves at once: ask for at most {table}")
    return 1 / max(limit.requests for limit in fits)


def _day(day: date | str) -> date:
    if isinstance(day, datetime):
        return day.date()
    try:
        return date.fromisoformat(day) if isinstance(day, str) else day
    except ValueError:
        raise ValueError(f"{day!r} is no day: write it as 2026-07-01") from None


__all__ = ["LIMITS", "Answer", "Limit", "SmtApi"]

HOSTS: Final[Mapping[str, str]] = {
    "production": "https://services.smartmetertexas.net",
    "uat": "https://uatservices.smartmetertexas.net",
}
PATHS: Final[Mapping[str, str]] = {
    "token": "/v2/token/",
    "interval": "/v2/15minintervalreads/",
    "daily": "/v2/dailyreads/",
}


_LARGEST_ANSWER: Final = 256 << 20
_EARLY: Final = 60.0  # seconds before its end at which a token is no longer used
_NO_DATA: Final = "1"
_NOT_INTEGRATED: Final = "2076"


@dataclass(frozen=True)
class Answer:
    """What SMT answered, byte for byte; ``load_smt(answer.raw)`` reads it.

    Parameters
    ----------
    raw : bytes
        The body.
    request : str
        The transaction id that was sent with the request.
    when : datetime
        When it came, in UTC.
    kind : str
        ``interval`` or ``daily``.
    """

    raw: bytes = field(repr=False)
    request: str
    when: datetime
    kind: str

    def json(self) -> dict[str, Any]:
        """Give the body as a mapping."""
        return _mapping(self.raw)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Keep the bytes as a file, named by kind, time and transaction."""
        path = Path(folder) / f"{self.kind}-{self.when:%Y%m%dT%H%M%SZ}-{self.request}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        with _files.atomic(path) as file:
            file.write(self.raw)
        return path


class SmtApi:
    """A client of SMT's REST API; untried on a real account.

    Parameters
    ----------
    user : str
        The requester id; SMT demands that it is the user name too.
    password : Secret
        Its password.
    duns : str
        The company's DUNS number, which authenticates the requester.
    requester : {"CSP", "REP", "RES", "BUSINESS"}
        What the account is: competitive service provider, retail electric provider, residential, business.
    environment : {"production", "uat"}
        SMT's service, or its test service.
    url : str, optional
        Another address in place of the environment's; https only.
    ca_file : path, optional
        Authorities that may sign the server's certificate.
    timeout : float
        Seconds to wait for an answer.

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
    ) -> None:
        if environment not in HOSTS:
            raise SettingsError(f"environment is {environment!r}: give one of {', '.join(HOSTS)}")
        self.url = _address(url or HOSTS[environment])
        self.user, self.duns, self.requester, self.timeout = user, duns, requester, timeout
        self._password, self._ca_file = Secret(password), ca_file
        self._session: requests.Session | None = None
        self._token: Secret | None = None
        self._token_ends = 0.0
        self._spent = 0.0
        self._spent_on: date | None = None

    @classmethod
    def from_settings(cls, smt: SmtSettings) -> SmtApi:
        """Make a client from ``[smt]`` and ``[smt.api]``; SettingsError when a setting is missing."""
        api = smt.api
        if not (api.user and api.password and smt.duns):
            raise SettingsError("the API needs [smt.api] user and password, and [smt] duns: add them to the settings")
        return cls(
            user=api.user, password=api.password.get(), duns=smt.duns, requester=api.requester,
            environment=api.environment, url=api.url, ca_file=api.ca_file, timeout=smt.timeout,
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
        """Read a meter's 15-minute intervals at once.

        Parameters
        ----------
        meter : str
            ESI ID.
        start, end : date or str
            First and last day, both included; text as ``2026-07-01``.
        flow : {"all", "delivered", "received"}
            Consumption, surplus generation, or both.
        version : {"latest", "all"}
            The last revision of each day, or every one.

        Raises
        ------
        ValueError, LimitError
            A wrong argument, or more than SMT's limits allow: nothing was sent.
        NotReady
            SMT has no data of those days yet.
        LoginRejected, ClientRejected, RateLimited, ServerUnavailable, HostRejected, RemoteError
            SMT refused, or cannot be reached.
        """
        body = self._request([meter], start, end, flow=flow, version=version, mode="API", form="JSON")
        return self._ask("interval", body)

    def daily_reads(self, meter: str, start: date | str, end: date | str, *, version: str = "latest") -> Answer:
        """Read a meter's daily register reads at once; arguments and errors as :meth:`interval_reads`."""
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
        """Ask for the 15-minute intervals of many meters as an encrypted file.

        The file lands in the folder ``adhocusage`` of the file server: ``fetch_smt(remote, "adhocusage", ...)``.

        Parameters
        ----------
        meters : iterable of str
            ESI IDs, at most 200.
        start, end, flow, version
            As for :meth:`interval_reads`.
        form : {"LSE", "CSV"}
            Format of the file.

        Returns
        -------
        Answer
            SMT's acknowledgement.

        Raises
        ------
        LimitError
            The request, or this client's requests of today together, are more than SMT serves: nothing was sent.
        ValueError, RemoteError
            As :meth:`interval_reads`.
        """
        if form not in ("LSE", "CSV"):
            raise ValueError(f"form is {form!r}: ad-hoc files come as LSE or CSV")
        body = self._request(list(meters), start, end, flow=flow, version=version, mode="FTP", form=form)
        return self._ask("interval", body)

    def close(self) -> None:
        """Forget the token and close the connections."""
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
        """Lay out a request; whatever is wrong with it is said before anything is sent."""
        asked, share = lay_out(meters, start, end, flow=flow, version=version, mode=mode, form=form)
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
        """Count an ad-hoc request against the day's allowance; what other programs asked for is not known here."""
        today = datetime.now(UTC).date()
        spent = self._spent if self._spent_on == today else 0.0
        if spent + share > 1 + 1e-9:
            raise LimitError("today's requests have used up what SMT serves in a day: ask again tomorrow")
        self._spent, self._spent_on = spent + share, today

    def _ask(self, kind: str, body: dict[str, Any]) -> Answer:
        answer = self._post(PATHS[kind], body, token=self._access())
        if answer.status_code == 401:
            # a token may end early; a second refusal is final, since repeated ones lock an account
            self._token = None
            answer = self._post(PATHS[kind], body, token=self._access())
        raw = answer.content
        self._check(answer.status_code, answer.headers, raw)
        return Answer(raw, body["trans_id"], datetime.now(UTC), kind)

    def _access(self) -> Secret:
        if self._token is None or time.monotonic() >= self._token_ends:
            body = {"username": self.user, "password": self._password.reveal()}
            answer = self._post(PATHS["token"], body)
            if answer.status_code in (400, 401, 403):
                raise LoginRejected("SMT refused the API's user or password: check [smt.api], and do not repeat it")
            self._check(answer.status_code, answer.headers, answer.content)
            found = _mapping(answer.content)
            token, seconds = found.get("accessToken"), str(found.get("expiresIn", "")).strip()
            if not (isinstance(token, str) and token and seconds.isdigit()):
                raise RemoteError("SMT's answer to the login holds no token: see whether the API has changed")
            self._token = Secret(token)
            self._token_ends = time.monotonic() + int(seconds) - _EARLY
        return self._token

    def _post(self, path: str, body: dict[str, Any], *, token: Secret | None = None) -> requests.Response:
        """Send; errors carry neither address nor headers, since those of requests would."""
        import requests
        import urllib3

        from greenkit import _net
        from greenkit.custodian import _transport

        if self._session is None:
            self._session = requests.Session()
            _transport.configure(self._session, _transport.Tls(ca_file=self._ca_file), limit=_LARGEST_ANSWER)
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token.reveal()}"
        try:
            with _net.Deadline(_transport.TOTAL):
                return self._session.post(
                    self.url + path, json=body, headers=headers, timeout=(_transport.CONNECT, self.timeout),
                    allow_redirects=False,
                )  # fmt: skip
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as e:
            error = _net.request_error(e, "Smart Meter Texas", timeout=self.timeout, who="SMT")
        raise error

    def _check(self, status: int, headers: Mapping[str, str], raw: bytes) -> None:
        """Raise what an answer means, by its status and by the error code that may stand in a 200 as well."""
        if status == 429:
            wait = headers.get("Retry-After", "")
            raise RateLimited("SMT asks for fewer requests: wait", float(wait) if wait.isdigit() else None)
        if 300 <= status < 400:
            raise RemoteError("SMT sent us to another address, which is not followed: check the environment or url")
        if status >= 500:
            raise ServerUnavailable(f"SMT's API answered {status}: try again later")
        try:
            found = _mapping(raw)
        except RemoteError:
            if status == 200:
                raise
            found = {}
        code = str(found.get("errorCode", ""))
        said = f"SMT's API refused the request ({status}{f', code {code}' if code else ''}: {self._said(found)})"
        if code == _NOT_INTEGRATED:
            raise ClientRejected(f"{said}: ask SMT to finish the API integration of this account")
        if code == _NO_DATA:
            raise NotReady(f"{said}: the utility has no data of those days yet; ask again later")
        if status in (401, 403):
            raise LoginRejected(f"{said}: user, requester id and DUNS must be those that are registered")
        if code or status != 200:
            raise RemoteError(f"{said}: check meters, days and account")

    def _said(self, found: Mapping[str, Any]) -> str:
        """Give the server's words, shortened, on one line, and without a secret that it may repeat."""
        text = str(found.get("errorMessage") or found.get("statusReason") or "no reason given")
        for secret in (self._password, self._token):
            if secret:
                text = text.replace(secret.reveal(), "***")
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


def _address(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise SettingsError("the API's url must be https://HOST without user, query or fragment: correct it")
    return url.rstrip("/")


def _mapping(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise RemoteError("SMT's answer is no JSON: look at its bytes, it may be an error page") from None
    if not isinstance(found, dict):
        raise RemoteError("SMT's answer is JSON of another shape: see whether the API has changed")
    return found
