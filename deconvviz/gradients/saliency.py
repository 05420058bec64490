"""Saliency: which pixels a class score hangs on, in any network.

    found = saliency(network, images)                 # of each image's most probable class
    found.maps                                        # (N, 224, 224), never negative

The score of the class is differentiated with respect to the image; a pixel's saliency is the largest
magnitude among its channels. The score is the network's output before any softmax: a probability also rises
where other classes fall. The map says where a small change would move the score most, not what the network
has recognised. With the guided or the deconvnet rule at the rectifiers it is sharper, and tells less about
the class.

Source: Simonyan et al. 2013, "Deep Inside Convolutional Networks", arXiv 1312.6034; Springenberg et al.
2014, sec. 3.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..deconvnet import Rectification, Rules
from ..errors import LayerError, ModelError, UnitError
from ..models import Network
from ..models.classes import check_scores
from .descent import descend


@dataclass(frozen=True)
class Saliency:
    """Where the score of a class can be moved, for N images.

    Attributes:
        maps: (N, H, W), never negative: the largest magnitude among the channels of `pixels`.
        pixels: (N, 3, H, W) in the network's input space, signed: the score's derivative, or the signal that
            the rule takes down in its place.
        targets: the class of each image.
        scores: (N) of those classes, before any softmax.
        probabilities: (N) of those classes, in [0, 1]: the softmax of all scores.
    """

    maps: Tensor
    pixels: Tensor
    targets: tuple[int, ...]
    scores: Tensor
    probabilities: Tensor


def saliency(
    network: Network,
    images: Tensor,
    targets: Sequence[int | None] | None = None,
    rule: Rectification = Rectification.GRADIENT,
) -> Saliency:
    """The saliency map of one class in each image.

    Args:
        network: a classifier; it is left as it was.
        images: (N, 3, H, W), normalised as the network expects, on its device.
        targets: a class for each image; None, in place of one or of all, is the image's most probable class.
        rule: of the rectifiers. Contrast normalisation is differentiated under the gradient rule, and passed
            unchanged under the other two.

    Raises:
        ModelError: the network does not score classes, or lacks the weights for it.
        UnitError: a class does not exist, or there are not as many as images.
        ChainError: the rule is not defined for this network.

    Example:
        >>> from deconvviz import load_model
        >>> saliency(load_model("mini"), torch.zeros(2, 3, 64, 64), [3, 5]).maps.shape
        torch.Size([2, 64, 64])
    """
    check_scores(network)
    try:
        descent = descend(network, images, [""], Rules.customary(rule))
    except LayerError as error:  # of the network's own output, which has no name
        given = str(error).removeprefix("''").partition(";")[0]
        raise ModelError(f"{network.name}{given}, not (N, classes) scores") from None
    scores = descent.features[""]
    if scores.ndim != 2:
        raise ModelError(f"{network.name} gives {tuple(scores.shape)}, not (N, classes) scores")
    asked = [None] * len(images) if targets is None else list(targets)
    if len(asked) != len(images):
        raise UnitError(f"{len(asked)} classes for {len(images)} images: give one for each")
    count, most = scores.shape[1], scores.argmax(1).tolist()
    chosen = [top if target is None else target for target, top in zip(asked, most, strict=True)]
    for target in chosen:
        if not 0 <= target < count:
            raise UnitError(f"no class {target}: {network.name} has {count} classes, 0 to {count - 1}")
    at = torch.tensor(chosen, device=scores.device)[:, None]
    pixels = descent.pixels("", torch.zeros_like(scores).scatter_(1, at, 1.0))
    return Saliency(
        maps=pixels.abs().amax(1),
        pixels=pixels,
        targets=tuple(chosen),
        scores=scores.gather(1, at)[:, 0],
        probabilities=scores.double().softmax(1).gather(1, at)[:, 0],
    )
