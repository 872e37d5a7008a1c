"""Categorical columns: labels that rows have, in alphabetical order."""

import numpy as np
import pandas as pd
import pytest

from greenkit._categories import categorical, smallest


def test_only_labels_of_rows_are_categories_and_equal_labels_are_one():
    made = categorical(np.array([2, 0, 3, -1], dtype=np.int8), ["b", "unused", "a", "b", None])
    assert made.categories.tolist() == ["a", "b"]
    assert made.tolist()[:3] == ["a", "b", "b"]
    assert pd.isna(made[3])


@pytest.mark.parametrize("labels", [[], [None]])
def test_no_label_has_the_dtype_of_an_empty_frame(labels):
    made = categorical(np.zeros(len(labels), dtype=np.int64), labels)
    assert made.categories.dtype == object
    assert made.codes.tolist() == [-1] * len(labels)


@pytest.mark.parametrize("n", [1, 126, 127, 128, 32_766, 32_767])
def test_codes_have_the_dtype_that_pandas_chooses(n):
    names = [f"{i:05d}" for i in range(n)]
    assert smallest(n) == pd.Categorical(names).codes.dtype
    made = categorical(np.arange(n), names[::-1])
    assert made.codes.dtype == smallest(n)
    assert made.tolist() == names[::-1]
