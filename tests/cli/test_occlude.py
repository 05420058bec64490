"""``deconvviz occlude``: what it writes, which map and class it follows, and what it refuses."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from deconvviz_cli.occlude import occlude as command
from PIL import Image

from deconvviz import load_model, read_image
from deconvviz.deconvnet import Unit, project
from deconvviz.experiments.occlusion import occlude as occluded
from deconvviz.experiments.squares import FILLS
from deconvviz.figures.parts import tile_pairs
from deconvviz.gradients.projection import project_by_autograd

from .support import MODEL, arrays, facts, invoke, refused, save_weights, write_photo

COARSE = ("--size", "12", "--stride", "10")
RESIDUAL = ("--model", "mynets:Residual", "--device", "cpu", "--quiet")
GRIDS = ("boxes", "activity", "score", "probability", "top_class")


def occlude(*words):
    return invoke("occlude", *words, *MODEL).ok()


def wanted(photo="cat.png", model="mynets:tiny", **settings):
    """What the library finds for the same photograph."""
    network = load_model(model, seed=settings.get("seed", 0))
    return occluded(network, read_image(photo, network), **settings)


def test_figure_and_manifest_stand_side_by_side(folder):
    assert occlude("cat.png").out == "cat_occlude.png\ncat_occlude.json\n"
    with Image.open("cat_occlude.png") as figure:
        assert min(figure.size) > 400
        assert json.loads(figure.text["Description"])["image"]["name"] == "cat.png"
    told = facts(folder / "cat_occlude.png")
    assert (told["size"], told["stride"]) == (7, 1)  # 50 and 8 of 224, in proportion
    assert told["places"] == {"rows": 26, "columns": 26}


@pytest.mark.parametrize(
    "settings",
    [
        {"fill": "noise", "seed": 7, "target": 3},
        {"fill": "blur", "layer": "fc3", "channel": 5, "batch_size": 2},
    ],
    ids=str,
)
def test_arrays_are_what_the_library_computes(folder, settings):
    names = {"channel": "unit", "batch_size": "batch-size"}
    words = [word for name, value in settings.items() for word in (f"--{names.get(name, name)}", str(value))]
    done = occlude("cat.png", "--arrays", *COARSE, *words)
    assert done.out.split() == ["cat_occlude.png", "cat_occlude.npz", "cat_occlude.json"]
    found, expected = arrays(folder / "cat_occlude.npz"), wanted(size=12, stride=10, **settings)
    wholes = [f"whole_{name}" for name in ("activity", "score", "probability", "top_class")]
    assert list(found) == ["input", *GRIDS, "target", "layer", "channel", *wholes]
    for name in GRIDS:
        np.testing.assert_allclose(found[name], getattr(expected, name).numpy(), rtol=1e-5, atol=1e-6)
    assert (found["target"], found["layer"]) == (expected.target, expected.layer)
    assert found["channel"] == expected.channel
    assert found["whole_activity"] == pytest.approx(expected.whole.activity, rel=1e-5)
    assert found["whole_top_class"] == expected.whole.top_class


def test_manifest(folder):
    occlude("cat.png", "--arrays", *COARSE, "--target", "class 4", "--seed", "5", "--fill", "noise")
    found, told = arrays(folder / "cat_occlude.npz"), facts(folder / "cat_occlude.png")
    expected = {
        "model": "mynets:tiny",
        "seed": 5,
        "fill": "noise",
        "size": 12,
        "stride": 10,
        "layer": "conv2",
    }
    expected |= {"asked": "class 4", "target": 4, "class": "class 4", "places": {"rows": 3, "columns": 3}}
    assert {name: told[name] for name in expected} == expected
    assert told["unit"] == found["channel"]
    top = int(found["whole_top_class"])
    assert (told["whole"]["top_class"], told["whole"]["class"]) == (top, f"class {top}")
    assert told["whole"]["probability"] == pytest.approx(found["whole_probability"])
    assert list(told["lowest"]) == ["activity", "score", "probability"]
    for name, lowest in told["lowest"].items():
        place = lowest["row"], lowest["column"]
        assert place == np.unravel_index(found[name].argmin(), (3, 3))
        assert lowest["value"] == pytest.approx(found[name].min())
        assert lowest["drop"] == pytest.approx(found[f"whole_{name}"] - found[name].min())
        assert lowest["box"] == found["boxes"][place].tolist()
    shares = {row["target"]: row["share"] for row in told["top_classes"]}
    assert sum(shares.values()) == pytest.approx(1)
    assert all(share == pytest.approx((found["top_class"] == c).mean()) for c, share in shares.items())
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_the_map_is_projected_from_its_strongest_place(folder):
    done = occlude("cat.png", *COARSE, "--unit", "2", "--layer", "conv2", "--each", "--out", "parts/")
    names = ["input", "covered", "activity", "probability", "classes", "unit_0002_patch"]
    parts = [path.name for path in done.paths if path.parent.name == "occlude"]
    assert parts == [f"{name}.png" for name in [*names, "unit_0002_projection"]]
    network = load_model("mynets:tiny")
    batch = read_image("cat.png", network)
    projection = project(network, batch, [Unit("conv2", 2)])
    ((_, tile),), _ = tile_pairs(network.pixels(batch)[0], projection, "each")
    with Image.open("parts/occlude/unit_0002_projection.png") as written:
        times = written.width // tile.shape[1]
        np.testing.assert_array_equal(np.asarray(written)[::times, ::times], tile)
    (told,) = facts(folder / "parts" / "cat_occlude.png")["strongest_places"]
    unit = projection.units[0]
    assert (told["row"], told["column"], told["engine"]) == (unit.row, unit.column, "mirror")
    assert told["activation"] == pytest.approx(projection.activations[0].item(), rel=1e-5)
    with Image.open("parts/occlude/covered.png") as written:
        times = written.width // 32
        covered = np.asarray(written)[::times, ::times]
    assert np.abs(covered[:12, :12].astype(int) - 127.5).max() <= 1
    assert (covered[12:] != 128).any()


def test_other_pictures_by_how_strongly_the_map_fires(folder):
    (folder / "more" / "deep").mkdir(parents=True)
    for k in range(4):
        write_photo(folder / "more" / "deep" / f"{k}.png", seed=k + 1)
    (folder / "more" / "bad.jpg").write_text("<html>")
    (folder / "more" / "note.txt").write_text("not a picture, and not named as one")
    write_photo(folder / "one.png", seed=1)  # the same as 0.png
    others = ("--others", "more", "--others", "cat.png", "--others", "one.png")
    occlude("cat.png", *COARSE, "--layer", "conv2", "--unit", "1", *others, "--each")
    network = load_model("mynets:tiny")
    peaks = {}
    for k in range(4):
        batch = read_image(f"more/deep/{k}.png", network)
        peaks[f"{k}.png"] = project(network, batch, [Unit("conv2", 1)]).activations[0].item()
    best = sorted(peaks, key=peaks.__getitem__, reverse=True)[:3]
    first, *rest = facts(folder / "cat_occlude.png")["strongest_places"]
    assert first["name"] == "cat.png"
    assert [row["name"] for row in rest] == best
    assert [row["activation"] for row in rest] == pytest.approx([peaks[name] for name in best], rel=1e-5)
    assert (folder / "occlude" / "unit_0001_other_3_projection.png").is_file()


def test_skipped_and_silent_others_are_told(folder):
    (folder / "bad.jpg").write_text("<html>")
    model = [word for word in MODEL if word != "--quiet"]
    done = invoke("occlude", "cat.png", *COARSE, "--others", "bad.jpg", *model)
    assert done.code == 0
    notes = [line for line in re.split(r"[\r\n]+", done.err) if line.startswith("note:")]
    assert notes[0].startswith("note: skipped: bad.jpg is not a picture")
    assert notes[1] == "note: --others names no other picture that can be read"
    assert "9/9" in done.err


def test_a_network_with_branches_and_without_class_names(folder):
    invoke("occlude", "cat.png", *COARSE, "--arrays", *RESIDUAL).ok()
    found, told = arrays(folder / "cat_occlude.npz"), facts(folder / "cat_occlude.png")
    expected = wanted(model="mynets:Residual", size=12, stride=10)
    np.testing.assert_allclose(found["activity"], expected.activity.numpy(), rtol=1e-5)
    assert told["class"] == f"class {expected.target}"
    (strongest,) = told["strongest_places"]
    assert strongest["engine"] == "autograd"
    network = load_model("mynets:Residual")
    unit = Unit(expected.layer, expected.channel)
    projection = project_by_autograd(network, read_image("cat.png", network), [unit])
    assert strongest["activation"] == pytest.approx(projection.activations[0].item(), rel=1e-5)
    said = refused("cat.png", "--target", "tabby", *RESIDUAL, command="occlude")
    assert said == "mynets:Residual has no class names; give a class by its number, 0 to 4"


def test_one_bad_photograph_among_good_ones(folder):
    write_photo(folder / "dog.png", seed=1)
    whole = (folder / "dog.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    done = invoke("occlude", "cut.png", "dog.png", *COARSE, *MODEL)
    assert done.code == 1
    assert done.out.split()[::2] == ["dog_occlude.png"]
    first, last = done.err.splitlines()
    assert first.startswith("deconvviz: cut.png is damaged")
    assert last == "deconvviz: 1 of 2 images could not be shown; the others are done"


def test_a_picture_of_one_pixel_and_a_map_that_never_fires(folder):
    Image.new("RGB", (1, 1), "red").save("dot.png")
    weights = save_weights(folder / "w.pth", **{"4_bias": torch.full((6,), -1e6)})
    occlude("dot.png", *COARSE, "--weights", weights, "--arrays")
    assert not arrays(folder / "dot_occlude.npz")["activity"].any()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--target", "clas 3"], "no class 'clas 3'; did you mean 'class 3'"),
        (["--target", "10"], "mynets:tiny has 10 classes, 0 to 9; there is no 10"),
        (["--layer", "conv5"], "no layer 'conv5'; did you mean"),
        (["--unit", "6"], "it has 6, 0 to 5"),
        (["--size", "33"], "a square of 33 pixels does not fit an image of 32x32: give a size from 1 to 32"),
        (["--others", "nowhere"], "--others nowhere does not exist"),
        (["--others", "empty"], "--others empty has no pictures in it"),
        (["--out", "cat.png/results"], "cannot write cat.png/results/cat_occlude.png"),
    ],
)
def test_what_was_asked_for_is_not_there(folder, words, says):
    (folder / "empty").mkdir()
    assert says in refused("cat.png", *MODEL, *COARSE, *words, command="occlude")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name at least one image"),
        (["cat.png", "--stride", "0"], "--stride"),
        (["cat.png", "--size", "0"], "--size"),
        (["cat.png", "--fill", "pink"], "blur"),
        (["cat.png", "--unit", "-1"], "--unit"),
        (["cat.png", "--layer", "conv1", "--layer", "conv2"], "give --layer once, not 2 times"),
        (["cat.png", "cat.png", "--out", "one.png"], "one file for 2 figures"),
    ],
)
def test_wrong_usage(folder, words, says):
    said = refused(*words, *MODEL, command="occlude", code=2)
    assert says in said
    assert said.endswith("(see 'deconvviz occlude --help')")


def test_weights_without_class_scores(folder):
    state = torch.load(save_weights(folder / "w.pth"), weights_only=True)
    torch.save({name: value for name, value in state.items() if int(name.split(".")[0]) < 8}, "convs.pth")
    said = refused("cat.png", "--weights", "convs.pth", *MODEL, command="occlude")
    assert said == "the weights convs.pth serve conv1 to pool2, not mynets:tiny's class scores"


def test_every_fill_can_be_asked_for():
    (option,) = [parameter for parameter in command.params if parameter.name == "fill"]
    assert tuple(option.type.choices) == FILLS
