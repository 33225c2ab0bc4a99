"""Games against closed forms: rates against the roots of each update, values against linear programs and grids."""

import math
from copy import deepcopy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from baselines.games.descent import Descent, onto_simplex, simultaneous, symplectic
from baselines.play import consensus, together
from genbench import catalogue, dynamics
from genbench.budget import Budget, Stream, aside
from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Desk, Exam, Path, Spread
from genbench.metrics import (
    asymptotic_rate,
    convergence_rate,
    cycling,
    duality_gap,
    equilibrium_distance,
    game_value,
    rotation_index,
)
from genbench.run import built
from genbench.task import Rows
from genbench.tasks.games import equilibrium, matrix

H = 0.1
MIXED = ("rock-paper-scissors", "random-matrix", "chase-mixed")


def task(name, start=None, **options):
    made = catalogue.load("tasks", name)(**options)
    return made if start is None else replace(made, train=Rows(torch.tensor([start])))


def mover(name, made, examples=401, **hyper):
    build = catalogue.load("models", name) if isinstance(name, str) else name
    model = built(build, made, **hyper)
    model.fit(Stream(made, Budget(examples), seed=1))
    return model


def asked(metric, model, made, **options):
    with aside(model, 0):
        return metric(Desk(Exam(made, "test", None), model).get(metric.evidence), **options).value


def radius(model, made):
    """The spectral radius of the update beside the equilibrium."""
    return math.exp(-asked(asymptotic_rate, model, made))


def optimistic_root(h, mu):
    """The largest root of z^2 = z (1 - 2 h mu) + h mu: x_{t+1} = x_t - h mu (2 x_t - x_{t-1})."""
    return max(abs(np.roots([1, -(1 - 2 * h * mu), -h * mu])))


# On V = theta psi the field's Jacobian has the eigenvalues +-i; of each update the modulus.
FACTORS = {
    "simultaneous": lambda h: math.hypot(1, h),
    "alternating": lambda h: 1.0,
    "extragradient": lambda h: math.hypot(1 - h * h, h),
    "optimistic": lambda h: optimistic_root(h, 1j),
    "consensus": lambda h: math.hypot(1 - 0.6 * h, h),
    "full-relaxation": lambda h: 1 - h,
    "symplectic": lambda h: math.hypot(1 - h, h),
}


@pytest.mark.parametrize("h", [0.1, 0.3])
@pytest.mark.parametrize("name", FACTORS)
def test_each_moves_round_the_bilinear_game_by_its_closed_form(name, h):
    made = task("bilinear")
    model = mover(name, made, 201, rate=h)
    factor = FACTORS[name](h)
    assert radius(model, made) == pytest.approx(factor, abs=1e-6)
    measured = asked(convergence_rate, model, made)
    if name == "alternating":  # an ellipse: the distance swings but goes nowhere
        assert measured == pytest.approx(0, abs=2e-3)
    else:
        assert measured == pytest.approx(-math.log(factor), rel=0.05)


def test_simultaneous_play_spirals_out_and_alternating_play_keeps_to_an_ellipse():
    made = task("bilinear", [1.0, 1.0])
    out = mover("simultaneous", made).path().norm(dim=1)
    torch.testing.assert_close(out, math.sqrt(2) * math.hypot(1, H) ** torch.arange(401.0, dtype=torch.float64))
    theta, psi = mover("alternating", made).path().T
    kept = theta**2 + psi**2 - H * theta * psi
    torch.testing.assert_close(kept, kept[:1].expand(len(kept)))


def test_the_roots_of_a_saddle_that_also_pulls():
    """Eigenvalues a +- ib: |1 - h (a + ib)|, and the others' from the same mu."""
    made, mu = task("quadratic-saddle", pull=0.5, twist=1.0), 0.5 + 1j
    roots = {
        "simultaneous": abs(1 - H * mu),
        "extragradient": abs(1 - H * mu + (H * mu) ** 2),
        "optimistic": optimistic_root(H, mu),
        "consensus": abs(1 - H * (mu + 0.6 * abs(mu) ** 2)),
        "full-relaxation": 1 - H * abs(mu) ** 2,
    }
    for name, root in roots.items():
        model = mover(name, made, 201)
        assert radius(model, made) == pytest.approx(root, abs=1e-6)
        assert asked(convergence_rate, model, made) == pytest.approx(-math.log(root), rel=0.05)
    assert asked(rotation_index, model, made) == pytest.approx(1 / abs(mu))


def test_what_is_not_differentiable_at_the_equilibrium_has_no_radius():
    for name in ("rock-paper-scissors", "chase"):
        made = task(name)
        with pytest.raises(NotApplicable):
            radius(mover("simultaneous", made, 20), made)
    with pytest.raises(NotApplicable, match="does not depend"):
        radius(built(catalogue.load("models", "truth"), task("bilinear")), task("bilinear"))


@pytest.mark.parametrize(("penalty", "settles"), [(0.0, False), (1.0, True)])
def test_a_penalty_makes_the_dirac_gan_converge(penalty, settles):
    """Mescheder, Geiger & Nowozin, 2018: with R1 the roots of 1 - h ((g +- sqrt(g^2 - 1)) / 2), without |1 + ih/2|."""
    made = task("dirac-gan", [0.3, 0.3], penalty=penalty)
    model = mover("simultaneous", made, 601)
    closed = max(abs(1 - H * (penalty + s * np.emath.sqrt(penalty**2 - 1)) / 2) for s in (1, -1))
    assert radius(model, made) == pytest.approx(closed, abs=1e-6)
    assert (asked(equilibrium_distance, model, made) < 1e-3) == settles


@pytest.mark.parametrize(("own", "gamma"), [(0.0, 1.0), (1.0, 2.0)])
def test_the_bad_equilibrium_s_basin_ends_where_the_relaxation_says(own, gamma):
    """Along theta_2 all follow (own + gamma V'') V', V'' = 3 t^2 - 1: to the ridge while the bracket is below 0."""
    edge = math.sqrt((1 - own / gamma) / 3)
    build = partial(Descent, loop=partial(together, correct=partial(consensus, gamma=gamma, own=own)))
    ends = [mover(build, task("wells", [0.0, edge * by, 0.0]), 600).path()[-1, 1].item() for by in (0.95, 1.05)]
    assert ends == pytest.approx([0, 1], abs=1e-3)


def test_a_mixture_leaves_the_bad_equilibrium_and_settles_where_play_alone_goes_round():
    made = task("wells", [0.5, 0.05, 0.5])
    assert asked(equilibrium_distance, mover("full-relaxation", made), made) == pytest.approx(1, abs=0.05)
    assert asked(equilibrium_distance, mover("consensus", made), made) < 1e-6
    assert asked(equilibrium_distance, mover("simultaneous", made), made) > 1
    made = task("wells", [0.5, 1.0, 0.5])
    assert asked(cycling, mover("alternating", made, 801), made) == pytest.approx(1, abs=0.05)


def test_who_answers_has_the_advantage():
    """min max of cos(theta - psi) is 1 and max min is -1, on a grid; a leader gets no better, whoever it is."""
    angles = np.linspace(0, 2 * np.pi, 201)
    V = np.cos(angles[:, None] - angles)
    assert V.max(1).min() == pytest.approx(1)
    assert V.min(0).max() == pytest.approx(-1, abs=1e-3)
    made = task("chase", [0.3, 1.5])
    assert asked(game_value, mover("alternating", made, 1600, turns=40), made) == pytest.approx(1, abs=0.02)
    assert asked(game_value, mover("alternating", made, 1600, turns=40, first=1), made) == pytest.approx(-1, abs=0.02)


def test_the_stationary_points_of_the_gaussian_gan_are_its_law():
    made = task("gaussian-gan", mean=0.7, sigma=1.3)
    model = mover("consensus", made, 1001)
    b, a, u, w = model.path()[-1].tolist()
    assert (b, abs(a), u, w) == pytest.approx((0.7, 1.3, 0, 0), abs=1e-6)
    assert radius(mover("simultaneous", made, 30), made) > 1
    regular = task("gaussian-gan", penalty=1.0)
    assert radius(mover("simultaneous", regular, 30), regular) < 1


# Matrix games


def test_linear_programs_find_the_known_values():
    x, y, value = equilibrium(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
    assert (*x.tolist(), *y.tolist(), value) == pytest.approx((0.5, 0.5, 0.5, 0.5, 0))
    a, b, c, d = 3.0, -1.0, 0.0, 2.0  # no saddle: x = (d - c, a - b) / (a + d - b - c), value (ad - bc) / the same
    x, y, value = equilibrium(torch.tensor([[a, b], [c, d]]))
    assert (x[0].item(), y[0].item(), value) == pytest.approx((2 / 6, 3 / 6, 1))


def test_mixtures_close_the_gap_of_pure_moves():
    for seed in range(20):
        A = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
        x, y, value = equilibrium(A)
        x, y = x.float(), y.float()
        assert A.amin(0).max() - 1e-5 <= value <= A.amax(1).min() + 1e-5
        assert (x @ A).max().item() == pytest.approx((A @ y).min().item(), abs=1e-5)
        assert value == pytest.approx((x @ A @ y).item(), abs=1e-5)


@pytest.mark.parametrize("name", MIXED)
def test_averages_of_play_have_the_gap_that_regret_allows(name):
    """Cesa-Bianchi & Lugosi, 2006, theorem 2.3, for losses of width 2, with the start for a prior (log n and KL)."""
    made = task(name)
    n, _ = made.spec.game.sizes
    made = replace(made, train=Rows(torch.full((1, 2 * n), 1 / n)))
    model = mover("multiplicative-weights", made, 1001)
    with aside(model, 0):
        gaps = Path.collect(model, Exam(made, "test", None)).average_gaps[:-1]
    t = torch.arange(1, len(gaps) + 1, dtype=torch.float64)
    regret = 2 * (2 * (t / 2 * math.log(n)).sqrt() + math.sqrt(math.log(n) / 8))
    assert (gaps <= 2 * regret / t).all()
    assert asked(game_value, model, made) == pytest.approx(equilibrium(payoffs(made))[2], abs=1e-2)


def payoffs(made):
    """A of a matrix task, from its losses on pure moves."""
    n, m = made.spec.game.sizes
    pure = torch.eye(n)[:, None].expand(n, m, n), torch.eye(m).expand(n, m, m)
    return made.spec.game.losses(*(move.double() for move in pure))[0]


def test_fictitious_play_finds_the_value_though_its_last_move_never_does():
    made = task("random-matrix")
    model = mover("fictitious-play", made, 2001)
    assert asked(duality_gap, model, made, average=True) < 0.1
    assert asked(duality_gap, model, made) > 0.2
    x, y = made.spec.game.moves(model.path().mean(0))
    assert (x @ payoffs(made) @ y).item() == pytest.approx(equilibrium(payoffs(made))[2], abs=0.02)


@pytest.mark.slow
def test_ten_thousand_rounds_reproduce_the_value_to_a_hundredth():
    for name in MIXED:
        made = task(name)
        value = asked(game_value, mover("multiplicative-weights", made, 10_000), made)
        assert value == pytest.approx(equilibrium(payoffs(made))[2], abs=1e-2), name


def test_best_responses_to_the_last_move_chase_it_round():
    made = task("rock-paper-scissors")
    last = mover("best-response", made, 60).path()[-6:, :3]
    assert set(last.argmax(1).tolist()) == {0, 1, 2}
    assert (last.amax(1) == 1).all()


@pytest.mark.parametrize("name", ["bilinear", "quadratic-saddle", "chase", *MIXED])
def test_a_gap_is_what_the_best_answers_on_a_grid_would_gain(name):
    made = task(name)
    game, x = made.spec.game, made.test.x[0].double()
    theta, psi = game.moves(x)
    if game.mixed:
        others = [torch.eye(len(move)).double() for move in (theta, psi)]
    else:
        reach = {"bilinear": 1, "quadratic-saddle": 4, "chase": math.pi}[name]
        others = [torch.linspace(-reach, reach, 4001, dtype=torch.float64)[:, None]] * 2
    worst = game.losses(theta.expand(len(others[1]), -1), others[1])[0].max()
    best = game.losses(others[0], psi.expand(len(others[0]), -1))[0].min()
    assert made.gap(x[None]).item() == pytest.approx((worst - best).item(), abs=1e-5)
    if made.solution is not None:
        assert made.gap(made.solution).abs().max() < 1e-9


@pytest.mark.parametrize("name", ["bilinear", "quadratic-saddle", "dirac-gan", "gaussian-gan", "wells"])
def test_known_equilibria_are_stationary_and_no_player_gains_by_a_small_step(name):
    made = task(name)
    game = made.spec.game
    ahead, relaxed = dynamics.fields(game, made.solution)
    assert ahead.abs().max() < 1e-9
    assert relaxed.abs().max() < 1e-9
    for x in made.solution:
        here = game.losses(*game.moves(x))
        for i, size in enumerate(game.sizes):
            for step in 1e-3 * torch.randn(20, size).double():
                moves = [move + step if i == j else move for j, move in enumerate(game.moves(x))]
                assert game.losses(*moves)[i] >= here[i] - 1e-12


def test_bad_options_are_refused_in_one_line():
    for name, options in [
        ("quadratic-saddle", {"pull": 0.0}), ("gaussian-gan", {"sigma": 0.0}), ("random-matrix", {"n": 1}),
    ]:  # fmt: skip
        with pytest.raises(BadInput, match="got"):
            task(name, **options)


# The parts


def test_fields_and_jacobians_are_those_of_finite_differences():
    game = task("gaussian-gan").spec.game
    x, step = torch.randn(5, 4, dtype=torch.float64), 1e-6
    ahead, relaxed = dynamics.fields(game, x)
    for i, move in enumerate(torch.eye(4, dtype=torch.float64)):
        up, down = (dynamics.fields(game, x + sign * step * move)[0] for sign in (1, -1))
        torch.testing.assert_close(
            dynamics.jacobians(game, x)[:, :, i], -(up - down) / (2 * step), rtol=1e-5, atol=1e-6
        )
        slope = 0.5 * (up.square().sum(1) - down.square().sum(1)) / (2 * step)
        torch.testing.assert_close(relaxed[:, i], -slope, rtol=1e-5, atol=1e-6)
        loss = game.losses(*game.moves(x + step * move)), game.losses(*game.moves(x - step * move))
        own = 0 if i < 2 else 1
        torch.testing.assert_close(ahead[:, i], -(loss[0][own] - loss[1][own]) / (2 * step), rtol=1e-5, atol=1e-6)


def test_the_symplectic_field_is_the_matrix_formula_s():
    for seed in range(10):
        noise = torch.Generator().manual_seed(seed)
        J, at = torch.randn(3, 3, generator=noise), torch.randn(3, generator=noise)
        x = [at[:1].clone().requires_grad_(), at[1:].clone().requires_grad_()]
        g = J @ torch.cat(x)
        bent = torch.cat(symplectic(x, [g[:1], g[1:]]))
        xi, slope = J @ at, J.T @ J @ at
        turned = (J - J.T).T @ xi / 2
        sign = torch.sign((xi @ slope) * (turned @ slope) / 3 + 0.1)
        torch.testing.assert_close(bent, xi + sign * turned)


def test_the_projection_is_the_nearest_point_of_the_simplex():
    for p in torch.randn(20, 4).double():
        nearest = onto_simplex(p)
        assert nearest.sum().item() == pytest.approx(1)
        limits = {"type": "eq", "fun": lambda q: q.sum() - 1}
        far = partial(lambda p, q: ((q - p) ** 2).sum(), p.numpy())
        found = minimize(far, np.full(4, 0.25), bounds=[(0, 1)] * 4, constraints=limits)
        assert nearest.min() >= 0
        assert far(nearest.numpy()) <= found.fun + 1e-9


def test_movers_decline_what_they_cannot_play():
    spec = catalogue.load("tasks", "ring8")().spec
    with pytest.raises(NotImplementedError, match="no game"):
        simultaneous(spec)
    with pytest.raises(NotImplementedError, match="finitely many"):
        catalogue.load("models", "fictitious-play")(task("bilinear").spec)


@pytest.mark.parametrize("name", ["optimistic", "extragradient", "alternating"])
def test_a_killed_run_goes_on_to_the_same_place(name):
    made, build, saved = task("bilinear"), catalogue.load("models", name), []

    def save(state):
        saved.append(deepcopy(state))

    whole = built(build, made)
    whole.fit(Stream(made, Budget(100), seed=1, model=whole, every=31, save=save))
    again = built(build, made)
    again.fit(Stream(made, Budget(100), seed=1, model=again, restored=saved[1]))
    torch.testing.assert_close(again.path(), whole.path(), rtol=0, atol=0)


# The metrics


def spiral(factor, n=200):
    t = torch.arange(n, dtype=torch.float64)
    r = factor**t
    return torch.stack([r * (t / 5).cos(), r * (t / 5).sin()], 1)


def test_a_spiral_s_rate_distance_and_swing_are_those_it_was_made_with():
    x = spiral(0.98)
    e = Path(x, x[:, 0], torch.zeros(1, 2), x.norm(dim=1))
    assert convergence_rate(e).value == pytest.approx(-math.log(0.98))
    assert convergence_rate(e).error == pytest.approx(0, abs=1e-9)
    assert equilibrium_distance(e).value == pytest.approx(0.98**199)
    assert equilibrium_distance(e, average=True).value == pytest.approx(x.mean(0).norm().item())
    assert duality_gap(e).value == pytest.approx(0.98**199)
    assert cycling(e).value < 0.98**140
    circle = Path(spiral(1.0, 4000), torch.zeros(4000))
    assert cycling(circle).value == pytest.approx(1, abs=1e-2)
    with pytest.raises(NotApplicable, match="no equilibrium"):
        equilibrium_distance(circle)
    with pytest.raises(NotApplicable, match="not known"):
        duality_gap(circle)


def test_a_rate_is_measured_before_rounding_sets_in():
    x = spiral(0.8, 400)
    noisy = x + 1e-14 * torch.randn_like(x)
    assert convergence_rate(Path(noisy, x[:, 0], torch.zeros(1, 2))).value == pytest.approx(-math.log(0.8), abs=1e-3)


def test_the_radius_is_the_update_s_largest_eigenvalue():
    A = torch.tensor([[0.9, -0.5, 0.0], [0.3, 0.7, 0.0], [0.0, 0.1, 0.2]], dtype=torch.float64)
    powers = torch.stack([torch.linalg.matrix_power(A, t) for t in range(21)])
    assert asymptotic_rate(Spread(powers)).value == pytest.approx(-math.log(max(abs(np.linalg.eigvals(A.numpy())))))
    with pytest.raises(BadInput, match="expected"):
        asymptotic_rate(Spread(torch.ones(4, 2, 3)))


def test_a_value_is_what_was_paid_on_average_in_the_end():
    paid = torch.tensor([9.0, 9.0, 9.0, 9.0, 1.0, 1.0, 3.0, 3.0])
    told = game_value(Path(torch.zeros(8, 2), paid))
    assert (told.value, told.error, told.n) == (2, 1, 1)


def test_a_matrix_is_scaled_to_one():
    made = matrix("two", torch.tensor([[4.0, -8.0], [-8.0, 4.0]]))
    assert payoffs(made).abs().max() == 1
