"""Simulated meters, and the files that a utility would write for them, in any format and size.

>>> from greenkit import synthetic
>>> home = synthetic.household(1, solar=5.0)
>>> home.frame("2024-11-03", "2024-11-04")["flow"].value_counts().sort_index().to_dict()
{'delivered': 100, 'received': 100}
>>> b"".join(synthetic.stream_espi([home], "2024-11-03", "2024-11-04")).count(b"<IntervalReading>")
200
"""

from __future__ import annotations

from greenkit.synthetic._channels import TDSPS, Channel
from greenkit.synthetic._customer_feed import stream as stream_customers
from greenkit.synthetic._customer_feed import write as write_customers
from greenkit.synthetic._dialects import DIALECTS, Dialect
from greenkit.synthetic._espi_feed import stream as stream_espi
from greenkit.synthetic._espi_feed import write as write_espi
from greenkit.synthetic._meters import Fault, Meter, fleet, fleet_frame, gas_meter, household, shop, water_meter
from greenkit.synthetic._smt_csv import IntervalCsv
from greenkit.synthetic._smt_csv import write as write_interval_csv
from greenkit.synthetic._smt_csv import write_daily as write_daily_csv
from greenkit.synthetic._smt_csv import write_monthly as write_monthly_csv
from greenkit.synthetic._smt_lse import Lse
from greenkit.synthetic._smt_lse import write as write_lse
from greenkit.synthetic.data_samples import truth

__all__ = [
    "DIALECTS",
    "TDSPS",
    "Channel",
    "Dialect",
    "Fault",
    "IntervalCsv",
    "Lse",
    "Meter",
    "fleet",
    "fleet_frame",
    "gas_meter",
    "household",
    "shop",
    "stream_customers",
    "stream_espi",
    "truth",
    "water_meter",
    "write_customers",
    "write_daily_csv",
    "write_espi",
    "write_interval_csv",
    "write_lse",
    "write_monthly_csv",
]
