"""Make a shipped space's weights, the same bytes each time: `scripts/train_space.py digits|fashion-mnist [FILE]`.

It learns from the training rows of that task; the test rows are only counted at the end. On what is no digit or
garment it learns to be unsure (outlier exposure, Hendrycks et al., 2019), so noise lies far from the data.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from genbench.spaces import shipped
from genbench.task import Rows, Task
from genbench.tasks.digits import digits, digits_binary
from genbench.tasks.files import fashion_mnist

BATCH, RATE = 100, 2e-3


@dataclass(frozen=True)
class Recipe:
    """`turn, shear, size, shift` are the deviations of the moves; `junk` is the share of a batch also shown as junk."""

    task: Callable[[], Task]
    body: Callable[[], nn.Sequential]
    d: int
    epochs: int
    levels: int
    moves: tuple[float, float, float, float]
    junk: float = 1.0
    binary: Callable[[], Task] | None = None


RECIPES = {
    "digits": Recipe(digits, shipped.digits_body, 32, 300, 17, (0.15, 0.15, 0.07, 0.12), binary=digits_binary),
    "fashion-mnist": Recipe(fashion_mnist, shipped.fashion_body, 64, 13, 256, (0.02, 0.02, 0.02, 0.02), junk=0.25),
}


def augmented(ink: Tensor, recipe: Recipe) -> Tensor:
    """Rows k/levels moved a little and dequantised; a third binarised where the space sees bits; all a little noisy."""
    n, levels = len(ink), recipe.levels
    *bends, far = recipe.moves
    turn, shear, size = (torch.tensor(bends)[:, None] * torch.randn(3, n)).unbind()
    size = 1 + size
    shift = far * torch.randn(n, 2, 1)  # half an image is 1
    turned = torch.stack([size * turn.cos(), shear - turn.sin(), turn.sin(), size * turn.cos()], 1).view(n, 2, 2)
    grid = affine_grid(torch.cat([turned, shift], 2), list(ink.shape), align_corners=False)
    moved = grid_sample(ink, grid, align_corners=False)
    seen = moved + torch.rand(ink.shape) / levels
    if recipe.binary:
        bits = (moved >= 4 / levels + torch.rand(n, 1, 1, 1) * 8 / levels).float()
        seen = torch.where(torch.rand(n, 1, 1, 1) < 1 / 3, bits, seen)
    return seen + 0.03 * torch.randn(ink.shape)


def junk(ink: Tensor) -> Tensor:
    """No data at all: uniform noise, fair coins, and pixels each taken from some other image."""
    n = len(ink)
    noise = torch.rand(ink.shape)
    apart = ink.flatten(1).gather(0, torch.rand(n, ink[0].numel()).argsort(0)).view_as(ink)
    which = torch.randint(3, (n, 1, 1, 1))
    return torch.where(which == 0, noise, torch.where(which == 1, noise.round(), apart))


def accuracy(net: nn.Module, rows: Rows) -> float:
    assert rows.y is not None
    net.eval()
    with torch.no_grad():
        return float((net(rows.x).argmax(1) == rows.y).double().mean())


def main(name: str, file: Path) -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)
    recipe = RECIPES[name]
    task = recipe.task()
    x, y = task.train.x, task.train.y
    assert y is not None
    net = nn.Sequential(recipe.body(), nn.Dropout(0.2), shipped.head(recipe.d))
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.998))
    steps = recipe.epochs * len(x) // BATCH
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-2)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(recipe.epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            ink = augmented(x[rows], recipe)
            loss = cross_entropy(net(ink), y[rows], label_smoothing=0.05)
            unsure = -net(junk(ink[: round(recipe.junk * BATCH)])).log_softmax(1).mean()
            (loss + 0.5 * unsure).backward()
            optimizer.step()
            decay.step()
            average.update_parameters(net)
    best = average.module
    told = {
        "accuracy": accuracy(best, task.test),
        "accuracy_valid": accuracy(best, task.valid),
        "n": len(task.test),
        "trained_on": len(x),
        "data": hashlib.sha256(x.numpy().tobytes() + y.numpy().tobytes()).hexdigest()[:16],
        "torch": torch.__version__,
    }
    if recipe.binary:
        told["accuracy_binary"] = accuracy(best, recipe.binary().test)
    weights = nn.ModuleDict({"body": best[0], "head": best[2]}).state_dict()
    save_file(weights, file, {"genbench": json.dumps(told, sort_keys=True)})
    file.chmod(0o644)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    print(json.dumps({**told, "bytes": file.stat().st_size, "digest": digest}))


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    main(name, Path(*rest) if rest else Path(shipped.__file__).with_name(f"{name}.safetensors"))
