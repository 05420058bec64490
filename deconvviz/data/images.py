"""Photographs from files, as the network sees them.

Whatever a camera or a web page gives is shown right: greyscale and CMYK become RGB, transparency lies on
white, sixteen bits become eight, the camera's orientation is applied, an animation gives its first frame.
Resizing, cropping and normalising are torchvision's own.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from ..errors import ImageError

if TYPE_CHECKING:
    from torch import Tensor

    from ..models import Network

MAX_PIXELS = 2 * 89_478_485
"""Pillow's own bound against pictures that unpack to gigabytes."""
_MAX_RATIO = 20  # of the sides: beyond it only the middle is kept, since only the middle is ever shown
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by the orientation in its EXIF."""
_QUIET = ("ignore", None, Warning, re.compile("PIL"), 0)
"""The filter of `quiet_decoding`, as `warnings` keeps it."""


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


def read_file(path: Path) -> bytes:
    """The content of a file; a pipe or a device, which may never end, is none.

    Args:
        path: of the file.

    Raises:
        OSError: it is missing, no file, or cannot be read.
    """
    if not path.is_file() and path.exists() and not path.is_dir():
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
    return path.read_bytes()


@contextmanager
def quiet_decoding() -> Iterator[None]:
    """Hides Pillow's notes on odd metadata and on large pictures.

    The filters of warnings belong to all threads, and two that change them and change them back leave them
    changed. So only the main thread does: it enters this around the threads that it has pictures decoded by.

    Example:
        >>> with quiet_decoding():
        ...     decode(sample_path().read_bytes(), "a photograph").size
        (512, 600)
    """
    if threading.current_thread() is not threading.main_thread() or _QUIET in warnings.filters:
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield


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
        with quiet_decoding(), Image.open(io.BytesIO(data)) as opened:
            width, height = opened.size
            if width * height > MAX_PIXELS:
                raise ImageError(
                    f"{name} has {width} x {height} pixels; at most {MAX_PIXELS // 10**6} million are "
                    "read: scale it down first"
                )
            opened.load()
            return _to_rgb(_upright(opened))
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(
            f"{name} has more than {MAX_PIXELS // 10**6} million pixels: scale it down first"
        ) from None
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not a picture that can be read (JPEG, PNG, ...)") from None
    except Exception as error:  # Pillow's readers raise whatever damaged data makes them stumble over
        raise ImageError(
            f"{name} is damaged: {str(error).splitlines()[0] if str(error) else 'cannot be decoded'}"
        ) from None


def _upright(image: Image.Image) -> Image.Image:
    """Turned as the camera was held; pictures whose EXIF is damaged stay as they are."""
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF makes Pillow's readers raise anything
        return image
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image, dtype=np.float64)
        top = values.max(initial=0)
        scale = 255 if top <= 1 and image.mode == "F" else 1 / 257 if top > 255 else 1
        with np.errstate(invalid="ignore"):  # values that are no numbers
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
