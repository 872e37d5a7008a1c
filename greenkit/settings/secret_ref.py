"""Where a secret is kept: named in the settings, read only when it is needed."""

from __future__ import annotations

import getpass
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from greenkit.errors import SettingsError
from greenkit.secret import Secret

KEYRING_SERVICE: Final = "greenkit"


def _ask(label: str) -> Secret:
    try:
        with warnings.catch_warnings():
            # without a terminal it would be read in clear, or from whatever the program is fed
            warnings.simplefilter("error", getpass.GetPassWarning)
            return Secret.prompt(label)
    except (EOFError, getpass.GetPassWarning):
        raise SettingsError(
            f'{label} is asked for, but nobody is here to answer: keep it as {{env = "NAME"}} or {{keyring = "NAME"}}'
        ) from None


KINDS: Final[Mapping[str, Callable[[str], Secret]]] = {
    "env": Secret.env,
    "file": lambda where: Secret.file(Path(where).expanduser()),
    "keyring": lambda where: Secret.keyring(KEYRING_SERVICE, where),
    "prompt": _ask,
}


class SecretRef:
    """Where a secret is kept; :meth:`get` reads it, once.

    Parameters
    ----------
    kind : {"env", "file", "keyring", "prompt"}
        Sort of place.
    where : str
        Name of the variable, path of the file, name in the keyring, or what the prompt asks for.

    Examples
    --------
    >>> SecretRef("env", "SMT_PASSWORD")
    <secret: environment variable SMT_PASSWORD>
    """

    _LABELS: Final[Mapping[str, str]] = {
        "env": "environment variable {}",
        "file": "file {}",
        "keyring": f"keyring, {KEYRING_SERVICE} {{}}",
        "prompt": "asked for when needed",
    }

    def __init__(self, kind: str, where: str) -> None:
        if kind not in KINDS:
            raise ValueError(f"a secret is kept in one of {', '.join(KINDS)}, not in {kind!r}")
        self.kind, self.where = kind, where
        self._held: Secret | None = None

    def get(self) -> Secret:
        """Read the secret; SettingsError when it is not there."""
        if self._held is None:
            self._held = KINDS[self.kind](self.where)
        return self._held

    @property
    def missing(self) -> bool:
        """The place is known to be empty; the keyring and the prompt are not asked."""
        if self.kind == "env":
            return self.where not in os.environ
        return self.kind == "file" and not Path(self.where).expanduser().is_file()

    def __str__(self) -> str:
        return self._LABELS[self.kind].format(self.where)

    def __repr__(self) -> str:
        return f"<secret: {self}>"
