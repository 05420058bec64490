"""Windows: the part of each map that a unit's signal can reach on its way down.

A unit's projection is zero outside its receptive field, so nothing outside needs computing. The window of
one unit at (row, column) is that one place; below a layer with kernel k, stride s, padding p and dilation
d, rows [t, t + h) become rows [t s - p, t s - p + (h - 1) s + d (k - 1) + 1). Units of one layer have
windows of equal size, so several travel in one batch; such windows may hang over the edge of the map, where
the signal is held at zero. A single window can be clipped to its map instead.

Source: receptive-field arithmetic, e.g. Araujo et al., "Computing Receptive Fields of Convolutional Neural
Networks", Distill 2019, sec. 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

Pair = tuple[int, int]


@dataclass(frozen=True)
class Windows:
    """K windows of equal size on the maps of one layer, each of one image of the batch.

    Attributes:
        images: (K) index of each window's image.
        tops: (K) first row; may be negative where the window hangs over the edge.
        lefts: (K) first column; likewise.
        size: (height, width) of every window.
        map_size: (H, W) of the maps they lie on.
        clip: windows below are cut at the edge of their map (one window only).
        snap: windows below become whole maps once they are as large; without it they stay what one unit
            sees, however far that hangs over the edge.
    """

    images: tuple[int, ...]
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    size: Pair
    map_size: Pair
    clip: bool = False
    snap: bool = True

    @classmethod
    def whole(cls, images: Sequence[int], map_size: Pair) -> Windows:
        """One window a signal, each the whole map."""
        zeros = (0,) * len(images)
        return cls(tuple(images), zeros, zeros, map_size, map_size)

    @property
    def is_whole(self) -> bool:
        """Whether every window is its whole map."""
        return self.size == self.map_size and not any(self.tops) and not any(self.lefts)

    def __len__(self) -> int:
        return len(self.images)

    def pick(self, k: int) -> Windows:
        """The k-th window alone, not clipped."""
        return replace(self, images=(self.images[k],), tops=(self.tops[k],), lefts=(self.lefts[k],))

    def clipped(self) -> Windows:
        """One window, cut at the edge of its map; those below will be cut too."""
        (top,), (left,) = self.tops, self.lefts
        (height, width), (rows, columns) = self.size, self.map_size
        first = max(top, 0), max(left, 0)
        last = min(top + height, rows), min(left + width, columns)
        if first[0] >= last[0] or first[1] >= last[1]:  # nothing but padding was seen
            return replace(self.whole(self.images, self.map_size), clip=True)
        size = last[0] - first[0], last[1] - first[1]
        return replace(self, tops=(first[0],), lefts=(first[1],), size=size, clip=True)

    def natural(self, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, map_size: Pair) -> Windows:
        """The windows below a sliding layer, uncut."""
        size = tuple(
            (n - 1) * s + d * (k - 1) + 1
            for n, k, s, d in zip(self.size, kernel, stride, dilation, strict=True)
        )
        tops = tuple(t * stride[0] - padding[0] for t in self.tops)
        lefts = tuple(t * stride[1] - padding[1] for t in self.lefts)
        return Windows(self.images, tops, lefts, (size[0], size[1]), map_size, self.clip, self.snap)

    def below(self, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, map_size: Pair) -> Windows:
        """The windows below a sliding layer: clipped if these are, whole maps once they cover them."""
        natural = self.natural(kernel, stride, padding, dilation, map_size)
        covers = natural.size[0] >= map_size[0] and natural.size[1] >= map_size[1]
        if self.snap and (self.is_whole or covers):
            return replace(self.whole(self.images, map_size), clip=self.clip)
        return natural.clipped() if self.clip else natural

    def crop(self, maps: Tensor) -> Tensor:
        """The windows of recorded maps: (N, C, H, W) to (K, C, height, width), zero outside the map."""
        if self.is_whole:
            return maps if self.images == tuple(range(len(maps))) else maps[list(self.images)]
        height, width = self.size
        if self._inside and len(self) == 1:
            (top,), (left,), (image,) = self.tops, self.lefts, self.images
            return maps[image : image + 1, :, top : top + height, left : left + width]
        cut = maps.new_zeros((len(self), maps.shape[1], height, width))
        for k, (image, top, left) in enumerate(zip(self.images, self.tops, self.lefts, strict=True)):
            rows, columns = self._overlap(top, left)
            cut[k, :, rows, columns] = maps[
                image, :, rows.start + top : rows.stop + top, columns.start + left : columns.stop + left
            ]
        return cut

    def paste(self, signal: Tensor, onto: Tensor | None = None) -> Tensor:
        """The inverse of `crop`: (K, C, height, width) to (K, C, H, W), zero outside the windows.

        Args:
            signal: what to paste.
            onto: (K, C, H, W) to paste it onto, in place; None for new zeros.
        """
        if self.is_whole and onto is None:
            return signal
        if onto is None:
            onto = signal.new_zeros((len(self), signal.shape[1], *self.map_size))
        for k, (top, left) in enumerate(zip(self.tops, self.lefts, strict=True)):
            rows, columns = self._overlap(top, left)
            part = onto[k, :, rows.start + top : rows.stop + top, columns.start + left : columns.stop + left]
            part.copy_(signal[k, :, rows, columns])
        return onto

    def clear_outside(self, signal: Tensor) -> Tensor:
        """Sets, in place, the signal to zero where its window hangs over the edge of the map."""
        if not self._inside:
            height, width = self.size
            for k, (top, left) in enumerate(zip(self.tops, self.lefts, strict=True)):
                rows, columns = self._overlap(top, left)
                if rows.start > 0:
                    signal[k, :, : rows.start] = 0
                if rows.stop < height:
                    signal[k, :, rows.stop :] = 0
                if columns.start > 0:
                    signal[k, :, :, : columns.start] = 0
                if columns.stop < width:
                    signal[k, :, :, columns.stop :] = 0
        return signal

    def boxes(self) -> Tensor:
        """(K, 4): top, left, height, width, clipped to the map."""
        rows = []
        for top, left in zip(self.tops, self.lefts, strict=True):
            r, c = self._overlap(top, left)
            first = [min(max(v, 0), n) for v, n in zip((top, left), self.map_size, strict=True)]
            rows.append((*first, r.stop - r.start, c.stop - c.start))
        return torch.tensor(rows, dtype=torch.int64).reshape(-1, 4)

    @property
    def _inside(self) -> bool:
        return (
            min(self.tops) >= 0
            and min(self.lefts) >= 0
            and max(self.tops) + self.size[0] <= self.map_size[0]
            and max(self.lefts) + self.size[1] <= self.map_size[1]
        )

    def _overlap(self, top: int, left: int) -> tuple[slice, slice]:
        """Rows and columns of a window that lie on the map, counted from the window's corner."""

        def part(start: int, size: int, limit: int) -> slice:
            first = min(max(-start, 0), size)
            return slice(first, max(min(size, limit - start), first))

        return part(top, self.size[0], self.map_size[0]), part(left, self.size[1], self.map_size[1])
