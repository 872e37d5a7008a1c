"""Frames of different sources together: what one of them lacks is empty, not an error."""

import pandas as pd

from greenkit import frame


def test_frame_without_revisions_joins_one_with(make_series):
    smt = make_series(
        [1.0], revision=pd.Timestamp("2024-08-01", tz="America/Chicago"), usage_date=pd.Timestamp("2024-07-01")
    )
    espi = make_series([2.0], meter="M2", cost=0.5, tou=pd.array([1], dtype="Int16"))
    out = frame.check(frame.concat([espi, smt]), exact=True)
    assert out["revision"].isna().tolist() == [False, True]
    assert out["usage_date"].isna().tolist() == [False, True]
    assert str(out["revision"].dtype) == "datetime64[us, America/Chicago]"
