"""A pull from misbehaving servers: no short file under a final name, no delete before a verified copy, nothing twice."""

import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from greenkit import Secret, errors, pgp
from greenkit.sandbox.files import Faults, FtpsServer, SftpServer
from greenkit.transfer import _pull as pulls
from greenkit.transfer._pull import pull

pytestmark = pytest.mark.skipif(not shutil.which("gpg"), reason="the gpg program is not installed")

PLAIN = random.Random(1).randbytes(300_000)
FAULTS = [
    Faults(cut="clean"),
    Faults(cut="unannounced"),
    Faults(late_error=True),
    Faults(lose_delete_reply=True),
]
MORE_FAULTS = [
    Faults(cut="clean", no_size=True, no_time=True),
    Faults(cut="unannounced", no_size=True),
    Faults(cut="reset"),
    Faults(cut="reset", after=0),
    Faults(cut="clean", after=0),
    Faults(stall=True),
    Faults(lose_delete_reply=True, no_size=True, no_time=True),
    Faults(size_off=5),
    Faults(size_off=-5),
    Faults(no_size=True),
    Faults(no_time=True),
]
CLOSE_NOTIFY = [
    Faults(no_close_notify=True),
    Faults(no_close_notify=True, no_size=True, no_time=True),
    Faults(no_close_notify=True, cut="clean"),
    Faults(no_close_notify=True, cut="clean", no_size=True),
]


def told(faults):
    return ",".join(f"{name}={getattr(faults, name)}" for name in faults.__slots__ if getattr(faults, name))


def cases():
    """Yield each server with each fault that it can have; most of them are in ring 2, because they take long."""
    for kind in (FtpsServer, SftpServer):
        more = MORE_FAULTS + (CLOSE_NOTIFY if kind is FtpsServer else [])
        for faults in FAULTS + more:
            marks = [pytest.mark.real] if faults in more else []
            yield pytest.param(kind, faults, id=f"{kind.__name__}-{told(faults)}", marks=marks)


@pytest.fixture(scope="module")
def keyring():
    with tempfile.TemporaryDirectory(prefix="gkt-") as home:
        Path(home, "gpg-agent.conf").write_text("s2k-count 65536\n")
        key = pgp.new_key(home, name="Example Energy", passphrase=Secret("secret"))
        with pgp.Keyring(home, passphrase=Secret("secret")) as keyring:
            keyring.fingerprint, keyring.home = key.fingerprint, home
            yield keyring
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


@pytest.fixture(scope="module")
def message(keyring):
    return keyring.encrypt(PLAIN, keyring.fingerprint)


@pytest.fixture(scope="module")
def running(request):
    with request.param() as server:
        yield server


@pytest.fixture
def server(running, message):
    for path in (running.root / "intervaldata").iterdir():
        path.unlink()
    running.put("intervaldata/a.lse.asc", message)
    yield running
    running.faults = Faults()


def once(server, into, keyring, **how):
    """Fetch once, as a service does that continues after any failure, and return the report or the error."""
    try:
        with server.remote(timeout=1 if server.faults.stall else 20) as remote:
            return pull(remote, "intervaldata", into=into, pgp=keyring, **{"delete": "decrypted", **how})
    except errors.RemoteError as e:
        return e


def check(server, into):
    """Return whether the file is stored; it must be complete, and the server's copy deleted only if it is."""
    here = [path for path in into.iterdir() if not path.name.startswith(".")]
    assert [path.name for path in here] in ([], ["a.lse"])
    assert all(path.read_bytes() == PLAIN for path in here)
    assert here or (server.root / "intervaldata" / "a.lse.asc").exists()
    return bool(here)


@pytest.mark.parametrize(("running", "faults"), list(cases()), indirect=["running"])
def test_no_fault_loses_truncates_or_duplicates_a_file(server, keyring, tmp_path, faults):
    server.faults = faults
    once(server, tmp_path, keyring)
    check(server, tmp_path)
    server.faults = Faults()
    report = once(server, tmp_path, keyring)
    assert not isinstance(report, Exception)
    assert check(server, tmp_path)
    # a file whose size the server reports wrongly is stored, and stays on the server
    assert os.listdir(server.root / "intervaldata") == (["a.lse.asc"] if faults.size_off else [])
    kept = [p for p in tmp_path.rglob("*") if p.is_file() and p.name.endswith(".part")]
    assert kept == []


@pytest.mark.parametrize("running", [FtpsServer, SftpServer], indirect=True)
def test_file_damaged_on_the_server_stays_and_is_fetched_again(server, keyring, message, tmp_path):
    server.put("intervaldata/a.lse.asc", message[:-1000])
    for _ in range(2):
        (file,) = once(server, tmp_path, keyring).files
        assert (file.state, file.bytes) == ("undecryptable", len(message) - 1000)
        assert not check(server, tmp_path)
    server.put("intervaldata/a.lse.asc", message)
    once(server, tmp_path, keyring)
    assert check(server, tmp_path)
    assert os.listdir(server.root / "intervaldata") == []


@pytest.mark.parametrize("running", [FtpsServer, SftpServer], indirect=True)
def test_resume_fetches_only_what_is_missing(server, keyring, tmp_path, monkeypatch):
    monkeypatch.setattr(pulls, "_SESSIONS", 0)
    server.faults = Faults(cut="unannounced", after=200_000)
    once(server, tmp_path, keyring)
    server.faults = Faults()
    told = []
    with server.remote() as remote:
        fetch = remote.fetch
        remote.fetch = lambda path, sink, offset=0: told.append(offset) or fetch(path, sink, offset)
        pull(remote, "intervaldata", into=tmp_path, pgp=keyring)
    assert 150_000 < told[0] <= 200_000
    assert check(server, tmp_path)
