"""Slots over layers: which layer gets how many, by dynamic programming over proved peaks."""
