"""A judge of rows that no space uses: a random forest, made of labelled training rows."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from genbench.errors import BadInput, NotApplicable

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

LEARNT = 5000  # labelled rows that make the judge


@lru_cache(1)
def forest(rows: bytes, labels: bytes) -> RandomForestClassifier:
    """Of float32 rows and int64 labels; kept, for one run is judged on the same rows again and again."""
    from sklearn.ensemble import RandomForestClassifier  # two seconds that only who is judged should pay

    y = np.frombuffer(labels, np.int64)
    x = np.frombuffer(rows, np.float32).reshape(len(y), -1)
    return RandomForestClassifier(100, random_state=0, n_jobs=1).fit(x, y)


def judge(train: Tensor, labels: Tensor) -> RandomForestClassifier:
    """A forest (Breiman, 2001) of 100 trees on at most 5000 labelled rows (n, *shape). BadInput unless there is a label
    for each row, NotApplicable where they name fewer than 2 classes."""
    x, y = numbers(train), labels.long().cpu().numpy()
    if y.shape != (len(x),):
        raise BadInput(f"labels have shape {y.shape}, expected one a training row: ({len(x)},)")
    labelled = np.random.default_rng(0).permutation(np.flatnonzero(y >= 0))[:LEARNT]
    if len(np.unique(y[labelled])) < 2:
        raise NotApplicable("the labels name fewer than 2 classes: a judge would accept everything")
    return forest(x[labelled].tobytes(), y[labelled].tobytes())


def numbers(rows: Tensor) -> np.ndarray:
    """Rows as the forest takes them, (n, numbers) in float32."""
    x: np.ndarray = rows.detach().flatten(1).float().cpu().numpy()
    return x
