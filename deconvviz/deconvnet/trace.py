"""What a recorded forward pass leaves behind: a record a layer call, and the wanted feature maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import LayerError


@dataclass(frozen=True)
class Record:
    """One call of one leaf module.

    Attributes:
        name: its dotted path; a second call of the same module is ``path:2``.
        module: the module itself.
        input_shape: of its input, batch first.
        output_shape: of its output, batch first.
        switches: for a max-pool: (N, C, h, w), the place of each maximum inside its window, row-major.
        mask: for a rectifier: bool, like its output; where it let the value through.
        input: for contrast normalisation: its input. None elsewhere.
        broken: why this call does not continue the chain; empty where it does.
    """

    name: str
    module: nn.Module
    input_shape: torch.Size
    output_shape: torch.Size
    switches: Tensor | None = None
    mask: Tensor | None = None
    input: Tensor | None = None
    broken: str = ""


class Trace:
    """The records of one forward pass, in call order, and the feature maps that were asked for.

    Attributes:
        maps: layer name to its output, (N, C, H, W) or (N, C).
        ends: layer name to the number of records up to and including that layer.
        image_shape: (N, 3, H, W) of the images.
    """

    def __init__(
        self, records: list[Record], maps: dict[str, Tensor], ends: dict[str, int], image_shape: torch.Size
    ) -> None:
        self._records = records
        self.maps = maps
        self.ends = ends
        self.image_shape = image_shape

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Record:
        return self._records[index]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def down_from(self, layer: str) -> list[Record]:
        """The records from a layer down to the pixels: the last call first."""
        self.features(layer)
        return self._records[: self.ends[layer]][::-1]

    def features(self, layer: str) -> Tensor:
        """The recorded output of a layer.

        Raises:
            LayerError: it was not asked for when the pass was recorded.
        """
        if layer not in self.maps:
            raise LayerError(f"'{layer}' was not recorded; recorded: {', '.join(self.maps) or 'no layer'}")
        return self.maps[layer]
