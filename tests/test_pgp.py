"""Every way in which gpg can succeed, fail, hang, or partly succeed, with the real gpg."""

import contextlib
import io
import os
import random
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gnupg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESOCB3

from greenkit import Secret, errors, pgp, sources
from greenkit.pgp import _gpg as programs
from greenkit.pgp import _keyring as keyrings

pytestmark = pytest.mark.skipif(not shutil.which("gpg"), reason="the gpg program is not installed")

PASSPHRASE = "s3cret %41 ß#x"
# does not compress, so that a truncated message lacks plain text; 600 kB is many of gpg's blocks
PLAIN = random.Random(4).randbytes(600_000)


class Sender:
    """The sender: encrypts to the public key with gpg, in each way seen in practice."""

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
    # short, because the agents' sockets are in it
    import tempfile

    with tempfile.TemporaryDirectory(prefix="gkt-") as path:
        yield path
        for home in ("ours", "theirs"):
            subprocess.run(["gpgconf", "--homedir", f"{path}/{home}", "--kill", "all"], check=False)


@pytest.fixture(scope="module")
def key(folder):
    os.mkdir(f"{folder}/ours", 0o700)
    # else the agent takes 0.1 to 0.5 s each time to stretch a passphrase
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
    """Check that both ways of decrypting raise the error in one line and leave no file."""
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


def test_new_key_has_what_smt_requires(key, keyring):
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
    with pytest.raises(errors.SettingsError, match="has no key 1234"):
        keyring.public_key("1234")


def test_threads_share_a_keyring(key, keyring):
    """Each thread reads what its own gpg writes: with one object for all, they read each other's pipes."""

    def back(text):
        with keyring.decrypt(io.BytesIO(keyring.encrypt(text, key.fingerprint))) as file:
            return file.read()

    plain = [bytes([n]) * 100_000 for n in range(12)]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(back, plain)) == plain


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
        ({"name": "Example\nKey-Type: DSA"}, "name contains a line break"),
        ({"email": "a@example.org\n%no-protection"}, "email contains a line break"),
        ({"passphrase": Secret("a\nb")}, "passphrase contains a line break"),
        ({"passphrase": Secret(" ab")}, "leading or trailing spaces"),
        ({"passphrase": None}, "or unprotected=True"),
        ({"name": "abc"}, "at least 5 characters"),
    ],
)
def test_new_key_rejects_text_that_gpg_would_misread(tmp_path, wrong, match):
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
def test_message_of_each_cipher_is_decrypted(keyring, sender, options):
    with keyring.decrypt(io.BytesIO(sender.encrypt(PLAIN, *options))) as plain:
        assert plain.read() == PLAIN
        assert plain.seekable()
        assert plain.seek(5) == 5
        assert plain.read(3) == PLAIN[5:8]


def test_message_in_each_encoding_is_decrypted(keyring, sender, whole, binary):
    assert b"\n-----END PGP MESSAGE-----" in whole
    for message in (
        binary,
        whole.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + whole,
        b"From: smt\n\n" + whole + b"\nregards\n",
        whole.partition(b"-----END")[0],
        sender.encrypt(PLAIN, to=[sender.other, sender.recipient]),
        sender.encrypt(PLAIN, sign=sender.other),  # the keyring does not have the signer's key
    ):
        with keyring.decrypt(io.BytesIO(message)) as plain:
            assert plain.read() == PLAIN


def test_decrypt_reads_from_the_current_position_and_leaves_the_file_open(keyring, whole):
    message = io.BytesIO(b"skip" + whole)
    message.seek(4)
    keyring.decrypt(message).close()
    assert not message.closed


def test_plain_text_has_no_file_name_and_is_deleted_when_closed(keyring, whole, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with keyring.decrypt(io.BytesIO(whole)) as plain:
        assert not [p for p in tmp_path.rglob("*") if p.is_file()]
        assert plain.read(4) == PLAIN[:4]
    assert list(tmp_path.iterdir()) == []


def test_decrypt_file_replaces_its_target_completely_or_not_at_all(keyring, whole, tmp_path):
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
def test_altered_message_is_damaged(keyring, sender, tmp_path, where):
    for options in ([], ["--compress-algo", "none"]):
        message = bytearray(sender.encrypt(PLAIN, *options, armor=False))
        message[int(len(message) * where)] ^= 1
        fails(keyring, bytes(message), errors.DamagedMessage, "truncated or altered", tmp_path)


def test_truncated_message_is_damaged(keyring, whole, binary, tmp_path):
    for message in (binary[:-1], binary[:300_000], binary[: len(binary) // 100], whole[: len(whole) // 2], whole[:200]):
        step = "Fetch the file again. If it fails again tomorrow, ask the sender, such as SMT, to post it again."
        fails(keyring, message, errors.DamagedMessage, step, tmp_path)


def test_two_messages_in_one_file_are_damaged(keyring, binary, tmp_path):
    fails(keyring, binary + binary, errors.DamagedMessage, "truncated or altered", tmp_path)


def test_message_without_integrity_protection_is_rejected_unless_allowed(folder, keyring, sender, tmp_path):
    old = sender.encrypt(PLAIN, "--rfc2440", "--disable-mdc", "--cipher-algo", "AES", armor=False)
    fails(keyring, old, errors.UnprotectedMessage, "allow_unprotected=True", tmp_path)
    with (
        pgp.Keyring(f"{folder}/ours", passphrase=Secret(PASSPHRASE), allow_unprotected=True) as trusting,
        trusting.decrypt(io.BytesIO(old)) as plain,
    ):
        assert plain.read() == PLAIN


def test_signed_message_that_is_not_encrypted_is_rejected(keyring, sender, tmp_path):
    signed = sender.gpg.sign(PLAIN, keyid=sender.other, clearsign=False)
    fails(keyring, signed.data, errors.NotEncrypted, "anyone may have written it", tmp_path)


def test_message_for_another_key_names_that_key(keyring, sender, tmp_path):
    message = sender.encrypt(PLAIN, to=sender.other)
    fails(keyring, message, errors.NoSecretKey, "encrypted to the key [0-9A-F]{16}", tmp_path)


@pytest.mark.parametrize(
    ("passphrase", "match"),
    [("wrong", "is wrong. Set passphrase = .* under .smt.pgp."), (None, "has a passphrase"), ("", "has a pass")],
)
def test_wrong_or_missing_passphrase_is_reported(folder, whole, tmp_path, passphrase, match):
    with pgp.Keyring(f"{folder}/ours", passphrase=None if passphrase is None else Secret(passphrase)) as keyring:
        keyring.forget()  # the agent remembers the right one
        fails(keyring, whole, errors.BadPassphrase, match, tmp_path)


def test_message_encrypted_with_a_passphrase_only_is_reported(keyring, sender, tmp_path):
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
        (b"ESIID,USAGE_DATE\n1,07/12/2026\n", "may not be encrypted"),
    ],
)
def test_other_files_are_named(keyring, tmp_path, data, match):
    fails(keyring, data, errors.NotOpenPGP, match, tmp_path)


def test_public_key_is_not_taken_for_a_message(key, keyring, tmp_path):
    fails(keyring, keyring.public_key(key.fingerprint).encode(), errors.NotOpenPGP, "a public key", tmp_path)


def test_plain_text_larger_than_the_limit_is_rejected(folder, sender, tmp_path):
    bomb = sender.encrypt(bytes(5_000_000))
    assert len(bomb) < 20_000
    with pgp.Keyring(f"{folder}/ours", passphrase=Secret(PASSPHRASE), max_output=1_000_000) as keyring:
        fails(keyring, bomb, errors.DecryptedTooLarge, "larger than 1,000,000 bytes", tmp_path)


def test_missing_target_folder_is_reported(keyring, whole, tmp_path):
    (tmp_path / "x.asc").write_bytes(whole)
    with pytest.raises(errors.PlainTextNotWritten, match="Free disk space or use another folder"):
        keyring.decrypt_file(tmp_path / "x.asc", tmp_path / "none" / "x")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full, which stands for a full disk")
def test_full_disk_is_reported(keyring, whole, tmp_path, monkeypatch):
    """Check it although python-gnupg returns ok=True here."""
    (tmp_path / "x.asc").write_bytes(whole)
    (tmp_path / "full").symlink_to("/dev/full")
    with (
        open(tmp_path / "full", "wb", buffering=0) as full,
        pytest.raises(errors.PlainTextNotWritten, match="decrypted file cannot be written"),
    ):
        keyring._decrypt(io.BytesIO(whole), full, "x.asc")


def test_error_while_reading_the_source_is_raised_unchanged(keyring, whole):
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


def test_temporary_keyring_is_wiped(key, keyring, whole, tmp_path, monkeypatch):
    backup = keyring.secret_key(key.fingerprint).reveal().encode()
    start = programs.start

    def quick(program, home):
        Path(home, "gpg-agent.conf").write_text("s2k-count 65536\n")
        return start(program, home)

    monkeypatch.setattr(programs, "start", quick)
    with pgp.Keyring.temporary(backup, passphrase=Secret(PASSPHRASE)) as private:
        home = private._gpg.gnupghome
        assert stat.S_IMODE(os.stat(home).st_mode) == 0o700
        with private.decrypt(io.BytesIO(whole)) as plain:
            assert plain.read() == PLAIN
    assert not os.path.exists(home)
    with pytest.raises(errors.SettingsError, match=r"none\.asc cannot be read"):
        pgp.Keyring.temporary(tmp_path / "none.asc")
    with pytest.raises(errors.SettingsError, match="contain no OpenPGP key"):
        pgp.Keyring.temporary(b"nonsense")


def test_keyring_folder_with_a_long_name_works(key, keyring, whole, tmp_path):
    """An agent's socket path is limited to 107 bytes, and a project's folder may be longer."""
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


def test_keyring_folder_with_a_long_name_works_again(tmp_path, monkeypatch):
    """Each keyring uses its own link; the agent of an earlier one must not answer for its deleted link."""
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


def test_missing_program_and_missing_folder_are_reported(tmp_path):
    with pytest.raises(errors.NoGpgProgram, match="no-such-gpg is not found"):
        pgp.Keyring(program="no-such-gpg")
    with pytest.raises(errors.SettingsError, match="does not exist"):
        pgp.Keyring(tmp_path / "none")


def program(folder, name, line):
    path = Path(folder, name)
    path.write_text(f'#!/bin/sh\ncase "$*" in *--list-config*) {line} esac\n')
    path.chmod(0o755)
    return str(path)


def test_old_or_broken_gpg_is_reported(folder, whole, tmp_path):
    old = program(tmp_path, "gpg1", "echo cfg:version:1.4.23;; *) exit 0;;")
    with pytest.raises(errors.NoGpgProgram, match=r"gpg1 is version 1\.4\.23\. Install GnuPG 2\.1 or later"):
        pgp.Keyring(program=old)
    broken = program(tmp_path, "gpgx", "echo 'lib missing' >&2; exit 127;;")
    with pytest.raises(errors.NoGpgProgram, match=r"gpgx does not work \(.*lib missing\)\. Install GnuPG again"):
        pgp.Keyring(program=broken)
    failing = program(tmp_path, "gpgf", "echo cfg:version:2.4.0;; *) echo 'gpg: conf:1: invalid option' >&2; exit 2;;")
    with (
        pgp.Keyring(f"{folder}/ours", program=failing) as keyring,
        pytest.raises(errors.NoGpgProgram, match=r"gpg failed \(gpg: conf:1: invalid option\)"),
    ):
        keyring.decrypt(io.BytesIO(whole))


def test_agent_that_refuses_passphrases_is_reported(folder, keyring, whole, tmp_path):
    conf = Path(f"{folder}/ours/gpg-agent.conf")
    before = conf.read_text()
    conf.write_text("no-allow-loopback-pinentry\n")
    keyring.forget()
    try:
        fails(keyring, whole, errors.NoGpgProgram, "Remove no-allow-loopback-pinentry from gpg-agent.conf", tmp_path)
    finally:
        conf.write_text(before)
        keyring.forget()


def test_repr_contains_no_secret(keyring):
    assert PASSPHRASE not in repr(keyring)
    assert PASSPHRASE not in str(vars(keyring))


def test_passphrase_is_tried_even_if_the_agent_remembers_another(folder, whole):
    home = f"{folder}/ours"
    with pgp.Keyring(home, passphrase=Secret(PASSPHRASE)) as right:
        right.decrypt(io.BytesIO(whole)).close()
    with pgp.Keyring(home, passphrase=Secret("wrong")) as wrong, pytest.raises(errors.BadPassphrase, match="is wrong"):
        wrong.decrypt(io.BytesIO(whole))


def test_agent_keeps_its_passphrases_after_the_given_one_has_worked(keyring, whole, monkeypatch):
    keyring.decrypt(io.BytesIO(whole)).close()
    monkeypatch.setattr(programs, "forget_passphrases", lambda home: pytest.fail("each file would be stretched anew"))
    keyring.decrypt(io.BytesIO(whole)).close()


def test_line_break_at_the_end_of_the_passphrase_is_removed(folder, whole):
    with pgp.Keyring(f"{folder}/ours", passphrase=Secret(PASSPHRASE + "\r\n")) as keyring:
        keyring.decrypt(io.BytesIO(whole)).close()
    with pytest.raises(errors.SettingsError, match="contains a line break") as caught:
        pgp.Keyring(f"{folder}/ours", passphrase=Secret("hun\nter2"))
    assert "ter2" not in str(caught.value)


def hanging(tmp_path, when):
    """Write a gpg that hangs, with a child of its own that holds its pipes, and writes its process id."""
    path = tmp_path / "hanging"
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *{when}*) echo $$ > {tmp_path}/pid; sleep 300;; esac\necho cfg:version:2.2.40\n'
    )
    path.chmod(0o755)
    return str(path)


def pid_of(folder):
    """Return the process id that the hanging gpg wrote, or nothing if it was ended before it could."""
    return (folder / "pid").read_text().strip() if (folder / "pid").exists() else "none"


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def waits_until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_gpg_that_hangs_at_its_start_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "QUICK", 0.5)
    with pytest.raises(errors.GpgTimedOut, match=r"did not finish --version within 0 s") as caught:
        pgp.Keyring(program=hanging(tmp_path, "--list-config"))
    assert isinstance(caught.value, errors.NoGpgProgram)
    assert caught.value.next_step
    assert not is_running(pid_of(tmp_path))


def test_gpg_that_hangs_while_it_decrypts_is_ended(folder, whole, tmp_path, monkeypatch):
    keyring = pgp.Keyring(f"{folder}/ours", program=hanging(tmp_path, "--decrypt"), passphrase=Secret(PASSPHRASE))
    monkeypatch.setattr(programs, "QUICK", 0.5)
    (tmp_path / "x.asc").write_bytes(whole)
    (tmp_path / "out").mkdir()
    with pytest.raises(errors.GpgTimedOut, match=r"x\.asc: gpg did not finish the decryption"):
        keyring.decrypt_file(tmp_path / "x.asc", tmp_path / "out" / "x")
    assert os.listdir(tmp_path / "out") == []
    assert not is_running(pid_of(tmp_path))


def slow(tmp_path):
    """Write a gpg that starts the real one a second late."""
    path = tmp_path / "slow"
    path.write_text('#!/bin/sh\ncase "$*" in *--decrypt*) sleep 1;; esac\nexec gpg "$@"\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(("slowest", "error"), [(1 << 40, errors.GpgTimedOut), (20_000, None)])
def test_time_limit_of_gpg_grows_with_the_message(folder, whole, tmp_path, monkeypatch, slowest, error):
    with pgp.Keyring(f"{folder}/ours", passphrase=Secret(PASSPHRASE), program=slow(tmp_path)) as keyring:
        monkeypatch.setattr(programs, "QUICK", 0.3)
        monkeypatch.setattr(programs, "SLOWEST", slowest)
        with pytest.raises(error) if error else contextlib.nullcontext():
            keyring.decrypt(io.BytesIO(whole)).close()


KILLED = """
import sys
from greenkit import Secret, pgp
keyring = pgp.Keyring(sys.argv[1], program=sys.argv[2], passphrase=Secret("x"))
keyring.decrypt_file(sys.argv[3], sys.argv[4])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux")
def test_gpg_ends_with_a_killed_parent_and_writes_no_part(folder, whole, tmp_path):
    (tmp_path / "x.asc").write_bytes(whole)
    (tmp_path / "out").mkdir()
    arguments = [f"{folder}/ours", hanging(tmp_path, "--decrypt"), tmp_path / "x.asc", tmp_path / "out" / "x"]
    child = subprocess.Popen([sys.executable, "-c", KILLED, *map(str, arguments)])
    pid = tmp_path / "pid"
    assert waits_until(lambda: pid.exists() and pid.read_text().strip(), 30)
    assert is_running(pid.read_text().strip())
    child.kill()
    child.wait()
    assert waits_until(lambda: not is_running(pid.read_text().strip()))
    for part in (tmp_path / "out").iterdir():  # of the killed process itself; the next call removes it
        assert stat.S_IMODE(part.stat().st_mode) == 0o600


def test_signed_and_unprotected_messages_are_noted(folder, sender, whole, tmp_path):
    (tmp_path / "plain.asc").write_bytes(whole)
    (tmp_path / "signed.asc").write_bytes(sender.encrypt(PLAIN, sign=sender.other))
    old = sender.encrypt(PLAIN, "--rfc2440", "--disable-mdc", "--cipher-algo", "AES")
    (tmp_path / "old.asc").write_bytes(old)
    with pgp.Keyring(f"{folder}/ours", passphrase=Secret(PASSPHRASE), allow_unprotected=True) as keyring:
        noted = {n: keyring.decrypt_file(tmp_path / f"{n}.asc", tmp_path / n) for n in ("plain", "signed", "old")}
    assert noted == {
        "plain": pgp.Decryption(protected=True, signed=False),
        "signed": pgp.Decryption(protected=True, signed=True),
        "old": pgp.Decryption(protected=False, signed=False),
    }


def aead(sender, message, session_key, cut=None):
    """Return the message with its data encrypted by OCB, as gpg 2.3 and openpgp.js 5 write it (RFC 4880bis, 5.16)."""
    key_packet = message[: 3 + int.from_bytes(message[1:3], "big")] if message[0] == 0x85 else None
    assert key_packet, f"the first packet has the tag {message[0]:#x}"
    literal = b"\xcb\xff" + (6 + len(PLAIN)).to_bytes(4, "big") + b"b\0" + bytes(4) + PLAIN
    head, nonce, ocb = b"\xd4\x01\x09\x02\x0a", bytes(range(15)), AESOCB3(session_key)
    data, size = b"", 1 << 16

    def sealed(index, piece, more=b""):
        iv = nonce[:7] + (int.from_bytes(nonce[7:], "big") ^ index).to_bytes(8, "big")
        return ocb.encrypt(iv, piece, head + index.to_bytes(8, "big") + more)

    for index, at in enumerate(range(0, len(literal), size)):
        data += sealed(index, literal[at : at + size])
    data += sealed(index + 1, b"", len(literal).to_bytes(8, "big"))
    body = (head[1:] + nonce + data)[:cut]
    return key_packet + b"\xd4\xff" + len(body).to_bytes(4, "big") + body


@pytest.fixture(scope="module")
def session(keyring, sender):
    """A message and its session key, which gpg shows on request."""
    message = sender.encrypt(b"x", "--cipher-algo", "AES256", armor=False)
    command = ["gpg", "--homedir", keyring._gpg.gnupghome, "--batch", "--pinentry-mode", "loopback"]
    command += ["--passphrase", PASSPHRASE, "--show-session-key", "--status-fd", "2", "-d"]
    said = subprocess.run(command, input=message, capture_output=True, check=True).stderr.decode()
    return message, bytes.fromhex(re.search(r"SESSION_KEY 9:([0-9A-F]{64})", said)[1])


def test_aead_message_is_decrypted(keyring, sender, session):
    with keyring.decrypt(io.BytesIO(aead(sender, *session))) as plain:
        assert plain.read() == PLAIN


CUTS = [40, 70_000, *(pytest.param(cut, marks=pytest.mark.real) for cut in (300_000, 600_000, -1, -40)), -16, -17]


@pytest.mark.parametrize("cut", CUTS)
def test_truncated_aead_message_is_damaged_and_not_unprotected(keyring, sender, session, tmp_path, cut):
    fails(keyring, aead(sender, *session, cut=cut), errors.DamagedMessage, "Fetch the file again", tmp_path)


def test_altered_aead_message_is_damaged(keyring, sender, session, tmp_path):
    message = bytearray(aead(sender, *session))
    message[300_000] ^= 1
    fails(keyring, bytes(message), errors.DamagedMessage, "truncated or altered", tmp_path)


def test_truncated_aead_message_is_damaged_even_if_its_packet_ends_early(keyring, sender, session, tmp_path):
    fails(keyring, aead(sender, *session)[:300_000], errors.DamagedMessage, "Fetch the file again", tmp_path)


def test_no_traceback_contains_the_passphrase(folder, whole, tmp_path, monkeypatch):
    """A debugger or IPython's verbose mode prints the local variables of each frame."""
    with pgp.Keyring(f"{folder}/ours", passphrase=Secret(PASSPHRASE)) as keyring:
        monkeypatch.setattr(keyring._gpg.__class__, "_handle_io", interrupt)
        calls = [lambda: keyring.decrypt(io.BytesIO(whole)), lambda: keyring.secret_key("1234")]
        calls.append(lambda: pgp.new_key(tmp_path / "n", name="x", passphrase=Secret(PASSPHRASE)))
        for call in calls:
            with pytest.raises((KeyboardInterrupt, errors.SettingsError)) as caught:
                call()
            shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
            assert PASSPHRASE not in "".join(shown.format())


def interrupt(self, *args, **kwargs):
    raise KeyboardInterrupt
