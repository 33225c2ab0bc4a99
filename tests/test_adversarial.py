"""The adversarial family: each loss, penalty and layer against its formula, each way to play against a game whose
course is known."""

from functools import partial
from itertools import product
from math import exp, log

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from baselines import objectives
from baselines.adversarial import variants
from baselines.adversarial.fixed import FixedCritic
from baselines.adversarial.gan import GAN
from baselines.adversarial.layers import MinibatchDiscrimination
from baselines.adversarial.networks import comparing, connected, lipschitz, plain, virtual
from baselines.adversarial.unrolled import UnrolledGAN
from baselines.nets import leaky, mlp
from baselines.penalties import clean, free, gradient_penalty, noisy, r1, roth, unpenalised
from baselines.play import Player, consensus, play, together
from genbench import checkpoint
from genbench.budget import Budget, Stream, seed_everything
from genbench.catalogue import load, names
from genbench.model import model_class
from genbench.task import Real, Rows, Spec, Task
from genbench.tasks.planes import parallel_lines

PLANE = Spec(Real((2,)))
FAMILY = sorted(name for name in names("models") if model_class(load("models", name)) in (GAN, UnrolledGAN))
PLANAR = [name for name in FAMILY if not name.startswith("dcgan")]  # that needs pictures: tests/test_pictures.py
BY_NAME = {
    "minimax": objectives.minimax,
    "non-saturating": objectives.non_saturating,
    "one-sided": objectives.one_sided,
    "two-sided": objectives.two_sided,
    "least squares": objectives.least_squares,
    "wasserstein": objectives.wasserstein,
    "hinge": objectives.hinge,
    "loss-sensitive": objectives.loss_sensitive,
}


def stream(examples, x=None, **options):
    rows = Rows(torch.randn(256, 2) if x is None else x)
    return Stream(Task("test", Spec(Real(tuple(rows.x.shape[1:]))), *[rows] * 4), Budget(examples), **options)


# Losses

LOGITS = torch.tensor([-3.0, -0.5, 0.0, 0.7, 4.0])
S = LOGITS.sigmoid()
ONE, ZERO = torch.ones(5), torch.zeros(5)
SLOPES = {  # of the critic's loss by a real and a fake score, and of the generator's by a fake score
    "minimax": (-(1 - S) / 2, S / 2, -S / 2),
    "non-saturating": (-(1 - S) / 2, S / 2, -(1 - S) / 2),
    "one-sided": (-(0.9 - S) / 2, S / 2, -(1 - S) / 2),
    "two-sided": (-(0.9 - S) / 2, (S - 0.1) / 2, -(1 - S) / 2),
    "least squares": (LOGITS - 1, LOGITS, LOGITS - 1),
    "wasserstein": (-ONE, ONE, -ONE),
    "hinge": (-(LOGITS < 1).float(), (LOGITS > -1).float(), -ONE),
    "loss-sensitive": (-(LOGITS - LOGITS.flip(0) < 3).float(), (LOGITS.flip(0) - LOGITS < 3).float(), -ONE),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_the_gradients_of_a_loss_are_its_formulas(name):
    objective, (on_real, on_fake, on_generated) = BY_NAME[name], SLOPES[name]
    f, g = LOGITS.clone().requires_grad_(), (LOGITS.flip(0) if name == "loss-sensitive" else LOGITS.clone())
    g = g.requires_grad_()
    x, z = torch.zeros(5, 1, 2), torch.tensor([0.4, 2.0]).expand(5, 1, 2)  # 1.2 apart on average, times 2.5 is 3
    by_real, by_fake = torch.autograd.grad(5 * objective.critic(f, g, x, z), (f, g))
    by_generated = torch.autograd.grad(5 * objective.generator(LOGITS.requires_grad_()), LOGITS)[0]
    torch.testing.assert_close(by_real, on_real)
    torch.testing.assert_close(by_fake, on_fake.flip(0) if name == "loss-sensitive" else on_fake)
    torch.testing.assert_close(by_generated, on_generated)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_critic_scores_real_rows_high_and_every_generator_climbs(name):
    f, g = (torch.full((4,), 0.5, requires_grad=True) for _ in range(2))
    x = torch.zeros(4, 2)
    up, down = torch.autograd.grad(BY_NAME[name].critic(f, g, x, x + 1), (f, g))
    assert (up < 0).all()
    assert (down > 0).all()
    assert (torch.autograd.grad(BY_NAME[name].generator(g), g)[0] < 0).all()


def test_the_saturating_gradient_is_e_to_the_f_times_the_other():
    f = torch.linspace(-10, 5, 7).requires_grad_()
    one, other = (torch.autograd.grad(o.generator(f), f)[0] for o in (objectives.minimax, objectives.non_saturating))
    torch.testing.assert_close(one / other, f.detach().exp(), rtol=1e-4, atol=0)


P, Q = torch.tensor([5, 3, 2, 1, 0]), torch.tensor([0, 1, 2, 3, 5])  # rows in each of five cells


def pull(name, f):
    """The gradient of a critic's loss by its value in each cell."""
    f = f.clone().requires_grad_()
    cells = torch.arange(5)
    real, fake = f[cells.repeat_interleave(P)], f[cells.repeat_interleave(Q)]
    return torch.autograd.grad(BY_NAME[name].critic(real, fake, real, fake), f)[0]


@pytest.mark.parametrize(("name", "on_real", "on_fake"), [("one-sided", 0.9, 0.0), ("two-sided", 0.9, 0.1)])
def test_the_best_smoothed_critic(name, on_real, on_fake):
    best = (on_real * P + on_fake * Q) / (P + Q)
    assert pull(name, best.logit(eps=1e-9))[best > 0].abs().max() < 1e-6
    assert best.logit()[0] == pytest.approx(log(9), abs=1e-5)  # where no fake is, and nowhere more
    assert pull(name, best.logit(eps=1e-9) + 0.1)[0] > 1e-3
    assert (best[4] == 0) == (name == "one-sided")  # where no row is, the two-sided critic is not sure


def test_without_smoothing_no_logit_is_enough():
    assert pull("minimax", torch.full((5,), 9.0))[0] < 0


def test_the_best_critic_is_the_share_of_the_data_and_its_loss_log_2_less_the_divergence():
    inside = (P > 0) & (Q > 0)
    share = P / (P + Q)
    assert pull("minimax", share.logit(eps=1e-6))[inside].abs().max() < 1e-6
    assert pull("least squares", share).abs().max() < 1e-6
    zero = torch.zeros(3)
    assert BY_NAME["minimax"].critic(zero, zero, zero, zero) == pytest.approx(log(2))
    p, q, D = P / P.sum(), Q / Q.sum(), share.clamp(1e-12, 1 - 1e-7).double()
    js = 0.5 * sum(torch.special.xlogy(r, 2 * r / (p + q)).sum() for r in (p, q))
    loss = -0.5 * (torch.special.xlogy(p, D) + torch.special.xlogy(q, 1 - D)).sum()
    assert float(loss) == pytest.approx(log(2) - float(js), abs=1e-5)


def test_a_trained_critic_finds_the_share_and_finds_it_anew_when_the_fakes_move():
    """p = N(0, 1) against q = N(m, 1): D* = sigmoid(m^2 / 2 - m x)."""
    at = torch.special.ndtri(torch.linspace(0, 1, 402)[1:-1])[:, None]
    critic = mlp(1, 32, 32, 1, activation=nn.Tanh)
    optimizer = torch.optim.Adam(critic.parameters(), lr=0.01)
    for m in (1.0, -1.0):
        for _ in range(250):
            loss = objectives.cross_entropy(critic(at), critic(at + m), at, at)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        x = torch.cat([at, at + m])
        assert (critic(x).sigmoid() - (m**2 / 2 - m * x).sigmoid()).abs().mean() < 0.03


@pytest.mark.parametrize(
    ("name", "on_real", "on_fake"),
    [
        ("critic-alone", None, None),
        ("critic-alone-smooth", log(9), None),
        ("critic-alone-smooth-both", log(9), -log(9)),
    ],
)
def test_a_critic_that_is_sure_is_as_sure_as_its_targets_let_it(name, on_real, on_fake):
    """A line ten away from the fakes: they share nothing."""
    task = parallel_lines(theta=10.0, train=2000, test=500)
    seed_everything(0)
    model = load("models", name)(task.spec)
    model.fit(Stream(task, Budget(30_000)))
    with torch.no_grad():
        real, fake = float(model.score(task.test.x).mean()), float(model.score(model.sample(500)).mean())
    assert real == pytest.approx(on_real, abs=0.1) if on_real else real > 4
    assert fake == pytest.approx(on_fake, abs=0.1) if on_fake else fake < -4


# Penalties

W = torch.tensor([[[0.5, -1.0], [2.0, 0.3]]])


def linear(x):
    return (x * W).flatten(1).sum(1)


def test_penalties_of_a_linear_critic():
    real, fake = torch.randn(50, 1, 2, 2), torch.randn(50, 1, 2, 2)
    square = float(W.square().sum())
    D, E = linear(real).sigmoid(), linear(fake).sigmoid()
    weighted = float((1 - D).square().mean() + E.square().mean())
    assert r1(linear, real, fake, weight=3.0).item() == pytest.approx(1.5 * square, rel=1e-5)
    assert roth(linear, real, fake, variance=0.2).item() == pytest.approx(0.05 * square * weighted, rel=1e-5)
    assert gradient_penalty(linear, real, fake).item() == pytest.approx(10 * (square**0.5 - 1) ** 2, rel=1e-4)
    assert unpenalised(linear, real, fake).item() == 0


@pytest.mark.parametrize("penalty", [gradient_penalty, r1, roth])
def test_a_penalty_teaches_the_critic_by_its_second_derivative(penalty):
    critic = nn.Sequential(plain((2,), (8,)), nn.Flatten(0)).double()
    rows = torch.randn(16, 2).double(), torch.randn(16, 2).double()
    weight = critic[0][0].weight

    def value():
        torch.manual_seed(1)  # of the mixing
        return penalty(critic, *rows)

    (slope,) = torch.autograd.grad(value(), weight)
    for at in ((0, 0), (3, 1)):
        ends = []
        for step in (1e-5, -2e-5):
            with torch.no_grad():
                weight[at] += step
            ends.append(value().item())
        with torch.no_grad():
            weight[at] += 1e-5
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(float(slope[at]), rel=1e-4, abs=1e-9)


def quantiles(mean, sigma, n=4001):
    return mean + sigma * torch.special.ndtri((torch.arange(n).double() + 0.5) / n)[:, None]


def test_roths_term_is_what_small_noise_adds_at_the_best_critic_and_not_elsewhere():
    """p = N(0, 1) and q = N(.5, 1.5^2), whose noisy versions are normal again: both sides by quadrature."""
    (m, s), sigma = (0.5, 1.5), 0.1

    def best(x):
        return ((x - m) ** 2 / (2 * s**2) - x**2 / 2 + log(s)).squeeze(1)

    def added(critic):
        def loss(noise):
            real, fake = quantiles(0.0, (1 + noise) ** 0.5), quantiles(m, (s**2 + noise) ** 0.5)
            return float(objectives.cross_entropy(critic(real), critic(fake), real, fake))

        return loss(sigma**2) - loss(0.0)

    def term(critic):
        return roth(critic, quantiles(0.0, 1.0), quantiles(m, s), variance=sigma**2).item()

    assert term(best) == pytest.approx(added(best), rel=0.03)
    assert abs(term(lambda x: 3 * best(x)) / added(lambda x: 3 * best(x)) - 1) > 0.2


# Corruptions


def test_instance_noise_fades_to_nothing_and_is_seen_by_both_players():
    x = torch.zeros(50_000, 2)
    for spent, expected in ((0.0, 0.3), (0.35, 0.15), (0.7, 0.0), (1.0, 0.0)):
        assert float(noisy(x, spent).std()) == pytest.approx(expected, rel=0.02)
    assert torch.equal(clean(x, 0.0), x)
    shown = []
    model = GAN(PLANE, batch=8, corrupt=lambda x, spent: shown.append(spent) or x)
    model.fit(stream(32))
    assert shown == [0.25, 0.25, 0.5, 0.75, 0.75, 1.0]  # real and fake, then the fakes of the generator's turn


@pytest.mark.slow
def test_noise_makes_disjoint_supports_learnable_for_the_saturating_loss():
    """Two points apart, a critic that is sure of both, plain gradient steps: without noise nothing moves."""

    def distance(sigma):
        seed_everything(0)
        place = nn.Parameter(torch.tensor([6.0]))
        critic = mlp(1, 32, 32, 1, activation=leaky)
        teach = torch.optim.Adam(critic.parameters(), lr=3e-3)
        for step in range(1200):
            real, fake = (at + sigma * torch.randn(128, 1) for at in (0.0, place))
            loss = objectives.cross_entropy(critic(real), critic(fake.detach()), real, fake)
            teach.zero_grad()
            loss.backward()
            teach.step()
            if step >= 300:
                (slope,) = torch.autograd.grad(objectives.minimax.generator(critic(fake)), place)
                with torch.no_grad():
                    place -= 0.2 * slope
        return abs(place.item())

    assert distance(0.0) > 5
    assert distance(3.0) < 1.5


# A critic that stands still


def test_a_frozen_critic_moves_no_more_and_the_generator_has_all_turns_that_are_left():
    after = []
    model = load("models", "gan-frozen")(PLANE, widths=(8, 8), batch=8, freeze=0.5)
    source = stream(160, at=(0.5,), observe=lambda at: after.append([p.clone() for p in model.parameters()]))
    model.fit(source)
    at_half, now = dict(zip(dict(model.named_parameters()), after[0], strict=True)), dict(model.named_parameters())
    moved = {name.split(".")[0] for name, was in at_half.items() if not torch.equal(was, now[name])}
    assert moved == {"generator"}
    assert {name: meter.turns for name, meter in source.meters.items()} == {
        "1/critic": 5, "1/generator": 5, "2/generator": 10,
    }  # fmt: skip


@pytest.mark.parametrize(("entropy", "scale"), [(0.0, 0.0), (1.0, 1.0)])
def test_the_best_against_a_fixed_density_is_a_point_on_a_mode_and_with_entropy_that_whole_mode(entropy, scale):
    """p = 1/2 N(-6, 1) + 1/2 N(6, 1): no sample of one mode's is within 5 sigma of where the other matters."""
    task = load("tasks", "two-gaussians")(weight=0.5, separation=12.0)
    model = FixedCritic(task.spec, entropy=entropy)
    model.fit(Stream(task, Budget(40_000)))
    assert abs(abs(model.mean[0].item()) - 6) < 0.1
    assert abs(model.mean[1].item()) < 0.1
    assert (model.log_scale.exp() - scale).abs().max() < 0.05


def test_maximum_likelihood_covers_what_the_reverse_divergence_leaves_out():
    """One Gaussian for two, a apart from their middle: m = 0 and s^2 = 1 + a^2, with more likelihood for rows."""
    task = load("tasks", "two-gaussians")(weight=0.5, separation=12.0)
    forward = load("models", "gmm")(task.spec, components=1, shrinkage=0.0)
    forward.fit(Stream(task, Budget(20_000)))
    assert forward.means[0].abs().max() < 0.2  # 3 errors of a mean of 20,000 of such a spread
    assert float(forward.cholesky[0, 0, 0] ** 2) == pytest.approx(37, rel=0.02)
    assert float(forward.cholesky[0, 1, 1] ** 2) == pytest.approx(1, rel=0.04)
    reverse = load("models", "reverse-kl")(task.spec)
    reverse.fit(Stream(task, Budget(40_000)))
    assert forward.log_prob(task.test.x).mean() > reverse.log_prob(task.test.x).mean() + 10


# Constraints


def largest(net):
    """The product of the largest singular values of its weights: a bound on its Lipschitz constant."""
    weights = [layer.weight for layer in net.modules() if isinstance(layer, nn.Linear)]
    return torch.stack([torch.linalg.matrix_norm(weight, 2) for weight in weights]).prod().item()


def test_a_spectrally_normalised_critic_is_lipschitz_and_stays_so():
    model = load("models", "sngan")(PLANE, widths=(32, 32))
    model.fit(stream(6_000))
    assert largest(model.critic) <= 1.03  # the power method follows the weights from below
    with torch.no_grad():
        for _ in range(100):
            model.critic(torch.zeros(1, 2))
    assert largest(model.critic) <= 1 + 1e-4
    x, y = torch.randn(500, 2), torch.randn(500, 2)
    assert ((model.score(x) - model.score(y)).abs() <= (1 + 1e-4) * (x - y).norm(dim=1)).all()
    control = load("models", "hinge-gan")(PLANE, widths=(32, 32))
    control.fit(stream(6_000))
    assert largest(control.critic) > 1.3


def test_the_weights_of_a_clipped_critic_stay_within_the_clip():
    def reach(**options):
        model = load("models", "wgan")(PLANE, **options)
        model.fit(stream(32 * 7))
        return max(parameter.abs().max().item() for parameter in model.critic.parameters())

    assert reach() == pytest.approx(0.01)
    assert reach(after=free) > 0.05


# What a critic is shown


def test_a_packed_critic_judges_rows_of_one_batch_together():
    packs = []

    class Seen(GAN):
        def score(self, x):
            packs.append(x)
            return super().score(x)

    rows = torch.arange(24.0).reshape(12, 2)
    model = Seen(PLANE, pack=3, batch=4)
    source = stream(24, rows)
    model.fit(source)
    assert source.used == 24  # a pack counts as its rows
    assert model.critic[0].in_features == 6
    assert [tuple(x.shape) for x in packs] == [(4, 3, 2)] * 3
    assert {tuple(row) for row in packs[0].flatten(0, 1).tolist()} == {tuple(row) for row in rows.tolist()}
    x = torch.randn(5, 3, 2)
    torch.testing.assert_close(model.critic(torch.cat([x[:, 0], x[:, 1], x[:, 2]], 1)).squeeze(1), Seen.score(model, x))


def test_a_row_is_near_the_rows_that_the_sum_says():
    layer = MinibatchDiscrimination(3, kernels=4, size=2).double()
    h = torch.randn(6, 3).double()
    M = [[(h[i] @ layer.T[:, b]).detach() for b in range(4)] for i in range(6)]
    for i in range(6):
        for b in range(4):
            near = sum(exp(-float((M[i][b] - M[j][b]).abs().sum())) for j in range(6) if j != i)
            assert layer(h)[i, 3 + b].item() == pytest.approx(near, rel=1e-9)
    order = torch.randperm(6)
    torch.testing.assert_close(layer(h[order]), layer(h)[order])
    torch.testing.assert_close(layer(h), torch.cat([h, layer(h)[:, 3:]], 1))
    torch.testing.assert_close(layer(h[:1].expand(6, -1))[:, 3:], torch.full((6, 4), 5.0).double())
    assert layer(1e4 * h)[:, 3:].abs().max() < 1e-9


def test_only_a_critic_that_compares_sees_that_a_batch_has_collapsed():
    """Batches of one point over and over, against batches of as many points of the same law: row by row the same."""

    def accuracy(build):
        seed_everything(0)
        critic = build((2,), (16, 16))
        optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
        right = []
        for step in range(160):
            real, fake = torch.randn(32, 2), torch.randn(1, 2).expand(32, 2)
            f, g = critic(real), critic(fake)
            loss = objectives.cross_entropy(f, g, real, fake)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step >= 80:
                right += [float((f > 0).float().mean()), float((g < 0).float().mean())]
        return sum(right) / len(right)

    assert accuracy(comparing) > 0.95
    assert accuracy(plain) < 0.65


def test_the_critic_can_have_a_rate_of_its_own_and_the_generator_no_batch_normalisation():
    rates = []

    def optimizer(parameters, lr):
        rates.append(lr)
        return torch.optim.SGD(parameters, lr=lr)

    for options in ({"critic_rate": 0.01}, {"batch_norm": False}):
        model = GAN(PLANE, optimizer=optimizer, rate=0.1, widths=(8, 8), **options)
        model.fit(stream(64))
        normed = any(isinstance(layer, nn.BatchNorm1d) for layer in model.generator)
        assert normed == options.get("batch_norm", True)
    assert rates == [0.01, 0.1, 0.1, 0.1]


# Virtual batch normalisation


def test_a_virtually_normalised_row_does_not_depend_on_its_batch():
    net = virtual(3, (8, 8), (2,), many=16).double()
    z = torch.randn(20, 3).double()
    whole = net(z)
    assert whole.shape == (20, 2)
    for part in (z[:1], z[:7]):
        torch.testing.assert_close(net(part), whole[: len(part)])
    control = mlp(3, 8, 8, 2, norm=nn.BatchNorm1d).double()
    assert (control(z)[:7] - control(z[:7])).abs().max() > 1e-3


def test_its_statistics_are_those_of_the_reference_rows_and_itself():
    net = virtual(3, (8,), (2,), many=16).double()
    first, norm = net.net[0], net.net[1]
    reference, row = first(net.reference), first(torch.randn(1, 3).double())
    both = torch.cat([reference, row])
    made = norm(both)
    expected = (row - both.mean(0)) / (both.var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(made[16:], expected)
    assert made[:16].mean(0).abs().max() < 1e-9
    torch.testing.assert_close(made[:16].var(0, correction=0), torch.ones(8).double(), rtol=1e-3, atol=0)


# Unrolling


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def unrolled(k, build=UnrolledGAN):
    seed_everything(0)
    return build(PLANE, k=k, inner=0.5, latents=3, widths=(8, 8)), torch.randn(16, 2)


def value(model, x):
    torch.manual_seed(3)  # the same codes each time
    return model.generator_loss(x, None)


def off(model, x):
    """The derivative of the unrolled loss along a direction in the generator, less its central difference."""
    parameters = list(model.generator.parameters())
    slopes = torch.autograd.grad(value(model, x), parameters)
    direction = [torch.randn_like(parameter) for parameter in parameters]
    ends = []
    for step in (1e-5, -2e-5):
        with torch.no_grad():
            for parameter, way in zip(parameters, direction, strict=True):
                parameter += step * way
        ends.append(float(value(model, x)))
    along = sum(float((slope * way).sum()) for slope, way in zip(slopes, direction, strict=True))
    return abs(along / ((ends[0] - ends[1]) / 2e-5) - 1)


class FirstOrder(UnrolledGAN):
    """What unrolling is without its second derivatives: the steps are looked at and not differentiated."""

    def ahead(self, real, fake):
        return {name: weight.detach() for name, weight in super().ahead(real, fake).items()}


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("k", [1, 5, 10])
def test_the_unrolled_gradient_is_that_of_the_unrolled_loss(k):
    assert off(*unrolled(k)) < 1e-3
    assert off(*unrolled(k, FirstOrder)) > 1e-2


@pytest.mark.usefixtures("double")
def test_unrolling_is_k_steps_of_descent_that_are_then_forgotten():
    model, x = unrolled(3)
    torch.manual_seed(3)
    fake = model.sample(16)
    before = {name: weight.clone() for name, weight in model.weights.items()}
    ahead = model.ahead(x, fake.detach())
    descent = torch.optim.SGD(model.critic.parameters(), lr=0.5)
    for _ in range(3):
        descent.zero_grad()
        model.loss(model.weights, x, fake.detach()).backward()
        descent.step()
    for name, weight in model.weights.items():
        torch.testing.assert_close(ahead[name], weight)
        assert not torch.equal(before[name], weight)
    model, x = unrolled(3)
    value(model, x)
    assert all(torch.equal(weight, before[name]) for name, weight in model.weights.items())


@pytest.mark.usefixtures("double")
def test_with_no_step_unrolled_it_is_the_minimax_game():
    model, x = unrolled(0)
    parameters = list(model.generator.parameters())
    slopes = torch.autograd.grad(value(model, x), parameters)
    torch.manual_seed(3)
    minimax = objectives.minimax.generator(model.critic(model.sample(16)).squeeze(1))
    for mine, theirs in zip(slopes, torch.autograd.grad(minimax, parameters), strict=True):
        torch.testing.assert_close(mine, theirs)


# Moving together

TURNS, H = 1000, 0.1


def played(loop, *losses, start, steps=TURNS):
    """Where points (one number a player) end after as many steps of each player's descent."""
    points = [nn.Parameter(torch.tensor(float(at), dtype=torch.float64)) for at in start]
    players = [
        Player(str(i), lambda x, y, loss=loss: loss(*points), torch.optim.SGD([point], lr=H))
        for i, (loss, point) in enumerate(zip(losses, points, strict=True))
    ]
    each = 1 if isinstance(loop, partial) or loop is together else len(players)
    loop(stream(steps * each).batches(1), *players)
    return torch.stack([point.detach() for point in points])


BILINEAR = (lambda a, b: a * b, lambda a, b: -a * b)
DIRAC = (lambda a, b: -0.5 * softplus(a * b), lambda a, b: 0.5 * softplus(a * b))  # the data's part is a constant


def test_on_a_bilinear_game_only_consensus_converges():
    """Simultaneous steps grow by (1 + h^2)^(t/2); alternating ones circle; (1 - h gamma)^2 + h^2 < 1 does not."""
    simultaneous = played(together, *BILINEAR, start=(1, 1))
    assert float(simultaneous.norm()) == pytest.approx(2**0.5 * (1 + H**2) ** (TURNS / 2), rel=1e-6)
    assert 1.2 < float(played(play, *BILINEAR, start=(1, 1)).norm()) < 1.6
    bent = played(partial(together, correct=partial(consensus, gamma=0.6)), *BILINEAR, start=(1, 1))
    assert float(bent.norm()) == pytest.approx(2**0.5 * ((1 - 0.6 * H) ** 2 + H**2) ** (TURNS / 2), rel=1e-6)


def test_on_the_dirac_gan_only_consensus_converges():
    assert float(played(together, *DIRAC, start=(1, 1)).norm()) > 1.5
    assert 1.2 < float(played(play, *DIRAC, start=(1, 1)).norm()) < 1.7
    assert float(played(partial(together, correct=consensus), *DIRAC, start=(1, 1)).norm()) < 1e-6


def test_full_relaxation_ends_at_a_bad_equilibrium_that_consensus_leaves():
    """A loss 1/4 (t^2 - 1)^2 is stationary at +-1 and, badly, at 0: |its gradient|^2 falls to 0 there too."""

    def single(t):
        return 0.25 * (t**2 - 1) ** 2

    relaxed = partial(together, correct=partial(consensus, own=0.0, gamma=1.0))
    mixed = partial(together, correct=partial(consensus, gamma=0.6))
    assert float(played(relaxed, single, start=(0.4,))) == pytest.approx(0, abs=1e-6)
    assert float(played(mixed, single, start=(0.4,))) == pytest.approx(1, abs=1e-6)
    assert float(played(relaxed, single, start=(0.7,))) == pytest.approx(1, abs=1e-6)  # beyond 1 / sqrt 3


def test_players_that_move_together_do_not_see_each_other_s_step():
    a, b = played(together, *BILINEAR, start=(1, 1), steps=1)
    assert (float(a), float(b)) == pytest.approx((1 - H, 1 + H))
    a, b = played(play, *BILINEAR, start=(1, 1), steps=1)
    assert (float(a), float(b)) == pytest.approx((1 - H, 1 + H * (1 - H)))


def test_the_critic_s_field_bends_the_generator_s():
    """Fakes are not detached where players move together, or half of grad |g|^2 would be missing."""
    found = []

    def correct(x, g):
        of_critic = len(list(model.critic.parameters()))
        size = sum(by.square().sum() for by in g[:of_critic])
        found.append(torch.autograd.grad(size, x[of_critic:], retain_graph=True, materialize_grads=True))
        return [by.detach() for by in g]

    model = GAN(PLANE, widths=(8,), loop=partial(together, correct=correct))
    model.fit(stream(32))
    assert float(torch.cat([slope.flatten() for slope in found[0]]).norm()) > 1e-6


# All


@pytest.mark.parametrize("loop", [play, partial(together, correct=consensus)])
def test_everything_goes_with_everything(loop):
    penalties = (unpenalised, gradient_penalty, r1, roth)
    for objective, penalty, corrupt, pack in product(BY_NAME.values(), penalties, (clean, noisy), (1, 2)):
        model = GAN(
            PLANE, objective=objective, penalty=penalty, corrupt=corrupt, pack=pack, loop=loop, widths=(4,), batch=4
        )
        model.fit(stream(8 * pack))
        assert model.sample(5).isfinite().all()


def test_layers_go_with_penalties():
    for critic, generator, penalty in product((comparing, lipschitz), (virtual, connected), (gradient_penalty, roth)):
        model = GAN(PLANE, critic=critic, generator=generator, penalty=penalty, widths=(8, 8), pack=2)
        model.fit(stream(4 * 64))
        assert model.sample(5).isfinite().all()


@pytest.mark.parametrize("name", PLANAR)
def test_a_killed_run_goes_on_bit_for_bit(name, tmp_path):
    """From a checkpoint on disk, into a model built from another seed."""
    build = partial(load("models", name), widths=(16, 16))

    def ended(restored=None, save=None):
        seed_everything(0 if restored is None else 1)
        model = build(PLANE)
        run = stream(1200, ROWS, save=save, every=300, restored=restored)
        run.model = model
        model.fit(run)
        return model.state_dict(), torch.get_rng_state()

    kept = []
    whole, drawn = ended(save=lambda tree: checkpoint.save(tree, tmp_path / "c") if not kept else None)
    again, drawn_again = ended(restored=checkpoint.load(tmp_path / "c"))
    assert all(torch.equal(whole[key], again[key]) for key in whole)
    assert torch.equal(drawn, drawn_again)


ROWS = torch.randn(256, 2, generator=torch.Generator().manual_seed(0))


IN_TURN = [
    name for name in PLANAR if name != "gan-frozen" and getattr(load("models", name)(PLANE), "loop", play) is play
]


@pytest.mark.parametrize("name", IN_TURN)
def test_a_turn_moves_only_its_own_player(name):
    model = load("models", name)(PLANE, widths=(8, 8))
    turns, rows = getattr(model, "turns", 1), model.batch * getattr(model, "pack", 1)

    def moved(examples):
        before = {part: [p.clone() for p in getattr(model, part).parameters()] for part in ("critic", "generator")}
        model.fit(stream(examples))
        return {
            part
            for part, were in before.items()
            if any(not torch.equal(p, now) for p, now in zip(were, getattr(model, part).parameters(), strict=True))
        }

    assert moved(rows * turns) == {"critic"}
    assert moved(rows * (turns + 1)) == {"critic", "generator"}


def test_the_variants_are_all_in_the_catalogue():
    partials = {name for name, made in vars(variants).items() if isinstance(made, partial) and made.func is GAN}
    assert {name.replace("-", "_") for name in FAMILY} == partials | {"gan", "unrolled_gan"}
