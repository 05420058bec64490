"""Where the images of an atlas lie: folders, zips, tar shards, single pictures, and lists of paths.

Each place lists its pictures by name, with their classes, and reads one of them by its name. Archives are
read in place and never unpacked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..data.folders import SUFFIXES
from ..data.images import open_photo, read_file
from ..data.stores import Folder
from ..errors import DataError, ImageError
from .archived import InTar, InZip
from .place import Listed, Place, class_of, is_picture, prefix_of
from .tars import COMPRESSED
from .tiny_titles import MARK, TinyTitles

_LISTS = (".txt", ".lst", ".list")
_OF_AN_ATLAS = re.compile(r"(^|/)(units\.parquet|scan-\d+-\d+\.npz)$")


def open_place(place: Path, root: Path | None = None) -> Place:
    """A place by its name.

    Args:
        place: a folder, tar shard, zip, folder inside either, picture, or text file of paths.
        root: where relative places begin, if not in the working folder.

    Raises:
        DataError: it does not exist, or is none of these.
    """
    path = place if root is None else root / place
    if path.is_dir():
        return _InFolder(place, path)
    for archive in (path, *path.parents):
        if archive.is_file():
            break
        if archive.exists():
            raise _missing(place)
    else:
        raise _missing(place)
    inside = path.relative_to(archive).as_posix() if path != archive else ""
    if archive.name.lower().endswith(COMPRESSED):
        raise DataError(
            f"{archive} is compressed, so that its pictures cannot be read one by one; decompress it first "
            "(gunzip, or unxz, unzstd)"
        )
    match archive.suffix.lower():
        case ".tar":
            return InTar(place, archive, inside)
        case ".zip":
            return InZip(place, archive, inside)
        case _ if inside:
            raise _missing(place)
        case suffix if suffix in _LISTS:
            return _OnList(place, path, root)
        case suffix:
            return _Single(place, path, sure=suffix in SUFFIXES)


def _missing(place: Path) -> DataError:
    pattern = " (no file fits the pattern)" if set("*?[") & set(str(place)) else ""
    return DataError(
        f"{place} does not exist{pattern}; name folders, tar shards, zips, pictures or text files of paths"
    )


class _InFolder(Place):
    def __init__(self, place: Path, path: Path) -> None:
        self.prefix, self._path = prefix_of(place), path

    def pictures(self) -> Iterator[Listed]:
        here = self._path.absolute()
        tiny = next((folder for folder in (here, *here.parents[:3]) if (folder / MARK).is_file()), None)
        titles = TinyTitles(lambda name: _text_of(tiny / name)) if tiny else None
        below = "/".join((*here.relative_to(tiny).parts, "")) if tiny else ""
        names = Folder(self._path).names
        for name in filter(is_picture, _without_atlases(names)):
            label = titles.of(below + name) if titles else None
            yield Listed(f"{self.prefix}{name}", class_of(name) if label is None else label)

    def read(self, name: str, at: int) -> bytes:
        return read_file(self._path / name[len(self.prefix) :])

    def lack(self) -> str:
        archives = [path.name for path in sorted(self._path.iterdir()) if path.suffix in (".tar", ".zip")]
        named = ", ".join(archives[:3] + ["..."] * (len(archives) > 3))
        return f"has no pictures, but archives ({named}): name those" if archives else super().lack()


def _without_atlases(names: Sequence[str]) -> Sequence[str]:
    """The files that lie in no atlas: an atlas holds pictures too, and none that were scanned."""
    atlases = tuple({name[: -len(Path(name).name)] for name in names if _OF_AN_ATLAS.search(name)})
    return [name for name in names if not name.startswith(atlases)] if atlases else names


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


class _Single(Place):
    def __init__(self, place: Path, path: Path, sure: bool) -> None:
        self.prefix, self._path = place.as_posix(), path
        if not sure:
            try:
                open_photo(path)
            except ImageError:
                raise DataError(
                    f"{place} is neither a folder, a tar shard, a zip, a picture nor a text file of paths "
                    f"({', '.join(_LISTS)})"
                ) from None

    def pictures(self) -> Iterator[Listed]:
        yield Listed(self.prefix, "")

    def read(self, name: str, at: int) -> bytes:
        return read_file(self._path)


class _OnList(Place):
    """Relative paths begin in the list's own folder."""

    def __init__(self, place: Path, path: Path, root: Path | None) -> None:
        self.prefix, self._place, self._path, self._root = "", place, path, root or Path()

    def pictures(self) -> Iterator[Listed]:
        try:
            lines = self._path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self._place} is no text file of paths: {error}") from None
        folder = self._place.parent
        for line in map(str.strip, lines):
            if line and not line.startswith("#"):
                name = os.path.normpath(os.path.join(folder, line))  # noqa: PTH118  # a million: no Path each
                yield Listed(name.replace(os.sep, "/"), class_of(line.replace(os.sep, "/")))

    def read(self, name: str, at: int) -> bytes:
        return read_file(self._root / name)

    def lack(self) -> str:
        return "names no pictures; it should have the path of one on each line"
