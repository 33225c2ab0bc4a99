"""Players of a matrix game who answer what was played before: no gradient, only what each pure move would have cost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import log, sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from genbench.task import Spec

Rule = Callable[[Tensor, Tensor, Tensor, int], Tensor]


def pure(cost: Tensor) -> Tensor:
    """The cheapest move; the first of them where they are alike."""
    return one_hot(cost.argmin(), len(cost)).to(cost)


def against_all(start: Tensor, total: Tensor, last: Tensor, t: int) -> Tensor:
    return pure(total)


def against_last(start: Tensor, total: Tensor, last: Tensor, t: int) -> Tensor:
    return pure(last)


def weigh(start: Tensor, total: Tensor, last: Tensor, t: int, width: float = 2.0) -> Tensor:
    """p_i proportional to start_i exp(-eta_t total_i), eta_t = sqrt(8 ln n / t) for costs between 0 and 1; these lie
    in an interval of that width."""
    return (start.log() - sqrt(8 * log(len(total)) / t) / width * total).softmax(0)


class Repeated(nn.Module):
    """All answer at once, round after round, by a rule of (its first move, the cost of each pure move summed over the
    rounds, that of the last round, how many there were). What they play goes round; its average is what converges."""

    def __init__(self, spec: Spec, *, rule: Rule = weigh) -> None:
        super().__init__()
        if spec.game is None:
            raise NotImplementedError("there is no game to play")
        if not spec.game.mixed:
            raise NotImplementedError("answers are one of finitely many moves, or a mixture of them")
        self.game, self.rule = spec.game, rule
        self.visited: list[Tensor] = []

    def fit(self, stream: Any) -> None:
        stage = stream.batches(1)
        x, _ = next(stage)
        starts = moves = self.game.moves(x[0].double())
        totals = [torch.zeros_like(move) for move in moves]
        self.visited = [torch.cat(moves)]
        for t, _ in enumerate(stage, 1):
            costs = self.costs(moves)
            totals = [total + cost for total, cost in zip(totals, costs, strict=True)]
            seen = zip(starts, totals, costs, strict=True)
            moves = tuple(self.rule(start, total, cost, t) for start, total, cost in seen)
            self.visited.append(torch.cat(moves))

    def costs(self, moves: tuple[Tensor, ...]) -> list[Tensor]:
        """What each pure move would cost its player against the others' moves: the gradient of a linear loss."""
        moves = tuple(move.detach().requires_grad_() for move in moves)
        losses = zip(self.game.losses(*moves), moves, strict=True)
        return [torch.autograd.grad(loss, move, retain_graph=True)[0] for loss, move in losses]

    def path(self) -> Tensor:
        return torch.stack(self.visited)

    # How far the path goes is known only after fit, so it travels as extra state.
    def get_extra_state(self) -> Tensor:
        return torch.stack(self.visited) if self.visited else torch.empty(0, sum(self.game.sizes))

    def set_extra_state(self, state: Tensor) -> None:
        self.visited = [*state]


fictitious_play = partial(Repeated, rule=against_all)  # Brown, 1951; Robinson, 1951
best_response = partial(Repeated, rule=against_last)
multiplicative_weights = partial(Repeated, rule=weigh)  # Freund & Schapire, 1999
