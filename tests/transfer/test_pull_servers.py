"""Pulls over FTPS and SFTP from the sandbox's servers while they misbehave, and once with real OpenPGP to a frame."""

import os
import random
import shutil
from pathlib import Path

import pytest
from directory_remote import Unsealer, seal

import greenkit
from greenkit import pgp
from greenkit.sandbox.files import Faults, FtpsServer, SftpServer
from greenkit.secret import Secret
from greenkit.transfer import _pull as pulls
from greenkit.transfer._ledger import Home
from greenkit.transfer._pull import pull

PLAIN = {"a.lse": b"small", "b.lse": random.Random(1).randbytes(300_000)}
SHORT = [{"cut": "clean"}, {"cut": "unannounced"}, {"cut": "reset"}, {"stall": True}, {"late_error": True}]
HARMLESS = [
    {"no_close_notify": True},
    {"no_size": True, "no_time": True},
    *(pytest.param(faults, marks=pytest.mark.real) for faults in ({}, {"no_size": True}, {"no_time": True})),
]


def name(faults):
    return "-".join(f"{k}={v}" for k, v in faults.items()) or "none"


@pytest.fixture(scope="module", params=[FtpsServer, SftpServer], ids=["ftps", "sftp"])
def running(request):
    with request.param() as server:
        yield server


@pytest.fixture
def server(running):
    running.faults = Faults()
    for plain_name, plain in PLAIN.items():
        running.put(f"intervaldata/{plain_name}.asc", seal(plain))
    yield running
    running.faults = Faults()
    for path in (running.root / "intervaldata").iterdir():
        path.unlink()


def go(server, into, delete="decrypted", timeout=10.0):
    with server.remote(timeout=timeout) as remote:
        return pull(remote, "intervaldata", into=into, pgp=Unsealer(), delete=delete)


def plain_files(into):
    return {p.name: p.read_bytes() for p in into.iterdir() if p.is_file()}


def on_server(server):
    return sorted(os.listdir(server.root / "intervaldata"))


@pytest.mark.parametrize("delete", ["decrypted", pytest.param("fetched", marks=pytest.mark.real)])
@pytest.mark.parametrize("faults", SHORT, ids=name)
def test_truncated_file_gets_no_final_name_and_stays_on_the_server(server, tmp_path, monkeypatch, faults, delete):
    monkeypatch.setattr(pulls, "_SESSIONS", 0)  # else further sessions would complete the file
    server.misbehave(**faults)
    go(server, tmp_path, delete, timeout=0.4 if "stall" in faults else 10.0)
    for path in Home(tmp_path).received.iterdir():
        assert path.read_bytes() == seal(PLAIN[path.name.removesuffix(".asc")])
    found = plain_files(tmp_path)
    assert found.items() <= PLAIN.items()
    assert "b.lse" not in found
    assert "b.lse.asc" in on_server(server)
    server.faults = Faults()
    assert go(server, tmp_path, delete).complete
    assert plain_files(tmp_path) == PLAIN
    assert on_server(server) == []
    assert list(Home(tmp_path).parts.iterdir()) == []


def test_interrupted_transfer_is_completed_in_further_sessions(server, tmp_path):
    if server.endpoint.protocol == "sftp":
        pytest.skip("this server cuts at the same byte each time, so that no session brings a piece")
    server.misbehave(cut="unannounced")
    assert go(server, tmp_path).complete
    assert plain_files(tmp_path) == PLAIN


@pytest.mark.parametrize("faults", HARMLESS, ids=name)
def test_missing_features_of_a_server_do_no_harm(server, tmp_path, faults):
    server.misbehave(**faults)
    assert go(server, tmp_path).complete
    assert plain_files(tmp_path) == PLAIN
    assert on_server(server) == []


def test_truncated_file_without_a_size_is_found_by_decryption(server, tmp_path):
    server.misbehave(cut="clean", no_size=True)
    report = go(server, tmp_path, "fetched")
    assert {f.name: f.state for f in report.files} == {"a.lse.asc": "done", "b.lse.asc": "undecryptable"}
    assert on_server(server) == ["b.lse.asc"]
    server.faults = Faults()
    assert go(server, tmp_path, "fetched").complete
    assert plain_files(tmp_path) == PLAIN


def test_file_of_a_wrong_size_is_never_deleted(server, tmp_path):
    server.misbehave(size_off=5)
    report = go(server, tmp_path, "fetched")
    assert report.findings.names == ["smt.fetch.wrong-size"]
    assert plain_files(tmp_path) == PLAIN
    assert len(on_server(server)) == 2


def test_lost_reply_to_delete_is_settled_next_time(server, tmp_path):
    server.misbehave(lose_delete_reply=True)
    go(server, tmp_path)
    server.faults = Faults()
    assert go(server, tmp_path).complete
    assert plain_files(tmp_path) == PLAIN
    assert on_server(server) == []


def test_interrupted_transfer_continues_in_the_next_call(server, tmp_path, monkeypatch):
    monkeypatch.setattr(pulls, "_SESSIONS", 0)
    server.misbehave(cut="unannounced")
    go(server, tmp_path)
    (part,) = Home(tmp_path).parts.iterdir()
    begun = part.stat().st_size
    assert 0 < begun <= 100_000
    server.faults = Faults()
    told = []
    with server.remote() as remote:
        pull(remote, "intervaldata", into=tmp_path, pgp=Unsealer(), progress=lambda done, _: told.append(done))
    assert told[-1] == len(seal(PLAIN["b.lse"])) - begun
    assert plain_files(tmp_path) == PLAIN


def test_names_with_spaces_letters_and_unsafe_names(server, tmp_path):
    for odd in ("b c.asc", "größe.asc", "'; x.asc", "%2e.asc"):
        server.put(f"intervaldata/{odd}", seal(odd.encode()))
    latin = isinstance(server, SftpServer)  # pyftpdlib cannot serve a name that is not UTF-8
    if latin:
        os.rename(*(os.fsencode(server.root / "intervaldata") + b"/" + n for n in (b"b c.asc", b"latin\xe9.asc")))
    (server.root / "intervaldata" / "..\\win.asc").write_bytes(seal(b"evil"))
    report = go(server, tmp_path)
    assert {f.name for f in report.files if f.state == "refused"} == {"..\\win.asc"}
    found = plain_files(tmp_path)
    assert found["größe"] == "größe.asc".encode()
    assert found["latiné" if latin else "b c"] == b"b c.asc"
    assert on_server(server) == ["..\\win.asc"]


@pytest.mark.skipif(shutil.which("gpg") is None, reason="the gpg program is not installed")
def test_encrypted_file_becomes_a_frame(server, tmp_path):
    for path in (server.root / "intervaldata").iterdir():
        path.unlink()
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    (home / "gpg-agent.conf").write_text("s2k-count 65536\n")
    key = pgp.new_key(home, name="REP One", passphrase=Secret("open sesame"))
    sample = Path(greenkit.samples.path("smt-lse"))
    with pgp.Keyring(home, passphrase=Secret("open sesame")) as keyring:
        sealed = keyring.encrypt(sample.read_bytes(), key.fingerprint)
        server.put(f"intervaldata/{sample.name}.asc", sealed)
        server.put("intervaldata/cut.lse.asc", sealed[: len(sealed) // 2])
        with server.remote() as remote:
            report = pull(remote, "intervaldata", into=tmp_path / "smt", pgp=keyring, delete="decrypted")
        keyring.forget()
    assert {f.name: f.state for f in report.files} == {f"{sample.name}.asc": "done", "cut.lse.asc": "undecryptable"}
    assert on_server(server) == ["cut.lse.asc"]
    got, want = (greenkit.open_smt(source).readings for source in (tmp_path / "smt", sample))
    assert len(got) == len(want) > 0
    assert got["value"].sum() == want["value"].sum()


@pytest.mark.parametrize("commands", [15, 9])
def test_server_that_closes_sessions_early_gives_all_files_in_further_sessions(tmp_path, commands):
    """M9: the server closes each session after some commands, of which a login takes seven and a file six."""
    with FtpsServer() as server:
        for n in range(12):
            server.put(f"intervaldata/{n:02}.csv", b"ESIID")
        server.misbehave(hang_up_after=commands)
        with server.remote(backoff=0) as remote:
            report = pull(remote, "intervaldata", into=tmp_path / "into")
    assert [f.state for f in report.files] == ["copied"] * 12, report
