"""Edges of the checks of schedulers."""

EDGES = []
