"""What the pages show is what happens: their commands and their Python run, in order, and give what stands below them.

In a page, a ``python`` block that starts with ``# NAME.py`` is a file of the reader's; a ``console`` block holds
commands after ``$``, each followed by lines of its output, in order, ``...`` for any number of others. A command exits
with 0 unless ``# exits with N`` stands behind it. All ``pycon`` blocks of a page are one Python session, a doctest,
which runs when the commands have run.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```(python|console|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEXTS = {path.relative_to(DOCS).as_posix(): path.read_text() for path in DOCS.rglob("*.md")}
PAGES = sorted(page for page, text in TEXTS.items() if "```console\n" in text or "```pycon\n" in text)
LONG = {"tutorials/devices.md", "tutorials/routers.md", "how-to/is-my-eplb-any-good.md"}
"""Pages that take most of a minute each; for nightly runs."""
RUN = [page for page in PAGES if page not in LONG or os.environ.get("EQUIPOISE_PROFILE") == "nightly"]
TUTORIALS = [page for page in PAGES if page.startswith("tutorials/")]
DOCTEST = [sys.executable, "-m", "doctest", "-o", "ELLIPSIS", "-o", "NORMALIZE_WHITESPACE", "session.txt"]


def steps(text):
    """Yield ("file", name, content), ("run", command, code, lines of output) and ("session", lines) in order."""
    for kind, content in BLOCK.findall(text):
        if kind == "pycon":
            yield "session", content
        elif kind == "python":
            if name := re.match(r"# (\w+\.py)\n", content):
                yield "file", name[1], content
        else:
            for part in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
                command, *lines = part.rstrip().splitlines()
                code = re.search(r"\s+# exits with (\d+)$", command)
                yield "run", command[: code.start()] if code else command, int(code[1]) if code else 0, lines


def missing(expected, output):
    """Return the first expected line that does not follow the ones before it in the output; None if all do."""
    rest = iter([" ".join(line.split()) for line in output.splitlines()])
    wanted = (" ".join(line.split()) for line in expected if line.strip() not in ("", "..."))
    return next((line for line in wanted if not any(_same(line, given) for given in rest)), None)


def _same(wanted, given):
    return given.startswith(wanted[:-3]) if wanted.endswith("...") else given == wanted


def test_a_line_that_is_not_there_or_not_in_order_is_missed():
    assert missing(["a", "...", " c  d"], "a\nb\nc d\n") is None
    assert missing(["a", "x"], "a\nb\n") == "x"
    assert missing(["b", "a"], "a\nb\n") == "a"
    assert missing(["ab..."], "abc") is None
    assert missing(["ab"], "abc") == "ab"
    page = "```console\n$ do it  # exits with 3\nout\n$ again\n```\n```python\n# a.py\nx = 1\n```\n"
    assert list(steps(page)) == [
        ("run", "do it", 3, ["out"]),
        ("run", "again", 0, []),
        ("file", "a.py", "# a.py\nx = 1\n"),
    ]


def run(command, folder):
    """Run a command in a folder as a reader would: no colours, a wide terminal, this environment's Python first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "NO_COLOR": "1", "COLUMNS": "120", "CI": "1"}  # no deadlines
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("shown", "good"), [("2", True), ("3", False)])
def test_a_session_that_shows_something_else_is_missed(shown, good, tmp_path):
    (tmp_path / "session.txt").write_text(f">>> x = 1\n>>> x + 1\n{shown}\n")
    code, output = run(DOCTEST, tmp_path)
    assert (code == 0) is good, output


@pytest.mark.parametrize("page", RUN)
def test_the_commands_and_sessions_of_a_page_do_what_it_says(page, tmp_path):
    lines = []
    for kind, name, *rest in steps(TEXTS[page]):
        if kind == "file":
            (tmp_path / name).write_text(rest[0])
        elif kind == "session":
            lines.append(name)
        else:
            wanted, expected = rest
            code, output = run(["bash", "-e", "-c", name], tmp_path)
            assert code == wanted, f"$ {name}\n{output}"
            assert missing(expected, output) is None, f"$ {name}\n{output}"
    if lines:
        (tmp_path / "session.txt").write_text("\n".join(lines))
        code, output = run(DOCTEST, tmp_path)
        assert code == 0, output


@pytest.mark.parametrize("page", TUTORIALS)
def test_every_command_of_a_tutorial_stands_beside_its_python(page):
    kinds = [kind for kind, _ in BLOCK.findall(TEXTS[page]) if kind != "python"]
    assert kinds == ["console", "pycon"] * (len(kinds) // 2)


def test_the_pages_that_promise_commands_have_some():
    if not DOCS.is_dir():
        pytest.skip("the tests run outside a checkout: docs/ is not here")
    how_to = {f"how-to/{page}.md" for page in ("check", "ci", "failure", "baselines", "write-a-check", "strategies")}
    assert {"tutorials/routers.md", "tutorials/devices.md", *how_to} <= set(PAGES)
