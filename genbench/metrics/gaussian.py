"""How far the Gaussian fits of two sets of features lie apart."""

from __future__ import annotations

import math
from typing import Any

import torch
from scipy.linalg import LinAlgError, eigh
from torch import Tensor
from torch.linalg import vector_norm as norm

from genbench.errors import BadInput
from genbench.evidence import Features, finite, tensor
from genbench.metric import metric
from genbench.metrics.estimates import at_least, squared_error
from genbench.metrics.moments import Moments, about
from genbench.record import Estimate

EPS = torch.finfo(torch.float64).eps
FEW = 4096
MUCH = 10_000_000_000  # multiplications
ROUNDING = 1e-10  # of the traces: where eigenvalues would leave more, the slower singular values serve


@metric("lower", version="1", unit="squared feature units")
def frechet(e: Features) -> Estimate:
    """Frechet distance between Gaussian fits (Heusel et al., 2017, eq. 6) of real (n, d) and fake (m, d).

        F = |mu_p - mu_q|^2 + tr S_p + tr S_q - 2 tr (S_p S_q)^(1/2)

    With S_p = R_a' R_a the last trace is the nuclear norm of R_a R_b', whatever the roots. For n, m > d it is read
    from the eigenvalues of R_a S_q R_a', which is symmetric; where these are too small to survive rounding, from
    the singular values of triangular R; for n <= d, of the centred rows over sqrt(n - 1) themselves, with a note.
    So F is real, defined for any n >= 2, and what rounding leaves below 0 is 0.

    The error is that of the influence function: a row x of P moves F by
    |x - mu_p|^2 - (x - mu_p)' T (x - mu_p) + 2 (mu_p - mu_q)'(x - mu_p), T the transport map from P to Q; its spread is
    taken over at most 4,096 rows a side. Tried beside it: a block jackknife, which is further from the spread over
    repeats where n <= d. At equal laws F is degenerate and the error too large, by up to a factor of 2.

    F itself is biased upward, by order d/n or more: compare numbers of equal n only, or take `frechet_debiased`.
    Assumes independent rows. Raises BadInput below 2 rows a set.
    """
    at_least(2, real=e.real, fake=e.fake)
    n, m, d = len(e.real), len(e.fake), e.real.shape[1]
    mean_p, mean_q = (rows.sum(0, dtype=torch.float64) / len(rows) for rows in (e.real, e.fake))
    found = by_covariances(e, mean_p, mean_q) if min(n, m) > d else None
    bures, along_x, along_y = found or by_rows(e.real - mean_p, e.fake - mean_q)
    gap = mean_p - mean_q
    error = math.hypot(spread(e.real, mean_p, along_x, gap), spread(e.fake, mean_q, along_y, -gap))
    return Estimate(float(gap @ gap + bures.clamp(min=0)), error, min(n, m), note=singular(min(n, m), d))


def few(rows: Tensor) -> Tensor:
    """Every other, or third, ... row of many: a standard deviation is known to 2 % from half as many."""
    return rows[:: -(-len(rows) // FEW)]


def spread(rows: Tensor, mean: Tensor, along: Tensor, gap: Tensor) -> float:
    """The standard error over all rows (n, d) from the influences of `few`, whose x'Tx, x = row - mean, is `along`."""
    x = few(rows) - mean
    influence = norm(x, dim=1).square() - along + 2 * (x @ gap)
    return math.sqrt(squared_error(influence) * len(x) / len(rows))


def singular(n: int, d: int) -> str:
    """The note where no covariance of n rows can be inverted."""
    return f"{n} rows for {d} features: singular covariances, a large bias" if n <= d else ""


def by_covariances(e: Features, mean_p: Tensor, mean_q: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
    """tr S_p + tr S_q - 2 tr (S_p S_q)^(1/2); x'Tx of a few centred rows a side, T the map to the other side's law."""
    s_p, s_q = (about(x, mean)[1].div_(len(x) - 1) for x, mean in ((e.real, mean_p), (e.fake, mean_q)))
    traces = s_p.trace() + s_q.trace()
    found = spectrum(s_p, s_q, traces, vectors=True)
    if found is None:
        return None
    s, z = (part.to(mean_p) for part in found)  # T = Z s Z', its inverse S_p Z s^-1 Z' S_p
    back = (s_p.to(mean_p) @ z).div_(s)
    return traces.to(s) - 2 * s.sum(), forms(few(e.real) - mean_p, z, s), forms(few(e.fake) - mean_q, back, s)


def forms(x: Tensor, z: Tensor, s: Tensor) -> Tensor:
    """(x z)^2 s, row by row; in float32 where that is much work: only errors rest on it, and move by less than 1e-3."""
    if len(x) * z.numel() < MUCH:
        return (x @ z).square() @ s
    unit, largest = x.abs().max(), s.max()
    white = (x / unit).float() @ (z * unit).float()
    return (white.square_() @ (s / largest).float()).double() * largest


def by_rows(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same from X = R_a R_b' = U s V', where centred x (n, d) / sqrt(n - 1) = Q R: nothing squared or inverted."""
    (q_a, r_a), (q_b, r_b) = (factored(rows) for rows in (x, y))
    u, s, vt = torch.linalg.svd(r_a @ r_b.T, full_matrices=False)

    def along(q: Tensor | None, u: Tensor, n: int) -> Tensor:
        forms: Tensor = (n - 1) * (few(u) if q is None else few(q) @ u).square() @ s
        return forms

    traces = norm(x).square() / (len(x) - 1) + norm(y).square() / (len(y) - 1)
    return traces - 2 * s.sum(), along(q_a, u, len(x)), along(q_b, vt.T, len(y))


def factored(x: Tensor) -> tuple[Tensor | None, Tensor]:
    """Q, R with Q R = x / sqrt(n - 1) and at most d rows in R; no Q where it would be the identity."""
    x = x / math.sqrt(len(x) - 1)
    return tuple(torch.linalg.qr(x)) if len(x) > x.shape[1] else (None, x)


def spectrum(s_p: Tensor, s_q: Tensor, size: Tensor, *, vectors: bool = False) -> tuple[Tensor, Tensor] | None:
    """Roots (d,) of the eigenvalues of S_p S_q, by Cholesky's factor of S_p, and Z with Z' S_p Z = 1 where asked.

    None where S_p has no factor, or rounding by EPS of the largest eigenvalue would show beside `size` in the sum of
    the roots.
    """
    driver = "gvd" if vectors else "gvx"  # each twice as quick as the other would be
    s_q, s_p = s_q.T, s_p.T  # the same, in LAPACK's order of numbers
    try:
        found = eigh(s_q.numpy(), s_p.numpy(), type=2, eigvals_only=not vectors, driver=driver, check_finite=False)
    except LinAlgError:
        return None
    values, z = (torch.from_numpy(part) for part in (found if vectors else (found, found)))
    noise = EPS * values.max()
    s = values.clamp(min=noise).sqrt()
    shown = noise * (0.5 / s).norm() / size
    return (s, z) if shown <= ROUNDING else None


def overlap(s_p: Tensor, s_q: Tensor, size: Tensor) -> Tensor:
    """tr (S_p S_q)^(1/2) of two symmetric matrices (d, d) that are not negative, as exact as `size` asks."""
    found = spectrum(s_p, s_q, size)
    return torch.linalg.matrix_norm(root(s_p) @ root(s_q).T, "nuc") if found is None else found[0].sum()


def root(s: Tensor) -> Tensor:
    """R with R'R = S. BadInput where S has an eigenvalue that is below 0 by more than rounding."""
    values, vectors = torch.linalg.eigh(s)
    if values[0] < -1e-6 * values[-1]:
        raise BadInput(f"not a covariance: it has the eigenvalue {values[0]:.3g}, the largest is {values[-1]:.3g}")
    factor: Tensor = values.clamp(min=0).sqrt()[:, None] * vectors.T
    return factor


def frechet_from_moments(mean_p: Any, cov_p: Any, mean_q: Any, cov_q: Any) -> float:
    """The Frechet distance of two Gaussians, by means (d,) and covariances (d, d): F alone, with no error.

    For statistics kept by others, as `mu` and `sigma` in .npz files. A direction without variance on one side
    costs half the digits, which lie in the covariance no more; `frechet` on rows keeps them. Raises BadInput
    where shapes disagree, values are not finite, or a covariance is not symmetric or has a negative eigenvalue.
    """
    means = [tensor(name, mean).double().cpu() for name, mean in (("mean_p", mean_p), ("mean_q", mean_q))]
    covariances = [tensor(name, s).double().cpu() for name, s in (("cov_p", cov_p), ("cov_q", cov_q))]
    d = means[0].numel()
    for name, mean, s in zip("pq", means, covariances, strict=True):
        if mean.shape != (d,) or s.shape != (d, d):
            raise BadInput(
                f"mean_{name} has shape {tuple(mean.shape)}, cov_{name} {tuple(s.shape)}; expected {(d,)} and {(d, d)}"
            )
        finite(f"mean_{name}", mean)
        some = torch.linspace(1, 2, d, dtype=torch.float64, device="cpu")
        along, across = s @ some, s.T @ some
        finite(f"cov_{name}", along)
        if float((along - across).norm()) > 1e-6 * float(s.diagonal().abs().sum() * some.norm()):
            raise BadInput(f"cov_{name} is not symmetric")
    return between(*(Moments(2, mean, s) for mean, s in zip(means, covariances, strict=True)))


def between(p: Moments, q: Moments) -> float:
    """F alone, from scatters as they are: a covariance is a copy of one. BadInput where a side has 1 row."""
    if min(p.n, q.n) < 2:
        raise BadInput("1 row has no covariance; at least 2 are needed")
    n, m = p.n - 1, q.n - 1
    traces, root_nm = p.scatter.trace() / n + q.scatter.trace() / m, math.sqrt(n * m)
    bures = traces - 2 * overlap(p.scatter, q.scatter, traces * root_nm) / root_nm
    return float((p.mean - q.mean).square().sum() + bures.clamp(min=0))
