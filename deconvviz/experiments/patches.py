"""Patches: the part of each map that a change in one box of the image can reach.

Output r of a layer with kernel k, stride s, padding p and dilation d sees the inputs r s - p to
r s - p + d (k - 1). So changed inputs [a, b) reach the outputs from ceil((a + p - d (k - 1)) / s) to
floor((b - 1 + p) / s), as far as the map goes.

The cells of all patches of a batch stand in one list, patch by patch and row by row: (cells, C). Patches of
many sizes share it, each just as large as it must be.

Source: receptive-field arithmetic, e.g. Araujo et al., "Computing Receptive Fields of Convolutional Neural
Networks", Distill 2019, sec. 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

Pair = tuple[int, int]


@dataclass(frozen=True)
class Sliding:
    """How the kernel of a layer slides over its input, (rows, columns) each.

    Attributes:
        kernel: cells it covers.
        stride: steps from one output to the next.
        padding: cells before the map's first.
        dilation: steps from one of its cells to the next.
        map_size: (H, W) of the output.
    """

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    map_size: Pair

    def reach(self, size: Pair) -> Pair:
        """How many rows and columns of the input as many of the output see."""
        rows, columns = (
            (n - 1) * s + d * (k - 1) + 1
            for n, k, s, d in zip(size, self.kernel, self.stride, self.dilation, strict=True)
        )
        return rows, columns

    def inputs(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (P, kh, 1) and columns (P, 1, kw) of the inputs that each of P outputs sees."""
        down, across = (
            at[:, None] * s - p + torch.arange(k, device=at.device) * d
            for at, k, s, p, d in zip(
                (rows, columns), self.kernel, self.stride, self.padding, self.dilation, strict=True
            )
        )
        return down[:, :, None], across[:, None, :]


@dataclass(frozen=True)
class Patches:
    """K patches, one an occluded image, on the maps of one layer.

    Attributes:
        first: (K, 2) int64: first row and column.
        past: (K, 2) int64: the row and column after the last; a patch may be empty.
        map_size: (H, W).
    """

    first: Tensor
    past: Tensor
    map_size: Pair

    @classmethod
    def of(cls, boxes: Tensor, image_size: Pair) -> Patches:
        """From (K, 4) boxes inside an image: top, left, height, width."""
        return cls(boxes[:, :2], boxes[:, :2] + boxes[:, 2:], image_size)

    def __len__(self) -> int:
        return len(self.first)

    @property
    def sizes(self) -> Tensor:
        """(K, 2) rows and columns of each."""
        return self.past - self.first

    @property
    def starts(self) -> Tensor:
        """(K + 1) where each begins in the list of cells, and the length of it."""
        ends = self.sizes.prod(1).cumsum(0)
        return torch.cat([ends.new_zeros(1), ends])

    def beyond(self, layer: Sliding) -> Patches:
        """The outputs of a layer that see something of these."""
        kernel, stride, padding, dilation, size = (
            self.first.new_tensor(v)
            for v in (layer.kernel, layer.stride, layer.padding, layer.dilation, layer.map_size)
        )
        above = -((dilation * (kernel - 1) - padding - self.first) // stride)
        first = above.clamp(min=0).minimum(size)
        past = ((self.past - 1 + padding) // stride + 1).minimum(size).maximum(first)
        empty = (past <= first).any(1, keepdim=True) | (self.past <= self.first).any(1, keepdim=True)
        return Patches(first, torch.where(empty, first, past), layer.map_size)

    def cells(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of each cell in the list: its patch, row and column, (cells) int64 each."""
        starts, sizes = self.starts, self.sizes
        owner = torch.repeat_interleave(torch.arange(len(self), device=starts.device), starts.diff())
        within = torch.arange(len(owner), device=starts.device) - starts[owner]
        width, (top, left) = sizes[owner, 1], self.first[owner].unbind(1)
        return owner, top + within // width, left + within % width

    def find(self, owner: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Where cells of the map stand in the list.

        Args:
            owner: (P, 1, 1) the patch in question.
            rows: (P, kh, 1) on the map.
            columns: (P, 1, kw) on the map.

        Returns:
            (P, kh, kw): the index in the list, and whether the cell is in the patch; void where not.
        """
        top, left = self.first[owner].unbind(-1)
        bottom, right = self.past[owner].unbind(-1)
        inside = ((rows >= top) & (rows < bottom)) & ((columns >= left) & (columns < right))
        return (self.starts[owner] + (rows - top) * (right - left)) + (columns - left), inside

    def flat(self) -> Tensor:
        """(cells) where each cell of the list stands in its own map, row by row."""
        _, rows, columns = self.cells()
        return rows * self.map_size[1] + columns

    def fill(self, cells: Tensor, base: Tensor) -> Tensor:
        """Whole maps: the uncovered image's, with the patches set in.

        Args:
            cells: (cells, C) or (cells) values of the patches.
            base: (H W, C) or (H W) of the uncovered image.

        Returns:
            (K, H W, C) or (K, H W).
        """
        maps = base.repeat(len(self), *(1,) * (base.ndim - 1))
        owner, rows, columns = self.cells()
        height, width = self.map_size
        maps.index_copy_(0, (owner * height + rows) * width + columns, cells)
        return maps.reshape(len(self), *base.shape)

    def alike(self) -> dict[Pair, list[int]]:
        """The patches of each size, empty ones left out."""
        groups: dict[Pair, list[int]] = {}
        for k, (rows, columns) in enumerate(self.sizes.tolist()):
            if rows and columns:
                groups.setdefault((rows, columns), []).append(k)
        return groups
