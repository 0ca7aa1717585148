"""Balancers written for a framework, as they are, in the roles of Equipoise: one file per framework's signature."""

from equipoise.adapters.eplb import EplbFunction
from equipoise.adapters.lplb import LplbFunction, LplbProbabilities
from equipoise.adapters.sglang import SglangFunction
from equipoise.adapters.vllm import VllmPolicy
from equipoise.adapters.vllm_ascend import AscendPolicy

__all__ = ["AscendPolicy", "EplbFunction", "LplbFunction", "LplbProbabilities", "SglangFunction", "VllmPolicy"]
