"""A small chain, a network that branches, photographs for them, and methods written out plainly."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from deconvviz.models import Network, WeightsOrigin

from ..conftest import smooth_noise

SIDE, WIDE = 64, 160
"""Of the images. Small ones start so far off in `mahendran2015` that its first steps are taken back."""
NAMES = {"conv1": "1", "pool1": "2", "conv2": "4"}


def chain(side: int = SIDE) -> nn.Sequential:
    """Strides 4 and 16: 6 maps, pooled, 8 maps, then 5 scores."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(
            nn.Conv2d(3, 6, 5, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(4),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(8 * (side // 16) ** 2, 5),
        )


class Branching(nn.Module):
    """A way around its second convolution, a rectifier that is called twice, and pooled scores."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(4)
            self.first, self.second = nn.Conv2d(3, 6, 5, stride=4), nn.Conv2d(6, 6, 3, padding=1)
            self.relu, self.scores = nn.ReLU(inplace=True), nn.Linear(6, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.relu(self.first(images))
        maps = self.relu(self.second(maps) + maps)
        out: Tensor = self.scores(F.adaptive_max_pool2d(maps, 1).flatten(1))
        return out


class Counting(nn.Module):
    """Keeps the number of its rows from the beginning of a pass to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.scores = chain()[:5], chain()[6]

    def forward(self, images: Tensor) -> Tensor:
        rows = len(images)
        out: Tensor = self.scores(self.features(images).view(rows, -1))
        return out


def network(module: nn.Module | None = None, side: int = SIDE) -> Network:
    """A module as a network for images of so many pixels; a chain by default."""
    preset: Any = SimpleNamespace(crop_size=[side], mean=[0.48, 0.46, 0.41], std=[0.23, 0.22, 0.24])
    names = NAMES if module is None else {}
    return Network("net", (module or chain(side)).eval(), preset, WeightsOrigin("as built"), names)


def photos(count: int = 1, side: int = SIDE) -> Tensor:
    """(count, 3, side, side) smooth images."""
    return torch.cat([smooth_noise(side, side, seed) for seed in range(count)]).float()


def same(found: Tensor, wanted: Tensor, tolerance: float = 1e-4) -> None:
    """Equal up to a share of the largest value."""
    torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance * float(wanted.abs().max()))


def coefficients_of(space, images):
    """What `space.images` makes the images of."""
    return torch.view_as_real(torch.fft.rfft2(images, norm="ortho") / space.amplitudes).contiguous()
