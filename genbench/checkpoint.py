"""All that the rest of a run depends on, in one safetensors file: nothing that is pickled is ever loaded."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from genbench.record import whole


def save_whole(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """The file is whole or absent. Tensors that share memory are written apart."""
    write({name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}, path, metadata)


def write(apart: dict[str, Tensor], path: Path, metadata: dict[str, str] | None) -> None:
    """The same, of tensors on the CPU that share no memory."""
    with whole(path) as beside:
        try:
            save_file(apart, beside, metadata)
        except SafetensorError as error:  # how it tells of a full disk
            raise OSError(str(error)) from None


def save(tree: Any, path: Path) -> None:
    """A tree of dicts, lists, numbers, strings and tensors. Tensors of a type are written end to end, as one."""
    parts: dict[str, list[Tensor]] = {}

    def pack(node: Any) -> Any:
        if isinstance(node, Tensor):
            kind = str(node.dtype)
            parts.setdefault(kind, []).append(node.detach().reshape(-1))
            return {"tensor": kind, "shape": list(node.shape)}
        if isinstance(node, dict):
            return {"dict": [[key, pack(value)] for key, value in node.items()]}
        if isinstance(node, list | tuple):
            return {"list": [pack(value) for value in node]}
        return node

    packed = json.dumps(pack(tree))
    write({kind: torch.cat([part.cpu() for part in of]) for kind, of in parts.items()}, path, {"tree": packed})


def load(path: Path) -> Any:
    """The tree again; tuples come back as lists. None where there is no such file, or no whole one."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            left = {kind: file.get_tensor(kind) for kind in file.keys()}  # noqa: SIM118
            tree = json.loads(file.metadata()["tree"])
    except (OSError, SafetensorError, ValueError, TypeError, KeyError):
        return None

    def unpack(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        if "tensor" in node:
            kind, n = node["tensor"], math.prod(node["shape"])
            found, left[kind] = left[kind][:n], left[kind][n:]
            return found.clone().view(node["shape"])
        if "dict" in node:
            return {key: unpack(value) for key, value in node["dict"]}
        return [unpack(value) for value in node["list"]]

    return unpack(tree)


def state_of(model: Any) -> dict[str, Tensor]:
    """The tensors of a model's state; empty where it keeps none."""
    state = model.state_dict() if hasattr(model, "state_dict") else {}
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
