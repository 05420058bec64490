"""Unpooling: the signal goes back to where each maximum came from.

Max-pooling is undone through the recorded switches. Where windows overlap (AlexNet's 3x3 at stride 2) and
two share a switch, their signals are *summed*: the exact transpose, and what automatic differentiation
does. ``torch.nn.MaxUnpool2d`` overwrites instead, which loses half of AlexNet's pooled signal. Average
pooling is undone by its exact transpose.

Source: Zeiler & Fergus 2013, sec. 2.1 ("Unpooling"); the centre rule is the ``pool_center`` probe of
Mahendran & Vedaldi 2016, "Salient Deconvolutional Networks".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from ..errors import ChainError
from .filtering import fit
from .mirrored import MirroredLayer, map_size, transpose
from .rules import Rules, Unpooling
from .trace import Record
from .windows import Pair, Windows


class _Sliding(MirroredLayer):
    """What max and average pooling share: a kernel that slides."""

    def __init__(self, module: nn.MaxPool2d | nn.AvgPool2d, record: Record) -> None:
        super().__init__(record)
        self.kernel, self.padding = _pair(module.kernel_size), _pair(module.padding)
        self.stride = _pair(module.stride or module.kernel_size)
        self.dilation = _pair(getattr(module, "dilation", 1))

    def below(self, above: Windows) -> Windows:
        """As far as the pooling windows reach."""
        return above.below(self.kernel, self.stride, self.padding, self.dilation, map_size(self.input_shape))

    def _natural(self, above: Windows, below: Windows) -> Windows:
        return above.natural(self.kernel, self.stride, self.padding, self.dilation, below.map_size)

    def _spread(self, signal: Tensor, places: Tensor, size: Pair) -> Tensor:
        """Adds each value at its row-major place in its own window: (K, C, h, w) to (K, C, *size)."""
        height, width = size
        h, w = signal.shape[2:]
        # row * (dilation * width) + column * dilation, from place = row * kernel + column, in few passes
        step = self.dilation[0] * width - self.dilation[1] * self.kernel[1]
        places = places.to(torch.int32)
        flat = torch.div(places, self.kernel[1], rounding_mode="floor").mul_(step)
        flat += places if self.dilation[1] == 1 else places * self.dilation[1]
        corner = torch.arange(h, dtype=torch.int32, device=signal.device)[:, None] * (self.stride[0] * width)
        corner = corner + torch.arange(w, dtype=torch.int32, device=signal.device) * self.stride[1]
        flat = (flat + corner).to(torch.int64).expand(signal.shape)
        k, c = signal.shape[:2]
        down = signal.new_zeros((k, c, height * width))
        down.scatter_add_(2, flat.reshape(k, c, -1), signal.reshape(k, c, -1))
        return down.view(k, c, height, width)

    def extra_repr(self) -> str:
        """Kernel and stride."""
        return f"kernel_size={self.kernel}, stride={self.stride}, padding={self.padding}"


class Unpool(_Sliding):
    """Max-unpooling through switches, or to the centre of each window; overlaps are summed.

    A window of an even side has no centre; as in the authors' code its signal goes to the cell before it.
    """

    def __init__(self, module: nn.MaxPool2d, record: Record, unpooling: Unpooling) -> None:
        super().__init__(module, record)
        self.switches = record.switches
        self.unpooling = unpooling
        if unpooling is Unpooling.SWITCHES and self.switches is None:
            raise ChainError(f"'{record.name}' was recorded without switches (return_indices is set on it)")

    def descend(self, signal: Tensor, above: Windows, below: Windows) -> Tensor:
        """The signal at the switches of its windows, zero elsewhere."""
        natural = self._natural(above, below)
        if self.unpooling is Unpooling.CENTRE or self.switches is None:
            middle = (self.kernel[0] - 1) // 2 * self.kernel[1] + (self.kernel[1] - 1) // 2
            places = torch.full((1, 1, 1, 1), middle, device=signal.device)
        else:
            places = above.crop(self.switches)
            if natural == below:  # switches lie on the map: nothing can hang over its edge
                return self._spread(signal, places, natural.size)
        return fit(self._spread(signal, places, natural.size), natural, below)

    def extra_repr(self) -> str:
        """Kernel, stride and where the signal goes."""
        return f"{super().extra_repr()}, to={self.unpooling.value}"


class SpreadAverage(_Sliding):
    """Average pooling transposed: each value, divided by its window's size, to all cells of the window."""

    def __init__(self, module: nn.AvgPool2d, record: Record) -> None:
        super().__init__(module, record)
        self.divisor = self._divisors(module)

    def _divisors(self, module: nn.AvgPool2d) -> Tensor:
        if module.divisor_override:
            return torch.tensor(float(module.divisor_override)).expand(1, 1, *map_size(self.output_shape))
        counts = []
        for axis in (0, 1):
            size, pad = map_size(self.input_shape)[axis], self.padding[axis]
            first = torch.arange(map_size(self.output_shape)[axis]) * self.stride[axis] - pad
            last = (first + self.kernel[axis]).clamp(max=size + pad)
            inside = last.clamp(max=size) - first.clamp(min=0)
            counts.append(last - first if module.count_include_pad else inside)
        return (counts[0][:, None] * counts[1])[None, None]

    def descend(self, signal: Tensor, above: Windows, below: Windows) -> Tensor:
        """The signal shared out evenly in each window."""
        natural = self._natural(above, below)
        divisor = self.divisor.to(signal).expand(max(above.images) + 1, -1, -1, -1)
        shared = above.clear_outside(signal / above.crop(divisor).clamp(min=1))
        ones = shared.new_ones((shared.shape[1], 1, *self.kernel))
        down = F.conv_transpose2d(shared, ones, stride=self.stride, groups=shared.shape[1])
        return fit(down, natural, below)


class SpreadAdaptiveAverage(MirroredLayer):
    """Adaptive average pooling transposed: a product with the averaging matrix of each axis."""

    def __init__(self, record: Record) -> None:
        super().__init__(record)
        self.rows, self.columns = (
            _averaging(n, m)
            for n, m in zip(map_size(record.input_shape), map_size(record.output_shape), strict=True)
        )

    def below(self, above: Windows) -> Windows:
        """Unchanged where the pool keeps the size; otherwise the whole map: its windows vary in size."""
        size = map_size(self.input_shape)
        return above if size == above.map_size else Windows.whole(above.images, size)

    def descend(self, signal: Tensor, above: Windows, below: Windows) -> Tensor:
        """The signal shared out evenly over each adaptive window."""
        if map_size(self.input_shape) == above.map_size:
            return signal
        rows, columns = self.rows.to(signal), self.columns.to(signal)
        return rows.T @ above.paste(signal) @ columns


def _averaging(n: int, m: int) -> Tensor:
    """The (m, n) matrix that averages n cells to m as torch's adaptive pooling does."""
    matrix = torch.zeros(m, n, dtype=torch.float64)
    for i in range(m):
        first, last = i * n // m, -(-(i + 1) * n // m)
        matrix[i, first:last] = 1 / (last - first)
    return matrix


def _pair(value: int | tuple[int, ...]) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


@transpose.register
def _(module: nn.MaxPool2d, record: Record, rules: Rules) -> MirroredLayer:
    return Unpool(module, record, rules.unpooling)


@transpose.register
def _(module: nn.AvgPool2d, record: Record, rules: Rules) -> MirroredLayer:
    return SpreadAverage(module, record)


@transpose.register
def _(module: nn.AdaptiveAvgPool2d, record: Record, rules: Rules) -> MirroredLayer:
    return SpreadAdaptiveAverage(record)
