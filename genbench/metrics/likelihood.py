"""How probable a model holds rows that it has not seen."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genbench.errors import BadInput
from genbench.evidence import Bounds, Elbos, LogProbs, LogWeights
from genbench.metric import metric
from genbench.metrics.estimates import at_least, mean, vector
from genbench.record import Estimate


def mean_nats(values: Tensor) -> Estimate:
    """The mean of log-densities (n,) and its error.

    A row that the model gives no density makes the mean minus infinity: this is the value, its error is not
    defined, and the note counts such rows. Dropping them would reward a model for what it cannot explain.
    """
    values = vector("values", values)
    at_least(2, values=values)
    if bool((values == torch.inf).any()):
        raise BadInput("a log-density is +inf: the model puts mass on a point, so densities cannot be compared")
    if none := int((values == -torch.inf).sum()):
        return Estimate(-math.inf, n=len(values), note=f"{none} of {len(values)} rows have density 0")
    return mean(values)


@metric("higher", version="1", unit="nats")
def log_likelihood(e: LogProbs) -> Estimate:
    """Mean exact log-density of held-out rows (n,), in nats a row, with its standard error.

    Densities are over the rows as the task hands them out: dequantised where they were quantised. The value is
    -inf, with a note, where a row has density 0. Raises BadInput below 2 rows, on NaN and on +inf.
    """
    return mean_nats(e.values)


@metric("lower", version="1", unit="bits per number")
def bits_per_dim(e: LogProbs) -> Estimate:
    """Bits a number (Theis et al., 2016): -mean log p(x) / (size ln 2) + log2(levels), with its standard error.

    Quantised rows were given uniform noise within cells of width 1/levels, so a cell's probability is about
    p(x) levels^-size and log2(levels) makes the number the length of a lossless code: 8 for noise on 256 levels.
    Rows that were never quantised (levels = 0) have no such constant, and a number that depends on their unit.
    The value is +inf, with a note, where a row has density 0. Raises BadInput as `log_likelihood` does.
    """
    if e.size < 1 or e.levels < 0:
        raise BadInput(f"size={e.size}, levels={e.levels}; a row holds at least 1 number, and levels are 0 or more")
    nats, scale = mean_nats(e.values), e.size * math.log(2)
    bits = -nats.value / scale + (math.log2(e.levels) if e.levels else 0.0)
    return Estimate(bits, nats.error / scale, nats.n, note=nats.note)


@metric("higher", version="1", unit="nats")
def likelihood_bound(e: Bounds) -> Estimate:
    """Mean importance-weighted lower bound (Burda et al., 2016, eq. 8) on the log-density of held-out rows (n,).

        L_k = E log (1/k) sum_i p(x, z_i) / q(z_i | x)  <=  log p(x)

    in nats a row, with its standard error over rows. k = 1 is the evidence lower bound; bounds of different k do
    not compare. Raises BadInput below 2 rows, on NaN, on +inf, and for k < 1; a bound of -inf is -inf, noted.
    """
    if e.k < 1:
        raise BadInput(f"k={e.k}; a bound takes at least 1 sample a row")
    return mean_nats(e.values)


@metric("higher", version="1", unit="nats")
def elbo(e: Elbos) -> Estimate:
    """Mean evidence lower bound on the log-density of held-out rows (n,): `likelihood_bound` from one sample a row.

        L_1 = E log p(x, z) / q(z | x)  =  log p(x) - KL(q(z | x) || p(z | x))

    in nats a row, with its standard error over rows. Raises BadInput below 2 rows, on NaN and on +inf; a bound of
    -inf is -inf, noted.
    """
    return mean_nats(e.values)


@metric("higher", version="1", unit="nats")
def importance_bound(e: LogWeights) -> Estimate:
    """The bound of `likelihood_bound` from its weights: log_w (k samples, n rows), log p(x, z_i) / q(z_i | x) in nats.

        L_k = mean over rows of log (1/k) sum_i w_i

    with its standard error over rows; `LogWeights.bounds` are the rows' own. It is below the mean log p(x) in
    expectation for every k and rises with k, whatever made the weights, so long as the mean of each is p(x): an
    encoder, the prior, or annealing, as for a model's evidence. A row none of whose samples has weight is -inf, noted.
    Raises BadInput below 2 rows, on NaN, on +inf, and for weights that are not (samples, rows).
    """
    if e.values.ndim != 2:
        raise BadInput(f"log_w has shape {tuple(e.values.shape)}, expected (samples, rows)")
    return mean_nats(e.bounds)
