"""The reference models by name. To add one: a file, and a line here."""

MODELS = {
    "truth": "genbench.truth:Truth",
    "noise": "baselines.reference:Noise",
    "thief": "baselines.reference:Thief",
    "pca": "baselines.linear.pca:PCA",
    "gmm": "baselines.mixture.gmm:GMM",
    "deep-ae": "baselines.autoencoding.deep_ae:DeepAE",
    "vae": "baselines.autoencoding.vae:VAE",
    "iwae": "baselines.autoencoding.vae:iwae",
    "realnvp": "baselines.flows.realnvp:RealNVP",
    "rbm-cd1": "baselines.energy.rbm:rbm_cd1",
    "gan": "baselines.adversarial.gan:GAN",
    "wgan-gp": "baselines.adversarial.gan:wgan_gp",
}
