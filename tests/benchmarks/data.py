"""Images per second: the memory map, the usual ImageFolder and DataLoader, and what a training step eats.

    python tests/benchmarks/data.py [--data FOLDER_OR_ZIP] [--images 5000] [--json FILE]

All of them give the same thing: batches of 128 normalised 64x64 images, cropped and mirrored at random. The
peer is torchvision's documented recipe with one worker a processor. Without --data the images are dead
leaves; either way they are written as JPEG class folders first. Rounds are interleaved; the cost of the map
itself stands apart.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from itertools import count, islice
from pathlib import Path

import torch
from report import quartiles, say, setting, spread, table, write_json
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from deconvviz.data.cache import processors
from deconvviz.data.datasets import DataSet, open_data
from deconvviz.models.building import IMAGENET_MEAN, IMAGENET_STD, build
from deconvviz.training.processes import Processes
from deconvviz.training.settings import Settings
from deconvviz.training.trainer import Trainer, resolved_precision

BATCH, SIDE = 128, 64


def write_jpegs(data: DataSet, folder: Path, per_class: int) -> Path:
    """So many images of each class as the class folders that ImageFolder wants."""
    written = [0] * len(data.ids)
    for row in data.train.rows:
        label = int(data.train.labels[row])
        if written[label] == per_class:
            continue
        written[label] += 1
        place = folder / data.ids[label]
        place.mkdir(parents=True, exist_ok=True)
        data.train.picture(row).save(place / f"{row:06}.jpg", quality=90)
    return folder


def usual(folder: Path) -> Callable[[], int]:
    """One epoch of torchvision's own recipe."""
    recipe = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIDE, scale=(0.35, 1)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    loader = DataLoader(
        datasets.ImageFolder(str(folder), recipe),
        batch_size=BATCH,
        shuffle=True,
        num_workers=processors(),
        drop_last=True,
        persistent_workers=True,
    )
    return lambda: sum(len(labels) for _, labels in loader)


def ours(trainer: Trainer) -> Callable[[], int]:
    """One epoch of batches from the memory map, as the trainer feeds itself."""
    epochs = count(1)
    return lambda: sum(len(labels) for _, labels in trainer.batches(next(epochs)))


def demand(trainer: Trainer, batches: int = 10) -> Callable[[], int]:
    """Training steps on batches that are there already: what the network could eat."""
    ready = list(islice(trainer.batches(1), batches))

    def run() -> int:
        trainer.module.train()
        for images, labels in ready:
            trainer.step(images, labels, 0.01)
        return batches * BATCH

    return run


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--data", default="dead-leaves", help="class folders, a zip of them, or tiny-imagenet"
    )
    parser.add_argument("--data-root")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["DECONVVIZ_CACHE"] = f"{scratch}/cache"
        say(f"opening {given.data}")
        whole = open_data(given.data, root=given.data_root, side=SIDE, train_per_class=500, progress=False)
        per_class = max(1, given.images // len(whole.ids))
        folder = write_jpegs(whole, Path(scratch) / "jpegs", per_class)
        start = time.perf_counter()
        data = open_data(str(folder), side=SIDE, progress=False)
        decoding = time.perf_counter() - start
        processes = Processes(0, 1, torch.device("cpu"))
        settings = Settings(batch_size=BATCH, precision=resolved_precision("auto", processes.device))
        networks = {name: build(name, classes=len(data.ids), norm=True) for name in ("mini", "cifar")}
        trainers = {
            name: Trainer(built, data, settings, built.input_size, processes, False)
            for name, built in networks.items()
        }
        runs = {
            "memory map, cropped and mirrored": ours(trainers["mini"]),
            "ImageFolder and DataLoader": usual(folder),
            **{f"training step of {name}": demand(trainer) for name, trainer in trainers.items()},
        }
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for round_ in range(given.rounds + 1):  # the first warms caches and workers
            for name, run in runs.items():
                start = time.perf_counter()
                done = run()
                if round_:
                    seconds[name].append(done / (time.perf_counter() - start))
            say(f"round {round_} of {given.rounds}")
    map_rate = seconds["memory map, cropped and mirrored"]
    rows = []
    for name, rates in seconds.items():
        ratio = [ours_ / theirs for ours_, theirs in zip(map_rate, rates, strict=True)]
        rows.append(
            {"what": name, "images_per_second": quartiles(rates), "map_is_faster_by": quartiles(ratio)}
        )
    print(
        table(
            ["", "images/s", "the map is faster by"],
            [
                [str(r["what"]), spread(r["images_per_second"], 0), spread(r["map_is_faster_by"], 1)]
                for r in rows
            ],
        )
    )
    count_all = len(data.train) + len(data.val)
    print(f"making the map once: {count_all} JPEGs in {decoding:.1f} s, {count_all / decoding:.0f} images/s")
    print(setting())
    if given.json:
        write_json(given.json, [*rows, {"what": "making the map", "images": count_all, "seconds": decoding}])


if __name__ == "__main__":
    main()
