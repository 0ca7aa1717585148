"""Balancers written for a framework, as they are, in the roles of Equipoise: one file per framework's signature."""

from equipoise.balancers.adapters.base_layers import BaseAssignment
from equipoise.balancers.adapters.by_size import BySize
from equipoise.balancers.adapters.eplb import EplbFunction
from equipoise.balancers.adapters.grouped_topk import GroupedTopK
from equipoise.balancers.adapters.gshard import GshardGating
from equipoise.balancers.adapters.hidden_states import HiddenStates
from equipoise.balancers.adapters.llep import LlepPlan
from equipoise.balancers.adapters.lplb import LplbFunction, LplbProbabilities
from equipoise.balancers.adapters.megatron import MegatronFunction
from equipoise.balancers.adapters.megatron_loss import MegatronLoss
from equipoise.balancers.adapters.megatron_router import MegatronRouter
from equipoise.balancers.adapters.metric_tensors import TensorMetric
from equipoise.balancers.adapters.moonep import MoonepPolicy
from equipoise.balancers.adapters.sglang import SglangFunction
from equipoise.balancers.adapters.tensors import TensorRouter
from equipoise.balancers.adapters.token_dispatch import TokenDispatch
from equipoise.balancers.adapters.transformers_loss import TransformersLoss
from equipoise.balancers.adapters.tutel import TutelCritical
from equipoise.balancers.adapters.ultraep import UltraepSolver
from equipoise.balancers.adapters.vllm import VllmPolicy
from equipoise.balancers.adapters.vllm_ascend import AscendPolicy

__all__ = [
    "AscendPolicy",
    "BaseAssignment",
    "BySize",
    "EplbFunction",
    "GroupedTopK",
    "GshardGating",
    "HiddenStates",
    "LlepPlan",
    "LplbFunction",
    "LplbProbabilities",
    "MegatronFunction",
    "MegatronLoss",
    "MegatronRouter",
    "MoonepPolicy",
    "SglangFunction",
    "TensorMetric",
    "TensorRouter",
    "TokenDispatch",
    "TransformersLoss",
    "TutelCritical",
    "UltraepSolver",
    "VllmPolicy",
]
