"""Read the certificates and private keys that a user has, and check that they can be used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greenkit import _files
from greenkit.errors import CertificateError
from greenkit.secret import Secret

if TYPE_CHECKING:
    from cryptography import x509

WEAKEST_RSA: Final = 2048
"""Bits of the smallest RSA key that OpenSSL accepts at its usual security level."""
_SET_IT: Final = {
    "private key": "Set certificate_key_password to the password of the key.",
    "SSH key": "Set ssh_key_passphrase to the passphrase of the key.",
}
_NEW_CERTIFICATE: Final = (
    "Make a new certificate with greenkit make-key certificate, and send it to the server's operator."
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The contents of a certificate. Create it with :func:`read`.

    Parameters
    ----------
    path : Path
        Its file.
    common_name : str
        Common name of the subject.
    names : tuple of str
        Host names and IP addresses of the subject alternative name.
    issuer : str
        Common name, or else the complete name, of the issuer.
    self_signed : bool
        Whether it is self-signed, which is for testing only.
    begins, ends : datetime
        Start and end of its validity, in UTC.
    key_type : str
        ``RSA 3072``, ``EC secp256r1``.
    for_clients : bool
        Whether it may be used to log in (clientAuth, or no restriction at all).
    """

    path: Path
    common_name: str
    names: tuple[str, ...]
    issuer: str
    self_signed: bool
    begins: datetime
    ends: datetime
    key_type: str
    for_clients: bool

    def days_left(self, at: datetime | None = None) -> float:
        """Return the days until it expires; negative if it has expired."""
        return (self.ends - (at or datetime.now(UTC))) / timedelta(days=1)


def read(path: _files.StrPath) -> Certificate:
    """Read the first certificate of a PEM file.

    Raises
    ------
    CertificateError
        If the file is missing or is not PEM; the next step explains how to convert it.
    """
    from cryptography import x509

    found = _load(path)
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        listed = (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))
    except x509.ExtensionNotFound:
        listed = ()
    return Certificate(
        path=Path(path),
        common_name=_common_name(found.subject),
        names=listed,
        issuer=_common_name(found.issuer) or found.issuer.rfc4514_string(),
        self_signed=_is_self_signed(found),
        begins=found.not_valid_before_utc,
        ends=found.not_valid_after_utc,
        key_type=_key_type(found.public_key()),
        for_clients=_for_clients(found),
    )


def check_dates(certificate: Certificate, at: datetime | None = None) -> None:
    """Raise CertificateError if the certificate has expired or is not valid yet."""
    at = at or datetime.now(UTC)
    if at >= certificate.ends:
        raise CertificateError(
            f"The certificate {certificate.path} expired on {certificate.ends:%Y-%m-%d}", next_step=_NEW_CERTIFICATE
        )
    if at < certificate.begins:
        raise CertificateError(
            f"The certificate {certificate.path} is not valid before {certificate.begins:%Y-%m-%d %H:%M} UTC",
            next_step="Check the clock of this machine, or set certificate = ... to one that is valid now.",
        )


def check_host(certificate: Certificate, host: str) -> None:
    """Raise CertificateError if the certificate's common name is not the host name, as SMT requires."""
    if certificate.common_name.lower() != host.lower():
        raise CertificateError(
            f"The certificate {certificate.path} has the common name {certificate.common_name!r}, but the name of "
            f"this machine is {host}",
            next_step="Make a certificate with this host name: greenkit make-key certificate.",
        )


def check_type(certificate: _files.StrPath) -> None:
    """Raise CertificateError if OpenSSL would refuse the certificate's key: too small, or neither RSA nor EC."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    public = _load(certificate).public_key()
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size >= WEAKEST_RSA:
            return
        fault = f"an RSA key of {public.key_size} bits, which is too weak"
    elif isinstance(public, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return
    else:
        fault = f"a {_key_type(public)} key, which TLS no longer supports"
    raise CertificateError(f"The certificate {certificate} has {fault}", next_step=_NEW_CERTIFICATE)


def check_key(certificate: _files.StrPath, key: _files.StrPath | None = None, password: Secret | None = None) -> None:
    """Check that a certificate and its private key can be used for TLS.

    Parameters
    ----------
    certificate, key : path
        PEM files. Without ``key`` the private key is read from the certificate's file.
    password : Secret, optional
        Password of the private key.

    Raises
    ------
    CertificateError
        If the private key is missing, cannot be opened, or belongs to another certificate, or if the key is too
        weak or of a type that TLS does not support.
    """
    where = key or certificate
    private = read_private_key(where, password)
    if private.public_key() != _load(certificate).public_key():
        raise CertificateError(
            f"The private key {where} belongs to another certificate than {certificate}",
            next_step="Set certificate_key to the key that was made with the certificate.",
        )
    check_type(certificate)


def read_private_key(path: _files.StrPath, password: Secret | None = None, what: str = "private key") -> Any:
    """Read a private key: PKCS#1, PKCS#8 or OpenSSH, encrypted or not.

    Parameters
    ----------
    path : path
        The file.
    password : Secret, optional
        Its password or passphrase. It is not used if the key is not encrypted.
    what : str, optional
        What the errors call the key: ``private key``, or ``SSH key``, whose passphrase is another setting.

    Returns
    -------
    private key
        An object of the package cryptography.

    Raises
    ------
    CertificateError
        If the file is missing, is not a private key, or cannot be opened with the password.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    data = read_bytes(path)
    if data.startswith(b"PuTTY-User-Key-File"):
        raise CertificateError(
            f"The {what} {path} is in PuTTY's format",
            next_step="Open it in PuTTYgen, and save it with Conversions > Export OpenSSH key.",
        )
    if b"PRIVATE KEY-----" not in data:
        raise CertificateError(f"{path} contains no {what} in PEM", next_step=_how_to_convert(data))
    # the file may begin with the certificate
    data = data[data.rindex(b"-----BEGIN", 0, data.index(b"PRIVATE KEY-----")) :]
    ssh = data.startswith(b"-----BEGIN OPENSSH")
    load: Any = serialization.load_ssh_private_key if ssh else serialization.load_pem_private_key
    set_it, fault = _SET_IT.get(what, _SET_IT["private key"]), ""
    try:
        return load(data, password.reveal().encode() if password else None)
    except TypeError:
        # either a password for a key that has none, or none for one that has
        if password:
            return read_private_key(path, None, what)
        fault, step = "is encrypted, and no password is set", set_it
    except UnsupportedAlgorithm:
        fault, step = "is of a type that greenkit does not support", "Use an RSA or EC key."
    except ValueError as e:
        # cryptography reports this only as text for an OpenSSH key, and the text contains no password
        if ssh and not password and "password" in str(e).lower():
            fault, step = "is encrypted, and no password is set", set_it
        elif password:
            fault, step = "cannot be opened: the password is wrong or the file is damaged", set_it
        else:
            fault, step = "is damaged", "Restore the file from a backup, or make a new key with greenkit make-key."
    # outside the handler, and without the key, because a debugger shows the local variables of a frame
    del data
    raise CertificateError(f"The {what} {path} {fault}", next_step=step)


def public_pem(path: _files.StrPath) -> bytes:
    """Return the certificate alone in PEM (Base-64 X.509), as SMT accepts it by mail: never the key beside it."""
    return pem(_load(path))


def pem(made: Any) -> bytes:
    """Return a certificate or signing request in PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return bytes(made.public_bytes(Encoding.PEM))


def is_pem(path: _files.StrPath) -> bool:
    """Return whether a file is PEM; raise CertificateError if it cannot be read."""
    return b"-----BEGIN " in read_bytes(path)


def read_bytes(path: _files.StrPath) -> bytes:
    """Read a file, with ``~`` for the home folder; raise CertificateError if it cannot be read."""
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as e:
        raise CertificateError(
            f"{path} cannot be read ({e.strerror})", next_step=f"Check that {path} exists and that you may read it."
        ) from None


def _load(path: _files.StrPath) -> x509.Certificate:
    from cryptography import x509

    data = read_bytes(path)
    try:
        return x509.load_pem_x509_certificate(data)
    except ValueError:
        raise CertificateError(f"{path} contains no certificate in PEM", next_step=_how_to_convert(data)) from None


def _how_to_convert(data: bytes) -> str:
    if data.lstrip().startswith(b"-----BEGIN CERTIFICATE REQUEST"):
        return "Use the certificate that the authority made from this signing request."
    if data.startswith(b"\x30"):  # DER's SEQUENCE begins both
        return "Convert a .p12 or .pfx file with greenkit convert-certificate, or DER with openssl x509 -inform DER."
    return "Check the path of the file."


def _common_name(name: x509.Name) -> str:
    from cryptography.x509.oid import NameOID

    return next((str(part.value) for part in name.get_attributes_for_oid(NameOID.COMMON_NAME)), "")


def _is_self_signed(found: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        found.verify_directly_issued_by(found)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _for_clients(found: x509.Certificate) -> bool:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

    try:
        listed = set(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return True
    return bool({Usage.CLIENT_AUTH, Usage.ANY_EXTENDED_KEY_USAGE} & listed)


def _key_type(public: Any) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(public, rsa.RSAPublicKey):
        return f"RSA {public.key_size}"
    if isinstance(public, ec.EllipticCurvePublicKey):
        return f"EC {public.curve.name}"
    return type(public).__name__.removesuffix("PublicKey")
