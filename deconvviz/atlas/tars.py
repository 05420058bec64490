"""Tar shards read one picture at a time: their members are found once, then read where they lie.

A shard of the WebDataset kind keeps what belongs to one sample side by side under one name: ``0001.jpg`` and
``0001.cls``, the class as text.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from ..data.stores import is_shown, refuse_escape
from ..errors import DataError

COMPRESSED = (".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst")
"""Endings of archives in which nothing can be found without unpacking what lies before it."""
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_ODD = re.compile(r"^/|\./|/\.|//|[:\\]|^\.\.?$")
"""In the names that may lead outside, or have to be made plain."""
_LONGEST = 1024  # bytes of a class's name


class Tar:
    """An uncompressed tar archive.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def members(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, int, str]]:
        """The files in it whose names are wanted; hidden ones are not there.

        Args:
            wanted: told each name.

        Yields:
            the name, where its header begins, and its class; that is empty where no ``.cls`` lies beside it.

        Raises:
            DataError: it is damaged, compressed, or names a file outside itself.
        """
        found: list[tuple[str, int]] = []
        classes: dict[str, str] = {}
        try:
            with tarfile.open(self.path, "r:") as archive:
                while (member := archive.next()) is not None:
                    archive.members.clear()  # type: ignore[attr-defined]  # a million would stay in memory
                    name = member.name
                    if _ODD.search(name):
                        refuse_escape(name, self.path)
                        name = PurePosixPath(name).as_posix()
                    if member.type not in _PLAIN or not all(map(is_shown, name.split("/"))):
                        continue
                    if wanted(name):
                        found.append((name, member.offset_data - tarfile.BLOCKSIZE))
                    elif name.endswith(".cls") and (content := archive.extractfile(member)):
                        label = content.read(_LONGEST).decode("utf-8", "replace").strip()
                        classes[_sample(name)] = label
        except (tarfile.TarError, OSError, EOFError, ValueError) as error:
            raise DataError(
                f"{self.path} is damaged or no plain tar archive ({error}); copy it again"
            ) from None
        for name, at in found:
            yield name, at, classes.get(_sample(name), "")

    def read(self, at: int) -> bytes:
        """The content of a member.

        Args:
            at: where its header begins.

        Raises:
            DataError: there is none: the archive has changed.
            OSError: the archive cannot be read.
        """
        with self.path.open("rb") as file:
            file.seek(at)
            try:
                header = tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
            except tarfile.TarError:
                raise DataError(f"{self.path} has changed since its pictures were listed") from None
            content = file.read(header.size)
        if len(content) < header.size:
            raise DataError(f"{self.path} is cut short")
        return content


def _sample(name: str) -> str:
    """What belongs together: everything up to the first dot of the file's own name."""
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]
