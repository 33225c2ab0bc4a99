"""Distances of two laws, estimated from draws of both, and held against what they are."""
