"""The page of an atlas: a folder that any browser opens from the disk, with no server and no network.

    write_page(open_atlas("ATLAS"))         # then open ATLAS/index.html

It shows whatever has been rendered so far; written again, it shows more. The same atlas and the same pictures
give the same files.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ..errors import DataError
from ..runs import replacing
from .atlas import Atlas
from .overviews import write_overviews
from .page_data import found_sprites, images_of, index_of, layer_of, script
from .sprites import safe_name

PAGE = "index.html"
PARTS = "page"
"""The folder of the page's own scripts and styles, beside it."""
DATA = "data"


def write_page(atlas: Atlas) -> Path:
    """Writes the page, its data and its overview sheets, in place of older ones.

    Args:
        atlas: the tables; the units' sprites are looked for in its folder.

    Returns:
        the page, which is written last.

    Raises:
        DataError: a sprite is damaged, or a page of something else lies where this one goes.
        OutputError: the folder cannot be written.
    """
    if (atlas.folder / PAGE).is_file() and not (atlas.folder / PARTS / "route.js").is_file():
        raise DataError(f"{atlas.folder / PAGE} is no page of an atlas: move it away and render again")
    sprites = found_sprites(atlas)
    table, images, classes = images_of(atlas)
    _write(atlas.folder / DATA / "images.js", script("images", table))
    for layer in atlas.layers:
        write_overviews(atlas.folder, layer, sprites[layer])
        content = layer_of(atlas, layer, images, classes, sprites[layer])
        _write(atlas.folder / DATA / f"layer_{safe_name(layer)}.js", script("layer", content))
    _write(atlas.folder / DATA / "index.js", script("index", index_of(atlas, sprites)))
    assets = files("deconvviz_assets") / "atlas"
    for part in sorted(assets.iterdir(), key=lambda part: part.name):
        if part.name != PAGE and part.is_file():
            _write(atlas.folder / PARTS / part.name, part.read_text(encoding="utf-8"))
    return _write(atlas.folder / PAGE, (assets / PAGE).read_text(encoding="utf-8"))


def _write(path: Path, text: str) -> Path:
    """Writes a text file, unless it is there already as it should be."""
    content = text.encode("utf-8")
    if not (path.is_file() and path.read_bytes() == content):
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    return path
