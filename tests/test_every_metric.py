"""What holds of every metric of the catalogue, whatever it measures. `python tests/test_every_metric.py` freezes anew.

A metric that is asked what it cannot know answers BadInput or NotApplicable in one line, never a traceback of
linear algebra and never a silent NaN; and its values move with its version alone.
"""

import dataclasses
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import genbench.metrics
from genbench import catalogue, check, evidence
from genbench.errors import BadInput, NotApplicable

DATA = Path(__file__).parent / "data"
ELSEWHERE = (
    *("ms_ssim", "lpips"),  # they take large images, and weights: tests/known/test_pairs.py
    "null_exponent",  # takes cells of several draws: tests/known/test_sweeps.py
    *("severity_correlation", "least_severity"),  # they take cells of one fault: tests/known/test_severities.py
    *("draws_exponent", "pairs_exponent"),  # they take a grid on which the power rises: tests/known/test_trials.py
)
NAMES = [name for name in catalogue.names("metrics") if name not in ELSEWHERE]
REFUSALS = (BadInput, NotApplicable)
CLASSES = 4
IN_PARTS = (
    "frechet_debiased",
    "wasserstein_bracket",
    "statistical_distance_bound",
    "wasserstein_critic_bound",
    "cycling",
)
GAMES = (evidence.Path, evidence.Spread, evidence.Field)
IN_ROUNDS = [name for name in catalogue.names("metrics") if catalogue.load("metrics", name).evidence in GAMES]
IN_WALKS = ("stationary_distance", "mixing_steps")
# rows of a grid, a course, a trace, a path or a kernel are no draws: where each one lies is what is asked
IN_PLACES = ("smoothness", "rotation", "roughness", "gradient_norm", "settled_loss", *IN_ROUNDS, *IN_WALKS)
IN_CLASSES = ("class_diversity", "class_distance")
IN_BALLS = ("precision", "recall", "density", "coverage")


def metric(name):
    return catalogue.load("metrics", name)


def of_kind(*kinds):
    return [name for name in NAMES if metric(name).evidence in kinds]


def arrays(kind, n=120, m=90, d=3, seed=0):
    """Evidence of equal laws, with n real rows and m fake ones of d numbers each."""
    noise = np.random.default_rng(seed)
    if kind is evidence.Features or kind is evidence.Samples:
        return {"real": noise.normal(size=(n, d)), "fake": noise.normal(size=(m, d))}
    if kind is evidence.Logits:
        return {"fake": 3 * noise.normal(size=(m, CLASSES))}
    if kind is evidence.Symbols:
        return {"draws": noise.integers(CLASSES, size=m), "weights": np.full(CLASSES, 1 / CLASSES)}
    if kind is evidence.Draws:
        return {"draws": noise.integers(CLASSES, size=m), "n": CLASSES}
    if kind is evidence.Visits:
        return {"counts": noise.integers(1, 50, size=(m, CLASSES))}
    if kind is evidence.Copies:
        return {name: noise.normal(size=(rows, d)) for name, rows in (("train", 80), ("held", n), ("fake", m))}
    if kind is evidence.Judged:

        def blobs(rows):
            labels = np.arange(rows) % CLASSES
            return 3.0 * labels[:, None] + noise.normal(size=(rows, d)), labels

        train, labels = blobs(80)
        return {"train": train, "labels": labels, "real": blobs(n)[0], "fake": blobs(m)[0]}
    if kind is evidence.LogProbs:
        return {"values": noise.normal(size=n), "size": d, "levels": 16}
    if kind is evidence.Bounds:
        return {"values": noise.normal(size=n), "k": 10}
    if kind is evidence.Elbos:
        return {"values": noise.normal(size=n)}
    if kind is evidence.Grid:
        return {"rows": noise.normal(size=(n, 8, d))}
    if kind is evidence.Walks:
        return {"rows": noise.normal(size=(n, 6, d)).cumsum(1), "along": noise.normal(size=(4, 6, d))}
    if kind is evidence.Filters:
        return {"filters": noise.normal(size=(n, d, 5, 5))}
    if kind is evidence.Compressed:
        real = noise.normal(size=(n, d))
        return {"real": real, "again": real + 0.1 * noise.normal(size=(n, d)), "bits": 12}
    if kind is evidence.LogWeights:
        return {"values": noise.normal(size=(7, n))}
    if kind is evidence.AnnealedWeights:  # normal log weights of variance 1 have Z = 1 at these means
        weights = {"forward": noise.normal(size=n) - 0.5, "reverse": noise.normal(size=m) + 0.5}
        return {**weights, "values": noise.normal(size=n), "exact": 1}
    if kind is evidence.PairedImages:
        real = noise.uniform(size=(n, d, 12, 12))
        return {"real": real, "again": real + 0.1 * noise.normal(size=real.shape)}
    if kind is evidence.Codes:
        return {"codes": noise.normal(size=(n, d)), "labels": noise.integers(CLASSES, size=n)}
    if kind is evidence.Trace:
        return {"loss": noise.normal(size=n), "norm": noise.uniform(size=n), "player": np.zeros(n, dtype=np.int64)}
    if kind is evidence.Batches:
        return {"fake": noise.normal(size=(n, 8, d))}
    if kind in (evidence.Scores, evidence.LipschitzScores):
        return {"real": noise.normal(size=n), "fake": noise.normal(size=m)}
    if kind is evidence.Odds:
        return {"known": noise.normal(size=n), "said": noise.normal(size=n)}
    if kind is evidence.Pictures:
        return {"real": noise.uniform(size=(n, d, 5, 5)), "fake": noise.uniform(size=(m, d, 5, 5))}
    if kind is evidence.Path:
        points = noise.normal(size=(n, d))
        averages = points.cumsum(0) / np.arange(1, n + 1)[:, None]
        return {
            "points": points, "paid": points[:, 0], "equilibria": np.zeros((2, d)), "gaps": np.abs(points).sum(1),
            "average_gaps": np.abs(averages).sum(1),
        }  # fmt: skip
    if kind is evidence.Spread or kind is evidence.Field:
        return {"jacobians": noise.normal(size=(n, d, d))}
    if kind is evidence.Kernel:
        moves = noise.uniform(0.1, 1, size=(n, n))
        return {"kernel": moves / moves.sum(1, keepdims=True), "law": np.full(n, 1 / n)}
    if kind is evidence.PValues:
        cells = np.stack([np.full(d, 100.0), 50.0 * np.arange(1, d + 1), np.full(d, 0.25), np.full(d, 1e-3)], 1)
        return {"null": noise.uniform(size=(n, d)), "far": noise.uniform(size=(m, d)) ** 4, "cells": cells}
    if kind is evidence.Estimates:
        cells = np.stack([np.full(d, 3.0), 50.0 * np.arange(1, d + 1), np.ones(d), np.full(d, 1e-3)], 1)
        null, far = (mean + 0.1 * noise.normal(size=(rows, d, 1)) for mean, rows in ((0, n), (1, m)))
        null, far = (np.concatenate([said, said - 0.2, said + 0.2], 2) for said in (null, far))
        return {"null": null, "far": far, "cells": cells, "known": np.tile([0.0, 1.0], (d, 1))}
    classes = np.arange(n) % CLASSES
    if kind is evidence.Conditionals:
        said = np.where(noise.uniform(size=n) < 0.2, noise.integers(CLASSES, size=n), classes)
        return {"given": classes, "said": said, "real": noise.normal(size=(n, d)), "fake": noise.normal(size=(n, d))}
    if kind is evidence.Told:
        log_q = [np.log(noise.dirichlet(np.ones(CLASSES), size=n)) for _ in range(2)]
        return {"given": classes, "log_q": log_q[0], "again": log_q[1]}
    if kind is evidence.Read:
        return {"read": classes, "labels": noise.integers(CLASSES, size=n)}
    if kind is evidence.Meanings:
        return {"codes": noise.normal(size=(n, d)), "factors": noise.normal(size=(n, 2))}
    if kind is evidence.Analogies:
        said = {name: noise.integers(CLASSES, size=n) for name in ("of_codes", "of_rows", "of_chance")}
        return {"wanted": classes, **said}
    if kind is evidence.Edits:
        rows = {name: noise.uniform(size=(n, d, 5, 5)) for name in ("start", "mask", "wanted", "after")}
        others = {"plain": noise.uniform(size=(m, d, 5, 5)), "real": noise.uniform(size=(50, d, 5, 5))}
        return {**rows, "mask": np.round(rows["mask"]), **others}
    assert kind is evidence.Reconstructions, f"say here what evidence of kind {kind.__name__} is made of"
    real = noise.normal(size=(n, d))
    return {"real": real, "again": real + 0.1 * noise.normal(size=(n, d))}


def ask(name, made):
    """The estimate, with any warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return metric(name)(*made.values())


def sound(estimate):
    assert math.isfinite(estimate.value)
    assert math.isfinite(estimate.error)
    assert estimate.error >= 0
    assert estimate.n > 0
    assert estimate.pvalue is None or 0 <= estimate.pvalue <= 1
    assert estimate.low is None or estimate.low <= estimate.value <= estimate.high


def refuses(name, made, match=None):
    with pytest.raises(REFUSALS, match=match) as refusal:
        ask(name, made)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value)


def sound_or_refused(name, made):
    try:
        sound(ask(name, made))
    except REFUSALS:
        refuses(name, made)


@pytest.mark.parametrize("name", NAMES)
def test_it_passes_the_conformance_suite(name):
    assert [(title, why) for title, why in check.run("metric", name) if why] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_is_importable_by_its_name_and_says_what_it_raises(name):
    assert getattr(genbench.metrics, name) is metric(name)
    assert name in dir(genbench.metrics)
    assert "Raises" in metric(name).__doc__
    assert metric(name).unit


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n", "m"), [(120, 90), (90, 120)])
def test_equal_laws_and_unequal_counts(name, n, m):
    sound(ask(name, arrays(metric(name).evidence, n, m)))


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_one_number(name):
    sound(ask(name, arrays(metric(name).evidence, d=1)))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("modes", "high_quality")])
def test_one_row_is_refused(name):
    refuses(name, arrays(metric(name).evidence, n=1, m=1), "at least|takes 2")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in (*IN_PARTS, *IN_BALLS, *IN_CLASSES)])
def test_two_rows_are_enough(name):
    """But where rows are shared out, in pieces or classes, or have a k-th neighbour: those take more, and say so."""
    sound(ask(name, arrays(metric(name).evidence, n=2, m=2)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [2, 5, 16, 31])
def test_few_rows_of_many_numbers(name, rows):
    sound_or_refused(name, arrays(metric(name).evidence, n=rows, m=rows + 1, d=30))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 7.0])
def test_constant_rows(name, value):
    made = arrays(metric(name).evidence)
    for field in set(made) & {"real", "fake", "held", "again", "values"}:
        made[field] = np.full_like(made[field], value)
    if "draws" in made:
        made["draws"] = np.zeros_like(made["draws"])
    sound(ask(name, made)) if name not in (
        "accepted",
        "psnr",
        "ssim",
        "sharpness",
        "fluctuation",
        "class_diversity",
    ) else sound_or_refused(name, made)


@pytest.mark.parametrize("name", NAMES)
def test_duplicate_rows(name):
    made = arrays(metric(name).evidence)
    whole = ("weights", "cells", "kernel", "law", *(("known",) if "cells" in made else ()))  # that are no rows
    twice = {f: np.repeat(v, 2, 0) for f, v in made.items() if not np.isscalar(v) and f not in whole}
    sound(ask(name, {**made, **twice}))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(name, bad):
    for field, values in arrays(metric(name).evidence).items():
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
            continue
        if field in ("values", "forward") and bad == -np.inf:
            continue  # a density or weight of 0: an answer, see tests/known
        made = arrays(metric(name).evidence)
        made[field].flat[3] = bad
        refuses(name, made)


@pytest.mark.parametrize("name", NAMES)
def test_ragged_rows_and_no_rows_are_refused(name):
    made = arrays(metric(name).evidence)
    field = next(iter(made))
    refuses(name, {**made, field: [[1.0, 2.0], [3.0]]}, "not an array")
    refuses(name, {**made, field: [["a"], ["b"]]}, "not an array")
    refuses(name, {**made, field: np.zeros((0, 3))}, "no rows")
    refuses(name, {**made, field: np.zeros((3, 0))}, "no rows")


@pytest.mark.parametrize("name", of_kind(evidence.Features, evidence.Copies, evidence.Judged, evidence.Reconstructions))
def test_rows_of_two_shapes_are_refused(name):
    made = arrays(metric(name).evidence)
    last = list(made)[-1]
    refuses(name, {**made, last: made[last][:, :2]}, "shape")


@pytest.mark.parametrize(
    "name", of_kind(evidence.LogProbs, evidence.Bounds, evidence.Symbols, evidence.Draws, evidence.Logits)
)
def test_arrays_of_another_rank_are_refused(name):
    made = arrays(metric(name).evidence)
    field = next(iter(made))
    refuses(name, {**made, field: made[field][..., None]}, "shape")


@pytest.mark.parametrize("name", of_kind(evidence.Symbols, evidence.Draws))
def test_what_is_no_draw_is_refused(name):
    made = arrays(metric(name).evidence)
    for draws in ([0, 1, CLASSES], [0, -2, 1], [0.5, 1.0, 2.0], [True, False]):
        refuses(name, {**made, "draws": np.array(draws)}, "draws")
    for weights in ([0.5, -0.5, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0]) if "weights" in made else ():
        refuses(name, {**made, "weights": np.array(weights)}, "weights")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_every_float_serves(name, dtype):
    """Nothing is computed in the precision that rows arrive in."""
    made = arrays(metric(name).evidence)
    coarse = {f: torch.tensor(v).to(dtype) if np.asarray(v).dtype.kind == "f" else v for f, v in made.items()}
    same = {f: v.double() if isinstance(v, torch.Tensor) else v for f, v in coarse.items()}
    assert ask(name, coarse).value == pytest.approx(ask(name, same).value, rel=1e-12)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in (*IN_PARTS, *IN_PLACES)])
def test_the_order_of_rows_does_not_matter(name):
    """But where rows are shared out, for the parts are other parts then."""
    made = arrays(metric(name).evidence, 90, 90)
    order = np.random.default_rng(1).permutation(90)
    turned = {f: v[order] if isinstance(v, np.ndarray) and len(v) == 90 else v for f, v in made.items()}
    a, b = ask(name, made), ask(name, turned)
    assert b.value == pytest.approx(a.value, rel=1e-9, abs=1e-12)
    assert b.error == pytest.approx(a.error, rel=1e-6, abs=1e-12)


def waves(rows, columns, phase):
    """Rows that no random number generator's version can move."""
    i, j = torch.arange(rows, dtype=torch.float64)[:, None], torch.arange(columns, dtype=torch.float64)
    return torch.sin(phase + 12.9898 * i + 78.233 * j + 0.37 * i * j)


def freeze():
    labels = torch.arange(64) % CLASSES
    features = {"real": waves(64, 3, 0.1), "fake": 1.1 * waves(48, 3, 0.7) + 0.2}
    save_file(
        {
            **{f"Features.{name}": rows for name, rows in features.items()},
            "Logits.fake": 4 * waves(48, CLASSES, 0.3),
            "Symbols.draws": (waves(80, 1, 0.9)[:, 0].abs() * 5).long() - 1,
            "Symbols.weights": torch.full((CLASSES,), 1 / CLASSES, dtype=torch.float64),
            "Draws.draws": (waves(80, 1, 0.9)[:, 0].abs() * 4).long(), "Draws.n": torch.tensor(CLASSES),
            "Visits.counts": (waves(6, 4, 0.35).abs() * 50).long(),
            "Copies.train": waves(40, 3, 0.2), "Copies.held": waves(50, 3, 0.5),
            "Copies.fake": waves(40, 3, 0.2) + 0.05,
            "Judged.train": 2.0 * labels[:, None] + waves(64, 3, 0.4), "Judged.labels": labels,
            "Judged.real": 2.0 * labels[:, None] + waves(64, 3, 0.6),
            "Judged.fake": 2.0 * labels[:48, None] + 2 * waves(48, 3, 0.8),
            "LogProbs.values": waves(64, 1, 0.1)[:, 0] - 3,
            "LogProbs.size": torch.tensor(3), "LogProbs.levels": torch.tensor(16),
            "Bounds.values": waves(64, 1, 0.2)[:, 0] - 4, "Bounds.k": torch.tensor(10),
            "LogWeights.values": waves(10, 64, 0.15), "Elbos.values": waves(64, 1, 0.22)[:, 0] - 4.5,
            "Compressed.real": waves(64, 3, 0.1), "Compressed.again": 0.8 * waves(64, 3, 0.11),
            "Compressed.bits": torch.tensor(12), "Grid.rows": waves(36, 4, 0.1).cumsum(0).view(6, 6, 4),
            "Walks.rows": waves(60, 4, 0.1).cumsum(0).view(10, 6, 4), "Walks.along": waves(12, 4, 0.2).view(2, 6, 4),
            "Filters.filters": waves(20, 36, 0.3).cumsum(1).view(20, 1, 6, 6),
            "AnnealedWeights.forward": waves(20, 1, 0.25)[:, 0] - 0.25,
            "AnnealedWeights.reverse": waves(30, 1, 0.35)[:, 0] + 0.25,
            "AnnealedWeights.values": waves(64, 1, 0.45)[:, 0] - 5, "AnnealedWeights.exact": torch.tensor(1),
            "Reconstructions.real": waves(64, 3, 0.1), "Reconstructions.again": 0.9 * waves(64, 3, 0.11),
            "Codes.codes": labels[:, None] + waves(64, 3, 0.1), "Codes.labels": labels.clone(),
            "PValues.null": 0.5 + 0.5 * waves(60, 3, 0.1), "PValues.far": (0.5 + 0.5 * waves(50, 3, 0.3)) ** 4,
            "PValues.cells": torch.tensor([[100.0, t, 0.25, 0.001 * t] for t in (50.0, 100.0, 200.0)]),
            "Estimates.null": torch.stack([waves(20, 3, 0.1), waves(20, 3, 0.1) - 1, waves(20, 3, 0.1) + 1], 2),
            "Estimates.far": torch.stack([(far := 2 + waves(30, 3, 0.3)), far - 0.8, far + 0.7], 2),
            "Estimates.cells": torch.tensor([[3.0, t, 2.0, 0.001 * t] for t in (50.0, 100.0, 200.0)]),
            "Estimates.known": torch.tensor([[0.0, 2.0]] * 3),
            "Kernel.kernel": (3 * waves(6, 6, 0.2)).softmax(1), "Kernel.law": waves(6, 1, 0.4)[:, 0].softmax(0),
            "Conditionals.given": labels.clone(),
            "Conditionals.said": (labels + (waves(64, 1, 0.7)[:, 0] > 0.5)) % CLASSES,
            "Conditionals.real": labels[:, None] + waves(64, 3, 0.2),
            "Conditionals.fake": labels[:, None] + 0.7 * waves(64, 3, 0.4),
            "Told.given": labels.clone(), "Told.log_q": (3 * waves(64, CLASSES, 0.2)).log_softmax(1),
            "Told.again": (2 * waves(64, CLASSES, 0.4)).log_softmax(1),
            "Read.read": labels.clone(), "Read.labels": (waves(64, 1, 0.9)[:, 0].abs() * 4).long(),
            "Meanings.codes": waves(64, 2, 0.1), "Meanings.factors": waves(64, 3, 0.11) + waves(64, 3, 0.8),
            "Analogies.wanted": labels.clone(), "Analogies.of_codes": (waves(64, 1, 0.9)[:, 0].abs() * 4).long(),
            "Analogies.of_rows": labels // 2, "Analogies.of_chance": labels.flip(0),
            **{f"Edits.{name}": waves(20, 36, phase).view(20, 1, 6, 6)
               for name, phase in (("start", 0.1), ("wanted", 0.2), ("after", 0.15), ("plain", 0.4), ("real", 0.6))},
            "Edits.mask": (waves(20, 36, 0.3) > 0).double().view(20, 1, 6, 6),
            "Pictures.real": waves(40, 36, 0.1).view(40, 1, 6, 6),
            "Pictures.fake": waves(30, 36, 0.2).view(30, 1, 6, 6),
            "Trace.loss": waves(64, 1, 0.5)[:, 0] + 2, "Trace.norm": waves(64, 1, 0.6)[:, 0].abs(),
            "Trace.player": torch.arange(64) % 2, "Batches.fake": waves(20, 24, 0.1).view(20, 8, 3),
            "Scores.real": waves(64, 1, 0.5)[:, 0] + 0.2, "Scores.fake": waves(48, 1, 0.6)[:, 0],
            "LipschitzScores.real": waves(64, 1, 0.5)[:, 0] + 0.2, "LipschitzScores.fake": waves(48, 1, 0.6)[:, 0],
            "Odds.known": waves(64, 1, 0.5)[:, 0], "Odds.said": waves(64, 1, 0.6)[:, 0],
            "Path.points": (rows := waves(40, 2, 0.3)), "Path.paid": rows.prod(1),
            "Path.equilibria": waves(2, 2, 0.2), "Path.gaps": rows.abs().sum(1),
            "Path.average_gaps": 0.5 * rows.abs().sum(1),
            "Spread.jacobians": waves(20, 4, 0.4).view(20, 2, 2), "Field.jacobians": waves(20, 9, 0.6).view(20, 3, 3),
            "PairedImages.real": (0.5 + 0.5 * waves(72, 12, 0.1)).view(6, 1, 12, 12),
            "PairedImages.again": (0.5 + 0.4 * waves(72, 12, 0.12)).view(6, 1, 12, 12),
        },
        DATA / "frozen.safetensors",
    )  # fmt: skip
    values = {name: {"version": metric(name).version, **answer(frozen(name))} for name in NAMES}
    (DATA / "frozen.json").write_text(json.dumps(values, indent=1) + "\n")


def frozen(name):
    kind = metric(name).evidence
    held = load_file(DATA / "frozen.safetensors")
    mine = {key.split(".")[1]: value for key, value in held.items() if key.split(".")[0] == kind.__name__}
    return metric(name)(kind(**{f: v if v.ndim else int(v) for f, v in mine.items()}))


def answer(estimate):
    numbers = dataclasses.asdict(estimate)
    return {key: value for key, value in numbers.items() if value is not None and key != "note"}


@pytest.mark.parametrize("name", NAMES)
def test_values_move_with_the_version_alone(name):
    then = json.loads((DATA / "frozen.json").read_text())[name]
    assert metric(name).version == then.pop("version"), "a new version: freeze its values (see the top of this file)"
    assert answer(frozen(name)) == pytest.approx(then, rel=1e-6, abs=1e-12), "values moved: give it a new version"


if __name__ == "__main__":
    freeze()
