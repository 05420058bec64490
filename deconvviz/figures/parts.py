"""The parts of a figure as pictures of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from .. import tiles
from ..deconvnet import Projection
from ..runs import replacing


def tile_pairs(
    photo: Tensor, projection: Projection, scale: str
) -> tuple[list[tuple[tiles.Bytes, tiles.Bytes]], float]:
    """Every unit's image patch and projection, at the size of its receptive window, white beyond the image.

    Args:
        photo: (3, H, W) in [0, 1].
        projection: of units of one image.
        scale: ``shared`` for one contrast, ``each`` for every projection's own.

    Returns:
        K pairs of (height, width, 3) tiles, and the shared scale.
    """
    picture = tiles.photo_tile(photo.cpu().numpy())
    pixels = projection.pixels.float().cpu().numpy()
    inside = [
        whole[:, top : top + height, left : left + width]
        for whole, (top, left, height, width) in zip(pixels, projection.windows.tolist(), strict=True)
    ]
    shared = tiles.signed_scale(inside)
    pairs = []
    for whole, part, window in zip(pixels, inside, projection.uncut.tolist(), strict=True):
        if window[2] >= picture.shape[0] and window[3] >= picture.shape[1]:
            window = [
                0,
                0,
                *picture.shape[:2],
            ]  # a field larger than the image: show the image, and all of it
        end = shared if scale == "shared" else tiles.signed_scale([part])
        pairs.append((tiles.framed(picture, window), tiles.framed(tiles.signed_tile(whole, end), window)))
    return pairs, shared


def named_parts(photo: Tensor, projection: Projection, scale: str) -> Iterator[tuple[str, tiles.Bytes]]:
    """The tiles of `tile_pairs` under file names.

    Yields:
        ``unit_0042_patch.png`` and ``unit_0042_projection.png``; a unit that is there a second time gets
        its place in its name, ``unit_0042_r05_c06_patch.png``. Of a whole layer ``layer_patch.png`` and
        ``layer_projection.png``.
    """
    seen: set[int] = set()
    for unit, (patch, drawn) in zip(projection.units, tile_pairs(photo, projection, scale)[0], strict=True):
        name = "layer" if projection.source == "layer" else f"unit_{unit.channel:04d}"
        name += (
            f"_r{unit.row:02d}_c{unit.column:02d}" if unit.channel in seen and unit.row is not None else ""
        )
        seen.add(unit.channel)
        yield f"{name}_patch.png", patch
        yield f"{name}_projection.png", drawn


def save_tile(tile: tiles.Bytes, path: Path, facts: Mapping[str, str]) -> Path:
    """Writes one tile as PNG with its text chunks, small ones enlarged by whole pixels.

    Raises:
        OutputError: the place cannot be written.
    """
    chunks = PngInfo()
    for key, text in facts.items():
        chunks.add_itxt(key, text)
    with replacing(path) as temporary:
        Image.fromarray(tiles.enlarged(tile)).save(temporary, pnginfo=chunks)
    return path
