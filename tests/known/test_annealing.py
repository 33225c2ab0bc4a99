"""Annealed chains, against constants that enumeration and closed forms give."""

import math
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from laws import held, spread
from scipy import stats

from baselines.autoencoding.vae import VAE
from baselines.energy.rbm import RBM
from genbench.annealing import Posterior, bidirectional, forward, reverse, row_weights, temperatures
from genbench.budget import aside
from genbench.check import annealed as checks
from genbench.errors import BadInput, NotApplicable
from genbench.evidence import AnnealedWeights, Desk, Exam, LogWeights
from genbench.metrics import ais_log_z, annealed_likelihood, bdmc, importance_bound
from genbench.record import Wanted
from genbench.run import score
from genbench.spaces.pixels import Pixels
from genbench.task import Bits, Real, Rows, Spec, Task


def bits(d):
    return torch.tensor(list(product((0.0, 1.0), repeat=d))).double()


def machine(visible=6, hidden=4, scale=1.0, cls=RBM, seed=3):
    """A Boltzmann machine of random couplings, its base another one's biases."""
    torch.manual_seed(seed)
    model = cls(Spec(Bits((visible,))), hidden=hidden).double()
    with torch.no_grad():
        for weights in (*model.parameters(), model.rates):
            weights.copy_(scale * torch.randn_like(weights))
    return model


def log_f(model, v, beta=1.0):
    """log sum_h f_beta(v, h), every hidden state written out (Salakhutdinov & Murray, 2008, eq. 15-17)."""
    h = bits(len(model.hidden))
    bias = (1 - beta) * model.rates + beta * model.visible
    return ((v @ bias)[:, None] + beta * (h @ model.hidden + v @ model.weights @ h.T)).logsumexp(1).detach()


def log_z(model, beta=1.0):
    return float(log_f(model, bits(len(model.visible)), beta).logsumexp(0))


def starts(model, n):
    return torch.zeros(n, len(model.visible)).double()


def ratio(log_w, log_z):
    """The mean of w / Z less 1, in its own standard errors."""
    w = (log_w - log_z).exp()
    return float((w.mean() - 1) / (w.std() / len(w) ** 0.5))


class Linear:
    """x = W z + scale noise, of which everything is known."""

    def __init__(self, d=4, k=2, scale=0.7):
        self.weights, self.scale = torch.randn(d, k).double(), scale

    def latent(self, n):
        return torch.randn(n, self.weights.shape[1]).double()

    def decode(self, z):
        return z @ self.weights.T

    def simulate(self, z):
        return self.decode(z) + self.scale * torch.randn(len(z), len(self.weights)).double()

    def log_joint(self, x, z):
        squares = z.square().sum(1) + ((x - self.decode(z)) / self.scale).square().sum(1)
        (d, k), pi = self.weights.shape, math.pi
        return -0.5 * squares - 0.5 * (d + k) * math.log(2 * pi) - d * math.log(self.scale)

    def log_prob(self, x):
        covariance = self.weights @ self.weights.T + self.scale**2 * torch.eye(len(self.weights))
        return torch.from_numpy(stats.multivariate_normal(cov=covariance.numpy()).logpdf(x.numpy()))

    def posterior(self, x, beta=1.0):
        """Mean and precision of z given one row at beta."""
        k = self.weights.shape[1]
        precision = torch.eye(k).double() + beta * self.weights.T @ self.weights / self.scale**2
        return beta * torch.linalg.solve(precision, self.weights.T @ x / self.scale**2), precision


# Weights


def test_the_mean_of_weights_is_not_the_mean_of_their_logs():
    found = ais_log_z(np.log([1.0, 3.0]))
    assert found.value == pytest.approx(math.log(2))
    assert found.error == pytest.approx(math.log(3) / 2)  # without either: log 3 and log 1
    assert (found.low, found.high) == (pytest.approx(math.log(2) - math.log(20)), math.inf)
    assert found.n == 2


def test_the_error_is_the_jackknifes(noise):
    log_w = 3 * noise.normal(size=(7, 2))
    without = [[np.log(np.exp(np.delete(column, i)).mean()) for i in range(7)] for column in log_w.T]
    by_hand = sum(6 / 7 * ((row - np.mean(row)) ** 2).sum() for row in np.array(without))
    assert ais_log_z(log_w).error == pytest.approx(math.sqrt(by_hand) / 2)


def test_a_chain_that_carries_all_shows_in_the_error():
    assert ais_log_z([0.0, -2000.0]).error == pytest.approx(1000)
    assert ais_log_z([0.0, -math.inf, -math.inf]).error == math.inf
    assert ais_log_z([0.0, 0.0, -math.inf]).value == pytest.approx(math.log(2 / 3))
    with pytest.raises(BadInput, match="weight 0"):
        ais_log_z([-math.inf, -math.inf])


def test_brackets_by_hand():
    """Two rows share one widening: ln(2/delta) / 2, of the mean."""
    up, down = np.log([[1.0, 2.0], [3.0, 2.0]]), np.log([[4.0, 2.0], [4.0, 6.0], [4.0, 3.0]])
    found = bdmc(up, down, delta=0.1)
    low, high = (math.log(2) + math.log(2)) / 2, (math.log(4) + math.log(3)) / 2  # 1 / mean(1/2, 1/6, 1/3) = 3
    assert found.value == pytest.approx((low + high) / 2)
    assert found.low == pytest.approx(low - math.log(20) / 2)
    assert found.high == pytest.approx(high + math.log(20) / 2)


def test_errors_are_the_spread_over_repeats(noise):
    """Normal log weights of variance 1, those of slow annealing: Z = 1 where their mean is -1/2 forward, 1/2 back."""
    up, down = (sign / 2 + noise.normal(size=(800, 100)) for sign in (-1, 1))
    for made in (list(map(ais_log_z, up)), list(map(bdmc, up, down))):
        _, sd, error = spread(made)
        assert error == pytest.approx(sd, rel=0.1)


def test_the_two_biases_cancel_in_the_middle(noise):
    up, down = noise.normal(size=(800, 10)) - 0.5, noise.normal(size=(800, 10)) + 0.5
    forwards, _, _ = spread([ais_log_z(row) for row in up])
    middles, sd, _ = spread([bdmc(*rows) for rows in zip(up, down, strict=True)])
    assert forwards < -0.03
    assert middles == pytest.approx(0, abs=3 * sd / math.sqrt(800))


@pytest.mark.parametrize("rows", [1, 3])
def test_the_widening_is_as_wide_as_it_must_be(noise, rows):
    """The law that Markov's inequality is sharp for: none, but for a share of delta, where it is 1/delta and a hair.

    There low is above log Z = 0, delta of the time: what is promised, and nothing to spare.
    """
    delta, repeats, hair = 0.2, 1000, 1.001
    hit = noise.random((repeats, 2)) < 1 - math.sqrt(1 - delta / hair)  # of 2 chains, one makes the mean hair / delta
    log_w = np.zeros((repeats, 2, rows))  # other rows have weight 1 always
    log_w[..., 0] = np.where(hit, math.log(2 * hair / delta), -40.0)
    misses = np.mean([ais_log_z(w, delta=delta).low > 0 for w in log_w])
    assert misses == pytest.approx(delta, abs=3 * math.sqrt(delta * (1 - delta) / repeats))


def test_weights_that_no_z_has_are_refused(noise):
    up, down = noise.normal(size=50) - 0.5, noise.normal(size=50) + 0.5
    with pytest.raises(BadInput, match="is a sign wrong"):
        bdmc(up + 20, -down - 20)
    crossed = bdmc(up + 6, down - 6)
    assert crossed.low <= crossed.value <= crossed.high
    assert "crossed" in crossed.note
    with pytest.raises(BadInput, match="1 rows, reverse ones of 2"):
        bdmc(up, np.stack([down, down], 1))
    with pytest.raises(NotApplicable, match="no reverse"):
        bdmc(up)
    with pytest.raises(BadInput, match="delta=0"):
        ais_log_z(up, delta=0)
    with pytest.raises(BadInput, match=r"\(5, 5, 2\)"):
        ais_log_z(up.reshape(5, 5, 2))


def test_likelihood_is_the_rows_less_the_constant(noise):
    up, down, values = noise.normal(size=50) - 0.5, noise.normal(size=60) + 0.5, noise.normal(size=200)
    z, found = bdmc(up, down), annealed_likelihood(up, down, values)
    assert found.value == pytest.approx(values.mean() - z.value)
    assert (found.low, found.high) == (pytest.approx(values.mean() - z.high), pytest.approx(values.mean() - z.low))
    assert found.error == pytest.approx(math.hypot(z.error, values.std(ddof=1) / math.sqrt(200)))
    assert found.n == 200
    alone = annealed_likelihood(AnnealedWeights(up, values=values))
    assert alone.value == pytest.approx(values.mean() - ais_log_z(up).value)
    assert alone.low == -math.inf
    assert "too high in expectation" in alone.note
    with pytest.raises(NotApplicable, match="no rows"):
        annealed_likelihood(up, down)
    with pytest.raises(BadInput, match=r"\(chains,\)"):
        annealed_likelihood(up[:, None], down[:, None], values)


# Machines


@torch.no_grad()
@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_the_path_is_the_enumerated_one(beta):
    model = machine()
    v = bits(6)
    assert torch.allclose(-model.energy(v, beta), log_f(model, v, beta))
    if beta == 0:
        assert float(model.log_z0()) == pytest.approx(log_z(model, 0.0))
    if beta == 1:
        assert torch.allclose(model.log_prob(v), -model.energy(v) - log_z(model))
    p = (log_f(model, v, beta) - log_z(model, beta)).exp()
    walked = model.step(v[torch.multinomial(p, 100_000, replacement=True)], beta)
    counts = torch.bincount((walked @ 2.0 ** torch.arange(5, -1, -1).double()).long(), minlength=64).numpy()
    assert stats.chisquare(counts, 100_000 * p.numpy()).pvalue > 1e-4


@torch.no_grad()
def test_exact_samples_are_those_of_the_enumerated_law():
    model = machine(scale=2.0)
    p = (log_f(model, bits(6)) - log_z(model)).exp()
    x = model.exact_sample(100_000)
    counts = torch.bincount((x @ 2.0 ** torch.arange(5, -1, -1).double()).long(), minlength=64).numpy()
    common = p.numpy() > 1e-4  # chi-square wants counts of some size
    expected = 100_000 * np.append(p.numpy()[common], 1 - p.numpy()[common].sum())
    assert stats.chisquare(np.append(counts[common], counts[~common].sum()), expected).pvalue > 1e-4
    with pytest.raises(NotImplementedError, match="at most 20"):
        machine(hidden=21).exact_sample(1)


def test_temperatures_rise_from_0_to_1_and_crowd_at_the_ends():
    betas = temperatures(100)
    assert (betas[0], betas[50], betas[-1]) == (0.0, pytest.approx(0.5), 1.0)
    steps = np.diff(betas)
    assert (steps > 0).all()
    assert steps.argmax() in (49, 50)
    assert steps[0] == pytest.approx(steps[-1])
    assert betas[25] == pytest.approx((1 / (1 + math.exp(2)) - 1 / (1 + math.exp(4))) / math.tanh(2))


@pytest.mark.parametrize("n", [1, 3, 20])
def test_forward_weights_average_to_z_and_reverse_ones_to_its_reciprocal(n):
    """Whatever the number of temperatures; their logs lie on the two sides of it."""
    model, betas = machine(scale=0.6), temperatures(n)
    truth = log_z(model)
    up = forward(model, starts(model, 20_000), betas)
    down = reverse(model, model.exact_sample(20_000), betas)
    assert abs(ratio(up, truth)) < 3
    assert abs(ratio(-down, -truth)) < 3
    assert truth - float(up.mean()) > 3 * float(up.std()) / 20_000**0.5
    assert float(down.mean()) - truth > 3 * float(down.std()) / 20_000**0.5


def test_one_temperature_is_plain_importance_sampling():
    """By hand: one weight from the base's draw, and no step that it depends on."""
    model = machine()
    torch.manual_seed(5)
    x = model.step(starts(model, 9), 0.0)
    torch.manual_seed(5)
    found = forward(model, starts(model, 9), [0.0, 1.0])
    assert torch.allclose(found, log_f(model, x) - log_f(model, x, 0.0) + log_z(model, 0.0))


class Hot(RBM):
    def step(self, x, beta=1.0):
        return super().step(x, beta if beta == 0 else 1.0)


class Flipped(RBM):
    def step(self, x, beta=1.0):
        return 1 - super().step(x, beta)


class Clinging(RBM):
    def step(self, x, beta=1.0):
        return x if beta == 0 else super().step(x, beta)


class Idle(RBM):
    def log_z0(self):
        return super().log_z0() - math.log(2) * len(self.hidden)


class TargetsBiases(RBM):
    """The base of the target's own biases, its constant still that of the rates: the recipe's pitfall."""

    def bias(self, beta):
        return self.visible


def steps(model):
    checks.steps(model, bits(6)[20:30])


def constant(model):
    checks.constant(model, bits(6))


FAULTS = [(Hot, steps), (Flipped, steps), (Clinging, steps), (Idle, constant), (TargetsBiases, constant)]


@pytest.mark.parametrize(("cls", "check"), FAULTS)
def test_a_wrong_step_or_constant_shows(cls, check):
    """In the average that right ones keep within 3 standard errors, above; and in `genbench check model`."""
    model = machine(cls=cls)
    assert abs(ratio(forward(model, starts(model, 20_000), temperatures(5)), log_z(model))) > 6
    with pytest.raises(AssertionError):
        check(model)


def test_a_right_machine_passes_the_checks():
    model = machine()
    steps(model)
    constant(model)


def test_a_weight_taken_after_its_step_is_wrong():
    """The recipe's other pitfall, in `anneal` itself: by this much."""
    model, betas = machine(), temperatures(3)
    x, late = model.step(starts(model, 20_000), 0.0), torch.zeros(20_000).double()
    for now, then in pairwise(betas):
        x = model.step(x, then)
        late += (model.energy(x, now) - model.energy(x, then)).detach()
    assert abs(ratio(float(model.log_z0()) + late, log_z(model))) > 6


def stuck():
    """Two modes, all bits off with mass .1 and all on with mass .9, and walls between that no step passes."""
    model = machine(visible=10, hidden=1)
    with torch.no_grad():
        model.rates.zero_()
        model.weights.fill_(12.0)
        model.visible.fill_(-6.0)
        model.hidden.fill_(-60.0 + math.log(9))
    return model


def test_reverse_chains_from_an_inexact_draw_bound_nothing():
    """A long chain from the lesser mode never leaves it; its reverse weights go below log Z and stay there."""
    model, betas = stuck(), temperatures(150)
    truth = log_z(model)
    with torch.no_grad():
        honest, walked = model.exact_sample(1000), model.walk(starts(model, 1000), 300)
    assert float(honest.mean()) == pytest.approx(0.9, abs=0.04)
    assert float(walked.mean()) < 0.05
    up = forward(model, starts(model, 1000), betas)
    exact, inexact = reverse(model, honest, betas), reverse(model, walked, betas)
    assert bdmc(up, exact).low <= truth <= bdmc(up, exact).high
    assert float(exact.mean()) > truth
    assert float(inexact.mean()) + 5 * float(inexact.std()) / 1000**0.5 < truth - 0.3
    said = bdmc(AnnealedWeights(up, inexact, exact=0))
    assert said.high == math.inf
    assert said.value == ais_log_z(up).value
    assert "a diagnostic and no bound" in said.note
    assert f"{-float((-inexact).logsumexp(0)) + math.log(1000):.6g}" in said.note


def test_a_short_anneal_flatters_a_machine():
    """Forward weights quoted as a likelihood (recipes B12): too high by what log Z is too low."""
    model = machine(visible=8, hidden=6, scale=2.0)
    with torch.no_grad():
        x = model.exact_sample(500)
        exact, values = float(model.log_prob(x).mean()), -model.energy(x)
    up = forward(model, starts(model, 200 * 20), temperatures(2)).reshape(200, 20)
    quoted, sd, _ = spread([annealed_likelihood(AnnealedWeights(w, values=values)) for w in up])
    assert quoted - exact > 5 * sd / math.sqrt(200)


# Decoders


@pytest.fixture(scope="module")
def linear():
    torch.manual_seed(1)
    model = Linear()
    z = model.latent(30)
    return model, model.simulate(z), z


@pytest.mark.parametrize("beta", [0.2, 1.0])
def test_hamiltonian_steps_keep_their_law(linear, beta, monkeypatch):
    """Exact draws of the posterior at beta, a normal law, have its mean and variances after a step of long leaps; if
    every proposal is accepted, or another law's steps are taken, they do not."""
    model, x, _ = linear
    mean, precision = model.posterior(x[0], beta)
    root, n = torch.linalg.cholesky(precision), 20_000
    z = mean + torch.linalg.solve_triangular(root.T, torch.randn(2, n).double(), upper=True).T
    posterior = Posterior(model, x[:1], [0.0, beta])
    posterior.sizes[beta] = 1.6 / torch.linalg.eigvalsh(precision).max().sqrt().reshape(1, 1)

    def off(z):
        """The largest of the means and variances of whitened codes, in standard errors."""
        white = (z - mean) @ root
        return float(torch.cat([white.mean(0), (white.square().mean(0) - 1) / 2**0.5]).abs().max() * n**0.5)

    there, accepted = posterior.leap(z, beta)
    assert 0.3 < accepted.double().mean() < 0.97
    assert off(there) < 3.5
    with monkeypatch.context() as patch:
        patch.setattr(torch, "rand_like", torch.zeros_like)
        assert off(posterior.leap(z, beta)[0]) > 6
    posterior.energy = lambda z, beta: 0.8 * Posterior.energy(posterior, z, beta)
    assert off(posterior.leap(z, beta)[0]) > 6


def test_step_sizes_are_tuned_to_the_law_and_then_held(linear):
    betas, tuned = temperatures(60), []
    for scale in (0.1, 0.7):
        model = Linear(scale=scale)
        posterior = Posterior(model, torch.zeros(2, 4).double(), betas)
        tuned.append(dict(posterior.sizes))
        z = posterior.start(200)
        for beta in betas[1:]:
            z, accepted = posterior.leap(z, beta)
        assert 0.6 < accepted.double().mean() < 0.95
        assert all(size is posterior.sizes[beta] for beta, size in tuned[-1].items())
    assert (tuned[0][1.0] < 0.5 * tuned[1][1.0]).all()


def test_decoder_weights_average_to_the_density(linear):
    """Forward, and backward from exact draws of p(z | x), a new one each time; their logs on the two sides of it."""
    model, x, _ = linear
    n, exact = 4000, float(model.log_prob(x)[0])
    mean, precision = model.posterior(x[0])
    z = (
        mean
        + torch.linalg.solve_triangular(torch.linalg.cholesky(precision).T, torch.randn(2, n).double(), upper=True).T
    )
    up, down = (w[0] for w in bidirectional(model, x[:1].expand(n, -1), z, 1, temperatures(20)))
    assert abs(ratio(up, exact)) < 3
    assert abs(ratio(-down, -exact)) < 3
    assert exact - float(up.mean()) > 3 * float(up.std()) / n**0.5
    assert float(down.mean()) - exact > 3 * float(down.std()) / n**0.5
    assert row_weights(model, x, 5, [0.0, 1.0]).shape == (5, 30)


def test_decoder_brackets_hold_and_close(linear):
    """The gap between the mean logs falls as temperatures grow."""
    model, _, _ = linear
    z = model.latent(100)
    x = model.simulate(z)
    exact, gaps = float(model.log_prob(x).mean()), []
    for n in (10, 30, 90):
        up, down = bidirectional(model, x, z, 2, temperatures(n))
        assert bdmc(up, down).low <= exact <= bdmc(up, down).high
        gaps.append((down - up).mean(0))
    for fewer, more in pairwise(gaps):
        assert (fewer - more).mean() > 3 * (fewer - more).std() / 10
    assert gaps[-1].mean() > 0


class Equilibrium(Posterior):
    """The posterior of a linear decoder at one row, every step a fresh draw."""

    def __init__(self, model, x):
        self.model, self.x = model, x

    def step(self, z, beta=1.0):
        mean, precision = self.model.posterior(self.x[0], beta)
        return (
            mean
            + torch.linalg.solve_triangular(torch.linalg.cholesky(precision).T, torch.randn_like(z).T, upper=True).T
        )


def test_chains_in_equilibrium_close_as_one_over_the_temperatures(linear):
    """What is lost on the way is the divergences of each law from the next: of order 1/n^2, and there are n."""
    model, x, _ = linear
    law, chains, logs, errors = Equilibrium(model, x[:1]), 4000, [], []
    for n in (20, 80):
        up = forward(law, torch.zeros(chains, 2).double(), temperatures(n))
        down = reverse(law, law.step(torch.zeros(chains, 2).double()), temperatures(n))
        gap = float(down.mean() - up.mean())
        logs.append(math.log(gap))
        errors.append(math.sqrt(float(up.var() + down.var()) / chains) / gap)
    slope, error = (logs[1] - logs[0]) / math.log(4), math.hypot(*errors) / math.log(4)
    assert slope == pytest.approx(-1, abs=3 * error)
    assert error < 0.1


def test_codes_of_other_rows_are_no_bound(linear):
    """Reverse chains begun at draws of the prior, not of p(z | x), end below what they should be above."""
    model, x, z = linear
    _, down = bidirectional(model, x, z.roll(1, 0), 10, temperatures(3))
    below = down.mean(0) - model.log_prob(x)
    assert below.mean() < -3 * below.std() / 30**0.5


def test_a_decoder_that_lies_about_its_law_is_caught(linear):
    model, _, _ = linear
    checks.within(model, bounded=False)
    torch.manual_seed(1)
    bounded, silent = Linear(), Linear()
    bounded.bound = lambda x, k: bounded.log_prob(x) + 0.1
    bounded.log_joint, joint = lambda x, z: joint(x, z) - 1.0, bounded.log_joint
    with pytest.raises(AssertionError, match=r"bound\(x, 64\)"):
        checks.within(bounded, bounded=True)
    silent.simulate = silent.decode
    silent.log_joint, other = lambda x, z: other(x, -z), silent.log_joint
    with pytest.raises(AssertionError, match="forward chains"):
        checks.within(silent, bounded=False)


def test_a_vaes_joint_is_its_bounds():
    """A linear decoder's annealed bound is the exact likelihood; its simulated rows carry the likelihood's noise."""
    torch.manual_seed(0)
    model, true = VAE(Spec(Real((4,))), latents=2), Linear()
    with torch.no_grad():
        model.decoder = torch.nn.Linear(2, 4)
        model.decoder.weight.copy_(true.weights)
        model.decoder.bias.zero_()
        model.likelihood.scale.fill_(math.log(true.scale) / model.likelihood.GAIN)
        z = model.latent(50)
        x = model.simulate(z)
        assert torch.allclose(model.log_joint(x, z).double(), true.log_joint(x.double(), z.double()), atol=1e-4)
        assert float((x - model.decode(z)).std()) == pytest.approx(true.scale, rel=0.15)
        found = importance_bound(LogWeights(row_weights(model, x, 20, temperatures(100))))
        assert found.value == pytest.approx(float(true.log_prob(x.double()).mean()), abs=0.05)
        picture = VAE(Spec(Real((1, 2, 2), 0.0, 1.0, 16)), latents=2)
        again = picture.simulate(torch.zeros(4000, 2)) - picture.decode(torch.zeros(4000, 2))
        assert float(again.std()) == pytest.approx(picture.likelihood.START, rel=0.05)


# Evidence


def exam(model, n=20):
    rows = Rows(torch.rand(n, len(model.visible)).round().double())
    return Exam(Task("bits", Spec(Bits((len(model.visible),))), rows, rows, rows, rows), "test", Pixels())


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(AnnealedWeights, "TEMPERATURES", 20)
    monkeypatch.setattr(AnnealedWeights, "CHAINS", 30)


def test_evidence_of_a_machine_says_what_its_reverse_chains_began_at(quick, tmp_path):
    model = machine()
    seat = exam(model)
    with aside(model, 0):
        e = AnnealedWeights.collect(model, seat)
        assert bdmc(e).low <= log_z(model) <= bdmc(e).high
        assert torch.allclose(e.values, log_f(model, seat.rows.x))
    assert e.exact == 1
    assert annealed_likelihood(e).n == len(seat.rows.x)
    wide = machine(hidden=21, scale=0.1)
    with aside(wide, 0):
        e = AnnealedWeights.collect(wide, exam(wide))
    assert e.exact == 0
    assert "no bound" in bdmc(e).note
    e.save(tmp_path)
    assert AnnealedWeights.load(tmp_path).exact == 0


class Bare:
    """An energy and nothing to draw with."""

    def __init__(self, model):
        self.model = model

    def energy(self, x, beta=1.0):
        return self.model.energy(x, beta)

    def step(self, x, beta=1.0):
        return self.model.step(x, beta)

    def log_z0(self):
        return self.model.log_z0()


def test_a_model_with_nothing_to_draw_with_has_forward_chains(quick, tmp_path):
    model = machine()
    with aside(model, 0):
        e = AnnealedWeights.collect(Bare(model), exam(model))
    e.save(tmp_path)
    again = AnnealedWeights.load(tmp_path)
    assert ais_log_z(again) == ais_log_z(e)
    with pytest.raises(NotApplicable, match="no reverse"):
        bdmc(again)


def test_costly_evidence_waits_for_the_end(quick):
    model = machine()
    wanted = [Wanted("ais_log_z"), Wanted("importance_bound"), Wanted("log_likelihood")]
    with aside(model, 0):
        desk = Desk(exam(model), model)
        assert [record.metric for record in score(desk, wanted, 0.5)] == ["log_likelihood"]
        last = score(desk, wanted, 1.0)
    assert [record.value is not None for record in last] == [True, False, True]
    assert last[1].why == "no decode or latent or log_joint or simulate"


# Repeats


@pytest.mark.slow
@pytest.mark.parametrize(("n", "chains"), [(1, 2), (2, 4), (10, 10)])
def test_brackets_hold_in_a_thousand_repeats(n, chains):
    """Over-dispersed weights of few temperatures included, where what is bracketed is far from the mean log weight."""
    model, repeats = machine(visible=8, hidden=6, scale=1.5), 1000
    truth, betas = log_z(model), temperatures(n)
    up = forward(model, starts(model, repeats * chains), betas).reshape(repeats, chains)
    down = reverse(model, model.exact_sample(repeats * chains), betas).reshape(repeats, chains)
    for delta in (0.05, 0.5):
        found = [bdmc(*weights, delta=delta) for weights in zip(up, down, strict=True)]
        lows = [ais_log_z(weights, delta=delta) for weights in up]
        print(n, chains, delta, held(found, truth), held(lows, truth))
        assert held(found, truth) >= 1 - delta
        assert held(lows, truth) >= 1 - delta
    assert float(up.mean()) < truth < float(down.mean())


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 5])
def test_decoder_brackets_hold_in_a_thousand_repeats(rows):
    torch.manual_seed(0)
    model, repeats = Linear(), 1000
    z = model.latent(repeats * rows)
    x = model.simulate(z)
    exact = model.log_prob(x).reshape(repeats, rows).mean(1)
    up, down = (w.reshape(4, repeats, rows).unbind(1) for w in bidirectional(model, x, z, 4, temperatures(10)))
    for delta in (0.05, 0.5):
        found = [bdmc(*weights, delta=delta) for weights in zip(up, down, strict=True)]
        share = np.mean([held([e], truth) for e, truth in zip(found, exact.tolist(), strict=True)])
        print(rows, delta, share)
        assert share >= 1 - delta
