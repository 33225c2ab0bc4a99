"""Our own tasks, metrics and spaces by name, declared exactly as a third party's would be."""

TASKS = {
    "ring8": "genbench.tasks.planes:ring8",
    "ring8-wide": "genbench.tasks.planes:ring8_wide",
    "grid25": "genbench.tasks.planes:grid25",
    "ppca": "genbench.tasks.planes:ppca",
    "digits": "genbench.tasks.digits:digits",
    "digits-binary": "genbench.tasks.digits:digits_binary",
    "mnist": "genbench.tasks.files:mnist",
    "fashion-mnist": "genbench.tasks.files:fashion_mnist",
    "cifar10": "genbench.tasks.files:cifar10",
    "folder": "genbench.tasks.files:folder",
    "npz": "genbench.tasks.files:npz",
}

METRICS = {
    "frechet": "genbench.metrics.moments:frechet",
    "kid": "genbench.metrics.kernels:kid",
    "inception_score": "genbench.metrics.classes:inception_score",
    "log_likelihood": "genbench.metrics.likelihood:log_likelihood",
    "likelihood_bound": "genbench.metrics.likelihood:likelihood_bound",
    "bits_per_dim": "genbench.metrics.likelihood:bits_per_dim",
    "uniformity": "genbench.metrics.testing:uniformity",
    "wasserstein_bracket": "genbench.metrics.transport:wasserstein_bracket",
    "projected_wasserstein": "genbench.metrics.transport:projected_wasserstein",
    "modes": "genbench.metrics.support:modes",
    "high_quality": "genbench.metrics.support:high_quality",
    "accepted": "genbench.metrics.judge:accepted",
    "copying": "genbench.metrics.neighbours:copying",
    "reconstruction": "genbench.metrics.codes:reconstruction",
}

SPACES = {
    "pixels": "genbench.spaces.pixels:Pixels",
    "digits": "genbench.spaces.digits:Digits",
}
