"""What a router must satisfy; importing this registers every check."""

from equipoise.checks.router import answers, invariance, quality, state, values, weights

__all__ = ["answers", "invariance", "quality", "state", "values", "weights"]
