"""``greenkit fetch smt`` and ``greenkit doctor smt``, as schedulers and people call them, against the sandbox."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from greenkit import certificates, cli, pgp, settings
from greenkit.cli import fetch as command
from greenkit.cli._command import Exit, run_and_report
from greenkit.errors import BadPassphrase, NoSecretKey, SettingsError
from greenkit.sandbox.authority import Authority
from greenkit.sandbox.files import FtpsServer, SftpServer
from greenkit.secret import Secret
from greenkit.transfer import _account
from greenkit.transfer._ledger import Home
from greenkit.transfer.onboarding import write_onboarding

GPG = pytest.mark.skipif(shutil.which("gpg") is None, reason="the gpg program is not installed")
CSV = b"ESIID,USAGE_DATE,REVISION_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL,CONSUMPTION\n"


@pytest.fixture
def server():
    with SftpServer() as server:
        server.put("intervaldata/a.csv", CSV)
        server.put("adhocusage/b.csv", CSV)
        yield server


@pytest.fixture
def file(server, tmp_path, monkeypatch):
    """Return a settings file for the server of the sandbox."""
    monkeypatch.setenv("GK_TEST_PASSWORD", server.password.reveal())
    path = tmp_path / "settings.toml"
    path.write_text(
        f'[smt]\nhost = "localhost"\nport = {server.endpoint.port}\nuser = "{server.user}"\ntimeout = 5\n'
        f'password = {{env = "GK_TEST_PASSWORD"}}\nhost_key = "{server.host_key}"\n'
        'folders = ["intervaldata", "adhocusage"]\ninto = "files"\n'
    )
    return path


@pytest.fixture
def small_keys(monkeypatch):
    """Keys that are made at once."""
    monkeypatch.setattr("greenkit.certificates._make.RSA_BITS", 2048)
    monkeypatch.setattr("greenkit.pgp._keyring._RSA_BITS", 1024)


def fetch(file, *more):
    return cli.main(["fetch", "smt", "--settings", str(file), *more])


@GPG
def test_fetch_prints_one_line_for_each_file(file, capsys, tmp_path):
    assert fetch(file) == Exit.DONE
    out = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ copied 'a\.csv' 102 bytes", out[0]), out
    assert out[1].startswith("intervaldata: 1 copied; 1 new in ")
    assert "copied 'b.csv'" in out[2]
    assert len(out) == 4
    assert (tmp_path / "files" / "a.csv").read_bytes() == CSV


@GPG
def test_dir_and_into_replace_the_settings(file, tmp_path, server):
    assert fetch(file, "--dir", "adhocusage", "--into", str(tmp_path / "here")) == Exit.DONE
    assert [p.name for p in (tmp_path / "here").iterdir() if p.is_file()] == ["b.csv"]
    assert not (tmp_path / "files").exists()


@GPG
def test_undecryptable_file_exits_with_3(file, server, capsys):
    server.put("intervaldata/bad.lse.asc", b"<html>")
    assert fetch(file) == Exit.INCOMPLETE
    assert (
        "undecryptable 'bad.lse.asc' 6 bytes: The file is not an OpenPGP message: it is a web page"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("error", [BadPassphrase, NoSecretKey])
def test_wrong_passphrase_or_key_exits_with_1(file, server, capsys, monkeypatch, error):
    @contextlib.contextmanager
    def keyring(smt):
        def decrypt_file(path, into):
            raise error(f"{path.name}: it stays closed", next_step="Set passphrase.")

        yield SimpleNamespace(decrypt_file=decrypt_file)

    monkeypatch.setattr(_account, "smt_keyring", keyring)
    server.put("intervaldata/a.lse.asc", b"-----BEGIN PGP MESSAGE-----\n")
    assert fetch(file) == Exit.FAILED
    said = capsys.readouterr()
    assert "fetched 'a.lse.asc' 28 bytes: it stays closed. Set passphrase." in said.out
    assert "1 file (a.lse.asc) was fetched but not decrypted" in said.err
    assert "copied 'b.csv'" in said.out, "the other folder is fetched too"


def test_files_are_fetched_and_kept_on_the_server_without_gpg(file, server, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    server.put("intervaldata/a.lse.asc", b"-----BEGIN PGP MESSAGE-----\n")
    file.write_text(file.read_text() + 'delete = "decrypted"\n')
    assert fetch(file) == Exit.INCOMPLETE
    said = capsys.readouterr()
    assert "fetched 'a.lse.asc' 28 bytes: Not decrypted, because no OpenPGP keyring is set." in said.out
    assert "Files are fetched but not decrypted: The program gpg is not found" in said.err
    assert "a.lse.asc" in os.listdir(server.root / "intervaldata")


@GPG
def test_second_fetch_at_the_same_time_exits_with_4(file, tmp_path, capsys):
    home = Home(tmp_path / "files")
    home.make()
    with home.locked():
        assert fetch(file) == Exit.BUSY
    assert f"Another fetch is using {tmp_path / 'files'}" in capsys.readouterr().err


@GPG
def test_unreachable_server_exits_with_5_and_rejected_login_with_1(file, server, capsys, monkeypatch):
    monkeypatch.setenv("GK_TEST_PASSWORD", "hunter2")
    assert fetch(file) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: sftp://localhost:")
    assert "hunter2" not in said
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        file.write_text(re.sub(r"port = \d+", f"port = {free.getsockname()[1]}", file.read_text()))
        assert fetch(file) == Exit.LATER


@GPG
def test_watch_continues_until_it_is_interrupted(file, server, monkeypatch):
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        server.put(f"intervaldata/{len(waits)}.csv", CSV)
        if len(waits) == 3:
            raise KeyboardInterrupt

    parsed = type(
        "Args", (), {"verbose": False, "settings": str(file), "dir": ["intervaldata"], "into": None, "watch": 15.0}
    )
    assert run_and_report(lambda: command.run(parsed, sleep=sleep)) == Exit.INTERRUPTED
    assert waits == [900.0] * 3
    assert sorted(p.name for p in (file.parent / "files").glob("*.csv")) == ["1.csv", "2.csv", "a.csv"]


@GPG
def test_missing_folder_exits_with_1_after_the_other_folders(file, tmp_path, capsys):
    assert fetch(file, "--dir", "intervaldate", "--dir", "adhocusage") == 1
    said = capsys.readouterr()
    assert said.err.startswith("Error: intervaldate: sftp://localhost:")
    assert (
        "has no folder 'intervaldate', or the account may not enter it.\nNext step: Correct folders under [smt]"
        in said.err
    ), "as greenkit doctor smt says"
    assert "copied 'b.csv'" in said.out


@GPG
def test_watch_waits_while_another_fetch_holds_the_folder(file, tmp_path):
    home = Home(tmp_path / "files")
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 1:
            home.make()
            held.enter_context(home.locked())
        elif len(waits) == 2:
            held.close()
        else:
            raise KeyboardInterrupt

    parsed = type(
        "Args", (), {"verbose": False, "settings": str(file), "dir": ["intervaldata"], "into": None, "watch": 15.0}
    )
    with contextlib.ExitStack() as held:
        assert run_and_report(lambda: command.run(parsed, sleep=sleep)) == Exit.INTERRUPTED
    assert len(waits) == 3


def test_no_remote_folder_exits_with_1(file, capsys):
    file.write_text(file.read_text().replace('folders = ["intervaldata", "adhocusage"]', "folders = []"))
    assert fetch(file) == 1
    assert "No remote folder is set.\nNext step: Pass --dir FOLDER" in capsys.readouterr().err


def test_unwritable_destination_prints_a_short_error(file, capsys, tmp_path):
    assert fetch(file, "--into", str(file / "below")) == 1
    said = capsys.readouterr().err.splitlines()
    assert any(line.startswith("Error: ") for line in said)
    assert cli.main(["doctor", "smt", "--new", "--settings", str(file / "below" / "s.toml")]) == 1
    assert [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()] == ["Error", "Next step"]


def test_wrong_arguments_exit_with_2(file, capsys):
    for arguments in (["fetch", "pge"], ["fetch", "smt", "--watch", "0"], ["fetch", "smt", "--watch", "soon"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        assert caught.value.code == 2
    assert "must be at least 1 minute" in capsys.readouterr().err


def test_missing_settings_and_missing_destination_exit_with_1(tmp_path, capsys):
    assert fetch(tmp_path / "none.toml") == 1
    assert "Run greenkit doctor smt --new to create one" in capsys.readouterr().err
    (tmp_path / "empty.toml").touch()
    assert fetch(tmp_path / "empty.toml") == 1
    assert "No destination folder is set.\nNext step: Pass --into DIR" in capsys.readouterr().err


@GPG
def test_fetch_as_a_process(file):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PYTHONIOENCODING": "ascii"}
    line = [sys.executable, "-m", "greenkit", "fetch", "smt", "--settings", str(file)]
    done = subprocess.run(line, capture_output=True, text=True, env=env, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 4


def test_doctor_exits_with_1_when_a_check_fails(file, capsys):
    cli.main(["doctor", "smt", "--settings", str(file)])
    out = capsys.readouterr().out
    assert "ok      login: log in: as sandbox" in out
    assert "ok      folder adhocusage: enter and list it: 1 file" in out
    file.write_text(file.read_text().replace('into = "files"\n', ""))
    assert cli.main(["doctor", "smt", "--settings", str(file)]) == 1
    assert "failed  destination" in capsys.readouterr().out
    cli.main(["doctor", "smt", "--settings", str(file), "--into", str(file.parent / "files")])
    assert "ok      destination" in capsys.readouterr().out
    file.write_text(file.read_text().replace("host_key = ", "known_hosts = "))
    assert cli.main(["doctor", "smt", "--settings", str(file)]) == 1
    assert "failed  host key" in capsys.readouterr().out


def test_doctor_shows_and_creates_settings(file, capsys, tmp_path, server):
    assert cli.main(["doctor", "smt", "--settings", str(file), "--show"]) == 0
    out = capsys.readouterr().out
    assert "password: environment variable GK_TEST_PASSWORD\n" in out
    assert server.password.reveal() not in out
    new = tmp_path / "new" / "settings.toml"
    assert cli.main(["doctor", "smt", "--settings", str(new), "--new"]) == 0
    assert settings.read(new).smt.delete == "decrypted"
    assert settings.read(new).smt.user is None, "the template has no user name"
    assert f"Edit it, then run greenkit doctor smt --settings {new}." in capsys.readouterr().out
    assert cli.main(["doctor", "smt", "--settings", str(new), "--new"]) == 1


def test_onboarding_lists_what_is_missing(file, capsys, tmp_path):
    assert cli.main(["doctor", "smt", "--settings", str(file), "--onboarding", str(tmp_path / "on")]) == 0
    out = capsys.readouterr().out
    assert "ssh-public-key.pub: The settings contain no SSH key" in out
    page = (tmp_path / "on" / "onboarding.md").read_text()
    assert "DUNS number: ____" in page
    assert "NOT ENCLOSED" in page
    assert sorted(p.name for p in (tmp_path / "on").iterdir()) == ["onboarding.md"]
    for text in (out, page):
        assert "certificate" not in text, "SFTP needs none"


def test_onboarding_for_ftps_leaves_out_the_ssh_key(tmp_path):
    made = write_onboarding(tmp_path, protocol="ftps", pgp=settings.PgpSettings(home=tmp_path / "none"))
    assert str(made["client-certificate.cer"]).startswith("The settings contain no certificate, which FTPS requires")
    page = made["onboarding.md"].read_text()
    assert sorted(made) == ["client-certificate.cer", "onboarding.md", "openpgp-public-key.asc"]
    assert "ssh" not in page.lower()
    assert "Zip a .cer file before you mail it" in page


@GPG
def test_onboarding_without_an_openpgp_key_names_the_keyring(tmp_path):
    (tmp_path / "gnupg").mkdir(mode=0o700)
    made = write_onboarding(tmp_path / "on", pgp=settings.PgpSettings(home=tmp_path / "gnupg"))
    assert made["openpgp-public-key.asc"] == (
        "The keyring has no secret key for encryption. Set home under [smt.pgp] to the keyring that has it, or import "
        "it with gpg --import. To make one, run greenkit make-key pgp."
    )


@GPG
def test_onboarding_contains_public_keys_only(tmp_path, small_keys):
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    (home / "gpg-agent.conf").write_text("s2k-count 65536\n")
    phrase = Secret("open sesame")
    key = pgp.new_key(home, name="REP One", passphrase=phrase)
    pair = certificates.new_certificate(tmp_path, "machine.example", password=phrase)
    ssh = certificates.new_ssh_key(tmp_path / "id", password=phrase)
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    options = {
        "certificate": both, "ssh_key": tmp_path / "id", "ssh_key_passphrase": phrase, "duns": "123456789",
        "account": "REP One", "public_addresses": ("203.0.113.5",), "host_name": "machine.example", "user": "rep1",
    }  # fmt: skip
    asked = settings.SecretRef("env", "GK_TEST_NOT_SET")
    options["pgp"] = settings.PgpSettings(home=home, passphrase=asked)  # exporting the public key needs no passphrase
    made = write_onboarding(tmp_path / "on", **options)
    assert sorted(made) == ["client-certificate.cer", "onboarding.md", "openpgp-public-key.asc", "ssh-public-key.pub"]
    assert {p.parent.name for p in made.values()} == {"on"}
    for path in made.values():
        assert b"PRIVATE" not in path.read_bytes()
    assert made["client-certificate.cer"].read_bytes() == pair.certificate.read_bytes()
    assert certificates.read(made["client-certificate.cer"]).common_name == "machine.example"
    assert made["ssh-public-key.pub"].read_text().split()[:2] == ssh.split()[:2]
    with pgp.Keyring.temporary(made["openpgp-public-key.asc"]) as other:
        assert [k.fingerprint for k in other.list_keys(secret=False)] == [key.fingerprint]
        assert other.list_keys() == []
    page = made["onboarding.md"].read_text()
    for fact in ("123456789", "REP One", "203.0.113.5", "machine.example", "sftp://ftp.smartmetertexas.biz:22"):
        assert fact in page
    assert "NOT ENCLOSED" not in page
    with pgp.Keyring(home) as keyring:
        keyring.forget()


def test_the_server_takes_what_onboarding_enclosed(tmp_path, small_keys):
    with Authority() as authority, FtpsServer(authority=authority) as server:
        pair = certificates.new_certificate(tmp_path, "machine.example", password=None)
        made = write_onboarding(tmp_path / "on", certificate=pair.certificate)
        server.register(made["client-certificate.cer"])
        with server.remote(certificate=pair.certificate, key=pair.key) as remote:
            assert remote.names("intervaldata") == []


def test_wrong_protocol():
    with pytest.raises(SettingsError, match="must be sftp or ftps"):
        _account.smt_remote(protocol="ftp")
