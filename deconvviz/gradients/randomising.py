"""The sanity check of projections: do they change when the network forgets what it learnt?

    found = randomise(network, images, Unit("conv5", 42))
    found.steps                                 # ("trained", "conv5", "conv4", "conv3", "conv2", "conv1")
    found.courses["guided"].rank_correlation    # (6,): 1, then how alike each map still is

The weights are replaced by random ones from the top down, one layer more at each step, and the same unit is
projected at each. A map that hardly changes shows the image and the architecture rather than what the
network has learnt; one that changes need not be a good explanation.

Torch's initialisation of convolutions lets activations shrink from layer to layer, and half of all units are
off in a random network. Therefore every projection starts from one and not from the activation, and from the
unit's value before the rectifier that closes its layer, as it is usual to start from class scores before the
softmax. To a unit that is on in the trained network that makes no difference. Where no module does the
rectifying (`F.relu`), or a pool follows it, a unit may be off at a step: then it has no guided map and no
gradient there. A unit of one of several branches that are joined depends on its own branch alone.

Source: Adebayo et al. 2018, "Sanity Checks for Saliency Maps", arXiv 1810.03292: cascading randomisation.
They looked at the gradient and guided backpropagation among others, not at the deconvnet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..deconvnet import (
    Projection,
    Record,
    Rectification,
    Rules,
    Unit,
    project_trace,
    record,
)
from ..deconvnet.projection import seeds
from ..deconvnet.units import activations_of, placed
from ..errors import LayerError
from ..metrics import rank_correlation, ssim
from ..models import Network
from ..models.network import layer_path, split
from ..tiles import signed_scale
from .cascade import cascade, copied, stages
from .descent import descend
from .fields import seen_by
from .projection import has_mirror


@dataclass(frozen=True)
class Course:
    """What becomes of one rule's map.

    The maps are compared inside the unit's receptive window alone: outside it all are zero. NaN stands where
    a map has no signal at all.

    Attributes:
        projection: of the same unit at each step: pixels are (S, 3, H, W), `activations` the values from
            which a projection of that step could have started, before the closing rectifier.
        rank_correlation: (S,) with the trained network's map: Spearman's, of the magnitudes, of which a
            pixel's is the largest among its three channels.
        signed_rank_correlation: (S,) the same of all three channels' signed values.
        ssim: (S,) structural similarity of the magnitudes, each map's taken to [0, 1] by the percentile that
            tiles are drawn with; NaN throughout where the window is smaller than 11 pixels.
    """

    projection: Projection
    rank_correlation: Tensor
    signed_rank_correlation: Tensor
    ssim: Tensor


@dataclass(frozen=True)
class Randomised:
    """A unit's maps while the network is randomised from the top down.

    Attributes:
        unit: with its place, by the trained network.
        activation: its value there.
        steps: ``trained``, then the layer or block that is random too from that step on: S names.
        modules: the dotted paths of the modules that each step randomises; none at the first.
        courses: by rule: ``deconvnet``, ``guided``, ``gradient``.
        engine: ``mirror`` for chains, ``autograd`` for other networks.
    """

    unit: Unit
    activation: float
    steps: tuple[str, ...]
    modules: tuple[tuple[str, ...], ...]
    courses: dict[str, Course]
    engine: str


def randomise(
    model: nn.Module | Network,
    images: Tensor,
    unit: Unit,
    *,
    rules: Sequence[Rectification] = (
        Rectification.DECONVNET,
        Rectification.GUIDED,
        Rectification.GRADIENT,
    ),
    seed: int = 0,
) -> Randomised:
    """Projects one unit of one image while a copy of the network is randomised from the unit's layer down.

    Layers are those that the pass calls up to the unit's, in reversed order of their calls; of networks with
    more than 20 of them whole blocks are randomised at once, see `cascade.stages`.

    Args:
        model: a `Network`, or any module; it is never touched, only copied up to the unit's layer.
        images: (N, 3, H, W), normalised as the network expects.
        unit: left without a place it has the strongest of its map in the trained network.
        rules: of the rectifiers, a map for each. The gradient passes contrast normalisation by its exact
            transpose, the other two pass it unchanged.
        seed: draws the random weights; the caller's random state is left as it was.

    Raises:
        UnitError: the unit does not exist.
        LayerError: the layer does not exist, or nothing up to it has weights.
        WeightsError: the layer's weights are missing.
        ModelError: the network cannot be copied, or the images do not fit it.
        ChainError: a rule is not defined for this network.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3))
        >>> randomise(net, torch.randn(1, 3, 16, 16), Unit("2", 0)).steps
        ('trained', '2', '0')
    """
    module, names = split(model)
    path = model.path_of(unit.layer) if isinstance(model, Network) else layer_path(module, unit.layer, names)
    trace = record(model, images, [unit.layer], masks=False, inputs=False)
    (unit,) = placed([unit], trace.features(unit.layer))
    calls = trace.down_from(unit.layer)
    steps = stages(module, calls, {p: name for name, p in names.items()})
    if not steps:
        raise LayerError(f"no layer up to '{unit.layer}' has weights to randomise; take a later one")
    random = copied(module, {p for _, paths in steps for p in paths})
    _open(random, calls[0])
    image, alike = images[unit.image : unit.image + 1], replace(unit, layer=path, image=0)
    chain = has_mirror(record(random, image, [path], masks=False), path, Rules())
    boxes = None
    if not chain:
        boxes = seen_by(
            random, path, image.shape, trace.features(unit.layer).shape, [(unit.row, unit.column)]
        )
    found = [
        _seen(random, image, alike, rules, boxes)
        for _ in cascade(random, [paths for _, paths in steps], seed)
    ]
    return Randomised(
        unit=unit,
        activation=float(activations_of([unit], trace.features(unit.layer))),
        steps=("trained", *(name for name, _ in steps)),
        modules=((), *(paths for _, paths in steps)),
        courses={
            rule.value: _compared(_joined(maps, unit))
            for rule, maps in zip(rules, zip(*found, strict=True), strict=True)
        },
        engine="mirror" if chain else "autograd",
    )


def _open(module: nn.Module, last: Record) -> None:
    """Takes the rectifier out whose call closes the unit's layer, in place: it passes all unchanged."""
    if not isinstance(last.module, nn.ReLU | nn.ReLU6):
        return
    path, _, call = last.name.partition(":")
    rectifier = module.get_submodule(path)
    opened = _Opened(rectifier, int(call)) if call else nn.Identity()
    for m in list(module.modules()):
        for name, child in m._modules.items():
            if child is rectifier:
                m._modules[name] = opened


class _Opened(nn.Module):
    """A rectifier that every pass calls so many times, and that passes all unchanged the last time."""

    def __init__(self, rectifier: nn.Module, calls: int) -> None:
        super().__init__()
        self.rectifier, self.calls, self.called = rectifier, calls, 0

    def forward(self, x: Tensor) -> Tensor:
        self.called = self.called % self.calls + 1
        y: Tensor = x if self.called == self.calls else self.rectifier(x)
        return y


def _seen(
    module: nn.Module,
    image: Tensor,
    unit: Unit,
    rules: Sequence[Rectification],
    boxes: tuple[Tensor, Tensor] | None,
) -> list[Projection]:
    """The unit's projection by each rule: by the mirror, or in the windows given by differentiation."""
    wanted = [Rules.customary(rule) for rule in rules]
    if boxes is None:
        trace = record(module, image, [unit.layer])
        return [project_trace(trace, [unit], rules=each, seed="one") for each in wanted]
    found = []
    for each in wanted:
        descent = descend(module, image, [unit.layer], each)
        features = descent.features[unit.layer]
        signal, windows = seeds([unit], features, "one", "strongest")
        pixels = descent.pixels(unit.layer, windows.paste(signal) if features.ndim == 4 else signal)
        found.append(Projection(pixels, (unit,), activations_of([unit], features), *boxes))
    return found


def _joined(steps: Sequence[Projection], unit: Unit) -> Projection:
    """The projections of one unit at several steps as one of as many units."""
    return Projection(
        pixels=torch.cat([step.pixels for step in steps]),
        units=(unit,) * len(steps),
        activations=torch.cat([step.activations for step in steps]),
        windows=steps[0].windows.repeat(len(steps), 1),
        uncut=steps[0].uncut.repeat(len(steps), 1),
    )


def _compared(projection: Projection) -> Course:
    """Each step's map beside the first one."""
    top, left, height, width = projection.windows[0].tolist()
    maps = projection.pixels[..., top : top + height, left : left + width].detach().float().cpu()
    scales = torch.tensor([signed_scale([pixels.numpy()]) for pixels in maps])[:, None, None, None]
    sizes = maps.abs().amax(1, keepdim=True)
    shades = (sizes / scales).clamp_max(1)
    structural = ssim(shades[:1].expand_as(shades), shades)
    structural[~maps.flatten(1).any(1)] = torch.nan
    return Course(
        projection=projection,
        rank_correlation=rank_correlation(sizes[:1].expand_as(sizes), sizes),
        signed_rank_correlation=rank_correlation(maps[:1].expand_as(maps), maps),
        ssim=structural,
    )
