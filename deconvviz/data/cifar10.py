"""CIFAR-10 in its original form: torchvision's own reader, download and checksums.

A copy as JPEG class folders is another data set (its pixels differ): give its folder or zip to ``--data``.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

from __future__ import annotations

from http.client import HTTPException
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import DataError
from ..models.downloads import downloading
from .listing import Files, Listing

CIFAR10_SIDE = 32


class _Arrays:
    """Torchvision's two arrays as pictures named ``train/NUMBER`` and ``test/NUMBER``."""

    def __init__(self, path: Path, splits: dict[str, Any]) -> None:
        self.path, self.key, self._splits = path, str(path.absolute()), splits

    def picture(self, name: str) -> Image.Image:
        split, _, number = name.partition("/")
        return Image.fromarray(self._splits[split].data[int(number)])

    def stamp(self, name: str) -> str:
        return name  # torchvision has compared the files with their checksums


def list_cifar10(root: Path, progress: bool = True) -> Listing:
    """The 50,000 training and 10,000 test images.

    Args:
        root: the folder with ``cifar-10-batches-py`` in it, or where it is downloaded to.
        progress: show torchvision's progress bar.

    Raises:
        DataError: it is not there and cannot be had, or does not have its checksum.
    """
    from torchvision.datasets import CIFAR10

    try:
        root.mkdir(parents=True, exist_ok=True)
        with downloading(progress):
            splits = {"train": CIFAR10(str(root), train=True, download=True)}
            splits["test"] = CIFAR10(str(root), train=False)
    except (OSError, HTTPException) as error:
        why = getattr(error, "reason", None) or error
        raise DataError(
            f"cannot download CIFAR-10 ({why}); fetch {CIFAR10.url} elsewhere and name its "
            "folder with --data-root, or give class folders of it to --data"
        ) from None
    except RuntimeError as error:  # torchvision's word for a wrong checksum
        raise DataError(f"CIFAR-10 in {root} is damaged ({error}); remove it and try again") from None
    titles = tuple(splits["train"].classes)

    def files(split: str) -> Files:
        labels = tuple(map(int, splits[split].targets))
        return Files(tuple(f"{split}/{n:05}" for n in range(len(labels))), labels)

    return Listing(_Arrays(root / CIFAR10.base_folder, splits), titles, titles, files("train"), files("test"))
