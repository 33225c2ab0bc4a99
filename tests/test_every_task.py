"""What any task must keep to, over all of the catalogue. Nothing is downloaded: what is absent here is skipped."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.catalogue import load, names
from genbench.errors import BadInput
from genbench.task import Bits, Labels, Real, Task

SPLITS = ("train", "valid", "test", "spare")
PUBLISHED = ("mnist", "fashion-mnist", "cifar10")


def options(name, tmp):
    noise = np.random.default_rng(0)
    if name in PUBLISHED:
        return {"download": False}
    if name == "folder":
        for i in range(20):
            Image.fromarray(noise.integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(tmp / f"{i}.png")
        return {"path": str(tmp)}
    if name == "npz":
        np.savez(tmp / "a.npz", x=noise.integers(0, 256, (20, 6, 5), dtype=np.uint8), y=np.arange(20) % 3)
        return {"path": str(tmp / "a.npz")}
    return {}


@pytest.fixture(scope="module", params=sorted(names("tasks")))
def twice(request, tmp_path_factory):
    """The task, made two times: the second under another seed, default device and number of draws."""
    factory, known = load("tasks", request.param), options(request.param, tmp_path_factory.mktemp("data"))
    try:
        task = factory(**known)
    except BadInput as error:
        if request.param not in PUBLISHED:
            raise
        pytest.skip(str(error))
    state = torch.get_rng_state()
    try:
        torch.manual_seed(7)
        torch.set_default_device("meta")
        again = factory(**known)
    finally:
        torch.set_default_device(None)
        torch.set_rng_state(state)
    return task, again


@pytest.fixture
def task(twice) -> Task:
    return twice[0]


def test_rows_are_finite_floats_of_the_shape_in_the_range(task):
    kind = task.spec.x
    for split in SPLITS:
        x = task.split(split).x
        assert x.dtype == torch.float32
        assert x.device.type == "cpu"
        assert tuple(x.shape[1:]) == kind.shape
        assert len(x) > 0
        assert bool(x.isfinite().all())
        if isinstance(kind, Bits):
            assert set(x.unique().tolist()) == {0.0, 1.0}
        if isinstance(kind, Real) and kind.low is not None:
            assert kind.low <= float(x.min())
            assert float(x.max()) <= kind.high


def test_training_rows_are_lower_edges_and_held_rows_are_not(task):
    if not isinstance(task.spec.x, Real) or not task.spec.x.levels:
        pytest.skip("nothing was quantised")
    levels = (task.train.x[:1000] / task.spec.x.cell).double()
    assert (levels - levels.round()).abs().max() < 1e-4
    assert levels.max().round() <= task.spec.x.levels - 1
    for split in SPLITS[1:]:
        inside = (task.split(split).x[:1000] / task.spec.x.cell).double() % 1
        assert inside.mean() == pytest.approx(0.5, abs=4 * (1 / 12 / inside.numel()) ** 0.5)


def test_labels_are_the_kind_said(task):
    for split in SPLITS:
        rows = task.split(split)
        if task.spec.y is None:
            assert rows.y is None
        else:
            assert isinstance(task.spec.y, Labels)
            assert rows.y.dtype == torch.int64
            assert rows.y.shape == (len(rows),)
            assert int(rows.y.min()) >= -1
            assert int(rows.y.max()) < task.spec.y.n


def test_the_same_call_gives_the_same_data_whatever_the_seed_and_device(twice):
    task, again = twice
    assert (task.name, task.spec, task.note, task.sources) == (again.name, again.spec, again.note, again.sources)
    for split in SPLITS:
        assert torch.equal(task.split(split).x, again.split(split).x)
        assert task.spec.y is None or torch.equal(task.split(split).y, again.split(split).y)


def test_a_known_density_is_finite_on_the_rows(task):
    if task.log_prob is None:
        pytest.skip("no density is known")
    for split in SPLITS:
        rows = task.split(split)
        density = task.log_prob(rows.x)
        assert density.shape == (len(rows),)
        assert bool(density.isfinite().all())


def test_known_modes_hold_the_rows(task):
    if task.modes is None:
        pytest.skip("no modes are known")
    assert float(task.modes.weights.sum()) == pytest.approx(1)
    distance, nearest = torch.cdist(task.test.x.flatten(1), task.modes.centres).min(1)
    assert (distance <= task.modes.radius).double().mean() > 0.95
    counts = torch.bincount(nearest, minlength=len(task.modes.weights)).double()
    expected = task.modes.weights.double() * len(task.test)
    assert ((counts - expected).abs() < 5 * expected.sqrt()).all()


def test_the_named_space_sees_the_rows(task):
    space = load("spaces", task.space)()
    assert space.features(task.test.x[:5]).shape[0] == 5


def test_sources_are_there(task):
    assert all(source.exists() for source in task.sources)
