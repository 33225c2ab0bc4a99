"""Invertible networks, whose density is exact."""
