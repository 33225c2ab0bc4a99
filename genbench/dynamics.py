"""The field that players of a game follow together, how it turns, and how far apart two beginnings are carried."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genbench.budget import Budget, Stream
from genbench.task import Game, Rows, Task

STEP = 1e-5  # of central differences, in double precision


def gradients(game: Game, x: Tensor) -> Tensor:
    """Each player's gradient of its own loss by its own moves, side by side (n, d); differentiable in x (n, d)."""
    moves = game.moves(x)
    losses = zip(game.losses(*moves), moves, strict=True)
    return torch.cat([torch.autograd.grad(loss.sum(), move, create_graph=True)[0] for loss, move in losses], 1)


@torch.enable_grad()
def fields(game: Game, x: Tensor) -> tuple[Tensor, Tensor]:
    """At joint moves x (n, d): v = -g, where the players are headed, and -grad 1/2 |g|^2, the relaxation (n, d)."""
    x = x.detach().requires_grad_()
    g = gradients(game, x)
    return -g.detach(), -torch.autograd.grad(0.5 * g.square().sum(), x)[0]


@torch.enable_grad()
def jacobians(game: Game, x: Tensor) -> Tensor:
    """dg_i / dx_j (n, d, d) at joint moves x (n, d)."""
    x = x.detach().requires_grad_()
    g = gradients(game, x)
    rows = [torch.autograd.grad(g[:, i].sum(), x, retain_graph=True, materialize_grads=True) for i in range(x.shape[1])]
    return torch.stack([row for (row,) in rows], 1)


@torch.enable_grad()
def spread(model: Any, task: Task, centre: Tensor, examples: int) -> Tensor:
    """How the place after t moves depends on where a copy of the mover began about the centre (d,): (t, d, d).

    By central differences of whole paths: of the mover nothing is asked but that it plays again.
    """
    steps = STEP * torch.eye(len(centre), dtype=torch.float64, device=centre.device)
    paths = []
    for start in centre.double() + torch.cat([steps, -steps]):
        again = deepcopy(model)
        again.fit(Stream(replace(task, train=Rows(start[None])), Budget(examples)))
        paths.append(again.path())
    ahead, behind = torch.stack(paths).chunk(2)
    return ((ahead - behind) / (2 * STEP)).permute(1, 2, 0)
