"""The steps of a fetch: complete files only, each once, and nothing deleted before its copy is verified."""

import os
import re
import sqlite3
import subprocess
import sys
import warnings
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from directory_remote import DirectoryRemote, Unsealer, put, seal

from greenkit.errors import (
    BusyError,
    FormatError,
    GpgTimedOut,
    LoginRejected,
    NotOnServer,
    NotWritten,
    ServerUnavailable,
    SettingsError,
)
from greenkit.findings import GreenkitWarning
from greenkit.pgp import Decryption
from greenkit.transfer import _inbox as part
from greenkit.transfer import _ledger as ledgers
from greenkit.transfer._inbox import Part, refusal
from greenkit.transfer._ledger import Home, Ledger
from greenkit.transfer._pull import fetch_smt, pull
from greenkit.transfer._remote import SMT_SFTP, no_folder

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


def test_folder_is_fetched_decrypted_and_kept_on_the_server_by_default(server, into):
    report = run(server, into)
    assert plain_files(into) == PLAIN
    assert set(states(report).values()) == {"decrypted"}
    assert report.complete
    assert sorted(p.name for p in report.new) == sorted(PLAIN)
    assert listed(server) == [f"{name}.asc" for name in PLAIN]
    assert {p.name for p in Home(into).received.iterdir()} == set(listed(server)), "originals are kept"
    no_leftovers(into)


def test_second_call_fetches_nothing(server, into):
    run(server, into)
    remote = DirectoryRemote(server)
    report = run(server, into, remote=remote)
    assert remote.count("fetch") == 0
    assert report.complete
    assert report.new == []


def test_report_frame_has_its_columns_and_dtypes_even_if_empty(server, into):
    frame = run(server, into).frame
    assert list(frame.columns) == ["name", "bytes", "state", "updated", "reason", "new", "path"]
    assert frame["bytes"].tolist() == [len(seal(p)) for p in PLAIN.values()]
    assert str(frame["updated"].dtype) == "datetime64[us, UTC]"
    (server / "adhocusage").mkdir()
    empty = pull(DirectoryRemote(server), "adhocusage", into=into).frame
    pd.testing.assert_series_equal(empty.dtypes, frame.dtypes)


@pytest.mark.parametrize("delete", ["decrypted", "fetched"])
def test_delete_is_the_last_step_and_the_ledger_is_done(server, into, delete):
    class Watching(DirectoryRemote):
        def delete(self, path):
            name = Path(path).name
            assert plain_files(into)[name.removesuffix(".asc")] == PLAIN[name.removesuffix(".asc")]
            assert self.log[-1] == ("stat", path), "checked once more, because the name may have other content by now"
            super().delete(path)

    report = run(server, into, remote=Watching(server), delete=delete)
    assert listed(server) == []
    assert set(states(report).values()) == {"done"}
    assert plain_files(into) == PLAIN


def test_files_without_a_keyring_are_decrypted_later_without_the_server(server, into):
    report = run(server, into, pgp=None, delete="decrypted")
    assert set(states(report).values()) == {"fetched"}
    assert not report.complete
    assert set(report.frame["reason"]) == {"Not decrypted, because no OpenPGP keyring is set."}
    assert set(report.frame["new"]) == {True}
    assert listed(server) == [f"{name}.asc" for name in PLAIN], "nothing proves yet that they are complete"
    for name in listed(server):
        (server / "intervaldata" / name).unlink()
    remote = DirectoryRemote(server)
    report = run(server, into, remote=remote)
    assert plain_files(into) == PLAIN
    assert remote.count("fetch") == 0
    assert set(states(report).values()) == {"done"}


def test_delete_fetched_needs_only_the_size_and_decrypts_later(server, into):
    assert set(states(run(server, into, pgp=None, delete="fetched")).values()) == {"fetched"}
    assert listed(server) == []
    assert plain_files(into) == {}
    run(server, into)
    assert plain_files(into) == PLAIN


def test_wrong_passphrase_keeps_the_original_and_is_retried_without_fetching(server, into):
    report = run(server, into, pgp=Unsealer(locked=True), delete="decrypted")
    assert set(states(report).values()) == {"fetched"}
    assert "passphrase is wrong" in report.frame["reason"][0]
    (finding,) = report.findings.named("smt.fetch.locked")
    assert str(finding.message).startswith("3 files (first ")
    assert len(listed(server)) == 3
    remote = DirectoryRemote(server)
    run(server, into, remote=remote, delete="decrypted")
    assert remote.count("fetch") == 0
    assert plain_files(into) == PLAIN
    assert listed(server) == []


@pytest.mark.parametrize("delete", ["decrypted", "fetched"])
def test_damaged_message_stays_on_the_server_and_is_fetched_again(server, into, delete):
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
def test_no_fault_leaves_a_truncated_file_or_deletes_an_unproven_one(server, into, fault, delete):
    remote = DirectoryRemote(server, faults={"1.lse.asc": [fault, fault]})
    report = run(server, into, remote=remote, delete=delete)
    assert states(report)["1.lse.asc"] == "seen"
    assert report.frame.set_index("name")["reason"]["1.lse.asc"]
    assert listed(server) == ["1.lse.asc"]
    received = {p.name: p.read_bytes() for p in Home(into).received.iterdir()}
    assert received == {f"{n}.asc": seal(p) for n, p in PLAIN.items() if n != "1.lse"}
    assert plain_files(into) == {n: p for n, p in PLAIN.items() if n != "1.lse"}
    run(server, into, delete=delete)
    assert plain_files(into) == PLAIN
    assert listed(server) == []
    no_leftovers(into)


def test_clean_truncation_is_repaired_by_a_second_transfer(server, into):
    remote = DirectoryRemote(server, faults={"1.lse.asc": ["cut clean"]})
    assert run(server, into, remote=remote).complete
    assert plain_files(into) == PLAIN


def test_interrupted_transfer_continues_in_the_next_call(server, into):
    whole = len(seal(PLAIN["1.lse"]))
    run(server, into, server={"faults": {"1.lse.asc": [2500, 2500]}})
    remote = DirectoryRemote(server)
    run(server, into, remote=remote)
    assert ("fetch", "intervaldata/1.lse.asc", 2500) in remote.log
    assert plain_files(into) == PLAIN
    assert whole > 2500
    no_leftovers(into)


def test_interrupted_transfer_starts_again_if_the_file_has_changed(server, into):
    run(server, into, server={"faults": {"1.lse.asc": [2500, 2500]}})
    put(server, "1.lse.asc", seal(b"other" * 1000), age_days=1)
    remote = DirectoryRemote(server)
    run(server, into, remote=remote)
    assert ("fetch", "intervaldata/1.lse.asc", 0) in remote.log
    assert plain_files(into)["1.lse"] == b"other" * 1000


def test_damaged_part_is_fetched_again(server, into):
    run(server, into, server={"faults": {"1.lse.asc": [2500, 2500]}})
    for begun in Home(into).parts.iterdir():
        begun.write_bytes(b"short")
    assert run(server, into).complete
    assert plain_files(into) == PLAIN


def test_growing_file_is_left_for_the_next_call(server, into):
    report = run(server, into, server={"faults": {"1.lse.asc": ["grow"]}}, delete="fetched")
    assert states(report)["1.lse.asc"] == "seen"
    assert "still being written" in report.frame.set_index("name")["reason"]["1.lse.asc"]
    assert listed(server) == ["1.lse.asc"]
    no_leftovers(into)


def test_file_that_changes_before_its_deletion_is_kept(server, into):
    class Swapping(Unsealer):
        def decrypt_file(self, path, to):
            super().decrypt_file(path, to)
            put(server, Path(path).name, seal(b"new"), age_days=0.5)

    report = run(server, into, pgp=Swapping(), delete="decrypted")
    assert set(report.frame["reason"]) == {"Not deleted, because it has changed on the server."}
    assert len(listed(server)) == 3
    run(server, into, delete="decrypted")
    assert listed(server) == []
    found = plain_files(into)
    assert len(found) == 6
    assert sorted(found.values()) == sorted([*PLAIN.values(), b"new", b"new", b"new"])


@pytest.mark.parametrize("lacks", [{"sizes": False}, {"dates": False}, {"sizes": False, "dates": False}])
def test_file_without_size_or_date_is_fetched_and_compared(server, into, lacks):
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


def test_only_decryption_proves_a_file_without_a_size(server, into):
    run(server, into, server={"sizes": False}, pgp=None, delete="fetched")
    assert len(listed(server)) == 3
    report = run(server, into, server={"sizes": False, "faults": {"1.lse.asc": ["cut clean"]}}, delete="fetched")
    assert listed(server) == ["1.lse.asc"]
    assert sorted(f.state for f in report.files if f.name == "1.lse.asc") == ["decrypted", "undecryptable"]
    run(server, into, server={"sizes": False}, delete="fetched")
    assert plain_files(into) == PLAIN
    assert listed(server) == []


@pytest.mark.parametrize("error", [5, -5])
def test_wrong_size_is_accepted_if_two_transfers_agree_and_decrypt(server, into, error):
    report = run(server, into, server={"size_error": error}, delete="fetched")
    assert set(states(report).values()) == {"decrypted"}
    assert plain_files(into) == PLAIN
    assert report.findings.names == ["smt.fetch.wrong-size"]
    assert len(listed(server)) == 3
    remote = DirectoryRemote(server, size_error=error)
    run(server, into, remote=remote, delete="fetched")
    assert (remote.count("fetch"), remote.count("delete")) == (0, 0)


def test_wrong_size_without_a_keyring_is_not_accepted(server, into):
    report = run(server, into, server={"size_error": 5}, pgp=None)
    assert set(states(report).values()) == {"seen"}
    assert list(Home(into).received.iterdir()) == []


def test_reused_name_becomes_a_second_version(server, into):
    run(server, into)
    put(server, "1.lse.asc", seal(b"second"), age_days=-0.0001)
    report = run(server, into)
    found = plain_files(into)
    assert found.pop("1.lse") == PLAIN["1.lse"]
    (version,) = set(found) - set(PLAIN)
    assert found[version] == b"second"
    assert re.fullmatch(r"1\.[0-9a-f]{12}\.lse", version)
    assert [p.name for p in report.new] == [version]
    assert run(server, into).new == []


def test_file_with_a_new_date_only_is_not_stored_twice(server, into):
    run(server, into)
    put(server, "1.lse.asc", seal(PLAIN["1.lse"]), age_days=1)
    assert run(server, into).new == []
    assert plain_files(into) == PLAIN
    remote = DirectoryRemote(server)
    run(server, into, remote=remote)
    assert remote.count("fetch") == 0
    no_leftovers(into)


def test_same_names_in_two_folders_are_kept_apart(server, into):
    put(server, "1.lse.asc", seal(b"ad hoc"), folder="adhocusage")
    run(server, into)
    report = pull(DirectoryRemote(server), "adhocusage", into=into, pgp=Unsealer())
    found = plain_files(into)
    assert found["1.lse"] == PLAIN["1.lse"]
    assert found[report.new[0].name] == b"ad hoc"
    assert len(found) == 4


def test_names_that_differ_by_case_or_ending_are_kept_apart(server, into):
    put(server, "1.LSE.asc", seal(b"upper"))
    put(server, "1.lse.pgp", seal(b"pgp"))
    put(server, "1.lse", b"plain")
    assert run(server, into).complete
    found = plain_files(into)
    assert sorted(found.values()) == sorted([*PLAIN.values(), b"upper", b"pgp", b"plain"])
    assert len({name.casefold() for name in found}) == 6


def test_file_of_the_user_is_never_replaced(server, into):
    into.mkdir()
    (into / "1.lse").write_bytes(b"mine")
    (into / "2.lse").symlink_to(into / "nowhere")
    report = run(server, into)
    assert (into / "1.lse").read_bytes() == b"mine"
    assert (into / "2.lse").is_symlink()
    assert {p.read_bytes() for p in report.new} == set(PLAIN.values())


def test_unencrypted_file_is_copied_and_deleted_only_with_fetched(server, into):
    put(server, "IntervalData.csv", b"ESIID,USAGE_DATE\n")
    report = run(server, into, delete="decrypted")
    assert states(report)["IntervalData.csv"] == "copied"
    assert plain_files(into)["IntervalData.csv"] == b"ESIID,USAGE_DATE\n"
    assert listed(server) == ["IntervalData.csv"]
    assert states(run(server, into, delete="fetched"))["IntervalData.csv"] == "done"
    assert listed(server) == []


def test_unencrypted_file_without_a_size_is_reported_as_unproven(server, into):
    put(server, "IntervalData.csv", b"ESIID,USAGE_DATE\n")
    report = run(server, into, server={"sizes": False}, delete="fetched")
    assert [str(f).partition("unproven:")[2] for f in report.findings.named("smt.fetch.unproven")] == [
        " 1 file (IntervalData.csv) is not encrypted, and the server reports no size, so greenkit cannot check that "
        "it is complete. Check that the last day of each file is complete."
    ]
    assert len(report.findings) == 1
    assert listed(server) == ["IntervalData.csv"]
    put(server, "IntervalData.csv", b"ESIID,USAGE_DATE\n1")
    assert not run(server, into).findings, "the size proves it"


def test_empty_file_is_undecryptable(server, into):
    put(server, "0.lse.asc", b"")
    assert states(run(server, into, delete="fetched"))["0.lse.asc"] == "undecryptable"
    assert listed(server) == ["0.lse.asc"]


@pytest.mark.parametrize("fault", ["gone", "taken"])
def test_files_taken_by_another_machine_are_not_errors(server, into, fault):
    report = run(server, into, server={"faults": {"1.lse.asc": [fault]}}, delete="decrypted")
    assert states(report)["1.lse.asc"] == ("gone" if fault == "gone" else "done")
    assert states(report)["2.lse.asc"] == "done"
    assert not report.findings
    no_leftovers(into)


def test_file_deleted_by_another_machine_is_not_deleted_again(server, into):
    class Other(Unsealer):
        def decrypt_file(self, path, to):
            super().decrypt_file(path, to)
            (server / "intervaldata" / Path(path).name).unlink()

    remote = DirectoryRemote(server)
    report = run(server, into, remote=remote, pgp=Other(), delete="decrypted")
    assert set(states(report).values()) == {"done"}
    assert remote.count("delete") == 0, "another file may have taken the name"


def test_lost_reply_to_delete_is_settled_by_the_next_call(server, into):
    faults = {"DELE 1.lse.asc": ["reply lost"], "DELE 2.lse.asc": ["refused"]}
    report = run(server, into, server={"faults": faults}, delete="decrypted")
    assert states(report) == {"0.lse.asc": "done", "1.lse.asc": "decrypted", "2.lse.asc": "decrypted"}
    assert "Not deleted. the connection was lost" in report.frame["reason"][1]
    assert listed(server) == ["2.lse.asc"]
    report = run(server, into, delete="decrypted")
    assert states(report) == {"2.lse.asc": "done"}
    assert report.frame["reason"].tolist() == [""]
    with Ledger(Home(into).ledger) as ledger:
        assert {row.state for row in ledger.rows()} == {"done"}
    assert plain_files(into) == PLAIN


def test_call_ends_early_if_the_server_stops_answering(server, into):
    for day in range(3, 9):
        put(server, f"{day}.lse.asc", seal(b"x"))
    remote = DirectoryRemote(server, faults={f"{d}.lse.asc": ["down", "down"] for d in range(1, 9)})
    report = run(server, into, remote=remote)
    assert remote.count("fetch") == 6
    assert report.findings.names == ["smt.fetch.stopped"]
    assert report.findings.worst.severity == "serious"
    assert "Not tried" in report.frame["reason"].iloc[-1]
    assert run(server, into).complete


def test_rejected_login_ends_the_call_and_loses_nothing(server, into):
    class Locking(DirectoryRemote):
        def fetch(self, path, sink, offset=0):
            if "1.lse" in path:
                raise LoginRejected("the server refused the password")
            super().fetch(path, sink, offset)

    with pytest.raises(LoginRejected):
        run(server, into, remote=Locking(server))
    assert run(server, into).complete
    assert plain_files(into) == PLAIN


def test_full_disk_ends_the_call_with_not_written(server, into, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Part, "write", full)
    with pytest.raises(NotWritten, match=r"into cannot be written \(No space left on device\)\. Free disk space"):
        run(server, into)
    monkeypatch.undo()
    assert run(server, into).complete
    no_leftovers(into)


def test_missing_remote_folder_is_not_taken_for_an_error_of_the_local_disk(server, into):
    class Missing(DirectoryRemote):
        def names(self, folder):
            raise no_folder(SMT_SFTP, folder)

    with pytest.raises(NotOnServer, match="has no folder 'intervaldata'"):
        run(server, into, remote=Missing(server))


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


def test_unsafe_names_are_refused_and_other_files_fetched(server, into, tmp_path):
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
def test_names_that_are_devices_on_windows_are_refused(into, name):
    assert "on every system" in refusal(name, into)


def test_folders_among_the_files_are_skipped(server, into):
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


def test_long_file_is_flushed_at_each_checkpoint_only(tmp_path, monkeypatch):
    monkeypatch.setattr(part, "CHECKPOINT", 1000)
    path, saved = tmp_path / "x", []
    with Part(path, 0, lambda n: None, lambda n: saved.append((n, path.stat().st_size))) as taken:
        for _ in range(10):
            taken.write(b"x" * 300)
        assert saved == [(1200, 1200), (2400, 2400)]


def test_endless_file_does_not_block_the_others(server, into, monkeypatch):
    monkeypatch.setattr(part, "LARGEST", 6000)
    put(server, "0.lse.asc", seal(b"x" * 7000))
    report = run(server, into)
    assert states(report) == {"0.lse.asc": "seen", "1.lse.asc": "decrypted", "2.lse.asc": "decrypted"}
    assert "more than 6,000 bytes for one file" in report.frame["reason"][0]
    no_leftovers(into)


def test_folder_may_be_an_absolute_path(server, into):
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


def test_unwritable_folder_is_named(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotWritten, match=r"file cannot be written \(.+\)\. Free disk space") as caught:
        run(server, tmp_path / "file")
    assert isinstance(caught.value, OSError)


def test_names_with_spaces_and_non_ascii_letters_are_fetched(server, into):
    for name in ("b c.asc", "größe.asc", "日本.asc", "%2e%2e.asc", "--x.asc", "'; DROP TABLE files.asc"):
        put(server, name, seal(name.encode()))
    assert run(server, into).complete
    assert plain_files(into)["größe"] == "größe.asc".encode()


def test_old_files_are_reported_before_and_after_they_are_lost(server, into):
    put(server, "1.lse.asc", b"damaged", age_days=7.5)
    with pytest.warns(
        GreenkitWarning, match=r"\(1\.lse\.asc\) is not fetched or not decrypted, and the oldest is 7 days old"
    ):
        report = fetch_smt(DirectoryRemote(server), "intervaldata", into=into, pgp=Unsealer())
    assert report.findings.names == ["smt.fetch.expiring"]
    (server / "intervaldata" / "1.lse.asc").unlink()
    report = run(server, into)
    assert report.findings.names == ["smt.fetch.lost"]
    assert report.findings[0].severity == "serious"
    assert run(server, into).findings.names == [], "reported once"


def test_young_file_that_disappeared_is_reported_as_taken(server, into):
    run(server, into, server={"faults": {"1.lse.asc": ["cut", "cut"]}})
    (server / "intervaldata" / "1.lse.asc").unlink()
    report = run(server, into)
    assert report.findings.names == ["smt.fetch.taken"]
    assert states(report)["1.lse.asc"] == "gone"
    no_leftovers(into)
    put(server, "1.lse.asc", seal(PLAIN["1.lse"]))
    assert run(server, into).complete, "it came back"
    assert plain_files(into) == PLAIN


def test_removed_original_is_fetched_again(server, into):
    run(server, into)
    (Home(into).received / "1.lse.asc").unlink()
    remote = DirectoryRemote(server)
    run(server, into, remote=remote, delete="decrypted")
    assert remote.count("fetch") == 1
    assert plain_files(into) == PLAIN


def test_moved_plain_file_is_not_decrypted_again(server, into):
    run(server, into)
    (into / "1.lse").unlink()
    assert run(server, into).new == []
    assert "1.lse" not in plain_files(into)


def test_unchanged_call_writes_nothing_to_the_ledger(server, into):
    run(server, into)
    before = Home(into).ledger.stat().st_mtime_ns
    run(server, into)
    assert Home(into).ledger.stat().st_mtime_ns == before


def test_second_call_on_the_same_folder_is_busy_at_once(server, into):
    class Nested(DirectoryRemote):
        def names(self, folder):
            with pytest.raises(BusyError, match=r"Another fetch is using .*into\. Wait until it ends"):
                run(server, into)
            return super().names(folder)

    assert run(server, into, remote=Nested(server)).complete


def test_second_call_in_this_process_keeps_the_lock(into, monkeypatch):
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
def test_four_processes_on_one_folder_fetch_each_file_once(server, into, tmp_path):
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


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.real)])
def test_many_names_are_recorded_at_first_sight(tmp_path, into, count):
    class Many(DirectoryRemote):
        def names(self, folder):
            return [f"{i}.asc" for i in range(count)]

        def stat(self, path):
            raise ServerUnavailable("the connection was lost")

    report = run(tmp_path, into, remote=Many(tmp_path))
    assert len(report) == count
    assert set(report.frame["state"]) == {"seen"}
    assert report.frame["reason"].str.startswith("Not tried").sum() == count - 3
    with Ledger(Home(into).ledger) as ledger:
        assert len(ledger.present("intervaldata")) == count
    assert f"{count - 50:,} more" in report._repr_html_()


def test_progress_counts_every_byte(server, into):
    told = []
    run(server, into, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (sum(len(seal(p)) for p in PLAIN.values()), None)


def test_originals_and_ledger_are_private(server, into):
    run(server, into)
    if os.name == "posix":
        assert Home(into).inner.stat().st_mode & 0o777 == 0o700
        assert Home(into).ledger.stat().st_mode & 0o777 == 0o600


def test_invalid_delete_is_rejected_before_anything_happens(server, into):
    with pytest.raises(SettingsError, match="delete is 'yes', but it must be one of never, decrypted, fetched"):
        run(server, into, delete="yes")
    assert not into.exists()


def test_report_escapes_names_and_reasons(server, into):
    put(server, "<b>.asc", b"nothing")
    html = run(server, into)._repr_html_()
    assert "&lt;b&gt;.asc" in html
    assert "<b>.asc" not in html
    assert "contains no OpenPGP message" in html


def test_no_warning_without_a_finding(server, into):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fetch_smt(DirectoryRemote(server), "intervaldata", into=into, pgp=Unsealer())


def test_ledger_settings_survive_power_failures(tmp_path):
    """FULL flushes SQLite's log with each commit; a log that one process uses needs no shared memory."""
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


def test_ledger_is_flushed_before_anything_is_deleted(server, into):
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


def test_ledger_with_a_rollback_journal_is_converted(server, into):
    run(server, into)
    with sqlite3.connect(Home(into).ledger) as old:
        assert old.execute("PRAGMA journal_mode=TRUNCATE").fetchone()[0] == "truncate"
    old.close()
    remote = DirectoryRemote(server)
    assert run(server, into, remote=remote).complete
    assert remote.count("fetch") == 0


def test_damaged_ledger_is_reported_and_its_loss_doubles_nothing(server, into):
    run(server, into)
    Home(into).ledger.write_bytes(b"no ledger" * 1000)
    with pytest.raises(FormatError, match=r"ledger\.db: The file is not a greenkit ledger or is damaged .*Move it"):
        run(server, into)
    Home(into).ledger.unlink()
    assert run(server, into, delete="decrypted").complete
    assert plain_files(into) == PLAIN
    assert len(list(Home(into).received.iterdir())) == len(PLAIN)
    assert listed(server) == []


# ── the ledger is lost, damaged, or another program's ──


@pytest.mark.parametrize("loss", ["gone", "empty", "moved"])
@pytest.mark.parametrize("pgp", [None, Unsealer()], ids=["no keyring", "keyring"])
def test_original_that_the_lost_ledger_knew_is_never_replaced(server, into, loss, pgp):
    run(server, into, delete="fetched", pgp=None)
    kept = {p.name: p.read_bytes() for p in Home(into).received.iterdir()}
    assert (len(kept), listed(server)) == (3, [])
    ledger = Home(into).ledger
    if loss == "moved":
        os.rename(ledger, into.parent / "ledger.db")
    else:
        ledger.unlink() if loss == "gone" else ledger.write_bytes(b"")
    put(server, "1.lse.asc", seal(b"new content under the same name"))
    report = run(server, into, delete="fetched", pgp=pgp)
    received = {p.name: p.read_bytes() for p in Home(into).received.iterdir()}
    assert kept.items() <= received.items(), "every original is still there"
    assert len(received) == 4
    assert "smt.fetch.adopted" in report.findings.names
    assert report.findings.named("smt.fetch.adopted")[0].evidence["count"] == 3
    assert {"0.lse.asc", "2.lse.asc"} <= set(report.frame["name"]) or pgp is None
    report = run(server, into)
    assert len(plain_files(into)) == 4
    assert set(plain_files(into).values()) == {*PLAIN.values(), b"new content under the same name"}
    assert "smt.fetch.adopted" not in report.findings.names
    with Ledger(ledger) as opened:
        assert len(opened.rows()) == 4
    no_leftovers(into)


def test_original_that_appears_during_a_fetch_is_never_replaced(server, into):
    class Restoring(DirectoryRemote):
        def fetch(self, path, sink, offset=0):
            (Home(into).received / Path(path).name).write_bytes(b"restored from a backup")
            super().fetch(path, sink, offset)

    assert run(server, into, remote=Restoring(server), delete="fetched").complete
    received = {p.name: p.read_bytes() for p in Home(into).received.iterdir()}
    assert {received[f"{name}.asc"] for name in PLAIN} == {b"restored from a backup"}
    assert len(received) == 2 * len(PLAIN)
    assert plain_files(into) == PLAIN


def test_file_that_the_server_still_has_is_not_doubled_after_the_loss_of_the_ledger(server, into):
    run(server, into)
    Home(into).ledger.unlink()
    assert run(server, into, delete="decrypted").complete
    assert plain_files(into) == PLAIN
    assert len(list(Home(into).received.iterdir())) == len(PLAIN)
    with Ledger(Home(into).ledger) as ledger:
        assert [(r.folder, r.state) for r in ledger.rows()] == [("intervaldata", "done")] * 3
    assert listed(server) == []


def test_database_of_another_program_is_not_a_ledger_and_is_left_unchanged(server, into):
    Home(into).make()
    with sqlite3.connect(Home(into).ledger) as other:
        other.execute("CREATE TABLE files (id INTEGER, title TEXT)")
    other.close()
    before = Home(into).ledger.read_bytes()
    with pytest.raises(FormatError, match="not a greenkit ledger"):
        run(server, into)
    assert Home(into).ledger.read_bytes() == before


def test_ledger_of_a_newer_version_is_refused_by_name(server, into):
    run(server, into)
    with sqlite3.connect(Home(into).ledger) as newer:
        newer.execute("PRAGMA user_version=2")
    newer.close()
    with pytest.raises(FormatError, match="version 2, written by a newer greenkit"):
        run(server, into)


def test_damaged_date_in_the_ledger_is_a_format_error(server, into):
    run(server, into)
    with sqlite3.connect(Home(into).ledger) as damaged:
        damaged.execute("UPDATE files SET changed = 'yesterday'")
    damaged.close()
    with pytest.raises(FormatError, match="ledger or is damaged"):
        run(server, into)


# ── what a server may send ──


def test_web_page_under_the_name_of_a_data_file_is_kept_on_the_server(server, into):
    put(server, "page.csv", b"<!DOCTYPE html><html>Service unavailable</html>")
    report = run(server, into, delete="fetched")
    assert states(report)["page.csv"] == "undecryptable"
    assert "page.csv" in listed(server)
    assert "page.csv" not in plain_files(into)


def test_further_version_keeps_the_ending_of_its_name(server, into):
    put(server, "a.csv", b"ESIID,1")
    run(server, into)
    put(server, "a.csv", b"ESIID,2", age_days=-0.0001)
    run(server, into)
    assert sorted(n for n in plain_files(into) if n.startswith("a")) == sorted(
        ["a.csv", next(n for n in plain_files(into) if re.fullmatch(r"a\.[0-9a-f]{12}\.csv", n))]
    )


def test_folder_among_the_files_leaves_no_part(server, into):
    (server / "intervaldata" / "sub").mkdir()

    class Listing(DirectoryRemote):
        def fetch(self, path, sink, offset=0):
            if path.endswith("sub"):
                raise IsADirectoryError(path)
            super().fetch(path, sink, offset)

    assert run(server, into, remote=Listing(server)).complete
    no_leftovers(into)


def test_tab_in_a_name_is_reported_as_such(into):
    assert refusal("a\tb.asc", into) == "The name contains a control character."


def test_signed_and_unprotected_messages_are_reported(server, into):
    class Telling(Unsealer):
        def decrypt_file(self, path, into):
            super().decrypt_file(path, into)
            return Decryption(protected="0" not in Path(path).name, signed="1" in Path(path).name)

    report = run(server, into, pgp=Telling())
    assert sorted((f.name, f.evidence["file"]) for f in report.findings) == [
        ("smt.fetch.signed", "1.lse.asc"),
        ("smt.fetch.unprotected", "0.lse.asc"),
    ]


def test_gpg_that_hangs_stops_decryption_but_not_the_fetch(server, into):
    class Hanging(Unsealer):
        def decrypt_file(self, path, into):
            self.opened.append(Path(path).name)
            raise GpgTimedOut(f"{Path(path).name}: gpg did not finish", next_step="Wait.")

    for day in range(3, 6):
        put(server, f"{day}.lse.asc", seal(b"x"))
    pgp = Hanging()
    report = run(server, into, pgp=pgp)
    assert set(states(report).values()) == {"fetched"}
    assert len(pgp.opened) == 3, "tried for three files, then for no more"
    assert len(list(Home(into).received.iterdir())) == 6
    assert run(server, into).complete


def test_transfer_goes_on_in_new_sessions_as_long_as_bytes_arrive(server, into):
    put(server, "long.lse.asc", seal(bytes(50_000)))
    remote = DirectoryRemote(server, faults={"long.lse.asc": [10_000, 20_000, 30_000, "late 451"]})
    assert run(server, into, remote=remote).complete
    offsets = [entry[2] for entry in remote.log if entry[:2] == ("fetch", "intervaldata/long.lse.asc")]
    assert offsets == [0, 10_000, 20_000, 30_000, os.path.getsize(server / "intervaldata" / "long.lse.asc")]


def test_transfer_without_progress_is_not_repeated(server, into):
    remote = DirectoryRemote(server, faults={"1.lse.asc": [2500, 2500, 2500]})
    assert not run(server, into, remote=remote).complete
    assert [e[2] for e in remote.log if e[:2] == ("fetch", "intervaldata/1.lse.asc")] == [0, 2500]


# ── completeness ──


def smt_csv(meter, days, rows=96):
    lines = [
        "ESIID,USAGE_DATE,REVISION_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL,CONSUMPTION_SURPLUSGENERATION"
    ]
    for day in days:
        for q in range(rows):
            times = [f"{t // 60:02d}:{t % 60:02d}" for t in (15 * q, (15 * q + 15) % 1440)]
            lines.append(f"{meter},{day:%m/%d/%Y},07/20/2026 01:00:00,{times[0]},{times[1]},0.1,A,Consumption")
    return ("\n".join(lines) + "\n").encode()


def test_completeness_compares_what_was_asked_came_and_is_new(server, into):
    for name in PLAIN:
        (server / "intervaldata" / f"{name}.asc").unlink()
    meter, other = "10443720000000001", "10443720000000002"
    put(server, "first.csv", smt_csv(meter, [date(2026, 7, 1), date(2026, 7, 2)]))
    assert run(server, into).completeness()["state"].tolist() == ["complete", "complete"]
    put(server, "second.csv", smt_csv(meter, [date(2026, 7, 2), date(2026, 7, 4)], rows=90))
    report = run(server, into)
    found = report.completeness([meter, other], start="2026-07-02", end=date(2026, 7, 4))
    assert list(found.columns) == ["meter", "flow", "day", "asked", "intervals", "expected", "new", "state"]
    rows = [(r.meter[-1], r.day.day, r.intervals, r.new, r.state) for r in found.itertuples()]
    assert rows == [
        ("1", 2, 90, False, "incomplete"),
        ("1", 3, 0, False, "missing"),
        ("1", 4, 90, True, "incomplete"),
        ("2", 2, 0, False, "missing"),
        ("2", 3, 0, False, "missing"),
        ("2", 4, 0, False, "missing"),
    ]
    assert found["asked"].all()
    assert set(found["flow"]) == {"delivered"}
    empty = run(server, into).completeness()
    assert (len(empty), list(empty.columns)) == (0, list(found.columns))
    with pytest.raises(SettingsError, match="start is 'July'"):
        report.completeness(start="July")
    for table in (pd.DataFrame({"meter": [meter]}), meter):  # would be read as the names of its columns, or as letters
        with pytest.raises(SettingsError, match="expected is not a list of ESI IDs"):
            report.completeness(table)


def test_completeness_knows_days_when_clocks_change(server, into):
    for name in PLAIN:
        (server / "intervaldata" / f"{name}.asc").unlink()
    put(server, "a.csv", smt_csv("10443720000000001", [date(2026, 3, 7)]))
    found = run(server, into).completeness(end="2026-03-08")
    assert found["expected"].tolist() == [96, 92]
