"""The page: complete, escaped, byte for byte the same, and lazy about all that has not changed."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter
from safetensors.numpy import save_file

from genbench.errors import BadInput
from genbench.finding import Claim
from genbench.record import Asked, Record, Run, read_results, to_lines, write_run, write_scores
from genbench.report import Page, report
from genbench.report.page import markdown, tex
from genbench.report.tables import make_table
from genbench.report.words import number

MODELS = ["vae", "gan", "truth", "realnvp", "noise", "pca", "thief"]
METRICS = ["frechet", "modes", "log_likelihood", "copying"]
SKILL = {"truth": 0.0, "thief": 0.0, "noise": 8.0, "vae": 1.0, "gan": 2.0, "realnvp": 0.5, "pca": 3.0}
DENSE = ("realnvp", "pca", "truth")
WAYS = {
    "frechet": ("lower", ""), "modes": ("higher", "modes"), "log_likelihood": ("higher", "nats"), "copying": ("neither", "sd"),
}  # fmt: skip


def score(metric: str, skill: float, at: float, noise: float) -> float:
    level = skill + 3 * (1 - at)
    return {
        "frechet": 0.4 + 5 * level * (1 + 0.05 * noise),
        "modes": float(round(max(0.0, 8 - level))),
        "log_likelihood": -40 - 9 * level + noise,
        "copying": noise,
    }[metric]


def write(root: Path, task: str, model: str, seed: int, *, status: str = "ok", metrics: list[str] = METRICS) -> None:
    """One finished run as the runner leaves it."""
    rng = np.random.default_rng([seed, sum(map(ord, task + model))])
    skill, asked = SKILL.get(model, 2.5), Asked(task, model, seed, 10_000, at=(0.1, 0.3), hyper={"width": 32})
    folder = root / asked.id
    cost = {"examples": 1e4, "seconds": 1 + skill + 0.1 * seed, "flops": None if model == "pca" else 3.21e10}
    why = "" if status == "ok" else "loss is nan at example 4096"
    trouble = "" if status == "ok" else "Traceback:\n  <b>ValueError</b>"
    write_run(folder, Run(asked, status, why, trouble, {**cost, "parameters": 12_345.0, "memory": 4.56e8}))
    records = []
    for at in (0.1, 0.3, 1.0):
        if status != "ok" and at > 0.1:
            continue
        for metric in metrics:
            name = metric if metric in WAYS else "frechet"
            can = name != "log_likelihood" or model in DENSE
            records.append(
                Record(
                    metric, {"space": "digits:0a1b2c"} if name == "frechet" else {}, "1", WAYS[name][0], at,
                    "test" if at == 1 else "valid", score(name, skill, at, rng.normal()) if can else None,
                    error=0.2 if can else None, n=360, why="" if can else "no log_prob", unit=WAYS[name][1],
                )  # fmt: skip
            )
    write_scores(folder, records)
    steps = range(100, 10_001, 100)
    lines = [
        {"examples": e, "stage": 0, "player": p, "loss": 1 + skill / (1 + e / 500) + 0.1 * rng.normal(), "norm": None}
        for e in steps for p in (("generator", "critic") if model == "gan" else (model,))
    ]  # fmt: skip
    if model not in ("truth", "noise", "thief", "pca"):
        (folder / "trace.jsonl").write_text(to_lines(lines))
    if status == "ok":
        (folder / "evidence" / "1.00").mkdir(parents=True)
        real, fake = rows(task, 0.0, np.random.default_rng(0)), rows(task, skill, rng)
        save_file({"real": real, "fake": fake}, folder / "evidence" / "1.00" / "Samples.safetensors")


def rows(task: str, skill: float, rng: np.random.Generator) -> np.ndarray:
    if task == "ring8":
        angle = rng.integers(0, 8, 360) * np.pi / 4
        return (np.stack([np.cos(angle), np.sin(angle)], 1) + (0.05 + 0.05 * skill) * rng.normal(size=(360, 2))).astype("f")
    from sklearn.datasets import load_digits

    images = load_digits().images[rng.permutation(1797)[:360], None] / 16
    return (images + 0.08 * skill * rng.normal(size=images.shape)).astype(np.float32)


def make(root: Path, tasks: tuple[str, ...] = ("ring8", "digits"), models: list[str] = MODELS, seeds: int = 3) -> None:
    for task in tasks:
        for model in models:
            for seed in range(seeds):
                write(root, task, model, seed, status="diverged" if (model, seed) == ("gan", 2) else "ok")
