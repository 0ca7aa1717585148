"""What a catalogue holds: the balancers of one role by the names that the command line knows."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Entry:
    """Where a balancer is and what it does, in one line; nothing is imported to list it.

    Attributes
    ----------
    module
        Inside ``equipoise.reference``.
    settings
        What it is created with, beside its defaults.
    only_named
        Whether an audit takes it only by name: it needs what not every input has, or is new or a variant.
    """

    name: str
    module: str
    attribute: str
    summary: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    only_named: bool = False

    def takes(self, instances: Sequence[Any]) -> bool:
        """Whether it can be tried on all of these instances."""
        return True

    def create(self) -> Any:
        """Return a fresh balancer with the published default settings."""
        found = getattr(importlib.import_module(f"equipoise.reference.{self.module}"), self.attribute)
        return found(**self.settings) if isinstance(found, type) else found
