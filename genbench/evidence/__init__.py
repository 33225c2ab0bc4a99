"""What a model leaves to be judged by: tensors, collected once under a fixed seed and kept.

The type of the first argument of `collect` says what a kind of evidence is made of: a capability of the
model, or other evidence. So metric -> evidence -> capability is read from annotations and stated nowhere else.
"""

from __future__ import annotations

from genbench.evidence.codes import Codes, Compressed, Filters, Grid, PairedImages, Reconstructions, Walks
from genbench.evidence.conditions import Analogies, Conditionals, Edits, Meanings, Read, Told
from genbench.evidence.densities import AnnealedWeights, Bounds, Elbos, LogProbs, LogWeights
from genbench.evidence.desk import Desk, needs
from genbench.evidence.games import Field, Path, Spread
from genbench.evidence.kind import MEMORISABLE, Evidence, Exam, finite, learnt, tensor
from genbench.evidence.samples import (
    Batches,
    Copies,
    Draws,
    Features,
    Judged,
    Logits,
    Pictures,
    Samples,
    Symbols,
    Visits,
)
from genbench.evidence.training import LipschitzScores, Odds, Scores, Trace
from genbench.evidence.trials import Estimates, Kernel, PValues, answered, ends

__all__ = [
    "MEMORISABLE", "Analogies", "AnnealedWeights", "Batches", "Bounds", "Codes", "Compressed", "Conditionals",
    "Copies", "Desk", "Draws", "Edits", "Elbos", "Estimates", "Evidence", "Exam", "Features", "Field", "Filters",
    "Grid", "Judged", "Kernel", "LipschitzScores", "LogProbs", "LogWeights", "Logits", "Meanings", "Odds",
    "PValues", "PairedImages", "Path", "Pictures", "Read", "Reconstructions", "Samples", "Scores", "Spread",
    "Symbols", "Told", "Trace", "Visits", "Walks", "answered", "ends", "finite", "learnt", "needs", "tensor",
]  # fmt: skip
