"""What decoders are fed with: images, and the features of all layers, kept or computed in the step.

Where images are only mirrored, the features of both views have been kept and one view is drawn. Where they
are cropped or moved the encoder works in the loop. Either way the draws depend on (seed, epoch, step) alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.datasets import LabelledImages
from ..training.augment import affine_draws, augmented, normalised, resized
from ..training.batches import ahead, epoch_order, on_device, step_seed
from ..training.processes import Processes
from ..training.settings import Settings
from .encoding import Encoder
from .features import Views
from .recipes import Recipe

Rows = NDArray[np.int64]
_BATCH = 50  # images a step where nothing is trained


@dataclass(frozen=True)
class Batch:
    """A process's part of a batch, on its device.

    Attributes:
        images: (N, 3, s, s), normalised, at the size in which they are stored.
        features: of each layer: (N, C, H, W) or (N, C).
    """

    images: Tensor
    features: Mapping[str, Tensor]


@dataclass(frozen=True)
class Feed:
    """A split of the data.

    Attributes:
        encoder: whose features.
        images: the split.
        kept: features by layer; None computes them in the step.
        processes: who shares the batches.
    """

    encoder: Encoder
    images: LabelledImages
    kept: Mapping[str, Views] | None
    processes: Processes

    def epoch(self, recipe: Recipe, number: int, layers: Sequence[str]) -> Iterator[Batch]:
        """The batches of one epoch of training: shuffled, augmented, the last uneven one left out.

        Args:
            recipe: batch size, augmentation, seed.
            number: of the epoch, from 1.
            layers: whose features are wanted.
        """
        size, count = recipe.batch_size, len(self.images) // recipe.batch_size
        share = self.processes.share(size)
        order = epoch_order(self.images.rows, recipe.seed, number)
        draw = np.random.default_rng([recipe.seed, number, 1])
        views = draw.integers(0, 2 if recipe.flip else 1, len(order))
        moved = recipe.crop != "none"
        drawn = [
            (order[i : i + size][share], views[i : i + size][share] * (not moved))
            for i in range(0, count * size, size)
        ]
        fetched = ahead(lambda part: self._fetch(*part, layers), drawn)
        for step, (pixels, features) in enumerate(fetched, (number - 1) * count):
            if not moved:
                yield self._batch(pixels, features, layers)
                continue
            settings = Settings(crop=recipe.crop, smallest_crop=recipe.smallest_crop, flip=recipe.flip)
            generator = torch.Generator().manual_seed(step_seed(recipe.seed, step, 1))
            side = pixels.shape[1]
            maps = affine_draws(size, settings, generator, side)[share]
            yield self._encoded(augmented(self._normalised(pixels), maps, side), layers)

    def plain(self, rows: Rows, layers: Sequence[str], view: int = 0) -> Iterator[Batch]:
        """Images as they are, or mirrored where `view` is 1, in the order of `rows`."""
        parts = [rows[i : i + _BATCH] for i in range(0, len(rows), _BATCH)]
        for pixels, features in ahead(
            lambda part: self._fetch(part, np.full_like(part, view), layers), parts
        ):
            yield self._batch(pixels, features, layers)

    def target(self, images: Tensor, side: int) -> Tensor:
        """What a decoder shall predict: images as the encoder saw them, at the decoder's own size."""
        if images.shape[-1] == side:
            return images
        return resized(resized(images, self.encoder.network.input_size), side)

    def _fetch(self, rows: Rows, views: Rows, layers: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
        device = self.processes.device
        pixels = torch.from_numpy(self.images.pixels[rows])
        mirrored = torch.from_numpy(views == 1)
        pixels[mirrored] = pixels[mirrored].flip(2)
        kept = {} if self.kept is None else {layer: self.kept[layer] for layer in layers}
        features = {
            layer: on_device(torch.from_numpy(_chosen(arrays, rows, views)), device)
            for layer, arrays in kept.items()
        }
        return on_device(pixels, device), features

    def _batch(self, pixels: Tensor, features: Mapping[str, Tensor], layers: Sequence[str]) -> Batch:
        images = self._normalised(pixels)
        if self.kept is None:
            return self._encoded(images, layers)
        return Batch(images, {layer: values.float() for layer, values in features.items()})

    def _encoded(self, images: Tensor, layers: Sequence[str]) -> Batch:
        if not layers:
            return Batch(images, {})
        seen = resized(images, self.encoder.network.input_size)
        return Batch(images, self.encoder(seen.contiguous(), layers))

    def _normalised(self, pixels: Tensor) -> Tensor:
        network = self.encoder.network
        return normalised(pixels, network.mean, network.std, channels_last=False)


def _chosen(arrays: Views, rows: Rows, views: Rows) -> NDArray[np.float16]:
    """Of each row the drawn view."""
    chosen: NDArray[np.float16] = arrays[0][rows]
    for view, array in enumerate(arrays[1:], 1):
        chosen[views == view] = array[rows[views == view]]
    return chosen
