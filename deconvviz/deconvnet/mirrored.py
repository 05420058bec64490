"""One layer of the mirrored network: the exact transpose of one recorded call.

A mirrored layer takes the signal at its forward layer's output down to that layer's input. It works on
whole maps, or inside windows of them; both give the same numbers. `transpose` makes one from a module and
its record, by the module's type. That is the extension point for layers of one's own:

    @transpose.register
    def _(module: MyLayer, record: Record, rules: Rules) -> MirroredLayer:
        return MyMirroredLayer(record)
"""

from __future__ import annotations

from functools import singledispatch

from torch import Tensor, nn

from ..errors import ChainError
from .rules import Rules
from .trace import Record
from .windows import Pair, Windows


class MirroredLayer(nn.Module):
    """The transpose of one recorded layer call; this base class passes the signal on unchanged.

    Attributes:
        input_shape: (N, ...) of the forward layer's input: what comes out here.
        output_shape: (N, ...) of the forward layer's output: what goes in here.
    """

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.input_shape = record.input_shape
        self.output_shape = record.output_shape

    def forward(self, signal: Tensor, images: tuple[int, ...] | None = None) -> Tensor:
        """The signal on whole maps, one layer further down.

        Args:
            signal: (K, C, H, W), or (K, C), at the forward layer's output.
            images: (K) the image of the batch each signal belongs to; None when K = N, in order, or when
                the batch has one image.

        Returns:
            (K, C', H', W'), or (K, C'), at the forward layer's input.
        """
        if images is None:
            images = tuple(range(len(signal))) if self.output_shape[0] > 1 else (0,) * len(signal)
        above = Windows.whole(images, map_size(self.output_shape))
        return self.descend(signal, above, self.below(above))

    def below(self, above: Windows) -> Windows:
        """The windows at the input that signal in these windows of the output can reach."""
        return above

    def descend(self, signal: Tensor, above: Windows, below: Windows) -> Tensor:
        """The signal inside the windows `above`, taken to the windows `below`."""
        return signal


def map_size(shape: tuple[int, ...]) -> Pair:
    """(H, W) of (N, C, H, W) maps; (1, 1) of (N, C) vectors."""
    return (shape[2], shape[3]) if len(shape) == 4 else (1, 1)


@singledispatch
def transpose(module: nn.Module, record: Record, rules: Rules) -> MirroredLayer:
    """The mirrored layer of one recorded call.

    Args:
        module: the forward layer; its type decides.
        record: what happened to it in the recorded pass.
        rules: rectification, unpooling and treatment of contrast normalisation.

    Raises:
        ChainError: no transpose is known for this type, or for its settings.

    Example:
        >>> import torch
        >>> record = Record("0", nn.ReLU(), torch.Size([1, 4, 8, 8]), torch.Size([1, 4, 8, 8]))
        >>> transpose(record.module, record, Rules())
        Rectify(deconvnet)
    """
    known = ", ".join(sorted(t.__name__ for t in transpose.registry if t is not object))
    raise ChainError(
        f"'{record.name}' is a {type(module).__name__}, which has no known transpose (known: {known}); "
        "register one with deconvviz.transpose.register"
    )
