"""SSH keys: make one, and give the public half of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from greenkit import _files
from greenkit.certificates.keys import create, encryption, new_rsa, read_bytes
from greenkit.errors import CertificateError
from greenkit.secret import Secret


def new_ssh_key(path: _files.StrPath, *, password: Secret | None, comment: str = "greenkit") -> str:
    """Make an SSH key (RSA 3072) for SFTP as ``path`` and ``path.pub``; give the public line, which SMT needs.

    Raises
    ------
    CertificateError
        A file of that name is there already.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, PublicFormat

    key = new_rsa()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, encryption(password))
    public: str = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + f" {comment}\n"
    create({Path(path): private, Path(f"{path}.pub"): public.encode()})
    return public


def public_ssh(path: _files.StrPath, password: Secret | None = None) -> str:
    """Give the public line of a private SSH key, as SMT wants it by mail.

    Raises
    ------
    CertificateError
        The file is missing, is no private key, or stays closed.
    """
    from cryptography.hazmat.primitives import serialization

    data = read_bytes(path)
    ssh = b"BEGIN OPENSSH PRIVATE KEY" in data
    load = serialization.load_ssh_private_key if ssh else serialization.load_pem_private_key
    try:
        key: Any = load(data, password.reveal().encode() if password else None)
    except (ValueError, TypeError):
        raise CertificateError(f"the SSH key {path} cannot be opened: give its passphrase, or the right file") from None
    form = serialization.PublicFormat.OpenSSH
    line: bytes = key.public_key().public_bytes(serialization.Encoding.OpenSSH, form)
    return line.decode() + "\n"
