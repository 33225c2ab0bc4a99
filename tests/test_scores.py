"""Score matching against closed forms, automatic Hessians and quadrature: its objectives, its energies, its chains."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from baselines.energy.score_matching import (
    ScoreMatching,
    denoising,
    denoising_score_matching,
    exact,
    sliced,
    sliced_score_matching,
)
from genbench.budget import Budget, Stream, seed_everything
from genbench.task import Bits, Real, Spec, Task
from genbench.tasks.planes import Mixture, ring8_wide, two_gaussians

PLANE = Spec(Real((2,)))


def jiggled(spec: Spec = PLANE, scale: float = 1.0) -> ScoreMatching:
    model = ScoreMatching(spec, width=16)
    with torch.no_grad():
        for parameter in model.net.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return model


def fitted(task: Task, build=ScoreMatching, examples: int = 100_000, **hyper) -> ScoreMatching:
    seed_everything(1)
    model = build(task.spec, **hyper)
    model.fit(Stream(task, Budget(examples)))
    return model


class Mixed(nn.Module):
    """The f of an energy |y|^2 / 2 + f(y) that is a mixture's, exactly: what a perfect fit would have."""

    def __init__(self, law: Mixture) -> None:
        super().__init__()
        self.law = law

    def forward(self, y: Tensor) -> Tensor:
        return (-self.law.log_prob(y) - 0.5 * y.square().sum(1))[:, None]


def two(weight: float, separation: float, sigma: float = 1.0) -> Mixture:
    centres = torch.tensor([[-separation / 2, 0.0], [separation / 2, 0.0]])
    return Mixture(centres, sigma, torch.tensor([weight, 1 - weight]))


def slope(law: Mixture, y: Tensor) -> Tensor:
    y = y if y.requires_grad else y.detach().requires_grad_()
    return torch.autograd.grad(law.log_prob(y).sum(), y, create_graph=True)[0]


def grid(reach: float = 5.0, n: int = 501) -> tuple[Tensor, float]:
    side = torch.linspace(-reach, reach, n)
    return torch.cartesian_prod(side, side), float(side[1] - side[0]) ** 2


@torch.no_grad()
def left(model: ScoreMatching, task: Task) -> float:
    """The share of the energy's own law, by quadrature, that lies nearer to the task's first mode than its second."""
    y, _ = grid()
    x = model.preprocessing.inverse(y)
    first = torch.cdist(x, task.modes.centres).argmin(1) == 0
    return float((-model.potential(y)).double().softmax(0)[first].sum())


# Objectives


def test_the_exact_objective_is_the_hessians_trace() -> None:
    model, y = jiggled().double(), torch.randn(20, 2).double()
    rows = []
    for row in y:
        hessian = torch.autograd.functional.hessian(lambda r: model.potential(r[None]).sum(), row)
        gradient = torch.autograd.functional.jacobian(lambda r: model.potential(r[None]).sum(), row)
        rows.append(0.5 * gradient.square().sum() - hessian.trace())
    assert exact(model.slope, y).item() == pytest.approx(float(torch.stack(rows).mean()), rel=1e-9)


def test_the_sliced_objective_is_the_exact_one_in_expectation() -> None:
    model, y = jiggled(Spec(Real((5,)))), torch.randn(20, 5)
    draws = torch.stack([sliced(model.slope, y.repeat(50, 1)).detach() for _ in range(100)])
    error = float(draws.std()) / 10
    assert float(draws.mean()) == pytest.approx(exact(model.slope, y).item(), abs=4 * error)
    assert error < 0.05 * abs(float(draws.mean()))


def precision(objective, y: Tensor) -> Tensor:
    """The K of the score -K (y - m) at which an objective is least."""
    d = y.shape[1]
    K, m = torch.eye(d).double().requires_grad_(), torch.zeros(d).double().requires_grad_()
    optimizer = torch.optim.LBFGS([K, m], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        torch.manual_seed(3)  # the same noise at every call
        loss = objective(lambda y: -(y - m) @ (K + K.T) / 2, y)
        loss.backward()
        return loss

    optimizer.step(closure)
    return ((K + K.T) / 2).detach()


def correlated(n: int) -> Tensor:
    return torch.randn(n, 3).double() @ torch.tensor([[1.0, 0.4, 0.0], [0.0, 0.8, -0.3], [0.0, 0.0, 0.6]]).double() + 1


def test_on_a_gaussian_the_exact_optimum_is_the_inverse_covariance() -> None:
    y = correlated(500)
    assert torch.allclose(precision(exact, y), torch.cov(y.T, correction=0).inverse(), atol=1e-3)


def test_the_denoising_optimum_is_the_score_of_the_noised_density() -> None:
    y, sigma = correlated(500), 0.5
    covariance = torch.cov(y.T, correction=0)
    found = precision(partial(denoising, sigma=sigma), y.repeat(400, 1))
    assert torch.allclose(found, (covariance + sigma**2 * torch.eye(3)).inverse(), atol=0.02)
    assert not torch.allclose(found, covariance.inverse(), atol=0.5)


def test_paired_noise_is_less_noisy_and_no_other_in_the_mean() -> None:
    model, y, sigma = jiggled(), torch.randn(64, 2), 0.005

    def plain(score, y: Tensor) -> Tensor:
        e = torch.randn_like(y)
        return 0.5 * (score(y + sigma * e) + e / sigma).square().sum(1).mean()

    def excess(objective) -> Tensor:  # over what the noise alone costs, which no score can change
        made = []
        for seed in range(200):
            values = []
            for score in (model.slope, lambda y: 0 * y):
                torch.manual_seed(seed)
                values.append(objective(score, y))
            made.append((values[0] - values[1]).detach())
        return torch.stack(made)

    paired, single = excess(partial(denoising, sigma=sigma)), excess(plain)
    assert float(paired.std()) < 0.2 * float(single.std())
    error = (float(paired.var() + single.var()) / 200) ** 0.5
    assert float(paired.mean()) == pytest.approx(float(single.mean()), abs=4 * error)


# Energies and chains


@torch.no_grad()
def test_the_constant_of_the_base_counts_the_preprocessing() -> None:
    model = jiggled(Spec(Real((2,), -1.0, 3.0)))
    model.preprocessing.mean, model.preprocessing.scale = torch.tensor([0.5, -0.5]), torch.tensor([0.7, 1.2])
    side = torch.linspace(-1.0, 3.0, 1202)[1:-1]
    total = model.energy(torch.cartesian_prod(side, side), 0.0).neg().exp().sum() * (side[1] - side[0]) ** 2
    assert float(total.log()) == pytest.approx(float(model.log_z0()), abs=0.01)


@torch.no_grad()
def test_a_step_leaves_its_law_as_it_is_and_no_other() -> None:
    model = jiggled()
    y, cell = grid()
    p = (-model.potential(y, 0.6)).softmax(0)
    x = y[torch.multinomial(p, 50_000, replacement=True)] + cell**0.5 * (torch.rand(50_000, 2) - 0.5)

    def moved(beta: float) -> float:
        """In standard errors, the change of f's mean over ten steps."""
        after = x
        for _ in range(10):
            after = model.step(after, beta)
        change = (model.net(after) - model.net(x)).double()
        return abs(float(change.mean() / change.std())) * len(x) ** 0.5

    assert moved(0.6) < 4
    assert moved(1.0) > 20
    assert torch.cov(model.step(x, 0.0).T).sub(torch.eye(2)).abs().max() < 0.05


@torch.no_grad()
def test_resampled_chains_have_the_energys_own_weights_and_plain_ones_do_not() -> None:
    law = two(0.8, 5.0, sigma=0.4)
    model = ScoreMatching(PLANE, steps=150)
    model.net = Mixed(law)
    assert left(model, two_gaussians(separation=5.0)) == pytest.approx(0.8, abs=1e-4)
    shares = {}
    for model.resample in (True, False):
        x = model.sample(2000)
        shares[model.resample] = float((x[:, 0] < 0).float().mean())
        assert float((x - law.centres[(x[:, 0] > 0).long()]).std()) == pytest.approx(0.4, abs=0.04)
    assert shares[True] == pytest.approx(0.8, abs=0.05)
    assert shares[False] < 0.7


def test_what_it_cannot_do_it_says() -> None:
    with pytest.raises(NotImplementedError, match="no score"):
        ScoreMatching(Spec(Bits((4,))))
    with pytest.raises(NotImplementedError, match="64 numbers; 16 at most"):
        exact(lambda y: -y, torch.randn(3, 64))


# What is learnt


def error(model: ScoreMatching, law: Mixture, x: Tensor) -> float:
    """The Fisher divergence over x, as a share of the mean squared score of the law."""
    y = model.preprocessing(x)[0]
    right = slope(law, x) * model.preprocessing.scale
    return float((model.slope(y) - right).square().sum() / right.square().sum())


@pytest.mark.slow
@pytest.mark.parametrize("build", [ScoreMatching, sliced_score_matching])
def test_the_ring_has_the_score_that_it_should(build) -> None:
    task = ring8_wide()
    law = Mixture(task.modes.centres, 0.1)
    assert error(fitted(task, build), law, task.test.x) < 0.1


@pytest.mark.slow
def test_denoising_learns_the_noised_ring_and_not_the_ring() -> None:
    task, sigma = ring8_wide(), 0.1
    model = fitted(task, denoising_score_matching, objective=partial(denoising, sigma=sigma))
    wide = (0.1**2 + (sigma * float(model.preprocessing.scale.mean())) ** 2) ** 0.5
    noised = Mixture(task.modes.centres, wide)
    x = noised.draw(2000, torch.Generator().manual_seed(0))
    assert error(model, noised, x) < 0.1
    # In one mode the slopes are -y / wide^2 and -y / 0.1^2: so far the one is from the other.
    apart = (1 - 0.1**2 / wide**2) ** 2
    assert error(model, Mixture(task.modes.centres, 0.1), x) == pytest.approx(apart, rel=0.1)
    assert apart > 0.4


# Blindness to the weights of modes (X10)


def test_the_objective_cannot_see_the_weights_of_separate_modes_and_the_likelihood_can() -> None:
    gaps = {}
    for separation in (3.0, 10.0):
        right, wrong = two(0.9, separation), two(0.5, separation)
        x = right.draw(20_000, torch.Generator().manual_seed(0))
        losses = [exact(partial(slope, law), x).item() for law in (right, wrong)]
        gaps[separation] = losses[1] - losses[0]
        assert float((right.log_prob(x) - wrong.log_prob(x)).mean()) > 0.15
    assert gaps[3.0] > 0.01
    assert abs(gaps[10.0]) < 1e-3


@pytest.mark.slow
def test_a_fitted_energy_loses_the_weights_of_modes_that_lie_apart() -> None:
    """Both fits have the shape of each mode; the share that lies in the first is seen by quadrature, not by chains."""
    shares = {}
    for separation in (4.0, 16.0):
        task = two_gaussians(weight=0.9, separation=separation)
        shares[separation] = left(fitted(task, width=64, batch=256), task)
    assert shares[4.0] == pytest.approx(0.9, abs=0.05)
    assert abs(shares[16.0] - 0.9) > 0.08
