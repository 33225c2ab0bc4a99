"""Whether what lies side by side is alike: cells of a plane of codes, steps between two codes, pixels of a filter."""

from __future__ import annotations

import torch

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Filters, Grid, Walks
from genbench.metric import metric
from genbench.metrics.estimates import mean
from genbench.record import Estimate


@metric("neither", version="1", unit="of the distance of any two cells")
def smoothness(e: Grid) -> Estimate:
    """How small a step in the plane of codes is in the rows (a, b, *shape) decoded from a grid there.

        mean |row - its neighbour's| / mean |row - any other|,   distances Euclidean

    over neighbours to the right and below. 1 where the plane has no order, small where rows change little by little;
    a linear decoder's is 0.12 at 20x20 normal quantiles. The error is that of the mean over neighbours, as if
    they were independent. Raises BadInput below 2x2 cells; NotApplicable where all rows are alike.
    """
    a, b = e.rows.shape[:2]
    if min(a, b) < 2:
        raise BadInput(f"the grid has {a}x{b} cells; at least 2x2 are needed")
    cells = e.rows.double().flatten(2)
    beside = [(cells[1:] - cells[:-1]).norm(dim=2).flatten(), (cells[:, 1:] - cells[:, :-1]).norm(dim=2).flatten()]
    usual = float(torch.pdist(cells.flatten(0, 1)).mean())
    if not usual > 0:
        raise NotApplicable("every code is decoded to one row; there is no distance to compare with")
    step = mean(torch.cat(beside))
    return Estimate(step.value / usual, step.error / usual, a * b)


@metric("lower", version="1", unit="mean steps")
def largest_step(e: Walks) -> Estimate:
    """How evenly rows (n, steps, *shape) change on the way from one code to another, which goes by equal steps.

        mean over ways of max |x_{t+1} - x_t| / mean |x_{t+1} - x_t|,   distances Euclidean

    1 where each step is as long as the others, as a linear decoder's are; as many as there are steps where all change
    comes at once, which is how one who knows rows by heart would go. Ways on which nothing changes are left out. The
    error is the standard error over ways. Raises NotApplicable below 2 ways on which something does.
    """
    rows = e.rows.double().flatten(2)
    lengths = (rows[:, 1:] - rows[:, :-1]).norm(dim=2)
    lengths = lengths[lengths.sum(1) > 0]
    if len(lengths) < 2:
        raise NotApplicable(f"rows change on {len(lengths)} of {len(e.rows)} ways; at least 2 are needed")
    return mean(lengths.amax(1) / lengths.mean(1))


@metric("neither", version="1", unit="correlation")
def locality(e: Filters) -> Estimate:
    """How alike neighbouring pixels of a filter are (Moran, 1950): the mean over units (units, c, h, w) of

        mean over neighbours i, j of w_i w_j / mean over pixels i of w_i^2,   w less its mean over pixels

    for neighbours to the right and below. Near 1 for strokes and blobs many pixels wide, about 0 for a filter whose
    pixels were shuffled. Units whose filter is flat are left out. The error is the standard error over units. Raises
    NotApplicable below 2 units that are not flat, and for filters that are no pictures.
    """
    w = e.filters.double()
    w = w - w.mean((2, 3), keepdim=True)
    size = w.square().mean((1, 2, 3))
    w = w[size > 1e-12 * size.max()] / size[size > 1e-12 * size.max()].sqrt()[:, None, None, None]
    if len(w) < 2:
        raise NotApplicable(f"{len(w)} of {len(size)} filters are not flat; at least 2 are needed")
    pairs = [(w[..., 1:] * w[..., :-1]).flatten(1), (w[..., 1:, :] * w[..., :-1, :]).flatten(1)]
    return mean(torch.cat(pairs, 1).mean(1))
