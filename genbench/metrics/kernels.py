"""How far two laws lie apart in the mean of a kernel."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genbench.errors import BadInput
from genbench.evidence import Features
from genbench.metric import metric
from genbench.metrics.estimates import at_least, squared_error
from genbench.record import Estimate

ROWS = 2048  # rows of a kernel matrix held at a time


@metric("lower", version="1", unit="squared MMD")
def kid(e: Features, *, degree: int = 3) -> Estimate:
    """Kernel distance (Binkowski et al., 2018, eq. 4): unbiased squared MMD of real (n, d) and fake (m, d).

        sum_{i!=j} k(x_i, x_j) / (n(n-1)) + sum_{i!=j} k(y_i, y_j) / (m(m-1)) - 2 sum_{ij} k(x_i, y_j) / (nm)

    with k(x, y) = (x.y / d + 1)^degree. It may be negative; its mean is 0 at equal laws, whatever n and m.

    The error is a U-statistic's (Hoeffding's decomposition): 4 var(g)/n + 4 var(h)/m + D, where g and h are the
    mean influences of one row and D the degenerate part 2|k_xx|^2/(n(n-1)) + 2|k_yy|^2/(m(m-1)) + 4|k_xy|^2/(nm)
    of the centred kernels. Sample variances of the row means hold 2 D of noise, hence the D that is taken off; and
    D is the least that the variance can be. Assumes independent rows. Raises BadInput below 2 rows a set.
    """
    at_least(2, real=e.real, fake=e.fake)
    if degree < 1:
        raise BadInput(f"degree={degree}; a polynomial kernel needs a degree of at least 1")
    n, m = len(e.real), len(e.fake)
    xx, _, xx2 = kernel(e.real, e.real, degree)
    yy, _, yy2 = kernel(e.fake, e.fake, degree)
    xy, yx, xy2 = kernel(e.real, e.fake, degree)
    value = xx.mean() + yy.mean() - 2 * xy.mean()
    degenerate = (
        2 * (xx2 - 2 * xx.square().mean() + xx.mean().square()).clamp(min=0) / (n * (n - 1))
        + 2 * (yy2 - 2 * yy.square().mean() + yy.mean().square()).clamp(min=0) / (m * (m - 1))
        + 4 * (xy2 - xy.square().mean() - yx.square().mean() + xy.mean().square()).clamp(min=0) / (n * m)
    )
    noisy = 4 * squared_error(xx - xy) + 4 * squared_error(yy - yx)
    return Estimate(float(value), math.sqrt(max(noisy - float(degenerate), float(degenerate))), min(n, m))


def kernel(x: Tensor, y: Tensor, degree: int) -> tuple[Tensor, Tensor, Tensor]:
    """Row means, column means and mean square of k(x_i, y_j), without the diagonal where x is y."""
    rows, columns, squares = [], x.new_zeros(len(y)), x.new_zeros(())
    for start in range(0, len(x), ROWS):
        k = (x[start : start + ROWS] @ y.T / x.shape[1] + 1) ** degree
        if x is y:
            k.diagonal(start).zero_()
        rows.append(k.sum(1))
        columns += k.sum(0)
        squares += k.square().sum()
    others = len(y) - (x is y)
    return torch.cat(rows) / others, columns / (len(x) - (x is y)), squares / (len(x) * others)
