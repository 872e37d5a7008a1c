"""PySAM as a live oracle: random plans and years, month by month.

``python tests/soak/pysam_plans.py --plans 300`` compares more of them and prints the counts.
"""

import pytest
from pysam_plans import bills_of_pysam, frame_of, plan_of_case, random_case

from greenkit.tariffs import load_plan, price

pytestmark = pytest.mark.real


@pytest.mark.parametrize("seed", range(24))
def test_random_plan_and_year_agree_with_pysam(seed):
    pytest.importorskip("PySAM.Utilityrate5", reason="NREL-PySAM is not installed")
    case = random_case(seed)
    bill = price(frame_of(case["load"], case["gen"]), load_plan(plan_of_case(case)))
    assert bill.totals["computed_total"].to_numpy() == pytest.approx(bills_of_pysam(case), abs=1e-4)
