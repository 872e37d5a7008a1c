"""A secret that does not show itself: passwords, passphrases, tokens, codes, keys."""

from __future__ import annotations

import getpass
import hmac
import os
from pathlib import Path
from typing import Any, NoReturn

from greenkit.errors import SettingsError

_MASK = "Secret(***)"


class Secret:
    """An opaque string: masked in repr, str, format and tracebacks, and refused by pickle.

    Only :meth:`reveal` gives the text, at the one place that needs it.

    Parameters
    ----------
    value : str
        The secret text. Give ``Secret.env(...)``, ``Secret.file(...)`` or ``Secret.prompt(...)`` in a notebook,
        since a literal would stand in it.

    Examples
    --------
    >>> s = Secret("xyzzy")
    >>> f"{s} {s!r} {s:>20}"
    'Secret(***) Secret(***) Secret(***)'
    >>> s.reveal() == "xyzzy"
    True
    """

    __slots__ = ("_value",)
    _value: str

    def __init__(self, value: str | Secret) -> None:
        if not isinstance(value, str | Secret):
            raise TypeError(f"a Secret is made from text, not from {type(value).__name__}")
        object.__setattr__(self, "_value", value._value if isinstance(value, Secret) else value)

    @classmethod
    def env(cls, name: str) -> Secret:
        """Read an environment variable; SettingsError when it is not set."""
        try:
            return cls(os.environ[name])
        except KeyError:
            raise SettingsError(f"the environment variable {name} is not set: set it to the secret") from None

    @classmethod
    def file(cls, path: str | os.PathLike[str]) -> Secret:
        """Read the first line of a file that only its owner may read."""
        fault = None
        try:
            if os.name == "posix" and Path(path).stat().st_mode & 0o077:
                raise SettingsError(f"the secret file {path} may be read by others: run chmod 600 on it")
            return cls(Path(path).read_text(encoding="utf-8").partition("\n")[0].rstrip("\r"))
        except (OSError, UnicodeDecodeError) as e:
            fault = type(e).__name__
        # outside the handler, since a decoding error holds the file's bytes
        raise SettingsError(f"the secret file {path} cannot be read: {fault}")

    @classmethod
    def keyring(cls, service: str, name: str) -> Secret:
        """Read the system's keyring (the extra ``greenkit[keyring]``)."""
        try:
            import keyring
        except ImportError:
            raise SettingsError('keyring is not installed: run pip install "greenkit[keyring]"') from None
        fault = None
        try:
            value = keyring.get_password(service, name)
        except keyring.errors.KeyringError as e:
            fault = type(e).__name__
        if fault is not None:
            raise SettingsError(
                f"this machine's keyring cannot be used ({fault}): give {name} by environment or prompt"
            )
        if value is None:
            raise SettingsError(f"the keyring holds no {name} for {service}: add it with keyring set")
        return cls(value)

    @classmethod
    def prompt(cls, label: str) -> Secret:
        """Ask for it without showing what is typed."""
        return cls(getpass.getpass(f"{label}: "))

    def reveal(self) -> str:
        """Give the text itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        # what the environment holds may be no UTF-8; an error of encoding would show it
        return hmac.compare_digest(*(s._value.encode(errors="surrogatepass") for s in (self, other)))

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return _MASK

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret cannot be changed")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not pickled, since the pickle would hold it in clear")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret is not taken apart, since its state is the text in clear")
