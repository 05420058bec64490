"""``deconvviz reconstruct``: photographs beside what decoders make of a network's features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .decoder_session import Group, decoder_option, opened_decoders
from .earlier import given_options
from .options import image_arguments, model_option, output_options, weights_options
from .session import announce, for_each_photo, pictures, targets

if TYPE_CHECKING:
    from deconvviz.data.images import Photo


@click.command()
@image_arguments()
@decoder_option()
@click.option("--each", is_flag=True, help="Also write every picture as its own PNG.")
@click.option("--arrays", is_flag=True, help="Also write NAME.npz: input, reconstruction, layer, psnr, ssim.")
@model_option()
@weights_options()
@output_options()
@click.pass_context
def reconstruct(
    context: click.Context,
    /,
    images: tuple[Path, ...],
    sample: bool,
    runs: tuple[Path, ...],
    each: bool,
    arrays: bool,
    out: str | None,
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Draw IMAGES beside their reconstructions, one for each decoder, with PSNR and SSIM.

    The network is the one that the decoders were trained with; say --weights where its file has moved.

    \b
        deconvviz reconstruct cat.jpg dog.jpg --decoder decoders/alexnet
        deconvviz reconstruct cat.jpg --decoder decoders/alexnet/conv2 --decoder decoders/alexnet/fc8
    """
    paths = pictures(images, sample)
    stem = paths[0].stem if len(paths) == 1 else "pictures"
    place = targets([stem], ["reconstructions"], out)[0][0]
    groups = opened_decoders(runs, given_options(context), options, device, quiet)
    from deconvviz.figures import save_figure, strips_figure
    from deconvviz.runs import short_form, write_json

    columns = [label for group in groups for label in group.labels]
    found: list[_Found] = []

    def work(_: int, photo: Photo) -> None:
        found.append(_Found(photo, groups))

    try:
        for_each_photo(paths, work)
    finally:
        if found:
            facts = groups[0].session.manifest(
                decoders=[decoder.label for group in groups for decoder in group.decoders],
                layers=columns,
                images=[one.facts(columns) for one in found],
            )
            network = groups[0].session.network
            figure = strips_figure(
                [one.strip() for one in found],
                columns,
                title=f"{network.name}: images from their features",
                caption=f"weights {network.origin.label}; PSNR and SSIM against what the network saw",
            )
            written = [
                save_figure(figure, place.figure, short_form(facts)),
                write_json(place.figure.with_suffix(".json"), facts),
            ]
            if arrays:
                written.append(_arrays(place.figure.with_suffix(".npz"), found, columns))
            if each:
                short = short_form(facts)
                written += [path for one in found for path in one.parts(place.parts, columns, short)]
            announce(*written)


class _Found:
    """A photograph with its reconstructions, at the size in which the network saw it."""

    def __init__(self, photo: Photo, groups: list[Group]) -> None:
        from deconvviz.decoders.showing import at_input_size
        from deconvviz.metrics import psnr, ssim

        self._photo = photo
        self.original: Any = None
        self.made: list[Any] = []
        self.psnr: list[float] = []
        self.ssim: list[float] = []
        for group in groups:
            seen = group.session.see(photo.image)
            original = group.session.network.pixels(seen)
            self.original = original[0].cpu().numpy() if self.original is None else self.original
            features = group.encoder(seen)
            for decoder in group.decoders:
                made = at_input_size(group.encoder, decoder, features[decoder.layer])
                self.made.append(made[0].cpu().numpy())
                self.psnr.append(float(psnr(original, made)))
                self.ssim.append(float(ssim(original, made)))

    def facts(self, columns: list[str]) -> dict[str, Any]:
        """For the manifest."""
        errors = {
            name: {"psnr": ratio, "ssim": similarity}
            for name, ratio, similarity in zip(columns, self.psnr, self.ssim, strict=True)
        }
        return {"image": self._photo.name, "sha256": self._photo.sha256, "errors": errors}

    def strip(self) -> Any:
        """A row of the figure."""
        from deconvviz.figures import Strip
        from deconvviz.tiles import photo_tile

        notes = [f"{r:.1f} dB, SSIM {s:.2f}" for r, s in zip(self.psnr, self.ssim, strict=True)]
        return Strip(
            self._photo.name, photo_tile(self.original), [photo_tile(one) for one in self.made], notes
        )

    def parts(self, folder: Path, columns: list[str], short: Mapping[str, str]) -> list[Path]:
        """Every picture as its own PNG."""
        from deconvviz.figures.parts import save_tile
        from deconvviz.tiles import photo_tile

        stem = Path(self._photo.name).stem
        named = zip(["input", *columns], [self.original, *self.made], strict=True)
        return [
            save_tile(photo_tile(one), folder / f"{stem}_{name.replace(' ', '_')}.png", short)
            for name, one in named
        ]


def _arrays(path: Path, found: list[_Found], columns: list[str]) -> Path:
    import numpy as np

    from deconvviz.runs import write_arrays

    return write_arrays(
        path,
        input=np.stack([one.original for one in found]),
        reconstruction=np.stack([np.stack(one.made) for one in found]),
        layer=columns,
        psnr=[one.psnr for one in found],
        ssim=[one.ssim for one in found],
    )
