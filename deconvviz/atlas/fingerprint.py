"""Which network an atlas is of: its weights, up to the last layer that was scanned, and how it sees images.

What lies behind that layer has no say in the atlas, so a network whose classifier was trained anew, or whose
file lacks it, still fits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import torch

from ..models import Network


def parameters_sha256(network: Network, layers: Iterable[str]) -> str:
    """A digest of all parameters and buffers up to the last of some layers.

    Args:
        network: on any device; tensors without values are passed over.
        layers: names or module paths.

    Returns:
        64 hexadecimal digits.

    Raises:
        LayerError: there is no such layer.
        WeightsError: the weights file has no values for one.

    Example:
        >>> from deconvviz import load_model
        >>> len(parameters_sha256(load_model("mini"), ["conv2"]))
        64
    """
    modules = list(network.module.named_modules())
    paths = [network.path_of(layer) for layer in layers]
    last = max(i for i, (name, _) in enumerate(modules) if any(_within(name, path) for path in paths))
    digest = hashlib.sha256()
    for name, module in modules[: last + 1]:
        for key, tensor in (*module._parameters.items(), *module._buffers.items()):
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


def _within(name: str, path: str) -> bool:
    return f"{name}.".startswith(f"{path}.")
