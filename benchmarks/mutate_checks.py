"""Mutation test of the checks: change their code in small ways, one at a time; the miniatures must notice.

    python benchmarks/mutate_checks.py ROLE [--module NAME] [--edges-only] [--share 0.1] [--seed 0] [--seconds 600]
    python benchmarks/mutate_checks.py ROLE --write    # all mutants; benchmarks/mutation/ROLE.toml keeps what survives
    python benchmarks/mutate_checks.py --page          # docs/measured/mutation.md of these files

A mutant is killed if a check of its module judges an edge wrongly (tests/test_check_edges.py), misses a miniature made
for it, flags a sound balancer, or breaks (tests/test_checks.py); a module without checks is tried in those that use it.
What is no judgement is left alone: families and what makes cases, what guides the search, and the words of a failure.
Sound are the first three balancers that are there for the module's checks; ``--edges-only`` tries neither these nor
miniatures. Prints every survivor with its line, and the counts; with ``--seconds`` the mutants are tried in random
order until the time is up. Why a mutant survives is written by hand into the file, and stays there as long as it does.
"""

import argparse
import ast
import copy
import importlib
import json
import random
import sys
import time
import tomllib
import types
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from kill_matrix import once  # noqa: E402
from pages import fill  # noqa: E402

from edges import borders_of, edges_of, missed, strayed  # noqa: E402
from equipoise.balancers.isolated import Isolated  # noqa: E402
from equipoise.checks.engine.registry import CHECKS, Check  # noqa: E402
from equipoise.checks.engine.settings import Settings  # noqa: E402
from equipoise.checks.engine.trial import run_check  # noqa: E402
from equipoise.files import write_whole  # noqa: E402
from equipoise.roles import all_roles  # noqa: E402
from miniatures import correct_targets, faulty_targets, has_parts  # noqa: E402

KEPT = ROOT / "benchmarks" / "mutation"
FEW = 3
"""Sound balancers that a mutant meets."""
SWAPS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def changes(node):
    """Yield words for every way to change one node, and the function that does it in place."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        yield "comparison", lambda n: n.ops.__setitem__(0, SWAPS[type(n.ops[0])]())
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in SWAPS:
        yield "operator", lambda n: setattr(n, "op", SWAPS[type(n.op)]())
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "number + 1", lambda n: setattr(n, "value", n.value + 1)
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield "negated", lambda n: setattr(n, "value", not n.value)
    if isinstance(node, ast.If | ast.IfExp):
        yield "if True", lambda n: setattr(n, "test", ast.Constant(True))
        yield "if False", lambda n: setattr(n, "test", ast.Constant(False))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "call dropped", lambda n: setattr(n, "value", ast.Constant(None))


def _makes_cases(function):
    """Whether a function is a family, or returns cases or what draws them."""
    if any(word in ast.unparse(one) for one in function.decorator_list for word in ("family", "production(")):
        return True
    return function.returns is not None and any(n in ast.unparse(function.returns) for n in ("Strategy", "Case"))


def _judgement(node):
    """Yield a node and what is below it, but not what guides the search and what a failure says."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("steer", "Failure", "Silent"):
        return
    if isinstance(node, ast.If) and "currently_in_test_context" in ast.unparse(node.test):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _judgement(child)


def mutants(path, classes=()):
    """Yield the words and the tree of every mutant of a module's functions, and of these classes' methods."""
    tree = ast.parse(path.read_text())
    methods = [f for c in tree.body if isinstance(c, ast.ClassDef) and c.name in classes for f in c.body]
    judging = [f for f in tree.body + methods if isinstance(f, ast.FunctionDef) and not _makes_cases(f)]
    bodies = {id(node) for function in judging for part in function.body for node in _judgement(part)}
    inside = {id(n) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for n in ast.walk(node)}
    for index, node in enumerate(ast.walk(tree)):
        if id(node) not in bodies or id(node) in inside:
            continue
        for words, change in changes(node):
            mutant = copy.deepcopy(tree)
            found = next(n for i, n in enumerate(ast.walk(mutant)) if i == index)
            change(found)
            yield f"{path.name}:{node.lineno} {words}: {ast.unparse(node).splitlines()[0][:90]}", mutant


def checks_of(path: Path, name: str, tree: ast.Module) -> list[Check]:
    """The checks that a changed module registers, or those that use it if it has none."""
    kept, package = dict(CHECKS), importlib.import_module(name.rpartition(".")[0])
    original = importlib.import_module(name)
    found = _registered(name, tree)
    if not found:
        users = [one for one in path.parent.glob("[!_]*.py") if one != path and _uses(one, path.stem)]
        found = [e for one in users for e in _registered(f"{package.__name__}.{one.stem}", ast.parse(one.read_text()))]
    sys.modules[name] = original
    setattr(package, path.stem, original)
    CHECKS.clear()
    CHECKS.update(kept)
    return found


def _uses(path: Path, module: str) -> bool:
    """Whether a module imports another one of its package."""
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    return any(module in ((one.module or "").split(".")[-1], *(n.name for n in one.names)) for one in imports)


def _registered(name: str, tree: ast.Module) -> list[Check]:
    """The checks of a module that is made of the tree, and stays in the place of the one of that name."""
    for entry in [entry for entry in CHECKS.values() if entry.function.__module__ == name]:
        del CHECKS[entry.name]
    before, module = set(CHECKS), types.ModuleType(name)
    exec(compile(ast.fix_missing_locations(tree), name, "exec"), module.__dict__)
    if before == set(CHECKS):
        sys.modules[name] = module
        setattr(importlib.import_module(name.rpartition(".")[0]), name.rpartition(".")[2], module)
    return [entry for entry in CHECKS.values() if entry.name not in before]


def sound_for(role: str, module: str) -> list[str]:
    """Sound balancers that are there for the checks of a module."""

    def meant(target: str) -> bool:
        return not has_parts(target) or module in importlib.import_module(target.partition(":")[0]).PARTS

    return sorted(filter(meant, correct_targets(role)), key=has_parts, reverse=True)[:FEW]


def killed(
    role: str, checks: list[Check], subjects: dict[str, Isolated], faulty: dict[str, str], sound: list[str]
) -> bool:
    """Whether an edge is judged wrongly, a miniature gets away, a sound balancer is flagged, or a check breaks."""
    by_name = {entry.name: entry for entry in checks}
    edges = [edge for edge in edges_of(role) if edge.check in by_name]
    borders = [border for border in borders_of(role) if border.check in by_name]
    try:
        if any(missed(by_name[edge.check].function, role, edge) is not None for edge in edges):
            return True
        if any(strayed(by_name[border.check], border) is not None for border in borders):
            return True
        for name, made_for in faulty.items():
            settings = Settings(max_gap=1.0, examples=60)
            if run_check(subjects[name], once(by_name[made_for]), settings).finding is None:
                return True
        for name in sound:
            capabilities = subjects[name].probe()
            for entry in checks:
                if entry.skipped(capabilities) is None:
                    outcome = run_check(subjects[name], once(entry), Settings(examples=12))
                    if outcome.finding is not None:
                        return True
    except Exception:
        return True
    return False


def survivors(role: str, options: argparse.Namespace) -> tuple[int, int, list[tuple[str, str]]]:
    """How many mutants there are and were tried; the module and the words of those that survive."""
    deadline, chosen = time.monotonic() + options.seconds, random.Random(options.seed)
    faulty_of = faulty_targets(role)
    folder = Path(importlib.import_module(f"equipoise.checks.{role}").__file__ or "").parent
    modules = sorted(path for path in folder.glob(f"{options.module or '[!_]*'}.py") if path.stem != "families")
    every = [(path.stem, *mutant) for path in modules for mutant in mutants(path)]
    subjects: dict[str, Isolated] = {}
    tried, found = 0, []
    for index in chosen.sample(range(len(every)), round(len(every) * options.share)):
        if time.monotonic() > deadline:
            break
        module, words, tree = every[index]
        checks = checks_of(folder / f"{module}.py", f"equipoise.checks.{role}.{module}", tree)
        names = {entry.name for entry in checks}
        faulty = {name: check for name, check in faulty_of.items() if check in names and not options.edges_only}
        sound = [] if options.edges_only else sound_for(role, module)
        for name in [*faulty, *sound]:
            subjects[name] = subjects.get(name) or Isolated(name, role, call_seconds=0.5)
        tried += 1
        if not killed(role, checks, subjects, faulty, sound):
            found.append((module, words))
            print("survived:", words, flush=True)
    for subject in subjects.values():
        subject.close()
    return len(every), tried, found


def stored(role: str) -> dict[str, Any]:
    """What the file of a role keeps."""
    path = KEPT / f"{role}.toml"
    return tomllib.loads(path.read_text()) if path.exists() else {"survivor": []}


def write(role: str, count: int, found: list[tuple[str, str]]) -> None:
    """Keep the survivors, each with the reason that it had."""
    known = {
        tuple(one[name] for name in ("module", "change", "source")): one["why"] for one in stored(role)["survivor"]
    }
    parts = [f"mutants = {count}\nkilled = {count - len(found)}\n"]
    for module, words in sorted(found):
        change, _, source = words.partition(" ")[2].partition(": ")
        told = {"module": module, "change": change, "source": source, "why": known.get((module, change, source), "")}
        parts.append("[[survivor]]\n" + "".join(f"{name} = {json.dumps(text)}\n" for name, text in told.items()))
    write_whole(KEPT / f"{role}.toml", "\n".join(parts).encode())


def page() -> None:
    """Fill in docs/measured/mutation.md."""
    rows, lists = ["| role | mutants | killed | survive |", "|---|---:|---:|---:|"], []
    for role in all_roles():
        kept = stored(role)
        rows.append(f"| {role} | {kept['mutants']} | {kept['killed']} | {len(kept['survivor'])} |")
        lists += [f"### {role}", "", "| module | change | why it survives |", "|---|---|---|"]
        for one in kept["survivor"]:
            source = one["source"].replace("|", "\\|")
            lists.append(f"| {one['module']} | {one['change']}: `{source}` | {one['why'] or 'not explained'} |")
        lists.append("")
    fill("measured/mutation.md", "counts", "\n".join(rows))
    fill("measured/mutation.md", "survivors", "\n".join(lists))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("role", nargs="?", choices=list(all_roles()))
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--module", help="of the role's checks, the only one that is changed")
    parser.add_argument("--edges-only", action="store_true", help="try no miniature and no sound balancer")
    parser.add_argument("--write", action="store_true", help="try all mutants, and keep the survivors")
    parser.add_argument("--page", action="store_true", help="write the page of what is kept")
    options = parser.parse_args()
    if options.role is not None:
        count, tried, found = survivors(options.role, options)
        print(f"{options.role}: {tried} of {count} mutants tried, {tried - len(found)} killed, {len(found)} survived")
        if options.write and tried == count and not options.module and not options.edges_only:
            write(options.role, count, found)
    if options.page:
        page()
