"""What every test shares: one thread, as in a run."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from genbench.cli import main

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def genbench(capsys, monkeypatch, tmp_path):
    """The command line, called in this process from an empty folder: torch and the forkserver stay warm."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["genbench", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return SimpleNamespace(returncode=ended.value.code or 0, stdout=said.out, stderr=said.err)

    return call


@pytest.fixture
def noise():
    return np.random.default_rng(20)


@pytest.fixture(scope="module")
def digits():
    ink, label = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(ink))
    return ink[order] / 16, label[order]
