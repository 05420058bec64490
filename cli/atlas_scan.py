"""``deconvviz atlas scan``: the strongest activations of every unit over many images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from deconvviz.errors import DataError

from .atlas_options import atlas_out_option, overwrite_option
from .atlas_scan_session import Bar, as_begun, begun_in, known, stoppable, tell_what_came
from .earlier import given_options
from .options import layer_option, model_option, quiet_option, weights_options
from .session import announce, open_session, place_of, within_memory

_PATIENCE = timedelta(days=30)
"""How long processes that are through with their share wait for the others."""


@click.command()
@click.argument("images", nargs=-1, type=click.Path(path_type=Path))
@layer_option(required=False)
@click.option(
    "--topk",
    type=click.IntRange(min=1),
    default=9,
    show_default=True,
    metavar="K",
    help="How many of the strongest activations of each unit are kept.",
)
@click.option(
    "--per-image",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="At most so many of one image, each at a place of its own.",
)
@atlas_out_option()
@click.option("--resume", is_flag=True, help="Go on with a scan that was stopped or killed.")
@overwrite_option()
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    metavar="N",
    help="Images that go through the network together.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "mixed"]),
    default="float32",
    show_default=True,
    help="mixed looks for candidates in bfloat16 and computes those anew in float32: faster where the "
    "processor or GPU has it.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads that decode and compute  [default: one a processor].",
)
@click.option(
    "--checkpoint-every",
    "every",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How much of the work a kill may cost.",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where relative IMAGES begin  [default: here].",
)
@model_option()
@weights_options()
@quiet_option()
@click.pass_context
def scan(
    context: click.Context,
    /,
    out: Path,
    resume: bool,
    overwrite: bool,
    workers: int | None,
    every: float,
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Find the strongest activations of every unit over IMAGES.

    IMAGES are folders, with or without a folder a class, tar shards, zips, folders inside either, pictures,
    or text files with the path of a picture on each line. Images that cannot be read are named and left out.
    Without --layer all convolutions that have a name of the papers (conv1, conv2, ...) are scanned, after
    their rectifiers.

    ATLAS will hold units.parquet (a row for each kept activation), statistics.parquet (a row for each unit),
    images.parquet and manifest.json. The larger activation goes first, of equal ones that of the image whose
    name comes first. A scan that was killed goes on with --resume, also with another number of processes,
    and ends with the same bytes.

    \b
        deconvviz atlas scan photos/ --layer conv1 --layer conv5 --topk 9 --out ATLAS
        deconvviz atlas scan tiny-imagenet.zip/val --model mini --out ATLAS
        deconvviz atlas scan --resume --out ATLAS
        torchrun --nproc-per-node 4 -m deconvviz_cli atlas scan shards/ --out ATLAS
    """
    if resume and overwrite:
        raise click.UsageError("--resume goes on with a scan, --overwrite throws it away: give one of them")
    if not resume and not options["images"]:
        raise click.UsageError("name images: folders, tar shards, zips, pictures or lists of them")
    quiet = quiet or int(os.environ.get("RANK", "0")) > 0
    if resume:
        options = as_begun(out, options, given_options(context))
    try:
        with stoppable():
            paths = _scanned(out, resume, overwrite, workers, every, device, quiet, options)
    except KeyboardInterrupt:
        if not begun_in(out):
            raise
        if os.environ.get("RANK", "0") == "0":
            click.echo(
                f"deconvviz: interrupted; what was found is kept in {out}: go on with --resume", err=True
            )
        context.exit(130)
    announce(*paths)


def _check_out(out: Path, images: Sequence[Path], root: Path | None) -> None:
    """Refuses to write among the images of a scan.

    Raises:
        DataError: the atlas' folder is one of theirs.
    """
    if out.resolve() in [(Path(root or "") / place).resolve() for place in images]:
        raise DataError(f"{out} is one of the IMAGES to be scanned; name another --out")


def _scanned(
    out: Path,
    resume: bool,
    overwrite: bool,
    workers: int | None,
    every: float,
    device: str,
    quiet: bool,
    options: dict[str, Any],
) -> Sequence[Path]:
    """The tables and the manifest, in the first process."""
    from deconvviz.atlas.images import list_images
    from deconvviz.atlas.running import scan_atlas
    from deconvviz.atlas.settings import ScanSettings, rectified_convolutions
    from deconvviz.data.cache import processors
    from deconvviz.training.processes import joined

    _check_out(out, options["images"], options["root"])
    threads = workers or max(1, processors() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    with joined(place_of(device), patience=_PATIENCE) as processes:
        images = list_images(options["images"], options["root"])
        if not processes.first_here:
            processes.wait()  # the first of each machine downloads the weights, the others then find them
        session = open_session(
            **{name: options[name] for name in ("model", "weights", "seed", "input_size")},
            device=str(processes.device),
            quiet=quiet,
        )
        if processes.first_here:
            processes.wait()
        network = session.network
        layers = options["layers"] or rectified_convolutions(network)
        settings = ScanSettings(
            layers, *(options[name] for name in ("topk", "per_image", "batch_size", "precision"))
        )
        bar = Bar(quiet, processes)
        with bar, within_memory(session, settings.batch_size):
            outcome = scan_atlas(
                out,
                network,
                images,
                settings,
                facts=known(session, options),
                processes=processes,
                resume=resume,
                overwrite=overwrite,
                every=every,
                workers=threads,
                begins=bar.begins,
                progress=bar.progress,
                rescoring=bar.rescoring,
            )
        if outcome is None:
            return ()
        if not quiet:
            tell_what_came(outcome, out, images.names)
        return outcome.paths
