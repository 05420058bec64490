"""Weights from a file into a network: read without running code, fitted without copying.

A file is a state dict, saved by ``torch.save`` (read with ``weights_only=True``, memory-mapped) or as
safetensors. One that holds only a network's first layers is welcome: the parameters it lacks stay on
torch's meta device, without values, and whatever wants them is refused by name.
"""

from __future__ import annotations

import pickle
import struct
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import WeightsError


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file by their names; half-precision ones become float32.

    Accepts a bare state dict, one under the key ``state_dict`` or ``model``, and the ``module.`` prefix of
    ``DataParallel``.

    Raises:
        WeightsError: the file is missing, damaged, or holds something other than tensors.
    """
    if not path.is_file():
        what = "is a folder, not a weights file" if path.is_dir() else "does not exist"
        raise WeightsError(f"{path} {what}; --weights takes a file, 'default' or 'random'")
    state: Any = _safetensors(path) if path.suffix == ".safetensors" else _torch_saved(path)
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise WeightsError(f"{path} is not a state dict; save one with torch.save(net.state_dict(), FILE)")
    if not state:
        raise WeightsError(f"{path} holds no tensors")
    return {
        str(name).removeprefix("module."): t.float() if t.dtype in (torch.float16, torch.bfloat16) else t
        for name, t in state.items()
    }


def _safetensors(path: Path) -> dict[str, Tensor]:
    import safetensors
    import safetensors.torch

    try:
        return dict(safetensors.torch.load_file(path))
    except (safetensors.SafetensorError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path} is damaged or not a safetensors file ({reason})") from None


def _torch_saved(path: Path) -> object:
    # torch's own format is a zip, which alone can be memory-mapped; before 1.6 it was a bare pickle.
    with path.open("rb") as file:
        magic = file.read(4)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's guesses about pickles that are about to be refused
            return torch.load(path, map_location="cpu", mmap=magic == b"PK\x03\x04", weights_only=True)
    except pickle.UnpicklingError:
        if magic[:2] == b"PK" or magic[:1] == b"\x80":
            raise WeightsError(
                f"{path} is refused: it holds Python objects besides tensors, and loading them could run "
                "code; save a plain state dict, or safetensors"
            ) from None
        raise WeightsError(f"{path} is damaged or not a weights file") from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, struct.error):
        raise WeightsError(f"{path} is damaged or not a weights file; copy or download it again") from None


def fit_state(module: nn.Module, state: dict[str, Tensor], label: str, model: str) -> None:
    """Puts the tensors of a file into a network, in place; what the file lacks is left without values.

    Args:
        module: the network; may be on the meta device.
        state: the tensors by name; they are taken as they are, not copied.
        label: the file's name, for messages.
        model: the network's name, for messages.

    Raises:
        WeightsError: the file is another network's.
    """
    wanted = module.state_dict()
    common = wanted.keys() & state.keys()
    if not common:
        raise WeightsError(
            f"{label} is of another network: it has '{next(iter(state))}' ..., "
            f"{model} has '{next(iter(wanted), 'no parameters')}' ..."
        )
    for name in wanted:
        if name in common and wanted[name].shape != state[name].shape:
            raise WeightsError(
                f"{label} does not fit {model}: '{name}' is {_size(state[name])} in the file, "
                f"{_size(wanted[name])} in the network"
            )
    strange = sorted(state.keys() - wanted.keys())
    if strange:
        raise WeightsError(f"{label} is of another network: it has '{strange[0]}', which {model} lacks")
    for name, tensor in wanted.items():
        if name.endswith("num_batches_tracked") and name not in common:
            state = {**state, name: torch.zeros_like(tensor, device="cpu")}
    module.load_state_dict(state, strict=False, assign=True)
    for name in wanted.keys() - state.keys():
        _drop_value(module, name)


def _drop_value(module: nn.Module, name: str) -> None:
    parent, _, leaf = name.rpartition(".")
    owner = module.get_submodule(parent)
    old: Tensor = getattr(owner, leaf)
    if old.is_meta:
        return
    empty = torch.empty(old.shape, dtype=old.dtype, device="meta")
    setattr(owner, leaf, nn.Parameter(empty, old.requires_grad) if isinstance(old, nn.Parameter) else empty)


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"
