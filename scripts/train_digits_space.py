"""Make genbench/spaces/digits.safetensors, the same bytes each time: `python scripts/train_digits_space.py [FILE]`.

It learns from the training rows of the task `digits`, grey and binarised; the test rows are only counted at the end.
On what is no digit it learns to be unsure (outlier exposure, Hendrycks et al., 2019), so noise lies far from digits.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from genbench.spaces import digits as space
from genbench.task import Rows
from genbench.tasks.digits import digits, digits_binary

EPOCHS, BATCH, RATE = 300, 100, 2e-3
LEVELS = 17


def augmented(ink: Tensor) -> Tensor:
    """Rows k/17 moved a little and dequantised; a third of them binarised instead; all with a little noise."""
    n = len(ink)
    turn, shear, size = (torch.tensor([0.15, 0.15, 0.07])[:, None] * torch.randn(3, n)).unbind()
    size = 1 + size
    shift = 0.12 * torch.randn(n, 2, 1)  # half an image is 1, so a pixel is 0.25
    turned = torch.stack([size * turn.cos(), shear - turn.sin(), turn.sin(), size * turn.cos()], 1).view(n, 2, 2)
    grid = affine_grid(torch.cat([turned, shift], 2), list(ink.shape), align_corners=False)
    moved = grid_sample(ink, grid, align_corners=False)
    grey = moved + torch.rand(ink.shape) / LEVELS
    binary = (moved >= 4 / LEVELS + torch.rand(n, 1, 1, 1) * 8 / LEVELS).float()
    return torch.where(torch.rand(n, 1, 1, 1) < 1 / 3, binary, grey) + 0.03 * torch.randn(ink.shape)


def junk(ink: Tensor) -> Tensor:
    """No digits at all: uniform noise, fair coins, and pixels each taken from some other image."""
    n = len(ink)
    noise = torch.rand(ink.shape)
    apart = ink.flatten(1).gather(0, torch.rand(n, 64).argsort(0)).view_as(ink)
    which = torch.randint(3, (n, 1, 1, 1))
    return torch.where(which == 0, noise, torch.where(which == 1, noise.round(), apart))


def accuracy(net: nn.Module, rows: Rows) -> float:
    assert rows.y is not None
    net.eval()
    with torch.no_grad():
        return float((net(rows.x).argmax(1) == rows.y).double().mean())


def main(file: Path) -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)
    grey, binary = digits(), digits_binary()
    x, y = grey.train.x, grey.train.y
    assert y is not None
    net = nn.Sequential(space.body(), nn.Dropout(0.2), space.head())
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.998))
    steps = EPOCHS * len(x) // BATCH
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-2)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            ink = augmented(x[rows])
            loss = cross_entropy(net(ink), y[rows], label_smoothing=0.05)
            unsure = -net(junk(ink)).log_softmax(1).mean()
            (loss + 0.5 * unsure).backward()
            optimizer.step()
            decay.step()
            average.update_parameters(net)
    best = average.module
    told = {
        "accuracy": accuracy(best, grey.test),
        "accuracy_binary": accuracy(best, binary.test),
        "accuracy_valid": accuracy(best, grey.valid),
        "n": len(grey.test),
        "trained_on": len(x),
        "data": hashlib.sha256(x.numpy().tobytes() + y.numpy().tobytes()).hexdigest()[:16],
        "torch": torch.__version__,
    }
    weights = nn.ModuleDict({"body": best[0], "head": best[2]}).state_dict()
    save_file(weights, file, {"genbench": json.dumps(told, sort_keys=True)})
    file.chmod(0o644)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    print(json.dumps({**told, "bytes": file.stat().st_size, "digest": digest}))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else space.WEIGHTS)
