"""What a network is fed with: augmented images, or the kept features of its frozen beginning."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.datasets import DataSet, LabelledImages
from ..errors import TrainingError
from ..models.building import Built
from .augment import affine_draws, augmented, erased, normalised, resized, square_draws
from .batches import epoch_order
from .frozen import Features, features_of
from .processes import Processes
from .settings import Settings


class Prepare(Protocol):
    """Turns a part of a global batch into what the network takes."""

    def __call__(self, values: Tensor, share: slice, seed: int) -> Tensor:
        """The process's `share` of the batch; every draw comes from `seed`."""


@dataclass(frozen=True)
class Feed:
    """A split as the network is fed with it.

    Attributes:
        values: (rows * views, ...) images or features.
        labels: (rows * views,) class numbers.
        rows: (N,) the images that are there.
        views: how many versions of each image lie one after the other: 2 where a mirrored one does.
        prepare: from values to the network's input.
    """

    values: NDArray[Any]
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]
    views: int
    prepare: Prepare

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """The rows of `values` for one epoch, shuffled; of several views of an image one is drawn."""
        rows = epoch_order(self.rows, seed, epoch)
        return rows * self.views + np.random.default_rng([seed, epoch, 1]).integers(0, self.views, len(rows))


def shown(values: Tensor, built: Built, settings: Settings, side: int) -> Tensor:
    """uint8 pixels (N, H, W, 3) as the network takes them: (N, 3, side, side), normalised."""
    return resized(normalised(values, built.mean, built.std, settings.channels_last), side)


def feeds(
    built: Built,
    data: DataSet,
    settings: Settings,
    side: int,
    frozen: nn.Module | None,
    processes: Processes,
    progress: bool,
) -> tuple[Feed, Feed]:
    """The training and the validation feed.

    Args:
        built: the network: its normalisation.
        data: the images.
        settings: crops and flips.
        side: of the network's input, in pixels.
        frozen: its frozen beginning, whose features are then fed; None feeds images.
        processes: the first computes features, the others wait for it.
        progress: show progress while it does.
    """
    plain = partial(shown, built=built, settings=settings, side=side)
    if frozen is None:
        return (
            _images(data.train, partial(_augmented, built=built, settings=settings, side=side)),
            _images(data.val, lambda values, share, seed: plain(values)),
        )
    if not processes.first_here:
        processes.wait()
    bars = progress and processes.first
    found = features_of(
        frozen.eval(),
        data,
        plain,
        processes.device,
        settled=f"{built.mean} {built.std} {side}",
        mirrored=settings.flip,
        progress=bars,
    )
    if processes.first_here:
        processes.wait()
    return _features(found[0]), _features(found[1])


def _images(images: LabelledImages, prepare: Prepare) -> Feed:
    return Feed(images.pixels, images.labels, images.rows, 1, prepare)


def _features(features: Features) -> Feed:
    views = features.values.shape[1]
    return Feed(
        features.values.reshape(-1, *features.values.shape[2:]),
        np.repeat(features.images.labels, views),
        features.images.rows,
        views,
        lambda values, share, seed: values.float(),
    )


def _augmented(
    values: Tensor, share: slice, seed: int, built: Built, settings: Settings, side: int
) -> Tensor:
    images = normalised(values, built.mean, built.std, settings.channels_last)
    generator, count = torch.Generator().manual_seed(seed), settings.batch_size
    shown_side = settings.crop_size or side
    if settings.crop == "none" and not settings.flip:
        images = resized(images, shown_side)
    else:
        maps = affine_draws(count, settings, generator, values.shape[1])[share]
        images = augmented(images, maps, shown_side)
    if not settings.erase:
        return images
    return erased(images, square_draws(count, generator)[share], settings.erase)


def check_scores(module: nn.Module, images: Tensor, classes: int) -> None:
    """Makes sure that a network takes the images and scores the classes.

    Raises:
        TrainingError: it does not.
    """
    training = module.training
    try:
        with torch.inference_mode():
            scores = module.eval()(images)
    except RuntimeError as error:
        size = "x".join(map(str, images.shape[2:]))
        raise TrainingError(
            f"the network does not take {size} images: {str(error).splitlines()[0]}"
        ) from None
    finally:
        module.train(training)
    if not isinstance(scores, Tensor) or scores.shape != (len(images), classes):
        got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise TrainingError(
            f"the network gives {got} for {len(images)} images, not ({len(images)}, {classes}) scores"
        )
