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

Views = tuple[NDArray[np.float16], ...]
"""A layer's features of the images as they are and, where they are wanted, of the mirrored ones."""


def kept_features(
    encoder: Encoder, images: LabelledImages, *, label: str, mirrored: bool, progress: bool
) -> dict[str, Views]:
    """The features of all layers of an encoder, from the cache where they have been kept.

    Args:
        encoder: the frozen network and its layers; one pass serves all that are missing.
        images: whose features.
        label: which images these are, such as ``training images``.
        mirrored: also those of the mirrored images.
        progress: show a progress bar.

    Returns:
        by layer one or two arrays: (rows, C, H, W) or (rows, C).

    Raises:
        TrainingError: a feature is too large for float16.
        DataError: the disk is full.
    """
    views = 2 if mirrored else 1
    of = [(layer, view) for view in range(views) for layer in encoder.layers]
    wanted = [_wanted(encoder, images, label, layer, view) for layer, view in of]

    def produce(missing: Sequence[int], first: int, last: int) -> Iterator[list[NDArray[Any]] | ImageError]:
        pixels = torch.from_numpy(np.array(images.pixels[first:last]))
        seen = sorted({of[i][1] for i in missing})
        found = {view: encoder(encoder.see(pixels.flip(2) if view else pixels)) for view in seen}
        values = []
        for layer, view in (of[i] for i in missing):
            half = found[view][layer].half()
            if not bool(torch.isfinite(half).all()):
                raise TrainingError(
                    f"features of {layer} are too large for float16; compute them in every epoch: --no-keep"
                )
            values.append(half.cpu().numpy())
        for row in range(last - first):
            yield [array[row] for array in values]

    made = kept_together(wanted, produce, label=f"features, {label}", progress=progress, threads=1)
    arrays = {key: found.array for key, found in zip(of, made, strict=True)}
    return {layer: tuple(arrays[layer, view] for view in range(views)) for layer in encoder.layers}


def _wanted(encoder: Encoder, images: LabelledImages, label: str, layer: str, view: int) -> Wanted:
    key = images.key or hashlib.sha256(images.pixels.tobytes()).hexdigest()
    network = encoder.network
    seen = f"{network.input_size} {network.mean} {network.std}" + " mirrored" * view
    return Wanted(
        "features",
        [encoder.digest(layer), layer, seen, label, key.split(" ")[0]],
        key,
        (len(images.pixels), *encoder.shapes[layer]),
        np.float16,
    )


def kept_bytes(encoder: Encoder, images: int, mirrored: bool) -> int:
    """How much room the features of so many images take."""
    numbers = sum(int(np.prod(shape)) for shape in encoder.shapes.values())
    return 2 * numbers * images * (2 if mirrored else 1)
