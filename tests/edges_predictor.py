"""Edges of the checks of predictors."""

EDGES = []
