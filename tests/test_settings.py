"""The settings file: typed, without secrets, and unforgiving about what it does not know."""

import dataclasses
import getpass
import io
import os
import pickle
import sys
import types

import pytest

from greenkit import settings
from greenkit.errors import SettingsError
from greenkit.secret import Secret

WHOLE = """
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


def test_the_whole_file(tmp_path, monkeypatch):
    found = settings.read(write(tmp_path, WHOLE))
    assert found.smt.port == 2121
    assert found.smt.timeout == 5.0
    assert found.smt.folders == ("intervaldata", "adhocusage")
    assert found.smt.certificate == tmp_path / "client.pem", "relative to the settings file"
    assert found.smt.delete == "never", "deleting is asked for, never the default"
    assert found.custodian["pge"].client_id == "id"
    monkeypatch.setenv("GK_TEST_PASSWORD", "hunter2")
    assert found.smt.password.get() == Secret("hunter2")


def test_secrets_are_read_late_and_once(tmp_path, monkeypatch):
    found = settings.read(write(tmp_path, WHOLE))
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


def test_a_prompt_that_nobody_answers(monkeypatch):
    def nobody(label):
        raise EOFError

    monkeypatch.setattr("getpass.getpass", nobody)
    with pytest.raises(SettingsError, match=r"\[smt\] password is asked for, but nobody is here to answer: keep it"):
        settings.parse({"smt": {"password": {"prompt": True}}}).smt.password.get()


def test_a_prompt_without_a_terminal_reads_nothing(monkeypatch):
    """Python's getpass would read on, in clear, from whatever the program is fed."""
    monkeypatch.setattr("getpass.unix_getpass", getpass.fallback_getpass, raising=False)
    monkeypatch.setattr("getpass.getpass", getpass.fallback_getpass)
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2\n"))
    with pytest.raises(SettingsError, match="nobody is here to answer") as caught:
        settings.parse({"smt": {"password": {"prompt": True}}}).smt.password.get()
    assert "hunter2" not in str(caught.value)
    assert sys.stdin.read() == "hunter2\n"


def test_a_file_with_a_byte_order_mark(tmp_path):
    (tmp_path / "settings.toml").write_bytes(b"\xef\xbb\xbf" + b'[smt]\nuser = "rep1"\n')
    assert settings.read(tmp_path / "settings.toml").smt.user == "rep1"


def test_keyring(monkeypatch):
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
        ("[smt]\nknown_host = 'x'", r"\[smt\] known_host is no setting: did you mean known_hosts\?"),
        ("[smtt]\n", r"\[smtt\] is no table: did you mean smt\?"),
        ("smt = 1", r"\[smt\] is a single value: write it as a table"),
        ("[smt]\ndelete = 'always'", "delete is 'always': write one of never, decrypted, fetched"),
        ("[smt]\nport = '22'", r"\[smt\] port is a text: write a whole number"),
        ("[smt]\nport = true", r"\[smt\] port is true or false: write a whole number"),
        ("[smt]\nport = 65536", r"\[smt\] port is a number: write a whole number from 1 to 65535"),
        ("[smt]\ntimeout = 0", "timeout is a number: write a number above 0"),
        ("[smt]\ntimeout = inf", "timeout is a number: write a number above 0"),
        ("[smt]\nfolders = 'x'", "folders is a text: write a list of texts"),
        ("[smt]\nuser = 1", "user is a number: write a text in quotes"),
        ("[smt.pgp]\nhom = 'x'", r"\[smt.pgp\] hom is no setting: did you mean home\?"),
        ("[smt.pgp]\npassphrase = 'x'", r"\[smt.pgp\] passphrase holds a secret in clear text"),
        ("[custodian]\npge = 1", r"\[custodian.pge\] is a single value"),
        ("[custodian.pge]\nclientid = 'x'", r"\[custodian.pge\] clientid is no setting: did you mean client_id\?"),
        ("[smt]\npassword = {evn = 'X'}", "password does not say where the secret is kept"),
        ("[smt]\npassword = {prompt = false}", "password does not say where the secret is kept"),
        ("[smt]\npassword = {}", "password does not say where the secret is kept"),
        ("[smt", "is not TOML"),
    ],
)
def test_mistakes_name_the_thing_and_the_fix(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(SettingsError, match=message) as caught:
        settings.read(path)
    assert str(path) in str(caught.value)


def test_a_secret_in_clear_text_is_refused_without_repeating_it(tmp_path):
    for value in ('"hunter2"', '["hunter2"]', '{clear = "hunter2"}', '{env = "A", file = "hunter2"}'):
        with pytest.raises(SettingsError) as caught:
            settings.read(write(tmp_path, f"[smt]\npassword = {value}"))
        assert "hunter2" not in str(caught.value)
        assert '{env = "NAME"}' in str(caught.value)


def test_a_broken_file_does_not_show_its_values(tmp_path):
    for text in ("[smt]\npassword = hunter2", '[smt]\npassword = "hunter2', '[smt]\npassword = "hunter2"\npassword=1'):
        with pytest.raises(SettingsError) as caught:
            settings.read(write(tmp_path, text))
        assert "hunter2" not in str(caught.value)


def test_no_file_and_binary_file(tmp_path):
    with pytest.raises(SettingsError, match="make one with python -m greenkit doctor smt --new"):
        settings.read(tmp_path / "none.toml")
    (tmp_path / "bin.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read: UnicodeDecodeError"):
        settings.read(tmp_path / "bin.toml")


def test_show_names_places_and_no_secret(tmp_path, monkeypatch):
    found = settings.read(write(tmp_path, WHOLE))
    assert "password: environment variable GK_TEST_PASSWORD (NOT THERE)" in found.show()
    monkeypatch.setenv("GK_TEST_PASSWORD", "hunter2")
    found.smt.password.get()
    for text in (found.show(), repr(found), str(dataclasses.asdict(found.smt.pgp))):
        assert "hunter2" not in text
    assert "password: environment variable GK_TEST_PASSWORD\n" in found.show()
    assert "delete: never" in found.show()
    with pytest.raises(TypeError):
        pickle.dumps(found)


def test_the_template_is_private_valid_and_recommends_decrypted(tmp_path):
    path = settings.write_template(tmp_path / "deep" / "settings.toml")
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
    assert settings.read(path).smt.delete == "decrypted"
    assert "only a decryption proves" in path.read_text()
    with pytest.raises(SettingsError, match="already"):
        settings.write_template(path)


def test_every_line_that_the_template_offers_is_a_setting(tmp_path):
    lines = settings.TEMPLATE.splitlines()
    offered = [line.removeprefix("# ") if "= " in line or line.startswith("# [") else line for line in lines[3:]]
    offered = [line for line in offered if not line.startswith(("#", "What ", "For ", "file ", "deletes"))]
    found = settings.read(write(tmp_path, "\n".join(line for line in offered if "=" in line or "[" in line)))
    assert found.smt.certificate_key_password.kind == "prompt"
    assert found.smt.api.environment == "uat"
    assert found.custodian["pge"].redirect_uri


def test_default_place(monkeypatch):
    path = settings.default_path()
    assert path.name == "settings.toml"
    assert path.parent.name == "greenkit"
