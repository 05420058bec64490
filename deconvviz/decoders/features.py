"""Features of a data set, computed once and kept beside its images as float16 memory maps.

Encoder and decoding of images are a large share of the usual step; where no augmentation moves the images,
their features are the same in every epoch. Those of the mirrored images are kept too where a recipe flips.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.cache import Wanted, kept_together
from ..data.datasets import LabelledImages
from ..errors import ImageError, TrainingError
from .encoding import Encoder


def kept_features(
    encoder: Encoder, images: LabelledImages, *, label: str, mirrored: bool, progress: bool
) -> dict[str, NDArray[np.float16]]:
    """The features of all layers of an encoder, from the cache where they have been kept.

    Args:
        encoder: the frozen network and its layers; one pass serves all that are missing.
        images: whose features.
        label: which images these are, such as ``training images``.
        mirrored: also those of the mirrored images.
        progress: show a progress bar.

    Returns:
        (rows, views, C, H, W) or (rows, views, C) by layer; the views are: as is, mirrored.

    Raises:
        TrainingError: a feature is too large for float16.
        DataError: the disk is full.
    """
    views = 2 if mirrored else 1
    wanted = _wanted(encoder, images, label, views)

    def produce(missing: Sequence[int], first: int, last: int) -> Iterator[list[NDArray[Any]] | ImageError]:
        pixels = torch.from_numpy(np.array(images.pixels[first:last]))
        sides = [pixels, pixels.flip(2)][:views]
        found = [encoder(encoder.see(side)) for side in sides]
        stacks = []
        for i in missing:
            layer = encoder.layers[i]
            stack = torch.stack([values[layer] for values in found], 1).half()
            if not bool(torch.isfinite(stack).all()):
                raise TrainingError(
                    f"features of {layer} are too large for float16; compute them in every epoch: --no-keep"
                )
            stacks.append(stack.cpu().numpy())
        for row in range(last - first):
            yield [stack[row] for stack in stacks]

    made = kept_together(wanted, produce, label=f"features, {label}", progress=progress, threads=1)
    return {layer: found.array for layer, found in zip(encoder.layers, made, strict=True)}


def _wanted(encoder: Encoder, images: LabelledImages, label: str, views: int) -> list[Wanted]:
    key = images.key or hashlib.sha256(images.pixels.tobytes()).hexdigest()
    network = encoder.network
    seen = f"{network.input_size} {network.mean} {network.std}"
    return [
        Wanted(
            "features",
            [encoder.digest(layer), layer, seen, label, key.split(" ")[0]],
            [key, views],
            (len(images.pixels), views, *encoder.shapes[layer]),
            np.float16,
        )
        for layer in encoder.layers
    ]


def kept_bytes(encoder: Encoder, images: int, mirrored: bool) -> int:
    """How much room the features of so many images take."""
    numbers = sum(int(np.prod(shape)) for shape in encoder.shapes.values())
    return 2 * numbers * images * (2 if mirrored else 1)
