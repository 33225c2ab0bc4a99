"""What lectures say of latent variables, each measured against a closed form and beside a control that must fail."""

import pytest
import torch
from torch import nn

from baselines.autoencoding.vae import VAE
from baselines.energy.rbm import RBM
from baselines.linear.linear_ae import LinearAE
from baselines.linear.pca import PCA
from baselines.mixture.naive_mc import NaiveMC
from baselines.normals import standard_normal
from baselines.play import Player, play
from genbench.budget import Budget, Stream, seed_everything
from genbench.evidence import Desk, Exam, Grid
from genbench.metrics import locality, reconstruction, smoothness
from genbench.run import make_space
from genbench.tasks.digits import digits, digits_binary
from genbench.tasks.planes import ppca
from genbench.tasks.spectrum import lowrank64


def fitted(build, task, examples, seed=0, **hyper):
    seed_everything(seed)
    model = build(task.spec, **hyper)
    model.fit(Stream(task, Budget(examples), seed))
    return model.requires_grad_(False).eval()


def mean_and_error(x):
    return float(x.mean()), float(x.std()) / len(x) ** 0.5


# The bound


def linear_vae(task, k=3):
    """A VAE whose decoder and encoder are linear, so that all of its laws are normal. Its scale starts at 1: from .1
    the first gradients are so large that Adam had not forgotten them after 300,000 examples."""
    model = VAE(task.spec, latents=k, rate=1e-2, batch=256)
    model.decoder, model.encoder = nn.Linear(k, 8), nn.Linear(8, 2 * k)
    with torch.no_grad():
        model.likelihood.scale.zero_()
    return model


@torch.no_grad()
def laws(model):
    """The law of its rows, and W' / S and the precision of its posterior, in doubles."""
    w, b = model.decoder.weight.double(), model.decoder.bias.double()
    variance = (2 * model.likelihood.GAIN * model.likelihood.scale.double()).exp()
    rows = torch.distributions.MultivariateNormal(b, w @ w.T + variance.diag())
    towards = w.T / variance
    return rows, towards, towards @ w + torch.eye(w.shape[1])


def divergence(model, x):
    """KL(q(z | x) || p(z | x)) of each row, both normal."""
    rows, towards, precision = laws(model)
    mean, log_scale = (part.double() for part in model.posterior(x))
    q = torch.distributions.MultivariateNormal(mean, scale_tril=torch.diag_embed(log_scale.exp()))
    exact = (x.double() - rows.loc) @ towards.T @ precision.inverse()
    return torch.distributions.kl_divergence(
        q, torch.distributions.MultivariateNormal(exact, precision_matrix=precision)
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_gap_of_the_bound_is_the_divergence_and_more_draws_close_it(seed):
    task = ppca()
    seed_everything(seed)
    model = linear_vae(task)
    for examples in (3_000, 250_000):  # an encoder that is far off, and one that is not
        model.fit(Stream(task, Budget(examples), seed))
        with torch.no_grad():
            x = task.test.x
            exact = laws(model)[0].log_prob(x.double())
            gap, error = mean_and_error(exact - torch.stack([model.bound(x, 1) for _ in range(50)]).double().mean(0))
            expected = float(divergence(model, x).mean())
            assert gap == pytest.approx(expected, abs=4 * error / 7 + 1e-3)
            tighter, error = mean_and_error(exact - model.bound(x, 100).double())
            assert -3 * error <= tighter < gap
    precision = laws(model)[2]
    least = 0.5 * float(precision.diagonal().log().sum() - precision.logdet())  # of any q with independent numbers
    assert least - 1e-3 <= expected < least + 0.1
    assert float(exact.mean()) == pytest.approx(float(task.log_prob(x).mean()), abs=0.05 * 8)


@pytest.mark.slow
def test_the_misprinted_trick_reports_more_than_the_likelihood():
    """z = scale + mean * noise, as a slide has it, is another law than the one whose divergence is subtracted."""
    task = ppca()

    def reported(model, x, printed):
        mean, log_scale = model.posterior(x)
        noise = torch.randn_like(mean)
        z = log_scale.exp() + mean * noise if printed else mean + log_scale.exp() * noise
        kl = 0.5 * (mean.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(1)
        return model.log_joint(x, z) - standard_normal(z) - kl

    said = {}
    for printed in (False, True):
        seed_everything(0)
        model = linear_vae(task)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        loss = lambda x, y, model=model, printed=printed: -reported(model, x, printed).mean()  # noqa: E731
        play(Stream(task, Budget(250_000)).batches(256), Player("bound", loss, optimizer))
        with torch.no_grad():
            said[printed] = float(reported(model, task.test.x, printed).mean())
    exact = float(task.log_prob(task.test.x).mean())
    assert exact - 0.5 < said[False] <= exact
    assert said[True] > exact + 1


# The gradient


def test_the_pathwise_gradient_is_the_score_function_s_with_a_fraction_of_its_variance():
    """Of E log p(x, z) by mean and log-scale of q, at a digit of a trained VAE."""
    task = digits()
    model = fitted(VAE, task, 10_000)
    x, n = task.test.x[:1], 20_000
    mean, log_scale = model.posterior(x)
    noise = torch.randn(n, 1, mean.shape[1])
    z = (mean + log_scale.exp() * noise).requires_grad_()
    f = model.log_joint(x, z)
    (slope,) = torch.autograd.grad(f.sum(), z)
    f, slope, noise = f.detach(), slope[:, 0], noise[:, 0]
    pathwise = torch.cat([slope, slope * log_scale.exp() * noise], 1)
    score = torch.cat([noise / log_scale.exp(), noise.square() - 1], 1)
    for baseline in (0.0, f.mean()):  # even with the mean taken off, which the plain estimator has not
        by_score = (f - baseline) * score
        off = (by_score.mean(0) - pathwise.mean(0)) / (by_score.var(0) / n + pathwise.var(0) / n).sqrt()
        assert float(off.abs().max()) < 4
        ratio = float(by_score.var(0).sum() / pathwise.var(0).sum())
        assert ratio > (10 if baseline == 0 else 2), ratio
    z = (log_scale.exp() + mean * noise[:, None]).requires_grad_()  # as it is misprinted
    (slope,) = torch.autograd.grad(model.log_joint(x, z).sum(), z)
    misprinted = torch.cat([slope[:, 0] * noise, slope[:, 0] * log_scale.exp()], 1)
    off = (misprinted.mean(0) - pathwise.mean(0)) / (misprinted.var(0) / n + pathwise.var(0) / n).sqrt()
    assert float(off.abs().max()) > 20


# Planes of codes, and filters


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_plane_of_a_vae_is_smooth_and_holds_every_class(seed):
    task = digits()
    exam = Exam(task, "test", make_space(task))
    rows = Desk(exam, fitted(VAE, task, 150_000, seed, latents=2), None, seed).get(Grid).rows
    assert smoothness(rows).value <= 0.3
    shuffled = rows.flatten(0, 1)[torch.randperm(Grid.SIDE**2)].view_as(rows)
    assert smoothness(shuffled).value > 0.9
    assert len(exam.space.logits(rows.flatten(0, 1)).argmax(1).unique()) == 10
    blind = Desk(exam, fitted(NaiveMC, task, 30_000, seed, latents=2), None, seed).get(Grid).rows
    assert len(exam.space.logits(blind.flatten(0, 1)).argmax(1).unique()) == 1


def test_a_trained_machine_s_filters_are_local():
    task = digits_binary()
    made = fitted(RBM, task, 60_000).filters()
    shuffled = made.flatten(1)[:, torch.randperm(64)].view_as(made)
    assert locality(made).value > 0.25
    assert abs(locality(shuffled).value) < 0.1
    assert abs(locality(RBM(task.spec).filters()).value) < 0.1  # nor is it local before


# The linear autoencoder


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_linear_autoencoder_is_pca_in_subspace_and_never_below_it_in_error(seed):
    task = lowrank64()
    x = task.train.x
    for k in (2, 8):
        pca, model = fitted(PCA, task, 2_000, latents=k), fitted(LinearAE, task, 400_000, seed, latents=k)
        a, b = (torch.linalg.qr(w.double())[0] for w in (model.decoder.weight, pca.weights))
        angle = float(torch.rad2deg(torch.linalg.svdvals(a.T @ b).min().clamp(max=1).acos()))
        lost, least = (reconstruction(x, m.decode(m.encode(x))).value for m in (model, pca))
        assert angle <= 1
        assert 1 - 1e-6 <= lost / least <= 1.001
