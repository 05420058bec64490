"""Pictures in archives: in zips and tar shards, or in a folder inside either."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..data.stores import Zip
from .place import Listed, Place, class_of, is_picture, prefix_of
from .tars import Tar
from .tiny_titles import MARK, TinyTitles


class InZip(Place):
    """In a zip, which is read in place.

    Args:
        place: as it was named.
        archive: the file.
        inside: the folder, or the picture, in it; empty for all.

    Raises:
        DataError: it is damaged, or names a file outside itself.
    """

    def __init__(self, place: Path, archive: Path, inside: str) -> None:
        self.prefix, self._inside, self._store = prefix_of(place), inside and f"{inside}/", Zip(archive)

    def pictures(self) -> Iterator[Listed]:
        """All pictures in it, with Tiny ImageNet's own classes where it is that."""
        store = self._store
        there = set(store.names)
        marks = [name for name in store.names if name.split("/")[-1] == MARK]
        root = marks[0].removesuffix(MARK) if marks else ""

        def text(name: str) -> str:
            return store.read(root + name).decode("utf-8", "replace") if root + name in there else ""

        titles = TinyTitles(text) if marks else None
        for name in filter(is_picture, store.names):
            inner = name[len(self._inside) :]
            label = titles.of(name[len(root) :]) if titles and name.startswith(root) else None
            label = class_of(inner) if label is None else label
            if f"{name}/" == self._inside:
                yield Listed(self.prefix[:-1], label)
            elif name.startswith(self._inside):
                yield Listed(f"{self.prefix}{inner}", label)

    def read(self, name: str, at: int) -> bytes:
        """The bytes of a picture; see `Place.read`."""
        return self._store.read(f"{self._inside}{name[len(self.prefix) :]}".rstrip("/"))


class InTar(Place):
    """In an uncompressed tar.

    Args:
        place: as it was named.
        archive: the file.
        inside: the folder, or the picture, in it; empty for all.
    """

    def __init__(self, place: Path, archive: Path, inside: str) -> None:
        self.prefix, self._inside, self._archive = prefix_of(place), inside and f"{inside}/", Tar(archive)

    def pictures(self) -> Iterator[Listed]:
        """All pictures in it; the class of a sample is what lies beside it as ``.cls``."""
        for name, at, told in self._archive.members(is_picture):
            if f"{name}/" == self._inside:
                yield Listed(self.prefix[:-1], told, at)
            elif name.startswith(self._inside):
                inner = name[len(self._inside) :]
                yield Listed(f"{self.prefix}{inner}", told or class_of(inner), at)

    def read(self, name: str, at: int) -> bytes:
        """The bytes of a picture; see `Place.read`."""
        return self._archive.read(at)
