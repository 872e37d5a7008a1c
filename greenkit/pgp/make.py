"""Make the key pair that Smart Meter Texas asks for."""

from __future__ import annotations

from typing import Final

from greenkit import _files
from greenkit.errors import SettingsError
from greenkit.pgp.keyring import Key, Keyring
from greenkit.secret import Secret

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
