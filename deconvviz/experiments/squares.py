"""Squares that cover a part of an image, and what stands in them.

    fill = fill_image(network, images, "grey")
    hidden = covered(images, fill, (20, 30, 50, 50))

Source: the grey square of Zeiler & Fergus 2013, sec. 4.2. Its size is not in the paper.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from ..errors import ModelError, nearest
from ..models import Network

FILLS = ("grey", "mean", "noise", "blur")
"""What can stand in a square: see `fill_image`."""
PAPER_SIDE = 224
"""The side, in pixels, of the inputs in the paper."""
_BLUR = 1 / 10  # of the image's side: the standard deviation of the blur, so that no part can be made out


def fill_image(network: Network, images: Tensor, fill: str, seed: int = 0) -> Tensor:
    """What every pixel becomes where a square covers it.

    Args:
        network: whose normalisation the images have.
        images: (N, 3, H, W) as the network sees them.
        fill: ``grey``, the middle between black and white; ``mean``, the colour that the network
            subtracts from its inputs; ``noise``, drawn evenly from black to white for each pixel and
            channel; ``blur``, the image itself, so blurred that no part of it can be made out.
        seed: draws the noise, on the CPU; the caller's random state is left as it was.

    Returns:
        (N, 3, H, W), normalised as the images are.

    Raises:
        ModelError: there is no such fill.

    Example:
        >>> from deconvviz.models import load_model
        >>> fill_image(load_model("mini"), torch.rand(1, 3, 64, 64), "mean").abs().max().item()
        0.0
    """
    if fill == "mean":
        return torch.zeros_like(images)
    if fill == "blur":
        return _blurred(images)
    if fill == "grey":
        pixels = torch.full_like(images, 0.5)
    elif fill == "noise":
        drawn = torch.rand(images.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        pixels = drawn.to(images)
    else:
        raise ModelError(f"no fill '{fill}'; {nearest(fill, FILLS)}")
    mean, std = (images.new_tensor(values)[:, None, None] for values in (network.mean, network.std))
    return (pixels - mean) / std


def covered(images: Tensor, fill: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """Images with a box of theirs taken from somewhere else.

    Args:
        images: (N, 3, H, W).
        fill: of the same shape.
        box: top, left, height, width in pixels; what hangs over the edge is cut.

    Returns:
        (N, 3, H, W), a copy.
    """
    top, left, height, width = box
    rows, columns = slice(max(top, 0), max(top + height, 0)), slice(max(left, 0), max(left + width, 0))
    result = images.clone()
    result[..., rows, columns] = fill[..., rows, columns]
    return result


def in_proportion(pixels: int, side: int) -> int:
    """A length on the paper's inputs of 224 pixels, on inputs of another side; at least one pixel.

    Example:
        >>> in_proportion(50, 224), in_proportion(50, 64)
        (50, 14)
    """
    return max(1, round(pixels * side / PAPER_SIDE))


def check_size(size: int, image_size: tuple[int, int]) -> None:
    """Whether a square fits an image.

    Args:
        size: its side in pixels.
        image_size: height and width of the image.

    Raises:
        ModelError: it does not.
    """
    height, width = image_size
    if not 1 <= size <= min(image_size):
        raise ModelError(
            f"a square of {size} pixels does not fit an image of {height}x{width}: "
            f"give a size from 1 to {min(image_size)}"
        )


def _blurred(images: Tensor) -> Tensor:
    """A Gaussian blur, along rows and then columns, of images that go on as their edges are."""
    result = images
    for axis in (2, 3):
        side = images.shape[axis]
        sigma = max(side * _BLUR, 1.0)
        reach = round(3 * sigma)
        distances = torch.arange(-reach, reach + 1, dtype=torch.float64)
        kernel = torch.exp(-0.5 * (distances / sigma) ** 2)
        kernel = (kernel / kernel.sum()).to(images)
        sides = (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0)
        padded = F.pad(result, sides, mode="replicate")
        shape = (1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1)
        weight = kernel.view(shape).repeat(images.shape[1], 1, 1, 1)
        result = F.conv2d(padded, weight, groups=images.shape[1])
    return result
