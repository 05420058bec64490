"""What the units of a layer see of the image, in any network: found by sending signals down.

A pass of the same network is differentiated in which every kernel averages, every activation passes all and
every max-pool takes the mean of its window: then a pixel's gradient is positive exactly where some path leads
from the pixel to the unit. One channel stands for all of them, so this costs little.
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
        (K, 4) top, left, height, width in pixels, clipped to the image; and the same before clipping, all of
        one size: where fields are as large as the image, the whole of it.
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
    path = model.path_of(layer) if isinstance(model, Network) else layer_path(module, layer, names)
    device = next((p.device for p in module.parameters() if not p.is_meta), torch.device("cpu"))
    found = []
    with torch.inference_mode(False), torch.enable_grad(), frozen(module), _Averaging():
        images = torch.ones(1, *image_shape[1:], dtype=torch.float64, device=device, requires_grad=True)
        features = features_of(module, images, {layer: path})[layer]
    for row, column in places:
        unit = features[0, 0, row, column]
        (signal,) = torch.autograd.grad(unit, images, retain_graph=True)
        seen = signal[0].ne(0).any(0)
        down, across = (torch.nonzero(seen.any(axis)).flatten().tolist() or [0] for axis in (1, 0))
        found.append(((down[0], down[-1] + 1), (across[0], across[-1] + 1)))
    return found


class _Averaging(TorchFunctionMode):  # type: ignore[no-untyped-call, unused-ignore]  # torch's class, untyped
    """Layers replaced by averages over what they see."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in _NORMALISES or func in NO_RECTIFIER or rectifies(func, args, kwargs) is not None:
            return args[0] if args else kwargs["input"]
        if func in (torch.conv2d, F.conv2d):
            weight = value(args, kwargs, 1, "weight", None)
            named = {
                n: value(args, kwargs, i, n, d)
                for i, n, d in ((3, "stride", 1), (4, "padding", 0), (5, "dilation", 1))
            }
            return _averaged(args[0], tuple(weight.shape[2:]), named).repeat(1, len(weight), 1, 1)
        if func is F.linear:
            return args[0].mean(-1, keepdim=True).expand(*args[0].shape[:-1], len(args[1])).clone()
        if func in (F.max_pool2d, torch.max_pool2d):
            return _pooled(func, args, kwargs)
        return func(*args, **kwargs)


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
