"""Small pictures of four shapes, drawn by a rule: what a code is to mean is known."""

from __future__ import annotations

from math import pi

import torch
from torch import Generator, Tensor

from genbench.errors import BadInput
from genbench.task import Labels, Real, Rows, Spec, Task
from genbench.tasks import on_cpu

SIDE = 16
SHAPES = ("bar", "cross", "ring", "square")
# Where each number that makes a picture lies: pixels, but for the tilt in radians.
FACTORS = {
    "right": (-1.5, 1.5),
    "down": (-1.5, 1.5),
    "reach": (3.5, 5.5),
    "thickness": (1.0, 3.0),
    "tilt": (-pi / 8, pi / 8),
}
THICK = 2.0


def drawn(shape: Tensor, factors: Tensor) -> Tensor:
    """Pictures (n, 1, 16, 16) in [0, 1] of shapes (n,) with factors (n, 5); edges are a pixel wide.

    Each pixel is lit by how far it lies inside: a bar and a cross are boxes, a ring and a square are outlines.
    """
    right, down, reach, thickness, tilt = factors[:, :, None, None].unbind(1)
    at = torch.arange(SIDE) - (SIDE - 1) / 2
    x, y = at - right, at[:, None] - down
    u, v = (x * tilt.cos() + y * tilt.sin()).abs(), (y * tilt.cos() - x * tilt.sin()).abs()
    half = thickness / 2
    bar = torch.maximum(u - reach, v - half)
    cross = torch.minimum(bar, torch.maximum(v - reach, u - half))
    ring = ((u.square() + v.square()).sqrt() - reach).abs() - half
    square = (torch.maximum(u, v) - reach).abs() - half
    outside = torch.stack([bar, cross, ring, square], 1)[torch.arange(len(shape)), shape]
    return (0.5 - outside).clamp(0, 1)[:, None]


@on_cpu
def shapes16(thick: bool = False, train: int = 20_000, test: int = 2_000, seed: int = 0) -> Task:
    """Bars, crosses, rings and squares, 16x16, as often each, whose place, reach, thickness and tilt are uniform.

    The class is the shape, or, where `thick`, the shape and whether it is thicker than 2 pixels: 2 shape + thick.
    """
    if min(train, test) < 1:
        raise BadInput(f"shapes16: train and test are numbers of rows, at least 1; got {train} and {test}")
    noise = Generator().manual_seed(seed)
    low, high = torch.tensor(list(FACTORS.values())).T
    parts = (len(SHAPES), 2) if thick else (len(SHAPES),)
    spec = Spec(Real((1, SIDE, SIDE), 0.0, 1.0, 256), Labels(len(SHAPES) * (1 + thick), parts=parts))

    def made(n: int) -> tuple[Rows, Tensor]:
        shape = torch.randint(len(SHAPES), (n,), generator=noise)
        factors = low + (high - low) * torch.rand(n, len(FACTORS), generator=noise)
        y = 2 * shape + (factors[:, 3] > THICK) if thick else shape
        return Rows((255 * drawn(shape, factors)).round() / 256, y), factors

    learnt, *others, held = (made(n) for n in (train, test, test, test))
    valid, spare, test_rows = (rows.dequantised(spec.x, noise) for rows, _ in (*others, held))
    return Task("shapes16", spec, learnt[0], valid, test_rows, spare, factors=held[1])
