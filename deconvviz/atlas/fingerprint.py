"""Which network an atlas is of: its weights, up to the last layer that was scanned, and how it sees images.

What a pass enters only behind that layer has no say in the atlas, so a network whose classifier was trained
anew, or whose file lacks it, still fits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import torch

from ..errors import ModelError
from ..models import Network
from ..models.features import frozen, taken_from
from .passes import replica


def parameters_sha256(network: Network, layers: Iterable[str]) -> str:
    """A digest of all parameters and buffers that a pass uses until it has reached the last of some layers.

    One pass of zeros shows which modules those are; in which order they were registered has no say.

    Args:
        network: on any device; it is left as it was. Tensors without values are passed over.
        layers: names or module paths, at least one.

    Returns:
        64 hexadecimal digits.

    Raises:
        LayerError: there is no such layer, or the pass does not reach it.
        WeightsError: the weights file has no values for one.
        ModelError: the network does not take images of its input size.

    Example:
        >>> from deconvviz import load_model
        >>> len(parameters_sha256(load_model("mini"), ["conv2"]))
        64
    """
    used = _used(network, {layer: network.path_of(layer) for layer in layers})
    digest = hashlib.sha256()
    for name, module in sorted(network.module.named_modules()):
        for key, tensor in (*module._parameters.items(), *module._buffers.items()) if name in used else ():
            if tensor is not None and not tensor.is_meta:
                digest.update(f"{name}.{key} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
                flat = tensor.detach().cpu().contiguous().reshape(-1)
                digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def preprocessing_of(network: Network) -> dict[str, Any]:
    """How a photograph becomes what the network sees: what of it can differ between two atlases.

    Args:
        network: any.

    Returns:
        ``resize`` and ``crop`` in pixels, ``mean`` and ``std`` of each channel; plain data for a manifest.

    Example:
        >>> from deconvviz import load_model
        >>> preprocessing_of(load_model("mini"))["crop"]
        64
    """
    return {
        "resize": network.resize_size,
        "crop": network.input_size,
        "mean": list(network.mean),
        "std": list(network.std),
    }


def _used(network: Network, paths: Mapping[str, str]) -> set[str]:
    """The modules entered until the layers are reached, and all within those that are through by then.

    A module may use what lies within it without calling it, as attention does its last projection.
    """
    entered: set[str] = set()
    through = set(paths.values())
    weights = [t for t in (*network.module.parameters(), *network.module.buffers()) if not t.is_meta]
    like = next((t for t in weights if t.is_floating_point()), torch.empty(0))
    side = network.input_size
    zeros = torch.zeros(1, 3, side, side, dtype=like.dtype, device=like.device)
    try:
        module = replica(network.module)  # so that another thread may use the network meanwhile
    except ModelError:
        module = network.module
    modules = list(module.named_modules())

    def noted(names: set[str], name: str) -> Any:
        return lambda *_: names.add(name)

    with ExitStack() as undo:
        for name, part in modules:
            undo.callback(part.register_forward_pre_hook(noted(entered, name)).remove)
            undo.callback(part.register_forward_hook(noted(through, name)).remove)
        undo.enter_context(frozen(module))
        undo.enter_context(torch.no_grad())
        try:
            taken_from(module, zeros, paths, lambda _layer, _features: None)
        except RuntimeError as error:
            size, why = tuple(zeros.shape), str(error).splitlines()[0]
            raise ModelError(f"{network.name} does not take images of {size}: {why}") from error
    return entered | {name for name, _ in modules if any(_within(name, path) for path in through)}


def _within(name: str, path: str) -> bool:
    return f"{name}.".startswith(f"{path}.")
