"""The gpg program and its agent."""

from __future__ import annotations

import contextlib
import subprocess
from typing import Any, Final

from greenkit.errors import NoGpgProgram
from greenkit.pgp.causes import last_line

_OLDEST: Final = (2, 1)  # which has an agent that takes a passphrase from a program


def start(program: str, home: str | None) -> Any:
    """Give python-gnupg's object for a folder; NoGpgProgram when gpg is missing, broken or too old."""
    import gnupg

    try:
        gpg = gnupg.GPG(gpgbinary=program, gnupghome=home)
    except OSError:
        raise NoGpgProgram(
            f"the program {program} is not found: install it (Debian: apt install gnupg; macOS: brew install gnupg; "
            "Windows: Gpg4win; conda: conda install gnupg)"
        ) from None
    except ValueError as e:
        raise NoGpgProgram(f"the program {program} does not work ({last_line(str(e))}): install it anew") from None
    if not gpg.version or gpg.version < _OLDEST:
        found = ".".join(map(str, gpg.version or ())) or "of an unknown kind"
        raise NoGpgProgram(f"the program {program} is {found}: install 2.1 or later")
    gpg.encoding = "utf-8"
    return gpg


def end_agent(home: str) -> None:
    """End the agent of a folder, which forgets its passphrases."""
    with contextlib.suppress(OSError):
        command = ["gpgconf", "--homedir", home, "--kill", "all"]
        subprocess.run(command, capture_output=True, check=False)  # noqa: S603 no shell, fixed words
