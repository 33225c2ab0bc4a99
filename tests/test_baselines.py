"""The reference models against what is known exactly: closed forms, enumeration, quadrature, automatic Jacobians."""

from __future__ import annotations

from itertools import product
from math import log

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor, nn

from baselines.adversarial.gan import GAN
from baselines.adversarial.variants import wgan_gp
from baselines.autoencoding.deep_ae import DeepAE
from baselines.autoencoding.vae import VAE
from baselines.energy.rbm import RBM
from baselines.flows.realnvp import RealNVP
from baselines.likelihoods import likelihood
from baselines.linear.pca import PCA
from baselines.mixture.gmm import GMM
from baselines.normals import standard_normal
from baselines.objectives import minimax, non_saturating, wasserstein
from baselines.penalties import gradient_penalty
from baselines.reference import Noise, Thief
from genbench.budget import Budget, Stream, seed_everything
from genbench.task import Bits, Real, Rows, Spec, Task

PLANE = Spec(Real((2,)))
PICTURE = Spec(Real((1, 2, 3), 0.0, 1.0, 16))


def task(x: Tensor, kind: Real | Bits) -> Task:
    rows = Rows(x)
    return Task("test", Spec(kind), rows, rows, rows, rows)


def stream(x: Tensor, kind: Real | Bits, examples: int) -> Stream:
    return Stream(task(x, kind), Budget(examples))


@pytest.fixture(autouse=True)
def seeded() -> None:
    seed_everything(0)


def cells(n: int, kind: Real) -> Tensor:
    """n rows of quantised noise, each value the lower edge of its cell."""
    return torch.randint(kind.levels or 0, (n, *kind.shape)) * kind.cell


def bits(d: int) -> Tensor:
    return torch.tensor(list(product((0.0, 1.0), repeat=d)))


def jiggle(model: nn.Module, scale: float = 0.3) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(scale * torch.randn_like(parameter))


# Linear


def linear_rows(n: int = 500, d: int = 6) -> Tensor:
    return torch.randn(n, d) * torch.tensor([3.0, 2.0, 1.5, 0.5, 0.4, 0.3]) @ torch.linalg.qr(torch.randn(d, d))[0] + 1


def test_pca_is_the_closed_form() -> None:
    x = linear_rows()
    model = PCA(Spec(Real((6,))), latents=3)
    model.fit(stream(x, Real((6,)), len(x)))
    values, vectors = np.linalg.eigh(np.cov(x.T.double().numpy(), bias=True))
    noise, top = values[:3].mean(), vectors[:, 3:]
    covariance = top * (values[3:] - noise) @ top.T + noise * np.eye(6)
    expected = multivariate_normal(x.double().mean(0).numpy(), covariance).logpdf(x.numpy())
    assert np.allclose(model.log_prob(x).numpy(), expected, atol=1e-4)
    error = (model.decode(model.encode(x)) - x).square().sum(1).mean()
    assert error == pytest.approx(values[:3].sum(), rel=1e-5)
    drawn = torch.cov(model.sample(200_000).T).numpy()
    assert np.allclose(drawn, covariance, atol=0.1)


def test_pca_on_a_plane_keeps_one_direction() -> None:
    assert PCA(PLANE).latents == 1


# Mixture


def test_gmm_finds_two_blobs_and_integrates_to_one() -> None:
    x = torch.cat([torch.randn(300, 2) * 0.3 - 2, torch.randn(300, 2) * 0.3 + 2])
    model = GMM(PLANE, components=2)
    model.fit(stream(x, PLANE.x, len(x)))
    assert torch.allclose(model.means.sort(0).values, torch.tensor([[-2.0, -2.0], [2.0, 2.0]]), atol=0.1)
    assert quadrature(model) == pytest.approx(1, abs=1e-3)
    assert torch.allclose(torch.cov(model.sample(50_000).T), torch.cov(x.T), atol=0.1)


def test_gmm_with_fewer_rows_than_components() -> None:
    model = GMM(PLANE, components=20)
    model.fit(stream(torch.randn(8, 2), PLANE.x, 8))
    assert model.sample(50).isfinite().all()
    assert model.log_prob(torch.randn(5, 2)).isfinite().all()


def quadrature(model: GMM | RealNVP, reach: float = 8.0, n: int = 400) -> float:
    axis = torch.linspace(-reach, reach, n)
    grid = torch.cartesian_prod(axis, axis)
    return float(model.log_prob(grid).exp().sum() * (axis[1] - axis[0]) ** 2)


# Likelihoods


def test_gaussian_and_bernoulli_have_all_their_constants() -> None:
    gaussian = likelihood(PLANE)
    x, raw = torch.randn(5, 2), torch.randn(3, 5, 2)
    scale = (gaussian.GAIN * gaussian.scale).exp()
    expected = torch.distributions.Normal(raw, scale).log_prob(x).sum(-1)
    assert torch.allclose(gaussian.log_prob(x, raw), expected, atol=1e-4)
    bernoulli = likelihood(Spec(Bits((2, 2))))
    raw = torch.randn(4).expand(16, 4)
    total = bernoulli.log_prob(bits(4).reshape(16, 2, 2), raw).exp().sum()
    assert total == pytest.approx(1, abs=1e-5)


# Variational


def linear_vae(d: int = 4, k: int = 2) -> tuple[VAE, Tensor, Tensor]:
    """A VAE whose decoder is linear and whose encoder is the exact posterior's mean and (diagonal) scale."""
    model = VAE(Spec(Real((d,))), latents=k).double()
    # Orthogonal columns make the posterior's precision diagonal, so that q can be exact.
    weights = torch.linalg.qr(torch.randn(d, k).double())[0] * torch.tensor([1.5, 0.7]).double()
    variance = float((2 * model.likelihood.GAIN * model.likelihood.scale[0]).exp())
    precision = weights.T @ weights / variance + torch.eye(k)
    model.decoder, model.encoder = nn.Linear(k, d).double(), nn.Linear(d, 2 * k).double()
    with torch.no_grad():
        model.decoder.weight.copy_(weights)
        model.decoder.bias.zero_()
        model.encoder.weight.copy_(torch.cat([precision.inverse() @ weights.T / variance, torch.zeros(k, d)]))
        model.encoder.bias.copy_(torch.cat([torch.zeros(k), -0.5 * precision.diagonal().log()]))
    covariance = weights @ weights.T + variance * torch.eye(d)
    x = torch.distributions.MultivariateNormal(torch.zeros(d).double(), covariance).sample((64,))
    return model, x, torch.from_numpy(multivariate_normal(np.zeros(d), covariance.numpy()).logpdf(x.numpy()))


@torch.no_grad()
def test_bound_is_exact_and_constant_at_the_posterior() -> None:
    model, x, exact = linear_vae()
    assert torch.allclose(model.log_weights(x, 50), exact.expand(50, -1), atol=1e-6)
    assert torch.allclose(model.bound(x, 7), exact, atol=1e-6)


@torch.no_grad()
def test_bound_rises_with_k_and_stays_below_the_likelihood() -> None:
    model, x, exact = linear_vae()
    model.encoder.bias[2:] += 0.7  # a posterior twice too wide
    x, exact = x.repeat(50, 1), exact.repeat(50)
    means, errors = [], []
    for k in (1, 5, 50, 500):
        gap = model.bound(x, k) - exact
        means.append(float(gap.mean()))
        errors.append(float(gap.std() / len(gap) ** 0.5))
    assert all(mean <= 3 * error for mean, error in zip(means, errors, strict=True))
    assert means == sorted(means)
    assert means[0] < -0.5
    assert means[-1] > -0.01


@torch.no_grad()
def test_bound_in_parts_is_the_bound_in_one() -> None:
    model, x, _ = linear_vae()
    rows = x[:1].expand(2**15, -1)  # two draws a part
    model.encoder.bias[2:] += 0.7
    assert model.bound(rows, 5).mean() == pytest.approx(float(model.bound(x[:1].expand(5000, -1), 5).mean()), abs=0.02)


def test_reparameterisation_is_mean_plus_scale_times_noise() -> None:
    model = VAE(PLANE, latents=1)
    mean, log_scale = torch.tensor([[0.3]], requires_grad=True), torch.tensor([[-0.5]], requires_grad=True)
    model.posterior = lambda x: (mean, log_scale)  # type: ignore[method-assign]
    seen: list[Tensor] = []
    model.decoder = nn.Module()
    model.decoder.forward = lambda z: seen.append(z) or z.expand(*z.shape[:2], 2)  # type: ignore[func-returns-value]
    model.log_weights(torch.zeros(1, 2), 200_000)
    z = seen[0]
    assert z.mean().item() == pytest.approx(0.3, abs=4 * 0.61 / 200_000**0.5)
    assert z.std().item() == pytest.approx(np.exp(-0.5), rel=0.01)
    by_mean, by_scale = torch.autograd.grad(z.square().mean(), (mean, log_scale))
    assert by_mean.item() == pytest.approx(2 * 0.3, abs=0.02)
    assert by_scale.item() == pytest.approx(2 * np.exp(-1), rel=0.02)  # dE[z^2]/dlog s = 2 s^2


def test_deep_ae_learns_to_reconstruct() -> None:
    x = linear_rows()
    model = DeepAE(Spec(Real((6,))), latents=3)
    before = (model.decode(model.encode(x)) - x).square().sum(1).mean()
    model.fit(stream(x, Real((6,)), 50_000))
    assert (model.decode(model.encode(x)) - x).square().sum(1).mean() < 0.1 * before


# Flow


def flow(spec: Spec, x: Tensor) -> RealNVP:
    model = RealNVP(spec, couplings=4, width=16).double()
    jiggle(model)
    model.preprocessing.standardise(x)
    return model


def real_rows(spec: Spec, n: int = 20) -> Tensor:
    shape = spec.x.shape
    if spec.x.low is None:
        return torch.randn(n, *shape).double()
    return spec.x.low + (spec.x.high - spec.x.low) * torch.rand(n, *shape).double()


@pytest.mark.parametrize("spec", [PLANE, PICTURE, Spec(Real((5,), -2.0, 3.0)), Spec(Real((3,)))])
def test_realnvp_log_det_is_the_jacobians_and_decode_inverts(spec: Spec) -> None:
    x = real_rows(spec)
    model = flow(spec, x)
    z, log_det = model.transform(x)
    for row, expected in zip(x, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(model.encode, row[None]).reshape(spec.size, spec.size)
        assert torch.linalg.slogdet(jacobian).logabsdet == pytest.approx(expected.item(), abs=1e-8)
    assert torch.allclose(model.decode(z), x, atol=1e-9)
    assert torch.allclose(model.log_prob(x), standard_normal(z) + log_det)


@torch.no_grad()
def test_realnvp_integrates_to_one() -> None:
    model = flow(PLANE, torch.randn(100, 2).double()).float()
    assert quadrature(model, reach=16.0, n=500) == pytest.approx(1, abs=0.01)


@torch.no_grad()
@pytest.mark.parametrize("spec", [Spec(Real((2,), 0.0, 1.0, 16)), Spec(Real((2,), -1.0, 3.0))])
def test_realnvp_integrates_to_one_over_a_range(spec: Spec) -> None:
    """In the logits (times their slope), where its mass is spread out: next to the ends of the range it is steep."""
    model = flow(spec, real_rows(spec, 100))
    axis = torch.linspace(-25, 25, 800).double()
    y = torch.cartesian_prod(axis, axis)
    p, width = y.sigmoid(), spec.x.high - spec.x.low
    x = spec.x.low + width * (p - 0.05) / 0.9
    slope = (width / 0.9 * p * (1 - p)).prod(1)
    keep = (p > 1e-9).all(1) & (p < 1 - 1e-9).all(1)
    mass = (model.log_prob(x[keep]).exp() * slope[keep]).sum() * (axis[1] - axis[0]) ** 2
    assert mass == pytest.approx(1, abs=0.01)


# Boltzmann machine


@torch.no_grad()
def test_rbm_probabilities_sum_to_one() -> None:
    model = RBM(Spec(Bits((3, 3))), hidden=5)
    jiggle(model, 1.0)
    x = bits(9).reshape(-1, 3, 3)
    assert model.log_prob(x).exp().sum() == pytest.approx(1, abs=1e-4)


@torch.no_grad()
def test_rbm_gibbs_sampling_leaves_its_law_invariant() -> None:
    model = RBM(Spec(Bits((2, 2))), hidden=3)
    jiggle(model, 1.0)
    x = bits(4).reshape(-1, 2, 2)
    p = model.log_prob(x).exp()
    walked = model.step(x[torch.multinomial(p, 50_000, replacement=True)])
    index = (walked.flatten(1) @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
    assert torch.allclose(torch.bincount(index, minlength=16) / 50_000, p, atol=0.01)
    index = (model.sample(5_000).flatten(1) @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
    assert torch.allclose(torch.bincount(index, minlength=16) / 5_000, p, atol=0.03)


def test_rbm_gradient_is_contrastive_divergence() -> None:
    model = RBM(Spec(Bits((3, 3))), hidden=4)
    jiggle(model)
    x = torch.rand(32, 3, 3).round()
    state = torch.get_rng_state()
    by_weights, by_visible, by_hidden = torch.autograd.grad(
        model.loss(x, None), (model.weights, model.visible, model.hidden)
    )
    torch.set_rng_state(state)
    v, w = x.flatten(1), model.walk(x, 1).flatten(1)
    on, on_walked = (v @ model.weights + model.hidden).sigmoid(), (w @ model.weights + model.hidden).sigmoid()
    assert torch.allclose(by_weights, -(v.T @ on - w.T @ on_walked) / 32, atol=1e-6)
    assert torch.allclose(by_visible, -(v - w).mean(0), atol=1e-6)
    assert torch.allclose(by_hidden, -(on - on_walked).mean(0), atol=1e-6)


def test_rbm_says_why_it_has_no_likelihood() -> None:
    with pytest.raises(NotImplementedError, match="at most 20 hidden units; this has 21"):
        RBM(Spec(Bits((3, 3))), hidden=21).log_prob(torch.zeros(1, 3, 3))


# Adversarial


def slopes(loss: Tensor, f: Tensor) -> Tensor:
    return torch.autograd.grad(loss, f)[0] * len(f)


def test_objectives_have_their_papers_gradients() -> None:
    logits = [-10.0, -1.0, 0.0, 2.0]
    f, g = torch.tensor(logits, requires_grad=True), torch.tensor(logits, requires_grad=True)
    s = f.sigmoid().detach()
    x = torch.zeros(4, 1)
    saturating, flipped = slopes(minimax.generator(f), f), slopes(non_saturating.generator(f), f)
    assert torch.allclose(saturating, -0.5 * s)
    assert torch.allclose(flipped, -0.5 * (1 - s))
    assert torch.allclose(saturating / flipped, f.detach().exp(), rtol=1e-4)
    for objective in (minimax, non_saturating):
        assert torch.allclose(slopes(objective.critic(f, g, x, x), f), -0.5 * (1 - s))
        assert torch.allclose(slopes(objective.critic(f, g, x, x), g), 0.5 * s)
        zero = torch.zeros(4)
        assert objective.critic(zero, zero, x, x) == pytest.approx(log(2))
    assert torch.allclose(slopes(wasserstein.critic(f, g, x, x), f), -torch.ones(4))
    assert torch.allclose(slopes(wasserstein.critic(f, g, x, x), g), torch.ones(4))
    assert torch.allclose(slopes(wasserstein.generator(f), f), -torch.ones(4))


def test_gradient_penalty_of_a_linear_critic() -> None:
    w = torch.tensor([[[1.0, 2.0], [-2.0, 0.5]]], requires_grad=True)
    real, fake = torch.randn(7, 1, 2, 2), torch.randn(7, 1, 2, 2)
    penalty = gradient_penalty(lambda x: (x * w).flatten(1).sum(1), real, fake, weight=1.0)
    norm = w.norm()
    assert penalty.item() == pytest.approx(((norm - 1) ** 2).item(), rel=1e-5)
    (slope,) = torch.autograd.grad(penalty, w)
    assert torch.allclose(slope, (2 * (norm - 1) * w / norm).detach(), atol=1e-5)


def test_gradient_penalty_mixes_each_row_by_its_own_share() -> None:
    seen: list[Tensor] = []
    gradient_penalty(lambda x: seen.append(x) or x.square().sum(1), torch.ones(500, 3), torch.zeros(500, 3))  # type: ignore[func-returns-value]
    u = seen[0].detach()
    assert torch.allclose(u, u[:, :1].expand(-1, 3))
    assert u[:, 0].std() == pytest.approx(12**-0.5, rel=0.1)


def test_gradient_penalty_survives_a_dead_critic() -> None:
    w = torch.zeros(3, requires_grad=True)
    (slope,) = torch.autograd.grad(gradient_penalty(lambda x: x @ w, torch.randn(4, 3), torch.randn(4, 3)), w)
    assert slope.isfinite().all()


@pytest.mark.parametrize("build", [GAN, wgan_gp])
def test_a_turn_moves_only_its_player(build: type[GAN]) -> None:
    model = build(PLANE, batch=8)
    turns = model.turns
    nets = {"critic": model.critic, "generator": model.generator}

    def moved(examples: int) -> set[str]:
        before = {name: [p.detach().clone() for p in net.parameters()] for name, net in nets.items()}
        model.fit(stream(torch.randn(64, 2), PLANE.x, examples))
        return {
            name
            for name, net in nets.items()
            if any(not torch.equal(a, b) for a, b in zip(before[name], net.parameters(), strict=True))
        }

    assert moved(8 * turns) == {"critic"}
    assert moved(8 * (turns + 1)) == {"critic", "generator"}


def test_gan_generator_turn_leaves_the_critic() -> None:
    model = GAN(PLANE, batch=8, turns=1)
    x = torch.randn(64, 2)
    seed_everything(1)
    model.fit(stream(x, PLANE.x, 8))
    after_critic = [p.detach().clone() for p in model.critic.parameters()]
    seed_everything(0)
    model = GAN(PLANE, batch=8, turns=1)
    torch.randn(64, 2)
    seed_everything(1)
    model.fit(stream(x, PLANE.x, 16))
    assert all(torch.equal(a, b) for a, b in zip(after_critic, model.critic.parameters(), strict=True))


def test_gan_shows_the_critic_what_the_corruption_makes() -> None:
    shown: list[float] = []

    def corrupt(x: Tensor, spent: float) -> Tensor:
        shown.append(spent)
        return x + 1

    GAN(PLANE, batch=8, corrupt=corrupt).fit(stream(torch.randn(64, 2), PLANE.x, 32))
    assert shown == [0.25, 0.25, 0.5, 0.75, 0.75, 1.0]  # real and fake in the critic's turn, fake in the generator's


# References


def test_thief_replays_training_rows_each_once_while_they_last() -> None:
    x = torch.arange(20.0).reshape(10, 2)
    thief = Thief(PLANE)
    thief.fit(stream(x, PLANE.x, 10))
    taken = thief.sample(10)
    assert torch.equal(taken.sort(0).values, x)
    assert not torch.equal(taken, x)
    assert len(thief.sample(25)) == 25
    again = Thief(PLANE)
    again.load_state_dict(thief.state_dict())
    assert torch.equal(again.rows, thief.rows)


def test_noise_is_uniform_over_a_range_else_normal_and_coins_on_bits() -> None:
    drawn = Noise(Spec(Real((2,), -3.0, 7.0))).sample(20_000)
    assert torch.allclose(drawn.amin(0), torch.tensor(-3.0), atol=0.01)
    assert torch.allclose(drawn.amax(0), torch.tensor(7.0), atol=0.01)
    assert torch.allclose(drawn.std(0), torch.tensor(10 / 12**0.5), rtol=0.02)
    drawn = Noise(PLANE).sample(20_000)
    assert torch.allclose(drawn.mean(0), torch.zeros(2), atol=0.03)
    assert torch.allclose(torch.cov(drawn.T), torch.eye(2), atol=0.05)
    coins = Noise(Spec(Bits((3,))))
    drawn = coins.sample(4000)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert drawn.mean() == pytest.approx(0.5, abs=0.03)


# All


@pytest.mark.parametrize("build", [PCA, GMM, RealNVP, GAN])
def test_bits_are_refused_with_a_reason(build: type) -> None:
    with pytest.raises(NotImplementedError, match=r"bits|real rows"):
        build(Spec(Bits((2, 2))))


def test_a_boltzmann_machine_needs_bits() -> None:
    with pytest.raises(NotImplementedError, match="bits"):
        RBM(PLANE)


@pytest.mark.parametrize("build", [DeepAE, VAE, GAN])
def test_pictures_stay_in_range_and_carry_the_rows_noise(build: type) -> None:
    model = build(PICTURE)
    model.fit(stream(cells(256, PICTURE.x), PICTURE.x, 512))
    model.eval()
    with torch.no_grad():
        picture = model.sample(2000)
    assert picture.shape == (2000, 1, 2, 3)
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_bits_come_out_as_bits() -> None:
    for build in (VAE, DeepAE, RBM):
        model = build(Spec(Bits((2, 2))))
        with torch.no_grad():
            assert set(model.sample(50).unique().tolist()) <= {0.0, 1.0}
