"""A naive judge of certificates of every kind: enumeration over the problem in the file.

It says what an answer is worth, None if it breaks a rule, and what the best is worth, None if there is none. An answer
is optimal if both are the same. It reads the JSON document and shares no code with the checks.
"""

import json
from fractions import Fraction
from functools import cache
from itertools import combinations, product
from math import prod

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
        if len({e for row in rows for e in row}) > problem.get("most_experts", width):
            return False
        if any(sum(e in row for row in rows) > plain["capacity"][e] for e in range(width)):
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
        return None, best
    chosen = [tuple(sorted(e for e in row if e != -1)) for row in experts]
    padding = all(not chosen[t] for t in range(len(scores)) if t not in real)
    rows = [chosen[t] for t in real]
    return value(rows) if padding and all(row in options for row in rows) and fits(rows) else None, best


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
    best = subset_peak(problem["load"], problem["hosts"], base, speed, problem["fractional"])
    if rows is None or (document["denominator"] != 1 and not problem["fractional"]):
        return None, best
    return max((base[g] + sum(row[g] for row in rows)) / speed[g] for g in range(len(base))), best


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
    return cost(rows) if rows is not None and document["denominator"] == 1 else None, best


def traffic(document, problem):
    source, hosts, limit, cost = (problem[name] for name in ("source_load", "hosts", "limit", "cost"))
    devices, experts = len(source), len(hosts)
    flow = {}
    for s, e, g, count in document["flows"]:
        flow[s, e, g] = flow.get((s, e, g), 0) + count
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
    return total(mine) if fine else None, best


def migration(document, problem):
    return placement(document, problem["placement"], problem["current"], problem["most_moves"])


def placement(document, problem, current=(), most_moves=None):
    load, count, devices = problem["load"], problem["num_slots"], problem["num_devices"]
    width, per_node = count // devices, devices // problem["num_nodes"]
    per_group = len(load) // problem["num_groups"] if problem["num_nodes"] > 1 else 1

    def held(slots):
        return [[e for e in slots[g * width : (g + 1) * width] if e >= 0] for g in range(devices)]

    def feasible(slots):
        on = held(slots)
        moves = sum(len(set(new) - set(old)) for new, old in zip(on, held(current), strict=True))
        if most_moves is not None and moves > most_moves:
            return False
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
    every = tried([range(-1, len(load))] * count)
    best = min((peak(one) for one in every if feasible(one)), default=None)
    if len(slots) != count or not feasible(slots):
        return None, best
    if problem["split"] == "even":
        return peak(slots), best
    rows = split_rows(document, [[e in device for device in held(slots)] for e in range(len(load))], load)
    return None if rows is None else max(sum(row[g] for row in rows) for g in range(devices)), best


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
    best = min((best_of(copies) for copies in rows if feasible(copies)), default=None)
    copies, split = document["copies"], document["split"]
    fine = feasible(copies) and all(
        sum(split[e]) == load[e]
        and all(
            x >= (floor if copies[e][g] else 0) and (x == 0 or copies[e][g] or home[e] == g)
            for g, x in enumerate(split[e])
        )
        for e in experts
    )
    return max(sum(split[e][g] for e in experts) for g in devices) if fine else None, best


@cache
def _truth(kind, answer, problem):
    answer, problem = json.loads(answer), json.loads(problem)
    if kind in ("assignment", "limited", "group-limited", "few-experts"):
        return routing(problem, answer["experts"])
    naive = {"scheduling": scheduling, "communication": communication, "traffic": traffic}
    return (naive | {"placement": placement, "replication": replication, "migration": migration})[kind](answer, problem)


ANSWERS = ("experts", "split", "denominator", "flows", "physical_to_logical", "copies")


def worth(document):
    """What the answer and the best answer are worth, see above; raises TooLarge where that cannot be tried."""
    answer = json.dumps({name: document[name] for name in ANSWERS if name in document})
    return _truth(document["kind"], answer, json.dumps(document["problem"]))


def is_optimal(document):
    """Whether the answer is feasible and the best, or there is none where none is given; raises TooLarge."""
    value, best = worth(document)
    return best is None if document.get("experts", "") is None else value is not None and value == best


def is_true(document, found):
    """Whether what the check found holds."""
    value, best = worth(document)
    if found.status == "infeasible":
        return document["experts"] is None and best is None
    if value is None or best is None:
        return False
    unit = Fraction(2) ** -document.get("exponent", 0)
    return found.lower <= best * unit <= found.upper and (value == best or found.status == "bounded")
