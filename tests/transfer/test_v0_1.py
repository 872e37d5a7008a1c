"""A folder that greenkit 0.1 fetched into still opens: its ledger, originals, plain files, and interrupted part.

``v0_1/inbox.tar.gz`` was written by 0.1 and is kept as bytes: two fetches of ``intervaldata`` with a keyring, the second
after SMT used a name again, one of ``adhocusage`` without a keyring, a damaged message, and an interrupted file. The
messages are those of ``directory_remote.seal``.
"""

import tarfile
from pathlib import Path

import pytest
from directory_remote import DirectoryRemote, Unsealer

from greenkit.transfer._ledger import Home, Ledger
from greenkit.transfer._pull import pull

ARCHIVE = Path(__file__).parent / "v0_1" / "inbox.tar.gz"
PLAIN = {
    "0.lse": b"day 0\n" * 20,
    "1.lse": b"day 1\n" * 20,
    "2.lse": b"day 2\n" * 20,
    "1.lse.76f3b12ee2be": b"second version of day 1",
    "1.csv": b"ESIID,1\n",
}


@pytest.fixture
def base(tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def plain_files(base):
    return {p.name: p.read_bytes() for p in (base / "into").iterdir() if p.is_file()}


def test_ledger_of_0_1_is_read_with_every_state(base):
    with Ledger(Home(base / "into").ledger) as ledger:
        rows = [(r.folder, r.name, r.state, r.stored, r.plain, r.part_bytes) for r in ledger.rows()]
    assert rows == [
        ("intervaldata", "0.lse.asc", "done", "0.lse.asc", "0.lse", 0),
        ("intervaldata", "1.csv", "copied", "1.csv", "1.csv", 0),
        ("intervaldata", "1.lse.asc", "done", "1.lse.asc", "1.lse", 0),
        ("intervaldata", "2.lse.asc", "done", "2.lse.asc", "2.lse", 0),
        ("intervaldata", "bad.lse.asc", "undecryptable", "bad.lse.asc", None, 0),
        ("intervaldata", "cut.lse.asc", "seen", None, None, 1546),
        ("intervaldata", "1.lse.asc", "decrypted", "1.lse.76f3b12ee2be.asc", "1.lse.76f3b12ee2be", 0),
        ("adhocusage", "locked.lse.asc", "fetched", "locked.lse.asc", None, 0),
    ]


def test_fetch_continues_a_folder_of_0_1(base):
    remote = DirectoryRemote(base / "server")
    assert plain_files(base) == PLAIN
    report = pull(remote, "intervaldata", into=base / "into", pgp=Unsealer())
    assert plain_files(base) == {**PLAIN, "cut.lse": b"cut" * 1000}
    assert ("fetch", "intervaldata/cut.lse.asc", 1546) in remote.log, "the part is continued"
    fetched = {entry[1] for entry in remote.log if entry[0] == "fetch"}
    assert fetched == {"intervaldata/cut.lse.asc", "intervaldata/bad.lse.asc"}, "nothing else is fetched again"
    assert [p.name for p in report.new] == ["cut.lse"]
    report = pull(remote, "adhocusage", into=base / "into", pgp=Unsealer())
    assert plain_files(base)["locked.lse"] == b"locked" * 5
    assert report.complete
    assert list(Home(base / "into").parts.iterdir()) == []
