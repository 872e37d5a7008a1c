"""Each entry point with each injected fault raises only greenkit's own errors, with a next step, and shows no secret."""

import ftplib
import socket
import ssl

import paramiko
import pytest
from secrets_in_tracebacks import TOOLS, from_greenkit

from greenkit import Secret, errors, pgp
from greenkit.sandbox.files import FtpsServer, SftpServer
from greenkit.transfer import _ftps, _sftp, check_smt, fetch_smt, smt_remote

SECRET = "hunter2-4711"
RAISED = [
    OSError(5, "Input/output error"), EOFError(), TimeoutError("timed out"), ssl.SSLError(1, "[SSL] odd"),
    socket.gaierror(-3, "temporary"),
]  # fmt: skip
LIKE_OSERROR = [ConnectionResetError(104, "reset"), BrokenPipeError(32, "pipe")]
FTP = [
    ftplib.error_temp("451 later"),
    ftplib.error_perm("550 no"),
    ftplib.error_perm("530 no"),
    ftplib.error_proto("?"),
]
SSH = [paramiko.SSHException("odd"), paramiko.ssh_exception.ChannelException(1, "closed")]


@pytest.fixture(scope="module")
def servers():
    with FtpsServer() as ftps, SftpServer() as sftp:
        for server in (ftps, sftp):
            server.put("intervaldata/a.csv", b"ESIID")
        yield {"ftps": ftps, "sftp": sftp}


CALLS = {
    "open": lambda remote, into: remote.open(),
    "names": lambda remote, into: remote.names("intervaldata"),
    "stat": lambda remote, into: remote.stat("intervaldata/a.csv"),
    "fetch": lambda remote, into: remote.fetch("intervaldata/a.csv", lambda data: None),
    "delete": lambda remote, into: remote.delete("intervaldata/none.csv"),
    "fetch_smt": lambda remote, into: fetch_smt(remote, into=into),
}
# where a fault is injected: the module's class and its methods
PLACES = {
    "ftps": (_ftps.FtpSession, ("begin", "auth", "login", "prot_p", "sendcmd", "receive", "getresp")),
    "sftp": (_sftp.SftpSession, ("__init__", "files")),
}
# of these the first use is that of connecting, in which all calls are alike
CONNECTING = ("begin", "auth", "login", "prot_p", "__init__", "getresp")
QUICK = ("open", "fetch_smt")


def faults():
    for protocol, (_, methods) in PLACES.items():
        for method in methods:
            few = QUICK if method in CONNECTING else tuple(CALLS)
            rest = [name for name in CALLS if name not in few]
            for error in [*RAISED, *(FTP if protocol == "ftps" else SSH), *LIKE_OSERROR]:
                name = f"{protocol}-{method}-{type(error).__name__}"
                slow = [pytest.mark.real] if error in LIKE_OSERROR else []
                yield pytest.param(protocol, method, error, few, id=name, marks=slow)
                if rest:
                    yield pytest.param(protocol, method, error, rest, id=f"{name}-rest", marks=pytest.mark.real)


@pytest.mark.parametrize(("protocol", "method", "error", "calls"), list(faults()))
def test_only_documented_errors_come_out(servers, tmp_path, monkeypatch, protocol, method, error, calls):
    server = servers[protocol]

    def fail(*args, **kwargs):
        raise error

    for name in calls:
        remote = server.remote(backoff=0, timeout=5)
        if method not in CONNECTING and name != "open":
            remote.open()
        with monkeypatch.context() as patch:
            patch.setattr(PLACES[protocol][0], method, fail)
            raised = None
            try:
                CALLS[name](remote, tmp_path / "into")
            except errors.GreenkitError as e:  # anything else ends the test
                raised = e
        if raised is not None:
            assert raised.next_step.strip().endswith("."), f"{name}: {raised!r} has no next step"
            for tool, show in TOOLS.items():
                if tool == "plain" or (name == "fetch_smt" and type(error) is EOFError):  # the others are slow
                    assert server.password.reveal() not in show(from_greenkit(raised)), (name, tool)
        remote.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda path: smt_remote(protocol="ftp"),
        lambda path: smt_remote(user="x", password=Secret(SECRET), proxy="socks5://x"),
        lambda path: smt_remote(user="", password=Secret(SECRET)),
        lambda path: smt_remote(protocol="ftps", user="x\n", password=Secret(SECRET)),
        lambda path: smt_remote(user="x", ssh_key=path / "none"),
        lambda path: smt_remote(user="x", password=Secret(SECRET), host_key="nonsense"),
        lambda path: smt_remote(protocol="ftps", user="x", password=Secret(SECRET), certificate=path / "none"),
        lambda path: smt_remote(protocol="ftps", user="x", password=Secret(SECRET), ca_file=path / "none"),
        lambda path: smt_remote(protocol="ftps", user="x", password=Secret(SECRET), minimum_tls="9"),
        lambda path: smt_remote(path / "none.toml"),
        lambda path: check_smt(path / "none.toml"),
        lambda path: fetch_smt(None, into=path, delete="all"),
        lambda path: pgp.Keyring(path / "none", passphrase=Secret(SECRET)),
        lambda path: pgp.Keyring(program=str(path / "no-gpg"), passphrase=Secret(SECRET)),
        lambda path: pgp.new_key(path / "g", name="x", passphrase=Secret(SECRET)),
    ],
)
def test_wrong_arguments_have_a_next_step_and_show_no_secret(tmp_path, call):
    with pytest.raises(errors.GreenkitError) as caught:
        call(tmp_path)
    assert caught.value.next_step.strip().endswith(".")
    for show in TOOLS.values():
        assert SECRET not in show(from_greenkit(caught.value))
