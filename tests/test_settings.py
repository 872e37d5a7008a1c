"""The settings file: typed, without secrets, and strict about unknown keys."""

import dataclasses
import getpass
import io
import os
import pickle
import sys
import tomllib
import types
from pathlib import Path

import pytest

from greenkit import _toml, settings
from greenkit.errors import SettingsError
from greenkit.secret import Secret

COMPLETE = """
[smt]
protocol = "ftps"
port = 2121
user = "rep1"
password = {env = "GK_TEST_PASSWORD"}
timeout = 5
certificate = "client.pem"
folders = ["intervaldata", "adhocusage"]
into = "files"
[smt.pgp]
passphrase = {file = "phrase"}
[custodian.pge]
client_id = "id"
client_secret = {prompt = true}
"""


def write(tmp_path, text):
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_complete_file_is_read(tmp_path, monkeypatch):
    found = settings.read(write(tmp_path, COMPLETE))
    assert found.smt.port == 2121
    assert found.smt.timeout == 5.0
    assert found.smt.folders == ("intervaldata", "adhocusage")
    assert found.smt.certificate == tmp_path / "client.pem", "relative to the settings file"
    assert found.smt.delete == "never", "deleting must be requested"
    assert found.custodian["pge"].client_id == "id"
    monkeypatch.setenv("GK_TEST_PASSWORD", "hunter2")
    assert found.smt.password.get() == Secret("hunter2")


def test_secrets_are_read_when_needed_and_once(tmp_path, monkeypatch):
    found = settings.read(write(tmp_path, COMPLETE))
    with pytest.raises(SettingsError, match="GK_TEST_PASSWORD is not set"):
        found.smt.password.get()
    phrase = tmp_path / "phrase"
    phrase.touch(0o600)
    phrase.write_text("open sesame\n")
    assert found.smt.pgp.passphrase.get().reveal() == "open sesame"
    asked = []
    monkeypatch.setattr("getpass.getpass", lambda label: asked.append(label) or "typed")
    ref = found.custodian["pge"].client_secret
    assert [ref.get().reveal(), ref.get().reveal()] == ["typed", "typed"]
    assert len(asked) == 1
    assert "[custodian.pge] client_secret" in asked[0]


def test_prompt_without_an_answer_raises(monkeypatch):
    def nobody(label):
        raise EOFError

    monkeypatch.setattr("getpass.getpass", nobody)
    with pytest.raises(
        SettingsError, match=r"\[smt\] password needs a prompt, but there is no terminal in which to answer it. Store"
    ):
        settings.parse({"smt": {"password": {"prompt": True}}}).smt.password.get()


def test_prompt_without_a_terminal_reads_nothing(monkeypatch):
    """getpass would echo the secret or read it from standard input."""
    monkeypatch.setattr("getpass.unix_getpass", getpass.fallback_getpass, raising=False)
    monkeypatch.setattr("getpass.getpass", getpass.fallback_getpass)
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2\n"))
    with pytest.raises(SettingsError, match="there is no terminal in which to answer it") as caught:
        settings.parse({"smt": {"password": {"prompt": True}}}).smt.password.get()
    assert "hunter2" not in str(caught.value)
    assert sys.stdin.read() == "hunter2\n"


def test_byte_order_mark_is_accepted(tmp_path):
    (tmp_path / "settings.toml").write_bytes(b"\xef\xbb\xbf" + b'[smt]\nuser = "rep1"\n')
    assert settings.read(tmp_path / "settings.toml").smt.user == "rep1"


def test_keyring_is_read(monkeypatch):
    class KeyringError(Exception):
        pass

    asked = []
    fake = types.SimpleNamespace(
        get_password=lambda *a: asked.append(a) or "kept", errors=types.SimpleNamespace(KeyringError=KeyringError)
    )
    monkeypatch.setitem(sys.modules, "keyring", fake)
    found = settings.parse({"smt": {"password": {"keyring": "smt-password"}}})
    assert found.smt.password.get().reveal() == "kept"
    assert asked == [("greenkit", "smt-password")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[smt]\nknown_host = 'x'", "[smt] known_host is not a known key. Did you mean known_hosts?"),
        ("[smtt]\n", "smtt is not a known key. Did you mean smt?"),
        ("[path]\n", "path is not a known key. Use one of smt, custodian."),
        ("smt = 1", "smt is 1, but it must be a table. Write it as a table: [smt]."),
        ("[smt]\ndelete = 'always'", "delete is 'always', but it must be never, decrypted, or fetched"),
        ("[smt]\nport = '22'", "[smt] port is text, but it must be a whole number"),
        ("[smt]\nport = true", "[smt] port is true, but it must be a whole number"),
        ("[smt]\nport = 65536", "[smt] port is 65536, but it must be from 1 to 65,535"),
        ("[smt]\ntimeout = 0", "[smt] timeout is 0, but it must be greater than 0 and at most 86,400"),
        ("[smt]\ntimeout = inf", "[smt] timeout is Infinity, but it must be a finite number"),
        ("[smt]\nfolders = 'x'", "[smt] folders is text, but it must be a list of text in quotes"),
        ("[smt]\nuser = 1", "[smt] user is 1, but it must be text in quotes"),
        ("[smt]\ninto = '~nobodyxyz/x'", "[smt] into is '~nobodyxyz/x', which has no home folder"),
        ("[smt]\npassword = {file = '~nobodyxyz/x'}", "[smt] password is '~nobodyxyz/x', which has no home folder"),
        ("[smt.pgp]\nhom = 'x'", "[smt.pgp] hom is not a known key. Did you mean home?"),
        (
            "[smt.pgp]\npassphrase = 'x'",
            "[smt.pgp] passphrase contains a secret in clear text. Remove it and write {env",
        ),
        ("[custodian]\npge = 1", "[custodian] pge is 1, but it must be a table. Write it as a table: [custodian.pge]."),
        ("[custodian.pge]\nclientid = 'x'", "[custodian.pge] clientid is not a known key. Did you mean client_id?"),
        ("[smt]\npassword = {evn = 'X'}", "[smt] password does not name the place of the secret"),
        ("[smt]\npassword = {prompt = false}", "[smt] password does not name the place of the secret"),
        ("[smt]\npassword = {}", "[smt] password does not name the place of the secret"),
        ("schema = 2\n[smt]", "schema is 2, but this version of greenkit reads schema 1 and older. Upgrade greenkit."),
        ("[smt", "line 1: Expected ']' at the end of a table declaration"),
    ],
)
def test_each_mistake_names_the_key_and_the_next_step(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        settings.read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.next_step


def test_secret_in_clear_text_is_refused_and_not_repeated(tmp_path):
    for value in ('"hunter2"', '["hunter2"]', '{clear = "hunter2"}', '{env = "A", file = "hunter2"}'):
        with pytest.raises(SettingsError) as caught:
            settings.read(write(tmp_path, f"[smt]\npassword = {value}"))
        assert "hunter2" not in str(caught.value)
        assert '{env = "NAME"}' in str(caught.value)


def test_invalid_toml_does_not_show_its_values(tmp_path):
    for text in ("[smt]\npassword = hunter2", '[smt]\npassword = "hunter2', '[smt]\npassword = "hunter2"\npassword=1'):
        with pytest.raises(SettingsError) as caught:
            settings.read(write(tmp_path, text))
        assert "hunter2" not in str(caught.value)


def test_missing_file_and_binary_file_raise(tmp_path):
    with pytest.raises(SettingsError, match="Run greenkit doctor smt --new to create one"):
        settings.read(tmp_path / "none.toml")
    (tmp_path / "bin.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="The text is not UTF-8"):
        settings.read(tmp_path / "bin.toml")


def test_show_lists_places_and_no_secrets(tmp_path, monkeypatch):
    found = settings.read(write(tmp_path, COMPLETE))
    assert "password: environment variable GK_TEST_PASSWORD (missing)" in found.show()
    monkeypatch.setenv("GK_TEST_PASSWORD", "hunter2")
    found.smt.password.get()
    for text in (found.show(), repr(found), str(dataclasses.asdict(found.smt.pgp))):
        assert "hunter2" not in text
    assert "password: environment variable GK_TEST_PASSWORD\n" in found.show()
    assert "delete: never" in found.show()
    with pytest.raises(TypeError):
        pickle.dumps(found)


def test_template_is_private_valid_and_recommends_decrypted(tmp_path):
    path = settings.write_template(tmp_path / "deep" / "settings.toml")
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
    assert settings.read(path).smt.delete == "decrypted"
    assert "only decryption proves" in path.read_text()
    with pytest.raises(SettingsError, match="exists"):
        settings.write_template(path)


def test_every_line_of_the_template_is_a_setting(tmp_path):
    lines = settings.TEMPLATE.splitlines()
    offered = [line.removeprefix("# ") if "= " in line or line.startswith("# [") else line for line in lines[3:]]
    offered = [line for line in offered if not line.startswith(("#", "What ", "For ", "file ", "deletes"))]
    found = settings.read(write(tmp_path, "\n".join(line for line in offered if "=" in line or "[" in line)))
    assert found.smt.certificate_key_password.kind == "prompt"
    assert found.smt.api.environment == "uat"
    assert found.custodian["pge"].redirect_uri


def test_default_path(monkeypatch):
    path = settings.default_path()
    assert path.name == "settings.toml"
    assert path.parent.name == "greenkit"


FIXTURES = Path(__file__).parent / "fixtures" / "0.1"


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("settings-*.toml")), ids=lambda path: path.stem)
def test_settings_written_by_version_0_1_are_read(path):
    found = settings.read(path)
    assert found.smt.delete == "decrypted"
    if "sandbox" in path.stem:
        assert found.smt.password.where == str(FIXTURES / "smt-password")
        assert found.custodian["pge"].tokens == "/home/analyst/greenkit-sandbox/tokens"
        assert found.smt.port > 1024
        assert found.smt.protocol in path.stem
    else:
        assert found.smt.into == FIXTURES / "smt-files"


def test_written_settings_are_read_again(tmp_path):
    found = settings.read(write(tmp_path, COMPLETE))
    again = settings.parse(tomllib.loads(_toml.dumps(found, schema=1)), path=found.path)
    assert again.show() == found.show()
    assert "password" in again.show()
