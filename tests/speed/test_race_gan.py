"""Adversarial training through Stream and play against a plain script of the same networks, which saves the generator a
pass: the fakes of the critic's last turn serve the generator's turn too. In float32; no lower precision is offered."""

import pytest
import torch

from genbench.budget import Budget, Stream, seed_everything
from genbench.catalogue import load
from genbench.errors import BadInput

PAIRS = 300


def ours(build, task):
    seed_everything(0)
    model = build(task.spec)
    model.fit(Stream(task, Budget(PAIRS * (model.turns + 1) * model.batch), model=model))


def script(build, task):
    seed_everything(0)
    model = build(task.spec)
    critic = model.optimizer(model.critic.parameters(), lr=model.critic_rate)
    generator = model.optimizer(model.generator.parameters(), lr=model.rate)
    x, cell = task.train.x, task.spec.x.cell

    def epochs():
        while True:
            yield from (index for index in torch.randperm(len(x)).split(model.batch) if len(index) == model.batch)

    batches = epochs()
    for _ in range(PAIRS):
        for _ in range(model.turns):
            real = x[next(batches)] + cell * torch.rand(model.batch, *x.shape[1:])
            fake = model.sample(model.batch)
            known = fake.detach()
            critic.zero_grad()
            loss = model.objective.critic(model.score(real), model.score(known), real, known)
            (loss + model.penalty(model.score, real, known)).backward()
            critic.step()
        generator.zero_grad()
        model.objective.generator(model.score(fake)).backward()
        generator.step()


@pytest.mark.parametrize("task", ["digits", "fashion-mnist"])
@pytest.mark.parametrize("name", ["gan", "wgan-gp"])
def test_update_pairs(race, name, task):
    try:
        rows, build = load("tasks", task)(), load("models", name)
    except BadInput as absent:
        pytest.skip(str(absent))
    race(
        f"{name} on {task}, {PAIRS} pairs of updates",
        "a plain script that uses fakes twice",
        lambda: ours(build, rows),
        lambda: script(build, rows),
        least=0.95,
        rounds=5,
        note="float32, one thread",
    )
