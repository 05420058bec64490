"""The classes of Tiny ImageNet's pictures by name, also where only a part of the data set is at hand.

Its folders are called by WordNet ids, and its validation images lie in one folder with a list beside it; see
`deconvviz.data.tiny_imagenet`.
"""

from __future__ import annotations

from collections.abc import Callable

MARK = "wnids.txt"
"""The file that tells the layout."""


class TinyTitles:
    """Which class each picture is of.

    Args:
        text: the content of a file of the data set by its path there; empty where there is none.
    """

    def __init__(self, text: Callable[[str], str]) -> None:
        words = dict(line.split("\t", 1) for line in text("words.txt").splitlines() if "\t" in line)
        ids = text(MARK).split()
        self._titles = {wnid: words.get(wnid, wnid).split(",")[0].strip() for wnid in ids}
        lines = (line.split("\t") for line in text("val/val_annotations.txt").splitlines())
        self._val = {line[0]: line[1] for line in lines if len(line) > 1}

    def of(self, path: str) -> str | None:
        """The class of a picture, as people call it; empty where it has none, None where it is no part.

        Args:
            path: in the folder of the data set.
        """
        split, _, rest = path.partition("/")
        if split not in ("train", "val", "test"):
            return None
        wnid = rest.partition("/")[0] if split == "train" else self._val.get(rest.rpartition("/")[2], "")
        return self._titles.get(wnid, "")
