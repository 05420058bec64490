"""What survives of a picture: its colour, its light and dark, where its subject is, its detail.

    found = survival(originals, reconstructions)
    found.colour.mean, found.colour.chance

Squared errors say how much is lost, these say what. Each number stands beside its *chance level*: the same
number when the reconstructions are compared with the originals of other images (the set shifted by half its
length). What is no better than chance has not survived, however good it looks. The reverse does not hold: a
picture of one average colour beats chance in colour and displacement (its salient region is the middle), and
its error is 1 in every band. Everything is computed at 64 pixels; smaller pictures keep their size.

| what | number | perfect |
|---|---|---|
| colour | Lab distance between the dominant colours | 0 |
| order | share of pairs of regions whose order from dark to light is right | 1 |
| displacement | between the centres of the salient regions, in sides of the image | 0 |
| bands | squared error by spatial frequency, relative to the original's energy there | 0 |

Not from a paper: the measures are known ones (see `colour`, `layout`, `bands`), their choice is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError
from ..training.augment import resized
from .bands import BANDS, band_sums
from .colour import dominant_colours, lab
from .layout import displacement, order_agreement

SIDE = 64
"""The side, in pixels, at which everything here is computed."""
_CHUNK = 100  # images a step


@dataclass(frozen=True)
class Outcome:
    """One number an image, as statistics over the set; images where it is undefined are left out.

    Attributes:
        mean: over the images; NaN where it is defined for none.
        spread: standard deviation over the images.
        chance: the mean when each reconstruction is compared with another image's original.
    """

    mean: float
    spread: float
    chance: float


@dataclass(frozen=True)
class Survival:
    """What survives in the reconstructions of a set of images.

    Attributes:
        colour: distance of the dominant colours, in units of Lab.
        order: share of pairs of regions whose light-dark order is right, in [0, 1].
        displacement: of the salient region, in sides of the image.
        bands: the bands of spatial frequency: from, to, in cycles an image.
        band_errors: ‖F(x) − F(r)‖² / ‖F(x)‖² in each band, a ratio of sums over the set; NaN for bands finer
            than the pictures.
        band_energies: ‖F(r)‖² / ‖F(x)‖²: the energy that is there, right or wrong.
        band_chances: `band_errors` against other images' originals.
        images: how many.
    """

    colour: Outcome
    order: Outcome
    displacement: Outcome
    bands: tuple[tuple[int, int], ...]
    band_errors: tuple[float, ...]
    band_energies: tuple[float, ...]
    band_chances: tuple[float, ...]
    images: int


def small(images: Tensor) -> Tensor:
    """Pictures as they are compared here: at 64 pixels, antialiased; smaller ones as they come.

    Args:
        images: (N, 3, S, S) in [0, 1].

    Returns:
        (N, 3, s, s) float32 in [0, 1], s at most 64.
    """
    return resized(images.float(), min(SIDE, images.shape[-1])).clamp(0, 1)


def survival(originals: Tensor, reconstructions: Tensor) -> Survival:
    """Compares pairs of pictures, and mismatched pairs for the chance level.

    Args:
        originals: (N, 3, S, S) in [0, 1], on any device.
        reconstructions: the same shape and device.

    Raises:
        DataError: there is no other image to compare with.
    """
    count = len(originals)
    if count < 2:
        raise DataError(f"the chance level wants at least two images, not {count}")
    # by half the set: sets are often sorted by class, and the next image may be of the same one
    others = originals.roll(count // 2, 0)
    true, sums = _compared(originals, reconstructions)
    chance, chance_sums = _compared(others, reconstructions)
    colour, order, moved = (_outcome(t, c) for t, c in zip(true, chance, strict=True))
    return Survival(
        colour=colour,
        order=order,
        displacement=moved,
        bands=BANDS,
        band_errors=tuple((sums[0] / sums[1]).tolist()),
        band_energies=tuple((sums[2] / sums[1]).tolist()),
        band_chances=tuple((chance_sums[0] / chance_sums[1]).tolist()),
        images=count,
    )


def _compared(originals: Tensor, reconstructions: Tensor) -> tuple[list[NDArray[np.float64]], Tensor]:
    """Colour, order and displacement of each pair, and the sums by band over all of them."""
    found: list[Tensor] = []
    sums = torch.zeros(3, len(BANDS), dtype=torch.float64)
    for first, second in zip(*(torch.split(t, _CHUNK) for t in (originals, reconstructions)), strict=True):
        pair = small(first), small(second)
        x, r = lab(pair[0]), lab(pair[1])
        colour = (dominant_colours(x) - dominant_colours(r)).norm(dim=1)
        found.append(torch.stack((colour, order_agreement(x, r), displacement(x, r))))
        sums += band_sums(*pair)
    return list(torch.cat(found, 1).double().cpu().numpy()), sums


def _outcome(values: NDArray[np.float64], chance: NDArray[np.float64]) -> Outcome:
    known, guessed = values[~np.isnan(values)], chance[~np.isnan(chance)]
    return Outcome(
        mean=float(known.mean()) if known.size else float("nan"),
        spread=float(known.std()) if known.size else float("nan"),
        chance=float(guessed.mean()) if guessed.size else float("nan"),
    )
