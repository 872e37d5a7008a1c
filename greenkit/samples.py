"""The data samples: small synthetic files in the formats that greenkit reads, from the wheel or from a checkout.

They contain no customer's data: :mod:`greenkit.synthetic` writes them from a seed.
"""

from __future__ import annotations

import difflib
from pathlib import Path


def folder() -> Path:
    """Return the folder of the samples: inside the installed package, or beside it in a checkout.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """
    package = Path(__file__).parent
    for place in (package / "_data_samples", package.parent / "data-samples"):
        if place.is_dir():
            return place
    raise FileNotFoundError("The data samples are not installed. Reinstall greenkit, or run it in a checkout.")


def names() -> list[str]:
    """Return the names of the samples in alphabetical order: each file name up to its first period.

    Examples
    --------
    >>> "espi" in names()
    True
    """
    return sorted(_files())


def path(name: str) -> Path:
    """Return the path of a sample.

    Parameters
    ----------
    name : str
        One of :func:`names`, such as ``"espi"``. A file name, ``"espi.xml"``, is accepted too.

    Returns
    -------
    Path
        The file, which any ``load_*`` or ``open_*`` function reads.

    Raises
    ------
    FileNotFoundError
        If there is no such sample.

    Examples
    --------
    >>> path("espi").name
    'espi.xml'
    """
    files = _files()
    stem = name.split(".")[0]
    if stem not in files:
        near = difflib.get_close_matches(stem, files, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise FileNotFoundError(f"There is no sample {name!r}.{hint} List the samples with greenkit.samples.names().")
    return files[stem]


def _files() -> dict[str, Path]:
    files = (p for p in folder().iterdir() if p.is_file() and not p.name.startswith("."))
    return {p.name.split(".")[0]: p for p in files if p.suffix.lower() != ".md"}
