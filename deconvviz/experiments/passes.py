"""Whole forward passes that keep two things: a layer's activity, summed over places, and the class scores."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..models import Network
from .answers import answers


class Passes:
    """Any network, run from images to scores, with a look at one layer on the way."""

    def __init__(self, network: Network, layer: str) -> None:
        """Finds the layer.

        Args:
            network: a classifier.
            layer: whose activity is summed.

        Raises:
            LayerError: no such layer.
        """
        network.path_of(layer)
        self._network, self._layer = network, layer

    def run(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """One pass.

        Args:
            images: (N, 3, H, W), normalised as the network expects.

        Returns:
            (N, C) activity of the layer's maps, summed over their places, and (N, classes) scores.

        Raises:
            LayerError: the pass does not reach the layer, or it gives no maps.
            ModelError: the images do not fit the network, or it does not score classes.
        """
        found = answers(self._network, images, [self._layer])
        features = found.features[self._layer]
        return features.sum((2, 3)) if features.ndim == 4 else features, found.scored

    def slide(
        self,
        images: Tensor,
        cover: Tensor,
        boxes: Tensor,
        channel: int,
        batch_size: int,
        advance: Callable[[int], object],
    ) -> tuple[Tensor, Tensor]:
        """Covers each of K boxes in turn.

        Args:
            images: (1, 3, H, W).
            cover: of the same shape: what the squares are filled with.
            boxes: (K, 4) inside the image: top, left, height, width.
            channel: whose map is looked at.
            batch_size: how many images go through the network at once.
            advance: told how many more are done.

        Returns:
            (K) activity of the map, and (K, classes) scores.
        """
        found = []
        for start in range(0, len(boxes), batch_size):
            part = boxes[start : start + batch_size]
            batch = images.repeat(len(part), 1, 1, 1)
            for image, (top, left, height, width) in zip(batch, part.tolist(), strict=True):
                at = (..., slice(top, top + height), slice(left, left + width))
                image[at] = cover[0][at]
            sums, scores = self.run(batch)
            found.append((sums[:, channel], scores))
            advance(len(part))
        activity, scores = (torch.cat(values) for values in zip(*found, strict=True))
        return activity, scores
