"""The budget and the Stream, the one object through which training rows reach a model.

Since the model pulls, the harness has control between any two draws: it meters, evaluates, traces, sees a
NaN and checkpoints there, with no callback and no trainer.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from genbench.errors import Diverged, Stopped
from genbench.task import Batch, Rows, Task

TRACED = 10  # every tenth turn of a player is traced: its loss, its gradient's norm, whether it is finite
UNCOUNTED = nullcontext()
AHEAD = 2**18  # numbers of training rows that are gathered at a time
COUNTED = 1000  # FLOPs are counted on a player's second turn (the first may build buffers) and each thousandth


@dataclass(frozen=True)
class Budget:
    """`examples` are training rows handed to any player's turn; `seconds` and `flops` are optional stops."""

    examples: int
    seconds: float | None = None
    flops: float | None = None


def rng_state() -> dict[str, Any]:
    """The states of Python's, NumPy's and torch's global generators."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    version, words, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": list(torch.cuda.get_rng_state_all()) if torch.cuda.is_available() else [],
        "mps": [torch.mps.get_rng_state()] if torch.backends.mps.is_available() else [],
        "numpy": [kind, torch.from_numpy(np.array(keys, dtype=np.int64)), *rest],
        "python": [version, torch.tensor(words, dtype=torch.int64), gauss],
    }


def set_rng_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    for mine in state["mps"]:
        torch.mps.set_rng_state(mine)
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), *rest))
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def aside(model: object, seed: int) -> Iterator[None]:
    """Look at a model without touching it: eval mode, forked RNGs, no gradient; all put back module by module."""
    modules = list(model.modules()) if isinstance(model, torch.nn.Module) else []
    training = [module.training for module in modules]
    state = rng_state()
    seed_everything(seed)
    for module in modules:
        module.training = False
    try:
        with torch.no_grad():
            yield
    finally:
        set_rng_state(state)
        for module, was in zip(modules, training, strict=True):
            module.training = was


class Flops(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts floating-point operations by torch's own formulas, op by op.

    torch's FlopCounterMode also follows modules by hooks, which fail under a gradient within a gradient.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


@dataclass
class Meter:
    """FLOPs of one player in one stage: the mean over sampled turns times the turns taken."""

    turns: int = 0
    sampled: int = 0
    flops: float = 0.0

    @property
    def total(self) -> float:
        return self.turns * self.flops / self.sampled if self.sampled else 0.0


@dataclass
class Stream:
    """Training rows, metered. `observe(at)` is called at each fraction of `at` below 1, off the clock."""

    task: Task
    budget: Budget
    seed: int = 0
    at: Sequence[float] = ()
    observe: Callable[[float], None] | None = None
    save: Callable[[dict[str, Any]], None] | None = None
    every: int | None = None
    restored: dict[str, Any] | None = None
    model: Any = None
    leaving: Callable[[], bool] = bool  # whether the run was asked to stop at the end of this round
    progress: Callable[[Stream], None] | None = None

    used: int = field(default=0, init=False)
    asked: int = field(default=0, init=False)
    stage: int = field(default=0, init=False)
    stopped: str = field(default="", init=False)
    trace: list[dict[str, float | str | None]] = field(default_factory=list, init=False)
    meters: dict[str, Meter] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        device = self.task.valid.x.device  # training rows may lie on disk
        self.noise = torch.Generator(device=device).manual_seed(self.seed)
        self.order = torch.empty(0, dtype=torch.int64, device=device)
        self.ready = self.task.train[:0]
        self.kept = 0  # examples used when the last checkpoint was written
        self.observed = self.restored["stream"]["observed"] if self.restored else 0  # what was seen is not seen twice
        self.spent_seconds = 0.0
        self.started = time.perf_counter()

    # What a model calls

    @property
    def spent(self) -> float:
        """The share of the budget used so far, in [0, 1]: for fade-in and annealing."""
        return min(1.0, self.used / self.budget.examples)

    def batches(self, n: int, until: float = 1.0) -> Stage:
        """Batches of n rows until that share of the budget is gone; a short last one is never drawn."""
        self.stage += 1
        return Stage(self, n, until)

    def whole(self) -> Batch:
        """All training rows at once (as many as the budget still pays for, at random): for closed forms."""
        return self.draw(max(1, min(len(self.task.train), self.budget.examples - self.used)))

    def query(self, x: Tensor) -> Tensor:
        """The task's log-density (n,) in nats at points x, up to a constant where it offers no more than that.

        A point costs one example, as a row does; as many points as rows were drawn are paid for with these. Of more
        points than the budget pays for the first are answered. NotImplementedError where no law is known.
        """
        law = self.task.query or self.task.log_prob
        if law is None:
            raise NotImplementedError(f"the law of {self.task.name} is not known")
        x = x[: max(1, self.budget.examples - self.asked)]
        self.asked += len(x)
        if self.asked > self.used:
            self.look()
            self.used = self.asked
        return law(x)

    # What the harness calls

    def draw(self, n: int) -> Batch:
        """n rows of an endless sequence of shuffled epochs, with fresh dequantisation noise; charged."""
        if len(self.ready) < n:
            self.gather(n - len(self.ready))
        rows, self.ready = self.ready[:n], self.ready[n:]
        self.used += n
        return Batch(rows.x, rows.y)

    def gather(self, n: int) -> None:
        """Have at least n more rows ready; small rows many at once, which makes a small model's turn cheaper."""
        while len(self.order) < n:
            epoch = torch.randperm(len(self.task.train), generator=self.noise, device=self.order.device)
            self.order = torch.cat([self.order, epoch])
        n = max(n, AHEAD // self.task.spec.size)
        index, self.order = self.order[:n], self.order[n:]
        self.ready += self.task.train[index].dequantised(self.task.spec.x, self.noise)

    @property
    def seconds(self) -> float:
        """Training time: evaluation and checkpoints are off the clock."""
        return self.spent_seconds + time.perf_counter() - self.started

    @contextmanager
    def off_the_clock(self) -> Iterator[None]:
        self.spent_seconds = self.seconds
        try:
            yield
        finally:
            self.started = time.perf_counter()

    @property
    def flops(self) -> float | None:
        """Counted at dispatch on sampled turns; None where nothing could be counted."""
        total = sum(meter.total for meter in self.meters.values())
        return total or None

    def look(self) -> None:
        """Evaluate at every fraction of `at` that has been reached, and say how far we are."""
        while self.observe and self.observed < len(self.at) and self.at[self.observed] <= self.spent < 1.0:
            with self.off_the_clock():
                self.observe(self.at[self.observed])
            self.observed += 1
        if self.progress:
            self.progress(self)

    def exhausted(self, n: int, until: float) -> bool:
        if self.budget.seconds is not None and self.seconds > self.budget.seconds:
            self.stopped = f"seconds: {self.budget.seconds:g} s were gone at {self.spent:.0%} of the examples"
        if self.budget.flops is not None and (self.flops or 0) > self.budget.flops:
            self.stopped = f"flops: {self.budget.flops:g} were gone at {self.spent:.0%} of the examples"
        return bool(self.stopped) or self.used + n > round(until * self.budget.examples)

    def state(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "used": self.used,
            "asked": self.asked,
            "observed": self.observed,
            "seconds": self.seconds,
            "order": self.order,
            "ready": list(vars(self.ready).values()),
            "noise": self.noise.get_state(),
            "rng": rng_state(),
            "trace": self.trace,
            "meters": {name: vars(meter) for name, meter in self.meters.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.used, self.asked, self.observed = state["used"], state["asked"], state["observed"]
        self.spent_seconds, self.started = state["seconds"], time.perf_counter()
        self.order = state["order"].to(self.order.device)
        self.ready = Rows(*state["ready"]).to(self.order.device)
        self.noise.set_state(state["noise"])
        self.trace = state["trace"]
        self.meters = {name: Meter(**meter) for name, meter in state["meters"].items()}
        self.kept = self.used
        set_rng_state(state["rng"])


@dataclass
class Stage:
    """One stretch of the stream: an iterator of batches that also keeps the players' books."""

    stream: Stream
    n: int
    until: float
    done: bool = False

    def __post_init__(self) -> None:
        self.name = str(self.stream.stage)
        self.pending: dict[str, list[Tensor]] = {}

    def __iter__(self) -> Stage:
        return self

    def __next__(self) -> Batch:
        self.stream.look()
        if self.done or self.stream.exhausted(self.n, self.until):
            raise StopIteration
        return self.stream.draw(self.n)

    def enter(self, players: Sequence[Any]) -> None:
        """Where a killed run takes up its work: a finished stage is empty, the interrupted one is restored."""
        saved = self.stream.restored
        if saved is None:
            return
        self.done = self.stream.stage < saved["stream"]["stage"]
        if self.done:
            return
        self.stream.model.load_state_dict(saved["model"])
        for player in players:
            player.optimizer.load_state_dict(saved["optimizers"][player.name])
        device = self.stream.order.device
        self.pending = {name: [loss.to(device) for loss in losses] for name, losses in saved["pending"].items()}
        self.stream.restore(saved["stream"])
        self.stream.restored = None

    def checkpoint(self, players: Sequence[Any]) -> None:
        """Called between rounds: keep all that the rest of the run depends on, when it is due. Stopped when asked."""
        stream = self.stream
        leaving = stream.leaving()
        due = leaving or (stream.every and stream.used - stream.kept >= stream.every)
        if due and stream.save and hasattr(stream.model, "state_dict"):
            with stream.off_the_clock():
                stream.kept = stream.used
                stream.save(
                    {
                        "model": stream.model.state_dict(),
                        "optimizers": {player.name: player.optimizer.state_dict() for player in players},
                        "pending": self.pending,
                        "stream": stream.state(),
                    }
                )
        if leaving:
            raise Stopped("asked to stop; the same command goes on from here")

    def turn(self, player: str) -> tuple[bool, AbstractContextManager[Any]]:
        """Open a player's turn: whether it is traced, and a context that counts FLOPs when it is sampled."""
        meter = self.meter(player)
        meter.turns += 1
        counter = self.counting(meter) if meter.turns % COUNTED == 2 else UNCOUNTED
        return meter.turns % TRACED == 1, counter

    def meter(self, player: str) -> Meter:
        return self.stream.meters.setdefault(f"{self.name}/{player}", Meter())

    @contextmanager
    def counting(self, meter: Meter) -> Iterator[None]:
        with Flops() as counter:
            yield
        meter.sampled += 1
        meter.flops += counter.total

    def log(self, player: str, loss: Tensor, norm: Tensor | None) -> None:
        """Close a turn: Diverged when a loss since the last traced turn was not finite."""
        pending = self.pending.setdefault(player, [])
        pending.append(loss)
        if norm is None:
            return
        values = torch.stack(pending).tolist()
        pending.clear()
        size = float(norm)
        if not np.isfinite(values).all() or not np.isfinite(size):
            raise Diverged(f"{player}'s loss or gradient was not finite at {self.stream.used} examples")
        self.stream.trace.append(
            {"examples": self.stream.used, "stage": self.name, "player": player, "loss": values[-1], "norm": size}
        )
