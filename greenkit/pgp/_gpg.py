"""Run the gpg program, within limits of time, and read why it did not decrypt.

gpg writes plain text before it knows whether the message is complete, so greenkit reads it through a pipe: a gpg that
outlives a killed process cannot write a file. Its status lines are documented in GnuPG's ``doc/DETAILS``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final

from greenkit.errors import (
    BadPassphrase,
    DamagedMessage,
    DecryptedTooLarge,
    DecryptError,
    GpgTimedOut,
    NoGpgProgram,
    NoSecretKey,
    NotEncrypted,
    NotOpenPGP,
    UnprotectedMessage,
)

# ── facts ──

QUICK: Final = 60.0
"""Seconds that gpg may take, however small its work."""
SLOWEST: Final = 1 << 20
"""Bytes of message and of plain text together for which gpg gets one more second."""
NEW_KEY: Final = 600.0
"""Seconds that gpg may take to make a key."""
_OLDEST: Final = (2, 1)  # the first version with an agent that takes a passphrase from a program

# The low 16 bits of the number in gpg's ERROR line (libgpg-error's err-codes.h).
_WRONG_PASSPHRASE: Final = 11
_NO_AGENT: Final = 77
_NOT_SUPPORTED: Final = 60
_NO_PINENTRY: Final = {85, 98, 99, 114, 177}  # no pinentry, fully canceled, canceled, no input, no passphrase

_SET_IT: Final = (
    'Set passphrase = {env = "NAME"} under [smt.pgp] to the passphrase of the secret key, or pass '
    'passphrase=Secret.env("NAME").'
)
_FETCH_AGAIN: Final = "Fetch the file again. If it fails again tomorrow, ask the sender, such as SMT, to post it again."

# First bytes of files that are not OpenPGP messages, with their description and the next step
_OTHER_FILES: Final = (
    (b"", "it is empty", _FETCH_AGAIN),
    (b"<!doctype html", "it is a web page, probably an error page", "Open the file to read the error."),
    (b"<html", "it is a web page, probably an error page", "Open the file to read the error."),
    (b"<?xml", "it is plain XML", "Load the file without decrypting it."),
    (b"pk\x03\x04", "it is a zip archive that is not encrypted", "Load the file without decrypting it."),
    (b"\x1f\x8b", "it is a gzip archive that is not encrypted", "Load the file without decrypting it."),
    (b"-----begin pgp public key block", "it is a public key, not a message", "Import it with gpg --import."),
    (b"-----begin pgp private key block", "it is a secret key, not a message", "Import it with gpg --import."),
    (b"-----begin certificate", "it is an X.509 certificate, not a message", "Use it as certificate in the settings."),
)

# ── the program ──


def start(program: str, home: str | None) -> Any:
    """Return python-gnupg's object for a keyring folder, with time limits.

    Raises
    ------
    NoGpgProgram
        If gpg is missing, broken, too old, or does not answer (:class:`~greenkit.errors.GpgTimedOut`).
    """
    # English messages, because "signature verification suppressed" has no status line
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        gpg = _limited_class()(gpgbinary=program, gnupghome=home, env=environment)
    except TimeoutError:
        raise timed_out("--version", QUICK) from None
    except OSError:
        raise NoGpgProgram(
            f"The program {program} is not found",
            next_step="Install GnuPG (Debian: apt install gnupg; macOS: brew install gnupg; Windows: Gpg4win; "
            "conda: conda install gnupg).",
        ) from None
    except ValueError as e:
        raise NoGpgProgram(
            f"The program {program} does not work ({last_line(str(e))})", next_step="Install GnuPG again."
        ) from None
    if not gpg.version or gpg.version < _OLDEST:
        found = "version " + ".".join(map(str, gpg.version)) if gpg.version else "an unknown version"
        raise NoGpgProgram(f"The program {program} is {found}", next_step="Install GnuPG 2.1 or later.")
    gpg.encoding = "utf-8"
    return gpg


def timed_out(work: str, seconds: float) -> GpgTimedOut:
    """Return the error for a gpg that was ended."""
    return GpgTimedOut(
        f"gpg did not finish {work} within {seconds:,.0f} s, so greenkit stopped it",
        next_step="Stop gpg-agent with gpgconf --kill all, then try again.",
    )


@cache
def _limited_class() -> Any:
    import gnupg

    class Limited(gnupg.GPG):  # type: ignore[misc]
        """python-gnupg with a time limit for each run of gpg, which ends with this process."""

        allowed: Callable[[], float] = staticmethod(lambda: QUICK)
        """Returns the seconds that the run may take, given its progress."""
        ended = False
        """Whether the last run was ended at its limit."""
        child: subprocess.Popen[bytes] | None = None

        def _open_subprocess(self, args: list[str], passphrase: bool = False) -> subprocess.Popen[bytes]:
            self.ended = False
            child = self.child = subprocess.Popen(  # noqa: S603 no shell; the program is the caller's
                self.make_args(args, passphrase),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self.env,
                # a group of its own, so that the programs that it started are ended with it
                start_new_session=os.name == "posix",
                preexec_fn=partial(_end_with_parent, os.getpid()) if sys.platform == "linux" else None,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
            threading.Thread(target=self._watch, args=(child, self.allowed), daemon=True).start()
            return child

        def _collect_output(self, *args: Any, **kwargs: Any) -> Any:
            found = super()._collect_output(*args, **kwargs)
            if self.ended:
                raise TimeoutError
            return found

        def _watch(self, child: subprocess.Popen[bytes], allowed: Callable[[], float]) -> None:
            began = time.monotonic()
            while child.poll() is None:
                left = began + allowed() - time.monotonic()
                if left <= 0:
                    self.ended = True
                    end(child)
                    return
                time.sleep(min(left, 0.2))

    return Limited


if sys.platform == "linux":
    import ctypes

    _prctl = ctypes.CDLL(None).prctl

    def _end_with_parent(parent: int) -> None:
        """Ask the kernel to kill this process when the thread that started it ends (``PR_SET_PDEATHSIG``)."""
        _prctl(1, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the request
            os._exit(1)
else:  # a gpg that outlives the process finds its pipes closed

    def _end_with_parent(parent: int) -> None: ...


def end(child: subprocess.Popen[bytes]) -> None:
    """Kill a running program and the programs that it started."""
    if child.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        if os.name == "posix":
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()


def end_agent(home: str) -> None:
    """End the agent of a keyring folder, which forgets its passphrases."""
    _run(["gpgconf", "--homedir", home, "--kill", "all"])


def forget_passphrases(home: str | None) -> None:
    """Make a running agent forget the passphrases of its keys, so that the given one is tried.

    Only cached passphrases of secret keys are removed; the agent keeps running, and none is started.
    """
    talk = ["gpg-connect-agent", "--no-autostart", *(["--homedir", home] if home else [])]
    listed = _run([*talk, "keyinfo --list", "/bye"]).splitlines()
    # S KEYINFO <keygrip> <type> <serial> <id> <cached> …
    words = [line.split() for line in listed if line.startswith("S KEYINFO ")]
    cached = [line[2] for line in words if len(line) > 6 and line[6] == "1"]
    if cached:
        _run([*talk, *(f"clear_passphrase --mode=normal {grip}" for grip in cached), "/bye"])


def _run(command: list[str]) -> str:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, check=False, timeout=10)  # noqa: S603 no shell, fixed words
        return done.stdout.decode(errors="replace")
    return ""


# ── why it did not decrypt ──


class Status:
    """What gpg wrote on its status lines."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words: dict[str, str] = {}
        self.codes: set[int] = set()
        for line in text.splitlines():
            if not line.startswith("[GNUPG:] "):
                continue
            word, _, rest = line[9:].partition(" ")
            self.words.setdefault(word, rest)
            if word == "ERROR":
                # "pkdecrypt_failed 67108875" or "symkey_decrypt.maybe_error 11_BAD_PASSPHRASE"
                number = rest.split()[1].partition("_")[0] if " " in rest else ""
                self.codes |= {int(number) & 0xFFFF} if number.isdigit() else set()

    @property
    def unprotected(self) -> bool:
        """Whether the message has no integrity protection: neither an MDC nor authenticated encryption (AEAD)."""
        # gpg 2.2 writes the same DECRYPTION_INFO for a message without protection and for a truncated AEAD message;
        # only its sentence distinguishes them
        return "not integrity protected" in self.text or "decryption forced to fail" in self.text

    def complete(self, count: int) -> bool:
        """Return whether gpg delivered one plain text, of the ``count`` bytes that arrived."""
        # a short AEAD message that is truncated "decrypts" to nothing, with exit code 0
        form, *_ = [*self.words.get("PLAINTEXT", "").split(), ""]
        length = self.words.get("PLAINTEXT_LENGTH", "")
        binary = form == f"{ord('b'):x}"  # gpg changes the line ends of text
        return bool(form) and not (binary and length.isdigit() and int(length) != count)

    @property
    def signed(self) -> bool:
        """Whether the message is signed. greenkit does not verify signatures."""
        return "signature verification suppressed" in self.text


def cause(status: Status, head: bytes, name: str, limit: int) -> DecryptError:
    """Return the error for a message that gpg did not decrypt.

    Parameters
    ----------
    status : Status
        What gpg wrote.
    head : bytes
        First bytes of the message.
    name : str
        Name of the message, which begins the error.
    limit : int
        Bytes of plain text that were allowed.
    """
    began = bool({"BEGIN_DECRYPTION", "ENC_TO", "NEED_PASSPHRASE_SYM"} & status.words.keys())
    if _WRONG_PASSPHRASE in status.codes and "PLAINTEXT" not in status.words:
        return BadPassphrase(f"{name}: The passphrase is wrong", next_step=_SET_IT)
    if status.codes & _NO_PINENTRY:
        return BadPassphrase(
            f"{name}: The secret key has a passphrase, and none is set",
            next_step=_SET_IT,
        )
    if _NO_AGENT in status.codes or "can't connect to the agent" in status.text:
        return NoGpgProgram(
            f"{name}: gpg cannot start its agent", next_step="Install gpg-agent, and check that it runs."
        )
    if _NOT_SUPPORTED in status.codes:
        return NoGpgProgram(
            f"{name}: gpg-agent refuses passphrases from programs",
            next_step="Remove no-allow-loopback-pinentry from gpg-agent.conf.",
        )
    if "NO_SECKEY" in status.words and "PLAINTEXT" not in status.words:
        key = status.words["NO_SECKEY"].split()[0]
        return NoSecretKey(
            f"{name}: The message is encrypted to the key {key}, and this keyring has no secret key for it",
            next_step="Import the secret key with gpg --import, or send your current public key to the sender.",
        )
    if "--max-output" in status.text:
        return DecryptedTooLarge(
            f"{name}: The decrypted file is larger than {limit:,} bytes",
            next_step="Pass a larger max_output if you trust the file.",
        )
    if "PLAINTEXT" in status.words and not began:
        return NotEncrypted(
            f"{name}: The message is not encrypted, so anyone may have written it",
            next_step="Ask the sender to encrypt it.",
        )
    if not status.words:
        return NoGpgProgram(
            f"{name}: gpg failed ({last_line(status.text)})", next_step="Run gpg --version to check that gpg works."
        )
    if not began:
        return _not_openpgp(head, name)
    if status.unprotected:
        return UnprotectedMessage(
            f"{name}: The message has no integrity protection, so it may have been altered",
            next_step="Ask the sender to turn it on, or pass allow_unprotected=True.",
        )
    # for a truncated AEAD message gpg 2.2 reports DECRYPTION_OKAY and GOODMDC, and only exits with 2
    return _damaged(name, "The message is truncated or altered")


def _damaged(name: str, problem: str) -> DamagedMessage:
    return DamagedMessage(f"{name}: {problem}, so greenkit uses no part of it", next_step=_FETCH_AGAIN)


def _not_openpgp(head: bytes, name: str) -> DecryptError:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"-----begin pgp message" in start:
        return _damaged(name, "The message is truncated within its first lines")
    for sign, what, step in _OTHER_FILES:
        if start.startswith(sign) if sign else not start:
            return NotOpenPGP(f"{name}: The file is not an OpenPGP message: {what}", next_step=step)
    return NotOpenPGP(
        f"{name}: The file is not an OpenPGP message",
        next_step="Check the file in a text editor; it may not be encrypted.",
    )


def last_line(text: str) -> str:
    """Return the last line that a program wrote, shortened."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "".join(c if c.isprintable() else " " for c in lines[-1])[:120].strip() if lines else "no message"
