"""Documents: what is known of the corpus, and the two ways of giving a document a short code."""

from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch
from sklearn import datasets
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

from baselines.autoencoding.document_ae import DocumentAE
from baselines.linear.lsa import LSA
from baselines.reference import Noise
from genbench.budget import Budget, Stream, seed_everything
from genbench.errors import BadInput
from genbench.metrics import retrieval
from genbench.task import Counts, Labels, Real, Spec
from genbench.tasks.documents import Topics, documents

SPLITS = ("train", "valid", "test", "spare")


def fitted(build, task, examples, seed=0, **hyper):
    seed_everything(seed)
    model = build(task.spec, **hyper)
    model.fit(Stream(task, Budget(examples), seed))
    return model.requires_grad_(False)


def corpus(seed=0):
    return Topics.make(8, 200, 100, np.random.default_rng(seed))


def test_documents_are_counts_of_their_length():
    task = documents()
    assert task.spec == Spec(Counts((200,)), Labels(8))
    assert [len(task.split(split)) for split in SPLITS] == [4000, 1000, 1000, 1000]
    assert all((task.split(split).x.sum(1) == 100).all() for split in SPLITS)
    assert torch.bincount(task.train.y, minlength=8).min() > 300
    assert documents(topics=3, words=50, length=20).test.x.shape == (1000, 50)


def test_topics_mix_as_logarithms_do():
    topics = corpus()
    np.testing.assert_allclose(topics.law(np.eye(8)), topics.words, rtol=1e-9)
    half = topics.law(np.array([[0.5, 0.5, 0, 0, 0, 0, 0, 0]]))[0]
    np.testing.assert_allclose(half, np.sqrt(topics.words[0] * topics.words[1]) / half_norm(topics.words), rtol=1e-9)
    straight = topics.words[:2].mean(0)
    assert np.abs(half - straight).sum() / 2 > 0.2  # far from the line between the two


def half_norm(words):
    return np.sqrt(words[0] * words[1]).sum()


def test_words_come_as_often_as_the_law_says():
    topics = corpus()
    noise = np.random.default_rng(1)
    shares = np.tile([0.7, 0.3, 0, 0, 0, 0, 0, 0], (5000, 1))
    counts = noise.multinomial(100, topics.law(shares))
    p = topics.law(shares[:1])[0]
    assert np.abs(counts.sum(0) - 500_000 * p).max() < 5 * np.sqrt(500_000 * p.max())


def test_the_dominant_topic_can_be_told_from_the_words_of_a_document():
    task = documents()
    likeliest = (task.test.x @ torch.from_numpy(np.log(corpus().words)).float().T).argmax(1)
    assert float((likeliest == task.test.y).double().mean()) > 0.9


@pytest.mark.parametrize("options", [{"topics": 1}, {"words": 5}, {"length": 0}, {"train": 0}])
def test_an_impossible_corpus_is_refused(options):
    with pytest.raises(BadInput, match="2 <= topics <= words"):
        documents(**options)


# 20 newsgroups


@pytest.fixture
def newsgroups(monkeypatch, tmp_path):
    """A small stand-in for the download."""
    monkeypatch.setenv("GENBENCH_DATA", str(tmp_path))

    def fetch(data_home, subset, remove, n_retries):
        n = {"train": 40, "test": 20}[subset]
        texts = [f"word{i % 5} word{i % 3} common common" if i % 10 else "the and" for i in range(n)]
        return SimpleNamespace(data=texts, target=np.arange(n) % 20)

    monkeypatch.setattr(datasets, "fetch_20newsgroups", fetch)


def test_newsgroups_keep_their_split_and_lose_empty_documents(newsgroups):
    task = documents(source="20newsgroups", words=6)
    assert task.spec == Spec(Counts((6,)), Labels(20))
    assert [len(task.split(split)) for split in SPLITS] == [33, 3, 9, 9]
    assert "6 commonest words" in task.note
    for split in SPLITS:
        assert (task.split(split).x.sum(1) == 4).all()
        assert (task.split(split).y % 10 != 0).all()


def test_without_a_network_it_says_so_in_a_line(monkeypatch, tmp_path):
    def fetch(**how):
        raise URLError("no route to host")

    monkeypatch.setenv("GENBENCH_DATA", str(tmp_path))
    monkeypatch.setattr(datasets, "fetch_20newsgroups", fetch)
    with pytest.raises(BadInput, match=r"download failed \(.*no route to host.*\); `source: topics` needs none"):
        documents(source="20newsgroups")


# Codes


def test_lsa_is_scikit_learn_s_truncated_svd():
    task = documents(train=500, words=60)
    model = fitted(LSA, task, 500, latents=4)
    tfidf = TfidfTransformer(norm=None).fit(task.train.x.numpy())
    rows = tfidf.transform(task.train.x.numpy() / 100).toarray()
    np.testing.assert_allclose(model.weighted(task.train.x), rows, rtol=1e-5)
    expected = TruncatedSVD(4, algorithm="arpack").fit(rows).transform(rows)
    np.testing.assert_allclose(model.encode(task.train.x).abs(), np.abs(expected), atol=1e-4)


def test_lsa_with_every_direction_gives_the_document_back():
    task = documents(train=500, words=30)
    model = fitted(LSA, task, 500, latents=30)
    torch.testing.assert_close(model.decode(model.encode(task.test.x)), task.test.x, atol=1e-2, rtol=0)


def test_a_document_s_code_does_not_depend_on_its_length():
    task = documents(train=500, words=60)
    for build in (LSA, DocumentAE):
        model = fitted(build, task, 2_000, latents=2)
        torch.testing.assert_close(model.encode(3 * task.test.x), model.encode(task.test.x))
        assert torch.allclose(model.decode(model.latent(5)).sum(1), torch.tensor(100.0)) or build is LSA


def test_the_autoencoder_s_loss_is_the_words_cross_entropy():
    task = documents(train=500, words=60)
    model = fitted(DocumentAE, task, 500)
    p = model.decode(model.encode(task.test.x)) / 100
    expected = -(task.test.x / 100 * p.log()).sum(1).mean()
    torch.testing.assert_close(model.loss(task.test.x, None), expected)
    assert float(model.loss(task.test.x, None)) > 0


def test_two_numbers_of_an_autoencoder_keep_topics_apart_where_two_linear_ones_do_not():
    task = documents()
    x, y = task.test.x, task.test.y
    linear = retrieval(fitted(LSA, task, 4_000, latents=2).encode(x), y).value
    deep = retrieval(fitted(DocumentAE, task, 60_000, latents=2).encode(x), y).value
    assert deep > linear + 0.2
    assert linear > 0.25  # chance is 0.126


@pytest.mark.slow
def test_with_eight_numbers_both_do_and_with_two_the_autoencoder_leads_on_every_seed():
    task = documents()
    x, y = task.test.x, task.test.y
    chance = float((torch.bincount(y).double() / len(y)).square().sum())
    linear = {k: retrieval(fitted(LSA, task, 4_000, latents=k).encode(x), y).value for k in (2, 8)}
    for seed in range(3):
        deep = {k: retrieval(fitted(DocumentAE, task, 100_000, seed, latents=k).encode(x), y).value for k in (2, 8)}
        assert deep[2] > linear[2] + 0.25
        assert min(deep[8], linear[8]) > chance + 0.6


def test_counts_are_declined_by_who_has_no_law_for_them():
    with pytest.raises(NotImplementedError, match="counts"):
        Noise(Spec(Counts((5,))))
    for build in (LSA, DocumentAE):
        with pytest.raises(NotImplementedError, match="counts of words"):
            build(Spec(Real((2,))))
