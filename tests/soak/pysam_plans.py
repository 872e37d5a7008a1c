"""Compare random plans and years with PySAM, and print how many agree and the largest difference.

    python tests/soak/pysam_plans.py --plans 300 --seed 1000

Needs NREL-PySAM. The exit code is 1 if a bill differs by more than 1e-4 of its currency.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tariffs"))

from pysam_plans import bills_of_pysam, frame_of, plan_of_case, random_case

from greenkit.tariffs import load_plan, price

OPTIONS = (
    "net metering in kWh",
    "net metering in money",
    "net billing",
    "net billing with carry-over",
    "two registers",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1000, help="seed of the first plan; the next one has the next seed")
    arguments = parser.parse_args()
    agree: Counter[str] = Counter()
    all_: Counter[str] = Counter()
    largest = 0.0
    for seed in range(arguments.seed, arguments.seed + arguments.plans):
        case = random_case(seed)
        bill = price(frame_of(case["load"], case["gen"]), load_plan(plan_of_case(case)))
        step = float(np.abs(bill.totals["computed_total"].to_numpy() - bills_of_pysam(case)).max())
        largest = max(largest, step)
        kinds = [OPTIONS[case["option"]], f"{len({r[0] for r in case['tou']})} periods",
                 f"{len({r[1] for r in case['tou']})} tiers"]  # fmt: skip
        kinds += ["generation"] if case["gen"].any() else []
        kinds += ["demand"] if "dc" in case else []
        kinds += ["ratchet"] if case.get("dc", {}).get("ur_enable_billing_demand") else []
        kinds += ["yearly minimum"] if "an_min" in case else []
        for kind in ("plans", *kinds):
            all_[kind] += 1
            agree[kind] += step <= 1e-4
        if step > 1e-4:
            print(f"seed {seed}: {step:.4f} ({', '.join(kinds)})")
    for kind, count in all_.most_common():
        print(f"{kind}: {agree[kind]} of {count}")
    print(f"bills: {12 * arguments.plans}; largest difference {largest:.1e}")
    return int(agree["plans"] < all_["plans"])


if __name__ == "__main__":
    raise SystemExit(main())
