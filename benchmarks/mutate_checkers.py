"""Mutation test of the checks of certificates: change their code in small ways, one at a time; do the tests notice?

    python benchmarks/mutate_checkers.py KIND [--forged 300] [--seconds 600] [--seed 0] [--forged-only]

A mutant is killed if it gives another verdict than the second, naive checker of tests/second_checkers.py on a genuine
certificate or a forged one, proves what enumeration refutes, breaks, or hangs; or if a test of the kind's certificates
(DIRECTED) fails in a process that has the mutant. Changed are the functions of the kind's own file in
certificates/check/ and of the files that no other kind uses. Prints every survivor with its line, and counts; most
survivors change what a rejected certificate's verdict says beside "rejected", or how fast it is found.
"""

import argparse
import ast
import importlib
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from mutate_checks import mutants  # noqa: E402

from equipoise import Certificate  # noqa: E402
from equipoise.certificates.certificate import KINDS  # noqa: E402
from forgeries import TooLarge, corrupt, originals, verdict  # noqa: E402
from second_checkers import valid  # noqa: E402
from worth import is_true  # noqa: E402

FILES = {
    "placement": ("placement", "components", "deals", "groups"),
    "replication": ("replication", "partition"),
    "migration": ("migration", "moves"),
}
"""Files of ``certificates/check/`` beside the one that has the kind's name."""
DIRECTED = {
    "assignment": "certificate",
    "limited": "limited_certificate",
    "traffic": "scheduling_traffic",
    "communication": "scheduling_communication",
}
"""Files of tests that check the certificates of a kind, where they have not its name."""
SEARCHES = ("_Search",)
"""Classes whose methods are changed."""
PATIENCE = 20
"""Seconds after which a mutant hangs, where all certificates take less than one."""

Case = tuple[Certificate, bool, dict[str, object]]


def corpus(kind: str, forged: int, seed: int, place: Path) -> list[Case]:
    """Return certificates of a kind, genuine and forged, with what the second checker says, and the documents."""
    chosen, found = np.random.default_rng(seed), []
    documents, _ = originals(kind, chosen, 30, place)
    for number in range(len(documents) + 10 * forged):
        changed = number >= len(documents)
        document = corrupt(documents[number % len(documents)], documents, chosen) if changed else documents[number]
        if len(found) > len(documents) + forged:
            break
        if verdict(document, place, True) is not None:
            try:
                expected = valid(document)
            except TooLarge:
                continue
            if expected is not None:
                found.append((Certificate.load(place), expected, document))
    return found


def changed_functions(module: object, tree: ast.Module) -> dict[str, object]:
    """Run a changed module and return its functions, bound to the module's own names and classes."""
    names = dict(vars(module))
    tree.body = [one for one in tree.body if not isinstance(one, ast.ClassDef) or one.name in SEARCHES]
    exec(compile(ast.fix_missing_locations(tree), "mutant", "exec"), names)
    return {one.name: names[one.name] for one in tree.body if isinstance(one, ast.FunctionDef)}


def right(case: Case) -> bool:
    """Whether a certificate gets the verdict of the second checker, and what is proved besides is true."""
    certificate, expected, document = case
    verdict = certificate.verify()
    try:
        return verdict.valid == expected and (verdict.status is None or is_true(document, verdict))
    except TooLarge:
        return True


def suite_fails(tests: list[str]) -> bool:
    """Whether a test fails, tried in a process of its own."""

    def run() -> None:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        late = "ignore::pytest.PytestAssertRewriteWarning"
        os._exit(pytest.main(["-xqq", "-p", "no:cacheprovider", "-W", late, *tests]))

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(15 * PATIENCE)
    if process.is_alive():
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.join()
    return process.exitcode != 0


def killed(module: object, tree: ast.Module, cases: list[Case], tests: list[str]) -> bool:
    """Whether some verdict is wrong, or the mutant breaks or hangs, or a test fails."""
    users = [one for name, one in sys.modules.items() if name.startswith("equipoise.certificates")]
    before = {name: getattr(module, name) for name in [one.name for one in tree.body if hasattr(one, "name")]}
    try:
        new = changed_functions(module, tree)
    except Exception:
        return True
    replaced = [(user, name) for user in users for name in new if vars(user).get(name) is before[name]]
    for user, name in replaced:
        setattr(user, name, new[name])
    try:
        signal.alarm(PATIENCE)
        wrong = not all(map(right, cases))
        signal.alarm(0)
        return wrong or (bool(tests) and suite_fails(tests))
    except Exception:
        return True
    finally:
        signal.alarm(0)
        for user, name in replaced:
            setattr(user, name, before[name])


def hangs(*_: object) -> None:
    """Raise where a mutant takes too long."""
    raise TimeoutError


def main() -> None:
    """Try the mutants of a kind."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("--forged", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--forged-only", action="store_true", help="run no test")
    given = parser.parse_args()
    signal.signal(signal.SIGALRM, hangs)
    name = DIRECTED.get(given.kind, given.kind.replace("-", "_"))
    files = ("attack_edges", "attack_edges_placement", name, "certificate_golden")
    tests = [str(ROOT / "tests" / f"test_{one}.py") for one in files]
    with tempfile.TemporaryDirectory() as place:
        cases = corpus(given.kind, given.forged, given.seed, Path(place) / "c.json")
    tests = [] if given.forged_only else tests
    assert all(map(right, cases))
    assert not tests or not suite_fails(tests)
    every = []
    for name in FILES.get(given.kind, (given.kind.replace("-", "_"),)):
        module = importlib.import_module(f"equipoise.certificates.check.{name}")
        every += [(module, *mutant) for mutant in mutants(Path(str(module.__file__)), SEARCHES)]
    random.Random(given.seed).shuffle(every)
    tried = survived = 0
    end = time.monotonic() + given.seconds
    for module, words, tree in every:
        if time.monotonic() > end:
            break
        tried += 1
        if not killed(module, tree, cases, tests):
            survived += 1
            print("survived:", words, flush=True)
    counts = json.dumps({"certificates": len(cases), "valid": sum(expected for _, expected, _ in cases)})
    print(
        f"{given.kind} {counts}: {tried} of {len(every)} mutants tried, {tried - survived} killed, {survived} survived"
    )


if __name__ == "__main__":
    main()
