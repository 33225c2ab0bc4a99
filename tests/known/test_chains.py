"""Markov chains whose law and whose speed are known in closed form; the walk as the slide prints it, and its cure."""

import math

import numpy as np
import pytest
import torch

from baselines.walks.chains import as_printed, gibbs, gibbs_walk, metropolis, metropolis_walk
from genbench.budget import Budget, Stream
from genbench.errors import BadInput, NotApplicable
from genbench.metrics import mixing_steps, stationary_distance
from genbench.task import Bits, Spec
from genbench.tasks.cubes import cube, strings
from genbench.tasks.digits import digits_binary


def two_states(a, b):
    return [[1 - a, a], [b, 1 - b]], [b / (a + b), a / (a + b)]


def graph(seed=0):
    """A law and neighbours on 8 states, some of 2 neighbours and some of more: a ring and chords."""
    noise = torch.Generator().manual_seed(seed)
    p = torch.rand(8, generator=noise, dtype=torch.float64)
    near = torch.zeros(8, 8, dtype=torch.bool)
    for i, j in [*((i, (i + 1) % 8) for i in range(8)), (0, 2), (0, 3), (0, 5), (2, 6)]:
        near[i, j] = near[j, i] = True
    return p / p.sum(), near


def filled(moves):
    return moves + torch.diag((1 - moves.sum(1)).clamp(min=0))


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.1), (0.05, 0.6), (0.9, 0.8)])
def test_two_states(a, b):
    """Distance after t steps: max(pi) |1 - a - b|^t, and a gap of 1 - |1 - a - b|."""
    kernel, pi = two_states(a, b)
    assert stationary_distance(kernel, pi).value == pytest.approx(0, abs=1e-12)
    assert stationary_distance(kernel, [0.5, 0.5]).value == pytest.approx(abs(pi[0] - 0.5))
    rate = abs(1 - a - b)
    for near in (0.25, 0.01):
        steps = max(1, math.ceil(math.log(near / max(pi)) / math.log(rate)))
        found = mixing_steps(kernel, pi, near=near)
        assert found.value == steps
        assert found.low == pytest.approx((1 / (1 - rate) - 1) * math.log(1 / (2 * near)))
        assert found.high == pytest.approx(math.log(1 / (near * min(pi))) / (1 - rate))


def test_the_steps_are_the_first_that_are_near(noise):
    """By going one at a time."""
    for _ in range(5):
        kernel = noise.uniform(size=(6, 6)) ** 8 + 5 * np.eye(6)
        kernel /= kernel.sum(1, keepdims=True)
        power, steps = kernel.copy(), 1
        pi = np.linalg.matrix_power(kernel, 10**6)[0]
        while np.abs(power - pi).sum(1).max() / 2 > 0.25:
            power, steps = power @ kernel, steps + 1
        assert mixing_steps(kernel, pi / pi.sum()).value == steps


@pytest.mark.parametrize("rule", [metropolis, gibbs])
@pytest.mark.parametrize("seed", range(5))
def test_the_gap_brackets_the_steps(rule, seed):
    p, near = graph(seed)
    found = mixing_steps(filled(rule(p**4, near)), p**4 / (p**4).sum())
    assert found.low <= found.value <= found.high


def test_the_lazy_walk_on_the_cube_has_a_gap_of_one_over_its_bits():
    """Gibbs at the uniform law: each bit is drawn anew with the chance 1/b, so the gap is 1/b."""
    bits = 4
    x = strings(bits)
    moves = filled(gibbs(torch.ones(2**bits, dtype=torch.float64), torch.cdist(x, x, p=1) == 1))
    found = mixing_steps(moves, torch.full((2**bits,), 2.0**-bits))
    assert found.high == pytest.approx(bits * math.log(4 * 2**bits))
    assert found.low == pytest.approx((bits - 1) * math.log(2))


def test_as_printed_a_walk_keeps_another_law():
    """p(a) Z(a), where Z(a) is the sum of the neighbours' p."""
    p, near = graph()
    kept = p * (near * p).sum(1)
    moves = as_printed(p, near)
    assert stationary_distance(moves, kept / kept.sum()).value == pytest.approx(0, abs=1e-12)
    assert stationary_distance(moves, p).value > 0.05


@pytest.mark.parametrize("rule", [metropolis, gibbs])
def test_its_cures_keep_the_law_on_any_graph(rule):
    p, near = graph()
    assert stationary_distance(filled(rule(p, near)), p).value == pytest.approx(0, abs=1e-12)
    assert stationary_distance(filled(rule(7 * p, near)), p).value == pytest.approx(0, abs=1e-12)


def test_a_neighbour_of_those_at_hand_is_no_cure():
    """The counter-example: proposals by the state's own number of neighbours, uncorrected (Hastings, 1970)."""
    p, near = graph()
    moves = filled(near * (p / p[:, None]).clamp(max=1) / near.sum(1, keepdim=True))
    assert stationary_distance(moves, p).value > 0.01


def test_chains_that_never_mix():
    with pytest.raises(NotApplicable, match="not near"):
        mixing_steps([[0.0, 1.0], [1.0, 0.0]], [0.5, 0.5])
    for ask in (mixing_steps, stationary_distance):
        with pytest.raises(NotApplicable, match="more than one"):
            ask(torch.eye(3), torch.full((3,), 1 / 3))
    around = torch.tensor([[0.1, 0.9, 0.0], [0.0, 0.1, 0.9], [0.9, 0.0, 0.1]])
    assert "not reversible" in mixing_steps(around, torch.full((3,), 1 / 3)).note


def test_what_is_no_chain_is_refused():
    for kernel, law, why in (
        ([[0.5, 0.6], [0.5, 0.5]], [0.5, 0.5], "sum to one"),
        ([[1.5, -0.5], [0.5, 0.5]], [0.5, 0.5], "at least 0"),
        ([[0.5, 0.5]], [0.5, 0.5], "shape"),
    ):
        with pytest.raises(BadInput, match=why):
            stationary_distance(kernel, law)
    with pytest.raises(BadInput, match="near="):
        mixing_steps(*two_states(0.3, 0.1), near=0.7)


@pytest.mark.parametrize("kind", ["rough", "ring"])
def test_the_cube_sums_to_one_and_its_query_lacks_a_constant(kind):
    task = cube(4, kind, beta=1.3)
    x = strings(4)
    assert float(task.log_prob(x).exp().sum()) == pytest.approx(1)
    assert (task.query(x) - task.log_prob(x)).std() < 1e-5
    counts = torch.bincount((task.train.x * 2 ** torch.arange(4)).sum(1).long(), minlength=16)
    assert (counts / 1000).tolist() == pytest.approx(task.log_prob(x).exp().tolist(), abs=0.06)


def test_the_ring_prefers_neighbours_that_agree():
    """beta g: 4 of 4 agree at 0000, none at 0101: the odds are exp(8 beta)."""
    task = cube(4, "ring", beta=0.5)
    odds = task.log_prob(torch.tensor([[0.0, 0, 0, 0]])) - task.log_prob(torch.tensor([[0.0, 1, 0, 1]]))
    assert float(odds) == pytest.approx(4)


def test_queries_are_charged_and_end_with_the_budget():
    stream = Stream(cube(4), Budget(20))
    assert len(stream.query(strings(4))) == 16
    assert stream.used == 16
    assert len(stream.query(strings(4))) == 4
    assert stream.used == 20
    with pytest.raises(NotImplementedError, match="the law of digits-binary is not known"):
        Stream(digits_binary(), Budget(20)).query(strings(4))


def test_a_walk_samples_its_law():
    task = cube(3, "rough", beta=1.0)
    for build in (metropolis_walk, gibbs_walk):
        walk = build(Spec(Bits((3,))), steps=60)
        walk.fit(Stream(task, Budget(8)))
        x = walk.sample(4000)
        shares = torch.bincount((x * 2 ** torch.arange(3)).sum(1).long(), minlength=8) / 4000
        assert shares.tolist() == pytest.approx(task.log_prob(strings(3)).exp().tolist(), abs=0.04)
