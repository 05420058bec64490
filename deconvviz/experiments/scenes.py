"""What a network is shown of a photograph, and what lies around it.

    scene = scene_of(network, photo.image)            # 224x224 shown, of 256x341
    scene.shown                                       # (3, 224, 224), as the network sees it

A network is shown the middle of a photograph. Where the photograph is moved or turned, what comes in from
beyond the middle is the photograph's own, as far as it goes. What lies beyond the photograph is a colour, or
the colour of its nearest edge.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..data.seen import seen_by
from ..errors import ModelError, nearest
from ..models import Network
from .squares import fill_image

FILLS = ("edge", "grey", "mean")
"""What can lie beyond a photograph: see `scene_of`."""


@dataclass(frozen=True)
class Scene:
    """A photograph, and the part of it that a network is shown.

    Attributes:
        pixels: (3, H, W), normalised as the network expects: all of the photograph.
        box: top, left, height, width of what the network is shown.
        beyond: (3), the normalised colour of what lies around the photograph; None is the colour of the
            nearest pixel of its edge.
    """

    pixels: Tensor
    box: tuple[int, int, int, int]
    beyond: Tensor | None = None

    @property
    def shown(self) -> Tensor:
        """(3, height, width): what the network sees where nothing is done to the photograph."""
        top, left, height, width = self.box
        return self.pixels[:, top : top + height, left : left + width]

    def to(self, device: torch.device) -> Scene:
        """The same there.

        Args:
            device: where the network is.
        """
        beyond = None if self.beyond is None else self.beyond.to(device)
        return Scene(self.pixels.to(device), self.box, beyond)


def scene_of(network: Network, image: Any, *, fill: str = "edge", cropped: bool = False) -> Scene:
    """A photograph as a network's own preprocessing scales it, before it cuts out the middle.

    Args:
        network: whose preprocessing is used.
        image: a PIL image, RGB.
        fill: what lies around the photograph: ``edge``, the colour of its nearest pixel; ``grey``, the middle
            between black and white; ``mean``, the colour that the network subtracts from its inputs.
        cropped: cut the middle out first: what the network is not shown is lost, and filled.

    Raises:
        ModelError: there is no such fill.

    Example:
        >>> from PIL import Image
        >>> from deconvviz.models import load_model
        >>> scene_of(load_model("mini"), Image.new("RGB", (300, 200))).box
        (0, 16, 64, 64)
    """
    shown = network.see(image)
    height, width = shown.shape[-2:]
    rows, columns = seen_by(network, image.size)
    whole = (height, width) if cropped else (rows.resized, columns.resized)
    if whole[0] < height or whole[1] < width:
        whole = height, width  # a photograph that does not fill the input stands in a frame of its own
    pixels = shown
    if whole != (height, width):
        uncut: Any = copy.copy(network.preset)
        uncut.crop_size = list(whole)
        pixels = uncut(image)[None].contiguous()
    top, left = (round((all_ - part) / 2) for all_, part in zip(whole, (height, width), strict=True))
    return Scene(pixels[0], (top, left, height, width), fill_colour(network, shown, fill))


def scenes_of(network: Network, images: Tensor, fill: str = "edge") -> list[Scene]:
    """Images that a network is shown whole: around them is nothing but the fill.

    Args:
        network: whose normalisation the images have.
        images: (N, 3, H, W).
        fill: see `scene_of`.

    Raises:
        ModelError: there is no such fill.
    """
    beyond = fill_colour(network, images, fill)
    return [Scene(image, (0, 0, *image.shape[-2:]), beyond) for image in images]


def fill_colour(network: Network, images: Tensor, fill: str) -> Tensor | None:
    """The normalised colour (3) of a fill; None for the edge's own."""
    if fill not in FILLS:
        raise ModelError(f"no fill '{fill}'; {nearest(fill, FILLS)}")
    return None if fill == "edge" else fill_image(network, images[:1, :, :1, :1], fill)[0, :, 0, 0]
