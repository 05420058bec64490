"""An atlas the slow way: every activation of every image is kept, then sorted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deconvviz.atlas.images import ImageList
from deconvviz.errors import ImageError
from deconvviz.models.features import features_of
from deconvviz.models.network import Network


@dataclass
class Naive:
    """Of one layer: all activations, (images, C, places), and the numbers of the images."""

    activations: NDArray[np.float64]
    images: NDArray[np.int64]

    def strongest(self, channel: int, topk: int, per_image: int) -> list[tuple[float, int, int]]:
        """Activation, image and place of one unit, strongest first, from a list of all that there are."""
        of_unit = self.activations[:, channel].astype(np.float32)
        everything = [
            (-value, image, place)
            for image, places in zip(self.images.tolist(), of_unit.tolist(), strict=True)
            for place, value in sorted(enumerate(places), key=lambda p: (-p[1], p[0]))[:per_image]
        ]
        return [(-value, image, place) for value, image, place in sorted(everything)[:topk]]


def naive_atlas(network: Network, images: ImageList, layers: Sequence[str]) -> dict[str, Naive]:
    """All activations of all images that can be read, by layer, one image a pass."""
    paths = {layer: network.path_of(layer) for layer in layers}
    weight = next(network.module.parameters())
    kept: dict[str, list[NDArray[np.float64]]] = {layer: [] for layer in layers}
    numbers = []
    for i in range(len(images)):
        try:
            seen = network.see(images.picture(i))
        except ImageError:
            continue
        numbers.append(i)
        with torch.no_grad():
            for layer, features in features_of(network.module, seen.to(weight.dtype), paths).items():
                kept[layer].append(
                    features[0].flatten(1).numpy() if features.ndim == 4 else features.T.numpy()
                )
    return {layer: Naive(np.stack(kept[layer]), np.array(numbers)) for layer in layers}


def as_lists(strongest, channel: int) -> list[tuple[float, int, int]]:
    """What a scan kept of a unit, in the same form."""
    columns = (strongest.values, strongest.images, strongest.places)
    return list(zip(*(column[channel].tolist() for column in columns), strict=True))
