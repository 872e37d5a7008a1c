"""The steps of a pull: whole files only, each once, nothing deleted before its copy is proven."""

import os
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest
from directory_remote import DirectoryRemote, Unsealer, put, seal

from greenkit.errors import BusyError, FormatError, LoginRejected, NotWritten, ServerUnavailable
from greenkit.findings import GreenkitWarning
from greenkit.transfer import _inbox as part
from greenkit.transfer import _ledger as ledgers
from greenkit.transfer._inbox import Part, refusal
from greenkit.transfer._ledger import Home, Ledger
from greenkit.transfer._pull import fetch_smt, pull

PLAIN = {f"{day}.lse": f"day {day}\n".encode() * 500 for day in range(3)}


@pytest.fixture
def server(tmp_path):
    for name, plain in PLAIN.items():
        put(tmp_path / "server", f"{name}.asc", seal(plain))
    return tmp_path / "server"


@pytest.fixture
def into(tmp_path):
    return tmp_path / "into"


def run(server, into, /, **options):
    remote = options.pop("remote", None) or DirectoryRemote(server, **options.pop("server", {}))
    return pull(remote, "intervaldata", into=into, pgp=options.pop("pgp", Unsealer()), **options)


def plain_files(into):
    return {p.name: p.read_bytes() for p in into.iterdir() if p.is_file()}


def states(report):
    return dict(zip(report.frame["name"], report.frame["state"], strict=True))


def listed(server, folder="intervaldata"):
    return sorted(os.listdir(server / folder))


def no_leftovers(into):
    assert list(Home(into).parts.iterdir()) == []


def test_a_folder_is_fetched_decrypted_and_kept_on_the_server_by_default(server, into):
    report = run(server, into)
    assert plain_files(into) == PLAIN
    assert set(states(report).values()) == {"decrypted"}
    assert report.complete
    assert sorted(p.name for p in report.new) == sorted(PLAIN)
    assert listed(server) == [f"{name}.asc" for name in PLAIN]
    assert {p.name for p in Home(into).received.iterdir()} == set(listed(server)), "originals are kept"
    no_leftovers(into)


def test_the_second_call_fetches_nothing(server, into):
    run(server, into)
    remote = DirectoryRemote(server)
    report = run(server, into, remote=remote)
    assert remote.count("fetch") == 0
    assert report.complete
    assert report.new == []


def test_frame_has_its_columns_and_dtypes_also_when_empty(server, into):
    frame = run(server, into).frame
    assert list(frame.columns) == ["name", "bytes", "state", "when", "why", "new", "path"]
    assert frame["bytes"].tolist() == [len(seal(p)) for p in PLAIN.values()]
    assert str(frame["when"].dtype) == "datetime64[us, UTC]"
    (server / "adhocusage").mkdir()
    empty = pull(DirectoryRemote(server), "adhocusage", into=into).frame
    pd.testing.assert_series_equal(empty.dtypes, frame.dtypes)


@pytest.mark.parametrize("delete", ["decrypted", "fetched"])
def test_delete_comes_last_and_leaves_the_ledger_done(server, into, delete):
    class Watching(DirectoryRemote):
        def delete(self, path):
            name = Path(path).name
            assert plain_files(into)[name.removesuffix(".asc")] == PLAIN[name.removesuffix(".asc")]
            assert self.log[-1] == ("stat", path), "a last look, since the name may hold other content by now"
            super().delete(path)

    report = run(server, into, remote=Watching(server), delete=delete)
    assert listed(server) == []
    assert set(states(report).values()) == {"done"}
    assert plain_files(into) == PLAIN


def test_without_a_key_files_are_only_fetched_and_decrypted_later_without_the_server(server, into):
    report = run(server, into, pgp=None, delete="decrypted")
    assert set(states(report).values()) == {"fetched"}
    assert not report.complete
    assert set(report.frame["why"]) == {"give pgp= to decrypt it"}
    assert set(report.frame["new"]) == {True}
    assert listed(server) == [f"{name}.asc" for name in PLAIN], "nothing proves them whole yet"
    for name in listed(server):
        (server / "intervaldata" / name).unlink()
    remote = DirectoryRemote(server)
    report = run(server, into, remote=remote)
    assert plain_files(into) == PLAIN
    assert remote.count("fetch") == 0
    assert set(states(report).values()) == {"done"}


def test_fetched_deletes_on_the_size_alone_and_still_decrypts_later(server, into):
    assert set(states(run(server, into, pgp=None, delete="fetched")).values()) == {"fetched"}
    assert listed(server) == []
    assert plain_files(into) == {}
    run(server, into)
    assert plain_files(into) == PLAIN


def test_a_wrong_passphrase_keeps_the_original_and_is_tried_again_without_fetching(server, into):
    report = run(server, into, pgp=Unsealer(locked=True), delete="decrypted")
    assert set(states(report).values()) == {"fetched"}
    assert "passphrase is wrong" in report.frame["why"][0]
    assert len(listed(server)) == 3
    remote = DirectoryRemote(server)
    run(server, into, remote=remote, delete="decrypted")
    assert remote.count("fetch") == 0
    assert plain_files(into) == PLAIN
    assert listed(server) == []


@pytest.mark.parametrize("delete", ["decrypted", "fetched"])
def test_a_damaged_message_stays_on_the_server_and_is_fetched_again_next_time(server, into, delete):
    good = seal(PLAIN["1.lse"])
    path = put(server, "1.lse.asc", good[:-1])
    report = run(server, into, delete=delete)
    assert states(report) == {"0.lse.asc": "done", "1.lse.asc": "undecryptable", "2.lse.asc": "done"}
    assert listed(server) == ["1.lse.asc"]
    assert "1.lse" not in plain_files(into), "no plain text of a damaged message is used"
    remote = DirectoryRemote(server)
    run(server, into, remote=remote, delete=delete)
    assert remote.count("fetch") == 1
    path.write_bytes(good)
    report = run(server, into, delete=delete)
    assert states(report) == {"1.lse.asc": "done"}
    assert plain_files(into) == PLAIN
    assert listed(server) == []


FAULTS = ["cut clean", "cut", "late 451", "down", 0, 1, 100]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("delete", ["decrypted", "fetched"])
def test_no_fault_leaves_a_short_file_or_deletes_unproven(server, into, fault, delete):
    remote = DirectoryRemote(server, faults={"1.lse.asc": [fault, fault]})
    report = run(server, into, remote=remote, delete=delete)
    assert states(report)["1.lse.asc"] == "seen"
    assert report.frame.set_index("name")["why"]["1.lse.asc"]
    assert listed(server) == ["1.lse.asc"]
    received = {p.name: p.read_bytes() for p in Home(into).received.iterdir()}
    assert received == {f"{n}.asc": seal(p) for n, p in PLAIN.items() if n != "1.lse"}
    assert plain_files(into) == {n: p for n, p in PLAIN.items() if n != "1.lse"}
    run(server, into, delete=delete)
    assert plain_files(into) == PLAIN
    assert listed(server) == []
    no_leftovers(into)


def test_a_clean_cut_is_healed_at_once_by_a_second_transfer(server, into):
    remote = DirectoryRemote(server, faults={"1.lse.asc": ["cut clean"]})
    assert run(server, into, remote=remote).complete
    assert plain_files(into) == PLAIN


def test_a_cut_transfer_goes_on_where_it_stopped(server, into):
    whole = len(seal(PLAIN["1.lse"]))
    run(server, into, server={"faults": {"1.lse.asc": [2500]}})
    remote = DirectoryRemote(server)
    run(server, into, remote=remote)
    assert ("fetch", "intervaldata/1.lse.asc", 2500) in remote.log
    assert plain_files(into) == PLAIN
    assert whole > 2500
    no_leftovers(into)


def test_a_cut_transfer_starts_anew_when_the_file_has_changed(server, into):
    run(server, into, server={"faults": {"1.lse.asc": [2500]}})
    put(server, "1.lse.asc", seal(b"other" * 1000), age_days=1)
    remote = DirectoryRemote(server)
    run(server, into, remote=remote)
    assert ("fetch", "intervaldata/1.lse.asc", 0) in remote.log
    assert plain_files(into)["1.lse"] == b"other" * 1000


def test_a_part_that_vanished_is_started_anew(server, into):
    run(server, into, server={"faults": {"1.lse.asc": [2500]}})
    for begun in Home(into).parts.iterdir():
        begun.write_bytes(b"short")
    assert run(server, into).complete
    assert plain_files(into) == PLAIN


def test_a_growing_file_is_left_for_the_next_call(server, into):
    report = run(server, into, server={"faults": {"1.lse.asc": ["grow"]}}, delete="fetched")
    assert states(report)["1.lse.asc"] == "seen"
    assert "still being written" in report.frame.set_index("name")["why"]["1.lse.asc"]
    assert listed(server) == ["1.lse.asc"]
    no_leftovers(into)


def test_what_changes_between_fetch_and_delete_is_not_deleted(server, into):
    class Swapping(Unsealer):
        def decrypt_file(self, path, to):
            super().decrypt_file(path, to)
            put(server, Path(path).name, seal(b"new"), age_days=0.5)

    report = run(server, into, pgp=Swapping(), delete="decrypted")
    assert set(report.frame["why"]) == {"not deleted: it has changed on the server"}
    assert len(listed(server)) == 3
    run(server, into, delete="decrypted")
    assert listed(server) == []
    found = plain_files(into)
    assert len(found) == 6
    assert sorted(found.values()) == sorted([*PLAIN.values(), b"new", b"new", b"new"])


@pytest.mark.parametrize("lacks", [{"sizes": False}, {"dates": False}, {"sizes": False, "dates": False}])
def test_a_server_without_size_or_date_is_fetched_and_compared(server, into, lacks):
    run(server, into, server=lacks)
    remote = DirectoryRemote(server, **lacks)
    report = run(server, into, remote=remote)
    assert remote.count("fetch") == 3
    assert plain_files(into) == PLAIN, "the same content is not stored twice"
    assert report.new == []
    put(server, "1.lse.asc", seal(b"other"))
    run(server, into, server=lacks, delete="decrypted")
    assert len(plain_files(into)) == 4
    assert listed(server) == []
    no_leftovers(into)


def test_without_a_size_only_a_decryption_proves_a_file(server, into):
    run(server, into, server={"sizes": False}, pgp=None, delete="fetched")
    assert len(listed(server)) == 3
    report = run(server, into, server={"sizes": False, "faults": {"1.lse.asc": ["cut clean"]}}, delete="fetched")
    assert listed(server) == ["1.lse.asc"]
    assert sorted(f.state for f in report.files if f.name == "1.lse.asc") == ["decrypted", "undecryptable"]
    run(server, into, server={"sizes": False}, delete="fetched")
    assert plain_files(into) == PLAIN
    assert listed(server) == []


@pytest.mark.parametrize("error", [5, -5])
def test_a_wrong_size_passes_when_two_transfers_agree_and_decrypt_and_is_never_deleted(server, into, error):
    report = run(server, into, server={"size_error": error}, delete="fetched")
    assert set(states(report).values()) == {"decrypted"}
    assert plain_files(into) == PLAIN
    assert report.findings.names == ["smt.fetch.wrong-size"]
    assert len(listed(server)) == 3
    remote = DirectoryRemote(server, size_error=error)
    run(server, into, remote=remote, delete="fetched")
    assert (remote.count("fetch"), remote.count("delete")) == (0, 0)


def test_a_wrong_size_without_a_key_is_not_believed(server, into):
    report = run(server, into, server={"size_error": 5}, pgp=None)
    assert set(states(report).values()) == {"seen"}
    assert list(Home(into).received.iterdir()) == []


def test_a_name_that_is_used_again_becomes_a_second_version(server, into):
    run(server, into)
    put(server, "1.lse.asc", seal(b"second"), age_days=-0.0001)
    report = run(server, into)
    found = plain_files(into)
    assert found.pop("1.lse") == PLAIN["1.lse"]
    (version,) = set(found) - set(PLAIN)
    assert found[version] == b"second"
    assert version.startswith("1.lse.")
    assert [p.name for p in report.new] == [version]
    assert run(server, into).new == []


def test_a_file_that_is_only_dated_anew_is_not_stored_twice(server, into):
    run(server, into)
    put(server, "1.lse.asc", seal(PLAIN["1.lse"]), age_days=1)
    assert run(server, into).new == []
    assert plain_files(into) == PLAIN
    remote = DirectoryRemote(server)
    run(server, into, remote=remote)
    assert remote.count("fetch") == 0
    no_leftovers(into)


def test_two_folders_into_one_do_not_meet(server, into):
    put(server, "1.lse.asc", seal(b"ad hoc"), folder="adhocusage")
    run(server, into)
    report = pull(DirectoryRemote(server), "adhocusage", into=into, pgp=Unsealer())
    found = plain_files(into)
    assert found["1.lse"] == PLAIN["1.lse"]
    assert found[report.new[0].name] == b"ad hoc"
    assert len(found) == 4


def test_names_that_differ_by_case_or_ending_do_not_meet(server, into):
    put(server, "1.LSE.asc", seal(b"upper"))
    put(server, "1.lse.pgp", seal(b"pgp"))
    put(server, "1.lse", b"plain")
    assert run(server, into).complete
    found = plain_files(into)
    assert sorted(found.values()) == sorted([*PLAIN.values(), b"upper", b"pgp", b"plain"])
    assert len({name.casefold() for name in found}) == 6


def test_a_file_of_the_users_own_is_never_written_over(server, into):
    into.mkdir()
    (into / "1.lse").write_bytes(b"mine")
    (into / "2.lse").symlink_to(into / "nowhere")
    report = run(server, into)
    assert (into / "1.lse").read_bytes() == b"mine"
    assert (into / "2.lse").is_symlink()
    assert {p.read_bytes() for p in report.new} == set(PLAIN.values())


def test_what_is_not_encrypted_is_copied_and_only_fetched_deletes_it(server, into):
    put(server, "IntervalData.csv", b"ESIID,USAGE_DATE\n")
    report = run(server, into, delete="decrypted")
    assert states(report)["IntervalData.csv"] == "copied"
    assert plain_files(into)["IntervalData.csv"] == b"ESIID,USAGE_DATE\n"
    assert listed(server) == ["IntervalData.csv"]
    assert states(run(server, into, delete="fetched"))["IntervalData.csv"] == "done"
    assert listed(server) == []


def test_an_empty_file_is_undecryptable_not_lost(server, into):
    put(server, "0.lse.asc", b"")
    assert states(run(server, into, delete="fetched"))["0.lse.asc"] == "undecryptable"
    assert listed(server) == ["0.lse.asc"]


@pytest.mark.parametrize("fault", ["gone", "taken"])
def test_another_machine_may_take_files_meanwhile(server, into, fault):
    report = run(server, into, server={"faults": {"1.lse.asc": [fault]}}, delete="decrypted")
    assert states(report)["1.lse.asc"] == ("gone" if fault == "gone" else "done")
    assert states(report)["2.lse.asc"] == "done"
    assert not report.findings
    no_leftovers(into)


def test_what_another_machine_deleted_is_not_deleted_again(server, into):
    class Other(Unsealer):
        def decrypt_file(self, path, to):
            super().decrypt_file(path, to)
            (server / "intervaldata" / Path(path).name).unlink()

    remote = DirectoryRemote(server)
    report = run(server, into, remote=remote, pgp=Other(), delete="decrypted")
    assert set(states(report).values()) == {"done"}
    assert remote.count("delete") == 0, "another file may have taken the name meanwhile"


def test_a_lost_dele_reply_is_settled_by_the_next_call(server, into):
    faults = {"DELE 1.lse.asc": ["reply lost"], "DELE 2.lse.asc": ["refused"]}
    report = run(server, into, server={"faults": faults}, delete="decrypted")
    assert states(report) == {"0.lse.asc": "done", "1.lse.asc": "decrypted", "2.lse.asc": "decrypted"}
    assert "not deleted: the connection was lost" in report.frame["why"][1]
    assert listed(server) == ["2.lse.asc"]
    report = run(server, into, delete="decrypted")
    assert states(report) == {"2.lse.asc": "done"}
    assert report.frame["why"].tolist() == [""]
    with Ledger(Home(into).ledger) as ledger:
        assert {row.state for row in ledger.rows()} == {"done"}
    assert plain_files(into) == PLAIN


def test_a_server_that_stops_answering_is_left_alone(server, into):
    for day in range(3, 9):
        put(server, f"{day}.lse.asc", seal(b"x"))
    remote = DirectoryRemote(server, faults={f"{d}.lse.asc": ["down"] for d in range(1, 9)})
    report = run(server, into, remote=remote)
    assert remote.count("fetch") == 4
    assert report.findings.names == ["smt.fetch.stopped"]
    assert report.findings.worst.severity == "serious"
    assert "not tried" in report.frame["why"].iloc[-1]
    assert run(server, into).complete


def test_a_refused_login_ends_the_call_and_nothing_is_lost(server, into):
    class Locking(DirectoryRemote):
        def fetch(self, path, sink, offset=0):
            if "1.lse" in path:
                raise LoginRejected("the server refused the password")
            super().fetch(path, sink, offset)

    with pytest.raises(LoginRejected):
        run(server, into, remote=Locking(server))
    assert run(server, into).complete
    assert plain_files(into) == PLAIN


def test_a_full_disk_ends_the_call_and_is_not_taken_for_the_servers_fault(server, into, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Part, "write", full)
    with pytest.raises(NotWritten, match=r"into cannot be written \(No space left on device\): make room"):
        run(server, into)
    monkeypatch.undo()
    assert run(server, into).complete
    no_leftovers(into)


EVIL = ["..\\..\\win.asc", "a\nb.asc", ".hidden.asc", ".greenkit", "x" * 250 + ".asc", "C:evil.asc", "tab\t.asc"]
WINDOWS = [
    "CON.asc",
    "nul",
    "aux.lse.asc",
    "COM1 .csv",
    "lpt².asc",
    "conout$.asc",
    "stream:x.asc",
    "a.lse .asc",
    "dot..asc",
]


def test_evil_names_are_refused_and_the_rest_is_fetched(server, into, tmp_path):
    class Evil(DirectoryRemote):
        def names(self, folder):
            return [*EVIL, "../../up.asc", "/etc/passwd", "..", "", "\udcff.asc", *super().names(folder)]

    outside = {p for p in tmp_path.rglob("*") if into not in p.parents}
    report = run(server, into, remote=Evil(server))
    assert [f.state for f in report.files if f.name not in [f"{n}.asc" for n in PLAIN]] == ["refused"] * 12
    assert plain_files(into) == PLAIN
    assert report.findings.names == ["smt.fetch.refused-name"]
    assert {p for p in tmp_path.rglob("*") if into not in p.parents} - {into} == outside
    assert "\udcff" not in str(report.findings)
    assert "smt.fetch.refused-name" in report._repr_html_()


@pytest.mark.parametrize("name", WINDOWS)
def test_names_that_windows_takes_for_something_else_are_refused(into, name):
    assert "on every system" in refusal(name, into)


def test_folders_among_the_files_are_passed_over(server, into):
    class Listing(DirectoryRemote):
        def fetch(self, path, sink, offset=0):
            if "archive" in path:
                raise IsADirectoryError(path)
            super().fetch(path, sink, offset)

    (server / "intervaldata" / "archive").mkdir()
    for _ in range(2):
        report = run(server, into, remote=Listing(server))
        assert report.complete
        assert len(report) == len(PLAIN)


def test_a_long_file_is_saved_at_each_checkpoint_and_not_oftener(tmp_path, monkeypatch):
    monkeypatch.setattr(part, "CHECKPOINT", 1000)
    path, saved = tmp_path / "x", []
    with Part(path, 0, lambda n: None, lambda n: saved.append((n, path.stat().st_size))) as taken:
        for _ in range(10):
            taken.write(b"x" * 300)
        assert saved == [(1200, 1200), (2400, 2400)]


def test_a_file_without_an_end_does_not_keep_the_others(server, into, monkeypatch):
    monkeypatch.setattr(part, "LARGEST", 6000)
    put(server, "0.lse.asc", seal(b"x" * 7000))
    report = run(server, into)
    assert states(report) == {"0.lse.asc": "seen", "1.lse.asc": "decrypted", "2.lse.asc": "decrypted"}
    assert "more than 6,000 bytes: it is not trusted" in report.frame["why"][0]
    no_leftovers(into)


def test_a_folder_may_be_named_from_the_root(server, into):
    class Rooted(DirectoryRemote):
        def names(self, folder):
            assert folder == "/intervaldata"
            return super().names(folder[1:])

        def stat(self, path):
            return super().stat(path.removeprefix("/"))

        def fetch(self, path, sink, offset=0):
            assert path.startswith("/intervaldata/")
            super().fetch(path[1:], sink, offset)

    pull(Rooted(server), "/intervaldata/", into=into, pgp=Unsealer())
    remote = DirectoryRemote(server)
    assert run(server, into, remote=remote).new == [], "it is the same folder to the ledger"
    assert remote.count("fetch") == 0


def test_what_cannot_be_written_here_says_where(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotWritten, match=r"file cannot be written \(.+\): make room, or give another folder") as caught:
        run(server, tmp_path / "file")
    assert isinstance(caught.value, OSError)


def test_spaces_and_other_letters_are_fine(server, into):
    for name in ("b c.asc", "größe.asc", "日本.asc", "%2e%2e.asc", "--x.asc", "'; DROP TABLE files.asc"):
        put(server, name, seal(name.encode()))
    assert run(server, into).complete
    assert plain_files(into)["größe"] == "größe.asc".encode()


def test_retention_warns_from_day_seven_and_errs_for_what_was_lost(server, into):
    put(server, "1.lse.asc", b"damaged", age_days=7.5)
    with pytest.warns(GreenkitWarning, match="1.lse.asc: are not here|the oldest is 7 days old"):
        report = fetch_smt(DirectoryRemote(server), "intervaldata", into=into, pgp=Unsealer())
    assert report.findings.names == ["smt.fetch.expiring"]
    (server / "intervaldata" / "1.lse.asc").unlink()
    report = run(server, into)
    assert report.findings.names == ["smt.fetch.lost"]
    assert report.findings[0].severity == "serious"
    assert run(server, into).findings.names == [], "said once"


def test_a_young_file_that_vanished_was_probably_taken(server, into):
    run(server, into, server={"faults": {"1.lse.asc": ["cut"]}})
    (server / "intervaldata" / "1.lse.asc").unlink()
    report = run(server, into)
    assert report.findings.names == ["smt.fetch.taken"]
    assert states(report)["1.lse.asc"] == "gone"
    no_leftovers(into)
    put(server, "1.lse.asc", seal(PLAIN["1.lse"]))
    assert run(server, into).complete, "it came back"
    assert plain_files(into) == PLAIN


def test_an_original_that_was_removed_here_is_fetched_again(server, into):
    run(server, into)
    (Home(into).received / "1.lse.asc").unlink()
    remote = DirectoryRemote(server)
    run(server, into, remote=remote, delete="decrypted")
    assert remote.count("fetch") == 1
    assert plain_files(into) == PLAIN


def test_a_plain_file_that_was_moved_away_is_not_made_again(server, into):
    run(server, into)
    (into / "1.lse").unlink()
    assert run(server, into).new == []
    assert "1.lse" not in plain_files(into)


def test_an_unchanged_call_writes_nothing_to_the_ledger(server, into):
    run(server, into)
    before = Home(into).ledger.stat().st_mtime_ns
    run(server, into)
    assert Home(into).ledger.stat().st_mtime_ns == before


def test_a_second_call_on_the_same_folder_says_so_at_once(server, into):
    class Nested(DirectoryRemote):
        def names(self, folder):
            with pytest.raises(BusyError, match=r"another fetch works on .*into: wait for it to end"):
                run(server, into)
            return super().names(folder)

    assert run(server, into, remote=Nested(server)).complete


def test_a_second_call_in_this_process_does_not_free_the_lock_for_others(into, monkeypatch):
    """On POSIX a process loses its locks on a file when it closes that file anywhere."""
    home = Home(into)
    home.make()
    code = (
        "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)\n"
        "try:\n    db.execute('BEGIN EXCLUSIVE')\nexcept sqlite3.OperationalError:\n    print('busy')\n"
    )
    with home.locked(), Ledger(home.ledger) as ledger:
        ledger.see("intervaldata", ["a.asc"])
        with pytest.raises(BusyError), home.locked():
            pass
        monkeypatch.setattr(ledgers, "_PATIENCE", 0.01)
        with pytest.raises(BusyError):
            Ledger(home.ledger)
        for path in (home.inner / "lock.db", home.ledger):
            done = subprocess.run([sys.executable, "-S", "-c", code, str(path)], capture_output=True, text=True)
            assert (done.stdout, done.stderr) == ("busy\n", ""), path


@pytest.mark.real  # for its time: four interpreters start
def test_four_pullers_on_one_folder_and_one_server(server, into, tmp_path):
    for day in range(3, 40):
        put(server, f"{day}.lse.asc", seal(f"{day}".encode() * 3000))
    want = {p.name: p.read_bytes() for p in (server / "intervaldata").iterdir()}
    code = (
        "import sys; from directory_remote import *; from greenkit.transfer._pull import pull\n"
        "from greenkit.errors import BusyError\n"
        "try:\n    r = pull(DirectoryRemote(sys.argv[1], chunk=50), 'intervaldata', into=sys.argv[2], pgp=Unsealer(),"
        " delete='decrypted')\n"
        "except BusyError:\n    print('busy')\nelse:\n    print('complete' if r.complete else r)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", code, str(server), str(into)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) for _ in range(4)]
    said = sorted(p.communicate(timeout=60)[0].strip() for p in running)
    assert set(said) <= {"busy", "complete"}
    assert "complete" in said
    assert plain_files(into) == {
        n.removesuffix(".asc"): d.partition(b"\n")[2].partition(b"\n")[2] for n, d in want.items()
    }
    assert len((server / "deleted.log").read_text().splitlines()) == len(want)


def test_ten_thousand_names_are_recorded_at_first_sight(tmp_path, into):
    class Many(DirectoryRemote):
        def names(self, folder):
            return [f"{i}.asc" for i in range(10_000)]

        def stat(self, path):
            raise ServerUnavailable("the connection was lost")

    report = run(tmp_path, into, remote=Many(tmp_path))
    assert len(report) == 10_000
    assert set(report.frame["state"]) == {"seen"}
    assert report.frame["why"].str.startswith("not tried").sum() == 9_997
    with Ledger(Home(into).ledger) as ledger:
        assert len(ledger.present("intervaldata")) == 10_000
    assert "9,950 more" in report._repr_html_()


def test_progress_is_told_every_byte(server, into):
    told = []
    run(server, into, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (sum(len(seal(p)) for p in PLAIN.values()), None)


def test_originals_and_ledger_are_private(server, into):
    run(server, into)
    if os.name == "posix":
        assert Home(into).inner.stat().st_mode & 0o777 == 0o700
        assert Home(into).ledger.stat().st_mode & 0o777 == 0o600


def test_a_wrong_delete_is_refused_before_anything_happens(server, into):
    with pytest.raises(ValueError, match="delete is 'yes': give one of never, decrypted, fetched"):
        run(server, into, delete="yes")
    assert not into.exists()


def test_the_report_shows_what_is_amiss_escaped(server, into):
    put(server, "<b>.asc", b"nothing")
    html = run(server, into)._repr_html_()
    assert "&lt;b&gt;.asc" in html
    assert "<b>.asc" not in html
    assert "holds no OpenPGP message" in html


def test_no_finding_no_warning(server, into):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fetch_smt(DirectoryRemote(server), "intervaldata", into=into, pgp=Unsealer())


def test_the_ledger_survives_power_cuts_by_its_settings(tmp_path):
    """SQLite's own promise: FULL flushes the log with the commit; a log that one process holds needs no shared memory."""
    with Ledger(tmp_path / "ledger.db") as ledger:
        said = []
        ledger._db.set_trace_callback(said.append)
        ledger.flush()
        assert said == [], "nothing new"
        ledger.see("intervaldata", ["a.asc"])
        said.clear()
        ledger.flush()
        assert [line.partition("=")[0] for line in said] == [
            "PRAGMA synchronous",
            "PRAGMA user_version",
            "PRAGMA synchronous",
        ]
        assert (said[0], said[2]) == ("PRAGMA synchronous=FULL", "PRAGMA synchronous=NORMAL")
        assert ledger._db.execute("PRAGMA synchronous").fetchone()[0] == 1
        assert ledger._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert not (tmp_path / "ledger.db-shm").exists()
    assert sorted(os.listdir(tmp_path)) == ["ledger.db"]
    with pytest.raises(sqlite3.ProgrammingError):
        ledger.rows()


def test_the_ledger_is_flushed_before_anything_is_deleted(server, into):
    class Watching(DirectoryRemote):
        def delete(self, path):
            assert ledgers[-1]._safe == ledgers[-1]._db.total_changes > 0
            super().delete(path)

    ledgers = []
    opened = Ledger.__enter__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "__enter__", lambda ledger: ledgers.append(ledger) or opened(ledger))
        run(server, into, remote=Watching(server), delete="fetched", pgp=None)
        run(server, into, remote=Watching(server), delete="decrypted")
    assert listed(server) == []


def test_a_ledger_of_the_older_kind_is_taken_over(server, into):
    run(server, into)
    with sqlite3.connect(Home(into).ledger) as old:
        assert old.execute("PRAGMA journal_mode=TRUNCATE").fetchone()[0] == "truncate"
    old.close()
    remote = DirectoryRemote(server)
    assert run(server, into, remote=remote).complete
    assert remote.count("fetch") == 0


def test_a_damaged_ledger_says_so_and_without_it_nothing_is_doubled(server, into):
    run(server, into)
    Home(into).ledger.write_bytes(b"no ledger" * 1000)
    with pytest.raises(FormatError, match=r"ledger\.db: it is no ledger, or is damaged .*: move it away"):
        run(server, into)
    Home(into).ledger.unlink()
    assert run(server, into, delete="decrypted").complete
    assert plain_files(into) == PLAIN
    assert len(list(Home(into).received.iterdir())) == len(PLAIN)
    assert listed(server) == []
