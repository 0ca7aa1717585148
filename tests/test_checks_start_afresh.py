"""No verdict depends on what the balancer was shown before the check began: every check asks for a fresh one."""

import importlib
from itertools import islice

import pytest
from equipoise.isolation.subject import InProcess

from equipoise.checks.known import known_cases
from equipoise.checks.registry import select
from equipoise.checks.run import probe
from equipoise.checks.settings import Settings

SOUND = {
    "router": "WithState",
    "scheduler": "even_as_lists",
    "placer": "heaviest_first",
    "predictor": "mean_as_lists",
}
CHECKS = [(role, entry) for role in SOUND for entry in select(role)]


def spoilt_until_made_anew(role):
    """A class of a sound balancer that answers nothing any more once its attribute ``spoilt`` is set."""
    sound = getattr(importlib.import_module(f"sound_{role}s"), SOUND[role])
    base = sound if isinstance(sound, type) else object

    class Spoilt(base):
        spoilt = False

        def __call__(self, *arguments, **keywords):
            if self.spoilt:
                raise RuntimeError("spoilt")
            return super().__call__(*arguments, **keywords) if base is sound else sound(*arguments, **keywords)

    return Spoilt


@pytest.mark.parametrize(("role", "entry"), CHECKS, ids=lambda value: getattr(value, "name", value))
def test_a_check_asks_for_a_fresh_balancer_before_its_first_call(role, entry):
    subject = InProcess("spoilt", role, spoilt_until_made_anew(role))
    if reason := entry.skipped(subject.capabilities | probe(subject)):
        pytest.skip(reason)
    cases = islice((known.case for known in known_cases(role) if entry.cases.admits(known.case)), 2)
    for case in cases:
        subject._host.target.spoilt = True
        entry.function(subject, case, Settings())
