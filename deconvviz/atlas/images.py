"""The images of an atlas: pictures in folders, archives and lists, by name, in one order for all.

    images = list_images([Path("photos"), Path("shard-000.tar"), Path("tiny.zip/tiny-imagenet-200/val")])
    images.names[3], images.labels[3]                 # "photos/dogs/rex.jpg", "dogs"
    images.picture(3)

An image's name is the place as the user named it and the picture's path in it. Names are sorted, so that an
image's number tells its place in that order; an image that is reached twice counts once. The class is the
nearest folder above the picture and below the named place that is no part of a data set's layout (``train``,
``val``, ``images``); what a WebDataset shard or Tiny ImageNet says itself goes before that.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data.images import decode, middle
from ..errors import DataError, ImageError, nearest
from .place import Place
from .places import open_place


class MissingImageError(ImageError):
    """The image is not there, or not there any more."""


@dataclass(frozen=True, eq=False)
class ImageList:
    """Pictures by number, sorted by name.

    Attributes:
        names: sorted, each once.
        labels: the class of each; empty where it has none.
        places: where they were looked for, as they were named.
    """

    names: Sequence[str]
    labels: Sequence[str]
    places: tuple[str, ...]
    _opened: tuple[Place, ...]
    _in: NDArray[np.int32]
    _at: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def key(self) -> str:
        """Tells this list from every other: the sha256 of names and classes."""
        digest = hashlib.sha256()
        for name, label in zip(self.names, self.labels, strict=True):
            digest.update(f"{name}\0{label}\0".encode())
        return digest.hexdigest()

    def read(self, i: int) -> bytes:
        """The bytes of a picture.

        Args:
            i: its number.

        Raises:
            MissingImageError: it is gone.
            ImageError: it cannot be read.
        """
        try:
            return self._opened[int(self._in[i])].read(self.names[i], int(self._at[i]))
        except FileNotFoundError:
            raise MissingImageError(f"{self.names[i]} does not exist") from None
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise ImageError(f"{self.names[i]} cannot be read: {why}") from None
        except DataError as error:
            raise ImageError(str(error)) from None

    def picture(self, i: int) -> Image.Image:
        """A picture, upright, RGB; of very long ones the middle.

        Args:
            i: its number.

        Raises:
            ImageError: it cannot be read, or is damaged, too large or none.
        """
        return middle(decode(self.read(i), self.names[i]))

    def find(self, name: str) -> int:
        """The number of an image.

        Args:
            name: as it is in `names`.

        Raises:
            MissingImageError: there is no such image.
        """
        i = bisect_left(self.names, name)
        if i == len(self.names) or self.names[i] != name:
            around = self.names[max(0, i - 10) : i + 10]
            raise MissingImageError(f"no image '{name}' in {', '.join(self.places)}; {nearest(name, around)}")
        return i


def list_images(places: Sequence[Path | str], root: Path | None = None) -> ImageList:
    """Lists the pictures of some places.

    Args:
        places: folders, tar shards, zips, folders inside either (``tiny.zip/val``), pictures, or text files
            with the path of a picture on each line.
        root: where relative places begin, if not in the working folder; names do not change with it.

    Raises:
        DataError: a place does not exist, is none of these, is damaged, or has no pictures.

    Example:
        >>> from deconvviz.data.images import sample_path
        >>> images = list_images([sample_path()])
        >>> len(images), images.picture(0).size
        (1, (512, 600))
    """
    if not places:
        raise DataError("no images are named; name folders, tar shards, zips, pictures or lists of them")
    opened: list[Place] = []
    listed: list[tuple[str, str, int, int]] = []
    shared: dict[str, str] = {}  # one text a class, not one a picture
    for number, given in enumerate(places):
        before = len(listed)
        try:
            opened.append(place := open_place(Path(given), root))
            for name, label, at in place.pictures():
                listed.append((name, shared.setdefault(label, label), number, at))
            if len(listed) == before:
                raise DataError(f"{given} {place.lack()}")
        except OSError as error:
            raise DataError(f"{given} cannot be read: {error.strerror or error}") from None
    listed.sort()
    last = [i for i in range(len(listed)) if i + 1 == len(listed) or listed[i][0] != listed[i + 1][0]]
    return ImageList(
        [_text(listed[i][0]) for i in last],
        [listed[i][1] for i in last],
        tuple(Path(place).as_posix() for place in places),
        tuple(opened),
        np.array([listed[i][2] for i in last], np.int32),
        np.array([listed[i][3] for i in last], np.int64),
    )


def _text(name: str) -> str:
    """Itself, if it can be written down."""
    if name.isascii():
        return name
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(f"the file name {name!a} is no Unicode text; rename the file") from None
    return name
