"""What a router must satisfy; importing this registers every check."""

from equipoise.checks.router import answers, groups, invariance, quality, state

__all__ = ["answers", "groups", "invariance", "quality", "state"]
