"""Hand in a better answer or a better bound of an open instance.

    equipoise solve benchmarks/instances/NAME/problem.json --time-limit 3600 -o proof.json
    python benchmarks/instances/hand_in.py proof.json --by "Ada Lovelace, column generation"

The certificate names its problem by its hash. The check is the only referee: a certificate that is rejected changes
nothing; of one that is not, the better answer and the better bound are taken, each alone if need be, and the page is
written anew.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path

from collection import Found, Refused, instances, offer, store
from instances_page import write_page

from equipoise import Certificate, EquipoiseError


def hand_in(file: Path, found: Found) -> list[str]:
    """Return what a certificate changed, in sentences; none if it is refereed but no better.

    Raises
    ------
    Refused
        If it speaks of no instance, or the check rejects it.
    """
    certificate = Certificate.load(file)
    for instance in instances():
        if instance.about["problem_sha256"] == certificate.digest:
            instance, changes = offer(instance, certificate, found)
            if changes:
                store(instance)
                write_page()
            return [f"{instance.name}, {instance.status}: {change}" for change in changes]
    raise Refused(f"{file} speaks of no instance: its problem has the hash {certificate.digest[:16]}...")


def main() -> int:
    """Referee one certificate; exit with 0 if it is better, 1 if it is rejected or no better, 2 if it is unreadable."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("certificate", type=Path)
    parser.add_argument("--by", required=True, help="who found it, and how")
    parser.add_argument("--seconds", type=float, help="how long that took")
    options = parser.parse_args()
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    try:
        changes = hand_in(options.certificate, Found(options.by, options.seconds, today))
    except Refused as error:
        print(f"REJECTED: {error}", file=sys.stderr)
        return 1
    except EquipoiseError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(changes or ["VERIFIED, but neither answer nor bound is better than what is known"]))
    return 0 if changes else 1


if __name__ == "__main__":
    sys.exit(main())
