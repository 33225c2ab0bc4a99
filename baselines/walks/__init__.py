"""Random walks on a known density: what it takes to sample what can be evaluated."""
