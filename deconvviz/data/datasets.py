"""Labelled images as the training code takes them: a uint8 memory map, its labels, its class names.

    data = open_data("tiny-imagenet", root="data", classes=20, side=64)
    data.train.pixels[:8], data.train.labels[:8], data.titles

Images are decoded once, squared (shorter side to `side`, centre crop, as torchvision's evaluation does) and
kept; later runs read the map. Which classes and which images were drawn is in the result.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import DataError, ImageError, nearest
from .cache import Wanted, cache_folder, kept
from .cifar10 import CIFAR10_SIDE, list_cifar10
from .dead_leaves import list_dead_leaves
from .folders import list_folders
from .listing import Files, Listing, Source
from .stores import open_store
from .tiny_imagenet import TINY_IMAGENET_SIDE, find_tiny_imagenet, list_tiny_imagenet
from .tiny_imagenet import at_hand as tiny_imagenet_at_hand

NAMES = ("tiny-imagenet", "cifar10", "dead-leaves")
"""The data sets that go by a name; anything else is a folder or zip of class folders."""
_LEAVES_PER_CLASS, _LEAVES_HELD_OUT = 500, 50
_PROBES = 20  # pictures looked at to tell how large those of a folder are


@dataclass(frozen=True)
class LabelledImages:
    """One split.

    Attributes:
        pixels: (rows, side, side, 3) uint8, RGB; a memory map.
        labels: (rows,) int64 class numbers.
        names: what each row's image is called.
        rows: (N,) the rows that hold an image; a file that could not be decoded left its row empty.
        key: tells these pixels from any other.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    rows: NDArray[np.int64]
    key: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def picture(self, row: int) -> Image.Image:
        """One image, for whatever takes pictures."""
        return Image.fromarray(np.asarray(self.pixels[row]))


@dataclass(frozen=True)
class DataSet:
    """A data set ready for training.

    Attributes:
        name: what the user called it.
        ids: the classes' WordNet ids or folder names, by class number.
        titles: the classes' names for people.
        train: the training images.
        val: the validation images.
        test: images that neither train nor choose; None where there are none, or they were not asked for.
        skipped: images that could not be decoded, each with the reason.
        facts: what else a manifest should say: source, seed, side, counts.
    """

    name: str
    ids: tuple[str, ...]
    titles: tuple[str, ...]
    train: LabelledImages
    val: LabelledImages
    skipped: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    test: LabelledImages | None = None


def open_data(
    name: str,
    *,
    root: str | os.PathLike[str] | None = None,
    classes: int | None = None,
    val_per_class: int | None = None,
    train_per_class: int | None = None,
    only: tuple[str, ...] = (),
    seed: int = 0,
    side: int = 64,
    progress: bool = True,
    val_share: float | None = None,
    test: bool = False,
    at_most: bool = False,
) -> DataSet:
    """Opens a data set, decoding it first where that has not been done.

    Args:
        name: one of `NAMES`, or a folder or zip of class folders; or ``auto``: Tiny ImageNet where it is in
            `root` or its server answers within seconds, else dead leaves.
        root: where `tiny-imagenet` and `cifar10` lie or are downloaded to; None for the cache.
        classes: draw so many classes at random.
        val_per_class: hold out so many training images of each class for validation.
        train_per_class: draw so many training images of each class; all by default, 500 dead leaves.
        only: keep these classes (ids or titles), in this order.
        seed: for every draw.
        side: of the squares, in pixels; pictures that are all smaller are kept at their own size.
        progress: show progress bars on stderr.
        val_share: hold out this share of each class's training images for validation; not with
            `val_per_class`.
        test: open the test images too, where there are any: those of a folder ``test`` beside ``val``, or
            the data set's own validation images where others were held out.
        at_most: `classes` is no more than a wish: take all where there are fewer.

    Raises:
        DataError: it is not there, is damaged, or has too little in it.

    Example:
        >>> data = open_data("dead-leaves", train_per_class=2, val_per_class=1, side=16, progress=False)
        >>> data.train.pixels.shape
        (24, 16, 16, 3)
    """
    if name == "auto":
        name = "tiny-imagenet" if tiny_imagenet_at_hand(data_root(root)) else "dead-leaves"
    if name == "dead-leaves":
        held_out, drawn = val_per_class or _LEAVES_HELD_OUT, train_per_class or _LEAVES_PER_CLASS
        listing = list_dead_leaves(drawn, held_out, seed, side)
        val_per_class = train_per_class = None
    elif name == "cifar10":
        listing = list_cifar10(data_root(root), progress)
        side = min(side, CIFAR10_SIDE)
    elif name == "tiny-imagenet":
        listing = list_tiny_imagenet(find_tiny_imagenet(data_root(root), progress))
        side = min(side, TINY_IMAGENET_SIDE)
    elif Path(name).exists():
        listing = list_folders(open_store(Path(name)))
        side = _fitting(listing, side)
    else:
        raise DataError(f"no data set '{name}'; {nearest(name, NAMES)}, or a folder or zip of class folders")
    listing = listing.named(only) if only else listing
    listing = (
        listing.drawn(classes, seed, at_most)
        .held_out(val_per_class, seed, val_share)
        .thinned(train_per_class, seed)
        .checked()
    )
    train, bad = _decoded(
        f"{Path(name).stem}, training images", listing.source, listing.train, side, progress
    )
    val, worse = _decoded(
        f"{Path(name).stem}, validation images", listing.source, listing.val, side, progress
    )
    tested: LabelledImages | None = None
    worst: tuple[str, ...] = ()
    if test and listing.test:
        tested, worst = _decoded(
            f"{Path(name).stem}, test images", listing.source, listing.test, side, progress
        )
    if not len(train) or not len(val):
        raise DataError(f"{name}: no image could be read; the first: {(bad + worse)[0]}")
    facts = {
        "data": name,
        "source": str(listing.source.path),
        "side": side,
        "seed": seed,
        "training_images": len(train),
        "validation_images": len(val),
        "skipped": len(bad) + len(worse) + len(worst),
    }
    skipped = (*bad, *worse, *worst)
    return DataSet(name, listing.ids, listing.titles, train, val, skipped, facts, tested or None)


def data_root(root: str | os.PathLike[str] | None) -> Path:
    """The folder where named data sets lie: the one named, or one in the cache."""
    return Path(root) if root is not None else cache_folder() / "data"


def _fitting(listing: Listing, side: int) -> int:
    """`side`, or that of the pictures themselves where all those looked at are smaller."""
    names = listing.train.names
    sides = []
    for name in names[:: max(1, len(names) // _PROBES)][:_PROBES]:
        with contextlib.suppress(ImageError):
            sides.append(min(listing.source.picture(name).size))
    return min(side, max(sides, default=side))


def _decoded(
    label: str, source: Source, files: Files, side: int, progress: bool
) -> tuple[LabelledImages, tuple[str, ...]]:
    """The pictures as squares, without those that cannot be read; and what was wrong with these."""

    def produce(first: int, last: int) -> Iterator[NDArray[np.uint8] | ImageError]:
        for name in files.names[first:last]:
            try:
                yield squared(source.picture(name), side)
            except ImageError as error:
                yield error

    stamps = [[name, source.stamp(name)] for name in files.names]
    of = [
        source.key,
        label,
        side,
        hashlib.sha256("\0".join(files.names).encode("utf-8", "surrogateescape")).hexdigest(),
    ]
    shape = (len(files), side, side, 3)
    found = kept(Wanted("images", of, stamps, shape, np.uint8), produce, label=label, progress=progress)
    good = np.array([row for row in range(len(files)) if row not in found.failed], dtype=np.int64)
    images = LabelledImages(
        found.array,
        np.array(files.labels, dtype=np.int64),
        files.names,
        good,
        f"{found.folder.name} {found.state}",
    )
    return images, tuple(found.failed.values())


def squared(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """A picture's middle as a square of `side`: shorter side scaled to it, antialiased, then cropped.

    Returns:
        (side, side, 3) uint8.
    """
    width, height = image.size
    if (width, height) != (side, side):
        shorter = min(width, height)
        size = int(side * width / shorter), int(side * height / shorter)
        image = image.resize(size, Image.Resampling.BILINEAR)
        left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
        image = image.crop((left, top, left + side, top + side))
    return np.asarray(image)
