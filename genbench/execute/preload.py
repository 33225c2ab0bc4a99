"""What every run needs and is slow to import: the forkserver does it once."""

import sklearn.datasets
import sklearn.ensemble
import sklearn.mixture
import torch.utils.flop_counter

import genbench.run  # noqa: F401
