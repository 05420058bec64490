"""What makes the map fire that ``deconvviz occlude`` follows: in its own picture, and in others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor
from tqdm import tqdm

from deconvviz.data.folders import SUFFIXES
from deconvviz.data.images import Photo, open_photo
from deconvviz.deconvnet import Projection, Rules, Unit, project_trace, record
from deconvviz.errors import ImageError
from deconvviz.figures.occlusion import Firing
from deconvviz.figures.parts import tile_pairs
from deconvviz.gradients.projection import has_mirror, project_by_autograd
from deconvviz.models.features import features_of, frozen

from .session import Session

SHOWN = 3
"""In how many other pictures a map is shown."""
_TOLD = 5  # of the pictures that cannot be read


@dataclass(frozen=True)
class Shown:
    """A map in one picture, from its strongest place back to pixels.

    Attributes:
        photo: the picture.
        projection: of one unit.
        engine: ``mirror`` or ``autograd``: what made it.
        firing: the same as tiles.
    """

    photo: Photo
    projection: Projection
    engine: str
    firing: Firing

    @property
    def facts(self) -> dict[str, Any]:
        """What a manifest tells of it."""
        unit = self.projection.units[0]
        return {
            "name": self.photo.name,
            "sha256": self.photo.sha256,
            "activation": self.firing.activation,
            "row": unit.row,
            "column": unit.column,
            "window": self.projection.windows[0].tolist(),
            "engine": self.engine,
        }


def firing_of(session: Session, photo: Photo, batch: Tensor, layer: str, channel: int) -> Shown:
    """Projects a map from its strongest place in one picture."""
    network, units = session.network, [Unit(layer, channel)]
    trace = record(network, batch, [layer], masks=False)
    if has_mirror(trace, layer, Rules()):
        engine, projection = "mirror", project_trace(trace, units)
    else:
        engine, projection = "autograd", project_by_autograd(network, batch, units)
    (patch, drawn), *_ = tile_pairs(network.pixels(batch)[0], projection, "each")[0]
    firing = Firing(photo.name, projection.units[0], projection.activations[0].item(), patch, drawn)
    return Shown(photo, projection, engine, firing)


@dataclass
class Others:
    """Other pictures, looked through once.

    Attributes:
        session: the network.
        places: picture files, and folders of them.
        quiet: no bar and no notes on stderr.
    """

    session: Session
    places: Sequence[Path]
    quiet: bool
    _paths: list[Path] = field(default_factory=list, init=False)
    _seen: list[tuple[Path, str, Tensor]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        for place in self.places:
            inside = [place] if not place.is_dir() else _pictures_in(place)
            if not place.exists():
                raise ImageError(f"--others {place} does not exist")
            if not inside:
                raise ImageError(f"--others {place} has no pictures in it")
            self._paths += inside

    def strongest(self, layer: str, channel: int, but: str) -> list[Shown]:
        """The map in the pictures in which it fires most, up to three.

        Args:
            layer: the same in every call.
            channel: the map.
            but: sha256 of the picture that is not another one.
        """
        if not self.places:
            return []
        if self._seen is None:
            self._seen = self._looked_through(layer)
        different = {sha256: (peaks, path) for path, sha256, peaks in reversed(self._seen) if sha256 != but}
        firing = [
            (peaks[channel].item(), path)
            for peaks, path in reversed(different.values())
            if peaks[channel] > 0
        ]
        if not firing and not self.quiet:
            why = f"unit {channel} of {layer} fires in none of the other pictures"
            click.echo(
                f"note: {why if different else '--others names no other picture that can be read'}", err=True
            )
        best = sorted(firing, key=lambda row: -row[0])[:SHOWN]
        shown = []
        for _, path in best:
            photo = open_photo(path)
            batch = self.session.see(photo.image)
            shown.append(firing_of(self.session, photo, batch, layer, channel))
        return shown

    def _looked_through(self, layer: str) -> list[tuple[Path, str, Tensor]]:
        """Each picture that can be read, its sha256, and how strongly each map of the layer fires in it."""
        network, bad = self.session.network, list[str]()
        seen: list[tuple[Path, str, Tensor]] = []
        paths = {layer: network.path_of(layer)}
        with frozen(network.module), torch.inference_mode():
            for path in tqdm(self._paths, desc="others", unit="img", disable=self.quiet):
                try:
                    photo = open_photo(path)
                except ImageError as error:
                    bad.append(f"note: skipped: {error}")
                    continue
                features = features_of(network.module, self.session.see(photo.image), paths)[layer][0]
                seen.append((path, photo.sha256, features.reshape(len(features), -1).amax(1).cpu()))
        if len(bad) > _TOLD:
            bad[_TOLD:] = [f"note: {len(bad)} of {len(self._paths)} other pictures could not be read"]
        for line in [] if self.quiet else bad:
            click.echo(line, err=True)
        return seen


def _pictures_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
