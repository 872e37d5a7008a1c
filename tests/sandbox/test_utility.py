"""The complete sandbox: the same meters behind three servers, and the demo."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from lxml import etree

import greenkit
from greenkit import _files, demo, frame, pgp, sandbox
from greenkit.__main__ import main
from greenkit.errors import BusyError, SettingsError
from greenkit.sandbox.visitor import visit
from greenkit.synthetic import DIALECTS
from greenkit.transfer._pull import fetch_smt

XSD = Path(__file__).parents[3] / "shared" / "xsd" / "espi.xsd"
needs_gpg = pytest.mark.skipif(not shutil.which("gpg"), reason="gpg is not installed")
DAYS = [pd.Timestamp(day, tz="America/Chicago") for day in ("2024-11-02", "2024-11-05")]


@pytest.fixture(scope="module")
def utility():
    with sandbox.start() as running:
        yield running


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """The OpenPGP key of a customer, which is short so that it is made at once, and the keyring of the utility."""
    home = tmp_path_factory.mktemp("gnupg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("greenkit.pgp._keyring._RSA_BITS", 1024)
        key = pgp.new_key(home, name="Sandbox tests", passphrase=None, unprotected=True)
    with pgp.Keyring(home) as own, pgp.Keyring.temporary() as theirs:
        yield own, own.public_key(key.fingerprint), theirs
        own.forget()


def sums(df):
    return df.groupby(["meter", "flow"], observed=True)["value"].sum().round(6).to_dict()


def test_green_button_connect_serves_the_true_values(utility):
    with utility.custodian.connect() as client:
        flow = client.authorize("paste")
        flow.finish(visit(flow.url))
        got = client.usage("2024-11-02", "2024-11-05")
        # the profile's zone is that of the meters, so the same dates mean the same days
        assert (client.profile.zone, set(client.coverage["status"])) == ("America/Chicago", {"complete"})
    truth = utility.truth("2024-11-02", "2024-11-05")
    assert len(got) == truth["meter"].isin(got["meter"].unique()).sum()
    assert sums(got) == {k: v for k, v in sums(truth).items() if k in sums(got)}
    assert len(sums(got)) == 3


def test_denied_authorization_shares_nothing(utility):
    with utility.custodian.connect() as client:
        flow = client.authorize("paste")
        with pytest.raises(greenkit.errors.AuthorizationDenied):
            flow.finish(visit(flow.url, allow=False))
    with pytest.raises(SettingsError, match="did not let Nobody sign in"):
        visit(flow.url, user="Nobody")


@pytest.mark.parametrize(
    ("wrong", "named", "other"),
    [
        ({"client_id": "other"}, "client_id", "redirect_uri"),
        ({"redirect_uri": "http://127.0.0.1:8400/other"}, "redirect_uri", "client_id"),
    ],
)
def test_refused_link_names_the_value_that_is_not_registered(utility, wrong, named, other):
    with utility.custodian.connect(**wrong) as client:
        flow = client.authorize("paste")
        with pytest.raises(SettingsError, match=f"refused the link: {named} is not") as error:
            visit(flow.url)
        assert other not in error.value.problem
        with pytest.raises(TimeoutError, match="check client_id and redirect_uri against the registration"):
            flow.wait(0)


@needs_gpg
def test_both_file_servers_serve_the_true_values(utility, keys, tmp_path):
    own, public, theirs = keys
    utility.register_key(public, theirs, days=9)
    utility.ask(*(day.date() for day in DAYS))
    truth = utility.truth("2024-11-02", "2024-11-11")
    for server, folder in ((utility.sftp, "intervaldata"), (utility.ftps, "adhocusage")):
        with server.remote() as remote:
            report = fetch_smt(remote, folder, into=tmp_path / folder, pgp=own)
        assert set(report.frame["state"]) == {"decrypted"}
        got = frame.check(greenkit.load_smt(tmp_path / folder), exact=True)
        want = truth if folder == "intervaldata" else utility.truth("2024-11-02", "2024-11-05")
        assert sums(got) == sums(want)
        assert got["start"].dt.date.astype(str).value_counts()["2024-11-03"] == 400  # 100 of each of four series


@needs_gpg
def test_next_day_adds_and_deletes_files(keys):
    _, public, theirs = keys
    with sandbox.start(day_length=0.05) as running:
        folder = running.sftp.root / "intervaldata"
        first = running.today
        running.register_key(public, theirs, days=2)
        oldest = min(path for path in folder.iterdir() if path.suffix == ".asc")  # others are being written
        deadline = time.monotonic() + 30
        while oldest.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not oldest.exists()
        assert running.today - first >= timedelta(days=9)
        assert len(list(folder.iterdir())) <= 2 * 12


def test_missing_key_raises(utility, monkeypatch):
    monkeypatch.setattr(utility, "_recipient", None)
    with pytest.raises(SettingsError, match="register_key"):
        utility.post(utility.today)


def test_settings_work_from_any_folder(utility, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = utility.write_settings("box")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert path == tmp_path / "box" / "settings.toml"
    assert path.stat().st_mode & 0o077 == 0
    assert utility.sftp.password.reveal() not in path.read_text()
    with greenkit.connect("pge", settings=path) as client:
        assert client.service_status()
        assert str(tmp_path / "box" / "tokens") in client._repr_html_()
    with greenkit.smt_remote(path) as remote:
        assert remote.names("adhocusage") is not None
    assert greenkit.settings.read(path).smt.into == tmp_path / "box" / "smt-files", (
        "else greenkit fetch smt would refuse"
    )
    ftps = utility.write_settings(tmp_path / "ftps", protocol="ftps")
    with greenkit.smt_remote(ftps) as remote:
        assert remote.names("adhocusage") is not None


@pytest.mark.parametrize("dialect", ["conforming", "prefixed", "smt"])
def test_feeds_have_the_dialect(dialect):
    with sandbox.start("generic", dialect=dialect) as running, running.custodian.connect() as client:
        flow = client.authorize("paste")
        flow.finish(visit(flow.url, user="Grace"))
        data = client.fetch_usage(*DAYS)
    raw = data[0].read()
    assert (b"SMT Green Button Report" in raw) is (dialect == "smt")
    assert (b"espi:IntervalBlock" in raw) is (dialect == "prefixed")
    assert dialect in DIALECTS


@pytest.mark.skipif(not XSD.exists(), reason="the ESPI schemas are not beside the checkout")
def test_conforming_feed_validates(utility):
    schema = etree.XMLSchema(etree.parse(XSD))
    with utility.custodian.connect() as client:
        flow = client.authorize("paste")
        flow.finish(visit(flow.url, user="Grace"))
        tree = etree.fromstring(client.fetch_usage(*DAYS)[0].read())
    resources = tree.xpath("//*[local-name()='content']/*")
    assert len(resources) > 5
    for resource in resources:
        assert schema.validate(etree.fromstring(etree.tostring(resource))), (resource.tag, schema.error_log)


def test_demo_prints_true_figures_and_runs_twice(tmp_path, monkeypatch):
    said = []
    page = demo.run(tmp_path, write_line=said.append)
    story = "\n".join(said)
    assert "4,044 readings of 2 usage points" in story
    assert story.count("within 0.000 kWh") == (2 if shutil.which("gpg") else 1)
    assert "<script src=" not in page.read_text()
    assert not list(tmp_path.rglob("gnupg"))
    monkeypatch.setattr(shutil, "which", lambda name: None)  # again, without gpg and the slow page
    monkeypatch.setattr(demo, "write_report", lambda df, path, *, title: path if len(df) == 4044 else None)
    assert demo.run(tmp_path, write_line=said.append) == page
    assert "apt-get install gnupg" in "\n".join(said)


# the command, with an OpenPGP key that is made at once
COMMAND = """
import sys
from greenkit.__main__ import main
from greenkit.pgp import _keyring
_keyring._RSA_BITS = 1024
sys.exit(main(sys.argv[1:]))
"""


@needs_gpg
def test_sandbox_command(tmp_path):
    command = [sys.executable, "-c", COMMAND, "sandbox", "--into", "box", "--day", "600"]
    (tmp_path / "temporary").mkdir()
    env = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, cwd=tmp_path)
    try:
        lines = []
        while not (lines and lines[-1].startswith("Ready")):
            lines.append(running.stdout.readline())
            assert lines[-1], lines
        settings = tmp_path / "box" / "settings.toml"
        with greenkit.smt_remote(settings) as remote, greenkit.smt_keyring(settings) as keyring:
            report = fetch_smt(remote, "intervaldata", into=tmp_path / "got", pgp=keyring)
        assert len(report.files) == 14
        assert len(greenkit.load_smt(tmp_path / "got")) == 7 * 384
    finally:
        running.terminate()  # SIGTERM ends it as Ctrl-C does
        running.communicate(timeout=20)
    assert running.returncode == 0
    assert list((tmp_path / "temporary").iterdir()) == []
    with socket.socket() as probe, pytest.raises(OSError, match="refused"):
        probe.connect(("127.0.0.1", int(lines[1].split(":")[-1].split()[0])))


INTERRUPTED = """
import os, signal
from greenkit.sandbox._sftp_server import SftpServer

class Interrupted(SftpServer):
    async def _listen(self):
        os.kill(os.getpid(), signal.SIGINT)
        return await super()._listen()

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
try:
    with Interrupted():
        print("begun")
except KeyboardInterrupt:
    print("ended")
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
def test_interrupt_during_start_ends_the_server():
    run = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60)
    assert run.stdout == "ended\n", run.stderr


FORGOTTEN = """
from greenkit import sandbox
from greenkit.sandbox import custodian
from greenkit.sandbox._sftp_server import SftpServer

begun = [sandbox.start(), custodian.start("pge"), SftpServer()]
for each in begun:
    each.__enter__()
print("forgotten")
"""


def test_program_that_does_not_close_the_sandbox_ends(tmp_path):
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", FORGOTTEN], capture_output=True, text=True, timeout=60, env=env)
    assert (run.returncode, run.stdout) == (0, "forgotten\n"), run.stderr
    assert list(tmp_path.iterdir()) == []


def test_sandbox_runs_without_gpg(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")

    def write_line(line):
        if line.startswith("Ready"):
            raise InterruptedError(line)

    with pytest.raises(InterruptedError, match=r"without files on the file servers: The program gpg is not found"):
        sandbox.serve(tmp_path, write_line, profile="generic", day_length=60.0)


def test_second_sandbox_in_the_same_folder_is_refused(tmp_path):
    with _files.locked(tmp_path / ".lock"):
        with pytest.raises(BusyError, match="Wait until it ends"):
            demo.run(tmp_path)
        with pytest.raises(BusyError, match="Wait until it ends"):
            sandbox.serve(tmp_path, print, profile="pge", day_length=60.0)


def test_unwritable_folder_prints_a_short_error(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    usual = signal.getsignal(signal.SIGTERM)
    try:
        for command in ("demo", "sandbox"):
            assert main([command, "--into", str(tmp_path / "file")]) == 1
            err = capsys.readouterr().err
            assert err.count("\n") == 1
            assert str(tmp_path / "file") in err
    finally:
        signal.signal(signal.SIGTERM, usual)
