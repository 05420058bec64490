"""Rendering: every unit's patches and projections, whatever engine makes them, and what no longer matches."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

from deconvviz import Network, load_model, project, record
from deconvviz.atlas.atlas import Atlas, open_atlas
from deconvviz.atlas.engines import engine_of, inside
from deconvviz.atlas.images import ImageList, list_images
from deconvviz.atlas.kept import begin_layer, check_settings, rendered_with
from deconvviz.atlas.rendered import NOT_FIRED, Rendered
from deconvviz.atlas.rendering import render_units
from deconvviz.atlas.sprites import write_sprite
from deconvviz.atlas.statistics import BINS
from deconvviz.atlas.tables import STATISTICS, UNITS
from deconvviz.deconvnet import Rectification, Rules, Unit
from deconvviz.errors import DataError, ModelError, UnitError
from deconvviz.gradients.fields import seen_by
from deconvviz.gradients.projection import project_by_autograd

SIDE = 32
LAYERS = {"conv1": "1", "conv2": "4", "fc3": "8"}


class Residual(nn.Module):
    """Branches."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.stem(images)
        return self.relu(maps + self.conv(maps))


def chain() -> nn.Module:
    """A small chain whose second unit of conv2 never fires."""
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(3, 6, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(6, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(4 * 7 * 7, 5), nn.ReLU()),
    )
    nn.init.constant_(net[3].bias[1:2], -1e6)
    return net


def network_of(module: nn.Module, names: dict[str, str]) -> Network:
    """With the preprocessing of a small network."""
    like = load_model("mini", "random", input_size=SIDE)
    return Network("tiny", module.eval(), like.preset, like.origin, names)


def atlas_of(folder: Path, network: Network, images: ImageList, layers: dict[str, str], k: int = 3) -> Atlas:
    """A true atlas, by looking at everything."""
    trace = record(
        network, torch.cat([network.see(images.picture(i)) for i in range(len(images))]), list(layers)
    )
    rows, statistics, told = [], [], {}
    for layer, path in layers.items():
        maps = trace.features(layer)
        size = list(maps.shape[2:]) or None
        told[layer] = {"path": path, "units": maps.shape[1], "map": size}
        flat = maps.reshape(*maps.shape[:2], -1)
        for channel in range(maps.shape[1]):
            order = flat[:, channel].amax(1).sort(descending=True, stable=True).indices[:k].tolist()
            for rank, i in enumerate(order):
                place = divmod(int(flat[i, channel].argmax()), size[1]) if size else (None, None)
                box = seen_by(network, layer, (1, 3, SIDE, SIDE), maps.shape, [place])[0][0].tolist()
                names = ("layer", "channel", "rank", "image", "label", "row", "column", "activation")
                row = (layer, channel, rank, images.names[i], "", *place, float(flat[i, channel].max()))
                rows.append(dict(zip((*names, "top", "left", "height", "width"), (*row, *box), strict=True)))
            best = float(flat[:, channel].max())
            numbers = {"images": len(images), "mean": 0, "fired": 0, "active": 0, "strongest": best}
            unit = {"layer": layer, "channel": channel, "label": "", "purity": 0, "histogram": [0] * BINS}
            statistics.append({**unit, **numbers})
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, UNITS), folder / "units.parquet")
    pq.write_table(pa.Table.from_pylist(statistics, STATISTICS), folder / "statistics.parquet")
    facts = {"model": network.name, "weights": {}, "input_size": SIDE, "images": [], "scanned": len(images)}
    (folder / "manifest.json").write_text(json.dumps({**facts, "layers": told}))
    return open_atlas(folder)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures, one of them one pixel large."""
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(8):
        rough = np.random.default_rng(i).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(rough).resize((48, 40) if i else (1, 1)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def scanned(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an atlas of the small chain."""
    folder = tmp_path_factory.mktemp("atlases") / "ATLAS"
    atlas_of(folder, network_of(chain(), LAYERS), list_images([pictures]), LAYERS)
    return folder


@pytest.fixture
def made(scanned: Path, pictures: Path, tmp_path: Path) -> tuple[Network, Atlas, ImageList]:
    """The small chain, a copy of its atlas, and the pictures."""
    shutil.copytree(scanned, tmp_path / "ATLAS")
    return network_of(chain(), LAYERS), open_atlas(tmp_path / "ATLAS"), list_images([pictures])


def expected(
    network: Network, images: ImageList, one: Rendered, rules: Rules
) -> tuple[np.ndarray, np.ndarray]:
    """Patch and projection of an entry, from a pass over its whole image, inside its clipped window."""
    entry, seen = one.entry, network.see(images.picture(images.find(one.entry.image)))
    pixels = project(
        network, seen, [Unit(entry.layer, entry.channel, entry.row, entry.column)], rules=rules
    ).pixels
    top, left, height, width = entry.window
    rows, columns = slice(top, top + height), slice(left, left + width)
    picture = (255 * network.pixels(seen)[0, :, rows, columns]).round().byte().permute(1, 2, 0).numpy()
    return picture, pixels[0, :, rows, columns].numpy()


@pytest.mark.parametrize("rule", [Rectification.DECONVNET, Rectification.GUIDED])
@pytest.mark.parametrize(
    ("layer", "engine", "size"),
    [("conv1", "windowed", (5, 5)), ("conv2", "windowed", (11, 11)), ("fc3", "mirror", (SIDE, SIDE))],
)
def test_each_unit_as_a_whole_pass_shows_it(
    made: tuple[Network, Atlas, ImageList],
    layer: str,
    engine: str,
    size: tuple[int, int],
    rule: Rectification,
) -> None:
    network, atlas, images = made
    told, rules = atlas.manifest["layers"][layer], Rules(rule)
    assert engine_of(network, layer, (told["units"], told["map"]), rules, 36).name == engine
    channels = list(range(atlas.units(layer)))[::-1]
    rendered = list(
        render_units(network, atlas, images, layer, channels, rules=rules, batch_size=4, workers=2)
    )
    assert [[one.entry for one in unit] for unit in rendered] == [atlas.entries(layer, c) for c in channels]
    for one in (one for unit in rendered for one in unit):
        picture, pixels = expected(network, images, one, rules)
        top, left, height, width = one.inside
        assert one.patch.shape == (*size, 3)
        assert one.projection.shape == (3, *size)
        assert (height, width) == one.entry.window[2:]
        rows, columns = slice(top, top + height), slice(left, left + width)
        assert np.array_equal(one.patch[rows, columns], picture)
        assert np.abs(one.projection[:, rows, columns] - pixels).max() <= 1e-5 * max(1, np.abs(pixels).max())
        beyond = np.ones(size, bool)
        beyond[rows, columns] = False
        assert (one.patch[beyond] == 255).all()
        assert not one.projection[:, beyond].any()
        assert one.problem == ("" if one.entry.activation > 0 else NOT_FIRED)
        assert one.activation == pytest.approx(one.entry.activation, rel=1e-5)
        assert not one.differs
        assert not one.gone


def test_a_unit_that_never_fires_says_so(made: tuple[Network, Atlas, ImageList]) -> None:
    (unit,) = render_units(*made, "conv2", [1])
    assert {one.problem for one in unit} == {NOT_FIRED}
    assert not any(one.fired or one.projection.any() for one in unit)


def test_a_branching_network(pictures: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, images = network_of(Residual(), {}), list_images([pictures])
    atlas = atlas_of(tmp_path / "ATLAS", network, images, {"relu": "relu"})
    assert engine_of(network, "relu", (4, (30, 30)), Rules(), 36).name == "autograd"
    for one in (one for unit in render_units(network, atlas, images, "relu", range(4)) for one in unit):
        entry, seen = one.entry, network.see(images.picture(images.find(one.entry.image)))
        whole = project_by_autograd(network, seen, [Unit("relu", entry.channel, entry.row, entry.column)])
        box = tuple(whole.uncut[0].tolist())
        assert one.patch.shape == (*box[2:], 3) == (5, 5, 3)
        rows, columns, top, left = inside(box, (SIDE, SIDE))
        assert one.inside == (top, left, *entry.window[2:])
        found = one.projection[:, top : top + one.inside[2], left : left + one.inside[3]]
        assert np.abs(found - whole.pixels[0, :, rows, columns].numpy()).max() < 1e-5
        assert found.any()
        assert one.problem == ""


def tampered(path: Path) -> None:
    Image.open(path).transpose(Image.Transpose.ROTATE_180).save(path)


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (Path.unlink, "image is gone$"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:60]),
            "image cannot be read: (damaged|not a picture)",
        ),
        (tampered, "activation .* where the atlas has .*: other weights, another preprocessing or a changed"),
    ],
    ids=["gone", "cut short", "changed"],
)
def test_what_no_longer_matches_is_told_and_the_rest_is_rendered(
    made: tuple[Network, Atlas, ImageList], tmp_path: Path, tamper: Callable[[Path], object], says: str
) -> None:
    network, atlas, images = made
    victim = Path(atlas.entries("conv1", 0)[0].image)
    before = victim.read_bytes()
    try:
        tamper(victim)
        rendered = list(render_units(network, atlas, images, "conv1", range(6), batch_size=4))
        fc = list(render_units(network, atlas, images, "fc3", range(5)))
    finally:
        victim.write_bytes(before)
    for one in (one for unit in (*rendered, *fc) for one in unit):
        hit = one.entry.image == str(victim)
        assert hit or one.problem in ("", NOT_FIRED)
        assert one.patch.shape[:2] == one.projection.shape[1:]
    first = rendered[0][0]
    assert first.problem
    assert re.match(says, first.problem)
    assert first.gone == says.startswith("image")
    assert first.differs != first.gone


def test_an_image_that_is_not_listed_any_more_is_gone(
    made: tuple[Network, Atlas, ImageList], pictures: Path
) -> None:
    network, atlas, _ = made
    (unit,) = render_units(network, atlas, list_images([pictures / "0.png"]), "conv1", [0])
    there = str(pictures / "0.png")
    assert {one.problem for one in unit if one.entry.image != there} == {"image is gone"}
    assert all(one.gone == (one.entry.image != there) for one in unit)


def test_other_weights_are_found_out(made: tuple[Network, Atlas, ImageList]) -> None:
    network, atlas, images = made
    with torch.no_grad():
        network.module[0].weight.mul_(1.01)
    (unit,) = render_units(network, atlas, images, "conv1", [2])
    assert all(one.differs for one in unit)


def test_what_the_atlas_does_not_have(made: tuple[Network, Atlas, ImageList]) -> None:
    network, atlas, images = made
    with pytest.raises(UnitError, match="no unit 6 in conv1"):
        render_units(network, atlas, images, "conv1", [0, 6])
    wide = nn.Sequential(nn.Conv2d(3, 7, 5), nn.ReLU())
    with pytest.raises(ModelError, match=r"7 units .* where the atlas has 6"):
        render_units(network_of(wide, {"conv1": "1"}), atlas, images, "conv1", [0])


def test_sprites_are_kept_until_something_changes(made: tuple[Network, Atlas, ImageList]) -> None:
    _, atlas, _ = made
    settings = {"rule": "deconvnet", "tile": 16}
    assert begin_layer(atlas, "conv1", settings) == {}
    for channel, unit in enumerate(render_units(*made, "conv1", range(2))):
        write_sprite(atlas.folder, "conv1", channel, unit, tile=16)
    kept = begin_layer(atlas, "conv1", settings)
    assert sorted(kept) == [0, 1]
    kept[1].write_bytes(kept[1].read_bytes()[:50])
    assert sorted(begin_layer(atlas, "conv1", settings)) == [0]
    assert begin_layer(atlas, "conv1", settings, overwrite=True) == {}
    check_settings(atlas, "conv1", settings)
    with pytest.raises(DataError, match=r"conv1 was rendered with rule deconvnet: .* --overwrite"):
        check_settings(atlas, "conv1", {"rule": "guided", "tile": 16})
    others = {"rule": "guided", "tile": 8}
    with pytest.raises(
        DataError,
        match=r"has 1 other picture, by the deconvnet rule, with tile 16, which would go: .* --units",
    ):
        check_settings(atlas, "conv1", others, overwrite=True, channels=[0])
    check_settings(atlas, "conv1", others, overwrite=True, channels=[0, 1])
    check_settings(atlas, "conv1", others, overwrite=True)
    assert begin_layer(atlas, "conv1", {"rule": "guided", "tile": 16}, overwrite=True) == {}
    check_settings(atlas, "conv1", settings)  # there are no pictures of the others yet
    assert not kept[0].exists()
    table = pq.read_table(atlas.folder / "units.parquet")
    pq.write_table(table.slice(0, 5), atlas.folder / "units.parquet")
    assert rendered_with(atlas, "conv1") is None
