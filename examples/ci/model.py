"""The model under test: what a project of yours would bring. It imports nothing of genbench."""

import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor


class Mixture:
    """Normals fitted by expectation maximisation, from a random start."""

    def __init__(self, spec, *, components: int = 8) -> None:
        self.spec, self.components = spec, components

    def fit(self, stream) -> None:
        x, _ = stream.whole()
        seed = int(torch.randint(2**31, ()))
        self.mixture = GaussianMixture(self.components, random_state=seed).fit(x.flatten(1).numpy())

    def sample(self, n: int) -> Tensor:
        self.mixture.random_state = int(torch.randint(2**31, ()))
        return torch.as_tensor(self.mixture.sample(n)[0], dtype=torch.float32).reshape(n, *self.spec.x.shape)
