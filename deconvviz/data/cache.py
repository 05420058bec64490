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
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from tqdm import tqdm

from ..errors import DataError, ImageError

CACHE_VARIABLE = "DECONVVIZ_CACHE"
"""The environment variable that names the cache's folder."""
_STALE_S = 24 * 3600
_CHUNK = 64  # rows a task: long enough to outweigh a task's cost, short enough for a steady bar


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


def kept(
    name: str,
    identity: Any,
    fingerprint: Any,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    produce: Callable[[int, int], Iterator[NDArray[Any] | ImageError]],
    *,
    label: str,
    progress: bool = True,
    threads: int | None = None,
) -> Kept:
    """The array from the cache, made first where it is missing or its source has changed.

    Args:
        name: how the folder's name begins.
        identity: what the array is of (source, size); one folder each.
        fingerprint: the state of the source; another one makes the array anew in the same folder.
        shape: of the array; the first number counts its rows.
        dtype: of its values.
        produce: yields the rows from a first to a last (exclusive); an ImageError instead of a row marks
            it as failed.
        label: what the progress bar says.
        progress: show it on stderr.
        threads: how many work at once; None for one a processor.

    Raises:
        DataError: the disk is full or the folder cannot be written; an earlier array stays.
    """
    digest = hashlib.sha256(_canonical([identity, shape, np.dtype(dtype).str])).hexdigest()[:16]
    folder = cache_folder() / f"{name}-{digest}"
    state = hashlib.sha256(_canonical(fingerprint)).hexdigest()
    found = _opened(folder, state, shape, dtype)
    if found is not None:
        return found
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent, name)
        with tempfile.TemporaryDirectory(
            prefix=f".{name}-", dir=folder.parent, ignore_cleanup_errors=True
        ) as made:
            failed = _fill(Path(made) / "array", shape, np.dtype(dtype), produce, label, progress, threads)
            meta = {"of": identity, "state": state, "failed": {str(row): why for row, why in failed.items()}}
            (Path(made) / "meta.json").write_text(json.dumps(meta, default=str), encoding="utf-8")
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(folder)
            try:
                Path(made).rename(folder)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise  # else another process was quicker: its array will do
    except OSError as error:
        raise DataError(
            f"cannot keep {label} in {folder.parent}: {error.strerror or error}; make room, or name another "
            f"place in {CACHE_VARIABLE}"
        ) from error
    found = _opened(folder, state, shape, dtype)
    if found is None:
        raise DataError(f"{folder} was changed by another process; run the command again")
    return found


def _sweep(cache: Path, name: str) -> None:
    """Removes what processes that were killed a day ago or earlier left half made."""
    for stray in cache.glob(f".{name}-*"):
        with contextlib.suppress(OSError):
            if time.time() - stray.stat().st_mtime > _STALE_S:
                shutil.rmtree(stray)


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, default=str).encode()


def _opened(folder: Path, state: str, shape: tuple[int, ...], dtype: DTypeLike) -> Kept | None:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if meta["state"] != state:
            return None
        failed = {int(row): str(why) for row, why in meta["failed"].items()}
        array = np.memmap(folder / "array", dtype=dtype, mode="r", shape=shape)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # interrupted, or not ours
    return Kept(array, failed, folder, state)


def _fill(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    produce: Callable[[int, int], Iterator[NDArray[Any] | ImageError]],
    label: str,
    progress: bool,
    threads: int | None,
) -> dict[int, str]:
    rows, row_bytes = shape[0], int(np.prod(shape[1:])) * dtype.itemsize
    failed: dict[int, str] = {}
    writing = threading.Lock()

    def work(first: int) -> int:
        last = min(first + _CHUNK, rows)
        done = bytearray()
        for row, made in enumerate(produce(first, last), first):
            if isinstance(made, ImageError):
                failed[row] = str(made)
                done += bytes(row_bytes)
            else:
                done += np.ascontiguousarray(made, dtype=dtype).tobytes()
        with writing:
            file.seek(first * row_bytes)
            file.write(done)
        return last - first

    with (
        path.open("wb") as file,
        ThreadPoolExecutor(threads or processors()) as pool,
        tqdm(total=rows, desc=label, unit="img", disable=not progress, leave=False) as bar,
    ):
        try:
            for count in pool.map(work, range(0, rows, _CHUNK)):
                bar.update(count)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return dict(sorted(failed.items()))
