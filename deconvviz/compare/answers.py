"""What one method made of one image's features at one layer, and how far it is from the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ..deconvnet import Unit


@dataclass(frozen=True)
class Answer:
    """One cell of a comparison.

    Attributes:
        layer: its name.
        method: its name; see `methods`.
        signal: (3, H, W) in the network's input space; of a projection signed, of a reconstruction the
            normalised image. None where the method cannot serve the layer.
        picture: (3, H, W) in [0, 1]: `signal` as `Network.pixels` shows it, for a decoder what it made.
        unit: the unit that was projected; None where the whole layer was used.
        activation: its value; NaN without a unit.
        seconds: that it took, the forward pass included; of images that went through together, one's share.
        errors: by name, ``psnr``, ``ssim``, ``explained``, ``image_error``, ``feature_error`` of `picture`;
            with ``_fitted`` behind, of its best affine fit; see `judging`. NaN where one does not exist.
        missing: why there is no picture, in a few words for the cell; else empty.
        advice: what would fill the cell, a command where there is one; else empty.
        note: what is to be known of a picture that is there, as that its search was interrupted; else empty.
    """

    layer: str
    method: str
    signal: Tensor | None = None
    picture: Tensor | None = None
    unit: Unit | None = None
    activation: float = float("nan")
    seconds: float = float("nan")
    errors: Mapping[str, float] = field(default_factory=dict)
    missing: str = ""
    advice: str = ""
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """All answers for one image.

    Attributes:
        name: the image's.
        original: (3, H, W) in [0, 1], what the network saw.
        layers: in the order asked for: the rows.
        methods: their names in the table's order: the columns.
        answers: by layer and method, all pairs.
    """

    name: str
    original: Tensor
    layers: tuple[str, ...]
    methods: tuple[str, ...]
    answers: Mapping[tuple[str, str], Answer]
