"""What certificates and SSH keys share: RSA keys, and their files, which are new and private."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Final

from greenkit import _files
from greenkit.errors import CertificateError
from greenkit.secret import Secret

RSA_BITS: Final = 3072


def new_rsa() -> Any:
    """Make a private key."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def encryption(password: Secret | None) -> Any:
    """Say how a key's file is encrypted, if it is."""
    from cryptography.hazmat.primitives import serialization

    if not password:
        return serialization.NoEncryption()
    return serialization.BestAvailableEncryption(password.reveal().encode())


def create(files: dict[Path, bytes]) -> None:
    """Make all of the files or none, and never over one that is there: an overwritten key is lost for good."""
    with contextlib.ExitStack() as undo:
        for path, data in files.items():
            try:
                _files.create_private(path, data)
            except FileExistsError:
                raise CertificateError(
                    f"there is a file {path} already: move it away, or name another folder"
                ) from None
            except OSError as e:
                raise CertificateError(f"{path} cannot be written ({e.strerror}): name another folder") from None
            undo.callback(path.unlink)
        undo.pop_all()


def read_bytes(path: _files.StrPath) -> bytes:
    """Read a file; CertificateError when it cannot be."""
    try:
        return Path(path).read_bytes()
    except OSError as e:
        raise CertificateError(f"{path} cannot be read ({e.strerror}): name the right file") from None
