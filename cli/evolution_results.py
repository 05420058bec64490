"""What ``deconvviz evolution`` leaves behind: units over the epochs, and how layers settled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from deconvviz.data.datasets import DataSet
from deconvviz.experiments.evolution import Evolution, Stage
from deconvviz.experiments.settling import MEASURES, Settling, settling
from deconvviz.figures import evolution_figure, save_figure, settling_figure
from deconvviz.figures.evolution import evolution_tiles
from deconvviz.figures.parts import save_tile
from deconvviz.models import Network
from deconvviz.runs import manifest, sha256_later, short_form, write_arrays, write_json
from deconvviz.training.snapshots import Snapshot


@dataclass(frozen=True)
class Followed:
    """A run whose snapshots are looked at.

    Attributes:
        run: its folder, as it was named.
        snapshots: first epoch first.
        network: as it was after the last of them.
        data: what it was trained on.
        settings: device, seed and rule.
        named: whether the units were named.
    """

    run: Path
    snapshots: Sequence[Snapshot]
    network: Network
    data: DataSet
    settings: dict[str, Any]
    named: bool
    _digests: list[Future[str]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._digests.extend(sha256_later(snapshot.path) for snapshot in self.snapshots)

    @property
    def name(self) -> str:
        """The run's, for titles and files."""
        return self.run.resolve().name

    def manifest(self, **facts: Any) -> dict[str, Any]:
        """A manifest of these facts and the run's own."""
        snapshots = [
            {
                "epoch": snapshot.epoch,
                "file": str(snapshot.path),
                "sha256": digest.result(),
                "val_top1": snapshot.accuracy,
            }
            for snapshot, digest in zip(self.snapshots, self._digests, strict=True)
        ]
        return manifest(
            model=self.network.name,
            weights={"label": f"{self.name}/snapshots", "file": str(self.run)},
            snapshots=snapshots,
            input_size=self.network.input_size,
            **self.settings,
            **facts,
        )


@dataclass(frozen=True)
class EvolutionResults:
    """Units of a layer over the epochs, and all that is said about them.

    Attributes:
        followed: the run.
        found: the units.
    """

    followed: Followed
    found: Evolution

    def figure(self, path: Path) -> Path:
        """Draws and writes the figure."""
        found, followed = self.found, self.followed
        seed = followed.settings["seed"]
        what = f"{len(found.units)} units" if len(found.units) > 1 else f"unit {found.units[0]}"
        how = "chosen" if followed.named else f"drawn from those alive at the last epoch (seed {seed})"
        few = "all" if found.images == len(followed.data.train) else f"{found.images} drawn of"
        images = f"{few} {len(followed.data.train)} training images of {Path(followed.data.name).name}"
        dead = [stage.dead for stage in found.stages]
        told = f"{', '.join(map(str, dead))} are" if any(dead) else "none is"
        stays = ", ".join(f"{100 * share:.0f}" for share in found.staying())
        all_units = f"of all {found.count} units {told} dead at these epochs"
        if stays:
            all_units += f", and {stays} % have the strongest image of the snapshot before"
        rule = f"{followed.settings['rule']} rule by {self._engine}"
        drawn = evolution_figure(
            found,
            title=f"{followed.name}: {what} of {found.layer} during training",
            caption=f"{followed.network.name}, {rule}; units {how}; {images}, without the crops and flips of "
            f"training; {all_units}; top-1 on the validation images",
            names=self._names,
            classes=[[self._class(row) for row in stage.rows] for stage in found.stages],
        )
        return save_figure(drawn, path, self._short_form)

    def arrays(self, path: Path) -> Path:
        """Writes the numbers, E epochs and K units first; the pictures are those that the network saw."""
        stages = self.found.stages

        def whole(values: list[list[int | None]]) -> Any:
            return np.array([[-1 if v is None else v for v in row] for row in values], dtype=np.int64)

        return write_arrays(
            path,
            epoch=np.array([stage.epoch for stage in stages], dtype=np.int64),
            channel=np.array(self.found.units, dtype=np.int64),
            activation=np.stack([stage.activations.float().numpy() for stage in stages]),
            pixels=np.stack([stage.pixels.float().numpy() for stage in stages]),
            picture=np.stack([stage.pictures.float().numpy() for stage in stages]),
            image=np.array([[self._image(row) for row in stage.rows] for stage in stages]),
            row=whole([[row for row, _ in stage.places] for stage in stages]),
            column=whole([[column for _, column in stage.places] for stage in stages]),
            window=np.stack([stage.windows.numpy() for stage in stages]),
            dead=np.array([stage.dead for stage in stages], dtype=np.int64),
        )

    def parts(self, folder: Path) -> list[Path]:
        """Writes every patch and projection as its own picture; a dead unit has none."""
        written = []
        for stage in self.found.stages:
            for k, unit in enumerate(self.found.units):
                if stage.activations[k] > 0:
                    stem = f"unit_{unit:04d}_epoch_{stage.epoch:04d}"
                    patch, drawn = evolution_tiles(stage, k)
                    for name, tile in (("patch", patch), ("projection", drawn)):
                        written.append(save_tile(tile, folder / f"{stem}_{name}.png", self._short_form))
        return written

    def manifest(self, path: Path) -> Path:
        """Writes what made the result."""
        units = [
            {
                "channel": unit,
                **({"class": self._names[k]} if self._names[k] else {}),
                "epochs": [self._told(stage, k) for stage in self.found.stages],
            }
            for k, unit in enumerate(self.found.units)
        ]
        return write_json(path, {**self._facts, "units": units})

    def _told(self, stage: Stage, k: int) -> dict[str, Any]:
        row, column = stage.places[k]
        return {
            "epoch": stage.epoch,
            "activation": stage.activations[k].item(),
            "dead": not bool(stage.activations[k] > 0),
            "image": self._image(stage.rows[k]),
            "image_class": self._class(stage.rows[k]),
            "row": row,
            "column": column,
            "window": stage.windows[k].tolist(),
        }

    def _image(self, row: int) -> str:
        return self.followed.data.train.names[row]

    def _class(self, row: int) -> str:
        return self.followed.data.titles[int(self.followed.data.train.labels[row])]

    @property
    def _engine(self) -> str:
        return {"mirror": "the mirror", "autograd": "autograd"}[self.found.stages[-1].engine]

    @cached_property
    def _facts(self) -> dict[str, Any]:
        found, followed = self.found, self.followed
        return followed.manifest(
            layer=found.layer,
            module=followed.network.path_of(found.layer),
            data=followed.data.facts,
            images_looked_at=found.images,
            engine=found.stages[-1].engine,
            chosen_by="units" if followed.named else "drawn",
            units_of_layer=found.count,
            dead_units=[stage.dead for stage in found.stages],
            same_strongest_image=[round(s, 4) if math.isfinite(s) else None for s in found.staying()],
        )

    @cached_property
    def _short_form(self) -> dict[str, str]:
        return short_form(self._facts)

    @cached_property
    def _names(self) -> list[str]:
        return self.followed.network.class_names(self.found.layer, self.found.units)


def write_settling(followed: Followed, path: Path, within: float) -> list[Path]:
    """Draws and writes how the layers of a run settled, and the numbers beside it.

    Args:
        followed: the run; of at least two snapshots.
        path: of the figure.
        within: degrees below which a layer counts as settled.
    """
    found = settling(followed.snapshots)
    facts = followed.manifest(within=within, layers=_layers(found, within))
    figure = settling_figure(
        found,
        within=within,
        title=f"{followed.name}: when each layer stopped changing",
        caption=f"{followed.network.name}, filters as the network applies them.",
    )
    return [save_figure(figure, path, short_form(facts)), write_json(path.with_suffix(".json"), facts)]


def _layers(found: Settling, within: float) -> list[dict[str, Any]]:
    """Each layer's distances by measure, in the order of the snapshots."""

    def plain(values: Any) -> list[float | None]:
        return [round(v, 6) if math.isfinite(v) else None for v in values.tolist()]

    return [
        {
            "layer": layer,
            "filters": found.filters[i],
            "settled_at_epoch": epoch,
            "to_last": {name: plain(found.to_last[name][i]) for name in MEASURES},
            "to_the_one_before": {name: plain(found.between[name][i]) for name in MEASURES},
        }
        for i, (layer, epoch) in enumerate(zip(found.layers, found.settled(within), strict=True))
    ]
