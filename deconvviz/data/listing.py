"""What a data set consists of before anything is decoded: its classes, and which file belongs to which split.

Every choice that is drawn (which classes, which images are held out) depends on the seed and on the sorted
names alone, so that the same call gives the same split on any machine.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from PIL import Image

from ..errors import DataError, nearest

_T = TypeVar("_T")
HELD_OUT_SHARE = 0.1
"""Of each class's images, where a data set has no validation split of its own."""


class Source(Protocol):
    """Where pictures come from: a `Store` of files, arrays, or a rule that draws them.

    Attributes:
        path: what messages call it.
        key: what tells it from every other source.
    """

    path: Path
    key: str

    def picture(self, name: str) -> Image.Image:
        """A picture by its name, RGB; raises ImageError where it cannot be had."""

    def stamp(self, name: str) -> str:
        """What changes when the picture does."""


@dataclass(frozen=True)
class Files:
    """Pictures with their classes.

    Attributes:
        names: as the source knows them.
        labels: the class number of each.
    """

    names: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Listing:
    """A data set's pictures.

    Attributes:
        source: where they come from.
        ids: the classes' folder names or WordNet ids, by class number.
        titles: the classes' names for people, by class number.
        train: the training images.
        val: the validation images; empty where the data set has none of its own.
        test: images of the data set's own that neither train nor choose; empty where it has none to spare.
    """

    source: Source
    ids: tuple[str, ...]
    titles: tuple[str, ...]
    train: Files
    val: Files
    test: Files = Files((), ())

    def drawn(self, classes: int | None, seed: int, at_most: bool = False) -> Listing:
        """The same data set with so many of its classes, drawn at random, in their old order.

        Args:
            classes: how many; None keeps all.
            seed: draws them.
            at_most: keep all where there are fewer.

        Raises:
            DataError: there are not so many, or fewer than two are asked for.
        """
        if classes is None or (at_most and classes > len(self.ids)):
            return self
        if not 2 <= classes <= len(self.ids):
            raise DataError(f"--classes {classes}: this data set has {len(self.ids)} classes; draw 2 or more")
        chosen = sorted(_drawn(range(len(self.ids)), classes, f"classes {seed}"))
        return self.only(chosen)

    def only(self, chosen: Sequence[int]) -> Listing:
        """The same data set with these classes, numbered anew in the order given."""
        number = {old: new for new, old in enumerate(chosen)}

        def kept(files: Files) -> Files:
            pairs = [(n, number[c]) for n, c in zip(files.names, files.labels, strict=True) if c in number]
            return Files(tuple(n for n, _ in pairs), tuple(c for _, c in pairs))

        return replace(
            self,
            ids=tuple(self.ids[c] for c in chosen),
            titles=tuple(self.titles[c] for c in chosen),
            train=kept(self.train),
            val=kept(self.val),
            test=kept(self.test),
        )

    def named(self, classes: Sequence[str]) -> Listing:
        """The same data set with the classes of these ids or titles, in this order.

        Raises:
            DataError: there is no such class.
        """
        known = {**{t: i for i, t in enumerate(self.titles)}, **{t: i for i, t in enumerate(self.ids)}}
        for name in classes:
            if name not in known:
                raise DataError(f"{self.source.path} has no class '{name}'; {nearest(name, self.titles)}")
        return self.only(list(dict.fromkeys(known[name] for name in classes)))

    def thinned(self, per_class: int | None, seed: int) -> Listing:
        """The same data set with at most so many training images of each class, drawn at random."""
        if per_class is None:
            return self
        kept = {
            name
            for c, names in enumerate(self._by_class())
            for name in _drawn(names, min(per_class, len(names)), f"thinned {seed} {self.ids[c]}")
        }
        return replace(self, train=_files([p for p in self._pairs() if p[0] in kept]))

    def held_out(self, per_class: int | None, seed: int, share: float | None = None) -> Listing:
        """The same data set with a validation split.

        Args:
            per_class: hold out so many training images of each class, in place of the data set's own
                validation split, which becomes the test split if there is no other; None keeps that, or
                holds out a tenth of each class where there is none.
            seed: draws them.
            share: hold out this share of each class instead of a number.

        Raises:
            DataError: a class has too few images.
        """
        if per_class is None and share is None and len(self.val):
            return self
        out: set[str] = set()
        for c, names in enumerate(self._by_class()):
            part = HELD_OUT_SHARE if share is None else share
            count = max(1, round(part * len(names))) if per_class is None else per_class
            if count >= len(names):
                raise DataError(
                    f"class '{self.ids[c]}' has {len(names)} images: too few to hold out {count} and train"
                )
            out.update(_drawn(names, count, f"held out {seed} {self.ids[c]}"))
        train, val = ([p for p in self._pairs() if (p[0] in out) is side] for side in (False, True))
        return replace(self, train=_files(train), val=_files(val), test=self.test if self.test else self.val)

    def _pairs(self) -> list[tuple[str, int]]:
        return list(zip(self.train.names, self.train.labels, strict=True))

    def _by_class(self) -> list[list[str]]:
        names: list[list[str]] = [[] for _ in self.ids]
        for name, c in self._pairs():
            names[c].append(name)
        return names

    def checked(self) -> Listing:
        """Itself.

        Raises:
            DataError: there are fewer than two classes, or one has no training image.
        """
        if len(self.ids) < 2:
            found = f"one class only ('{self.ids[0]}')" if self.ids else "no class folders"
            raise DataError(f"{self.source.path} has {found}; a classifier needs two or more")
        counts = [0] * len(self.ids)
        for c in self.train.labels:
            counts[c] += 1
        empty = [name for name, count in zip(self.ids, counts, strict=True) if not count]
        if empty:
            raise DataError(f"{self.source.path} has no training image of class '{empty[0]}'")
        return self


def _drawn(what: Sequence[_T], count: int, why: str) -> list[_T]:
    """So many of them, by a generator that the reason alone decides: no draw disturbs another."""
    return random.Random(why).sample(what, count)  # noqa: S311  # not for secrets


def _files(pairs: Sequence[tuple[str, int]]) -> Files:
    return Files(tuple(n for n, _ in pairs), tuple(c for _, c in pairs))
