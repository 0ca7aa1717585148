"""A small study that every test of studies can afford, and routers that fail in it."""

from equipoise.study.description import decode

SMALL = """
title = "A small study"
seeds = [0, 1]
baseline = "topk"

[router]
methods = ["topk", "quantile", "midpoint"]
passes = 3
seconds = 20.0

[[router.instances]]
kind = "generated"
gate = ["softmax"]
skew = [0.0, 2.0]
size = [{ tokens = 24, experts = 4, top_k = 2 }, { tokens = 32, experts = 8, top_k = 2 }]

[scheduler]
methods = ["even", "micromoe"]

[[scheduler.instances]]
kind = "generated"
zipf = [1.0]
experts = [16]
tokens = 4000

[placer]
methods = ["eplb", "round-robin"]

[[placer.instances]]
kind = "generated"
zipf = [1.0]
experts = [16]
tokens = 4000

[predictor]
methods = ["persistence", "last-window"]
horizons = [1, 10]
origins = 2

[[predictor.instances]]
kind = "generated"
moves = ["stationary", "switch"]
experts = [4]
steps = 40
tokens = 300

[[predictor.instances]]
kind = "recorded"
runs = ["E16-none"]
layers = [0, 1]

[figures]
frontiers = ["softmax/32x8k2/skew2"]
heat = ["E16-none"]
devices = ["zipf1/E16"]
"""

FAILING = """
import os
import threading
import time

import numpy as np

def raises(scores, top_k):
    raise ValueError("boom")

def hangs(scores, top_k):
    threading.Event().wait()

def crashes(scores, top_k):
    os._exit(3)

def nonsense(scores, top_k):
    return "nothing"

def slow(scores, top_k):
    time.sleep(0.25)
    return np.argsort(-scores, axis=1, kind="stable")[:, :top_k]

class Sized:
    def __init__(self, size):
        self.size = size

    def __call__(self, scores, top_k):
        return None

def sometimes(scores, top_k):
    if len(scores) == 24:
        raise RuntimeError("not this size")
    return slow(scores, top_k)
"""


def small(methods=None, **replaced):
    """The small study; its routers alone, with other methods, if any are named."""
    text = SMALL
    if methods is not None:
        text = SMALL.split("[scheduler]")[0].replace('baseline = "topk"\n', "")
        text = text.replace('["topk", "quantile", "midpoint"]', str(list(methods)).replace("'", '"'))
    for old, new in replaced.items():
        text = text.replace(f"{old} = ", f"{old} = {new} #")
    return decode(text, "small.toml")
