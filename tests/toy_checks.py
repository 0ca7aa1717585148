"""The checks of the toy role: the contract, and one property of its own."""

import numpy as np
from hypothesis import strategies as st

from equipoise import strategies
from equipoise.checks.contract import Contract, bind
from equipoise.checks.engine.registry import Failure, check, family
from toy_role import ToyCase


@family()
def sequences():
    """A few loads of as many experts, and how many to pick."""

    def build(loads, count):
        return ToyCase(tuple(loads), min(count, loads.shape[1]))

    return st.builds(build, strategies.load_histories(steps=st.integers(1, 4)), st.integers(1, 4))


bind(Contract(role="toy", single=sequences, sequences=sequences, show=lambda picked: picked.tolist()))


@check("toy", sequences)
def toy_picks_the_largest(balancer, case, settings):
    """No expert that was left out has more load than one that was picked; ``max_gap`` allows for some."""
    balancer.fresh()
    for load, count in case.calls():
        picked = balancer.ask(load, count)
        reached, most = int(load[picked].sum()), int(np.sort(load)[-count:].sum())
        if reached < most * (1 - (settings.max_gap or 0)):
            raise Failure(f"what it picks has {reached} tokens, {most} can be had", np.argsort(-load)[:count].tolist())
