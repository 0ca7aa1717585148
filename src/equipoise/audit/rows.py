"""What rows of audits share: which balancer was judged on what, and what broke."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class MethodRow:
    """One balancer on one instance of E experts; ``error`` says what broke, and the balancer is at fault."""

    method: str
    instance: str
    experts: int
    error: str | None = field(default=None, kw_only=True)

    @property
    def balancer(self) -> str:
        """The balancer's name."""
        return self.method

    @property
    def where(self) -> str:
        """What it was judged on; no two rows of a balancer have the same."""
        return self.instance


@dataclass(frozen=True)
class DeviceRow(MethodRow):
    """One balancer of P slots on G devices; ``evidence`` is "certified" if every optimum and bound is proved."""

    slots: int
    devices: int
    evidence: str = field(default="none", kw_only=True)


@dataclass(frozen=True)
class SeriesRow(MethodRow):
    """One forecast of a series, made after ``origin`` steps for ``horizon`` steps.

    ``unable`` says why there is none, in the predictor's own words; it is not at fault.
    """

    generated: bool
    origin: int
    horizon: int
    unable: str | None = field(default=None, kw_only=True)

    @property
    def where(self) -> str:
        """Series, origin and horizon."""
        return f"{self.instance} after {self.origin}, horizon {self.horizon}"
