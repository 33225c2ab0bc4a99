"""Walks on strings of bits, one bit a step, by a density that is known but for its constant."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from genbench.task import Bits, Spec

Rule = Callable[[Tensor, Tensor], Tensor]  # (p (n,), which are neighbours (n, n)) -> the chance of each move
LARGEST = 10  # bits, whose moves fill a matrix


class Walk(nn.Module):
    """A Markov chain: the rule turns densities of neighbours into chances of moves, and what is left over stays.

    All densities are asked for at once. A state whose density the budget did not pay for is one of density 0.
    """

    states: Tensor
    moves: Tensor

    def __init__(self, spec: Spec, *, rule: Rule, steps: int = 1000) -> None:
        super().__init__()
        if not isinstance(spec.x, Bits) or spec.size > LARGEST:
            raise NotImplementedError(f"walks over all states take bits, {LARGEST} at most")
        self.rule, self.steps, self.shape = rule, steps, spec.x.shape
        number = torch.arange(2**spec.size)
        self.register_buffer("states", (number[:, None] >> torch.arange(spec.size) & 1).float())
        self.register_buffer("moves", torch.eye(2**spec.size, dtype=torch.float64))

    def fit(self, stream: Any) -> None:
        found = stream.query(self.states.view(-1, *self.shape)).double()
        p = torch.zeros(len(self.states), dtype=torch.float64)
        p[: len(found)] = (found - found.max()).exp()
        moves = self.rule(p, torch.cdist(self.states, self.states, p=1) == 1).nan_to_num(0.0)
        self.moves = moves + torch.diag((1 - moves.sum(1)).clamp(min=0))  # below 0 by rounding

    def kernel(self) -> Tensor:
        """(n, n): from each state, the chance of each other; states by the number that their bits are."""
        return self.moves

    def sample(self, n: int) -> Tensor:
        """The last of many steps of chains that begin anywhere."""
        at = torch.randint(len(self.states), (n,))
        for _ in range(self.steps):
            at = self.moves[at].multinomial(1)[:, 0]
        return self.states[at].view(n, *self.shape)


def as_printed(p: Tensor, near: Tensor) -> Tensor:
    """ "With a probability proportional to p(b)", among neighbours: that keeps p(a) Z(a), not p, where Z(a) is the sum
    of the neighbours' p. And as every step moves, odd states follow on even ones for ever."""
    weight = near * p
    return weight / weight.sum(1, keepdim=True)


def metropolis(p: Tensor, near: Tensor) -> Tensor:
    """Any neighbour alike, taken with the chance min(1, p(b) / p(a)) (Metropolis et al., 1953)."""
    return near * (p / p[:, None]).clamp(max=1) / near.sum(1).max()


def gibbs(p: Tensor, near: Tensor) -> Tensor:
    """Any bit alike, drawn anew given the others (Geman & Geman, 1984): the chance of b is p(b) / (p(a) + p(b))."""
    return near * p / (p + p[:, None]) / near.sum(1).max()


walk_as_printed = partial(Walk, rule=as_printed)
metropolis_walk = partial(Walk, rule=metropolis)
gibbs_walk = partial(Walk, rule=gibbs)
