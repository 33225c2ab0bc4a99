"""What the papers of the linear, autoencoding and blind models claim, each on a small budget against its control."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans as Lloyd
from torch import nn

from baselines.autoencoding.aae import AAE
from baselines.autoencoding.deep_ae import KEPT, DeepAE, conv_ae, denoising_ae, masked, sigmoid_ae
from baselines.autoencoding.vae import VAE, beta_vae
from baselines.linear.linear_ae import LinearAE
from baselines.linear.pca import PCA
from baselines.mixture.kmeans import KMeans
from baselines.mixture.naive_mc import NaiveMC, naive_mc_k
from baselines.nets import down, halvings, up
from genbench.budget import Budget, Stream, seed_everything
from genbench.metrics import energy, reconstruction
from genbench.task import Bits, Counts, Real, Rows, Spec, Task
from genbench.tasks.digits import digits
from genbench.tasks.patterns import manifold
from genbench.tasks.planes import ring8_wide
from genbench.tasks.spectrum import lowrank64


def fitted(build, task, examples, seed=0, **hyper):
    seed_everything(seed)
    model = build(task.spec, **hyper)
    model.fit(Stream(task, Budget(examples), seed))
    return model.requires_grad_(False).eval()


def lost(model, x):
    return reconstruction(x, model.decode(model.encode(x))).value


def angle(a, b):
    """The largest principal angle between two column spaces, in degrees."""
    a, b = (torch.linalg.qr(m.double())[0] for m in (a, b))
    return float(torch.rad2deg(torch.linalg.svdvals(a.T @ b).min().clamp(max=1).acos()))


# The linear autoencoder


def test_a_linear_autoencoder_finds_the_subspace_of_pca_and_not_its_axes():
    task = lowrank64()
    pca = fitted(PCA, task, 2_000, latents=4)
    model = fitted(LinearAE, task, 250_000, latents=4)
    ratio = lost(model, task.train.x) / lost(pca, task.train.x)
    assert 1 - 1e-6 <= ratio <= 1.001
    assert angle(model.decoder.weight, pca.weights) < 1
    columns = nn.functional.normalize(model.decoder.weight, dim=0)
    assert (columns.T @ columns).fill_diagonal_(0).abs().max() > 0.05  # PCA's are orthogonal
    assert angle(model.decoder.weight[:, :2], pca.weights[:, :2]) > 5


def test_it_is_centred():
    task = lowrank64()
    moved = Rows(task.train.x + 3)
    off = Task("moved", task.spec, moved, moved, moved, moved)
    model = fitted(LinearAE, off, 250_000, latents=4)
    ratio = lost(model, moved.x) / lost(fitted(PCA, off, 2_000, latents=4), moved.x)
    assert 1 - 1e-5 <= ratio <= 1.001
    without = torch.linalg.svd(moved.x, full_matrices=False)
    rank = (without.U[:, :4] * without.S[:4]) @ without.Vh[:4]
    assert lost(model, moved.x) < 0.9 * float((moved.x - rank).square().mean())  # what no centring costs


# Deep, convolutional, denoising


def test_deep_autoencoders_follow_a_curve_that_pca_cannot():
    task = manifold()
    line = lost(fitted(PCA, task, 2_000, latents=2), task.test.x)
    assert lost(fitted(DeepAE, task, 40_000, latents=2), task.test.x) < 0.3 * line
    assert lost(fitted(sigmoid_ae, task, 40_000, latents=2), task.test.x) > line  # one layer is not enough


@pytest.mark.slow
def test_deep_and_convolutional_codes_are_better_than_pca_s_on_held_out_digits():
    task = digits()
    for k in (2, 8):
        line = lost(fitted(PCA, task, 1_000, latents=k), task.test.x)
        for build in (DeepAE, conv_ae):
            assert lost(fitted(build, task, 150_000, latents=k), task.test.x) < 0.9 * line


@pytest.mark.parametrize(("side", "times"), [(8, 1), (16, 2), (28, 2), (32, 3), (6, 1)])
def test_convolutions_halve_to_four_or_an_odd_side_and_back(side, times):
    shape = (3, side, side)
    assert halvings(shape) == times
    channels = (4, 8, 16)[:times]
    encoder, decoder = down(shape, channels, 5), up(5, channels, shape)
    assert encoder[-1].in_features == channels[-1] * (side >> times) ** 2
    assert decoder(encoder(torch.randn(2, 3 * side * side))).shape == (2, 3 * side * side)
    assert encoder(torch.randn(2, 3 * side * side)).shape == (2, 5)


def test_convolutions_move_with_the_picture():
    features = down((1, 16, 16), (4,), 5)[:3]
    x = torch.zeros(1, 1, 16, 16)
    x[..., 6:9, 5:8] = 1
    moved = x.roll((2, 4), (2, 3))
    torch.testing.assert_close(features(moved.flatten(1)), features(x.flatten(1)).roll((1, 2), (2, 3)))


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4), (1, 7, 8), (64,)])
def test_what_cannot_be_halved_is_declined(shape):
    with pytest.raises(NotImplementedError, match="even sides"):
        conv_ae(Spec(Real(shape)))


def test_conv_ae_learns_pictures_of_28_and_bits():
    for kind in (Real((1, 28, 28), 0.0, 1.0, 256), Bits((1, 8, 8))):
        x = torch.rand(64, *kind.shape).round()
        task = Task("t", Spec(kind), *[Rows(x)] * 4)
        model = fitted(partial(conv_ae, batch=32), task, 640)
        assert model.decode(model.encode(x)).shape == x.shape
        assert model.sample(3).shape == (3, *kind.shape)


def test_masking_loses_its_share_and_no_more():
    x = torch.rand(200, 100) + 0.1
    kept = masked(x)
    assert torch.equal(kept[kept != 0], x[kept != 0])
    assert float((kept == 0).double().mean()) == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / 20_000) ** 0.5)


def test_a_denoising_autoencoder_restores_what_was_lost():
    task = digits()
    x, hurt = task.test.x, masked(task.test.x)
    plain, trained = (fitted(build, task, 150_000) for build in (DeepAE, denoising_ae))
    restored, not_restored = (float((m.decode(m.encode(hurt)) - x).square().mean()) for m in (trained, plain))
    assert restored < 0.85 * not_restored
    assert restored < float((hurt - x).square().mean())


# The autoencoder as a generator


def test_priors_are_of_the_codes():
    model = DeepAE(Spec(Real((6,))), latents=3)
    model.codes = 2 + torch.randn(KEPT, 3) * torch.tensor([0.1, 1.0, 3.0])
    spread, mean = torch.cov(model.codes.T), model.codes.mean(0)
    assert model.latent(50_000).mean(0).abs().max() < 0.03
    model.prior = "fitted"
    z = model.latent(50_000)
    torch.testing.assert_close(z.mean(0), mean, atol=0.06, rtol=0)
    torch.testing.assert_close(torch.cov(z.T), spread, rtol=0.05, atol=0.05)
    model.prior = "kde"
    wide = 1 + KEPT ** (-2 / 7)  # Scott's bandwidth, squared
    torch.testing.assert_close(torch.cov(model.latent(50_000).T), wide * spread, rtol=0.05, atol=0.08)


def test_the_codes_that_priors_see_are_the_last_ones_of_training():
    task = ring8_wide()
    model = fitted(DeepAE, task, 6 * 256, rate=0.0)  # an encoder that stays as it is
    assert model.codes.shape == (KEPT, 1)
    assert torch.cdist(model.codes, model.encode(task.train.x)).min(1).values.max() < 1e-6
    assert len(model.codes.unique()) > 0.99 * KEPT


def test_random_codes_decode_badly_and_fitted_ones_better():
    task = digits()
    seed_everything(1)
    distance = {}
    for prior in ("normal", "fitted", "kde"):
        made = fitted(DeepAE, task, 60_000, prior=prior).sample(300)
        distance[prior] = energy(task.test.x.flatten(1), made.flatten(1)).value
    assert distance["normal"] > 2 * distance["fitted"]
    assert distance["fitted"] > distance["kde"]


def test_an_adversary_ties_the_codes_to_the_prior():
    task = digits()
    prior = torch.randn(300, 8)
    loose, tied = (
        fitted(build, task, examples).encode(task.test.x) for build, examples in ((DeepAE, 50_000), (AAE, 150_000))
    )
    assert energy(prior, tied).value < 0.2 * energy(prior, loose).value


def test_each_player_of_an_adversarial_autoencoder_moves_its_own():
    x = torch.randn(64, 6)
    task = Task("t", Spec(Real((6,))), *[Rows(x)] * 4)
    parts = ("encoder", "decoder", "critic")

    def moved(examples):
        seed_everything(0)
        model = AAE(task.spec, latents=2, batch=16)
        before = {part: [p.clone() for p in getattr(model, part).parameters()] for part in parts}
        model.fit(Stream(task, Budget(examples)))
        now = {part: list(getattr(model, part).parameters()) for part in parts}
        return model, {
            part for part in parts if any(not torch.equal(a, b) for a, b in zip(before[part], now[part], strict=True))
        }

    one, first = moved(16)
    two, second = moved(32)
    three, _ = moved(48)
    assert (first, second) == ({"encoder", "decoder"}, set(parts))
    assert torch.equal(one.encoder[0].weight, two.encoder[0].weight)  # the critic's turn
    assert not torch.equal(two.encoder[0].weight, three.encoder[0].weight)
    assert torch.equal(two.decoder[0].weight, three.decoder[0].weight)
    assert torch.equal(two.critic[0].weight, three.critic[0].weight)


# The weight of the divergence


def test_beta_weighs_the_divergence_in_the_loss_and_nothing_else():
    x = torch.rand(5000, 2)
    plain = VAE(Spec(Real((2,))), latents=2)
    heavy = beta_vae(Spec(Real((2,))), latents=2)
    heavy.load_state_dict(plain.state_dict())
    assert heavy.beta == 2
    mean, log_scale = plain.posterior(x)
    divergence = 0.5 * (mean.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(1).mean()
    torch.manual_seed(3)
    loss = plain.loss(x, None)
    torch.manual_seed(3)
    gain = (heavy.loss(x, None) - loss).detach()
    assert float(gain) == pytest.approx(float(divergence.detach()), rel=0.1, abs=0.01)
    torch.manual_seed(4)
    bound = plain.bound(x, 3)
    torch.manual_seed(4)
    assert torch.equal(heavy.bound(x, 3), bound)


def test_a_heavy_divergence_lets_less_through_the_code():
    task = digits()

    def nats(model):
        mean, log_scale = model.posterior(task.test.x)
        return float(0.5 * (mean.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(1).mean())

    light, heavy = (fitted(build, task, 100_000) for build in (VAE, beta_vae))
    assert 2 < nats(heavy) < 0.75 * nats(light)


# Codes drawn blindly


def two_blobs():
    x = torch.where(torch.rand(4000, 1) < 0.5, -2.0, 2.0) + 0.3 * torch.randn(4000, 1)
    return Task("two", Spec(Real((1,))), *[Rows(x)] * 4)


def test_naive_monte_carlo_as_printed_collapses_to_one_normal_and_with_k_codes_does_not():
    task = two_blobs()
    printed, consistent = fitted(NaiveMC, task, 80_000), fitted(naive_mc_k, task, 80_000)
    z = printed.latent(2000)
    assert float(printed.decode(z).std()) < 0.05 * float(task.train.x.std())
    scale = float((printed.likelihood.GAIN * printed.likelihood.scale).exp())
    assert scale == pytest.approx(float(task.train.x.std()), rel=0.05)
    distance = (consistent.decode(z).abs() - 2).abs()
    assert float((distance < 0.6).double().mean()) > 0.9
    x = task.test.x[:200]
    assert float(consistent.bound(x, 1000).mean()) > float(printed.bound(x, 1000).mean()) + 0.8


def test_few_blind_codes_have_anything_to_do_with_a_digit():
    task = digits()
    model = fitted(naive_mc_k, task, 50_000)
    weights = model.log_weights(task.test.x, 50).softmax(0)
    assert float((1 / weights.square().sum(0)).mean()) / 50 < 0.15


@torch.no_grad()
def test_the_blind_bound_is_one_and_rises_to_the_likelihood():
    """A linear decoder's likelihood is a normal's."""
    model = NaiveMC(Spec(Real((3,))), latents=1)
    model.decoder = nn.Linear(1, 3)
    model.likelihood.scale.fill_(np.log(0.8) / model.likelihood.GAIN)
    w, b = model.decoder.weight, model.decoder.bias
    law = torch.distributions.MultivariateNormal(b, w @ w.T + 0.64 * torch.eye(3))
    x = law.sample((2000,))
    means = [float((model.bound(x, k) - law.log_prob(x)).mean()) for k in (1, 5, 50, 2000)]
    assert means == sorted(means)
    assert means[0] < -0.05
    assert means[-1] == pytest.approx(0, abs=2e-3)


# K-means


def test_kmeans_is_scikit_learn_s_and_its_density_integrates_to_one():
    task = ring8_wide(train=2_000)
    model = fitted(KMeans, task, 2_000, clusters=8)
    x = task.train.x
    again = model.decode(model.encode(x))
    expected = Lloyd(8, n_init=10, random_state=0).fit(x.double().numpy()).inertia_
    assert float((again - x).double().square().sum()) == pytest.approx(expected, rel=1e-4)
    assert float(model.variance) == pytest.approx(expected / x.numel(), rel=1e-4)
    assert torch.cdist(task.modes.centres, model.centres).min(1).values.max() < 0.05
    side = torch.linspace(-4, 4, 801)
    total = model.log_prob(torch.cartesian_prod(side, side)).exp().sum() * (side[1] - side[0]) ** 2
    assert float(total) == pytest.approx(1, abs=1e-3)
    assert float(model.log_prob(task.test.x).mean()) == pytest.approx(
        float(task.log_prob(task.test.x).mean()), abs=0.05
    )


def test_kmeans_draws_each_cluster_by_its_share_and_never_an_empty_one():
    model = KMeans(Spec(Real((2,))), clusters=4)
    x = torch.tensor([[0.0, 0.0], [9.0, 9.0]])
    model.fit(Stream(Task("t", Spec(Real((2,))), *[Rows(x)] * 4), Budget(2)))  # two rows for four clusters
    assert (model.shares[2:] == 0).all()
    assert model.log_prob(x).isfinite().all()
    model.centres, model.shares = torch.arange(8.0).reshape(4, 2), torch.tensor([0.5, 0.0, 0.3, 0.2])
    drawn = model.latent(20_000).mean(0)
    torch.testing.assert_close(drawn, model.shares, atol=0.02, rtol=0)
    assert (model.encode(model.centres[1:2])[0, 1]) == 0


# All


@pytest.mark.parametrize("build", [PCA, LinearAE, KMeans])
def test_squared_errors_need_real_rows(build):
    for kind in (Bits((4,)), Counts((4,))):
        with pytest.raises(NotImplementedError, match="real rows"):
            build(Spec(kind))


@pytest.mark.parametrize("build", [VAE, NaiveMC])
def test_counts_have_no_likelihood_here(build):
    with pytest.raises(NotImplementedError, match="not counts"):
        build(Spec(Counts((4,))))
