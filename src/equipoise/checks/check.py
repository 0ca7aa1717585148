"""Checking a balancer, and running one finding again: what ``equipoise check`` and ``equipoise replay`` do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from equipoise.balancers.balancer import CALL_SECONDS
from equipoise.balancers.find import Target
from equipoise.checks.engine.expected import expecting
from equipoise.checks.engine.findings import Finding, load
from equipoise.checks.engine.registry import Check, Failure, Silent, check_named, select
from equipoise.checks.engine.report import Report
from equipoise.checks.engine.run import run_checks
from equipoise.checks.engine.settings import Settings
from equipoise.errors import EquipoiseError, InvalidProblem, TargetError
from equipoise.roles import role_named, said


def check(
    target: Any,
    role: str | None = None,
    max_gap: float | None = None,
    *,
    as_: str | None = None,
    form: str | None = None,
    experts: int | None = None,
    top_k: int | None = None,
    accepts: str | None = None,
    declares: Iterable[str] = (),
    exclude: Iterable[str] = (),
    checks_as_of: str | None = None,
    expected_failed_checks: Mapping[str, str] | None = None,
    in_process: bool = False,
    progress: Callable[[Check, int], None] = lambda entry, total: None,
    **settings: Any,
) -> Report:
    """Check a balancer against the properties of its role; what is found is saved under ``.equipoise/``.

    The cases are fixed by counts and the seed: the report is the same on every machine that has the same versions of
    Equipoise and Hypothesis, unless a time limit strikes.

    Parameters
    ----------
    target
        A name as on the command line, a function, a class, or an object. It runs in a process of its own where another
        process can find it by name.
    role
        Name of a role that ships or is registered; None: told from the target's
        parameters.
    max_gap
        Largest relative gap to the certified optimum, for instance 0.01.
    as_
        What it computes, of a role whose targets compute different things: for instance "max-vio" of a metric, which
        tells the role too. It is one of the role's declarations.
    form
        Name of the call form that it has, where its parameters do not tell: ``equipoise list --forms``.
    experts, top_k
        The only sizes that a router is tried at; both or neither.
    accepts
        Which inputs it takes, as a condition on their sizes, for instance "K < E and T*K % E == 0" of a router; no
        others are tried. docs/reference/expectations.md has the letters of every role.
    declares
        What is declared for it, beside what stands in its own ``capabilities``: for instance "drops" of a router.
        docs/reference/expectations.md has the declarations of every role.
    exclude, checks_as_of
        Names of checks to leave out; version after which checks are left out.
    expected_failed_checks
        Reasons by name of check. Such a failure is a warning; so is one that does not come, or that no check has.
    in_process
        Run it in this process, for a debugger.
    progress
        Called with each check before it runs, and their number.
    **settings
        ``examples``, ``shrink_steps``, ``seed``, ``call_seconds``, ``seconds``, ``run_seconds``:
        :class:`~equipoise.checks.engine.settings.Settings`.

    Raises
    ------
    TargetNotFound
        If the target cannot be found or made, or its role cannot be told.
    InvalidProblem
        If a name or a number is none.
    """
    chosen = Settings(max_gap, **settings)
    if (experts is None) != (top_k is None):
        raise InvalidProblem("experts" if top_k is None else "top_k", "not given", "both experts and top_k, or neither")
    sizes = None if experts is None or top_k is None else (experts, top_k)
    role, declares = said(as_, role, declares)
    tried = Target.of(target, role, form, sizes, accepts, declares)
    with tried.hold(in_process=in_process, call_seconds=chosen.call_seconds) as balancer:
        checks = select(balancer.role.name, exclude, checks_as_of)
        report = run_checks(balancer, checks, chosen, lambda entry: progress(entry, len(checks)))
    report = expecting(report, expected_failed_checks or {})
    for finding in report.findings:
        finding.save()
    return report


def replay(
    finding: str | Finding,
    target: Any = None,
    max_gap: float | None = None,
    *,
    form: str | None = None,
    in_process: bool = False,
) -> tuple[Literal["FIXED", "STILL FAILS", "ERROR"], str]:
    """Run one finding again, on its own target or on another; return what happened, and a sentence.

    Parameters
    ----------
    finding
        Its id, the path of its file, or itself.
    form
        Of the target, where it is another than the one found with.

    Raises
    ------
    InvalidFile
        If there is no such finding.
    InvalidProblem
        If it is about a check that this version does not have.
    """
    saved = load(finding) if isinstance(finding, str) else finding
    entry = check_named(saved.check, select(saved.role), "finding", saved.role)
    said = form or (saved.form if target is None else None)
    declares = [one for one in saved.declares if target is None or one in role_named(saved.role).kinds]
    held = Target.of(saved.target if target is None else target, saved.role, said, declares=declares)
    try:
        with held.hold(in_process=in_process, call_seconds=CALL_SECONDS) as balancer:
            entry.function(balancer, saved.case, Settings(max_gap))
    except Silent as why:
        return "FIXED", f"{saved.check} says nothing about it any more: it {why}"
    except (Failure, TargetError) as failure:
        return "STILL FAILS", str(failure)
    except EquipoiseError as error:
        return "ERROR", str(error)
    return "FIXED", f"{saved.check} holds on the saved case"
