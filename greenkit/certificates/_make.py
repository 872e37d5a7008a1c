"""Make certificates, signing requests and SSH keys, and convert PKCS#12 files."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from greenkit import _files
from greenkit.certificates._check import pem, read_bytes, read_private_key
from greenkit.errors import CertificateError
from greenkit.secret import Secret

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes as PrivateKey

RSA_BITS: Final = 3072
DAYS: Final = 397
"""Days that a certificate is valid. Browsers and public authorities set this limit, so every server accepts it."""
_SKEW: Final = timedelta(hours=1)  # clocks differ


def new_rsa() -> Any:
    """Make an RSA private key."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def encryption(password: Secret | None) -> Any:
    """Return how a private key's file is encrypted, if it is."""
    from cryptography.hazmat.primitives import serialization

    if not password:
        return serialization.NoEncryption()
    return serialization.BestAvailableEncryption(password.reveal().encode())


def create(files: dict[Path, bytes]) -> None:
    """Create all of the files or none, and never replace one: an overwritten private key is lost."""
    with contextlib.ExitStack() as undo:
        for path, data in files.items():
            try:
                _files.create_private(path, data)
            except FileExistsError:
                raise CertificateError(
                    f"The file {path} already exists", next_step="Move it to another folder, or use another folder."
                ) from None
            except OSError as e:
                raise CertificateError(
                    f"{path} cannot be written ({e.strerror})", next_step="Use another folder."
                ) from None
            undo.callback(path.unlink)
        undo.pop_all()


class Pair(NamedTuple):
    """Paths of a certificate (or signing request) and of its private key, both in PEM."""

    certificate: Path
    key: Path


def new_certificate(
    folder: _files.StrPath, host: str, *, password: Secret | None, organization: str = "", days: int = DAYS
) -> Pair:
    """Make a private key (RSA 3072) and a self-signed client certificate, for testing with SMT.

    Parameters
    ----------
    folder : path
        Folder for ``<host>.crt.pem`` and ``<host>.key.pem``; created with private permissions if it does not exist.
    host : str
        Host name of this machine: the common name and the only subject alternative name.
    password : Secret or None
        Encrypts the private key. With None only the file's permissions protect it.
    organization : str, optional
        Company name.
    days : int, optional
        Days that the certificate is valid. Default: 397.

    Returns
    -------
    Pair
        The two files, readable by their owner only.

    Raises
    ------
    CertificateError
        If a file of that name exists, or the host name is not valid.
    """
    subject = _subject(host, organization)
    key = new_rsa()
    made = sign(key.public_key(), key, subject=subject, issuer=subject, names=[host], usage=["client"], days=days)
    return write_pair(Path(folder), host, made, key, password)


def new_request(folder: _files.StrPath, host: str, *, password: Secret | None, organization: str = "") -> Pair:
    """Make a private key and a signing request, from which a public authority makes the certificate for production.

    The files are ``<host>.csr.pem`` and ``<host>.key.pem``. Arguments and errors: see :func:`new_certificate`.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    asked = x509.CertificateSigningRequestBuilder().subject_name(_subject(host, organization))
    asked = asked.add_extension(x509.SubjectAlternativeName(_general_names([host])), critical=False)
    key = new_rsa()
    return write_pair(Path(folder), host, asked.sign(key, hashes.SHA256()), key, password)


def from_pkcs12(
    path: _files.StrPath,
    password: Secret,
    folder: _files.StrPath,
    *,
    key_password: Secret | None = None,
    unprotected: bool = False,
) -> Pair:
    """Convert a ``.p12`` or ``.pfx`` file, as Java's keytool and Windows write it, to PEM files.

    It also reads the RC2-40 encryption of older Java, which OpenSSL 3 refuses.

    Parameters
    ----------
    path : path
        The PKCS#12 file.
    password : Secret
        Its password.
    folder : path
        Folder for ``<stem>.crt.pem`` (with the chain, if the file contains one) and ``<stem>.key.pem``.
    key_password : Secret, optional
        Encrypts the new private key. Default: the password of the PKCS#12 file.
    unprotected : bool, optional
        Whether to write the new private key without a password. Default: False.

    Returns
    -------
    Pair
        The two files, readable by their owner only.

    Raises
    ------
    CertificateError
        If the file is missing or is not PKCS#12, the password is wrong, or it contains no key or no certificate.
    """
    from cryptography.hazmat.primitives.serialization import pkcs12

    data = read_bytes(path)
    try:
        key, certificate, chain = pkcs12.load_key_and_certificates(data, password.reveal().encode())
    except ValueError:
        raise CertificateError(
            f"{path} cannot be opened: the password is wrong, or it is not a PKCS#12 file",
            next_step="Check the password and the path of the file.",
        ) from None
    if key is None or certificate is None:
        raise CertificateError(
            f"{path} contains no {'private key' if key is None else 'certificate'}",
            next_step="Export the certificate again together with its private key.",
        )
    return write_pair(
        Path(folder), Path(path).stem, certificate, key, None if unprotected else key_password or password, chain
    )


def sign(
    public: Any,
    signer: PrivateKey,
    *,
    subject: x509.Name,
    issuer: x509.Name,
    names: Iterable[str] = (),
    usage: Iterable[str] = (),
    days: float = DAYS,
    begins: datetime | None = None,
    authority: bool = False,
) -> x509.Certificate:
    """Sign a certificate with everything that strict verifiers (Python 3.13) require.

    Parameters
    ----------
    public : public key
        Public key of the subject.
    signer : private key
        Private key of the issuer.
    subject, issuer : Name
        Their names.
    names : iterable of str, optional
        Host names and IP addresses of the subject alternative name.
    usage : iterable of {"client", "server"}, optional
        What the certificate may be used for. Default: no restriction.
    days : float, optional
        Days that it is valid. Default: 397.
    begins : datetime, optional
        Start of its validity. Default: an hour ago.
    authority : bool, optional
        Whether it may sign other certificates. Default: False.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

    begins = begins or datetime.now(UTC) - _SKEW
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(begins).not_valid_after(begins + timedelta(days=days))
    made = made.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if authority or signer.public_key() != public:
        # a self-signed leaf must not declare that it cannot sign: OpenSSL 3 would not accept it as its own issuer
        made = made.add_extension(_key_usage(authority), critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    made = made.add_extension(by, critical=False)
    if usages := [{"client": Usage.CLIENT_AUTH, "server": Usage.SERVER_AUTH}[one] for one in usage]:
        made = made.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if listed := _general_names(names):
        made = made.add_extension(x509.SubjectAlternativeName(listed), critical=False)
    return made.sign(signer, hashes.SHA256())


def write_pair(
    folder: Path,
    stem: str,
    made: x509.Certificate | x509.CertificateSigningRequest,
    key: Any,
    password: Secret | None,
    chain: Iterable[x509.Certificate] = (),
) -> Pair:
    """Write ``<stem>.crt.pem`` (a request: ``.csr.pem``) and ``<stem>.key.pem`` as new private files, both or none."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat

    kind = "crt" if isinstance(made, x509.Certificate) else "csr"
    with _files.writing(folder):
        _files.private_folder(folder)
    pair = Pair(folder / f"{stem}.{kind}.pem", folder / f"{stem}.key.pem")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption(password))
    create({pair.key: private, pair.certificate: b"".join(map(pem, (made, *chain)))})
    return pair


def _key_usage(authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    unused = ("content_commitment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only")
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        **dict.fromkeys(unused, False),
    )


def _general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    from cryptography import x509

    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _subject(host: str, organization: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    label = set("abcdefghijklmnopqrstuvwxyz0123456789-._")
    if not host or len(host) > 64 or not set(host.lower()) <= label:
        raise CertificateError(
            f"The host name is {host!r}, but a common name has 1 to 64 letters, digits, dots, hyphens or underscores",
            next_step="Use the host name of this machine.",
        )
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, host)]
    if organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def new_ssh_key(path: _files.StrPath, *, password: Secret | None, comment: str = "greenkit") -> str:
    """Make an SSH key (RSA 3072) as ``path`` and ``path.pub``, and return the public key, which SMT needs.

    Raises
    ------
    CertificateError
        If a file of that name exists.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, PublicFormat

    key = new_rsa()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, encryption(password))
    public: str = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + f" {comment}\n"
    create({Path(path): private, Path(f"{path}.pub"): public.encode()})
    return public


def public_ssh(path: _files.StrPath, password: Secret | None = None) -> str:
    """Return the public key of a private SSH key in one line, as SMT accepts it by mail.

    Raises
    ------
    CertificateError
        If the file is missing, is not a private key, or cannot be opened.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = read_private_key(path, password, "SSH key")
    line: bytes = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return line.decode() + "\n"
