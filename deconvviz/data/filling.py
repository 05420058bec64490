"""Filling arrays on disk, several rows at a time and on several threads."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..errors import ImageError
from .images import quiet_decoding

if TYPE_CHECKING:
    from .cache import Wanted

_CHUNK = 64  # rows a task: long enough to outweigh a task's cost, short enough for a steady bar


def fill(
    places: Sequence[Path],
    wanted: Sequence[Wanted],
    produce: Callable[[int, int], Iterator[Sequence[NDArray[Any]] | ImageError]],
    label: str,
    progress: bool,
    threads: int,
) -> dict[str, str]:
    """Writes arrays with the same rows, a block of rows a task.

    Args:
        places: a folder for each array; its bytes go into ``array``.
        wanted: the arrays.
        produce: yields the rows from a first to a last (exclusive), each a value for every array, or an
            ImageError, which leaves zeros.
        label: what the progress bar says.
        progress: show it on stderr.
        threads: how many work at once.

    Returns:
        the rows that could not be made, with the reason.
    """
    rows = wanted[0].shape[0]
    failed: dict[int, str] = {}
    writing = threading.Lock()

    def work(first: int) -> int:
        last = min(first + _CHUNK, rows)
        done = [bytearray() for _ in wanted]
        for row, made in enumerate(produce(first, last), first):
            if isinstance(made, ImageError):
                failed[row] = str(made)
            for i, one in enumerate(wanted):
                if isinstance(made, ImageError):
                    done[i] += bytes(one.row_bytes)
                else:
                    done[i] += np.ascontiguousarray(made[i], dtype=one.dtype).tobytes()
        with writing:
            for file, one, content in zip(files, wanted, done, strict=True):
                file.seek(first * one.row_bytes)
                file.write(content)
        return last - first

    with (
        contextlib.ExitStack() as opened,
        quiet_decoding(),
        ThreadPoolExecutor(threads) as pool,
        tqdm(total=rows, desc=label, unit="img", disable=not progress, leave=False) as bar,
    ):
        files = [opened.enter_context((place / "array").open("wb")) for place in places]
        try:
            for count in pool.map(work, range(0, rows, _CHUNK)):
                bar.update(count)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {str(row): why for row, why in sorted(failed.items())}
