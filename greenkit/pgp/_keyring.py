"""A keyring: decrypt, encrypt, list and export its keys; make a new key pair."""

from __future__ import annotations

import codecs
import contextlib
import copy
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

from greenkit import _files
from greenkit.errors import GpgTimedOut, PlainTextNotWritten, SettingsError
from greenkit.pgp import _gpg
from greenkit.secret import Secret

MAX_OUTPUT: Final = 8 << 30
"""Bytes of plain text that one message may contain, unless the keyring sets another limit."""
# An agent's socket must fit in 107 bytes with its longest name, S.gpg-agent.browser; macOS allows 4 fewer.
_LONGEST_HOME: Final = 80
_PIECE: Final = 1 << 18
# What the other side, often an older Java program, can read: RSA, AES, SHA-2, ZIP.
_PREFERENCES: Final = "AES256 AES192 AES SHA512 SHA384 SHA256 ZLIB ZIP Uncompressed"
_RSA_BITS: Final = 3072


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a keyring.

    Parameters
    ----------
    fingerprint : str
        40 hexadecimal digits.
    user : str
        Its first user ID, ``Name <address>``.
    created, expires : datetime
        In UTC; ``expires`` is None for a key that never does.
    encrypts : bool
        Whether a sender can encrypt to it today.
    """

    fingerprint: str
    user: str
    created: datetime
    expires: datetime | None
    encrypts: bool


@dataclass(frozen=True, slots=True)
class Decryption:
    """Properties of a decrypted message.

    Parameters
    ----------
    protected : bool
        Whether the message has integrity protection. False only for a keyring with ``allow_unprotected``.
    signed : bool
        Whether the message is signed. greenkit does not verify signatures.
    """

    protected: bool = True
    signed: bool = False


class Keyring:
    """Secret keys that gpg manages, and the passphrase that unlocks them.

    Parameters
    ----------
    home : path, optional
        gpg's folder (``GNUPGHOME``), which must exist. Default: the user's own.
    passphrase : Secret, optional
        Passphrase of the secret key. It is the one that gpg tries, even if gpg's agent remembers another. Without it
        only unprotected keys work, and those that the user's agent has unlocked: gpg never opens a window, because
        an invisible window would block a notebook forever.
    program : str, optional
        Name or path of the gpg program. Default: ``"gpg"``.
    max_output : int, optional
        Largest plain text of one message in bytes. Default: 8 GiB.
    allow_unprotected : bool, optional
        Whether to accept messages without integrity protection, which may have been altered. Default: False.

    Raises
    ------
    NoGpgProgram
        If gpg is not installed, not found, or does not answer.
    SettingsError
        If the folder does not exist, or the passphrase contains a line break.

    Examples
    --------
    >>> keys = Keyring(passphrase=Secret.env("SMT_PGP_PASSPHRASE"))  # doctest: +SKIP
    >>> keys.decrypt_file("20260712.lse.asc", into="20260712.lse")  # doctest: +SKIP
    """

    def __init__(
        self,
        home: _files.StrPath | None = None,
        *,
        passphrase: Secret | None = None,
        program: str = "gpg",
        max_output: int = MAX_OUTPUT,
        allow_unprotected: bool = False,
    ) -> None:
        self._passphrase = _one_line(Secret(passphrase)) if passphrase else None
        self._tried = False  # whether this passphrase, and not one that the agent remembers, has decrypted
        self._max_output, self._allow_unprotected = max_output, allow_unprotected
        self._held = contextlib.ExitStack()
        self._home = home
        if home is not None and not os.path.isdir(home):
            raise SettingsError(
                f"The keyring folder {home} does not exist",
                next_step="Create a key there with greenkit make-key pgp, or correct the name.",
            )
        self._gpg = _gpg.start(program, self._short(home))

    @classmethod
    def temporary(
        cls,
        *keys: _files.StrPath | bytes,
        passphrase: Secret | None = None,
        program: str = "gpg",
        max_output: int = MAX_OUTPUT,
        allow_unprotected: bool = False,
    ) -> Keyring:
        """Make a private keyring of the given keys (files or bytes), which is wiped when it is closed.

        The arguments are those of the class.

        Raises
        ------
        SettingsError
            If a file is missing or contains no key.
        """
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gk-"))
            keyring = cls(
                folder,
                passphrase=passphrase,
                program=program,
                max_output=max_output,
                allow_unprotected=allow_unprotected,
            )
            stack.callback(keyring.forget)
            for key in keys:
                keyring.add(key)
            # close() ends the agent and deletes the folder
            keyring._held.push(stack.pop_all())
            return keyring

    def _short(self, home: _files.StrPath | None) -> str | None:
        """Return the folder, by a short link if its own path is too long for the agent's socket."""
        wanted = home if home is not None else os.environ.get("GNUPGHOME")
        if wanted is None or os.name != "posix" or len(os.fsencode(os.path.abspath(wanted))) <= _LONGEST_HOME:
            return None if home is None else os.path.abspath(home)
        # TMPDIR may be as long as the folder itself
        place = "/tmp" if len(os.fsencode(tempfile.gettempdir())) > _LONGEST_HOME // 2 else None  # noqa: S108 a new folder
        link = Path(self._held.enter_context(tempfile.TemporaryDirectory(prefix="gk-", dir=place)), "home")
        link.symlink_to(os.path.abspath(wanted), target_is_directory=True)
        # an agent that outlives its link finds no keys, and would answer anyone who opens the folder by another link
        self._held.callback(_gpg.end_agent, str(link))
        return str(link)

    def add(self, key: _files.StrPath | bytes) -> list[str]:
        """Import a key file, or its bytes, and return the fingerprints.

        Raises
        ------
        SettingsError
            If the file cannot be read or contains no key.
        """
        try:
            data = key if isinstance(key, bytes) else Path(key).read_bytes()
        except OSError as e:
            raise SettingsError(
                f"The key file {key!s} cannot be read ({e.strerror})", next_step="Check the path of the file."
            ) from None
        found = self._call("the import", lambda gpg: gpg.import_keys(data))
        if not found.fingerprints:
            where = "The given bytes contain" if isinstance(key, bytes) else f"{key!s} contains"
            raise SettingsError(
                f"{where} no OpenPGP key", next_step="Use the file that gpg --armor --export-secret-keys writes."
            )
        return list(dict.fromkeys(found.fingerprints))

    def list_keys(self, *, secret: bool = True) -> list[Key]:
        """Return the keys that have a secret key in this keyring, or all of them."""
        return [_key(found) for found in self._call("the list of keys", lambda gpg: gpg.list_keys(secret))]

    def public_key(self, fingerprint: str) -> str:
        """Return a public key, ASCII-armored: the form that a sender such as SMT needs."""
        return str(self._call("the export", lambda gpg: gpg.export_keys(fingerprint))) or _no_key(fingerprint)

    def secret_key(self, fingerprint: str) -> Secret:
        """Return a secret key, ASCII-armored and still protected by its passphrase, for a backup in a safe place."""
        asks = self._passphrase is not None
        text = self._call(
            "the export",
            lambda gpg: gpg.export_keys(fingerprint, True, passphrase=self._reveal(), expect_passphrase=asks),
        )
        return Secret(str(text) or _no_key(fingerprint))

    def decrypt(self, message: BinaryIO) -> BinaryIO:
        """Decrypt an open message to an open temporary file, which is deleted when it is closed.

        Parameters
        ----------
        message : binary file
            ASCII-armored or binary, read from its current position.

        Returns
        -------
        binary file
            At its first byte; seekable. It is returned only if the complete message verified.

        Raises
        ------
        DecryptError
            If the message cannot be decrypted; the subclass states the cause.
        """
        name = getattr(message, "name", None)
        plain = tempfile.TemporaryFile(prefix="gk-")  # noqa: SIM115 the caller closes it
        try:
            self._decrypt(message, plain, name if isinstance(name, str) else "The message")
            plain.seek(0)
        except BaseException:
            plain.close()
            raise
        return plain

    def decrypt_file(self, path: _files.StrPath, into: _files.StrPath) -> Decryption:
        """Decrypt a file to ``into``, completely or not at all.

        Returns
        -------
        Decryption
            Whether the message was protected and signed.

        Raises
        ------
        DecryptError
            If the file cannot be decrypted; the subclass states the cause, and ``into`` is unchanged.
        SettingsError
            If the file cannot be read.
        """
        try:
            message = open(path, "rb")  # noqa: SIM115 closed below; an error of the block is not one of opening
        except OSError as e:
            raise SettingsError(
                f"{path!s} cannot be read ({e.strerror})",
                next_step=f"Check that {path!s} exists and that you may read it.",
            ) from None
        with message:
            try:
                with _files.atomic(into) as file:
                    return self._decrypt(message, file, Path(path).name)
            except OSError as e:
                raise PlainTextNotWritten(
                    f"{into!s} cannot be written ({e.strerror})", next_step="Free disk space or use another folder."
                ) from None

    def _decrypt(self, message: BinaryIO, plain: BinaryIO, name: str) -> Decryption:
        read, written = _Noted(message), _Written(plain)
        options = ["--skip-verify", "--max-output", str(self._max_output)]
        if self._allow_unprotected:
            options.append("--ignore-mdc-error")
        if self._passphrase is None:
            options += ["--pinentry-mode", "error"]
        elif not self._tried:
            _gpg.forget_passphrases(self._gpg.gnupghome)
        gpg = copy.copy(self._gpg)
        gpg.buffer_size = _PIECE
        gpg.on_data = written.write
        gpg.allowed = lambda: _gpg.QUICK + (read.count + written.count) / _gpg.SLOWEST
        result = gpg.result_map["crypt"](gpg)
        # kept here, because python-gnupg raises instead of returning it if gpg stops before it has read everything
        gpg.result_map = {**gpg.result_map, "crypt": lambda _: result}
        try:
            with contextlib.suppress(BrokenPipeError, GpgTimedOut):  # reported below, from the status and the limit
                self._call(
                    "the decryption",
                    lambda _: gpg.decrypt_file(read, passphrase=self._reveal(), extra_args=options),
                )
        finally:
            if gpg.child is not None:
                _gpg.end(gpg.child)
        written.flush()
        if read.failed:
            raise read.failed
        if written.failed:
            raise PlainTextNotWritten(
                f"{name}: The decrypted file cannot be written ({written.failed.strerror})",
                next_step="Free disk space or use another folder.",
            )
        if gpg.ended:
            error = _gpg.timed_out("the decryption", gpg.allowed())
            error.problem = f"{name}: {error.problem}"
            raise error
        status = _gpg.Status(result.stderr)
        if not (result.ok and result.returncode == 0 and status.complete(written.count)):
            raise _gpg.cause(status, read.head, name, self._max_output)
        self._tried = True
        return Decryption(protected=not status.unprotected, signed=status.signed)

    def _reveal(self) -> str | None:
        return self._passphrase.reveal() if self._passphrase else None

    def _call(self, work: str, run: Callable[[Any], Any]) -> Any:
        """Run gpg; an exception leaves the frames behind whose locals contain the passphrase.

        Each run has a copy of python-gnupg's object, which notes what its run does: two threads may use one keyring.
        """
        try:
            return run(copy.copy(self._gpg))
        except TimeoutError:
            fault: BaseException = _gpg.timed_out(work, self._gpg.allowed())
        except BaseException as e:  # noqa: BLE001 Ctrl-C too
            fault = e.with_traceback(None)
        fault.__context__ = None
        raise fault

    def encrypt(self, plain: bytes, fingerprint: str) -> bytes:
        """Encrypt to a key, ASCII-armored, as SMT does: to test decryption before the first file arrives.

        Raises
        ------
        SettingsError
            If the key is missing, has expired, or is not for encryption.
        """
        made = self._call("the encryption", lambda gpg: gpg.encrypt(plain, fingerprint, always_trust=True))
        if not made.ok:
            raise SettingsError(
                f"Nothing can be encrypted to the key {fingerprint}: it is missing or has expired",
                next_step="Import the key, or create a new one with greenkit make-key pgp.",
            )
        return bytes(made.data)

    def forget(self) -> None:
        """End the agent of this keyring's folder, which forgets its passphrases; the user's own agent keeps running."""
        if self._gpg.gnupghome:
            _gpg.end_agent(self._gpg.gnupghome)

    def close(self) -> None:
        """Delete temporary folders, and end their agents."""
        self._held.close()

    def __enter__(self) -> Keyring:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Keyring({self._home or 'the user’s own'!s})"


class _Noted:
    """A message on its way to gpg, with its first bytes, its length, and the error if reading it failed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.head = b""
        self.count = 0
        self.failed: Exception | None = None

    def read(self, n: int = -1) -> bytes:
        try:
            data = self._file.read(n)
        except Exception as e:  # noqa: BLE001 raised again in the caller's thread, whatever it is
            self.failed = e
            return b""
        if not self.head:
            data = data.removeprefix(codecs.BOM_UTF8)  # of a Windows editor; gpg finds no armor behind it
        if len(self.head) < 1024:
            self.head += data[: 1024 - len(self.head)]
        self.count += len(data)
        return data

    def close(self) -> None:
        """Do nothing: python-gnupg closes its input, but the file belongs to the caller."""


class _Written:
    """Plain text on its way to a file, with its length, and the error if writing it failed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0
        self.failed: OSError | None = None

    def write(self, data: bytes) -> bool:
        """Write a piece; python-gnupg calls this, and keeps the data in memory unless False is returned."""
        if self.failed is None:
            try:
                self._file.write(data)
            except OSError as e:  # raised again in the caller's thread
                self.failed = e
        self.count += len(data)
        return False

    def flush(self) -> None:
        """Write the buffered bytes."""
        if self.failed is None:
            try:
                self._file.flush()
            except OSError as e:
                self.failed = e


def _key(found: dict[str, Any]) -> Key:
    return Key(
        fingerprint=found["fingerprint"],
        user=next(iter(found["uids"]), ""),
        created=datetime.fromtimestamp(int(found["date"]), UTC),
        expires=datetime.fromtimestamp(int(found["expires"]), UTC) if found["expires"] else None,
        # the capital letter is for the key with its subkeys
        encrypts="E" in found["cap"],
    )


def _no_key(fingerprint: str) -> NoReturn:
    raise SettingsError(
        f"The keyring has no key {fingerprint}", next_step="List the keys it has with Keyring.list_keys()."
    )


def _one_line(passphrase: Secret) -> Secret:
    """Return a passphrase without the line break that files and editors add at its end."""
    stripped = Secret(passphrase.reveal().rstrip("\r\n"))
    if not _plain(stripped):
        raise SettingsError(
            "The passphrase contains a line break or a control character",
            next_step="Check the file or environment variable that contains it.",
        )
    return stripped


def _plain(text: Secret) -> bool:
    return not any(ord(c) < 32 or ord(c) == 127 for c in text.reveal())


def new_key(
    home: _files.StrPath | None,
    *,
    name: str,
    email: str = "",
    passphrase: Secret | None,
    years: int = 3,
    unprotected: bool = False,
) -> Key:
    """Make the key pair that SMT requires: RSA 3072, with a signing key and an encryption subkey.

    Parameters
    ----------
    home : path or None
        Folder of the keyring, created with private permissions if it does not exist; None for the user's own.
    name, email : str
        Company name, and an address if wanted.
    passphrase : Secret or None
        Protects the secret key. It must not begin or end with a space or contain a line break.
    years : int, optional
        Years until the key expires. Default: 3.
    unprotected : bool, optional
        Whether to make a key without a passphrase. Default: False.

    Returns
    -------
    Key
        Send ``Keyring(home).public_key(key.fingerprint)`` to SMT, and keep ``secret_key`` as a backup.

    Raises
    ------
    SettingsError
        If gpg would not accept the name or the passphrase.
    GpgTimedOut
        If gpg does not make the key within ten minutes.
    NotWritten
        If the folder cannot be created.
    """
    # they become lines of gpg's parameter file; no clear text is kept in a variable of this frame
    fields = {"name": Secret(name), "email": Secret(email), "passphrase": passphrase or Secret("")}
    for what, text in fields.items():
        if not _plain(text) or text.reveal() != text.reveal().strip():
            raise SettingsError(
                f"The {what} contains a line break, a control character, or leading or trailing spaces",
                next_step="Remove them.",
            )
    if len(name) < 5 or name[0].isdigit() or set("<>") & set(name):
        raise SettingsError(
            f"The name is {name!r}, but it must have at least 5 characters, no < or >, and no digit at its start",
            next_step="Use the full name of the company.",
        )
    if not passphrase and not unprotected:
        raise SettingsError(
            "The new key has no passphrase", next_step="Pass passphrase=Secret.prompt(...), or unprotected=True."
        )
    if home is not None:
        with _files.writing(home):
            _files.private_folder(home)
    with Keyring(home) as keyring:
        keyring._gpg.allowed = lambda: _gpg.NEW_KEY
        made = keyring._call("the new key", lambda gpg: gpg.gen_key(_sheet(name, email, passphrase, years)))
        if not made.fingerprint:
            raise SettingsError(
                "gpg created no key", next_step="Check that its folder is writable and that gpg-agent can start."
            )
        return next(key for key in keyring.list_keys() if key.fingerprint == made.fingerprint)


def _sheet(name: str, email: str, passphrase: Secret | None, years: int) -> str:
    """Return gpg's parameter file (its manual, "Unattended key generation")."""
    lines = {
        "Key-Type": "RSA",
        "Key-Length": _RSA_BITS,
        "Key-Usage": "sign,cert",
        "Subkey-Type": "RSA",
        "Subkey-Length": _RSA_BITS,
        "Subkey-Usage": "encrypt",
        "Name-Real": name,
        "Name-Email": email,
        "Expire-Date": f"{years}y",
        "Preferences": _PREFERENCES,
        "Passphrase": passphrase.reveal() if passphrase else "",
    }
    text = "".join(f"{field}: {value}\n" for field, value in lines.items() if value)
    return text + ("" if passphrase else "%no-protection\n") + "%commit\n"
