"""Findings: made from kinds, shown by severity, and written with their evidence."""

import pytest

from greenkit.findings import Count, Finding, Findings, Kind, catalogue

GAP = Kind("demo.gap", "warning", "{count:day} {count:has|have} gaps, first {first}.", "Ask the utility for {first}.")
ZERO = Kind("demo.zero", "info", "All values are zero.")


@pytest.fixture
def mixed():
    found = Findings()
    found.add(ZERO)
    found.add(GAP, count=2, first="May 3")
    found.add(GAP, count=1, first="May 9", severity="serious")
    return found


def test_text_agrees_with_its_count_and_names_what_to_do(mixed):
    assert [f.message for f in mixed] == [
        "All values are zero.",
        "2 days have gaps, first May 3. Ask the utility for May 3.",
        "1 day has gaps, first May 9. Ask the utility for May 9.",
    ]


def test_evidence_is_plain_and_words_are_not_evidence():
    found = Findings()
    found.add(Kind("demo.word", "info", "{n:file} in {place}."), n=Count(3), words={"place": "here"})
    assert found[0].text == "3 files in here."
    assert found[0].evidence == {"n": 3}
    assert type(found[0].evidence["n"]) is int


def test_findings_are_shown_most_severe_first_and_kept_as_reported(mixed):
    assert [f.severity for f in mixed] == ["info", "warning", "serious"]
    assert [f.severity for f in mixed.by_severity] == ["serious", "warning", "info"]
    assert [line.partition(":")[0] for line in str(mixed).splitlines()] == ["serious", "warning", "info"]
    html = mixed._repr_html_()
    assert html.index("May 9") < html.index("May 3") < html.index("All values")


def test_slot_with_braces_from_a_file_is_not_formatted_again():
    found = Findings()
    found.add(Kind("demo.name", "info", "Column {name} was left out."), name="{0.__class__}")
    assert found[0].text == "Column {0.__class__} was left out."


def test_unknown_severity_is_refused():
    with pytest.raises(ValueError, match="severity is 'bad', but it must be one of info, warning, serious"):
        Finding("a.b", "bad", "x")
    with pytest.raises(ValueError, match="severity is 'bad'"):
        Kind("a.b", "bad", "x")


def test_finding_of_version_0_1_is_read_from_its_json():
    old = {"name": "espi.time.no-zone", "severity": "warning", "text": "No zone.", "evidence": {"count": 1}}
    assert Finding(**old).message == "No zone."
    assert Finding(**Finding(**old).as_dict()) == Finding(**old)


def test_catalogue_is_sorted_and_has_every_kind_once():
    names = list(catalogue())
    assert names == sorted(set(names))
    assert "frame.zones.mixed" in names
