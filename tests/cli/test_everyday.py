"""The everyday commands: info, convert, report, quality, totals."""

import io
import json

import pandas as pd
import pytest

import greenkit
from greenkit import cli, samples
from greenkit.cli._command import Exit

# the sample has an interval without a value
pytestmark = [
    pytest.mark.filterwarnings("ignore::greenkit.findings.GreenkitWarning"),
    pytest.mark.usefixtures("commands_print_findings"),
]
CSV = str(samples.path("smt-interval"))


def sums(df):
    return df.groupby(["meter", "flow"], observed=True)["value"].sum().round(6).to_dict()


def test_convert_to_csv_keeps_every_row(tmp_path, capsys):
    assert cli.main(["convert", CSV, "-o", str(tmp_path / "x.csv")]) == Exit.DONE
    df = greenkit.load_smt(CSV)
    back = greenkit.export.read_csv(tmp_path / "x.csv")
    pd.testing.assert_frame_equal(back, df)
    assert len(sums(back)) == 3
    assert f"Wrote {len(df):,} rows" in capsys.readouterr().out


def test_convert_to_parquet_and_excel(tmp_path):
    assert cli.main(["convert", CSV, "-o", str(tmp_path / "x.parquet")]) == Exit.DONE
    assert greenkit.store.read(tmp_path / "x.parquet").equals(greenkit.load_smt(CSV))
    assert cli.main(["convert", CSV, "-o", str(tmp_path / "x.XLSX")]) == Exit.DONE
    sheet = pd.read_excel(tmp_path / "x.XLSX", dtype={"meter": "str"})
    assert sheet["value"].sum() == pytest.approx(greenkit.load_smt(CSV)["value"].sum())


def test_convert_takes_several_files_as_one_frame(tmp_path):
    other = str(samples.path("smt-lse-rows"))
    assert cli.main(["convert", CSV, other, "-o", str(tmp_path / "x.parquet")]) == Exit.DONE
    assert len(greenkit.store.read(tmp_path / "x.parquet")) == len(greenkit.load_smt([CSV, other]))


def test_convert_refuses_an_unknown_ending_and_its_own_input(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["convert", CSV, "-o", "x.docx"])
    assert caught.value.code == Exit.USAGE
    assert "x.docx must end in .csv or .parquet or .xlsx" in capsys.readouterr().err
    path = tmp_path / "mine.csv"
    path.write_bytes(samples.path("smt-interval").read_bytes())
    assert cli.main(["convert", str(path), "-o", str(path)]) == Exit.FAILED
    assert "Next step: Choose another output file." in capsys.readouterr().err
    assert path.read_bytes() == samples.path("smt-interval").read_bytes()


def test_convert_to_a_missing_folder_names_it(tmp_path, capsys):
    assert cli.main(["convert", CSV, "-o", str(tmp_path / "no" / "x.csv")]) == Exit.FAILED
    assert "There is no folder" in capsys.readouterr().err


def test_report_writes_the_page(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", CSV, "--title", "Two <meters>", "--notebook"]) == Exit.DONE
    assert "Two &lt;meters&gt;" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "report.ipynb").exists()
    assert "Wrote report.html" in capsys.readouterr().out


def test_report_as_pdf_is_refused_with_the_way_to_a_pdf(tmp_path, capsys):
    assert cli.main(["report", CSV, "-o", str(tmp_path / "r.pdf")]) == Exit.FAILED
    assert "print that page from a browser" in capsys.readouterr().err
    assert not (tmp_path / "r.pdf").exists()


def test_quality_prints_gaps_and_json_has_a_schema(capsys):
    path = str(samples.path("espi"))
    assert cli.main(["quality", path]) == Exit.DONE
    assert "household-0001" in capsys.readouterr().out
    assert cli.main(["quality", path, "--json"]) == Exit.DONE
    held = json.loads(capsys.readouterr().out)
    assert held["schema"] == 1
    assert held["gaps"][0]["start"].startswith("2024-11-08T02:00")
    assert {s["flow"] for s in held["series"]} == {"delivered", "received"}


def test_totals_by_period_and_as_json(capsys):
    assert cli.main(["totals", CSV, "--period", "daily", "--json"]) == Exit.DONE
    rows = json.loads(capsys.readouterr().out)["totals"]
    by_flow = pd.DataFrame(rows).groupby(["meter", "flow"])["value"].sum().round(6).to_dict()
    assert by_flow == pytest.approx(sums(greenkit.load_smt(CSV)))
    assert cli.main(["totals", CSV]) == Exit.DONE
    assert "2024-11" in capsys.readouterr().out


def test_totals_of_an_unknown_period_lists_the_known_ones(capsys):
    assert cli.main(["totals", CSV, "--period", "fortnight"]) == Exit.FAILED
    assert "Use one of 15min" in capsys.readouterr().err


def test_info_as_json_has_the_summary_and_the_findings(capsys):
    assert cli.main(["info", str(samples.path("espi-local-as-utc")), "--json"]) == Exit.DONE
    held = json.loads(capsys.readouterr().out)
    assert held["rows"] == 73
    assert held["series"][0]["unit"] == "kWh"
    assert "espi.time.local-as-utc" in [f["name"] for f in held["findings"]]


def test_a_dash_reads_standard_input(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(samples.path("smt-interval").read_bytes())))
    assert cli.main(["totals", "-"]) == Exit.DONE
    out = capsys.readouterr().out
    assert "162.612  kWh" in out
    assert max(map(len, out.splitlines())) <= 120, "the table must fit into a terminal"


def test_wrong_option_shows_the_usage_of_its_command(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["totals", CSV, "--perid", "day"])
    assert ended.value.code == Exit.USAGE
    assert capsys.readouterr().err.startswith("usage: greenkit totals FILE [FILE ...] [options]\n")
