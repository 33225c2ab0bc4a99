"""Metrics on trial: faults that are what they say, values by hand, and a metric that is known to see or be blind."""

import numpy as np
import pytest
import torch

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Estimates, Exam
from genbench.metrics import frechet, kid, least_severity, severity_correlation
from genbench.ontrial import OnTrial
from genbench.run import make_space
from genbench.task import Rows, Uniform
from genbench.tasks.faults import FAULTS, faults

S = (0.2, 0.4, 0.6, 0.8)


@pytest.fixture(scope="module")
def task():
    return faults(severities=(0.4,), repeats=1)


def drawn(task, fault, seed=0):
    trial = next(t for t in task.trials if t.kind == fault)
    return trial.alternative(torch.Generator().manual_seed(seed))


def test_evidence_tells_faults_apart_by_the_names_of_the_task(task):
    assert tuple(FAULTS) == Estimates.FAULTS
    assert [t.kind for t in task.trials] == list(FAULTS)


def rows_in(x, rows):
    """How many of x stand among rows."""
    return int((x.flatten(1)[:, None] == rows.flatten(1)[None]).all(2).any(1).sum())


def test_what_is_shown_is_held_out_and_differs_from_the_real_rows(task):
    real, fake = task.trials[0].null(torch.Generator().manual_seed(0))
    held = task.valid.x, task.test.x, task.spare.x
    assert len(real) == len(fake) == 120
    assert rows_in(fake, torch.cat(held)) == 120
    assert rows_in(fake, real) == 0


def test_faults_are_what_they_say(task):
    held = task.valid + task.test + task.spare
    _, fake = drawn(task, "noise")
    assert 0 <= fake.min() <= fake.max() <= 1
    assert rows_in(fake, held.x) == 0
    _, fake = drawn(task, "blur")
    assert float(fake.mean()) == pytest.approx(float(held.x.mean()), abs=0.02)
    assert float(fake.var()) < 0.9 * float(held.x.var())
    _, fake = drawn(task, "duplicates")
    assert len(fake.flatten(1).unique(dim=0)) == 72
    _, fake = drawn(task, "copies")
    assert rows_in(fake, held.x) == 72  # the other 48 are training rows with noise of their own
    _, fake = drawn(task, "fewer")
    assert len(fake) == rows_in(fake, held.x) == 72
    labels = {}
    for fault in ("dropped", "imbalance"):
        _, fake = drawn(task, fault)
        where = (fake.flatten(1)[:, None] == held.x.flatten(1)[None]).all(2).int().argmax(1)
        labels[fault] = torch.bincount(held.y[where], minlength=10)
    assert int((labels["dropped"] == 0).sum()) == 4
    assert labels["imbalance"].max() > 3 * labels["imbalance"].min()


def evidence(far, null=None, kinds=None):
    """Of one value a cell, no bounds."""
    far, null = (np.asarray(v, float) for v in (far, np.zeros((19, 4)) if null is None else null))
    sides = [np.stack([v, v - np.inf, v + np.inf], 2) for v in (null, far)]
    cells = [[64.0, 100.0, s, 0.1] for s in S]
    return (*sides, cells, np.zeros((0, 2)), np.zeros(4) if kinds is None else kinds)


def made(*arguments, **options):
    null, far, cells, _, kinds = evidence(*arguments, **options)
    return Estimates(null, far, cells, kinds=torch.as_tensor(kinds))


def test_the_least_severity_by_hand():
    assert least_severity(made([[-1, 0, 1, 1], [-1, 1, 1, 1]])).value == 0.6  # 0 is not above all nulls, which are 0
    assert least_severity(made([[1, 1, 1, 1]] * 2)).value == 0.2
    blind = least_severity(made([[1, 1, 1, 0]] * 2))
    assert (blind.value, blind.note) == (1.0, "not always found at 0.8")
    assert least_severity(made([[1, 0, 1, 1]] * 2)).value == 0.6  # from which on, not which once
    with pytest.raises(NotApplicable, match="takes 19"):
        least_severity(made([[1, 1, 1, 1]] * 2, null=np.zeros((18, 4))))


def test_orders_by_hand():
    assert severity_correlation(made([[1, 2, 3, 4]] * 2)).value == pytest.approx(1)
    assert severity_correlation(made([[4, 3, 2, 1]] * 2)).value == pytest.approx(-1)
    assert severity_correlation(made([[2, 2, 2, 2]] * 2)).value == 0
    mixed = made([[1, 2, 4, 3]] * 2, kinds=[0, 0, 1, 1])
    assert severity_correlation(mixed, fault="noise").value == pytest.approx(1)
    assert severity_correlation(mixed, fault="blur").value == pytest.approx(-1)
    with pytest.raises(NotApplicable, match="nothing with the fault 'copies'"):
        severity_correlation(mixed, fault="copies")
    with pytest.raises(BadInput, match="there are noise, blur"):
        severity_correlation(mixed, fault="noises")


def test_at_equal_laws_a_value_is_above_19_others_once_in_20():
    noise = np.random.default_rng(0)
    found = [
        least_severity(made(noise.normal(size=(2, 4)), null=np.tile(noise.normal(size=(19, 1)), 4))).value < 1
        for _ in range(2000)
    ]
    assert np.mean(found) < 0.05  # two repeats at the worst severity: both above all


def test_an_entrant_says_what_its_metric_says_of_the_space_s_features(task):
    real, fake = drawn(task, "noise")
    space = make_space(task)
    assert (
        OnTrial(task, metric="kid").estimate(real, fake).value == kid(space.features(real), space.features(fake)).value
    )
    recall = OnTrial(task, metric="recall").estimate(real, fake)
    assert -1 <= recall.value <= 0  # turned, so that more is worse
    assert Exam(task, "test", space).rows is task.test
    assert frechet(space.features(real), space.features(fake)).value > 0


def test_what_has_no_better_way_has_to_be_told(task):
    with pytest.raises(NotImplementedError, match="which is `worse`"):
        OnTrial(task, metric="copying")
    real, fake = drawn(task, "copies")
    copies = OnTrial(task, metric="copying", worse="lower").estimate(real, fake).value
    _, others = drawn(task, "fewer")
    assert copies > OnTrial(task, metric="copying", worse="lower").estimate(real, others).value
    with pytest.raises(NotApplicable, match="no symbols"):
        OnTrial(task).estimate(real, Uniform(3, 0.1))


def test_what_cannot_be_planted_is_refused():
    for options in ({"severities": (0.0,)}, {"severities": (1.0,)}, {"rows": 1}, {"rows": 400}):
        with pytest.raises(BadInput, match="severities"):
            faults(**options)
    assert isinstance(faults().test, Rows)
