"""A user's script: strict mypy checks it with the package, and the default ring runs it."""

from pathlib import Path

import pandas as pd

import greenkit


def main(folder: Path) -> dict[str, float]:
    """Load a sample, check it, price it, and write its report."""
    path = greenkit.samples.path("espi")
    df: pd.DataFrame = greenkit.load(path)
    feed = greenkit.open_espi(path)
    kit = greenkit.gk(df)
    quality = kit.quality(start="2024-11-01", end="2024-11-08")
    plan = greenkit.load_plan(greenkit.samples.path("plan-flat"))
    bill = kit.price(plan)
    page = greenkit.write_report(df, folder / "report.html")
    figure = kit.plot.load()
    figure.to_plotly_json()
    counts = {finding.name: len(finding.evidence) for finding in quality.findings}
    return {
        "readings": len(feed.readings),
        "delivered": float(kit.flows("year")["delivered"].sum()),
        "bill": float(bill.totals["computed_total"].sum()),
        "findings": len(counts),
        "page": page.stat().st_size,
    }
