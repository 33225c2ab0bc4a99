"""Documents as counts of words: a corpus whose topics are known, and 20 newsgroups where it can be had."""

from __future__ import annotations

import os
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from genbench.errors import BadInput
from genbench.task import Counts, Labels, Rows, Spec, Task
from genbench.tasks import on_cpu

HELD = 1_000
MIXED = 0.1  # a document's shares are Dirichlet(MIXED, ...): mostly of one topic, seldom of that alone
SPREAD = 60.0  # topics are Dirichlet(SPREAD * common): the smaller, the fewer words each keeps to


@dataclass(frozen=True)
class Topics:
    """Documents of `length` words, each word drawn from

        p(word) = prod_t words[t, word]^share_t / Z,   share ~ Dirichlet(MIXED)

    words (topics, vocabulary) are probabilities. Topics mix as logarithms do: the documents of two of them lie on a
    curve, which no plane through the two holds.
    """

    words: np.ndarray
    length: int

    @classmethod
    def make(cls, topics: int, words: int, length: int, noise: np.random.Generator) -> Topics:
        """Topics that share their common words: the word of rank r is 1/(r + 10) common, after Zipf."""
        common = 1 / (np.arange(words) + 10)
        drawn = noise.dirichlet(SPREAD * common / common.sum(), topics) + 1e-4  # no word is impossible
        return cls(drawn / drawn.sum(1, keepdims=True), length)

    def law(self, shares: np.ndarray) -> np.ndarray:
        """The probabilities (n, vocabulary) of the words of documents with these shares (n, topics)."""
        powers = np.exp(shares @ np.log(self.words))
        return np.asarray(powers / powers.sum(1, keepdims=True))

    def draw(self, n: int, noise: np.random.Generator) -> Rows:
        """Counts (n, vocabulary), and the topic with the largest share of each."""
        shares = noise.dirichlet(np.full(len(self.words), MIXED), n)
        counts = noise.multinomial(self.length, self.law(shares))
        return Rows(torch.from_numpy(counts).float(), torch.from_numpy(shares.argmax(1)))


@on_cpu
def documents(
    source: Literal["topics", "20newsgroups"] = "topics",
    topics: int = 8,
    words: int | None = None,
    length: int = 100,
    train: int = 4_000,
    test: int = HELD,
    seed: int = 0,
) -> Task:
    """A corpus of known topics (200 words), or 20 newsgroups (its 2,000 commonest words), whose splits are its own."""
    if source == "20newsgroups":
        return newsgroups(words or 2_000)
    words = words or 200
    if not (2 <= topics <= words and min(length, train, test) > 0):
        asked = f"{topics}, {words}, {length}, {train}, {test}"
        raise BadInput(f"documents: 2 <= topics <= words, and length, train, test from 1; got {asked}")
    noise = np.random.default_rng(seed)
    corpus = Topics.make(topics, words, length, noise)
    learnt, valid, held, spare = (corpus.draw(n, noise) for n in (train, HELD, test, test))
    return Task("documents", Spec(Counts((words,)), Labels(topics)), learnt, valid, held, spare)


def newsgroups(words: int) -> Task:
    """20 newsgroups (Lang, 1995) by scikit-learn, without headers, signatures and quotes; split by date, as published.

    scikit-learn keeps its download as a pickle, in $GENBENCH_DATA or ~/.cache/genbench, and reads it itself.
    """
    from sklearn.datasets import fetch_20newsgroups
    from sklearn.feature_extraction.text import CountVectorizer

    home = Path(os.environ.get("GENBENCH_DATA") or Path.home() / ".cache" / "genbench").expanduser()
    parts = []
    try:
        for subset in ("train", "test"):
            only = ("headers", "footers", "quotes")
            parts.append(fetch_20newsgroups(data_home=home, subset=subset, remove=only, n_retries=1))
    except (OSError, HTTPException) as error:
        why = " ".join(str(error).split())[:200]
        raise BadInput(
            f"documents: 20 newsgroups is not in {home} ($GENBENCH_DATA), and the download failed ({why}); "
            f"`source: topics` needs none"
        ) from None
    counter = CountVectorizer(max_features=words, stop_words="english").fit(parts[0].data)
    noise = torch.Generator().manual_seed(0)
    learnt, held = (counted(counter.transform(part.data).toarray(), part.target, noise) for part in parts)
    few, half = len(learnt) // 10, len(held) // 2
    spec = Spec(Counts((len(counter.vocabulary_),)), Labels(20))
    note = f"20 newsgroups, the {len(counter.vocabulary_)} commonest words, documents with none of them left out"
    return Task("documents", spec, learnt[few:], learnt[:few], held[:half], held[half:], note=note)


def counted(counts: np.ndarray, groups: np.ndarray, noise: torch.Generator) -> Rows:
    """The documents that have a word, in a random order."""
    x, y = torch.from_numpy(counts).float(), torch.from_numpy(np.asarray(groups)).long()
    kept = (x.sum(1) > 0).nonzero()[:, 0]
    order = kept[torch.randperm(len(kept), generator=noise)]
    return Rows(x[order], y[order])
