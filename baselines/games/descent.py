"""Players who follow the gradient of their own loss: the loop that trains a GAN, on losses written by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from baselines.games.optimizers import Extragradient, Optimistic
from baselines.play import Player, consensus, play, together
from genbench.task import Spec


def onto_simplex(p: Tensor) -> Tensor:
    """The nearest probabilities to p (n,): what is left of it above the level at which they sum to one."""
    high = p.sort(descending=True).values
    levels = (high.cumsum(0) - 1) / torch.arange(1, len(p) + 1)
    return (p - levels[high > levels][-1]).clamp(min=0)


def symplectic(x: list[Tensor], g: list[Tensor], align: float = 0.1) -> list[Tensor]:
    """g + lambda A' g, A = (J - J') / 2 of the Jacobian J of g (Balduzzi et al., 2018, algorithm 1).

    lambda is 1, or -1 where that is what points to the stable and away from the unstable equilibria.
    """
    u = [by.detach().requires_grad_() for by in g]
    pulled = torch.autograd.grad(g, x, u, create_graph=True, materialize_grads=True)  # J' u
    pushed = torch.autograd.grad(pulled, u, [by.detach() for by in g], materialize_grads=True)  # J g
    flat, pull, push = (torch.cat([part.detach().flatten() for part in parts]) for parts in (g, pulled, pushed))
    turned = 0.5 * (pull - push)
    sign = torch.sign((flat @ pull) * (turned @ pull) / len(flat) + align)
    return [*torch.split(flat + sign * turned, [len(part) for part in g])]


class Descent(nn.Module):
    """Each player descends its own loss by its own moves; `loop` says whether in turn or together.

    The `first` player leads; where they take turns, each of the others has `turns` to answer. A player of mixed moves
    is put back onto the probabilities after each. A row of the stream is a turn's price, and the first where play
    begins. `every` is how many of the last player's turns make a move.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        loop: Callable[..., None] = together,
        optimizer: Callable[..., Optimizer] = SGD,
        every: int = 1,
        rate: float = 0.1,
        first: int = 0,
        turns: int = 1,
    ) -> None:
        super().__init__()
        if spec.game is None:
            raise NotImplementedError("there is no game to play")
        self.game, self.loop, self.optimizer, self.every = spec.game, loop, partial(optimizer, lr=rate), every * turns
        self.moves = nn.ParameterList(torch.zeros(size, dtype=torch.float64) for size in self.game.sizes)
        self.turns = [1 if i == first else turns for i in range(len(self.moves))]
        self.order = sorted(range(len(self.moves)), key=lambda i: i != first)
        self.visited: list[Tensor] = []

    def fit(self, stream: Any) -> None:
        stage = stream.batches(1)
        start, _ = next(stage)
        with torch.no_grad():
            for move, begun in zip(self.moves, self.game.moves(start[0]), strict=True):
                move.copy_(begun)
        self.visited = [self.here()]
        self.loop(stage, *(self.player(i) for i in self.order))

    def player(self, i: int) -> Player:
        def loss(x: Tensor, y: Tensor | None) -> Tensor:
            return self.game.losses(*self.moves)[i]

        return Player(str(i + 1), loss, self.optimizer([self.moves[i]]), self.turns[i], partial(self.moved, i))

    def moved(self, i: int) -> None:
        if self.game.mixed:
            self.moves[i].data = onto_simplex(self.moves[i].data)
        if i == self.order[-1]:
            self.visited.append(self.here())

    def here(self) -> Tensor:
        return torch.cat([move.detach() for move in self.moves])

    def path(self) -> Tensor:
        return torch.stack(self.visited[:: self.every])

    # How far the path goes is known only after fit, so it travels as extra state.
    def get_extra_state(self) -> Tensor:
        return torch.stack(self.visited) if self.visited else torch.empty(0, sum(self.game.sizes))

    def set_extra_state(self, state: Tensor) -> None:
        self.visited = [*state]


simultaneous = partial(Descent, loop=together)
alternating = partial(Descent, loop=play)
extragradient = partial(Descent, optimizer=Extragradient, every=2)
optimistic = partial(Descent, optimizer=Optimistic)
consensus_play = partial(Descent, loop=partial(together, correct=partial(consensus, gamma=0.6)))
full_relaxation = partial(Descent, loop=partial(together, correct=partial(consensus, gamma=1.0, own=0.0)))
symplectic_play = partial(Descent, loop=partial(together, correct=symplectic))
