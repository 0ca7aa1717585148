"""Loss-Free Balancing as a command, for any Python from 3.10: equipoise check "cmd:python3 router.py"."""

import json
import sys

STEP = 0.01
bias = None


def answer(request):
    """Return the answer to one request."""
    global bias
    if request["do"] == "reset":
        bias = None
        return {}
    if request["do"] == "attribute":
        return {"value": bias}
    scores, top_k = request["scores"]["values"], request["top_k"]
    if bias is None or len(bias) != len(scores[0]):
        bias = [0.0] * len(scores[0])
    experts = range(len(bias))
    chosen = [sorted(experts, key=lambda e: -(row[e] + bias[e]))[:top_k] for row in scores]
    load = [sum(e in row for row in chosen) for e in experts]
    mean = sum(load) / len(load)
    bias = [b + STEP * ((tokens < mean) - (tokens > mean)) for b, tokens in zip(bias, load, strict=True)]
    return {"experts": chosen}


def say(message):
    print(json.dumps(message), flush=True)


say({"protocol": "equipoise-balancer/1", "role": "router", "capabilities": ["has reset", "has bias"]})
for line in sys.stdin:
    say(answer(json.loads(line)))
