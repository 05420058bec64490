"""A decoder of vectors that starts from the best linear one, which needs no training.

The coarse image that is linear in the features, with the least squared error and a penalty on its weights
(ridge regression), has a closed form. What is then trained only adds what a linear map cannot say.

    W = (sum of x x' + penalty)^-1 (sum of x y')

x being the features less their mean and y the image less the mean image.

The penalty is the one of a few that does best on a tenth of the training images.

Source: Hoerl & Kennard 1970 (ridge regression).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

GRID = 16
"""Side of the coarse image: finer ones are no better by a linear map, and slower."""
_PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)  # relative to the features' mean power
_TENTH = 10


class LinearStart(nn.Module):
    """A decoder and, added to its image, the linear one."""

    def __init__(self, rest: nn.Module, units: int, side: int) -> None:
        """Starts as `rest` alone.

        Args:
            rest: what is trained: (N, units) to (N, 3, side, side).
            units: of the vector.
            side: of the image.
        """
        super().__init__()
        self.rest, self._side = rest, side
        self.grid = min(GRID, side)
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", torch.zeros(units, 3 * self.grid**2))
        self.register_buffer("bias", torch.zeros(3 * self.grid**2))

    def solve(self, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
        """Finds the linear part.

        Args:
            batches: (N, units) features and (N, 3, side, side) images.

        Returns:
            the penalty that was chosen.
        """
        pairs = [(x.float().cpu(), self._coarse(y.float()).cpu()) for x, y in batches]
        held = max(1, len(pairs) // _TENTH)
        power, images = _sums(pairs[held:] or pairs)
        found = {}
        for penalty in _PENALTIES:
            weight, bias = _solution(power, images, penalty)
            errors = [(x @ weight + bias - y).square().mean() for x, y in pairs[:held]]
            found[penalty] = float(torch.stack(errors).mean())
        best = min(found, key=lambda penalty: found[penalty])
        weight, bias = _solution(*_sums(pairs), best)
        self.weight.copy_(weight)
        self.bias.copy_(bias)
        return best

    def forward(self, features: Tensor) -> Tensor:
        """The image: (N, units) to (N, 3, side, side)."""
        coarse = (features @ self.weight + self.bias).view(-1, 3, self.grid, self.grid)
        fine = F.interpolate(coarse, size=(self._side, self._side), mode="bilinear")
        added: Tensor = self.rest(features)
        return fine + added

    def _coarse(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images, self.grid).flatten(1)


def _sums(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Mean products of features with themselves and with images, one row more for their own means."""
    units, pixels = pairs[0][0].shape[1], pairs[0][1].shape[1]
    power, images = torch.zeros(units + 1, units + 1), torch.zeros(units + 1, pixels)
    for x, y in pairs:
        one = F.pad(x, (0, 1), value=1.0)
        power += one.T @ one
        images += one.T @ y
    count = power[-1, -1].clone()
    return power / count, images / count


def _solution(power: Tensor, images: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    mean, middle = power[-1, :-1], images[-1]
    covariance = power[:-1, :-1] - mean[:, None] * mean
    shared = images[:-1] - mean[:, None] * middle
    strength = penalty * covariance.diagonal().mean().clamp_min(1e-12)
    weight = torch.linalg.solve(covariance + strength * torch.eye(len(mean)), shared)
    return weight, middle - mean @ weight
