"""Received energy is ``export`` where a person reads it, and ``received`` in the data."""

from greenkit import frame


def solar(make_series):
    """Return two days of delivered and received energy, of which received lacks an hour."""
    received = make_series([0.25] * 48, flow="received", series="2").drop(index=10)
    return frame.concat(make_series([1.0] * 48, series="1"), received)


def test_findings_and_texts_name_received_energy_export(make_series):
    report = solar(make_series).gk.quality()
    gap = next(f for f in report.findings if f.name == "quality.gap")
    assert gap.message.startswith("M1 / export / 2 [kWh]: 1 of 48 intervals")
    assert gap.evidence["flow"] == "received"
    assert report.table["flow"].tolist() == ["delivered", "received"]
    for text in (repr(report), report.html()):
        assert "export" in text
        assert "received" not in text


def test_parts_of_received_energy_are_parts_of_export(make_series):
    parts = [make_series([0.25] * 24, f"2024-07-0{day}", flow="received", series=str(day)) for day in (1, 2)]
    assert frame.concat(parts).gk.quality()._notes == ["2 series of export [kWh] are parts of one flow"]
