"""Samples of a model that a run kept, drawn long after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from genbench.budget import aside
from genbench.errors import BadInput, unknown
from genbench.record import read_run
from genbench.report.draw import tiled
from genbench.report.sheets import pictures
from genbench.run import make_model, make_task
from genbench.sources import runs_below
from genbench.task import Kind

SIDE = 32  # pixels: what an image on a sheet is enlarged to, at least


def find(text: str, runs: Path) -> Path:
    """The folder of a finished run, by its path or its id. BadInput names the nearest."""
    if (Path(text) / "run.json").exists():
        return Path(text)
    places = {place.name: place for place in runs_below(runs)}
    if text not in places:
        raise unknown(f"run in {runs}", text, places)
    return places[text]


def draw(folder: Path, n: int, seed: int) -> tuple[Tensor, Kind]:
    """n samples (n, *shape) of the model as it was trained, and what they are. BadInput where there is no model."""
    asked, path = read_run(folder).asked, folder / "model.safetensors"
    if not path.exists():
        raise BadInput(f"{folder}: this run kept no model: it did not end well, or {asked.model} has no state to keep")
    task = make_task(asked)
    model = make_model(asked, task)
    if not hasattr(model, "sample"):
        raise BadInput(f"{asked.model} has no sample; `genbench list models --capabilities` names those that have")
    try:
        model.load_state_dict(load_file(path))
        with aside(model, seed):
            return model.sample(n), task.spec.x
    except (RuntimeError, SafetensorError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInput(f"{folder}: cannot sample its model ({reason}); run it again if its code has changed") from None


def write(x: Tensor, kind: Kind, out: Path) -> None:
    """A .npy of the rows; of images a sheet in a .png, or else a folder of them. BadInput for what is no image."""
    rows = x.cpu().float().numpy()
    if out.suffix == ".npy":
        out.parent.mkdir(parents=True, exist_ok=True)
        np.save(out, rows)
        return
    if not pictures(rows):
        raise BadInput(f"rows of shape {rows.shape[1:]} are no images; write them with --out FILE.npy")
    images = as_bytes(rows, kind)
    if out.suffix == ".png":
        out.parent.mkdir(parents=True, exist_ok=True)
        times = -(-SIDE // images.shape[-1])
        Image.fromarray(tiled(images.repeat(times, 2).repeat(times, 3))).save(out)
        return
    out.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(tiled(image[None])).save(out / f"{i:0{len(str(len(images) - 1))}d}.png")


def as_bytes(rows: np.ndarray, kind: Any) -> np.ndarray:
    """Images in 0..255 from the range that the task states, else from 0 to 1."""
    low, high = (
        end if end is not None else i for i, end in enumerate((getattr(kind, "low", 0), getattr(kind, "high", 1)))
    )
    return np.asarray((np.nan_to_num((rows - low) / (high - low)).clip(0, 1) * 255).round(), np.uint8)
