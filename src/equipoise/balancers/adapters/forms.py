"""Forms: what a framework's balancer looks like, told from its signature, and the adapter that it needs."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy.typing as npt

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
    """

    name: str
    role: str
    example: str
    recognises: Callable[[Any, list[str]], bool]
    adapt: Callable[[Any], Any]


@cache
def all_forms() -> tuple[Form, ...]:
    """Return the forms of this package, one a module."""
    package = __name__.rpartition(".")[0]
    places = importlib.import_module(package).__path__
    modules = (importlib.import_module(one.name) for one in pkgutil.iter_modules(places, f"{package}."))
    return tuple(form for module in modules if isinstance(form := getattr(module, "FORM", None), Form))


def form_of(found: Any, role: str | None = None) -> Form | None:
    """Return the form that a function, class or object has, of this role or of any; None for a plain one."""
    names = [parameter.name for parameter in parameters(found)]
    fitting = (form for form in all_forms() if role in (None, form.role) and form.recognises(found, names))
    return next(fitting, None)


def role_of(found: Any) -> Role | None:
    """Return the role of a balancer, or of the class of one; None where its parameters tell none or several."""
    roles = all_roles()
    if (form := form_of(found)) is not None:
        return roles[form.role]
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


def as_given(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array itself."""
    return array


def to_tensor_of(function: Any) -> ToTensor:
    """Return ``torch.from_numpy`` for a function of a module that uses torch, else :func:`as_given`."""
    torch = sys.modules.get("torch")
    function = getattr(function, "__func__", function)
    used = torch is not None and any(value is torch for value in getattr(function, "__globals__", {}).values())
    return torch.from_numpy if used else as_given  # type: ignore[union-attr]
