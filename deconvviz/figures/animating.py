"""An animation that runs there and back: pictures to a GIF or a WebP that plays for ever."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from ..errors import OutputError
from ..runs import replacing
from ..tiles import Bytes

ANIMATION_SUFFIXES = (".gif", ".webp")
_QUALITY = 80  # of WebP


def save_animation(
    tiles: Sequence[Bytes],
    path: Path,
    facts: Mapping[str, str] | None = None,
    *,
    milliseconds: int = 90,
    pause: int = 700,
) -> Path:
    """Writes pictures as an animation, forth and back, so that its end meets its beginning.

    Args:
        tiles: at least two, (H, W, 3) uint8 of one size.
        path: a ``.gif`` or a ``.webp``; the latter is about a fifth as large and has all colours.
        facts: text to keep inside the file, as `runs.short_form` gives it.
        milliseconds: that a picture is shown.
        pause: that the first and the last are shown.

    Raises:
        OutputError: the suffix is neither, or the place cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in ANIMATION_SUFFIXES:
        raise OutputError(f"{path}: animations are written as {' or '.join(ANIMATION_SUFFIXES)}")
    there = [Image.fromarray(tile) for tile in tiles]
    frames = [*there, *there[-2:0:-1]]
    times = [pause if i in (0, len(there) - 1) else milliseconds for i in range(len(frames))]
    comment = json.dumps(dict(facts or {}), ensure_ascii=False).encode()
    with replacing(path) as temporary:
        if suffix == ".gif":
            drawn = [frame.quantize(128, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames]
            more = {"comment": comment, "optimize": True}
        else:
            drawn, more = frames, {"quality": _QUALITY, "method": 4}
            exif = Image.Exif()
            exif[0x010E] = comment.decode()  # ImageDescription
            more["exif"] = exif
        drawn[0].save(
            temporary,
            format=suffix[1:],
            save_all=True,
            append_images=drawn[1:],
            duration=times,
            loop=0,
            **more,
        )
    return path
