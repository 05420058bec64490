"""Up-convolution: twice the size, by a learned 5x5 kernel.

The definition puts each value in the top left corner of a 2x2 block, zeros in the other three places, and
convolves the result with a 5x5 kernel. Three quarters of the multiplications are then with zeros. The same
numbers come out of a transposed convolution of stride 2 whose kernel is turned by 180 degrees, which touches
the values only; that is what `UpConvolution` computes, and `zeros_beside` is the definition.

Source: Dosovitskiy & Brox, "Inverting Visual Representations with Convolutional Networks", arXiv 1506.02753,
as two independent implementations describe it; the paper's own text could not be checked.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

KERNEL = 5


class UpConvolution(nn.Module):
    """(N, inputs, H, W) to (N, outputs, s H, s W), s being the stride.

    Attributes:
        weight: (outputs, inputs, 5, 5), the kernel of the definition.
        bias: (outputs,).
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 2) -> None:
        """Draws the kernel as torch does for the convolution it is.

        Args:
            inputs: maps that come in.
            outputs: maps that go out.
            stride: 2; or 1, which leaves the size and is a plain convolution.
        """
        super().__init__()
        self.stride = stride
        drawn = nn.Conv2d(inputs, outputs, KERNEL)
        self.weight, self.bias = drawn.weight, drawn.bias
        if stride == 2:
            with torch.no_grad():  # a quarter of the 25 taps meets a value: as loud as if all did
                self.weight.mul_(2)

    def forward(self, maps: Tensor) -> Tensor:
        """The up-convolved maps."""
        half = KERNEL // 2
        if self.stride == 1:
            return F.conv2d(maps, self.weight, self.bias, padding=half)
        turned = self.weight.flip(2, 3).transpose(0, 1)
        return F.conv_transpose2d(maps, turned, self.bias, stride=2, padding=half, output_padding=1)

    def extra_repr(self) -> str:
        """For ``print``."""
        outputs, inputs = self.weight.shape[:2]
        return f"{inputs}, {outputs}, kernel_size={KERNEL}, stride={self.stride}"


def zeros_beside(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The definition, slow and plain.

    Args:
        maps: (N, I, H, W).
        weight: (O, I, 5, 5).
        bias: (O,) or None.

    Returns:
        (N, O, 2 H, 2 W).
    """
    n, c, h, w = maps.shape
    spread = maps.new_zeros(n, c, 2 * h, 2 * w)
    spread[:, :, ::2, ::2] = maps
    return F.conv2d(spread, weight, bias, padding=KERNEL // 2)


class SubPixel(nn.Module):
    """Twice the size, by a 3x3 convolution to four times the maps whose groups of four become 2x2 blocks.

    Its kernels start alike within a group, so that it starts as a convolution of the enlarged maps rather
    than with a chequered pattern.

    Source: Shi et al. 2016, arXiv 1609.05158 (the layer); Aitken et al. 2017, arXiv 1707.02937 (the start).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        """Draws the kernels: (N, inputs, H, W) to (N, outputs, 2 H, 2 W)."""
        super().__init__()
        self.filter = nn.Conv2d(inputs, 4 * outputs, 3, padding=1)
        with torch.no_grad():
            for parameter in self.filter.parameters():
                parameter.copy_(parameter[::4].repeat_interleave(4, 0))

    def forward(self, maps: Tensor) -> Tensor:
        """The enlarged maps."""
        return F.pixel_shuffle(self.filter(maps), 2)
