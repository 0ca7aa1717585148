"""Planners of replicas at run time."""
