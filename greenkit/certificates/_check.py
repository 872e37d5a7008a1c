"""Read certificates and keys that one has, and check them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenkit import _files
from greenkit.errors import CertificateError
from greenkit.secret import Secret

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says.

    Parameters
    ----------
    path : Path
        Its file.
    common_name : str
        Of its subject.
    names : tuple of str
        The host names and addresses of its subjectAltName.
    issuer : str
        The common name, or else the whole name, of who signed it.
    self_signed : bool
        It signed itself: for testing only.
    begins, ends : datetime
        In UTC.
    key_type : str
        ``RSA 3072``, ``EC secp256r1``.
    for_clients : bool
        It may be used to log in (clientAuth, or no restriction at all).
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
        """Days until it ends; negative once it has."""
        return (self.ends - (at or datetime.now(UTC))) / timedelta(days=1)


def read(path: _files.StrPath) -> Certificate:
    """Read a PEM certificate file (the first certificate in it).

    Raises
    ------
    CertificateError
        The file is missing, or is not PEM: it says how to convert it.
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
        self_signed=_signed_by_itself(found),
        begins=found.not_valid_before_utc,
        ends=found.not_valid_after_utc,
        key_type=_key_type(found.public_key()),
        for_clients=_for_clients(found),
    )


def check_dates(certificate: Certificate, at: datetime | None = None) -> None:
    """CertificateError when the certificate has ended, or has not begun."""
    at = at or datetime.now(UTC)
    if at >= certificate.ends:
        raise CertificateError(
            f"the certificate {certificate.path} expired on {certificate.ends:%Y-%m-%d}: make a new one and register it"
        )
    if at < certificate.begins:
        raise CertificateError(
            f"the certificate {certificate.path} is not valid before {certificate.begins:%Y-%m-%d %H:%M} UTC: "
            "see whether this machine's clock is right"
        )


def check_host(certificate: Certificate, host: str) -> None:
    """CertificateError when the certificate's common name is not the host name, as SMT asks."""
    if certificate.common_name.lower() != host.lower():
        raise CertificateError(
            f"the certificate {certificate.path} is for {certificate.common_name or 'nobody'}, and this machine is "
            f"{host}: SMT wants one for each machine, whose common name is its host name"
        )


def check_key(certificate: _files.StrPath, key: _files.StrPath | None = None, password: Secret | None = None) -> None:
    """CertificateError when the private key is missing, stays closed, or belongs to another certificate.

    Parameters
    ----------
    certificate : path
        PEM.
    key : path, optional
        PEM; the certificate's own file when absent.
    password : Secret, optional
        Of the key's file.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = key or certificate
    data = read_bytes(key)
    if b"PRIVATE KEY-----" not in data:
        raise CertificateError(f"{key} holds no private key in PEM: {_convert(data)}")
    locked = b"ENCRYPTED" in data
    if locked and not password:
        raise CertificateError(f"the key {key} is encrypted: give its password")
    start = data.index(b"-----BEGIN", max(data.index(b"PRIVATE KEY-----") - 40, 0))
    try:
        found = load_pem_private_key(data[start:], password.reveal().encode() if locked and password else None)
    except (ValueError, TypeError):
        fault = "its password is wrong" if locked else "its file is damaged"
        raise CertificateError(f"the key {key} cannot be read: {fault}") from None
    if found.public_key() != _load(certificate).public_key():
        raise CertificateError(f"the key {key} belongs to another certificate than {certificate}: name the right one")


def public_pem(path: _files.StrPath) -> bytes:
    """Give the certificate alone, Base-64 X.509, as SMT wants it by mail: never the key, even if it is in the file."""
    return pem(_load(path))


def pem(made: Any) -> bytes:
    """Give a certificate or signing request in PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return bytes(made.public_bytes(Encoding.PEM))


def read_bytes(path: _files.StrPath) -> bytes:
    """Read a file; CertificateError when it cannot be."""
    try:
        return Path(path).read_bytes()
    except OSError as e:
        raise CertificateError(f"{path} cannot be read ({e.strerror}): name the right file") from None


def _load(path: _files.StrPath) -> x509.Certificate:
    from cryptography import x509

    data = read_bytes(path)
    try:
        return x509.load_pem_x509_certificate(data)
    except ValueError:
        raise CertificateError(f"{path} holds no certificate in PEM: {_convert(data)}") from None


def _convert(data: bytes) -> str:
    if data.lstrip().startswith(b"-----BEGIN CERTIFICATE REQUEST"):
        return "it is the signing request; give the certificate that the authority made of it"
    if data.startswith(b"\x30"):  # DER's SEQUENCE begins both
        return (
            "if it is a .p12 or .pfx file, convert it with greenkit.certificates.from_pkcs12; if DER, with openssl x509"
        )
    return "name the right file"


def _common_name(name: x509.Name) -> str:
    from cryptography.x509.oid import NameOID

    return next((str(part.value) for part in name.get_attributes_for_oid(NameOID.COMMON_NAME)), "")


def _signed_by_itself(found: x509.Certificate) -> bool:
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
