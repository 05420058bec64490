"""``deconvviz train-decoder``: a network that turns a layer's features back into images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .data_options import DATA_OPTIONS, data_options, opened_data
from .earlier import earlier, given_options
from .options import layer_option, model_option, quiet_option, weights_options
from .recipe_options import recipe_options
from .session import announce, place_of, tell

if TYPE_CHECKING:
    from deconvviz.decoders.recipes import Recipe
    from deconvviz.models import Network

_TASK = ("recipe", "model", "weights", *DATA_OPTIONS)
_KEPT_SHARE = 0.5  # of the free room, that features may take unasked


@click.command("train-decoder")
@layer_option(required=False)
@recipe_options()
@data_options()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="A folder, in which each layer gets one  [default: decoders/MODEL].",
)
@model_option()
@weights_options()
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped or killed.")
@click.option("--overwrite", is_flag=True, help="Throw earlier decoders of these layers away.")
@click.option(
    "--keep/--no-keep",
    default=None,
    help="Compute features once and keep them  [default: where half of the free disk holds them].",
)
@click.option("--compile/--no-compile", "compiled", default=False, help="Let torch.compile make the step.")
@click.option("--tensorboard", is_flag=True, help="Also write event files into RUN/LAYER/tensorboard.")
@quiet_option()
@click.pass_context
def train_decoder(
    context: click.Context,
    /,
    layers: tuple[str, ...],
    out: Path | None,
    resume: bool,
    overwrite: bool,
    device: str,
    keep: bool | None,
    compiled: bool,
    tensorboard: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a decoder: a network that turns a layer's features back into images.

    RUN/LAYER will hold the best and the last weights, run.json, history.csv, last_epochs.csv, curves.png,
    grids of originals beside reconstructions and metrics.json, and serves as --decoder of 'reconstruct' and
    'evaluate'. Several layers in one call share the data and the pass through the network.

    \b
        deconvviz train-decoder --layer fc8
        deconvviz train-decoder --layer conv2 --layer conv5 --recipe half --data tiny-imagenet
        torchrun --nproc-per-node 4 -m deconvviz_cli train-decoder --layer conv5
    """
    from deconvviz.decoders.encoding import Encoder, shown_as
    from deconvviz.decoders.training import train_decoders
    from deconvviz.errors import TrainingError
    from deconvviz.models import load_model
    from deconvviz.training.processes import joined

    from .decoder_results import DecoderResults

    quiet = quiet or int(os.environ.get("RANK", "0")) > 0
    if resume and overwrite:
        raise click.UsageError("--resume goes on with a run, --overwrite throws it away: give one of them")
    if resume:
        options, layers = _before(context, options, out, layers)
    how = _recipe(options, given_options(context), resume)
    layers = layers or how.layers
    if not layers:
        raise click.UsageError("this recipe names no layers: say --layer")
    for name in ("epochs", "up_convolutions"):
        strange = set(options[name] if isinstance(options[name], dict) else ()) - {*layers, "other"}
        if strange and name in given_options(context):
            raise click.UsageError(
                f"--{name.replace('_', '-')}: '{min(strange)}' is none of the layers: {', '.join(layers)}"
            )
    with joined(place_of(device)) as processes:
        if not processes.first_here:
            processes.wait()  # the first of each machine decodes the images, the others then find them
        weights = options["weights"]
        network = load_model(
            options["model"],
            weights,
            seed=how.seed,
            input_size=how.input_size,
            lean=True,
            progress=not quiet,
        )
        network.move_to(processes.device)
        for layer in layers:
            network.path_of(layer)  # a typing mistake shall not wait for the data
        out = out or _folder(network)
        for layer in layers:
            if not (resume or overwrite) and earlier(out / layer) is not None:
                raise TrainingError(
                    f"{out / layer} holds a decoder already: go on with --resume, throw it away with "
                    "--overwrite, or name another --out"
                )
        if not quiet:
            tell(options["model"], weights, network.name)
        data = opened_data(
            **{name: options[name] for name in DATA_OPTIONS},
            seed=how.seed,
            side=network.input_size,
            quiet=quiet,
            val_share=how.val_share,
            test=True,
            at_most="classes" not in given_options(context),
        )
        if processes.first_here:
            processes.wait()
        task = {name: options[name] for name in _TASK}
        task |= {"data": data.name, "model": network.name}  # what auto turned out to mean, for --resume
        encoder = Encoder(
            shown_as(network, network.input_size, how.mean or network.mean, how.std or network.std), layers
        )
        if keep is None:
            keep = _room(encoder, len(data.train) + len(data.val), how, quiet)
        results = DecoderResults(out, data, tensorboard) if processes.first else None
        outcomes = train_decoders(
            network,
            layers,
            data,
            how,
            out,
            processes=processes,
            keep=keep,
            compiled=compiled,
            resume=resume,
            weights=str(Path(weights).resolve()) if Path(weights).exists() else weights,
            facts={"task": {k: str(v) if isinstance(v, Path) else v for k, v in task.items()}},
            progress=not quiet,
            after_epoch=results.epoch if results else lambda _layer, _row: None,
        )
        if results is not None:
            for outcome in outcomes:
                announce(*results.write(outcome, encoder, quiet))


def _before(
    context: click.Context, options: dict[str, Any], out: Path | None, layers: tuple[str, ...]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The options of the runs to be resumed, and their layers.

    Raises:
        TrainingError: there is none, it was started otherwise, or the layers' runs differ.
    """
    from deconvviz.errors import TrainingError
    from deconvviz.models.trained import RUN_FILE

    if out is None:
        from deconvviz.models import outline

        out = _folder(outline(options["model"], options["weights"]))
    there = layers or tuple(sorted(path.parent.name for path in out.glob(f"*/{RUN_FILE}")))
    runs = [found for layer in there if (found := earlier(out / layer)) is not None]
    if not runs:
        raise TrainingError(f"{out} holds no run to resume; leave --resume away")
    # auto is whatever it turned out to mean then
    given = {name for name in given_options(context) if options.get(name, "auto") != "auto"}
    merged = [run.merged(options, given) for run in runs]
    for run, other in zip(runs, merged, strict=True):
        if other != merged[0]:
            raise TrainingError(
                f"{run.folder} was started with other settings than {runs[0].folder}: resume them one by "
                "one, with --layer"
            )
    return merged[0], there


def _recipe(options: dict[str, Any], stated: set[str], resume: bool) -> Recipe:
    """The recipe with the options that were given in place of its fields; and its data options put in."""
    from dataclasses import fields

    from deconvviz.decoders.recipes import Recipe, from_fields, recipe

    names = [f.name for f in fields(Recipe)]
    given = {name: options[name] for name in names if name in stated and name in options}
    if resume:  # every field stands in the run's record
        return from_fields({name: options[name] for name in names if name in options}, options["recipe"])
    if options["only"]:
        given.setdefault("classes", None)
    if "val_share" in given:
        given.setdefault("val_per_class", None)
    how = recipe(options["recipe"], **given)
    options["classes"], options["val_per_class"] = how.classes, how.val_per_class
    return how


def _room(encoder: Any, images: int, how: Recipe, quiet: bool) -> bool:
    """Whether the disk has room for the features; says what they take."""
    import shutil

    from deconvviz.data.cache import cache_folder
    from deconvviz.decoders.features import kept_bytes

    wanted = kept_bytes(encoder, images, how.flip)
    place = cache_folder()
    place.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(place).free
    fits = wanted < _KEPT_SHARE * free
    if not quiet and (not fits or wanted > 2**30):
        done = f"are kept in {place}" if fits else "are computed in every epoch"
        size, room = f"{wanted / 2**30:.1f} GiB", f"{free / 2**30:.0f} GiB are free"
        click.echo(f"note: features of {size} {done}: {room}", err=True)
    return fits


def _folder(network: Network) -> Path:
    """Where a network's decoders go unasked."""
    return Path("decoders") / network.name.replace(":", ".")
