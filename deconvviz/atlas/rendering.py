"""Patches and projections of the strongest activations of an atlas.

    for rendered in render_units(network, atlas, images, "conv5", range(256)):
        rendered[0].patch, rendered[0].projection          # of the unit's strongest activation

Many units are computed together, each in its window only where the network allows it, and every activation
is computed anew on the way: what is not what the atlas says is told by `Rendered.problem`.

Source: Zeiler & Fergus 2013, sec. 4 and fig. 2.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from threading import Lock
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from ..data.images import quiet_decoding
from ..deconvnet import Rules, Unit
from ..errors import ImageError
from ..models import Network
from ..models.precision import full_precision
from .atlas import Atlas, Entry
from .engines import Box, Engine, engine_of, inside
from .images import ImageList, MissingImageError
from .passes import device_of
from .rendered import GONE, NOT_FIRED, UNREADABLE, Rendered
from .working import cores

__all__ = ["NOT_FIRED", "Rendered", "render_units"]

A = TypeVar("A")
B = TypeVar("B")
_CLOSE = 1e-3
"""How far a recomputed activation may be off. Other kernels, threads and memory formats are 1e-5 apart in
float32; another image, or one more step of training, is far beyond this."""
_SMALL = 1e-2
"""Of the layer's strongest activation: below that, rounding is measured by what the sums are made of."""
_CACHE_BYTES = 128 * 2**20


def render_units(
    network: Network,
    atlas: Atlas,
    images: ImageList,
    layer: str,
    channels: Iterable[int],
    *,
    rules: Rules = Rules(),  # noqa: B008  # frozen
    batch_size: int = 36,
    workers: int | None = None,
) -> Iterator[list[Rendered]]:
    """The patches and projections of a layer's units.

    Args:
        network: the one that was scanned, on its device.
        atlas: of the scan.
        images: those that were scanned; some may be gone.
        layer: one of the atlas'.
        channels: which units, each once.
        rules: rectification, unpooling and treatment of contrast normalisation.
        batch_size: how many activations are projected together.
        workers: how many threads compute; None for as many as there are processors.

    Returns:
        one list a unit, its strongest activation first, in the order of `channels`, as they are done.

    Raises:
        LayerError: the atlas has no such layer.
        UnitError: the layer has no such unit.
        ModelError: the network's layer is not of the atlas' shape.
        DeconvvizError: see `deconvviz.record`.
    """
    asked = [atlas.entries(layer, channel) for channel in channels]
    told = atlas.manifest["layers"][layer]
    engine = engine_of(network, layer, (told["units"], told["map"]), rules, batch_size)
    strongest = max(abs(unit.strongest) for unit in atlas.statistics(layer))
    painter = _Painter(network, images, engine, _SMALL * strongest)
    entries = (entry for unit in asked for entry in unit)
    count = (workers or cores()) if engine.threads else 1
    batches = _ahead(painter.render, _parts(entries, engine.batch), count)
    return _in_full(device_of(network.module), _by_unit(asked, batches))


class _Painter:
    """Renders batches of entries of a layer; may be called by several threads."""

    def __init__(self, network: Network, images: ImageList, engine: Engine, small: float) -> None:
        self.network, self.images, self.engine, self.small = network, images, engine, small
        self._seen: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = Lock()
        self._scale, self._shift = (
            255 * torch.tensor(values)[:, None, None] for values in (network.std, network.mean)
        )

    def render(self, entries: Sequence[Entry]) -> list[Rendered]:
        """A batch, in order."""
        seen: dict[str, Tensor] = {}
        gone: dict[str, str] = {}
        for name in dict.fromkeys(entry.image for entry in entries):
            try:
                seen[name] = self._see(name)
            except MissingImageError:
                gone[name] = GONE
            except ImageError as error:
                gone[name] = f"{UNREADABLE}: {_why(error, name)}"
        numbers = {name: i for i, name in enumerate(seen)}
        there = [entry for entry in entries if entry.image in seen]
        units = [Unit(e.layer, e.channel, e.row, e.column, numbers[e.image]) for e in there]
        shown: dict[Entry, Rendered] = {}
        if units:
            tiles = self.engine.project(list(seen.values()), units)
            pixels, values = tiles.pixels.cpu().numpy(), tiles.activations.tolist()
            for entry, projection, value, field in zip(there, pixels, values, tiles.fields, strict=True):
                patch, box = self._patch(seen[entry.image], field)
                shown[entry] = Rendered(entry, patch, projection, value, box, self._problem(entry, value))
        return [shown.get(entry) or self._empty(entry, gone[entry.image]) for entry in entries]

    def _see(self, name: str) -> Tensor:
        """(3, H, W): an image as the network sees it, on the CPU; kept for the next that asks for it."""
        with self._lock:
            if name in self._seen:
                self._seen.move_to_end(name)
                return self._seen[name]
        seen = self.network.see(self.images.picture(self.images.find(name)))[0]
        with self._lock:
            self._seen[name] = seen
            while len(self._seen) * seen.numel() * seen.element_size() > _CACHE_BYTES:
                self._seen.popitem(last=False)
        return seen

    def _patch(self, seen: Tensor, field: Box) -> tuple[np.ndarray, Box]:
        """What is in a window, white beyond the image; and where in the tile the image is."""
        rows, columns, top, left = inside(field, seen.shape[1:])
        part = seen[:, rows, columns].mul(self._scale).add_(self._shift).round_().clamp_(0, 255)
        patch = np.full((*field[2:], 3), 255, np.uint8)
        height, width = part.shape[1:]
        patch[top : top + height, left : left + width] = part.to(torch.uint8).permute(1, 2, 0).numpy()
        return patch, (top, left, height, width)

    def _problem(self, entry: Entry, value: float) -> str:
        if not abs(value - entry.activation) <= _CLOSE * max(abs(entry.activation), self.small):
            return (
                f"activation {value:.4g} where the atlas has {entry.activation:.4g}: other weights, another "
                "preprocessing or a changed image"
            )
        return NOT_FIRED if value == 0 else ""

    def _empty(self, entry: Entry, problem: str) -> Rendered:
        height, width = self.engine.size
        patch = np.full((height, width, 3), 255, np.uint8)
        nothing = np.zeros((3, height, width), np.float32)
        return Rendered(entry, patch, nothing, float("nan"), (0, 0, 0, 0), problem)


def _why(error: ImageError, name: str) -> str:
    """What is wrong with an image, without its name."""
    said = str(error).removeprefix(f"{name} ")
    return said.removeprefix("cannot be read: ").removeprefix("is ")


def _in_full(device: torch.device, found: Iterator[A]) -> Iterator[A]:
    """The same, computed as precisely as a scan does."""
    with full_precision(device):
        yield from found


def _by_unit(asked: Sequence[Sequence[Entry]], batches: Iterator[list[Rendered]]) -> Iterator[list[Rendered]]:
    """Batches as they come, dealt out to the units again."""
    waiting: deque[Rendered] = deque()
    for unit in asked:
        while len(waiting) < len(unit):
            waiting.extend(next(batches))
        yield [waiting.popleft() for _ in unit]


def _parts(entries: Iterable[Entry], size: int) -> Iterator[list[Entry]]:
    left = iter(entries)
    while part := list(islice(left, size)):
        yield part


def _ahead(work: Callable[[A], B], parts: Iterable[A], workers: int) -> Iterator[B]:
    """The work on each part, in order; several threads, one processor each, are a little ahead."""
    if workers == 1:
        yield from map(work, parts)
        return
    threads, left = torch.get_num_threads(), iter(parts)
    with quiet_decoding(), ThreadPoolExecutor(workers, initializer=partial(torch.set_num_threads, 1)) as pool:
        try:
            begun: deque[Future[B]] = deque(pool.submit(work, part) for part in islice(left, 2 * workers))
            while begun:
                done = begun.popleft().result()
                begun.extend(pool.submit(work, part) for part in islice(left, 1))
                yield done
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)  # what threads that begin later take over
