"""Make the open instances, and look for better answers and bounds with the engines.

    python benchmarks/instances/make.py                              # those that are missing, by the default engine
    python benchmarks/instances/make.py --all --time-limit 600       # all that are open
    python benchmarks/instances/make.py --all --solver ortools-cpsat NAME...

What is stored is only ever replaced by what is better: an answer, a bound, or both.
"""

from __future__ import annotations

import argparse
import datetime
import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from collection import HERE, Found, Instance, Refused, digest, offer, read, store, write_about
from statements import Stated, statements

from equipoise import available_solvers, solve
from equipoise.certificates import problem_files
from equipoise.files import write_whole

TIME_LIMIT = 60.0


def stated(statement: Stated, home: Path = HERE) -> Instance:
    """Return the instance of a statement, told about as stated; write its problem where there is none yet."""
    folder, own = home / statement.name, digest(statement.problem)
    if not (folder / "about.json").exists():
        folder.mkdir(exist_ok=True)
        content = json.dumps(problem_files.plain(statement.problem), separators=(",", ":")) + "\n"
        write_whole(folder / "problem.json", content.encode())
        kind = problem_files.plain(statement.problem)["kind"]
        write_about(Instance(folder, {"kind": kind, "version": 1, "problem_sha256": own}, None))
    instance = read(folder)
    if instance.about["problem_sha256"] != own:
        raise SystemExit(f"{statement.name} is stored with another problem; give the new one another name")
    told = {name: getattr(statement, name) for name in ("description", "provenance", "licence")}
    instance = replace(instance, about=instance.about | told)
    write_about(instance)
    return instance


def improve(instance: Instance, solver: str | None, time_limit: float) -> str:
    """Solve an instance, store what is better, and say what that is."""
    solution = solve(instance.problem, solver, time_limit)
    if solution.proof is None or solution.objective is None:
        return f"{solution.solver} found nothing: {solution.raw_status}"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    found = Found(f"Equipoise {version('equipoise')}, {solution.solver}", round(solution.seconds, 1), today)
    try:
        instance, changes = offer(instance, solution.proof, found)
    except Refused as error:
        return str(error)
    if changes:
        store(instance)
    said = "; ".join(changes) or "nothing better"
    return f"{solution.solver} {solution.seconds:.1f} s: {said}; {instance.status}"


def main() -> None:
    """Make and improve what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="instances; default: all")
    parser.add_argument("--all", action="store_true", help="also open instances for which something is known")
    parser.add_argument(
        "--solver",
        action="append",
        help="engine, may be given several times, left out where it does not fit; default: that of solve",
    )
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT, metavar="SECONDS", help="of each engine")
    options = parser.parse_args()
    known = {statement.name: statement for statement in statements()}
    if unknown := set(options.names) - set(known):
        parser.error(f"there is no instance {', '.join(sorted(unknown))}")
    for name in options.names or known:
        instance = stated(known[name])
        able = available_solvers(instance.problem)
        for solver in [one for one in options.solver if one in able] if options.solver else [None]:
            if instance.certificate is not None and (instance.closed or not options.all):
                break
            print(f"{name}: {improve(instance, solver, options.time_limit)}", flush=True)
            instance = read(instance.folder)


if __name__ == "__main__":
    main()
