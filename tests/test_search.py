"""Samples from a density that says nothing but yes or no: q queries of N find one with the chance q / N."""

import pytest
import torch

from baselines.walks.search import Search, anywhere, flips, in_order
from genbench.budget import Budget, Stream
from genbench.errors import BadInput
from genbench.tasks.cubes import cube, needles, strings


def found(proposals, task, budget, seed=0):
    torch.manual_seed(seed)
    search = Search(task.spec, proposals=proposals)
    stream = Stream(task, Budget(budget))
    search.fit(stream)
    assert stream.used == budget
    return search


def test_there_is_one_string_a_key():
    task = needles(3, 4)
    p = task.log_prob(strings(7)).exp()
    assert float(p.sum()) == pytest.approx(1)
    assert int((p > 0).sum()) == 16
    assert task.modes.centres[:, 3:].unique(dim=0).shape == (16, 4)
    assert not torch.equal(needles(3, 4, seed=1).modes.centres, task.modes.centres)
    with pytest.raises(BadInput, match="from 1 to 24"):
        needles(30)


def test_asking_each_once_finds_as_many_as_were_asked():
    """All of N keys are found by all N queries; of a law by halves, each string asked about has the chance 1/N."""
    task = needles(6, 8)
    assert len(found(in_order, task, 2**14).found) == 2**8
    half = len(found(in_order, task, 2**13).found)  # keys are the high bits: half of the keys, all of their strings
    assert half == 2**7


@pytest.mark.parametrize("proposals", [anywhere, flips])
def test_others_find_the_share_that_chance_gives(proposals):
    """Of 2^10 keys and 2^4 strings each, at q = N queries a key: 1 - (1 - 1/N)^q = 0.64, to 5 standard errors."""
    task = needles(4, 10)
    share = len(found(proposals, task, 2**14).found.unique(dim=0)) / 2**10
    expected = 1 - (1 - 1 / 2**14) ** (2**14)
    assert share == pytest.approx(expected, abs=5 * (expected * (1 - expected) / 2**10) ** 0.5)


def test_where_nothing_was_found_any_string_is_given():
    task = needles(20, 2)
    search = found(anywhere, task, 10)
    assert len(search.found) == 0
    assert 0.4 < float(search.sample(200).mean()) < 0.6


def test_a_law_with_a_slope_is_sampled_in_proportion():
    task = cube(3, "rough")
    x = found(in_order, task, 8).sample(4000)
    shares = torch.bincount((x * 2 ** torch.arange(3)).sum(1).long(), minlength=8) / 4000
    assert shares.tolist() == pytest.approx(task.log_prob(strings(3)).exp().tolist(), abs=0.04)
