"""The end of a scan: what was found in bfloat16 is computed again in the network's own precision.

bfloat16 has eight bits for a number, so that near ties come out in another order. A scan in mixed precision
therefore keeps twice as many activations as are wanted. At its end their images are looked at once more, in
full precision, and the strongest of all activations in these images are kept: values, places and order are
then those of full precision.

An image that the first pass did not keep could in principle have belonged to them. For the units where that
cannot be ruled out, `Scan.uncertain` has their number: those whose weakest candidate, plus the largest error
that bfloat16 made anywhere in the layer (as a share of the unit's strongest activation), reaches the last
one that is kept. The statistics stay those of the first pass.

An image that can no longer be read is left out from there on: it is one of the scan's problems, though the
statistics have counted it, and each unit that had it as a candidate keeps the strongest of the others and is
uncertain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..models import Network
from .images import ImageList
from .reducing import Bar
from .state import Scan
from .strongest import NO_IMAGE, Strongest
from .working import Task, passes_over

CANDIDATES = 2
"""How many times more activations a scan in mixed precision keeps."""


def finished(
    network: Network,
    images: ImageList,
    scan: Scan,
    layers: Sequence[str],
    *,
    topk: int = 9,
    per_image: int = 1,
    batch_size: int = 16,
    workers: int | None = None,
    progress: Callable[[int, int], object] = lambda _read, _of: None,
) -> Scan:
    """A scan of all images, as it is to be stored; one that is finished already comes back as it is.

    Args:
        network: on its device; it is left as it was.
        images: those that were scanned.
        scan: of all of them.
        layers: the layers' names, as they were scanned.
        topk: how many activations of a unit are wanted.
        per_image: how many of them may come from one image.
        batch_size: images a pass.
        workers: threads; None for one a core.
        progress: told how many images were computed again, and of how many.

    Raises:
        DataError: none of the images could be read, or none can be now.
    """
    scan = _with_problems(scan, {}, len(images))
    if all(found.values.shape[1] <= topk for found in scan.strongest.values()):
        return scan
    again = np.unique(np.concatenate([found.images.ravel() for found in scan.strongest.values()]))
    rows: list[int] = again[again != NO_IMAGE].tolist()
    tasks = [Task(b, rows[b : b + batch_size], batch_size) for b in range(0, len(rows), batch_size)]
    paths = {layer: network.path_of(layer) for layer in layers}
    exact = {layer: Strongest.none(len(found.values), topk) for layer, found in scan.strongest.items()}
    errors = {layer: np.zeros(len(found.values)) for layer, found in scan.strongest.items()}
    bars: dict[str, Bar] = {}
    gone: dict[int, str] = {}
    read = 0
    with closing(passes_over(network, images, paths, tasks, bars, per_image, workers)) as passes:
        for one in passes:
            gone |= {number: f"{why}, but was scanned" for number, why in one.problems.items()}
            for layer, part in one.layers.items():
                exact[layer] = exact[layer].with_some(part.units, part.candidates)
                bars[layer] = Bar.of(exact[layer])
                seen = _errors(scan.strongest[layer], part.images, part.maxima)
                errors[layer] = np.maximum(errors[layer], seen)
            read += one.images + len(one.problems)
            progress(read, len(rows))
    uncertain = {
        layer: _uncertain(found, exact[layer], errors[layer], [*gone])
        for layer, found in scan.strongest.items()
    }
    return replace(_with_problems(scan, gone, len(images)), strongest=exact, uncertain=uncertain)


def _with_problems(scan: Scan, more: Mapping[int, str], images: int) -> Scan:
    """With more of the images left out, in their order."""
    problems = dict(sorted({**scan.problems, **more}.items()))
    if scan.complete and len(problems) == images:
        raise DataError(
            f"none of the {images} images can be read; the first: {next(iter(problems.values()))}"
        )
    return replace(scan, problems=problems)


def _errors(found: Strongest, images: NDArray[np.int64], maxima: NDArray[np.float32]) -> NDArray[np.float64]:
    """(C) how far a unit's candidates in these images are from the truth, at most."""
    order = np.argsort(images)
    at = order[np.searchsorted(images, found.images, sorter=order).clip(max=len(images) - 1)]
    here = images[at] == found.images
    # of several places of one image the strongest is its maximum; candidates are sorted by strength
    first = here.copy()
    for k in range(1, found.images.shape[1]):
        first[:, k] &= (found.images[:, :k] != found.images[:, k : k + 1]).all(1)
    truth = maxima[at, np.arange(len(at))[:, None]]
    with np.errstate(invalid="ignore"):
        off = np.abs(found.values.astype(np.float64) - truth)
    worst: NDArray[np.float64] = np.where(first, off, 0.0).max(1, initial=0.0)
    return worst


def _uncertain(found: Strongest, exact: Strongest, errors: NDArray[np.float64], gone: Sequence[int]) -> int:
    """For how many units an image that was not kept, or is gone, could belong to the strongest."""
    scale = np.abs(np.where(np.isfinite(exact.values), exact.values, 0)).max(1).astype(np.float64)
    share = np.divide(errors, scale, out=np.zeros_like(errors), where=scale > 0).max(initial=0.0)
    bound = np.maximum(share * scale, errors)
    more = found.images[:, -1] != NO_IMAGE  # else every image is a candidate
    close = more & (found.values[:, -1] + bound >= exact.values[:, -1])
    return int((close | np.isin(found.images, gone).any(1)).sum())
