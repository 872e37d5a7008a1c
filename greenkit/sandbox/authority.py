"""The certificate authority of the sandbox: certificates for servers and clients on loopback, in a folder."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from datetime import datetime
from typing import Any, Final, Self

from greenkit import _files, certificates
from greenkit.certificates import Pair
from greenkit.secret import Secret

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Authority:
    """A certificate authority for one run. Never trust it elsewhere.

    Parameters
    ----------
    folder : path, optional
        Folder for its files. Default: a temporary folder, which is deleted at the end of the ``with`` block.
    name : str, optional
        Common name of the authority.

    Attributes
    ----------
    file : Path
        Certificate of the authority (PEM), which clients and servers trust.

    Examples
    --------
    >>> with Authority() as authority:
    ...     pair = authority.server()
    ...     certificates.read(pair.certificate).names
    ('localhost', '127.0.0.1', '::1')
    """

    def __init__(self, folder: _files.StrPath | None = None, *, name: str = "greenkit-sandbox-authority") -> None:
        self._held = contextlib.ExitStack()
        if folder is None:
            folder = self._held.enter_context(tempfile.TemporaryDirectory(prefix="gk-"))
        self.folder = _files.private_folder(folder)
        self._key, self._name = _new_key(), _name(name)
        made = certificates.sign(
            self._key.public_key(), self._key, subject=self._name, issuer=self._name, authority=True
        )
        self.file = self.folder / f"{name}.crt.pem"
        _files.write_private(self.file, certificates.pem(made))

    def server(
        self,
        *names: str,
        stem: str = "server",
        days: float = 1.0,
        begins: datetime | None = None,
        password: Secret | None = None,
    ) -> Pair:
        """Create a server certificate and key, for ``localhost`` and its addresses or for the given names.

        Parameters
        ----------
        *names : str
            Host names and IP addresses. Default: those of this machine.
        stem : str
            Beginning of the file names. Default: ``"server"``.
        days : float
            Days of validity. Default: 1.
        begins : datetime, optional
            Start of validity. Default: now.
        password : Secret, optional
            Password that encrypts the key.
        """
        return self._issue(names or LOOPBACK, stem, "server", days, begins, password)

    def client(
        self,
        name: str = "localhost",
        *,
        stem: str = "client",
        days: float = 1.0,
        begins: datetime | None = None,
        password: Secret | None = None,
    ) -> Pair:
        """Create a client certificate and key with the common name ``name``.

        The other arguments are those of :meth:`server`.
        """
        return self._issue((name,), stem, "client", days, begins, password)

    def _issue(
        self,
        names: tuple[str, ...],
        stem: str,
        usage: str,
        days: float,
        begins: datetime | None,
        password: Secret | None,
    ) -> Pair:
        key = _new_key()
        made = certificates.sign(
            key.public_key(), self._key, subject=_name(names[0]), issuer=self._name,
            names=names, usage=[usage], days=days, begins=begins,
        )  # fmt: skip
        return certificates.write_pair(self.folder, stem, made, key, password)

    def server_context(self, server: Pair, *, require_client: bool = False) -> ssl.SSLContext:
        """Return the TLS context of a server, which may require a client certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.file))
        context.load_cert_chain(server.certificate, server.key)
        if require_client:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def close(self) -> None:
        """Delete the temporary folder."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _new_key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
