"""Secrets that never appear in output: passwords, passphrases, tokens, codes, keys."""

from __future__ import annotations

import getpass
import hmac
import os
import warnings
from pathlib import Path
from typing import Any, NoReturn

from greenkit import _files
from greenkit.errors import SettingsError

_MASK = "Secret(***)"


class Secret:
    """An opaque string that is masked in repr, str, format, and tracebacks, and that cannot be pickled.

    Only :meth:`reveal` returns the text, at the one place that needs it.

    Parameters
    ----------
    value : str
        The secret text. In a notebook use ``Secret.env(...)``, ``Secret.file(...)``, or ``Secret.prompt(...)``,
        because a literal would be saved with the notebook.

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
            raise TypeError(f"A Secret must be made from str, not from {type(value).__name__}.")
        object.__setattr__(self, "_value", value._value if isinstance(value, Secret) else value)

    @classmethod
    def env(cls, name: str) -> Secret:
        """Read a secret from an environment variable, or raise SettingsError if it is not set."""
        try:
            # a CR at the end, as shells and editors on Windows leave it, is never part of a secret
            return cls(os.environ[name].rstrip("\r\n"))
        except KeyError:
            raise SettingsError(
                f"The environment variable {name} is not set", next_step=f"Set {name} to the secret."
            ) from None

    @classmethod
    def file(cls, path: str | os.PathLike[str]) -> Secret:
        """Read a secret from the first line of a file that only its owner can read."""
        fault = None
        try:
            if os.name == "posix" and Path(path).stat().st_mode & 0o077:
                raise SettingsError(
                    f"Other users can read the secret file {path}",
                    next_step=_files.how_to_protect(path, 'move the file to one that does, or use {env = "NAME"}'),
                )
            return cls(Path(path).read_text(encoding="utf-8-sig").partition("\n")[0].rstrip("\r"))
        except (OSError, UnicodeDecodeError) as e:
            fault = type(e).__name__
        # raised outside the handler, because a decoding error contains the bytes of the file
        raise SettingsError(
            f"The secret file {path} cannot be read ({fault})", next_step="Check its path and permissions."
        )

    @classmethod
    def keyring(cls, service: str, name: str) -> Secret:
        """Read a secret from the system keyring (needs the extra ``greenkit[keyring]``)."""
        try:
            import keyring
        except ImportError:
            raise SettingsError(
                "The package keyring is not installed", next_step='Run pip install "greenkit[keyring]".'
            ) from None
        fault = None
        try:
            value = keyring.get_password(service, name)
        except keyring.errors.KeyringError as e:
            fault = type(e).__name__
        if fault is not None:
            raise SettingsError(
                f"The keyring of this machine cannot be used ({fault})",
                next_step=f"Pass {name} through an environment variable or a prompt.",
            )
        if value is None:
            raise SettingsError(
                f"The keyring has no {name} for {service}", next_step=f"Run keyring set {service} {name}."
            )
        return cls(value)

    @classmethod
    def prompt(cls, label: str) -> Secret:
        """Ask for a secret without showing the input, or raise SettingsError if nobody can be asked."""
        try:
            with warnings.catch_warnings():
                # without a terminal, getpass would echo the secret or read it from the program's standard input
                warnings.simplefilter("error", getpass.GetPassWarning)
                return cls(getpass.getpass(f"{label}: "))
        except (EOFError, OSError, NotImplementedError, getpass.GetPassWarning):  # kernels raise a NotImplementedError
            raise SettingsError(
                f"{label} needs a prompt, but there is no terminal in which to answer it",
                next_step='Store the secret as {env = "NAME"} or {keyring = "NAME"}.',
            ) from None

    def reveal(self) -> str:
        """Return the text."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        # an environment variable may not be UTF-8, and an encoding error would show its text
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
        raise AttributeError("A Secret cannot be changed.")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A Secret cannot be pickled, because the pickle would contain it in clear text.")

    def __getstate__(self) -> NoReturn:
        raise TypeError("A Secret has no state to copy, because the state would be the clear text.")
