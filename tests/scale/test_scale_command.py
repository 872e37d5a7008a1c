"""``greenkit update-dataset``: what a nightly job calls."""

import datetime as dt
import json

from scale_files import record, write

import greenkit
from greenkit import cli


def test_update_dataset_adds_new_files_and_names_refused_ones(tmp_path, capsys):
    write(tmp_path / "in" / "a.lse", record("A", dt.date(2025, 11, 1), [1.0] * 24), 0)
    call = ["update-dataset", str(tmp_path / "usage"), str(tmp_path / "in"), "--in-order"]
    assert cli.main(call) == 0
    assert "Read 1 file with 24 readings" in capsys.readouterr().out
    write(tmp_path / "in" / "b.lse", record("A", dt.date(2025, 11, 2), [1.0] * 25), 1)
    write(tmp_path / "in" / "bad.txt", "hello", 1)
    assert cli.main([*call, "--json", "--compact"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == 1
    assert {f["name"].rpartition("/")[2]: f["state"] for f in found["files"]} == {"b.lse": "read", "bad.txt": "refused"}
    assert (found["known"], found["compacted"]) == (1, 2)
    assert len(greenkit.open_dataset(tmp_path / "usage").frame()) == 49
