"""Latent-variable models beside the implementations that others use: equal answers, or a race on equal terms."""

import logging
from time import process_time

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as Theirs

from baselines.autoencoding.vae import VAE
from baselines.linear.pca import PCA
from baselines.nets import mlp
from genbench.budget import Budget, Stream, seed_everything
from genbench.tasks.digits import digits_binary
from genbench.tasks.spectrum import lowrank64


def fitted(build, task, examples, seed=0, **hyper):
    seed_everything(seed)
    model = build(task.spec, **hyper)
    model.fit(Stream(task, Budget(examples), seed))
    return model.requires_grad_(False).eval()


@pytest.mark.parametrize("k", [2, 8, 20])
def test_pca_is_scikit_learn_s(k):
    """Its variances are of n - 1, ours of n, the maximum of the likelihood: put right, all else is equal."""
    task = lowrank64()
    x, held = task.train.x.double().numpy(), task.test.x.double().numpy()
    ours, theirs = fitted(PCA, task, len(x), latents=k), Theirs(k, svd_solver="full").fit(x)
    basis = torch.linalg.qr(ours.weights.double())[0].numpy()
    np.testing.assert_allclose(basis @ basis.T, theirs.components_.T @ theirs.components_, atol=1e-5)
    again = theirs.inverse_transform(theirs.transform(held))
    np.testing.assert_allclose(ours.decode(ours.encode(task.test.x)), again, atol=1e-4)
    assert float(ours.log_prob(task.train.x).double().mean()) >= theirs.score(x) - 1e-5
    theirs.explained_variance_ *= 1 - 1 / len(x)
    theirs.noise_variance_ *= 1 - 1 / len(x)
    assert float(ours.variance) == pytest.approx(theirs.noise_variance_, rel=1e-5)
    assert float(ours.log_prob(task.test.x).double().mean()) == pytest.approx(theirs.score(held), abs=1e-3)


@pytest.mark.slow
def test_the_vae_is_pythae_s_in_its_bound_and_quicker(tmp_path):
    """Equal networks, loss, optimizer, batches, rows and threads; all bounds by one estimator."""
    pytest.importorskip("pythae")
    from pythae.models import VAE as Pythae
    from pythae.models import VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.INFO)
    task, latents, epochs = digits_binary(), 8, 100
    x, rows = task.test.x, len(task.train)

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.net = mlp(64, 256, 256, 2 * latents)

        def forward(self, x):
            mean, log_scale = self.net(2 * x.flatten(1) - 1).chunk(2, -1)
            return ModelOutput(embedding=mean, log_covariance=2 * log_scale)

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.net = mlp(latents, 256, 256, 64)

        def forward(self, z):
            return ModelOutput(reconstruction=self.net(z).sigmoid().unflatten(1, (1, 8, 8)))

    bounds: dict[str, list[float]] = {"ours": [], "theirs": []}
    speeds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for seed in range(3):
        start = process_time()
        ours = fitted(VAE, task, rows * epochs, seed)
        speeds["ours"].append(rows * epochs // 64 / (process_time() - start))

        seed_everything(seed)
        model = Pythae(VAEConfig((1, 8, 8), latents, reconstruction_loss="bce"), Encoder(), Decoder())
        how = BaseTrainerConfig(
            output_dir=str(tmp_path), num_epochs=epochs, learning_rate=4e-3, no_cuda=True, seed=seed,
            per_device_train_batch_size=64,
        )  # fmt: skip
        trainer = BaseTrainer(model, train_dataset=dataset(task.train.x), training_config=how)
        start = process_time()
        trainer.train()
        speeds["theirs"].append(epochs * -(-rows // 64) / (process_time() - start))
        held = VAE(task.spec)
        held.encoder, held.decoder = trainer.model.encoder.net, trainer.model.decoder.net
        for name, one in (("ours", ours), ("theirs", held)):
            with torch.no_grad():
                bounds[name].append(float(one.bound(x, 100).mean()))
    print(bounds, speeds)
    mean = {name: np.mean(found) for name, found in bounds.items()}
    error = np.sqrt((np.var(bounds["ours"], ddof=1) + np.var(bounds["theirs"], ddof=1)) / 3)
    assert abs(mean["ours"] - mean["theirs"]) < 3 * error + 0.1
    assert np.median(speeds["ours"]) > 1.1 * np.median(speeds["theirs"])


def dataset(x):
    from pythae.data.datasets import BaseDataset

    return BaseDataset(x, torch.zeros(len(x)))
