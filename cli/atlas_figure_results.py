"""What ``deconvviz atlas figure`` leaves behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from deconvviz.atlas.atlas import Atlas
from deconvviz.atlas.rendered import Rendered
from deconvviz.errors import DataError
from deconvviz.figures import AtlasLayer, atlas_figure, save_figure
from deconvviz.runs import short_form, write_json

from .session import Session


@dataclass(frozen=True)
class AtlasFigure:
    """Units of an atlas in pixels, and all that is said about them.

    Attributes:
        session: the network and its facts.
        atlas: the tables.
        rendered: by layer, of each unit its strongest activations.
        chosen: how the units were.
        rule: of rectifiers on the way down.
    """

    session: Session
    atlas: Atlas
    rendered: Mapping[str, Sequence[Sequence[Rendered]]]
    chosen: str
    rule: str

    def figure(self, path: Path) -> Path:
        """Draws and writes the figure."""
        network, facts = self.session.network, self.atlas.manifest
        names = list(self.rendered)
        what = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        per = facts.get("per_image", 1)
        each = "one activation an image" if per == 1 else f"up to {per} activations an image"
        places = ", ".join(Path(place).name for place in facts["images"])
        drawn = atlas_figure(
            [self._layer(layer) for layer in names],
            title=f"{network.name}: what excites units of {what} most",
            caption=f"{network.name}, weights {network.origin.label}, {self.rule} rule; {facts['scanned']} "
            f"images of {places}, {each}; units {self.chosen}",
        )
        return save_figure(drawn, path, short_form(self._facts))

    def manifest(self, path: Path) -> Path:
        """Writes what made the result."""
        units = [
            {
                "layer": layer,
                "channel": unit[0].entry.channel,
                **({"class": name} if name else {}),
                "strongest": [_told(one) for one in unit],
            }
            for layer, rendered in self.rendered.items()
            for unit, name in zip(rendered, self._classes(layer), strict=True)
        ]
        return write_json(path, {**self._facts, "units": units})

    def complain(self) -> None:
        """Says what is not as the atlas has it, if anything is.

        Raises:
            DataError: something is.
        """
        shown = [one for units in self.rendered.values() for unit in units for one in unit]
        wrong = []
        for bad, what in (
            ([one for one in shown if one.gone], "have no image any more"),
            ([one for one in shown if one.differs], "no longer match"),
        ):
            if bad:
                entry = bad[0].entry
                first = f"{entry.layer}, unit {entry.channel}, {entry.image}: {bad[0].problem}"
                wrong.append(f"{len(bad)} of {len(shown)} activations {what} ({first})")
        if wrong:
            raise DataError(f"{'; '.join(wrong)}; the rest is drawn")

    def _layer(self, layer: str) -> AtlasLayer:
        units, told = self.rendered[layer], self.atlas.manifest["layers"][layer]
        maps = f", each a map of {told['map'][0]} x {told['map'][1]}" if told["map"] else ""
        note = f"{len(units)} of {told['units']} units{maps}"
        return AtlasLayer(layer, units, self.session.network.input_size, note, self._classes(layer))

    def _classes(self, layer: str) -> list[str]:
        channels = [unit[0].entry.channel for unit in self.rendered[layer]]
        return self.session.network.class_names(layer, channels)

    @cached_property
    def _facts(self) -> dict[str, Any]:
        facts = self.atlas.manifest
        return self.session.manifest(
            atlas=str(self.atlas.folder),
            images=facts["images"],
            scanned=facts["scanned"],
            layer=", ".join(self.rendered),
            modules={layer: facts["layers"][layer]["path"] for layer in self.rendered},
            rule=self.rule,
            chosen_by=self.chosen,
        )


def _told(one: Rendered) -> dict[str, Any]:
    entry = one.entry
    return {
        "image": entry.image,
        **({"label": entry.label} if entry.label else {}),
        "row": entry.row,
        "column": entry.column,
        "activation": entry.activation,
        "window": list(entry.window),
        **({"problem": one.problem} if one.problem else {}),
    }
