"""The pictures of a page as files: large ones as JPEG in full colour resolution, small ones as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from ..runs import replacing
from ..tiles import Bytes, enlarged, photo_tile
from .answers import Answer
from .showing import ONE_ACTIVATION, is_all, is_small, reach_of, tile_of

_SMALL = 128  # pixels: smaller pictures are kept pixel by pixel, enlarged
_QUALITY = 92
_SAFE = "abcdefghijklmnopqrstuvwxyz0123456789_.-"


@dataclass(frozen=True)
class Picture:
    """A picture's file.

    Attributes:
        name: of the file, in the folder of pictures.
        width: in pixels.
        height: likewise.
    """

    name: str
    width: int
    height: int


@dataclass(frozen=True)
class SmallPart:
    """The small part of an image that one activation comes from.

    Attributes:
        original: of the image.
        of: by method, of its picture.
        corner: where it hides nothing: ``low`` or ``high``.
    """

    original: Picture
    of: dict[str, Picture]
    corner: str


@dataclass(frozen=True)
class Frame:
    """Where in an image the signal of one activation arrives, in pixels.

    Attributes:
        top: its first row.
        left: its first column.
        height: rows.
        width: columns.
        down: rows of the image.
        across: columns of the image.
    """

    top: int
    left: int
    height: int
    width: int
    down: int
    across: int


def frame_of(image: Tensor, answers: Sequence[Answer]) -> Frame | None:
    """The part of an image, (3, H, W), that one activation comes from; None where that is nearly all.

    Args:
        image: as the network saw it.
        answers: of one layer.
    """
    height, width = image.shape[-2:]
    part = _part(answers)
    return None if part is None or is_all(part, height, width) else Frame(*part, height, width)


def _part(answers: Sequence[Answer]) -> tuple[int, int, int, int] | None:
    """What the signal of the one activation reaches."""
    signals = [a.signal for a in answers if a.method in ONE_ACTIVATION and a.signal is not None]
    return reach_of(signals[0]) if signals else None


class Pictures:
    """Writes pictures into a folder under names that are safe anywhere.

    Attributes:
        names: of the files written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._layers: dict[str, str] = {}
        self.names: set[str] = set()

    def original(self, number: int, image: Tensor) -> Picture:
        """The image, (3, H, W) in [0, 1]."""
        return self._write(f"{number}_image", photo_tile(image.float().cpu().numpy()))

    def answer(self, number: int, answer: Answer) -> Picture | None:
        """An answer's picture; None where it has none."""
        tile = tile_of(answer)
        return tile if tile is None else self._write(self._stem(number, answer), tile)

    def small_part(
        self, number: int, layer: str, image: Tensor, answers: Sequence[Answer]
    ) -> SmallPart | None:
        """The part that one activation comes from, where it is small, of the image and all pictures of it."""
        ones, part = [a for a in answers if a.method in ONE_ACTIVATION], _part(answers)
        height, width = image.shape[-2:]
        if part is None or not is_small(part, height, width):
            return None
        top, left, high, wide = part
        rows, columns = slice(top, top + high), slice(left, left + wide)
        whole = photo_tile(image.float().cpu().numpy())
        found = {}
        for answer in ones:
            tile = tile_of(answer)
            if tile is not None:
                found[answer.method] = self._write(f"{self._stem(number, answer)}_part", tile[rows, columns])
        original = self._write(f"{number}_{self._layer(layer)}_image_part", whole[rows, columns])
        low = top + high / 2 < height / 2 or left + wide / 2 < width / 2
        return SmallPart(original, found, "low" if low else "high")

    def _stem(self, number: int, answer: Answer) -> str:
        return f"{number}_{self._layer(answer.layer)}_{answer.method}"

    def _layer(self, layer: str) -> str:
        """A layer's name as a part of a file's; its number where that would not be safe."""
        plain = set(layer) <= set(_SAFE) and len(layer) <= 60
        return self._layers.setdefault(layer, layer if plain else f"layer{len(self._layers) + 1}")

    def _write(self, stem: str, tile: Bytes) -> Picture:
        small = max(tile.shape[:2]) < _SMALL
        content = Image.fromarray(enlarged(tile) if small else tile)
        name = f"{stem}.{'png' if small else 'jpg'}"
        with replacing(self._folder / name) as temporary:
            if small:
                content.save(temporary, optimize=True)
            else:
                content.save(temporary, quality=_QUALITY, subsampling=0)
        self.names.add(name)
        return Picture(name, *content.size)
