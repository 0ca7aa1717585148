"""Maps of experts to slots, in the forms that serving frameworks read and write.

==============  ====  ==================================================================================
form            file  content
==============  ====  ==================================================================================
`vllm`          JSON  ``{"physical_to_logical_map": [L][P]}``, a row for each MoE layer; -1: an empty slot; read too
                      without its key, as ``[L][P]`` alone
`sglang`        JSON  the same with a row for every layer of the model: those without experts count up
`ascend`        JSON  ``layer_list`` of ``device_list`` of ``device_expert``, a layer for each MoE layer
`tensorrt-llm`  YAML  ``initial_global_assignments``: the slots of each layer under its number
==============  ====  ==================================================================================

The form of a file is told from its keys. Files are parsed, never evaluated; YAML is read as far as these maps need it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import frozen, whole_numbers
from equipoise.deployment.yaml import read_yaml
from equipoise.errors import InvalidFile, InvalidProblem, OracleError, TargetError
from equipoise.files import json_of, read_arrays, reading, regular, text_of, write_whole
from equipoise.traces.formats.source import open_source

Integers = npt.NDArray[np.int64]

LARGEST_YAML = 16 << 20
LARGEST_ID = 2**31 - 1
MOST_LAYERS = 1 << 12


@dataclass(frozen=True, eq=False)
class ExpertMap:
    """Which expert is in which slot.

    Attributes
    ----------
    slots
        ``[L, P]`` physical to logical: the expert in every slot, -1 for an empty one.
    layers
        Number of each of the L layers, as its form counts them.
    devices
        G, where the file says it; None otherwise.
    """

    slots: Integers
    layers: tuple[int, ...]
    devices: int | None = None

    def rows(self, layers: Sequence[int]) -> Integers:
        """Return ``[L, P]`` for the layers of a record: in order where there are as many, else by number.

        Raises
        ------
        InvalidProblem
            If the map has not all of these layers.
        """
        if len(layers) == len(self.layers) and self.layers in (tuple(layers), tuple(range(len(layers)))):
            return self.slots
        if set(layers) <= set(self.layers):
            return self.slots[[self.layers.index(layer) for layer in layers]]
        given = f"of {len(self.layers)} layers ({_range(self.layers)})"
        raise InvalidProblem("the map", given, f"{len(layers)} layers, or the numbers {_range(layers)}")

    def expect_placed(self, num_experts: int) -> None:
        """Raise :class:`TargetError` unless each of E experts is placed in every layer, and no others are."""
        for layer, slots in zip(self.layers, self.slots, strict=True):
            if slots.min() < -1 or slots.max() >= num_experts:
                slot = int(np.argmax((slots < -1) | (slots >= num_experts)))
                allowed = f"allowed: 0 to {num_experts - 1}, or -1"
                raise TargetError(f"the map names expert {slots[slot]} in slot {slot} of layer {layer}; {allowed}")
            counts = np.bincount(slots[slots >= 0], minlength=num_experts)
            if not counts.all():
                raise TargetError(f"the map places expert {counts.argmin()} of layer {layer} nowhere")


def read_map(path: str | PathLike[str]) -> ExpertMap:
    """Read a map in any of the forms above, or the best one of what ``equipoise place --format json`` wrote.

    Whether its experts exist and are all placed is for :func:`equipoise.place` to say.

    Raises
    ------
    InvalidFile
        If the file cannot be read, is too large, or is none of these forms.
    """
    return read_content(path, _content(path))


def tells_a_map(path: str | PathLike[str]) -> bool:
    """Whether a file has a key that tells a map, and is no record of loads or anything else."""
    if Path(path).is_dir():
        return False
    content = _content(path) if _is_yaml(path) or _is_list(path) else open_source(path).content
    return any(key in content for key in READERS)


def read_content(path: str | PathLike[str], content: dict[str, Any]) -> ExpertMap:
    """Return the map in the content of a file; ``path`` is its name in errors."""
    try:
        for key, read in READERS.items():
            if key in content:
                return read(content)
    except InvalidProblem as error:
        raise InvalidFile(f"{path}: {error}") from error
    held = ", ".join(map(repr, list(content)[:5])) or "nothing"
    raise InvalidFile(f"{path} holds {held[:200]}; allowed: a map with one of the keys {', '.join(READERS)}")


def write_map(expert_map: ExpertMap, path: str | PathLike[str], form: str, num_experts: int | None = None) -> ExpertMap:
    """Write a map whole, or not at all; what was written is read back and compared. Return it as written.

    Only vLLM's form has empty slots. In the others an expert that lives on one device alone is repeated there: that
    moves no load.

    Parameters
    ----------
    form
        "vllm", "sglang", "ascend" or "tensorrt-llm".
    num_experts
        E; every expert must be placed in every layer. Default: the largest expert plus one.

    Raises
    ------
    InvalidProblem
        If the form is unknown or cannot say this map: an empty slot cannot be filled, or Ascend's has no devices.
    TargetError
        If an expert is placed nowhere, or does not exist.
    InvalidFile
        If the file cannot be written, or its name ends so that it would not be read in this form.
    """
    if form not in FORMS:
        raise InvalidProblem("--to", repr(form), ", ".join(FORMS))
    num_experts = int(expert_map.slots.max()) + 1 if num_experts is None else num_experts
    expert_map.expect_placed(num_experts)
    if form != "vllm" and (expert_map.slots < 0).any():
        expert_map = _full(expert_map, form)
    suffixes = (".yaml", ".yml") if form == "tensorrt-llm" else (".json",)
    if Path(path).suffix.lower() not in suffixes:
        raise InvalidFile(f"{path} ends in {Path(path).suffix!r}; allowed for {form}: {' or '.join(suffixes)}")
    content = FORMS[form](expert_map, num_experts)
    text = content if isinstance(content, str) else json.dumps(content, separators=(",", ":")) + "\n"
    again = read_content(path, read_yaml(text) if isinstance(content, str) else json.loads(text))
    _same(expert_map, again, path)
    write_whole(path, text.encode())
    _same(expert_map, read_map(path), path)
    return expert_map


def _full(expert_map: ExpertMap, form: str) -> ExpertMap:
    """Repeat in every empty slot an expert that lives on its device alone."""
    width = expert_map.slots.shape[1] // (expert_map.devices or expert_map.slots.shape[1])
    slots = expert_map.slots.copy()
    for index, slot in np.argwhere(slots < 0).tolist():
        device = slice(slot // width * width, slot // width * width + width)
        elsewhere = {*slots[index].tolist()[: device.start], *slots[index].tolist()[device.stop :]}
        alone = [expert for expert in slots[index, device].tolist() if expert >= 0 and expert not in elsewhere]
        if not alone:
            given = f"with slot {slot} of layer {expert_map.layers[index]} empty"
            raise InvalidProblem("the map", given, f"full slots in the form {form}")
        slots[index, slot] = alone[0]
    return replace(expert_map, slots=slots)


def _same(written: ExpertMap, read: ExpertMap, path: str | PathLike[str]) -> None:
    if not np.array_equal(read.rows(written.layers), written.slots):
        raise OracleError(f"{path} reads back as another map: this is a defect of equipoise")


def _vllm(expert_map: ExpertMap, num_experts: int) -> dict[str, Any]:
    return {"physical_to_logical_map": expert_map.slots.tolist()}


def _sglang(expert_map: ExpertMap, num_experts: int) -> dict[str, Any]:
    slots = expert_map.slots
    rows = np.tile(np.arange(slots.shape[1]) % num_experts, (max(expert_map.layers) + 1, 1))
    rows[list(expert_map.layers)] = slots
    return {"physical_to_logical_map": rows.tolist()}


def _ascend(expert_map: ExpertMap, num_experts: int) -> dict[str, Any]:
    slots, devices = expert_map.slots, expert_map.devices
    if devices is None or slots.shape[1] % devices:
        given = "not given" if devices is None else f"{devices}, which do not divide {slots.shape[1]} slots"
        raise InvalidProblem("--devices", given, "as many as hold the slots of the map")
    layers = [
        {
            "layer_id": index,
            "device_count": devices,
            "device_list": [
                {"device_id": device, "device_expert": held.tolist()}
                for device, held in enumerate(row.reshape(devices, -1))
            ],
        }
        for index, row in enumerate(slots)
    ]
    return {"moe_layer_count": len(layers), "layer_list": layers}


def _tensorrt(expert_map: ExpertMap, num_experts: int) -> str:
    lines = [f"num_slots: {expert_map.slots.shape[1]}", "initial_global_assignments:"]
    rows = zip(expert_map.layers, expert_map.slots.tolist(), strict=True)
    lines += [f"  {layer}: [{', '.join(map(str, row))}]" for layer, row in rows]
    return "\n".join([*lines, "layer_updates_per_iter: 0", ""])


FORMS: dict[str, Callable[[ExpertMap, int], dict[str, Any] | str]] = {
    "vllm": _vllm,
    "sglang": _sglang,
    "ascend": _ascend,
    "tensorrt-llm": _tensorrt,
}
"""How a map is written in each form: a JSON document, or the text of a YAML file."""


def _read_slots(content: dict[str, Any]) -> ExpertMap:
    slots = _slots(content["physical_to_logical_map"], "physical_to_logical_map")
    return ExpertMap(slots, tuple(range(len(slots))))


def _read_ascend(content: dict[str, Any]) -> ExpertMap:
    found: dict[int, list[Any]] = {}
    devices = 0
    for entry in _objects(content["layer_list"], "layer_list"):
        held = {}
        for device in _objects(entry.get("device_list"), "device_list"):
            held[_number(device, "device_id")] = device.get("device_expert")
        if sorted(held) != list(range(len(held))) or (found and len(held) != devices):
            raise InvalidProblem("device_list", f"of the devices {sorted(held)[:8]}", "0 to G - 1 in every layer, once")
        devices = len(held)
        layer = _number(entry, "layer_id", MOST_LAYERS)
        if layer in found:
            raise InvalidProblem("layer_id", f"{layer} twice", "every layer once")
        found[layer] = [held[device] for device in range(devices)]
    layers = sorted(found)
    each = whole_numbers([found[layer] for layer in layers], "device_expert", (None,) * 3, -LARGEST_ID, LARGEST_ID)
    return ExpertMap(_slots(each.reshape(len(layers), -1), "device_expert"), tuple(layers), devices)


def _read_tensorrt(content: dict[str, Any]) -> ExpertMap:
    given = content["initial_global_assignments"]
    if not isinstance(given, dict) or not given:
        raise InvalidProblem("initial_global_assignments", "not a mapping", "the slots of each layer under its number")
    numbers = [str(key) for key in given]
    if not all(number.isascii() and number.isdigit() and len(number) <= 4 for number in numbers):
        allowed = "whole numbers of at most four digits"
        raise InvalidProblem("initial_global_assignments", f"of layers such as {min(numbers)[:20]!r}", allowed)
    by_layer = {int(key): row for key, row in given.items()}
    layers = sorted(by_layer)
    slots = _slots([by_layer[layer] for layer in layers], "initial_global_assignments")
    if content.get("num_slots", slots.shape[1]) != slots.shape[1]:
        raise InvalidProblem("num_slots", repr(content["num_slots"]), f"{slots.shape[1]}, as many as are assigned")
    return ExpertMap(slots, tuple(layers))


def _read_placement(content: dict[str, Any]) -> ExpertMap:
    if content["schema"] != "equipoise-placement/1":
        raise InvalidProblem("schema", repr(content["schema"])[:80], "'equipoise-placement/1'")
    layers = _objects(content.get("layers"), "layers")
    if not all(isinstance(layer.get("best"), dict) for layer in layers):
        raise InvalidProblem("layers", "without best", "what equipoise place writes")
    slots = _slots([layer["best"].get("physical_to_logical") for layer in layers], "physical_to_logical")
    devices = _number(content, "num_devices")
    return ExpertMap(slots, tuple(_number(layer, "layer", MOST_LAYERS) for layer in layers), devices)


READERS: dict[str, Callable[[dict[str, Any]], ExpertMap]] = {
    "physical_to_logical_map": _read_slots,
    "layer_list": _read_ascend,
    "initial_global_assignments": _read_tensorrt,
    "schema": _read_placement,
}
"""How a map is read, by the key that tells its form."""


def _slots(given: Any, field: str) -> Integers:
    array = whole_numbers(given, field, (None, None), -LARGEST_ID, LARGEST_ID)
    if not array.size:
        raise InvalidProblem(field, f"of shape {array.shape}", "[L, P], none of them 0")
    return frozen(array)


def _objects(given: Any, field: str) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not given or not all(isinstance(entry, dict) for entry in given):
        raise InvalidProblem(field, "not a list of objects", "a list of objects, one or more")
    return given


def _number(entry: dict[str, Any], field: str, most: int = LARGEST_ID) -> int:
    value = entry.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise InvalidProblem(field, repr(value)[:80], f"a whole number, 0 to {most}")
    return value


def _is_yaml(path: str | PathLike[str]) -> bool:
    return Path(path).suffix.lower() in (".yaml", ".yml")


def _is_list(path: str | PathLike[str]) -> bool:
    """Whether a file is a JSON list: a map as vLLM takes it without its key."""
    with regular(path) as file, reading(path):
        return not _is_yaml(path) and file.read(512).lstrip()[:1] == b"["


def _content(path: str | PathLike[str]) -> dict[str, Any]:
    if _is_list(path):
        return {"physical_to_logical_map": json_of(path)}
    if not _is_yaml(path):
        return read_arrays(path)
    try:
        return dict(read_yaml(text_of(path, LARGEST_YAML)))
    except InvalidProblem as error:
        raise InvalidFile(f"{path}: {error}") from error


def _range(layers: Sequence[int]) -> str:
    return f"{min(layers)} to {max(layers)}" if layers else "none"
