"""Edges of the checks of routers."""

EDGES = []
