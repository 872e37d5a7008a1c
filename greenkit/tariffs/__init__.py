"""Tariffs: plans, bills line by line, and the comparison of plans.

>>> from greenkit.tariffs import load_plan
>>> load_plan({"name": "Flat", "zone": "America/Chicago", "energy": 0.12, "fixed": 4.95}).name
'Flat'
"""

from __future__ import annotations

from greenkit.tariffs._bill import Bill, BillInfo, BillPeriods, PlanSource, PriceSources, price
from greenkit.tariffs._charges import Prices, price_intervals, reconcile_charges
from greenkit.tariffs._compare import Comparison, Plans, compare_plans, load_offers, rank_bills
from greenkit.tariffs._engine import Line
from greenkit.tariffs._load import load_plan
from greenkit.tariffs._model import PlanError
from greenkit.tariffs._plan import Plan
from greenkit.tariffs._registers import price_bills
from greenkit.tariffs._words import season_of

__all__ = [
    "Bill",
    "BillInfo",
    "BillPeriods",
    "Comparison",
    "Line",
    "Plan",
    "PlanError",
    "PlanSource",
    "Plans",
    "PriceSources",
    "Prices",
    "compare_plans",
    "load_offers",
    "load_plan",
    "price",
    "price_bills",
    "price_intervals",
    "rank_bills",
    "reconcile_charges",
    "season_of",
]
