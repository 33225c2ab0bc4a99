"""Classes asked for, codes told, sums of codes and edits, against answers that are known without them."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Analogies, Conditionals, Edits, Features, Meanings, Read, Told
from genbench.metrics import (
    agreement,
    analogy,
    class_distance,
    class_diversity,
    edit_error,
    edit_realism,
    edit_spill,
    energy,
    information,
    label_entropy,
    matching,
    meaning,
)


def asked(given, said, real=None, fake=None):
    rows = torch.zeros(len(given), 1)
    return Conditionals(
        torch.tensor(given), torch.tensor(said), rows if real is None else real, rows if fake is None else fake
    )


def test_agreement_and_entropy_of_a_table():
    e = asked([0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1, 1])
    assert agreement(e).value == 0.75
    assert label_entropy(e).value == pytest.approx(0.5 * math.log(2))
    p = np.array([2, 6]) / 8
    assert label_entropy(e, given=False).value == pytest.approx(-(p * np.log(p)).sum())
    told = asked([0, 1, 2, 3] * 25, [3, 2, 1, 0] * 25)
    assert label_entropy(told).value == 0
    assert label_entropy(told, given=False).value == pytest.approx(math.log(4))


def test_diversity_and_distance_class_by_class():
    noise = torch.Generator().manual_seed(0)
    y = torch.arange(300) % 3
    real = 10.0 * y[:, None] + torch.randn(300, 2, generator=noise)
    for scale in (0.0, 0.5, 1.0):
        fake = 10.0 * y[:, None] + scale * torch.randn(300, 2, generator=noise)
        e = Conditionals(y, y, real, fake)
        found = class_diversity(e)
        assert found.value == pytest.approx(scale, abs=4 * found.error + 1e-9)
    e = Conditionals(y, y, real, real.roll(1, 0))  # rows of the wrong class: as varied, and far
    assert class_diversity(e).value == pytest.approx(1, abs=0.02)
    each = [energy(Features(real[y == c], real.roll(1, 0)[y == c])).value for c in range(3)]
    assert class_distance(e).value == pytest.approx(np.mean(each))
    assert class_distance(Conditionals(y, y, real, real)).value < 0.05
    with pytest.raises(NotApplicable, match="2 rows"):
        class_diversity(asked([0, 1, 2], [0, 1, 2]))


def test_the_error_of_the_diversity_is_its_spread():
    noise, y = torch.Generator().manual_seed(0), torch.arange(60) % 2
    found = [
        class_diversity(Conditionals(y, y, *(torch.randn(60, 3, generator=noise) for _ in range(2))))
        for _ in range(300)
    ]
    assert np.mean([f.error for f in found]) == pytest.approx(np.std([f.value for f in found]), rel=0.2)


def test_information_is_between_nothing_and_the_entropy_of_the_code():
    given = torch.arange(40) % 4
    sure, blind = (50 * torch.eye(4)[given]).log_softmax(1), torch.full((40, 4), -math.log(4))
    assert information(Told(given, sure, blind)).value == pytest.approx(math.log(4))
    assert information(Told(given, sure, blind), by="forest").value == pytest.approx(0, abs=1e-7)
    # a channel that keeps the class with 0.7, read by its own posterior: log 4 less the entropy of (.7, .1, .1, .1)
    noise = np.random.default_rng(0)
    given = torch.tensor(noise.integers(4, size=20_000))
    out = torch.where(
        torch.tensor(noise.uniform(size=20_000)) < 0.6, given, torch.tensor(noise.integers(4, size=20_000))
    )
    q = (0.1 + 0.6 * torch.eye(4, dtype=torch.float64)[out]) / (0.4 + 0.6)
    exact = math.log(4) + 0.7 * math.log(0.7) + 0.3 * math.log(0.1)
    found = information(Told(given, q.log(), q.log()))
    assert found.value == pytest.approx(exact, abs=4 * found.error)
    with pytest.raises(BadInput, match="itself or forest"):
        information(Told(given, q.log(), q.log()), by="tree")


def test_a_class_by_another_name_is_the_same_and_chance_is_chance():
    labels = torch.arange(400) % 4
    assert matching(Read((labels + 1) % 4, labels)).value == 1
    noise = torch.Generator().manual_seed(0)
    chance = matching(Read(torch.randint(4, (4000,), generator=noise), torch.randint(4, (4000,), generator=noise)))
    assert chance.value == pytest.approx(0.25, abs=4 * chance.error)
    assert matching(Read(labels // 2, labels)).value == pytest.approx(0.5)  # two of its classes for four
    assert matching(Read(torch.arange(400) % 8, labels)).value == pytest.approx(0.5)  # one of the task's for each


def test_meaning_is_spearmans_of_the_best_pair():
    noise = np.random.default_rng(0)
    codes, factors = noise.normal(size=(200, 2)), noise.normal(size=(200, 3))
    factors[:, 1] = np.round(-(codes[:, 0] ** 3) + noise.normal(size=200), 1)
    best = max(abs(spearmanr(codes[:, i], factors[:, j]).statistic) for i in range(2) for j in range(3))
    assert meaning(codes, factors).value == pytest.approx(best)
    assert meaning(codes, np.exp(codes[:, ::-1])).value == pytest.approx(1)
    assert meaning(Meanings(torch.ones(9, 1), torch.arange(9.0)[:, None])).value == 0


def test_sums_that_come_out_as_wanted():
    e = Analogies(
        torch.tensor([0, 1, 2, 3]), *(torch.tensor(said) for said in ([0, 1, 2, 0], [0, 1, 0, 0], [1, 1, 1, 1]))
    )
    assert [analogy(e, of=of).value for of in ("codes", "rows", "chance")] == [0.75, 0.5, 0.25]


def test_an_edit_by_hand():
    start, wanted = torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    mask = torch.zeros(2, 1, 4, 4)
    mask[:, :, :2] = 1  # 8 of 16 pixels
    after = 0.5 * mask + 0.1 * (1 - mask)
    e = Edits(start, mask, wanted, after, start, start)
    assert edit_error(e).value == pytest.approx(0.25)
    assert edit_spill(e).value == pytest.approx(0.2)
    kept = Edits(start, mask, wanted, mask * wanted, start, start)
    assert (edit_error(kept).value, edit_spill(kept).value) == (0, 0)
    assert edit_error(Edits(start, mask, wanted, start, start, start)).value == 1
    with pytest.raises(NotApplicable, match="no edit"):
        edit_spill(Edits(start, mask, wanted, start, start, start))
    with pytest.raises(BadInput, match="0 and 1"):
        edit_error(Edits(start, mask / 2, wanted, after, start, start))


def test_an_edit_is_as_real_as_a_sample_when_it_is_as_near_to_rows():
    noise = torch.Generator().manual_seed(0)
    real, plain, after = (torch.randn(n, 1, 3, 3, generator=noise) for n in (500, 400, 400))
    e = Edits(after, after.new_zeros(after.shape), after, after, plain, real)
    found = edit_realism(e)
    assert found.value == pytest.approx(0.9, abs=5 * found.error)
    assert edit_realism(Edits(after, e.mask, after, after + 9, plain, real)).value == 0
