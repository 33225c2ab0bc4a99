"""What annealed chains say of a constant that nobody can sum: an estimate, and on which side of it the truth lies."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import AnnealedWeights
from genbench.metric import metric
from genbench.metrics.estimates import at_least
from genbench.metrics.likelihood import mean_nats
from genbench.record import Estimate


def columns(name: str, log_w: Tensor) -> Tensor:
    """Log weights as (chains, rows) in float64."""
    if log_w.ndim > 2:
        raise BadInput(f"{name} has shape {tuple(log_w.shape)}, expected (chains,) or (chains, rows)")
    at_least(2, **{name: log_w})
    return log_w.double().reshape(len(log_w), -1)


def log_mean(log_w: Tensor) -> tuple[float, float]:
    """The mean over rows of log (1/chains) sum_c w, and its jackknife error over the chains (chains, rows)."""
    n, rows = log_w.shape
    total = log_w.logsumexp(0)
    if bool(total.isinf().any()):
        raise BadInput("all chains of a row have weight 0; anneal through more temperatures")
    top = log_w.argmax(0, keepdim=True)
    others = log_w.scatter(0, top, -torch.inf).logsumexp(0, keepdim=True)  # its difference would cancel
    without = (total + torch.log1p(-(log_w - total).exp())).scatter(0, top, others)
    variances = ((n - 1) * without.var(0, correction=0)).nan_to_num(nan=math.inf)
    return float(total.mean()) - math.log(n), math.sqrt(float(variances.sum())) / rows


NEVER = 1e-4


def margin(delta: float) -> float:
    if not 0 < delta < 1:
        raise BadInput(f"delta={delta}; a chance of being wrong lies between 0 and 1")
    return math.log(1 / delta)


@metric("neither", version="1", unit="nats")
def ais_log_z(e: AnnealedWeights, delta: float = 0.05) -> Estimate:
    """log Z by annealed importance sampling (Neal, 2001) from forward log weights, (chains,) or (chains, rows).

        value = log (1/chains) sum_c w_c,    its mean over rows where each row has a Z of its own

    in nats, with the jackknife error over chains. E w = Z, so the value is below log Z in expectation: for a decoder,
    whose Z is p(x), a lower bound of the log-likelihood; for a machine a bound on the side that flatters it. By Markov
    P(mean w >= Z / delta) <= delta, and a product over independent rows has mean prod Z, so log Z, or its mean, is
    with probability 1 - delta at least low = value - ln(1/delta) / rows. Nothing bounds it from above: high is inf,
    and the error knows only of regions that some chain found. Raises BadInput below 2 chains, on NaN, on +inf, where
    all weights are 0, and for a delta outside (0, 1).
    """
    forward = columns("forward", e.forward)
    value, error = log_mean(forward)
    return Estimate(value, error, len(forward), value - margin(delta) / forward.shape[1], math.inf)


@metric("neither", version="1", unit="nats")
def bdmc(e: AnnealedWeights, delta: float = 0.05) -> Estimate:
    """log Z between forward and reverse log weights: bidirectional Monte Carlo (Grosse et al., 2015), in nats.

    forward is that of `ais_log_z`; reverse, as many rows of any number of chains, has E 1/w = 1/Z if (`exact`) each
    of its chains began at an exact draw. With F = log mean w and R = -log mean 1/w, E F <= log Z <= E R and, by Markov
    on either side, log Z (of rows: their mean) lies with probability 1 - delta between

        low = F - ln(2/delta) / rows    and    high = R + ln(2/delta) / rows.

    value = (F + R) / 2, whose two biases cancel to first order; the error is the jackknife's over both sets of chains
    (a start that the chains of a row share, as a decoder's do, is not in it), n the number of forward ones. Where the
    draws were not exact, R bounds nothing: the value is F, high is inf, and the note gives R as a diagnostic. Bounds
    that chance has crossed are put in order, noted. Raises NotApplicable without reverse weights, BadInput as
    `ais_log_z` does, and where F is further above R than weights of one Z bring it once in 10,000 times.
    """
    if not len(e.reverse):
        raise NotApplicable("no reverse weights; ais_log_z judges forward ones alone")
    forward, reverse = columns("forward", e.forward), columns("reverse", e.reverse)
    (n, rows), wide = forward.shape, margin(delta / 2)
    if reverse.shape[1] != rows:
        raise BadInput(f"forward weights are of {rows} rows, reverse ones of {reverse.shape[1]}")
    lower, lower_error = log_mean(forward)
    upper, upper_error = log_mean(-reverse)
    low, high = lower - wide / rows, -upper + wide / rows
    if not e.exact:
        note = f"reverse weights give {-upper:.6g}: a diagnostic and no bound, for their chains began at inexact draws"
        return Estimate(lower, lower_error, n, low, math.inf, note=note)
    if lower + upper > 2 * margin(NEVER / 2) / rows:
        raise BadInput(f"forward weights say {lower:.6g}, reverse ones {-upper:.6g}: not of one Z; is a sign wrong?")
    note = "the bounds have crossed, as they do by chance no more often than delta" if low > high else ""
    low, high = sorted((low, high))
    return Estimate((lower - upper) / 2, math.hypot(lower_error, upper_error) / 2, n, low, high, note=note)


@metric("higher", version="1", unit="nats")
def annealed_likelihood(e: AnnealedWeights, delta: float = 0.05) -> Estimate:
    """Mean log-density of held-out rows in nats, mean of values (n,) less log Z, of a model with only an energy.

    log Z is that of `bdmc` where reverse chains began at exact draws, else of `ais_log_z`, which is too small in
    expectation, so that the value is too large (noted). The error joins that of the rows and that of log Z; low and
    high bracket the mean over these very rows. Raises NotApplicable without rows, BadInput below 2 rows or 2 chains,
    where each row has its own Z, and as `bdmc` does.
    """
    if not len(e.values):
        raise NotApplicable("weights alone: no rows whose likelihood could be asked for")
    if e.forward.ndim > 1:
        raise BadInput(f"forward has shape {tuple(e.forward.shape)}; the constant of one model is (chains,)")
    both = len(e.reverse) > 0 and bool(e.exact)
    z = (bdmc if both else ais_log_z)(e, delta=delta)
    rows = mean_nats(e.values)
    assert z.low is not None
    assert z.high is not None
    note = rows.note or ("" if both else "too high in expectation: log Z is from forward chains alone")
    error = math.hypot(rows.error, z.error)
    return Estimate(rows.value - z.value, error, rows.n, rows.value - z.high, rows.value - z.low, note=note)
