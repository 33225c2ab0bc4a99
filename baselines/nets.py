"""The small networks that every family shares, so that two rows of a table differ only in what their papers do."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from genbench.task import Bits, Counts, Real, Spec

Norm = Callable[[int], nn.Module]


def mlp(*sizes: int, activation: Callable[[], nn.Module] = nn.ReLU, norm: Norm | None = None) -> nn.Sequential:
    """Linear layers of these sizes, with the norm (if any) and the activation between them; the last layer is bare."""
    layers: list[nn.Module] = []
    for size, wide in pairwise(sizes[:-1]):
        layers += [nn.Linear(size, wide), *([norm(wide)] if norm else []), activation()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


def steepest(net: nn.Module) -> float:
    """A bound of a network's Lipschitz constant: the product of the largest singular values of its linear layers.

    NotImplementedError where a layer between them is none that is known to shrink distances.
    """
    most = 1.0
    for layer in net if isinstance(net, nn.Sequential) else (net,):
        if isinstance(layer, nn.Linear):
            most *= float(torch.linalg.matrix_norm(layer.weight.detach().double(), 2))
        elif not isinstance(layer, nn.LeakyReLU | nn.ReLU | nn.Tanh):
            raise NotImplementedError(f"no Lipschitz constant of {type(layer).__name__} is known")
    return most


def down(
    shape: tuple[int, ...],
    channels: tuple[int, ...],
    size: int,
    activation: Callable[[], nn.Module] = nn.ReLU,
    norm: Norm | None = None,
) -> nn.Sequential:
    """Flat pictures (n, c h w) to `size` numbers: each convolution halves the sides; no norm touches the picture."""
    layers: list[nn.Module] = [nn.Unflatten(1, shape)]
    for narrow, wide in pairwise((shape[0], *channels)):
        layers += [nn.Conv2d(narrow, wide, 4, 2, 1), *([norm(wide)] if norm and len(layers) > 1 else []), activation()]
    low, left = (side >> len(channels) for side in shape[1:])
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * low * left, size))


def up(size: int, channels: tuple[int, ...], shape: tuple[int, ...], norm: Norm | None = None) -> nn.Sequential:
    """`down` the other way: each transposed convolution doubles the sides, its kernel a multiple of its stride."""
    low, left = (side >> len(channels) for side in shape[1:])
    start = (channels[-1], low, left)
    layers: list[nn.Module] = [nn.Linear(size, channels[-1] * low * left), nn.Unflatten(1, start)]
    for wide, narrow in pairwise((*channels[::-1], shape[0])):
        layers += [*([norm(wide)] if norm else []), nn.ReLU(), nn.ConvTranspose2d(wide, narrow, 4, 2, 1)]
    return nn.Sequential(*layers, nn.Flatten())


def passable(spec: Spec) -> None:
    """NotImplementedError for rows that pass no gradient on to who made them."""
    if isinstance(spec.x, Bits):
        raise NotImplementedError("no gradient passes through bits")


def halvings(shape: tuple[int, ...]) -> int:
    """How often the sides of a picture halve before one is odd or 4. NotImplementedError where they never do."""
    times = 0
    if len(shape) == 3:
        while all((side >> times) % 2 == 0 and side >> times > 4 for side in shape[1:]):
            times += 1
    if not times:
        raise NotImplementedError(f"needs pictures (c, h, w) with even sides above 4, not {shape}")
    return times


def centred(x: Tensor, kind: Real | Bits | Counts) -> Tensor:
    """Rows (n, *shape) as flat numbers (n, d), in [-1, 1] where the kind has a range."""
    flat = x.flatten(1)
    if isinstance(kind, Counts):
        raise NotImplementedError("needs real rows or bits, not counts")
    if isinstance(kind, Bits):
        return 2 * flat - 1
    if kind.low is None or kind.high is None:
        return flat
    return (flat - (kind.low + kind.high) / 2) * (2 / (kind.high - kind.low))


def pictured(raw: Tensor, kind: Real | Bits | Counts) -> Tensor:
    """A network's numbers (..., d) as rows (..., *shape): probabilities of bits, sigmoids between the middles of
    the lowest and the highest cell where there is a range, else themselves."""
    rows = raw.unflatten(-1, kind.shape)
    if isinstance(kind, Counts):
        raise NotImplementedError("needs real rows or bits, not counts")
    if isinstance(kind, Bits):
        return rows.sigmoid()
    if kind.low is None or kind.high is None:
        return rows
    return rows.sigmoid() * (kind.high - kind.low - kind.cell) + (kind.low + kind.cell / 2)


def dequantised(picture: Tensor, kind: Real | Bits | Counts) -> Tensor:
    """The picture with the noise that the task's own rows carry: uniform over a cell, none where none was quantised.

    A deterministic decoder cannot make it, and a critic would tell real from fake by it alone.
    """
    cell = kind.cell if isinstance(kind, Real) else 0.0
    return picture + torch.empty_like(picture).uniform_(-cell / 2, cell / 2) if cell else picture
