"""Where squares go that cover one part of each of several images, and random ones to compare them with."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ..errors import DataError
from .squares import covered


def covered_each(images: Tensor, fill: Tensor, boxes: Tensor) -> Tensor:
    """Images with a box of its own covered in each.

    Args:
        images: (N, 3, H, W).
        fill: of the same shape.
        boxes: (N, 4): top, left, height, width; what hangs over the edge is cut.

    Returns:
        (N, 3, H, W), a copy.
    """
    each = zip(torch.split(images, 1), torch.split(fill, 1), boxes.tolist(), strict=True)
    return torch.cat([covered(one, other, (top, left, h, w)) for one, other, (top, left, h, w) in each])


def square_around(x: float, y: float, size: int) -> tuple[int, int, int, int]:
    """Top, left, height, width of the square whose middle is nearest to the centre of a pixel."""
    return math.floor(y + 1 - size / 2), math.floor(x + 1 - size / 2), size, size


def random_squares(
    named: Tensor, sides: tuple[int, int], size: int, draws: int, seed: int
) -> Iterator[Tensor]:
    """(draws, N, 4) for one place an image that is no named part's, then for one place in all images.

    Raises:
        DataError: named parts are everywhere.
    """
    generator = torch.Generator().manual_seed(seed)
    top, left = torch.meshgrid(*(torch.arange(side - size + 1) for side in sides), indexing="ij")
    places = torch.stack([top.flatten(), left.flatten()], dim=1)
    chosen = []
    for boxes in named.unbind(1):
        # the middle of a square lies in another where they are less than half a side apart
        taken = ((places[:, None] - boxes[None, :, :2]).abs() * 2 < size).all(2).any(1)
        if taken.all():
            raise DataError(
                f"squares of {size} pixels over the named parts take up the whole image: make them smaller, "
                "or do without random ones"
            )
        chosen.append(_drawn(places[~taken], draws, generator))
    alike = _drawn(places, draws, generator)[:, None].expand(-1, named.shape[1], -1)
    for corners in (torch.stack(chosen, dim=1), alike):
        yield torch.cat([corners, torch.full_like(corners, size)], dim=2)


def _drawn(places: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    return places[torch.randint(len(places), (draws,), generator=generator)]
