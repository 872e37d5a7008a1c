"""Categorical columns: the labels that rows have, in alphabetical order."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


def categorical(number: npt.NDArray[np.integer[Any]], labels: Sequence[str | None]) -> pd.Categorical:
    """Return a categorical of the labels that the numbers select, with the selected labels in alphabetical order.

    Parameters
    ----------
    number : array of int
        For each row an index into ``labels``; -1 is the last.
    labels : sequence of str or None
        May repeat. None is an empty cell.

    Examples
    --------
    >>> made = categorical(np.array([2, 0, 2]), ["b", "x", "a"])
    >>> made.categories.tolist(), made.codes.tolist()
    (['a', 'b'], [0, 1, 0])
    """
    observed = np.zeros(len(labels), dtype=bool)
    observed[number] = True
    codes, names = _coded([label if seen else None for label, seen in zip(labels, observed, strict=True)])
    if len(codes) == 1:  # the usual case of most columns
        return from_codes(np.full(len(number), codes[0]), names)
    return from_codes(codes[number], names)


def in_runs(labels: Sequence[str | None], counts: npt.NDArray[np.integer[Any]]) -> pd.Categorical:
    """Return a categorical whose rows are sorted by series, so that each label is repeated for the rows of its series.

    Parameters
    ----------
    labels : sequence of str or None
        One for each series; may repeat. None is an empty cell.
    counts : array of int
        Rows of each series, none of them 0.

    Examples
    --------
    >>> made = in_runs(["b", "a"], np.array([2, 1]))
    >>> made.categories.tolist(), made.codes.tolist()
    (['a', 'b'], [1, 1, 0])
    """
    codes, names = _coded(labels)
    if len(set(codes.tolist())) == 1:
        return from_codes(np.full(counts.sum(), codes[0]), names)
    return from_codes(np.repeat(codes, counts), names)


def _coded(labels: Sequence[str | None]) -> tuple[npt.NDArray[np.integer[Any]], list[str]]:
    """Return the code of each label, and the labels that the codes number, in alphabetical order."""
    names = sorted({label for label in labels if label is not None})
    place = {name: n for n, name in enumerate(names)}
    return np.array([-1 if label is None else place[label] for label in labels], dtype=smallest(len(names))), names


def of_series(names: pd.Series[str], code: npt.NDArray[np.integer[Any]]) -> pd.Categorical:
    """Return the name of the series of each row as a categorical, with the names in alphabetical order.

    Parameters
    ----------
    names : Series
        One name for each series; names may repeat.
    code : array of int
        Number of the series of each row.

    Examples
    --------
    >>> list(of_series(pd.Series(["b", "a"]), np.array([1, 1, 0])))
    ['a', 'a', 'b']
    """
    codes, words = _coded(names.tolist())
    return from_codes(codes[code], words)


def from_codes(codes: npt.NDArray[np.integer[Any]], names: Sequence[str]) -> pd.Categorical:
    """Return a categorical of codes that were checked: indexes into ``names``, -1 for an empty cell."""
    return pd.Categorical.from_codes(codes, dtype=_dtype(tuple(names)), validate=False)


def smallest(n: int) -> np.dtype[Any]:
    """Return the dtype of the codes of n categories, as pandas would choose it."""
    return np.dtype(np.int8 if n < 127 else np.int16 if n < 32767 else np.int32)


@functools.lru_cache(maxsize=32)
def _dtype(names: tuple[str, ...]) -> pd.CategoricalDtype:
    """Return a categorical dtype, which costs more to make than the codes of a small file; most files share them."""
    return pd.CategoricalDtype(pd.Index(names, dtype="str" if names else object))
