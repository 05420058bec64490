"""A small atlas made up for the tests: names that are hard on a page, and pictures of one colour each."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deconvviz.atlas.atlas import Atlas, Entry, UnitStatistics
from deconvviz.atlas.rendered import NOT_FIRED, Rendered
from deconvviz.atlas.sprites import write_sprite
from deconvviz.atlas.statistics import BINS, EDGES

ODD = '../<b>odd</b> "layer"/1'
SILENT = 3
"""The unit of every layer that never fired."""
FEW = 8
"""The unit that did not fire in the last of its images."""
SCORES = "head.scores"
"""A layer that does not rectify, with units that are never positive; one of its images has a class."""
GONE = "image cannot be read: <i>cat</i> 1.jpg is of no format that is known, or its first bytes are lost"
IMAGES = (
    ("plain/cat 1.jpg", "cat"),
    ("plain/cat 2.jpg", "cat"),
    ("'single' \"double\" & co.jpg", 'a "class"'),
    ("<script>document.title = 'taken'</script>.jpg", "<script>alert(1)</script>"),
    ("<img src=x onerror=\"document.title='taken'\">.png", "<b>bold</b>"),
    ("žluťoučký kůň/猫 \N{CAT FACE}.jpg", "猫"),
    ("line\u2028break\u2029 and </script>.jpg", "dog"),
    ("100%25 back\\slash #1?.jpg", "dog"),
    ("__proto__", "constructor"),
)
UNITS = {"conv1": 36, ODD: 40, "fc6": 5}
"""Layers and their units; nothing of fc6 is rendered."""


def entries(layer: str, channel: int, k: int = 9) -> list[Entry]:
    """The strongest of a unit: each image once, begun with another one for every unit."""
    flat = layer == "fc6"
    found = []
    for rank in range(k):
        name, label = IMAGES[(channel + rank) % len(IMAGES)]
        value = float((channel * 7) % 40 + 10 - rank)
        if layer == SCORES:
            value, label = -1.0 - rank, label if name == IMAGES[0][0] else ""
        elif channel == SILENT or (channel == FEW and rank == k - 1):
            value = 0.0
        place = (None, None) if flat else (rank, channel % 5)
        found.append(Entry(layer, channel, rank, name, label, *place, value, (0, 0, 7, 7)))
    return found


def statistics(layer: str, channel: int) -> UnitStatistics:
    """Sparser and more selective by an order of their own."""
    silent = channel == SILENT or layer == SCORES
    histogram = [0] * BINS
    histogram[int(np.searchsorted(EDGES, 0.0))] = 100 if silent else 20
    if not silent:
        histogram[int(np.searchsorted(EDGES, 3.0))] = 60
        histogram[int(np.searchsorted(EDGES, 40.0))] = 20
    top = entries(layer, channel)
    label = "" if layer == SCORES else top[0].label
    fired = 0.0 if silent else 0.8
    active = 0.0 if silent else ((channel * 11) % 70 + 1) / 100
    purity = ((channel * 3) % 10) / 10
    return UnitStatistics(
        layer, channel, 100, 0.25, fired, active, top[0].activation, label, purity, tuple(histogram)
    )


def colour(channel: int, rank: int) -> tuple[int, int, int]:
    """Of a patch: another hue for every rank, another brightness for some units."""
    red, green, blue = colorsys.hsv_to_rgb(rank / 9, 1, 0.5 + channel % 5 / 10)
    return round(255 * red), round(255 * green), round(255 * blue)


def rendered(unit: Sequence[Entry], side: int, problems: dict[int, str] | None = None) -> list[Rendered]:
    """Patches of one colour, white in the first column; projections grey, with a square of 1 / (1 + rank)."""
    made = []
    for entry in unit:
        patch = np.full((side, side, 3), 255, np.uint8)
        patch[:, 1:] = colour(entry.channel, entry.rank)
        projection = np.zeros((3, side, side), np.float32)
        projection[:, side // 2 :, side // 2 :] = 1 / (1 + entry.rank)
        problem = (problems or {}).get(entry.rank, "" if entry.activation else NOT_FIRED)
        inside = (0, 1, side, side - 1)
        made.append(Rendered(entry, patch, projection, entry.activation, inside, problem))
    return made


def made_atlas(folder: Path, units: dict[str, int] | None = None) -> Atlas:
    """The tables alone."""
    units = units or UNITS
    maps = {layer: None if layer == "fc6" else [13, 13] for layer in units}
    manifest = {
        "model": "<i>tiny</i>",
        "weights": {"label": "tiny & small.pth"},
        "input_size": 64,
        "topk": 9,
        "scanned": 100,
        "skipped": 1,
        "images": ["<photos>"],
        "command": 'deconvviz atlas scan "<photos>"',
        "made_by": "deconvviz 0",
        "layers": {name: {"path": name, "units": n, "map": maps[name]} for name, n in units.items()},
    }
    return Atlas(
        folder,
        manifest,
        {layer: [entries(layer, c) for c in range(n)] for layer, n in units.items()},
        {layer: [statistics(layer, c) for c in range(n)] for layer, n in units.items()},
    )


def draw_all(atlas: Atlas) -> None:
    """Sprites of all layers but fc6, small ones of conv1; unit 5 has a problem."""
    for layer in atlas.layers:
        if layer != "fc6":
            for channel in range(atlas.units(layer)):
                problems = {1: GONE} if channel == 5 else None
                side = 7 if layer == "conv1" else 60
                unit = rendered(atlas.entries(layer, channel), side, problems)
                write_sprite(atlas.folder, layer, channel, unit)
