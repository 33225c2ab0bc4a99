"""Every task of the catalogue passes the suite that `genbench check` holds anyone's against. Nothing is downloaded."""

import numpy as np
import pytest
from PIL import Image

from genbench import catalogue, check
from genbench.errors import BadInput

PUBLISHED = ("mnist", "fashion-mnist", "cifar10")


def options(name, folder):
    noise = np.random.default_rng(0)
    if name in PUBLISHED:
        return {"download": False}
    if name == "folder":
        for i in range(20):
            Image.fromarray(noise.integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(folder / f"{i}.png")
        return {"path": str(folder)}
    if name == "npz":
        np.savez(folder / "a.npz", x=noise.integers(0, 256, (20, 6, 5), dtype=np.uint8), y=np.arange(20) % 3)
        return {"path": str(folder / "a.npz")}
    return {}


@pytest.mark.parametrize("name", sorted(catalogue.names("tasks")))
def test_task(name, tmp_path):
    try:
        outcome = list(check.run("task", name, **options(name, tmp_path)))
    except BadInput as absent:
        if name not in PUBLISHED:
            raise
        pytest.skip(str(absent))
    assert len(outcome) >= 6
    failed = [f"{title}: {reason}" for title, reason in outcome if reason is not None]
    assert not failed, "\n".join(failed)
