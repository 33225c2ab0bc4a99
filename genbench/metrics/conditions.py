"""Whether what was asked for is what was made, and how freely; and whether codes mean what they could."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from genbench.errors import BadInput, NotApplicable
from genbench.evidence import Analogies, Conditionals, Features, Meanings, Read, Told
from genbench.metric import metric
from genbench.metrics.estimates import at_least, flat, mean, share
from genbench.metrics.kernels import energy
from genbench.record import Estimate


@metric("higher", version="1", unit="share of rows")
def agreement(e: Conditionals) -> Estimate:
    """The share of rows made for a class (n,) in which a judge sees that class.

    The judge is a random forest on training rows, of a kind that no space uses; of real rows it takes some for others,
    which is what the truth's own score tells. Its error is `share`'s. Raises BadInput below 2 rows.
    """
    at_least(2, given=e.given)
    return Estimate(*share(int((e.given == e.said).sum()), len(e.given)), len(e.given))


@metric("neither", version="1", unit="nats")
def label_entropy(e: Conditionals, given: bool = True) -> Estimate:
    """The entropy of the class that a judge sees in a row, H(S | C) = H(S, C) - H(C): how much the condition C leaves
    open. Unless `given`, H(S), with the condition forgotten.

    From the shares themselves, so too low by about (cells - 1) / 2n. The error is that of the mean of -log p. Assumes
    independent rows. Raises BadInput below 2 rows.
    """
    at_least(2, given=e.given)
    both = torch.stack([e.given if given else torch.zeros_like(e.given), e.said], 1)
    _, cell, cells = torch.unique(both, dim=0, return_inverse=True, return_counts=True)
    _, condition, conditions = torch.unique(both[:, 0], return_inverse=True, return_counts=True)
    return mean(-(cells[cell].double() / conditions[condition]).log())


def each_class(e: Conditionals) -> list[tuple[Tensor, Tensor]]:
    """Real and fake rows (n, numbers) of each class that has 2 or more. NotApplicable where none has."""
    at_least(2, given=e.given)
    real, fake = flat(real=e.real, fake=e.fake)
    rows = [e.given == label for label in torch.unique(e.given)]
    if not (pairs := [(real[which], fake[which]) for which in rows if int(which.sum()) > 1]):
        raise NotApplicable("no class has 2 rows")
    return pairs


@metric("higher", version="1", unit="of that of real rows")
def class_diversity(e: Conditionals) -> Estimate:
    """How far apart rows of one class lie, as numbers, relative to real rows of it.

        sum over classes of E|Y - Y'| / sum over classes of E|X - X'|

    1 where they are as varied, 0 where a class is one row. The error is the delta method's on the influence of each
    row. Raises BadInput below 2 rows, NotApplicable where no class has 2 or real rows do not differ.
    """
    sums = [0.0, 0.0]
    squares = [0.0, 0.0]
    pairs = each_class(e)
    for sets in pairs:
        for i, rows in enumerate(sets):
            apart = torch.cdist(rows, rows).sum(1) / (len(rows) - 1)  # of each row, the mean over the others
            sums[i] += float(apart.mean())
            squares[i] += 4 * float(apart.var()) / len(rows)
    real, fake = sums
    if real == 0:
        raise NotApplicable("real rows of one class do not differ")
    error = math.hypot(math.sqrt(squares[1]) / real, fake * math.sqrt(squares[0]) / real**2)
    return Estimate(fake / real, error, sum(len(rows) for rows, _ in pairs))


@metric("lower", version="1", unit="units of a row")
def class_distance(e: Conditionals) -> Estimate:
    """The mean over classes of the energy distance between real and fake rows of one class, in their own numbers.

    Unbiased, as `energy` is, and about 0 at equal laws. Raises BadInput below 2 rows, NotApplicable where no class has
    2.
    """
    found = [energy(Features(real, fake)) for real, fake in each_class(e)]
    error = math.hypot(*(f.error for f in found)) / len(found)
    return Estimate(sum(f.value for f in found) / len(found), error, sum(f.n for f in found))


@metric("higher", version="1", unit="nats")
def information(e: Told, by: Literal["itself", "forest"] = "itself") -> Estimate:
    """A lower bound of what a row tells of the class in its code (Chen et al., 2016, eq. 5), for codes with K classes
    as often each.

        E log Q(c | G(z, c)) + log K  <=  I(c; G(z, c))

    By the Q that the model learnt, or by a forest that was made afterwards from other samples: where nobody taught the
    generator to tell, Q was not taught to read either. At most log K. Raises BadInput below 2 rows, and for
    another `by`.
    """
    at_least(2, given=e.given)
    if by not in ("itself", "forest"):
        raise BadInput(f"by is itself or forest; got {by!r}")
    log_q = (e.log_q if by == "itself" else e.again).double()
    return mean(log_q.gather(1, e.given[:, None]).squeeze(1) + math.log(log_q.shape[1]))


@metric("higher", version="1", unit="share of rows")
def matching(e: Read) -> Estimate:
    """How often the class that a model found by itself is the task's, once each of its own is given one of the task's.

    The pairs are those that agree most often (Kuhn, 1955) on every other row, and are counted on the rest, and the
    other way about: no row chooses what it is counted by. The error is `share`'s. Raises BadInput below 2 rows.
    """
    from scipy.optimize import linear_sum_assignment

    at_least(2, read=e.read)
    n, classes = len(e.read), int(torch.maximum(e.read, e.labels).max()) + 1
    order = torch.argsort(e.read * classes + e.labels, stable=True)  # whatever order the rows are in
    read, labels = e.read[order], e.labels[order]
    hits = 0
    for here in (0, 1):
        table, held = (
            torch.zeros(classes, classes).index_put_((read[i::2], labels[i::2]), torch.ones(()), True)
            for i in (here, 1 - here)
        )
        rows, columns = linear_sum_assignment(table.numpy(), maximize=True)
        hits += int(held[rows, columns].sum())
    return Estimate(*share(hits, n), n)


@metric("higher", version="1", unit="rank correlation")
def meaning(e: Meanings) -> Estimate:
    """The largest rank correlation (Spearman, 1904) of any number of the codes (n, c) with any that the rows were made
    from (n, k), whatever its sign.

    The largest of c k, so above 0 where there is none: by about sqrt(2 log(c k) / n). The error is Fisher's,
    1.06 (1 - r^2) / sqrt(n - 3). Raises BadInput below 2 rows.
    """
    at_least(2, codes=e.codes)
    n = len(e.codes)
    ranks = [ranked(x.double()) for x in (e.codes, e.factors)]
    r = min(1.0, float((ranks[0].T @ ranks[1]).abs().max()))
    return Estimate(r, 1.06 * (1 - r * r) / math.sqrt(max(1, n - 3)), n)


def ranked(x: Tensor) -> Tensor:
    """Each column's ranks, ties at their mean, centred and of length 1; of a constant, 0."""
    from scipy.stats import rankdata

    ranks = torch.as_tensor(rankdata(x.cpu().numpy(), axis=0))
    ranks = ranks - ranks.mean(0)
    return functional.normalize(ranks, dim=0)


@metric("higher", version="1", unit="share of sums")
def analogy(e: Analogies, of: Literal["codes", "rows", "chance"] = "codes") -> Estimate:
    """How often b - a + c is what c is to be as b is to a (Radford et al., 2016, figure 7), as a judge sees it.

    Of codes; of their pictures, the same sum in pixels; or of a new code for each, which is what chance does. The error
    is `share`'s, and takes the sums as independent, which share exemplars. Raises BadInput below 2 sums and for another
    `of`.
    """
    at_least(2, wanted=e.wanted)
    if of not in ("codes", "rows", "chance"):
        raise BadInput(f"of is codes, rows or chance; got {of!r}")
    said: Tensor = getattr(e, f"of_{of}")
    return Estimate(*share(int((said == e.wanted).sum()), len(said)), len(said))
