"""Images per second of training a decoder: kept features, and the usual way.

    python tests/benchmarks/decoder.py [--data tiny-imagenet --data-root FOLDER] [--images 640] [--json FILE]

The usual way is ImageFolder and a DataLoader with a worker a processor, the encoder in the loop, all of it in
float32. Both train the same decoder on the same images at the same batch size, conv5 and fc8 of AlexNet (its
weights change no speed: random unless --weights names a file), for each recipe asked for. Rounds are
interleaved; what keeping the features costs once stands apart, as does the share of each stage of the usual
step. On a GPU the share of the peak is of --peak, in TFLOP/s, which the card's data sheet tells.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from data import write_jpegs
from report import quartiles, say, setting, spread, table, write_json
from torch.nn import functional as F  # noqa: N812  # torch's own name for it
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from torchvision import datasets, transforms

from deconvviz.data.cache import processors
from deconvviz.data.datasets import DataSet, open_data
from deconvviz.decoders.decoder import DecoderFacts
from deconvviz.decoders.encoding import Encoder
from deconvviz.decoders.features import kept_features
from deconvviz.decoders.feeding import Feed
from deconvviz.decoders.recipes import Recipe, recipe
from deconvviz.decoders.trainer import LayerTrainer
from deconvviz.models import Network, load_model
from deconvviz.training.augment import resized
from deconvviz.training.processes import Processes
from deconvviz.training.trainer import resolved_precision

LAYERS = ("conv5", "fc8")


class Usual:
    """The usual way: one epoch over an ImageFolder, everything computed anew for every image."""

    def __init__(self, folder: Path, network: Network, layer: str, trainer: LayerTrainer, size: int) -> None:
        """Builds loader, decoder and optimiser."""
        recipe_ = transforms.Compose(
            [
                transforms.Resize(network.input_size, antialias=True),
                transforms.CenterCrop(network.input_size),
                transforms.ToTensor(),
                transforms.Normalize(network.mean, network.std),
            ]
        )
        self.loader = DataLoader(
            datasets.ImageFolder(str(folder), recipe_),
            batch_size=size,
            shuffle=True,
            num_workers=processors(),
            drop_last=True,
            persistent_workers=True,
        )
        self.device = trainer_device(trainer)
        self.encoder, self.layer, self.side = Encoder(network, [layer]), layer, trainer.side
        self.decoder = trainer.facts.network().to(self.device)
        self.optimiser = torch.optim.Adam(self.decoder.parameters(), lr=1e-3)
        self.stages = dict.fromkeys(("loading", "encoder", "decoder"), 0.0)

    def epoch(self) -> int:
        """Images trained on."""
        done, before = 0, self.now()
        for images, _ in self.loader:
            images = images.to(self.device)
            loaded = self.now()
            features = self.encoder(images)[self.layer]
            encoded = self.now()
            loss = F.mse_loss(self.decoder(features), resized(images, self.side))
            self.optimiser.zero_grad()
            torch.autograd.backward(loss)
            self.optimiser.step()
            ended = self.now()
            for stage, seconds in zip(
                self.stages, (loaded - before, encoded - loaded, ended - encoded), strict=True
            ):
                self.stages[stage] += seconds
            before, done = ended, done + len(images)
        return done

    def now(self) -> float:
        """The time, once everything asked of a GPU is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def trainer_device(trainer: LayerTrainer) -> torch.device:
    """Where a trainer computes."""
    return next(trainer.module.parameters()).device


def ours(feed: Feed, how: Recipe, layer: str, trainer: LayerTrainer) -> Callable[[], int]:
    """An epoch from kept features, as train-decoder runs it."""
    epochs = iter(range(1, 10**6))

    def run() -> int:
        number, steps = next(epochs), len(feed.images) // how.batch_size
        for step, batch in enumerate(feed.epoch(how, number, [layer])):
            trainer.step(batch, (number - 1) * steps + step)
        if trainer_device(trainer).type == "cuda":
            torch.cuda.synchronize()
        return steps * how.batch_size

    return run


def trainer_of(network: Network, layer: str, how: Recipe, feed: Feed, device: torch.device) -> LayerTrainer:
    """A decoder to be trained."""
    encoder = feed.encoder
    side = network.input_size
    target = min(side, feed.images.pixels.shape[1]) if how.output < 0 else how.output
    facts = DecoderFacts(
        model=network.name,
        weights="",
        layer=layer,
        shape=encoder.shapes[layer],
        encoder="",
        input_size=side,
        mean=network.mean,
        std=network.std,
        target=target,
        recipe=how.as_dict(),
    )
    steps = max(1, len(feed.images) // how.batch_size)
    return LayerTrainer(facts, how, feed, steps, Processes(0, 1, device))


def flops(trainer: LayerTrainer, feed: Feed, how: Recipe, layer: str) -> float:
    """Of one image in one training step."""
    batch = next(iter(feed.epoch(how, 1, [layer])))
    with FlopCounterMode(display=False) as counter:
        trainer.step(batch, 0)
    return counter.get_total_flops() / how.batch_size


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--data", default="dead-leaves", help="class folders, a zip of them, or tiny-imagenet"
    )
    parser.add_argument("--data-root")
    parser.add_argument("--weights", default="random", help="AlexNet's, or random")
    parser.add_argument("--recipe", action="append", help="half unless named; repeatable")
    parser.add_argument("--images", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--peak", type=float, help="of the GPU, in TFLOP/s")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    device = torch.device(given.device)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["DECONVVIZ_CACHE"] = f"{scratch}/cache"
        network = load_model("alexnet", given.weights, progress=False)
        network.move_to(device)
        whole = open_data(given.data, root=given.data_root, side=64, classes=10, progress=False)
        folder = write_jpegs(whole, Path(scratch) / "jpegs", given.images // 10)
        data = open_data(str(folder), side=64, val_per_class=1, progress=False)
        measure(given, network, data, folder, device)


def measure(
    given: argparse.Namespace, network: Network, data: DataSet, folder: Path, device: torch.device
) -> None:
    """All recipes and layers, in interleaved rounds."""
    encoder, processes = Encoder(network, LAYERS), Processes(0, 1, device)
    start = time.perf_counter()
    kept = kept_features(encoder, data.train, label="benchmark", mirrored=False, progress=False)
    keeping = time.perf_counter() - start
    feed = Feed(encoder, data.train, kept, processes)
    runs: dict[tuple[str, str, str], Callable[[], int]] = {}
    usual: dict[tuple[str, str], Usual] = {}
    work: dict[tuple[str, str], float] = {}
    for name in given.recipe or ["half"]:
        how = recipe(name, batch_size=given.batch_size, flip=False)
        how = replace(how, precision=resolved_precision("auto", device))
        for layer in LAYERS:
            trainer = trainer_of(network, layer, how, feed, device)
            usual[name, layer] = Usual(folder, network, layer, trainer, given.batch_size)
            runs[name, layer, "usual"] = usual[name, layer].epoch
            runs[name, layer, "kept"] = ours(feed, how, layer, trainer)
            work[name, layer] = flops(trainer, feed, how, layer)
    rates: dict[tuple[str, str, str], list[float]] = {key: [] for key in runs}
    for round_ in range(given.rounds + 1):  # the first warms caches and workers
        for key, run in runs.items():
            start = time.perf_counter()
            done = run()
            if round_:
                rates[key].append(done / (time.perf_counter() - start))
        if not round_:
            for one in usual.values():
                one.stages = dict.fromkeys(one.stages, 0.0)
        say(f"round {round_} of {given.rounds}")
    rows = []
    for (name, layer), one in usual.items():
        slow, fast = rates[name, layer, "usual"], rates[name, layer, "kept"]
        total = sum(one.stages.values())
        rows.append(
            {
                "recipe": name,
                "layer": layer,
                "usual": quartiles(slow),
                "kept": quartiles(fast),
                "faster": quartiles([f / s for f, s in zip(fast, slow, strict=True)]),
                "stages": {stage: seconds / total for stage, seconds in one.stages.items()},
                "gflops_an_image": work[name, layer] / 1e9,
                "tflops": quartiles(fast)[1] * work[name, layer] / 1e12,
            }
        )
    print(
        table(
            ["", "usual, img/s", "kept, img/s", "faster", "loading / encoder / decoder", "GFLOP/s"],
            cells(rows),
        )
    )
    if given.peak:
        for row in rows:
            print(f"{row['recipe']} {row['layer']}: {row['tflops'] / given.peak:.1%} of {given.peak} TFLOP/s")
    print(f"keeping the features of both layers once: {len(data.train) / keeping:.0f} images/s")
    print(setting())
    if given.json:
        write_json(given.json, rows)


def cells(rows: list[dict[str, object]]) -> list[list[str]]:
    """The rows as text."""
    return [
        [
            f"{row['recipe']} {row['layer']}",
            spread(row["usual"], 1),
            spread(row["kept"], 1),
            spread(row["faster"], 2),
            " / ".join(f"{share:.0%}" for share in row["stages"].values()),
            f"{1000 * row['tflops']:.0f}",
        ]
        for row in rows
    ]


if __name__ == "__main__":
    main()
