"""What a network makes of a batch of images in one pass: some layers' features, and its class scores.

found = answers(network, images, ["conv1", "fc7"])
found.lengths(), found.apart(reference), found.probabilities(207)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import LayerError, ModelError, UnitError
from ..models import Network
from ..models.classes import check_scores
from ..models.features import features_of, frozen
from ..models.network import leaves
from ..models.numbers import blamed

_SCORES = ""  # the name of a network's own output


@dataclass(frozen=True)
class Answers:
    """Features and scores of N images.

    Attributes:
        features: by layer: (N, C, H, W) maps or (N, C) vectors.
        scores: (N, classes), before any softmax; None where they were not asked for.
    """

    features: Mapping[str, Tensor]
    scores: Tensor | None

    def lengths(self) -> Tensor:
        """(N, L) float64: the Euclidean length of each layer's features, on the CPU."""
        return _lengths(self.features)

    def apart(self, reference: Answers) -> Tensor:
        """(N, L) float64: how far each layer's features are from those of one image, on the CPU.

        Args:
            reference: of that one image.
        """
        return _lengths({name: values - reference.features[name] for name, values in self.features.items()})

    def probabilities(self, target: int) -> Tensor:
        """(N) float64: of one class, in [0, 1], the softmax of all scores; on the CPU.

        Args:
            target: the class.

        Raises:
            ModelError: scores were not asked for.
        """
        return self.scored.double().softmax(1)[:, target].cpu()

    @property
    def scored(self) -> Tensor:
        """(N, classes): the scores.

        Raises:
            ModelError: they were not asked for.
        """
        if self.scores is None:
            raise ModelError("the pass kept no class scores")
        return self.scores


def answers(network: Network, images: Tensor, layers: Sequence[str], *, scores: bool = True) -> Answers:
    """One pass, which ends after the last wanted layer where scores are not wanted.

    Args:
        network: of any kind; it is left as it was.
        images: (N, 3, H, W), normalised as the network expects, on its device.
        layers: names or dotted paths.
        scores: keep the class scores too.

    Raises:
        LayerError: no such layer, the pass does not reach it, or it gives neither maps nor vectors.
        ModelError: the images do not fit the network, or it does not score classes.
        WeightsError: weights are missing, or hold values that are not numbers.
    """
    paths = {layer: network.path_of(layer) for layer in layers}
    if scores:
        check_scores(network)
        paths[_SCORES] = ""
    try:
        with (
            frozen(network.module),
            torch.inference_mode(),
            torch.autocast(images.device.type, enabled=False),
        ):
            found = features_of(network.module, images.clone(), paths)  # a first layer may work in place
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        raise ModelError(f"{network.name} does not take images of {tuple(images.shape)}: {why}") from error
    except LayerError as error:
        if not str(error).startswith("''"):
            raise
        what = str(error).removeprefix("''").partition(";")[0]  # of the network's own output
        raise ModelError(f"{network.name}{what}, not (N, classes) scores") from None
    if not all(torch.isfinite(values).all() for values in found.values()):
        raise blamed(images, leaves(network.module))
    given = found.pop(_SCORES, None)
    if given is not None and given.ndim != 2:
        raise ModelError(f"{network.name} gives {tuple(given.shape)}, not (N, classes) scores")
    return Answers(found, given)


def class_of(network: Network, scores: Tensor, target: int | None) -> int:
    """The class that is meant: the one given, or the most probable one of a single image.

    Args:
        network: whose scores they are.
        scores: (1, classes).
        target: a class; None for the most probable one.

    Raises:
        UnitError: no such class.
    """
    count = scores.shape[1]
    if target is None:
        return int(scores[0].argmax())
    if not 0 <= target < count:
        raise UnitError(f"no class {target}: {network.name} has {count} classes, 0 to {count - 1}")
    return target


def _lengths(features: Mapping[str, Tensor]) -> Tensor:
    found = [torch.linalg.vector_norm(v.flatten(1), dim=1, dtype=torch.float64) for v in features.values()]
    return torch.stack(found, dim=1).cpu()
