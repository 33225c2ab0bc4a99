"""How far the features of the fakes lie from those of real rows."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from genbench.errors import BadInput
from genbench.evidence import Features, Logits, finite
from genbench.metric import metric
from genbench.metrics.estimates import at_least, squared_error
from genbench.record import Estimate

ROWS = 2048  # rows of a kernel matrix held at a time


@metric("lower", version="1", unit="squared feature units")
def frechet(e: Features) -> Estimate:
    """Frechet distance between Gaussian fits (Heusel et al., 2017, eq. 6) of real (n, d) and fake (m, d).

        F = |mu_p - mu_q|^2 + tr(S_p + S_q - 2 (S_p S_q)^(1/2))

    With centred rows factored as A = Q_a R_a and S_p = R_a' R_a, and R_a R_b' = U s V', the second term is the
    squared Frobenius norm of U' R_a - V' R_b: a sum of squares, so real and >= 0 in floating point too, and defined
    for any n >= 2 (its trace term is the nuclear norm of A B').

    The error is that of the influence function: a row x of P moves F by
    |x - mu_p|^2 - (x - mu_p)' T (x - mu_p) + 2 (mu_p - mu_q)'(x - mu_p), T the transport map from P to Q, whose
    quadratic form is read from Q_a U s U' Q_a' with nothing inverted. Tried beside it: a block jackknife, which is
    further from the spread over repeats where n <= d. At equal laws F is degenerate and the error too large.

    F itself is biased upward, by order d/n or more: compare numbers of equal n only. Assumes independent rows.
    Raises BadInput below 2 rows a set.
    """
    at_least(2, real=e.real, fake=e.fake)
    n, m, d = len(e.real), len(e.fake), e.real.shape[1]
    mu_p, a, q_a, r_a = factored(e.real)
    mu_q, b, q_b, r_b = factored(e.fake)
    rank = max(len(r_a), len(r_b))
    r_a, r_b = (pad(r, (0, 0, 0, rank - len(r))) for r in (r_a, r_b))
    u, s, vt = torch.linalg.svd(r_a @ r_b.T)
    gap = mu_p - mu_q
    value = gap.square().sum() + (u.T @ r_a - vt @ r_b).square().sum()

    def influence(centred: Tensor, q: Tensor, u: Tensor, gap: Tensor) -> Tensor:
        along_map: Tensor = (len(q) - 1) * (q @ u[: q.shape[1]]).square() @ s
        return centred.square().sum(1) - along_map + 2 * centred @ gap

    error = math.sqrt(squared_error(influence(a, q_a, u, gap)) + squared_error(influence(b, q_b, vt.T, -gap)))
    note = f"{min(n, m)} rows for {d} features: singular covariances, a large bias" if min(n, m) <= d else ""
    return Estimate(float(value), error, min(n, m), note=note)


def factored(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The mean, the centred rows, and Q, R with Q R = centred / sqrt(n - 1), so that R'R is the covariance."""
    centre = x.mean(0)
    q, r = torch.linalg.qr((x - centre) / math.sqrt(len(x) - 1))
    return centre, x - centre, q, r


@metric("lower", version="1", unit="squared MMD")
def kid(e: Features, *, degree: int = 3) -> Estimate:
    """Kernel distance (Binkowski et al., 2018, eq. 4): unbiased squared MMD of real (n, d) and fake (m, d).

        sum_{i!=j} k(x_i, x_j) / (n(n-1)) + sum_{i!=j} k(y_i, y_j) / (m(m-1)) - 2 sum_{ij} k(x_i, y_j) / (nm)

    with k(x, y) = (x.y / d + 1)^degree. It may be negative; its mean is 0 at equal laws, whatever n and m.

    The error is a U-statistic's (Hoeffding's decomposition): 4 var(g)/n + 4 var(h)/m + D, where g and h are the
    mean influences of one row and D the degenerate part 2|k_xx|^2/(n(n-1)) + 2|k_yy|^2/(m(m-1)) + 4|k_xy|^2/(nm)
    of the centred kernels. Sample variances of the row means hold 2 D of noise, hence the D that is taken off; and
    D is the least that the variance can be. Assumes independent rows. Raises BadInput below 2 rows a set.
    """
    at_least(2, real=e.real, fake=e.fake)
    if degree < 1:
        raise BadInput(f"degree={degree}; a polynomial kernel needs a degree of at least 1")
    n, m = len(e.real), len(e.fake)
    xx, _, xx2 = kernel(e.real, e.real, degree)
    yy, _, yy2 = kernel(e.fake, e.fake, degree)
    xy, yx, xy2 = kernel(e.real, e.fake, degree)
    value = xx.mean() + yy.mean() - 2 * xy.mean()
    degenerate = (
        2 * (xx2 - 2 * xx.square().mean() + xx.mean().square()).clamp(min=0) / (n * (n - 1))
        + 2 * (yy2 - 2 * yy.square().mean() + yy.mean().square()).clamp(min=0) / (m * (m - 1))
        + 4 * (xy2 - xy.square().mean() - yx.square().mean() + xy.mean().square()).clamp(min=0) / (n * m)
    )
    noisy = 4 * squared_error(xx - xy) + 4 * squared_error(yy - yx)
    return Estimate(float(value), math.sqrt(max(noisy - float(degenerate), float(degenerate))), min(n, m))


def kernel(x: Tensor, y: Tensor, degree: int) -> tuple[Tensor, Tensor, Tensor]:
    """Row means, column means and mean square of k(x_i, y_j), without the diagonal where x is y."""
    rows, columns, squares = [], x.new_zeros(len(y)), x.new_zeros(())
    for start in range(0, len(x), ROWS):
        k = (x[start : start + ROWS] @ y.T / x.shape[1] + 1) ** degree
        if x is y:
            k.diagonal(start).zero_()
        rows.append(k.sum(1))
        columns += k.sum(0)
        squares += k.square().sum()
    others = len(y) - (x is y)
    return torch.cat(rows) / others, columns / (len(x) - (x is y)), squares / (len(x) * others)


@metric("higher", version="1", unit="classes")
def inception_score(e: Logits) -> Estimate:
    """Inception score (Salimans et al., 2016): exp(mean_x KL(p(y|x) || p(y))) from logits (m, classes).

    Between 1 and the number of classes; biased downward for m near it. It never sees a real row: it rewards one
    clear sample of each class. The error is the delete-one jackknife's, in O(m classes). Assumes independent rows.
    Raises BadInput below 2 rows, for logits that are not (m, classes), or infinite ones.
    """
    finite("logits", e.fake)
    if e.fake.ndim != 2:
        raise BadInput(f"logits have shape {tuple(e.fake.shape)}, expected (m, classes)")
    at_least(2, logits=e.fake)
    m = len(e.fake)
    p = e.fake.double().softmax(1)
    entropy = torch.special.entr(p).sum(1)
    value = (torch.special.entr(p.mean(0)).sum() - entropy.mean()).exp()
    without = ((p.sum(0) - p) / (m - 1)).clamp(min=0)  # p(y) when one row is left out
    left = (torch.special.entr(without).sum(1) - (entropy.sum() - entropy) / (m - 1)).exp()
    return Estimate(float(value), math.sqrt((m - 1) * float(left.var(correction=0))), m)
