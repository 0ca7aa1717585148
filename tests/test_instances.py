"""The open instances: every stored answer and bound is refereed again; what is handed in can only make them better."""

import dataclasses
import json
import shutil
import sys
from datetime import date
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import pytest

from equipoise import PlacementProblem, cli
from equipoise.certificates import problem_files

ROOT = Path(__file__).parents[1]
HOME = ROOT / "benchmarks" / "instances"

if not HOME.is_dir():
    pytest.skip("the tests run outside a checkout: benchmarks/ is not here", allow_module_level=True)
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(HOME)
    modules = [import_module(name) for name in ("collection", "hand_in", "instances_page", "make", "statements")]
    collection, hand_in, instances_page, make, statements = modules

STORED = {one.name: one for one in collection.instances()}
ABOUT = {"kind", "version", "description", "provenance", "licence", "problem_sha256", "answer", "bound"}
ME = collection.Found("a test", 1.0, "2026-01-01")


@pytest.mark.parametrize("name", STORED)
def test_what_is_known_of_an_instance_is_accepted_by_the_referee_and_says_who_found_it(name):
    one = STORED[name]
    answer, bound = one.values(one.verdict)
    assert (answer <= bound) if one.maximised else (answer >= bound)
    assert one.closed == (answer == bound)
    assert one.certificate.gap(one.verdict) == abs(answer - bound) / abs(bound)
    assert set(one.about) == ABOUT
    assert one.about["kind"] == one.certificate.KIND
    assert one.about["licence"] in ("Apache-2.0", "MIT")
    assert all(one.about[text].strip() for text in ("description", "provenance"))
    for part in ("answer", "bound"):
        found = collection.Found(**one.about[part])
        assert found.by.strip()
        assert date.fromisoformat(found.date)
        assert found.seconds is None or found.seconds >= 0


def test_the_stored_problems_are_those_that_are_stated_and_no_folder_is_left_over():
    made = {one.name: one for one in statements.statements()}
    assert set(made) == set(STORED) == {path.parent.name for path in HOME.glob("*/*.json")}
    for name, one in made.items():
        about = STORED[name].about
        assert about["problem_sha256"] == collection.digest(one.problem) == collection.digest(STORED[name].problem), (
            name
        )
        assert (about["description"], about["provenance"], about["licence"]) == (
            one.description,
            one.provenance,
            one.licence,
        )


def test_the_collection_has_every_kind_and_form_closed_and_open_small_and_of_production_size():
    kinds = {one.about["kind"] for one in STORED.values()}
    assert kinds == {"placement", "replication", "group-limited", "migration", "communication"}
    placements = [one.problem for one in STORED.values() if one.about["kind"] == "placement"]
    assert {(one.split, one.num_nodes > 1) for one in placements} == {
        (split, nodes) for split in ("even", "free") for nodes in (False, True)
    }
    assert {one.status for one in STORED.values()} == {"closed", "open"}
    assert min(one.num_experts for one in placements) <= 8
    assert {len(one.load) for one in placements} >= {128, 256, 384}
    assert sum(path.stat().st_size for path in HOME.rglob("*.json")) < 4 << 20


def test_the_page_is_made_from_the_files():
    text = (ROOT / "docs" / instances_page.PAGE).read_text()
    assert text.count(instances_page.page()) == 1
    assert all(text.count(f"| `{name}` |") == 1 for name in STORED)


@pytest.mark.parametrize("status", ["closed", "open"])
def test_the_command_line_referees_a_stored_certificate_alike(status, capsys):
    one = next(one for one in STORED.values() if one.status == status)
    files = one.folder / "certificate.json", "--problem", one.folder / "problem.json"
    code = cli.run(["verify", *map(str, files), "--format", "json"])
    said = json.loads(capsys.readouterr().out)
    assert (code, said["status"]) == ((0, "optimal") if one.closed else (3, "bounded"))
    assert {Fraction(said["lower"]), Fraction(said["upper"])} == set(one.values(one.verdict))


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A small placement in a home of its own, with worse things known of it than are stored."""
    name = "eplb-0-even"
    shutil.copytree(STORED[name].folder, tmp_path / name)
    monkeypatch.setattr(hand_in, "instances", lambda: collection.instances(tmp_path))
    monkeypatch.setattr(hand_in, "write_page", lambda: None)
    best = STORED[name].certificate
    slots = problem_files.read(tmp_path / name / "problem.json")
    first = [*range(slots.num_experts), -1, -1, -1, -1]
    worse = dataclasses.replace(
        best, physical_to_logical=best.physical_to_logical * 0 + first, bound=Fraction(1), argument="mean"
    )
    worse.save(tmp_path / name / "certificate.json")
    return tmp_path / name, best, worse


def known(folder):
    one = collection.read(folder)
    return one.values(one.verdict)


def test_a_better_answer_and_a_better_bound_are_taken_each_alone_and_neither_gets_worse(copied, tmp_path):
    folder, best, worse = copied
    answer, bound = known(folder)
    top, floor = STORED[folder.name].values(STORED[folder.name].verdict)
    assert answer > top
    assert bound < floor
    handed = tmp_path / "handed.json"
    dataclasses.replace(best, bound=Fraction(1, 2), argument="mean").save(handed)
    assert hand_in.hand_in(handed, ME) == [f"{folder.name}, open: answer {top} instead of {answer}"]
    assert known(folder) == (top, bound)
    assert collection.read(folder).about["answer"] == vars(ME)
    assert collection.read(folder).about["bound"] == STORED[folder.name].about["bound"]
    dataclasses.replace(worse, bound=best.bound, argument=best.argument).save(handed)
    assert hand_in.hand_in(handed, ME) == [f"{folder.name}, closed: bound {floor} instead of {bound}"]
    assert known(folder) == (top, floor)
    for certificate in (worse, best):
        certificate.save(handed)
        assert hand_in.hand_in(handed, ME) == []
        assert known(folder) == (top, floor)


def test_a_certificate_that_is_rejected_or_of_no_instance_changes_nothing(copied, tmp_path, monkeypatch, capsys):
    folder, best, _ = copied
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    handed = tmp_path / "handed.json"
    false = {
        "no mean argument": {"bound": best.bound + 1, "argument": "mean"},
        "placed nowhere": {"physical_to_logical": best.physical_to_logical * 0},
        "speaks of no instance": {"recorded": "0" * 64},
    }
    for words, changes in false.items():
        dataclasses.replace(best, **changes).save(handed)
        monkeypatch.setattr(sys, "argv", ["hand_in.py", str(handed), "--by", "nobody"])
        assert hand_in.main() == 1
        assert words in capsys.readouterr().err
    handed.write_text("{}")
    assert hand_in.main() == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_instance_is_made_solved_and_told_about_anew_but_its_name_never_gets_another_problem(tmp_path):
    stated = statements.Stated("tiny", PlacementProblem([5, 4, 3], 4, 2), "three experts", "made for this test")
    one = make.stated(stated, tmp_path)
    assert (one.certificate, one.closed) == (None, False)
    assert collection.digest(one.problem) == collection.digest(stated.problem)
    make.improve(one, "placement-search", 5)
    one = make.stated(dataclasses.replace(stated, description="no more than three"), tmp_path)
    assert (one.about["description"], one.closed) == ("no more than three", True)
    assert one.values(one.verdict) == (Fraction(13, 2), Fraction(13, 2))
    with pytest.raises(SystemExit, match="another name"):
        make.stated(dataclasses.replace(stated, problem=PlacementProblem([5, 4, 4], 4, 2)), tmp_path)
