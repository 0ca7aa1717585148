"""Edges of the checks of placers."""

EDGES = []
