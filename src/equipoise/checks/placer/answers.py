"""A placer answers every valid input with a placement of all experts, and leaves everything else alone."""

from __future__ import annotations

import numpy as np

from equipoise.checks.cases import PlacerCase
from equipoise.checks.failure import Failure
from equipoise.checks.placer import families
from equipoise.checks.placer.view import place
from equipoise.checks.registry import check
from equipoise.checks.settings import Settings
from equipoise.isolation.subject import Subject


def _answers(subject: Subject, case: PlacerCase) -> None:
    subject.fresh()
    for load in case.loads:
        place(subject, case, load)


@check("placer", families.any_case)
def placer_answers(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """Every load gets a placement ``[L, P]`` of integers that names existing experts, every one at least once.

    Of three tables (phy2log, log2phy, logcnt) all say the same. Float indices came from vLLM (PRs 23243, 18343),
    experts placed nowhere and ids that do not exist from vLLM-Ascend (PRs 3089, 4793).
    """
    _answers(subject, case)


@check("placer", families.one_device)
def placer_works_with_one_device(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """With one device everything lies there."""
    _answers(subject, case)


@check("placer", families.one_expert)
def placer_works_with_one_expert(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """With one expert every used slot holds it."""
    _answers(subject, case)


@check("placer", families.no_spare_slots)
def placer_works_without_spare_slots(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """As many slots as experts: one each, no replica."""
    _answers(subject, case)


@check("placer", families.one_slot_a_device)
def placer_works_with_one_slot_a_device(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """As many slots as devices: nothing to pack."""
    _answers(subject, case)


@check("placer", families.a_slot_for_every_pair)
def placer_works_with_a_slot_for_every_pair(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """With P = E * G every expert may lie on every device; more replicas of one would be too many."""
    _answers(subject, case)


@check("placer", families.indivisible)
def placer_works_when_nothing_divides(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """The devices need divide neither the experts nor the spare slots.

    A fallback for such sizes dropped and repeated experts (TensorRT-LLM PR 13888).
    """
    _answers(subject, case)


@check("placer", families.zero_load)
def placer_works_at_zero_load(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """Before any token is counted all loads are zero, and nothing may divide by their sum."""
    _answers(subject, case)


@check("placer", families.uneven_groups)
def placer_works_with_uneven_groups(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """Where the nodes do not divide the groups, groups cannot stay whole evenly, but experts can still be placed.

    Uneven nodes and devices were refused by assertions (sglang issue 8253, vllm issue 52435).
    """
    _answers(subject, case)


@check("placer", families.no_groups, unless=("needs groups",))
def placer_takes_zero_groups_for_none(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """``num_groups = 0`` is how models without groups state it in the frameworks' configurations."""
    _answers(subject, case)


@check("placer", families.sequences)
def placer_leaves_its_input_alone(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """The loads are the caller's statistics: not written to."""
    subject.fresh()
    for load in case.loads:
        if place(subject, case, load).reply.changed_input:
            raise Failure("it writes into the loads it was given")


@check("placer", families.any_case)
def placer_returns_memory_of_its_own(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """The answer is no view of the loads, which the caller goes on counting in."""
    subject.fresh()
    if place(subject, case).reply.aliased_input:
        raise Failure("its answer shares memory with the loads it was given")


@check("placer", families.any_case, severity="warning")
def placer_keeps_quiet(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """Nothing is printed to standard output, where a caller's own results go."""
    subject.fresh()
    if place(subject, case).reply.printed:
        raise Failure("it prints to standard output")


@check("placer", families.sequences, unless=("random",))
def placer_is_deterministic(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """The same loads from a fresh start give the same placement: every rank works it out for itself.

    A fork of FlashLB put replicas that fit nowhere in random places.
    """
    runs = []
    for _ in range(2):
        subject.fresh()
        runs.append([place(subject, case, load).slots for load in case.loads])
    for step, (first, second) in enumerate(zip(*runs, strict=True), 1):
        if not np.array_equal(first, second):
            raise Failure(f"two fresh runs differ at load {step}: {first.tolist()} and {second.tolist()}")


@check("placer", families.any_case, unless=("random",))
def placer_accepts_any_memory_layout(subject: Subject, case: PlacerCase, settings: Settings) -> None:
    """Column-major and read-only loads are placed like any others."""
    subject.fresh()
    plain = place(subject, case).slots
    other = np.asfortranarray(case.load)
    other.flags.writeable = False
    subject.fresh()
    found = place(subject, case, other).slots
    if not np.array_equal(plain, found):
        raise Failure(f"the same loads in column-major order are placed {found.tolist()}, not {plain.tolist()}")
