"""Real pictures with faults planted in them, more of each step by step: what metrics are put on trial by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import torch
from scipy import ndimage
from torch import Generator, Tensor

from genbench.errors import BadInput
from genbench.task import Labels, Rows, Task, Trial
from genbench.tasks import on_cpu
from genbench.tasks.digits import digits
from genbench.tasks.files import fashion_mnist

TRAIN = 5000  # training rows that may be copied, and that make a judge
Fault = Callable[[Rows, Rows, int, float, Generator], Tensor]  # held-out and training rows, how many, how bad, noise


def some(rows: Rows, n: int, noise: Generator, weights: Tensor | None = None) -> Tensor:
    """n rows, none twice."""
    weights = torch.ones(len(rows)) if weights is None else weights
    return rows.x[torch.multinomial(weights, n, generator=noise)]


def noisy(held: Rows, train: Rows, n: int, s: float, noise: Generator) -> Tensor:
    """Noise of deviation s / 2 on every pixel."""
    x = some(held, n, noise)
    return (x + s / 2 * torch.randn(x.shape, generator=noise)).clamp(0, 1)


def blurred(held: Rows, train: Rows, n: int, s: float, noise: Generator) -> Tensor:
    """Out of focus by s eighths of the picture's side."""
    x = some(held, n, noise)
    width = s * x.shape[-1] / 8
    return torch.from_numpy(ndimage.gaussian_filter(x.numpy(), (0, 0, width, width)))


def ranked(held: Rows, noise: Generator) -> Tensor:
    """The rank of each row's class in an order of its own (n,), from 0 to 1."""
    assert held.y is not None
    order = torch.randperm(int(held.y.max()) + 1, generator=noise)
    return order[held.y] / len(order)


def dropped(held: Rows, train: Rows, n: int, s: float, noise: Generator) -> Tensor:
    """A share s of the classes is lost."""
    return some(held, n, noise, (ranked(held, noise) >= s - 1e-6).float())


def imbalanced(held: Rows, train: Rows, n: int, s: float, noise: Generator) -> Tensor:
    """Of ten classes each is rarer than the one before by a factor 1 - s / 2."""
    return some(held, n, noise, (1 - s / 2) ** (10 * ranked(held, noise)))


def doubled(held: Rows, train: Rows, n: int, s: float, noise: Generator) -> Tensor:
    """Only a share 1 - s of the rows are different ones."""
    x = some(held, max(1, round((1 - s) * n)), noise)
    return x[torch.arange(n) % len(x)]


def copied(held: Rows, train: Rows, n: int, s: float, noise: Generator) -> Tensor:
    """A share s are training rows."""
    k = round(s * n)
    return torch.cat([some(train, k, noise), some(held, n - k, noise)])


def fewer(held: Rows, train: Rows, n: int, s: float, noise: Generator) -> Tensor:
    """Nothing is wrong, but there are fewer of them by a share s."""
    return some(held, round((1 - s) * n), noise)


FAULTS: dict[str, Fault] = {
    "noise": noisy, "blur": blurred, "dropped": dropped, "imbalance": imbalanced, "duplicates": doubled,
    "copies": copied, "fewer": fewer,
}  # fmt: skip


@on_cpu
def faults(
    of: Literal["digits", "fashion-mnist"] = "digits",
    rows: int = 120,
    severities: Sequence[float] = (0.1, 0.2, 0.35, 0.5, 0.7),
    nulls: int = 19,
    repeats: int = 2,
) -> Task:
    """Held-out pictures against others with a fault: noise, blur, dropped classes, imbalance, duplicates, copies of
    training rows, or nothing but fewer rows. Where there is nothing to find, against others as they are.

    `rows` a side; `severities` lie between 0 and 1. With 19 nulls a value above all of them is found at 5 %, exactly.
    """
    task = digits() if of == "digits" else fashion_mnist()
    held, classes = task.valid + task.test + task.spare, task.spec.y
    assert isinstance(classes, Labels)
    if not all(0 < s < 1 for s in severities) or not 2 <= rows <= len(held) // 3:
        raise BadInput(
            f"severities={list(severities)}, rows={rows}; between 0 and 1, and between 2 and {len(held) // 3}"
        )
    train = task.train.part(torch.arange(min(TRAIN, len(task.train))))
    shown = train.dequantised(task.spec.x, Generator().manual_seed(0))

    def null(noise: Generator) -> tuple[Tensor, Tensor]:
        return torch.split(some(held, 2 * rows, noise), rows)  # type: ignore[return-value]

    def rivals(fault: Fault, s: float) -> Callable[[Generator], tuple[Tensor, Tensor]]:
        def drawn(noise: Generator) -> tuple[Tensor, Tensor]:
            order = torch.randperm(len(held), generator=noise)
            return held.x[order[:rows]], fault(held.part(order[rows:]), shown, rows, s, noise)

        return drawn

    trials = tuple(
        Trial(task.spec.size, rows, s, null, rivals(fault, s), nulls, repeats, kind=name)
        for name, fault in FAULTS.items()
        for s in severities
    )
    return replace(task, name="faults", train=train, trials=trials)
