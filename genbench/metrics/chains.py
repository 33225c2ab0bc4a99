"""Where a Markov chain ends, and how long it takes: exactly, from its matrix."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Kernel
from genbench.metric import metric
from genbench.metrics.estimates import at_least
from genbench.record import Estimate

ROUNDING = 1e-9
LONGEST = 2**40  # steps
NEAR = 0.25  # of statistical distance, at which a chain is said to have mixed


@metric("lower", version="1", unit="statistical distance")
def stationary_distance(e: Kernel) -> Estimate:
    """Half the L1 distance of the chain's stationary law from the law (n,) that it is to sample.

    No sampling error: both are exact. Raises NotApplicable where there is more than one stationary law, BadInput
    below 2 states and where rows are not chances.
    """
    at_least(2, kernel=e.kernel)
    return Estimate(float((stationary(e.kernel) - e.law).abs().sum()) / 2, 0.0, len(e.law))


@metric("lower", version="1", unit="steps")
def mixing_steps(e: Kernel, *, near: float = NEAR) -> Estimate:
    """Steps after which the chain is within `near` of its stationary law, whatever state it began at:

        min { t : max_a  1/2 sum_b |K^t(a, b) - pi(b)| <= near }

    Of a reversible chain `low, high` are what its spectral gap says, 1 less the second largest |eigenvalue|
    (Levin, Peres & Wilmer, 2009, theorems 12.3 and 12.4):

        (1/gap - 1) log(1 / (2 near))  <=  steps  <=  (1/gap) log(1 / (near min pi))

    Raises NotApplicable where the chain never mixes, as one that alternates, or has more than one stationary law;
    BadInput below 2 states, where rows are not chances, and for `near` outside 0..1/2.
    """
    if not 0 < near < 0.5:
        raise BadInput(f"near={near}; a distance at which a chain has mixed lies between 0 and 1/2")
    at_least(2, kernel=e.kernel)
    pi = stationary(e.kernel)
    steps = float(first_near(e.kernel, pi, near))
    flow = pi[:, None] * e.kernel
    if not torch.allclose(flow, flow.T, atol=ROUNDING) or float(pi.min()) <= ROUNDING:
        return Estimate(steps, 0.0, len(pi), note="not reversible: its spectral gap says nothing")
    root = pi.sqrt()
    values = torch.linalg.eigvalsh(root[:, None] * e.kernel / root).abs().sort().values
    gap = max(1 - float(values[-2]), ROUNDING)
    low, high = (1 / gap - 1) * math.log(1 / (2 * near)), math.log(1 / (near * float(pi.min()))) / gap
    return Estimate(steps, 0.0, len(pi), low=low, high=high)


def stationary(kernel: Tensor) -> Tensor:
    """The law pi (n,) with pi K = pi."""
    n = len(kernel)
    flows = torch.eye(n, dtype=kernel.dtype, device=kernel.device) - kernel.T
    if int((torch.linalg.svdvals(flows) < ROUNDING).sum()) > 1:
        raise NotApplicable("the chain has more than one stationary law")
    aim = torch.zeros(n + 1, dtype=kernel.dtype, device=kernel.device)
    aim[-1] = 1
    pi: Tensor = torch.linalg.lstsq(torch.cat([flows, torch.ones_like(flows[:1])]), aim[:, None]).solution[:, 0]
    return pi.clamp(min=0)


def first_near(kernel: Tensor, pi: Tensor, near: float) -> int:
    """By squaring until it is near, and by halves from there back: the distance never grows."""

    def far(power: Tensor) -> bool:
        return float((power - pi).abs().sum(1).max()) / 2 > near

    powers = [kernel]
    while far(powers[-1]):
        if 2 ** len(powers) > LONGEST:
            raise NotApplicable(f"the chain is not near its stationary law after {LONGEST} steps")
        powers.append(powers[-1] @ powers[-1])
    if len(powers) == 1:
        return 1
    steps, reached = 1 << (len(powers) - 2), powers[-2]
    for i in range(len(powers) - 3, -1, -1):
        if far(reached @ powers[i]):
            steps, reached = steps + (1 << i), reached @ powers[i]
    return steps + 1
