"""A keyring: decrypt, encrypt, list and export its keys."""

from __future__ import annotations

import codecs
import contextlib
import copy
import io
import os
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

from greenkit import _files
from greenkit.errors import (
    BadPassphrase,
    DamagedMessage,
    DecryptedTooLarge,
    DecryptError,
    NoGpgProgram,
    NoSecretKey,
    NotEncrypted,
    NotOpenPGP,
    PlainTextNotWritten,
    SettingsError,
    UnprotectedMessage,
)
from greenkit.secret import Secret

# The low 16 bits of the number in gpg's ERROR line (libgpg-error's err-codes.h).
_WRONG_PASSPHRASE: Final = 11
_NO_AGENT: Final = 77
_NOT_SUPPORTED: Final = 60
_NOBODY_TO_ASK: Final = {85, 98, 99, 114, 177}  # no pinentry, fully cancelled, cancelled, no input, no passphrase

_OTHER_FILES: Final = (
    (b"", "it is empty: fetch it again"),
    (b"<!doctype html", "it is a web page, probably an error page: look at it"),
    (b"<html", "it is a web page, probably an error page: look at it"),
    (b"<?xml", "it is plain XML: load it as it is"),
    (b"pk\x03\x04", "it is a zip archive that is not encrypted: load it as it is"),
    (b"\x1f\x8b", "it is a gzip archive that is not encrypted: load it as it is"),
    (b"-----begin pgp public key block", "it is a public key, not a message: import it with gpg --import"),
    (b"-----begin pgp private key block", "it is a secret key, not a message: import it with gpg --import"),
    (b"-----begin certificate", "it is an X.509 certificate, which does not belong to OpenPGP"),
)


class Said:
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
    def damaged(self) -> bool:
        """The message did not verify to its end."""
        return bool({"DECRYPTION_FAILED", "BADMDC"} & self.words.keys()) or "DECRYPTION_OKAY" not in self.words


def cause(said: Said, head: bytes, name: str, most: int) -> DecryptError:
    """Tell why gpg did not decrypt, from its status lines, which are the same in every language.

    Parameters
    ----------
    said : Said
        What it wrote.
    head : bytes
        First bytes of the message.
    name : str
        Of the message.
    most : int
        Bytes of plain text that were allowed.
    """
    began = bool({"BEGIN_DECRYPTION", "ENC_TO", "NEED_PASSPHRASE_SYM"} & said.words.keys())
    if said.codes & {_WRONG_PASSPHRASE} and "PLAINTEXT" not in said.words:
        return BadPassphrase(f"{name}: the passphrase is wrong: give the one of the secret key")
    if said.codes & _NOBODY_TO_ASK:
        return BadPassphrase(f"{name}: the secret key has a passphrase: give it as passphrase=Secret.env(...)")
    if _NO_AGENT in said.codes or "can't connect to the agent" in said.text:
        return NoGpgProgram(f"{name}: gpg cannot start its agent: see that gpg-agent is installed")
    if _NOT_SUPPORTED in said.codes:
        return NoGpgProgram(
            f"{name}: gpg's agent takes no passphrase from a program: remove no-allow-loopback-pinentry from "
            "gpg-agent.conf"
        )
    if "NO_SECKEY" in said.words and "PLAINTEXT" not in said.words:
        key = said.words["NO_SECKEY"].split()[0]
        return NoSecretKey(
            f"{name}: it is encrypted to the key {key}, whose secret half is not in this keyring: import it"
        )
    if "--max-output" in said.text:
        return DecryptedTooLarge(f"{name}: it holds more than {most:,} bytes: pass a larger max_output if you trust it")
    if "PLAINTEXT" in said.words and not began:
        return NotEncrypted(
            f"{name}: it is not encrypted, so anybody may have written it: ask the sender to encrypt it"
        )
    if not said.words:
        return NoGpgProgram(f"{name}: gpg itself failed ({last_line(said.text)}): see that gpg works")
    if not began:
        return _not_openpgp(head, name)
    if said.words.get("DECRYPTION_INFO", "").split()[:1] == ["0"] and "BADMDC" not in said.words:
        return UnprotectedMessage(
            f"{name}: it has no integrity protection, so it may have been altered: ask the sender to add it, "
            "or pass allow_unprotected=True"
        )
    if said.damaged:
        return DamagedMessage(f"{name}: it is cut or altered, and no part of it is used: fetch it again")
    return PlainTextNotWritten(
        f"{name}: its plain text could not be written: make room on the disk or give another folder"
    )


def _not_openpgp(head: bytes, name: str) -> DecryptError:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"-----begin pgp message" in start:
        return DamagedMessage(f"{name}: it is cut within its first lines, and no part of it is used: fetch it again")
    for sign, what in _OTHER_FILES:
        if start.startswith(sign) if sign else not start:
            return NotOpenPGP(f"{name}: {what}")
    return NotOpenPGP(f"{name}: it holds no OpenPGP message: look at the file, it may be plain already")


def last_line(text: str) -> str:
    """Give the last line of what a program wrote, cut short."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "".join(c if c.isprintable() else " " for c in lines[-1])[:120].strip() if lines else "without a word"


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


MAX_OUTPUT: Final = 8 << 30
"""Bytes of plain text that one message may hold, unless the keyring says otherwise."""
# An agent's socket must fit in 107 bytes with its longest name, S.gpg-agent.browser; macOS allows 4 fewer.
_LONGEST_HOME: Final = 80


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a keyring.

    Parameters
    ----------
    fingerprint : str
        40 hexadecimal digits.
    user : str
        Its first user id, ``Name <address>``.
    created, expires : datetime
        In UTC; ``expires`` is None for a key that never does.
    encrypts : bool
        A sender can encrypt to it today.
    """

    fingerprint: str
    user: str
    created: datetime
    expires: datetime | None
    encrypts: bool


class Keyring:
    """Secret keys in gpg's care, and the passphrase that opens them.

    Parameters
    ----------
    home : path, optional
        gpg's folder (``GNUPGHOME``); the user's own without it. It must exist.
    passphrase : Secret, optional
        Of the secret key. Without it only unprotected keys work, and those that the user's agent has open: gpg is
        told never to ask, since a window that nobody sees would hold a notebook for ever.
    program : str, optional
        Name or path of the gpg program.
    max_output : int, optional
        Most bytes of plain text from one message.
    allow_unprotected : bool, optional
        Also take messages without integrity protection, which may have been altered on the way.

    Raises
    ------
    NoGpgProgram
        gpg is not installed or not found.
    SettingsError
        There is no such folder.

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
        self._passphrase = Secret(passphrase) if passphrase else None
        self._max_output, self._allow_unprotected = max_output, allow_unprotected
        self._held = contextlib.ExitStack()
        if home is not None and not Path(home).is_dir():
            raise SettingsError(f"there is no keyring folder {home}: make one with pgp.new_key, or name the right one")
        self._gpg = start(program, self._short(home))

    @classmethod
    def temporary(cls, *keys: _files.StrPath | bytes, passphrase: Secret | None = None, **options: Any) -> Keyring:
        """Make a private keyring of the given keys (files or bytes), which is wiped when it is closed.

        Raises
        ------
        SettingsError
            A file that is missing or holds no key.
        """
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gk-"))
            keyring = cls(folder, passphrase=passphrase, **options)
            stack.callback(keyring.forget)
            for key in keys:
                keyring.add(key)
            # what was gathered here is undone by close()
            keyring._held.push(stack.pop_all())
            return keyring

    def _short(self, home: _files.StrPath | None) -> str | None:
        """Give the folder by a short link where its own path is too long for the agent's socket."""
        wanted = home if home is not None else os.environ.get("GNUPGHOME")
        if wanted is None or os.name != "posix" or len(os.fsencode(os.path.abspath(wanted))) <= _LONGEST_HOME:
            return None if home is None else os.path.abspath(home)
        # TMPDIR may be as long as the folder itself
        place = "/tmp" if len(os.fsencode(tempfile.gettempdir())) > _LONGEST_HOME // 2 else None  # noqa: S108 made anew
        link = Path(self._held.enter_context(tempfile.TemporaryDirectory(prefix="gk-", dir=place)), "home")
        link.symlink_to(os.path.abspath(wanted), target_is_directory=True)
        # an agent that outlives its link finds no keys, and answers whoever comes to the folder by another link
        self._held.callback(end_agent, str(link))
        return str(link)

    def add(self, key: _files.StrPath | bytes) -> list[str]:
        """Import a key file (or its bytes); give the fingerprints."""
        try:
            data = key if isinstance(key, bytes) else Path(key).read_bytes()
        except OSError as e:
            raise SettingsError(f"the key file {key!s} cannot be read ({e.strerror}): name the right one") from None
        found = self._gpg.import_keys(data)
        if not found.fingerprints:
            where = "the given bytes hold" if isinstance(key, bytes) else f"{key!s} holds"
            raise SettingsError(f"{where} no OpenPGP key: give the file that gpg --export-secret-keys wrote")
        return list(dict.fromkeys(found.fingerprints))

    def list_keys(self, *, secret: bool = True) -> list[Key]:
        """Give the keys of which the keyring holds the secret half, or all of them."""
        return [_key(found) for found in self._gpg.list_keys(secret)]

    def public_key(self, fingerprint: str) -> str:
        """Give the public half, armoured: what a sender such as SMT needs."""
        return str(self._gpg.export_keys(fingerprint)) or _no_key(fingerprint)

    def secret_key(self, fingerprint: str) -> Secret:
        """Give the secret half, armoured and still under its passphrase, for a back-up in a safe place."""
        text = self._gpg.export_keys(fingerprint, True, passphrase=self._reveal(), expect_passphrase=self._asks)
        return Secret(str(text) or _no_key(fingerprint))

    def decrypt(self, message: BinaryIO) -> BinaryIO:
        """Decrypt an open message to an open temporary file, which is gone when it is closed.

        Parameters
        ----------
        message : binary file
            Armoured or binary, read from where it stands.

        Returns
        -------
        binary file
            At its first byte; seekable. Nothing comes back unless the whole message verified.

        Raises
        ------
        DecryptError
            One subclass for each cause.
        """
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gk-"))
            part = Path(folder, "plain")
            name = getattr(message, "name", None)
            self._decrypt(message, part, name if isinstance(name, str) else "the message")
            plain = io.FileIO(part)
            # an open file needs no name here: it is then gone even if the process is killed
            if os.name == "posix":
                part.unlink()
            return _Plain(plain, stack.pop_all())

    def decrypt_file(self, path: _files.StrPath, into: _files.StrPath) -> None:
        """Decrypt a file to ``into``: whole and verified, or not at all.

        Raises
        ------
        DecryptError
            One subclass for each cause; ``into`` is then as it was.
        """
        with open(path, "rb") as message:
            try:
                with _files.atomic_path(into) as part:
                    self._decrypt(message, part, Path(path).name)
            except OSError as e:
                raise PlainTextNotWritten(
                    f"{into!s} cannot be written ({e.strerror}): make room or give another folder"
                ) from None

    def _decrypt(self, message: BinaryIO, part: Path, name: str) -> None:
        noted = _Noted(message)
        options = ["--skip-verify", "--max-output", str(self._max_output)]
        if self._allow_unprotected:
            options.append("--ignore-mdc-error")
        if not self._asks:
            options += ["--pinentry-mode", "error"]
        gpg = copy.copy(self._gpg)
        result = gpg.result_map["crypt"](gpg)
        # held here, since python-gnupg raises instead of giving it when gpg stops before it read everything
        gpg.result_map = {**gpg.result_map, "crypt": lambda _: result}
        with contextlib.suppress(BrokenPipeError):
            gpg.decrypt_file(noted, passphrase=self._reveal(), output=str(part), extra_args=options)
        if noted.failed:
            raise noted.failed
        if not (result.ok and result.returncode == 0):
            raise cause(Said(result.stderr), noted.head, name, self._max_output)

    @property
    def _asks(self) -> bool:
        return self._passphrase is not None

    def _reveal(self) -> str | None:
        return self._passphrase.reveal() if self._passphrase else None

    def encrypt(self, plain: bytes, fingerprint: str) -> bytes:
        """Encrypt to a key, armoured, as SMT does: to try the way back before the first file comes.

        Raises
        ------
        SettingsError
            The key is missing, has expired, or is not for encryption.
        """
        made = self._gpg.encrypt(plain, fingerprint, always_trust=True)
        if not made.ok:
            raise SettingsError(f"nothing can be encrypted to the key {fingerprint}: it is missing or has expired")
        return bytes(made.data)

    def forget(self) -> None:
        """End the agent of this keyring's own folder, and with it what it remembers; the user's own is left alone."""
        if self._gpg.gnupghome:
            end_agent(self._gpg.gnupghome)

    def close(self) -> None:
        """Wipe what was temporary."""
        self._held.close()

    def __enter__(self) -> Keyring:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Keyring({self._gpg.gnupghome or 'the user’s own'!s})"


class _Noted:
    """A message on its way to gpg: keeps its first bytes, and the error if reading it fails."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.head = b""
        self.failed: Exception | None = None

    def read(self, n: int = -1) -> bytes:
        try:
            data = self._file.read(n)
        except Exception as e:  # noqa: BLE001 whatever it is, it is raised again where the caller sees it
            self.failed = e
            return b""
        if not self.head:
            data = data.removeprefix(codecs.BOM_UTF8)  # of a Windows editor; gpg finds no armour behind it
        if len(self.head) < 1024:
            self.head += data[: 1024 - len(self.head)]
        return data

    def close(self) -> None:
        """python-gnupg closes what it read; the file is the caller's."""


class _Plain(io.BufferedReader):
    """Plain text in a temporary folder, which goes when the file is closed."""

    def __init__(self, file: io.FileIO, held: contextlib.ExitStack) -> None:
        super().__init__(file)
        self._held = held

    def close(self) -> None:
        super().close()
        self._held.close()


def _key(found: dict[str, Any]) -> Key:
    return Key(
        fingerprint=found["fingerprint"],
        user=next(iter(found["uids"]), ""),
        created=datetime.fromtimestamp(int(found["date"]), UTC),
        expires=datetime.fromtimestamp(int(found["expires"]), UTC) if found["expires"] else None,
        # the capital letter speaks of the whole key, its subkeys included
        encrypts="E" in found["cap"],
    )


def _no_key(fingerprint: str) -> NoReturn:
    raise SettingsError(f"the keyring holds no key {fingerprint}: see Keyring.list_keys() for those that it has")


# What the other side, often an older Java program, can read: RSA, AES, SHA-2, ZIP.
_PREFERENCES: Final = "AES256 AES192 AES SHA512 SHA384 SHA256 ZLIB ZIP Uncompressed"
_RSA_BITS: Final = 3072


def new_key(
    home: _files.StrPath | None,
    *,
    name: str,
    email: str = "",
    passphrase: Secret | None,
    years: int = 3,
    unprotected: bool = False,
) -> Key:
    """Make the key pair that SMT asks for: RSA 3072, a signing key and an encryption subkey.

    Parameters
    ----------
    home : path or None
        Folder of the keyring, made private when it is not there; None for the user's own.
    name, email : str
        The company's name, and an address if wanted.
    passphrase : Secret or None
        Guards the secret half. Without spaces at its ends and without line breaks.
    years : int
        Until it expires.
    unprotected : bool
        Say so when there shall be no passphrase.

    Returns
    -------
    Key
        Send ``Keyring(home).public_key(key.fingerprint)`` to SMT, and keep ``secret_key`` as a back-up.

    Raises
    ------
    SettingsError
        A name or passphrase that gpg would not take.
    """
    secret = passphrase.reveal() if passphrase else ""
    # they become lines of gpg's parameter file
    for what, text in {"name": name, "email": email, "passphrase": secret}.items():
        if any(ord(c) < 32 or ord(c) == 127 for c in text) or text != text.strip():
            raise SettingsError(f"the {what} has a line break, control sign or outer space: give it without")
    if len(name) < 5 or name[0].isdigit() or set("<>") & set(name):
        raise SettingsError(f"the name {name!r} is refused by OpenPGP: give 5 letters or more, without < or >")
    if not secret and not unprotected:
        raise SettingsError("the new key has no passphrase: give one, or pass unprotected=True")
    if home is not None:
        _files.private_folder(home)
    with Keyring(home) as keyring:
        made = keyring._gpg.gen_key(_sheet(name, email, secret, years))
        if not made.fingerprint:
            raise SettingsError("gpg made no key: see that its folder is writable and its agent can start")
        return next(key for key in keyring.list_keys() if key.fingerprint == made.fingerprint)


def _sheet(name: str, email: str, passphrase: str, years: int) -> str:
    """Write gpg's parameter file (its manual, "Unattended key generation")."""
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
        "Passphrase": passphrase,
    }
    text = "".join(f"{field}: {value}\n" for field, value in lines.items() if value)
    return text + ("" if passphrase else "%no-protection\n") + "%commit\n"
