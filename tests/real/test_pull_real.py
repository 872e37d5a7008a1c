"""Complete pulls from the real servers: killed at random, by two machines, with a damaged message."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from greenkit import Secret, pgp
from greenkit.transfer._pull import pull

pytestmark = pytest.mark.real

FILES = {f"{i:02}_usage.lse": random.Random(i).randbytes(20_000 + 30_000 * (i % 7)) for i in range(18)}
KILLS = 5


@pytest.fixture(scope="module")
def keyring():
    with tempfile.TemporaryDirectory(prefix="gkt-") as home:
        Path(home, "gpg-agent.conf").write_text("s2k-count 65536\n")
        key = pgp.new_key(home, name="Example Energy", passphrase=Secret("secret"))
        with pgp.Keyring(home, passphrase=Secret("secret")) as keyring:
            keyring.fingerprint, keyring.home = key.fingerprint, home
            yield keyring
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


@pytest.fixture(scope="module")
def messages(keyring):
    return {f"{name}.asc": keyring.encrypt(plain, keyring.fingerprint) for name, plain in FILES.items()}


@pytest.fixture
def inbox(server, messages):
    for name, data in messages.items():
        server.put(f"intervaldata/{name}", data)
    return server


def start(server, keyring, into):
    job = {
        "protocol": server.protocol,
        "port": server.port,
        "options": server.options(),
        "home": keyring.home,
        "into": str(into),
    }
    command = [sys.executable, str(Path(__file__).parent / "pull_once.py"), json.dumps(job)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def plain_files(into):
    return {path.name: path.read_bytes() for path in into.iterdir() if not path.name.startswith(".")}


def left(server):
    return os.listdir(server.files / "intervaldata")


def check_all_here_once(server, *folders):
    found = [plain_files(folder) for folder in folders]
    assert {name: data for here in found for name, data in here.items()} == FILES
    assert all(here[name] == FILES[name] for here in found for name in here)
    assert left(server) == []
    for folder in folders:
        assert [p for p in folder.rglob("*") if p.name.endswith(".part")] == []


def test_killed_at_random(inbox, keyring, tmp_path):
    """Each file is stored exactly once; at every moment, a file that is not stored completely is on the server."""
    chance = random.Random(inbox.port)
    killed = 0
    for kill in range(KILLS):
        process = start(inbox, keyring, tmp_path)
        process.stdout.readline()
        # by the number of stored files, because on a fast machine the pull takes less than a second
        while process.poll() is None and len(plain_files(tmp_path)) < 3 * kill:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
        here = plain_files(tmp_path)
        assert all(FILES[name] == data for name, data in here.items())
        assert {f"{name}.asc" for name in FILES.keys() - here.keys()} <= set(left(inbox))
    assert killed
    for _ in range(2):
        with start(inbox, keyring, tmp_path) as last:
            assert last.wait(120) == 0
    check_all_here_once(inbox, tmp_path)


def test_two_machines_at_once(inbox, keyring, tmp_path):
    """Two ledgers use one account: a file that the other one fetched is no error, and no file is lost."""
    folders = [tmp_path / "one", tmp_path / "two"]
    wrong = []

    def run(into):
        try:
            with inbox.remote() as remote:
                pull(remote, "intervaldata", into=into, pgp=keyring, delete="decrypted")
        except Exception as e:  # noqa: BLE001 handed to the test's own thread
            wrong.append(e)

    threads = [threading.Thread(target=run, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    assert wrong == []
    check_all_here_once(inbox, *folders)


def test_damaged_message_stays_and_is_fetched_again(server, keyring, messages, tmp_path):
    name, whole = next(iter(messages.items()))
    server.put(f"intervaldata/{name}", whole[: len(whole) // 2])
    with server.remote() as remote:
        for _ in range(2):
            (file,) = pull(remote, "intervaldata", into=tmp_path, pgp=keyring, delete="decrypted").files
            assert file.state == "undecryptable"
            assert left(server) == [name]
            assert plain_files(tmp_path) == {}
        server.put(f"intervaldata/{name}", whole)
        pull(remote, "intervaldata", into=tmp_path, pgp=keyring, delete="decrypted")
    assert plain_files(tmp_path) == {name.removesuffix(".asc"): FILES[name.removesuffix(".asc")]}
    assert left(server) == []
