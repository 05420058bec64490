"""What a run over a data set is of: network, decoders and images, so that another is recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ..atlas.fingerprint import parameters_sha256, preprocessing_of
from ..data.datasets import LabelledImages
from ..decoders.decoder import Decoder
from ..decoders.encoding import Encoder
from ..metrics import evenly_spaced, mean_pair_distance
from ..models import Network, layer_path
from .chunks import SurveySettings

_MOST_PAIRED, _MOST_PAIRED_BYTES = 1000, 2**29
"""Of images whose pairs are looked at: as many as `decoders.evaluating` looks at, so that errors agree."""
_AT_ONCE = 50


def identity(
    network: Network, images: LabelledImages, settings: SurveySettings, decoders: Sequence[Decoder]
) -> dict[str, Any]:
    """The settings, and digests of the rest: plain data.

    Args:
        network: whose layers are compared; layers without weights have no say.
        images: those that are compared.
        settings: what is compared.
        decoders: of these layers.

    Raises:
        LayerError: there is no such layer.
        ModelError: the network does not take images of its input size.
    """
    served = [
        layer
        for layer in settings.layers
        if network.serves(layer_path(network.module, layer, network.paper_names))
    ]
    return {
        **settings.as_dict(),
        "model": network.name,
        "weights": parameters_sha256(network, served) if served else "",
        "weights_label": network.origin.label,
        "input_size": network.input_size,
        "preprocessing": preprocessing_of(network),
        "decoders": {decoder.layer: _digest(decoder.module) for decoder in decoders},
        "count": len(images),
        "images": _images_digest(images),
    }


def pair_distance(network: Network, images: LabelledImages) -> float:
    """The mean distance of two images, as the network sees them in [0, 1]; NaN of a single image.

    Args:
        network: whose input size and normalisation count.
        images: from many of them, evenly spaced ones are taken.
    """
    encoder, side = Encoder(network, ()), network.input_size
    most = max(2, min(_MOST_PAIRED, _MOST_PAIRED_BYTES // (4 * 3 * side * side)))
    rows = images.rows[evenly_spaced(len(images), most)]
    if len(rows) < 2:
        return float("nan")
    seen = [
        network.pixels(encoder.see(pixels_of(images, rows[i : i + _AT_ONCE]))).cpu()
        for i in range(0, len(rows), _AT_ONCE)
    ]
    return mean_pair_distance(torch.cat(seen), len(rows))


def pixels_of(images: LabelledImages, rows: Sequence[int] | np.ndarray) -> torch.Tensor:
    """The pixels of some rows, (N, H, W, 3) uint8."""
    return torch.from_numpy(np.array(images.pixels[np.asarray(rows)]))


def _images_digest(images: LabelledImages) -> str:
    found = hashlib.sha256()
    for row in images.rows:
        found.update(images.names[row].encode("utf-8", "surrogateescape") + b"\0")
        found.update(np.ascontiguousarray(images.pixels[row]).tobytes())
    return found.hexdigest()


def _digest(module: nn.Module) -> str:
    """The sha256 of all values of a module, with their names."""
    found = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
