import shutil
import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key, pkcs12

from greenkit import Secret, certificates
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


def test_new_certificate_is_what_smt_asks_for(made):
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


def test_public_pem_never_holds_the_key(made, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(made.key.read_bytes() + made.certificate.read_bytes())
    assert certificates.public_pem(both) == made.certificate.read_bytes()
    certificates.check_key(both, None, PASSWORD)


def test_nothing_is_written_over(made, tmp_path):
    before = [p.read_bytes() for p in made]
    with pytest.raises(CertificateError, match=r"key\.pem already: move it away"):
        certificates.new_certificate(made.key.parent, "meter-pc.example.org", password=None)
    assert [p.read_bytes() for p in made] == before
    (tmp_path / "x.crt.pem").touch()
    with pytest.raises(CertificateError, match=r"crt\.pem already"):
        certificates.new_certificate(tmp_path, "x", password=None)
    assert [p.name for p in tmp_path.iterdir()] == ["x.crt.pem"]  # no key without its certificate


def test_new_request(tmp_path):
    made = certificates.new_request(tmp_path, "meter-pc", password=None, organization="Example Energy")
    asked = x509.load_pem_x509_csr(made.certificate.read_bytes())
    assert asked.is_signature_valid
    assert asked.subject.rfc4514_string() == "CN=meter-pc,O=Example Energy"
    names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["meter-pc"]
    assert mode(made.key) == 0o600
    with pytest.raises(CertificateError, match="it is the signing request"):
        certificates.read(made.certificate)


@pytest.mark.parametrize("host", ["", "a" * 65, "a b", "grün.example.org", "a\nb"])
def test_host_name_that_is_none(tmp_path, host):
    with pytest.raises(CertificateError, match="cannot be a certificate's common name"):
        certificates.new_certificate(tmp_path, host, password=None)


def test_new_ssh_key(tmp_path):
    line = certificates.new_ssh_key(tmp_path / "id", password=PASSWORD, comment="smt")
    private = load_ssh_private_key((tmp_path / "id").read_bytes(), PASSWORD.reveal().encode())
    assert private.public_key() == load_ssh_public_key(line.encode())
    assert line == (tmp_path / "id.pub").read_text()
    assert line.startswith("ssh-rsa ")
    assert line.endswith(" smt\n")
    assert mode(tmp_path / "id") == 0o600
    with pytest.raises(CertificateError, match="already"):
        certificates.new_ssh_key(tmp_path / "id", password=None)


def test_pkcs12(made, authority, tmp_path):
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
    with pytest.raises(CertificateError, match="its password is wrong, or it is no PKCS#12 file") as caught:
        certificates.from_pkcs12(packed, Secret("other"), tmp_path / "new")
    assert "other" not in str(caught.value)
    with pytest.raises(CertificateError, match="no PKCS#12 file"):
        certificates.from_pkcs12(pair.key, Secret("pw"), tmp_path / "new")
    packed.write_bytes(
        pkcs12.serialize_key_and_certificates(b"x", None, certificate, None, BestAvailableEncryption(b"pw"))
    )
    with pytest.raises(CertificateError, match="holds no key"):
        certificates.from_pkcs12(packed, Secret("pw"), tmp_path / "new")
    with pytest.raises(CertificateError, match=r"convert it with greenkit\.certificates\.from_pkcs12"):
        certificates.read(packed)
    with pytest.raises(CertificateError, match=r"convert it with greenkit\.certificates\.from_pkcs12"):
        certificates.check_key(pair.certificate, packed)


@pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl program, which writes old PKCS#12, is missing")
def test_pkcs12_of_old_java(authority, tmp_path):
    """RC2-40, as keytool wrote it for years; the openssl program refuses to read it without -legacy."""
    pair, old = authority.client("meter-pc"), tmp_path / "old.p12"
    command = ["openssl", "pkcs12", "-export", "-legacy", "-certpbe", "PBE-SHA1-RC2-40", "-keypbe", "PBE-SHA1-3DES"]
    command += ["-in", pair.certificate, "-inkey", pair.key, "-out", old, "-passout", "pass:changeit"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "legacy" in done.stderr:
        pytest.skip("this openssl has no legacy provider")
    got = certificates.from_pkcs12(old, Secret("changeit"), tmp_path, key_password=PASSWORD)
    certificates.check_key(*got, PASSWORD)
    assert certificates.read(got.certificate).common_name == "meter-pc"


def test_checks_say_what_is_wrong(made, authority, tmp_path):
    other = authority.client("other-pc")
    now = datetime.now(UTC)
    old = certificates.read(authority.client("pc", stem="old", begins=now - timedelta(days=9), days=2).certificate)
    new = certificates.read(authority.client("pc", stem="new", begins=now + timedelta(days=2)).certificate)
    assert (old.self_signed, old.issuer, old.key_type) == (False, "greenkit-sandbox-authority", "EC secp256r1")
    assert old.days_left() < 0
    with pytest.raises(CertificateError, match=f"expired on {old.ends:%Y-%m-%d}: make a new one"):
        certificates.check_dates(old)
    with pytest.raises(CertificateError, match="this machine's clock"):
        certificates.check_dates(new)
    with pytest.raises(CertificateError, match="is for pc, and this machine is other-pc"):
        certificates.check_host(new, "other-pc")
    with pytest.raises(CertificateError, match="belongs to another certificate"):
        certificates.check_key(made.certificate, other.key)
    with pytest.raises(CertificateError, match="is encrypted: give its password"):
        certificates.check_key(*made)
    with pytest.raises(CertificateError, match="its password is wrong"):
        certificates.check_key(*made, Secret("wrong"))
    with pytest.raises(CertificateError, match="holds no private key"):
        certificates.check_key(made.certificate)
    with pytest.raises(CertificateError, match="cannot be read"):
        certificates.read(tmp_path / "none.pem")
    damaged = tmp_path / "damaged.pem"
    damaged.write_bytes(other.key.read_bytes().replace(b"A", b"B"))
    with pytest.raises(CertificateError, match="damaged"):
        certificates.check_key(other.certificate, damaged)
    assert not certificates.read(authority.server().certificate).for_clients


def test_authority_is_trusted_by_a_strict_client(authority):
    """Two ends in memory: no socket is needed for a handshake."""
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


def test_authority_leaves_no_temporary_folder():
    with Authority() as authority:
        assert mode(authority.client().key) == 0o600
        folder = authority.folder
    assert not folder.exists()
