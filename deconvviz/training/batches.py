"""The batches of an epoch: a seeded order, gathered ahead of the step that needs them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def epoch_order(rows: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    """The rows of one epoch, shuffled by (seed, epoch) alone."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


def gathered(
    values: NDArray[Any], labels: NDArray[np.int64], batches: list[NDArray[np.int64]], device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """The rows of each batch on the device, the next one fetched while this one is worked on.

    Args:
        values: (rows, ...) a memory map.
        labels: (rows,).
        batches: the rows of each.
        device: where they go; to a GPU they travel beside the computation.

    Yields:
        (N, ...) values of the map's type, and (N,) int64 labels.
    """
    if not batches:
        return  # a process may have none of a small set
    pinned = device.type == "cuda"

    def fetch(rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        pair = torch.from_numpy(values[rows]), torch.from_numpy(labels[rows])
        first, second = (t.pin_memory() if pinned else t for t in pair)
        return first.to(device, non_blocking=pinned), second.to(device, non_blocking=pinned)

    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(fetch, batches[0])
        for following in batches[1:]:
            ready = coming.result()
            coming = ahead.submit(fetch, following)
            yield ready
        yield coming.result()
