"""A small network, images for it, and decoders of it that are not trained."""

from __future__ import annotations

import torch
from torch import Tensor

from deconvviz.decoders.decoder import Decoder
from deconvviz.decoders.encoding import Encoder
from deconvviz.models import Network, load_model

from ..decoders.support import facts_of, quick, tiny

__all__ = ["LAYERS", "decoder_of", "named", "seen", "tiny"]

LAYERS = ["conv1", "norm1", "conv2", "fc3", "fc4"]
"""Maps, maps behind contrast normalisation, and vectors of `tiny`; of the last some are negative."""


def seen(count: int = 1, side: int = 32, seed: int = 0) -> Tensor:
    """Smooth images as a network sees them."""
    rough = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(rough, size=(side, side), mode="bilinear")
    return 4 * smooth - 1.8  # all of it visible: within what black and white are normalised to


def decoder_of(network: Network, layer: str, seed: int = 0) -> Decoder:
    """A decoder with random values, which makes pictures of 16 pixels."""
    facts = facts_of(Encoder(network, [layer]), layer, quick(), target=16)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Decoder(facts, facts.network().eval(), f"decoders/{layer}")


def named(function: str) -> Network:
    """One of the networks that the tests of the command line keep."""
    return load_model(f"tests.cli.mynets:{function}")
