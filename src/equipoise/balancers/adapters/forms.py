"""Forms: what a framework's balancer looks like, told from its signature, and the adapter that it needs."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, partial
from typing import Any

import numpy.typing as npt

from equipoise.errors import InvalidProblem
from equipoise.roles import all_roles
from equipoise.roles.role import Role

ToTensor = Callable[[npt.NDArray[Any]], Any]
"""Turns a NumPy array into what the balancer takes: ``torch.from_numpy``, or ``as_given`` for NumPy itself."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Form:
    """What a framework's balancer looks like.

    Attributes
    ----------
    name, role
        Its own, and that of the balancers that have it.
    example
        The call that a framework makes, in one line.
    recognises
        ``recognises(found, names)``: whether a function, class or object with these parameters has this form.
    adapt
        ``adapt(found)``: the balancer that its role knows how to call.
    general
        Whether it fits much that has a form of its own: it is asked last.
    told
        Whether it says nothing about the role: only where that is told, it is asked at all.
    """

    name: str
    role: str
    example: str
    recognises: Callable[[Any, list[str]], bool]
    adapt: Callable[[Any], Any]
    general: bool = False
    told: bool = False


@cache
def all_forms() -> tuple[Form, ...]:
    """Return the forms of this package, one a module, the general ones last."""
    package = __name__.rpartition(".")[0]
    places = importlib.import_module(package).__path__
    modules = (importlib.import_module(one.name) for one in pkgutil.iter_modules(places, f"{package}."))
    found = [form for module in modules if isinstance(form := getattr(module, "FORM", None), Form)]
    return tuple(sorted(found, key=lambda form: form.general))


def form_named(name: str, role: str | None = None) -> Form:
    """Return a form by name.

    Raises
    ------
    InvalidProblem
        If there is none, or none of this role.
    """
    known = {form.name: form for form in all_forms() if role in (None, form.role)}
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidProblem("form", repr(name), ", ".join(known) + hint)
    return known[name]


def form_of(found: Any, role: str | None = None) -> Form | None:
    """Return the form that a function, class or object has, of this role or of any; None for a plain one."""
    names = [parameter.name for parameter in parameters(found)]
    asked = (form for form in all_forms() if role == form.role or (role is None and not form.told))
    return next((form for form in asked if form.recognises(found, names)), None)


def role_of(found: Any) -> Role | None:
    """Return the role of a balancer, or of the class of one; None where its parameters tell none or several."""
    roles = all_roles()
    if (form := form_of(found)) is not None:
        return roles[form.role]
    declared = getattr(found, "capabilities", ())
    kinds = [role for role in roles.values() if isinstance(declared, Iterable) and {*declared} & {*role.kinds}]
    if len(kinds) == 1:
        return kinds[0]
    known = parameters(found)
    names = {parameter.name for parameter in known}
    required = {p.name for p in known if p.default is p.empty and p.kind in _POSITIONAL}
    for told in (required, names):
        fitting = [role for role in roles.values() if role.telltales & told]
        if len(fitting) == 1:
            return fitting[0]
    alike = [role for role in roles.values() if len(role.arguments) == len(required)]
    return alike[0] if not fitting and len(alike) == 1 else None


def parameters(found: Any) -> list[inspect.Parameter]:
    """Return what a balancer is called with; of a class, what its instances are; empty where that cannot be told."""
    if isinstance(found, type):
        called = getattr(found, "__call__", None)  # noqa: B004
        unbound = True
    else:
        called, unbound = found, False
    try:
        known = list(inspect.signature(called).parameters.values())[unbound:]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return []
    variadic = all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in known)
    if variadic and callable(forward := getattr(found, "forward", None)):  # torch.nn.Module
        return list(inspect.signature(forward).parameters.values())[unbound:]
    return known


def required_parameters(found: Any) -> list[inspect.Parameter]:
    """Return the positional parameters without a default of a callable, in order."""
    known = inspect.signature(found).parameters.values()
    return [p for p in known if p.default is p.empty and p.kind in _POSITIONAL]


def defaults_of(found: Any) -> dict[str, Any]:
    """Return the parameters of a callable with their defaults, partials included; None where there is none."""
    return {p.name: None if p.default is p.empty else p.default for p in parameters(found)}


def as_given(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array itself."""
    return array


def to_tensor_of(function: Any) -> ToTensor:
    """Return what makes a torch tensor for a function or class of a module that uses torch, else :func:`as_given`."""
    used = "torch" in sys.modules and (inspect.isbuiltin(function) or uses(function, "torch"))
    return sys.modules["torch"].from_numpy if used else as_given


def uses(found: Any, name: str) -> bool:
    """Whether the module that a function, method, partial, class or object is written in has a name for a module."""
    return name in sys.modules and sys.modules[name] in _modules(found)


def _modules(found: Any) -> list[Any]:
    """Return what the module that a function, method, partial, class or object is written in has names for."""
    while isinstance(found, partial):
        found = found.func
    found = inspect.unwrap(getattr(found, "__func__", found)) if callable(found) else found
    if not hasattr(found, "__globals__"):
        module = sys.modules.get((found if isinstance(found, type) else type(found)).__module__)
        return [] if module is None else [*filter(inspect.ismodule, vars(module).values())]
    return [*filter(inspect.ismodule, found.__globals__.values())]
