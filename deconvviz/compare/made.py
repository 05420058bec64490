"""What one method made of a batch: of which images a picture, and for the others why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from ..deconvnet import Unit


@dataclass(frozen=True)
class Made:
    """The pictures of K of a batch's N images.

    Attributes:
        rows: which of the N images these are.
        signals: (K, 3, H, W) in the network's input space; None where K is 0.
        pictures: (K, 3, H, W) in [0, 1]; None where K is 0.
        units: those that were projected, one an image; none where whole layers were used.
        activations: their values; likewise.
        seconds: that one image took.
        missing: why the others have none, by row.
        note: what is to be known of these pictures.
        interrupted: whether the user ended the method before it was through.
    """

    rows: Sequence[int] = ()
    signals: Tensor | None = None
    pictures: Tensor | None = None
    units: Sequence[Unit] = ()
    activations: Sequence[float] = ()
    seconds: float = float("nan")
    missing: Mapping[int, str] = field(default_factory=dict)
    note: str = ""
    interrupted: bool = False


def nothing(count: int, why: str, note: str = "", interrupted: bool = False) -> Made:
    """No picture for any of so many images, for one reason.

    Args:
        count: of the batch's images.
        why: in a few words.
        note: what would help.
        interrupted: whether the user ended the method.
    """
    return Made(missing=dict.fromkeys(range(count), why), note=note, interrupted=interrupted)
