import shutil
import ssl
import stat
import subprocess
import traceback
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
    load_ssh_public_key,
    pkcs12,
)

from greenkit import Secret, _net, certificates
from greenkit.errors import CertificateError
from greenkit.sandbox.authority import Authority

PASSWORD = Secret("pass word ß")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates") / "new"
    return certificates.new_certificate(
        folder, "meter-pc.example.org", password=PASSWORD, organization="Example Energy"
    )


@pytest.fixture(autouse=True)
def small_keys(made, monkeypatch):
    """One key of the real size is enough."""
    monkeypatch.setattr("greenkit.certificates._make.RSA_BITS", 2048)


@pytest.fixture
def authority():
    with Authority() as authority:
        yield authority


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_new_certificate_has_what_smt_requires(made):
    assert [p.name for p in made] == ["meter-pc.example.org.crt.pem", "meter-pc.example.org.key.pem"]
    found = certificates.read(made.certificate)
    assert (found.common_name, found.names) == ("meter-pc.example.org", ("meter-pc.example.org",))
    assert (found.key_type, found.self_signed, found.for_clients) == ("RSA 3072", True, True)
    assert 395 < found.days_left() <= 397
    assert (mode(made.certificate), mode(made.key), mode(made.key.parent)) == (0o600, 0o600, 0o700)
    certificates.check_dates(found)
    certificates.check_host(found, "METER-PC.example.org")
    certificates.check_key(*made, PASSWORD)
    assert b"ENCRYPTED" in made.key.read_bytes()
    context = ssl.create_default_context()
    context.load_cert_chain(made.certificate, made.key, lambda: PASSWORD.reveal().encode())


def test_public_pem_never_contains_the_private_key(made, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(made.key.read_bytes() + made.certificate.read_bytes())
    assert certificates.public_pem(both) == made.certificate.read_bytes()
    certificates.check_key(both, None, PASSWORD)


def test_existing_files_are_not_replaced(made, tmp_path):
    before = [p.read_bytes() for p in made]
    with pytest.raises(CertificateError, match=r"key\.pem already exists"):
        certificates.new_certificate(made.key.parent, "meter-pc.example.org", password=None)
    assert [p.read_bytes() for p in made] == before
    (tmp_path / "x.crt.pem").touch()
    with pytest.raises(CertificateError, match=r"crt\.pem already"):
        certificates.new_certificate(tmp_path, "x", password=None)
    assert [p.name for p in tmp_path.iterdir()] == ["x.crt.pem"]  # no key without its certificate


def test_new_request_is_signed_and_has_the_host_name(tmp_path):
    made = certificates.new_request(tmp_path, "meter-pc", password=None, organization="Example Energy")
    asked = x509.load_pem_x509_csr(made.certificate.read_bytes())
    assert asked.is_signature_valid
    assert asked.subject.rfc4514_string() == "CN=meter-pc,O=Example Energy"
    names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["meter-pc"]
    assert mode(made.key) == 0o600
    with pytest.raises(CertificateError, match="authority made from this signing request"):
        certificates.read(made.certificate)


@pytest.mark.parametrize("host", ["", "a" * 65, "a b", "grün.example.org", "a\nb"])
def test_invalid_host_name_raises_certificate_error(tmp_path, host):
    with pytest.raises(CertificateError, match="a common name has 1 to 64"):
        certificates.new_certificate(tmp_path, host, password=None)


def test_new_ssh_key_is_private_and_has_its_public_key(tmp_path):
    line = certificates.new_ssh_key(tmp_path / "id", password=PASSWORD, comment="smt")
    private = load_ssh_private_key((tmp_path / "id").read_bytes(), PASSWORD.reveal().encode())
    assert private.public_key() == load_ssh_public_key(line.encode())
    assert line == (tmp_path / "id.pub").read_text()
    assert line.startswith("ssh-rsa ")
    assert line.endswith(" smt\n")
    assert mode(tmp_path / "id") == 0o600
    with pytest.raises(CertificateError, match="already"):
        certificates.new_ssh_key(tmp_path / "id", password=None)


def test_pkcs12_file_is_converted_with_its_chain(made, authority, tmp_path):
    pair = authority.client("meter-pc")
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    chain = x509.load_pem_x509_certificates(authority.file.read_bytes())
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key

    key = load_pem_private_key(pair.key.read_bytes(), None)
    packed = tmp_path / "store.p12"
    packed.write_bytes(
        pkcs12.serialize_key_and_certificates(b"x", key, certificate, chain, BestAvailableEncryption(b"pw"))
    )
    got = certificates.from_pkcs12(packed, Secret("pw"), tmp_path)
    assert [p.name for p in got] == ["store.crt.pem", "store.key.pem"]
    assert x509.load_pem_x509_certificates(got.certificate.read_bytes()) == [certificate, *chain]
    certificates.check_key(*got, Secret("pw"))
    assert mode(got.key) == 0o600
    with pytest.raises(CertificateError, match="the password is wrong, or it is not a PKCS#12 file") as caught:
        certificates.from_pkcs12(packed, Secret("other"), tmp_path / "new")
    assert "other" not in str(caught.value)
    with pytest.raises(CertificateError, match="not a PKCS#12 file"):
        certificates.from_pkcs12(pair.key, Secret("pw"), tmp_path / "new")
    packed.write_bytes(
        pkcs12.serialize_key_and_certificates(b"x", None, certificate, None, BestAvailableEncryption(b"pw"))
    )
    with pytest.raises(CertificateError, match="contains no private key"):
        certificates.from_pkcs12(packed, Secret("pw"), tmp_path / "new")
    with pytest.raises(CertificateError, match=r"Convert a .p12 or .pfx file"):
        certificates.read(packed)
    with pytest.raises(CertificateError, match=r"Convert a .p12 or .pfx file"):
        certificates.check_key(pair.certificate, packed)


@pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl program, which writes old PKCS#12, is missing")
def test_pkcs12_file_of_older_java_is_converted(authority, tmp_path):
    """Read RC2-40, which keytool wrote for years, and which the openssl program reads only with -legacy."""
    pair, old = authority.client("meter-pc"), tmp_path / "old.p12"
    command = ["openssl", "pkcs12", "-export", "-legacy", "-certpbe", "PBE-SHA1-RC2-40", "-keypbe", "PBE-SHA1-3DES"]
    command += ["-in", pair.certificate, "-inkey", pair.key, "-out", old, "-passout", "pass:changeit"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "legacy" in done.stderr:
        pytest.skip("this openssl has no legacy provider")
    got = certificates.from_pkcs12(old, Secret("changeit"), tmp_path, key_password=PASSWORD)
    certificates.check_key(*got, PASSWORD)
    assert certificates.read(got.certificate).common_name == "meter-pc"


def test_checks_name_the_fault_and_the_next_step(made, authority, tmp_path):
    other = authority.client("other-pc")
    now = datetime.now(UTC)
    old = certificates.read(authority.client("pc", stem="old", begins=now - timedelta(days=9), days=2).certificate)
    new = certificates.read(authority.client("pc", stem="new", begins=now + timedelta(days=2)).certificate)
    assert (old.self_signed, old.issuer, old.key_type) == (False, "greenkit-sandbox-authority", "EC secp256r1")
    assert old.days_left() < 0
    with pytest.raises(CertificateError, match=f"expired on {old.ends:%Y-%m-%d}. Make a new certificate"):
        certificates.check_dates(old)
    with pytest.raises(CertificateError, match="clock of this machine"):
        certificates.check_dates(new)
    with pytest.raises(CertificateError, match="common name 'pc', but the name of this machine is other-pc"):
        certificates.check_host(new, "other-pc")
    with pytest.raises(CertificateError, match="belongs to another certificate"):
        certificates.check_key(made.certificate, other.key)
    with pytest.raises(CertificateError, match="is encrypted, and no password is set"):
        certificates.check_key(*made)
    with pytest.raises(CertificateError, match="the password is wrong"):
        certificates.check_key(*made, Secret("wrong"))
    with pytest.raises(CertificateError, match="contains no private key"):
        certificates.check_key(made.certificate)
    with pytest.raises(CertificateError, match="cannot be read"):
        certificates.read(tmp_path / "none.pem")
    damaged = tmp_path / "damaged.pem"
    damaged.write_bytes(other.key.read_bytes().replace(b"A", b"B"))
    with pytest.raises(CertificateError, match="damaged"):
        certificates.check_key(other.certificate, damaged)
    assert not certificates.read(authority.server().certificate).for_clients


def test_certificates_of_the_authority_pass_strict_verification(authority):
    """Check both ends of a handshake in memory, without a socket."""
    server = authority.server_context(authority.server(), require_client=True)
    client = ssl.create_default_context(cafile=authority.file)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    client.load_cert_chain(*authority.client("meter-pc"))
    there, here = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = server.wrap_bio(there, here, server_side=True)
    two = client.wrap_bio(here, there, server_hostname="localhost")
    for end in (two, one, two, one):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert one.getpeercert()["subject"] == ((("commonName", "meter-pc"),),)


def test_authority_removes_its_temporary_folder():
    with Authority() as authority:
        assert mode(authority.client().key) == 0o600
        folder = authority.folder
    assert not folder.exists()


def self_signed(folder, key, name="pc"):
    """Write a certificate and its key, without the checks of greenkit."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(9))
    made = made.sign(key, hashes.SHA256())
    (folder / "c.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "k.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "c.pem", folder / "k.pem"


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: rsa.generate_private_key(65537, 1024), "RSA key of 1024 bits, which is too weak"),
        (lambda: dsa.generate_private_key(1024), "DSA key, which TLS no longer supports"),
    ],
)
def test_key_that_openssl_refuses_is_reported_before_any_connection(tmp_path, make, fault):
    pair = self_signed(tmp_path, make())
    with pytest.raises(CertificateError, match=fault) as caught:
        certificates.check_key(*pair)
    assert "greenkit make-key certificate" in caught.value.next_step
    with pytest.raises(CertificateError, match=fault):
        _net.tls_context(certificate=pair[0], key=pair[1])


FORMS = {
    "PKCS#1": PrivateFormat.TraditionalOpenSSL,
    "PKCS#8": PrivateFormat.PKCS8,
    "OpenSSH": PrivateFormat.OpenSSH,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("password", [None, Secret("pass word")], ids=["plain", "encrypted"])
def test_private_key_is_read_in_every_format(tmp_path, form, password):
    key, path = ec.generate_private_key(ec.SECP256R1()), tmp_path / "key"
    path.write_bytes(key.private_bytes(Encoding.PEM, form, certificates._make.encryption(password)))
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + "\n"
    assert certificates.public_ssh(path, password) == line
    if password is None:
        assert certificates.public_ssh(path, Secret("not needed")) == line
    else:
        with pytest.raises(CertificateError, match="is encrypted, and no password is set"):
            certificates.public_ssh(path)
        with pytest.raises(CertificateError, match="the password is wrong"):
            certificates.public_ssh(path, Secret("wrong"))


def test_putty_key_error_explains_how_to_export_it(tmp_path):
    (tmp_path / "key.ppk").write_bytes(b"PuTTY-User-Key-File-3: ssh-rsa\r\nEncryption: none\r\n")
    with pytest.raises(CertificateError, match=r"PuTTY's format\. Open it in PuTTYgen"):
        certificates.public_ssh(tmp_path / "key.ppk")


def test_damaged_key_is_not_shown_in_a_traceback(tmp_path):
    (tmp_path / "key").write_bytes(b"-----BEGIN PRIVATE KEY-----\nhunter2hunter2\n-----END PRIVATE KEY-----\n")
    with pytest.raises(CertificateError, match="is damaged") as caught:
        certificates.public_ssh(tmp_path / "key")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "hunter2" not in "".join(shown.format())
