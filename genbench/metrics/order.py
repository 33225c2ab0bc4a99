"""Whether what lies side by side is alike: the cells of a plane of codes, the pixels of a filter."""

from __future__ import annotations

import torch

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Filters, Grid
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
