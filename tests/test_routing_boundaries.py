"""Every rule at the edges: extreme shapes, ties, repeated calls; and the catalogue that names them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equipoise.reference.routing.catalogue import ROUTERS
from equipoise.reference.routing.topk import topk
from equipoise.roles.router import read_routing
from equipoise.routing import Routing
from routing_cases import DISTINCT, EVERY, cases, prices_of
from strategies_assignment import fewer

SHAPES = {
    "K=E": (np.array([[3.0, 1.0, 2.0], [0.0, 0.0, 1.0]]), 3),
    "K=1": (np.array([[3.0, 1.0, 2.0], [0.0, 0.0, 1.0]]), 1),
    "E=1": (np.array([[3.0], [0.0], [1.0]]), 1),
    "T=1": (np.array([[3.0, 1.0, 2.0, 0.0]]), 2),
    "T*K<E": (np.array([[3.0, 1.0, 2.0, 0.0, 1.0], [0.0, 4.0, 4.0, 0.0, 1.0]]), 2),
    "all equal": (np.full((6, 4), 0.5), 2),
    "all zero": (np.zeros((5, 3)), 1),
    "all negative": (-np.arange(1.0, 13.0).reshape(4, 3), 2),
    "duplicated experts": (np.repeat(np.arange(12.0).reshape(6, 2), 2, axis=1), 2),
    "duplicated tokens": (np.repeat(np.array([[3.0, 1.0, 2.0]]), 6, axis=0), 2),
    "integers": (np.array([[3, 1, 2], [0, 0, 1]], np.uint8), 2),
    "float32": (np.array([[0.3, 0.1, 0.2], [0.7, 0.7, 0.1]], np.float32), 2),
}


def fits(name, scores, top_k):
    return name != "base" or top_k == 1


def mask_of(name, router, scores, top_k):
    mask = read_routing(router(scores, top_k), scores, top_k).mask
    if name in DISTINCT or name == "base":
        assert (mask.sum(axis=1) == top_k).all()
    return mask


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", EVERY)
def test_every_rule_routes_and_keeps_finite_prices_at(name, shape):
    scores, top_k = SHAPES[shape]
    if not fits(name, scores, top_k):
        top_k = 1
    router = EVERY[name]()
    for _ in range(3):
        mask_of(name, router, scores, top_k)
        prices = prices_of(router) if hasattr(router, "prices") or hasattr(router, "bias") else None
        assert prices is None or (prices.shape == scores.shape[1:] and np.isfinite(prices).all())


@pytest.mark.parametrize("name", EVERY)
@fewer(4)
@given(
    scores=hnp.arrays(np.float16, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=st.floats(0, 1, width=16))
)
def test_float16_scores_with_their_ties_are_routed_as_the_same_float64_scores(name, scores):
    low, high = EVERY[name](), EVERY[name]()
    for _ in range(2):
        same = mask_of(name, low, scores, 1) == mask_of(name, high, scores.astype(np.float64), 1)
        assert same.all()


@pytest.mark.parametrize("name", EVERY)
@fewer(4)
@given(case=cases())
def test_every_rule_is_deterministic_leaves_its_input_alone_and_forgets_on_reset(name, case):
    scores, top_k = case
    if not fits(name, scores, top_k):
        top_k = 1
    scores.flags.writeable = False
    before = scores.copy()
    router, twin = EVERY[name](), EVERY[name]()
    first = [mask_of(name, router, scores, top_k) for _ in range(3)]
    second = [mask_of(name, twin, scores, top_k) for _ in range(3)]
    assert np.array_equal(first, second)
    assert (scores == before).all()
    if hasattr(router, "reset"):
        router.reset()
        assert np.array_equal(first, [mask_of(name, router, scores, top_k) for _ in range(3)])
    else:
        assert all((mask == first[0]).all() for mask in first)


@pytest.mark.parametrize("name", EVERY)
def test_a_rule_starts_anew_when_the_number_of_experts_changes(name):
    router, fresh = EVERY[name](), EVERY[name]()
    wide, narrow = np.arange(20.0).reshape(4, 5), np.array([[1.0, 2.0], [3.0, 1.0]])
    if name == "alf-lb":
        fresh.step = 1
    router(wide, 1)
    assert (mask_of(name, router, narrow, 1) == mask_of(name, fresh, narrow, 1)).all()
    if hasattr(router, "bias"):
        assert (prices_of(router) == prices_of(fresh)).all()


def test_plain_top_k_of_unsigned_scores_takes_the_largest():
    assert topk(np.array([[0, 200, 100]], np.uint8), 2).tolist() == [[1, 2]]


@pytest.mark.parametrize("name", ROUTERS)
def test_every_name_of_the_catalogue_creates_a_fresh_router_that_routes(name):
    router, other = ROUTERS[name].create(), ROUTERS[name].create()
    assert router is not other or not hasattr(router, "reset")
    scores = np.random.default_rng(0).random((32, 16))
    top_k = ROUTERS[name].only_top_k or 4
    routed = router(scores, top_k)
    assert read_routing(routed, np.zeros((32, 16)), top_k).mask.any()
    assert name == "topk" or isinstance(routed, Routing)
    assert ROUTERS[name].name == name


def test_reading_the_catalogue_imports_no_rule():
    code = (
        "import sys, equipoise.reference.routing.catalogue as c\n"
        "loaded = [m for m in sys.modules if m.startswith('equipoise.reference.routing.') and m != c.__name__]\n"
        "assert not loaded, loaded\n"
        "assert not [m for m in sys.modules if m.startswith(('ortools', 'equipoise.solvers'))]\n"
        "[entry.create() for entry in c.ROUTERS.values()]\n"
        "assert not [m for m in sys.modules if m.startswith(('ortools', 'equipoise.solvers'))]\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)
