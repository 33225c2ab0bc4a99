"""What training left behind: how a player's loss and gradient were, and how rough, over its last traced turns."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Trace
from genbench.metric import metric
from genbench.metrics.estimates import at_least, mean, squared_error
from genbench.record import Estimate


@metric("lower", version="1", unit="of the mean size of the loss")
def roughness(e: Trace, *, player: int = 0, turns: int = 16) -> Estimate:
    """How much a player's loss jumps about: the standard deviation of its losses at its last traced turns
    (n,) about their straight line in time, over their mean size.

        sqrt(mean (L_t - a - b t)^2) / mean |L_t|

    A loss that moves steadily has 0. The error is by the influence of each turn, as if turns were independent. Raises
    BadInput below 2 turns of the player, NotApplicable where its loss is 0 throughout.
    """
    loss = last(e.loss, e, player, turns)
    time = torch.linspace(-1, 1, len(loss), dtype=loss.dtype, device=loss.device)
    off = loss - loss.mean()
    off = off - time * (time @ off) / (time @ time)
    size = float(loss.abs().mean())
    if not size > 0:
        raise NotApplicable("the loss is 0 throughout")
    spread = math.sqrt(float(off.square().mean()))
    influence = off.square() / (2 * spread * size) - loss.abs() * spread / size**2 if spread else 0 * off
    return Estimate(spread / size, math.sqrt(squared_error(influence)), len(loss))


@metric("lower", version="1", unit="gradient norm")
def gradient_norm(e: Trace, *, player: int = 0, turns: int = 16) -> Estimate:
    """The mean norm of a player's gradient over its last traced turns (n,): 0 at an equilibrium, good or bad, or where
    nothing teaches it any more. The error is that of a mean of independent turns. Raises BadInput below 2 turns of the
    player.
    """
    return mean(last(e.norm, e, player, turns))


@metric("neither", version="1", unit="loss")
def settled_loss(e: Trace, *, player: int = 0, turns: int = 16) -> Estimate:
    """The mean of a player's losses at its last traced turns (n,), as it minimised them. A critic's cross-entropy with
    the half is log 2 at the equilibrium, where nothing tells fakes from rows, and 0 where everything does. The error is
    that of a mean of independent turns. Raises BadInput below 2 turns of the player.
    """
    return mean(last(e.loss, e, player, turns))


def last(values: Tensor, e: Trace, player: int, turns: int) -> Tensor:
    """One player's values at its last turns that were traced: as many of each, however many it took."""
    mine = values[e.player == player].double()
    if not len(mine):
        raise BadInput(f"player={player}, but no such player took a turn; they are counted from 0")
    if turns < 2:
        raise BadInput(f"turns={turns}; a spread takes at least 2")
    at_least(2, turns=mine)
    return mine[-turns:]
