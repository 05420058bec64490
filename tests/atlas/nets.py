"""Small networks in double precision, and pictures for them: some alike, some that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from deconvviz.models.building import preset
from deconvviz.models.network import Network, WeightsOrigin

SIDE = 16


def network(module: nn.Module, names: dict[str, str] | None = None, dtype=torch.float64) -> Network:
    """Shown at 16 x 16."""
    shown = preset(True, SIDE, resize_size=SIDE, mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.3))
    return Network("net", module.eval().to(dtype), shown, WeightsOrigin("made up"), names or {})


def seeded(build, seed: int = 0) -> nn.Module:
    """A module with weights of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module: nn.Module = build()
        return module


def chain(dtype=torch.float64) -> Network:
    """6 maps of 16, 5 of 6, then 7 units, and 3 scores that may be negative."""

    def build() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 6, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 5, 3),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(5 * 6 * 6, 7),
            nn.ReLU(inplace=True),
            nn.Linear(7, 3),
        )

    return network(seeded(build), {"conv1": "1", "conv2": "4", "fc3": "7", "fc4": "8"}, dtype)


class _Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()
        self.norm, self.scores = nn.BatchNorm2d(4), nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.first(images)
        maps = self.last(self.norm(self.second(maps)) + maps)
        scores: torch.Tensor = self.scores(maps.mean((2, 3)))
        return scores


def branching() -> Network:
    """A convolution and a way around it; 4 maps of 14."""
    return network(seeded(_Branching))


def coarse() -> Network:
    """Whole numbers from a few levels, so that ties are everywhere, and one unit is always silent."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.Hardtanh(-1, 1), nn.ReLU())
    weight = torch.tensor([1.0, -1.0, 0.5, 0.0])[:, None, None, None].expand(4, 3, 3, 3)
    module[0].weight = nn.Parameter(weight.clone())
    return network(module)


def write_pictures(folder: Path, count: int, seed: int = 0) -> Path:
    """Coarse noise in two class folders; every fifth repeats the one before, every seventh is damaged."""
    random = np.random.default_rng(seed)
    for label in ("cats", "dogs"):
        (folder / label).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        path = folder / ("cats", "dogs")[i % 3 == 1] / f"{i:03}.png"
        if i % 7 == 6:
            path.write_bytes(b"no picture")
            continue
        if i % 5 != 4:
            pixels = random.integers(0, 3, (4, 4, 3)) * 127
        Image.fromarray(pixels.astype(np.uint8)).resize((20, 18), Image.Resampling.NEAREST).save(path)
    return folder
