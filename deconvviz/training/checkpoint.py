"""Checkpoints: one safetensors file holds all that a run needs to go on, replaced in one step.

The weights are named ``model.NAME``, the optimiser's tensors ``optimiser.NUMBER.NAME``; the epoch, the
history and what else is plain data lies in the file's metadata as JSON. Since a file is either the old one
or the new one, a run killed at any moment goes on from the end of an epoch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from ..errors import OutputError, TrainingError
from ..models.trained import METADATA_KEY
from ..runs import replacing


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Path:
    """Writes tensors and plain data in place of an older file.

    Raises:
        OutputError: the disk is full or the place cannot be written; the older file stays whole.
    """
    # cloned, since a file cannot hold the weights that two layers share as one
    whole = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    with replacing(path) as temporary:
        try:
            safetensors.torch.save_file(whole, temporary, {METADATA_KEY: json.dumps(facts)})
        except safetensors.SafetensorError as error:
            raise OutputError(
                f"cannot write {path}: {error}; make room (a training run goes on with --resume)"
            ) from None
    return path


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the plain data of a file that `save_tensors` wrote.

    Raises:
        TrainingError: it is missing or damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118  # no dict
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise TrainingError(
            f"{path} is missing or damaged ({error}); start the run anew with --overwrite"
        ) from None


def save_state(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, facts: Mapping[str, Any]
) -> Path:
    """Writes everything a run needs to go on."""
    tensors = {f"model.{name}": t for name, t in model.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{name}": t for name, t in state.items() if isinstance(t, Tensor)}
    return save_tensors(path, tensors, facts)


def load_state(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Puts a checkpoint's values back, bit for bit.

    Returns:
        the plain data.

    Raises:
        TrainingError: it is missing, damaged, or of another network.
    """
    tensors, facts = read_tensors(path)
    weights = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise TrainingError(f"{path} is of another network: {str(error).splitlines()[-1].strip()}") from None
    kept: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, number, key = name.split(".", 2)
            kept.setdefault(int(number), {})[key] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": kept})
    for parameter, state in optimiser.state.items():
        for key, tensor in state.items():
            if tensor.shape == parameter.shape:  # in the weights' own memory layout: fused steps rely on it
                state[key] = torch.empty_like(parameter).copy_(tensor)
    return facts
