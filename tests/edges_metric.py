"""Edges of the checks of metrics."""

EDGES = []
