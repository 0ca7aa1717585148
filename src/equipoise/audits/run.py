"""Run an audit: targets of one role on the units of a trace, here or in workers, whatever the role."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from equipoise.audits.baseline import Baseline
from equipoise.audits.contender import CALL_SECONDS, contenders, settled
from equipoise.audits.data import hashes, instances_of
from equipoise.audits.measures import Row
from equipoise.audits.result import Audit, environment
from equipoise.audits.role_audit import Option, Options, RoleAudit
from equipoise.balancers.adapters.forms import form_named
from equipoise.balancers.find import Target
from equipoise.balancers.pool import POOL
from equipoise.conditions import Condition
from equipoise.errors import InvalidFile, InvalidProblem, TargetError
from equipoise.executors import in_order, open_executor
from equipoise.roles import all_roles, role_named, said
from equipoise.roles.role import Role

Progress = Callable[[int, int], None]


def role_audit(role: str) -> RoleAudit:
    """Return how balancers of a role are audited."""
    found: RoleAudit = importlib.import_module(role_named(role).audit).AUDIT
    return found


def audit(
    targets: Any = (),
    *,
    role: str | None = None,
    as_: str | None = None,
    form: str | None = None,
    trace: Any = "recorded",
    workers: int | None = None,
    dask: str | None = None,
    call_seconds: float = CALL_SECONDS,
    accepts: str | None = None,
    declares: Iterable[str] = (),
    baseline: str | PathLike[str] | None = None,
    update_baseline: bool = False,
    tolerance: float = 0.0,
    progress: Progress | None = None,
    **options: Any,
) -> Audit:
    """Compare balancers with proved optima on a trace.

    Parameters
    ----------
    targets
        One or more: names (built-in, ``package.module:attribute``, ``file.py:attribute``, ``cmd:COMMAND``), functions,
        classes or objects. None of them: all built-in balancers of the role that take any input.
    role
        Name of a role that ships or is registered; None: told from the targets.
    as_
        What the targets that do not ship with Equipoise compute: see :func:`equipoise.check`.
    form
        Name of the call form of all targets that do not ship with Equipoise; None: told from each.
    trace
        "recorded" (ships with Equipoise), another name that the role knows, a path, an array (scores ``[T, E]`` beside
        ``top_k``, loads ``[E]`` or ``[N, E]``, a series ``[S, E]``), or a list of instances.
    workers, dask
        Local processes, or the address of a Dask cluster; None: this process. It makes no difference to the rows.
    call_seconds
        Time limit of one call of a target that has a process of its own.
    accepts
        Which instances the targets take, as a condition on their sizes, for instance "K == 1" of routers. What a target
        does not accept, as it says itself or as is said here, is not judged, nor what it refuses by raising.
    declares
        What is declared for the targets that do not ship with Equipoise: see :func:`equipoise.check`.
    baseline
        File with the gaps of an earlier audit; every gap is compared with it, within ``tolerance`` (a share). With
        ``update_baseline`` it is written instead.
    progress
        Called with the units that are done and all there are.
    **options
        The role's own: see :func:`options_of` and docs/reference.

    Raises
    ------
    InvalidProblem
        If an option or the role is unknown, or the targets are of different roles.
    TargetNotFound
        If a target cannot be found or made.
    InvalidFile
        If a trace or baseline cannot be read, or the baseline is of another audit.
    """
    role, declares = said(as_, role, declares)
    if form is not None:
        form_named(form, role)  # an error here, also where every target ships and has no need of it
    found = _targets(targets, role, form)
    role = _common_role(found) if role is None else role
    if accepts is not None:
        Condition(accepts, role_named(role).letters)  # an error here, before any work
        found = [replace(target, accepts=accepts) for target in found]
    if declares := tuple(role_named(role).declared(declares)):
        found = [target if target.entry else replace(target, declares=declares) for target in found]
    chosen, settings = choose(role, options)
    instances, name, warnings = instances_of(chosen, trace, settings)
    found = found or defaults(chosen, instances)
    units = chosen.units(instances, settings)
    made = {"role": role, "variant": chosen.variant, **_compared(chosen, settings)}
    gate = _BaselineGate(baseline, update_baseline, tolerance, made, partial(_hashed, chosen, units, settings))
    gate.open([target.name for target in found])
    shared = chosen.shared(instances, settings)
    with open_executor(workers, dask) as executor:
        rows = judge_units(chosen, found, units, settings, shared, call_seconds, executor, progress)
    result = Audit(chosen, rows, name, settings, shared, warnings + _omitted(chosen, targets), environment())
    return gate.close(result)


def judge_units(
    chosen: RoleAudit,
    targets: Sequence[Target],
    units: Sequence[list[Any]],
    options: Options,
    shared: Any,
    call_seconds: float = CALL_SECONDS,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> list[Row]:
    """Return the rows of all units, balancer by balancer."""
    rows: list[Row] = []
    work = partial(_judge, role_named(chosen.role), chosen.variant, targets, options, shared, call_seconds)
    if progress is not None:
        progress(0, len(units))
    for done, judged in enumerate(in_order(work, units, executor), 1):
        rows += judged
        if progress is not None:
            progress(done, len(units))
    order = {name: place for place, name in enumerate([*(target.name for target in targets), *chosen.beside])}
    return sorted(rows, key=lambda row: order[row.balancer])


def _judge(
    role: Role,
    variant: str,
    targets: Sequence[Target],
    options: Options,
    shared: Any,
    call_seconds: float,
    unit: list[Any],
) -> list[Row]:
    chosen = role_audit(role.name)
    with contenders(targets, call_seconds) as tried:
        return settled(tried, chosen.variants.get(variant, chosen).judge(tried, unit, options, shared))


def choose(role: str, given: Mapping[str, Any]) -> tuple[RoleAudit, dict[str, Any]]:
    """Return the audit that the options ask for, and the values of all its options.

    Raises
    ------
    InvalidProblem
        If an option is not one of this audit, or its value is out of range.
    """
    own = role_audit(role)
    flags = [name for name in own.variants if given.get(name)]
    if len(flags) > 1:
        raise InvalidProblem(_flag(flags[1]), f"given beside {_flag(flags[0])}", "one of the two")
    chosen = own.variants[flags[0]] if flags else own
    rest = {name: value for name, value in given.items() if name not in own.variants and value not in (None, ())}
    known = {option.name: option for option in chosen.options}
    for name in rest:
        if name not in known:
            raise _refused(name, role, own, flags)
    settings = {option.name: _value(option, rest.get(option.name)) for option in chosen.options}
    return chosen, settings


def options_of(role: str) -> tuple[Option, ...]:
    """Return the options of a role's audit."""
    return role_audit(role).flags


def defaults(chosen: RoleAudit, instances: Sequence[Any]) -> list[Target]:
    """Return the built-in balancers of the role that an audit takes without being told, on these instances."""
    return [
        Target(entry.name, entry.name, role=chosen.role)
        for entry in role_named(chosen.role).catalogue.values()
        if not entry.only_named and entry.takes(instances)
    ]


def _targets(given: Any, role: str | None, form: str | None) -> list[Target]:
    listed = [given] if isinstance(given, str | Target) or not isinstance(given, Iterable) else list(given)
    found = {}
    for one in listed:
        target = Target.of(one, role)
        if target.entry is None:
            target = Target.of(one, role, form)
        name, number = target.name, 2
        while target.name in found and not isinstance(one, str):
            target, number = replace(target, name=f"{name}#{number}"), number + 1
        found[target.name] = target
    return list(found.values())


def _common_role(targets: Sequence[Target]) -> str:
    """Return the role of the targets, told by holding each; a target that cannot start is what the others are."""
    roles: list[str] = []
    broken: TargetError | None = None
    for target in targets:
        try:
            with POOL.borrow(target, in_process=target.entry is not None, call_seconds=CALL_SECONDS) as balancer:
                roles.append(balancer.role.name)
        except TargetError as error:
            broken = TargetError(f"{target.name} cannot be tried: {error}", error.kind)
    if not roles and broken is not None:
        raise broken
    several = list(dict.fromkeys(roles))
    if len(several) > 1:
        raise InvalidProblem("targets", f"of different roles ({', '.join(several)})", "one role an audit")
    return several[0] if several else "router"


def _refused(name: str, role: str, own: RoleAudit, flags: Sequence[str]) -> InvalidProblem:
    """Say why an option does not go with this audit."""
    owners = [other for other in all_roles() if name in {*(one.name for one in options_of(other)), *_flags(other)}]
    if not owners:
        near = get_close_matches(name, {option.name for option in own.flags} | set(own.variants), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return InvalidProblem("option", repr(name), ", ".join(option.name for option in own.flags) + hint)
    if role not in owners:
        listed = ", ".join(owners[:-1]) + " and " * (len(owners) > 1) + owners[-1]
        return InvalidProblem(_flag(name), f"given for a {role}", f"only for {listed}")
    if flags:
        return InvalidProblem(_flag(name), f"given with {_flag(flags[0])}", f"only without {_flag(flags[0])}")
    variant = next(flag for flag, one in own.variants.items() if name in {option.name for option in one.options})
    return InvalidProblem(_flag(name), f"given without {_flag(variant)}", f"only with {_flag(variant)}")


def _flags(role: str) -> Mapping[str, RoleAudit]:
    return role_audit(role).variants


def _value(option: Option, given: Any) -> Any:
    if given is None:
        return option.default
    values = list(given) if option.several and not isinstance(given, str | int | float) else [given]
    for value in values:
        fits = isinstance(value, option.kind) or (option.kind is float and isinstance(value, int))
        if not fits or isinstance(value, bool) != (option.kind is bool):
            raise InvalidProblem(option.name, repr(value), f"of type {option.kind.__name__}")
        if option.least is not None and value < option.least:
            raise InvalidProblem(option.name, str(value), f"{option.least:g} or more")
    return tuple(values) if option.several else values[0]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _compared(chosen: RoleAudit, settings: Options) -> dict[str, Any]:
    """Return what decides the gaps of an audit, as JSON has it."""
    values = {option.name: settings[option.name] for option in chosen.options if option.compared}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _hashed(chosen: RoleAudit, units: list[list[Any]], settings: Options) -> dict[str, str]:
    return hashes(chosen.named(units, settings))


def _omitted(chosen: RoleAudit, targets: Any) -> list[str]:
    if targets not in ((), [], None):
        return []
    entries = role_named(chosen.role).catalogue.values()
    return [f"{entry.name} runs only if it is named: {entry.summary}" for entry in entries if entry.only_named]


class _BaselineGate:
    """What a baseline asks of an audit; nothing, if there is none."""

    def __init__(
        self,
        path: str | PathLike[str] | None,
        update: bool,
        tolerance: float,
        made: dict[str, Any],
        hashed: Callable[[], dict[str, str]],
    ) -> None:
        if path is None and (update or tolerance):
            raise InvalidProblem("--update-baseline or --tolerance", "given without --baseline FILE", "with it")
        if update and tolerance:
            raise InvalidProblem("--tolerance", "given with --update-baseline, which compares nothing", "one of them")
        self._path = None if path is None else Path(path)
        self._update, self._tolerance, self._made, self._hashed = update, tolerance, made, hashed
        self._instances: dict[str, str] = {}
        self._baseline: Baseline | None = None

    def open(self, targets: Sequence[str]) -> None:
        """Refuse, before any work, what cannot be compared."""
        if self._path is None:
            return
        self._instances = self._hashed()
        if self._update:
            if not self._path.absolute().parent.is_dir():
                raise InvalidFile(f"{self._path} cannot be written: there is no such folder")
            return
        self._baseline = Baseline.load(self._path)
        self._baseline.expect(self._made, self._instances, targets)

    def close(self, result: Audit) -> Audit:
        """Return the audit with its comparison, or write the baseline if every row is fit to be one."""
        if self._path is None:
            return result
        rows = [row for row in result.rows if row.balancer not in result.kind.beside]
        if self._baseline is not None:
            return result.compared(str(self._path), self._baseline.compare(rows, result.kind, self._tolerance))
        if not result.proved or result.broken:
            note = f"{self._path} is not written: a baseline needs proved optima and no broken target"
        else:
            Baseline.of(self._made, self._instances, rows, result.kind).save(self._path, result.environment)
            note = f"{self._path} is written: {len(rows)} rows"
        return result.noting(note)
