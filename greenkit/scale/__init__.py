"""Datasets: the readings of all meters in Delta Lake tables, written and read in parallel.

``scan_smt``, ``scan_espi``, and ``scan_tables`` list files; ``to_dataset`` reads them into a dataset, each file once;
``open_dataset`` answers questions about it. The extra ``scale`` installs what these need: the table format Delta Lake
(package ``deltalake``), and the task runner of Dask (package ``distributed``), without which tasks run in order.
"""

from greenkit.scale._dataset import Dataset, open_dataset
from greenkit.scale._ingest import DatasetReport, to_dataset
from greenkit.scale._scan import Scan, scan_espi, scan_smt, scan_tables

__all__ = [
    "Dataset",
    "DatasetReport",
    "Scan",
    "open_dataset",
    "scan_espi",
    "scan_smt",
    "scan_tables",
    "to_dataset",
]
