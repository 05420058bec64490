"""Receptive fields: how much of the image one unit of a layer sees, and how far its neighbours are apart.

A layer with kernel k, stride s and dilation d adds d (k - 1) steps of its input to the field and
multiplies the step by s.

Source: Araujo et al., "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019, sec. 2.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from .mirrored import map_size
from .trace import Trace


@dataclass(frozen=True)
class Field:
    """The receptive field of one unit of a layer, in pixels of the network's input.

    Attributes:
        size: (height, width); padding included, so it may exceed the image.
        stride: (rows, columns) between neighbouring units; (0, 0) where there is one unit for the image.
    """

    size: tuple[int, int]
    stride: tuple[int, int]


def receptive_fields(trace: Trace) -> list[Field | None]:
    """One field a record of a pass, in order; None once the chain is broken.

    Args:
        trace: of a whole pass; on the meta device is enough.
    """
    size, step = [1, 1], [1, 1]
    fields: list[Field | None] = []
    for record in trace:
        module = record.module
        if record.broken:
            return fields + [None] * (len(trace) - len(fields))
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            for axis in (0, 1):
                kernel, stride, dilation = (
                    _of(v, axis) for v in (module.kernel_size, module.stride, getattr(module, "dilation", 1))
                )
                size[axis] += (kernel - 1) * dilation * step[axis]
                step[axis] *= stride
        elif len(record.output_shape) != 4:
            size, step = [*trace.image_shape[-2:]], [0, 0]
        elif map_size(record.input_shape) != map_size(record.output_shape):  # adaptive pooling
            rows, columns = (
                -(-n // m) for n, m in zip(record.input_shape[2:], record.output_shape[2:], strict=True)
            )
            size = [size[0] + (rows - 1) * step[0], size[1] + (columns - 1) * step[1]]
            step = [step[0] * rows, step[1] * columns]
        fields.append(Field((size[0], size[1]), (step[0], step[1])))
    return fields


def _of(value: int | str | tuple[int, ...], axis: int) -> int:
    return int(value) if isinstance(value, int | str) else int(value[axis])
