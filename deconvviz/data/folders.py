"""Class folders: ``CLASS/picture.jpg``, or ``train/CLASS/...`` with ``val/`` or ``test/`` beside it."""

from __future__ import annotations

from pathlib import PurePosixPath

from ..errors import DataError
from .listing import Files, Listing
from .stores import Store

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
"""What counts as a picture, by its name's ending in lower case."""
_VALIDATION = ("val", "valid", "validation", "test")


def list_folders(store: Store) -> Listing:
    """Reads class folders; a single folder around all of them (as archives have) is seen through.

    Raises:
        DataError: there are no class folders, one has no picture in it, or a split has other classes than
            the training images.
    """
    pictures = [PurePosixPath(n) for n in store.names if PurePosixPath(n).suffix.lower() in SUFFIXES]
    root = _root(store, pictures)
    splits = {p.relative_to(root).parts[0] for p in pictures if len(p.relative_to(root).parts) > 2}
    if "train" not in splits:
        files, classes = _classes(store, pictures, root)
        return Listing(store, classes, classes, files, Files((), ())).checked()
    train, classes = _classes(store, pictures, root / "train")
    val, test = Files((), ()), Files((), ())
    for held in [name for name in _VALIDATION if name in splits][:2]:
        there, found = _classes(store, pictures, root / held)
        strange = sorted(set(found) - set(classes))
        if strange:
            raise DataError(f"{store.path}: {held}/ has a class '{strange[0]}' that train/ lacks")
        there = Files(there.names, tuple(classes.index(found[c]) for c in there.labels))
        val, test = (val, there) if val else (there, test)
    return Listing(store, classes, classes, train, val, test).checked()


def _root(store: Store, pictures: list[PurePosixPath]) -> PurePosixPath:
    """The folder that encloses everything: the classes, or train/ and the others, lie right below."""
    root = PurePosixPath()
    while True:
        below = _below(store, root)
        deep = all(len(p.relative_to(root).parts) > 2 for p in pictures)
        if len(below) != 1 or below == {"train"} or not pictures or not deep:
            return root
        root /= below.pop()


def _below(store: Store, root: PurePosixPath) -> set[str]:
    """The folders right below `root`, also those without pictures."""
    paths = map(PurePosixPath, store.folders)
    return {path.name for path in paths if path.parent == root}


def _classes(
    store: Store, pictures: list[PurePosixPath], root: PurePosixPath
) -> tuple[Files, tuple[str, ...]]:
    """The pictures of the class folders right below `root`; folders without any are classes too."""
    depth = len(root.parts)
    inside = [p for p in pictures if p.is_relative_to(root) and len(p.parts) > depth + 1]
    classes = tuple(sorted(_below(store, root)))
    number = {c: i for i, c in enumerate(classes)}
    return Files(tuple(map(str, inside)), tuple(number[p.parts[depth]] for p in inside)), classes
