"""Forged certificates of every kind, and whether what the check says of them holds."""

import copy
import json
from fractions import Fraction
from itertools import count
from pathlib import Path

import numpy as np

from equipoise import (
    AssignmentProblem,
    Certificate,
    CommunicationProblem,
    EquipoiseError,
    FewExpertsProblem,
    GroupLimitedProblem,
    InvalidFile,
    Limit,
    LimitedProblem,
    MigrationProblem,
    PlacementProblem,
    ReplicationProblem,
    SchedulingProblem,
    TrafficProblem,
    solve,
)
from worth import TooLarge, is_true


def genuine(kind, random):
    """A small random problem of a kind; None where the numbers state none."""

    def some(low, high, *shape):
        return random.integers(low, high, shape)

    devices, experts = int(some(2, 4)), int(some(2, 4))
    hosts = random.random((experts, devices)) < 0.6
    hosts[np.arange(experts), some(0, devices, experts)] = True
    drop = bool(random.random() < 0.5)
    if kind in ("assignment", "limited", "group-limited", "few-experts"):
        width = 4 if kind in ("group-limited", "few-experts") else 3
        top_k = int(some(1, 3))
        plain = AssignmentProblem(some(-4, 9, 3, width), top_k, some(top_k, 4, width), drop)
        if kind == "limited":
            return LimitedProblem(plain, [Limit(int(some(1, 4)), experts=[0, 1])])
        if kind == "few-experts":
            return FewExpertsProblem(plain, int(some(1, width + 1)))
        return plain if kind == "assignment" else GroupLimitedProblem(plain, 2, int(some(1, 3)))
    if kind == "scheduling":
        form = {"base_load": some(0, 3, devices), "speed": some(1, 3, devices), "fractional": drop}
        return SchedulingProblem(some(0, 5, experts), hosts, **form)
    if kind == "communication":
        return CommunicationProblem(
            some(0, 2, 2, 2), hosts[:2, :2] | np.eye(2, dtype=bool), Fraction(1, int(some(1, 4)))
        )
    if kind == "traffic":
        hosts = hosts[:2, :2] | np.eye(2, dtype=bool)
        return TrafficProblem(some(0, 4, 2, 2), hosts, some(3, 9, 2), some(0, 4, 2, 2))
    if kind == "placement":
        nodes = {"num_groups": 2, "num_nodes": 2} if random.random() < 0.3 else {}
        split = "even" if nodes or random.random() < 0.5 else "free"
        return PlacementProblem(some(0, 12, 2 if nodes else int(some(2, 5))), 4, 2, split, **nodes)
    if kind == "migration":
        load = some(0, 12, int(some(2, 5)))
        problem = PlacementProblem(load, 4, 2, "even" if drop else "free")
        return MigrationProblem(problem, np.arange(4) % len(load), int(some(0, 3)))
    assert kind == "replication"
    limits = {"floor": int(some(0, 3)), "copies_per_expert": int(some(0, 3)), "most_copies": int(some(0, 4))}
    return ReplicationProblem(some(0, 12, 3), some(0, devices, 3), devices, some(0, 3, devices), **limits)


def originals(kind, random, wanted, path):
    """Documents that engines made of a kind; how many there were, and those that the check or the judge refused."""
    found, refused = [], []
    for _ in range(20 * wanted):
        if len(found) == wanted:
            break
        try:
            certificate = solve(genuine(kind, random)).proof
        except EquipoiseError:
            continue
        if certificate is None:
            continue
        certificate.save(path)
        document = json.loads(path.read_bytes())
        assert document["kind"] == kind
        found.append(document)
        said = Certificate.load(path).verify()
        if not said.status or not is_true(document, said):
            refused.append(document)
    return found, refused


def leaves(value, where=()):
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*where, key))
    yield where


EXTREME = [2**61, 2**61 + 1, 2**63 - 1, -(2**63), 2**64, -1, 10**50, True, None, "", "0/0", "1/3", 0.5, [], {}]


def corrupt(document, others, random):
    """Change one to three places: by a step, at the cost of a neighbour, or to an extreme.

    Or they are swapped, left out, doubled, or taken from another document.
    """
    forged = copy.deepcopy(document)
    for _ in range(random.integers(1, 4)):
        if random.random() < 0.2:
            name = str(random.choice([name for name in forged if name not in ("format", "version")]))
            other = others[random.integers(len(others))]
            forged[name] = copy.deepcopy(other.get(name, forged[name]))
            continue
        places = [where for where in leaves(forged) if where and where[0] not in ("format", "version")]
        *way, last = places[random.integers(len(places))]
        home = forged
        for key in way:
            home = home[key]
        old, how = home[last], random.random()
        others_there = [i for i, x in enumerate(home) if type(x) is int and i != last] if isinstance(home, list) else []
        if how < 0.15 and type(old) is int and others_there:  # the sum stays
            step = int(random.choice([1, 2, 5]))
            home[last] -= step
            home[others_there[random.integers(len(others_there))]] += step
        elif how < 0.6 and isinstance(old, int) and not isinstance(old, bool):
            home[last] = old + int(random.choice([-2, -1, 1, 2]))
        elif how < 0.6 and isinstance(old, bool):
            home[last] = not old
        elif how < 0.8 and isinstance(home, list):
            at = int(random.integers(len(home)))
            home[last], home[at] = home[at], home[last]
        elif how < 0.85 and isinstance(home, list):
            home.insert(last, copy.deepcopy(old)) if random.random() < 0.5 else home.pop(last)
        else:
            home[last] = copy.deepcopy(EXTREME[random.integers(len(EXTREME))])
    return forged


def verdict(document, path: Path, rehash):
    """What the check says, None if the file is unreadable; with the right hash of whatever it states, if asked."""
    path.write_text(json.dumps(document))
    try:
        certificate = Certificate.load(path)
        if rehash and certificate.statement is not None:
            document["problem_sha256"] = certificate.statement.digest
            path.write_text(json.dumps(document))
            certificate = Certificate.load(path)
        return certificate.verify()
    except InvalidFile:
        return None


def attack(kind, seed, forgeries, path, bases=20, second=None):
    """Forge claims of a kind until so many of them can be read; return counts, and what was judged wrongly.

    Counted are, of the ``genuine`` ones, those that the check or the judge "refused"; of the forged ones the
    "unreadable", "rejected" and "accepted" (as optimal, infeasible or bounded), and of these the "false" and, where
    there is too much to try, "not judged". With a ``second`` checker of optima, those on which the two "differ" are
    wrong as well.
    """
    random = np.random.default_rng(seed)
    documents, refused = originals(kind, random, bases, path)
    wrong = list(refused)
    names = ("unreadable", "rejected", "accepted", "false", "not judged", "differ")
    counts = {"genuine": len(documents), "refused": len(refused), **dict.fromkeys(names, 0)}
    for number in count():
        if counts["rejected"] + counts["accepted"] >= forgeries:
            break
        forged = corrupt(documents[number % len(documents)], documents, random)
        rehash = random.random() < 0.7
        found = verdict(forged, path, rehash)
        if found is None:
            counts["unreadable"] += 1
            continue
        counts["accepted" if found.status else "rejected"] += 1
        try:
            if second is not None and rehash and second(forged) not in (None, found.valid):
                counts["differ"] += 1
                wrong.append(forged)
            if found.status and not is_true(forged, found):
                counts["false"] += 1
                wrong.append(forged)
        except TooLarge:
            counts["not judged"] += 1
    return counts, wrong
