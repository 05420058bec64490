"""``deconvviz saliency``: what it writes, whose score it takes, and what it refuses."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from PIL import Image

from deconvviz import __version__, load_model, read_image
from deconvviz.deconvnet import Rectification
from deconvviz.figures.heat import heat_scale, heat_tile, overlay_tile
from deconvviz.gradients.saliency import saliency as saliency_of
from deconvviz.tiles import photo_tile

from .support import MODEL, arrays, facts, invoke, refused, save_weights, write_photo

RESIDUAL = ("--model", "mynets:Residual", "--device", "cpu", "--quiet")


def saliency(*words):
    return invoke("saliency", *words, *MODEL).ok()


def wanted(photo, targets=None, rule="gradient", model="mynets:tiny"):
    """What the library finds for the same photograph, once for each target."""
    network = load_model(model)
    batch = read_image(photo, network).expand(len(targets or [0]), -1, -1, -1)
    return network, batch, saliency_of(network, batch, targets, Rectification(rule))


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def test_figure_and_manifest_stand_side_by_side(folder):
    assert saliency("cat.png").out == "cat_saliency.png\ncat_saliency.json\n"
    with Image.open("cat_saliency.png") as figure:
        assert min(figure.size) > 400
        assert json.loads(figure.text["Description"])["image"]["name"] == "cat.png"


@pytest.mark.parametrize("rule", ["gradient", "guided", "deconvnet"])
def test_arrays_are_what_the_library_computes(folder, rule):
    done = saliency("cat.png", "--arrays", "--rule", rule)
    assert done.out.split() == ["cat_saliency.png", "cat_saliency.npz", "cat_saliency.json"]
    found, (_, batch, expected) = arrays(folder / "cat_saliency.npz"), wanted("cat.png", None, rule)
    assert list(found) == ["input", "saliency", "pixels", "target", "score", "probability"]
    np.testing.assert_array_equal(found["input"], batch[0].numpy(), strict=True)
    assert found["saliency"].shape == (32, 32)
    assert found["saliency"].dtype == found["pixels"].dtype == np.float32
    same(found["saliency"], expected.maps[0].numpy())
    same(found["pixels"], expected.pixels[0].numpy())
    assert found["pixels"].min() < 0 < found["pixels"].max()
    assert found["target"] == expected.targets[0]
    assert found["score"] == pytest.approx(expected.scores[0].item())
    assert found["probability"] == pytest.approx(expected.probabilities[0].item())


def test_several_targets_by_number_and_by_name(folder):
    words = [
        "--target",
        "7",
        "--target",
        "class 2",
        "--target",
        "top1",
        "--target",
        "CLASS_2",
        "--target",
        "7",
    ]
    saliency("cat.png", "--arrays", *words)
    found, told = arrays(folder / "cat_saliency.npz"), facts(folder / "cat_saliency.png")
    network = load_model("mynets:tiny")
    with torch.inference_mode():
        top = int(network.module(read_image("cat.png", network)).argmax())
    targets = [7, 2, top, 2]  # what is given twice is shown once
    assert found["target"].tolist() == targets
    assert found["input"].shape == (3, 32, 32)
    assert found["saliency"].shape == (4, 32, 32)
    assert found["pixels"].shape == (4, 3, 32, 32)
    _, _, expected = wanted("cat.png", targets)
    same(found["pixels"], expected.pixels.numpy())
    assert [row["asked"] for row in told["targets"]] == ["7", "class 2", "top1", "CLASS_2"]
    assert [row["target"] for row in told["targets"]] == targets
    assert [row["class"] for row in told["targets"]] == [f"class {target}" for target in targets]


def test_top1_is_each_images_own(folder):
    seen = set()
    for seed in range(2):
        write_photo(folder / f"{seed}.png", seed=seed)
    sure_of_nothing = {"10_bias": torch.zeros(10)}
    weights = save_weights(folder / "w.pth", seed=3, **sure_of_nothing)
    done = saliency(*[f"{seed}.png" for seed in range(2)], "--weights", weights)
    for path in done.paths[::2]:
        told = facts(path)
        assert told["targets"][0]["class"] == told["predictions"][0]["class"]
        seen.add(told["targets"][0]["target"])
    assert len(seen) > 1


def test_manifest(folder):
    path = save_weights(folder / "mine.pth")
    saliency("cat.png", "--weights", "mine.pth", "--rule", "guided", "--target", "4", "--seed", "5")
    told = facts(folder / "cat_saliency.png")
    assert told["made_by"] == f"deconvviz {__version__}"
    assert told["command"].startswith("deconvviz saliency cat.png --weights mine.pth --rule guided")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert told["weights"] == {"label": "mine.pth", "file": "mine.pth", "sha256": sha256}
    assert told["image"]["sha256"] == hashlib.sha256((folder / "cat.png").read_bytes()).hexdigest()
    assert (told["model"], told["device"], told["seed"], told["rule"]) == ("mynets:tiny", "cpu", 5, "guided")
    (target,) = told["targets"]
    assert list(target) == ["asked", "target", "class", "score", "probability", "scale"]
    chances = [row["probability"] for row in told["predictions"]]
    assert len(chances) == 3
    assert chances == sorted(chances, reverse=True)
    network = load_model("mynets:tiny", path)
    with torch.inference_mode():
        scores = network.module(read_image("cat.png", network))[0]
    assert target["score"] == pytest.approx(scores[4].item(), rel=1e-5)
    assert target["probability"] == pytest.approx(scores.softmax(0)[4].item(), rel=1e-5)


def test_each_writes_the_tiles_of_the_figure(folder):
    done = saliency("cat.png", "--target", "3", "--target", "0", "--each", "--out", "parts")
    names = ["input", "class_0003_heat", "class_0003_overlay", "class_0000_heat", "class_0000_overlay"]
    assert [str(path) for path in done.paths[1:-1]] == [f"parts/saliency/{name}.png" for name in names]
    network, batch, found = wanted("cat.png", [3, 0])
    image, heat = photo_tile(network.pixels(batch)[0].numpy()), found.maps[1].numpy()
    tiles = [image, heat_tile(heat, heat_scale(heat)), overlay_tile(image, heat, heat_scale(heat))]
    for name, tile in zip([names[0], *names[3:]], tiles, strict=True):
        with Image.open(folder / "parts" / "saliency" / f"{name}.png") as written:
            times = written.width // 32
            near = np.asarray(written)[::times, ::times].astype(int) - tile
            assert np.abs(near).max() <= 1
            assert json.loads(written.text["Description"])["model"] == "mynets:tiny"


def test_each_gives_every_image_a_folder(folder):
    write_photo(folder / "dog.png", seed=1)
    done = saliency("cat.png", "dog.png", "--each", "--out", "parts/")
    parts = {
        path.parent.relative_to("parts") for path in done.paths if path.name.startswith(("class", "input"))
    }
    assert {str(part) for part in parts} == {"cat/saliency", "dog/saliency"}


def test_out_names_a_file(folder):
    done = saliency("cat.png", "--out", "new/seen.svg", "--arrays")
    assert done.out.splitlines() == ["new/seen.svg", "new/seen.npz", "new/seen.json"]
    assert (folder / "new" / "seen.svg").read_bytes().startswith(b"<?xml")


def test_a_network_with_branches_and_without_class_names(folder):
    invoke("saliency", "cat.png", "--rule", "guided", "--target", "3", "--arrays", *RESIDUAL).ok()
    found, told = arrays(folder / "cat_saliency.npz"), facts(folder / "cat_saliency.png")
    assert told["targets"][0]["class"] == "class 3"
    assert found["saliency"].any()
    _, _, expected = wanted("cat.png", [3], "guided", "mynets:Residual")
    same(found["pixels"], expected.pixels[0].numpy())
    said = refused("cat.png", "--target", "tabby", *RESIDUAL, command="saliency")
    assert said == "mynets:Residual has no class names; give a class by its number, 0 to 4"


def test_one_bad_photograph_among_good_ones(folder):
    write_photo(folder / "dog.png", seed=1)
    (folder / "text.jpg").write_text("<html>")
    done = invoke("saliency", "cat.png", "text.jpg", "dog.png", *MODEL)
    assert done.code == 1
    assert done.out.split()[::2] == ["cat_saliency.png", "dog_saliency.png"]
    first, last = done.err.splitlines()
    assert first.startswith("deconvviz: text.jpg is not a picture")
    assert last == "deconvviz: 1 of 3 images could not be shown; the others are done"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--target", "clas 3"], "no class 'clas 3'; did you mean 'class 3'"),
        (["--target", "10"], "mynets:tiny has 10 classes, 0 to 9; there is no 10"),
        (["--target", "-1"], "there is no -1"),
        (["--target", "top5"], "no class 'top5'"),
        (["--input-size", "48"], "images of (1, 3, 48, 48) do not pass the network"),
        (["--device", "abacus"], "cannot compute on 'abacus'"),
        (["--weights", "none.pth"], "none.pth does not exist"),
        (["--out", "cat.png/results"], "cannot write cat.png/results/cat_saliency.png"),
    ],
)
def test_what_was_asked_for_is_not_there(folder, words, says):
    assert says in refused("cat.png", *MODEL, *words, command="saliency")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name at least one image"),
        (["cat.png", "--sample"], "not both"),
        (["cat.png", "--rule", "integrated"], "guided"),
        (["cat.png", "cat.png", "--out", "one.png"], "one file for 2 figures"),
        (["cat.png", "--out", "figure.bmp"], ".png, .svg, .pdf"),
        (["cat.png", "--smooth", "2"], "--smooth"),
    ],
)
def test_wrong_usage(folder, words, says):
    said = refused(*words, *MODEL, command="saliency", code=2)
    assert says in said
    assert said.endswith("(see 'deconvviz saliency --help')")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("mynets:Branching", "mynets:Branching gives (1, 5, 30, 30), not (N, classes) scores"),
        ("mynets:Labelling", "mynets:Labelling gives dict, not (N, classes) scores"),
        ("mynets:not_a_network", "returned a int, not a torch.nn.Module"),
        ("alexnett", "no model 'alexnett'; did you mean 'alexnet'"),
    ],
)
def test_networks(folder, model, says):
    assert says in refused("cat.png", "--model", model, "--quiet", command="saliency")


def test_a_note_on_random_weights(folder):
    done = invoke("saliency", "--sample", "--weights", "random", *MODEL[:-1])
    assert done.out.split()[0] == "grace_hopper_saliency.png"
    assert done.err.startswith("note: mynets:tiny has random weights")
