"""Layers applied to patches alone: what a covered square changes, and nothing else.

Each step takes the cells of the patches on its input, (cells, C), and gives those on its output. A
convolution can be had in two ways. Either each patch is cut out with as much of the uncovered image's map
around it as the kernel sees, and convolved. Or only the difference to the uncovered image is convolved, and
added to what the uncovered image gave there: a convolution is linear. The second multiplies once for each
cell that changed at the input, the first for each at the output, which are more by the kernel's width.

Source: the first is that of Nakandala et al. 2019, "Incremental and Approximate Inference for Faster
Occlusion-based Deep CNN Explanations", SIGMOD, sec. 3; the second follows from the convolution's linearity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from .patches import Pair, Patches, Sliding

_PIECE = 1 << 23  # bytes of products at a time: they stay in the cache until they are summed


class Step(Protocol):
    """One layer, on patches."""

    def __call__(self, cells: Tensor, patches: Patches) -> tuple[Tensor, Patches]:
        """Cells (cells, C) of the patches on its input, which it may overwrite; those on its output."""


@dataclass(frozen=True)
class CellByCell:
    """A layer that looks at one place at a time, through all channels or one."""

    module: nn.Module

    def __call__(self, cells: Tensor, patches: Patches) -> tuple[Tensor, Patches]:
        """The module, on maps of one cell."""
        return self.module(cells[:, :, None, None])[:, :, 0, 0], patches


@dataclass(frozen=True)
class Passed:
    """A layer that changes nothing."""

    def __call__(self, cells: Tensor, patches: Patches) -> tuple[Tensor, Patches]:
        """What it was given."""
        return cells, patches


class CutOut:
    """A convolution or pool of the patches with what lies around them on the uncovered image's map."""

    def __init__(
        self,
        layer: Callable[[Tensor], Tensor],
        sliding: Sliding,
        maps: Tensor,
        channels: int,
        outside: float = 0.0,
        divisor: Tensor | None = None,
    ) -> None:
        """What stays the same for every square.

        Args:
            layer: maps to maps, without padding.
            sliding: how its kernel slides.
            maps: (1, C, H, W) its input for the uncovered image.
            channels: of its output.
            outside: what pads it.
            divisor: (H, W) of its output, that an average divides sums by.
        """
        self.layer, self.sliding, self.channels, self.divisor = layer, sliding, channels, divisor
        needed, size = sliding.reach(sliding.map_size), maps.shape[2:]
        top, left = sliding.padding
        bottom, right = (max(n - p - m, 0) for n, p, m in zip(needed, sliding.padding, size, strict=True))
        padded = F.pad(maps, (left, right, top, bottom), value=outside)
        self.base = padded[0].permute(1, 2, 0).contiguous()

    def __call__(self, cells: Tensor, patches: Patches) -> tuple[Tensor, Patches]:
        """Patches of one size in one batch each."""
        after = patches.beyond(self.sliding)
        starts, firsts = after.starts.tolist(), after.first.tolist()
        result = cells.new_empty(starts[-1], self.channels)
        for size, members in after.alike().items():
            cut = self._cut(cells, patches, members, firsts, self.sliding.reach(size))
            maps = self.layer(cut.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            for k, one in zip(members, maps, strict=True):
                result[starts[k] : starts[k + 1]].view(*size, -1).copy_(one)
        if self.divisor is not None:
            result /= self.divisor.flatten()[after.flat()][:, None]
        return result, after

    def _cut(
        self, cells: Tensor, patches: Patches, members: list[int], above: list[list[int]], size: Pair
    ) -> Tensor:
        """(members, height, width, C) of the padded map: what the outputs from `above` on see."""
        starts, firsts, sizes = patches.starts.tolist(), patches.first.tolist(), patches.sizes.tolist()
        cut = cells.new_empty(len(members), *size, cells.shape[1])
        for one, k in zip(cut, members, strict=True):
            top, left = (at * s for at, s in zip(above[k], self.sliding.stride, strict=True))
            one.copy_(self.base[top : top + size[0], left : left + size[1]])
            row, column = (
                at + p - corner
                for at, p, corner in zip(firsts[k], self.sliding.padding, (top, left), strict=True)
            )
            patch = cells[starts[k] : starts[k + 1]].view(*sizes[k], -1)
            patch = patch[max(-row, 0) : size[0] - row, max(-column, 0) : size[1] - column]
            row, column = max(row, 0), max(column, 0)
            one[row : row + patch.shape[0], column : column + patch.shape[1]] = patch
        return cut


class Differences:
    """A convolution of the difference to the uncovered image, added to that image's output."""

    def __init__(self, module: nn.Conv2d, sliding: Sliding, given: Tensor, gave: Tensor) -> None:
        """What stays the same for every square.

        Args:
            module: the convolution.
            sliding: how its kernel slides.
            given: (H W, C) its input for the uncovered image.
            gave: (H W, C) its output for it.
        """
        self.sliding, self.given, self.gave = sliding, given, gave
        self.weight = module.weight.detach().permute(1, 2, 3, 0).flatten(1).contiguous()

    def __call__(self, cells: Tensor, patches: Patches) -> tuple[Tensor, Patches]:
        """Products of every changed cell with every tap, summed where they meet."""
        after = patches.beyond(self.sliding)
        owner, rows, columns = after.cells()
        index, inside = patches.find(owner[:, None, None], *self.sliding.inputs(rows, columns))
        taps = self.sliding.kernel[0] * self.sliding.kernel[1]
        index = index * taps + torch.arange(taps, device=index.device).view(1, *self.sliding.kernel)
        index, bags = index[inside], F.pad(inside.flatten(1).sum(1).cumsum(0), (1, 0))
        change = cells.sub_(self.given.index_select(0, patches.flat()))
        result = self.gave.index_select(0, after.flat())

        sources, targets = patches.starts.tolist(), after.starts.tolist()
        firsts = bags[after.starts].tolist()
        each = self.weight.shape[1] * cells.element_size() * max(sources[-1], 1) / len(patches)
        step = max(1, round(_PIECE / each))
        for k in range(0, len(patches), step):
            past = min(k + step, len(patches))
            if firsts[k] == firsts[past]:
                continue
            products = change[sources[k] : sources[past]] @ self.weight
            result[targets[k] : targets[past]] += F.embedding_bag(
                index[firsts[k] : firsts[past]] - sources[k] * taps,
                products.view(-1, result.shape[1]),
                bags[targets[k] : targets[past] + 1] - firsts[k],
                mode="sum",
                include_last_offset=True,
            )
        return result, after
