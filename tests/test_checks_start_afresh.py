"""No verdict depends on what the balancer was shown before the check began: every check asks for a fresh one."""

from itertools import islice

import pytest

from equipoise.balancers.in_process import InProcess
from equipoise.checks.engine.known import known_cases
from equipoise.checks.engine.registry import select
from equipoise.checks.engine.settings import Settings
from equipoise.roles import all_roles, role_named
from miniatures import Kind, home_of
from sound_routers import WithState

CHECKS = [(role, entry) for role in all_roles() for entry in select(role)]


def spoilt_until_made_anew(role):
    """A class of a sound balancer that answers nothing any more once its attribute ``spoilt`` is set."""

    class Spoilt(WithState if role == "router" else Kind):
        spoilt = False
        one = staticmethod(home_of(role).ANSWERS[0])
        capabilities = getattr(home_of(role), "DECLARES", ())

        def __call__(self, *arguments, **keywords):
            if self.spoilt:
                raise RuntimeError("spoilt")
            return super().__call__(*arguments, **keywords)

    return Spoilt


@pytest.mark.parametrize(("role", "entry"), CHECKS, ids=lambda value: getattr(value, "name", value))
def test_a_check_asks_for_a_fresh_balancer_before_its_first_call(role, entry):
    balancer = InProcess("spoilt", role_named(role), spoilt_until_made_anew(role))
    if reason := entry.skipped(balancer.probe()):
        pytest.skip(reason)
    cases = islice((known.case for known in known_cases(role) if entry.cases.admits(known.case)), 2)
    for case in cases:
        balancer._object.spoilt = True
        entry.function(balancer, case, Settings())
