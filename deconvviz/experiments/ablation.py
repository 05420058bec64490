"""Ablation: how much of a projection comes from mask, switches and backward ReLU, each without the others.

    found = ablate(network, images, strongest(trace, "conv5", 1))
    found.given.pixels["FTF"]               # (K, 3, H, W): the switches alone
    found.given.explained["FTF"]            # (K,) share of the image's variance that this picture explains
    [each.explained["FTF"] for each in found.random]       # the same in networks of random weights

Every unit is projected in each of eight ways (sixteen where contrast normalisation is both passed and
transposed), in the network as it is and in copies with random weights. What a network that has learnt nothing
draws as well is due to the image, through switches and masks, and to the architecture.

Four numbers stand beside each picture, all within the unit's receptive window:

- *explained*: the share of the image's variance that the best affine fit of the picture explains, with a
  scale and a shift a channel. A projection shows edges and no areas, so this is small at best: it compares
  pictures, and FFF, which knows nothing of the image, shows what chance gives.
- *detail*: the same of the image's detail, that is of edges and textures (see `detail`).
- *correlation* with the same network's full deconvnet projection (FTT), over all pixels and channels.
- *rank correlation* with it: whether the two order pixels alike, whatever their scale.

A network of random weights has no counterpart of a unit: its channels mean nothing. By default its strongest
channel at the same place stands for it, so that both see the same window and both are on.

Source: Mahendran & Vedaldi 2016, "Salient Deconvolutional Networks". The numbers are this project's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from ..deconvnet import Rules, Trace, Unit, record
from ..deconvnet.units import placed, strongest_units
from ..errors import LayerError, UnitError
from ..gradients.projection import has_mirror
from ..models import Network
from ..models.network import layer_path, split
from .combinations import COMBINATIONS, Combination
from .detail import detail
from .random_weights import with_random_weights
from .ways_down import Ablated, Source, WaysDown


@dataclass(frozen=True)
class Ablation:
    """What the network as it is, and networks of random weights, make of the same places.

    Attributes:
        combinations: in the order of columns.
        given: by the network as it is.
        random: by each network of random weights; the pixels of the first alone are kept.
        source: what was projected: ``strongest``, ``map`` or ``layer``.
        lrn: the network has contrast normalisation below the layer.
        engine: ``mirror`` for chains, ``autograd`` for other networks.
    """

    combinations: tuple[Combination, ...]
    given: Ablated
    random: tuple[Ablated, ...]
    source: Source
    lrn: bool
    engine: str


def ablate(
    model: nn.Module | Network,
    images: Tensor,
    units: Sequence[Unit],
    *,
    combinations: Sequence[Combination] = COMBINATIONS,
    source: Source = "strongest",
    draws: int = 0,
    initialisation: str = "gaussian",
    random_unit: Literal["place", "same", "own"] = "place",
    seed: int = 0,
    advance: Callable[[int], object] = lambda networks: None,
) -> Ablation:
    """Projects units of one layer in every way, by the network and by copies with random weights.

    Args:
        model: a `Network`, or any module; it is left as it was.
        images: (N, 3, H, W), normalised as the network expects.
        units: units of one layer; one without a place means its map's strongest place.
        combinations: the ways.
        source: ``strongest`` starts from a one at the unit; ``map`` from the values of its whole feature map,
            ``layer`` from those of the whole layer.
        draws: how many networks of random weights.
        initialisation: of their weights: ``gaussian`` or ``own``, see `with_random_weights`.
        random_unit: what stands for a unit in such a network: ``place``, its strongest channel at the unit's
            place (the second strongest for a second unit there); ``same``, the same channel and place, which
            is often off; ``own``, its own strongest units.
        seed: draws the weights: the same networks for every image.
        advance: told after each network how many are done since.

    Raises:
        UnitError: no units, units of several layers, or a unit or place that does not exist.
        LayerError: the layer does not exist, or nothing up to it has weights to draw.
        WeightsError: the layer's weights are missing.
        ModelError: the images do not fit the network, or it cannot be copied.
        ChainError: a rule is not defined for this network.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3))
        >>> found = ablate(net, torch.randn(1, 3, 16, 16), [Unit("3", 0)], draws=2)
        >>> found.given.correlation["FTT"].tolist(), len(found.random)
        ([1.0], 2)
    """
    layers = sorted({unit.layer for unit in units})
    if len(layers) != 1:
        raise UnitError(f"units of one layer are projected together; got {', '.join(layers) or 'no units'}")
    module, names = split(model)
    at = model.path_of if isinstance(model, Network) else lambda name: layer_path(module, name, names)
    layer, path = layers[0], at(layers[0])
    seen = model.pixels(images) if isinstance(model, Network) else images
    targets = seen.double(), detail(seen)
    trace = record(module, images, [path])
    chosen = [replace(unit, layer=path) for unit in placed(units, trace.features(path))]
    chain = has_mirror(trace, path, Rules())
    given = WaysDown(module, images, path, trace if chain else None).ablated(
        chosen, combinations, source, targets
    )
    advance(1)
    found = []
    calls = trace.down_from(path)
    for number, start in enumerate(_seeds(seed, draws)):
        random = with_random_weights(module, calls, start, initialisation)
        if random is None:
            raise LayerError(f"no layer up to '{layer}' has weights to draw anew; take a later one")
        other = record(random, images, [path])
        alike = _counterparts(chosen, other.features(path), random_unit)
        one = WaysDown(random, images, path, other if chain else None).ablated(
            alike, combinations, source, targets
        )
        found.append(_named(one if number == 0 else replace(one, pixels={}), layer))
        advance(1)
    return Ablation(
        combinations=tuple(combinations),
        given=_named(given, layer),
        random=tuple(found),
        source=source,
        lrn=normalises(trace, path),
        engine="mirror" if chain else "autograd",
    )


def normalises(trace: Trace, layer: str) -> bool:
    """Whether there is contrast normalisation (LRN) from a recorded layer down."""
    return any(isinstance(call.module, nn.LocalResponseNorm) for call in trace.down_from(layer))


def _seeds(seed: int, draws: int) -> list[int]:
    """One for each network; the first ones are the same however many there are."""
    generator = torch.Generator().manual_seed(seed)
    return [int(torch.randint(2**31, (), generator=generator)) for _ in range(draws)]


def _named(one: Ablated, layer: str) -> Ablated:
    """The same with the layer's name as it was given."""
    return replace(one, units=tuple(replace(unit, layer=layer) for unit in one.units))


def _counterparts(chosen: Sequence[Unit], features: Tensor, random_unit: str) -> list[Unit]:
    """What stands for each unit in a network of random weights."""
    if random_unit == "same":
        return list(chosen)
    found, taken = list[Unit](), dict[tuple[int, int | None, int | None], int]()
    for unit in chosen:
        place = (unit.image, unit.row, unit.column) if random_unit == "place" else (unit.image, None, None)
        rank = taken[place] = taken.get(place, -1) + 1
        of_image = features[unit.image : unit.image + 1]
        if random_unit == "own":
            found.append(replace(strongest_units(of_image, unit.layer, rank + 1)[rank], image=unit.image))
            continue
        values = of_image[0] if unit.row is None else of_image[0, :, unit.row, unit.column]
        order = values.sort(descending=True, stable=True).indices
        found.append(replace(unit, channel=int(order[rank % len(order)])))
    return found
