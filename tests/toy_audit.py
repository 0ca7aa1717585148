"""The audit of the toy role: how much load the experts that were picked have, beside the most that is possible."""

from dataclasses import replace

import numpy as np

from equipoise.audits.data import STEPS
from equipoise.audits.measures import Measure, Row, relative
from equipoise.audits.role_audit import Option, RoleAudit
from equipoise.errors import TargetError


def judge(contenders, unit, options, shared):
    """Ask for the option's number of experts, and compare their load with the largest."""
    rows = []
    for contender in contenders:
        for instance in unit:
            row = Row(contender.name, instance.name, {"experts": len(instance.total)})
            try:
                picked = contender.ask(instance.total, options["count"])
            except TargetError as error:
                rows.append(replace(row, error=str(error), kind=error.kind))
                continue
            reached = int(instance.total[picked].sum())
            most = int(np.sort(instance.total)[-options["count"] :].sum())
            values = {"lost": most - reached, "relative_loss": relative(most, reached)}
            evidence = {"optimum": "certified"}
            rows.append(replace(row, values=values, compared_with="the largest loads", evidence=evidence))
    return rows


AUDIT = RoleAudit(
    role="toy",
    data="loads",
    measures=(
        Measure("relative_loss", "share", title="loss", words="load beyond that of the picked", gap="loss"),
        Measure("lost", "tokens", title="tokens", words="the same in tokens"),
    ),
    judge=judge,
    units=lambda instances, options: [[instance] for instance in instances],
    options=(STEPS, Option("count", int, "Experts to pick.", 2, least=1)),
)
