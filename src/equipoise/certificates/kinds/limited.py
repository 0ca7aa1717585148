"""The certificate of an expert assignment with limits on totals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import msgspec
import numpy as np

from equipoise.certificates.check.limited import check_limited
from equipoise.certificates.check.verdict import Verdict
from equipoise.certificates.codec import Array, Axes, Booleans, Form, Integers, Sizes
from equipoise.certificates.kinds.assignment import AssignmentStatement, OnGrid, WithAssignment
from equipoise.errors import InvalidFile
from equipoise.problems import Limit, LimitedProblem


class LimitFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One limit: its capacity, and the indices of what it covers."""

    capacity: int
    tokens: list[int]
    experts: list[int]


class Limits(NamedTuple):
    """Capacities ``[L]``, and what each limit covers: ``[L, T]`` and ``[L, E]`` booleans."""

    capacity: Integers
    tokens: Booleans
    experts: Booleans


class LimitList(Form):
    """Limits, in a file a list with an entry for each."""

    def __init__(self) -> None:
        super().__init__(list[LimitFile])

    def to_plain(self, value: Limits) -> list[LimitFile]:
        """Return an entry for each."""
        return [
            LimitFile(most, np.flatnonzero(tokens).tolist(), np.flatnonzero(experts).tolist())
            for most, tokens, experts in zip(value.capacity.tolist(), value.tokens, value.experts, strict=True)
        ]

    def of_plain(self, name: str, given: list[LimitFile], sizes: Sizes) -> Limits:
        """Refuse capacities beyond 64 bits, and members that do not exist."""
        tokens, experts = (np.zeros((len(given), sizes[axis]), bool) for axis in ("T", "E"))
        for number, limit in enumerate(given):
            if not 0 <= limit.capacity < 2**63:
                raise InvalidFile(f"the capacity of limit {number} is {str(limit.capacity)[:40]}; allowed: 0 to 2^63-1")
            for members, indices in ((tokens, limit.tokens), (experts, limit.experts)):
                if indices and not 0 <= min(indices) <= max(indices) < members.shape[1]:
                    raise InvalidFile(f"limit {number} names a token or expert that does not exist")
                members[number, indices] = True
        return Limits(np.array([limit.capacity for limit in given], np.int64), tokens, experts)

    def arrays(self, value: Limits) -> list[tuple[Axes, str, Any]]:
        """Return capacities and memberships."""
        return [
            (("L",), "<i8", value.capacity),
            (("L", "T"), "u1", value.tokens),
            (("L", "E"), "u1", value.experts),
        ]


@dataclass(frozen=True, eq=False)
class LimitedStatement(WithAssignment):
    """An assignment problem in grid integers with its limits."""

    HASHED: ClassVar[str] = "limited L={L} {self.assignment.digest}"

    limits: Annotated[Limits, LimitList()]

    @classmethod
    def of(cls, problem: LimitedProblem) -> Self:
        """State ``problem`` on its grid."""
        limits = Limits(problem.limit_capacity, problem.limit_tokens, problem.limit_experts)
        return cls(AssignmentStatement.of(problem.assignment), limits)

    @property
    def grid_bytes(self) -> int:
        """Of the scores and of the tokens' memberships."""
        return self.assignment.grid_bytes + self.limits.tokens.nbytes


@dataclass(frozen=True, eq=False)
class LimitedCertificate(OnGrid):
    """Assignment plus integer prices of experts and limits; or, without assignment, a proof that there is none.

    Attributes
    ----------
    exponent
        Of the grid.
    experts
        ``[T, K]`` expert indices, -1 for none; None where no assignment exists.
    prices, limit_prices
        ``[E]`` and ``[L]`` integers; in units of the scores times ``2**-exponent``.
    """

    KIND: ClassVar[str] = "limited"
    PROBLEM: ClassVar[type[LimitedProblem]] = LimitedProblem
    STATEMENT: ClassVar[type[LimitedStatement]] = LimitedStatement

    experts: Annotated[Integers | None, Array("T", "K", optional=True)]
    prices: Annotated[Integers, Array("E")]
    limit_prices: Annotated[Integers, Array("L", least=0)]

    @classmethod
    def of(cls, problem: LimitedProblem, experts: Integers | None, prices: Integers) -> Self:
        """Bind an assignment (or None) and prices ``[E + L]`` to ``problem``."""
        statement = LimitedStatement.of(problem)
        own, limits = np.split(prices, [problem.assignment.num_experts])
        return cls(statement.exponent, experts, own, limits, statement=statement)

    @classmethod
    def problem(cls, **fields: Any) -> LimitedProblem:
        """Limits by the indices of what they cover."""
        given: Limits = fields["limits"]
        members = zip(given.capacity.tolist(), given.experts, given.tokens, strict=True)
        limits = [Limit(most, np.flatnonzero(experts), np.flatnonzero(tokens)) for most, experts, tokens in members]
        return LimitedProblem(fields["assignment"], limits)

    def check(self, statement: LimitedStatement) -> Verdict:
        """Run the solver-free check."""
        plain = statement.assignment
        form = (plain.scores[:], plain.top_k, plain.capacity, plain.drop, plain.mask, statement.limits)
        return check_limited(*form, self.experts, self.prices, self.limit_prices, self.exponent, plain.grid_error)
