"""One picture a unit: its image patches on the left, their projections on the right, each in a small grid.

    sprites/conv5/0012.jpg      nine patches (3 x 3), then nine projections (3 x 3), strongest first
    sprites/conv1/0012.png      likewise; small windows are kept pixel by pixel

Zero is grey 128 in a projection; all projections of a unit share one scale, so that they can be compared
with each other; white lies beyond the image's edge. What a program needs to know of a sprite, and to cut it,
is a line of JSON inside it (the comment of a JPEG, the description of a PNG). The same pictures give the same
bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .. import tiles
from ..errors import DataError
from ..runs import remove, replacing
from .rendered import Rendered

FOLDER = "sprites"
SMALL = 32
"""Windows up to this side are stored as PNG, pixel by pixel."""
_QUALITY = 92
_BLOCK = 8  # a JPEG's blocks: tiles begin on their borders, so that none bleeds into its neighbour
_PLAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_LONGEST = 60
_COMMENT = 65_533  # bytes, in a JPEG


@dataclass(frozen=True)
class Sprite:
    """What lies where in a sprite.

    Attributes:
        channel: the unit's number.
        count: how many patches there are, and as many projections.
        columns: of each of the two grids.
        tile: height and width of a patch in the sprite, in pixels.
        cell: the same with what separates it from the next.
        window: height and width of the unit's window in the network's input.
        scale: the magnitude of a projection that is drawn at full contrast.
        problems: why a tile is empty, by rank.
    """

    channel: int
    count: int
    columns: int
    tile: tuple[int, int]
    cell: tuple[int, int]
    window: tuple[int, int]
    scale: float
    problems: dict[int, str]

    def box(self, rank: int, projection: bool) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of a patch, or of a projection, in the sprite."""
        top = rank // self.columns * self.cell[0]
        left = (rank % self.columns + projection * self.columns) * self.cell[1]
        return left, top, left + self.tile[1], top + self.tile[0]


def safe_name(layer: str) -> str:
    """A file name for a layer: its own where that is safe on every system, else one that tells it apart.

    Args:
        layer: any text.

    Example:
        >>> safe_name("features.3"), safe_name("../Conv 1")
        ('features.3', 'conv-1~393d68c6')
    """
    if len(layer) <= _LONGEST and _PLAIN.fullmatch(layer) and not _RESERVED.fullmatch(layer):
        return layer
    readable = re.sub(r"[^a-z0-9_]+", "-", layer.lower()).strip("-")[: _LONGEST - 9]
    return f"{readable}~{hashlib.sha256(layer.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def sprites_of(folder: Path, layer: str) -> dict[int, Path]:
    """The sprites of a layer that are there, by channel.

    Args:
        folder: of the atlas.
        layer: its name.
    """
    place = folder / FOLDER / safe_name(layer)
    found = sorted(place.glob("[0-9]*.[jp][pn]g")) if place.is_dir() else []
    return {int(path.stem): path for path in found if path.stem.isdecimal()}


def write_sprite(
    folder: Path, layer: str, channel: int, rendered: Sequence[Rendered], *, tile: int = 128
) -> Path:
    """Writes the picture of one unit in place of an older one.

    Args:
        folder: of the atlas.
        layer: its name.
        channel: the unit's number.
        rendered: its strongest activations, strongest first; those with a problem get empty tiles.
        tile: the longest side of a patch in pixels; larger windows are made smaller.

    Raises:
        DataError: there is nothing to draw, or there are too many problems to be told.
        OutputError: the place cannot be written.
    """
    if not rendered:
        raise DataError(f"{layer}, unit {channel}: no image was scanned, so there is nothing to draw")
    drawn = {r.entry.rank: r for r in rendered if not r.problem}
    window = rendered[0].patch.shape[:2]
    count = max(r.entry.rank for r in rendered) + 1
    columns = math.ceil(math.sqrt(count))
    scale = tiles.signed_scale([r.projection for r in drawn.values()])
    small = max(window) <= min(SMALL, tile)
    shrink = min(1.0, tile / max(window))
    size = max(1, round(window[0] * shrink)), max(1, round(window[1] * shrink))
    cell = size if small else (-(-size[0] // _BLOCK) * _BLOCK, -(-size[1] // _BLOCK) * _BLOCK)
    problems = {r.entry.rank: r.problem for r in rendered if r.problem}
    sprite = Sprite(channel, count, columns, size, cell, window, float(f"{scale:.6g}"), problems)
    rows = -(-count // columns)
    sheet = np.full((rows * cell[0], 2 * columns * cell[1], 3), tiles.ZERO, np.uint8)
    for rank, one in drawn.items():
        for projection, picture in enumerate((one.patch, _projection(one, scale))):
            left, top, _, _ = sprite.box(rank, bool(projection))
            sheet[top : top + cell[0], left : left + cell[1]] = _fitted(picture, size, cell)
    place = folder / FOLDER / safe_name(layer)
    path = place / f"{channel:04d}.{'png' if small else 'jpg'}"
    _save(Image.fromarray(sheet), path, {"layer": layer, **asdict(sprite)})
    remove(path.with_suffix(".jpg" if small else ".png"))
    return path


def read_sprite(path: Path) -> Sprite:
    """What lies where in a sprite, without decoding it.

    Args:
        path: of the sprite.

    Raises:
        DataError: it is damaged.
    """
    sprite, picture = open_sprite(path)
    picture.close()
    return sprite


def _projection(one: Rendered, scale: float) -> tiles.Bytes:
    """A projection as a tile: white where its window hangs over the image's edge."""
    tile = tiles.signed_tile(one.projection, scale)
    top, left, height, width = one.inside
    framed = np.full_like(tile, 255)
    rows, columns = slice(top, top + height), slice(left, left + width)
    framed[rows, columns] = tile[rows, columns]
    return framed


def _fitted(picture: tiles.Bytes, size: tuple[int, int], cell: tuple[int, int]) -> tiles.Bytes:
    """A picture at another size, its last row and column repeated until the cell is full."""
    if picture.shape[:2] != size:
        image = Image.fromarray(np.ascontiguousarray(picture))
        picture = np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC))
    return np.pad(picture, ((0, cell[0] - size[0]), (0, cell[1] - size[1]), (0, 0)), mode="edge")


def _save(image: Image.Image, path: Path, facts: dict[str, Any]) -> None:
    line = _line(path, facts)
    with replacing(path) as temporary:
        if path.suffix == ".png":
            chunks = PngInfo()
            chunks.add_text("Description", line)
            image.save(temporary, pnginfo=chunks)
        else:
            image.save(temporary, quality=_QUALITY, subsampling=0, comment=line)


def _line(path: Path, facts: dict[str, Any]) -> str:
    """What a comment has room for; the longest problems are cut until all are told."""
    problems: dict[int, str] = facts["problems"]
    longest = max(map(len, problems.values()), default=0)
    while len(line := json.dumps(facts, separators=(",", ":"))) > _COMMENT:
        if not longest:
            raise DataError(
                f"{path} has no room for the problems of {len(problems)} images; keep fewer a unit"
            )
        longest = longest * 7 // 8
        cut = {rank: why if len(why) <= longest else _cut(why, longest) for rank, why in problems.items()}
        facts = {**facts, "problems": cut}
    return line


def _cut(text: str, longest: int) -> str:
    return f"{text[: longest - 3]}..." if longest > 3 else ""


def open_sprite(path: Path) -> tuple[Sprite, Image.Image]:
    """What lies where in a sprite, and its picture, not decoded yet.

    Args:
        path: of the sprite.

    Raises:
        DataError: it is damaged.
    """
    picture = None
    try:
        picture = Image.open(path)
        text = picture.info.get("comment") or picture.info["Description"]
        facts = json.loads(text)
        tile, cell, window = (
            (int(facts[name][0]), int(facts[name][1])) for name in ("tile", "cell", "window")
        )
        sprite = Sprite(
            int(facts["channel"]),
            int(facts["count"]),
            int(facts["columns"]),
            tile,
            cell,
            window,
            float(facts["scale"]),
            {int(rank): str(why) for rank, why in facts["problems"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, SyntaxError) as error:
        if picture is not None:
            picture.close()
        raise damaged(path, error) from None
    return sprite, picture


def damaged(path: Path, error: Exception) -> DataError:
    """What to say of a sprite that cannot be read."""
    first = (str(error).splitlines() or [""])[0]
    return DataError(f"{path} is damaged ({first}); delete it and render its unit again")
