"""The batches of an epoch: a seeded order, gathered ahead of the step that needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def step_seed(seed: int, step: int, purpose: int) -> int:
    """One number of 63 bits from three, so that no two draws of a run share a generator."""
    return int(np.random.SeedSequence([seed, step, purpose]).generate_state(1, np.uint64)[0] >> 1)


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

    def fetch(rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        first, second = torch.from_numpy(values[rows]), torch.from_numpy(labels[rows])
        return on_device(first, device), on_device(second, device)

    yield from ahead(fetch, batches)


def on_device(values: Tensor, device: torch.device) -> Tensor:
    """Values on a device; to a GPU they travel beside the computation."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def ahead(fetch: Callable[[_In], _Out], items: Sequence[_In]) -> Iterator[_Out]:
    """What `fetch` makes of each item, the next one on a thread while this one is worked on."""
    if not items:
        return  # a process may have none of a small set
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(fetch, items[0])
        for following in items[1:]:
            ready = coming.result()
            coming = thread.submit(fetch, following)
            yield ready
        yield coming.result()
