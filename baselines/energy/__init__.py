"""Unnormalised densities, sampled by a Markov chain."""
