"""One server of each kind for the whole run."""

import pytest
from servers import Proftpd, ProftpdSftp, PureFtpd, Sshd, Vsftpd, missing

from greenkit.sandbox.authority import Authority


@pytest.fixture(scope="session")
def authority():
    with Authority(name="greenkit-test-authority") as authority:
        yield authority


def _running(kind, authority, **variant):
    if why := missing(kind.program, "openssl", "ssh-keygen"):
        pytest.skip(why)
    return kind(authority, **variant)


@pytest.fixture(scope="session")
def vsftpd(authority):
    with _running(Vsftpd, authority) as server:
        yield server


@pytest.fixture(scope="session")
def proftpd(authority):
    with _running(Proftpd, authority) as server:
        yield server


@pytest.fixture(scope="session")
def pureftpd(authority):
    if why := missing("pure-pw"):
        pytest.skip(why)
    with _running(PureFtpd, authority) as server:
        yield server


@pytest.fixture(scope="session")
def proftpd_sftp(authority):
    with _running(ProftpdSftp, authority) as server:
        yield server


@pytest.fixture(scope="session")
def sshd(authority):
    with _running(Sshd, authority) as server:
        yield server


@pytest.fixture
def start(authority):
    """Return a function that makes a server with settings of its own."""
    return lambda kind, **variant: _running(kind, authority, **variant)


@pytest.fixture(params=["vsftpd", "proftpd"])
def ftps(request):
    server = request.getfixturevalue(request.param)
    server.clear()
    return server


@pytest.fixture(params=["vsftpd", "proftpd", "pureftpd", "sshd", "proftpd_sftp"])
def server(request):
    server = request.getfixturevalue(request.param)
    server.clear()
    return server
