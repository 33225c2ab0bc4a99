"""Rows from the files that numerical work leaves behind: .npz, .npy and .safetensors. Nothing pickled is ever read."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from genbench.errors import BadInput
from genbench.tasks import images

WRITERS = {".npz": "numpy.savez", ".npy": "numpy.save", ".safetensors": "safetensors.torch.save_file"}
TORN = (OSError, EOFError, ValueError, TypeError, MemoryError, zipfile.BadZipFile, zlib.error, SafetensorError)


class Arrays:
    """The arrays of one file by name, read one by one; that of an .npy is x. BadInput where it cannot be read."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.kind = file.suffix.lower() if file.suffix.lower() in WRITERS else ".npz"
        if not file.is_file():
            raise BadInput(f"{file}: no such file")
        if self.kind != ".safetensors" and zipfile.is_zipfile(file) != (self.kind == ".npz"):
            raise BadInput(f"{file}: not an {self.kind}; write one with {WRITERS[self.kind]}")
        self.names: list[str] = sorted(self.read())

    def __getitem__(self, name: str) -> Tensor:
        """Numbers of the type that the file holds, in this machine's order of bytes."""
        array = self.read(name)
        if isinstance(array, Tensor):
            return array
        if array.dtype.kind not in "fiub":
            raise BadInput(f"{self.file}: {name} is {array.dtype} of shape {array.shape}, not an array of numbers")
        wide = array.dtype.kind == "f" and array.dtype.itemsize > 8
        return torch.from_numpy(array.astype(np.float64 if wide else array.dtype.newbyteorder("=")))

    def read(self, name: str | None = None) -> Any:
        """The names, or the array of that name."""
        try:
            if self.kind == ".safetensors":
                with safe_open(self.file, framework="pt", device="cpu") as kept:
                    return kept.keys() if name is None else kept.get_tensor(name)
            if self.kind == ".npy":
                return ["x"] if name is None else np.load(self.file, allow_pickle=False)
            with np.load(self.file, allow_pickle=False) as kept:
                return kept.files if name is None else kept[name]
        except TORN as error:
            why = "it holds pickled objects" if "pickle" in str(error) else str(error) or "it is cut short"
            told = f"not a readable {self.kind} of plain arrays ({why}); write it with {WRITERS[self.kind]}"
            raise BadInput(f"{self.file}: {told}") from None


def rows(what: str, x: Tensor, size: int | None) -> tuple[Tensor, str]:
    """Bytes as images (n, c, h, w) at `size`, with what was done to them in words; floats (n, ...), as they are.

    BadInput, naming `what` they are, for numbers of another kind, no rows, NaN or infinite values.
    """
    if x.dtype == torch.uint8:
        found = images.channels_first(what, x)
        return images.resized(found, size), images.told([images.shape_of(found)], size)
    kind = str(x.dtype).removeprefix("torch.")
    if not x.is_floating_point() or x.ndim < 2 or not x.numel():
        raise BadInput(f"{what} is {kind} of shape {tuple(x.shape)}; bytes (n, h, w[, c]) or floats (n, ...) are read")
    if size is not None:
        raise BadInput(f"{what} is {kind}, and only bytes are resized; leave `size` out")
    if bad := int((~x.isfinite()).flatten(1).any(1).sum()):
        raise BadInput(f"{what} has NaN or infinite values in {bad} of {len(x)} rows; drop or mend them")
    return x, ""
