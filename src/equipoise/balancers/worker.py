"""``python -m equipoise.balancers.worker MEMORY``: holds balancers that are asked for over its standard streams.

The first request, and any later one, may be ``take``: a target's name, its role or none, and where roles are defined.
Every other request names a method of :class:`~equipoise.balancers.balancer.Balancer`.
An answer has the number of its request.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from functools import partial
from typing import Any

from equipoise.balancers.balancer import Reply, describe
from equipoise.balancers.find import resolve
from equipoise.balancers.in_process import InProcess
from equipoise.balancers.marked import MARK, end_marked
from equipoise.balancers.wire import encoded, receive
from equipoise.errors import EquipoiseError, TargetError, TargetNotMade
from equipoise.lifeline import end_with
from equipoise.roles import register

METHODS = {"reply", "fresh", "reset", "train", "accepts", "attribute", "save_state", "restore_state"}


def limit_memory(size: int) -> None:
    """Bound this process's address space to ``size`` bytes where the platform can."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def serve() -> None:
    """Answer requests until the other side closes the pipe."""
    # Whatever the target writes to its standard streams, by whatever means, must not reach the pipe.
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    end_with(requests.fileno(), partial(end_marked, os.environ.get(MARK, "")))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    balancer: InProcess | None = None
    while True:
        try:
            request = receive(requests)
        except EOFError:
            return
        number, method = request.pop("number"), request.pop("do")
        if method == "take":
            balancer, reply = _take(**request)
        else:
            reply = _answer(balancer, method, **request)
        replies.write(_encoded(number, reply))
        replies.flush()
        if balancer is None:
            return


def _encoded(number: int, reply: dict[str, Any]) -> bytes:
    """Return the message; where it cannot be one, that is what the target returned."""
    try:
        return encoded({"number": number, **reply})
    except Exception as error:
        words = f"it returned something that cannot be sent ({error})"
        return encoded({"number": number, "error": words, "kind": "returns nothing readable"})


def _take(
    target: str, role: str | None, form: str | None, sizes: list[int] | None, homes: list[str]
) -> tuple[InProcess | None, dict[str, Any]]:
    """Return the balancer and what it is; none and the reason if there is no such target."""
    try:
        for home in homes:
            register(home)
        known, make = resolve(target, role, form)
        balancer = InProcess(target, known, make, None if sizes is None else tuple(sizes))
        told = {"role": known.name, "capabilities": sorted(balancer.capabilities), "sizes": balancer.sizes}
        return balancer, {"ok": told}
    except EquipoiseError as error:
        return None, {"refused": str(error), "found": isinstance(error, TargetNotMade)}
    except BaseException as error:
        return None, {"refused": f"{target} cannot be made: {describe(error)}", "found": True}


def _answer(balancer: InProcess | None, method: str, arguments: list[Any], keywords: dict[str, Any]) -> dict[str, Any]:
    try:
        if method not in METHODS:
            raise ValueError(f"no request {method!r}")
        found = getattr(balancer, method)(*arguments, **keywords)
        return {"ok": asdict(found) if isinstance(found, Reply) else found}
    except TargetError as error:
        return {"error": str(error), "kind": error.kind, "on purpose": error.on_purpose}
    except BaseException as error:
        return {"error": f"it raised {describe(error)}", "kind": "raises", "on purpose": False}


if __name__ == "__main__":
    limit_memory(int(sys.argv[1]))
    serve()
