"""The checks of a model: each capability that it offers calls for its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from genbench.budget import Budget, Stream, aside, seed_everything
from genbench.catalogue import load
from genbench.check import annealed
from genbench.check.common import Check, hold
from genbench.evidence import ends
from genbench.model import (
    Autoencoder,
    Bounded,
    ConditionalSampler,
    Critic,
    Decoder,
    Density,
    Detector,
    Editor,
    Encoder,
    Estimator,
    Informative,
    Joint,
    Mover,
    Sampler,
    Tester,
    Unnormalised,
    Walker,
    can,
)
from genbench.run import built
from genbench.task import Task
from genbench.tune import Ranges, ranges

EXAMPLES = 4_000
TRIED_ON = ("ring8-wide", "digits", "digits-binary")
OTHERWISE = ("documents", "cube", "quadratic-saddle", "rock-paper-scissors")  # for who declines all of these
TESTS: dict[str, dict[str, Any]] = {  # a test is tried on symbols and on rows, of which it takes one
    "laws of symbols": {"nulls": 1},
    "laws of rows": {"kind": "shift", "n": (2,), "draws": (40,), "per": "draw", "nulls": 1},
}


def close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    return a.shape == b.shape and bool(torch.allclose(a, b, rtol=tolerance, atol=tolerance))


def fitted(build: Any, stream: Stream) -> Any:
    """A model after a small budget, from fixed seeds."""
    seed_everything(1)
    stream.model = built(build, stream.task)
    stream.model.fit(stream)
    return stream.model


def drawn(model: Any, n: int = 64, seed: int = 2) -> Tensor:
    with aside(model, seed):
        made: Tensor = model.sample(n)
    return made


def can_answer(model: Any, capability: type, ask: Callable[[], Any]) -> bool:
    """Whether this model offers a capability and does not decline it."""
    if not can(type(model), capability):
        return False
    try:
        with aside(model, 0):
            ask()
    except NotImplementedError:
        return False
    return True


@dataclass
class ModelChecks:
    """A model on one task. It is fitted once and looked at by every check."""

    build: Any
    task: Task

    def __post_init__(self) -> None:
        self.stream = Stream(self.task, Budget(EXAMPLES))
        self.model = fitted(self.build, self.stream)
        self.x = self.task.valid.x[:50]
        noise = torch.Generator().manual_seed(0)
        self.trials = [ask(noise) for trial in self.task.trials for ask in (trial.null, trial.alternative) * 20]
        if self.trials:  # a test of symbols declines rows, and one of rows symbols
            self.asks(self.model)[Tester if can(type(self.model), Tester) else Estimator]()

    @property
    def labels(self) -> Tensor:
        if self.task.valid.y is None:
            raise NotImplementedError("the task has no classes")
        return self.task.valid.y

    def asks(self, model: Any) -> dict[type, Callable[[], Any]]:
        return {
            Sampler: lambda: model.sample(8),
            ConditionalSampler: lambda: model.sample_given(self.labels[:8]),
            Density: lambda: model.log_prob(self.x[:8]),
            Bounded: lambda: model.bound(self.x[:8], 2),
            Encoder: lambda: model.encode(self.x[:8]),
            Decoder: lambda: model.decode(model.latent(8)),
            Editor: lambda: model.edit(self.x[:8], torch.ones_like(self.x[:8]), self.x[8:16]),
            Informative: lambda: torch.cat([model.chosen(model.latent(8))[:, None], *model.read(self.x[:8])], 1),
            Autoencoder: lambda: model.decode(model.encode(self.x[:8])),
            Unnormalised: lambda: model.energy(model.step(self.x[:8])) + model.log_z0(),
            Joint: lambda: model.log_joint(model.simulate(z := model.latent(8)), z),
            Detector: lambda: model.filters(),
            Critic: lambda: model.score(self.x[:8]),
            Mover: lambda: model.path(),
            Walker: lambda: model.kernel(),
            Tester: lambda: torch.tensor([model.pvalue(*drawn) for drawn in self.trials]),
            Estimator: lambda: torch.tensor([ends(model.estimate(*drawn)) for drawn in self.trials]),
        }

    def checks(self) -> Iterator[Check]:
        model, plane = self.model, self.task.spec.x.shape == (2,)
        offers = {capability for capability, ask in self.asks(model).items() if can_answer(model, capability, ask)}
        if found := ranges(self.build):
            yield "can be built at both ends of what may be searched", partial(self.searched, found)
        yield "answers at least one question", lambda: hold(offers, "no capability that works; see genbench.model")
        yield "keeps to its budget", self.budget
        yield "survives a budget of one row and of one batch", self.one_batch
        yield "is not disturbed by being looked at between any two draws", lambda: self.undisturbed(offers)
        if hasattr(model, "state_dict"):
            yield "is the same after save and load", lambda: self.save_and_load(offers)
        if Sampler in offers:
            yield "samples: shape, finite, same seed same samples", self.samples
        if ConditionalSampler in offers:
            yield "sample_given: a row of the task's shape for each class", self.samples_given
        if Editor in offers:
            yield "edit: rows of the task's shape, each its own", self.edits
        if Informative in offers:
            yield "read: log-probabilities of classes, among them those in its codes", self.reads
        if Density in offers:
            yield "log_prob: (n,), a row's value does not depend on its batch", partial(self.per_row, model.log_prob)
            if plane:
                yield "log_prob integrates to one", partial(self.integrates, model.log_prob)
        if Bounded in offers:
            yield "bound rises with k and stays below log_prob", lambda: self.bound(Density in offers)
        if Encoder in offers:
            yield "encode: a row's code does not depend on its batch", partial(self.per_row, model.encode)
        if Decoder in offers:
            yield "decode(latent(n)) has the shape of rows", self.decodes
        if Walker in offers:
            yield "kernel: chances of moves, each row summing to one", self.moves
        if Estimator in offers:
            yield "estimate: finite, and its bounds in order", self.estimates
        if Tester in offers:
            yield "pvalue: from 0 to 1, and small by chance alone where nothing is to be found", self.pvalues
        if Detector in offers:
            yield "filters have the shape of rows", self.filters
        if Unnormalised in offers:
            yield "energy: (n,), a row's value does not depend on its batch", partial(self.per_row, model.energy)
            yield "step keeps the law at its beta, and at 0 forgets x", partial(annealed.steps, model, self.x)
        if {Unnormalised, Density} <= offers:
            yield (
                "log_prob is -energy less a constant that annealing finds",
                partial(annealed.constant, model, self.x),
            )
        if Joint in offers:
            joint = partial(annealed.joint, model)
            yield "log_joint: (n,), a row's value does not depend on its batch", partial(self.per_row, joint)
            if plane:
                yield "p(x | z) integrates to one", lambda: self.integrates(partial(annealed.given, model))
            within = partial(annealed.within, model, Bounded in offers)
            yield "the likelihood of rows that it makes up lies within its bounds", within
        if Mover in offers:
            yield "path: (t, d), from a row of the task, of legal moves", self.path
            yield "a longer budget carries its path on, and no further than it pays for", self.goes_on
        if {Density, Autoencoder} <= offers:
            yield "decode(encode(x)) is x where no dimension is lost", self.inverts

    def searched(self, found: Ranges) -> None:
        for name, (_, values) in found.items():
            for end in (values[0], values[-1]):
                built(self.build, self.task, **{name: end})

    def budget(self) -> None:
        hold(self.stream.used <= EXAMPLES, f"used {self.stream.used} of {EXAMPLES} examples")

    def one_batch(self) -> None:
        for examples in (1, 64, 256):
            model = fitted(self.build, Stream(self.task, Budget(examples)))
            if can(type(model), Sampler):
                hold(torch.isfinite(drawn(model, 8)).all(), f"samples are not finite after {examples} examples")

    def undisturbed(self, offers: set[type]) -> None:
        def look(at: float) -> None:
            with aside(stream.model, 5):
                for capability in sorted(offers, key=str):
                    self.asks(stream.model)[capability]()

        stream = Stream(self.task, Budget(EXAMPLES), at=(0.1, 0.35, 0.6), observe=look)
        self.same(fitted(self.build, stream), offers, "training went another way when it was evaluated on its way")

    def same(self, other: Any, offers: set[type], otherwise: str) -> None:
        for capability in sorted(offers, key=str):
            with aside(self.model, 7):
                mine = self.asks(self.model)[capability]()
            with aside(other, 7):
                theirs = self.asks(other)[capability]()
            hold(torch.equal(mine, theirs), f"{otherwise} ({capability.__name__})")

    def save_and_load(self, offers: set[type]) -> None:
        seed_everything(9)
        other = built(self.build, self.task)
        other.load_state_dict({name: value.clone() for name, value in self.model.state_dict().items()})
        self.same(other, offers, "a loaded model answers otherwise")

    def samples(self) -> None:
        x = drawn(self.model)
        hold(x.shape == (64, *self.task.spec.x.shape), f"sample(64) has shape {tuple(x.shape)}")
        hold(torch.isfinite(x).all(), "samples are not finite")
        hold(torch.equal(x, drawn(self.model)), "the same seed gave other samples")
        hold(not torch.equal(x, drawn(self.model, seed=3)), "another seed gave the same samples")
        hold(len(drawn(self.model, 1)) == 1, "sample(1) is not one row")

    def samples_given(self) -> None:
        with aside(self.model, 0):
            x = self.model.sample_given(self.labels[:20])
        hold(x.shape == (20, *self.task.spec.x.shape), f"sample_given of 20 classes has shape {tuple(x.shape)}")
        hold(torch.isfinite(x).all(), "samples are not finite")

    def edits(self) -> None:
        def ask(x: Tensor) -> Tensor:
            made: Tensor = self.model.edit(x, torch.ones_like(x), self.x[: len(x)].flip(1))
            return made

        hold(ask(self.x).shape == self.x.shape, f"edit of {tuple(self.x.shape)} has shape {tuple(ask(self.x).shape)}")
        self.per_row(ask)

    def reads(self) -> None:
        with aside(self.model, 0):
            chosen, (log_q, _) = self.model.chosen(self.model.latent(20)), self.model.read(self.x)
        total = log_q.exp().sum(1)
        hold(close(total, torch.ones_like(total), 1e-4), "probabilities of classes do not sum to one")
        hold(0 <= int(chosen.min()) <= int(chosen.max()) < log_q.shape[1], "a code holds a class that it cannot read")

    def per_row(self, ask: Callable[[Tensor], Tensor]) -> None:
        with aside(self.model, 0):
            whole, part = ask(self.x), ask(self.x[:7])
        hold(len(whole) == len(self.x), f"{len(self.x)} rows gave {tuple(whole.shape)}")
        hold(close(whole[:7], part, 1e-4), "a row's value changes with the rows beside it")

    def integrates(self, log_density: Callable[[Tensor], Tensor]) -> None:
        side = torch.linspace(-12, 12, 801)
        cell = float(side[1] - side[0]) ** 2
        with aside(self.model, 0):
            rows = torch.cartesian_prod(side, side).chunk(9)
            total = cell * sum(float(log_density(part).exp().sum()) for part in rows)
        hold(abs(total - 1) < 0.02, f"the density integrates to {total:.4f}")

    def bound(self, exact_too: bool) -> None:
        with aside(self.model, 0):
            low, high = self.model.bound(self.x, 1), self.model.bound(self.x, 64)
            exact = self.model.log_prob(self.x) if exact_too else None
        hold(low.shape == high.shape == (len(self.x),), f"bound(x, k) has shape {tuple(low.shape)}")
        rise = high - low
        error = float(rise.std()) / len(rise) ** 0.5
        hold(float(rise.mean()) > -3 * error, f"bound(64) is below bound(1) by {-float(rise.mean()):.3g} nats")
        if exact is not None:
            over = high - exact
            error = float(over.std()) / len(over) ** 0.5
            hold(
                float(over.mean()) <= 3 * error + 1e-4, f"the bound is above log_prob by {float(over.mean()):.3g} nats"
            )

    def decodes(self) -> None:
        with aside(self.model, 0):
            x = self.model.decode(self.model.latent(5))
        hold(x.shape == (5, *self.task.spec.x.shape), f"decode(latent(5)) has shape {tuple(x.shape)}")

    def filters(self) -> None:
        x = self.model.filters()
        hold(x.shape[1:] == self.task.spec.x.shape, f"filters() has shape {tuple(x.shape)}")

    def path(self) -> None:
        x, game = self.model.path(), self.task.spec.game
        hold(x.ndim == 2 and x.shape[1:] == self.task.spec.x.shape, f"path() has shape {tuple(x.shape)}")
        hold(x.isfinite().all(), "path() is not finite")
        begun = (x[0].float() - self.task.train.x).abs().amax(1).min()
        hold(begun < 1e-6, f"it begins {float(begun):.3g} from the nearest row")
        if game is not None and game.mixed:
            off = max(float((move.sum(1) - 1).abs().max()) for move in game.moves(x[1:].double()))
            hold(off < 1e-6 and x.min() >= 0, f"moves are no probabilities: off by {max(off, -float(x.min())):.3g}")

    def goes_on(self) -> None:
        whole = self.model.path()
        part = fitted(self.build, Stream(self.task, Budget(EXAMPLES // 4))).path()
        hold(torch.equal(whole[: len(part)], part), "with less to spend it went another way")
        hold(len(whole) <= EXAMPLES, f"{len(whole)} places for {EXAMPLES} rows")

    def moves(self) -> None:
        kernel = self.model.kernel()
        hold(kernel.ndim == 2 and len(kernel) == kernel.shape[1], f"kernel() has shape {tuple(kernel.shape)}")
        hold(kernel.min() >= 0 and close(kernel.sum(1), torch.ones(len(kernel)).to(kernel), 1e-6), "no chances")

    def pvalues(self) -> None:
        with aside(self.model, 0):
            p = self.asks(self.model)[Tester]()
        hold(((p >= 0) & (p <= 1)).all(), f"p-values go from {float(p.min()):.3g} to {float(p.max()):.3g}")
        small = int((p[::2] <= 0.05).sum())
        hold(small <= 6, f"{small} of 20 p-values of the null are at most 0.05, which happens once in 30000 times")

    def estimates(self) -> None:
        with aside(self.model, 0):
            made = self.asks(self.model)[Estimator]()
        value, low, high = made.unbind(1)
        hold(value.isfinite().all(), "a value is not finite")
        hold((low <= high).all(), "a lower bound is above its upper one")

    def inverts(self) -> None:
        with aside(self.model, 0):
            z = self.model.encode(self.x)
            again = self.model.decode(z)
        if z.flatten(1).shape[1] == self.task.spec.size:
            hold(close(again, self.x, 1e-3), f"off by {float((again - self.x).abs().max()):.2g}")


def kinds_of_data(build: Any) -> dict[str, Callable[[], Task]]:
    if can(build, Tester) or can(build, Estimator):
        return {kind: partial(load("tasks", "laws"), **options) for kind, options in TESTS.items()}
    return {name: load("tasks", name) for name in (*TRIED_ON, *OTHERWISE)}


def model_checks(name: str) -> Iterator[Check]:
    """The checks of a model on every kind of data that it does not decline."""
    build, able = load("models", name), 0
    kinds = kinds_of_data(build)
    for tried, make in kinds.items():
        if tried in OTHERWISE and able:
            break
        task = make()
        try:
            checks = ModelChecks(build, task)
        except NotImplementedError:
            continue
        able += 1
        for title, check in checks.checks():
            yield f"{tried}: {title}", check
    yield "can be built on some kind of data", lambda: hold(able, f"declined {', '.join(kinds)}")
