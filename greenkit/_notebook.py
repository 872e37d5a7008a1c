"""The notebook of a report: the same steps as cells, with the frame beside it, to go on from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from greenkit import _files, store

# (kind, text) of each cell; {title} and {data} are filled in
_CELLS = (
    ("markdown", "# {title}\n\nEach step is one cell. The data lies beside this notebook; nothing needs a network."),
    ("parameters", "DATA = {data}"),
    ("markdown", "## What the data holds\n\nOne row for each interval of a series; `start` labels it, in local time."),
    ("code", "import greenkit\nfrom greenkit import store\n\ndf = store.read(DATA)\ndf.head()"),
    ("markdown", "## Is it whole\n\nExpected intervals are counted in true time, so days of change are right."),
    ("code", "quality = df.gk.quality()\nquality"),
    ("markdown", "## Totals\n\nOn the local calendar, with the hours that have data. Flows are never added up."),
    ("code", 'df.gk.totals("month")'),
    ("markdown", "## Shape\n\nLoad factor, base load, near-base and near-peak, the highest intervals."),
    ("code", "df.gk.shape().T"),
    ("code", "df.gk.peaks(5)"),
    ("markdown", "## Pictures"),
    ("code", "df.gk.plot.load()"),
    ("code", "df.gk.plot.heatmap()"),
    ("code", "df.gk.plot.average_day()"),
    ("markdown", "## Report"),
    ("code", 'greenkit.write_report(df, "report-again.html")'),
)


def write(df: pd.DataFrame, page: Path, *, title: str) -> Path:
    """Write the notebook and its data beside a page; give the notebook's path."""
    nbformat = _nbformat()
    data = store.write(df, page.with_suffix(".parquet"))
    cells = [_cell(kind, text, title, data.name, i) for i, (kind, text) in enumerate(_CELLS)]
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }})  # fmt: skip
    nbformat.validate(book)
    path = page.with_suffix(".ipynb")
    with _files.atomic(path) as file:
        file.write(nbformat.writes(book).encode())
    return path


def _nbformat() -> Any:
    # imported late, since it costs seconds beside JupyterLab; its functions have no types
    import nbformat

    return nbformat


def _cell(kind: str, text: str, title: str, data: str, number: int) -> Any:
    v4 = _nbformat().v4
    if kind == "markdown":
        return v4.new_markdown_cell(text.replace("{title}", title.replace("\n", " ")), id=f"cell-{number}")
    # a file name is quoted as JSON, which is Python too
    source = text.replace("{data}", json.dumps(data))
    tags = {"metadata": {"tags": ["parameters"]}} if kind == "parameters" else {}
    return v4.new_code_cell(source, id=f"cell-{number}", **tags)
