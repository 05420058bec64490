"""Overview sheets: many units of a layer on one picture, so that a page of them is a few files.

    sprites/conv5/overview-0000.jpg     units 0 to 31: four in a row, each its patches and its projections

They are cut from the units' own sprites, the contrast of each unit's projections raised to the full, since
making them smaller takes it away. A sheet is made anew where one of its sprites is newer or gone.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from .. import tiles
from ..runs import remove, replacing
from .sprites import FOLDER, damaged, open_sprite, safe_name, sprites_of

UNITS = 32
"""Units on a sheet."""
COLUMNS = 4
MOSAIC = 120
"""The side of a unit's patches on a sheet, and of its projections, in pixels."""
_SHOWN = 3  # patches along a side
_QUALITY = 85
_WHITE = 250  # and lighter lies beyond the image
_MOST_RAISED = 5.0


def sheet_name(number: int) -> str:
    """The file name of a layer's sheet."""
    return f"overview-{number:04d}.jpg"


def write_overviews(folder: Path, layer: str, sprites: Mapping[int, Path] | None = None) -> list[Path]:
    """Writes those overview sheets of a layer that are not up to date, and deletes those of no unit.

    Args:
        folder: of the atlas.
        layer: its name.
        sprites: its sprites by channel, as `sprites_of` finds them; None to look for them.

    Returns:
        the sheets written.

    Raises:
        DataError: a sprite is damaged.
        OutputError: the place cannot be written.
    """
    sprites = sprites_of(folder, layer) if sprites is None else sprites
    place = folder / FOLDER / safe_name(layer)
    wanted: dict[Path, dict[int, Path]] = {}
    for channel, path in sorted(sprites.items()):
        wanted.setdefault(place / sheet_name(channel // UNITS), {})[channel % UNITS] = path
    for path in place.glob("overview-*.jpg"):
        if path not in wanted:
            remove(path)
    stale = [(path, there) for path, there in wanted.items() if not _up_to_date(path, there)]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda job: _write_sheet(*job), stale))


def _up_to_date(sheet: Path, sprites: Mapping[int, Path]) -> bool:
    try:
        written = sheet.stat().st_mtime_ns
        with Image.open(sheet) as picture:
            there = json.loads(picture.info["comment"])
    except (OSError, ValueError, KeyError, SyntaxError):
        return False
    return bool(there == sorted(sprites)) and all(p.stat().st_mtime_ns < written for p in sprites.values())


def _write_sheet(path: Path, sprites: Mapping[int, Path]) -> Path:
    sheet = np.full((UNITS // COLUMNS * MOSAIC, COLUMNS * 2 * MOSAIC, 3), tiles.ZERO, np.uint8)
    for place, source in sprites.items():
        for side, mosaic in enumerate(_mosaics(source)):
            top, left = place // COLUMNS * MOSAIC, (2 * (place % COLUMNS) + side) * MOSAIC
            sheet[top : top + MOSAIC, left : left + MOSAIC] = mosaic
    with replacing(path) as temporary:
        comment = json.dumps(sorted(sprites))
        Image.fromarray(sheet).save(temporary, quality=_QUALITY, subsampling=0, comment=comment)
    return path


def _mosaics(source: Path) -> Iterator[tiles.Bytes]:
    """A unit's patches in one square, and its projections in another."""
    sprite, picture = open_sprite(source)
    along = min(_SHOWN, math.ceil(math.sqrt(sprite.count)))
    side = MOSAIC // along
    try:
        if min(sprite.tile) >= 2 * side:  # half the size is enough, and is decoded in half the time
            picture.draft("RGB", (picture.width // 2, picture.height // 2))
        picture = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise damaged(source, error) from None
    halved = picture.width / (2 * sprite.columns * sprite.cell[1])
    for projections in (False, True):
        mosaic = np.full((MOSAIC, MOSAIC, 3), tiles.ZERO, np.uint8)
        for rank in range(min(sprite.count, along**2)):
            if rank not in sprite.problems:
                top, left = rank // along * side, rank % along * side
                box = [halved * x for x in sprite.box(rank, projections)]
                mosaic[top : top + side, left : left + side] = _square(picture, box, side)
        yield _raised(mosaic) if projections else mosaic


def _raised(mosaic: tiles.Bytes) -> tiles.Bytes:
    """Projections at full contrast again: made smaller, light and dark have met in one grey."""
    outside = mosaic.min(2) >= _WHITE
    for _ in range(2):  # and where white has run into the grey
        wide = np.pad(outside, 1)
        outside = outside | wide[2:, 1:-1] | wide[:-2, 1:-1] | wide[1:-1, 2:] | wide[1:-1, :-2]
    levels = mosaic.astype(np.float32) - tiles.ZERO
    strong = np.abs(levels[~outside])
    end = np.percentile(strong, tiles.PERCENTILE) if strong.size else 127.0
    times = min(127.0 / max(end, 1.0), _MOST_RAISED)
    if times <= 1:
        return mosaic
    raised = np.rint(tiles.ZERO + np.clip(times * levels, -127, 127)).astype(np.uint8)
    return np.where(outside[..., None], mosaic, raised)


def _square(picture: Image.Image, box: Sequence[float], side: int) -> tiles.Bytes:
    """A part of a picture fitted into a square; few pixels stay squares, and beside a narrow part lies white.

    Args:
        picture: RGB.
        box: left, top, right, bottom of the part.
        side: of the square.
    """
    width, height = box[2] - box[0], box[3] - box[1]
    times = side / max(height, width)
    size = max(1, round(width * times)), max(1, round(height * times))
    how = Image.Resampling.NEAREST if times > 1 else Image.Resampling.BICUBIC
    small = np.asarray(picture.resize(size, how, box=(box[0], box[1], box[2], box[3])))
    if size == (side, side):
        return small
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = small
    return square
