"""Descriptions of studies: what is read, and what is refused with one sentence."""

from pathlib import Path

import numpy as np
import pytest

from equipoise.errors import InvalidFile
from equipoise.roles import role_named
from equipoise.study.cases import cases_of
from equipoise.study.description import decode, read, shipped
from equipoise.study.exhibits import exhibits_of
from study_cases import SMALL, small


def test_a_case_is_made_for_every_instance_and_seed():
    cases = [case for case in cases_of(small()) if case.role == "router"]
    assert len(cases) == 1 * 2 * 2 * 2
    assert len({(case.instance, case.seed) for case in cases}) == len(cases)


def test_the_shipped_study_is_valid_and_names_exhibits_that_are_there():
    description = shipped()
    cases = cases_of(description)
    assert {case.role for case in cases} == {"router", "scheduler", "placer", "predictor"}
    assert {one.kind for one in exhibits_of(description, cases)} == {"frontier", "stream", "heat", "devices"}


def test_every_method_of_the_shipped_study_is_in_the_catalogue_of_its_role():
    for name, part in shipped().parts.items():
        assert set(part.methods) <= set(role_named(name).catalogue), name


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('title = "A small study"', "title = 3", "title: expected str, got int"),
        ("seeds = [0, 1]", "seeds = [0, 0]", "seeds is [0, 0]; allowed: one or more, none of them twice"),
        ("seeds = [0, 1]", "seeds = [-1]", "seeds[0]: expected int >= 0"),
        (
            "seeds = [0, 1]",
            "sedes = [0]",
            "has the key 'sedes'; allowed: title, seeds, metric, placer, "
            "planner, predictor, router, scheduler, baseline",
        ),
        ("passes = 3", "passes = 0", "router.passes: expected int >= 1"),
        ("passes = 3", "pases = 3", "router has the key 'pases'; allowed: methods, passes, seconds, instances"),
        ('baseline = "topk"', 'baseline = "x"', "baseline is 'x'; allowed: topk, quantile, midpoint, even"),
        ("skew = [0.0, 2.0]", "skew = [-1.0]", "router.instances[0].skew[0]: expected float >= 0"),
        ("skew = [0.0, 2.0]", "skw = [1.0]", "router.instances[0] has the key 'skw'; allowed: kind, gate, skew, size"),
        ("top_k = 2 }]", "topk = 2 }]", "router.instances[0].size[1] has the key 'topk'; allowed: tokens, experts"),
        ("top_k = 2 }]", "top_k = 9 }]", "top_k is 9; allowed: 1 to 8"),
        ('kind = "generated"\ngate', 'kind = "made"\ngate', "is 'made'; allowed: generated, recorded, file"),
        (
            'gate = ["softmax"]',
            'gate = ["soft"]',
            "router.instances[0].gate[0]: invalid enum value 'soft'; allowed: softmax, sigmoid, none",
        ),
        ('methods = ["even", "micromoe"]', "methods = []", "scheduler.methods: expected array of length >= 1"),
        ("[figures]", "[figure]", "has the key 'figure'; allowed"),
        ("[figures]", "[time]\ntile = 0\n[figures]", "time.tile: expected int >= 1"),
        ('title = "A small study"', "title = ", "is not TOML"),
    ],
)
def test_a_wrong_key_or_value_is_one_sentence_with_where_and_what_is_allowed(old, new, says):
    assert old in SMALL
    with pytest.raises(InvalidFile) as refused:
        decode(SMALL.replace(old, new, 1), "my.toml")
    assert str(refused.value).startswith("my.toml")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ('runs = ["E17"]', "runs has 'E17'; allowed: E16-aux-loss"),
        ("layers = [9]", "layers has 9; allowed: 0, 1, 2, 3"),
        ("steps = [31]", "steps has 31; allowed: 30"),
        ('runs = ["E16-none"]\nsteps = [8000]', "router.instances name nothing that is there"),
    ],
)
def test_recorded_batches_that_are_not_there_are_refused(entry, says):
    text = f'title = "t"\nseeds = [0]\n[router]\nmethods = ["topk"]\n[[router.instances]]\nkind = "recorded"\n{entry}\n'
    with pytest.raises(InvalidFile) as refused:
        cases_of(decode(text, "my.toml"))
    assert says in str(refused.value)


def test_exhibits_of_instances_that_are_not_there_are_refused_before_anything_is_measured():
    description = small(frontiers='["nowhere"]')
    with pytest.raises(InvalidFile, match="'nowhere'; allowed: softmax/24x4k2/skew0"):
        exhibits_of(description, cases_of(description))


def test_a_study_of_nothing_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(InvalidFile, match="studies nothing"):
        decode('title = "t"\nseeds = [0]', "my.toml")
    with pytest.raises(InvalidFile, match="router has no instances"):
        decode('title = "t"\nseeds = [0]\n[router]\nmethods = ["topk"]', "my.toml")
    with pytest.raises(InvalidFile, match="cannot be read"):
        read(str(tmp_path / "none.toml"))


def test_an_instance_named_twice_is_refused():
    with pytest.raises(InvalidFile, match="more than once"):
        cases_of(small(skew="[1.0, 1.0]"))


def test_the_example_and_the_one_in_the_docs_are_the_same_study_and_valid():
    root = Path(__file__).parents[1]
    if not (root / "docs").is_dir():
        pytest.skip("the tests run outside a checkout: docs/ is not here")
    example = (root / "examples" / "study.toml").read_text()
    documented = (root / "docs" / "how-to" / "study.md").read_text().split("```toml\n")[1].split("```")[0]
    assert decode(example, "example") == decode(documented, "docs")
    cases = cases_of(decode(example, "example"))
    assert len(exhibits_of(decode(example, "example"), cases)) == 2


FILES = """
title = "Files"
seeds = [0]
[router]
methods = ["topk"]
[[router.instances]]
kind = "file"
path = "logits.npy"
top_k = 2
gate = "sigmoid"
[placer]
methods = ["round-robin"]
[[placer.instances]]
kind = "file"
path = "loads.npy"
axes = "{axes}"
"""


def test_gate_and_axes_of_a_file_are_as_the_description_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    logits = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    np.save("logits.npy", logits)
    np.save("loads.npy", np.arange(12).reshape(2, 6))
    by_axes = {}
    for axes in ("steps,experts", "layers,experts"):
        router, *placers = cases_of(decode(FILES.replace("{axes}", axes), "x"))
        np.testing.assert_allclose(router.build().scores, 1 / (1 + np.exp(-logits.astype(float))), rtol=1e-6)
        by_axes[axes] = [case.build().load.tolist() for case in placers]
    assert by_axes == {
        "steps,experts": [[6, 7, 8, 9, 10, 11]],
        "layers,experts": [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]],
    }
    with pytest.raises(InvalidFile, match=r"loads\.npy"):
        cases_of(decode(FILES.replace('axes = "{axes}"', ""), "x"))
