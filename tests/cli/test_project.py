"""``deconvviz project``: what it writes, where, and what is in it."""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.metadata import version

import numpy as np
import pytest
from PIL import Image

from deconvviz import __version__, load_model, project_trace, read_image, record, strongest

from .support import MODEL, arrays, facts, invoke, project, save_weights, write_photo

SHAPES = {"conv1": (12, 32), "pool1": (12, 15), "norm1": (12, 15), "conv2": (6, 13), "pool2": (6, 6)}


def test_figure_and_manifest_stand_side_by_side(folder):
    done = project("cat.png", "--layer", "conv1")
    assert done.out == "cat_conv1.png\ncat_conv1.json\n"
    with Image.open("cat_conv1.png") as figure:
        assert min(figure.size) > 400


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf", "PNG"])
def test_out_names_a_file(folder, suffix):
    done = project("cat.png", "--layer", "conv2", "--out", f"new/seen.{suffix}", "--arrays")
    assert done.out.splitlines() == [f"new/seen.{suffix}", "new/seen.npz", "new/seen.json"]
    begin = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix.lower()]
    assert (folder / "new" / f"seen.{suffix}").read_bytes().startswith(begin)


@pytest.mark.parametrize("name", ["results", "results/", "results/deep/er"])
def test_out_names_a_folder(folder, name):
    done = project("cat.png", "--layer", "conv2", "--out", name)
    assert [path.name for path in done.paths] == ["cat_conv2.png", "cat_conv2.json"]
    assert {path.parent for path in done.paths} == {folder.joinpath(name).relative_to(folder)}


def test_a_folder_that_looks_like_a_file(folder):
    (folder / "all.png").mkdir()
    assert project("cat.png", "--layer", "conv2", "--out", "all.png").paths[0].parent.name == "all.png"


def test_several_images_and_layers(folder):
    write_photo(folder / "dog.png", seed=1)
    done = project("cat.png", "dog.png", "--layer", "conv1", "--layer", "5", "--out", "both", "--topk", "2")
    names = [path.name for path in done.paths if path.suffix == ".png"]
    assert names == ["cat_conv1.png", "cat_5.png", "dog_conv1.png", "dog_5.png"]
    assert facts(folder / "both" / "dog_5.png")["image"]["name"] == "dog.png"


def test_images_of_one_name_do_not_overwrite_each_other(folder):
    (folder / "more").mkdir()
    photos = ["cat.png", "more/cat.png", "more/cat.bmp", "cat_2.png"]
    digests = {}
    for i, name in enumerate(photos):
        digests[hashlib.sha256(write_photo(folder / name, seed=i).read_bytes()).hexdigest()] = name
    done = project(*photos, "--layer", "conv2", "--topk", "1", "--each")
    assert len(set(done.paths)) == len(done.paths)
    manifests = [path for path in done.paths if path.suffix == ".json"]
    assert [digests[facts(path)["image"]["sha256"]] for path in manifests] == photos


def test_each_writes_patches_and_projections(folder):
    done = project("cat.png", "--layer", "conv2", "--unit", "4", "--unit", "0", "--unit", "0,5,6", "--each")
    assert [str(path) for path in done.paths[1:-1]] == [
        f"conv2/unit_{unit}_{kind}.png"
        for unit in ("0004", "0000", "0000_r05_c06")
        for kind in ("patch", "projection")
    ]
    for path in done.paths[1:-1]:
        with Image.open(path) as tile:
            assert tile.mode == "RGB"
            assert tile.size[0] == tile.size[1] >= 200  # small windows, enlarged by whole pixels
            assert tile.size[0] % 11 == 0  # conv2 sees 11 x 11
            assert json.loads(tile.text["Description"])["layer"] == "conv2"


def test_each_gives_every_image_a_folder(folder):
    write_photo(folder / "dog.png", seed=1)
    done = project("cat.png", "dog.png", "--layer", "conv2", "--topk", "1", "--each", "--out", "parts")
    parts = [path for path in done.paths if path.name.startswith("unit_")]
    assert {str(path.parent) for path in parts} == {"parts/cat/conv2", "parts/dog/conv2"}
    assert len(parts) == 4


@pytest.mark.parametrize("layer", ["conv1", "norm1", "conv2", "pool2", "fc3", "fc4"])
def test_arrays_are_what_the_library_computes(folder, layer):
    project("cat.png", "--layer", layer, "--topk", "5", "--arrays")
    found = arrays(folder / f"cat_{layer}.npz")
    network = load_model("mynets:tiny", seed=0)
    images = read_image("cat.png", network)
    trace = record(network, images, [layer])
    wanted = project_trace(trace, strongest(trace, layer, 5))
    place = [(-1, -1) if unit.row is None else (unit.row, unit.column) for unit in wanted.units]
    expected = {
        "input": images[0].numpy(),
        "pixels": wanted.pixels.numpy(),
        "channel": np.array([unit.channel for unit in wanted.units]),
        "row": np.array([row for row, _ in place]),
        "column": np.array([column for _, column in place]),
        "activation": wanted.activations.numpy(),
        "window": wanted.windows.numpy(),
    }
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name, strict=True)
    assert found["pixels"].shape == (5, 3, 32, 32)
    assert found["pixels"].dtype == found["input"].dtype == found["activation"].dtype == np.float32
    assert (np.diff(found["activation"]) <= 0).all()


@pytest.mark.parametrize("layer", list(SHAPES))
def test_nothing_lies_outside_the_window(folder, layer):
    maps, side = SHAPES[layer]
    corners = [f"{maps - 1},0,0", f"0,{side - 1},{side - 1}", f"1,0,{side // 2}"]
    project("cat.png", "--layer", layer, *[f"--unit={corner}" for corner in corners], "--arrays")
    found = arrays(folder / f"cat_{layer}.npz")
    assert found["window"][0, :2].tolist() == [0, 0]
    for pixels, (top, left, height, width) in zip(found["pixels"], found["window"], strict=True):
        assert 0 <= top < top + height <= 32
        assert 0 <= left < left + width <= 32
        pixels[:, top : top + height, left : left + width] = 0
        assert not pixels.any()


def test_manifest(folder, monkeypatch):
    path = save_weights(folder / "mine.pth")
    words = ["project", "cat.png", "--layer", "fc4", "--topk", "2", "--weights", "mine.pth", "--seed", "5"]
    invoke(*words, *MODEL, "--arrays").ok()
    found, numbers = facts(folder / "cat_fc4.png"), arrays(folder / "cat_fc4.npz")
    assert found["made_by"] == f"deconvviz {__version__}"
    assert found["command"] == " ".join(["deconvviz", *words, *MODEL, "--arrays"])
    assert found["model"] == "mynets:tiny"
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert found["weights"] == {"label": "mine.pth", "file": "mine.pth", "sha256": sha256}
    assert found["image"]["sha256"] == hashlib.sha256((folder / "cat.png").read_bytes()).hexdigest()
    assert (found["layer"], found["module"]) == ("fc4", "10")
    assert (found["device"], found["seed"], found["input_size"]) == ("cpu", 5, 32)
    assert found["versions"]["torch"] == version("torch")
    assert found["versions"]["python"].split(".")[:2] == [str(n) for n in sys.version_info[:2]]
    for i, unit in enumerate(found["units"]):
        assert unit["channel"] == numbers["channel"][i]
        assert unit["row"] is unit["column"] is None
        assert unit["activation"] == pytest.approx(numbers["activation"][i])
        assert unit["window"] == numbers["window"][i].tolist() == [0, 0, 32, 32]
        assert unit["class"] == f"class {unit['channel']}"


def test_a_stray_picture_can_be_traced(folder):
    photo = write_photo(folder / "größe 1.png")
    project(photo, "--layer", "conv2", "--topk", "1")
    with Image.open("größe 1_conv2.png") as figure:
        chunks = figure.text
    assert chunks["Software"] == f"deconvviz {__version__}"
    told = json.loads(chunks["Description"])
    whole = facts(folder / "größe 1_conv2.png")
    assert told == {key: whole[key] for key in told}
    assert set(told) == {"command", "model", "weights", "image", "layer", "date"}


def test_sample_needs_no_photograph(folder):
    (folder / "cat.png").unlink()
    done = project("--sample", "--layer", "conv2", "--topk", "1")
    assert done.paths[0].name == "grace_hopper_conv2.png"


def test_a_layer_of_few_units_shows_them_all(folder):
    project("cat.png", "--layer", "conv2", "--layer", "conv1")
    assert len(facts(folder / "cat_conv2.png")["units"]) == 6
    assert len(facts(folder / "cat_conv1.png")["units"]) == 9
