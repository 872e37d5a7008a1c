"""The reference figures that lie beside the repository, if they do."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "tariffs"


def reference(name):
    """Return a file of the reference folder; skip the test where there is none."""
    path = REFERENCE / name
    if not path.exists():
        pytest.skip("the reference figures are not beside the repository")
    return path


def load_reference(name):
    return json.loads(reference(name).read_text(encoding="utf-8"), parse_float=Decimal)
