"""What must not matter to a scheduler, and what it must leave alone: its input, memory, types, earlier calls."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.checks.cases import SchedulerCase
from equipoise.checks.failure import Failure
from equipoise.checks.registry import check, family
from equipoise.checks.scheduler.answers import instances, plain
from equipoise.checks.scheduler.view import serve
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject


@family(plain)
def sequences() -> st.SearchStrategy[SchedulerCase]:
    """A few loads, one after the other, on one placement."""

    def on(hosts: strategies.Booleans) -> st.SearchStrategy[SchedulerCase]:
        loads = st.lists(strategies.load_vectors(experts=st.just(len(hosts))), min_size=1, max_size=4)
        return loads.map(lambda drawn: SchedulerCase(tuple(drawn), hosts))

    return strategies.host_matrices().flatmap(on)


@check("scheduler", sequences)
def scheduler_leaves_its_input_alone(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """Loads and hosts are the caller's: not written to, though "tokens left" is a tempting name for the loads."""
    subject.fresh()
    for load in case.loads:
        if serve(subject, load, case.hosts).reply.changed_input:
            raise Failure("it writes into the load or the hosts it was given")


@check("scheduler", instances)
def scheduler_returns_memory_of_its_own(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """The answer is no view of the input, which the caller may reuse."""
    subject.fresh()
    if serve(subject, case.load, case.hosts).reply.aliased_input:
        raise Failure("its answer shares memory with the load or the hosts it was given")


@check("scheduler", instances, severity="warning")
def scheduler_keeps_quiet(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """Nothing is printed to standard output, where a caller's own results go; a solver's log counts."""
    subject.fresh()
    if serve(subject, case.load, case.hosts).reply.printed:
        raise Failure("it prints to standard output")


@check("scheduler", sequences, unless=("random",))
def scheduler_is_deterministic(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """The same loads from a fresh start give the same schedules: ranks that compute them apart must agree.

    A fork of FlashLB placed leftovers at random.
    """
    runs = []
    for _ in range(2):
        subject.fresh()
        runs.append([serve(subject, load, case.hosts).split for load in case.loads])
    for step, (first, second) in enumerate(zip(*runs, strict=True), 1):
        _same(first, second, f"two fresh runs differ at load {step}: {{}} and {{}}")


@check("scheduler", instances, unless=("random",))
def scheduler_accepts_any_memory_layout(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """Column-major and read-only input is scheduled like any other."""
    subject.fresh()
    plain = serve(subject, case.load, case.hosts).split
    load, hosts = case.load.copy(order="F"), np.asfortranarray(case.hosts)
    load.flags.writeable = hosts.flags.writeable = False
    subject.fresh()
    _same(plain, serve(subject, load, hosts).split, "it answers {}, but {} if hosts are read-only and column-major")


@check("scheduler", instances, unless=("random",))
def scheduler_ignores_the_integer_type(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """The same tokens in 32 and in 64 bits are scheduled alike (vllm PR 18343: a wrong type came back)."""
    subject.fresh()
    wide = serve(subject, case.load.astype(np.int64), case.hosts).split
    subject.fresh()
    _same(wide, serve(subject, case.load.astype(np.int32), case.hosts).split, "for int64 it answers {}, for int32 {}")


@check("scheduler", sequences, unless=("random", "has reset", "stateful"))
def scheduler_remembers_nothing(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """A schedule depends on its own load, not on earlier ones, unless there is a ``reset()`` or "stateful" declared."""
    subject.fresh()
    in_turn = [serve(subject, load, case.hosts).split for load in case.loads]
    for step, (load, split) in enumerate(zip(case.loads, in_turn, strict=True), 1):
        subject.fresh()
        alone = serve(subject, load, case.hosts).split
        _same(alone, split, f"load {step} alone is served as {{}}, after the others as {{}}")


@check("scheduler", sequences, needs=("has reset",), unless=("random",))
def scheduler_reset_forgets(subject: Subject, case: SchedulerCase, settings: Settings) -> None:
    """After a reset the scheduler is as good as new."""
    subject.fresh()
    first = [serve(subject, load, case.hosts).split for load in case.loads]
    subject.reset()
    for step, (load, new) in enumerate(zip(case.loads, first, strict=True), 1):
        again = serve(subject, load, case.hosts).split
        _same(new, again, f"load {step} is served as {{}} when new, as {{}} after reset()")


def _same(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64], words: str) -> None:
    if not np.array_equal(one, other):
        raise Failure(words.format(one.tolist(), other.tolist()))
