"""Which units of an atlas have been rendered already: a render that was cut short goes on where it was.

What a layer's sprites were made with stands beside them, so that a layer never mixes two ways of drawing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..runs import remove, write_json
from .atlas import UNITS_FILE, Atlas
from .rendered import NOT_FIRED
from .sprites import FOLDER, read_sprite, safe_name, sprites_of

SETTINGS_FILE = "rendering.json"


def rendered_with(atlas: Atlas, layer: str) -> dict[str, Any] | None:
    """What a layer's sprites were made with; None where there are none, or none of this scan.

    Args:
        atlas: whose sprites.
        layer: its name.
    """
    try:
        told = json.loads(_file(atlas, layer).read_text(encoding="utf-8"))
        return dict(told["settings"]) if told["scan"] == _scan(atlas) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def check_settings(
    atlas: Atlas,
    layer: str,
    settings: Mapping[str, Any],
    overwrite: bool = False,
    channels: Collection[int] | None = None,
) -> None:
    """Refuses to add sprites to those of a layer that were made otherwise, or to put a few in place of all.

    Args:
        atlas: whose sprites.
        layer: its name.
        settings: what the new ones are made with.
        overwrite: draw all anew.
        channels: the units that are drawn; None for all of the layer.

    Raises:
        DataError: there are others.
    """
    before, there = rendered_with(atlas, layer), sprites_of(atlas.folder, layer)
    if before is None or before == dict(settings) or not there:
        return
    other = {name: before.get(name) for name, value in settings.items() if before.get(name) != value}
    if not overwrite:
        told = ", ".join(f"{name} {value}" for name, value in other.items())
        raise DataError(f"{layer} was rendered with {told}: give that again, or --overwrite to draw it anew")
    going = len(there.keys() - set(there if channels is None else channels))
    if going:
        told = ", ".join(
            f"by the {value} rule" if name == "rule" else f"with {name} {value}"
            for name, value in other.items()
        )
        raise DataError(
            f"{layer} has {going} other picture{'s' * (going > 1)}, {told}, which would go: render the whole "
            "layer, without --units"
        )


def begin_layer(
    atlas: Atlas, layer: str, settings: Mapping[str, Any], overwrite: bool = False
) -> dict[int, Path]:
    """Makes a layer ready for more sprites, and says which it has.

    Sprites of another scan or with other settings are deleted. Those with a problem, or damaged, are there to
    be drawn again.

    Args:
        atlas: whose sprites.
        layer: its name.
        settings: what the new ones are made with.
        overwrite: draw all anew.

    Returns:
        the sprites that can stay, by channel.

    Raises:
        OutputError: the folder cannot be written.
    """
    there = sprites_of(atlas.folder, layer)
    if rendered_with(atlas, layer) != dict(settings):
        remove(*there.values())
        there = {}
    write_json(_file(atlas, layer), {"scan": _scan(atlas), "settings": dict(settings)})
    return {} if overwrite else {channel: path for channel, path in there.items() if _sound(path)}


def _sound(path: Path) -> bool:
    try:
        return set(read_sprite(path).problems.values()) <= {NOT_FIRED}
    except DataError:
        return False


def _file(atlas: Atlas, layer: str) -> Path:
    return atlas.folder / FOLDER / safe_name(layer) / SETTINGS_FILE


def _scan(atlas: Atlas) -> str:
    """Tells this scan from every other that lay in the folder."""
    return hashlib.sha256((atlas.folder / UNITS_FILE).read_bytes()).hexdigest()
