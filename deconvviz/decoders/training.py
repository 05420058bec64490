"""Trains decoders of several layers side by side, each into a folder of its own.

    train_decoders(network, ["conv2", "conv5"], data, recipe("best"), "decoders/alexnet")

The layers share the data, the encoder's pass and the batches. ``decoders/alexnet/conv5`` then holds, after
every epoch: ``last.safetensors`` (all that is needed to go on), ``best.safetensors`` (the decoder of the
lowest validation error, which `load_decoder` reads), ``history.csv`` and ``run.json``. A run that was killed
goes on from the last epoch's end and, on the CPU, ends with the same bits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..data.datasets import DataSet, LabelledImages
from ..errors import TrainingError
from ..metrics import evenly_spaced, mean_pair_distance
from ..models import Network
from ..training.history import Row
from ..training.processes import Processes
from ..training.trainer import check_loss, resolved_precision
from .decoder import DecoderFacts, in_pixels
from .encoding import Encoder, shown_as
from .features import kept_features
from .feeding import Feed
from .layer_run import LayerRun, best_row
from .recipes import Recipe
from .trainer import LayerTrainer

_PAIRS = 500  # images among which the mean distance of two is measured
_CHECK_EVERY = 20  # steps between looks at the loss: each look waits for the GPU


@dataclass(frozen=True)
class Outcome:
    """How the training of one layer's decoder ended.

    Attributes:
        layer: which.
        rows: the history, one row an epoch.
        parameters: how many numbers were trained.
    """

    layer: str
    rows: list[Row]
    parameters: int

    @property
    def best(self) -> Row:
        """The epoch of the lowest validation error, the first of several."""
        return best_row(self.rows)


def train_decoders(
    network: Network,
    layers: Sequence[str],
    data: DataSet,
    recipe: Recipe,
    out: str | os.PathLike[str],
    *,
    processes: Processes | None = None,
    keep: bool = True,
    compiled: bool = False,
    resume: bool = False,
    weights: str = "default",
    facts: Mapping[str, Any] | None = None,
    progress: bool = True,
    after_epoch: Callable[[str, Row], None] = lambda _layer, _row: None,
) -> list[Outcome]:
    """Trains a decoder for each layer of a frozen network.

    Args:
        network: the encoder; it stays as it is.
        layers: whose features to invert.
        data: images; classes play no part.
        recipe: how.
        out: the folder in which each layer's lies.
        processes: who shares the work; None for this process alone, on the CPU.
        keep: compute features once and keep them, where the recipe's augmentation allows that.
        compiled: let torch.compile make the step.
        resume: go on from each ``last.safetensors``.
        weights: what the network's weights go by, recorded in the decoder.
        facts: more to record in ``run.json``.
        progress: show progress bars.
        after_epoch: told each new row of each layer's history, in the first process.

    Returns:
        how each layer ended, in the order of `layers`.

    Raises:
        TrainingError: something does not fit, or the loss is no number any more.
        LayerError: there is no such layer, or its features are no square maps or vectors.
        OutputError: a folder cannot be written; what was there stays whole.

    Example:
        >>> import tempfile
        >>> from deconvviz import load_model, open_data
        >>> from deconvviz.decoders.recipes import recipe
        >>> data = open_data("dead-leaves", train_per_class=2, val_per_class=1, side=32, progress=False)
        >>> how = recipe("half", epochs=1, batch_size=8, width=8, up_widths=[8, 8, 8, 8])
        >>> network, out = load_model("cifar", "random"), tempfile.mkdtemp()
        >>> [ended.layer for ended in train_decoders(network, ["pool2"], data, how, out, progress=False)]
        ['pool2']
    """
    processes = processes or Processes(0, 1, torch.device("cpu"))
    asked = recipe
    recipe = replace(recipe, precision=resolved_precision(recipe.precision, processes.device))
    side = recipe.input_size or network.input_size
    network = shown_as(network, side, recipe.mean or network.mean, recipe.std or network.std)
    encoder = Encoder(network, list(dict.fromkeys(layers)))
    steps = len(data.train) // recipe.batch_size
    if not steps:
        raise TrainingError(
            f"--batch-size {recipe.batch_size} is larger than the {len(data.train)} training images"
        )
    processes.share(recipe.batch_size)
    with torch.random.fork_rng():
        train, val = _feeds(encoder, data, recipe, processes, keep, progress)
        target = min(side, data.train.pixels.shape[1]) if recipe.output < 0 else recipe.output
        runs = []
        for layer in encoder.layers:
            trainer = _trainer(encoder, layer, weights, target, recipe, train, steps, compiled)
            runs.append(LayerRun(Path(out) / layer, trainer, _distance(val, trainer.side)))
        told = {"recipe": recipe.about, "data": data.facts, "class_ids": list(data.ids), **(facts or {})}
        for run in runs:
            run.begin(resume, asked, told, processes)
        processes.wait()
        _go(runs, recipe, train, val, steps, progress, after_epoch)
    return [Outcome(run.layer, run.rows, run.trainer.parameters) for run in runs]


def _feeds(
    encoder: Encoder, data: DataSet, recipe: Recipe, processes: Processes, keep: bool, progress: bool
) -> tuple[Feed, Feed]:
    """The training and the validation feed, with kept features where that can be."""
    if not processes.first_here:
        processes.wait()

    def kept(images: LabelledImages, label: str, mirrored: bool) -> Any:
        return kept_features(
            encoder, images, label=label, mirrored=mirrored, progress=progress and processes.first
        )

    moved = recipe.crop != "none"
    feeds = (
        Feed(
            encoder,
            data.train,
            kept(data.train, "training images", recipe.flip) if keep and not moved else None,
            processes,
        ),
        Feed(encoder, data.val, kept(data.val, "validation images", False) if keep else None, processes),
    )
    if processes.first_here:
        processes.wait()
    return feeds


def _trainer(
    encoder: Encoder,
    layer: str,
    weights: str,
    target: int,
    recipe: Recipe,
    train: Feed,
    steps: int,
    compiled: bool,
) -> LayerTrainer:
    network = encoder.network
    facts = DecoderFacts(
        model=network.name,
        weights=weights,
        layer=layer,
        shape=encoder.shapes[layer],
        encoder=encoder.digest(layer),
        input_size=network.input_size,
        mean=network.mean,
        std=network.std,
        target=target,
        recipe=recipe.as_dict(),
    )
    return LayerTrainer(facts, recipe, train, steps, train.processes, compiled)


def _go(
    runs: list[LayerRun],
    recipe: Recipe,
    train: Feed,
    val: Feed,
    steps: int,
    progress: bool,
    after_epoch: Callable[[str, Row], None],
) -> None:
    """The epochs that are still to come, of all layers side by side."""
    last = max(run.trainer.epochs for run in runs)
    done = min((len(run.rows) for run in runs if not run.over), default=last)
    processes = train.processes
    size = steps * recipe.batch_size
    with tqdm(
        total=last * size,
        initial=done * size,
        unit="img",
        unit_scale=True,
        disable=not (progress and processes.first),
        desc=f"decoding {', '.join(run.layer for run in runs)}",
    ) as bar:
        for number in range(done + 1, last + 1):
            going = [run for run in runs if len(run.rows) < number <= run.trainer.epochs]
            if not going:
                bar.update(size)
                continue
            rows = _epoch(going, number, recipe, train, val, steps, bar)
            for run, row in zip(going, rows, strict=True):
                if processes.first:
                    run.keep()
                    after_epoch(run.layer, row)
            processes.wait()


def _epoch(
    going: list[LayerRun], number: int, recipe: Recipe, train: Feed, val: Feed, steps: int, bar: Any
) -> list[Row]:
    processes, layers = train.processes, [run.layer for run in going]
    bar.set_postfix_str(
        f"epoch {number}, validation error {', '.join(run.error for run in going)}", refresh=False
    )
    start = time.perf_counter()
    totals = torch.zeros(len(going), 3, dtype=torch.float64, device=processes.device)
    for step, batch in enumerate(train.epoch(recipe, number, layers)):
        for i, run in enumerate(going):
            totals[i] += run.trainer.step(batch, (number - 1) * steps + step)
        if step % _CHECK_EVERY == 0 or step + 1 == steps:
            for i, run in enumerate(going):
                mean = float(totals[i, 0]) / (step + 1)
                check_loss(mean, f"of {run.layer} in epoch {number}, step {step + 1}")
        bar.update(recipe.batch_size)
    rate = steps * recipe.batch_size / (time.perf_counter() - start)
    means = processes.summed(totals / steps) / processes.count
    mine = val.images.rows[processes.rank :: processes.count]
    rows = []
    for run, found in zip(going, means, strict=True):
        sums = processes.summed(run.trainer.validate(val.plain(mine, [run.layer])))
        rows.append(run.add(number, found, sums, steps, rate, start))
    return rows


def _distance(feed: Feed, side: int) -> float:
    """The mean distance between two images of a split at the size that a decoder predicts."""
    rows = feed.images.rows[evenly_spaced(len(feed.images), _PAIRS)]
    network = feed.encoder.network
    images = torch.cat([feed.target(batch.images, side).cpu() for batch in feed.plain(rows, [])])
    return mean_pair_distance(in_pixels(images, network.mean, network.std), _PAIRS)
