"""``deconvviz perturb``: what of a layer's features a reconstruction hangs on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .data_options import DATA_OPTIONS, data_options
from .decoder_session import decoder_option
from .earlier import given_options
from .optimising import check_places, search_options
from .options import image_arguments, layer_option, model_option, output_options, weights_options
from .perturb_options import drawing_at_random, mixing_options, optimised_options, perturbation_options
from .session import pictures, targets

_ENDING = {"changed": "_perturbed", "mixed": "_interpolated", "random": "_perturbed"}


@click.command()
@image_arguments()
@layer_option(required=False)
@decoder_option()
@perturbation_options()
@mixing_options()
@drawing_at_random()
@data_options(default=None)
@optimised_options()
@search_options()
@click.option("--each", is_flag=True, help="Also write every picture as its own PNG.")
@click.option(
    "--arrays", is_flag=True, help="Also write NAME.npz: pictures, features and numbers of each row."
)
@model_option()
@weights_options()
@output_options()
@click.pass_context
def perturb(
    context: click.Context,
    /,
    images: tuple[Path, ...],
    sample: bool,
    layers: tuple[str, ...],
    runs: tuple[Path, ...],
    out: str | None,
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Change a layer's features of IMAGES in known ways, and see what a decoder still makes of them.

    Only the largest entries kept, all but those, the signs alone, and dropout; with --with features between
    two images', with --random ones that no image has. The layers are those of the decoders, unless --layer
    picks some.

    \b
        deconvviz perturb cat.jpg --layer fc8 --decoder decoders/alexnet
        deconvviz perturb cat.jpg --layer fc6 --decoder decoders/alexnet --with dog.jpg
        deconvviz perturb --random 6 --layer fc6 --decoder decoders/alexnet --data tiny-imagenet
        deconvviz perturb cat.jpg --layer fc8 --decoder decoders/alexnet --optimised --iterations 100
    """
    given = given_options(context)
    kind = _kind(given, options)
    paths = pictures(images, sample) if kind != "random" or images or sample else []
    stems = ["random"] if kind == "random" else [_stem(path, options["other"]) for path in paths]
    targets(stems, layers or ["layer"], out)  # wrong usage shall not wait for the decoders
    if options["animation"] is not None:
        _check_animation(options["animation"], len(stems) * max(len(layers), 1))
    from .perturb_making import Optimiser, opened_subjects
    from .perturb_running import Task, run_changed, run_mixed, run_random

    subjects = opened_subjects(runs, layers, given, options, device, quiet)
    places = targets(stems, [subject.file_name for subject in subjects], out, ending=_ENDING[kind])
    check_places([place.figure for own in places for place in own])
    if options["animation"] is not None:
        _check_animation(options["animation"], len(stems) * len(subjects))
        check_places([options["animation"]])
    optimiser = None
    if options["optimised"]:
        chosen = {name: options[name] for name in ("preset", "iterations", "batch_size", "seed")}
        optimiser = Optimiser(**chosen, quiet=quiet)
    task = Task(paths, subjects, places, options, optimiser, quiet)
    {"changed": run_changed, "mixed": run_mixed, "random": run_random}[kind](task)


def _kind(given: set[str], options: dict[str, Any]) -> str:
    """Which of the three experiments.

    Raises:
        UsageError: the options given belong to different ones.
    """
    kind = (
        "mixed" if options["other"] is not None else "random" if options["drawn"] is not None else "changed"
    )
    if options["other"] is not None and options["drawn"] is not None:
        raise click.UsageError("--with and --random are two experiments: give one of them")
    if kind == "random" and options["data"] is None:
        raise click.UsageError(
            "--random wants a data set to learn from how units behave: name it with --data"
        )
    belong = {
        "changed": ("keep", "by", "dropout", "rescale"),
        "mixed": ("steps", "animation"),
        "random": ("statistics", "fit_images", *DATA_OPTIONS),
    }
    flags = {"changed": "an image alone", "mixed": "--with", "random": "--random"}
    for other, names in belong.items():
        strange = [name for name in names if name in given]
        if other != kind and strange:
            raise click.UsageError(f"--{strange[0].replace('_', '-')} goes with {flags[other]}")
    searching = [name for name in ("preset", "iterations", "batch_size") if name in given]
    if searching and not options["optimised"]:
        raise click.UsageError(f"--{searching[0].replace('_', '-')} goes with --optimised")
    return kind


def _stem(path: Path, other: Path | None) -> str:
    return path.stem if other is None else f"{path.stem}_{other.stem}"


def _check_animation(path: Path, figures: int) -> None:
    """Whether an animation can be that file."""
    if path.suffix.lower() not in (".gif", ".webp"):
        raise click.UsageError(f"--animation {path}: an animation is a .webp or a .gif file")
    if figures > 1:
        raise click.UsageError(f"--animation {path} is one file for {figures} animations; leave it away")
