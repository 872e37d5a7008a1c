"""Parse after write: each dialect of the synthetic feeds gives back the truth it was written from."""

import io

import pytest

from greenkit import frame, synthetic
from greenkit.espi import open_espi

START, END = "2024-10-31", "2024-11-05"
HOME = synthetic.household(1, solar=5.0)
GAS = synthetic.gas_meter(1)
TRUTH = {meter: meter.frame(START, END).dropna(subset="value") for meter in (HOME, GAS)}
# what a dialect has to be told, or loses by its nature: its rows then differ from the truth in the way that is said
UNTYPED = {"bare-entry", "bare-resource", "no-reading-type"}  # no unit, raw values
TIMES_LOST = {"eastern-epochs", "one-start", "paired-hour"}  # sums are right, instants are not in the file
HOUR_LOST = {"local-as-utc-dropped", "dropped-hour"}  # the second 01:00 is not in the file
FINDINGS = {
    "undeclared-prefix": "espi.xml.undeclared-prefix", "nested-links": "espi.link.path", "no-links": "espi.link.document-order",
    "unlinked-type": "espi.link.document-order", "no-reading-type": "espi.reading-type.missing",
    "bills-only": "espi.bill.money-scale", "gas-1e-8": "espi.time.late-second", "late-second": "espi.time.late-second",
    "short-second": "espi.time.short-duration", "energy-and-demand": "espi.time.milliseconds",
    "hourly-and-register": "espi.register.apart", "odd-codes": "espi.code.unknown", "empty-kind": "espi.time.offset-sign",
    "eastern-epochs": "espi.time.other-zone", "one-start": "espi.time.same-start", "no-time-period": "espi.time.laid-out",
    "four-digit-rules": "espi.time.rules-undecodable", "paired-hour": "espi.reading.conflicting",
    "smt": "espi.quirk.smt-day-blocks",
}  # fmt: skip


def read(name):
    dialect = synthetic.DIALECTS[name]
    meter = GAS if name.startswith("gas") else HOME
    data = b"".join(synthetic.stream_espi([meter], START, END, dialect=dialect))
    told = {}
    if dialect.clock in ("local", "standard"):
        told = {"tz": meter.zone, "epoch": dialect.clock}
    elif dialect.local_time in ("absent", "empty", "zero"):
        told = {"tz": meter.zone}
    found = open_espi(io.BytesIO(data), **told)
    frame.check(found.readings, exact=True)
    df = found.readings[(found.readings["flow"] != "net") & ~found.readings["unit"].isin(["kW", "kvarh", "V"])]
    return found, df.dropna(subset="value"), TRUTH[meter]


def instants(df):
    return sorted(zip(df["start"].dt.tz_convert("UTC"), df["value"].round(6), strict=True))


@pytest.mark.parametrize("name", synthetic.DIALECTS)
def test_parse_after_write(name):
    found, df, truth = read(name)
    if name in FINDINGS:
        assert FINDINGS[name] in found.findings.names
    if name == "bills-only":
        assert df.empty
    elif name in HOUR_LOST:
        assert len(truth) - len(df) == 8
    elif name in TIMES_LOST:
        assert df["value"].sum() == pytest.approx(truth["value"].sum())
    elif name in UNTYPED:
        expected = truth if name == "no-reading-type" else truth[truth["flow"] == "delivered"]
        assert df["value"].sum() / 1000 == pytest.approx(expected["value"].sum())
    else:
        assert instants(df) == instants(truth)
        assert set(df["meter"]) == (set(truth["meter"]) if name != "no-links" else {"unknown"})
        if name != "direct-links":  # whose types say no flow
            assert df.groupby("flow", observed=True)["value"].sum().to_dict() == pytest.approx(
                truth.groupby("flow", observed=True)["value"].sum().to_dict()
            )
