"""What a model can be asked for: capabilities, each a method or two, found on its class and never declared.

A model is `build(spec, **hyper)` and `fit(stream)`; all else is here. There is no base class. Densities and
bounds are in nats a row, over the data as the task hands it out (dequantised where it was quantised).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

from torch import Tensor

from genbench.record import Estimate
from genbench.task import Uniform


class Sampler(Protocol):
    def sample(self, n: int) -> Tensor:
        """n new rows (n, *shape)."""


class ConditionalSampler(Protocol):
    def sample_given(self, y: Tensor) -> Tensor:
        """A new row (n, *shape) for each of n conditions."""


class Density(Protocol):
    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-density (n,) in nats."""


class Bounded(Protocol):
    def bound(self, x: Tensor, k: int) -> Tensor:
        """A stochastic lower bound (n,) on the log-density in nats, rising in k in expectation."""


class Encoder(Protocol):
    def encode(self, x: Tensor) -> Tensor:
        """Codes (n, d)."""


class Decoder(Protocol):
    def latent(self, n: int) -> Tensor:
        """n draws of the prior."""

    def decode(self, z: Tensor) -> Tensor:
        """Rows (n, *shape) from codes."""


class Informative(Decoder, Protocol):
    """A decoder a part of whose codes is to be read off its rows: one of K classes, and c numbers."""

    def chosen(self, z: Tensor) -> Tensor:
        """The class (n,) that stands in each code."""

    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of rows, log-probabilities (n, K) of the class and means (n, c) of the numbers."""


class Editor(Sampler, Protocol):
    def edit(self, x: Tensor, mask: Tensor, wanted: Tensor) -> Tensor:
        """Rows like x that agree with `wanted` where a mask of 0 and 1 is 1, all three (n, *shape)."""


class Autoencoder(Encoder, Decoder, Protocol):
    """Both ways: what a reconstruction needs."""


class Learner(Protocol):
    def fit(self, stream: Any) -> None:
        """Spend the stream's budget: what every model can, and no folder of samples."""


class Critic(Protocol):
    def score(self, x: Tensor) -> Tensor:
        """What its critic thinks of rows (n, *shape), high on what it takes for real: (n,)."""


class LipschitzCritic(Critic, Protocol):
    def lipschitz(self) -> float:
        """A constant that the critic surely has: |score(x) - score(x')| is at most so many times |x - x'|."""


class Discriminator(Critic, Protocol):
    """A critic whose scores are logits, of fakes whose law is known."""

    def fake_log_prob(self, x: Tensor) -> Tensor:
        """Exact log-density (n,) in nats of what it samples."""


class Unnormalised(Protocol):
    """A path of laws p_beta(x) = exp(-energy(x, beta)) / Z_beta, from one that is known to the model's own at 1."""

    def energy(self, x: Tensor, beta: float = 1.0) -> Tensor:
        """Energies (n,) in nats: log_prob(x) = -energy(x) - log Z."""

    def step(self, x: Tensor, beta: float = 1.0) -> Tensor:
        """One transition that leaves p_beta as it is; at beta = 0 a fresh draw of p_0, whatever x is."""

    def log_z0(self) -> Tensor:
        """The exact log of Z at beta = 0."""


class ExactSampler(Protocol):
    """What an Unnormalised model offers besides, where it can: draws that no chain had to converge to."""

    def exact_sample(self, n: int) -> Tensor:
        """n independent draws of exactly the model's law."""


class Joint(Decoder, Protocol):
    """A decoder with a law: z from N(0, I), x from p(x | z)."""

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(z) + log p(x | z) in nats (n,), differentiable in z (n, d)."""

    def simulate(self, z: Tensor) -> Tensor:
        """A draw of p(x | z) a row, noise and all: with z from `latent`, z is an exact draw of p(z | x)."""


class Detector(Protocol):
    def filters(self) -> Tensor:
        """What each of its units looks for, as rows (units, *shape)."""


class Mover(Protocol):
    def path(self) -> Tensor:
        """The joint moves (t, d) after each round of a game, the one it began at first."""


class Walker(Protocol):
    def kernel(self) -> Tensor:
        """The matrix (n, n) of its moves on all n states, numbered as the task does: each row sums to one."""


class Tester(Protocol):
    def pvalue(self, x: Tensor, y: Tensor | Uniform) -> float:
        """How likely rows are to differ from y, other rows or a law, by as much as x does, if x is of y's law."""


class Estimator(Protocol):
    of: str  # what it estimates, by the name in a trial's `known`

    def estimate(self, x: Tensor, y: Tensor | Uniform) -> Estimate:
        """That number from draws x and what they are held against, with `low` and `high` where it gives bounds."""


CAPABILITIES: tuple[type, ...] = (
    Sampler, Density, Bounded, Encoder, Decoder, Unnormalised, Joint, Detector, Critic, Mover, Tester, Walker,
    Estimator,
    ConditionalSampler, Informative, Editor,
)  # fmt: skip


# The taxonomy of generative models (Goodfellow, 2016, figure 9), each family by the method that gives it away. The
# first that a model has decides: an energy is offered by who does not know its constant, whatever it can enumerate.
FAMILIES: tuple[tuple[str, str], ...] = (
    ("energy", "Explicit density, approximated by a Markov chain"),
    ("log_prob", "Explicit density, tractable"),
    ("bound", "Explicit density, approximated by a variational bound"),
    ("step", "Implicit density, sampled by a Markov chain"),
    ("sample", "Implicit density, sampled directly"),
    ("encode", "No density and no samples: codes alone"),
)


def family(build: Any) -> str:
    """A model's place in the taxonomy, from its methods alone: the title of one of FAMILIES, or nothing."""
    cls = model_class(build)
    return next((title for method, title in FAMILIES if callable(getattr(cls, method, None))), "")


def methods(capability: type) -> tuple[str, ...]:
    """The methods that make a capability, its parents' included."""
    names = {
        name
        for parent in capability.__mro__
        if getattr(parent, "_is_protocol", False) and parent is not Protocol
        for name in vars(parent)
        if not name.startswith("_")
    }
    return tuple(sorted(names))


def model_class(build: Any) -> Any:
    """The class behind a catalogue entry: a class itself, or a `partial` of one."""
    while isinstance(build, partial):
        build = build.func
    return build


def lacking(build: Any, capability: type) -> list[str]:
    """The methods of the capability that the class does not have; nothing is built."""
    cls = model_class(build)
    return [name for name in methods(capability) if not callable(getattr(cls, name, None))]


def can(build: Any, capability: type) -> bool:
    """Whether the class has every method of the capability."""
    return not lacking(build, capability)
