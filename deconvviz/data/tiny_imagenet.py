"""Tiny ImageNet in its original layout: 200 classes of ImageNet at 64x64, from the zip or from its folder.

    tiny-imagenet-200/wnids.txt                       the classes' WordNet ids
    tiny-imagenet-200/words.txt                       their names, and many others'
    tiny-imagenet-200/train/WNID/images/*.JPEG        500 a class
    tiny-imagenet-200/val/val_annotations.txt         file, WordNet id, box
    tiny-imagenet-200/val/images/*.JPEG               50 a class

An archive with fewer classes in the same layout is read the same way.

Source: the data set of Stanford's course CS231n.
"""

from __future__ import annotations

import hashlib
from http.client import HTTPException
from pathlib import Path

from ..errors import DataError
from ..models.auto import answers
from ..models.downloads import downloading
from .listing import Files, Listing
from .stores import Store, Zip, open_store

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"
TINY_IMAGENET_SIDE = 64
_FILE = "tiny-imagenet-200.zip"


def find_tiny_imagenet(root: Path, progress: bool = True) -> Path:
    """The zip or folder of the data set: in `root`, `root` itself, or downloaded to there.

    Args:
        root: where data sets lie; or the zip, or the unpacked folder.
        progress: show a progress bar while it is downloaded.

    Raises:
        DataError: it is not there and cannot be had, or the download does not have its checksum.
    """
    return _there(root) or _download(root, progress)


def at_hand(root: Path) -> bool:
    """Whether the data set lies in `root`, or its server answers within seconds."""
    return _there(root) is not None or answers(URL)


def _there(root: Path) -> Path | None:
    if root.is_file() or (root / "wnids.txt").is_file():
        return root
    for name in (_FILE, _FILE.removesuffix(".zip")):
        if (root / name).exists():
            return root / name
    others = sorted(root.glob("tiny-imagenet*.zip"))
    return others[0] if len(others) == 1 else None


def _download(root: Path, progress: bool) -> Path:
    import torch

    path = root / _FILE
    try:
        root.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with downloading(progress):
            torch.hub.download_url_to_file(URL, str(partial), progress=progress)
    except (OSError, HTTPException) as error:
        why = getattr(error, "reason", None) or error
        raise DataError(
            f"cannot download Tiny ImageNet ({why}); fetch {URL} elsewhere and name its folder "
            "with --data-root, or use --data dead-leaves, which needs no file"
        ) from None
    with partial.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != MD5:
        partial.unlink()
        raise DataError(f"the download of {URL} is damaged (MD5 {found}, not {MD5}); try again")
    return partial.replace(path)


def list_tiny_imagenet(path: Path) -> Listing:
    """Reads the layout.

    Args:
        path: the zip, or the unpacked folder.

    Raises:
        DataError: it is not in that layout.
    """
    store = open_store(path)
    try:
        root = next(n for n in store.names if n.split("/")[-1] == "wnids.txt").removesuffix("wnids.txt")
    except StopIteration:
        raise DataError(
            f"{path} is not Tiny ImageNet: it has no wnids.txt; for class folders use --data {path}"
        ) from None
    ids = tuple(_text(store, f"{root}wnids.txt").split())
    number = {wnid: i for i, wnid in enumerate(ids)}
    titles = dict(
        line.split("\t", 1) for line in _text(store, f"{root}words.txt").splitlines() if "\t" in line
    )
    train = [
        (name, number[parts[1]])
        for name in store.names
        if name.startswith(f"{root}train/")
        and name.lower().endswith(".jpeg")
        and (parts := name[len(root) :].split("/"))[1] in number
    ]
    there = set(store.names)
    val = []
    for line in _text(store, f"{root}val/val_annotations.txt").splitlines():
        file, wnid, *_ = [*line.split("\t"), ""]
        name = f"{root}val/images/{file}"
        if wnid in number and name in there:
            val.append((name, number[wnid]))
    return Listing(
        store,
        ids,
        tuple(titles.get(wnid, wnid).split(",")[0].strip() for wnid in ids),
        Files(tuple(n for n, _ in train), tuple(c for _, c in train)),
        Files(tuple(n for n, _ in val), tuple(c for _, c in val)),
    ).checked()


def _text(store: Store, name: str) -> str:
    if name not in store.names:
        where = "archive" if isinstance(store, Zip) else "folder"
        raise DataError(f"{store.path} is not Tiny ImageNet: the {where} has no {name}")
    return store.read(name).decode("utf-8", "replace")
