"""An atlas as it lies on the disk, opened for reading.

atlas = open_atlas("ATLAS")
for layer in atlas.layers:
    for entry in atlas.entries(layer, channel=3):
        print(entry.rank, entry.image, entry.activation)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError, LayerError, UnitError, nearest
from .tables import STATISTICS, UNITS

UNITS_FILE = "units.parquet"
STATISTICS_FILE = "statistics.parquet"
IMAGES_FILE = "images.parquet"
MANIFEST_FILE = "manifest.json"
_SAID = {"model": str, "weights": dict, "input_size": int, "images": list, "scanned": int, "layers": dict}
"""What each manifest says."""


@dataclass(frozen=True)
class Entry:
    """One of the strongest activations of a unit.

    Attributes:
        layer: the layer's name.
        channel: the unit's number in it.
        rank: 0 for the strongest.
        image: the image's name in the list of images.
        label: its class; empty where it has none.
        row: in the feature map; None for units of a vector.
        column: likewise.
        activation: the value.
        window: top, left, height, width of the receptive window, clipped to the network's input.
    """

    layer: str
    channel: int
    rank: int
    image: str
    label: str
    row: int | None
    column: int | None
    activation: float
    window: tuple[int, int, int, int]


@dataclass(frozen=True)
class UnitStatistics:
    """What a scan found out about one unit; see `deconvviz.atlas.tables` for each."""

    layer: str
    channel: int
    images: int
    mean: float
    fired: float
    active: float
    strongest: float
    label: str
    purity: float
    histogram: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Atlas:
    """The tables of a finished scan.

    Attributes:
        folder: where it lies.
        manifest: what made it: ``model``, ``weights``, ``parameters_sha256``, ``input_size``,
            ``preprocessing`` (``resize``, ``crop``, ``mean``, ``std``), ``topk``,
            ``per_image``, ``precision``, ``images`` (the places scanned, as they were named), ``scanned`` and
            ``skipped`` (how many), ``layers`` (by name: ``path``, ``units`` and ``map``, the height and width
            of its feature maps, null for vectors).
    """

    folder: Path
    manifest: dict[str, Any]
    _entries: dict[str, list[list[Entry]]]
    _statistics: dict[str, list[UnitStatistics]]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers' names, the network's first first."""
        return tuple(self._statistics)

    def units(self, layer: str) -> int:
        """How many units a layer has.

        Raises:
            LayerError: the atlas has no such layer.
        """
        return len(self.statistics(layer))

    def entries(self, layer: str, channel: int) -> list[Entry]:
        """The strongest activations of one unit, strongest first.

        Raises:
            LayerError: the atlas has no such layer.
            UnitError: the layer has no such unit.
        """
        count = self.units(layer)
        if not 0 <= channel < count:
            raise UnitError(f"no unit {channel} in {layer}: the atlas has {count}, 0 to {count - 1}")
        return self._entries[layer][channel]

    def statistics(self, layer: str) -> list[UnitStatistics]:
        """Of every unit of a layer.

        Raises:
            LayerError: the atlas has no such layer.
        """
        if layer not in self._statistics:
            raise LayerError(f"the atlas has no layer '{layer}'; {nearest(layer, self.layers)}")
        return self._statistics[layer]


def open_atlas(folder: Path | str) -> Atlas:
    """Reads the tables of a finished scan.

    Args:
        folder: of the atlas.

    Raises:
        DataError: there is no atlas, its scan is not finished, or it is damaged.
    """
    folder = Path(folder)
    if not (folder / MANIFEST_FILE).is_file():
        if folder.is_dir() and any(folder.glob("scan-*-*.npz")):
            raise DataError(
                f"{folder} holds an unfinished scan: 'deconvviz atlas scan --resume --out {folder}' goes on "
                "with it"
            )
        raise DataError(f"{folder} is no atlas; 'deconvviz atlas scan IMAGES --out {folder}' makes one")
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        units = _units(manifest)
        statistics = _statistics(pq.read_table(folder / STATISTICS_FILE, schema=STATISTICS), units)
        entries = _entries(pq.read_table(folder / UNITS_FILE, schema=UNITS), units)
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError, pa.ArrowException) as error:
        first = (str(error).splitlines() or [""])[0]
        raise DataError(f"{folder} holds a damaged atlas ({first}); scan it again with --overwrite") from None
    return Atlas(folder, manifest, entries, statistics)


def _units(manifest: Any) -> dict[str, int]:
    """How many units each layer has, after a look at what else the manifest has to say.

    Raises:
        ValueError: something is missing, or of another kind.
    """
    _expect(manifest, "manifest", dict)
    for name, kind in _SAID.items():
        _expect(manifest.get(name), name, kind)
    for layer, facts in manifest["layers"].items():
        _expect(facts, layer, dict)
        for name, kind in (("path", str), ("units", int)):
            _expect(facts.get(name), f"{name} of {layer}", kind)
        size = facts["map"]
        if size is not None and [type(side) for side in size] != [int, int]:
            raise ValueError(f"the map of {layer} is {size}")
    if not all(isinstance(place, str) for place in manifest["images"]):
        raise ValueError("the images are no names")
    return {layer: facts["units"] for layer, facts in manifest["layers"].items()}


def _expect(value: Any, name: str, kind: Any) -> None:
    if not isinstance(value, kind):
        raise ValueError(f"the {name} is {'not there' if value is None else type(value).__name__}")


def _entries(table: pa.Table, units: dict[str, int]) -> dict[str, list[list[Entry]]]:
    """By layer and channel: column by column, since rows as dictionaries would take ten times as long."""
    entries: dict[str, list[list[Entry]]] = {layer: [[] for _ in range(n)] for layer, n in units.items()}
    columns = [table[name].to_pylist() for name in UNITS.names]
    windows = zip(*columns[-4:], strict=True)
    row: Any
    for row in zip(*columns[:-4], windows, strict=True):
        entry = Entry(*row)
        entries[entry.layer][entry.channel].append(entry)
    return entries


def _statistics(table: pa.Table, units: dict[str, int]) -> dict[str, list[UnitStatistics]]:
    statistics: dict[str, list[UnitStatistics]] = {layer: [] for layer in units}
    *columns, histograms = (table[name].to_pylist() for name in STATISTICS.names)
    row: Any
    for row in zip(*columns, map(tuple, histograms), strict=True):
        found = UnitStatistics(*row)
        statistics[found.layer].append(found)
    for layer, count in units.items():
        if len(statistics[layer]) != count:
            raise ValueError(f"{len(statistics[layer])} of the {count} units of {layer}")
    return statistics
