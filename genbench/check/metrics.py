"""The checks of a metric: a pure function with a direction, an error and an n, which refuses what it cannot judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

import torch

from genbench import evidence
from genbench.catalogue import load
from genbench.check.common import Check, hold
from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Evidence
from genbench.metric import Metric
from genbench.record import Estimate

N, D, CLASSES = 400, 4, 5


def blobs(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows about CLASSES corners, and which."""
    which = torch.arange(n) % CLASSES
    corners = 6 * torch.eye(CLASSES)[:, :D]
    return corners[which] + 0.3 * torch.randn(n, D), which


def samples(fault: float) -> dict[str, Any]:
    return {"real": torch.randn(N, D), "fake": torch.randn(N - 50, D) + fault}


def logits(fault: float) -> dict[str, Any]:
    return {"fake": 20 * (1 - fault / 4) * torch.eye(CLASSES)[torch.arange(N) % round(CLASSES - fault)]}


def symbols(fault: float) -> dict[str, Any]:
    draws = torch.randint(CLASSES, (N,))
    draws[draws >= CLASSES - fault] = 0  # as many symbols are lost
    draws[: int(N * fault / 8)] = -1
    return {"draws": draws, "weights": torch.full((CLASSES,), 1 / CLASSES)}


def copies(fault: float) -> dict[str, Any]:
    train = torch.randn(N, D)
    return {"train": train, "held": torch.randn(N, D), "fake": torch.randn(N, D) + fault}


def judged(fault: float) -> dict[str, Any]:
    train, which = blobs(N)
    return {"train": train, "labels": which, "real": blobs(N)[0], "fake": blobs(N)[0] + fault * torch.randn(N, D)}


def path(fault: float) -> dict[str, Any]:
    """A spiral: into the equilibrium, or out of it and without end where there is a fault."""
    t = torch.arange(N, dtype=torch.float64)
    radius = torch.exp((fault - 1) * t / 100)
    points = torch.stack([radius * (t / 9).cos(), radius * (t / 9).sin()], 1)
    return {"points": points, "paid": points.prod(1), "equilibria": torch.zeros(2, 2), "gaps": radius,
            "average_gaps": radius / 2}  # fmt: skip


def turns(fault: float) -> torch.Tensor:
    """The powers of a rotation that also shrinks, or grows where there is a fault."""
    A = (0.9 + fault / 10) * torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=torch.float64)
    return torch.stack([torch.linalg.matrix_power(A, t) for t in range(20)])


def estimates(noise: torch.Tensor, fault: float) -> dict[str, Any]:
    """Of equal laws and of laws at a distance of 1, ever nearer with more draws, with bounds of two deviations."""
    draws = 50.0 * torch.arange(1, noise.shape[2] + 1)
    value = torch.tensor([0.0, 1.0])[:, None, None] + (2 + 5 * fault + 0.2 * noise) / draws.sqrt()
    said = torch.stack([value, value - 0.4, value + 0.4 + fault / 10], 3) - 0.3
    cells = torch.stack([torch.full_like(draws, 3), draws, torch.ones_like(draws), (1 + fault) / draws], 1)
    known, kinds = torch.tensor([0.0, 1.0]).expand(len(draws), 2), torch.zeros(len(draws))
    return {"null": said[0], "far": said[1], "cells": cells, "known": known, "kinds": kinds}


MAKERS: dict[type[Evidence], Callable[[float], dict[str, Any]]] = {
    evidence.Samples: samples,
    evidence.Features: samples,
    evidence.Logits: logits,
    evidence.Symbols: symbols,
    evidence.Visits: lambda fault: {"counts": 80 + (100 * fault * torch.eye(CLASSES)).long()},
    evidence.Draws: lambda fault: {"draws": symbols(fault)["draws"].clamp(min=0), "n": CLASSES},
    evidence.Copies: copies,
    evidence.Judged: judged,
    evidence.LogProbs: lambda fault: {"values": torch.randn(N) - fault, "size": D, "levels": 0},
    evidence.Bounds: lambda fault: {"values": torch.randn(N) - fault, "k": 10},
    evidence.Elbos: lambda fault: {"values": torch.randn(N) - fault},
    evidence.LogWeights: lambda fault: {"values": torch.randn(10, N) - fault},
    evidence.AnnealedWeights: lambda fault: {
        "forward": torch.randn(N) - 0.5,  # of normal log weights of variance 1, those whose mean is Z = 1
        "reverse": torch.randn(N) + 0.5,
        "values": torch.randn(N) - fault,
        "exact": 1,
    },
    evidence.Reconstructions: lambda fault: {
        "real": (real := torch.randn(N, D)),
        "again": real + (0.1 + fault) * torch.randn(N, D),
    },
    evidence.Compressed: lambda fault: {
        "real": (real := torch.randn(N, D)),
        "again": real + (0.1 + fault) * torch.randn(N, D),
        "bits": round(1 + 8 * fault),
    },
    evidence.Grid: lambda fault: {"rows": torch.randn(6, 6, D).cumsum(0).cumsum(1)},
    evidence.Walks: lambda fault: {
        "rows": (torch.rand(N, 6, 1) ** (1 + 10 * fault) * torch.randn(N, 1, D)).cumsum(1),
        "along": torch.randn(4, 6, D),
    },
    evidence.Filters: lambda fault: {"filters": torch.randn(20, 1, 6, 6)},
    evidence.Trace: lambda fault: {
        "loss": 1 + (0.1 + fault) * torch.randn(N),
        "norm": (0.1 + fault) * torch.rand(N),
        "player": torch.zeros(N, dtype=torch.int64),
    },
    evidence.Batches: lambda fault: {"fake": torch.randn(50, 8, D) + fault * torch.randn(50, 1, D)},
    evidence.Scores: lambda fault: {"real": torch.randn(N) + fault, "fake": torch.randn(N - 50)},
    evidence.LipschitzScores: lambda fault: {"real": torch.randn(N) + fault, "fake": torch.randn(N - 50)},
    evidence.Odds: lambda fault: {"known": (known := torch.randn(N)), "said": known + fault * torch.randn(N)},
    evidence.Path: path,
    evidence.Spread: lambda fault: {"jacobians": turns(fault)},
    evidence.Field: lambda fault: {
        "jacobians": turns(fault),
        **{name: torch.randn(9, 2) for name in ("points", "ahead", "relaxed")},
    },
    evidence.Codes: lambda fault: {"codes": (rows := blobs(N))[0] + 2 * fault * torch.randn(N, D), "labels": rows[1]},
    evidence.Pictures: lambda fault: {"real": torch.rand(N, 1, 6, 6), "fake": torch.rand(N, 1, 6, 6) / (1 + fault)},
    evidence.PValues: lambda fault: {
        "null": torch.rand(N, CLASSES) ** (1 + fault),
        "far": torch.rand(N, CLASSES) ** (8 - 2 * fault),
        "cells": torch.tensor([[100.0, 100.0 * (1 + i), 0.25, 1e-3 * (1 + fault)] for i in range(CLASSES)]),
    },
    evidence.Estimates: lambda fault: estimates(torch.randn(2, N, CLASSES), fault),
    evidence.Conditionals: lambda fault: {
        "given": (rows := blobs(N))[1],
        "said": torch.where(torch.rand(N) < fault / 4, torch.randint(CLASSES, (N,)), rows[1]),
        "real": rows[0],
        "fake": blobs(N)[0] * (1 - fault / 4),
    },
    evidence.Told: lambda fault: {
        "given": (which := torch.arange(N) % CLASSES),
        "log_q": (log_q := ((8 - 3 * fault) * torch.eye(CLASSES)[which]).log_softmax(1)),
        "again": log_q.clone(),
    },
    evidence.Read: lambda fault: {
        "read": (which := torch.arange(N) % CLASSES),
        "labels": torch.where(torch.rand(N) < fault / 4, torch.randint(CLASSES, (N,)), CLASSES - 1 - which),
    },
    evidence.Meanings: lambda fault: {
        "codes": (codes := torch.randn(N, 2)),
        "factors": codes.flip(1) + fault * torch.randn(N, 2),
    },
    evidence.Analogies: lambda fault: {
        "wanted": (which := torch.arange(N) % CLASSES),
        **{
            name: torch.where(torch.rand(N) < fault / 4, torch.randint(CLASSES, (N,)), which)
            for name in ("of_codes", "of_rows", "of_chance")
        },
    },
    evidence.Edits: lambda fault: {
        "start": (start := torch.rand(40, 1, 6, 6)),
        "mask": (mask := torch.zeros(40, 1, 6, 6).index_fill(2, torch.arange(2), 1)),
        "wanted": (wanted := torch.rand(40, 1, 6, 6)),
        "after": start + mask * (1 - fault / 4) * (wanted - start) + fault * torch.rand(40, 1, 6, 6),
        "plain": torch.rand(30, 1, 6, 6),
        "real": torch.rand(50, 1, 6, 6),
    },
    evidence.Kernel: lambda fault: {
        "kernel": fault / 4 * torch.eye(CLASSES) + (1 - fault / 4) * (fault * torch.arange(CLASSES)).softmax(0),
        "law": torch.full((CLASSES,), 1 / CLASSES),
    },
    evidence.PairedImages: lambda fault: {
        "real": (real := torch.rand(3, 1, 176, 176)),  # as large as five scales take
        "again": real + (0.1 + fault) * torch.randn(real.shape),
    },
}


def made(kind: type[Evidence], fault: float = 0.0) -> Any:
    """Evidence of a model that is right (fault 0) or plainly wrong (fault 3). NotApplicable for kinds of others."""
    if kind not in MAKERS:
        raise NotApplicable(f"no ready-made evidence of the kind {kind.__name__}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind(**MAKERS[kind](fault))


def metric_checks(name: str) -> Iterator[Check]:
    metric: Metric = load("metrics", name)
    yield "says what it measures, which way is better, and its version", lambda: described(metric)
    yield "gives a finite value with its error and its n", lambda: complete(metric)
    yield "is a pure function of its evidence", lambda: pure(metric)
    yield "takes arrays of any kind", lambda: any_array(metric)
    yield "refuses NaN in one line", lambda: refuses_nan(metric)
    yield "keeps what it was shown as it was", lambda: untouched(metric)
    if metric.better != "neither":
        yield "finds a plainly wrong model worse than a right one", lambda: directed(metric)


def described(metric: Metric) -> None:
    hold(isinstance(metric, Metric), "not a metric; decorate the function with @metric")
    hold(len((metric.__doc__ or "").strip()) > 20, "no docstring")
    hold(metric.better in ("lower", "higher", "neither"), f"better={metric.better!r}")
    hold(metric.version, "no version")


def complete(metric: Metric) -> None:
    e = metric(made(metric.evidence))
    hold(isinstance(e, Estimate), f"returned {type(e).__name__}, not an Estimate")
    hold(math.isfinite(e.value), f"the value is {e.value}")
    hold(math.isnan(e.error) or e.error >= 0, f"the error is {e.error}")
    hold(e.n > 0, f"n is {e.n}")
    hold(e.low is None or e.high is None or e.low <= e.high, f"low {e.low} is above high {e.high}")


def same(a: Estimate, b: Estimate, tolerance: float = 0.0) -> bool:
    return abs(a.value - b.value) <= tolerance * max(1.0, abs(a.value))


def pure(metric: Metric) -> None:
    shown = made(metric.evidence)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = metric(shown)
    hold(torch.equal(state, torch.get_rng_state()), "it draws from the global generator")
    torch.manual_seed(2)
    hold(same(first, metric(shown)), "the same evidence gave another value")


def any_array(metric: Metric) -> None:
    shown = made(metric.evidence)
    values = [getattr(shown, f.name) for f in fields(shown)]
    first = metric(shown)
    ways: tuple[Callable[[Any], Any], ...] = (
        lambda t: t.numpy(),
        lambda t: t.double() if t.is_floating_point() else t,
        lambda t: t.tolist(),
    )
    for convert in ways:
        arrays = [convert(value) if isinstance(value, torch.Tensor) else value for value in values]
        hold(same(first, metric(*arrays), 1e-4), f"{type(arrays[0]).__name__} gave another value")


def refuses_nan(metric: Metric) -> None:
    shown = made(metric.evidence)
    for f in fields(shown):
        value = getattr(shown, f.name)
        if not (isinstance(value, torch.Tensor) and value.is_floating_point()):
            continue
        bad = value.clone()
        bad.view(-1)[3] = torch.nan
        try:
            metric(replace(shown, **{f.name: bad}))
        except BadInput as error:
            hold("\n" not in str(error), "the refusal is longer than a line")
        else:
            raise AssertionError(f"a NaN in {f.name} went unnoticed")


def untouched(metric: Metric) -> None:
    shown, before = made(metric.evidence), made(metric.evidence)
    metric(shown)
    for f in fields(shown):
        value = getattr(shown, f.name)
        if isinstance(value, torch.Tensor):
            hold(torch.equal(value, getattr(before, f.name)), f"{f.name} was changed")


def directed(metric: Metric) -> None:
    right, wrong = (metric(made(metric.evidence, fault)).value for fault in (0.0, 3.0))
    worse = wrong > right if metric.better == "lower" else wrong < right
    hold(worse, f"a right model scored {right:.4g}, a wrong one {wrong:.4g}, though {metric.better} is better")
