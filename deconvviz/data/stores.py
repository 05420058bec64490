"""Where the files of a data set lie: a folder, or a zip that is read in place and never unpacked.

Both answer to the same three questions, so that whatever reads a layout (class folders, Tiny ImageNet)
reads it from either. An archive that names a place outside itself is refused whole: such a file is
made to overwrite something, and nothing in it is to be trusted.
"""

from __future__ import annotations

import lzma
import os
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from PIL import Image

from ..errors import DataError, ImageError
from .images import decode, read_file

_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    RuntimeError,  # encrypted
    NotImplementedError,  # compressed in another way
)


class Store(ABC):
    """A set of files by their relative names.

    Attributes:
        path: the folder or archive.
        key: tells it from every other.
        names: all files, ``/`` between the parts, sorted; hidden ones, and those in hidden folders, are not
            there.
        folders: all folders, empty ones too where they are known.
    """

    path: Path
    key: str
    names: Sequence[str]
    folders: frozenset[str]

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The content of a file."""

    @abstractmethod
    def stamp(self, name: str) -> str:
        """What changes when the file does: its size and its time or checksum."""

    def picture(self, name: str) -> Image.Image:
        """A file decoded, RGB.

        Raises:
            ImageError: it does not hold a picture.
        """
        try:
            return decode(self.read(name), name)
        except (DataError, OSError) as error:
            raise ImageError(str(error)) from None


class Folder(Store):
    """The files below a folder."""

    def __init__(self, path: Path) -> None:
        """Lists them all."""
        self.path, self.key = path, str(path.absolute())
        names: list[str] = []
        folders: set[str] = set()
        for folder, below, files in _walk(path):
            here = Path(folder).relative_to(path)
            names += [(here / file).as_posix() for file in files if is_shown(file)]
            folders |= {(here / name).as_posix() for name in below}
        self.names, self.folders = sorted(names), frozenset(folders)

    def read(self, name: str) -> bytes:
        """The content of a file."""
        return read_file(self.path / name)

    def stamp(self, name: str) -> str:
        """Size and time of last change, in nanoseconds."""
        status = (self.path / name).stat()
        return f"{status.st_size}:{status.st_mtime_ns}"


class Zip(Store):
    """The files in a zip archive, read in place."""

    def __init__(self, path: Path) -> None:
        """Lists them all.

        Raises:
            DataError: it is no zip, or names a file outside itself.
        """
        self.path, self.key = path, str(path.absolute())
        self._opened = threading.local()
        try:
            members = self._archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise DataError(
                f"{path} is damaged or not a zip archive ({error}); copy or download it again"
            ) from None
        for member in members:
            refuse_escape(member.filename, path)
        paths = {m.filename: PurePosixPath(m.filename) for m in members}
        shown = [m for m in members if all(map(is_shown, paths[m.filename].parts))]
        self._members = {m.filename: m for m in shown if not m.is_dir()}
        self.names = sorted(self._members)
        above = {str(folder) for m in shown for folder in paths[m.filename].parents}
        self.folders = frozenset(above | {str(paths[m.filename]) for m in shown if m.is_dir()}) - {"."}

    @property
    def _archive(self) -> zipfile.ZipFile:
        # One handle a thread: a shared one makes decoding threads wait for each other.
        if not hasattr(self._opened, "archive"):
            self._opened.archive = zipfile.ZipFile(self.path)
        archive: zipfile.ZipFile = self._opened.archive
        return archive

    def read(self, name: str) -> bytes:
        """The content of a file; its checksum is verified.

        Raises:
            DataError: it is damaged.
        """
        try:
            return self._archive.read(name)
        except (
            zipfile.BadZipFile,
            OSError,
            EOFError,
            RuntimeError,
            NotImplementedError,
            zlib.error,
            lzma.LZMAError,
        ) as error:
            raise DataError(f"{name} in {self.path.name} cannot be read: {error}") from None

    def stamp(self, name: str) -> str:
        """Size and checksum."""
        return f"{self._members[name].file_size}:{self._members[name].CRC:08x}"


def _walk(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """The folders that are shown, through links too, but none inside itself, to which a link may lead."""
    above = {str(top): frozenset({_identity(str(top))})}
    for folder, below, files in os.walk(str(top), followlinks=True):
        around = above.pop(folder)
        shown = [
            (name, os.path.join(folder, name))  # noqa: PTH118  # the texts that os.walk gives
            for name in below
            if is_shown(name)
        ]
        known = [(name, inside, _identity(inside)) for name, inside in shown]
        entered = [one for one in known if one[2] is not None and one[2] not in around]
        above.update({inside: around | {identity} for _, inside, identity in entered})
        below[:] = [name for name, _, _ in entered]
        yield folder, below, files


def _identity(folder: str) -> tuple[int, int] | None:
    """Tells a folder from every other, whatever leads to it; None where it cannot be reached."""
    try:
        status = os.stat(folder)  # noqa: PTH116  # a text, as os.walk gives it
    except OSError:
        return None
    return status.st_dev, status.st_ino


def is_shown(name: str) -> bool:
    """Whether a file or folder is meant to be seen, not left behind by an editor or archiver.

    Args:
        name: its own name, without the folders above it.
    """
    return not name.startswith(".") and name != "__MACOSX"


def refuse_escape(name: str, archive: Path) -> None:
    """Refuses a member whose name leads out of the archive's folder.

    Raises:
        DataError: it is absolute, has a drive, or climbs with ``..``.
    """
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name.split("/")[0]:
        raise DataError(f"{archive} is refused: it holds '{name}', a path that leaves its folder")


def open_store(path: Path) -> Store:
    """The files in a folder or a zip.

    Raises:
        DataError: there is nothing there, or it is neither.
    """
    if path.is_dir():
        return Folder(path)
    if path.is_file():
        return Zip(path)
    raise DataError(f"{path} does not exist; --data takes a folder or zip of class folders")
