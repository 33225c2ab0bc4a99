"""What every kind of evidence is: a few tensors, checked, kept in files, and the exam that they come from."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Self, TypeVar, get_type_hints

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from genbench.checkpoint import save_whole
from genbench.errors import BadInput, NotApplicable
from genbench.model import Sampler
from genbench.spaces import Space
from genbench.task import Labels, Rows, Spec, Task

E = TypeVar("E", bound="Evidence")
SHARD = 2**26  # bytes of one tensor in one file
MEMORISABLE = 10_000  # training rows that the copying evidence looks among
LARGEST = 1e25  # of a feature or a pixel: twelfth powers are still finite, which the error of KID takes
NONE = torch.zeros(0)


def tensor(name: str, values: Any) -> Tensor:
    """Any array as a tensor. BadInput unless it has rows of real numbers with no NaN (infinite log-densities pass)."""
    try:
        made = values if isinstance(values, Tensor) else torch.as_tensor(np.require(values, requirements=["C", "W"]))
    except (TypeError, ValueError):
        raise BadInput(f"{name} is not an array of numbers, all rows of one shape") from None
    if made.ndim == 0 or made.numel() == 0:
        raise BadInput(f"{name} holds no rows")
    if made.is_complex():
        raise BadInput(f"{name} holds complex numbers; give real ones")
    if made.is_floating_point() and bool(made.sum().isnan()) and bool(torch.isnan(made).any()):  # a sum is read once
        rows = int(torch.isnan(made).flatten(1).any(1).sum() if made.ndim > 1 else torch.isnan(made).sum())
        raise BadInput(f"{name} has NaN in {rows} of {len(made)} rows; drop or mend them first")
    return made.detach()


@dataclass(frozen=True)
class Exam:
    """One sitting: the task, the split whose rows are shown, the space images are compared in, where the evidence of
    `earlier` sittings is kept, in order, and the trace that training has left so far."""

    task: Task
    split: str
    space: Space
    earlier: tuple[pathlib.Path, ...] = ()
    trace: Sequence[Mapping[str, Any]] = ()

    @property
    def rows(self) -> Rows:
        return self.task.split(self.split)


@dataclass(frozen=True)
class Evidence:
    """A few tensors; one with a default may be empty. Kinds that are cheap to make again are not kept on disk, and
    costly ones are collected once, at the end. What is shown `once` is asked nothing more."""

    kept: ClassVar[bool] = True
    at_end: ClassVar[bool] = False
    seen_through_a_space: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            left_out = f.default is not MISSING and isinstance(value, Tensor) and not value.numel()
            if not (isinstance(value, int) or left_out):
                object.__setattr__(self, f.name, tensor(f.name, value))

    @classmethod
    def shard(cls, folder: pathlib.Path, number: int) -> pathlib.Path:
        return folder / f"{cls.__name__}{f'.{number}' * bool(number)}.safetensors"

    def save(self, folder: pathlib.Path) -> None:
        """In files of the first rows of each tensor, the next rows, and so on; the first comes last and counts them."""
        values = {f.name: torch.as_tensor(getattr(self, f.name)) for f in fields(self)}
        parts = {
            name: torch.split(x, max(1, SHARD // max(1, x[:1].nbytes))) if x.ndim else [x] for name, x in values.items()
        }
        shards = max(map(len, parts.values()))
        for number in reversed(range(shards)):
            some = {name: part[number] for name, part in parts.items() if number < len(part)}
            save_whole(some, self.shard(folder, number), {"shards": str(shards)})

    @classmethod
    def load(cls, folder: pathlib.Path) -> Self | None:
        if not (first := cls.shard(folder, 0)).exists():
            return None
        with safe_open(first, framework="pt") as file:
            shards = int((file.metadata() or {}).get("shards", 1))
        parts: dict[str, list[Tensor]] = {}
        for number in range(shards):
            for name, part in load_file(cls.shard(folder, number), device=str(torch.get_default_device())).items():
                parts.setdefault(name, []).append(part)
        hints = get_type_hints(cls)
        values = {name: torch.cat(part) if len(part) > 1 else part[0] for name, part in parts.items()}
        return cls(**{name: int(value) if hints[name] is int else value for name, value in values.items()})


def same_shape(real: Tensor, fake: Tensor) -> None:
    if real.shape[1:] != fake.shape[1:]:
        raise BadInput(f"real rows have shape {tuple(real.shape[1:])}, fake rows {tuple(fake.shape[1:])}")


def finite(name: str, x: Tensor) -> None:
    most = max(abs(float(end)) for end in x.aminmax()) if x.numel() else 0.0
    if not math.isfinite(most):
        raise BadInput(f"{name} has infinite values; drop or mend them first")
    if most > LARGEST:
        raise BadInput(f"{name} has values of {most:.0e}, whose powers overflow; bring them to another scale")


def whole_numbers(**sets: Tensor) -> None:
    """BadInput unless each is one whole number a row, as many rows in each."""
    n = len(next(iter(sets.values())))
    for name, x in sets.items():
        if x.is_floating_point() or x.dtype == torch.bool or x.shape != (n,) or int(x.min()) < 0:
            told = f"{str(x.dtype)[6:]} of shape {tuple(x.shape)}"
            raise BadInput(f"{name} is {told}; {n} whole numbers from 0 are needed, one a row")


def learnt(task: Task, most: int | None = None) -> Rows:
    """Training rows with one draw of noise, as held-out rows carry it, or it is the noise that would be judged."""
    rows = task.train[:most]
    return rows.dequantised(task.spec.x, torch.Generator(device=rows.x.device).manual_seed(0))


def classes_of(task: Task) -> Labels:
    if task.train.y is None or not isinstance(task.spec.y, Labels):
        raise NotApplicable("the task has no classes")
    return task.spec.y


def sampled(model: Sampler, n: int, spec: Spec) -> Tensor:
    """n samples. BadInput when their shape or values are not what the task's are."""
    x = model.sample(n)
    if tuple(x.shape) != (n, *spec.x.shape):
        raise BadInput(f"sample({n}) returned shape {tuple(x.shape)}, expected {(n, *spec.x.shape)}")
    finite("sample(n)", x)
    return x
