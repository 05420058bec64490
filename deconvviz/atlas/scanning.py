"""The strongest activations of every unit over many images, in one pass through each.

    images = list_images([Path("photos")])
    found = scan(network, images, ["conv1", "conv5"])
    found.strongest["conv5"].images[3]                # of unit 3, strongest first

The images are taken in batches of a fixed size, each by one thread, which decodes its pictures and runs the
network on one core: cores are filled by batches side by side. So what a batch gives does not depend on how
many threads or processes there are, and since joining is exact, neither does the whole. Nothing but running
maxima and counts is kept: memory does not grow with the number of images.

In mixed precision the pass runs in bfloat16 and keeps twice as many; see `deconvviz.atlas.rescoring`.

Source: Zeiler & Fergus 2013, fig. 2, shows the strongest nine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Literal

import torch

from ..errors import DataError
from ..models import Network
from .images import ImageList
from .passes import Pass
from .reducing import Bar
from .rescoring import CANDIDATES, finished
from .state import Scan
from .strongest import Strongest
from .working import Task, passes_over

Precision = Literal["float32", "mixed"]
_Told = Callable[[int, int], object]


def scan(
    network: Network,
    images: ImageList,
    layers: Sequence[str],
    *,
    topk: int = 9,
    per_image: int = 1,
    batch_size: int = 16,
    workers: int | None = None,
    precision: Precision = "float32",
    begun: Scan | None = None,
    share: tuple[int, int] = (0, 1),
    progress: _Told = lambda _read, _left_out: None,
    rescoring: _Told = lambda _read, _of: None,
    checkpoint: Callable[[Scan], object] = lambda _scan: None,
    every: float = 60.0,
) -> Scan:
    """Looks at every image once and keeps what most strongly activates each unit of some layers.

    Args:
        network: on its device; it is left as it was.
        images: shown as the network's own preprocessing gives them. Those that cannot be read are left out.
        layers: their names; the passes end after the last of them.
        topk: how many activations of a unit are kept.
        per_image: how many of them may come from one image.
        batch_size: images a pass.
        workers: threads that decode, on a CPU also those that run the network; None for one a core.
        precision: ``mixed`` runs the passes in bfloat16 and computes what they found again in float32.
        begun: an earlier state to go on from, of the same images, layers, and numbers above; in all processes
            the same batches are done in it.
        share: of how many processes this is which, from 0; it takes every so-manieth batch that is left.
        progress: told after each pass how many images were read since the start, and left out.
        rescoring: likewise while the found are computed again: how many images were, and of how many.
        checkpoint: given the state now and then, and once when the scan is interrupted.
        every: seconds between two checkpoints.

    Returns:
        what was found in this share, and in what was begun. Where there are several processes, join their
        scans and give the whole to `deconvviz.atlas.rescoring.finished`.

    Raises:
        LayerError: there is no such layer, or it has no units.
        DataError: there are fewer images than activations to keep, or none that can be read.
        WeightsError: the weights have no values for a layer, or hold some that are no numbers.
        ModelError: the network does not take the images, or its activations are no numbers or too large.

    Example:
        >>> from deconvviz import load_model
        >>> from deconvviz.atlas.images import list_images
        >>> from deconvviz.data.images import sample_path
        >>> found = scan(load_model("mini"), list_images([sample_path()]), ["conv1"], topk=1)
        >>> found.strongest["conv1"].images.shape
        (48, 1)
    """
    paths = {layer: network.path_of(layer) for layer in layers}
    if not 1 <= topk <= len(images):
        raise DataError(
            f"{topk} activations a unit cannot be found in {len(images)} images; ask for 1 to {len(images)}"
        )
    batches = -(-len(images) // batch_size)
    state = replace(begun, problems=dict(begun.problems)) if begun else Scan.none(batches)
    kept = topk * CANDIDATES if precision == "mixed" else topk
    bars = {layer: Bar.of(found) for layer, found in state.strongest.items()}
    rank, count = share
    left = [b for b in range(batches) if not state.done[b]]
    tasks = [
        Task(b, range(b * batch_size, min((b + 1) * batch_size, len(images))), batch_size)
        for b in left[rank::count]
    ]
    lower = torch.bfloat16 if precision == "mixed" else None
    read = left_out = 0
    saved = time.monotonic()
    try:
        with closing(passes_over(network, images, paths, tasks, bars, per_image, workers, lower)) as passes:
            for found in passes:
                state = with_pass(state, found, kept)
                bars.update({layer: Bar.of(state.strongest[layer]) for layer in found.layers})
                read += found.images
                left_out += len(found.problems)
                progress(read, left_out)
                if time.monotonic() - saved >= every:
                    checkpoint(state)
                    saved = time.monotonic()
        if count > 1:
            return state
        return finished(
            network, images, state, layers, topk=topk, per_image=per_image, batch_size=batch_size,
            workers=workers, progress=rescoring,
        )  # fmt: skip
    except KeyboardInterrupt:
        checkpoint(state)
        raise


def with_pass(state: Scan, found: Pass, topk: int) -> Scan:
    """A scan and one batch more.

    Args:
        state: what is known so far; only its problems are added to, since there may be very many.
        found: of a batch that is not yet in it.
        topk: how many of a unit's activations are kept.
    """
    done = state.done.copy()
    done[found.number] = True
    strongest, statistics, maps = dict(state.strongest), dict(state.statistics), dict(state.maps)
    for layer, one in found.layers.items():
        before = strongest.get(layer) or Strongest.none(one.statistics.channels, topk)
        strongest[layer] = before.with_some(one.units, one.candidates)
        counted = statistics.get(layer)
        statistics[layer] = counted.joined(one.statistics) if counted else one.statistics
        maps[layer] = one.map
    state.problems.update(found.problems)
    return replace(state, done=done, strongest=strongest, statistics=statistics, maps=maps)
