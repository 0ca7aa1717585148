"""equipoise.toml and [tool.equipoise]: what stands there is as if it stood on the command line, which wins."""

import contextlib
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise import cli
from equipoise.checks.engine.report import Outcome, Report

SAID = {"role": "router", "form": "gshard", "accepts": "K == 1", "declares": ["drops", "online"]}
OF_CHECK = {
    "examples": 7,
    "max-gap": "5%",
    "exclude": ["router_answers", "router_breaks_ties"],
    "checks-as-of": "0.1",
    "seconds": 2.5,
    "seed": -3,
}
OF_AUDIT = {"baseline": "b.json", "tolerance": 0.001, "trace": "drift", "passes": 3, "workers": 2, "stream": True}
VALUES = {**SAID, **{f"check.{key}": value for key, value in OF_CHECK.items()}}


def toml(values):
    """Values by key, where "check.x" stands in the table of check."""
    tables = {"": [], "check": [], "audit": []}
    for place, value in values.items():
        table, _, key = place.rpartition(".")
        tables[table].append(f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}")
    named = [f"[{table}]\n" + "\n".join(lines) for table, lines in tables.items() if table]
    return "\n".join([*tables[""], *named]) + "\n"


def words(values):
    """The same on a command line."""
    line = []
    for place, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            line += [f"--{place.rpartition('.')[2]}"] + ([] if one is True else [str(one)])
    return line


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Stop(Exception):
    pass


@pytest.fixture
def calls(monkeypatch):
    """What the commands ask for, instead of doing it."""
    made = []

    def check(target, progress, **options):
        made.append((target, options))
        return Report(target, "router", [Outcome("router_answers", 1)])

    def audit(targets, progress, **options):
        made.append((targets, options))
        raise Stop

    monkeypatch.setattr("equipoise.checks.check.check", check)
    monkeypatch.setattr("equipoise.audits.run.audit", audit)
    return made


def asked(calls, *arguments):
    """Run a command; return what it asked for."""
    calls.clear()
    with contextlib.suppress(Stop):
        cli.commands.main([str(one) for one in arguments], standalone_mode=False)
    return list(calls)


@pytest.mark.parametrize("name", ["equipoise.toml", "pyproject.toml", "other.toml"])
def test_every_option_in_the_file_is_as_on_the_command_line(name, here, calls):
    for command, own in (("check", OF_CHECK), ("audit", OF_AUDIT)):
        values = {**SAID, **{f"{command}.{key}": value for key, value in own.items()}}
        table = 'targets = ["mine:route", "topk"]\n' + toml(values)
        if name == "pyproject.toml":
            table = "[tool.equipoise]\n" + table.replace("[check]", "[tool.equipoise.check]").replace(
                "[audit]", "[tool.equipoise.audit]"
            )
        (here / name).write_text(table)
        told = ["--config", name] if name == "other.toml" else []
        from_file = asked(calls, command, *told)
        assert from_file == asked(calls, command, "mine:route", "topk", "--config", "none", *words(values))
        assert from_file != asked(calls, command, "mine:route", "topk", "--config", "none")


@given(st.sets(st.sampled_from(sorted(VALUES))), st.sets(st.sampled_from(sorted(VALUES))))
def test_the_command_line_wins_and_what_it_leaves_out_comes_from_the_file(in_file, on_line):
    other = {**VALUES, "role": "placer", "accepts": "K == 2", "declares": ["random"], "check.examples": 9}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        made = []
        patch.setattr(
            "equipoise.checks.check.check", lambda target, progress, **options: made.append(options) or _fine()
        )
        Path("equipoise.toml").write_text(toml({key: other[key] for key in in_file}))
        asked_of_line = words({key: VALUES[key] for key in sorted(on_line)})
        merged = {key: VALUES[key] if key in on_line else other[key] for key in in_file | on_line}
        asked(made, "check", "topk", *asked_of_line)
        first = made[0]
        asked(made, "check", "topk", "--config", "none", *words(merged))
        assert first == made[0]


def _fine():
    return Report("topk", "router", [Outcome("router_answers", 1)])


def refused(capsys, *arguments):
    assert cli.run([str(one) for one in arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("target = []", "'targets'"),
        ("[check]\nexampels = 3", "'check.examples'"),
        ("max-gap = '5%'", "'check.max-gap'"),
        ("[check]\nmax_gap = 0.05", "'check.max-gap'"),
        ("[check]\nbaseline = 'b.json'", "'audit.baseline'"),
        ("[audit]\nrole = 'router'", "'role'"),
        ("[chekc]\nexamples = 3", "allowed: targets, role, as, form, accepts, declares, check, audit"),
        ("[audit]\nupdate-baseline = true", "update-baseline"),
        ("[check]\nin-process = true", "in-process"),
        ("[check]\nconfig = 'x'", "check.config"),
    ],
)
@pytest.mark.parametrize("command", ["check", "audit"])
def test_an_unknown_key_is_refused_with_the_nearest_one(text, near, command, here, capsys):
    (here / "equipoise.toml").write_text(text)
    error = refused(capsys, command)
    assert error.startswith("error: equipoise.toml has the key ")
    assert near in error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("targets = 'topk'", "targets is 'topk'; allowed: a list"),
        ("targets = [1, [2]]", "targets is [2]; allowed: a text or a number"),
        ("check = 3", "check is 3; allowed: a table"),
        ("[check]\nexamples = 'many'", "check.examples is 'many'"),
        ("[check]\nexamples = true", "check.examples is True; allowed: a text or a number"),
        ("[check]\nexamples = 0", "check.examples is 0"),
        ("[check]\nexamples = 2026-11-29", "allowed: a text or a number"),
        ("[check]\nexclude = 'router_answers'", "check.exclude is 'router_answers'; allowed: a list"),
        ("[check]\nmax-gap = -1", "check.max-gap is -1"),
        ("[check]\nformat = 'xml'", "check.format is 'xml'"),
        ("role = ", "is not TOML"),
        ("role = 1\nrole = 2", "is not TOML"),
        (f"role = {'9' * 10_000}", "is not TOML"),
        ("role = " + "[" * 100_000, "is not TOML"),
        ("#" * (1 << 20) + "\n", "at most 1048576"),
    ],
)
def test_a_value_that_is_none_is_refused_in_one_sentence_that_says_where(text, words, here, capsys):
    (here / "equipoise.toml").write_text(text)
    error = refused(capsys, "check")
    assert "equipoise.toml" in error
    assert words in error


def test_two_configurations_are_refused(here, capsys):
    (here / "equipoise.toml").write_text("")
    (here / "pyproject.toml").write_text("[tool.other]\n")
    assert "no TARGET" in _usage(capsys)
    (here / "pyproject.toml").write_text("[tool.equipoise]\n")
    assert "allowed: one of the two" in refused(capsys, "check")


def _usage(capsys):
    assert cli.run(["check"]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("pyproject.toml", "[tool]\nequipoise = 3", "tool.equipoise is 3; allowed: a table"),
        ("pyproject.toml", "[tool]\n", "has no table [tool.equipoise]"),
        ("gone.toml", None, "gone.toml cannot be read"),
    ],
)
def test_a_file_that_is_named_must_be_a_configuration(name, text, words, here, capsys):
    if text is not None:
        (here / name).write_text(text)
    assert words in refused(capsys, "check", "topk", "--config", name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no named pipes")
def test_a_pipe_is_no_configuration_and_is_not_waited_for(here, capsys):
    os.mkfifo(here / "equipoise.toml")
    assert "not a regular file" in refused(capsys, "check")


def test_a_configuration_in_a_folder_above_is_not_found(here, calls, monkeypatch, capsys):
    (here / "equipoise.toml").write_text("targets = ['topk']\n")
    (here / "below").mkdir()
    assert asked(calls, "check") != []
    monkeypatch.chdir(here / "below")
    assert "no TARGET" in _usage(capsys)


def test_a_tolerance_in_the_file_does_not_keep_a_baseline_from_being_made_anew(here, calls):
    (here / "equipoise.toml").write_text("[audit]\nbaseline = 'b.json'\ntolerance = '1%'\n")
    assert asked(calls, "audit")[0][1]["tolerance"] == 0.01
    assert asked(calls, "audit", "--update-baseline")[0][1]["tolerance"] == 0
    assert asked(calls, "audit", "--update-baseline", "--tolerance", "1%")[0][1]["tolerance"] == 0.01


def test_help_comes_whatever_the_file_says(here, capsys):
    (here / "equipoise.toml").write_text("nonsense = 1\n")
    assert cli.run(["check", "--help"]) == 0
    assert "--config" in capsys.readouterr().out


def test_the_file_on_the_page_says_what_the_page_says(here, calls):
    page = Path(__file__).parents[1] / "docs" / "how-to" / "ci.md"
    if not page.exists():
        pytest.skip("the tests run outside a checkout: docs/ is not here")
    (here / "equipoise.toml").write_text(page.read_text().partition("```toml\n")[2].partition("```")[0])
    target, options = asked(calls, "check")[0]
    assert (target, options["examples"], options["max_gap"], options["exclude"]) == (
        *("myrouter:route", 5, 3.0),
        ("router_breaks_ties",),
    )
    targets, options = asked(calls, "audit")[0]
    assert (targets, options["trace"], options["tolerance"]) == (("myrouter:route",), "drift", 0.001)
