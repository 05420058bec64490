"""What every place where images lie has in common: pictures with names and classes, read one at a time."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..data.folders import SUFFIXES

_LAYOUT = {"train", "val", "valid", "validation", "test", "images"}
"""Folders that are no classes."""


class Listed(NamedTuple):
    """A picture that a place holds.

    Attributes:
        name: the place as it was named, and the path in it.
        label: its class; empty where it has none.
        at: where it begins, in a place that has to know.
    """

    name: str
    label: str
    at: int = 0


class Place(ABC):
    """Somewhere that pictures lie.

    Attributes:
        prefix: what all their names begin with.
    """

    prefix: str

    @abstractmethod
    def pictures(self) -> Iterator[Listed]:
        """All pictures; hidden ones are not there.

        Raises:
            DataError: the place is damaged, or not to be trusted.
        """

    @abstractmethod
    def read(self, name: str, at: int) -> bytes:
        """The bytes of a picture.

        Args:
            name: as it was listed.
            at: likewise.

        Raises:
            OSError: it cannot be read, or is gone.
            DataError: the archive is damaged.
        """

    def lack(self) -> str:
        """What is to be said of it where it has none: the end of a sentence."""
        return f"has no pictures (files named {', '.join(sorted(SUFFIXES))})"


def prefix_of(place: Path) -> str:
    """What the names of all pictures in a place begin with."""
    return "" if place == Path() else f"{place.as_posix().rstrip('/')}/"


def is_picture(name: str) -> bool:
    """Whether a file counts as one, by its name's ending."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122  # a million names: no Path each


def class_of(inner: str) -> str:
    """The nearest folder above a picture that is no part of a data set's layout; empty where there is none.

    Args:
        inner: the picture's path in its place.

    Example:
        >>> class_of("val/cats/images/7.png"), class_of("images/7.png")
        ('cats', '')
    """
    above = inner.split("/")[-2::-1]
    return next((folder for folder in above if folder.lower() not in _LAYOUT), "")
