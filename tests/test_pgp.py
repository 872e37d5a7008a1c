"""Every way in which gpg can succeed, fail, or half succeed, with the real gpg."""

import io
import os
import random
import shutil
import stat
import subprocess
import tempfile
import zipfile
from pathlib import Path

import gnupg
import pytest

from greenkit import Secret, errors, pgp, sources
from greenkit.pgp import _keyring as keyrings

pytestmark = pytest.mark.skipif(not shutil.which("gpg"), reason="the gpg program is not installed")

PASSPHRASE = "s3cret %41 ß#x"
# does not compress, so that a cut message has lost plain text; 600 kB is many of gpg's blocks
PLAIN = random.Random(4).randbytes(600_000)


class Sender:
    """What the far side does with the public key: encrypt by gpg itself, in every way seen in the field."""

    def __init__(self, home, public_key):
        self.gpg = gnupg.GPG(gnupghome=str(home))
        self.recipient = self.gpg.import_keys(public_key).fingerprints[0]
        sheet = "Key-Type: EDDSA\nKey-Curve: ed25519\nSubkey-Type: ECDH\nSubkey-Curve: cv25519\n"
        sheet += "Name-Real: Other\n%no-protection\n%commit\n"
        self.other = self.gpg.gen_key(sheet).fingerprint

    def encrypt(self, plain, *options, to=None, armor=True, **more):
        made = self.gpg.encrypt(
            plain, to or self.recipient, always_trust=True, armor=armor, extra_args=list(options), **more
        )
        assert made.ok, made.stderr
        return made.data


@pytest.fixture(scope="module")
def folder():
    # short, since the agents' sockets stand in it
    import tempfile

    with tempfile.TemporaryDirectory(prefix="gkt-") as path:
        yield path
        for home in ("ours", "theirs"):
            subprocess.run(["gpgconf", "--homedir", f"{path}/{home}", "--kill", "all"], check=False)


@pytest.fixture(scope="module")
def key(folder):
    os.mkdir(f"{folder}/ours", 0o700)
    # the agent takes 0.1 to 0.5 s to stretch a passphrase, each time; not here
    Path(f"{folder}/ours/gpg-agent.conf").write_text("s2k-count 65536\n")
    return pgp.new_key(f"{folder}/ours", name="Example Energy", email="it@example.org", passphrase=Secret(PASSPHRASE))


@pytest.fixture(scope="module")
def keyring(folder, key):
    with pgp.Keyring(f"{folder}/ours", passphrase=Secret(PASSPHRASE)) as keyring:
        yield keyring


@pytest.fixture(scope="module")
def sender(folder, key, keyring):
    os.mkdir(f"{folder}/theirs", 0o700)
    return Sender(f"{folder}/theirs", keyring.public_key(key.fingerprint))


@pytest.fixture(scope="module")
def whole(sender):
    return sender.encrypt(PLAIN)


@pytest.fixture(scope="module")
def binary(sender):
    return sender.encrypt(PLAIN, armor=False)


def fails(keyring, message, error, match, tmp_path):
    """Both ways of decrypting raise the error in one line, and leave nothing behind."""
    (tmp_path / "x.asc").write_bytes(message)
    (tmp_path / "out").mkdir(exist_ok=True)
    with pytest.raises(error, match=match) as caught:
        keyring.decrypt_file(tmp_path / "x.asc", tmp_path / "out" / "x")
    assert type(caught.value) is error
    assert os.listdir(tmp_path / "out") == []
    assert str(caught.value).startswith("x.asc: ")
    assert PASSPHRASE not in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(error, match=match):
        keyring.decrypt(io.BytesIO(message))


def test_new_key_is_what_smt_asks_for(key, keyring):
    assert (key.user, key.encrypts) == ("Example Energy <it@example.org>", True)
    assert 3 * 365 - 1 <= (key.expires - key.created).days <= 3 * 365 + 1
    listed = keyring._gpg.list_keys(True)[0]
    (subkey,) = listed["subkey_info"].values()
    assert (listed["algo"], listed["length"], listed["cap"].replace("E", "")) == ("1", "3072", "scSC")
    assert (subkey["algo"], subkey["length"], subkey["cap"]) == ("1", "3072", "e")
    assert keyring.list_keys() == [key]
    assert keyring.public_key(key.fingerprint).startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    secret = keyring.secret_key(key.fingerprint)
    assert "PRIVATE KEY" not in repr(secret)
    assert "-----BEGIN PGP PRIVATE KEY BLOCK-----" in secret.reveal()
    with pytest.raises(errors.SettingsError, match="holds no key 1234"):
        keyring.public_key("1234")


def test_new_key_without_passphrase_in_a_new_folder(folder, monkeypatch):
    monkeypatch.setattr("greenkit.pgp._keyring._RSA_BITS", 1024)
    made = pgp.new_key(f"{folder}/new", name="Example Energy", passphrase=None, unprotected=True)
    assert made.user == "Example Energy"
    assert stat.S_IMODE(os.stat(f"{folder}/new").st_mode) == 0o700
    with pgp.Keyring(f"{folder}/new") as keyring:
        keyring.forget()


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"name": "Example\nKey-Type: DSA"}, "name has a line break"),
        ({"email": "a@example.org\n%no-protection"}, "email has a line break"),
        ({"passphrase": Secret("a\nb")}, "passphrase has a line break"),
        ({"passphrase": Secret(" ab")}, "outer space"),
        ({"passphrase": None}, "pass unprotected=True"),
        ({"name": "abc"}, "5 letters or more"),
    ],
)
def test_new_key_refuses_what_gpg_would_misread(tmp_path, wrong, match):
    given = {"name": "Example Energy", "passphrase": Secret("abc"), **wrong}
    with pytest.raises(errors.SettingsError, match=match):
        pgp.new_key(tmp_path / "home", **given)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--cipher-algo", "AES"],
        ["--cipher-algo", "CAST5", "--force-mdc"],
        ["--cipher-algo", "3DES", "--force-mdc"],
        ["--throw-keyids"],
        ["--compress-algo", "none"],
    ],
)
def test_good_messages(keyring, sender, options):
    with keyring.decrypt(io.BytesIO(sender.encrypt(PLAIN, *options))) as plain:
        assert plain.read() == PLAIN
        assert plain.seekable()
        assert plain.seek(5) == 5
        assert plain.read(3) == PLAIN[5:8]


def test_good_messages_in_odd_clothes(keyring, sender, whole, binary):
    assert b"\n-----END PGP MESSAGE-----" in whole
    for message in (
        binary,
        whole.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + whole,
        b"From: smt\n\n" + whole + b"\nregards\n",
        whole.partition(b"-----END")[0],
        sender.encrypt(PLAIN, to=[sender.other, sender.recipient]),
        sender.encrypt(PLAIN, sign=sender.other),  # we do not know the signer's key
    ):
        with keyring.decrypt(io.BytesIO(message)) as plain:
            assert plain.read() == PLAIN


def test_decrypt_reads_from_where_the_file_stands_and_leaves_it_open(keyring, whole):
    message = io.BytesIO(b"skip" + whole)
    message.seek(4)
    keyring.decrypt(message).close()
    assert not message.closed


def test_plain_text_is_gone_when_closed(keyring, whole, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with keyring.decrypt(io.BytesIO(whole)) as plain:
        assert not [p for p in tmp_path.rglob("*") if p.is_file()]
        assert plain.read(4) == PLAIN[:4]
    assert list(tmp_path.iterdir()) == []


def test_decrypt_file_is_atomic_and_replaces(keyring, whole, tmp_path):
    (tmp_path / "x.asc").write_bytes(whole)
    (tmp_path / "x").write_bytes(b"old")
    keyring.decrypt_file(tmp_path / "x.asc", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == PLAIN
    assert sorted(os.listdir(tmp_path)) == ["x", "x.asc"]
    (tmp_path / "x.asc").write_bytes(whole[:400_000])
    with pytest.raises(errors.DamagedMessage):
        keyring.decrypt_file(tmp_path / "x.asc", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == PLAIN
    assert sorted(os.listdir(tmp_path)) == ["x", "x.asc"]


def test_part_file_is_private_while_it_is_written(keyring, whole, tmp_path):
    seen = []

    class Watched(keyrings._Noted):
        def read(self, n=-1):
            seen.extend(stat.S_IMODE(p.stat().st_mode) for p in tmp_path.glob(".*.part"))
            return super().read(n)

    (tmp_path / "x.asc").write_bytes(whole)
    original, keyrings._Noted = keyrings._Noted, Watched
    try:
        keyring.decrypt_file(tmp_path / "x.asc", tmp_path / "x")
    finally:
        keyrings._Noted = original
    assert set(seen) == {0o600}


@pytest.mark.parametrize("where", [0.5, 0.99])
def test_flipped_bit(keyring, sender, tmp_path, where):
    for options in ([], ["--compress-algo", "none"]):
        message = bytearray(sender.encrypt(PLAIN, *options, armor=False))
        message[int(len(message) * where)] ^= 1
        fails(keyring, bytes(message), errors.DamagedMessage, "cut or altered", tmp_path)


def test_cut_messages(keyring, whole, binary, tmp_path):
    for message in (binary[:-1], binary[:300_000], binary[: len(binary) // 100], whole[: len(whole) // 2], whole[:200]):
        fails(keyring, message, errors.DamagedMessage, "fetch it again", tmp_path)


def test_two_messages_in_one_file(keyring, binary, tmp_path):
    fails(keyring, binary + binary, errors.DamagedMessage, "cut or altered", tmp_path)


def test_no_integrity_protection(folder, keyring, sender, tmp_path):
    old = sender.encrypt(PLAIN, "--rfc2440", "--disable-mdc", "--cipher-algo", "AES", armor=False)
    fails(keyring, old, errors.UnprotectedMessage, "allow_unprotected=True", tmp_path)
    with (
        pgp.Keyring(f"{folder}/ours", passphrase=Secret(PASSPHRASE), allow_unprotected=True) as trusting,
        trusting.decrypt(io.BytesIO(old)) as plain,
    ):
        assert plain.read() == PLAIN


def test_signed_but_not_encrypted(keyring, sender, tmp_path):
    signed = sender.gpg.sign(PLAIN, keyid=sender.other, clearsign=False)
    fails(keyring, signed.data, errors.NotEncrypted, "anybody may have written it", tmp_path)


def test_no_secret_key(keyring, sender, tmp_path):
    message = sender.encrypt(PLAIN, to=sender.other)
    fails(keyring, message, errors.NoSecretKey, "encrypted to the key [0-9A-F]{16}", tmp_path)


@pytest.mark.parametrize(
    ("passphrase", "match"), [("wrong", "is wrong"), (None, "has a passphrase"), ("", "has a pass")]
)
def test_bad_passphrase(folder, whole, tmp_path, passphrase, match):
    with pgp.Keyring(f"{folder}/ours", passphrase=None if passphrase is None else Secret(passphrase)) as keyring:
        keyring.forget()  # the agent remembers the right one
        fails(keyring, whole, errors.BadPassphrase, match, tmp_path)


def test_message_under_a_passphrase_only(keyring, sender, tmp_path):
    quick = ["--s2k-count", "65536"]
    message = sender.gpg.encrypt(PLAIN, None, symmetric="AES256", passphrase="another", extra_args=quick).data
    fails(keyring, message, errors.BadPassphrase, "is wrong", tmp_path)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>no</html>", "web page"),
        (b"<html>" + b"x" * 1_000_000, "web page"),  # gpg stops long before it has read all of it
        (b'<?xml version="1.0"?><feed/>', "plain XML"),
        (b"PK\x03\x04" + bytes(100), "zip archive that is not encrypted"),
        (b"ESIID,USAGE_DATE\n1,07/12/2026\n", "may be plain already"),
    ],
)
def test_not_openpgp(keyring, tmp_path, data, match):
    fails(keyring, data, errors.NotOpenPGP, match, tmp_path)


def test_a_key_is_not_a_message(key, keyring, tmp_path):
    fails(keyring, keyring.public_key(key.fingerprint).encode(), errors.NotOpenPGP, "a public key", tmp_path)


def test_bomb(folder, sender, tmp_path):
    bomb = sender.encrypt(bytes(5_000_000))
    assert len(bomb) < 20_000
    with pgp.Keyring(f"{folder}/ours", passphrase=Secret(PASSPHRASE), max_output=1_000_000) as keyring:
        fails(keyring, bomb, errors.DecryptedTooLarge, "more than 1,000,000 bytes", tmp_path)


def test_missing_folder(keyring, whole, tmp_path):
    (tmp_path / "x.asc").write_bytes(whole)
    with pytest.raises(errors.PlainTextNotWritten, match="make room or give another folder"):
        keyring.decrypt_file(tmp_path / "x.asc", tmp_path / "none" / "x")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full, which stands for a full disk")
def test_full_disk(keyring, whole, tmp_path, monkeypatch):
    """python-gnupg says ok=True here."""
    (tmp_path / "x.asc").write_bytes(whole)
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(errors.PlainTextNotWritten, match="make room on the disk"):
        keyring._decrypt(io.BytesIO(whole), tmp_path / "full", "x.asc")


def test_error_of_the_source_is_raised_itself(keyring, whole):
    class Broken(io.BytesIO):
        def read(self, n=-1):
            if self.tell() > 300_000:
                raise errors.FormatError("the archive is damaged")
            return super().read(n)

    with pytest.raises(errors.FormatError, match="archive is damaged"):
        keyring.decrypt(Broken(whole))


def test_sources_walk_decrypts_zip_in_openpgp_in_zip(keyring, sender, tmp_path):
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.csv", b"inside")
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("a.zip.asc", sender.encrypt(inner.getvalue()))
    found = [(s.name, s.head()) for s in sources.walk(outer.getvalue(), decrypt=keyring.decrypt)]
    assert found == [("bytes!a.zip!a.csv", b"inside")]


def test_temporary_keyring(key, keyring, whole, tmp_path, monkeypatch):
    backup = keyring.secret_key(key.fingerprint).reveal().encode()
    start = keyrings.start

    def quick(program, home):
        Path(home, "gpg-agent.conf").write_text("s2k-count 65536\n")
        return start(program, home)

    monkeypatch.setattr(keyrings, "start", quick)
    with pgp.Keyring.temporary(backup, passphrase=Secret(PASSPHRASE)) as private:
        home = private._gpg.gnupghome
        assert stat.S_IMODE(os.stat(home).st_mode) == 0o700
        with private.decrypt(io.BytesIO(whole)) as plain:
            assert plain.read() == PLAIN
    assert not os.path.exists(home)
    with pytest.raises(errors.SettingsError, match=r"none\.asc cannot be read"):
        pgp.Keyring.temporary(tmp_path / "none.asc")
    with pytest.raises(errors.SettingsError, match="hold no OpenPGP key"):
        pgp.Keyring.temporary(b"nonsense")


def test_folder_with_a_long_name(key, keyring, whole, tmp_path):
    """An agent's socket has room for 107 bytes, and the folder of a project may be longer."""
    home = tmp_path / ("long" * 20) / ("home" * 10)
    home.mkdir(mode=0o700, parents=True)
    (home / "gpg-agent.conf").write_text("s2k-count 65536\n")
    with pgp.Keyring(home, passphrase=Secret(PASSPHRASE)) as far:
        far.add(keyring.secret_key(key.fingerprint).reveal().encode())
        with far.decrypt(io.BytesIO(whole)) as plain:
            assert plain.read() == PLAIN
        far.forget()
        link = far._gpg.gnupghome
    assert (home / "pubring.kbx").exists()
    assert not os.path.lexists(link)


def test_a_folder_with_a_long_name_opens_again(tmp_path, monkeypatch):
    """Each opening goes by a link of its own; the agent of the one before must not answer by its own, lost, link."""
    monkeypatch.setattr("greenkit.pgp._keyring._RSA_BITS", 1024)
    home = tmp_path / ("long" * 20) / "home"
    home.parent.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(home.parent))  # as TMPDIR may be
    key = pgp.new_key(home, name="Twice opened", passphrase=None, unprotected=True)
    for _ in range(2):
        with pgp.Keyring(home) as again:
            assert [k.fingerprint for k in again.list_keys()] == [key.fingerprint]
            with again.decrypt(io.BytesIO(again.encrypt(PLAIN, key.fingerprint))) as plain:
                assert plain.read() == PLAIN


def test_no_gpg_and_no_folder(tmp_path):
    with pytest.raises(errors.NoGpgProgram, match="no-such-gpg is not found: install it"):
        pgp.Keyring(program="no-such-gpg")
    with pytest.raises(errors.SettingsError, match="no keyring folder"):
        pgp.Keyring(tmp_path / "none")


def program(folder, name, line):
    path = Path(folder, name)
    path.write_text(f'#!/bin/sh\ncase "$*" in *--list-config*) {line} esac\n')
    path.chmod(0o755)
    return str(path)


def test_gpg_that_is_old_or_broken(folder, whole, tmp_path):
    old = program(tmp_path, "gpg1", "echo cfg:version:1.4.23;; *) exit 0;;")
    with pytest.raises(errors.NoGpgProgram, match=r"gpg1 is 1\.4\.23: install 2\.1 or later"):
        pgp.Keyring(program=old)
    broken = program(tmp_path, "gpgx", "echo 'lib missing' >&2; exit 127;;")
    with pytest.raises(errors.NoGpgProgram, match=r"gpgx does not work \(.*lib missing\): install it anew"):
        pgp.Keyring(program=broken)
    failing = program(tmp_path, "gpgf", "echo cfg:version:2.4.0;; *) echo 'gpg: conf:1: invalid option' >&2; exit 2;;")
    with (
        pgp.Keyring(f"{folder}/ours", program=failing) as keyring,
        pytest.raises(errors.NoGpgProgram, match=r"gpg itself failed \(gpg: conf:1: invalid option\)"),
    ):
        keyring.decrypt(io.BytesIO(whole))


def test_an_agent_that_takes_no_passphrase(folder, keyring, whole, tmp_path):
    conf = Path(f"{folder}/ours/gpg-agent.conf")
    before = conf.read_text()
    conf.write_text("no-allow-loopback-pinentry\n")
    keyring.forget()
    try:
        fails(keyring, whole, errors.NoGpgProgram, "remove no-allow-loopback-pinentry from gpg-agent.conf", tmp_path)
    finally:
        conf.write_text(before)
        keyring.forget()


def test_repr_holds_no_secret(keyring):
    assert PASSPHRASE not in repr(keyring)
    assert PASSPHRASE not in str(vars(keyring))
