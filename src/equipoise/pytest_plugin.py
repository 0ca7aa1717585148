"""What pytest loads wherever Equipoise is installed: the marker, and nothing that takes time to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that every test of :mod:`equipoise.testing` carries."""
    config.addinivalue_line("markers", "equipoise: a check of a balancer (equipoise.testing); -m 'not equipoise'")
