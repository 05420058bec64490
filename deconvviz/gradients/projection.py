"""The projection of chosen activations by automatic differentiation: the same three rules, in any network.

    projection = project_by_autograd(network, images, [Unit("layer2", 17)])

On chains it equals `deconvviz.project`, which computes inside receptive windows only and is several times as
fast; networks with branches, or with functions between their modules, have no mirror and are served here.

Source: Zeiler & Fergus 2013, sec. 2.1; see `rectifying` for the rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ..deconvnet import Projection, Rules, Trace, Unit, mirror
from ..deconvnet.projection import seeds
from ..deconvnet.units import activations_of, placed
from ..errors import ChainError, UnitError
from ..models import Network
from .descent import descend
from .fields import seen_by


def project_by_autograd(
    model: nn.Module | Network,
    images: Tensor,
    units: Sequence[Unit],
    *,
    rules: Rules = Rules(),  # noqa: B008  # frozen
    seed: Literal["activation", "one"] = "activation",
    source: Literal["strongest", "map", "layer"] = "strongest",
) -> Projection:
    """Projects units of one layer by automatic differentiation with the rectifiers' rule replaced.

    Args:
        model: a `Network`, or any module; it is left as it was.
        images: (N, 3, H, W), normalised as the network expects.
        units: units of one layer.
        rules: rectification, unpooling and treatment of contrast normalisation.
        seed: as in `deconvviz.project_trace`.
        source: as in `deconvviz.project_trace`.

    Raises:
        UnitError: no units, units of several layers, or a unit or place that does not exist.
        DeconvvizError: see `descend`.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        >>> project_by_autograd(net, torch.ones(1, 3, 8, 8), [Unit("1", 0, 5, 5)]).windows
        tensor([[5, 5, 3, 3]])
    """
    layers = sorted({u.layer for u in units})
    if len(layers) != 1:
        raise UnitError(f"units of one layer are projected together; got {', '.join(layers) or 'no units'}")
    descent = descend(model, images, layers, rules)
    features = descent.features[layers[0]]
    chosen = placed(units, features)
    signal, windows = seeds(chosen, features, seed, source)
    whole = windows.paste(signal) if features.ndim == 4 else signal
    pixels = whole.new_zeros((len(chosen), *images.shape[1:]))
    waiting = list(range(len(chosen)))
    while waiting:  # each time one unit of every image
        turn = {chosen[k].image: k for k in reversed(waiting)}
        together = torch.zeros_like(features)
        for image, k in turn.items():
            together[image] = whole[k]
        below = descent.pixels(layers[0], together)
        for image, k in turn.items():
            pixels[k] = below[image]
        waiting = [k for k in waiting if k not in turn.values()]
    places = [(u.row, u.column) for u in chosen] if source == "strongest" else [(None, None)] * len(chosen)
    clipped, uncut = seen_by(model, layers[0], images.shape, tuple(features.shape), places)
    return Projection(
        pixels=pixels,
        units=tuple(chosen),
        activations=activations_of(chosen, features, source),
        windows=clipped,
        uncut=uncut,
        source=source,
    )


def has_mirror(trace: Trace, layer: str, rules: Rules) -> bool:
    """Whether a recorded pass can be mirrored from a layer down: the network is a chain up to there."""
    try:
        mirror(trace, layer, rules)
    except ChainError:
        return False
    return True
