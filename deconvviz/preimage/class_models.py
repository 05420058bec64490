"""Class models: the image that a network gives a class's highest score, and the same for any other unit.

    found = class_models(network, [207, 281])
    found.images          # (2, 3, 224, 224), normalised as the network sees them

There is no photograph here: the picture is what the class's weights ask for, several poses and parts at
once. A high score does not make it look like the class to us; see `simonyan2013` for the plain form,
`legible` for one with regularisers, which are the maker's taste and not the network's.

Source: Simonyan et al. 2013, arXiv 1312.6034.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..errors import LayerError, ModelError, UnitError, WeightsError
from ..models import Network
from ..models.classes import check_scores
from ..models.features import features_of, frozen
from . import legible, simonyan2013
from .methods import Draws, Setting
from .optimising import optimise
from .targets import Place

METHODS = {"legible": legible, "simonyan2013": simonyan2013}
AT_ONCE = 16


@dataclass(frozen=True)
class ClassModels:
    """Images that N units answer to most.

    Attributes:
        images: (N, 3, H, W), normalised as the network sees them.
        values: (N), the score, or the activation, that each image reaches as it is.
        probabilities: (N) in [0, 1], the softmax of the scores, of classes; None for other units.
        curve: (T, N), the values at each step made, of what the network was shown at it.
        place: ``centre`` or ``everywhere``, where it was climbed in maps; else empty.
        stopped: ``interrupted`` or ``diverged`` where it ended early; else empty.
        slower: what the rates were multiplied with at the end; below 1 where steps had to be taken back.
    """

    images: Tensor
    values: Tensor
    probabilities: Tensor | None
    curve: Tensor
    place: str
    stopped: str
    slower: float


def class_models(
    network: Network,
    units: Sequence[int],
    method: str = "legible",
    *,
    layer: str = "",
    place: Literal["centre", "everywhere"] = "centre",
    iterations: int | None = None,
    seed: int = 0,
    at_once: int = AT_ONCE,
    watch: Callable[[int, int, Tensor], None] = lambda step, steps, values: None,
) -> ClassModels:
    """Climbs the scores of classes, or the activations of other units, all in one batch.

    Args:
        network: left as it was.
        units: numbers of the classes, or of the layer's units (channels).
        method: ``legible`` or ``simonyan2013``.
        layer: whose units they are; the empty name is the network's output, the class scores.
        place: of maps, climb the activation at their centre, or their mean.
        iterations: how many steps; None for the method's own.
        seed: draws the start and the shifts of ``legible``, the same ones for every unit of the batch; the
            same on the CPU gives the same bits.
        at_once: images that are differentiated together.
        watch: told the step, how many there will be, and the values (N) at it.

    Raises:
        UnitError: no units, or one that does not exist.
        LayerError: there is no such layer.
        ModelError: there is no such method, or the network does not score classes, or lacks the weights
            for it.
        WeightsError: the layer's weights are missing, or no numbers.

    Example:
        >>> from deconvviz import load_model
        >>> class_models(load_model("mini"), [3, 5], iterations=2).images.shape
        torch.Size([2, 3, 64, 64])
    """
    if method not in METHODS:
        raise ModelError(f"no method '{method}' of class models; there are: {', '.join(METHODS)}")
    if not units:
        raise UnitError("no units to find images for")
    if not layer:
        check_scores(network)
    paths = {layer: network.path_of(layer) if layer else ""}
    device = next((p.device for p in network.module.parameters() if not p.is_meta), torch.device("cpu"))
    steps = iterations or METHODS[method].ITERATIONS
    setting = Setting(
        network.input_size, network.mean, network.std, [Place(1.0, 1)] * len(units), device, steps
    )

    def see(images: Tensor) -> Tensor:
        copy = images.clone()  # the network may work in place on what it is given
        return features_of(network.module, copy, paths)[layer]

    with frozen(network.module), torch.inference_mode(False), torch.no_grad():
        _check(network, layer, units, lambda: see(torch.zeros(1, 3, *[setting.side] * 2, device=device)))
        found = optimise(
            METHODS[method].started(setting, Draws(seed, 1)),
            lambda shown, rows: _values(see(shown), units[rows], place),
            steps,
            at_once,
            lambda step, values: watch(step, steps, values),
        )
        features = torch.cat([see(part) for part in torch.split(found.images, at_once)])
    of_classes = features.double().softmax(1) if not layer else None
    return ClassModels(
        images=found.images,
        values=_values(features, units, place),
        probabilities=None if of_classes is None else _values(of_classes, units, place),
        curve=found.curve,
        place=place if features.ndim == 4 else "",
        stopped=found.stopped,
        slower=found.slower,
    )


def _values(features: Tensor, units: Sequence[int], place: str) -> Tensor:
    """What is climbed, a value an image, of the features of one image a unit."""
    own = features[torch.arange(len(units)), list(units)]
    if own.ndim == 1:
        return own
    return own[:, own.shape[1] // 2, own.shape[2] // 2] if place == "centre" else own.mean((1, 2))


def _check(network: Network, layer: str, units: Sequence[int], see: Callable[[], Tensor]) -> None:
    """Looks once at the mean colour, to see whether all is there."""
    side = network.input_size
    try:
        features = see()
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        raise ModelError(f"images of {(1, 3, side, side)} do not pass the network: {why}") from error
    except LayerError as error:
        if layer:
            raise
        given = str(error).removeprefix("''").partition(";")[0]  # its output has no name
        raise ModelError(f"{network.name}{given}, not (N, classes) scores") from None
    if not layer and features.ndim != 2:
        raise ModelError(f"{network.name} gives {tuple(features.shape)}, not (N, classes) scores")
    count = features.shape[1]
    for unit in units:
        if not 0 <= unit < count:
            what = f"{layer} has {count} units" if layer else f"{network.name} has {count} classes"
            raise UnitError(f"no {'unit' if layer else 'class'} {unit}: {what}, 0 to {count - 1}")
    if not torch.isfinite(features).all():
        raise WeightsError(f"{network.name} gives NaN or infinity for a plain image: the weights are damaged")
