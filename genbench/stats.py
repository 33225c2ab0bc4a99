"""Intervals over seeds: what a handful of runs can tell, and no more.

A run's score is one draw; its spread over seeds holds the training's luck and the samples' luck, but not that of
the test rows, which every run of a task shares. So all that is said here is said of these test rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import atanh, comb, exp, hypot, inf, log, nan, sqrt, tanh

import numpy as np
from scipy.special import digamma, ndtri, polygamma, stdtr, stdtrit

from genbench.record import Estimate

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2


@dataclass(frozen=True)
class Student:
    """A value whose standard error rests on `df` degrees of freedom: all that an interval or a test needs.

    The error is nan where one run alone was seen. Subtraction is Welch's: variances are never assumed equal.
    """

    value: float
    error: float
    df: float
    n: int

    @property
    def half(self) -> float:
        """Half the width of the 95 % interval."""
        return 0.0 if self.error == 0 else float(-stdtrit(self.df, TAIL)) * self.error if self.df > 0 else nan

    @property
    def low(self) -> float:
        return self.value - self.half

    @property
    def high(self) -> float:
        return self.value + self.half

    def above(self, bound: float) -> float:
        """The one-sided p-value against `value <= bound`; nan where there is no error to judge by."""
        if self.error == 0:
            return 0.0 if self.value > bound else 1.0
        return float(stdtr(self.df, (bound - self.value) / self.error)) if self.df > 0 else nan

    def __neg__(self) -> Student:
        return replace(self, value=-self.value)

    def __sub__(self, other: Student) -> Student:
        """Welch (1947): the errors add in squares, the degrees of freedom are Satterthwaite's."""
        error = hypot(self.error, other.error)
        parts = sum((s.error**2 / error**2) ** 2 / s.df for s in (self, other) if s.error) if error > 0 else 0.0
        return Student(self.value - other.value, error, 1 / parts if parts else inf, min(self.n, other.n))

    def estimate(self) -> Estimate:
        return Estimate(self.value, self.error, self.n, self.low, self.high)


def mean(values: Sequence[float]) -> Student:
    """The mean over seeds, with the standard error of its own spread; one below rounding is none."""
    n = len(values)
    spread = float(np.std(values, ddof=1)) if n > 1 else nan
    rounding = 1e-12 * max(map(abs, values))
    return Student(float(np.mean(values)), 0.0 if spread <= rounding else spread / sqrt(n), n - 1, n)


def paired(a: Sequence[float], b: Sequence[float]) -> Student:
    """The mean of a - b where the two share their seeds, folds or rows."""
    return mean([x - y for x, y in zip(a, b, strict=True)])


def pooled(*arms: Sequence[float]) -> Student:
    """The mean of all values, with the error of the spread within the arms: nan where no arm has two."""
    values = np.concatenate([np.asarray(arm, float) for arm in arms])
    n, df = len(values), len(values) - len(arms)
    squares = sum(float(np.var(arm)) * len(arm) for arm in arms)
    spread = sqrt(squares / df) if df > 0 else nan
    rounding = 1e-12 * float(np.abs(values).max())
    return Student(float(values.mean()), 0.0 if spread <= rounding else spread / sqrt(n), df, n)


def moderated(means: Sequence[Student]) -> list[Student]:
    """The same means, with a spread that luck made too small raised to what the column's spreads have in common.

    Three seeds that happen to agree prove nothing. Ten models of three seeds each do say what a spread is like, as
    far as their spreads are alike; a GAN's and a closed form's are not. So the common variance enters as a prior
    worth d0 seeds, d0 estimated from how much the spreads differ beyond chance (Smyth, 2004, section 6): alike,
    it is the pooled variance of a model x seed analysis; unlike, each model's own.

    Where all means are positive it is their relative spreads that are taken to be alike, for a distance's spread
    grows with its size. The spread is raised and never lowered: plain shrinkage was tried, and among nine models of
    three seeds the one wild one was then covered 79 % of the time, so raised only 95 %. A spread of exactly zero,
    a closed form's, neither gives nor takes.
    """
    spread = [i for i, m in enumerate(means) if m.df > 0 and m.error > 0]
    if len(spread) < 3:
        return list(means)
    positive = all(m.value > 0 for m in means)
    level = np.array([means[i].value if positive else 1.0 for i in spread])
    variance = np.array([means[i].error ** 2 * means[i].n for i in spread]) / level**2
    df = np.array([means[i].df for i in spread], float)
    logs = np.log(variance) - digamma(df / 2) + np.log(df / 2)
    beyond = float(np.var(logs, ddof=1) - polygamma(1, df / 2).mean())
    if beyond > 0:
        half = _inverse_trigamma(beyond)
        common = float(np.exp(logs.mean() + digamma(half) - np.log(half)))
        shrunk = (2 * half * common + df * variance) / (2 * half + df)
    else:
        half = inf
        shrunk = np.full(len(df), float((df * variance).sum() / df.sum()))
    made = list(means)
    for i, own, new, d in zip(spread, variance, shrunk, np.minimum(df + 2 * half, df.sum()), strict=True):
        if new > own:
            made[i] = replace(means[i], error=means[i].error * sqrt(new / own), df=float(d))
    return made


def _inverse_trigamma(y: float) -> float:
    """Newton's steps on 1/trigamma, which is convex (Smyth, 2004, appendix)."""
    x = 0.5 + 1 / y
    for _ in range(50):
        tri = float(polygamma(1, x))
        step = tri * (1 - tri / y) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-9 * x:
            break
    return x


def unbeaten(arms: Mapping[str, Student]) -> set[str]:
    """The arms that no other beats: none is higher beyond the 95 % interval of their difference, by Holm's correction
    over the rivals of each.

    So who is as good as the best is kept with a chance of 97.5 %, however many rivals it has; from three seeds of
    unlike spread that is a low bar. Tried, on ten equal models: each pair by itself, where one in ten was turned out
    and half of all tables turned out some; all degrees of freedom pooled, which holds where spreads are alike, and
    where they are not turned out one in seven.
    """
    rivals = {a: [(arms[b] - arms[a]).above(0) for b in arms if b != a] for a in arms}
    return {a for a, pvalues in rivals.items() if min(holm(pvalues), default=1.0) > TAIL}


def holm(pvalues: Sequence[float]) -> list[float]:
    """Holm (1979): p-values adjusted so that the chance of any false rejection among them stays below the level."""
    adjusted, running = [0.0] * len(pvalues), 0.0
    for rank, i in enumerate(sorted(range(len(pvalues)), key=lambda i: pvalues[i])):
        running = max(running, min(1.0, (len(pvalues) - rank) * pvalues[i]))
        adjusted[i] = running
    return adjusted


def fisher(k: int, n: int, among: int, of: int) -> float:
    """The chance of k or more among n, where `among` of `of` others were such, were all drawn alike (Fisher, 1935)."""
    marked, every = k + among, n + of
    return sum(comb(marked, i) * comb(every - marked, n - i) for i in range(k, min(n, marked) + 1)) / comb(every, n)


def slope(x: Sequence[float], y: Sequence[float]) -> Student:
    """Least squares: the slope of y on x, its error from the residuals on n - 2 degrees of freedom."""
    xs, ys, n = np.asarray(x, float), np.asarray(y, float), len(x)
    square = float(((xs - xs.mean()) ** 2).sum()) if n else 0.0
    if square == 0:
        return Student(nan, nan, 0, n)
    value = float(((xs - xs.mean()) * (ys - ys.mean())).sum()) / square
    residual = ys - ys.mean() - value * (xs - xs.mean())
    error = sqrt(float((residual**2).sum()) / (n - 2) / square) if n > 2 else nan
    return Student(value, error, n - 2, n)


def crossings(
    cells: Sequence[tuple[float, float, float]], powers: Sequence[float], goal: float
) -> dict[tuple[float, float], float]:
    """The draws at which a test's power, between 0 and 1, first passes a goal, for each n and epsilon where it does.

    Cells are (n, draws, epsilon). Between two cells by the line of its normal quantiles in log draws.
    """
    curves: dict[tuple[float, float], list[tuple[float, float]]] = {}
    for (n, draws, epsilon), power in zip(cells, powers, strict=True):
        curves.setdefault((n, epsilon), []).append((log(draws), float(ndtri(power) - ndtri(goal))))
    crossed = {}
    for cell, curve in curves.items():
        for (before, low), (after, high) in pairwise(sorted(curve)):
            if low < 0 <= high:
                crossed[cell] = exp(before - (after - before) * low / (high - low))
                break
    return crossed


def ranks(values: Sequence[float]) -> np.ndarray:
    """1 to n, ties sharing their mean rank."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[where])


def spearman(x: Sequence[float], y: Sequence[float]) -> Estimate:
    """Rank correlation of independent pairs, its interval by Fisher's z with the variance of Bonett & Wright (2000).

    nan where either side is constant; no interval below four pairs.
    """
    n = len(x)
    if n < 2 or len(set(x)) < 2 or len(set(y)) < 2:
        return Estimate(nan, nan, n)
    rho = float(np.clip(np.corrcoef(ranks(x), ranks(y))[0, 1], -1, 1))
    if n < 4:
        return Estimate(rho, nan, n)
    z, error = atanh(min(max(rho, -1 + 1e-12), 1 - 1e-12)), sqrt((1 + rho**2 / 2) / (n - 3))
    width = float(-ndtri(TAIL)) * error
    return Estimate(rho, error * (1 - rho**2), n, tanh(z - width), tanh(z + width))


def share(k: int, n: int) -> Estimate:
    """k of n, with the interval of Wilson (1927), which is honest at 0 and at n."""
    if n == 0:
        return Estimate(nan, nan, 0)
    p, z = k / n, float(-ndtri(TAIL))
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return Estimate(p, sqrt(p * (1 - p) / n), n, max(0.0, centre - half), min(1.0, centre + half))
