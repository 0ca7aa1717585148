"""The certificate of least traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np

from equipoise.certificates.certificate import Certificate, Statement
from equipoise.certificates.check.traffic import check_traffic
from equipoise.certificates.check.verdict import Verdict
from equipoise.certificates.codec import Array, Bits, Booleans, Form, Integers, Sizes
from equipoise.errors import InvalidFile
from equipoise.problems import TrafficProblem


class Flows(Form):
    """``[G, E, G]`` tokens, in a file ``shape`` (E and G) and a list of ``[source, expert, device, tokens]``."""

    def __init__(self) -> None:
        super().__init__(list[tuple[int, int, int, int]])

    def parts(self, name: str) -> dict[str, Any]:
        """Two fields."""
        return {"shape": tuple[int, int], name: self.plain}

    def write(self, name: str, value: Integers) -> dict[str, Any]:
        """List where tokens flow."""
        flows = [(s, e, g, int(value[s, e, g])) for s, e, g in np.argwhere(value).tolist()]
        return {"shape": value.shape[1:], name: flows}

    def read(self, name: str, document: Any, prefix: str, sizes: Sizes) -> Integers:
        """Refuse unreal shapes, places beyond the shape, and numbers beyond 62 bits."""
        experts, devices = document.shape
        if not (0 < experts <= 2**16 and 0 < devices <= 2**12 and experts * devices**2 <= 2**28):
            raise InvalidFile(f"shape is {str(document.shape)[:80]}; allowed: experts and devices of a real machine")
        if len({(source, expert, device) for source, expert, device, _ in document.flows}) < len(document.flows):
            raise InvalidFile("flows gives a place twice; allowed: once")
        flows = np.zeros((devices, experts, devices), np.int64)
        for source, expert, device, tokens in document.flows:
            if not (0 <= source < devices and 0 <= expert < experts and 0 <= device < devices):
                where = str([source, expert, device])[:80]
                raise InvalidFile(f"flows names {where}, beyond the shape {document.shape}")
            if abs(tokens) > 2**62:
                raise InvalidFile("flows holds a number beyond 62 bits")
            flows[source, expert, device] = tokens
        return flows


@dataclass(frozen=True, eq=False)
class TrafficStatement(Statement):
    """A traffic problem."""

    HASHED: ClassVar[str] = "traffic E={E} G={G}"

    source_load: Annotated[Integers, Array("G", "E")]
    hosts: Annotated[Booleans, Bits("E", "G")]
    limit: Annotated[Integers, Array("G")]
    cost: Annotated[Integers, Array("G", "G")]


@dataclass(frozen=True, eq=False)
class TrafficCertificate(Certificate):
    """Flows ``[G, E, G]`` and device prices ``[G]`` that prove them cheapest."""

    KIND: ClassVar[str] = "traffic"
    PROBLEM: ClassVar[type[TrafficProblem]] = TrafficProblem
    STATEMENT: ClassVar[type[TrafficStatement]] = TrafficStatement

    flows: Annotated[Integers, Flows()]
    prices: Annotated[Integers, Array("G")]

    @classmethod
    def of(cls, problem: TrafficProblem, flows: Integers, prices: Integers) -> Self:
        """Bind flows and prices to ``problem``."""
        return cls(flows, prices, statement=TrafficStatement.of(problem))

    def check(self, statement: TrafficStatement) -> Verdict:
        """Run the solver-free check."""
        form = (statement.source_load, statement.hosts, statement.limit, statement.cost)
        return check_traffic(*form, self.flows, self.prices)
