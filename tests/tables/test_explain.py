"""explain_table and `greenkit info --explain`: a mapping to start from."""

import pytest

import greenkit
from greenkit import tables
from greenkit.findings import quiet
from greenkit.tables.mapping import read_mapping

DUKE = b"Start Date,End Date,Usage(kWh)\n01/15/2026 00:00,01/15/2026 00:59,0.9\n01/15/2026 01:00,01/15/2026 01:59,0.8\n"


def toml_of(text):
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def test_the_mapping_that_was_used_reads_the_file_again(tmp_path):
    text = tables.explain_table(DUKE, tz="America/New_York")
    assert "layout duke" in text
    assert "2026-01-15 00:00:00-05:00" in text
    (tmp_path / "mine.toml").write_text(toml_of(text))
    with quiet():
        df = greenkit.load_table(DUKE, tmp_path / "mine.toml")
        assert df["value"].tolist() == [0.9, 0.8]


def test_open_questions_are_comments():
    text = tables.explain_table(DUKE)
    assert "# tz: Which time zone is the site in?" in text
    assert read_mapping_text(text)


def read_mapping_text(text):
    import tomllib

    return read_mapping(tomllib.loads(toml_of(text)))


def test_unknown_table_gets_a_draft_of_column_names_only():
    data = b"Name,PAT EXAMPLE\nAddress,1 MAIN ST\n\nMeter,Day,Hour,Import (kWh)\nM1,2024-01-01,00:00,1.5\nM1,2024-01-01,01:00,2.5\n"
    text = tables.explain_table(data)
    assert "PAT" not in text
    assert "MAIN" not in text
    mapping = read_mapping_text(text)
    assert mapping.table.time.columns == ("Day", "Hour")
    assert list(mapping.table.values) == ["Import (kWh)"]
    assert mapping.table.meter.column == "Meter"


@pytest.mark.parametrize("flag", [["--tz", "America/New_York"], []])
def test_command_prints_the_mapping(flag, tmp_path, capsys):
    from greenkit.cli import main

    (tmp_path / "a.csv").write_bytes(DUKE)
    assert main(["info", "--explain", *flag, str(tmp_path / "a.csv")]) == 0
    assert "schema = 1" in capsys.readouterr().out


def test_draft_of_a_table_with_decimal_commas():
    text = tables.explain_table(b"Building;Day;Hour;In\nS7;01.11.2024;00:00;4,0\nS7;01.11.2024;01:00;4,2\n")
    mapping = read_mapping_text(text)
    assert mapping.table.time.columns == ("Day", "Hour")
    assert list(mapping.table.values) == ["In"]


def test_draft_has_every_column_of_numbers_and_names_the_others():
    rows = ["A;01.11.2025;00:00;1.012,75;0,5;ok", "B;01.11.2025;00:00;12,75;0,5;ok"]
    text = tables.explain_table(
        "\n".join(["Site;Datum;Uhrzeit;Verbrauch (kWh);Einspeisung (kWh);Status", *rows]).encode()
    )
    assert '[table.values."Verbrauch (kWh)"]' in text
    assert '[table.values."Einspeisung (kWh)"]' in text
    assert "# Columns not used: Site, Status. If one names the meter, add meter" in text
    assert "#   A | 01.11.2025 | 00:00 | 1.012,75 | 0,5 | ok\n#   B | 01.11.2025 | 00:00 | 12,75 | 0,5 | ok\n" in text
