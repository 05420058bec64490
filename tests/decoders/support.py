"""A small frozen network, dead leaves for it, recipes that take a second, decoders that are not trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deconvviz.data.datasets import DataSet, open_data
from deconvviz.decoders.decoder import DecoderFacts
from deconvviz.decoders.encoding import Encoder
from deconvviz.decoders.recipes import Recipe, recipe
from deconvviz.decoders.training import Outcome, train_decoders
from deconvviz.models import Network, load_model

TINY = "tests.cli.mynets:tiny"
"""For images of 32 x 32: conv1 (12 x 32 x 32), pool1, norm1, conv2 (6 x 13 x 13), pool2, fc3 (20), fc4."""

LAYERS = ["pool2", "fc3"]
"""Maps and a vector of it."""


def tiny(seed: int = 0) -> Network:
    """The network with random weights."""
    return load_model(TINY, "random", seed=seed)


def leaves(train: int = 8, val: int = 4, side: int = 16) -> DataSet:
    """So many dead leaves of each of two classes."""
    words = {"train_per_class": train, "val_per_class": val, "side": side, "progress": False}
    return open_data("dead-leaves", only=("plain discs", "chequered squares"), **words)


def quick(name: str = "best", **changes: Any) -> Recipe:
    """Two epochs of a thin decoder in float32."""
    plain = {"epochs": 2, "batch_size": 4, "width": 8, "up_widths": [8, 8, 8, 8], "fc_width": 16}
    return recipe(name, **{**plain, "precision": "float32", **changes})


def facts_of(
    encoder: Encoder, layer: str, how: Recipe, target: int = 0, weights: str = "random"
) -> DecoderFacts:
    """What a decoder of this layer would say of itself."""
    network = encoder.network
    return DecoderFacts(
        model=network.name,
        weights=weights,
        layer=layer,
        shape=encoder.shapes[layer],
        encoder=encoder.digest(layer),
        input_size=network.input_size,
        mean=network.mean,
        std=network.std,
        target=target,
        recipe=how.as_dict(),
    )


def train(
    out: Path,
    data: DataSet,
    how: Recipe,
    layers: Sequence[str] = LAYERS,
    network: Network | None = None,
    **options: Any,
) -> dict[str, Outcome]:
    """The outcomes by layer."""
    ended = train_decoders(network or tiny(), layers, data, how, out, progress=False, **options)
    return {outcome.layer: outcome for outcome in ended}


def column(outcome: Outcome, name: str) -> list[Any]:
    """One number of every epoch."""
    return [row[name] for row in outcome.rows]


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pixels(count: int, side: int = 32, seed: int = 0) -> Tensor:
    """(count, side, side, 3) uint8."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, side, side, 3), generator=generator, dtype=torch.uint8)
