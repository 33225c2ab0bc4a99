"""What each metric sees and what it is blind to: a value at growing severities of faults planted in a known law.

`python tests/corruptions.py reports/metrics` draws one figure a metric and the list of their blind spots; the slow
test holds every claim that stands here.
"""

import sys
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from genbench import catalogue, evidence

ROWS, SIZE, MODES, REPEATS = 600, 6, 5, 6
SEVERITIES = (0.0, 0.25, 0.5, 1.0)
CENTRES = 4 * np.eye(MODES, SIZE)


def law(noise, n, weights=None):
    """Round Gaussians about five corners, and which corner each row is of."""
    which = noise.choice(MODES, n, p=weights)
    return CENTRES[which] + 0.5 * noise.normal(size=(n, SIZE)), which


def shift(noise, rows, s):
    """Every row moves by s."""
    return rows + s


def scale(noise, rows, s):
    """Rows spread about the mean of all, by a factor 1 + s."""
    return rows.mean(0) + (1 + s) * (rows - rows.mean(0))


def blur(noise, rows, s):
    """Gaussian noise of deviation s is added."""
    return rows + s * noise.normal(size=rows.shape)


def drop(noise, rows, s):
    """A share s of the first three corners' rows goes to the other two."""
    lost = (rows[:, :3].max(1) > 2) & (noise.random(len(rows)) < s)
    weights = np.array([0, 0, 0, 1, 1]) / 2
    return np.where(lost[:, None], law(noise, len(rows), weights)[0], rows)


def collapse(noise, rows, s):
    """A share s of the rows is one and the same row."""
    return np.where(noise.random(len(rows))[:, None] < s, rows[:1], rows)


def outliers(noise, rows, s):
    """A twentieth of s of the rows lies far away."""
    return np.where(noise.random(len(rows))[:, None] < s / 20, 30.0, rows)


def gaussian(noise, rows, s):
    """A share s of the rows is drawn from the Gaussian of the same mean and covariance."""
    fitted = noise.multivariate_normal(rows.mean(0), np.cov(rows.T), len(rows))
    return np.where(noise.random(len(rows))[:, None] < s, fitted, rows)


def copies(noise, rows, s):
    """A share s of the rows are training rows; only who is shown these can know."""
    return np.where(noise.random(len(rows))[:, None] < s, law(np.random.default_rng(99), len(rows))[0], rows)


FAULTS = {f.__name__: f for f in (shift, scale, blur, drop, collapse, outliers, gaussian, copies)}


@dataclass(frozen=True)
class Claim:
    """The faults that a metric sees, worse with each severity, and those that leave it where it is."""

    sees: tuple[str, ...]
    blind: tuple[str, ...] = ()


DISTANCE = ("shift", "scale", "blur", "drop", "collapse", "gaussian")
CLAIMS = {
    "frechet": Claim(("shift", "scale", "blur", "drop", "collapse", "outliers"), ("gaussian", "copies")),
    "frechet_debiased": Claim(("shift", "scale", "blur", "drop", "collapse", "outliers"), ("gaussian", "copies")),
    "kid": Claim(("shift", "scale", "drop", "collapse"), ("copies",)),
    "mmd": Claim(DISTANCE, ("copies",)),
    "energy": Claim(DISTANCE, ("copies",)),
    "wasserstein": Claim((*DISTANCE, "outliers"), ("copies",)),
    "wasserstein_bracket": Claim((*DISTANCE, "outliers"), ("copies",)),
    "sliced_wasserstein": Claim(("shift", "scale", "drop", "collapse", "outliers"), ("copies",)),
    "projected_wasserstein": Claim(("shift", "scale", "drop", "collapse", "outliers"), ("copies",)),
    "max_projected_wasserstein": Claim(("shift", "scale", "drop", "collapse", "outliers"), ("copies",)),
    "precision": Claim(("shift", "scale", "blur", "gaussian"), ("drop", "copies")),
    "recall": Claim(("shift", "drop", "collapse"), ("copies",)),
    "density": Claim(("shift", "scale", "blur", "gaussian"), ("copies",)),
    "coverage": Claim(("shift", "scale", "blur", "drop", "collapse", "gaussian"), ("copies",)),
    "support_size": Claim(("collapse",), ()),
    "statistical_distance_bound": Claim(("shift", "scale", "blur", "drop", "collapse", "gaussian"), ("copies",)),
    "wasserstein_critic_bound": Claim(("shift", "scale", "drop", "collapse"), ("copies",)),
    "inception_score": Claim(("blur", "drop"), ("copies",)),
    "modes": Claim(("drop",), ("copies",)),
    "high_quality": Claim(("shift", "blur", "gaussian"), ("drop", "copies")),
    "mode_kl": Claim(("drop", "collapse"), ("copies",)),
    "uniformity": Claim(("drop", "collapse"), ("copies",)),
    "uniformity_l1": Claim(("drop", "collapse"), ("copies",)),
    "uniformity_l2": Claim(("drop", "collapse"), ("copies",)),
    "accepted": Claim(("blur", "gaussian"), ("drop", "copies")),
    "copying": Claim(("copies",), ("drop",)),
    "reconstruction": Claim(("shift", "blur")),
}


def nearest(rows):
    """The corner within three deviations of a row of its law in each direction, -1 for none."""
    distance = np.linalg.norm(rows[:, None] - CENTRES, axis=2)
    return np.where(distance.min(1) <= 0.5 * 4, distance.argmin(1), -1)


def shown(kind, fault, severity, seed):
    """Evidence of a kind, of a model with this fault."""
    noise = np.random.default_rng(seed)
    real, _ = law(noise, ROWS)
    fake = FAULTS[fault](noise, law(noise, ROWS)[0], severity)
    train, labels = law(np.random.default_rng(99), ROWS)
    squares = ((fake[:, None] - CENTRES) ** 2).sum(2)
    values = {"real": real, "fake": fake, "held": real, "train": train, "labels": labels}
    if kind is evidence.Symbols:
        values |= {"draws": nearest(fake), "weights": np.full(MODES, 1 / MODES), "exhaustive": 0}
    elif kind is evidence.Draws:
        values |= {"draws": nearest(fake)[nearest(fake) >= 0], "n": MODES}
    elif kind is evidence.Logits:
        values["fake"] = -2 * squares
    elif kind is evidence.Reconstructions:
        values["again"] = FAULTS[fault](noise, real, severity)
    return kind(*(values[f.name] for f in fields(kind)))


def curve(name, fault):
    """Mean value and its standard error over repeats, at each severity."""
    metric = catalogue.load("metrics", name)
    values = np.array(
        [[metric(shown(metric.evidence, fault, s, seed)).value for s in SEVERITIES] for seed in range(REPEATS)]
    )
    return values.mean(0), values.std(0, ddof=1) / np.sqrt(REPEATS)


def draw(name, folder):
    import matplotlib.pyplot as plt

    claim, metric = CLAIMS[name], catalogue.load("metrics", name)
    figure, axes = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
    for faults, style in ((claim.sees, "-o"), (claim.blind, "--s")):
        for fault in faults:
            mean, error = curve(name, fault)
            blind = " (blind)" * (fault in claim.blind)
            axes.errorbar(SEVERITIES, mean, 2 * error, fmt=style, ms=3, lw=1.2, label=fault + blind)
    arrow = {"lower": "↓", "higher": "↑", "neither": ""}[metric.better]
    axes.set(xlabel="severity", ylabel=f"{name} {arrow}\n{metric.unit}")
    axes.legend(fontsize=7, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / f"{name}.png", dpi=130)
    plt.close(figure)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "# What the metrics see",
        "",
        f"Faults planted in a law of {MODES} Gaussians in {SIZE} dimensions, {ROWS} rows a side, mean of {REPEATS}"
        " repeats with two standard errors. Made by `python tests/corruptions.py reports/metrics`.",
        "",
        *(f"- **{f.__name__}**: {f.__doc__}" for f in FAULTS.values()),
        "",
        "| metric | sees | is blind to | |",
        "|---|---|---|---|",
    ]
    for name, claim in CLAIMS.items():
        draw(name, folder)
        lines.append(f"| {name} | {', '.join(claim.sees)} | {', '.join(claim.blind)} | [figure]({name}.png) |")
    (folder / "README.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
