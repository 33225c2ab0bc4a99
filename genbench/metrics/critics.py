"""What a trained critic says, and what is true."""

from __future__ import annotations

import math

from genbench.evidence import LipschitzScores, Odds, Scores
from genbench.metric import metric
from genbench.metrics.estimates import at_least, mean, squared_error
from genbench.record import Estimate


@metric("lower", version="1", unit="of the critic's own")
def critic_gap(e: Scores) -> Estimate:
    """By how much a critic scores held-out rows (n,) above samples (m,):  mean f(x) - mean f(G(z)).

    A Wasserstein critic's stands for W_1 but is no bound of it: nothing holds its slopes to 1, on no scale that is
    known. 0 in the mean where it cannot tell. The error is that of two means. Raises BadInput below 2 rows a set.
    """
    return gap(e)


@metric("lower", version="1", unit="row units")
def certified_gap(e: LipschitzScores) -> Estimate:
    """The same of a critic divided by a Lipschitz constant that it surely has: a lower bound of W_1 (Kantorovich).

        W_1(P, Q)  =  sup over 1-Lipschitz f of E_P f - E_Q f  >=  (E_P f - E_Q f) / L

    So it is at most the exact W_1 between the very rows and samples, always, and unbiased for a bound of that between
    the laws: no row was trained on. A penalty on slopes gives no constant; the product of the largest singular values
    of the layers does, and is often far too large. Raises BadInput below 2 rows a set.
    """
    return gap(e)


def gap(e: Scores) -> Estimate:
    at_least(2, real=e.real, fake=e.fake)
    real, fake = e.real.double(), e.fake.double()
    error = math.sqrt(squared_error(real) + squared_error(fake))
    return Estimate(float(real.mean() - fake.mean()), error, min(len(real), len(fake)))


@metric("neither", version="1", unit="nats")
def confidence(e: Scores) -> Estimate:
    """How sure a discriminator is of held-out rows (n,): the mean of its logits f = log D / (1 - D) there. At D* it is
    the Kullback-Leibler divergence of the fakes' law from the rows', without limit where the two part; 0 at the
    equilibrium. The error is that of the mean. Raises BadInput below 2 rows.
    """
    at_least(2, real=e.real)
    return mean(e.real.double())


@metric("lower", version="1", unit="probability")
def odds_error(e: Odds) -> Estimate:
    """How far a discriminator is from the best one: mean |D - D*|, D* = p / (p + q) (Goodfellow et al., 2014,
    proposition 1), over as many rows of p as of q, at log-odds (n,) known = log p - log q and said = f.

    The error is that of the mean. Raises BadInput below 2 rows.
    """
    at_least(2, said=e.said)
    return mean((e.said.double().sigmoid() - e.known.double().sigmoid()).abs())
