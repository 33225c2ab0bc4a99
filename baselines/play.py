"""The one training loop: players take turns, each a loss and the optimizer that answers for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

Gradients = list[Tensor | None]


def nothing() -> None:
    """What most players must do after a turn."""


@dataclass
class Player:
    """`loss(x, y)` is a scalar over the optimizer's own parameters; `turns` in a row, each on a fresh batch;
    `after` is what must hold when a turn is over (a clip, an average)."""

    name: str
    loss: Callable[..., Tensor]
    optimizer: Optimizer
    turns: int = 1
    after: Callable[[], None] = nothing
    taught: bool = field(default=False, init=False)

    @property
    def parameters(self) -> list[Tensor]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def gradients(self, x: Tensor, y: Tensor | None, again: bool = False) -> tuple[Tensor, Gradients]:
        """The loss and its gradient by this player's own parameters, which can be differentiated `again` if need be;
        RuntimeError when there never is one."""
        loss = self.loss(x, y)
        gradients: Gradients = [None] * len(self.parameters)
        if loss.requires_grad:
            gradients = list(torch.autograd.grad(loss, self.parameters, allow_unused=True, create_graph=again))
        self.taught = self.taught or any(gradient is not None for gradient in gradients)
        if not self.taught:
            raise RuntimeError(f"no parameter of player {self.name!r} receives a gradient from its loss (a detach?)")
        return loss.detach(), gradients

    def step(self, gradients: Gradients) -> None:
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        self.after()


def norm(gradients: Gradients) -> Tensor:
    return torch.stack([gradient.detach().norm() for gradient in gradients if gradient is not None]).norm()


def play(stage: Any, *players: Player) -> None:
    """Take turns on the stage's batches until they run out."""
    stage.enter(players)
    while True:
        for player in players:
            for _ in range(player.turns):
                batch = next(stage, None)
                if batch is None:
                    return
                traced, counting = stage.turn(player.name)
                with counting:
                    loss, gradients = player.gradients(*batch)
                    player.step(gradients)
                stage.log(player.name, loss, norm(gradients) if traced else None)
        stage.checkpoint(players)


def together(stage: Any, *players: Player, correct: Callable[..., list[Tensor]] | None = None) -> None:
    """All gradients at one point, on one batch; then all step at once, whatever their `turns`.

    `correct(x, g)` may bend the joint field g of all players' gradients by all their parameters x; g can be
    differentiated again.
    """
    stage.enter(players)
    x = [parameter for player in players for parameter in player.parameters]
    for rows, given in stage:
        traced, counting = stage.turn("together")
        with counting:
            moves = [player.gradients(rows, given, again=correct is not None) for player in players]
            g = [gradient for _, gradients in moves for gradient in gradients]
            if correct:
                g = [*correct(x, [torch.zeros_like(p) if by is None else by for p, by in zip(x, g, strict=True)])]
            steps = iter(g)
            for player in players:
                player.step([*islice(steps, len(player.parameters))])
        for player, (loss, gradients) in zip(players, moves, strict=True):
            stage.log(player.name, loss, norm(gradients) if traced else None)
        stage.checkpoint(players)


def consensus(x: list[Tensor], g: list[Tensor], gamma: float = 10.0, own: float = 1.0) -> list[Tensor]:
    """own g + gamma grad_x 1/2 |g|^2, g the descent directions of all players (Mescheder, Nowozin & Geiger, 2017).

    With own = 0 it is the full relaxation, which every stationary point attracts, the bad ones too.
    """
    size = 0.5 * torch.stack([by.square().sum() for by in g]).sum()
    pulls = torch.autograd.grad(size, x, materialize_grads=True)
    return [own * by.detach() + gamma * pull for by, pull in zip(g, pulls, strict=True)]
