"""Images from files: Fashion-MNIST, MNIST, CIFAR-10, a user's folder or .npz. Nothing pickled is ever read."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

from genbench.errors import BadInput
from genbench.task import Labels, Real, Rows, Spec, Task, splits
from genbench.tasks import images, on_cpu
from genbench.tasks.arrays import Arrays, rows
from genbench.tasks.tables import OnDisk, Table, spooled

CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"  # not its Python version: that is pickles
CIFAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
FEWEST = 10  # rows, so that every split has some
CAP = 10_000  # one row in ten is held out for each split, and never more than this


@dataclass(frozen=True)
class Published:
    """A published data set: its files, where a download puts them, and the Debian package that has them, if any."""

    name: str
    files: tuple[str, ...]
    below: str
    package: str = ""

    @property
    def cache(self) -> Path:
        return Path(os.environ.get("GENBENCH_DATA") or Path.home() / ".cache" / "genbench").expanduser()

    def find(self, path: str | None, download: bool) -> list[Path]:
        """Its files, from `path` alone if given. BadInput, with all the ways to get them, when none served."""
        if path is not None:
            given = Path(path).expanduser()
            if files := self.whole(given, given / self.below):
                return files
            raise BadInput(f"{self.name}: {given} does not hold all of {', '.join(self.files)} (plain or .gz)")
        places = [self.cache / self.below]
        if self.package:
            places.insert(0, Path("/usr/share/datasets") / self.package.removeprefix("dataset-"))
        why = "downloads were not allowed"
        if not (files := self.whole(*places)) and download:
            try:
                self.download()
            except (OSError, RuntimeError, HTTPException) as error:
                why = f"the download failed ({' '.join(str(error).split())[:200]})"
        if files := files or self.whole(*places):
            return files
        ways = [f"`apt install {self.package}`"] if self.package else []
        ways += [f"path=FOLDER that holds {self.files[0]} and the rest", f"a download to {self.cache} ($GENBENCH_DATA)"]
        raise BadInput(f"{self.name}: not on this machine, and {why}; the ways are {', or '.join(ways)}")

    def whole(self, *folders: Path) -> list[Path]:
        """All the files, from the first folder that has them, packed or plain."""
        for folder in folders:
            pairs = [(folder / f"{name}.gz", folder / name) for name in self.files]
            if all(any(file.is_file() for file in pair) for pair in pairs):
                return [packed if packed.is_file() else plain for packed, plain in pairs]
        return []

    def download(self) -> None:
        from torchvision import datasets

        if self is CIFAR10:
            datasets.utils.download_and_extract_archive(CIFAR_URL, str(self.cache), md5=CIFAR_MD5)
        else:
            getattr(datasets, self.below.partition("/")[0])(self.cache, download=True)


IDX = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
BATCHES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
FASHION_MNIST = Published("fashion-mnist", IDX, "FashionMNIST/raw", "dataset-fashion-mnist")
MNIST = Published("mnist", IDX, "MNIST/raw")
CIFAR10 = Published("cifar10", BATCHES, "cifar-10-batches-bin")


@on_cpu
def fashion_mnist(path: str | None = None, size: int | None = None, pad: int = 0, download: bool = True) -> Task:
    """70,000 grey 28x28 articles of clothing (Xiao et al., 2017), 10 classes, with `pad` black pixels on each side."""
    if not 0 <= pad <= 28:
        raise BadInput(f"fashion-mnist: pad is a number of pixels on each side, from 0 to 28; got {pad}")
    files = FASHION_MNIST.find(path, download)
    tables = [table if table.ndim == 1 else functional.pad(table, [pad] * 4) for table in map(idx, files)]
    task = official("fashion-mnist", tables, size, files)
    seen = {0: "fashion-mnist", 2: "fashion-mnist-32"}.get(pad) if size in (None, 28 + 2 * pad) else None
    return replace(task, space=seen or task.space)


@on_cpu
def mnist(path: str | None = None, size: int | None = None, download: bool = True) -> Task:
    """70,000 grey 28x28 handwritten digits in 10 classes (LeCun et al., 1998)."""
    files = MNIST.find(path, download)
    return official("mnist", [idx(file) for file in files], size, files)


@on_cpu
def cifar10(path: str | None = None, size: int | None = None, download: bool = True) -> Task:
    """60,000 colour 32x32 photographs in 10 classes (Krizhevsky, 2009), from the binary version."""
    files = CIFAR10.find(path, download)
    *learnt, held = (cifar_batch(file) for file in files)
    x, y = (torch.cat(parts) for parts in zip(*learnt, strict=True))
    return official("cifar10", [x, y, *held], size, files)


def content(file: Path) -> bytes:
    try:
        return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{file}: cannot be read ({error}); fetch it again") from None


def idx(file: Path) -> Tensor:
    """A table of bytes in the IDX format. BadInput when it is torn or something else."""
    data = content(file)
    start = 4 + 4 * data[3] if data[:3] == b"\0\0\x08" and len(data) > 3 else 0
    shape = np.frombuffer(data[4:start], ">u4").tolist() if 4 < start <= len(data) else [0]
    if len(data) != start + prod(shape) or not len(data):
        raise BadInput(f"{file}: not a whole IDX file of bytes; fetch it again")
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy())


def cifar_batch(file: Path) -> tuple[Tensor, Tensor]:
    """Images (n, 3, 32, 32) and labels (n,) of one binary batch: a byte of label, then 3072 of image."""
    data = content(file)
    if not data or len(data) % 3073:
        raise BadInput(f"{file}: not a whole batch of CIFAR-10's binary version; fetch it again")
    table = torch.from_numpy(np.frombuffer(data, np.uint8).reshape(-1, 3073).copy())
    return table[:, 1:].reshape(-1, 3, 32, 32), table[:, 0]


def official(name: str, tables: Sequence[Tensor], size: int | None, files: Sequence[Path]) -> Task:
    """The published split: train and valid from its training part; test and spare, half each, from its test part.

    Shuffled first, for the two halves of MNIST's test part were written by different people.
    """
    noise = Generator().manual_seed(0)
    parts = []
    for x, y in (tables[:2], tables[2:]):
        if x.ndim not in (3, 4) or y.shape != x.shape[:1] or int(y.max()) > 9:
            raise BadInput(f"{name}: {files[0].parent} does not hold images with as many labels from 0 to 9")
        order = torch.randperm(len(x), generator=noise)
        parts.append(Rows(images.resized(x if x.ndim == 4 else x[:, None], size)[order], y[order].long()))
    learnt, held = parts
    few, half = min(5_000, len(learnt) // 10), len(held) // 2
    spec = Spec(Real(tuple(learnt.x.shape[1:]), 0.0, 1.0, 256), Labels(10))
    cut = (learnt[few:], learnt[:few], held[:half], held[half:])
    train, *rest = (Rows(edges(rows.x), rows.y) for rows in cut)
    valid, test, spare = (rows.dequantised(spec.x, noise) for rows in rest)
    note = images.told([images.shape_of(tables[0])], size)
    return Task(name, spec, train, valid, test, spare, sources=tuple(files), note=note)


def edges(x: Tensor) -> Tensor:
    """Bytes as the lower edges of 256 cells of [0, 1)."""
    return x.float().div_(256)


def divided(name: str, kind: Real, rows: Rows, held: Sequence[int | None], files: Sequence[Path], note: str) -> Task:
    """A user's own rows, shuffled and split: the sizes given, else one row in ten each for valid, test and spare."""
    n = len(rows)
    if n < FEWEST:
        raise BadInput(f"{name}: {n} rows; at least {FEWEST} are needed for train, valid, test and spare")
    valid, test, spare = (min(n // 10, CAP) if asked is None else asked for asked in held)
    if min(valid, test, spare) < 1 or valid + test + spare >= n:
        raise BadInput(f"{name}: {n} rows cannot give {valid} valid, {test} test, {spare} spare and any to train on")
    spec = Spec(kind, None if rows.y is None else Labels(int(rows.y.max()) + 1))
    return Task(name, spec, *splits(spec, rows, (valid, test, spare)), sources=tuple(files), note=note)


@on_cpu
def folder(
    path: str,
    size: int | None = None,
    valid: int | None = None,
    test: int | None = None,
    spare: int | None = None,
) -> Task:
    """All images below a folder, in order of their paths; grey when all of them are, else colour.

    Hidden files are passed over, transparency is dropped. BadInput names what cannot be read.
    """
    root = Path(path).expanduser()
    table, files, note = images.stacked(root, size)
    kind = Real(table.rows.shape[1:], 0.0, 1.0, 256)
    rows = OnDisk(table, edges, None)
    return divided(f"folder:{root.resolve().name}", kind, rows, (valid, test, spare), (root, *files), note)


@on_cpu
def npz(
    path: str,
    size: int | None = None,
    valid: int | None = None,
    test: int | None = None,
    spare: int | None = None,
) -> Task:
    """Arrays of an .npz: x, and labels y where there are any (-1 for a row that has none).

    x is bytes, (n, h, w), (n, h, w, c) or (n, c, h, w) with 1 or 3 channels; or floats of any shape (n, ...), finite
    and taken as they are.
    """
    file = Path(path).expanduser()
    kept = Arrays(file)
    if "x" not in kept.names:
        raise BadInput(f"{file}: no array named x, only {', '.join(kept.names) or 'nothing'}")
    table = kept.table("x")
    y = labels(file, kept["y"] if "y" in kept.names else None, len(table))
    what = f"{file}: x"

    def checked(x: Tensor) -> tuple[Tensor, str]:
        return rows(what, x.float() if x.is_floating_point() else x, size)

    first, note = checked(next(table.parts(), table[:0]))
    shape = tuple(first.shape[1:])
    if first.dtype != torch.uint8:
        for part in table.parts():
            checked(part)
        seen = OnDisk(table, Tensor.float, y)
        return divided(file.name, Real(shape), seen, (valid, test, spare), (file,), note)
    if size is None:
        seen = OnDisk(table, lambda x: edges(images.channels_first(what, x)), y)
    else:
        resized = spooled(checked(part)[0] for part in table.parts())
        seen = OnDisk(Table(resized, (len(table), *shape)), edges, y)
    return divided(file.name, Real(shape, 0.0, 1.0, 256), seen, (valid, test, spare), (file,), note)


def labels(file: Path, y: Tensor | None, n: int) -> Tensor | None:
    """Classes 0, 1, ... as integers, -1 for none. BadInput when they are something else."""
    if y is None:
        return None
    if y.is_floating_point() or y.dtype == torch.bool or y.shape != (n,):
        told = f"{str(y.dtype)[6:]} of shape {tuple(y.shape)}"
        raise BadInput(f"{file}: y is {told}; {n} whole numbers are needed, one a row of x")
    y = y.long()
    if not (y.min() >= -1 and 0 <= y.max() < n):
        raise BadInput(f"{file}: y runs from {y.min()} to {y.max()}; classes count from 0, and -1 is none")
    return y
