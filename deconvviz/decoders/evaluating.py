"""How good decoders are: errors against the originals in image and feature space, and what survives.

    for layer in evaluate_decoders(encoder, decoders, data.val):
        print(layer.layer, layer.means())

Decoders differ in the size of the pictures that they predict. Before anything is compared a reconstruction is
brought to the network's input size, where the original is too; the feature error encodes that picture again.
The mean pair distances that normalise the errors are those of the evaluated images themselves, so errors of
two sets are not on one scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ..data.datasets import LabelledImages
from ..errors import DataError, LayerError, nearest
from ..metrics import (
    Lpips,
    evenly_spaced,
    feature_error_db,
    feature_error_mv15,
    feature_error_mv16,
    image_error_db,
    mean_pair_distance,
    mean_squared_error,
    mean_squared_pair_distance,
    psnr,
    ssim,
)
from ..training.augment import resized
from .decoder import Decoder
from .encoding import Encoder
from .surviving import Survival, small, survival

_MOST_PAIRED = 1000  # images, and features of a layer, whose pairs are looked at
_MOST_PAIRED_BYTES = 2**29  # of each; AlexNet's images and conv1 at 224 reach it with 891 and 693 rows
_MOST_SURVIVING = 2000  # images that are kept, at 64 pixels, to see what survives


@dataclass(frozen=True)
class LayerErrors:
    """What one decoder gets right.

    Attributes:
        layer: whose features it inverts.
        errors: (N,) an image each, by name: ``image_error``, ``mse``, ``psnr`` in dB, ``ssim``, ``lpips``
            where asked for, ``feature_error``, ``feature_error_mv15``, ``feature_error_mv16``; see `metrics`.
        survival: what survives, where asked for.
    """

    layer: str
    errors: Mapping[str, NDArray[np.float64]]
    survival: Survival | None

    def means(self) -> dict[str, float]:
        """The mean of each error over the images."""
        return {name: float(values.mean()) for name, values in self.errors.items()}


def evaluate_decoders(
    encoder: Encoder,
    decoders: Sequence[Decoder],
    images: LabelledImages,
    *,
    lpips: Lpips | None = None,
    survives: bool = False,
    batch_size: int = 50,
    progress: bool = True,
) -> list[LayerErrors]:
    """Runs decoders over a set of images, each image once through the encoder for all of them.

    Pair distances come from at most 1000 evenly spaced images, fewer where a layer's features would take more
    than half a gigabyte; what survives from at most 2000.

    Args:
        encoder: gives the features of every decoder's layer.
        decoders: in the order of the answer.
        images: at least two.
        lpips: adds ``lpips``.
        survives: add what survives.
        batch_size: images a step.
        progress: show a bar on stderr.

    Returns:
        one entry a decoder.

    Raises:
        DataError: there are fewer than two images.
        LayerError: the encoder does not give a decoder's layer.
    """
    rows = images.rows
    if len(rows) < 2:
        raise DataError(f"normalised errors want at least two images, not {len(rows)}")
    scales = {layer: _Kept(len(rows)) for layer in ("", *(decoder.layer for decoder in decoders))}
    survivors = np.isin(np.arange(len(rows)), evenly_spaced(len(rows), _MOST_SURVIVING))
    originals_kept: list[Tensor] = []
    kept: list[list[Tensor]] = [[] for _ in decoders]
    found: list[list[dict[str, Tensor]]] = [[] for _ in decoders]
    with (
        torch.inference_mode(),
        tqdm(total=len(rows), desc="errors", unit="img", disable=not progress) as bar,
    ):
        for first in range(0, len(rows), batch_size):
            batch = rows[first : first + batch_size]
            seen = encoder.see(torch.from_numpy(np.array(images.pixels[batch])).to(encoder.device))
            originals = encoder.network.pixels(seen)
            features = encoder(seen)
            for layer, scale in scales.items():
                scale.keep(first, originals if not layer else _of_layer(features, layer))
            chosen = torch.from_numpy(survivors[first : first + batch_size])
            if survives:
                originals_kept.append(small(originals[chosen]).cpu())
            for number, decoder in enumerate(decoders):
                own = features[decoder.layer]
                ours = resized(decoder.reconstruct(own), seen.shape[-1]).clamp(0, 1)
                again = encoder(_shown(encoder, ours), [decoder.layer])[decoder.layer]
                found[number].append(dict(_errors(originals, ours, own, again, lpips)))
                if survives:
                    kept[number].append(small(ours[chosen]).cpu())
            bar.update(len(batch))
    distances = {layer: scale.distances() for layer, scale in scales.items()}
    whole = torch.cat(originals_kept) if survives else None
    return [
        LayerErrors(
            layer=decoder.layer,
            errors=_scaled(found[number], distances[""], distances[decoder.layer]),
            survival=None if whole is None else survival(whole, torch.cat(kept[number])),
        )
        for number, decoder in enumerate(decoders)
    ]


def _of_layer(features: Mapping[str, Tensor], layer: str) -> Tensor:
    if layer not in features:
        raise LayerError(f"the encoder gives no layer '{layer}'; {nearest(layer, features)}")
    return features[layer]


def _shown(encoder: Encoder, pixels: Tensor) -> Tensor:
    """Pictures in [0, 1] as the encoder takes them: the inverse of `Network.pixels`."""
    mean, std = (
        torch.tensor(values, dtype=pixels.dtype, device=pixels.device)[:, None, None]
        for values in (encoder.network.mean, encoder.network.std)
    )
    return (pixels - mean) / std


def _errors(
    originals: Tensor, ours: Tensor, features: Tensor, again: Tensor, lpips: Lpips | None
) -> Iterator[tuple[str, Tensor]]:
    """The errors of a batch by name; those that pair distances normalise are not yet divided by them."""
    yield "image_error", image_error_db(originals, ours, 1.0)
    yield "mse", mean_squared_error(originals, ours)
    yield "psnr", psnr(originals, ours)
    yield "ssim", ssim(originals, ours)
    if lpips is not None:
        yield "lpips", lpips(originals, ours)
    yield "feature_error", feature_error_db(features, again, 1.0)
    yield "feature_error_mv15", feature_error_mv15(features, again, 1.0)
    yield "feature_error_mv16", feature_error_mv16(features, again)


class _Kept:
    """Some of a set's images or features, evenly spaced, and how far apart they are."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.rows: NDArray[np.int64] | None = None
        self.parts: list[Tensor] = []

    def keep(self, first: int, vectors: Tensor) -> None:
        """Takes those of a batch that begins at row `first` of the set."""
        if self.rows is None:
            fitting = _MOST_PAIRED_BYTES // (4 * vectors[0].numel())
            self.rows = evenly_spaced(self.count, max(2, min(_MOST_PAIRED, fitting)))
        here = self.rows[(self.rows >= first) & (self.rows < first + len(vectors))] - first
        self.parts.append(vectors[torch.from_numpy(here).to(vectors.device)].flatten(1).float().cpu())

    def distances(self) -> tuple[float, float]:
        """The mean distance of pairs, and the mean squared one."""
        vectors = torch.cat(self.parts)
        return mean_pair_distance(vectors, len(vectors)), mean_squared_pair_distance(vectors)


def _scaled(
    batches: Sequence[Mapping[str, Tensor]], images: tuple[float, float], features: tuple[float, float]
) -> dict[str, NDArray[np.float64]]:
    """The errors of all batches, divided by the pair distances where they are normalised."""
    by = {"image_error": images[0], "feature_error": features[0], "feature_error_mv15": features[1]}
    # a layer that never fires has no distances: torch answers NaN or infinity without complaint
    return {
        name: (torch.cat([batch[name] for batch in batches]) / by.get(name, 1.0)).numpy()
        for name in batches[0]
    }
