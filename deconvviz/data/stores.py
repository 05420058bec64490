"""Where the files of a data set lie: a folder, or a zip that is read in place and never unpacked.

Both answer to the same three questions, so that whatever reads a layout (class folders, Tiny ImageNet)
reads it from either. An archive that names a place outside itself is refused whole: such a file is
made to overwrite something, and nothing in it is to be trusted.
"""

from __future__ import annotations

import os
import threading
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from PIL import Image

from ..errors import DataError, ImageError
from .images import decode


class Store(ABC):
    """A set of files by their relative names.

    Attributes:
        path: the folder or archive.
        names: all files, ``/`` between the parts, sorted.
    """

    path: Path
    names: Sequence[str]

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
        self.path = path
        self.names = sorted(
            (Path(folder) / file).relative_to(path).as_posix()
            for folder, _, files in os.walk(path, followlinks=True)
            for file in files
            if not file.startswith(".")
        )

    def read(self, name: str) -> bytes:
        """The content of a file."""
        return (self.path / name).read_bytes()

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
        self.path = path
        self._opened = threading.local()
        try:
            members = [m for m in self._archive.infolist() if not m.is_dir()]
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise DataError(
                f"{path} is damaged or not a zip archive ({error}); copy or download it again"
            ) from None
        for member in members:
            refuse_escape(member.filename, path)
        self._members = {m.filename: m for m in members if not PurePosixPath(m.filename).name.startswith(".")}
        self.names = sorted(self._members)

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
        except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError) as error:
            raise DataError(f"{name} in {self.path.name} cannot be read: {error}") from None

    def stamp(self, name: str) -> str:
        """Size and checksum."""
        return f"{self._members[name].file_size}:{self._members[name].CRC:08x}"


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
