"""Long forms of the property tests of tables: parsing after writing, hostile bytes, and private text.

    GREENKIT_SOAK_EXAMPLES=2000 python -m pytest -m real tests/soak/test_table_soak.py -s

GREENKIT_SOAK_SEED (default 1) and GREENKIT_SOAK_EXAMPLES (default 300) choose another run; both are printed.
"""

import os
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import greenkit
from greenkit.findings import quiet

sys.path.insert(0, str(Path(__file__).parent.parent / "tables"))
from mappings import FORMS, long_tables, same, wide_tables, written
from private_text import ACCOUNT, GOLDEN, NAME, spoiled, told

sys.path.pop(0)

SEED = int(os.environ.get("GREENKIT_SOAK_SEED", "1"))
EXAMPLES = int(os.environ.get("GREENKIT_SOAK_EXAMPLES", "300"))
pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def tell_the_run():
    print(f"\nseed {SEED}, {EXAMPLES:,} examples")


@seed(SEED)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # shrinking takes longer than the search
)
@given(st.one_of(long_tables(), long_tables(), wide_tables()), st.sampled_from(FORMS), st.booleans())
def test_parse_after_write_returns_the_frame_for_any_mapping(made, form, reverse):
    df, mapping = made
    with quiet():
        back = greenkit.load_table(written(df, mapping, *form, reverse=reverse), mapping)
    same(back, df)


def test_nothing_repeats_a_name_or_an_account():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(SEED, SEED + max(1, EXAMPLES // len(GOLDEN))):
            for layout, day in GOLDEN:
                for text in told(*spoiled(layout, day, number)):
                    assert NAME not in text, (layout, day, number)
                    assert ACCOUNT not in text, (layout, day, number)
