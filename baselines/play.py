"""The one training loop: players take turns, each a loss and the optimizer that answers for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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

    def gradients(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Gradients]:
        """The loss and its gradient by this player's own parameters; RuntimeError when there never is one."""
        loss = self.loss(x, y)
        gradients: Gradients = [None]
        if loss.requires_grad:
            gradients = list(torch.autograd.grad(loss, self.parameters, allow_unused=True))
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
    return torch.stack([gradient.norm() for gradient in gradients if gradient is not None]).norm()


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


def together(stage: Any, *players: Player, correct: Callable[[list[Gradients]], list[Gradients]] | None = None) -> None:
    """All gradients at one point, on one batch; `correct` may bend the joint field; then all step at once."""
    stage.enter(players)
    for batch in stage:
        traced, counting = stage.turn("together")
        with counting:
            moves = [player.gradients(*batch) for player in players]
            gradient_field = [gradients for _, gradients in moves]
            for player, gradients in zip(players, correct(gradient_field) if correct else gradient_field, strict=True):
                player.step(gradients)
        for player, (loss, gradients) in zip(players, moves, strict=True):
            stage.log(player.name, loss, norm(gradients) if traced else None)
        stage.checkpoint(players)
