"""Forged certificates, and a naive judge of every kind: enumeration over the problem in the file.

A claim is true if its answer keeps every rule and nothing that keeps them is better. The judge reads the JSON document
and shares no code with the checks.
"""

import copy
import json
from fractions import Fraction
from functools import cache
from itertools import combinations, count, product
from math import prod
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

MOST = 10_000
"""Answers that are enumerated at most; larger problems are not judged."""


class TooLarge(Exception):
    """The problem has too many answers to try."""


def tried(options):
    if prod(map(len, options)) > MOST:
        raise TooLarge
    return product(*options)


def shares(total, places):
    """Every way to put ``total`` whole tokens on some of the places; zeros on others."""
    if total > 30:
        raise TooLarge
    options = [range(total + 1) if place else range(1) for place in places]
    return [row for row in tried(options) if sum(row) == total]


def subset_peak(load, hosts, base, speed, fractional=True):
    """Peak of the best split; rational by the subset formula, whole by trial."""
    devices = range(len(base))
    if not fractional:
        splits = tried([shares(total, row) for total, row in zip(load, hosts, strict=True)])
        return min(
            (max(Fraction(base[g] + sum(r[g] for r in rows), speed[g]) for g in devices) for rows in splits),
            default=None,
        )
    best = Fraction(0)
    for inside in product([False, True], repeat=len(base)):
        if any(inside):
            tied = sum(w for w, row in zip(load, hosts, strict=True) if all(inside[g] for g in devices if row[g]))
            best = max(
                best,
                Fraction(
                    tied + sum(base[g] for g in devices if inside[g]), sum(speed[g] for g in devices if inside[g])
                ),
            )
    return best


def routing(problem, experts):
    plain = problem.get("assignment", problem)
    scores, width = plain["scores"], len(plain["scores"][0])
    real = [t for t in range(len(scores)) if plain["mask"] is None or plain["mask"][t]]
    sizes = range(plain["top_k"] + 1) if plain["drop"] else (plain["top_k"],)
    options = [row for size in sizes for row in combinations(range(width), size)]
    if "num_groups" in problem:
        per = width // problem["num_groups"]
        options = [row for row in options if len({e // per for e in row}) <= problem["topk_groups"]]

    def fits(rows):
        if any(sum(e in row for row in rows) > plain["capacity"][e] for e in range(width)):
            return False
        if len({e for row in rows for e in row}) > problem.get("most_experts", width):
            return False
        return all(
            sum(
                (limit["tokens"] is None or t in limit["tokens"])
                and (limit["experts"] is None or e in limit["experts"])
                for t, row in zip(real, rows, strict=True)
                for e in row
            )
            <= limit["capacity"]
            for limit in problem.get("limits", ())
        )

    def value(rows):
        return sum(scores[t][e] for t, row in zip(real, rows, strict=True) for e in row)

    best = max((value(rows) for rows in tried([options] * len(real)) if fits(rows)), default=None)
    if experts is None:
        return best is None
    chosen = [tuple(sorted(e for e in row if e != -1)) for row in experts]
    padding = all(not chosen[t] for t in range(len(scores)) if t not in real)
    rows = [chosen[t] for t in real]
    return padding and all(row in options for row in rows) and fits(rows) and value(rows) == best


def split_rows(document, hosts, load):
    """The split as fractions; None where it is no split of the load over the hosts."""
    rows = [[Fraction(x, document["denominator"]) for x in row] for row in document["split"]]
    fine = all(
        sum(row) == total and all(x >= 0 and (x == 0 or host) for x, host in zip(row, places, strict=True))
        for row, total, places in zip(rows, load, hosts, strict=True)
    )
    return rows if fine else None


def scheduling(document, problem):
    base, speed = problem["base_load"], problem["speed"]
    rows = split_rows(document, problem["hosts"], problem["load"])
    if rows is None or (document["denominator"] != 1 and not problem["fractional"]):
        return False
    peak = max((base[g] + sum(row[g] for row in rows)) / speed[g] for g in range(len(base)))
    return peak == subset_peak(problem["load"], problem["hosts"], base, speed, problem["fractional"])


def communication(document, problem):
    source, hosts = problem["source_load"], problem["hosts"]
    devices, experts, alpha = range(len(source)), range(len(hosts)), Fraction(problem["alpha"])
    if problem["fractional"]:
        raise TooLarge  # a linear program: the answers cannot be enumerated
    load = [sum(source[g][e] for g in devices) for e in experts]

    def cost(rows):
        links = []
        for g in devices:
            local = sum(min(rows[e][g], source[g][e]) for e in experts)
            starts = sum(source[g][e] for e in experts if problem["reading"] == "physical" or hosts[e][g])
            links += [starts - local, sum(rows[e][g] for e in experts) - local]
        return max(sum(rows[e][g] for e in experts) for g in devices) + alpha * max(links)

    rows = split_rows(document, hosts, load)
    best = min(map(cost, tried([shares(total, row) for total, row in zip(load, hosts, strict=True)])))
    return rows is not None and document["denominator"] == 1 and cost(rows) == best


def traffic(document, problem):
    source, hosts, limit, cost = (problem[name] for name in ("source_load", "hosts", "limit", "cost"))
    devices, experts = len(source), len(hosts)
    flow = {}
    for s, e, g, tokens in document["flows"]:
        flow[s, e, g] = flow.get((s, e, g), 0) + tokens
    cells = [(s, e) for s in range(devices) for e in range(experts)]
    splits = [shares(source[s][e], hosts[e]) for s, e in cells]

    def total(rows):
        held = [sum(row[g] for row in rows) for g in range(devices)]
        if any(have > most for have, most in zip(held, limit, strict=True)):
            return None
        return sum(cost[s][g] * row[g] for (s, _), row in zip(cells, rows, strict=True) for g in range(devices))

    mine = tuple(tuple(flow.get((s, e, g), 0) for g in range(devices)) for s, e in cells)
    best = min((found for rows in tried(splits) if (found := total(rows)) is not None), default=None)
    fine = all(row in options for row, options in zip(mine, splits, strict=True))
    return fine and best is not None and total(mine) == best


def placement(document, problem, allowed=lambda slots: True):
    load, size, devices = problem["load"], problem["num_slots"], problem["num_devices"]
    width, per_node = size // devices, devices // problem["num_nodes"]
    per_group = len(load) // problem["num_groups"] if problem["num_nodes"] > 1 else 1

    def held(slots):
        return [[e for e in slots[g * width : (g + 1) * width] if e >= 0] for g in range(devices)]

    def feasible(slots):
        on = held(slots)
        if set(slots) - {-1} != set(range(len(load))) or (
            problem["distinct"] and any(len(set(d)) < len(d) for d in on)
        ):
            return False
        pairs = {(e // per_group, g // per_node) for g, device in enumerate(on) for e in device}
        groups = [group for group, _ in pairs]
        nodes = [sum(node == one for _, one in pairs) for node in range(problem["num_nodes"])]
        each = problem["num_groups"] // problem["num_nodes"]
        return problem["num_nodes"] == 1 or (len(set(groups)) == len(groups) and set(nodes) == {each})

    def peak(slots):
        if problem["split"] == "even":
            return max(sum(Fraction(load[e], list(slots).count(e)) for e in device) for device in held(slots))
        hosts = [[e in device for device in held(slots)] for e in range(len(load))]
        return subset_peak(load, hosts, [0] * devices, [1] * devices)

    slots = tuple(document["physical_to_logical"])
    if len(slots) != size or not feasible(slots) or not allowed(slots):
        return False
    every = tried([range(-1, len(load))] * size)
    best = min(peak(one) for one in every if feasible(one) and allowed(one))
    if problem["split"] == "even":
        return peak(slots) == best
    rows = split_rows(document, [[e in device for device in held(slots)] for e in range(len(load))], load)
    return rows is not None and max(sum(row[g] for row in rows) for g in range(devices)) == best


def migration(document, problem):
    width = problem["placement"]["num_slots"] // problem["placement"]["num_devices"]

    def pairs(slots):
        return {(e, slot // width) for slot, e in enumerate(slots) if e >= 0}

    before = pairs(problem["current"])
    return placement(document, problem["placement"], lambda slots: len(pairs(slots) - before) <= problem["most_moves"])


def replication(document, problem):
    load, home, domain, floor = (problem[name] for name in ("load", "home", "domain", "floor"))
    devices, experts = range(len(problem["slots"])), range(len(load))
    each, most = problem["copies_per_expert"], problem["most_copies"]

    def feasible(copies):
        return (
            all(sum(copies[e][g] for e in experts) <= problem["slots"][g] for g in devices)
            and all(sum(copies[e]) <= each and floor * sum(copies[e]) <= load[e] for e in experts)
            and sum(map(sum, copies)) <= most
            and all(not copies[e][g] or domain[e][g] for e in experts for g in devices)
        )

    def best_of(copies):
        spare = [load[e] - floor * sum(copies[e]) for e in experts]
        hosts = [[copies[e][g] or home[e] == g for g in devices] for e in experts]
        fixed = [floor * sum(copies[e][g] for e in experts) for g in devices]
        peak = subset_peak(spare, hosts, fixed, [1 for _ in devices])
        return -(-peak.numerator // peak.denominator)

    rows = tried([list(tried([(0, 1) if domain[e][g] else (0,) for g in devices])) for e in experts])
    best = min(best_of(copies) for copies in rows if feasible(copies))
    copies, split = document["copies"], document["split"]
    fine = feasible(copies) and all(
        sum(split[e]) == load[e]
        and all(
            x >= (floor if copies[e][g] else 0) and (x == 0 or copies[e][g] or home[e] == g)
            for g, x in enumerate(split[e])
        )
        for e in experts
    )
    return fine and max(sum(split[e][g] for e in experts) for g in devices) == best


@cache
def _truth(kind, answer, problem):
    answer, problem = json.loads(answer), json.loads(problem)
    if kind in ("assignment", "limited", "group-limited", "few-experts"):
        return routing(problem, answer["experts"])
    return globals()[kind](answer, problem)


ANSWERS = ("experts", "split", "denominator", "flows", "physical_to_logical", "copies")


def is_true(document):
    """Whether what the document claims holds; raises TooLarge where it cannot be tried."""
    answer = json.dumps({name: document[name] for name in ANSWERS if name in document})
    return _truth(document["kind"], answer, json.dumps(document["problem"]))


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
    if kind == "migration":
        form = "even" if drop else "free"
        placed = PlacementProblem(some(0, 12, 3), 4, 2, form)
        return MigrationProblem(placed, random.permutation([0, 1, 2, int(some(0, 3))]), int(some(0, 4)))
    if kind == "placement":
        nodes = {"num_groups": 2, "num_nodes": 2} if random.random() < 0.3 else {}
        split = "even" if nodes or random.random() < 0.5 else "free"
        return PlacementProblem(some(0, 12, 2 if nodes else int(some(2, 5))), 4, 2, split, **nodes)
    assert kind == "replication"
    limits = {"floor": int(some(0, 3)), "copies_per_expert": int(some(0, 3)), "most_copies": int(some(0, 4))}
    return ReplicationProblem(some(0, 12, 3), some(0, devices, 3), devices, some(0, 3, devices), **limits)


def originals(kind, random, wanted, path):
    """Certified documents of a kind; how many there were, and those that the check or the judge refused."""
    found, refused = [], []
    for _ in range(20 * wanted):
        if len(found) == wanted:
            break
        try:
            certificate = getattr(solve(genuine(kind, random)), "certificate", None)
        except EquipoiseError:
            continue
        if certificate is None:
            continue
        certificate.save(path)
        document = json.loads(path.read_bytes())
        assert document["kind"] == kind
        found.append(document)
        if not Certificate.load(path).verify().valid or not is_true(document):
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
    """ "unreadable", "rejected" or "accepted"; with the right hash of whatever problem it states, if asked."""
    path.write_text(json.dumps(document))
    try:
        certificate = Certificate.load(path)
        if rehash and certificate.statement is not None:
            document["problem_sha256"] = certificate.statement.digest
            path.write_text(json.dumps(document))
            certificate = Certificate.load(path)
        return "accepted" if certificate.verify().valid else "rejected"
    except InvalidFile:
        return "unreadable"


def attack(kind, seed, forgeries, path, bases=20, second=None):
    """Forge claims of a kind until so many of them can be read; return counts, and what was judged wrongly.

    Counted are, of the ``genuine`` ones, those that the check or the judge "refused"; of the forged ones the
    "unreadable", "rejected" and "accepted", and of these the "false" and, where there is too much to try, "not judged".
    With a ``second`` checker, those on which the two "differ" are wrong as well.
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
        outcome = verdict(forged, path, rehash)
        counts[outcome] += 1
        if second is not None and rehash and outcome != "unreadable":
            try:
                if second(forged) not in (None, outcome == "accepted"):
                    counts["differ"] += 1
                    wrong.append(forged)
            except TooLarge:
                counts["not judged"] += outcome != "accepted"
        if outcome == "accepted":
            try:
                if not is_true(forged):
                    counts["false"] += 1
                    wrong.append(forged)
            except TooLarge:
                counts["not judged"] += 1
    return counts, wrong
