"""Simulated laws for the tests of metrics, and what many estimates of one number should agree on."""

import math

import numpy as np


def spread(estimates):
    """Mean and standard deviation of the values, and the root mean square of the errors that they claimed."""
    values = np.array([e.value for e in estimates])
    return values.mean(), values.std(ddof=1), math.sqrt(np.mean([e.error**2 for e in estimates]))


def exact_moments(noise, n, mean, covariance):
    """n rows whose own mean and covariance are those given, to rounding."""
    x = noise.normal(size=(n, len(mean)))
    x -= x.mean(0)
    white = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / (n - 1))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def spd(noise, d):
    a = noise.normal(size=(d, d))
    return a @ a.T + 0.1 * np.eye(d)


def uniform(n):
    return np.full(n, 1 / n)


def held(estimates, truth, z=1.96):
    """The share of intervals value +- z error that hold the truth; bounds use their own low and high."""

    def holds(e):
        low, high = (e.value - z * e.error, e.value + z * e.error) if e.low is None else (e.low, e.high)
        return low <= truth <= high

    return np.mean([holds(e) for e in estimates])
