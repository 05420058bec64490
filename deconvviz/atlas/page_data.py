"""What the page knows, as scripts: a page opened from the disk may load scripts, and nothing else.

    data/index.js           the facts of the scan, and the layers
    data/images.js          names and classes of the images that are among some unit's strongest
    data/layer_conv5.js     a layer: its units' statistics, strongest activations and pictures

Each is one call with JSON in it, in which no character can end a script or a line. Names of images, classes
and layers stay values, never keys.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .atlas import Atlas, Entry, UnitStatistics
from .kept import SETTINGS_FILE, rendered_with
from .overviews import COLUMNS, MOSAIC, UNITS
from .sprites import FOLDER, Sprite, read_sprite, safe_name, sprites_of
from .statistics import EDGES
from .writing import commonest

Table = dict[str, Any]


def script(kind: str, content: Any) -> str:
    r"""A classic script that hands content to the page.

    Args:
        kind: ``index``, ``images`` or ``layer``.
        content: what JSON can hold; numbers that are not finite become null.

    Example:
        >>> script("images", "</script>")
        'Atlas.receive("images", "\\u003c/script>");\n'
    """
    text = json.dumps(_finite(content), ensure_ascii=True, separators=(",", ":"))
    return f"Atlas.receive({json.dumps(kind)}, {text});\n".replace("<", r"\u003c")


def index_of(atlas: Atlas, sprites: Mapping[str, Mapping[int, Path]]) -> Table:
    """The facts of a scan, and what the page's list of layers says.

    Args:
        atlas: the tables.
        sprites: by layer, those that are there.
    """
    manifest = atlas.manifest
    weights = manifest.get("weights", "")
    if isinstance(weights, Mapping):
        weights = weights.get("label") or weights.get("file") or ""
    facts = ("model", "scanned", "skipped", "topk", "per_image", "precision", "input_size", "images")
    made = ("made_by", "command", "date")
    return {
        **{key: manifest.get(key) for key in (*facts, *made)},
        "weights": str(weights),
        "labelled": any(s.label for layer in atlas.layers for s in atlas.statistics(layer)),
        "edges": [float(f"{edge:.6g}") for edge in EDGES],
        "overview": {"units": UNITS, "columns": COLUMNS, "mosaic": MOSAIC},
        "sprites": FOLDER,
        "layers": [_summary(atlas, layer, sprites[layer]) for layer in atlas.layers],
    }


def images_of(atlas: Atlas) -> tuple[Table, dict[str, int], dict[str, int]]:
    """The images that are among the strongest of any unit, and all classes.

    Returns:
        the table of the page, and the numbers of images and of classes in it.
    """
    entries = [e for layer in atlas.layers for unit in _units(atlas, layer) for e in unit]
    found = {entry.image: entry.label for entry in entries}
    labels = {s.label for layer in atlas.layers for s in atlas.statistics(layer)} | set(found.values())
    classes = {label: i for i, label in enumerate(sorted(labels | {""}))}
    images = {name: i for i, name in enumerate(sorted(found))}
    table = {
        "names": list(images),
        "labels": [classes[found[name]] for name in images],
        "classes": list(classes),
    }
    return table, images, classes


def layer_of(
    atlas: Atlas,
    layer: str,
    images: Mapping[str, int],
    classes: Mapping[str, int],
    sprites: Mapping[int, Path],
) -> Table:
    """All that the page shows of a layer's units.

    Args:
        atlas: the tables.
        layer: its name.
        images: the numbers of images in the page's table.
        classes: the numbers of classes in it.
        sprites: those that are there, by channel.

    Raises:
        DataError: a sprite is damaged.
    """
    statistics, units = atlas.statistics(layer), _units(atlas, layer)
    found = [_commonest(s, unit) for s, unit in zip(statistics, units, strict=True)]
    drawn = {channel: read_sprite(path) for channel, path in sprites.items()}
    shapes: dict[tuple[Any, ...], int] = {}
    placed = [-1] * len(units)
    for channel, sprite in drawn.items():
        placed[channel] = shapes.setdefault(_shape(sprite, sprites[channel].suffix), len(shapes))
    return {
        "name": layer,
        "mean": [_short(s.mean) for s in statistics],
        "fired": [_short(s.fired) for s in statistics],
        "active": [_short(s.active) for s in statistics],
        "strongest": [_short(s.strongest) for s in statistics],
        "label": [classes[label] for label, _ in found],
        "purity": [_short(share) for _, share in found],
        "histogram": [_trimmed(s.histogram) for s in statistics],
        "image": [[images[e.image] for e in unit] for unit in units],
        "activation": [[_short(e.activation) for e in unit] for unit in units],
        "place": [[[e.row, e.column] for e in unit] for unit in units],
        "window": [[e.window for e in unit] for unit in units],
        "shapes": list(shapes),
        "shape": placed,
        "scale": [drawn[c].scale if c in drawn else None for c in range(len(units))],
        "problems": [[c, rank, why] for c in drawn for rank, why in sorted(drawn[c].problems.items())],
    }


def field_of(atlas: Atlas, layer: str, sprites: Mapping[int, Path]) -> tuple[int, int]:
    """Height and width of what a layer's units see, as far as is known: the largest of their windows.

    Args:
        atlas: the tables.
        layer: its name.
        sprites: those that are there, by channel; they know it for certain.
    """
    for path in sprites.values():
        return read_sprite(path).window
    windows = [entry.window for unit in _units(atlas, layer) for entry in unit]
    return max((w[2] for w in windows), default=0), max((w[3] for w in windows), default=0)


def found_sprites(atlas: Atlas) -> dict[str, dict[int, Path]]:
    """The sprites of all layers that are there, but for those of another scan."""
    found = {}
    for layer in atlas.layers:
        told = (atlas.folder / FOLDER / safe_name(layer) / SETTINGS_FILE).is_file()
        ours = not told or rendered_with(atlas, layer) is not None
        found[layer] = {
            c: p for c, p in sprites_of(atlas.folder, layer).items() if c < atlas.units(layer) and ours
        }
    return found


def _summary(atlas: Atlas, layer: str, sprites: Mapping[int, Path]) -> Table:
    statistics, facts = atlas.statistics(layer), atlas.manifest["layers"][layer]
    settings = rendered_with(atlas, layer) or {}
    return {
        "name": layer,
        "file": safe_name(layer),
        "path": facts.get("path", layer),
        "units": len(statistics),
        "map": facts.get("map"),
        "field": field_of(atlas, layer, sprites),
        "silent": sum(s.fired == 0 and s.strongest == 0 for s in statistics),
        "rendered": len(sprites),
        "rule": settings.get("rule"),
        "scale": settings.get("scale"),
    }


def _commonest(known: UnitStatistics, unit: Sequence[Entry]) -> tuple[str, float]:
    """The class of most images shown, and its share; images with a negative score count too."""
    if all(entry.activation >= 0 for entry in unit):
        return known.label, known.purity
    labels = {entry.image: entry.label for entry in unit if entry.activation != 0}
    return commonest(list(labels.values()))


def _units(atlas: Atlas, layer: str) -> list[list[Entry]]:
    return [atlas.entries(layer, channel) for channel in range(atlas.units(layer))]


def _shape(sprite: Sprite, suffix: str) -> tuple[Any, ...]:
    return sprite.count, sprite.columns, *sprite.tile, *sprite.cell, *sprite.window, suffix


def _trimmed(histogram: Sequence[int]) -> list[int]:
    """The first bin that is not empty, and the counts from there to the last such bin."""
    there = [i for i, count in enumerate(histogram) if count]
    return [there[0], *histogram[there[0] : there[-1] + 1]] if there else []


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _finite(content: Any) -> Any:
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content
