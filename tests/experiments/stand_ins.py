"""Snapshots and images made up by the tests: networks in double precision, noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from deconvviz.data.datasets import LabelledImages
from deconvviz.models.building import preset
from deconvviz.models.network import Network, WeightsOrigin

SIDE = 16
NAMES = {"conv1": "1", "pool1": "2", "conv2": "4", "fc3": "7", "fc4": "8"}


def chain():
    """Two convolutions, two linear layers, three scores."""
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


class Branching(nn.Module):
    """A convolution and a way around it."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()

    def forward(self, images):
        maps = self.first(images)
        return self.last(self.second(maps) + maps)


@dataclass
class StandIn:
    """What is asked of a `Snapshot`."""

    epoch: int
    module: nn.Module
    names: dict[str, str]
    accuracy: float = 0.5
    path: Path = Path("epoch.safetensors")

    def network(self):
        shown = preset(True, SIDE, resize_size=SIDE, mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.3))
        return Network("chain", self.module.eval(), shown, WeightsOrigin("made up"), self.names)


def snapshots(build=chain, epochs=(1, 2, 5), names=NAMES):
    """Networks of another seed each."""
    found = []
    for epoch in epochs:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(epoch)
            found.append(StandIn(epoch, build().double(), names, accuracy=epoch / 10))
    return found


def images(count=13, side=SIDE, seed=0):
    """Noise of which every fourth row is empty."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    rows = np.array([row for row in range(count) if row % 4 != 1])
    return LabelledImages(pixels, np.arange(count) % 3, tuple(f"{i}.png" for i in range(count)), rows)
