"""Balancers written for a framework, as they are, in the roles of Equipoise: one file per framework's signature."""

from equipoise.balancers.adapters.eplb import EplbFunction
from equipoise.balancers.adapters.lplb import LplbFunction, LplbProbabilities
from equipoise.balancers.adapters.sglang import SglangFunction
from equipoise.balancers.adapters.vllm import VllmPolicy
from equipoise.balancers.adapters.vllm_ascend import AscendPolicy

__all__ = ["AscendPolicy", "EplbFunction", "LplbFunction", "LplbProbabilities", "SglangFunction", "VllmPolicy"]
