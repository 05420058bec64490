"""What a method of inversion is: a variable, what the network is shown of it, its energy, and its steps.

`mahendran2015`, `mahendran2016` and `best` are such methods; each has a page of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .targets import Place


@dataclass(frozen=True)
class Setting:
    """What a method is told about the images to be found.

    Attributes:
        side: of the network's square input, in pixels.
        mean: what each channel is normalised with, of values in [0, 1].
        std: likewise.
        places: of each image's layer; the images stand in the order of the batch.
        device: where to compute.
        iterations: how many steps will be made.
    """

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    places: Sequence[Place]
    device: torch.device
    iterations: int

    @property
    def channels(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation as (3, 1, 1)."""
        mean, std = (torch.tensor(v, device=self.device)[:, None, None] for v in (self.mean, self.std))
        return mean, std

    def column(self, values: Sequence[float]) -> Tensor:
        """A number an image as a tensor (N)."""
        return torch.tensor(list(values), dtype=torch.float32, device=self.device)


class Method(Protocol):
    """One inversion of a batch, under way.

    Attributes:
        variable: what is optimised, the images first.
        slower: all rates are multiplied with it; halved after a step that led to no numbers.
    """

    variable: Tensor
    slower: float

    def shown(self, step: int) -> Tensor:
        """What the network is shown at this step: (N, 3, side, side), normalised; differentiable."""

    def leak(self, step: int) -> tuple[float, float]:
        """The shares of the signal that rectifiers and max-pools let through besides; see `leaking`."""

    def energy(self, errors: Tensor, step: int) -> Tensor:
        """(N): what is minimised, from the relative squared feature errors (N)."""

    def move(self, gradient: Tensor, step: int) -> None:
        """One step of the optimiser, in place."""

    def restart(self) -> None:
        """Forgets the optimiser's state."""

    def images(self) -> Tensor:
        """The images found so far: (N, 3, side, side), normalised."""


def segments(parts: Sequence[tuple[int, float]], iterations: int) -> list[float]:
    """A schedule of (steps, value) as one value a step, its parts stretched to as many steps as are wanted.

    Example:
        >>> segments([(2, 1.0), (1, 0.1)], 6)
        [1.0, 1.0, 1.0, 1.0, 0.1, 0.1]
    """
    total, ends = sum(n for n, _ in parts), 0
    found: list[float] = []
    for steps, value in parts:
        ends += steps
        found += [value] * (round(ends * iterations / total) - len(found))
    return found


class Draws:
    """The random numbers of a batch, on the CPU, so that a seed means the same everywhere.

    Restart r of every layer and every image starts from the same noise and is shown the same way, however
    many others there are.

    Attributes:
        generator: for what is drawn on the way.
    """

    def __init__(self, seed: int, restarts: int) -> None:
        self.seed, self.restarts = seed, restarts
        self.generator = torch.Generator().manual_seed(seed)
        self._on_the_way = [self._of(r) for r in range(restarts)]

    def normal(self, count: int, *shape: int) -> Tensor:
        """(count, *shape) normally distributed values; the rows of the batch count through the restarts."""
        return self._repeated(
            count, [torch.randn(shape, generator=self._of(r)) for r in range(self.restarts)]
        )

    def uniform(self, row: int, *shape: int) -> Tensor:
        """(*shape) values for one row, evenly distributed in [-1, 1]."""
        return 2 * torch.rand(shape, generator=self._of(row % self.restarts)) - 1

    def shares(self, count: int) -> Tensor:
        """(count, 2) numbers in [0, 1), drawn on the way: other ones at each call, a pair a restart."""
        return self._repeated(
            count, [torch.rand(2, generator=own, dtype=torch.float64) for own in self._on_the_way]
        )

    def _of(self, restart: int) -> torch.Generator:
        return torch.Generator().manual_seed((self.seed + 7919 * restart) % 2**63)

    def _repeated(self, count: int, drawn: Sequence[Tensor]) -> Tensor:
        return torch.stack([drawn[row % self.restarts] for row in range(count)])
