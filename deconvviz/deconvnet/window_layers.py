"""Layers that work inside windows of their maps, and know what of a window lies beyond the map.

A padded layer sees, beyond its map, zeros (a convolution) or nothing (a max-pool). Cut to the window of one
unit and run without padding, it must be given just that, and what it makes of places that are not on the
true map has to be cleared away again, on the way up and on the way down.

Source: receptive-field arithmetic as in `windows`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ChainError
from .mirrored import MirroredLayer, transpose
from .rules import Rules
from .trace import Record
from .windows import Pair, Windows


@dataclass(frozen=True)
class Beyond:
    """The cells of K windows that do not lie on their map.

    Attributes:
        cells: of some of the windows: which, and its rows or its columns beyond the map.
    """

    cells: tuple[tuple[int, slice, slice], ...] = ()

    @classmethod
    def of(cls, windows: Windows) -> Beyond:
        """Those of these windows."""
        everything, cells = slice(None), []
        size, limit = windows.size, windows.map_size
        for k, (top, left) in enumerate(zip(windows.tops, windows.lefts, strict=True)):
            if top < 0:
                cells.append((k, slice(0, -top), everything))
            if top + size[0] > limit[0]:
                cells.append((k, slice(max(limit[0] - top, 0), None), everything))
            if left < 0:
                cells.append((k, everything, slice(0, -left)))
            if left + size[1] > limit[1]:
                cells.append((k, everything, slice(max(limit[1] - left, 0), None)))
        return cls(tuple(cells))

    def fill(self, maps: Tensor, value: float = 0.0) -> Tensor:
        """Sets them, in place.

        Args:
            maps: (K, C, h, w) inside the windows.
            value: zero, or minus infinity for what no maximum shall be found at.
        """
        maps = maps.data  # the recorder takes what counts as a change for a function between two modules
        for k, rows, columns in self.cells:
            maps[k, :, rows, columns] = value
        return maps


class InWindow(nn.Module):
    """What the layers of this file share: the cells above and below that are not on a map.

    Attributes:
        above: at the layer's output.
        below: at its input.
    """

    above = Beyond()
    below = Beyond()


class WindowConv(nn.Conv2d, InWindow):
    """A convolution inside windows; its padding is in them."""

    def reset_parameters(self) -> None:
        """Nothing: the values are those of another layer."""

    def forward(self, maps: Tensor) -> Tensor:
        """(K, I, h, w) to (K, O, h', w'), zero beyond the map."""
        return self.above.fill(super().forward(maps))


class WindowMaxPool(nn.MaxPool2d, InWindow):
    """Max-pooling inside windows: no maximum is found beyond the map."""

    def forward(self, maps: Tensor) -> Any:
        """(K, C, h, w) to (K, C, h', w'), zero beyond the map; with places where those are asked for."""
        pooled = super().forward(self.below.fill(maps, -torch.inf))
        self.above.fill(pooled[0] if self.return_indices else pooled)
        return pooled


class WindowAvgPool(nn.AvgPool2d, InWindow):
    """Average pooling inside windows, of pools that divide by the same number everywhere."""

    def forward(self, maps: Tensor) -> Tensor:
        """(K, C, h, w) to (K, C, h', w'), zero beyond the map."""
        return self.above.fill(super().forward(maps))


class WindowNorm(nn.BatchNorm2d, InWindow):
    """Batch normalisation inside windows: what it adds to zeros beyond the map is taken away again."""

    def reset_parameters(self) -> None:
        """Nothing: the values are those of another layer."""

    def forward(self, maps: Tensor) -> Tensor:
        """(K, C, h, w), zero beyond the map."""
        return self.above.fill(super().forward(maps))


class Cleared(MirroredLayer):
    """A mirrored layer after which the signal beyond the map is cleared away."""

    def __init__(self, layer: MirroredLayer, record: Record, beyond: Beyond) -> None:
        super().__init__(record)
        self.layer, self.beyond = layer, beyond

    def below(self, above: Windows) -> Windows:
        """Those of the layer."""
        return self.layer.below(above)

    def descend(self, signal: Tensor, above: Windows, below: Windows) -> Tensor:
        """The layer's signal, zero beyond the map."""
        return self.beyond.fill(self.layer.descend(signal, above, below))


@transpose.register(WindowConv)
@transpose.register(WindowMaxPool)
@transpose.register(WindowAvgPool)
def _(module: WindowConv | WindowMaxPool | WindowAvgPool, record: Record, rules: Rules) -> MirroredLayer:
    plain: type[nn.Module] = next(t for t in _SLIDING if isinstance(module, t))
    return Cleared(transpose.dispatch(plain)(module, record, rules), record, module.below)


_SLIDING: tuple[type[nn.Module], ...] = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


def in_window(module: nn.Module) -> nn.Module:
    """The same layer for windows, with the same weights.

    Args:
        module: a layer; it is not changed.

    Raises:
        ChainError: there is none for its type, or for its settings; or its weights are computed anew at each
            call (pruning, spectral norm), or hooks of a user's change what it gives.

    Example:
        >>> in_window(nn.Conv2d(3, 8, 3, padding=1))
        WindowConv(3, 8, kernel_size=(3, 3), stride=(1, 1))
    """
    make = _MAKERS.get(type(module))  # not of a subclass: that may compute anything
    own = (getattr(module, name, None) for name in ("weight", "bias"))
    fixed = all(value is None or isinstance(value, nn.Parameter) for value in own)
    hooked = module._forward_pre_hooks or module._forward_hooks
    layer = make(module) if make is not None and fixed and not hooked else None
    if layer is None:
        raise ChainError(f"there is no {module} inside windows")
    return layer


def _conv(module: Any) -> nn.Module | None:
    if isinstance(module.padding, str) or module.padding_mode != "zeros":
        return None
    with torch.device("meta"):
        conv = WindowConv(
            module.in_channels,
            module.out_channels,
            module.kernel_size,
            module.stride,
            dilation=module.dilation,
            groups=module.groups,
            bias=module.bias is not None,
        )
    conv.weight, conv.bias = module.weight, module.bias
    return conv


def _max_pool(module: Any) -> nn.Module | None:
    if module.return_indices:
        return None
    return WindowMaxPool(module.kernel_size, module.stride, 0, module.dilation)


def _avg_pool(module: Any) -> nn.Module | None:
    kernel = pair(module.kernel_size)
    padded = any(pair(module.padding))
    if module.divisor_override is None and (module.ceil_mode or (padded and not module.count_include_pad)):
        return None
    divisor = module.divisor_override or kernel[0] * kernel[1]
    return WindowAvgPool(module.kernel_size, module.stride, divisor_override=divisor)


def _norm(module: Any) -> nn.Module | None:
    if module.running_var is None:
        return None
    with torch.device("meta"):
        norm = WindowNorm(module.num_features, module.eps, affine=module.affine)
    norm.weight, norm.bias = module.weight, module.bias
    norm.running_mean, norm.running_var = module.running_mean, module.running_var
    norm.num_batches_tracked = module.num_batches_tracked
    return norm


def _lrn(module: Any) -> nn.Module | None:
    if module.k <= 0:
        return None  # it makes no numbers of zeros
    return nn.LocalResponseNorm(module.size, module.alpha, module.beta, module.k)


_MAKERS: dict[type[nn.Module], Callable[[Any], nn.Module | None]] = {
    nn.Conv2d: _conv,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _avg_pool,
    nn.BatchNorm2d: _norm,
    nn.LocalResponseNorm: _lrn,
    nn.ReLU: lambda _: nn.ReLU(),
    nn.ReLU6: lambda _: nn.ReLU6(),
    nn.Dropout: lambda _: nn.Identity(),
    nn.Dropout2d: lambda _: nn.Identity(),
    nn.Identity: lambda _: nn.Identity(),
}


def pair(value: Any) -> Pair:
    """A layer's setting, one number an axis."""
    return (value, value) if isinstance(value, int) else (value[0], value[-1])
