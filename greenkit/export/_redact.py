"""Redacted copies of a frame that can be shared."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

import pandas as pd

from greenkit import frame

_KEPT: Final = ("cost", "currency", "tou", "cpp", "tier", "commodity", "kind", "quality_code", "usage_date")
"""Extra columns that do not identify the customer."""
_SALT_LENGTH: Final = 16


def redact(df: pd.DataFrame, salt: str | bytes | None = None) -> pd.DataFrame:
    """Return a copy to share: IDs are hashed with a salt, and file names and custom columns are left out.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    salt : str or bytes, optional
        At least 16 characters that you keep secret. With the same salt, a meter has the same name in every copy.
        Default: a random salt, which is not stored.

    Returns
    -------
    DataFrame
        The same intervals; ``meter`` and ``series`` are ``meter-`` and ``series-`` with 16 hexadecimal digits of an
        HMAC-SHA256. The copy has no findings, because they name files.

    Raises
    ------
    ValueError
        If the salt is too short, because an ESI ID has few enough digits to be guessed.

    Notes
    -----
    A year of intervals can identify a household even without its name. This function removes the names, not the habits.
    """
    key = secrets.token_bytes(32) if salt is None else salt.encode() if isinstance(salt, str) else salt
    if len(key) < _SALT_LENGTH:
        raise ValueError(f"The salt must have at least {_SALT_LENGTH} characters, so that IDs cannot be guessed")
    frame.check(df)
    out = df[[n for n in df.columns if n in frame.COLUMNS or n in _KEPT]].copy()
    out.attrs = {}
    for name in ("meter", "series"):
        text = out[name].astype("str")
        names = {word: _hashed(f"{name}:{word}", name, key) for word in text.unique()}
        out[name] = text.map(names)
    return frame.tidy(out)


def _hashed(text: str, name: str, key: bytes) -> str:
    return f"{name}-{hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16]}"
