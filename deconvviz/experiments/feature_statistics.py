"""How the values of each unit are spread over a set of images, and features drawn from that, unit by unit.

    statistics = FeatureStatistics(most=1000)
    for features in batches:                    # (n, D) or (n, C, H, W)
        statistics.add(features)
    statistics.draw(8)                          # (8, D): every unit by itself

Such a vector has in every unit a value that the unit is known to take, as often as the unit takes it. What it
lacks is that units go together: an image with fur in it sets many at once. What a decoder makes of drawn
features, beside what it makes of real ones, shows how much of a picture lies in that.

Two descriptions of a unit:

- ``empirical``: its values over the images. Each unit of a drawn vector takes that of an image of its own.
- ``gaussian``: a normal distribution; in a layer without negative values one that is cut at zero, as its
  rectifier cuts. It is fitted so that the unit fires as often as it does (share p) and has the mean m that it
  has: with a = Φ⁻¹(p), σ = m / (a p + φ(a)) and μ = a σ. A unit that always fires takes mean and
  deviation as they are; one that never does stays off.

Units are single entries: of a stack of feature maps, every place of every map.

Source: the kinds of random features are those of Dosovitskiy & Brox, arXiv 1506.02753, as re-told; their
settings could not be checked. The moments of a censored normal variable are textbook.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import DataError

KINDS = ("empirical", "gaussian")
_MOST_BYTES = 2**29  # of values that are kept


class FeatureStatistics:
    """Gathers batch by batch, and draws.

    Sums are over all images; the values of at most `most` are kept, all equally likely to be among them.
    """

    def __init__(self, most: int = 1000, seed: int = 0) -> None:
        """Nothing gathered yet.

        Args:
            most: images whose values are kept for ``empirical``; fewer where they would take more than half
                a gigabyte.
            seed: of which are kept, and of what is drawn.
        """
        self.most, self.count = most, 0
        self._choice = torch.Generator().manual_seed(seed)
        self._draws = torch.Generator().manual_seed(seed + 1)
        self._kept: list[Tensor] = []

    def add(self, features: Tensor) -> None:
        """Takes a batch.

        Args:
            features: (n, ...), on any device; the same shape at each call.

        Raises:
            DataError: some are no numbers.
        """
        values = features.detach().float().cpu()
        if not values.isfinite().all():
            raise DataError("some features are no numbers: nothing can be fitted to them")
        if not self.count:
            self.most = max(2, min(self.most, _MOST_BYTES // (4 * values[0].numel())))
            self._sum = torch.zeros(values.shape[1:], dtype=torch.float64)
            self._squares, self._fired = self._sum.clone(), self._sum.clone()
            self._origin, self._lowest = values[0].double(), math.inf
        apart = values.double() - self._origin  # so that little is lost in the difference of the sums
        self._sum += apart.sum(0)
        self._squares += apart.square().sum(0)
        self._fired += (values > 0).sum(0)
        self._lowest = min(self._lowest, float(values.min()))
        for row in values:
            self.count += 1
            if len(self._kept) < self.most:
                self._kept.append(row.clone())
            else:
                place = int(torch.randint(self.count, (), generator=self._choice))
                if place < self.most:
                    self._kept[place] = row.clone()

    @property
    def rectified(self) -> bool:
        """Whether no value lies below zero."""
        return self._lowest >= 0

    @property
    def kept(self) -> int:
        """Of how many images the values are kept."""
        return len(self._kept)

    @property
    def mean(self) -> Tensor:
        """Of every unit, float64."""
        self._check()
        return self._origin + self._sum / self.count

    @property
    def deviation(self) -> Tensor:
        """Of every unit, float64: the root of the mean squared distance from its mean."""
        self._check()
        mean = self._sum / self.count
        return (self._squares / self.count - mean.square()).clamp_min(0).sqrt()

    @property
    def firing(self) -> Tensor:
        """The share of the images in which each unit lies above zero, float64."""
        self._check()
        return self._fired / self.count

    def gaussian(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of every unit's normal distribution, before it is cut.

        Returns:
            two float64 tensors of one image's shape; both zero for a unit that never fires.
        """
        mean, deviation, firing = self.mean, self.deviation, self.firing
        if not self.rectified:
            return mean, deviation
        threshold = math.sqrt(2) * torch.erfinv((2 * firing - 1).clamp(-1, 1))
        density = torch.exp(-threshold.square() / 2) / math.sqrt(2 * math.pi)
        spread = mean / (threshold * firing + density)
        always, never = firing == 1, firing == 0
        off = torch.zeros_like(mean)
        spread = torch.where(never, off, torch.where(always, deviation, spread))
        return torch.where(never, off, torch.where(always, mean, threshold * spread)), spread

    def draw(self, count: int, kind: str = "empirical") -> Tensor:
        """Features with every unit's value drawn by itself.

        Args:
            count: how many.
            kind: ``empirical`` or ``gaussian``.

        Returns:
            (count, ...) float32 on the CPU; other ones at each call.

        Raises:
            DataError: nothing was gathered, or there is no such description.

        Example:
            >>> statistics = FeatureStatistics()
            >>> statistics.add(torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]))
            >>> statistics.draw(2).tolist()
            [[1.0, 0.0], [1.0, 0.0]]
        """
        self._check()
        if kind not in KINDS:
            raise DataError(f"features are drawn {' or '.join(KINDS)}, not '{kind}'")
        if kind == "gaussian":
            mean, spread = self.gaussian()
            normal = torch.randn(count, *mean.shape, generator=self._draws, dtype=torch.float64)
            values = mean + spread * normal
            return (values.clamp_min(0) if self.rectified else values).float()
        shape = self._kept[0].shape
        values = torch.stack(self._kept).flatten(1)
        rows = torch.randint(len(values), (count, values.shape[1]), generator=self._draws)
        return values.gather(0, rows).reshape(count, *shape)

    def _check(self) -> None:
        if not self.count:
            raise DataError("no features were gathered: there is nothing to draw from")
