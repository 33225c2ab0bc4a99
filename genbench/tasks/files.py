"""Images from files: Fashion-MNIST, MNIST, CIFAR-10, and a user's own as a folder or an .npz; nothing pickled is read."""

from __future__ import annotations

import gzip
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from genbench.errors import BadInput
from genbench.task import Labels, Real, Rows, Spec, Task, splits
from genbench.tasks import on_cpu

IDX = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
CIFAR = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"  # not the Python version: that is pickles
CIFAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
GREY = ("1", "L", "LA", "La")
LARGEST = 4096
FEWEST = 10  # rows, so that every split has some
CAP = 10_000  # held-out rows are one in ten, and never more than this


def cache() -> Path:
    """Where downloads are kept: $GENBENCH_DATA, or ~/.cache/genbench."""
    return Path(os.environ.get("GENBENCH_DATA") or Path.home() / ".cache" / "genbench").expanduser()


@on_cpu
def fashion_mnist(path: str | None = None, size: int | None = None, download: bool = True) -> Task:
    """70,000 grey 28x28 articles of clothing in 10 classes (Xiao et al., 2017)."""
    debian = Path("/usr/share/datasets/fashion-mnist")
    folders = (debian, cache() / "FashionMNIST" / "raw")
    ways = "`apt install dataset-fashion-mnist`"
    files = found("fashion-mnist", IDX, path, folders, download and (lambda: torchvision_idx("FashionMNIST")), ways)
    return official("fashion-mnist", [idx(file) for file in files], size, files)


@on_cpu
def mnist(path: str | None = None, size: int | None = None, download: bool = True) -> Task:
    """70,000 grey 28x28 handwritten digits (LeCun et al., 1998)."""
    folders = (cache() / "MNIST" / "raw",)
    files = found("mnist", IDX, path, folders, download and (lambda: torchvision_idx("MNIST")))
    return official("mnist", [idx(file) for file in files], size, files)


@on_cpu
def cifar10(path: str | None = None, size: int | None = None, download: bool = True) -> Task:
    """60,000 colour 32x32 photographs in 10 classes (Krizhevsky, 2009), from its binary version."""
    files = found("cifar10", CIFAR, path, (cache() / "cifar-10-batches-bin",), download and torchvision_cifar)
    tables = [cifar_batch(file) for file in files]
    train = [torch.cat(parts) for parts in zip(*tables[:-1], strict=True)]
    return official("cifar10", [*train, *tables[-1]], size, files)


def found(
    name: str,
    needed: Sequence[str],
    path: str | None,
    folders: Sequence[Path],
    fetch: Callable[[], None] | bool,
    ways: str = "",
) -> list[Path]:
    """The files of a known data set. BadInput, with all the ways to get them, when none served."""
    if path is not None:
        given = Path(path).expanduser()
        if files := complete(needed, (given, *(given / folder.parent.name / folder.name for folder in folders))):
            return files
        raise BadInput(f"{name}: {given} does not hold all of {', '.join(needed)} (plain or .gz)")
    if files := complete(needed, folders):
        return files
    why = "downloads were not allowed"
    if callable(fetch):
        try:
            fetch()
        except (OSError, RuntimeError) as error:
            why = f"the download failed: {' '.join(str(error).split())[:200]}"
        if files := complete(needed, folders):
            return files
    ways = ", or ".join(filter(None, [ways, f"path=FOLDER with {needed[0]} and the rest", f"a download to {cache()}"]))
    raise BadInput(f"{name}: no data on this machine, and {why}; the ways are {ways}")


def complete(needed: Sequence[str], folders: Sequence[Path]) -> list[Path] | None:
    """All the needed files from the first folder that has them."""
    for folder in folders:
        files = [file for name in needed for file in (folder / f"{name}.gz", folder / name) if file.is_file()]
        chosen = {file.name.removesuffix(".gz"): file for file in reversed(files)}
        if len(chosen) == len(needed):
            return [chosen[name] for name in needed]
    return None


def torchvision_idx(dataset: str) -> None:
    import torchvision.datasets

    getattr(torchvision.datasets, dataset)(cache(), download=True)


def torchvision_cifar() -> None:
    from torchvision.datasets.utils import download_and_extract_archive

    download_and_extract_archive(CIFAR_URL, str(cache()), md5=CIFAR_MD5)


def idx(file: Path) -> Tensor:
    """A table of bytes in the IDX format. BadInput when it is torn or something else."""
    try:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{file}: cannot be read ({error}); fetch it again") from None
    dims = data[3] if len(data) > 3 and data[:3] == b"\0\0\x08" else 0
    shape = np.frombuffer(data[4 : 4 + 4 * dims], ">u4").tolist() if len(data) >= 4 + 4 * dims else []
    if not shape or len(data) != 4 + 4 * dims + np.prod(shape):
        raise BadInput(f"{file}: not a whole IDX file of bytes; fetch it again")
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * dims).reshape(shape).copy())


def cifar_batch(file: Path) -> tuple[Tensor, Tensor]:
    """Images (n, 3, 32, 32) and labels (n,) of one binary batch: a byte of label, then 3072 of image."""
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
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
    for images, labels in (tables[:2], tables[2:]):
        if len(images) != len(labels) or int(labels.max()) > 9:
            raise BadInput(f"{name}: {len(images)} images in {files[0].parent} need as many labels from 0 to 9")
        order = torch.randperm(len(images), generator=noise)
        x = images if images.ndim == 4 else images[:, None]
        parts.append(Rows(resized(x, size)[order], labels[order].long()))
    learnt, held = parts
    few, half = min(5_000, len(learnt) // 10), len(held) // 2
    spec = Spec(Real(tuple(learnt.x.shape[1:]), 0.0, 1.0, 256), Labels(10))
    train = unit(learnt[few:])
    valid, test, spare = (unit(rows).dequantised(spec.x, noise) for rows in (learnt[:few], held[:half], held[half:]))
    return Task(name, spec, train, valid, test, spare, sources=tuple(files), note=told([shape_of(tables[0])], size))


def unit(rows: Rows) -> Rows:
    """Bytes as the lower edges of 256 cells of [0, 1)."""
    return Rows(rows.x.float().div_(256), rows.y)


def shape_of(images: Tensor) -> tuple[int, int]:
    """Width and height, as they are spoken."""
    return images.shape[-1], images.shape[-2]


def resized(images: Tensor, size: int | None) -> Tensor:
    """Bytes (..., c, h, w) as bytes at size x size: the shorter edge is brought to size, then the centre is kept."""
    if size is None or shape_of(images) == (size, size):
        return images
    from torchvision.transforms.v2.functional import center_crop, resize

    if not 1 <= size <= LARGEST:
        raise BadInput(f"size is the side of an image in pixels, from 1 to {LARGEST}; got {size}")
    done: Tensor = center_crop(resize(images, [size], antialias=True), [size, size])
    return done


def told(shapes: Sequence[tuple[int, int]], size: int | None) -> str:
    """What `resized` did to images of these shapes, for the record."""
    if size is None or set(shapes) == {(size, size)}:
        return ""
    was = f"{shapes[0][0]}x{shapes[0][1]}" if len(shapes) == 1 else f"{len(shapes)} sizes"
    crop = ", centre crop" if any(w != h for w, h in shapes) else ""
    return f"resized from {was} to {size}x{size}, bilinear, antialias{crop}"


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
    files = images_below(root)
    images, shapes = [], {}
    for file in files:
        image = decoded(file)
        shapes.setdefault(shape_of(image), file)
        if size is None and len(shapes) > 1:
            (a, first), (b, second) = shapes.items()
            raise BadInput(
                f"{root}: mixed sizes: {first} is {a[0]}x{a[1]} pixels, {second} is {b[0]}x{b[1]}; "
                "give a `size` and all are resized to it"
            )
        images.append(resized(image, size))
    channels = max(len(image) for image in images)
    x = torch.stack([image.expand(channels, -1, -1) for image in images])
    kind = Real(tuple(x.shape[1:]), 0.0, 1.0, 256)
    name = f"folder:{root.resolve().name}"
    return divided(name, kind, unit(Rows(x)), (valid, test, spare), (root, *files), told(list(shapes), size))


def images_below(root: Path) -> list[Path]:
    """The image files of a tree, sorted, each once. BadInput when there are none, or a link leads out of the tree."""
    if not root.is_dir():
        raise BadInput(f"{root}: no such folder of images")

    def refuse(error: OSError) -> None:
        raise BadInput(f"cannot read {error.filename}: {error.strerror}")

    inside, files = root.resolve(), {}
    for below, folders, names in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(below, name) for name in (*folders, *names) if not name.startswith(".")):
            real = path.resolve()
            if path.is_symlink() and not real.is_relative_to(inside):
                raise BadInput(f"{path}: a link that leaves {root}; copy what it points to, or remove it")
            if path.suffix.lower() in SUFFIXES and path.is_file():
                files.setdefault(real, path)
    if not files:
        raise BadInput(f"{root}: no images below it ({', '.join(sorted(SUFFIXES))})")
    return sorted(files.values())


def decoded(file: Path) -> Tensor:
    """The bytes (1 or 3, h, w) of an image, upright. BadInput when it is corrupt, a bomb, or deeper than a byte."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as image:
                mode = image.mode
                upright = ImageOps.exif_transpose(image.convert("L" if mode in GREY else "RGB"))
                pixels = np.array(upright)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadInput(f"{file}: more than {Image.MAX_IMAGE_PIXELS:,} pixels; shrink or remove it") from None
    except Exception as error:  # each of Pillow's decoders fails in its own way
        raise BadInput(f"{file}: not a readable image ({error}); mend or remove it") from None
    if mode.startswith(("I", "F")):
        raise BadInput(f"{file}: more than 8 bits a channel (mode {mode}); save it with 8")
    return torch.from_numpy(pixels if pixels.ndim == 3 else pixels[..., None]).permute(2, 0, 1)


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
    arrays = loaded(file)
    if "x" not in arrays:
        raise BadInput(f"{file}: no array 'x', only {', '.join(sorted(arrays)) or 'nothing'}")
    x, note = arrays["x"], ""
    if x.dtype == np.uint8:
        images = channels_first(file, torch.from_numpy(x))
        note = told([shape_of(images)], size)
        images = resized(images, size)
        kind, rows = Real(tuple(images.shape[1:]), 0.0, 1.0, 256), unit(Rows(images)).x
    elif x.dtype.kind == "f" and x.ndim > 1 and x.size:
        if size is not None:
            raise BadInput(f"{file}: only bytes are resized, and x is {x.dtype}; leave `size` out")
        kind, rows = Real(x.shape[1:]), torch.from_numpy(x.astype(np.float32))
        if bad := int((~rows.isfinite()).flatten(1).any(1).sum()):
            raise BadInput(f"{file}: x has NaN or infinite values in {bad} of {len(rows)} rows; drop or mend them")
    else:
        raise BadInput(f"{file}: x is {x.dtype} of shape {x.shape}; bytes (n, h, w[, c]) or floats (n, ...) are read")
    y = None
    if "y" in arrays:
        if arrays["y"].dtype.kind not in "iu" or arrays["y"].shape != x.shape[:1]:
            raise BadInput(f"{file}: y is {arrays['y'].dtype} of shape {arrays['y'].shape}, not {len(x)} whole numbers")
        y = torch.from_numpy(arrays["y"].astype(np.int64))
        if len(y) and not (-1 <= int(y.min()) and 0 <= int(y.max()) < len(y)):
            raise BadInput(f"{file}: y runs from {y.min()} to {y.max()}; classes count from 0, and -1 is none")
    return divided(file.name, kind, Rows(rows, y), (valid, test, spare), (file,), note)


def loaded(file: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays x and y (the rest as empty names). BadInput unless the file is an .npz with no pickles in it."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] if name in ("x", "y") else np.empty(0) for name in arrays.files}
    except (OSError, EOFError, ValueError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        why = "it holds pickled objects" if "pickle" in str(error) else str(error)
        raise BadInput(
            f"{file}: not a readable .npz of plain arrays ({why}); write it with numpy.savez(x=..., y=...)"
        ) from None


def channels_first(file: Path, x: Tensor) -> Tensor:
    """Bytes as (n, c, h, w). BadInput when the dimensions cannot be told apart."""
    first, last = (x.ndim == 4 and x.shape[i] in (1, 3) for i in (1, 3))
    if x.ndim not in (3, 4) or not x.numel() or (x.ndim == 4 and first == last):
        raise BadInput(f"{file}: bytes x of shape {tuple(x.shape)} are not (n, h, w) or 1 or 3 channels of it")
    return x[:, None] if x.ndim == 3 else x if first else x.permute(0, 3, 1, 2)
