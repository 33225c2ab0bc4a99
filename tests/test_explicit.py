"""The exact densities: what autoregressive networks and convolutional flows must satisfy, and what they claim."""

from copy import deepcopy
from itertools import product
from math import log

import pytest
import torch
import zuko
from scipy.stats import chisquare
from torch import nn

from baselines.autoencoding.vae import VAE
from baselines.autoregressive.made import MADE
from baselines.autoregressive.mixtures import Logistics, Normals
from baselines.autoregressive.pixelcnn import PixelCNN
from baselines.flows.realnvp import RealNVP
from baselines.flows.realnvp_conv import PAIRS, RealNVPConv
from baselines.normals import standard_normal
from baselines.play import Player, play
from genbench.budget import Budget, Stream, seed_everything
from genbench.metrics import bits_per_dim, log_likelihood
from genbench.task import Bits, Counts, Real, Spec
from genbench.tasks.files import fashion_mnist
from genbench.tasks.patterns import bars_and_stripes
from genbench.tasks.planes import ring8_wide

BITS = Spec(Bits((1, 3, 3)))
GREY, COLOUR = Spec(Real((1, 4, 4), 0.0, 1.0, 16)), Spec(Real((2, 3, 3), -1.0, 3.0, 5))
PICTURE = Spec(Real((1, 8, 8), 0.0, 1.0, 16))
MODELS = [MADE, PixelCNN]


def jiggled(model, scale=0.3):
    """Off its first, special weights, in double precision."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return model.double().eval()


def made_of(spec, n):
    """Rows of a kind, uniform."""
    x = torch.rand(n, *spec.x.shape).double()
    return x.round() if isinstance(spec.x, Bits) else spec.x.low + (spec.x.high - spec.x.low) * x


def fitted(build, task, examples, seed=0, **hyper):
    seed_everything(seed)
    model = build(task.spec, **hyper)
    model.fit(Stream(task, Budget(examples), seed))
    return model.requires_grad_(False).eval()


# Autoregressive networks


@pytest.mark.parametrize("build", MODELS)
@pytest.mark.parametrize("spec", [BITS, GREY, COLOUR])
def test_what_is_said_of_a_number_depends_on_all_before_it_and_on_none_after(build, spec):
    """By the gradient of each number's own log-density by what the network reads, in the order of sampling: rows for
    MADE, pixels with their colours for PixelCNN."""
    model = jiggled(build(spec))
    seen = []
    model.law.log_prob = lambda y, raw: seen.append(raw.flatten(1, -2)) or raw.sum((-1, -2))[:, None]
    y = model.law(made_of(spec, 1))[0].requires_grad_()
    model.law.forward = lambda x: (y, y.new_zeros(len(y)))
    model.log_prob(made_of(spec, 1))
    order = torch.arange(spec.size)
    if build is PixelCNN:  # from (c, h, w) to (h, w, c)
        order = order.reshape(spec.x.shape).permute(1, 2, 0).flatten()
    for place, i in enumerate(order):
        (slope,) = torch.autograd.grad(seen[0][0, i].square().sum(), y, retain_graph=True)
        read = slope[0].abs() > 0
        assert not read[order[place:]].any()
        if build is MADE:
            assert read[order[:place]].all()
        elif place:
            assert read[order[place - 1]] or place % spec.x.shape[2] == 0


@torch.no_grad()
@pytest.mark.parametrize("build", MODELS)
def test_probabilities_of_all_pictures_sum_to_one_and_samples_have_them(build):
    model = jiggled(build(BITS), 0.15)
    x = torch.tensor(list(product((0.0, 1.0), repeat=9))).double().reshape(-1, 1, 3, 3)
    p = model.log_prob(x).exp()
    assert p.sum() == pytest.approx(1, abs=1e-9)
    drawn = model.sample(10_000)
    which = (drawn.flatten(1) @ 2.0 ** torch.arange(8, -1, -1).double()).long()
    common = p > 5 / 10_000
    assert common.sum() > 100

    def pvalue(p):
        """Of the draws by chi-square, the rare pictures in one."""
        seen, asked = torch.bincount(which, minlength=512).double(), 10_000 * p
        pairs = [torch.cat([v[common], v[~common].sum()[None] + 1e-9]).numpy() for v in (seen, asked)]
        return chisquare(*pairs).pvalue

    assert pvalue(p) > 0.01
    assert pvalue(p.flip(0)) < 1e-6  # the control: every bit inverted


@torch.no_grad()
@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("scale", [-9.0, -3.0, 0.0, 4.0])
def test_a_mixture_of_logistics_gives_its_cells_all_of_the_probability(levels, scale):
    kind = Real((1,), -1.0, 3.0, levels)
    law = Logistics(kind, 3)
    raw = torch.cat([torch.randn(3), torch.tensor([-1.5, 0.0, 0.9]), torch.full((3,), scale)]).double() - law.start
    x = kind.low + kind.cell * (torch.arange(levels) + 0.5).double()
    y, constant = law(x[:, None])
    log_p = law.log_prob(y.squeeze(1), raw.expand(levels, -1))
    assert log_p.isfinite().all()
    assert log_p.exp().sum() == pytest.approx(1, abs=1e-9)
    assert constant[0] == pytest.approx(-log(kind.cell))  # so that the density over [-1, 3) has integral 1
    drawn = law.inverse(law.draw(raw.expand(50_000, -1))[:, None])
    counts = torch.histc(drawn.float(), levels, -1, 3).double()
    assert counts.sum() == 50_000
    expected = (50_000 * log_p.exp()).clamp(min=1e-9)
    error = (counts - expected) / (expected + 1).sqrt()
    assert error.abs().max() < 5


def test_logistics_against_the_difference_of_their_distribution_functions():
    law, y = Logistics(Real((1,), 0.0, 1.0, 8), 2), torch.tensor([-7, -5, 1, 7]).double() / 8
    raw = torch.randn(6).double() + torch.tensor([0, 0, 0, 0, 2, 2])  # wide, or the plain difference has no digits left
    weight, mean, log_scale = (raw + law.start).chunk(3)
    edges = torch.tensor([[-torch.inf, -0.75], [-0.75, -0.5], [0, 0.25], [0.75, torch.inf]]).double()
    below = ((edges[..., None] - mean) * (-log_scale).exp()).sigmoid()
    expected = (weight.softmax(0) * (below[:, 1] - below[:, 0])).sum(-1).log()
    assert torch.allclose(law.log_prob(y, raw.expand(4, -1)), expected)


def test_logistics_far_from_a_cell_have_a_gradient():
    law = Logistics(Real((1,), 0.0, 1.0, 256), 2)
    raw = torch.tensor([0.0, 0, 0.9, 0.99, -7, -7]).sub(law.start).requires_grad_()
    value = law.log_prob(torch.tensor([-0.5 - 1 / 256]), raw[None])
    assert -2000 < value.item() < -1000
    assert torch.autograd.grad(value.sum(), raw)[0][2].abs() > 100
    value = law.log_prob(torch.tensor([-1 + 1 / 256, 1 - 1 / 256]), raw.expand(2, -1))
    assert torch.autograd.grad(value.sum(), raw)[0].isfinite().all()


def test_normals_are_torchs_mixture():
    law = Normals(Real((1,)), 3)
    y, raw = torch.randn(7), torch.randn(7, 9)
    weight, mean, log_scale = (raw + law.start).chunk(3, -1)
    parts = torch.distributions.Normal(mean, log_scale.exp())
    expected = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=weight), parts)
    assert torch.allclose(law.log_prob(y, raw), expected.log_prob(y), atol=1e-5)
    drawn = law.draw(raw[:1].expand(100_000, -1))
    assert drawn.mean().item() == pytest.approx(expected.mean[0].item(), abs=0.05)
    assert drawn.std().item() == pytest.approx(expected.stddev[0].item(), rel=0.05)


@torch.no_grad()
@pytest.mark.parametrize("build", MODELS)
@pytest.mark.parametrize("spec", [GREY, COLOUR])
def test_a_quantised_row_s_density_is_the_same_all_over_its_cell(build, spec):
    model = jiggled(build(spec))
    low = spec.x.low + spec.x.cell * torch.randint(spec.x.levels, (5, *spec.x.shape)).double()
    values = [model.log_prob(low + spec.x.cell * u) for u in (1e-6, 0.4, 1 - 1e-6)]
    assert torch.allclose(values[0], values[1])
    assert torch.allclose(values[0], values[2])
    drawn = model.sample(500)
    assert drawn.shape == (500, *spec.x.shape)
    assert spec.x.low <= drawn.min() < drawn.max() <= spec.x.high


@torch.no_grad()
@pytest.mark.parametrize("build", MODELS)
def test_the_law_of_samples_is_the_density(build):
    """Where the model draws as it computes, the mean of the ratio of any other density to its own is 1."""
    for spec in (GREY, COLOUR):
        model = jiggled(build(spec), 0.1)
        other = jiggled(deepcopy(model), 0.01)
        x = model.sample(1_000)
        ratio = (other.log_prob(x) - model.log_prob(x)).exp()
        assert ratio.mean().item() == pytest.approx(1, abs=5 * ratio.std().item() / 1_000**0.5)
        assert 0.05 < ratio.std() < 1


def test_they_say_what_they_need():
    for build in MODELS:
        with pytest.raises(NotImplementedError, match="counts"):
            build(Spec(Counts((1, 3, 3))))
    for build in (PixelCNN, RealNVPConv):
        with pytest.raises(NotImplementedError, match="pictures"):
            build(Spec(Real((2,))))
    with pytest.raises(NotImplementedError, match="bits"):
        RealNVPConv(Spec(Bits((1, 8, 8))))


# The convolutional flow


def flow(spec, width=8):
    model = jiggled(RealNVPConv(spec, width=width), 0.1)
    model.preprocessing.standardise(made_of(spec, 50))
    return model


@pytest.mark.parametrize("spec", [PICTURE, Spec(Real((2, 8, 6), -1.0, 3.0, 9))])
def test_its_log_det_is_the_jacobian_s_and_it_inverts(spec):
    model, x = flow(spec), made_of(spec, 2)
    z, log_det = model.transform(x)
    assert z.shape == (2, spec.size)
    for row, expected in zip(x, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(model.encode, row[None]).reshape(spec.size, spec.size)
        assert torch.linalg.slogdet(jacobian).logabsdet.item() == pytest.approx(expected.item(), abs=1e-8)
    assert torch.allclose(model.decode(z), x, atol=1e-9, rtol=0)
    assert torch.allclose(model.log_prob(x), standard_normal(z) + log_det)


@torch.no_grad()
def test_every_latent_of_every_scale_moves_the_picture():
    spec = Spec(Real((1, 16, 16), 0.0, 1.0, 16))
    model = flow(spec)
    assert [tuple(shape) for shape in model.shapes] == [(2, 8, 8), (4, 4, 4)]
    z = torch.randn(1, 256).double()
    moved = model.decode(z + torch.eye(256).double()) - model.decode(z)
    assert (moved.flatten(1).abs().amax(1) > 1e-3).all()
    reach = (moved.abs() > 1e-9).flatten(1).sum(1).double()
    assert reach[-128:].mean() > reach[:128].mean()  # coarse codes move more of it than fine ones


def test_the_first_pairs_are_the_picture_s_checkerboard():
    board = (torch.arange(4)[:, None] + torch.arange(4)) % 2
    squares = nn.functional.pixel_unshuffle(board[None, None].float(), 2)[0]
    assert [squares[list(pair)].unique().tolist() for pair in PAIRS[0]] == [[0.0], [1.0]]


# What is claimed


@torch.no_grad()
def test_fair_levels_cost_exactly_their_bits():
    """A logistic at the middle of two cells gives each a half: 1 bit a number, with all constants and all noise."""
    model = MADE(Spec(Real((6,), -1.0, 3.0, 2)), components=1)
    nn.init.zeros_(model.head.weight)
    model.head.bias.zero_()
    assert bits_per_dim(model.log_prob(-1 + 4 * torch.rand(50, 6)) + 6 * log(4), 6, 2).value == pytest.approx(1)


@torch.no_grad()
@pytest.mark.parametrize("build", MODELS)
def test_bits_are_the_code_length_of_the_cells(build):
    model = jiggled(build(PICTURE), 0.1)
    x = made_of(PICTURE, 20)
    y, _ = model.law(x)
    total = model.log_prob(x) - 64 * log(16)  # of the cells' probabilities
    assert (total < 0).all()
    assert bits_per_dim(model.log_prob(x), 64, 16).value == pytest.approx(-total.mean().item() / 64 / log(2))
    assert torch.equal(((y + 1) * 8).floor(), (x.flatten(1) * 16).floor())


@pytest.mark.parametrize("build", MODELS)
def test_bars_and_stripes_are_learned_to_near_their_entropy(build):
    task = bars_and_stripes()
    model = fitted(build, task, 20_000)
    found = log_likelihood(model.log_prob(task.test.x), 9, 0).value
    assert found > -log(14) - 0.1
    assert fitted(build, task, 64).log_prob(task.test.x).mean() < -5  # untrained: 9 coins, log 2 each


def test_a_mixture_for_each_number_covers_the_ring_and_one_normal_does_not():
    task = ring8_wide()
    mixture, one = (fitted(MADE, task, 60_000, components=k).log_prob(task.test.x).mean() for k in (10, 1))
    assert task.log_prob(task.test.x).mean() - 0.6 < mixture < 0
    assert one < mixture - 1


@pytest.mark.slow
def test_convolutions_save_bits_on_clothing():
    task = fashion_mnist()
    x = task.test.x[:1000]
    for seed in range(3):
        models = {build: fitted(build, task, 6_000, seed) for build in (PixelCNN, RealNVPConv, MADE, VAE)}
        for better, worse in ((PixelCNN, RealNVPConv), (RealNVPConv, MADE)):
            ahead = log_likelihood(models[better].log_prob(x) - models[worse].log_prob(x), 784, 256)
            assert ahead.value > 3 * ahead.error
        again = {build: models[build].decode(models[build].encode(x)) for build in (RealNVPConv, VAE)}
        assert (again[RealNVPConv] - x).abs().max() < 1e-4 < (again[VAE] - x).abs().max()


class Peer(nn.Module):
    """zuko's affine couplings of our size, over our standardisation, by our optimizer on our batches."""

    def __init__(self, spec):
        super().__init__()
        self.ours = RealNVP(spec)
        nets = {"transforms": len(self.ours.couplings), "hidden_features": (64, 64)}
        self.couplings = zuko.flows.NICE(spec.size, **nets)

    def log_prob(self, x):
        y, log_det = self.ours.preprocessing(x)
        return self.couplings().log_prob(y) + log_det

    def fit(self, stream):
        self.ours.preprocessing.standardise(stream.whole().x)
        parameters = list(self.couplings.parameters())
        optimizer = torch.optim.AdamW(parameters, lr=self.ours.rate, weight_decay=self.ours.decay, fused=True)
        play(stream.batches(self.ours.batch), Player("nll", lambda x, y: -self.log_prob(x).mean(), optimizer))


@pytest.mark.slow
def test_realnvp_is_no_worse_than_zuko_s():
    task = ring8_wide()
    for seed in range(3):
        ours, theirs = (fitted(build, task, 150_000, seed) for build in (RealNVP, Peer))
        sizes = [sum(p.numel() for p in m.parameters()) for m in (ours.couplings, theirs.couplings)]
        assert sizes[0] == pytest.approx(sizes[1], rel=0.1)
        ahead = log_likelihood(ours.log_prob(task.test.x) - theirs.log_prob(task.test.x), 2, 0)
        assert ahead.value > -ahead.error
