"""The result of an audit, whichever the role: every form says the same, and the call refuses in one sentence."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import equipoise
from equipoise import audit
from equipoise.audits.measures import LEAST, MEAN, MOST, ZEROS, Measure, Row
from equipoise.audits.run import options_of, role_audit
from equipoise.errors import InvalidProblem, TargetNotFound
from equipoise.roles import all_roles
from equipoise.tables import Table, shortened
from equipoise.traces import drifting, generated_series

RNG = np.random.default_rng(0)
LOADS = RNG.integers(1, 50, (3, 8))
ROUTERS = {"targets": ["topk", "bip"], "trace": drifting(4, 24, 6, 2)}
AUDITS = {
    "router": ROUTERS,
    "stream": {**ROUTERS, "stream": True},
    "scheduler": {"targets": ["even", "lplb"], "trace": LOADS, "devices": 4},
    "placer": {"targets": ["eplb", "random"], "trace": LOADS, "devices": 4, "time_limit": 0.0},
    "predictor": {"targets": ["ema"], "trace": generated_series(20)[:2], "horizon": 5},
    "value": {"targets": ["ema"], "trace": generated_series(20)[:2], "horizon": 5, "value": True},
}


@pytest.fixture(scope="module", params=AUDITS)
def result(request):
    return audit(**AUDITS[request.param])


def test_json_markdown_latex_frames_and_rows_agree_on_every_balancer(result):
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    names = list(dict.fromkeys(row.balancer for row in result.rows))
    assert list(dict.fromkeys(row["balancer"] for row in document["rows"])) == names
    assert len(result.to_polars()) == len(result.to_pandas()) == len(document["rows"]) == len(result.rows)
    for text in (result.to_markdown(), result.table(400), repr(result)):
        assert all(name in text for name in names)
    assert result.to_latex().count("\\\\") == len(result.summary) + 1
    for row, plain in zip(result.rows, document["rows"], strict=True):
        for name, value in row.values.items():
            assert plain[name] == (str(value) if isinstance(value, Fraction) else value) or plain[name] is None


def test_every_measure_of_a_row_is_declared_and_every_column_has_a_meaning(result):
    declared = {measure.name for measure in result.kind.measures}
    used = {name for row in result.rows for name in row.values if not name.startswith(("floor_", "stable_floor_"))}
    assert used - declared <= {f"stable_error_{name}" for name in ("step_unweighted", "mean_unweighted")}
    assert all(measure.words for measure in result.kind.measures if measure.title)


def test_a_plot_has_one_line_for_every_balancer(result, tmp_path):
    figure = result.plot(path=str(tmp_path / "plot.png"))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == list(dict.fromkeys(row.balancer for row in result.rows))
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", AUDITS)
def test_workers_make_no_difference_to_the_rows_of_any_role(name):
    def bare(result):
        return [{key: value for key, value in row.to_dict().items() if key != "seconds"} for row in result.rows]

    assert bare(audit(**AUDITS[name], workers=2)) == bare(audit(**AUDITS[name]))


numbers = st.lists(st.one_of(st.none(), st.floats(0, 9), st.fractions(0, 9)), min_size=1, max_size=6)


@given(numbers)
def test_a_summary_condenses_the_values_that_are_there(values):
    rows = [Row("x", str(index), values={"it": value}) for index, value in enumerate(values)]
    known = [float(value) for value in values if value is not None]
    found = Measure("it", "ratio", aggregates=(MEAN, MOST, LEAST, ZEROS)).summarise(rows)
    if not known:
        assert set(found.values()) == {None}
        return
    assert found["mean_it"] == pytest.approx(np.mean(known))
    assert (found["max_it"], found["min_it"], found["zero_it"]) == (max(known), min(known), known.count(0.0))


cells = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=12)


@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), min_size=2, max_size=5)))
def test_a_table_fits_80_columns_and_names_what_it_leaves_out(grid):
    head, *rows = grid
    text = Table([f"{index}{cell}" for index, cell in enumerate(head)], rows).text(80)
    drawn, _, rest = text.partition("Not shown at this width: ")
    assert all(len(line) <= 80 for line in drawn.splitlines())
    assert all(f"{index}{cell}" in text for index, cell in enumerate(head))
    assert bool(rest) == (f"{len(head) - 1}{head[-1]}" not in drawn)


pairs = st.tuples(st.floats(0, 9), st.floats(0, 9)).map(lambda two: f"{two[0]:.2%} / {two[1]:.4g}")
names = st.text(st.sampled_from("abc./:_"), min_size=1, max_size=90)
heads = st.lists(st.text(st.sampled_from("abcdefg"), min_size=1, max_size=9), min_size=1, max_size=4).map(" ".join)


@given(st.data(), st.integers(40, 120))
def test_numbers_and_names_are_never_broken_and_names_stay_different(data, width):
    count = data.draw(st.integers(1, 6))
    head = [f"{index}{data.draw(heads)}" for index in range(count)]
    rows = data.draw(st.lists(st.lists(pairs, min_size=count, max_size=count), min_size=1, max_size=4))
    called = data.draw(st.lists(names, min_size=len(rows), max_size=len(rows)))
    short = shortened(called, max(12, 2 * width // 5))
    text = Table(["name", *head], [[name, *row] for name, row in zip(called, rows, strict=True)]).text(width)
    drawn = [line.strip() for line in text.partition("\n\n")[0].splitlines()]
    body = drawn[next(index for index, line in enumerate(drawn) if set(line) == {"─"}) + 1 :]
    assert all(len(line) <= width for line in text.splitlines())
    if max(map(len, short)) <= width - 2:
        assert len(body) == len(rows)
        for line, name, row in zip(body, short, rows, strict=True):
            kept = line.removeprefix(name)
            assert line.startswith(name)
            assert kept.split() == " ".join(row).split()[: len(kept.split())]
            assert len(kept.split()) % 3 == 0  # a cell is "a / b"
    assert ("cut in the middle" in text) == (short != called)


@given(st.lists(names, max_size=6), st.integers(3, 30))
def test_shortened_names_keep_their_ends_and_are_as_different_as_before(called, most):
    short = shortened(called, most)
    for name, cut in zip(called, short, strict=True):
        head, dots, tail = cut.partition("…")
        assert name == cut if not dots else name.startswith(head) and name.endswith(tail)
        assert len(cut) <= len(name)
    for one, other in zip(called, short, strict=True):
        assert [name == one for name in called] == [cut == other for cut in short]
    if len(set(called)) <= 1:
        assert all(len(cut) <= most for cut in short)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"role": "ruter"}, "did you mean 'router'"),
        ({"targets": ["topk"], "pases": 3}, "did you mean 'passes'"),
        ({"targets": ["topk"], "passes": 0}, "passes is 0; allowed: 1 or more"),
        ({"targets": ["topk"], "passes": "many"}, "passes is 'many'; allowed: of type int"),
        ({"targets": ["topk"], "horizon": 3}, "--horizon is given for a router; allowed: only for predictor"),
        ({"targets": ["topk"], "stream": True, "passes": 3}, "--passes is given with --stream"),
        ({"targets": ["topk", "even"]}, "of different roles"),
        ({"targets": ["topk"], "form": "megatrn"}, "did you mean 'megatron'"),
        ({"targets": [3]}, "targets is a int"),
        ({"targets": ["topk"], "trace": RNG.random((4, 3))}, "top_k is not given"),
        ({"targets": ["topk"], "trace": RNG.random(4), "top_k": 1}, "an array of shape"),
        ({"targets": ["topk"], "trace": []}, "trace is"),
        ({"targets": ["topk"], "tolerance": 0.1}, "without --baseline"),
    ],
)
def test_a_wrong_call_is_refused_in_one_sentence(given, words):
    with pytest.raises(InvalidProblem, match=words) as raised:
        audit(**given)
    assert "\n" not in str(raised.value)


def test_a_misspelt_built_in_name_gets_a_suggestion():
    with pytest.raises(TargetNotFound, match="did you mean 'sinkhorn'"):
        audit(["sinkhron"], trace=drifting(1))


def test_functions_objects_classes_and_names_can_be_audited_together():
    def mine(scores, top_k):
        return np.argsort(-scores, axis=1)[:, :top_k]

    class Mine:
        def __call__(self, scores, top_k):
            return mine(scores, top_k)

    result = audit([mine, Mine, Mine(), "topk"], trace=RNG.random((16, 4)), top_k=2)
    assert len({row.balancer for row in result.rows}) == 4
    assert len({row["score"] for row in result.rows}) == 1


@pytest.mark.parametrize("role", sorted(all_roles()))
def test_every_role_says_how_it_is_audited_and_nothing_twice(role):
    own = role_audit(role)
    assert own.role == role
    for way in (own, *own.variants.values()):
        assert len({option.name for option in way.options}) == len(way.options)
        gaps = [measure.gap for measure in way.measures if measure.gap]
        assert gaps
        assert len(set(gaps)) == len(gaps)
    assert {option.name for option in options_of(role)} >= {option.name for option in own.options}


def test_everything_that_is_public_can_be_reached():
    assert all(getattr(equipoise, name) is not None for name in equipoise.__all__)
