"""What a router must satisfy; importing this registers every check."""

from equipoise.checks.router import answers, groups, invariance, production, quality, shift, state, values, weights

__all__ = ["answers", "groups", "invariance", "production", "quality", "shift", "state", "values", "weights"]
