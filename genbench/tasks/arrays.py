"""Rows from the files that numerical work leaves behind: .npz, .npy and .safetensors. Nothing pickled is ever read."""

from __future__ import annotations

import shutil
import struct
import zipfile
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from genbench.errors import BadInput
from genbench.tasks import images
from genbench.tasks.tables import Table, spooled

WRITERS = {".npz": "numpy.savez", ".npy": "numpy.save", ".safetensors": "safetensors.torch.save_file"}


HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
MOST = 2**30  # bytes that a hundredth of them may unpack to


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
        if self.kind == ".npz":
            with zipfile.ZipFile(file) as packed:
                for item in packed.infolist():
                    if item.file_size > max(MOST, 100 * item.compress_size):
                        told = f"{item.compress_size:,} bytes that unpack to {item.file_size:,}"
                        raise BadInput(f"{file}: {item.filename} is {told}; if you trust it, write it with numpy.savez")

    def __getitem__(self, name: str) -> Tensor:
        """Numbers of the type that the file holds, in this machine's order of bytes."""
        array = self.read(name)
        if isinstance(array, Tensor):
            return array
        self.numbers(name, array.dtype, array.shape)
        wide = array.dtype.kind == "f" and array.dtype.itemsize > 8
        return torch.from_numpy(array.astype(np.float64 if wide else array.dtype.newbyteorder("=")))

    def numbers(self, name: str, dtype: Any, shape: tuple[int, ...]) -> None:
        if dtype.kind not in "fiub":
            raise BadInput(f"{self.file}: {name} is {dtype} of shape {shape}, not an array of numbers")

    def table(self, name: str) -> Table:
        """The array where it lies on disk: in the .npz itself if that is not compressed, else in a file made of it."""
        if self.kind != ".npz":
            x = self[name]
            return Table(spooled([x]), tuple(x.shape) or (1,), x.numpy().dtype)
        try:
            with zipfile.ZipFile(self.file) as packed, packed.open(f"{name}.npy") as member:
                shape, by_columns, dtype = HEADERS[np.lib.format.read_magic(member)](member)
                if dtype.hasobject:
                    raise ValueError("pickled")
                self.numbers(name, dtype, shape)
                info, begin = packed.getinfo(f"{name}.npy"), member.tell()
                if info.compress_type == zipfile.ZIP_STORED:
                    while member.read(2**20):
                        """To its end, where its checksum is met."""
                    file: Any = self.file.open("rb")
                    file.seek(info.header_offset)
                    begin += 30 + sum(struct.unpack("<26x2H", file.read(30)))
                else:
                    file, begin = TemporaryFile(), 0  # noqa: SIM115
                    shutil.copyfileobj(member, file, 2**20)
                    file.flush()
                return Table(file, shape or (1,), dtype, begin, "F" if by_columns else "C")
        except BadInput:
            raise
        except Exception as error:
            raise self.unreadable(error) from None

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
        except Exception as error:  # each of these formats fails in its own way
            raise self.unreadable(error) from None

    def unreadable(self, error: Exception) -> BadInput:
        why = "it holds pickled objects" if "pickle" in str(error) else str(error) or "it is cut short"
        told = f"not a readable {self.kind} of plain arrays ({why}); write it with {WRITERS[self.kind]}"
        return BadInput(f"{self.file}: {told}")


def rows(what: str, x: Tensor, size: int | None) -> tuple[Tensor, str]:
    """Bytes as images (n, c, h, w) at `size`, with what was done to them in words; floats (n, ...), as they are.

    BadInput, naming `what` they are, for numbers of another kind, no rows, NaN or infinite values.
    """
    if x.dtype == torch.uint8 and len(x):
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
