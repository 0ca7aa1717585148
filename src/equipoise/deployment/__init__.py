"""Answers for a running deployment: how good its map of experts is, what better placement and scheduling would add."""
