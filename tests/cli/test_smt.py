"""The commands of SMT's guide, step by step: list, get, delete, make-key, convert-certificate, and the trace."""

import os
import re
import shutil
import stat
import tomllib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from greenkit import Secret, _net, certificates, cli, pgp, settings
from greenkit.cli._command import Exit
from greenkit.sandbox.authority import Authority
from greenkit.sandbox.files import FtpsServer, SftpServer
from greenkit.secret import Secret as SecretText
from greenkit.transfer._remote import SessionRemote

GPG = pytest.mark.skipif(shutil.which("gpg") is None, reason="the gpg program is not installed")


@pytest.fixture(scope="module")
def authority():
    with Authority() as made:
        yield made


@pytest.fixture(params=["sftp", "ftps"])
def server(request, authority):
    made = SftpServer() if request.param == "sftp" else FtpsServer(authority=authority)
    with made as running:
        running.put("intervaldata/a.csv", b"ESIID")
        running.put("adhocusage/b.csv", b"x" * 5000)
        yield running


@pytest.fixture(scope="module")
def mine(authority):
    return authority.client("meter-pc")


@pytest.fixture
def file(server, authority, mine, tmp_path, monkeypatch):
    monkeypatch.setenv("GK_TEST_PASSWORD", server.password.reveal())
    path = tmp_path / "settings.toml"
    lines = [
        "[smt]",
        f'protocol = "{server.endpoint.protocol}"',
        'host = "localhost"',
        f"port = {server.endpoint.port}",
    ]
    lines += [f'user = "{server.user}"', "timeout = 10", 'password = {env = "GK_TEST_PASSWORD"}']
    lines += ['folders = ["intervaldata", "adhocusage"]', 'into = "files"']
    if server.endpoint.protocol == "sftp":
        lines.append(f'host_key = "{server.host_key}"')
    else:
        lines += [
            f'certificate = "{mine.certificate}"',
            f'certificate_key = "{mine.key}"',
            f'ca_file = "{authority.file}"',
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


def run(command, *arguments):
    return cli.main([command, *map(str, arguments)])


def test_list_prints_size_date_and_path(file, capsys):
    assert run("list", "smt", "--settings", file) == Exit.DONE
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in out] == ["5", "5,000"]
    assert [line.split()[-1] for line in out] == ["intervaldata/a.csv", "adhocusage/b.csv"]
    assert run("list", "smt", "adhocusage", "--settings", file) == Exit.DONE
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert run("list", "smt", "no-folder", "--settings", file) == Exit.FAILED
    assert "Next step:" in capsys.readouterr().err


def test_list_is_sorted_by_name(file, capsys, monkeypatch):
    monkeypatch.setattr(SessionRemote, "names", lambda self, folder: ["b.csv", "a.csv", "c.csv"])
    assert run("list", "smt", "adhocusage", "--settings", file) == Exit.DONE
    listed = [line.split()[-1] for line in capsys.readouterr().out.splitlines()]
    assert listed == ["adhocusage/a.csv", "adhocusage/b.csv", "adhocusage/c.csv"]


def test_get_downloads_one_file_and_replaces_none(file, tmp_path, capsys):
    assert run("get", "smt", "a.csv", "adhocusage/b.csv", "--settings", file, "--into", tmp_path / "new") == Exit.DONE
    assert (tmp_path / "new" / "a.csv").read_bytes() == b"ESIID"
    assert (tmp_path / "new" / "b.csv").read_bytes() == b"x" * 5000
    (tmp_path / "new" / "a.csv").write_bytes(b"mine")
    assert run("get", "smt", "a.csv", "--settings", file, "--into", tmp_path / "new") == Exit.FAILED
    assert "already exists" in capsys.readouterr().err
    assert (tmp_path / "new" / "a.csv").read_bytes() == b"mine"
    assert run("get", "smt", "none.csv", "--settings", file, "--into", tmp_path / "new") == Exit.FAILED
    assert sorted(os.listdir(tmp_path / "new")) == ["a.csv", "b.csv"]


def test_get_leaves_no_truncated_file(file, server, tmp_path, capsys):
    server.misbehave(cut="clean", after=1000)
    assert run("get", "smt", "adhocusage/b.csv", "--settings", file, "--into", tmp_path / "new") == Exit.FAILED
    assert "1,000 of 5,000 bytes" in capsys.readouterr().err
    assert os.listdir(tmp_path / "new") == []


def test_delete_deletes_one_file(file, server, capsys):
    assert run("delete", "smt", "adhocusage/b.csv", "--settings", file) == Exit.DONE
    assert os.listdir(server.root / "adhocusage") == []
    assert os.listdir(server.root / "intervaldata") == ["a.csv"]
    assert run("delete", "smt", "adhocusage/b.csv", "--settings", file) == Exit.FAILED
    assert "Next step:" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["list"], ["fetch"], ["doctor"]])
def test_verbose_prints_the_conversation_without_secrets(file, server, capsys, command):
    run(*command, "smt", "--settings", file, "--verbose")
    err = capsys.readouterr().err
    assert server.password.reveal() not in err
    assert f"connecting to {server.endpoint.protocol}://localhost" in err
    assert ("> PASS ***" in err) == (server.endpoint.protocol == "ftps")
    run(*command, "smt", "--settings", file)
    assert "connecting to" not in capsys.readouterr().err


def test_folder_that_fails_for_now_does_not_stop_the_others(file, server, capsys, monkeypatch):
    from greenkit import errors
    from greenkit.transfer import _pull

    real = _pull.pull

    def pull(remote, folder, **options):
        if folder == "intervaldata":
            raise errors.ServerUnavailable("451 later", next_step="Try again later.")
        return real(remote, folder, **options)

    monkeypatch.setattr(_pull, "pull", pull)
    assert run("fetch", "smt", "--settings", file) == Exit.LATER
    said = capsys.readouterr()
    assert "intervaldata: 451 later" in said.err
    assert "copied 'b.csv'" in said.out


# ── keys ──


@pytest.fixture(autouse=True)
def small_keys(monkeypatch):
    monkeypatch.setattr("greenkit.certificates._make.RSA_BITS", 2048)
    monkeypatch.setattr("greenkit.pgp._keyring._RSA_BITS", 1024)
    monkeypatch.setenv("GK_NEW", "open sesame")


def test_make_key_certificate_and_request(tmp_path, capsys):
    made = run("make-key", "certificate", "--host", "meter-pc", "--into", tmp_path, "--password-env", "GK_NEW")
    assert made == Exit.DONE
    found = certificates.read(tmp_path / "meter-pc.crt.pem")
    assert (found.common_name, found.self_signed) == ("meter-pc", True)
    certificates.check_key(tmp_path / "meter-pc.crt.pem", tmp_path / "meter-pc.key.pem", Secret("open sesame"))
    assert "meter-pc.crt.pem" in capsys.readouterr().out
    assert run("make-key", "request", "--host", "other", "--into", tmp_path, "--no-password") == Exit.DONE
    assert x509.load_pem_x509_csr((tmp_path / "other.csr.pem").read_bytes()).is_signature_valid
    again = run("make-key", "certificate", "--host", "meter-pc", "--into", tmp_path, "--no-password")
    assert again == Exit.FAILED
    assert "already exists" in capsys.readouterr().err


def test_make_key_ssh(tmp_path):
    assert run("make-key", "ssh", "--into", tmp_path / "keys", "--name", "id", "--password-env", "GK_NEW") == Exit.DONE
    line = (tmp_path / "keys" / "id.pub").read_text()
    assert certificates.public_ssh(tmp_path / "keys" / "id", Secret("open sesame")).split()[:2] == line.split()[:2]
    assert stat.S_IMODE((tmp_path / "keys" / "id").stat().st_mode) == 0o600


@GPG
def test_make_key_pgp(tmp_path, capsys):
    home, public = tmp_path / "gnupg", tmp_path / "public.asc"
    made = run(
        "make-key", "pgp", "--organization", "Example Energy", "--home", home, "--public", public, "--no-password"
    )
    assert made == Exit.DONE
    assert f"(Example Energy) in {home}, valid until" in capsys.readouterr().out
    assert public.read_text().startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    with pgp.Keyring(home) as keyring:
        assert len(keyring.list_keys()) == 1
        keyring.forget()
    assert run("make-key", "pgp", "--home", home, "--no-password") == Exit.FAILED
    assert "--organization" in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "text"), [(("a", "b"), "differ"), (("", ""), "--no-password")])
def test_password_that_is_typed_wrongly_makes_no_key(tmp_path, monkeypatch, capsys, typed, text):
    answers = iter(typed)
    monkeypatch.setattr(SecretText, "prompt", classmethod(lambda cls, label: cls(next(answers))))
    assert run("make-key", "ssh", "--into", tmp_path) == Exit.FAILED
    assert text in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_convert_certificate_writes_pem_and_compares_the_name(authority, tmp_path, capsys, monkeypatch):
    pair = authority.client("meter-pc", stem="for-p12")
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    key = load_pem_private_key(pair.key.read_bytes(), None)
    packed = tmp_path / "store.p12"
    packed.write_bytes(
        pkcs12.serialize_key_and_certificates(b"x", key, certificate, None, BestAvailableEncryption(b"pw"))
    )
    monkeypatch.setenv("GK_P12", "pw")
    convert = ["convert-certificate", packed, "--file-password-env", "GK_P12", "--password-env", "GK_NEW"]
    assert run(*convert, "--host", "meter-pc") == Exit.DONE
    certificates.check_key(tmp_path / "store.crt.pem", tmp_path / "store.key.pem", Secret("open sesame"))
    assert "meter-pc, EC secp256r1" in capsys.readouterr().out
    plain = [
        "convert-certificate",
        packed,
        "--file-password-env",
        "GK_P12",
        "--no-password",
        "--into",
        tmp_path / "plain",
    ]
    assert run(*plain, "--host", "other-pc") == Exit.FAILED
    assert b"ENCRYPTED" not in (tmp_path / "plain" / "store.key.pem").read_bytes()
    assert "name of this machine is other-pc" in capsys.readouterr().err
    monkeypatch.setenv("GK_P12", "wrong")
    assert run(*convert, "--into", tmp_path / "again") == Exit.FAILED
    assert "the password is wrong" in capsys.readouterr().err


def test_convert_certificate_checks_a_pem_file(authority, capsys):
    pair, other = authority.client(_net.host_name(), stem="mine"), authority.client("other", stem="other")
    assert run("convert-certificate", pair.certificate, "--key", pair.key) == Exit.DONE
    assert "belongs to the certificate" in capsys.readouterr().out
    assert run("convert-certificate", pair.certificate, "--key", other.key) == Exit.FAILED
    assert "belongs to another certificate" in capsys.readouterr().err


def test_settings_of_the_how_to_page_are_valid():
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "smart-meter-texas.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    found = [settings.parse(tomllib.loads(block)).smt for block in blocks]
    assert [(smt.protocol, smt.delete) for smt in found] == [("sftp", "decrypted"), ("ftps", "decrypted")]
    commands = set(re.findall(r"^greenkit ([a-z-]+)", page, re.MULTILINE))
    assert commands <= set(cli.commands())
