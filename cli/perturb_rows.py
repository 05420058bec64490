"""Rows of pictures from one image's changed features, each judged against the image and the unchanged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .perturb_making import Subject
from .perturb_results import Row, likeness

if TYPE_CHECKING:
    from torch import Tensor

NOTES = (
    "image, unchanged: PSNR and SSIM against what the network saw, and against what was made in the same way "
    "from the unchanged features; higher is more alike",
    "features moved: the distance that the features were moved, over their length; 1 is as far as setting "
    "them all to zero",
    "feature error: the same distance between the features that a picture was made from and those that the "
    "layer sees in it; 0 is perfect",
)


@dataclass(frozen=True)
class Maker:
    """Rows of pictures of one image's features.

    Attributes:
        subject: the decoder and its encoder.
        original: (3, S, S) in [0, 1], what the network saw.
        features: (1, ...), what the layer saw in it.
    """

    subject: Subject
    original: Tensor
    features: Tensor

    def row(
        self,
        key: str,
        title: str,
        names: Sequence[str],
        changed: Tensor,
        made: Sequence[Tensor | None] | None = None,
        *,
        told: str = "",
        image: bool = False,
        uncut: Sequence[float] = (),
    ) -> Row:
        """Decodes the features, unless pictures of them are there, and judges the pictures.

        Args:
            key: of the row.
            title: likewise.
            names: of its pictures.
            changed: (K, ...) features.
            made: K pictures of them; without, those that the decoder makes.
            told: of the row.
            image: begin with the image itself; the pictures' first is what others are compared with.
            uncut: feature errors of the pictures before they were cut to [0, 1], where they were.
        """
        import torch

        from deconvviz.experiments.perturbing import relative_change

        pictures: list[Tensor | None] = list(self.subject.decoded(changed)) if made is None else list(made)
        there = [i for i, one in enumerate(pictures) if one is not None]
        reference = pictures[0] if image else self.subject.decoded(self.features)[0]
        judged = self.subject.judged(
            torch.stack([one for one in pictures if one is not None]),
            changed[there],
            self.original,
            reference,
        )
        moved = relative_change(self.features, changed).tolist()
        numbers = {name: _spread(values, there, len(pictures)) for name, values in judged.items()}
        numbers["features_moved"] = moved
        if uncut:
            numbers["feature_error_uncut"] = list(uncut)
        notes = [_notes(numbers, i, again=image) for i in range(len(pictures))]
        row = Row(key, title, names, pictures, changed, numbers, notes, told)
        return row.after("what the network saw", self.original, self.features) if image else row


def _spread(values: Sequence[float], places: Sequence[int], count: int) -> list[float]:
    found = [float("nan")] * count
    for place, value in zip(places, values, strict=True):
        found[place] = value
    return found


def _notes(numbers: Mapping[str, Sequence[float]], i: int, again: bool) -> list[str]:
    """The lines below a picture; with what the layer sees in it again."""
    seen, uncut = numbers["feature_error"][i], numbers.get("feature_error_uncut", ())
    return [
        likeness("image", numbers["psnr"][i], numbers["ssim"][i]),
        likeness("unchanged", numbers["psnr_unchanged"][i], numbers["ssim_unchanged"][i]),
        f"features moved by {numbers['features_moved'][i]:.2f}",
        *([f"feature error {seen:.2f}" if math.isfinite(seen) else "feature error: –"] if again else []),
        *([f"before cutting {uncut[i]:.2f}"] if uncut else []),
    ]
