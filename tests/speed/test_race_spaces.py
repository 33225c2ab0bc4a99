"""Inception's features against torch-fidelity's extraction: the same weights, made on the spot, and the same images."""

import pytest
import torch

from genbench.spaces.published import Inception

N = 64


@pytest.fixture
def rivals(tmp_path, monkeypatch):
    from torch_fidelity import feature_extractor_inceptionv3 as theirs

    monkeypatch.setenv("GENBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("GENBENCH_TRUST", "1")
    file = tmp_path / Inception.weights.file
    with monkeypatch.context() as patch:
        patch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(theirs.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        torch.save(theirs.FeatureExtractorInceptionV3("random", ["2048"]).state_dict(), file)
    return Inception(), theirs.FeatureExtractorInceptionV3("theirs", ["2048"], feature_extractor_weights_path=str(file))


def test_features_of_inception(race, rivals):
    """Ours gives the logits too; theirs goes through its own loop, with its default batch."""
    from torch_fidelity.utils import get_featuresdict_from_dataset

    class Images(torch.utils.data.Dataset):
        def __len__(self):
            return N

        def __getitem__(self, i):
            return x[i]

    ours, theirs = rivals
    x = torch.randint(256, (N, 3, 32, 32), dtype=torch.uint8)
    race(
        f"Inception features, {N} images",
        "torch-fidelity",
        lambda: ours.look(x),
        lambda: get_featuresdict_from_dataset(Images(), theirs, 64, cuda=False, save_cpu_ram=True, verbose=False),
        least=1.3,
        rounds=3,
        note="float32, one thread",
    )
