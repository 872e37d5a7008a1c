"""A Secret shows itself nowhere, and comes from where secrets are kept."""

import copy
import json
import logging
import os
import pickle
import sys
import traceback

import pytest

from greenkit import Secret, errors
from greenkit.errors import SettingsError

TEXT = "correct horse %+/"


def test_secret_is_masked_wherever_text_is_made(caplog):
    caplog.set_level(1)
    secret = Secret(TEXT)
    logging.getLogger("x").debug("%s %r %s", secret, [secret], {"k": secret})
    shown = f"{secret} {secret!r} {secret:>30} %s {[secret]} {vars(type(secret)).keys()}" % secret
    assert TEXT not in shown + caplog.text + str(secret.__slots__)
    assert not hasattr(secret, "__dict__")
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_tracebacks_and_pickles_contain_no_secret():
    secret = Secret(TEXT)
    try:
        secret.reveal, 1 / 0  # noqa: B018
    except ZeroDivisionError as e:
        shown = "".join(traceback.TracebackException.from_exception(e, capture_locals=True).format())
    assert "Secret(***)" in shown
    assert TEXT not in shown.replace("TEXT", "")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(secret, protocol)
    with pytest.raises(TypeError, match="no state to copy"):
        secret.__getstate__()
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


def test_secret_is_immutable_and_made_from_text_only():
    secret = Secret(Secret(TEXT))
    assert secret.reveal() == TEXT
    assert secret == Secret(TEXT) != Secret("other")
    assert len({secret, Secret(TEXT)}) == 1
    assert secret != TEXT
    assert Secret("\udc80") != secret  # the environment may hold what is no UTF-8
    assert bool(secret)
    assert not Secret("")
    with pytest.raises(AttributeError, match="cannot be changed"):
        secret._value = "x"
    for wrong in (None, b"bytes", 5):
        with pytest.raises(TypeError, match="made from str"):
            Secret(wrong)


def test_secret_is_read_from_the_environment_a_file_or_a_prompt(monkeypatch, tmp_path):
    monkeypatch.setenv("GREENKIT_TEST_SECRET", TEXT)
    assert Secret.env("GREENKIT_TEST_SECRET").reveal() == TEXT
    with pytest.raises(errors.SettingsError, match=r"GREENKIT_NOT_SET is not set\. Set GREENKIT_NOT_SET"):
        Secret.env("GREENKIT_NOT_SET")
    file = tmp_path / "secret"
    file.write_text(TEXT + "\nsecond line")
    file.chmod(0o600)
    assert Secret.file(file).reveal() == TEXT
    monkeypatch.setattr("getpass.getpass", lambda label: TEXT)
    assert Secret.prompt("Password").reveal() == TEXT


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_file_that_others_can_read_or_that_cannot_be_read_is_refused(tmp_path):
    file = tmp_path / "secret"
    file.write_text(TEXT)
    file.chmod(0o640)
    with pytest.raises(errors.SettingsError, match="chmod 600") as caught:
        Secret.file(file)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    assert not any(TEXT in line for line in shown if "Secret.file(file)" not in line)
    with pytest.raises(errors.SettingsError, match=r"cannot be read .FileNotFoundError"):
        Secret.file(tmp_path / "none")
    file.write_bytes(b"\xff\xfe\xfd")
    file.chmod(0o600)
    with pytest.raises(errors.SettingsError, match="cannot be read") as caught:
        Secret.file(file)
    assert caught.value.__context__ is None  # a decoding error holds the bytes


def test_keyring_is_read_by_name(monkeypatch):
    class Backend:
        class errors:  # noqa: N801 the module's name
            class KeyringError(Exception):
                pass

        def get_password(self, service, name):
            if service == "broken":
                raise self.errors.KeyringError(TEXT)
            return {("greenkit", "smt"): TEXT}.get((service, name))

    monkeypatch.setitem(sys.modules, "keyring", Backend())
    assert Secret.keyring("greenkit", "smt").reveal() == TEXT
    with pytest.raises(errors.SettingsError, match="keyring set"):
        Secret.keyring("greenkit", "other")
    with pytest.raises(errors.SettingsError, match="cannot be used") as caught:
        Secret.keyring("broken", "smt")
    assert TEXT not in str(caught.value)
    assert caught.value.__context__ is None
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(errors.SettingsError, match=r"greenkit\[keyring\]"):
        Secret.keyring("greenkit", "smt")


def test_secret_file_with_a_byte_order_mark_and_environment_value_with_cr(tmp_path, monkeypatch):
    """A wrong password that an editor made would lock the account."""
    path = tmp_path / "secret"
    path.write_bytes(b"\xef\xbb\xbfxyzzy\r\n")
    path.chmod(0o600)
    assert Secret.file(path).reveal() == "xyzzy"
    monkeypatch.setenv("GK_TEST_SECRET", "xyzzy\r")
    assert Secret.env("GK_TEST_SECRET").reveal() == "xyzzy"


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_readable_secret_file_names_a_way_out_for_file_systems_without_permissions(tmp_path):
    path = tmp_path / "secret"
    path.write_text("xyzzy")
    path.chmod(0o777)
    with pytest.raises(SettingsError, match="does not store permissions") as caught:
        Secret.file(path)
    assert 'env = "NAME"' in caught.value.next_step
