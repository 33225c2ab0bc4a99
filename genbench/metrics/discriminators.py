"""How far apart two laws provably are, by what tells them apart on rows that it was not fitted on."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from genbench.evidence import Features
from genbench.metric import metric
from genbench.metrics.estimates import at_least, clopper_pearson, share, squared_error
from genbench.metrics.transport import transport
from genbench.record import Estimate

RISK = 0.05 / 2  # that the bound of one side fails; both hold in 95 % of repeats
FEW = 16  # rows a side, below which there is nothing to choose a classifier by
MATCHED = 1000  # rows a side that the potentials are found from: it costs their cube

Critic = Callable[[Tensor], Tensor]


@metric("lower", version="1", unit="statistical distance")
def statistical_distance_bound(e: Features) -> Estimate:
    """A lower bound of the statistical distance (total variation, half the L1) of real (n, d) and fake (m, d).

        TV(P, Q)  =  sup over 0 <= D <= 1 of E_P D - E_Q D  >=  P(D = 1) - Q(D = 1)

    D is a classifier of scikit-learn's, logistic or of 100 extremely randomised trees: of one half of the rows, a half
    says which does better when fitted on the other, and all fit it. It says real where the two are equally likely.
    `value` is its advantage on the other half: unbiased for what this D achieves, so at most TV in the mean, 0 in
    the mean at equal laws, and below 0 by chance. `low` is a bound of TV in 95 % of repeats: Clopper & Pearson's
    (1934) lower end for real rows less the upper one for fakes, each at 0.025; `high` is 1, for a classifier that
    fails proves nothing. The error is that of two shares. Halves are drawn by a fixed seed. Assumes independent
    rows. Raises BadInput below 4 rows a set.
    """
    x, x_held, y, y_held = halves(e)
    return advantage(classifier(x, y), x_held, y_held)


def advantage(judge: Callable[[Tensor], NDArray[np.bool_]], x: Tensor, y: Tensor) -> Estimate:
    """How much more often a judge says real of rows x than of y, as a bound where neither had a part in its making."""
    hits, alarms = (int(judge(rows).sum()) for rows in (x, y))
    n, m = len(x), len(y)
    (p, p_error), (q, q_error) = share(hits, n), share(alarms, m)
    surely, _ = clopper_pearson(hits, n, RISK)
    _, at_most = clopper_pearson(alarms, m, RISK)
    return Estimate(p - q, math.hypot(p_error, q_error), min(n, m), low=surely - at_most, high=1.0)


@metric("lower", version="1", unit="feature units")
def wasserstein_critic_bound(e: Features) -> Estimate:
    """A lower bound of W_1 between the laws of real (n, d) and fake (m, d), in any dimension.

        W_1(P, Q)  =  sup over 1-Lipschitz f of E_P f - E_Q f  >=  E_P f - E_Q f

    f is one of the `critics`: of one half of the rows, a half says which does best when fitted on the other, and all
    fit it. Each is 1-Lipschitz by construction, not by a penalty, and so is f clipped to its range on that half.
    `value` is the mean difference on the other half: unbiased for what this f achieves, so at most W_1 in the mean,
    and 0 in the mean at equal laws. Its error is that mean's; below 200 rows another f each time adds to it.

    `low` is a bound of W_1 in 95 % of repeats: each mean, of n values within a range R, is moved by
    sqrt(2 v L / n) + 7 R L / (3 (n - 1)), L = log(2 / 0.025), v their variance (Maurer & Pontil, 2009, empirical
    Bernstein); nothing is assumed of the laws. `high` is infinite: `wasserstein_bracket` has an upper end.
    Halves are drawn by a fixed seed. Assumes independent rows. Raises BadInput below 4 rows a set.
    """
    x, x_held, y, y_held = halves(e)
    n, m = len(x) // 2, len(y) // 2
    tried = [float(f(x[n:]).mean() - f(y[m:]).mean()) for f in critics(x[:n], y[:m])]
    best = critics(x, y)[int(np.argmax(tried))]
    return gain(best, best(torch.cat([x, y])), x_held, y_held)


def gain(f: Critic, known: Tensor, x: Tensor, y: Tensor) -> Estimate:
    """How much higher a critic, clipped to the range of what is known, scores rows x than y; a bound as above."""
    low, high = known.min(), known.max()
    p, q = (f(rows).clamp(low, high) for rows in (x, y))
    margins = sum(bernstein(values, float(high - low)) for values in (p, q))
    value = float(p.mean() - q.mean())
    error = math.sqrt(squared_error(p) + squared_error(q))
    return Estimate(value, error, min(len(p), len(q)), low=value - margins, high=math.inf)


def halves(e: Features) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One half of each set to fit on and the other to judge by, drawn at random in case rows come sorted."""
    at_least(4, real=e.real, fake=e.fake)
    shuffle = torch.Generator().manual_seed(0)
    mixed = [rows[torch.randperm(len(rows), generator=shuffle).to(rows.device)] for rows in e.exact]
    (x, y), (n, m) = mixed, (len(rows) // 2 for rows in mixed)
    return x[:n], x[n:], y[:m], y[m:]


def classifier(x: Tensor, y: Tensor) -> Callable[[Tensor], NDArray[np.bool_]]:
    """Whether each row is rather one of x than one of y."""
    logistic = LogisticRegression(class_weight="balanced", max_iter=1000)
    trees = ExtraTreesClassifier(100, min_samples_leaf=5, class_weight="balanced", random_state=0, n_jobs=1)

    def fitted(model: BaseEstimator, x: Tensor, y: Tensor) -> Pipeline:
        return make_pipeline(StandardScaler(), model).fit(
            torch.cat([x, y]).cpu().numpy(), np.repeat([1, 0], [len(x), len(y)])
        )

    def advantage(model: BaseEstimator) -> float:
        tried = fitted(model, x[: len(x) // 2], y[: len(y) // 2])
        p, q = (tried.predict(rows[len(rows) // 2 :].cpu().numpy()).mean() for rows in (x, y))
        return float(p - q)

    few = min(len(x), len(y)) < FEW
    best = fitted(logistic if few else max((logistic, trees), key=advantage), x, y)
    return lambda rows: best.predict(rows.cpu().numpy()) == 1


def critics(x: Tensor, y: Tensor) -> list[Critic]:
    """Functions that are 1-Lipschitz whatever the rows: sums with constants, signs, minima and maxima of |z - c|.

    A line along the difference of the means; the distance from the common mean, either way; and the potentials
    (u, v) of the optimal transport of x onto y, carried from the rows to every point by McShane's (1934) extension
    from below, min_j |z - y_j| - v_j, and from above, max_i u_i - |z - x_i|.
    """
    size = min(len(x), len(y), MATCHED)
    centre = (x.mean(0) + y.mean(0)) / 2
    x_some, y_some = x[:size] - centre, y[:size] - centre
    _, u, v = transport(x_some, y_some)
    u, v = u.to(x), v.to(x)
    towards = torch.nn.functional.normalize(x.mean(0) - y.mean(0), dim=0)
    return [
        lambda z: (z - centre) @ towards,
        lambda z: (z - centre).norm(dim=1),
        lambda z: -(z - centre).norm(dim=1),
        lambda z: (torch.cdist(z - centre, y_some) - v).amin(1),
        lambda z: (u - torch.cdist(z - centre, x_some)).amax(1),
    ]


def bernstein(values: Tensor, width: float) -> float:
    """How far the mean of independent values within a range may lie from its expectation, one way, at RISK."""
    n, risk = len(values), math.log(2 / RISK)
    return math.sqrt(2 * squared_error(values) * risk) + 7 * width * risk / (3 * (n - 1))
