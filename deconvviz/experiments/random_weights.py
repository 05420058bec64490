"""A network that has learnt nothing: a copy with random weights up to a layer.

    random = with_random_weights(network.module, trace.down_from("conv5"), seed=0)

What such a network draws of an image is due to its architecture, and to what the pass records.

Source: Mahendran & Vedaldi 2016, "Salient Deconvolutional Networks": their program draws weights from a
normal distribution of mean 0 and standard deviation 0.01, and sets biases to 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..deconvnet import Record
from ..gradients.cascade import cascade, copied, stages

GAUSSIAN_DEVIATION = 0.01
INITIALISATIONS = ("gaussian", "own")
"""How weights are drawn: ``gaussian`` as in the paper, ``own`` by each layer's own initialisation."""


def with_random_weights(
    module: nn.Module, calls: Sequence[Record], seed: int, initialisation: str = "gaussian"
) -> nn.Module | None:
    """A copy of a network in which every layer that a pass called has random weights.

    It shares all else with the network. Norms are reset: of scale 1, shift 0, and statistics 0 and 1. Values
    are drawn on the CPU, so that any device gets the same.

    Args:
        module: the network.
        calls: the records from the layer of interest down: `Trace.down_from`.
        seed: of the values; the caller's random state is left as it was.
        initialisation: ``gaussian`` for weights of mean 0 and standard deviation 0.01 without biases; ``own``
            for what torch gives a new layer, biases included.

    Returns:
        the copy; None where nothing that was called has weights.

    Raises:
        ModelError: the network cannot be copied.
        ValueError: there is no such initialisation.

    Example:
        >>> from deconvviz import record
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        >>> calls = record(net, torch.ones(1, 3, 8, 8), ["1"]).down_from("1")
        >>> with_random_weights(net, calls, seed=0)[0].bias.tolist()
        [0.0, 0.0, 0.0, 0.0]
    """
    if initialisation not in INITIALISATIONS:
        raise ValueError(f"weights are drawn {' or '.join(INITIALISATIONS)}; got '{initialisation}'")
    paths = [path for _, group in stages(module, calls, {}) for path in group]
    if not paths:
        return None
    random = copied(module, paths)
    for _ in cascade(random, [paths], seed):
        pass
    if initialisation == "gaussian":
        _gaussian(random, paths, seed)
    return random


def _gaussian(module: nn.Module, paths: Sequence[str], seed: int) -> None:
    """Draws weights anew, in place: those of several dimensions, whose biases become zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode(False), torch.no_grad():
        for path in paths:
            own = [t for t in module.get_submodule(path)._parameters.values() if t is not None]
            if not any(t.ndim > 1 for t in own):
                continue  # of a norm
            for t in own:
                drawn = torch.randn(t.shape, generator=generator, dtype=torch.float64) * GAUSSIAN_DEVIATION
                t.copy_(drawn if t.ndim > 1 else torch.zeros_like(t))
