"""Generative adversarial nets: a generator that no likelihood ever sees, taught by the critic that it must fool."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from baselines.adversarial.networks import connected, plain
from baselines.nets import centred, dequantised, passable, pictured, steepest
from baselines.objectives import Objective, non_saturating
from baselines.penalties import Critic, clean, free, unpenalised
from baselines.play import Player, play
from genbench.task import Spec

adam = partial(Adam, betas=(0.5, 0.999), fused=True)


class GAN(nn.Module):
    """Goodfellow et al., 2014, with small fully connected networks and Radford et al.'s optimizer (2016).

    The keywords up to `loop` are what its variants change: `generator(latents, widths, shape)` and `critic(shape,
    widths)` build the networks; `pack` is how many rows the critic judges as one, along their first axis; `freeze` the
    share of the budget after which it learns no more. Without `batch_norm` in the generator and with a critic of lower
    rate it collapses: see the benchmark mode-collapse. Fakes carry the same dequantisation noise as the rows, or the
    critic need look at nothing else. The papers' rates (2e-4, and 1e-4 with the penalty) are for a hundred times more
    turns: at 300,000 examples a judge of digits took 17 % as many of the samples as of real rows (collapsed); at 1e-3
    it took 55 %, and 72 % with batch normalisation in the generator too. At 150,000, layers of 128 and 256 on batches
    of 64 gave 51 %, a third layer 76 %, three of 256 on batches of 32 85 %.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        objective: Objective = non_saturating,
        penalty: Callable[[Critic, Tensor, Tensor], Tensor] = unpenalised,
        corrupt: Callable[[Tensor, float], Tensor] = clean,
        after: Callable[[nn.Module], None] = free,
        turns: int = 1,
        pack: int = 1,
        freeze: float = 1.0,
        generator: Callable[..., nn.Module] | None = None,
        critic: Callable[..., nn.Module] = plain,
        optimizer: Callable[..., Optimizer] = adam,
        loop: Callable[..., None] = play,
        batch_norm: bool = True,
        rate: Annotated[float, 1e-4, 1e-2] = 1e-3,
        critic_rate: float | None = None,
        latents: int = 32,
        widths: tuple[int, ...] = (256, 256, 256),
        batch: int = 32,
    ) -> None:
        super().__init__()
        passable(spec)
        self.kind, self.objective, self.penalty, self.corrupt, self.after = spec.x, objective, penalty, corrupt, after
        self.turns, self.pack, self.freeze, self.loop = turns, pack, freeze, loop
        self.latents, self.batch = latents, batch
        self.size = spec.size
        self.optimizer, self.rate, self.critic_rate = optimizer, rate, critic_rate or rate
        generator = generator or partial(connected, norm=nn.BatchNorm1d if batch_norm else None)
        self.generator = generator(latents, widths, spec.x.shape)
        self.critic = critic((pack * spec.x.shape[0], *spec.x.shape[1:]), widths)

    def score(self, x: Tensor) -> Tensor:
        """The critic's opinion (n,) of packs (n, pack, ...): a logit, or the potential of a Wasserstein critic. Rows
        (n, ...) are packs of one."""
        flat = centred(x, self.kind)
        if flat.shape[1] != self.pack * self.size:
            raise NotImplementedError(f"its critic judges {self.pack} rows as one")
        return self.critic(flat).squeeze(1)

    def lipschitz(self) -> float:
        """A constant that the critic surely has, by rows in their own units: see `steepest`."""
        unit = centred(torch.ones(1, 1), self.kind) - centred(torch.zeros(1, 1), self.kind)
        return steepest(self.critic) * float(unit)

    def players(self, stream: Any) -> tuple[Player, Player]:
        """The critic and the generator, on a stream that says how much is spent."""

        def shown(x: Tensor) -> Tensor:
            return self.corrupt(x, stream.spent).unflatten(0, (-1, self.pack))

        judged: list[Tensor] = []  # the fakes of the critic's last turn

        def critic_loss(x: Tensor, y: Tensor | None) -> Tensor:
            fake = self.sample(len(x))
            judged[:] = [fake]
            # Who moves together bends each player's field by how the other's moves would change it.
            real, known = shown(x), shown(fake.detach() if self.loop is play else fake)
            loss = self.objective.critic(self.score(real), self.score(known), real, known)
            return loss + self.penalty(self.score, real, known)

        def generator_loss(x: Tensor, y: Tensor | None) -> Tensor:
            fake = judged.pop() if judged else self.sample(len(x))  # a pass is saved where the critic had its turn
            return self.objective.generator(self.score(shown(fake)))

        teach = self.optimizer(self.critic.parameters(), lr=self.critic_rate)
        learn = self.optimizer(self.generator.parameters(), lr=self.rate)
        critic = Player("critic", critic_loss, teach, self.turns, partial(self.after, self.critic))
        return critic, Player("generator", generator_loss, learn)

    def fit(self, stream: Any) -> None:
        critic, generator = self.players(stream)
        self.loop(stream.batches(self.batch * self.pack, until=self.freeze), critic, generator)
        self.loop(stream.batches(self.batch * self.pack), generator)

    def latent(self, n: int) -> Tensor:
        return torch.randn(n, self.latents)

    def decode(self, z: Tensor) -> Tensor:
        return pictured(self.generator(z), self.kind)

    def sample(self, n: int) -> Tensor:
        return dequantised(self.decode(self.latent(n)), self.kind)
