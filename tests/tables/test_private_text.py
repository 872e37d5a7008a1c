"""No message, finding, or summary repeats a line before the table or a cell of text: they can name the customer."""

import pytest
from private_text import ACCOUNT, GOLDEN, NAME, spoiled, told

import greenkit
from greenkit.errors import FormatError, OtherFormat


@pytest.mark.parametrize("layout", sorted({layout for layout, _ in GOLDEN}))
def test_nothing_repeats_a_name_or_an_account(layout):
    for text in told(*spoiled(layout, "fall", 1)):
        assert NAME not in text
        assert ACCOUNT not in text


def test_draft_begins_at_the_table_and_not_at_the_lines_before_it():
    data = b"Name,PAT EXAMPLE\nAccount Number,9876543210\nService,2\n\nWhen,Use\n2024-01-01 00:00,1.5\n2024-01-01 01:00,2\n"
    text = greenkit.tables.explain_table(data)
    assert NAME not in text
    assert "When" in text


def test_column_that_may_be_an_account_is_not_repeated():
    header = "Start Date,End Date,Usage(kWh),9876543210\n1/1/2024 00:00,1/1/2024 00:59,1,2\n"
    with pytest.raises(OtherFormat, match="an additional column is not part of it"):
        greenkit.load_table(header.encode())


def test_unknown_zone_in_a_cell_is_a_typed_error():
    row = "7,DEMO,11/3/2024 0:00,11/3/2024 1:00,1.1,1.1,Pat Example"
    with pytest.raises(FormatError, match="column of time zones"):
        greenkit.load_table(
            f"meter_uid,utility,interval_start,interval_end,interval_kWh,net_kWh,interval_timezone\n{row}\n".encode()
        )
