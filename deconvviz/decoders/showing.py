"""Which reconstructions to look at: the best, the middle and the worst of a set, not the first few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.datasets import LabelledImages
from ..metrics import evenly_spaced, mean_squared_error, psnr
from ..tiles import photo_tile
from ..training.augment import resized
from .decoder import Decoder
from .encoding import Encoder

_BATCH = 50


@dataclass(frozen=True)
class Shown:
    """One image of a set with its reconstruction.

    Attributes:
        name: the image's.
        original: (H, W, 3) uint8, what the network saw.
        reconstruction: likewise, at the same size.
        psnr: of the reconstruction, in dB.
    """

    name: str
    original: NDArray[np.uint8]
    reconstruction: NDArray[np.uint8]
    psnr: float


def extremes(
    encoder: Encoder, decoder: Decoder, images: LabelledImages, each: int = 4, most: int = 400
) -> dict[str, list[Shown]]:
    """The best, median and worst reconstructions by squared error.

    Args:
        encoder: of the decoder.
        decoder: of one of its layers.
        images: the set; at least one.
        each: how many of each kind.
        most: so many evenly spaced images are looked at.

    Returns:
        ``best``, ``median`` and ``worst``; fewer of each where the set is small.
    """
    rows = images.rows[evenly_spaced(len(images), most)]
    errors = np.concatenate(
        [
            mean_squared_error(*_pair(encoder, decoder, images, rows[i : i + _BATCH])).numpy()
            for i in range(0, len(rows), _BATCH)
        ]
    )
    order = rows[np.argsort(errors, kind="stable")]
    each = min(each, len(order))
    middle = (len(order) - each) // 2
    chosen = {"best": order[:each], "median": order[middle : middle + each], "worst": order[-each:]}
    return {kind: _shown(encoder, decoder, images, which) for kind, which in chosen.items()}


def at_input_size(encoder: Encoder, decoder: Decoder, features: Tensor) -> Tensor:
    """Reconstructions in [0, 1] at the size of the encoder's input: (N, 3, S, S)."""
    return resized(decoder.reconstruct(features), encoder.network.input_size)


def _pair(
    encoder: Encoder, decoder: Decoder, images: LabelledImages, rows: NDArray[np.int64]
) -> tuple[Tensor, Tensor]:
    seen = encoder.see(torch.from_numpy(images.pixels[rows]))
    made = at_input_size(encoder, decoder, encoder(seen, [decoder.layer])[decoder.layer])
    return encoder.network.pixels(seen).cpu(), made.cpu()


def _shown(
    encoder: Encoder, decoder: Decoder, images: LabelledImages, rows: NDArray[np.int64]
) -> list[Shown]:
    originals, made = _pair(encoder, decoder, images, rows)
    ratios = psnr(originals, made).tolist()
    return [
        Shown(images.names[row], photo_tile(original.numpy()), photo_tile(one.numpy()), ratio)
        for row, original, one, ratio in zip(rows, originals, made, ratios, strict=True)
    ]
