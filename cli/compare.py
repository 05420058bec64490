"""``deconvviz compare``: deconvnet, gradients, learned decoders and optimisation on the same activations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .compare_options import SHOWN, SURVEYED, compared_options, misplaced, shown_options, surveyed_options
from .earlier import given_options
from .options import image_arguments, model_option, output_options, weights_options


@click.command()
@image_arguments()
@compared_options()
@shown_options()
@surveyed_options()
@model_option()
@weights_options()
@output_options()
@click.pass_context
def compare(context: click.Context, /, images: tuple[Path, ...], sample: bool, **options: Any) -> None:
    """Compare what the methods make of the same activations of IMAGES, or of a data set.

    One figure for each image: a row for each layer, a column for each method, and under each picture how far
    it is from what the network saw. A projection is no reconstruction, it lacks absolute colour and scale:
    its errors are told as it is and fitted. A cell that cannot be filled says why, and what would fill it.

    \b
        deconvviz compare cat.jpg --layers conv1,conv2,conv5,fc6,fc8 --decoder decoders/alexnet
        deconvviz compare cat.jpg dog.jpg --layers conv5 --methods strongest,layer,decoder --rows images
        deconvviz compare *.jpg --decoder decoders/alexnet --format html --out page/
        deconvviz compare --data tiny-imagenet --limit 500 --decoder decoders/alexnet --out compared/
        deconvviz compare --resume --out compared/
    """
    resumed = options["resume"] and not images and not sample  # the run knows its data set
    survey = options["data"] is not None or resumed
    wrong = misplaced(given_options(context), survey)
    if wrong:
        raise click.UsageError(
            f"{wrong} is for photographs, not for --data" if survey else f"{wrong} needs a data set: --data"
        )
    if survey:
        from .compare_data import compare_data

        compare_data(context, **{name: value for name, value in options.items() if name not in SHOWN})
        return
    from .compare_images import compare_images

    compare_images(
        context, images, sample, **{name: value for name, value in options.items() if name not in SURVEYED}
    )
