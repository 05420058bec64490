"""``deconvviz maps`` and ``deconvviz filters``."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from deconvviz import load_model, read_image, record

from .support import MODEL, arrays, complaint, facts, invoke, save_weights, write_photo


def maps(*words):
    return invoke("maps", "cat.png", *words, *MODEL).ok()


def filters(*words):
    return invoke("filters", *words, *MODEL).ok()


def features(layer, model="mynets:tiny"):
    """What the library records of the photograph."""
    network = load_model(model)
    return record(network, read_image("cat.png", network), [layer]).features(layer)[0].numpy()


def test_all_maps_of_a_layer(folder):
    done = maps("--layer", "conv2", "--arrays")
    assert done.out == "cat_conv2_maps.png\ncat_conv2_maps.npz\ncat_conv2_maps.json\n"
    found = arrays(folder / "cat_conv2_maps.npz")
    assert list(found) == ["maps", "channel"]
    np.testing.assert_array_equal(found["maps"], features("conv2"), strict=True)
    np.testing.assert_array_equal(found["channel"], np.arange(6))


def test_strongest_maps_first(folder):
    maps("--layer", "conv1", "--topk", "4", "--arrays")
    found, every = arrays(folder / "cat_conv1_maps.npz"), features("conv1")
    order = np.argsort(-every.max((1, 2)), kind="stable")[:4]
    np.testing.assert_array_equal(found["channel"], order)
    np.testing.assert_array_equal(found["maps"], every[order])
    assert facts(folder / "cat_conv1_maps.png")["channels"] == order.tolist()


def test_every_map_as_a_picture(folder):
    done = maps("--layer", "conv2", "--layer", "pool1", "--each", "--out", "all/")
    tiles = [path for path in done.paths if path.name.startswith("unit_")]
    assert [str(path) for path in tiles[:6]] == [f"all/conv2/unit_{i:04d}.png" for i in range(6)]
    assert len(tiles) == 6 + 12
    for path, side in ((tiles[0], 13), (tiles[6], 15)):
        with Image.open(path) as tile:
            assert tile.size[0] % side == 0
            assert json.loads(tile.text["Description"])["layer"] == path.parent.name


def test_several_images_do_not_share_a_folder(folder):
    write_photo(folder / "dog.png", seed=1)
    done = maps("dog.png", "--layer", "conv2", "--each", "--topk", "1")
    assert {str(path.parent) for path in done.paths} == {".", "cat/conv2", "dog/conv2"}


def test_dead_maps_are_recorded(folder):
    words = ["maps", "cat.png", "--layer", "3", "--model", "mynets:half_dead", "--quiet", "--each"]
    done = invoke(*words).ok()
    assert facts(done.paths[0])["dead"] == [1, 3]
    shades = [np.unique(np.asarray(Image.open(folder / "3" / f"unit_{i:04d}.png"))) for i in range(5)]
    assert [len(shade) == 1 for shade in shades] == [False, True, False, True, False]
    maps("--layer", "conv2")
    dead = [c for c, values in enumerate(features("conv2")) if not (values > 0).any()]
    assert facts(folder / "cat_conv2_maps.png")["dead"] == dead


@pytest.mark.parametrize(("layer", "units"), [("fc3", 20), ("fc4", 10)])
@pytest.mark.parametrize("topk", [None, 3])
def test_fully_connected_layers(folder, layer, units, topk):
    maps("--layer", layer, "--arrays", *([f"--topk={topk}"] if topk else []))
    found = arrays(folder / f"cat_{layer}_maps.npz")
    np.testing.assert_array_equal(found["maps"], features(layer)[found["channel"]])
    assert len(found["channel"]) == (topk or units)


def test_single_values_cannot_be_drawn_one_by_one(folder):
    said = complaint(invoke("maps", "cat.png", "--layer", "fc3", "--each", *MODEL), code=2)
    assert "fc3" in said
    assert "--arrays" in said


@pytest.mark.parametrize("scale", ["shared", "each"])
def test_brightness_of_maps(folder, scale):
    maps("--layer", "conv1", "--each", "--scale", scale)
    brightest = [np.asarray(Image.open(folder / "conv1" / f"unit_{i:04d}.png")).max() for i in range(12)]
    white = 252  # the top of magma
    assert (min(brightest) >= white) == (scale == "each")
    assert max(brightest) >= white


@pytest.mark.parametrize("suffix", ["svg", "pdf"])
def test_vector_formats(folder, suffix):
    for command in (maps, filters):
        done = command("--layer", "conv1", "--out", f"figure.{suffix}")
        assert done.out == f"figure.{suffix}\nfigure.json\n"


@pytest.mark.parametrize(("layer", "units", "module"), [("conv1", 12, "0"), ("conv2", 6, "4"), ("4", 6, "4")])
def test_all_kernels_of_a_layer(folder, layer, units, module):
    done = filters("--layer", layer)
    assert done.out == f"mynets_tiny_{layer}_filters.png\nmynets_tiny_{layer}_filters.json\n"
    said = facts(done.paths[0])
    assert said["channels"] == list(range(units))
    assert (said["layer"], said["module"], said["model"]) == (layer, module, "mynets:tiny")


def test_kernels_that_see_pixels_are_in_colour(folder):
    for layer, coloured in (("conv1", True), ("conv2", False)):
        with Image.open(filters("--layer", layer).paths[0]) as figure:
            pixels = np.asarray(figure.convert("RGB")).astype(int)
        assert (np.ptp(pixels, axis=2).max() > 60) == coloured


def test_chosen_kernels(folder):
    filters("--layer", "conv2", "--unit", "5", "--unit", "0", "--out", "kernels.png", "--scale", "each")
    assert facts(folder / "kernels.png")["channels"] == [5, 0]
    assert facts(folder / "kernels.png")["scale"] == "each"


def test_kernels_come_from_the_weights(folder):
    save_weights(folder / "mine.pth")
    first = filters("--layer", "conv1", "--out", "a.png").paths[0].read_bytes()
    other = filters("--layer", "conv1", "--out", "b.png", "--weights", "mine.pth").paths[0].read_bytes()
    assert first != other
    assert facts(folder / "b.png")["weights"]["label"] == "mine.pth"


def test_a_network_inside_a_package_keeps_its_whole_name(folder):
    (folder / "nets").mkdir()
    (folder / "mynets.py").rename(folder / "nets" / "inner.py")
    done = invoke("filters", "--layer", "0", "--model", "nets.inner:small", "--quiet").ok()
    assert "inner_small" in done.paths[0].name


@pytest.mark.parametrize("layer", ["pool1", "fc3", "fc4", "7"])
def test_layers_without_kernels(folder, layer):
    said = complaint(invoke("filters", "--layer", layer, *MODEL))
    assert said == f"{layer} has no kernels to draw; convolutions: conv1, conv2"


def test_kernels_that_do_not_exist(folder):
    said = complaint(invoke("filters", "--layer", "conv2", "--unit", "6", *MODEL))
    assert said == "no unit 6 in conv2: it has 6 units, 0 to 5"
