"""``df.gk``: the frame's own verbs, thin and stateless (pandas 3 makes a new accessor at each access)."""

from __future__ import annotations

import pandas as pd

from greenkit import frame
from greenkit.errors import SchemaError
from greenkit.findings import Findings


@pd.api.extensions.register_dataframe_accessor("gk")
class GreenkitAccessor:
    """What a greenkit frame can do: ``df.gk.series()``, ``df.gk.wide()``, ``df.gk.findings``."""

    def __init__(self, df: pd.DataFrame) -> None:
        missing = [name for name in frame.COLUMNS if name not in df.columns]
        if missing:
            # AttributeError, so that hasattr(df, "gk") is False on other frames, as pandas asks
            raise AttributeError(str(SchemaError(f"this is no greenkit frame: it lacks {', '.join(missing)}")))
        self._df = df

    def check(self) -> pd.DataFrame:
        """See :func:`greenkit.frame.check`."""
        return frame.check(self._df)

    def series(self) -> pd.Series[float]:
        """See :func:`greenkit.frame.series`."""
        return frame.series(self._df)

    def wide(self) -> pd.DataFrame:
        """See :func:`greenkit.frame.wide`."""
        return frame.wide(self._df)

    @property
    def findings(self) -> Findings:
        """See :func:`greenkit.frame.findings_of`."""
        return frame.findings_of(self._df)
