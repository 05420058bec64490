"""What the units of a layer see of the image, in any network: found by sending signals down.

A pass of the same network is differentiated in which every kernel averages, every activation passes all and
every max-pool takes the mean of its window: then a pixel's gradient is positive exactly where some path leads
from the pixel to the unit. One channel stands for all of them, so this costs little; all units of a layer are
taken to see what the units of all its channels see there, so of concatenated branches the widest counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it
from torch.overrides import TorchFunctionMode

from ..models import Network
from ..models.features import features_of, frozen
from ..models.network import layer_path, split
from .rectifying import NO_RECTIFIER, rectifies, value

Place = tuple[int | None, int | None]
_NORMALISES: set[Any] = {F.batch_norm, F.layer_norm, F.group_norm, F.instance_norm, F.local_response_norm}
_NORMALISES |= {torch.batch_norm, torch.layer_norm}
_CONVOLVES: dict[Any, tuple[str, ...]] = {
    **dict.fromkeys((torch.conv2d, F.conv2d), ("stride", "padding", "dilation")),
    **dict.fromkeys(
        (torch.conv_transpose2d, F.conv_transpose2d),
        ("stride", "padding", "output_padding", "groups", "dilation"),
    ),
}
"""Convolutions, and the names of their arguments after input, weight and bias."""


def seen_by(
    model: nn.Module | Network,
    layer: str,
    image_shape: Sequence[int],
    shape: Sequence[int],
    places: Sequence[Place],
) -> tuple[Tensor, Tensor]:
    """The receptive windows of units of a layer.

    Args:
        model: a `Network`, or any module.
        layer: its name or path.
        image_shape: (N, 3, H, W).
        shape: (N, C, h, w) or (N, C) of the layer's features.
        places: row and column of each unit; None for one that sees through its whole map.

    Returns:
        (K, 4) top, left, height, width in pixels, clipped to the image, empty for a unit that sees nothing of
        it; and the same before clipping, all of one size: the whole image where fields are as large, or not
        all of one size.
    """
    height, width = image_shape[-2:]
    if len(shape) != 4 or None in places[0]:
        whole = torch.tensor([[0, 0, height, width]] * len(places))
        return whole, whole.clone()
    ends = list(zip(*(_ends(n) for n in shape[2:]), strict=True))
    chosen = [(r, c) for r, c in places if r is not None and c is not None]
    spans = _spans(model, layer, image_shape, [*ends, *chosen])
    lines = [
        _line([(end[axis], span[axis]) for end, span in zip(ends, spans[:4], strict=True)], side)
        for axis, side in enumerate((height, width))
    ]
    for axis, side in enumerate((height, width)):
        begin, step, size = lines[axis]
        for place, span in zip(chosen, spans[4:], strict=True):
            low, high = (end - begin - place[axis] * step for end in span[axis])
            if low < high and not 0 <= low < high <= size:
                lines[axis] = 0, 0, side  # adaptive pools give fields of several sizes
    clipped, uncut = [], []
    for place, ((top, bottom), (left, right)) in zip(chosen, spans[4:], strict=True):
        clipped.append([top, left, bottom - top, right - left])
        first = [begin + i * step for i, (begin, step, _) in zip(place, lines, strict=True)]
        uncut.append([*first, lines[0][2], lines[1][2]])
    return torch.tensor(clipped), torch.tensor(uncut)


def _ends(count: int) -> tuple[int, int, int, int]:
    """The first two and the last two of so many rows."""
    return 0, min(1, count - 1), max(count - 2, 0), count - 1


def _line(seen: Sequence[tuple[int, tuple[int, int]]], side: int) -> tuple[int, int, int]:
    """Where the field of row 0 begins, the step to the next row and the fields' size.

    The last two rows show where fields begin and the first two where they end, unless the edge cuts them.
    """
    (a, (_, end)), (b, (_, next_end)), (c, (before, _)), (d, (first, _)) = seen
    step = first - before
    if a == b or c == d or before == 0 or next_end == side or next_end - end != step:
        return 0, 0, side
    begin = before - c * step
    return begin, step, end - begin


def _spans(
    model: nn.Module | Network, layer: str, image_shape: Sequence[int], places: Sequence[tuple[int, int]]
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """First and last row (exclusive), and column, of what each place sees."""
    module, names = split(model)
    path = layer and layer_path(module, layer, names)
    device = next((p.device for p in module.parameters() if not p.is_meta), torch.device("cpu"))
    found = []
    with torch.inference_mode(False), torch.enable_grad():
        images = torch.ones(1, *image_shape[1:], dtype=torch.float64, device=device, requires_grad=True)
        with frozen(module), _Averaging():
            features = features_of(module, images.clone(), {layer: path})[layer]
        for row, column in places:
            unit = features[0, :, row, column].sum()
            signal = (
                torch.autograd.grad(unit, images, retain_graph=True)[0] if unit.requires_grad else images * 0
            )
            seen = signal[0].ne(0).any(0)
            down, across = (torch.nonzero(seen.any(axis)).flatten().tolist() or [0, -1] for axis in (1, 0))
            found.append(((down[0], down[-1] + 1), (across[0], across[-1] + 1)))
    return found


class _Averaging(TorchFunctionMode):
    """Layers replaced by averages over what they see."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in _NORMALISES or func in NO_RECTIFIER or rectifies(func, args, kwargs) is not None:
            return value(args, kwargs, 0, "input", None)
        if func in _CONVOLVES:
            return _convolved(func, args, kwargs)
        if func is F.linear:
            x, weight = value(args, kwargs, 0, "input", None), value(args, kwargs, 1, "weight", None)
            return x.mean(-1, keepdim=True).expand(*x.shape[:-1], len(weight)).clone()
        if func in (F.max_pool2d, torch.max_pool2d):
            return _pooled(func, args, kwargs)
        if func is F.max_pool2d_with_indices:
            return _pooled(F.max_pool2d, args[:6], kwargs), func(*args, **kwargs)[1]
        if func in (F.adaptive_max_pool2d, F.adaptive_max_pool2d_with_indices):
            pooled, indices = F.adaptive_max_pool2d_with_indices(*args, **kwargs)
            height, width = pooled.shape[2:]
            averaged = F.adaptive_avg_pool2d(value(args, kwargs, 0, "input", None), (height, width))
            return averaged if func is F.adaptive_max_pool2d else (averaged, indices)
        return func(*args, **kwargs)


def _convolved(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """A convolution, or a transposed one, whose kernel is the same everywhere."""
    x, weight = (value(args, kwargs, i, n, None) for i, n in enumerate(("input", "weight")))
    named = {n: value(args, kwargs, i, n, None) for i, n in enumerate(_CONVOLVES[func], start=3)}
    groups = named.pop("groups", None) or 1
    settings = {n: v for n, v in named.items() if v is not None}
    if "output_padding" in _CONVOLVES[func]:
        ones = x.new_ones(1, 1, *weight.shape[2:])
        y = F.conv_transpose2d(x.mean(1, keepdim=True), ones / ones.numel(), **settings)
        return y.repeat(1, groups * weight.shape[1], 1, 1)
    return _averaged(x, tuple(weight.shape[2:]), settings).repeat(1, len(weight), 1, 1)


def _averaged(x: Tensor, kernel: tuple[int, ...], settings: Mapping[str, Any]) -> Tensor:
    ones = x.new_ones(1, 1, *kernel)
    return F.conv2d(x.mean(1, keepdim=True), ones / ones.numel(), **settings)


def _pooled(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """Max-pooling as averaging, of the size that it gives itself: a window may hang over the map's end."""
    x = args[0]
    with torch.no_grad():
        wanted = func(*args, **{**kwargs, "return_indices": False} if func is F.max_pool2d else kwargs).shape
    kernel, stride, padding, dilation = (
        (v, v) if isinstance(v, int) else tuple(v)
        for v in (
            value(args, kwargs, 1, "kernel_size", 1),
            value(args, kwargs, 2, "stride", None) or value(args, kwargs, 1, "kernel_size", 1),
            value(args, kwargs, 3, "padding", 0),
            value(args, kwargs, 4, "dilation", 1),
        )
    )
    over = [stride[axis] + padding[axis] for axis in (0, 1)]
    padded = F.pad(x, (padding[1], over[1], padding[0], over[0]))
    averaged = _averaged(padded, kernel, {"stride": stride, "dilation": dilation})
    return averaged[..., : wanted[2], : wanted[3]].repeat(1, wanted[1], 1, 1)
