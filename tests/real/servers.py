"""Third-party file servers on loopback, each with its own folder and the certificate authority of the tests.

vsftpd and proftpd require that the data channel resumes the control channel's TLS session, and a client certificate
from the authority; pure-ftpd requires TLS alone. OpenSSH's sshd and proftpd's mod_sftp provide SFTP and nothing else.
They run as root and serve as ``daemon``.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from greenkit import Secret
from greenkit.transfer._ftps import FtpsRemote
from greenkit.transfer._remote import SMT_FOLDERS, Endpoint
from greenkit.transfer._sftp import SftpRemote

PATH = os.environ.get("PATH", "") + ":/usr/sbin"
USER = "sandbox"
ACCOUNT = "daemon"  # the account that serves; vsftpd wants one whose home is there


def missing(*programs):
    """Return why a server cannot run here, or None."""
    if os.name != "posix" or os.geteuid() != 0:
        return "the real servers must be started by root"
    absent = [p for p in programs if not shutil.which(p, path=PATH)]
    return f"not installed: {', '.join(absent)}" if absent else None


def hashed(password):
    """Return a password as crypt(3) stores it."""
    command = ["openssl", "passwd", "-6", "-stdin"]
    return subprocess.run(command, input=password.reveal(), text=True, capture_output=True, check=True).stdout.strip()


class Server:
    """A running server; ``files`` is the folder that its account sees."""

    program = ""
    protocol = "ftps"

    def __init__(self, authority, **variant):
        self.authority, self.variant = authority, variant
        self.password = Secret(os.urandom(9).hex())
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gk-real-")))
            self.base.chmod(0o755)
            self.files = self.base / "files"
            self.files.mkdir()
            account = pwd.getpwnam(ACCOUNT)
            for folder in SMT_FOLDERS:
                (self.files / folder).mkdir()
                os.chown(self.files / folder, account.pw_uid, account.pw_gid)
            self.log = stack.enter_context(open(self.base / "log", "wb"))
            command = self.prepare(stack)
            self.process = subprocess.Popen(
                [shutil.which(command[0], path=PATH), *command[1:]], stdout=self.log, stderr=self.log, process_group=0
            )
            stack.callback(self.stop)
            self.wait()
            self.held = stack.pop_all()
        return self

    def __exit__(self, *exc):
        self.held.close()

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def wait(self):
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as wire:
                wire.settimeout(5)
                if wire.recv(3) in (b"220", b"SSH"):
                    return
            assert self.process.poll() is None, f"{self.program} ended: {(self.base / 'log').read_text()}"
            time.sleep(0.05)
        raise AssertionError(f"{self.program} does not greet: {(self.base / 'log').read_text()}")

    @property
    def endpoint(self):
        return Endpoint(self.protocol, "localhost", self.port, SMT_FOLDERS)

    def put(self, path, data):
        """Write a file; its name is text or bytes."""
        whole = os.path.join(os.fsencode(self.files), os.fsencode(path))
        with open(whole, "wb") as file:
            file.write(data)
        return whole

    def clear(self):
        for folder in SMT_FOLDERS:
            for entry in os.scandir(os.fsencode(self.files / folder)):
                os.unlink(entry.path)


class Ftps(Server):
    def certificates(self):
        stem = f"{self.program}-{self.port}"
        self.pair = self.authority.server(stem=stem)
        self.client = self.authority.client("meter-pc", stem=f"{stem}-client")

    def options(self):
        """Return the arguments of a remote, as JSON."""
        given = {"user": USER, "password": self.password.reveal(), "ca_file": str(self.authority.file)}
        return given | {"certificate": str(self.client.certificate), "key": str(self.client.key)}

    def remote(self, **options):
        given = {**self.options(), "password": self.password, "backoff": 0.05}
        return FtpsRemote(self.endpoint, **{**given, **options})

    def curl(self, *arguments):
        """Use the same server with curl, and return what curl wrote."""
        command = ["curl", "-sS", "--fail", "--ssl-reqd", "--cacert", self.authority.file]
        command += ["--cert", self.client.certificate, "--key", self.client.key]
        config = f'user = "{USER}:{self.password.reveal()}"\n'
        return subprocess.run([*command, "-K", "-", *arguments], input=config.encode(), capture_output=True, check=True)

    @property
    def url(self):
        return f"ftp://localhost:{self.port}"


class Vsftpd(Ftps):
    program = "vsftpd"

    def prepare(self, stack):
        self.certificates()
        service = f"greenkit-test-{self.port}"
        users = self.base / "users"
        users.write_text(f"{USER}\n")
        pam = Path("/etc/pam.d") / service
        # any password is accepted, because PAM has no password file that works without a real account
        rule = f"auth required pam_listfile.so item=user sense=allow onerr=fail file={users}"
        pam.write_text(f"{rule}\naccount required pam_permit.so\n")
        stack.callback(pam.unlink)
        empty = self.base / "empty"
        empty.mkdir()
        settings = {
            "listen": "YES", "listen_address": "127.0.0.1", "listen_port": self.port, "background": "NO",
            "anonymous_enable": "NO", "local_enable": "YES", "write_enable": "YES", "pam_service_name": service,
            "guest_enable": "YES", "guest_username": ACCOUNT, "virtual_use_local_privs": "YES",
            "local_root": self.files, "chroot_local_user": "YES", "secure_chroot_dir": empty,
            "seccomp_sandbox": "NO", "ssl_enable": "YES", "force_local_data_ssl": "YES", "force_local_logins_ssl": "YES",
            "ssl_tlsv1": "YES", "ssl_sslv2": "NO", "ssl_sslv3": "NO", "ssl_ciphers": "HIGH", "require_ssl_reuse": "YES",
            "require_cert": "YES", "validate_cert": "YES", "ca_certs_file": self.authority.file,
            "rsa_cert_file": self.pair.certificate, "rsa_private_key_file": self.pair.key,
            "max_login_fails": 3, "idle_session_timeout": 300, "delay_failed_login": 0, **self.variant,
        }  # fmt: skip
        config = self.base / "vsftpd.conf"
        config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return ["vsftpd", config]


class _Proftpd:
    """The settings of proftpd that both of its servers share."""

    program = "proftpd"

    def configure(self, module, lines):
        """Write the settings, and return the command."""
        account, accounts = pwd.getpwnam(ACCOUNT), self.base / "accounts"
        accounts.touch(0o600)
        line = f"{USER}:{hashed(self.password)}:{account.pw_uid}:{account.pw_gid}::{self.files}:/bin/false\n"
        accounts.write_text(line)
        config = self.base / "proftpd.conf"
        config.write_text(f"""
ModulePath /usr/lib/proftpd
LoadModule {module}
ServerName "real"
ServerType standalone
DefaultAddress 127.0.0.1
SocketBindTight on
Port {self.port}
UseIPv6 off
User {ACCOUNT}
Group {_group(account.pw_gid)}
PidFile {self.base}/pid
ScoreboardFile {self.base}/scoreboard
DelayEngine off
SystemLog {self.base}/system.log
TransferLog none
WtmpLog off
AuthOrder mod_auth_file.c
AuthUserFile {accounts}
RequireValidShell off
DefaultRoot ~
AllowOverwrite on
{lines}
{self.variant.get("more", "")}
<Directory />
  AllowOverwrite on
</Directory>
""")
        return ["proftpd", "-n", "-c", config]


class Proftpd(_Proftpd, Ftps):
    def prepare(self, stack):
        self.certificates()
        return self.configure(
            "mod_tls.c",
            f"""MaxLoginAttempts 3
TLSEngine on
TLSLog {self.base}/tls.log
TLSProtocol {self.variant.get("protocol", "TLSv1.2 TLSv1.3")}
TLSRequired on
TLSVerifyClient on
TLSCACertificateFile {self.variant.get("ca", self.authority.file)}
TLSECCertificateFile {self.pair.certificate}
TLSECCertificateKeyFile {self.pair.key}""",
        )


class PureFtpd(Ftps):
    program = "pure-ftpd"

    def prepare(self, stack):
        self.certificates()
        both = self.base / "server.pem"
        both.write_bytes(self.pair.certificate.read_bytes() + self.pair.key.read_bytes())
        both.chmod(0o600)
        account = pwd.getpwnam(ACCOUNT)
        accounts, database = self.base / "accounts", self.base / "accounts.pdb"
        # "pure-pw useradd" would choose a hash that takes seconds of each login, and more than a time-out when busy
        line = f"{USER}:{hashed(self.password)}:{account.pw_uid}:{account.pw_gid}::{self.files}/./" + ":" * 12 + "\n"
        accounts.write_text(line)
        subprocess.run(["pure-pw", "mkdb", database, "-f", accounts], capture_output=True, check=True)
        command = ["pure-ftpd", "-S", f"127.0.0.1,{self.port}", "-l", f"puredb:{database}", "-E", "-A", "-H", "-Y", "3"]
        return [
            *command,
            "-2",
            both,
            "-u",
            "1",
            "-g",
            self.base / "pid",
            "-c",
            "50",
            "-C",
            "50",
            "-I",
            "5",
            "-L",
            "20000:8",
        ]


class ProftpdSftp(_Proftpd, Server):
    """proftpd's mod_sftp: an SSH server of its own, which shares no code with OpenSSH."""

    protocol = "sftp"

    def prepare(self, stack):
        made = ["ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f", self.base / "host-rsa"]
        subprocess.run(made, check=True)
        return self.configure(
            "mod_sftp.c",
            f"""SFTPEngine on
SFTPLog {self.base}/sftp.log
SFTPHostKey {self.base}/host-rsa
SFTPAuthMethods password""",
        )

    def options(self):
        told = subprocess.run(
            ["ssh-keygen", "-lf", self.base / "host-rsa.pub"], capture_output=True, text=True, check=True
        )
        return {"user": USER, "password": self.password.reveal(), "host_key": told.stdout}

    def remote(self, **options):
        given = {**self.options(), "password": self.password, "backoff": 0.05}
        return SftpRemote(self.endpoint, **{**given, **options})


class Sshd(Server):
    program = "sshd"
    protocol = "sftp"

    def prepare(self, stack):
        """Serve to root, the one account that is always there, by key alone."""
        from greenkit import certificates

        Path("/run/sshd").mkdir(exist_ok=True)
        self.key = self.base / "client"
        (self.base / "authorized").write_text(certificates.new_ssh_key(self.key, password=None))
        kinds = self.variant.get("kinds", ("ed25519", "rsa", "ecdsa"))
        for kind in kinds:
            made = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", self.base / f"host-{kind}"]
            subprocess.run(made, check=True)
        lines = [f"HostKey {self.base}/host-{kind}" for kind in kinds]
        config = self.base / "sshd_config"
        config.write_text(
            "\n".join(lines)
            + f"""
Port {self.port}
ListenAddress 127.0.0.1
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
AuthorizedKeysFile {self.base}/authorized
ForceCommand {self.variant.get("command", f"internal-sftp -d {self.files}")}
Subsystem sftp internal-sftp
AllowTcpForwarding no
X11Forwarding no
{self.variant.get("more", "")}
"""
        )
        return ["sshd", "-D", "-e", "-f", config]

    def public(self, kind):
        return (self.base / f"host-{kind}.pub").read_text()

    def fingerprint(self, kind):
        told = subprocess.run(
            ["ssh-keygen", "-lf", self.base / f"host-{kind}.pub"], capture_output=True, text=True, check=True
        )
        return told.stdout.split()[1]

    def options(self):
        return {"user": "root", "key": str(self.key), "host_key": self.fingerprint("ed25519")}

    def remote(self, **options):
        given = {**self.options(), "backoff": 0.05}
        return SftpRemote(self.endpoint, **{**given, **options})


def _group(gid):
    import grp

    return grp.getgrgid(gid).gr_name
