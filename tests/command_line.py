"""``equipoise ...`` as a process: exit code and output. What a process does beside its start is the same everywhere;
so each is forked, where the platform can, from one that has done the imports and nothing else.
"""

import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired

SECONDS = 120
IMPORTED = (
    *("equipoise.cli.audit", "equipoise.audits.run", "equipoise.audits.router"),
    *("equipoise.cli.check", "equipoise.checks.check"),
    *("equipoise.checks.router", "equipoise.checks.scheduler", "equipoise.checks.placer", "equipoise.checks.predictor"),
    *("rich.progress", "rich.table", "ortools.graph.python.min_cost_flow", "ortools.graph.python.max_flow"),
)
"""What most commands import, and what starts no thread."""

_FORKS = "forkserver" in multiprocessing.get_all_start_methods()
_PROCESSES = multiprocessing.get_context("forkserver" if _FORKS else "spawn")
if _FORKS:
    _PROCESSES.set_forkserver_preload(list(IMPORTED))


def environment():
    return {**os.environ, "NO_COLOR": "1"}


def wait_until(condition, patience=120.0):
    """Wait for something that will happen, however long that takes on a busy machine."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def run(folder, *arguments):
    """Run the command line in the folder, as ``python -m equipoise`` there does."""
    words = ["equipoise", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as place:
        output, errors = Path(place, "output"), Path(place, "errors")
        process = _PROCESSES.Process(target=_main, args=(words, str(folder), environment(), str(output), str(errors)))
        process.start()
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()
            raise TimeoutExpired(words, SECONDS)
        return CompletedProcess(words, process.exitcode, output.read_text(), errors.read_text())


def _main(words, folder, variables, output, errors):
    for path, stream in ((output, 1), (errors, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    here = str(Path(__file__).parent)
    sys.argv, sys.path[:] = words, [folder, *(path for path in sys.path if path != here)]
    from equipoise.__main__ import main

    main()
