"""A second checker of every kind of certificate, naive and slow, from docs/reference/certificate-format.md alone.

``valid(document)`` decides on the JSON document, in plain Python; None where the argument is one that only its own
check repeats ("component", "groups"), and the claim is true.
"""

from fractions import Fraction
from itertools import combinations, product

from worth import is_optimal, split_rows

BEYOND = 2**61


def routing(document, value, dual):
    """The rules that all kinds of routing have, and whether the value meets the dual bound."""
    problem = document["problem"]
    plain = problem.get("assignment", problem)
    scores, top_k, drop = plain["scores"], plain["top_k"], plain["drop"]
    experts, width = document["experts"], len(scores[0])
    numbers = [*plain["capacity"], *(v for row in scores for v in row)]
    if document["exponent"] != plain["exponent"] or min(plain["capacity"]) < 0 or any(abs(x) > BEYOND for x in numbers):
        return False
    real = [t for t in range(len(scores)) if plain["mask"] is None or plain["mask"][t]]
    chosen = [[e for e in row if e != -1] for row in experts]
    if len(experts) != len(scores) or any(len(row) != top_k for row in experts):
        return False
    for t, row in enumerate(chosen):
        if any(not 0 <= e < width for e in row) or len(set(row)) < len(row):
            return False
        if (t not in real and row) or (t in real and not drop and len(row) < top_k):
            return False
    if any(sum(e in row for row in chosen) > plain["capacity"][e] for e in range(width)):
        return False
    worth = sum(scores[t][e] for t in real for e in chosen[t])
    return value(chosen) and worth == dual(plain, real)


def best_few(row, top_k, drop, allowed=None):
    """``A_t``: the best sum of K entries, or of at most K where tokens may be dropped, of an allowed set."""
    sizes = range(top_k + 1) if drop else (top_k,)
    sets = (one for size in sizes for one in combinations(range(len(row)), size))
    return max(sum(row[e] for e in one) for one in sets if allowed is None or allowed(one))


def priced(document, allowed=None):
    """The dual of capacities' prices."""

    def dual(plain, real):
        prices = document["prices"]
        if len(prices) != len(plain["capacity"]) or any(not 0 <= q <= BEYOND for q in prices):
            return None
        tokens = sum(
            best_few(
                [v - q for v, q in zip(plain["scores"][t], prices, strict=True)], plain["top_k"], plain["drop"], allowed
            )
            for t in real
        )
        return tokens + sum(c * q for c, q in zip(plain["capacity"], prices, strict=True))

    return dual


def assignment(document):
    return routing(document, lambda chosen: True, priced(document))


def group_limited(document):
    problem = document["problem"]
    per = len(problem["assignment"]["scores"][0]) // problem["num_groups"]

    def few(experts):
        return len({e // per for e in experts}) <= problem["topk_groups"]

    top, prices = problem["assignment"]["top_k"], document["prices"]
    numbers = [abs(v) for row in problem["assignment"]["scores"] for v in row] + prices
    if max(numbers) * (top + 1) > 2**60:
        return False
    return routing(document, lambda chosen: all(map(few, chosen)), priced(document, few))


def few_experts(document):
    prices, most = document["token_prices"], document["problem"]["most_experts"]

    def dual(plain, real):
        if len(prices) != len(plain["scores"]) or any(abs(a) > BEYOND or (plain["drop"] and a < 0) for a in prices):
            return None
        worth = [
            sum(sorted((max(0, plain["scores"][t][e] - prices[t]) for t in real), reverse=True)[:c])
            for e, c in enumerate(plain["capacity"])
        ]
        return plain["top_k"] * sum(prices[t] for t in real) + sum(sorted(worth)[-most:])

    return routing(document, lambda chosen: len({e for row in chosen for e in row}) <= most, dual)


def shaped(rows, like):
    return len(rows) == len(like) and all(len(one) == len(other) for one, other in zip(rows, like, strict=True))


def scheduling(document):
    problem, inside = document["problem"], set(document["devices"])
    load, hosts, base, speed = (problem[name] for name in ("load", "hosts", "base_load", "speed"))
    if not speed or min(speed) < 1 or min([*load, *base]) < 0:
        return False
    if not inside <= set(range(len(base))) or document["denominator"] < 1 or not shaped(document["split"], hosts):
        return False
    rows = split_rows(document, hosts, load)
    if rows is None or not inside or (document["denominator"] > 1 and not problem["fractional"]):
        return False
    tied = sum(w for w, row in zip(load, hosts, strict=True) if all(g in inside for g, host in enumerate(row) if host))
    demand, speeds = tied + sum(base[g] for g in inside), [speed[g] for g in inside]
    if problem["fractional"]:
        bound = Fraction(demand, sum(speeds))
    else:
        total, rounded = sum(speeds), len(speeds)  # the floors of all devices lose less than one each
        around = {v: range(demand * v // total, (demand + rounded) * v // total + 2) for v in speeds}
        levels = sorted({Fraction(k, v) for v, counts in around.items() for k in counts})
        bound = next(m for m in levels if sum(int(m * v) for v in speeds) >= demand)
    return bound == max((base[g] + sum(row[g] for row in rows)) / speed[g] for g in range(len(base)))


def traffic(document):
    problem, prices = document["problem"], document["prices"]
    source, hosts, limit, cost = (problem[name] for name in ("source_load", "hosts", "limit", "cost"))
    devices, experts = range(len(source)), range(len(hosts))
    if document["shape"] != [len(hosts), len(source)]:
        return False
    numbers = [*limit, *prices, *(x for row in (*source, *cost) for x in row), *(n for *_, n in document["flows"])]
    if len(prices) != len(source) or min(prices) < 0 or any(abs(x) > 2**60 for x in numbers):
        return False
    flow = {}
    for s, e, g, tokens in document["flows"]:
        if s not in devices or e not in experts or g not in devices or tokens < 0 or (tokens and not hosts[e][g]):
            return False
        flow[s, e, g] = flow.get((s, e, g), 0) + tokens
    if any(sum(flow.get((s, e, g), 0) for g in devices) != source[s][e] for s in devices for e in experts):
        return False
    if any(sum(n for (_, _, to), n in flow.items() if to == g) > limit[g] for g in devices):
        return False
    paid = sum(n * cost[s][g] for (s, _, g), n in flow.items())
    dual = -sum(a * q for a, q in zip(limit, prices, strict=True))
    for s, e in product(devices, experts):
        if source[s][e]:
            dual += source[s][e] * min(cost[s][g] + prices[g] for g in devices if hosts[e][g])
    return paid == dual


def communication(document):
    problem = document["problem"]
    source, hosts, alpha = problem["source_load"], problem["hosts"], Fraction(problem["alpha"])
    devices, experts = range(len(source)), range(len(hosts))
    load = [sum(source[g][e] for g in devices) for e in experts]
    if document["denominator"] < 1 or not shaped(document["split"], hosts):
        return False
    rows = split_rows(document, hosts, load)
    parts = [[Fraction(x) for x in document[name]] for name in ("load", "send", "receive")]
    own, send, receive = parts
    if rows is None or (document["denominator"] > 1 and not problem["fractional"]):
        return False
    if any(len(part) != len(source) or min(part) < 0 for part in parts):
        return False
    if sum(own) != 1 or sum(send) + sum(receive) != alpha:
        return False
    starts = [sum(source[g][e] for e in experts if problem["reading"] == "physical" or hosts[e][g]) for g in devices]
    local = [sum(min(rows[e][g], source[g][e]) for e in experts) for g in devices]
    held = [sum(rows[e][g] for e in experts) for g in devices]
    links = [x for g in devices for x in (starts[g] - local[g], held[g] - local[g])]
    bound = sum(b * s for b, s in zip(send, starts, strict=True))
    for e in experts:  # token by token: each goes where it is cheapest, and near places run out
        near = {g: source[g][e] for g in devices if hosts[e][g]}
        for _ in range(load[e]):
            price, where = min(
                [(own[g] - send[g], g) for g in near if near[g]] + [(own[g] + receive[g], None) for g in near],
                key=lambda option: option[0],
            )
            bound += price
            if where is not None:
                near[where] -= 1
    if not problem["fractional"]:
        bound = Fraction(-(-bound * alpha.denominator // 1), alpha.denominator)
    return bound == max(held) + alpha * max(links)


def placement(document):
    problem, bound = document["problem"], Fraction(document["bound"])
    if problem["split"] == "even" and (document["split"] is not None or document["denominator"] != 1):
        return False
    if (problem["split"] == "free") != (document["split"] is not None) or document["denominator"] < 1:
        return False
    return proved_and_true(document, problem, bound)


def proved_and_true(document, problem, bound):
    """Of an answer that has the peak ``bound``, whether the argument proves it; what is not the best is not proved."""
    if not answers(document, problem) or not is_optimal(document) or peak(document, problem) != bound:
        return False
    load, name = problem["load"], document["argument"]
    apart = problem["distinct"] or problem["split"] == "free"
    if name not in ("mean", "replica", "component", "deal", "groups"):
        return False
    if bound * problem["num_devices"] <= sum(load):
        return True
    if name == "replica":
        needed = [int(w / bound) + 1 for w in load]
        return sum(needed) > problem["num_slots"] or (apart and max(needed) > problem["num_devices"])
    if not is_optimal({**document, "kind": "placement", "problem": problem}):
        return False  # better with more moves than are allowed, so that no argument about all placements proves it
    if name == "deal":
        return problem["split"] == "even"
    return None if name == "groups" or (name == "component" and problem["split"] == "free") else False


def answers(document, problem):
    """Whether the shapes fit."""
    slots, split = document["physical_to_logical"], document["split"]
    fits = split is None or shaped(split, [[0] * problem["num_devices"] for _ in problem["load"]])
    return fits and len(slots) == problem["num_slots"] and all(-1 <= e < len(problem["load"]) for e in slots)


def peak(document, problem):
    devices, slots = problem["num_devices"], document["physical_to_logical"]
    width = problem["num_slots"] // devices
    if document["split"] is not None:
        return Fraction(max(sum(row[g] for row in document["split"]) for g in range(devices)), document["denominator"])
    each = [Fraction(w, slots.count(e)) for e, w in enumerate(problem["load"])]
    return max(sum(each[e] for e in slots[g * width : (g + 1) * width] if e >= 0) for g in range(devices))


def replication(document):
    problem, bound = document["problem"], document["bound"]
    load, home, slots, domain = (problem[name] for name in ("load", "home", "slots", "domain"))
    devices, weights = range(len(slots)), [document[f"{name}_weights"] for name in ("device", "slot", "expert")]
    p, b, c = weights
    total, m = document["total_weight"], bound - 1
    like = [[0 for _ in slots] for _ in load]
    if not shaped(document["copies"], like) or not shaped(document["split"], like):
        return False
    if not is_optimal(document) or max(sum(row[g] for row in document["split"]) for g in devices) != bound:
        return False
    if any(h and home[e] == g for e, row in enumerate(document["copies"]) for g, h in enumerate(row)):
        return False
    if document["argument"] == "partition":
        if any(map(any, weights)) or total:
            return False
        held = [sum(w for w, at in zip(load, home, strict=True) if at == g) for g in devices]
        return bound == 0 or len(slots) - most_parts(held, m) > min(problem["most_copies"], sum(slots))
    if document["argument"] != "dual":
        return False
    if bound == 0:
        return True
    if [len(one) for one in weights] != [len(slots), len(slots), len(load)] or min(*p, *b, *c, total) < 0:
        return False
    paid = m * sum(p) + sum(s * x for s, x in zip(slots, b, strict=True))
    paid += problem["copies_per_expert"] * sum(c) + problem["most_copies"] * total
    cost = 0
    for e, w in enumerate(load):
        u = min(w, m)
        away = [g for g in devices if u and domain[e][g] and g != home[e]]
        cost += min([w * p[home[e]], *(w * (p[g] * u + b[g] + c[e] + total) // u for g in away)])
    return cost > paid


def most_parts(held, m):
    """The largest number of sets in a partition of the devices, each with a mean of at most m; -1 for none."""
    best = -1
    for labels in product(range(len(held)), repeat=len(held)):
        parts = [[x for x, label in zip(held, labels, strict=True) if label == one] for one in set(labels)]
        if all(sum(part) <= m * len(part) for part in parts):
            best = max(best, len(parts))
    return best


def migration(document):
    problem, bound = document["problem"]["placement"], Fraction(document["bound"])
    p, b, t = document["device_weights"], document["slot_weights"], document["move_weight"]
    name, devices = document["argument"], range(problem["num_devices"])
    if (problem["split"] == "free") != (document["split"] is not None) or document["denominator"] < 1:
        return False
    if problem["split"] == "even" and document["denominator"] != 1:
        return False
    if not answers(document, problem) or not is_optimal(document) or peak(document, problem) != bound:
        return False
    if name != "weights" and (any(p) or any(b) or t):
        return False
    width, most = problem["num_slots"] // problem["num_devices"], document["problem"]["most_moves"]
    current = document["problem"]["current"]
    held = [{slot // width for slot, one in enumerate(current) if one == e} for e in range(len(problem["load"]))]
    if name == "count":
        needed = 0
        for g in devices:
            alone = sorted(w for e, w in enumerate(problem["load"]) if held[e] == {g})
            while alone and sum(alone) >= bound:
                alone.pop()
                needed += 1
        return bound == 0 or needed > most
    if name != "weights":
        return proved_and_true(document, problem, bound)
    if bound == 0:
        return True
    if len(p) != len(devices) or len(b) != len(devices) or min(*p, *b, t) < 0 or not sum(p):
        return False
    paid = [least_paid(e, w, problem, bound, held[e], p, b, t) for e, w in enumerate(problem["load"])]
    return None in paid or sum(paid) >= bound * sum(p) + width * sum(b) + most * t


def least_paid(expert, load, problem, bound, held, p, b, t):
    """What an expert pays at least below the bound; None where it has no room."""
    devices, width = range(problem["num_devices"]), problem["num_slots"] // problem["num_devices"]
    k, most = int(load / bound) + 1, problem["num_slots"] - len(problem["load"]) + 1
    apart = problem["distinct"] or problem["split"] == "free"
    most = min(most, len(devices)) if apart else most
    if k > most:
        return None
    replica = [b[g] + (0 if g in held else t) for g in devices]
    if problem["split"] == "free":
        return min(
            (load - (k - 1) * bound) * p[j] + replica[j] + sum(bound * p[g] + replica[g] for g in rest)
            for j in devices
            for rest in combinations([g for g in devices if g != j], k - 1)
        )
    costs = []
    for r in range(k, most + 1):
        n = 1 if apart else min(width, -int(-(bound * r) // max(1, load)) - 1)
        ways = [one for one in product(range(n + 1), repeat=len(devices)) if sum(one) == r]
        pay = [Fraction(load * p[g], r) + b[g] + (0 if g in held else Fraction(t, n or 1)) for g in devices]
        costs += [min(sum(x * pay[g] for g, x in enumerate(one)) for one in ways)] if ways else []
    if not costs:
        return None
    unit = bound.denominator
    return Fraction(min(costs) * unit // 1, unit)


def limited(document):
    """Reduced to the first kind: scores less the prices of the limits that cover them."""
    problem = document["problem"]
    plain, prices, limits = problem["assignment"], document["limit_prices"], problem["limits"]
    if len(prices) != len(limits) or any(not 0 <= y <= BEYOND for y in prices):
        return False
    scores = plain["scores"]
    if document["experts"] is None:
        scores = [[0 for _ in row] for row in scores]

    def covers(limit, t, e):
        tokens, experts = limit["tokens"], limit["experts"]
        return (tokens is None or t in tokens) and (experts is None or e in experts)

    charged = [
        [v - sum(y for y, one in zip(prices, limits, strict=True) if covers(one, t, e)) for e, v in enumerate(row)]
        for t, row in enumerate(scores)
    ]
    reduced = {**document, "problem": {**plain, "scores": charged}}
    if document["experts"] is None and document["exponent"] == plain["exponent"]:
        real = [t for t in range(len(scores)) if plain["mask"] is None or plain["mask"][t]]
        dual = priced(reduced)(reduced["problem"], real)
        added = sum(one["capacity"] * y for one, y in zip(limits, prices, strict=True))
        return dual is not None and all(0 <= c <= BEYOND for c in plain["capacity"]) and dual + added < 0
    if document["experts"] is None or not assignment(reduced):
        return False
    for limit, y in zip(limits, prices, strict=True):
        used = sum(covers(limit, t, e) for t, row in enumerate(document["experts"]) for e in row if e != -1)
        if used > limit["capacity"] or (y > 0 and used < limit["capacity"]):
            return False
    return True


def valid(document):
    """Whether the document proves what it claims, as its kind's page says; None: see above."""
    return document["problem"] is not None and globals()[document["kind"].replace("-", "_")](document)
