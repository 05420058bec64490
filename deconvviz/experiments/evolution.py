"""How features evolve in training: what excites a unit most, epoch by epoch.

    found = evolution(snapshots_of("runs/mini"), data.train, ["conv5"], [3, 7, 12])["conv5"]
    found.stages[-1].pixels      # (3, 3, 64, 64): the units' projections at the last snapshot

At each snapshot every training image is shown to the network. The image that excites a unit most is taken,
and that one activation is projected back to pixels. A sudden change of the picture from one epoch to the
next means that another image has become the strongest. The images are shown as they are, without the
crops and flips of training.

A unit that no image excites is dead at that epoch: it has no projection. The strongest activation of a unit
says nothing about its usual ones, and activations of different epochs are not on one scale.

Source: Zeiler & Fergus 2013, sec. 4.1 and fig. 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..data.datasets import LabelledImages
from ..deconvnet import Projection, Rules, Unit, project_trace, record
from ..errors import TrainingError, UnitError
from ..gradients.projection import has_mirror, project_by_autograd
from ..models import Network
from ..models.features import features_of, frozen
from ..training.snapshots import Snapshot
from .scanning import Peaks, peaks_of, seen

DRAWN = 6
"""How many units are drawn where none are named."""
_TOGETHER = 8  # images of one pass when projecting, which keeps more of it


@dataclass(frozen=True)
class Stage:
    """K units after one epoch, each in the training image that excites it most; tensors on the CPU.

    Attributes:
        epoch: counted from 1.
        accuracy: of the network, top-1 over its validation images, in [0, 1].
        rows: of the image of each unit, in the data set.
        places: row and column of each activation in its feature map; None in a vector.
        activations: (K,) their values; a unit is dead where that is not positive.
        pixels: (K, 3, H, W) the projections, signed; all zero for dead units.
        pictures: (K, 3, H, W) in [0, 1], the images as the network saw them.
        windows: (K, 4) top, left, height, width of the receptive windows, clipped to the image.
        uncut: (K, 4) the same before clipping.
        winners: (C,) int64, of all the layer's units: the row of the strongest image; -1 of a dead unit.
        engine: ``mirror`` or ``autograd``: what made the projections.
    """

    epoch: int
    accuracy: float
    rows: tuple[int, ...]
    places: tuple[tuple[int | None, int | None], ...]
    activations: Tensor
    pixels: Tensor
    pictures: Tensor
    windows: Tensor
    uncut: Tensor
    winners: Tensor
    engine: str

    @property
    def dead(self) -> int:
        """How many of all the layer's units no image excites."""
        return int((self.winners < 0).sum())


@dataclass(frozen=True)
class Evolution:
    """Units of one layer over the epochs.

    Attributes:
        layer: its name.
        units: the K channels.
        images: how many training images were looked at.
        stages: one an epoch, first epoch first.
    """

    layer: str
    units: tuple[int, ...]
    images: int
    stages: tuple[Stage, ...]

    def stays(self, epoch: int, unit: int) -> bool:
        """Whether a unit's strongest image is the one of the snapshot before.

        Args:
            epoch: number of the stage, from 0.
            unit: its number among those shown, from 0.
        """
        if epoch == 0:
            return False
        now, before = self.stages[epoch], self.stages[epoch - 1]
        alive = bool(now.activations[unit] > 0) and bool(before.activations[unit] > 0)
        return alive and now.rows[unit] == before.rows[unit]

    @property
    def count(self) -> int:
        """How many units the layer has."""
        return len(self.stages[0].winners)

    def staying(self) -> tuple[float, ...]:
        """At each stage but the first: of all units alive then, the share whose strongest image is as before.

        Returns:
            E - 1 shares in [0, 1]; NaN where none is alive.
        """
        rows = [stage.winners for stage in self.stages]
        return tuple(float((now == before)[now >= 0].double().mean()) for before, now in pairwise(rows))


def evolution(
    snapshots: Sequence[Snapshot],
    images: LabelledImages,
    layers: Sequence[str],
    units: Sequence[int] | None = None,
    *,
    most: int | None = None,
    seed: int = 0,
    rules: Rules = Rules(),  # noqa: B008  # frozen
    batch_size: int = 64,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> dict[str, Evolution]:
    """Finds and projects the strongest activation of each unit after each epoch.

    Args:
        snapshots: of one run, first epoch first; see `snapshots_of`.
        images: the training images.
        layers: one or several; they share the passes.
        units: channels, the same of each layer; None draws six of those that are alive at the last
            snapshot.
        most: look at so many of the images only; None at all.
        seed: draws the units, and the images where there are more than `most`.
        rules: of the projection.
        batch_size: images a pass.
        device: where to compute.
        progress: show a progress bar.

    Returns:
        by layer, in the order given.

    Raises:
        UnitError: a unit does not exist, or all of the layer are dead and none can be drawn.
        LayerError: there is no such layer, or it has no units.
        WeightsError: a snapshot is damaged.
        TrainingError: there is no snapshot, or no image.

    Example:
        >>> from deconvviz import open_data
        >>> from deconvviz.models.embedded import embedded_weights
        >>> data = open_data("dead-leaves", train_per_class=1, val_per_class=1, side=64, progress=False)
        >>> twice = [Snapshot(epoch, embedded_weights(), 0.58) for epoch in (1, 2)]
        >>> found = evolution(twice, data.train, ["conv1"], [3, 5], progress=False)["conv1"]
        >>> found.stages[1].pixels.shape, found.stays(1, unit=0)
        (torch.Size([2, 3, 64, 64]), True)
    """
    if not (snapshots and len(images) and (most is None or most > 0)):
        raise TrainingError("evolution wants at least one snapshot and one image")
    layers = tuple(dict.fromkeys(layers))
    chosen = {layer: tuple(units) for layer in layers} if units else {}
    images = _drawn_images(images, most, seed)
    stages: dict[str, list[Stage]] = {layer: [] for layer in layers}
    with tqdm(total=len(snapshots) * len(images), unit="img", unit_scale=True, disable=not progress) as bar:
        for snapshot in reversed(snapshots):  # the last epoch's network says which units are alive
            network = snapshot.network()
            network.move_to(torch.device(device))
            if snapshot is snapshots[-1]:
                _check(network, layers, images, units or ())
            bar.set_description(f"epoch {snapshot.epoch}")
            found = peaks_of(network, layers, images, batch_size=batch_size, advance=bar.update)
            for layer in layers:
                if layer not in chosen:
                    chosen[layer] = _drawn_units(found[layer], layer, seed)
                stages[layer].append(
                    _stage(snapshot, network, layer, chosen[layer], found[layer], images, rules)
                )
    return {
        layer: Evolution(layer, chosen[layer], len(images), tuple(reversed(stages[layer])))
        for layer in layers
    }


def _drawn_images(images: LabelledImages, most: int | None, seed: int) -> LabelledImages:
    """At most so many of the images, in their old order."""
    if most is None or most >= len(images):
        return images
    rows = np.random.default_rng([seed, 0]).choice(images.rows, most, replace=False)
    return replace(images, rows=np.sort(rows))


def _drawn_units(peaks: Peaks, layer: str, seed: int) -> tuple[int, ...]:
    alive = torch.nonzero(peaks.values > 0).flatten().tolist()
    if not alive:
        raise UnitError(f"no unit of {layer} fires at the last snapshot for any of these images; name units")
    drawn = np.random.default_rng([seed, 1]).choice(alive, min(DRAWN, len(alive)), replace=False)
    return tuple(sorted(drawn.tolist()))


def _check(network: Network, layers: Sequence[str], images: LabelledImages, units: Sequence[int]) -> None:
    """Makes sure, by one image, that there are such layers and units, before all images are looked at."""
    paths = {layer: network.path_of(layer) for layer in layers}
    one = seen(network, torch.from_numpy(images.pixels[images.rows[:1]]))
    with frozen(network.module), torch.inference_mode():
        found = features_of(network.module, one, paths)
    for layer, features in found.items():
        count = features.shape[1]
        for unit in units:
            if not 0 <= unit < count:
                raise UnitError(f"no unit {unit} in {layer}: it has {count} units, 0 to {count - 1}")


def _stage(
    snapshot: Snapshot,
    network: Network,
    layer: str,
    channels: Sequence[int],
    peaks: Peaks,
    images: LabelledImages,
    rules: Rules,
) -> Stage:
    """The projections of some units after one epoch."""
    rows = [int(peaks.rows[c]) for c in channels]
    places = [peaks.place(c) for c in channels]
    parts: list[Projection] = []
    pictures: list[Tensor] = []
    engine = "mirror"
    for i in range(0, len(channels), _TOGETHER):
        batch = seen(network, torch.from_numpy(images.pixels[rows[i : i + _TOGETHER]]))
        some = zip(channels[i : i + _TOGETHER], places[i : i + _TOGETHER], strict=True)
        units = [Unit(layer, c, *place, image=k) for k, (c, place) in enumerate(some)]
        trace = record(network, batch, [layer], masks=rules.rectification.masks)
        if has_mirror(trace, layer, rules):
            parts.append(project_trace(trace, units, rules=rules))
        else:
            engine = "autograd"
            parts.append(project_by_autograd(network, batch, units, rules=rules))
        pictures.append(network.pixels(batch).cpu())
    activations = torch.cat([part.activations for part in parts]).cpu()
    alive = (activations > 0)[:, None, None, None]
    return Stage(
        epoch=snapshot.epoch,
        accuracy=snapshot.accuracy,
        rows=tuple(rows),
        places=tuple(places),
        activations=activations,
        pixels=torch.cat([part.pixels for part in parts]).cpu() * alive,
        pictures=torch.cat(pictures),
        windows=torch.cat([part.windows for part in parts]).cpu(),
        uncut=torch.cat([part.uncut for part in parts]).cpu(),
        winners=torch.where(peaks.values > 0, peaks.rows, -1).cpu(),
        engine=engine,
    )
