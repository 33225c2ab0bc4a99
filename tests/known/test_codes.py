"""Codes, against answers that are known without them."""

import numpy as np
import pytest

from genbench.errors import BadInput
from genbench.metrics import (
    reconstruction,
)


def test_reconstruction_is_per_number():
    real = np.zeros((4, 2, 5))
    found = reconstruction(real, real + np.array([1.0, 1.0, 3.0, 3.0])[:, None, None])
    assert found.value == 5
    assert found.error == pytest.approx(np.std([1, 1, 9, 9], ddof=1) / 2)
    assert found.n == 4
    with pytest.raises(BadInput, match="4 rows, but 3"):
        reconstruction(real, real[:3])
