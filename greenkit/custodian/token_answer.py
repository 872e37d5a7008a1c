"""One grant, as the utility's last token answer left it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from greenkit.secret import Secret

MARGIN: Final = 60.0
"""A token is renewed so many seconds before it ends, or at 90 % of a life shorter than ten minutes."""

# the fields of a token answer that have an attribute below; ESPI's addresses may be left out of later answers
_URIS: Final = ("resource_uri", "authorization_uri", "customer_uri")
_KNOWN: Final = frozenset(
    {"access_token", "client_access_token", "refresh_token", "token_type", "expires_in", "scope"}
    | {"resourceURI", "authorizationURI", "customerResourceURI"}
)


@dataclass(frozen=True, kw_only=True)
class Token:
    """One grant, as the utility's last token answer left it.

    Its secrets and the customer's addresses do not show in its repr; it cannot be pickled.
    """

    access: Secret
    expires_at: float  # seconds since 1970
    lifetime: float  # [s]
    refresh: Secret | None = None
    scope: str | None = None
    resource_uri: str | None = field(default=None, repr=False)
    authorization_uri: str | None = field(default=None, repr=False)
    customer_uri: str | None = field(default=None, repr=False)
    extra: Mapping[str, Secret] = field(default_factory=dict)  # what the answer held besides, each as JSON
    ended: bool = False  # the utility has said that the grant is over

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any], *, access: str, lifetime: float, now: float) -> Token:
        """Make a token of a checked token answer (RFC 6749, 5.1, and ESPI's addresses)."""
        refresh = answer.get("refresh_token")
        return cls(
            access=Secret(access),
            expires_at=now + lifetime,
            lifetime=lifetime,
            refresh=Secret(refresh) if isinstance(refresh, str) and refresh else None,
            scope=_text(answer.get("scope")),
            extra={k: Secret(json.dumps(v)) for k, v in answer.items() if k not in _KNOWN},
            resource_uri=_text(answer.get("resourceURI")),
            authorization_uri=_text(answer.get("authorizationURI")),
            customer_uri=_text(answer.get("customerResourceURI")),
        )

    def expired(self, now: float | None = None) -> bool:
        """Tell whether the access token has ended, or is about to."""
        now = time.time() if now is None else now
        return self.ended or now >= self.expires_at - min(MARGIN, 0.1 * self.lifetime)

    def renewed_by(self, new: Token) -> Token:
        """Give the new token with what its answer left out carried over from this one."""
        kept = ("refresh", "scope", *_URIS)
        return replace(new, **{k: getattr(new, k) or getattr(self, k) for k in kept}, extra={**self.extra, **new.extra})

    def over(self) -> Token:
        """Give the grant as one that the utility has ended: kept so that it is not tried again."""
        return replace(self, ended=True, access=Secret(""), refresh=None)

    def to_json(self) -> Secret:
        """Give everything, as the JSON that a store keeps."""
        plain = {k: getattr(self, k) for k in ("expires_at", "lifetime", "scope", "ended", *_URIS)}
        secret = {"access": self.access.reveal(), "refresh": self.refresh.reveal() if self.refresh else None}
        extra = {k: v.reveal() for k, v in self.extra.items()}
        return Secret(json.dumps({"version": 1, **plain, **secret, "extra": extra}))

    @classmethod
    def from_json(cls, text: Secret) -> Token:
        """Read :meth:`to_json`; ValueError, without the text, when it is something else."""
        try:
            held = json.loads(text.reveal())
            if held.pop("version") != 1:
                raise ValueError
            held["access"], refresh = Secret(held["access"]), held["refresh"]
            held["refresh"] = None if refresh is None else Secret(refresh)
            held["extra"] = {k: Secret(v) for k, v in held["extra"].items()}
            held["expires_at"], held["lifetime"] = float(held["expires_at"]), float(held["lifetime"])
            found = cls(**held)
        except (ValueError, TypeError, KeyError, AttributeError):
            found = None
        if found is None:  # outside the handler: the error behind it shows the text
            raise ValueError("not a greenkit token")
        return found


def scope_parts(scope: str | None) -> dict[str, tuple[str, ...]]:
    """Take a granted ESPI scope apart; unknown keys are kept, and no value is interpreted.

    Examples
    --------
    >>> scope_parts("FB=1_3_13;IntervalDuration=900_3600;BR=third")["IntervalDuration"]
    ('900', '3600')
    """
    parts = (p.partition("=") for p in (scope or "").split(";") if "=" in p)
    return {key.strip(): tuple(v for v in value.split("_") if v) for key, _, value in parts}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
