"""Image files as bytes: finding, decoding and resizing them, with what was done to them put into words."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genbench.errors import BadInput
from genbench.tasks.tables import Table, pictures

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
LOSSY = {".jpg", ".jpeg"}
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
LARGEST = 4096


def below(root: Path) -> list[Path]:
    """The image files of a tree, sorted, each once. BadInput when there are none, or a link leads out of the tree."""
    if not root.is_dir():
        raise BadInput(f"{root}: no such folder of images")

    def refuse(error: OSError) -> None:
        raise BadInput(f"cannot read {error.filename}: {error.strerror}")

    inside = root.resolve()
    files: dict[str, str] = {}  # there may be a million
    for here, folders, names in os.walk(root, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        place = os.path.realpath(here)
        for name in (name for name in (*folders, *sorted(names)) if not name.startswith(".")):
            path, real = os.path.join(here, name), os.path.join(place, name)
            if os.path.islink(path):
                real = os.path.realpath(path)
                if not Path(real).is_relative_to(inside):
                    raise BadInput(f"{path}: a link that leaves {root}; copy what it points to, or remove it")
            if os.path.splitext(name)[1].lower() in SUFFIXES and os.path.isfile(path):
                files.setdefault(real, path)
    if not files:
        raise BadInput(f"{root}: no images below it ({', '.join(sorted(SUFFIXES))})")
    return sorted(map(Path, files.values()))


def decoded(file: Path) -> Tensor:
    """The bytes (1 or 3, h, w) of an image, upright. BadInput when it is corrupt, a bomb, or deeper than a byte."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as image:
                mode = image.mode
                pixels = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadInput(f"{file}: more than {Image.MAX_IMAGE_PIXELS:,} pixels; shrink or remove it") from None
    except Exception as error:  # each of Pillow's decoders fails in its own way
        raise BadInput(f"{file}: not a readable image ({error}); mend or remove it") from None
    if mode.startswith(("I", "F")):
        raise BadInput(f"{file}: more than 8 bits a channel (mode {mode}); save it with 8")
    grey = (pixels == pixels[..., :1]).all()  # told by the pixels, for WebP and palettes have no grey mode
    return torch.from_numpy(pixels[..., :1] if grey else pixels).permute(2, 0, 1)


def stacked(root: Path, size: int | None) -> tuple[Table, list[Path], str]:
    """All images below a folder as bytes (n, c, h, w), their files, and what was done to them in words.

    Grey when all of them are, else colour. BadInput where sizes are mixed and no `size` is given.
    """
    files = below(root)
    shapes: dict[tuple[int, int], Path] = {}

    def read(file: Path) -> Tensor:
        image = decoded(file)
        shapes.setdefault(shape_of(image), file)
        if size is None and len(shapes) > 1:
            (a, first), (b, second) = shapes.items()
            two = f"{first} is {a[0]}x{a[1]} pixels, {second} is {b[0]}x{b[1]}"
            raise BadInput(f"{root}: mixed sizes: {two}; give a `size` (`--resize` of score) and all are resized to it")
        return resized(image, size)

    return pictures(map(read, files)), files, told(list(shapes), size)


def channels_first(what: str, x: Tensor) -> Tensor:
    """Bytes as (n, c, h, w). BadInput when the dimensions cannot be told apart."""
    first, last = (x.ndim == 4 and x.shape[i] in (1, 3) for i in (1, 3))
    if x.ndim not in (3, 4) or 0 in x.shape[1:] or (x.ndim == 4 and first == last):
        raise BadInput(f"{what} is bytes of shape {tuple(x.shape)}: not (n, h, w), nor that with 1 or 3 channels")
    if x.ndim == 3:
        return x[:, None]
    return x if first else x.permute(0, 3, 1, 2)


def shape_of(images: Tensor) -> tuple[int, int]:
    """Width and height, in the order they are spoken."""
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
