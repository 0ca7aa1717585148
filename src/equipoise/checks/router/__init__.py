"""What a router must satisfy; importing this registers every check."""

from equipoise.checks.router import answers, invariance, options, quality, state, weights

__all__ = ["answers", "invariance", "options", "quality", "state", "weights"]
