"""Photographs from files, as the network sees them.

Whatever a camera or a web page gives is shown right: greyscale and CMYK become RGB, transparency lies on
white, sixteen bits become eight, the camera's orientation is applied, an animation gives its first frame.
Resizing, cropping and normalising are torchvision's own.
"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import ImageError

if TYPE_CHECKING:
    from torch import Tensor

    from ..models import Network

MAX_PIXELS = 2 * 89_478_485
"""Pillow's own bound against pictures that unpack to gigabytes."""
_MAX_RATIO = 20  # of the sides: beyond it only the middle is kept, since only the middle is ever shown


@dataclass(frozen=True)
class Photo:
    """A decoded photograph.

    Attributes:
        name: the file's name.
        image: RGB, eight bits, upright.
        sha256: of the file's bytes.
    """

    name: str
    image: Image.Image
    sha256: str


def open_photo(path: str | os.PathLike[str]) -> Photo:
    """Decodes a picture file to upright 8-bit RGB.

    Args:
        path: JPEG, PNG, GIF, WebP, TIFF or whatever else Pillow reads.

    Raises:
        ImageError: the file is missing, empty, damaged, too large, or not a picture.

    Example:
        >>> open_photo(sample_path()).image.size
        (512, 600)
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{path} does not exist") from None
    except IsADirectoryError:
        raise ImageError(f"{path} is a folder; name the pictures in it") from None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from None
    return Photo(path.name, middle(decode(data, str(path))), hashlib.sha256(data).hexdigest())


def decode(data: bytes, name: str) -> Image.Image:
    """Decodes a picture's bytes to upright 8-bit RGB.

    Args:
        data: JPEG, PNG, GIF, WebP, TIFF or whatever else Pillow reads.
        name: for messages.

    Raises:
        ImageError: they are empty, damaged, of too large a picture, or none.
    """
    if not data:
        raise ImageError(f"{name} is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's notes on odd metadata and on large pictures
            with Image.open(io.BytesIO(data)) as opened:
                width, height = opened.size
                if width * height > MAX_PIXELS:
                    raise ImageError(
                        f"{name} has {width} x {height} pixels; at most {MAX_PIXELS // 10**6} million are "
                        "read: scale it down first"
                    )
                opened.load()
                return _to_rgb(ImageOps.exif_transpose(opened))
    except Image.DecompressionBombError:
        raise ImageError(
            f"{name} has more than {MAX_PIXELS // 10**6} million pixels: scale it down first"
        ) from None
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not a picture that can be read (JPEG, PNG, ...)") from None
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise ImageError(
            f"{name} is damaged: {str(error).splitlines()[0] if str(error) else 'cannot be decoded'}"
        ) from None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image, dtype=np.float64)
        top = values.max(initial=0)
        scale = 255 if top <= 1 and image.mode == "F" else 1 / 257 if top > 255 else 1
        image = Image.fromarray(np.clip(values * scale, 0, 255).round().astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        image = Image.new("RGB", layered.size, "white")
        image.paste(layered, mask=layered.getchannel("A"))
    return image.convert("RGB")


def middle(image: Image.Image) -> Image.Image:
    """Cuts a very long picture to its middle: scaling it whole would take gigabytes to show a square.

    Args:
        image: of any size.
    """
    width, height = image.size
    longest = _MAX_RATIO * min(width, height)
    if max(width, height) <= longest:
        return image
    w, h = min(width, longest), min(height, longest)
    left, top = (width - w) // 2, (height - h) // 2
    return image.crop((left, top, left + w, top + h))


def sample_path() -> Path:
    """The photograph that ships with matplotlib: Rear Admiral Grace Hopper, public domain."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


def read_image(path: str | os.PathLike[str], network: Network) -> Tensor:
    """A picture file as the batch of one that a network sees.

    Args:
        path: the picture.
        network: whose preprocessing is used.

    Returns:
        (1, 3, H, W) float32, normalised.

    Raises:
        ImageError: see `open_photo`.

    Example:
        >>> from deconvviz import load_model
        >>> from deconvviz.data.images import sample_path
        >>> read_image(sample_path(), load_model("zfnet", "random")).shape
        torch.Size([1, 3, 224, 224])
    """
    return network.see(open_photo(path).image)
