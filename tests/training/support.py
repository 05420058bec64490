"""Small data sets, networks and settings, and a look into what a run left."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from deconvviz.data.datasets import DataSet, LabelledImages, open_data
from deconvviz.models.building import Built, seeded
from deconvviz.training.processes import Processes
from deconvviz.training.settings import Settings
from deconvviz.training.trainer import Trainer

from . import learners

CLASSES = ("plain discs", "chequered squares")
ALONE = Processes(0, 1, torch.device("cpu"))
TIMES = ("images_per_second", "seconds")
"""The columns of a history that no two runs share."""


def leaves(train: int = 32, val: int = 8) -> DataSet:
    """So many dead leaves of each of two classes, at 16 x 16."""
    words = {"train_per_class": train, "val_per_class": val, "side": 16, "progress": False}
    return open_data("dead-leaves", only=CLASSES, **words)


def colours(count: int = 16, side: int = 16, source: str = "colours") -> DataSet:
    """Reddish and bluish noise, half and half: the first step tells them apart."""
    random = np.random.default_rng(0)

    def images(number: int, split: str) -> LabelledImages:
        labels = np.arange(number) % 2
        pixels = random.integers(0, 200, (number, side, side, 3), dtype=np.uint8)
        pixels[np.arange(number), :, :, 2 * labels] += np.uint8(50)
        names = tuple(f"{split}/{i}" for i in range(number))
        return LabelledImages(pixels, labels, names, np.arange(number))

    facts = {"source": source}
    return DataSet(
        source, ("n0", "n1"), ("red", "blue"), images(count, "train"), images(8, "val"), facts=facts
    )


def built(name: str = "small", classes: int = 2, seed: int = 0) -> Built:
    """One of the learners."""
    module = seeded(lambda: getattr(learners, name)(classes), seed)
    side, mean, std = (getattr(module, word, None) for word in ("input_size", "mean", "std"))
    return Built(module, side or 16, mean or (0.5,) * 3, std or (0.25,) * 3, {})


def quick(**changes: object) -> Settings:
    """Three epochs of plain images in float32."""
    plain = {"epochs": 3, "batch_size": 8, "lr": 0.02, "precision": "float32", "crop": "none", "flip": False}
    return Settings(**{**plain, **changes})


def trainer(net: Built, data: DataSet, settings: Settings) -> Trainer:
    """A trainer on this process alone."""
    return Trainer(net, data, settings, net.input_size, ALONE, False)


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether the tensors are the same bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(t, other[name]) for name, t in one.items())


def history(run: Path) -> list[dict[str, str]]:
    """The rows of a run's history, without what depends on the time."""
    with (run / "history.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]
