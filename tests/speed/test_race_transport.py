"""Transport against POT, both from the same rows; `pytest tests/speed/test_transport.py --benchmark-only`."""

import numpy as np
import ot
import pytest

from genbench.metrics import sliced_wasserstein, wasserstein
from genbench.metrics.projections import frames


@pytest.mark.parametrize(("gap", "least"), [(1e-5, 5), (1e-12, 2)])
@pytest.mark.parametrize("n", [2000, 4000])
@pytest.mark.parametrize("p", [1, 2])
def test_exact_wasserstein(race, n, p, gap, least):
    noise = np.random.default_rng(n)
    x, y = noise.normal(size=(n, 64)), noise.normal(size=(n, 64)) + 0.1
    weights = np.full(n, 1 / n)

    def theirs():
        return ot.emd2(weights, weights, ot.dist(x, y, metric=("euclidean", "sqeuclidean")[p - 1]), numItermax=10**7)

    ours = wasserstein(x, y, p=p, gap=gap)
    assert ours.value**p == pytest.approx(theirs(), rel=gap + 1e-9)
    assert float(ours.note.removeprefix("certified gap ").removesuffix(" of the value")) <= gap
    race(
        f"W_{p} of {n} x 64", "POT emd2", lambda: wasserstein(x, y, p=p, gap=gap), theirs,
        least=least, rounds=5 if n == 2000 else 3, note=f"gap <= {gap:g}",
    )  # fmt: skip


@pytest.mark.parametrize("p", [1, 2])
def test_sliced_wasserstein(race, p):
    noise = np.random.default_rng(0)
    x, y = noise.normal(size=(10_000, 784)), noise.normal(size=(10_000, 784)) + 0.02
    directions = frames(784, 1, 1000)[..., 0].T.numpy().copy()

    def theirs():
        return ot.sliced_wasserstein_distance(x, y, projections=directions, p=p)

    assert sliced_wasserstein(x, y, p=p).value == pytest.approx(theirs(), rel=1e-9)
    race(
        f"sliced W_{p} of 10,000 x 784", "POT", lambda: sliced_wasserstein(x, y, p=p), theirs,
        least=4, rounds=3, note="1000 directions; ours with its error",
    )  # fmt: skip
