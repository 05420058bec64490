"""The tables say what the scan found, row by row, and what other programs read of it."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from deconvviz.atlas.atlas import open_atlas
from deconvviz.atlas.fields import windows_of
from deconvviz.atlas.fingerprint import parameters_sha256
from deconvviz.atlas.tables import IMAGES, STATISTICS, UNITS
from deconvviz.atlas.writing import commonest, write_atlas
from deconvviz.errors import DataError, LayerError, OutputError, UnitError
from deconvviz.gradients.fields import seen_by
from deconvviz.models.features import features_of

from .naive import naive_atlas
from .nets import SIDE, branching, chain, network, seeded, write_pictures
from .scans import LAYERS, TABLES, facts, listed, scanned, tables


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return listed(write_pictures(tmp_path_factory.mktemp("pictures"), 40))


@pytest.fixture(scope="module")
def written(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("atlas")
    (outcome,) = scanned(folder, chain(), images)
    assert [path.name for path in outcome.paths] == [*TABLES, "manifest.json"]
    return folder, outcome.scan


def test_every_row_is_what_keeping_everything_gives(images, written):
    folder, _ = written
    atlas, net = open_atlas(folder), chain()
    naive = naive_atlas(net, images, LAYERS)
    assert atlas.layers == LAYERS
    for layer in LAYERS:
        width = {"conv1": 16, "conv2": 6, "fc4": None}[layer]
        shape = (1, 1, width, width) if width else (1, 3)
        for channel in range(atlas.units(layer)):
            expected = naive[layer].strongest(channel, 3, 1)
            entries = atlas.entries(layer, channel)
            assert [e.rank for e in entries] == [0, 1, 2]
            for entry, (value, image, place) in zip(entries, expected, strict=True):
                at = divmod(place, width) if width else (None, None)
                seen = seen_by(net, layer, (1, 3, SIDE, SIDE), shape, [at])[0][0].tolist()
                assert (entry.layer, entry.channel, entry.activation) == (layer, channel, value)
                assert (entry.image, entry.label) == (images.names[image], images.labels[image])
                assert ((entry.row, entry.column), entry.window) == (at, tuple(seen))


def test_statistics_are_what_keeping_everything_gives(images, written):
    atlas = open_atlas(written[0])
    for layer, all_of_it in naive_atlas(chain(), images, LAYERS).items():
        values = all_of_it.activations
        for channel, unit in enumerate(atlas.statistics(layer)):
            kept = [e for e in atlas.entries(layer, channel) if e.activation > 0]
            assert (unit.layer, unit.channel, unit.images) == (layer, channel, len(values))
            assert unit.mean == pytest.approx(values[:, channel].mean(), abs=1e-11)
            assert unit.fired == (values[:, channel].max(1) > 0).mean()
            assert unit.active == (values[:, channel] > 0).mean()
            assert unit.strongest == np.float32(values[:, channel].max())
            assert sum(unit.histogram) == len(values)
            classes = Counter(e.label for e in kept)
            assert unit.purity == pytest.approx(max(classes.values(), default=0) / max(len(kept), 1))
            assert classes[unit.label] == max(classes.values(), default=0)


def test_others_can_read_it(images, written):
    folder, scan = written
    units, statistics, listing = (pd.read_parquet(folder / name) for name in TABLES)
    assert list(units) == UNITS.names
    assert list(statistics) == STATISTICS.names
    assert list(listing) == IMAGES.names
    assert listing.image.tolist() == images.names
    assert listing[listing.problem.notna()].index.tolist() == list(scan.problems)
    assert listing.problem.dropna().iloc[0].endswith("is not a picture that can be read (JPEG, PNG, ...)")
    assert units[units.layer == "fc4"].row.isna().all()
    assert units[units.layer != "fc4"].row.notna().all()
    assert [pq.read_schema(folder / name) for name in TABLES] == [UNITS, STATISTICS, IMAGES]
    order = units.layer.map(LAYERS.index) * 10**6 + units.channel * 10**3 + units["rank"]
    assert order.is_monotonic_increasing


def test_the_manifest(images, written):
    said = json.loads((written[0] / "manifest.json").read_text(encoding="utf-8"))
    assert {k: said[k] for k in ("topk", "per_image", "batch_size", "precision", "input_size")} == {
        "topk": 3, "per_image": 1, "batch_size": 4, "precision": "float32", "input_size": SIDE
    }  # fmt: skip
    assert (said["scanned"], said["skipped"]) == (35, 5)
    assert said["layers"]["conv2"] == {"path": "4", "units": 5, "map": [6, 6]}
    assert said["layers"]["fc4"]["map"] is None
    assert said["parameters_sha256"] == parameters_sha256(chain(), LAYERS)
    assert said["list_key"] == images.key


def test_the_same_scan_is_the_same_bytes(images, written, tmp_path):
    net = chain()
    write_atlas(tmp_path, net, images, written[1], facts(net, images, tmp_path))
    assert tables(tmp_path) == tables(written[0])


def test_layers_come_in_the_networks_order(images, tmp_path):
    scanned(tmp_path, branching(), images, layers=("scores", "last", "first"))
    assert open_atlas(tmp_path).layers == ("first", "last", "scores")


def nested(*layers):
    net = network(seeded(lambda: nn.Sequential(*layers)), dtype=torch.float32)
    return net, str(len(layers) - 1)


PLACED = {
    "padding": nested(nn.Conv2d(3, 2, 5, stride=2, padding=3), nn.MaxPool2d(3, 2), nn.Conv2d(2, 2, 2)),
    "not square": nested(nn.Conv2d(3, 2, (5, 1), stride=(3, 1), padding=(0, 2))),
    "dilated": nested(nn.Conv2d(3, 2, 3, dilation=2, padding=2), nn.ReLU(), nn.Conv2d(2, 2, 4, stride=3)),
    "adaptive": nested(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d((5, 3))),
    "as large": nested(nn.Conv2d(3, 2, 9, padding=4), nn.Conv2d(2, 2, 9, padding=4)),
    "longer than seen": nested(nn.Conv2d(3, 2, 1, padding=3)),
    "one place": nested(nn.Conv2d(3, 2, 16)),
    "upsampled": nested(nn.Conv2d(3, 2, 3, stride=2, padding=1), nn.Upsample(scale_factor=2)),
    "transposed": nested(nn.Conv2d(3, 2, 3, stride=2, padding=1), nn.ConvTranspose2d(2, 2, 4, 2, 1)),
    "odd": nested(nn.Conv2d(3, 2, 3, stride=2), nn.ConvTranspose2d(2, 2, (3, 5), 2)),
}


@pytest.mark.parametrize("small", [True, False], ids=["asked", "computed"])
@pytest.mark.parametrize("name", PLACED)
def test_windows_are_those_of_single_units(name, small, monkeypatch):
    net, layer = PLACED[name]
    if not small:
        monkeypatch.setattr("deconvviz.atlas.fields._SMALL", 0)
    shape = tuple(features_of(net.module, torch.zeros(1, 3, SIDE, SIDE), {layer: layer})[layer].shape)
    places = np.arange(shape[2] * shape[3])[::-1]
    at = [divmod(int(p), shape[3]) for p in places]
    expected = seen_by(net, layer, (1, 3, SIDE, SIDE), shape, at)[0].numpy()
    found = windows_of(net, layer, shape[2:], places)
    empty = (expected[:, 2:] == 0).any(1)
    np.testing.assert_array_equal(found[~empty], expected[~empty])
    assert (found[empty, 2:] == 0).any(1).all()


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(["b", "a", "b"], ("b", 2 / 3)), (["b", "a"], ("b", 0.5)), (["", ""], ("", 0)), ([], ("", 0))],
)
def test_the_commonest_class(labels, expected):
    assert commonest(labels) == expected


def test_what_is_asked_for_and_not_there(written):
    atlas = open_atlas(written[0])
    with pytest.raises(LayerError, match="no layer 'conv3'; did you mean"):
        atlas.statistics("conv3")
    with pytest.raises(UnitError, match="no unit 5 in conv2: the atlas has 5, 0 to 4"):
        atlas.entries("conv2", 5)


def test_damaged_atlases(images, written, tmp_path):
    with pytest.raises(DataError, match="is no atlas; 'deconvviz atlas scan"):
        open_atlas(tmp_path)
    net = chain()
    write_atlas(tmp_path, net, images, written[1], facts(net, images, tmp_path))
    whole = (tmp_path / "units.parquet").read_bytes()
    for cut in (0, 100, len(whole) - 1):
        (tmp_path / "units.parquet").write_bytes(whole[:cut])
        with pytest.raises(DataError, match="holds a damaged atlas"):
            open_atlas(tmp_path)
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "scan-001-000.npz").touch()
    with pytest.raises(DataError, match="unfinished scan: 'deconvviz atlas scan --resume --out"):
        open_atlas(tmp_path)


def _without(name):
    return lambda said: {key: value for key, value in said.items() if key != name}


def _layer(**facts):
    return lambda said: {**said, "layers": {**said["layers"], "conv2": facts}}


DAMAGES = {
    "another kind": lambda said: [said],
    "a word": lambda said: "atlas",
    "layers as a list": lambda said: {**said, "layers": list(said["layers"])},
    "layers as words": lambda said: {**said, "layers": dict.fromkeys(said["layers"], "conv")},
    "no layer": _without("layers"),
    "no model": _without("model"),
    "weights as a word": lambda said: {**said, "weights": "made up"},
    "images as numbers": lambda said: {**said, "images": [1]},
    "no path": _layer(units=5, map=[6, 6]),
    "far too many units": _layer(path="4", units=10**15, map=[6, 6]),
    "no whole units": _layer(path="4", units=float("inf"), map=[6, 6]),
    "half a map": _layer(path="4", units=5, map=[6]),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_manifests(images, written, tmp_path, name):
    for file in TABLES:
        shutil.copy(written[0] / file, tmp_path)
    said = json.loads((written[0] / "manifest.json").read_text(encoding="utf-8"))
    (tmp_path / "manifest.json").write_text(json.dumps(DAMAGES[name](said)), encoding="utf-8")
    with pytest.raises(DataError, match=r"holds a damaged atlas \(.+\); scan it again"):
        open_atlas(tmp_path)
    (tmp_path / "manifest.json").write_text("[" * 10**6, encoding="utf-8")
    with pytest.raises(DataError, match="holds a damaged atlas"):
        open_atlas(tmp_path)


def test_a_folder_that_cannot_be_written(images, written, tmp_path):
    (tmp_path / "file").write_text("")
    net = chain()
    with pytest.raises(OutputError, match="cannot write"):
        write_atlas(tmp_path / "file" / "atlas", net, images, written[1], facts(net, images, tmp_path))
