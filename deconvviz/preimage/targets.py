"""What an image is to be found for: the features that it shall have at a layer, and where that layer stands.

The published methods weigh their terms by layer. Their tables are of one network, AlexNet; here a layer's
depth, the share of the network's convolutions that lie behind it, says which entry is meant in any network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..deconvnet import Trace, record
from ..deconvnet.fields import receptive_fields
from ..errors import LayerError
from ..models import Network
from ..models.network import leaves

_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.LocalResponseNorm)


@dataclass(frozen=True)
class Place:
    """Where a layer stands in its network.

    Attributes:
        depth: the share of the convolutions behind it, counting half a one for a pool or a normalisation
            after the last of them: AlexNet's conv2 has 0.4, its pool2 0.5; above 1 behind the last one's
            pool.
        stride: pixels between the fields of neighbouring units; for vectors, of the last maps before them.
    """

    depth: float
    stride: int


@dataclass(frozen=True)
class Targets:
    """The features of some images at some layers, the layers in the order in which a pass reaches them.

    Attributes:
        layers: their names, shallowest first.
        features: by layer, (N, C, H, W) or (N, C).
        places: by layer.
        chain: whether the network is a chain up to the last of them.
    """

    layers: tuple[str, ...]
    features: dict[str, Tensor]
    places: dict[str, Place]
    chain: bool


def targets_of(network: Network, images: Tensor, layers: Sequence[str]) -> Targets:
    """What the network sees in images.

    Args:
        network: whose layers they are.
        images: (N, 3, H, W), normalised as the network expects, on its device.
        layers: names or paths; at least one, each once.

    Raises:
        LayerError: there is no such layer, or it is zero all over for one of the images.
        WeightsError: its weights are missing, or no numbers.
        ModelError: the images do not fit the network.
    """
    trace = record(network, images, list(dict.fromkeys(layers)), masks=False, inputs=False)
    return _targets(network, trace, trace.maps, "image")


def targets_given(network: Network, features: Mapping[str, Tensor], side: int) -> Targets:
    """Features that come from elsewhere; where their layers stand is seen on one grey image.

    Args:
        network: whose layers they are.
        features: by layer, (N, C, H, W) or (N, C), on the network's device; as many of every layer.
        side: of the images to be found, in pixels.

    Raises:
        LayerError: there is no such layer, its features have another shape or number, one is zero all over,
            or one is no number.
        WeightsError: its weights are missing, or no numbers.
        ModelError: images of that side do not fit the network.
    """
    first = next(iter(features.values()))
    grey = torch.zeros(1, 3, side, side, device=first.device)
    trace = record(network, grey, list(features), masks=False, inputs=False)
    for layer, given in features.items():
        shape = tuple(trace.maps[layer].shape[1:])
        if tuple(given.shape[1:]) != shape:
            raise LayerError(
                f"{layer} has features of {shape} in images of {side} pixels, not {tuple(given.shape[1:])}"
            )
        if not len(given) or len(given) != len(first):
            raise LayerError(f"{len(given)} features of {layer}, {len(first)} of {next(iter(features))}")
        if not given.isfinite().all():
            raise LayerError(f"some of the features given for {layer} are no numbers")
    return _targets(network, trace, features, "features")


def _targets(network: Network, trace: Trace, features: Mapping[str, Tensor], what: str) -> Targets:
    ordered = tuple(sorted(trace.maps, key=lambda layer: trace.ends[layer]))
    for layer in ordered:
        silent = features[layer].flatten(1).abs().amax(1) == 0
        if silent.any():
            number = int(silent.nonzero()[0])
            raise LayerError(f"{layer} is zero all over for {what} {number + 1}: there is nothing to invert")
    total = sum(isinstance(leaf, nn.Conv2d) for _, leaf in leaves(network.module)) or 1
    return Targets(
        ordered,
        {layer: features[layer] for layer in ordered},
        {layer: _place(trace, layer, total) for layer in ordered},
        not any(step.broken for step in trace.down_from(ordered[-1])),
    )


def _place(trace: Trace, layer: str, convolutions: int) -> Place:
    behind = trace.down_from(layer)[::-1]
    kinds = [step.module for step in behind]
    last = max((i for i, kind in enumerate(kinds) if isinstance(kind, nn.Conv2d)), default=-1)
    pooled = any(isinstance(kind, _POOLS) for kind in kinds[last + 1 :])
    depth = (sum(isinstance(kind, nn.Conv2d) for kind in kinds) + 0.5 * pooled) / convolutions
    maps = [step.output_shape[-2:] for step in behind if len(step.output_shape) == 4]
    fields = [field for field in receptive_fields(trace)[: len(behind)] if field and field.stride[0]]
    if fields and not any(step.broken for step in behind):
        stride = fields[-1].stride[0]
    else:
        stride = round(trace.image_shape[-1] / maps[-1][-1]) if maps else trace.image_shape[-1]
    return Place(depth, max(stride, 1))


def relative_errors(features: Tensor, wanted: Tensor) -> Tensor:
    """‖Φ - Φ0‖² / ‖Φ0‖² an image: (N), of (N, ...) and features of the same shape."""
    return (features - wanted).flatten(1).square().sum(1) / wanted.flatten(1).square().sum(1)
