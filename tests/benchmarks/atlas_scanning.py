"""One pass over images several ways: ours, decoding and computing alone, zennit-crp; see `atlas`."""

from __future__ import annotations

import contextlib
import copy
import io
import statistics
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from report import say
from torch import Tensor, nn

from deconvviz.atlas.images import ImageList
from deconvviz.atlas.scanning import scan
from deconvviz.atlas.state import Scan
from deconvviz.models import Network

BATCH, TOPK = 16, 9
CRP_BATCHES = (16, 32, 64)
MEMORY_FORMATS = {"row-major": torch.contiguous_format, "channels_last": torch.channels_last}
PEERS = ("ours", "bare", "bare_threads", "crp_forward", "crp")


def few(images: ImageList, count: int | None) -> ImageList:
    """So many of the images, evenly spaced, in their order."""
    if count is None or count >= len(images):
        return images
    kept = np.arange(count) * len(images) // count
    names, labels = ([values[i] for i in kept] for values in (images.names, images.labels))
    return replace(images, names=names, labels=labels, _in=images._in[kept], _at=images._at[kept])


def cut_after(network: Network, layer: str) -> nn.Sequential:
    """A copy of a chain's first block up to a layer, under the same module names."""
    block, _, name = network.path_of(layer).rpartition(".")
    children = list(network.module.get_submodule(block).named_children())
    last = [key for key, _ in children].index(name)
    return nn.Sequential(
        OrderedDict([(block, nn.Sequential(OrderedDict(copy.deepcopy(children[: last + 1]))))])
    )


def bare(network: Network, images: ImageList, cut: nn.Module) -> None:
    """Decodes and computes in batches, keeps nothing; what the network computes with, all threads."""
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            cut(_pixels(network, images, start))


def bare_threads(network: Network, images: ImageList, cut: nn.Module, threads: int) -> None:
    """The same by as many threads as there are cores, each with whole batches of its own."""

    def work(start: int) -> None:
        torch.set_num_threads(1)
        with torch.inference_mode():
            cut(_pixels(network, images, start))

    before = torch.get_num_threads()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(0, len(images), BATCH)))
    torch.set_num_threads(before)


def _pixels(network: Network, images: ImageList, start: int) -> Tensor:
    """(N, 3, S, S), channels_last, of a batch."""
    rows, side = range(start, min(start + BATCH, len(images))), network.input_size
    pixels = torch.empty(len(rows), 3, side, side).to(memory_format=torch.channels_last)
    for slot, i in enumerate(rows):
        pixels[slot] = network.see(images.picture(i))[0]
    return pixels


class Shown(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """The images as zennit-crp wants them; all of one class, since it sorts each class apart."""

    def __init__(self, network: Network, images: ImageList) -> None:
        self.network, self.images = network, images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.network.see(self.images.picture(int(i)))[0], 0


class Crp:
    """zennit-crp's `FeatureVisualization` by activation, on the network cut after the last layer.

    What is left of the network scores one class, so that its relevance pass is as short as it can be, and no
    composite replaces the gradients. Without `backward` there is no such pass: nobody can ask it for that,
    but it shows what its forward hooks cost.
    """

    def __init__(
        self, network: Network, images: ImageList, layers: Sequence[str], folder: Path, backward: bool = True
    ) -> None:
        from crp.attribution import CondAttribution

        class Forward(CondAttribution):
            def __call__(self, data: Tensor, *_conditions: Any, **_more: Any) -> None:
                with torch.no_grad():
                    self.model(data)

        self.images, self.folder, self.data = images, folder, Shown(network, images)
        self.paths = {layer: network.path_of(layer) for layer in layers}
        self.model = cut_after(network, layers[-1])
        self.model.add_module("score", nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten()))
        self.attribution = (CondAttribution if backward else Forward)(self.model)
        self.batch = CRP_BATCHES[0]

    def tuned(self) -> Crp:
        """The same with the batch and the memory format that are fastest on a few images."""
        count = min(len(self.images), max(CRP_BATCHES))
        seconds: dict[tuple[int, str], float] = {}
        for name, memory_format in MEMORY_FORMATS.items():
            self.model.to(memory_format=memory_format)
            for batch in CRP_BATCHES:
                times = []
                for _ in range(2):
                    start = time.perf_counter()
                    self.run(count, batch)
                    times.append((time.perf_counter() - start) / count)
                seconds[batch, name] = min(times)
        say("zennit-crp, images/s: " + ", ".join(f"{1 / s:.0f} by {b} {n}" for (b, n), s in seconds.items()))
        self.batch, best = min(seconds, key=seconds.__getitem__)
        self.model.to(memory_format=MEMORY_FORMATS[best])
        return self

    def run(self, count: int | None = None, batch: int | None = None) -> None:
        """Looks at the first so many images."""
        from crp.concepts import ChannelConcept
        from crp.visualization import FeatureVisualization

        concepts = {path: ChannelConcept() for path in self.paths.values()}
        settings = {"max_target": "max", "abs_norm": False, "path": str(self.folder)}
        found = FeatureVisualization(self.attribution, self.data, concepts, **settings)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            found.run(None, 0, count or len(self.images), batch or self.batch)

    def agrees(self, with_ours: Scan) -> float:
        """The share of units and ranks at which the last run has the same activation as ours."""
        same = []
        for layer, path in self.paths.items():
            theirs: NDArray[np.float32] = np.load(self.folder / "ActMax_max_unnormed" / f"{path}_rel.npy")
            ours = with_ours.strongest[layer].values.T
            same.append(np.isclose(theirs[: len(ours)], ours, rtol=1e-4, atol=1e-4).mean())
        return statistics.fmean(same)


def contestants(
    network: Network, images: ImageList, layers: Sequence[str], threads: int, folder: Path
) -> tuple[dict[str, Callable[[], Any]], Crp]:
    """Functions without arguments, each one pass over the images; and the crp that is among them."""
    cut = cut_after(network, layers[-1])
    theirs = Crp(network, images, layers, folder / "crp").tuned()
    forward = Crp(network, images, layers, folder / "forward", backward=False)
    forward.batch, forward.model = theirs.batch, forward.model
    forward.model.to(memory_format=_format_of(theirs.model))
    return {
        "ours": lambda: scan(network, images, layers, topk=TOPK, batch_size=BATCH, workers=threads),
        "bare": lambda: bare(network, images, cut),
        "bare_threads": lambda: bare_threads(network, images, cut, threads),
        "crp_forward": forward.run,
        "crp": theirs.run,
    }, theirs


def _format_of(module: nn.Module) -> torch.memory_format:
    weight = next(p for p in module.parameters() if p.ndim == 4)
    return torch.contiguous_format if weight.is_contiguous() else torch.channels_last
