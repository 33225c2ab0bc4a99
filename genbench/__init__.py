"""genbench: train reference generative models under one budget, score them with one core, report them on one page."""

__version__ = "0.1.0"
