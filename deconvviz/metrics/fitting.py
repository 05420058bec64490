"""The best affine fit of a picture to another, one scale and one shift a channel.

A projection has no absolute colour and no scale: it is a signal that went down a mirror, and a picture only
after somebody chose what grey and what contrast stand for it. Before its distance to an image says anything,
that choice has to be made as well as it can be; here by least squares, in each channel on its own. It is
given the image to do so, two numbers a channel, which a reconstruction does without.
"""

from __future__ import annotations

import torch
from torch import Tensor


def affine_fit(originals: Tensor, pictures: Tensor) -> Tensor:
    """Each picture scaled and shifted, a channel at a time, to come as close to its original as it can.

    The scale may be negative, and is zero where a channel of the picture is flat: what is left then is the
    original's mean colour. The fit is not cut to [0, 1], so that it is the least-squares one.

    Args:
        originals: (N, 3, H, W).
        pictures: (N, 3, H, W) in any unit, such as a signed projection.

    Returns:
        (N, 3, H, W) in the originals' unit, float64 on the pictures' device.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> image = torch.rand(1, 3, 8, 8, dtype=torch.float64)
        >>> torch.allclose(affine_fit(image, 5 - 2 * image), image)
        True
    """
    if originals.shape != pictures.shape:
        raise ValueError(f"shapes differ: {tuple(originals.shape)}, {tuple(pictures.shape)}")
    wanted, given = originals.double().flatten(2), pictures.double().flatten(2)
    shift, centre = wanted.mean(2, keepdim=True), given.mean(2, keepdim=True)
    centred = given - centre
    power = centred.square().sum(2, keepdim=True)
    flat = power <= torch.finfo(torch.float32).eps ** 2 * given.square().sum(2, keepdim=True)
    shared = (centred * (wanted - shift)).sum(2, keepdim=True)
    scale = torch.where(flat, 0.0, shared / power.where(~flat, torch.ones_like(power)))
    return (shift + scale * centred).reshape(originals.shape)


def determination(originals: Tensor, pictures: Tensor) -> Tensor:
    """The coefficient of determination, R²: the share of an image's variance that a picture explains.

    Args:
        originals: (N, 3, H, W).
        pictures: (N, 3, H, W) in the same unit.

    Returns:
        (N,) float64 on the CPU, at most 1: 1 for the image itself, 0 for a flat picture of its mean colour,
        less for what is farther off than that; NaN where the original is flat.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> image = torch.rand(1, 3, 8, 8, dtype=torch.float64)
        >>> flat = image.mean((2, 3), keepdim=True).expand_as(image)
        >>> determination(image, image).item(), round(determination(image, flat).item(), 9)
        (1.0, 0.0)
    """
    if originals.shape != pictures.shape:
        raise ValueError(f"shapes differ: {tuple(originals.shape)}, {tuple(pictures.shape)}")
    wanted = originals.double()
    left = (wanted - pictures.double()).square().sum((1, 2, 3))
    whole = (wanted - wanted.mean((2, 3), keepdim=True)).square().sum((1, 2, 3))
    rounding = torch.finfo(torch.float32).eps ** 2 * wanted.square().sum((1, 2, 3))
    return (1 - left / whole).where(whole > rounding, torch.nan).cpu()


def explained(originals: Tensor, pictures: Tensor) -> Tensor:
    """The share of an image's variance that the best affine fit of a picture explains, over all channels.

    Args:
        originals: (N, 3, H, W).
        pictures: (N, 3, H, W) in any unit.

    Returns:
        (N,) float64 on the CPU, in [0, 1]: 1 for a picture that is the image up to scale and shift a channel,
        0 for a flat one; NaN where the original itself is flat.

    Raises:
        ValueError: the shapes differ.
    """
    return determination(originals, affine_fit(originals, pictures)).clamp(0, 1)
