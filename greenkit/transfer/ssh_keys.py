"""SSH keys: the server's, which must be known, and the user's own."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path
from typing import Any, Final

from greenkit import _files
from greenkit.errors import CertificateError, HostRejected, SettingsError
from greenkit.secret import Secret
from greenkit.transfer.remote import Endpoint

# a server has one host key of each kind, and the fingerprint that one was given may be of any
KEY_KINDS: Final = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)


class OtherKey(Exception):
    """The host key is not the pinned one."""


class Pinned:
    """Accepts one host key."""

    def __init__(self, pin: bytes, seen: list[str]) -> None:
        self._pin, self._seen = pin, seen

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        """Judge a key; paramiko calls this by name."""
        if not hmac.compare_digest(hashlib.sha256(key.asbytes()).digest(), self._pin):
            self._seen.append(fingerprint(key))
            raise OtherKey


class Unknown:
    """Accepts no host key."""

    def __init__(self, endpoint: Endpoint, file: Path) -> None:
        self._endpoint, self._file = endpoint, file

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        """Judge a key; paramiko calls this by name."""
        raise HostRejected(
            f"{self._endpoint} is not in {self._file}; it shows {fingerprint(key)}: compare that with what SMT says, "
            "then pin it as host_key="
        )


def fingerprint(key: Any) -> str:
    """Write it as ssh-keygen does."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def fingerprint_bytes(text: str) -> bytes:
    """Read what :func:`fingerprint` writes; SettingsError when it is none."""
    try:
        pin = base64.b64decode(text.removeprefix("SHA256:").rstrip("=") + "=", validate=True)
    except ValueError:
        pin = b""
    if len(pin) != 32 or not text.startswith("SHA256:"):
        raise SettingsError(f"{text!r} is no fingerprint of a host key: give SHA256:… as ssh-keygen -lf writes it")
    return pin


def load_key(path: _files.StrPath, passphrase: Secret | None) -> Any:
    """Open a private key's file; CertificateError says why it cannot be."""
    import paramiko

    try:
        return paramiko.PKey.from_path(Path(path).expanduser(), passphrase.reveal().encode() if passphrase else None)
    except OSError as e:
        raise CertificateError(f"the SSH key {path} cannot be read ({e.strerror}): name the right file") from None
    except (paramiko.PasswordRequiredException, TypeError):
        raise CertificateError(f"the SSH key {path} is encrypted: give its passphrase") from None
    except (paramiko.SSHException, ValueError):
        fault = "its passphrase is wrong, or it is damaged" if passphrase else "it is no private key"
        raise CertificateError(f"the SSH key {path} cannot be used: {fault}") from None
