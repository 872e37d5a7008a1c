"""The data samples: small synthetic files of every shape, from the wheel or from a checkout.

They hold no customer's data: :mod:`greenkit.synthetic` makes them from a seed.
"""

from __future__ import annotations

import difflib
from pathlib import Path


def folder() -> Path:
    """Give the folder of the samples: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    for place in (package / "_data_samples", package.parent / "data-samples"):
        if place.is_dir():
            return place
    raise FileNotFoundError("the data samples are not installed: reinstall greenkit, or run in a checkout")


def names() -> list[str]:
    """List the samples by name: the file name up to its first dot.

    Examples
    --------
    >>> "espi" in names()
    True
    """
    return sorted(_files())


def path(name: str) -> Path:
    """Give the path of a sample.

    Parameters
    ----------
    name : str
        One of :func:`names`: ``"espi"``, …

    Raises
    ------
    FileNotFoundError
        When there is no such sample.

    Examples
    --------
    >>> path("espi").name
    'espi.xml'
    """
    files = _files()
    stem = name.split(".")[0]
    if stem not in files:
        near = difflib.get_close_matches(stem, files, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise FileNotFoundError(f"there is no sample {name!r}: {hint}greenkit.samples.names() lists them")
    return files[stem]


def _files() -> dict[str, Path]:
    found = (p for p in folder().iterdir() if p.is_file() and not p.name.startswith("."))
    return {p.name.split(".")[0]: p for p in found if p.suffix.lower() != ".md"}
