"""Tests of what a sampler draws: of symbols against uniformity, of two sets of rows against each other."""
