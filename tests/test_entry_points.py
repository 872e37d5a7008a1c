"""Every public entry point of fetching has a row of faults here, and only documented errors come out of it.

The rows of :data:`FILES` give each function that uses a file what a file can be: missing, a folder, empty, binary, too
long a name, a disk that fails. Those of :data:`CALLS` give the others wrong arguments. Entry points that talk to a server
have their rows, with faults on the wire, in the modules that :data:`ELSEWHERE` names. An entry point without a row fails
the last test.
"""

import errno
import importlib
import inspect
import os
import shutil
from pathlib import Path

import pytest
from secrets_in_tracebacks import TOOLS, from_greenkit

import greenkit
from greenkit import Secret, certificates, errors, pgp, settings
from greenkit.custodian import FileStore, notifications, open_customers
from greenkit.settings import SecretRef
from greenkit.transfer import SmtApi, check_smt, onboarding, smt_keyring, smt_remote

HIDDEN = "hunter2-0815"
PHRASE = Secret(HIDDEN)
PACKAGES = (
    "transfer", "transfer.smt_api",  "custodian", "custodian.notifications", "pgp",
    "certificates", "settings", "secret",
)  # fmt: skip
PAIRS = []
GPG = shutil.which("gpg") is not None


# what a path can lead to: each makes it and returns the path
def missing(folder):
    return folder / "missing" / "file.pem"


def a_folder(folder):
    (folder / "folder.pem").mkdir()
    return folder / "folder.pem"


def empty(folder):
    return written(folder, b"")


def binary(folder):
    return written(folder, bytes(range(256)))


def half_a_pem(folder):
    return written(folder, b"-----BEGIN CERTIFICATE-----\nMIIB\n-----BEGIN RSA PRIVATE KEY-----\nMIIB")


def a_web_page(folder):
    return written(folder, b"<!doctype html><title>Sign in</title>")


def too_long(folder):
    return folder / ("x" * 300)


def a_loop(folder):
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop"


def written(folder, data):
    path = folder / "file.pem"
    path.write_bytes(data)
    path.chmod(0o600)
    return path


PATHS = (missing, a_folder, empty, binary, half_a_pem, a_web_page, too_long, a_loop)

FILES = {
    "certificates.read": lambda path, _: certificates.read(path),
    "certificates.public_pem": lambda path, _: certificates.public_pem(path),
    "certificates.check_key": lambda path, _: certificates.check_key(path, path, PHRASE),
    "certificates.check_type": lambda path, _: certificates.check_type(path),
    "certificates.read_private_key": lambda path, _: certificates.read_private_key(path, PHRASE, "key"),
    "certificates.public_ssh": lambda path, _: certificates.public_ssh(path, PHRASE),
    "certificates.from_pkcs12": lambda path, folder: certificates.from_pkcs12(path, PHRASE, folder / "out"),
    "settings.read": lambda path, _: settings.read(path),
    "Secret.file": lambda path, _: Secret.file(path),
    "SecretRef.get": lambda path, _: SecretRef("file", str(path)).get(),
    "Keyring.add": lambda path, folder: in_keyring(folder, lambda keyring: keyring.add(path)),
    "Keyring.decrypt_file": lambda path, folder: in_keyring(
        folder, lambda keyring: keyring.decrypt_file(path, folder / "plain")
    ),
    "transfer.smt_remote": lambda path, _: smt_remote(
        protocol="ftps", user="x", password=PHRASE, certificate=path, ca_file=path
    ),
    "transfer.check_smt": lambda path, _: check_smt(path),
    "transfer.smt_keyring": lambda path, _: smt_keyring(path),
    "SmtApi.from_settings": lambda path, _: SmtApi.from_settings(settings.read(path).smt),
    "SmtApi": lambda path, _: SmtApi(user="x", password=PHRASE, duns="000000000", ca_file=path).interval_reads(
        "10443720000000001", "2026-07-01", "2026-07-02"
    ),
    "SftpRemote": lambda path, _: smt_remote(user="x", ssh_key=path, ssh_key_passphrase=PHRASE),
    "FtpsRemote": lambda path, _: smt_remote(protocol="ftps", user="x", password=PHRASE, ca_file=path),
    "custodian.connect": lambda path, _: greenkit.connect(
        "pge", client_id="i", client_secret=PHRASE, redirect_uri="https://example.org/x", certificate=path
    ),
    "custodian.open_customers": lambda path, _: open_customers(path),
    "Profile.at": lambda path, _: greenkit.connect(path, client_id="i"),
    "FileStore.load": lambda path, _: FileStore(path).load(),
    "Keyring": lambda path, _: pgp.Keyring(path, passphrase=PHRASE).close(),
}
# these write: the path is a new file or folder, below what is no folder, or on a disk that is full
WRITE = {
    "settings.write_template": settings.write_template,
    "certificates.new_certificate": lambda path: certificates.new_certificate(path, "meter-pc", password=PHRASE),
    "certificates.new_request": lambda path: certificates.new_request(path, "meter-pc", password=PHRASE),
    "certificates.new_ssh_key": lambda path: certificates.new_ssh_key(path, password=PHRASE),
    "certificates.write_pair": lambda path: certificates.write_pair(path, "x", made(), new_key(), PHRASE),
    "transfer.write_onboarding": lambda path: onboarding.write_onboarding(path, user="x", password=PHRASE),
    "FileStore.save": lambda path: FileStore(path / "pge.json").save(token()),
    "FileStore.locked": lambda path: FileStore(path / "pge.json").locked().__enter__(),
    "pgp.new_key": lambda path: pgp.new_key(path, name="REP One", passphrase=PHRASE),
    "transfer.fetch_smt": lambda path: greenkit.fetch_smt(Unused(), into=path),
}
CALLS = {
    "certificates.check_host": lambda: certificates.check_host(certificate(), "other.example"),
    "certificates.check_dates": lambda: certificates.check_dates(certificate(), at=certificate().ends),
    "settings.parse": lambda: settings.parse({"smt": {"prot": "sftp", "password": HIDDEN}}),
    "SecretRef.from_toml": lambda: settings.parse({"smt": {"password": {"envi": HIDDEN}}}),
    "Secret.env": lambda: Secret.env("GK_NOT_SET"),
    "Secret.keyring": lambda: Secret.keyring("greenkit-test-none", "none"),
    "Secret.prompt": lambda: Secret.prompt("Password: "),
    "notifications.parse": lambda: notifications.parse(b"<!DOCTYPE x><x/>"),
    "Listener": lambda: notifications.Listener(1 << 20),
    "custodian.connect": lambda: greenkit.connect("no-such-utility", client_id="x", client_secret=PHRASE),
}
ELSEWHERE = {
    "transfer/test_nothing_foreign.py": "FtpsRemote.* SftpRemote.* Remote.*",
    "transfer/test_pull.py": "FetchReport.completeness",
    "transfer/test_smt_api.py": "SmtApi.interval_reads SmtApi.daily_reads SmtApi.request_files "
    "SmtApi.agreements SmtApi.subscriptions",
    "custodian/test_foreign.py": "Client.* Authorization.* FileStore.delete",
    "custodian/test_many_customers.py": "Customers.*",
    "custodian/test_client.py": "KeyringStore.* Listener.get",
    "test_pgp.py": "Keyring.temporary Keyring.decrypt Keyring.encrypt Keyring.list_keys Keyring.public_key "
    "Keyring.secret_key Keyring.forget Answer.save",
    "custodian/test_failures.py": "Document.read",
}
# these compute from what they have, and cannot meet a fault of a file, a server, or a user
WITHOUT_FAULT = {
    "certificates.is_pem",
    "certificates.pem",
    "certificates.sign",
    "Window.in_zone",
    "Certificate.days_left",
    "settings.default_path",
    "Settings.show",
    "SecretRef.to_toml",
    "Secret.reveal",
    "Diagnosis.named",
    "Answer.json",
    "Pending.error",
    "Profile.facts",
    "Profile.complete",
    "MemoryStore.*",
    "Store.*",
    "Keyring.close",
    "SmtApi.close",
    "Listener.close",
}


class Unused:
    """A remote that must not be asked, since the disk fails first."""

    def names(self, folder):
        raise AssertionError("the server was asked")


def in_keyring(folder, do):
    if not GPG:
        pytest.skip("the gpg program is not installed")
    (folder / "g").mkdir(mode=0o700)
    with pgp.Keyring(folder / "g", passphrase=PHRASE) as keyring:
        return do(keyring)


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory):
    """RSA keys that are made at once, and a certificate for those rows that need one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("greenkit.certificates._make.RSA_BITS", 2048)
        PAIRS.append(certificates.new_certificate(tmp_path_factory.mktemp("pair"), "meter-pc", password=None))
        yield


def certificate():
    return certificates.read(PAIRS[0].certificate)


def made():
    from cryptography import x509

    return x509.load_pem_x509_certificate(PAIRS[0].certificate.read_bytes())


def new_key():
    return certificates.read_private_key(PAIRS[0].key, None, "key")


def token():
    from greenkit.custodian._tokens import Token

    return Token.from_answer({}, access=HIDDEN, lifetime=60.0, now=0.0)


def check(call, *, tools=("plain",)):
    """Call, and check the error if there is one: of greenkit, with a next step, and without the secret."""
    error = None
    try:
        call()
    except errors.GreenkitError as e:
        error = from_greenkit(e)
    if error is None:
        return False
    assert error.next_step.endswith((".", "?")), (type(error), error.problem, error.next_step)
    shown = [tool for tool in tools if HIDDEN in TOOLS[tool](error)]
    assert shown == [], type(error)
    return True


@pytest.mark.parametrize("name", FILES)
def test_unexpected_file_raises_an_error_of_greenkit(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    raised = 0
    for fault in PATHS:
        folder = tmp_path / fault.__name__
        folder.mkdir()
        path = fault(folder)
        raised += check(lambda path=path, folder=folder: FILES[name](path, folder))
    # an empty secret, and a store without a grant, are no errors
    assert raised >= (3 if name in ("Secret.file", "SecretRef.get", "FileStore.load") else len(PATHS) - 2), raised


@pytest.mark.parametrize("name", WRITE)
@pytest.mark.parametrize("fault", ["below a file", "disk full"])
def test_place_that_cannot_be_written_raises_an_error_of_greenkit(name, fault, tmp_path, monkeypatch):
    if fault == "below a file":
        (tmp_path / "file").write_bytes(b"")
        assert check(lambda: WRITE[name](tmp_path / "file" / "x"), tools=TOOLS)
        return

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for place in ("os.open", "os.mkdir", "os.replace"):
        monkeypatch.setattr(place, full)
    assert check(lambda: WRITE[name](tmp_path / "x"), tools=("plain",))


@pytest.mark.parametrize("name", CALLS)
def test_wrong_argument_raises_an_error_of_greenkit(name, monkeypatch):
    def nobody(*args, **kwargs):
        raise EOFError

    monkeypatch.setattr("getpass.getpass", nobody)
    assert check(CALLS[name], tools=TOOLS)


def exported():
    """Return the entry points that the packages export: functions, classes, and their public methods."""
    found = set()
    for package in PACKAGES:
        module = importlib.import_module(f"greenkit.{package}")
        own = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__]
        for name in getattr(module, "__all__", own):
            if name.startswith("_"):
                continue
            thing = getattr(module, name)
            if inspect.isclass(thing) and thing.__module__.startswith("greenkit"):
                methods = {n: inspect.getattr_static(thing, n) for n in dir(thing) if not n.startswith("_")}
                found |= {
                    f"{name}.{n}"
                    for n, m in methods.items()
                    if isinstance(m, classmethod | staticmethod) or inspect.isfunction(m)
                }
            elif inspect.isfunction(thing):
                found.add(f"{package.rpartition('.')[2]}.{name}")
    return found


def matches(name, row):
    return name == row or (row.endswith(".*") and name.startswith(row[:-1]))


def test_every_entry_point_has_a_row():
    rows = {*FILES, *WRITE, *CALLS, *WITHOUT_FAULT, *" ".join(ELSEWHERE.values()).split()}
    names = exported()
    assert len(names) > 80
    assert sorted(name for name in names if not any(matches(name, row) for row in rows)) == []
    classes = {name.partition(".")[0] for name in names}
    unused = [row for row in rows if row not in classes and not any(matches(name, row) for name in names)]
    assert unused == []
    assert all((Path(__file__).parent / path).is_file() for path in ELSEWHERE)
