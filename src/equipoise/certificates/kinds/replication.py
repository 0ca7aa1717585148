"""The certificate of an answer to a replication problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np

from equipoise.certificates.certificate import Certificate, Statement
from equipoise.certificates.check.replication import Replication, Weights, check_replication
from equipoise.certificates.check.verdict import Verdict
from equipoise.certificates.codec import Array, Bits, Booleans, Integers, Text, Whole
from equipoise.problems import ReplicationProblem


@dataclass(frozen=True, eq=False)
class ReplicationStatement(Statement):
    """A replication problem."""

    HASHED: ClassVar[str] = (
        "replication E={E} G={G} floor={self.floor} copies_per_expert={self.copies_per_expert} "
        "most_copies={self.most_copies}"
    )

    load: Annotated[Integers, Array("E")]
    home: Annotated[Integers, Array("E")]
    slots: Annotated[Integers, Array("G")]
    domain: Annotated[Booleans, Bits("E", "G")]
    floor: Whole
    copies_per_expert: Whole
    most_copies: Whole

    def confirm(self) -> None:
        """Build the problem."""
        limits = {"copies_per_expert": self.copies_per_expert, "most_copies": self.most_copies}
        arguments = (self.load, self.home, len(self.slots), self.slots)
        ReplicationProblem(*arguments, floor=self.floor, domain=self.domain, **limits)


@dataclass(frozen=True, eq=False)
class ReplicationCertificate(Certificate):
    """Copies, a split, and a lower bound with the argument that proves it.

    Attributes
    ----------
    copies, split
        ``[E, G]``: where copies are, and tokens served.
    bound, argument
        No answer has a peak below ``bound``, by "dual" or "partition".
    device_weights, slot_weights, expert_weights, total_weight
        Of the argument "dual": ``[G]``, ``[G]``, ``[E]`` and one integer, in any common unit; else zeros.
    """

    KIND: ClassVar[str] = "replication"
    PROBLEM: ClassVar[type[ReplicationProblem]] = ReplicationProblem
    STATEMENT: ClassVar[type[ReplicationStatement]] = ReplicationStatement

    copies: Annotated[Booleans, Bits("E", "G")]
    split: Annotated[Integers, Array("E", "G")]
    bound: Whole
    argument: Text
    device_weights: Annotated[Integers, Array("G")]
    slot_weights: Annotated[Integers, Array("G")]
    expert_weights: Annotated[Integers, Array("E")]
    total_weight: Whole

    @classmethod
    def of(
        cls,
        problem: ReplicationProblem,
        copies: Booleans,
        split: Integers,
        bound: int,
        argument: str,
        weights: Integers,
    ) -> Self:
        """Bind an answer and a bound to ``problem``; ``weights`` are all of them, one after the other."""
        device, slot, expert, total = np.split(weights, np.cumsum([problem.num_devices] * 2 + [problem.num_experts]))
        arguments = (copies, split, bound, argument, device, slot, expert, int(total[0]))
        return cls(*arguments, statement=ReplicationStatement.of(problem))

    @classmethod
    def problem(cls, **fields: Any) -> ReplicationProblem:
        """As many devices as have slots."""
        return ReplicationProblem(num_devices=len(fields["slots"]), **fields)

    def check(self, statement: ReplicationStatement) -> Verdict:
        """Run the solver-free check."""
        lists = (self.device_weights.tolist(), self.slot_weights.tolist(), self.expert_weights.tolist())
        weights = Weights(*lists, self.total_weight)
        if self.argument != "dual" and (any(map(any, lists)) or self.total_weight):
            return Verdict(False, f"the argument {self.argument} has no weights, but some are given")
        answer = self.copies.tolist(), self.split.tolist()
        return check_replication(stated(statement), *answer, self.bound, self.argument, weights)


def stated(problem: ReplicationProblem | ReplicationStatement) -> Replication:
    """Return the problem as the check takes it."""
    arrays = (problem.load.tolist(), problem.home.tolist(), problem.slots.tolist(), problem.domain.tolist())
    return Replication(*arrays, problem.floor, problem.copies_per_expert, problem.most_copies)
