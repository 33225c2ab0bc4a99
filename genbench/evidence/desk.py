"""Where a model sits an exam, and how each kind of evidence is come by."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import Any, get_type_hints

import torch

from genbench.errors import NotApplicable
from genbench.evidence.codes import Codes, Compressed, Filters, Grid, PairedImages, Reconstructions, Walks
from genbench.evidence.conditions import Analogies, Conditionals, Edits, Meanings, Read, Told
from genbench.evidence.densities import AnnealedWeights, Bounds, Elbos, LogProbs, LogWeights
from genbench.evidence.games import Field, Path, Spread
from genbench.evidence.kind import E, Evidence, Exam
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
from genbench.evidence.trials import Estimates, Kernel, PValues
from genbench.model import lacking

KINDS: tuple[type[Evidence], ...] = (  # a kind's place is its seed: new ones come last
    Samples, Features, Logits, Symbols, Copies, Judged, LogProbs, Bounds, Reconstructions,
    LogWeights, AnnealedWeights, Draws, PairedImages, Codes, Pictures, Elbos, Compressed, Grid, Filters, Visits,
    Trace, Batches, Scores, LipschitzScores, Odds,
    Path, Spread, Field,
    PValues, Kernel, Estimates,
    Conditionals, Told, Read, Meanings, Analogies, Edits, Walks,
)  # fmt: skip


def source(kind: type[Evidence]) -> type:
    """What a kind of evidence is made of: the annotation of `collect`'s first argument."""
    first: type = next(iter(get_type_hints(kind.__dict__["collect"].__func__).values()))
    return first


def needs(kind: type[Evidence]) -> tuple[type[Evidence], type]:
    """The kind that is collected from the model itself, and the capability that this takes."""
    made_of = source(kind)
    return needs(made_of) if issubclass(made_of, Evidence) else (kind, made_of)


@dataclass
class Desk:
    """Where one model sits one exam: each kind of evidence is collected once, or read from where it was kept."""

    exam: Exam
    model: Any = None
    folder: pathlib.Path | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        self.made: dict[type[Evidence], Evidence | NotApplicable] = {}

    def get(self, kind: type[E]) -> E:
        """Evidence of a kind. NotApplicable, with the reason, where the model or the task has none."""
        if kind not in self.made:
            try:
                self.made[kind] = self.make(kind)
            except NotApplicable as reason:
                self.made[kind] = reason
            except NotImplementedError as reason:
                self.made[kind] = NotApplicable(str(reason) or "the model says that it cannot")
        made = self.made[kind]
        if isinstance(made, NotApplicable):
            raise made
        assert isinstance(made, kind)
        return made

    def make(self, kind: type[E]) -> E:
        made_of = source(kind)
        if issubclass(made_of, Evidence):
            return kind.collect(self.get(made_of), self.exam)  # type: ignore[attr-defined, no-any-return]
        if self.folder and (kept := kind.load(self.folder)):
            return kept
        if lacks := lacking(type(self.model), made_of):
            raise NotApplicable(f"no {' or '.join(lacks)}")
        if self.seed is not None:  # each kind has its own, so that asking for one more changes no other
            torch.manual_seed((self.seed + KINDS.index(kind)) % 2**32 if kind in KINDS else self.seed)
        made: E = kind.collect(self.model, self.exam)  # type: ignore[attr-defined]
        if self.folder and kind.kept:
            made.save(self.folder)
        return made
