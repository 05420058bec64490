"""Features on the way from one image to another: the rows of ``deconvviz perturb IMAGE --with OTHER``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .perturb_changed import features_of
from .perturb_making import Optimiser, Subject
from .perturb_results import Row, likeness

if TYPE_CHECKING:
    from torch import Tensor

    from deconvviz.data.images import Photo

NOTES = (
    "first, last, cross-fade: PSNR and SSIM against the first picture of the row, its last, and those two "
    "mixed pixel by pixel; higher is more alike",
)
_BETWEEN = 4  # pictures of the animation for each step of the strip


@dataclass(frozen=True)
class Mixed:
    """A strip and its animation.

    Attributes:
        rows: of the figure.
        frames: (T, 3, S, S) in [0, 1], of the animation.
    """

    rows: list[Row]
    frames: Tensor


def mixed_rows(
    subject: Subject,
    photos: tuple[Photo, Photo],
    seen: tuple[Tensor, Tensor],
    steps: int,
    optimiser: Optimiser | None,
) -> Mixed:
    """What is made from the features between two images'.

    Args:
        subject: the decoder and its encoder.
        photos: the two images.
        seen: as the network sees them, (1, 3, S, S) each.
        steps: pictures in a row.
        optimiser: makes pictures too, where it is given.

    Raises:
        ImageError: the layer is zero all over for one of them.
    """
    from deconvviz.experiments.perturbing import interpolated

    one, other = (features_of(subject, photo, batch)[0] for photo, batch in zip(photos, seen, strict=True))
    between = interpolated(one, other, steps)
    names = [f"{100 * i / (steps - 1):.3g} % {photos[1].name}" for i in range(steps)]
    names[0], names[-1] = photos[0].name, photos[1].name
    here, there = (subject.session.network.pixels(batch)[0] for batch in seen)
    frames = subject.decoded(interpolated(one, other, _BETWEEN * (steps - 1) + 1))
    made = frames[::_BETWEEN]
    rows = [
        Row(
            "photographs",
            "The photographs, mixed pixel by pixel",
            names,
            list(interpolated(here, there, steps)),
        ),
        _row(
            "decoder", f"Learned decoder, from mixed features of {subject.layer}", names, between, list(made)
        ),
        Row(
            "crossfade",
            "The first and the last of that row, mixed pixel by pixel",
            names,
            list(interpolated(made[0], made[-1], steps)),
            told="Where this looks the same as the row above it, the decoder is nearly linear on the way.",
        ),
    ]
    if optimiser is not None:
        found = optimiser.pictures(subject, between, f"{photos[0].name} to {photos[1].name}, {subject.label}")
        ended = f" ({optimiser.stopped})" if optimiser.stopped else ""
        row = _row("optimised", f"Optimised pre-images, from the same features{ended}", names, between, found)
        rows.append(row.with_numbers(feature_error_uncut=optimiser.uncut))
    return Mixed(rows, frames)


def _row(
    key: str, title: str, names: Sequence[str], features: Tensor, pictures: Sequence[Tensor | None]
) -> Row:
    """A row with its likeness to both ends and to their cross-fade."""
    from deconvviz.experiments.perturbing import interpolated
    from deconvviz.metrics import psnr, ssim

    first, last = pictures[0], pictures[-1]
    faded: list[Tensor | None] = [None] * len(pictures)
    if first is not None and last is not None:  # a search that was stopped may have left no picture
        faded = list(interpolated(first, last, len(pictures)))
    numbers: dict[str, list[float]] = {
        f"{measure}_{to}": [] for to in ("first", "last", "crossfade") for measure in ("psnr", "ssim")
    }
    notes = []
    for picture, fade in zip(pictures, faded, strict=True):
        lines = []
        for to, against in (("first", first), ("last", last), ("crossfade", fade)):
            ratio = similarity = float("nan")
            if picture is not None and against is not None:
                ratio = float(psnr(against[None], picture[None]))
                similarity = float(ssim(against[None], picture[None]))
            numbers[f"psnr_{to}"].append(ratio)
            numbers[f"ssim_{to}"].append(similarity)
            lines.append(likeness("cross-fade" if to == "crossfade" else to, ratio, similarity))
        notes.append(lines)
    return Row(key, title, names, pictures, features, numbers, notes)
