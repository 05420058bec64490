"""How long something takes, on a GPU as well, where a call returns before its work is done."""

from __future__ import annotations

import time
from types import TracebackType

import torch


class Stopwatch:
    """Measures the time of a ``with`` block on one device.

    Attributes:
        seconds: what the block took.

    Example:
        >>> with Stopwatch(torch.device("cpu")) as watch:
        ...     total = sum(range(1000))
        >>> watch.seconds > 0
        True
    """

    def __init__(self, device: torch.device) -> None:
        self.seconds = float("nan")
        self._device = device

    def __enter__(self) -> Stopwatch:
        self._start = self._now()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = self._now() - self._start

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()
