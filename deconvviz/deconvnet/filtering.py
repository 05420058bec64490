"""Filtering: convolution and linear layers transposed, without biases.

The signal is convolved with the transposed filters. Where the forward convolution strides, writing the
transposed one as a small convolution to s*s sub-pixels and a pixel shuffle gives the same sums several
times faster.

Source: Zeiler & Fergus 2013, sec. 2.1 ("Filtering"); Shi et al. 2016, "Is the deconvolution layer the same
as a convolutional layer?", for the sub-pixel form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from ..errors import ChainError
from .mirrored import MirroredLayer, map_size, transpose
from .rules import Rules
from .trace import Record
from .windows import Pair, Windows

_WIDE = 1024  # cells of a map from which on channels-last convolution is the faster one


class Filtering(MirroredLayer):
    """Convolution with the transposed filters: (K, out, h, w) to (K, in, H, W)."""

    def __init__(self, module: nn.Conv2d, record: Record) -> None:
        super().__init__(record)
        mode = module.padding if isinstance(module.padding, str) else module.padding_mode
        if mode != "zeros":
            raise ChainError(
                f"'{record.name}' has padding '{mode}'; "
                "only convolutions padded by a number of zeros have this transpose"
            )
        self.weight = module.weight.detach()
        self.kernel, self.stride, self.padding, self.dilation = (
            _pair(v) for v in (module.kernel_size, module.stride, module.padding, module.dilation)
        )
        self.groups = module.groups
        one_stride = self.stride[0] == self.stride[1] > 1
        self.subpixel = _subpixel(self.weight, self.stride[0]) if one_stride and self._plain else None

    @property
    def _plain(self) -> bool:
        return self.groups == 1 and self.dilation == (1, 1)

    def below(self, above: Windows) -> Windows:
        """As far as the kernel reaches."""
        return above.below(self.kernel, self.stride, self.padding, self.dilation, map_size(self.input_shape))

    def descend(self, signal: Tensor, above: Windows, below: Windows) -> Tensor:
        """Transposed convolution of the windows, cut to the windows below."""
        natural = above.natural(self.kernel, self.stride, self.padding, self.dilation, below.map_size)
        if above.size == (1, 1) and self._plain:  # one cell: its filters, weighted
            down = (signal.flatten(1) @ self.weight.flatten(1)).view(-1, self.input_shape[1], *self.kernel)
            return fit(down, natural, below)
        if above.size[0] * above.size[1] >= _WIDE:
            signal = signal.contiguous(memory_format=torch.channels_last)
        if self.subpixel is not None:
            down = F.conv2d(signal, self.subpixel, padding=tuple(n - 1 for n in self.subpixel.shape[2:]))
            down = _shuffled(down, self.stride[0])[..., : natural.size[0], : natural.size[1]]
        else:
            down = F.conv_transpose2d(
                signal, self.weight, stride=self.stride, groups=self.groups, dilation=self.dilation
            )
        return fit(down, natural, below)

    def extra_repr(self) -> str:
        """Channels, kernel and stride, as torch prints a transposed convolution."""
        return (
            f"{self.output_shape[1]}, {self.input_shape[1]}, kernel_size={self.kernel}, "
            f"stride={self.stride}, padding={self.padding}, bias=False"
        )


def _subpixel(weight: Tensor, stride: int) -> Tensor:
    """(out, in, k, k) filters as the (in*s*s, out, ceil(k/s), ceil(k/s)) of the sub-pixel form."""
    out, into, *kernel = weight.shape
    taps = [-(-k // stride) for k in kernel]
    padded = F.pad(weight, (0, taps[1] * stride - kernel[1], 0, taps[0] * stride - kernel[0]))
    split = padded.reshape(out, into, taps[0], stride, taps[1], stride).permute(1, 3, 5, 0, 2, 4)
    filters = split.reshape(into * stride * stride, out, *taps).flip(2, 3)
    return filters.contiguous(memory_format=torch.channels_last)


def _shuffled(subpixels: Tensor, stride: int) -> Tensor:
    """(K, C*s*s, h, w) to (K, C, h*s, w*s), as `torch.pixel_shuffle`, but always to row-major maps."""
    k, c, h, w = subpixels.shape
    c //= stride * stride
    down = subpixels.new_empty((k, c, h, stride, w, stride))
    down.copy_(subpixels.view(k, c, stride, stride, h, w).permute(0, 1, 4, 2, 5, 3))
    return down.view(k, c, h * stride, w * stride)


def fit(down: Tensor, natural: Windows, below: Windows) -> Tensor:
    """A sliding layer's full result, cut (or extended by zeros) to the windows wanted.

    Args:
        down: (K, C, h, w) on the windows `natural`; changed in place where it hangs over the edge.
        natural: the layer's uncut windows.
        below: the same, or clipped to the map, or the whole map.
    """
    if natural.size == below.size and natural.tops == below.tops and natural.lefts == below.lefts:
        return below.clear_outside(down)
    top, left = below.tops[0] - natural.tops[0], below.lefts[0] - natural.lefts[0]
    if len(set(natural.tops)) > 1 or len(set(natural.lefts)) > 1:
        return natural.paste(down)
    bottom = natural.size[0] - top - below.size[0]
    right = natural.size[1] - left - below.size[1]
    if min(top, left, bottom, right) >= 0:
        return down[:, :, top : top + below.size[0], left : left + below.size[1]]
    return F.pad(down, (-left, -right, -top, -bottom))


class MirroredLinear(MirroredLayer):
    """Multiplication with the transposed matrix: (K, out) to (K, in)."""

    def __init__(self, module: nn.Linear, record: Record) -> None:
        super().__init__(record)
        if len(record.input_shape) != 2:
            raise ChainError(f"'{record.name}' is linear over {tuple(record.input_shape)}; flatten before it")
        self.weight = module.weight.detach()

    def descend(self, signal: Tensor, above: Windows, below: Windows) -> Tensor:
        """The signal times the weight matrix."""
        return signal @ self.weight

    def extra_repr(self) -> str:
        """Features in and out."""
        return f"in_features={self.output_shape[1]}, out_features={self.input_shape[1]}, bias=False"


def _pair(value: int | tuple[int, ...] | str) -> Pair:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


@transpose.register
def _(module: nn.Conv2d, record: Record, rules: Rules) -> MirroredLayer:
    return Filtering(module, record)


@transpose.register
def _(module: nn.Linear, record: Record, rules: Rules) -> MirroredLayer:
    return MirroredLinear(module, record)
