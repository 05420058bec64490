"""The layers that a network begins and ends with, as the papers count them.

    first_layer(network), last_maps(network), last_features(network)  # conv1, conv5, fc7 of AlexNet

Networks without paper names (ResNet, one's own) are asked by a forward pass of a black image.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import LayerError, ModelError
from .features import frozen
from .network import Network, leaves

_PASSES_ON = (nn.Dropout, nn.Dropout2d, nn.Identity, nn.Flatten)
_RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Hardswish, nn.ELU)
_NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.LocalResponseNorm)


class _Call(NamedTuple):
    """One call of a module; blocks come after what is in them."""

    path: str
    module: nn.Module
    output: Tensor


def first_layer(network: Network) -> str:
    """The rectified output of the first convolution: ``conv1``, ``conv1_1``, or a module path.

    Where a function rectifies and no module does (GoogLeNet), it is the convolution's own output.

    Args:
        network: of any kind.

    Raises:
        LayerError: no convolution can be made out.
        WeightsError: the weights file does not serve it.

    Example:
        >>> from deconvviz.models import load_model
        >>> first_layer(load_model("mini"))
        'conv1'
    """
    named = [name for name in network.paper_names if name.startswith("conv")]
    if named:
        network.path_of(named[0])
        return named[0]
    calls = [c for c in _calls(network) if not c.module._modules]
    for i, call in enumerate(calls):
        if isinstance(call.module, nn.Conv2d):
            after = [c for c in calls[i + 1 : i + 3] if not isinstance(c.module, _NORMS)][:1]
            rectified = bool(after) and isinstance(after[0].module, _RECTIFIERS)
            return after[0].path if rectified else call.path
    raise _unknown(network, "convolution")


def last_maps(network: Network) -> str:
    """The last layer of feature maps before any closing pool: ``conv5``, or a module path.

    Args:
        network: of any kind; of a weights file that ends earlier, the last such layer that it has.

    Raises:
        LayerError: no layer has feature maps.
        WeightsError: the weights file serves none.

    Example:
        >>> from deconvviz.models import load_model
        >>> last_maps(load_model("resnet18", "random", input_size=64))
        'layer4'
    """
    named = [name for name in network.paper_names if name.startswith("conv")]
    if named:
        return _last_served(network, named)
    calls, pooled = _calls(network), set[int]()
    maps = ""
    for path, module, output in calls:
        if "Pool" in type(module).__name__:
            pooled.add(id(output))
        is_maps = output.ndim == 4 and output.shape[2] * output.shape[3] > 1
        if is_maps and id(output) not in pooled and not isinstance(module, _PASSES_ON):
            maps = path
    if not maps:
        raise _unknown(network, "layer with feature maps")
    return maps


def last_features(network: Network) -> str:
    """The layer before the class scores: ``fc7``, or a module path.

    Args:
        network: of any kind; of a weights file that ends earlier, the last layer that it has.

    Raises:
        LayerError: nothing can be made out before the scores.
        WeightsError: the weights file serves no layer.

    Example:
        >>> from deconvviz.models import load_model
        >>> last_features(load_model("mini"))
        'fc7'
    """
    if network.paper_names:
        names = list(network.paper_names)
        scores = network.paper_names[names[-1]] == leaves(network.module)[-1][0]
        return _last_served(network, names[:-1] if scores and len(names) > 1 else names)
    calls = [c for c in _calls(network) if not isinstance(c.module, _PASSES_ON)]
    scoring = [i for i, c in enumerate(calls) if isinstance(c.module, nn.Linear | nn.Conv2d)]
    if not scoring or scoring[-1] == 0:
        raise _unknown(network, "layer before the class scores")
    return calls[scoring[-1] - 1].path


def _last_served(network: Network, names: list[str]) -> str:
    served = [name for name in names if network.serves(network.paper_names[name])]
    if not served:
        network.path_of(names[0])  # says what is missing
    return served[-1]


def _calls(network: Network) -> list[_Call]:
    """What the modules of one pass gave, maps or vectors, in the order in which they ended."""
    module, side = network.module, network.input_size
    found: list[_Call] = []

    def keep(path: str) -> Any:
        def hook(called: nn.Module, _args: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim in (2, 4):
                found.append(_Call(path, called, output))

        return hook

    weight = next(iter(module.parameters()), torch.empty(0))
    if any(t.is_meta for t in (*module.parameters(), *module.buffers())):
        raise _unknown(network, "layer")
    with ExitStack() as undo, frozen(module), torch.inference_mode():
        for path, part in module.named_modules():
            if path:
                undo.callback(part.register_forward_hook(keep(path)).remove)
        try:
            module(torch.zeros(1, 3, side, side, dtype=weight.dtype, device=weight.device))
        except RuntimeError as error:
            why = str(error).splitlines()[0]
            raise ModelError(f"{network.name} does not take images of {side}x{side}: {why}") from error
    return found


def _unknown(network: Network, what: str) -> LayerError:
    return LayerError(f"cannot make out a {what} of {network.name}; name layers with --layer")
