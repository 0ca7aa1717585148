"""``python -m equipoise.isolation.worker TARGET ROLE MEMORY``: a host that is asked over its standard streams."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
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
    try:
        known, make = resolve(target, role or None)
        host = Host(make)
        send(replies, {"ok": {"role": known, "capabilities": host.capabilities()}})
    except EquipoiseError as error:
        send(replies, {"refused": str(error)})
        return
    except (Exception, SystemExit) as error:
        send(replies, {"refused": f"{target} cannot be made: {describe(error)}"})
        return
    while True:
        try:
            request = receive(requests)
        except EOFError:
            return
        send(replies, _answer(host, request))


def _answer(host: Host, request: dict[str, Any]) -> dict[str, Any]:
    try:
        match request["do"]:
            case "call":
                return {"ok": asdict(host.call(request["arguments"], request["keywords"]))}
            case "accepts":
                return {"ok": host.accepts(request["shape"])}
            case "train":
                host.train(request["series"])
                return {"ok": None}
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
