"""Flips and crops of a whole batch at once, on the device that trains.

A crop is a small affine map: the same `grid_sample` scales, moves and mirrors, reflecting at the edges.
The draws are made for the *global* batch from the step's own generator and each process keeps its part, so
that two processes see together what one would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from .settings import Settings

_ASPECT = 4 / 3  # sides of a resized crop differ at most by this, as in torchvision's RandomResizedCrop
_SHIFT = 1 / 8  # of the side, at most


def affine_draws(count: int, settings: Settings, generator: torch.Generator, side: int) -> Tensor:
    """The affine maps of a batch, from output to input coordinates in [-1, 1].

    Args:
        count: of images.
        settings: crop and flip.
        generator: of the draws.
        side: of the images as they are stored, in pixels.

    Returns:
        (count, 2, 3) float32.
    """

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    width, height = torch.ones(count), torch.ones(count)
    right, down = torch.zeros(count), torch.zeros(count)
    if settings.crop == "resized":
        share = uniform(settings.smallest_crop, 1).sqrt()  # of a side
        # a stretch beyond the image's edge would have to be cut, and the area would be less than was drawn
        most = torch.minimum(torch.full((count,), _ASPECT).log() / 2, -share.log())
        stretch = (uniform(-1, 1) * most).exp()
        width, height = share * stretch, share / stretch
        right, down = (1 - width) * uniform(-1, 1), (1 - height) * uniform(-1, 1)
    elif settings.crop == "shift":
        # whole pixels: a fraction of one would blur what is trained on, but not what is tested on
        far = int(_SHIFT * side)
        right, down = (
            2 * torch.randint(-far, far + 1, (count,), generator=generator) / side for _ in range(2)
        )
    if settings.flip:
        width = width * (torch.randint(0, 2, (count,), generator=generator) * 2 - 1)
    maps = torch.zeros(count, 2, 3)
    maps[:, 0, 0], maps[:, 0, 2], maps[:, 1, 1], maps[:, 1, 2] = width, right, height, down
    return maps


def square_draws(count: int, generator: torch.Generator) -> Tensor:
    """The middles of the squares to be blanked in a batch.

    Returns:
        (count, 2) row and column, in [0, 1].
    """
    return torch.rand(count, 2, generator=generator)


def erased(images: Tensor, middles: Tensor, share: float) -> Tensor:
    """Images with a square of each blanked: set to zero, which is the mean colour.

    Args:
        images: (N, 3, H, W), normalised.
        middles: (N, 2) of the squares: row and column, in [0, 1]; what lies beyond the edge is cut.
        share: the square's side, of the image's.

    Source: DeVries & Taylor 2017 (cutout).
    """
    side = images.shape[-1]
    places = (torch.arange(side, device=images.device) + 0.5) / side
    within = (places - middles.to(images.device)[:, :, None]).abs() < share / 2  # (N, 2, side)
    square = within[:, 0, :, None] & within[:, 1, None, :]
    return images.masked_fill(square[:, None], 0)


def normalised(pixels: Tensor, mean: Sequence[float], std: Sequence[float], channels_last: bool) -> Tensor:
    """uint8 pixels as a network takes them.

    Args:
        pixels: (N, H, W, 3) uint8.
        mean: of each channel, in [0, 1].
        std: likewise.
        channels_last: memory layout of the result.

    Returns:
        (N, 3, H, W) float32.
    """
    m, s = (torch.tensor(v, device=pixels.device)[:, None, None] * 255 for v in (mean, std))
    images = pixels.permute(0, 3, 1, 2).float().sub_(m).div_(s)  # channels-last already: the bytes stay put
    return images if channels_last else images.contiguous()


def augmented(images: Tensor, maps: Tensor, side: int) -> Tensor:
    """Each image under its affine map, at `side` x `side`; in the memory layout that came.

    Args:
        images: (N, 3, H, W).
        maps: (N, 2, 3).
        side: in pixels.
    """
    grid = F.affine_grid(maps.to(images.device), [len(images), 3, side, side], align_corners=False)
    layout = (
        torch.channels_last
        if images.is_contiguous(memory_format=torch.channels_last)
        else torch.preserve_format
    )
    moved = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    return moved.contiguous(memory_format=layout) if layout is torch.channels_last else moved


def resized(images: Tensor, side: int) -> Tensor:
    """Images at the network's input size: bilinear, antialiased where that shrinks them."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
