"""The reconstructions that are compared: a learned decoder's, and a pre-image found by optimisation.

They are what ``deconvviz reconstruct`` and ``deconvviz invert`` make of an image.

Source: Dosovitskiy & Brox 2015; Mahendran & Vedaldi 2015.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..decoders.decoder import Decoder
from ..decoders.encoding import Encoder
from ..decoders.showing import at_input_size
from ..models import Network
from ..preimage.inversion import invert
from .encoding import encoded, normalised
from .made import Made, nothing
from .timing import Stopwatch


@dataclass(frozen=True)
class Search:
    """How pre-images are looked for.

    Attributes:
        preset: ``best``, ``mahendran2015`` or ``mahendran2016``.
        iterations: steps; None for the preset's own.
        seed: draws the noise that they start from.
        at_once: images that are differentiated together.
    """

    preset: str = "best"
    iterations: int | None = None
    seed: int = 0
    at_once: int = 16


def reconstructed(network: Network, images: Tensor, decoder: Decoder) -> Made:
    """A decoder's pictures of a batch, from one pass up to its layer.

    Args:
        network: that the decoder was trained with.
        images: (N, 3, H, W), normalised as it expects, on its device.
        decoder: of one of its layers.

    Raises:
        ModelError: the features have another shape than the decoder's.
    """
    count, side = len(images), decoder.facts.input_size
    if tuple(images.shape[2:]) != (side, side):
        return nothing(count, f"the decoder takes {side}x{side} pixels")
    with Stopwatch(images.device) as watch:
        features = encoded(network, images, decoder.layer)
        pictures = at_input_size(Encoder(network, ()), decoder, features).clone()
    return Made(
        rows=range(count),
        signals=normalised(network, pictures),
        pictures=pictures,
        seconds=watch.seconds / count,
    )


def optimised(
    network: Network,
    images: Tensor,
    layer: str,
    features: Tensor,
    search: Search,
    watch: Callable[[int, int], None],
) -> Made:
    """Pre-images of a batch; of images for which the layer is zero all over there is none.

    Args:
        network: whose layer it is.
        images: (N, 3, H, W), normalised as it expects, on its device.
        layer: the layer's name.
        features: (N, ...) that it gives for the images.
        search: how to look for them.
        watch: told the step and how many there will be.

    Raises:
        DeconvvizError: the network cannot be differentiated.
    """
    count = len(images)
    if images.shape[-1] != images.shape[-2]:
        return nothing(count, "pre-images want square images")
    fires = features.flatten(1).any(1).tolist()
    rows = [row for row, any_fires in enumerate(fires) if any_fires]
    silent = {row: "the layer is zero all over" for row, any_fires in enumerate(fires) if not any_fires}
    if not rows:
        return Made(missing=silent)
    with Stopwatch(images.device) as clock:
        found = invert(
            network,
            images if len(rows) == count else images[rows],
            [layer],
            search.preset,
            iterations=search.iterations,
            seed=search.seed,
            at_once=search.at_once,
            watch=lambda step, steps, errors: watch(step + 1, steps),
        )
    interrupted = found.stopped == "interrupted"
    if not len(found.curve):
        return nothing(
            count, "interrupted" if interrupted else "the search led to no numbers", "", interrupted
        )
    signals = found.images[:, 0, 0]
    note = ""
    if found.stopped:
        after = f"after {len(found.curve)} step{'s' * (len(found.curve) != 1)}"
        note = f"interrupted {after}" if interrupted else f"the search diverged {after}"
    return Made(
        rows=rows,
        signals=signals,
        pictures=network.pixels(signals),
        seconds=clock.seconds / len(rows),
        missing=silent,
        note=note,
        interrupted=interrupted,
    )
