"""``deconvviz train-classifier``: a network of one's own, from pictures in class folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from .data_options import DATA_OPTIONS, data_options, opened_data
from .earlier import earlier, given_options
from .options import device_option, input_size_option, quiet_option
from .session import announce, place_of
from .training_options import SETTINGS, training_options

_TASK = ("model", "weights", "input_size", *DATA_OPTIONS)


@click.command("train-classifier")
@data_options()
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="RUN", help="The run's folder."
)
@click.option(
    "--model",
    default="mini",
    show_default=True,
    metavar="NAME",
    help="mini, cifar, zfnet, alexnet, vgg11, mobilenet_v2, ... or package.module:function.",
)
@click.option(
    "--weights",
    default="random",
    show_default=True,
    metavar="random|default|FILE|RUN",
    help="What to start from: what fits by name and shape is taken, the rest is drawn.",
)
@input_size_option()
@training_options()
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped or killed.")
@click.option("--overwrite", is_flag=True, help="Throw an earlier run in this folder away.")
@click.option("--tensorboard", is_flag=True, help="Also write event files into RUN/tensorboard.")
@device_option()
@quiet_option()
@click.pass_context
def train_classifier(
    context: click.Context,
    /,
    out: Path,
    resume: bool,
    overwrite: bool,
    tensorboard: bool,
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a classifier that every other command can then open up.

    RUN will hold the best and the last weights, run.json, history.csv, curves.png, confusion.png and
    metrics.json, and serves as --weights of every other command.

    \b
        deconvviz train-classifier --data photos/ --out runs/photos
        deconvviz train-classifier --data cifar10 --model cifar --epochs 20 --out runs/cifar
        deconvviz train-classifier --data pets/ --model alexnet --weights default --freeze features --out pets
        torchrun --nproc-per-node 4 -m deconvviz_cli train-classifier --data photos/ --out runs/photos
    """
    from deconvviz.errors import TrainingError
    from deconvviz.training.classifier import train_classifier as train
    from deconvviz.training.history import best_epoch
    from deconvviz.training.processes import joined
    from deconvviz.training.settings import Settings
    from deconvviz.training.start import started

    from .training_results import Results

    rank = int(os.environ.get("RANK", "0"))
    quiet = quiet or rank > 0
    if resume and overwrite:
        raise click.UsageError("--resume goes on with a run, --overwrite throws it away: give one of them")
    before = None if overwrite else earlier(out)
    if before is not None and not resume:
        raise TrainingError(
            f"{out} holds a run already: go on with --resume, or throw it away with --overwrite"
        )
    if resume:
        if before is None:
            raise TrainingError(f"{out} holds no run to resume; leave --resume away")
        options = before.merged(options, given_options(context))
    task = {name: options[name] for name in _TASK}
    settings = Settings(**{name: options[name] for name in SETTINGS})
    with joined(place_of(device)) as processes:
        if not processes.first_here:
            processes.wait()  # the first of each machine decodes the images, the others then find them
        size = task["input_size"]
        data = opened_data(
            **{name: task[name] for name in DATA_OPTIONS},
            seed=settings.seed,
            side=size or _native(task["model"]),
            quiet=quiet,
        )
        if processes.first_here:
            processes.wait()
        task["data"] = data.name  # what auto turned out to mean, for --resume
        built, taken = started(task["model"], len(data.ids), task["weights"], settings.seed)
        if taken and not quiet:
            click.echo(f"note: took {taken}", err=True)
        results = Results(out, data, tensorboard) if processes.first else None
        outcome = train(
            task["model"],
            data,
            settings,
            out,
            built=built,
            input_size=size,
            processes=processes,
            resume=resume,
            facts={"task": {k: str(v) if isinstance(v, Path) else v for k, v in task.items()}},
            progress=not quiet,
            after_epoch=results.epoch if results else lambda _row: None,
        )
        if results is None:
            return
        announce(*results.write(outcome))
        if not quiet:
            best = best_epoch(outcome.rows)
            ended = f"stopped after epoch {len(outcome.rows)}" if outcome.stopped_early else "done"
            click.echo(
                f"{ended}: best epoch {best['epoch']}: top-1 {best['val_top1']:.4f}, top-5 "
                f"{best['val_top5']:.4f}, loss {best['val_loss']:.3f} on {len(data.val)} validation images",
                err=True,
            )


def _native(model: str) -> int:
    """The input size that a network comes with."""
    from deconvviz.models import outline

    return outline(model).input_size
