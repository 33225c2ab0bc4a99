"""Patches of photographs: natural images without a download, from those that scikit-image carries."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Generator, Tensor

from genbench.errors import BadInput
from genbench.task import Real, Rows, Spec, Task
from genbench.tasks import images, on_cpu

# By what is to be seen, so that nothing learnt of one photograph is asked about another part of it. Left out are
# those with large blank parts (moon, rocket, retina) and the drawings.
TRAIN = ("astronaut.png", "brick.png", "chelsea.png", "grass.png", "motorcycle_left.png")
VALID = ("clock_motion.png", "coins.png")
TEST = ("camera.png", "coffee.png", "gravel.png")
GREY = torch.tensor([0.299, 0.587, 0.114])  # luma (ITU-R BT.601)


def photographs() -> Path:
    """The folder of scikit-image's own photographs; the package is found, not imported."""
    found = find_spec("skimage")
    for place in (found.submodule_search_locations or ()) if found else ():
        folder = Path(place) / "data"
        if all((folder / name).is_file() for name in (*TRAIN, *VALID, *TEST)):
            return folder
    raise BadInput("patches: cut from scikit-image's photographs, which are not here; `pip install scikit-image`")


def cut(files: list[Path], size: int) -> Tensor:
    """All patches (n, 1, size, size) of bytes, side by side, of the photographs in grey."""
    found = []
    for file in files:
        photo = images.decoded(file)
        grey = photo[0] if len(photo) == 1 else (photo.float() * GREY[:, None, None]).sum(0).round().byte()
        tiles = grey.unfold(0, size, size).unfold(1, size, size)
        found.append(tiles.reshape(-1, 1, size, size))
    return torch.cat(found)


@on_cpu
def patches(size: int = 8, train: int = 15_000, test: int = 2_000, seed: int = 0) -> Task:
    """Grey patches in 256 levels; train, valid, and test with spare are of different photographs."""
    if not (4 <= size <= 64 and min(train, test) > 0):
        raise BadInput(f"patches: size from 4 to 64, train and test at least 1; got {size}, {train}, {test}")
    folder, noise = photographs(), Generator().manual_seed(seed)
    parts = []
    for name, files, most in (("train", TRAIN, train), ("valid", VALID, test), ("test and spare", TEST, 2 * test)):
        tiles = cut([folder / file for file in files], size)
        if len(tiles) < most and name != "valid":
            raise BadInput(f"patches: {len(tiles)} patches of {size}x{size} for {name}, {most} were asked for")
        chosen = tiles[torch.randperm(len(tiles), generator=noise)[:most]]
        parts.append(Rows(chosen.float() / 256))
    spec = Spec(Real((1, size, size), 0.0, 1.0, 256))
    learnt, *rest = parts
    valid, held, spare = (rows.dequantised(spec.x, noise) for rows in (rest[0], rest[1][:test], rest[1][test:]))
    sources = tuple(folder / file for file in (*TRAIN, *VALID, *TEST))
    return Task("patches", spec, learnt, valid, held, spare, sources=sources, note="photographs in grey")
