"""Scikit-learn's 1,797 real handwritten digits, 8x8: the smallest real images there are, and no download."""

from __future__ import annotations

from functools import cache

import torch
from torch import Generator, Tensor

from genbench.errors import BadInput
from genbench.task import Bits, Labels, Real, Rows, Spec, Task
from genbench.tasks import on_cpu

LEVELS = 17  # ink is counted from 0 to 16
SIZES = {"train": 1000, "valid": 197, "test": 300, "spare": 300}


@cache
def table() -> dict[str, tuple[Tensor, Tensor]]:
    """Each split's ink k (n, 1, 8, 8), integers 0..16, and labels (n,); the same split always, stratified by class."""
    from sklearn.datasets import load_digits  # two seconds that only this task should pay
    from sklearn.model_selection import train_test_split

    ink, label = load_digits(return_X_y=True)
    rest, found = range(len(label)), {}
    for name, size in list(SIZES.items())[:-1]:
        found[name], rest = train_test_split(rest, train_size=size, stratify=label[rest], random_state=0)
    found["spare"] = rest
    ink, label = torch.as_tensor(ink).reshape(-1, 1, 8, 8).long(), torch.as_tensor(label).long()
    return {name: (ink[rows], label[rows]) for name, rows in found.items()}


@on_cpu
def digits() -> Task:
    """x = k/17, so that the cells of the 17 levels fill [0, 1)."""
    spec = Spec(Real((1, 8, 8), 0.0, 1.0, LEVELS), Labels(10))
    rows = {name: Rows(ink.float() / LEVELS, y.clone()) for name, (ink, y) in table().items()}
    noise = Generator().manual_seed(0)
    valid, test, spare = (rows[name].dequantised(spec.x, noise) for name in ("valid", "test", "spare"))
    return Task("digits", spec, rows["train"], valid, test, spare, space="digits")


@on_cpu
def digits_binary(threshold: int = 8) -> Task:
    """The same rows in the same split, 1 where there is at least `threshold` of 16 ink."""
    if not 1 <= threshold < LEVELS:
        raise BadInput(f"digits-binary: threshold is an ink from 1 to 16; got {threshold}")
    train, valid, test, spare = (Rows((ink >= threshold).float(), y.clone()) for ink, y in table().values())
    return Task("digits-binary", Spec(Bits((1, 8, 8)), Labels(10)), train, valid, test, spare, space="digits")


@on_cpu
def stacked_digits(train: int = 20_000, test: int = 10_000, seed: int = 0) -> Task:
    """Three digits are the channels of one image: 1,000 classes, 100 a + 10 b + c (Metz et al., 2017, on MNIST).

    Each split stacks its own digits, drawn with replacement. Of 10,000 even draws of 1,000 classes none is missing in
    19 cases of 20, and the `modes` metric asks for one draw a class.
    """
    if min(train, test) < 1:
        raise BadInput(f"stacked-digits: train and test are numbers of rows, at least 1; got {train} and {test}")
    spec, noise = (
        Spec(Real((3, 8, 8), 0.0, 1.0, LEVELS), Labels(1000, parts=(10, 10, 10))),
        Generator().manual_seed(seed),
    )

    def stacked(name: str, n: int) -> Rows:
        ink, label = table()[name]
        which = torch.randint(len(ink), (n, 3), generator=noise)
        return Rows(ink[which, 0].float() / LEVELS, label[which] @ torch.tensor([100, 10, 1]))

    learnt = stacked("train", train)
    held = {"valid": 1_000, "test": test, "spare": test}
    valid, exam, spare = (stacked(name, n).dequantised(spec.x, noise) for name, n in held.items())
    return Task("stacked-digits", spec, learnt, valid, exam, spare, space="stacked-digits")
