"""Make certificates and signing requests, and the files that they stand in."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from greenkit import _files
from greenkit.certificates._check import pem, read_bytes
from greenkit.errors import CertificateError
from greenkit.secret import Secret

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes as PrivateKey

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


DAYS: Final = 397
"""How long a certificate is good for; browsers and public authorities set this bound, so every server takes it."""
_SKEW: Final = timedelta(hours=1)  # clocks differ


class Pair(NamedTuple):
    """Paths of a certificate (or signing request) and of its private key, both PEM."""

    certificate: Path
    key: Path


def new_certificate(
    folder: _files.StrPath, host: str, *, password: Secret | None, organization: str = "", days: int = DAYS
) -> Pair:
    """Make a client key (RSA 3072) and a certificate that it signs itself, for testing with SMT.

    Parameters
    ----------
    folder : path
        Gets ``<host>.crt.pem`` and ``<host>.key.pem``; made when it is not there.
    host : str
        This machine's host name: the common name and the only subjectAltName.
    password : Secret or None
        Encrypts the key's file; with None the file's mode alone guards it.
    organization : str, optional
        The company.
    days : int, optional
        How long it is good for.

    Returns
    -------
    Pair
        The two files.

    Raises
    ------
    CertificateError
        A file of that name is there already, or the host name is none.
    """
    subject = _subject(host, organization)
    key = new_rsa()
    made = sign(key.public_key(), key, subject=subject, issuer=subject, names=[host], usage=["client"], days=days)
    return write_pair(Path(folder), host, made, key, password)


def new_request(folder: _files.StrPath, host: str, *, password: Secret | None, organization: str = "") -> Pair:
    """Make a client key and a signing request, which a public authority turns into the certificate for production.

    The files are ``<host>.csr.pem`` and ``<host>.key.pem``; else as :func:`new_certificate`.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    asked = x509.CertificateSigningRequestBuilder().subject_name(_subject(host, organization))
    asked = asked.add_extension(x509.SubjectAlternativeName(_general_names([host])), critical=False)
    key = new_rsa()
    return write_pair(Path(folder), host, asked.sign(key, hashes.SHA256()), key, password)


def from_pkcs12(
    path: _files.StrPath, password: Secret, folder: _files.StrPath, *, key_password: Secret | None = None
) -> Pair:
    """Turn a ``.p12`` or ``.pfx`` file, as Java's keytool and Windows write it, into PEM files.

    Old Java's RC2-40 encryption is read too, which OpenSSL 3 refuses.

    Parameters
    ----------
    path : path
        The PKCS#12 file.
    password : Secret
        Its password.
    folder : path
        Gets ``<stem>.crt.pem`` (with the chain, if there is one) and ``<stem>.key.pem``.
    key_password : Secret, optional
        Encrypts the new key's file; the PKCS#12 file's own password when absent.

    Raises
    ------
    CertificateError
        The file is missing or no PKCS#12, the password is wrong, or it holds no key or no certificate.
    """
    from cryptography.hazmat.primitives.serialization import pkcs12

    data = read_bytes(path)
    try:
        key, certificate, chain = pkcs12.load_key_and_certificates(data, password.reveal().encode())
    except ValueError:
        raise CertificateError(f"{path} cannot be opened: its password is wrong, or it is no PKCS#12 file") from None
    if key is None or certificate is None:
        raise CertificateError(f"{path} holds no {'key' if key is None else 'certificate'}: export it with both")
    return write_pair(Path(folder), Path(path).stem, certificate, key, key_password or password, chain)


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
    """Sign a certificate with all that strict verifiers (Python 3.13) demand.

    Parameters
    ----------
    public : public key
        Whom it is for.
    signer : private key
        Who signs.
    subject, issuer : Name
        Their names.
    names : iterable of str
        Host names and addresses of the subjectAltName.
    usage : iterable of {"client", "server"}
        What it may be used for.
    days : float
        How long it is good for.
    begins : datetime, optional
        An hour ago when absent.
    authority : bool
        It may sign others.
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
        # a leaf that signed itself must not say that it cannot sign: OpenSSL 3 would then not trust it by itself
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
    """Write ``<stem>.crt.pem`` (a request: ``.csr.pem``) and ``<stem>.key.pem`` as new files, 0600; both or none."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat

    kind = "crt" if isinstance(made, x509.Certificate) else "csr"
    pair = Pair(_files.private_folder(folder) / f"{stem}.{kind}.pem", folder / f"{stem}.key.pem")
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
            f"{host!r} cannot be a certificate's common name: give the host name, of 64 letters at most"
        )
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, host)]
    if organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


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
