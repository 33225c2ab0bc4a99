"""Rows in a file, mapped into memory: a million images are read as they are drawn, and never held."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from math import prod
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from genbench.task import Rows

AT_ONCE = 2**24  # bytes that are read together
TOGETHER = 64  # rows here and there


class Table:
    """Rows (n, *shape) of numbers, in a file from `offset` on."""

    def __init__(
        self, file: IO[bytes], shape: tuple[int, ...], dtype: Any = np.uint8, offset: int = 0, order: Any = "C"
    ) -> None:
        self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.rows: np.ndarray[Any, Any] = np.ndarray(shape, dtype, self.map, offset, order=order)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Tensor:
        """A copy of some rows, few at a time: with each the system maps up to a megabyte, which is then let go."""
        if isinstance(index, np.ndarray) and len(index) > TOGETHER:
            return torch.cat([self[index[at : at + TOGETHER]] for at in range(0, len(index), TOGETHER)])
        found = np.array(self.rows[index], dtype=self.rows.dtype.newbyteorder("="))
        self.map.madvise(mmap.MADV_DONTNEED)
        return torch.from_numpy(found)

    def parts(self) -> Iterator[Tensor]:
        """All rows, a few megabytes at a time."""
        n = max(1, AT_ONCE // max(1, self.rows[:1].nbytes))
        return (self[start : start + n] for start in range(0, len(self), n))


def spooled(parts: Iterable[Tensor]) -> IO[bytes]:
    """Bytes, part after part, in a file without a name, which goes with the process; $TMPDIR must have the room."""
    file = tempfile.TemporaryFile()  # noqa: SIM115
    for part in parts:
        file.write(part.contiguous().numpy().tobytes())
    file.flush()
    return file


def pictures(images: Iterable[Tensor]) -> Table:
    """Images of bytes (1 or 3, h, w) of one size as rows (n, c, h, w): grey when all of them are, else colour."""
    channels: list[int] = []
    shape = torch.Size()

    def noted() -> Iterator[Tensor]:
        nonlocal shape
        for image in images:
            channels.append(len(image))
            shape = image.shape[1:]
            yield image

    file, n, most = spooled(noted()), len(channels), max(channels)
    if min(channels) < most:
        flat, size = Table(file, (prod(shape) * sum(channels),)), prod(shape)
        starts = zip(accumulate(channels, initial=0), channels, strict=False)
        file = spooled(flat[size * at : size * (at + c)].view(c, *shape).expand(most, -1, -1) for at, c in starts)
    return Table(file, (n, most, *shape))


class OnDisk(Rows):
    """Rows of a table, `order` (n,) of them; `prepare` makes floats of those that are asked for."""

    table: Table
    prepare: Callable[[Tensor], Tensor]
    labels: Tensor | None
    order: Tensor

    def __init__(
        self, table: Table, prepare: Callable[[Tensor], Tensor], labels: Tensor | None, order: Tensor | None = None
    ) -> None:
        order = torch.arange(len(table)) if order is None else order
        vars(self).update(table=table, prepare=prepare, labels=labels, order=order)

    @property
    def x(self) -> Tensor:
        """All of them, held: for those who must."""
        return self[:].x

    @property
    def y(self) -> Tensor | None:
        return None if self.labels is None else self.labels[self.order]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: Tensor | slice) -> Rows:
        order = self.order[index].cpu()
        y = None if self.labels is None else self.labels[order]
        return Rows(self.prepare(self.table[order.numpy()]), y).to(self.order.device)

    def part(self, index: Tensor) -> OnDisk:
        return OnDisk(self.table, self.prepare, self.labels, self.order[index])

    def to(self, device: torch.device) -> OnDisk:
        return OnDisk(self.table, self.prepare, self.labels, self.order.to(device))
