"""What a network takes a picture for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..data.datasets import DataSet
from ..errors import DataError, ModelError, nearest
from ..models import Network
from ..models.classes import check_scores
from .augment import normalised, resized
from .evaluation import Evaluation, evaluate
from .processes import Processes
from .trainer import autocast


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one image, most probable first.

    Attributes:
        classes: their numbers.
        names: their names; the number where the network has none.
        probabilities: of each, in [0, 1]: the softmax of the scores.
    """

    classes: tuple[int, ...]
    names: tuple[str, ...]
    probabilities: tuple[float, ...]


def predict(network: Network, images: Tensor, topk: int = 5) -> list[Prediction]:
    """The most probable classes of each image.

    Args:
        network: a classifier.
        images: (N, 3, H, W) as the network sees them, on its device.
        topk: how many classes.

    Raises:
        ModelError: the network does not score classes, or lacks the weights for it.

    Example:
        >>> from deconvviz.models import load_model
        >>> len(predict(load_model("cifar", "random"), torch.zeros(1, 3, 32, 32))[0].classes)
        5
    """
    scores = _scores(network, images)
    best = scores.float().softmax(1).topk(min(topk, scores.shape[1]), dim=1)
    return [
        Prediction(tuple(c), tuple(_name(network, i) for i in c), tuple(p))
        for c, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def _scores(network: Network, images: Tensor) -> Tensor:
    """(N, classes) scores, or a word on why there are none."""
    check_scores(network)
    try:
        with torch.inference_mode():
            scores: object = network.module(images)
    except RuntimeError as error:
        size = tuple(images.shape)
        raise ModelError(
            f"{network.name} does not take images of {size}: {str(error).splitlines()[0]}"
        ) from error
    if not isinstance(scores, Tensor) or scores.ndim != 2:
        what = tuple(scores.shape) if isinstance(scores, Tensor) else f"a {type(scores).__name__}"
        raise ModelError(f"{network.name} gives {what}, not (N, classes) scores")
    return scores


def _name(network: Network, number: int) -> str:
    return network.categories[number] if number < len(network.categories) else str(number)


def evaluate_network(network: Network, data: DataSet, device: torch.device) -> Evaluation:
    """A network over a data set's validation images, in float32.

    Args:
        network: a classifier that knows its classes.
        data: its classes may be fewer, or in another order: they are found by id or name.
        device: where the network is.

    Raises:
        DataError: the network does not know one of the classes.
        ModelError: it does not score classes, or lacks the weights for it.
    """
    numbers = class_numbers(network, data.ids, data.titles)
    labels = np.array(numbers, dtype=np.int64)[data.val.labels]
    side = network.input_size
    plain = partial(normalised, mean=network.mean, std=network.std, channels_last=True)
    return evaluate(
        network.module,
        data.val.pixels,
        labels,
        data.val.rows,
        Processes(0, 1, device),
        lambda values: resized(plain(values), side),
        _scores(network, torch.zeros(1, 3, side, side, device=device)).shape[1],
        cast=partial(autocast, "float32", device),
    )


def class_numbers(network: Network, ids: Sequence[str], titles: Sequence[str]) -> list[int]:
    """A network's own numbers of these classes, found by id, else by name.

    Raises:
        DataError: it does not know one of them.
    """
    by_id = {c: i for i, c in enumerate(network.class_ids)}
    by_name = {c: i for i, c in reversed(list(enumerate(network.categories)))}
    numbers = []
    for wnid, title in zip(ids, titles, strict=True):
        number = by_id.get(wnid, by_name.get(title, by_name.get(wnid)))
        if number is None:
            known = nearest(title, network.categories) if network.categories else "it knows no class names"
            raise DataError(f"{network.name} has no class '{title}'; {known}")
        numbers.append(number)
    return numbers
