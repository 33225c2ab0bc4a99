"""The adversarial models of pictures: networks that grow, codes that are told, classes that are asked for, rows that
are inverted and painted on; each against its formula or the effect that its paper claims."""

from functools import partial
from math import log

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from baselines.adversarial.cgan import CGAN, cgan_unmatched
from baselines.adversarial.growing import Grown, Judging, conv, double, halve, unit, varied
from baselines.adversarial.ian import IAN
from baselines.adversarial.igan import IGAN
from baselines.adversarial.infogan import InfoGAN
from baselines.adversarial.inversion import edited, masked_error
from baselines.adversarial.progressive import ProgressiveGAN
from baselines.adversarial.vae_gan import VAEGAN
from baselines.adversarial.variants import dcgan
from genbench.budget import Budget, Stream, aside, seed_everything
from genbench.evidence import Conditionals, Desk, Edits, Exam, Told
from genbench.metrics import agreement, edit_error, information, label_entropy
from genbench.spaces.pixels import Pixels
from genbench.task import Labels, Real, Rows, Spec, Task
from genbench.tasks.shapes import FACTORS, drawn, shapes16

SMALL = Spec(Real((1, 8, 8), 0.0, 1.0), Labels(2))


@pytest.fixture(autouse=True)
def seeded():
    seed_everything(0)


def halves(n=600):
    """Pictures whose left half is lit, or whose right half, more or less brightly; the class is which."""
    y = torch.randint(2, (n,))
    x = torch.zeros(n, 1, 8, 8)
    light = 0.6 + 0.3 * torch.rand(n, 1, 1, 1)
    x[..., :4], x[..., 4:] = light * (y == 0).view(-1, 1, 1, 1), light * (y == 1).view(-1, 1, 1, 1)
    return Task("halves", SMALL, *[Rows(x, y)] * 4)


def fitted(build, task, examples):
    seed_everything(1)
    stream = Stream(task, Budget(examples))
    stream.model = build(task.spec)
    stream.model.fit(stream)
    return stream.model


def seen(model, task, kind):
    with aside(model, 0):
        return Desk(Exam(task, "test", Pixels()), model, seed=0).get(kind)


def moved(model, examples, task):
    """The names of parts whose parameters a short training changed."""
    before = {name: p.clone() for name, p in model.named_parameters()}
    model.fit(Stream(task, Budget(examples)))
    return {name.split(".")[0] for name, p in model.named_parameters() if not torch.equal(p, before[name])}


# DCGAN


@pytest.mark.parametrize(("side", "low"), [(16, 4), (28, 7), (32, 4)])
def test_a_generator_doubles_and_a_critic_halves_and_neither_normalises_a_picture(side, low):
    model = dcgan(Spec(Real((3, side, side), 0.0, 1.0)), widths=(24, 16, 8))
    convolutions = [layer for layer in model.generator if isinstance(layer, nn.ConvTranspose2d)]
    assert low * 2 ** len(convolutions) == side
    assert model.generator[0].out_features == low * low * convolutions[0].in_channels
    assert isinstance(model.generator[-2], nn.ConvTranspose2d)  # its pictures come out of the last one
    judging = [type(layer) for layer in model.critic]
    assert judging.index(nn.Conv2d) < judging.index(nn.LeakyReLU) < judging.index(nn.BatchNorm2d)
    assert judging.count(nn.BatchNorm2d) == judging.count(nn.Conv2d) - 1
    assert judging.count(nn.Linear) == 1  # no hidden layer is fully connected
    assert model.sample(2).shape == (2, 3, side, side)


def test_it_takes_no_rows_that_are_no_pictures():
    for shape in ((2,), (1, 7, 7), (1, 4, 4)):
        with pytest.raises(NotImplementedError, match="needs pictures"):
            dcgan(Spec(Real(shape)))


# Conditions


def test_a_class_that_is_asked_for_is_made_and_with_labels_of_other_rows_is_not():
    task = halves()
    quick = {"critic_rate": 1e-3, "widths": (16,)}
    asked, unmatched = (
        seen(fitted(partial(build, **quick), task, 9_000), task, Conditionals) for build in (CGAN, cgan_unmatched)
    )
    assert torch.equal(asked.given, task.test.y)
    assert agreement(asked).value > 0.9
    assert label_entropy(asked).value < 0.4 < 0.6 < label_entropy(asked, given=False).value
    assert 0.3 < agreement(unmatched).value < 0.7


def test_the_critic_is_shown_the_class_as_a_channel_and_the_generator_in_its_code():
    model, x = CGAN(SMALL).eval(), torch.rand(4, 1, 8, 8)
    assert model.critic[1].in_channels == 2
    assert not torch.allclose(model.score_given(x, torch.zeros(4).long()), model.score_given(x, torch.ones(4).long()))
    z = model.code(torch.tensor([1, 0]))
    assert z[:, model.latents :].tolist() == [[0, 1], [1, 0]]
    model.seen = torch.tensor([0.0, 5.0])  # a class never seen is never drawn
    assert model.latent(50)[:, -1].tolist() == [1] * 50
    with pytest.raises(NotImplementedError, match="class"):
        CGAN(Spec(SMALL.x))


# InfoGAN


def test_the_bound_is_the_entropy_of_the_class_where_it_is_read_and_nothing_where_it_is_not():
    model = InfoGAN(SMALL, classes=4, continuous=2, noise=3)
    z = model.latent(2000)
    chosen = z[:, 3:7]
    model.read = lambda x: ((50 * chosen).log_softmax(1), z[:, 7:])
    model.log_scale.data.fill_(-1.0)
    of_class, of_numbers = model.told(z, z).mean(0)
    assert float(of_class.detach()) == pytest.approx(log(4), abs=1e-4)
    # two numbers read to a scale s: 2 log 2 - 2 log(s sqrt(2 pi)), the density of a normal at its mean
    exact = 2 * log(2) + 2 * float(Normal(0.0, torch.tensor(-1.0).exp()).log_prob(torch.tensor(0.0)))
    assert float(of_numbers.detach()) == pytest.approx(exact, abs=1e-5)
    model.read = lambda x: (torch.full((2000, 4), -log(4)), torch.zeros(2000, 2))
    assert float(model.told(z, z)[:, 0].mean().detach()) == pytest.approx(0, abs=1e-6)
    assert 0.9 < model.latent(500)[:, 7:].abs().max() <= 1


@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_both_players_raise_the_bound_on_the_codes_that_made_the_pictures(weight):
    """The gradient by Q of either loss is that of -weight times the bound: nothing else reaches Q."""
    model, x = (
        InfoGAN(SMALL, classes=3, continuous=0, noise=2, weight=weight, weight_continuous=0.0),
        torch.rand(16, 1, 8, 8),
    )
    found = []
    for loss in (model.critic_loss, model.generator_loss):
        seed_everything(3)
        value = loss(x, None)
        (slope,) = torch.autograd.grad(value, model.reader.weight, retain_graph=True)
        (through,) = torch.autograd.grad(value, model.generator[0].weight, allow_unused=True)
        found.append((slope.norm(), through))
    assert all(bool(slope > 0) == bool(weight) for slope, _ in found)
    assert found[0][1] is None  # the critic's turn does not reach the generator
    assert found[1][1].norm() > 0


def test_what_is_told_is_read_by_a_forest_too_and_without_the_bound_is_not():
    task = halves()
    small = partial(InfoGAN, classes=2, continuous=0, noise=8, channels=(8,), features=16, critic_rate=1e-3)
    told, untold = (seen(fitted(partial(small, weight=w), task, 9_000), task, Told) for w in (1.0, 0.0))
    assert information(told).value > 0.8 * log(2)
    assert 0.7 * log(2) < information(told, by="forest").value <= log(2)
    assert information(untold).value < 0.3 * log(2)


# VAE-GAN and the introspective network


@pytest.mark.parametrize("build", [VAEGAN, IAN])
def test_the_divergence_is_that_of_normals(build):
    model, x = build(SMALL), torch.rand(5, 1, 8, 8)
    if build is IAN:
        h = model.seen(x)
        mean, log_scale = model.reader(h).chunk(2, 1)
        found = model.drawn(h)[1]
    else:
        model.eval()
        mean, log_scale = model.posterior(x)
        found = model.drawn(x)[1]
    exact = kl_divergence(Normal(mean, log_scale.exp()), Normal(torch.zeros(()), torch.ones(()))).sum(1)
    torch.testing.assert_close(found, exact)


def test_three_players_of_a_vae_gan_each_move_their_own():
    task = halves()
    assert moved(VAEGAN(SMALL), 16, task) == {"trunk", "critic"}
    assert moved(VAEGAN(SMALL), 32, task) == {"trunk", "critic", "encoder"}
    assert moved(VAEGAN(SMALL), 48, task) == {"trunk", "critic", "encoder", "decoder"}


def test_the_eyes_of_the_introspective_network_learn_from_the_game_alone():
    task = halves()
    assert moved(IAN(SMALL), 16, task) == {"trunk", "critic"}
    model = IAN(SMALL)
    value = model.autoencoder_loss(torch.rand(8, 1, 8, 8), None)
    player = {*model.reader.parameters(), *model.decoder.parameters()}
    assert all(g is not None for g in torch.autograd.grad(value, [*player], allow_unused=True))


def test_an_unpainted_picture_comes_back_exactly_and_what_the_code_lost_comes_back_where_nothing_moved():
    task = halves()
    model = fitted(IAN, task, 2_000)
    x, nothing = task.test.x[:6], torch.zeros(6, 1, 8, 8)
    with aside(model, 0):
        torch.testing.assert_close(model.edit(x, nothing, 1 - x), x, rtol=0, atol=1e-6)
        again = model.decode(model.encode(x))
        assert (again - x).abs().max() > 1e-3  # a code does not hold it all
        painted = model.edit(x, torch.ones_like(x), x.flip(3))
    assert (painted - x).abs().mean() > 0.05


# Inversion


def test_descent_finds_the_code_of_a_linear_generator_and_a_stay_holds_it_back():
    torch.set_default_dtype(torch.float64)
    try:
        W = torch.randn(3, 12)

        def decode(z):
            return z @ W

        z, there = torch.zeros(4, 3), torch.randn(4, 3)
        mask = torch.ones(4, 12)
        found = edited(decode, z, mask, decode(there), stay=0.0, steps=800, rate=0.05)
        torch.testing.assert_close(found, there, rtol=0, atol=1e-3)
        mask[:, 6:] = 0  # ridge regression on half of the numbers: (W W^T / 6 + stay / 3) z = W x / 6
        half, wanted = W[:, :6], decode(there)
        found = edited(decode, z, mask, wanted, stay=0.5, steps=1500, rate=0.02)
        exact = torch.linalg.solve(half @ half.T / 6 + 0.5 / 3 * torch.eye(3), half @ wanted[:, :6].T / 6).T
        torch.testing.assert_close(found, exact, rtol=0, atol=1e-2)
        assert (masked_error(wanted + 1, wanted, mask) - 1).abs().max() < 1e-12
    finally:
        torch.set_default_dtype(torch.float32)


def test_descent_from_a_guess_is_better_than_the_guess_and_an_edit_does_what_was_painted():
    task = halves()
    x = task.test.x[:100]
    hybrid = fitted(IGAN, task, 8_000)
    error = {}
    with aside(hybrid, 0):
        for by in ("encoder", "descent", "hybrid"):
            hybrid.by = by
            error[by] = float((hybrid.decode(hybrid.encode(x)) - x).square().mean())
    assert error["hybrid"] < error["encoder"]
    assert edit_error(seen(hybrid, task, Edits)).value < 0.5
    hybrid.steps = 0
    assert edit_error(seen(hybrid, task, Edits)).value == pytest.approx(1)


# Growing


def test_a_layer_that_is_not_there_yet_is_the_smaller_network_up_sampled():
    net, z = Grown(5, [12, 8, 6], (4, 4), 3), torch.randn(7, 5)
    eyes, x = Judging([12, 8, 6], (4, 4), 3), torch.rand(7, 3, 16, 16)
    torch.testing.assert_close(net(z, 2, 0.0), double(net(z, 1, 1.0)))
    torch.testing.assert_close(eyes(x, 2, 0.0), eyes(halve(x), 1, 1.0))
    for alpha in (0.25, 0.5):
        torch.testing.assert_close(net(z, 2, alpha), torch.lerp(double(net(z, 1, 1.0)), net(z, 2, 1.0), alpha))
    assert (net(z, 2, 1.0) - net(z, 2, 0.0)).abs().max() > 1e-2


@pytest.mark.parametrize(("narrow", "wide"), [(4, 64), (64, 64), (64, 4)])
def test_an_equalised_layer_keeps_the_scale_whatever_its_width_and_learns_at_the_scale_of_1(narrow, wide):
    layer = conv(narrow, wide, gain=1.0)
    h = layer(torch.randn(64, narrow, 12, 12))[:, :, 1:-1, 1:-1]
    assert float(h.detach().std()) == pytest.approx(1, abs=0.2)
    held = layer.parametrizations.weight.original
    assert float(held.detach().std()) == pytest.approx(1, abs=0.1)
    torch.testing.assert_close(layer.weight, held / (9 * narrow) ** 0.5)


def test_a_pixel_is_brought_to_a_mean_square_of_1_and_a_batch_is_seen_by_its_spread():
    h = 5 * torch.randn(6, 8, 3, 3)
    torch.testing.assert_close(unit(h).square().mean(1), torch.ones(6, 3, 3), rtol=0, atol=1e-5)
    told = varied(h)
    assert told.shape == (6, 9, 3, 3)
    torch.testing.assert_close(told[:, 8], h.std(0, correction=0).mean().expand(6, 3, 3))
    assert varied(h[:1].expand(6, -1, -1, -1))[:, 8].max() < 1e-3


def test_it_grows_with_the_budget_and_shows_rows_as_blurred_as_its_fakes():
    task = shapes16(train=300, test=50)
    depths = []

    class Seen(ProgressiveGAN):
        def critic_loss(self, x, y):
            depths.append((int(self.depth), round(float(self.alpha), 2)))
            assert self.blurred(x).shape == self.fake(len(x)).shape
            return super().critic_loss(x, y)

    model = fitted(partial(Seen, channels=(8, 8, 8)), task, 2_000)
    assert [d for d, _ in depths] == sorted(d for d, _ in depths)
    assert {d for d, _ in depths} == {*range(model.last + 1)}
    fading = [alpha for d, alpha in depths if d == 1]
    assert fading[0] < 0.2
    assert fading == sorted(fading)
    assert fading.count(1.0) == pytest.approx(len(fading) / 2, abs=2)
    x = torch.rand(3, 1, 16, 16)
    model.alpha.fill_(0.0)
    torch.testing.assert_close(model.blurred(x), double(halve(2 * x - 1)))


# Shapes


def test_a_shape_covers_what_its_factors_say():
    still = torch.tensor([[0.0, 0.0, 4.0, 2.0, 0.0]]).expand(4, -1)
    bar, cross, ring, square = drawn(torch.arange(4), still).sum((1, 2, 3)).tolist()
    assert bar == pytest.approx(8 * 2, abs=0.5)
    assert cross == pytest.approx(2 * 8 * 2 - 2 * 2, abs=0.5)
    assert ring == pytest.approx(2 * torch.pi * 4 * 2, rel=0.02)
    assert square == pytest.approx(10**2 - 6**2, rel=0.05)
    moved = drawn(torch.zeros(1).long(), still[:1] + torch.tensor([1.0, -2.0, 0.0, 0.0, 0.0]))
    torch.testing.assert_close(moved, drawn(torch.zeros(1).long(), still[:1]).roll((-2, 1), (2, 3)))


def test_its_classes_say_the_shape_and_how_thick_it_is():
    task = shapes16(thick=True, train=2000, test=500)
    assert task.spec.y == Labels(8, parts=(4, 2))
    at = list(FACTORS).index("thickness")
    assert torch.equal(task.test.y % 2, (task.factors[:, at] > 2).long())
    assert task.train.y.bincount().min() > 180
    plain = shapes16(train=2000, test=500)
    assert torch.equal(plain.test.y, task.test.y // 2)
