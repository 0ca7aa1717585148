"""Small balancers of every role: faulty ones, each made for one check, and correct ones that no check may flag.

What every role has in common is here, once: the kinds that break a clause of the contract, and the styles of a sound
balancer. A kind is made of two right answers of a role, ``ANSWERS`` of its module: the one that it should give, and
another. ``miniatures:router_Raises`` is a target; so is ``miniature_routers:repeats_an_expert``.
"""

import importlib
import os
import random
import sys
import threading
from functools import cache
from pathlib import Path

import numpy as np

from equipoise.checks.contract import CONTRACTS
from equipoise.checks.engine.registry import select

HOMES = {"toy": "toy_balancers"}
"""Modules with the ``ANSWERS`` of a role, where they are not called ``miniature_<role>s``."""

FAULTY_KINDS: dict[str, str] = {}
CORRECT_KINDS: list[str] = []


def into(checks):
    """A decorator that notes, under a balancer's name, the check (for a kind: the clause) made for its defect."""

    def made_for(check):
        def note(thing):
            checks[thing.__name__] = check
            return thing

        return note

    return made_for


def onto(names):
    """A decorator that notes a balancer's name."""

    def note(thing):
        names.append(thing.__name__)
        return thing

    return note


class Kind:
    """Gives the right answer."""

    calls = 0

    def __call__(self, *given):
        self.calls += 1
        return self.answer(*given)

    def answer(self, *given):
        return self.one(*given)


def hang():
    threading.Event().wait()


faulty = into(FAULTY_KINDS)
correct = onto(CORRECT_KINDS)


@faulty("answers")
class Raises(Kind):
    def answer(self, *given):
        raise RuntimeError("boom")


@faulty("answers")
class Hangs(Kind):
    def answer(self, *given):
        hang()


@faulty("answers")
class Crashes(Kind):
    def answer(self, *given):
        os._exit(11)


@faulty("answers")
class Exits(Kind):
    def answer(self, *given):
        sys.exit(0)


@faulty("answers")
class ReturnsNone(Kind):
    def answer(self, *given):
        self.one(*given)


@faulty("answers")
class ReturnsAnObject(Kind):
    def answer(self, *given):
        return object()


@faulty("answers")
class ReturnsRaggedLists(Kind):
    def answer(self, *given):
        return [[0], [0, 1]]


@faulty("answers")
class ReturnsOnesOfAnotherShape(Kind):
    def answer(self, *given):
        return np.ones((3, 1, 4, 1), np.int64)


@faulty("leaves_its_input_alone")
class ChangesItsInput(Kind):
    def answer(self, *given):
        answer = self.one(*given)
        given[0][...] = 1 - given[0]
        return answer


@faulty("returns_memory_of_its_own")
class ReturnsAViewOfItsInput(Kind):
    def answer(self, *given):
        return given[0][:1]


@faulty("keeps_quiet")
class Prints(Kind):
    def answer(self, *given):
        print("called", *map(np.shape, given))
        return self.one(*given)


@faulty("is_deterministic")
class ThrowsDice(Kind):
    """A fork of FlashLB placed leftovers at random."""

    def answer(self, *given):
        return random.choice([self.one, self.other])(*given)


@faulty("is_deterministic")
class DependsOnTheSeedOfHashes(Kind):
    """The same in one process, another in the next: an order of sets of strings, or ``hash`` of a name."""

    def answer(self, *given):
        return (self.one if hash(repr(given)) % 2 else self.other)(*given)


@faulty("accepts_any_memory_layout")
class ReadsRawMemory(Kind):
    """What it makes of columns, or of memory that it may not use for its own purposes, is something else."""

    def answer(self, *given):
        flags = [value.flags for value in given if isinstance(value, np.ndarray)]
        plain = all(one.c_contiguous and one.writeable for one in flags)
        return (self.one if plain else self.other)(*given)


@faulty("accepts_any_memory_layout")
class WritesIntoItsInputAndBack(Kind):
    def answer(self, *given):
        given[0][...] = given[0]
        return self.one(*given)


@faulty("remembers_nothing")
class AnswersTheFirstCallAlone(Kind):
    def answer(self, *given):
        return (self.one if self.calls == 1 else self.other)(*given)


@faulty("reset_forgets")
class ResetsNothing(AnswersTheFirstCallAlone):
    def reset(self):
        pass


@faulty("state_round_trips")
class LosesItsState(AnswersTheFirstCallAlone):
    def reset(self):
        self.calls = 0

    def state_dict(self):
        return {"calls": self.calls}

    def load_state_dict(self, state):
        pass


@correct
class AnswersInLists(Kind):
    def answer(self, *given):
        return np.asarray(self.one(*given)).tolist()


@correct
class AnswersReadOnly(Kind):
    def answer(self, *given):
        answer = np.array(self.one(*given))
        answer.flags.writeable = False
        return answer


@correct
class CountsItsCalls(Kind):
    """State that no answer depends on."""

    def reset(self):
        self.calls = 0


@correct
class KeepsItsState(LosesItsState):
    """A state that can be saved and loaded, and that no answer depends on."""

    capabilities = frozenset({"stateful", "approximate", "direct", "depends on scale"})

    def answer(self, *given):
        return self.one(*given)

    def load_state_dict(self, state):
        self.calls = state["calls"]


def __getattr__(name):
    """Make ``<role>_<kind>`` of the two answers of the role."""
    role, _, kind = name.partition("_")
    if kind not in (*FAULTY_KINDS, *CORRECT_KINDS):
        raise AttributeError(name)
    home, base = home_of(role), globals()[kind]
    one, other = home.ANSWERS
    declared = frozenset(getattr(home, "DECLARES", ())) | getattr(base, "capabilities", frozenset())
    return type(name, (base,), {"one": staticmethod(one), "other": staticmethod(other), "capabilities": declared})


def home_of(role):
    return importlib.import_module(HOMES.get(role, f"miniature_{role}s"))


@cache
def faulty_targets(role):
    """The check that was made for each faulty balancer of the role, by target."""
    select(role)
    kinds = {f"miniatures:{role}_{kind}": CONTRACTS[role].check_of(clause) for kind, clause in FAULTY_KINDS.items()}
    homes = _modules("miniature", role)
    return kinds | {f"{home.__name__}:{name}": check for home in homes for name, check in home.FAULTY.items()}


@cache
def correct_targets(role):
    """Correct balancers of the role that do not ship."""
    kinds = [f"miniatures:{role}_{kind}" for kind in CORRECT_KINDS]
    return kinds + [f"{home.__name__}:{name}" for home in _modules("sound", role) for name in home.CORRECT]


def has_parts(target):
    """Whether the module of a correct balancer says which ``PARTS`` of the checks it is there for."""
    module, colon, _ = target.partition(":")
    return bool(colon) and hasattr(importlib.import_module(module), "PARTS")


def _modules(kind, role):
    """The modules of the role's miniatures or sound balancers: ``miniature_routers``, ``miniature_routers_groups``."""
    if role in HOMES:
        return [home_of(role)]
    paths = sorted(Path(__file__).parent.glob(f"{kind}_{role}s*.py"))
    return [importlib.import_module(path.stem) for path in paths]
