"""The hooks that watch one forward pass, and put everything back after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import LayerError, WeightsError
from ..models.features import SeenEnough
from .trace import Record

POOLS_WITH_SWITCHES = (nn.MaxPool2d,)


class Recorder:
    """The hooks of one recorded pass and what they saw."""

    def __init__(
        self, module: nn.Module, paths: dict[str, str], images: Tensor, masks: bool, inputs: bool
    ) -> None:
        """Nothing is hooked before `watching`; the arguments are those of `recording.record`."""
        self.module, self.paths, self.masks, self.inputs = module, paths, masks, inputs
        self.records: list[Record] = []
        self.maps: dict[str, Tensor] = {}
        self.ends: dict[str, int] = {}
        self.last, self.last_version = images, _version(images)
        self.unwrapped: set[nn.Module] = set()
        self.calls: dict[str, int] = {}
        self.running = ""
        self.args: tuple[Any, ...] = ()  # of the running module, as it was called

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Hooks on, evaluation mode, no in-place work; everything put back at the end, whatever happens."""
        wanted: dict[str, list[str]] = {}
        for name, path in self.paths.items():
            wanted.setdefault(path, []).append(name)
        with ExitStack() as undo:
            for path, m in self.module.named_modules():
                for flag in ("training", "inplace"):
                    if getattr(m, flag, False) is True:
                        undo.callback(setattr, m, flag, True)
                        setattr(m, flag, False)
                if isinstance(m, POOLS_WITH_SWITCHES) and not m.return_indices:
                    undo.callback(setattr, m, "return_indices", False)
                    m.return_indices = True
                    self.unwrapped.add(m)
                if not m._modules:
                    undo.callback(m.register_forward_pre_hook(self._enter(path)).remove)
                    undo.callback(m.register_forward_hook(self._leave(path), prepend=True).remove)
                for name in wanted.get(path, ()):
                    undo.callback(m.register_forward_hook(self._keep(name)).remove)
            yield

    def _enter(self, path: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...]) -> Any:
            self.running, self.args = path, args
            parameters = (p for p in module._parameters.values() if p is not None)
            given = args[0] if args and isinstance(args[0], Tensor) else None
            if given is not None and not given.is_meta and any(p.is_meta for p in parameters):
                raise WeightsError(f"the weights have no values for '{path}'")
            if module in self.unwrapped and _row_major(args) and args[0].device.type == "cpu":
                # Bit for bit the same maxima and places, up to six times as fast.
                return (args[0].contiguous(memory_format=torch.channels_last), *args[1:])
            return None

        return hook

    def _leave(self, path: str) -> Any:
        def hook(module: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
            args, switches = self.args, None
            if isinstance(module, POOLS_WITH_SWITCHES) and module in self.unwrapped:
                output, places = (t.contiguous() if _row_major(args) else t for t in output)
                switches = _inside_window(places, module, args[0].shape[-1]) if args else None
            self._note(path, module, args, output, switches)
            return output

        return hook

    def _keep(self, name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if name in self.maps:
                return  # the name means the module's first call
            if not isinstance(output, Tensor) or output.ndim not in (2, 4):
                what = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
                raise LayerError(
                    f"'{name}' gives {what}; a layer's units are (N, C, H, W) maps or (N, C) vectors"
                )
            broken = self._join(f"what '{name}' gives", output)
            if broken:  # a function at the end of a container
                self.records.append(Record(name, module, output.shape, output.shape, broken=broken))
            self.maps[name] = output.clone()
            self.ends[name] = len(self.records)
            if len(self.maps) == len(self.paths):
                raise SeenEnough

        return hook

    def _note(
        self, path: str, module: nn.Module, args: tuple[Any, ...], output: Any, switches: Tensor | None
    ) -> None:
        call = self.calls[path] = self.calls.get(path, 0) + 1
        name = path if call == 1 else f"{path}:{call}"
        given = args[0] if args and isinstance(args[0], Tensor) else None
        shape = given.shape if given is not None else torch.Size()
        broken = ""
        if given is None or len(args) > 1 or not isinstance(output, Tensor):
            broken = f"'{name}' does not take one tensor and give one"
        else:
            broken = self._join(f"the input of '{name}'", given)
        self.records.append(
            Record(
                name,
                module,
                shape,
                output.shape if isinstance(output, Tensor) else torch.Size(),
                switches,
                mask=_mask(module, output) if self.masks else None,
                input=given if self.inputs and isinstance(module, nn.LocalResponseNorm) else None,
                broken=broken,
            )
        )
        if isinstance(output, Tensor):
            self.last, self.last_version = output, _version(output)

    def _join(self, what: str, given: Tensor) -> str:
        """Why `given` is not the last output; a plain flattening of it becomes a record of its own."""
        last = self.last
        before = f"the output of '{self.records[-1].name}'" if self.records else "the images"
        if _version(last) != self.last_version:
            return f"{before} is changed in place before {what} (a functional relu_?)"
        same_place = given.data_ptr() == last.data_ptr() != 0 and given.stride() == last.stride()
        if given is last or (given.shape == last.shape and same_place):
            return ""
        flat = given.numel() == last.numel() and given.shape[0] == last.shape[0] and given.shape != last.shape
        if flat and (given.is_meta or torch.equal(last.reshape(given.shape), given)):
            self.records.append(Record("flatten", nn.Flatten(), last.shape, given.shape))
            return ""
        return (
            f"{what} is not {before}: the network branches there, or calls a function such as F.relu or + "
            "between modules"
        )


def _version(tensor: Tensor) -> int:
    """How often a tensor was changed in place; torch does not count for tensors of inference mode."""
    return 0 if tensor.is_inference() else tensor._version


def _row_major(args: tuple[Any, ...]) -> bool:
    """Whether a module is called with a batch of maps in the usual memory format."""
    return bool(args) and args[0].ndim == 4 and args[0].is_contiguous()


def _mask(module: nn.Module, output: Any) -> Any:
    if isinstance(module, nn.ReLU6):
        return (output > 0) & (output < 6)
    return output > 0 if isinstance(module, nn.ReLU) else None


def _inside_window(places: Tensor, pool: nn.MaxPool2d, width: int) -> Tensor:
    """Flat places in the map to row-major places in each window, in the smallest integer that holds them."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = (
        (v, v) if isinstance(v, int) else tuple(v)
        for v in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    )
    places = places.to(torch.int32)
    h, w = places.shape[-2:]
    tops = torch.arange(h, dtype=torch.int32, device=places.device)[:, None] * sh - ph
    lefts = torch.arange(w, dtype=torch.int32, device=places.device) * sw - pw
    rows = places // width
    rows, columns = rows - tops, places - rows * width - lefts
    offset = (rows if dh == 1 else rows // dh) * kw + (columns if dw == 1 else columns // dw)
    return offset.to(torch.uint8 if kh * kw <= 256 else torch.int16 if kh * kw <= 32768 else torch.int32)
