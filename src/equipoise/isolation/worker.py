"""``python -m equipoise.isolation.worker TARGET ROLE MEMORY``: a host that is asked over its standard streams."""

from __future__ import annotations

import os
import sys
from typing import Any

from equipoise.errors import EquipoiseError, TargetError
from equipoise.isolation.host import Host
from equipoise.isolation.wire import receive, send
from equipoise.targets import describe, resolve


def limit_memory(size: int) -> None:
    """Bound this process's address space to ``size`` bytes where the platform can."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def serve(target: str, role: str) -> None:
    """Answer requests until the other side closes the pipe; an empty role is found out."""
    # Whatever the target writes to its standard streams, by whatever means, must not reach the pipe.
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    host, reply = _host(target, role)
    send(replies, reply)
    while host is not None:
        try:
            request = receive(requests)
        except EOFError:
            return
        if request["do"] == "take":
            host, reply = _host(request["target"], request["role"])
        else:
            reply = _answer(host, request)
        send(replies, reply)


def _host(target: str, role: str) -> tuple[Host | None, dict[str, Any]]:
    """Return the target's host and what it can do; no host and the reason if there is no such target."""
    try:
        known, make = resolve(target, role or None)
        host = Host(make)
        return host, {"ok": {"role": known, "capabilities": host.capabilities()}}
    except EquipoiseError as error:
        return None, {"refused": str(error)}
    except (Exception, SystemExit) as error:
        return None, {"refused": f"{target} cannot be made: {describe(error)}"}


def _answer(host: Host, request: dict[str, Any]) -> dict[str, Any]:
    try:
        match request["do"]:
            case "call":
                return {"ok": vars(host.call(request["arguments"], request["keywords"]))}
            case "train":
                host.train(request["series"])
                return {"ok": None}
            case "accepts":
                return {"ok": host.accepts(request["shape"])}
            case "attribute":
                return {"ok": host.attribute(request["name"])}
            case action:
                return {"ok": getattr(host, action)()}
    except TargetError as error:
        return {"error": str(error), "kind": error.kind}
    except (Exception, SystemExit) as error:
        return {"error": f"it raised {describe(error)}", "kind": "raises"}


if __name__ == "__main__":
    limit_memory(int(sys.argv[3]))
    serve(sys.argv[1], sys.argv[2])
