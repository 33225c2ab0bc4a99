"""Fully visible networks: a row's density is a product over its numbers, each given those before it."""
