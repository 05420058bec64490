"""The projections that are compared: of the strongest activation, of its map, of the layer; three rules.

Each is what ``deconvviz project --topk 1`` makes of an image, by the mirror where the network has one and by
automatic differentiation elsewhere. One recorded pass serves them all; its time is part of each one's.

Source: Zeiler & Fergus 2013, sec. 2.1; Springenberg et al. 2014, sec. 3.4; Simonyan et al. 2013, sec. 3.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from ..deconvnet import Rectification, Rules, Trace, project_trace, record, strongest
from ..gradients.projection import has_mirror, project_by_autograd
from ..models import Network
from .made import Made, nothing
from .timing import Stopwatch

PROJECTIONS: dict[str, tuple[Rules, Literal["strongest", "map", "layer"]]] = {
    "strongest": (Rules(), "strongest"),
    "map": (Rules(), "map"),
    "layer": (Rules(), "layer"),
    "guided": (Rules.customary(Rectification.GUIDED), "strongest"),
    "gradient": (Rules.customary(Rectification.GRADIENT), "strongest"),
}
"""By method: the rules of the way down, and what it starts from."""


@dataclass(frozen=True)
class Recorded:
    """A pass of a batch up to one layer.

    Attributes:
        network: that was passed.
        images: (N, 3, H, W), the batch.
        layer: the layer's name.
        trace: of the pass.
        seconds: that it took.
    """

    network: Network
    images: Tensor
    layer: str
    trace: Trace
    seconds: float

    @property
    def features(self) -> Tensor:
        """(N, C, H, W) or (N, C) of the layer."""
        return self.trace.features(self.layer)


def recorded(network: Network, images: Tensor, layer: str, methods: Collection[str]) -> Recorded:
    """A pass that keeps what these methods' projections need.

    Args:
        network: a network.
        images: (N, 3, H, W), normalised as it expects, on its device.
        layer: where the pass ends.
        methods: names of methods, also of such as do not project.

    Raises:
        DeconvvizError: see `deconvviz.record`.
    """
    rules = [PROJECTIONS[name][0] for name in methods if name in PROJECTIONS]
    masks = any(rule.rectification.masks for rule in rules)
    with Stopwatch(images.device) as watch:
        trace = record(network, images, [layer], masks=masks, inputs="gradient" in methods)
    return Recorded(network, images, layer, trace, watch.seconds)


def projected(passed: Recorded, method: str) -> Made:
    """One method's projections, one of each image of a recorded batch.

    Args:
        passed: the pass; it kept what the method needs.
        method: one of `PROJECTIONS`.

    Raises:
        DeconvvizError: the network cannot be gone down from the layer.
    """
    rules, source = PROJECTIONS[method]
    features, count = passed.features, len(passed.images)
    if source == "map" and features.ndim == 2:
        return nothing(count, "a vector has no maps")
    fires = (features.flatten(1).amax(1) > 0).tolist()
    rows = [row for row, positive in enumerate(fires) if positive]
    silent = {row: "no positive activation" for row, positive in enumerate(fires) if not positive}
    if not rows:
        return Made(missing=silent)
    with Stopwatch(passed.images.device) as watch:
        units = [unit for unit in strongest(passed.trace, passed.layer, 1) if fires[unit.image]]
        if has_mirror(passed.trace, passed.layer, rules):
            found = project_trace(passed.trace, units, rules=rules, source=source)
        else:
            found = project_by_autograd(passed.network, passed.images, units, rules=rules, source=source)
    whole = source == "layer"
    return Made(
        rows=rows,
        signals=found.pixels,
        pictures=passed.network.pixels(found.pixels),
        units=() if whole else [replace(unit, image=0) for unit in found.units],
        activations=() if whole else found.activations.tolist(),
        seconds=passed.seconds / count + watch.seconds / len(rows),
        missing=silent,
    )
