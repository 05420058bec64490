"""What fills a cell that a method left empty, as a command where there is one."""

from __future__ import annotations

import shlex

import torch

from ..models import Network
from ..models.embedded import embedded_weights
from ..models.trained import BEST_FILE


def train_command(network: Network, layer: str) -> str:
    """The command that trains a decoder for a layer of this network with these weights.

    Args:
        network: whose features it shall invert.
        layer: the layer's name.

    Example:
        >>> from deconvviz import load_model
        >>> train_command(load_model("mini"), "conv3")
        'deconvviz train-decoder --layer conv3 --model mini'
    """
    words = ["deconvviz", "train-decoder", "--layer", layer, "--model", network.name]
    return shlex.join([*words, *_weights(network)])


def _weights(network: Network) -> list[str]:
    """The options that name the network's weights; none for its published ones."""
    path, label = network.origin.path, network.origin.label
    if path is None:
        drawn = label.removeprefix("random (seed ").removesuffix(")")
        return (
            ["--weights", "random", *(["--seed", drawn] if drawn not in ("0", label) else [])]
            if (label.startswith("random"))
            else []
        )
    whole = path.resolve()
    if whole == embedded_weights().resolve() or whole.is_relative_to(torch.hub.get_dir()):
        return []
    return ["--weights", str(path.parent if path.name == BEST_FILE else path)]
