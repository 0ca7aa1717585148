"""What the pages show is what happens: their commands run, in order, and their output is in the real one.

In a page, a ``python`` block that starts with ``# NAME.py`` is a file of the reader's; a ``console`` block holds
commands after ``$``, each followed by lines of its output, in order, ``...`` for any number of others. A command exits
with 0 unless ``# exits with N`` stands behind it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted(page.name for page in DOCS.glob("*.md") if "```console\n" in page.read_text())


def steps(text):
    """Yield ("file", name, content) and ("run", command, code, lines of output) in the order of the page."""
    for kind, content in BLOCK.findall(text):
        if kind == "python":
            if name := re.match(r"# (\w+\.py)\n", content):
                yield "file", name[1], content
            continue
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


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_it_says(page, tmp_path):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "NO_COLOR": "1", "COLUMNS": "120", "CI": "1"}  # no deadlines
    ran = 0
    for kind, name, *rest in steps((DOCS / page).read_text()):
        if kind == "file":
            (tmp_path / name).write_text(rest[0])
            continue
        code, expected = rest
        done = subprocess.run(
            ["bash", "-e", "-c", name], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        output = done.stdout + done.stderr
        assert done.returncode == code, f"$ {name}\n{output}"
        assert missing(expected, output) is None, f"$ {name}\n{output}"
        ran += 1
    assert ran > 0


def test_the_pages_that_promise_commands_have_some():
    if not DOCS.is_dir():
        pytest.skip("the tests run outside a checkout: docs/ is not here")
    assert {"tutorial.md", "check.md", "ci.md", "failure.md", "write-a-check.md", "strategies.md"} <= set(PAGES)
