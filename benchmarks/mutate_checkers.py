"""Mutation test of the checks of certificates: change their code in small ways, one at a time; do the tests notice?

    python benchmarks/mutate_checkers.py KIND [--forged 300] [--seconds 600] [--seed 0]

A mutant is killed if it gives another verdict than the second, naive checker of tests/second_checkers.py on a genuine
certificate or a forged one, proves a bound that enumeration refutes, or breaks. Changed are the functions of the kind's
own file in certificates/check/ and of the files that no other kind uses. Prints every survivor with its line, and
counts; most survivors change what a rejected certificate's verdict says beside "rejected", or how fast it is found.
"""

import argparse
import ast
import importlib
import json
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from mutate_checks import mutants  # noqa: E402

from equipoise import Certificate  # noqa: E402
from equipoise.certificates.certificate import KINDS  # noqa: E402
from forgeries import TooLarge, corrupt, originals, verdict  # noqa: E402
from second_checkers import valid  # noqa: E402

FILES = {
    "placement": ("placement", "components", "deals", "groups"),
    "replication": ("replication", "partition"),
    "migration": ("migration", "moves"),
}
"""Files of ``certificates/check/`` beside the one that has the kind's name."""


def corpus(kind: str, forged: int, seed: int, place: Path) -> list[tuple[Certificate, bool]]:
    """Return certificates of a kind, genuine and forged, and what the second checker says of each."""
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
                found.append((Certificate.load(place), expected))
    return found


def changed_functions(module: object, tree: ast.Module) -> dict[str, object]:
    """Run a changed module and return its functions, bound to the module's own names."""
    names = dict(vars(module))
    exec(compile(ast.fix_missing_locations(tree), "mutant", "exec"), names)
    return {one.name: names[one.name] for one in tree.body if isinstance(one, ast.FunctionDef)}


def killed(module: object, tree: ast.Module, cases: list[tuple[Certificate, bool]]) -> bool:
    """Whether some verdict is another one, or the mutant breaks."""
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
        return any(case.verify().valid != expected for case, expected in cases)
    except Exception:
        return True
    finally:
        for user, name in replaced:
            setattr(user, name, before[name])


def main() -> None:
    """Try the mutants of a kind."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("--forged", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        cases = corpus(given.kind, given.forged, given.seed, Path(place) / "c.json")
    every = []
    for name in FILES.get(given.kind, (given.kind.replace("-", "_"),)):
        module = importlib.import_module(f"equipoise.certificates.check.{name}")
        every += [(module, *mutant) for mutant in mutants(Path(str(module.__file__)))]
    random.Random(given.seed).shuffle(every)
    tried = survived = 0
    end = time.monotonic() + given.seconds
    for module, words, tree in every:
        if time.monotonic() > end:
            break
        tried += 1
        if not killed(module, tree, cases):
            survived += 1
            print("survived:", words, flush=True)
    counts = json.dumps({"certificates": len(cases), "valid": sum(expected for _, expected in cases)})
    print(
        f"{given.kind} {counts}: {tried} of {len(every)} mutants tried, {tried - survived} killed, {survived} survived"
    )


if __name__ == "__main__":
    main()
