"""`equipoise solve` and `equipoise verify`: one problem, one certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from equipoise.cli.show import format_option, show_json, show_table

if TYPE_CHECKING:
    from equipoise.problems import Problem

EXACT = {"objective", "lower", "upper", "grid_error", "raw_objective"}


@click.command()
@click.argument("file", type=click.Path())
@click.option("--top-k", type=int, help="K, experts per token, where the file does not say it.")
@click.option("--capacity", type=int, help="Tokens an expert can take. [default: the file's, else ceil(T*K/E)]")
@click.option("--drop", is_flag=True, help="A token may take fewer than K experts.")
@click.option("--gate", help="What makes scores of FILE's numbers: softmax, sigmoid, sqrtsoftplus or none.")
@click.option("--solver", help="Engine; see `equipoise list`. [default: the fastest that certifies]")
@click.option("--time-limit", type=float, help="Seconds.")
@click.option("-o", "--output", type=click.Path(), help="Write the certificate here.")
@format_option
def solve(
    file: str,
    top_k: int | None,
    capacity: int | None,
    drop: bool,
    gate: str | None,
    solver: str | None,
    time_limit: float | None,
    output: str | None,
    form: str,
) -> int:
    """Solve the problem in FILE and certify the optimum.

    FILE is a score matrix [T, E] (NPY), or named arrays (NPZ, JSON) with the keys scores, or logits and gate, and
    optionally top_k, capacity, drop, mask; or a problem of any kind (JSON with "schema": "equipoise-problem/2"), as
    docs/reference/problem-files.md describes it. Exits with 0 if the optimum is proved, 1 if it is proved that there is
    no answer, 2 if the file cannot be read, 3 if nothing is proved.
    """
    from equipoise.solution import ARRAYS, PROVED
    from equipoise.solvers.solve import solve as find_optimum

    problem = _read(file, top_k, capacity, drop, gate)
    solution = find_optimum(problem, solver, time_limit)
    proof = solution.certificate if solution.objective is None else solution.proof
    written = output if proof is not None else None
    if proof is not None and output is not None:
        proof.save(output)
    document = {**solution.to_dict(), "certificate": written}
    if form == "json":
        show_json(document)
    else:
        facts = {name: value for name, value in document.items() if name not in {"schema", *ARRAYS}}
        show_table(("", "value"), [[name, _text(value, name in EXACT)] for name, value in facts.items()], form)
    if output is not None and written is None:
        click.echo(f"no certificate was written to {output}: no answer with a proved bound was found", err=True)
    if solution.evidence not in PROVED:
        return 3
    return 1 if solution.status == "infeasible" else 0


@click.command()
@click.argument("file", type=click.Path())
@click.option("--problem", type=click.Path(), help="The problem's own file, where it is not inside the certificate.")
@click.option("--top-k", type=int, help="K, where the problem's file does not say it.")
@click.option("--capacity", type=int, help="As given to `solve`.")
@click.option("--drop", is_flag=True, help="As given to `solve`.")
@click.option("--gate", help="As given to `solve`.")
@format_option
def verify(
    file: str,
    problem: str | None,
    top_k: int | None,
    capacity: int | None,
    drop: bool,
    gate: str | None,
    form: str,
) -> int:
    """Check a certificate without any solver: VERIFIED, with what it proves, or REJECTED, and why.

    "VERIFIED, optimal": nothing is better than its answer; "VERIFIED, infeasible": there is no answer; "VERIFIED,
    bounded": its answer is feasible, its bound is proved, and they do not meet. Without --problem the certificate is
    checked against the problem saved inside it. Exits with 0 if it is optimal or infeasible, 1 if it is rejected, 2 if
    a file cannot be read, 3 if it is bounded.
    """
    from fractions import Fraction
    from math import ceil

    from equipoise.certificates.certificate import Certificate
    from equipoise.solution import short

    certificate = Certificate.load(file)
    if problem is None and certificate.statement is None:
        raise click.UsageError(f"{file} does not contain its problem; give it with --problem")
    verdict = certificate.verify(None if problem is None else _read(problem, top_k, capacity, drop, gate))
    word, status, gap = "VERIFIED" if verdict.status else "REJECTED", verdict.status, certificate.gap(verdict)
    bounds = {"lower": verdict.lower, "upper": verdict.upper}
    if form == "json":
        head = {"schema": "equipoise-verdict/2", "verdict": word, "status": status, "reason": verdict.reason}
        show_json({**head, **bounds, "gap": gap})
    elif form == "markdown":
        rows = [["verdict", word], ["status", status or "-"], ["reason", verdict.reason]]
        rows += [[name, _text(bound, True)] for name, bound in bounds.items()]
        show_table(("", "value"), rows, form)
    else:
        click.echo(f"{word}, {status}: {verdict.reason}" if status else f"{word}: {verdict.reason}")
        known = [f"{name} {_text(bound, True)}" for name, bound in bounds.items() if bound is not None]
        if known:
            if status == "bounded" and gap is not None:
                known.append(f"at most {short(Fraction(ceil(gap * 10**6), 10**4))} % of the bound apart")
            click.echo("optimum proved between: " + ", ".join(known))
    return {None: 1, "bounded": 3}.get(status, 0)


def _read(file: str, top_k: int | None, capacity: int | None, drop: bool, gate: str | None) -> Problem:
    """Read a problem file, or else scores; the options are for scores alone."""
    from equipoise.certificates import problem_files
    from equipoise.traces.read import read_problem

    problem = problem_files.read(file)
    if problem is None:
        return read_problem(file, top_k, capacity, drop, gate)
    given = {"--top-k": top_k, "--capacity": capacity, "--drop": drop or None, "--gate": gate}
    for option, value in given.items():
        if value is not None:
            raise click.UsageError(f"{option} is given, but {file} states its whole problem; change the file")
    return problem


def _text(value: object, exact: bool = False) -> str:
    """Show a value; an exact one is a string "p/q" or a fraction, of which a float may say less."""
    from fractions import Fraction

    from equipoise.solution import short

    if value is None:
        return "-"
    if exact:
        number = Fraction(str(value))
        view = short(number)
        return view if Fraction(view) == number else f"{view} ({number})" if len(str(number)) < 40 else f"{view}..."
    if isinstance(value, list):
        return "; ".join(value) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
