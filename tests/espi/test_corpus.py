"""The public Green Button documents, against sums that another reader made. Skipped where they are absent."""

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from greenkit import frame
from greenkit.espi import open_espi
from greenkit.espi._codes import UNITS

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of public documents is not beside the checkout")
CLOCK = {"espi.time.local-as-utc", "espi.time.standard-as-utc", "espi.time.other-zone"}
LOCAL_AS_UTC = {"JenDobson+greenbutton/tests__data__testdata.xml"}  # its blocks start at 00:00 UTC
FLOWS = {"0": "unknown", "1": "delivered", "": "unknown"}


def truth():
    rows = defaultdict(list)
    if CORPUS.is_dir():
        with (CORPUS / "truth_by_file.csv").open() as file:
            for row in csv.DictReader(file):
                rows[row["file"]].append(row)
    return rows


TRUTH = truth()
FILES = sorted(str(p.relative_to(CORPUS)) for p in CORPUS.rglob("*.xml"))


def test_corpus_is_complete():
    assert (len(FILES), len(TRUTH)) == (84, 40)


@pytest.mark.parametrize("file", sorted(TRUTH))
def test_readings_and_sums(file):
    found = open_espi(CORPUS / file)
    df = frame.check(found.readings, exact=True)
    assert bool(CLOCK & set(found.findings.names)) == (file in LOCAL_AS_UTC)
    assert len(df) == sum(int(row["n_readings"]) for row in TRUTH[file])
    for row in TRUTH[file]:
        unit = UNITS[int(row["uom"])] if row["uom"] else None
        part = df[(df["unit"] == (unit.name if unit else "unknown")) & (df["flow"] == FLOWS[row["flow"]])]
        assert len(part) == int(row["n_readings"])
        assert part["value"].sum() * 10 ** (unit.kilo if unit else 0) == pytest.approx(
            float(row["sum_scaled"]), rel=1e-9
        )
        assert part["cost"].sum() * 1e5 == pytest.approx(float(row["sum_cost_raw"] or 0), abs=1e-3)
        assert part["start"].min().timestamp() == float(row["first_start"])
        assert part["start"].max().timestamp() == float(row["last_start"])
        assert part["meter"].nunique() == max(int(row["n_usage_points"]), 1)


@pytest.mark.parametrize("file", sorted(set(FILES) - set(TRUTH)))
def test_documents_without_readings_open(file):
    assert open_espi(CORPUS / file).readings.empty
