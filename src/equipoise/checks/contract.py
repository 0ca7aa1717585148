"""What every balancer owes its caller, whatever its role: stated once, over the calls of a case.

A role binds the contract to itself with the cases to try, and with what "the same answer" means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from equipoise.balancers.balancer import Balancer
from equipoise.checks.engine.registry import Check, Failure, Family, Severity, register
from equipoise.checks.engine.settings import Settings
from equipoise.roles import role_named
from equipoise.roles.role import Case

Call = tuple[Any, ...]


@dataclass(frozen=True)
class Contract:
    """What a role says so that the contract can be tried on its balancers.

    Attributes
    ----------
    role
        Its name.
    single, sequences
        Cases of one call and of several; where a role has no several, the same.
    same
        Whether two answers, as the role reads them, are the same.
    show
        An answer as plain values, for a message.
    before
        What is asked before a case's own calls, to see whether it is remembered; by default those calls themselves.
    prepare
        What a fresh balancer needs before it can be asked.
    readable
        Raises :class:`~equipoise.errors.TargetError` if a return value is no answer at all; None: what the role reads.
    layouts
        Cases on which the memory layout must not matter; None: the single ones.
    remembers
        Capabilities with which a balancer may remember earlier calls.
    names
        Other names of clauses, for this role.
    notes
        A sentence more about a clause, for this role: the defect that it comes from.
    """

    role: str
    single: Family
    sequences: Family
    same: Callable[[Any, Any], bool] = np.array_equal
    show: Callable[[Any], Any] = lambda answer: answer
    before: Callable[[Balancer, Any], list[Call]] | None = None
    prepare: Callable[[Balancer, Any], None] = lambda balancer, case: None
    readable: Callable[..., Any] | None = None
    layouts: Family | None = None
    remembers: tuple[str, ...] = ("has reset", "stateful")
    names: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    def check_of(self, clause: str) -> str:
        """Return the name of the check that a clause is for this role."""
        return f"{self.role}_{self.names.get(clause, clause)}"

    def fresh(self, balancer: Balancer, case: Case) -> None:
        """Make the balancer anew, ready to be asked."""
        balancer.fresh()
        self.prepare(balancer, case)

    def answers(self, balancer: Balancer, case: Case) -> list[Any]:
        """Return its answers to the calls of the case."""
        return [balancer.ask(*call) for call in balancer.calls(case)]

    def compare(self, wanted: Any, given: Any, when: str) -> None:
        """Fail if two answers differ."""
        if not self.same(wanted, given):
            raise Failure(f"{when} it answers {self.show(given)}, not {self.show(wanted)}")


@dataclass(frozen=True)
class Clause:
    """One property of the contract: a check of every role that binds it."""

    function: Callable[[Contract, Balancer, Case], None]
    part: str
    cases: str
    needs: tuple[str, ...]
    unless: tuple[str, ...]
    severity: Severity


CLAUSES: list[Clause] = []
CONTRACTS: dict[str, Contract] = {}
"""Those bound so far, by role."""


def clause(
    part: str,
    cases: str,
    *,
    needs: tuple[str, ...] = (),
    unless: tuple[str, ...] = (),
    severity: Severity = "error",
) -> Callable[[Callable[[Contract, Balancer, Case], None]], Callable[[Contract, Balancer, Case], None]]:
    """Make a function a clause: a check called ``<role>_<its name>`` of every role."""

    def add(function: Callable[[Contract, Balancer, Case], None]) -> Callable[[Contract, Balancer, Case], None]:
        CLAUSES.append(Clause(function, part, cases, needs, unless, severity))
        return function

    return add


def bind(contract: Contract) -> None:
    """Register every clause as a check of the contract's role."""
    CONTRACTS[contract.role] = contract
    for one in CLAUSES:
        cases = getattr(contract, one.cases) or contract.single
        unless = one.unless + (contract.remembers if one.function is remembers_nothing else ())
        function = _bound(contract, one)
        register(
            Check(
                *(function.__name__, contract.role, function, cases, one.part),
                needs=one.needs,
                unless=unless,
                severity=one.severity,
            )
        )


def _bound(contract: Contract, one: Clause) -> Callable[..., None]:
    def function(balancer: Balancer, case: Case, settings: Settings) -> None:
        one.function(contract, balancer, case)

    note = contract.notes.get(one.function.__name__)
    function.__name__ = function.__qualname__ = contract.check_of(one.function.__name__)
    function.__doc__ = f"{one.function.__doc__}" + (f"\n\n{note}" if note else "")
    return function


@clause("answers", "single")
def answers(contract: Contract, balancer: Balancer, case: Case) -> None:
    """Every valid input gets an answer that can be read as one."""
    contract.fresh(balancer, case)
    read = contract.readable or role_named(contract.role).read
    for call in balancer.calls(case):
        read(balancer.call(*call).value, *call)


@clause("answers", "sequences")
def leaves_its_input_alone(contract: Contract, balancer: Balancer, case: Case) -> None:
    """What it is given is the caller's: not written to."""
    contract.fresh(balancer, case)
    for call in balancer.calls(case):
        if balancer.call(*call).changed_input:
            raise Failure("it writes into the input it was given")


@clause("answers", "single")
def returns_memory_of_its_own(contract: Contract, balancer: Balancer, case: Case) -> None:
    """The answer is no view of the input, which the caller may reuse."""
    contract.fresh(balancer, case)
    for call in balancer.calls(case):
        if balancer.call(*call).aliased_input:
            raise Failure("its answer shares memory with the input it was given")


@clause("answers", "single", severity="warning")
def keeps_quiet(contract: Contract, balancer: Balancer, case: Case) -> None:
    """Nothing is printed to standard output, where a caller's own results go."""
    contract.fresh(balancer, case)
    for call in balancer.calls(case):
        if balancer.call(*call).printed:
            raise Failure("it prints to standard output")


@clause("invariance", "sequences", unless=("random",))
def is_deterministic(contract: Contract, balancer: Balancer, case: Case) -> None:
    """The same calls from a fresh start get the same answers, in this process and in another one.

    Ranks are processes: what depends on the seed of Python's hashes, or of a generator drawn at the start, is another
    decision on every rank.
    """
    calls = balancer.calls(case)
    places = {"from a fresh start": balancer, "in another process": balancer.twin()}
    contract.fresh(balancer, case)
    wanted = contract.answers(balancer, case)
    for place, other in places.items():
        if other is not None:
            contract.fresh(other, case)
            for number, (call, first) in enumerate(zip(calls, wanted, strict=True), 1):
                contract.compare(first, other.ask(*call), f"asked again {place}, in call {number}")


@clause("invariance", "layouts", unless=("random",))
def accepts_any_memory_layout(contract: Contract, balancer: Balancer, case: Case) -> None:
    """Column-major and read-only input gets the same answer as any other."""
    contract.fresh(balancer, case)
    plain = contract.answers(balancer, case)
    contract.fresh(balancer, case)
    for call, wanted in zip(balancer.calls(case), plain, strict=True):
        contract.compare(wanted, balancer.ask(*map(_column_major_and_read_only, call)), "given read-only columns")


def _column_major_and_read_only(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    other = value.copy(order="F")
    other.flags.writeable = False
    return other


@clause("state", "sequences", unless=("random",))
def remembers_nothing(contract: Contract, balancer: Balancer, case: Case) -> None:
    """An answer depends on its own input, not on earlier calls, unless the balancer can be reset or says so."""
    calls = balancer.calls(case)
    before = calls if contract.before is None else contract.before(balancer, case)
    alone = []
    for call in calls:
        contract.fresh(balancer, case)
        alone.append(balancer.ask(*call))
    contract.fresh(balancer, case)
    for call in before:
        balancer.ask(*call)
    for number, (call, wanted) in enumerate(zip(calls, alone, strict=True), 1):
        contract.compare(wanted, balancer.ask(*call), f"after {len(before) + number - 1} other calls")


@clause("state", "sequences", needs=("has reset",), unless=("random",))
def reset_forgets(contract: Contract, balancer: Balancer, case: Case) -> None:
    """After ``reset()`` it is as good as new."""
    contract.fresh(balancer, case)
    new = contract.answers(balancer, case)
    balancer.reset()
    contract.prepare(balancer, case)
    for number, (wanted, given) in enumerate(zip(new, contract.answers(balancer, case), strict=True), 1):
        contract.compare(wanted, given, f"after reset(), in call {number},")


@clause("state", "sequences", needs=("has state_dict",), unless=("random",))
def state_round_trips(contract: Contract, balancer: Balancer, case: Case) -> None:
    """One that loads another's state goes on as the other does."""
    contract.fresh(balancer, case)
    contract.answers(balancer, case)
    balancer.save_state()
    going_on = contract.answers(balancer, case)
    contract.fresh(balancer, case)
    balancer.restore_state()
    for wanted, given in zip(going_on, contract.answers(balancer, case), strict=True):
        contract.compare(wanted, given, "after load_state_dict")
