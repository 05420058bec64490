"""Arrays computed once and kept as memory maps: decoded images, features of a frozen network.

An entry is a folder of the cache with the array's bytes and a ``meta.json`` written last: what lacks it
was interrupted and is made anew. The bytes are written through ordinary writes rather than through the
map, since a full disk then is an error with a name instead of a signal that kills the process.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import DataError, ImageError
from .filling import fill

CACHE_VARIABLE = "DECONVVIZ_CACHE"
"""The environment variable that names the cache's folder."""
_STALE_S = 24 * 3600


def cache_folder() -> Path:
    """Where computed arrays are kept: ``$DECONVVIZ_CACHE``, else ``deconvviz`` in the user's cache."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deconvviz"


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Kept:
    """A kept array.

    Attributes:
        array: (rows, ...) a read-only memory map.
        failed: the rows that could not be made, with the reason; the array holds zeros there.
        folder: where it lies.
        state: of its source when it was made.
    """

    array: NDArray[Any]
    failed: dict[int, str]
    folder: Path
    state: str


@dataclass(frozen=True)
class Wanted:
    """An array to be found or made.

    Attributes:
        name: how the folder's name begins.
        identity: what the array is of (source, size); one folder each.
        fingerprint: the state of the source; another one makes the array anew in the same folder.
        shape: of the array; the first number counts its rows.
        dtype: of its values.
    """

    name: str
    identity: Any
    fingerprint: Any
    shape: tuple[int, ...]
    dtype: DTypeLike

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        digest = hashlib.sha256(_canonical([self.identity, self.shape, np.dtype(self.dtype).str]))
        return cache_folder() / f"{self.name}-{digest.hexdigest()[:16]}"

    @property
    def state(self) -> str:
        """Of the source."""
        return hashlib.sha256(_canonical(self.fingerprint)).hexdigest()

    @property
    def row_bytes(self) -> int:
        """Of one row."""
        return int(np.prod(self.shape[1:])) * np.dtype(self.dtype).itemsize

    def found(self) -> Kept | None:
        """The array, where it is kept in this state."""
        try:
            meta = json.loads((self.folder / "meta.json").read_text(encoding="utf-8"))
            if meta["state"] != self.state:
                return None
            failed = {int(row): str(why) for row, why in meta["failed"].items()}
            array = np.memmap(self.folder / "array", dtype=self.dtype, mode="r", shape=self.shape)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # interrupted, or not ours
        return Kept(array, failed, self.folder, self.state)


def kept(
    wanted: Wanted,
    produce: Callable[[int, int], Iterator[NDArray[Any] | ImageError]],
    *,
    label: str,
    progress: bool = True,
    threads: int | None = None,
) -> Kept:
    """The array from the cache, made first where it is missing or its source has changed.

    Args:
        wanted: what to find or make.
        produce: yields the rows from a first to a last (exclusive); an ImageError instead of a row marks
            it as failed.
        label: what the progress bar says.
        progress: show it on stderr.
        threads: how many work at once; None for one a processor.

    Raises:
        DataError: the disk is full or the folder cannot be written; an earlier array stays.
    """

    def one(_: Sequence[int], first: int, last: int) -> Iterator[Sequence[NDArray[Any]] | ImageError]:
        for made in produce(first, last):
            yield made if isinstance(made, ImageError) else (made,)

    return kept_together([wanted], one, label=label, progress=progress, threads=threads)[0]


def kept_together(
    wanted: Sequence[Wanted],
    produce: Callable[[Sequence[int], int, int], Iterator[Sequence[NDArray[Any]] | ImageError]],
    *,
    label: str,
    progress: bool = True,
    threads: int | None = None,
) -> list[Kept]:
    """Several arrays with the same rows, those that are missing made in one go.

    Args:
        wanted: what to find or make.
        produce: yields the rows from a first to a last (exclusive), each a value for every array that is
            missing: it is told their numbers.
        label: what the progress bar says.
        progress: show it on stderr.
        threads: how many work at once; None for one a processor.

    Raises:
        DataError: the disk is full or the folder cannot be written; earlier arrays stay.
    """
    missing = [i for i, one in enumerate(wanted) if one.found() is None]
    if missing:
        _make([wanted[i] for i in missing], lambda a, b: produce(missing, a, b), label, progress, threads)
    result = []
    for one in wanted:
        found = one.found()
        if found is None:
            raise DataError(f"{one.folder} was changed by another process; run the command again")
        result.append(found)
    return result


def _make(
    missing: Sequence[Wanted],
    produce: Callable[[int, int], Iterator[Sequence[NDArray[Any]] | ImageError]],
    label: str,
    progress: bool,
    threads: int | None,
) -> None:
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _sweep(cache, missing[0].name)
        with tempfile.TemporaryDirectory(
            prefix=f".{missing[0].name}-", dir=cache, ignore_cleanup_errors=True
        ) as made:
            places = [Path(made) / str(i) for i in range(len(missing))]
            for place in places:
                place.mkdir()
            failed = fill(places, missing, produce, label, progress, threads or processors())
            for place, one in zip(places, missing, strict=True):
                meta = {"of": one.identity, "state": one.state, "failed": failed}
                (place / "meta.json").write_text(json.dumps(meta, default=str), encoding="utf-8")
                _take_place(place, one)
    except OSError as error:
        raise DataError(
            f"cannot keep {label} in {cache}: {error.strerror or error}; make room, or name another "
            f"place in {CACHE_VARIABLE}"
        ) from error


def _take_place(made: Path, one: Wanted) -> None:
    """Puts a folder where it belongs, unless another process was quicker with the same array."""
    for _ in range(2):
        try:
            made.rename(one.folder)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if one.found() is not None:
            return
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(one.folder)  # of another state


def _sweep(cache: Path, name: str) -> None:
    """Removes what processes that were killed a day ago or earlier left half made."""
    for stray in cache.glob(f".{name}-*"):
        with contextlib.suppress(OSError):
            if time.time() - stray.stat().st_mtime > _STALE_S:
                shutil.rmtree(stray)


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, default=str).encode()
