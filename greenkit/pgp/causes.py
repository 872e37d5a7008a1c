"""What gpg says when it does not decrypt, and what that means."""

from __future__ import annotations

from typing import Final

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
    UnprotectedMessage,
)

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
