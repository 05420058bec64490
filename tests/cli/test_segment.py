"""``deconvviz segment``: what it writes, whose object it cuts out, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from deconvviz import load_model, open_photo
from deconvviz.deconvnet import Rectification
from deconvviz.figures.segmentation import mask_tile, object_tile
from deconvviz.gradients.saliency import saliency
from deconvviz.gradients.segmentation import closer, in_photograph
from deconvviz.gradients.segmentation import segment as segmented
from deconvviz.tiles import photo_tile

from .support import MODEL, arrays, complaint, facts, invoke, refused

REDDISH = ("--model", "mynets:reddish", "--device", "cpu", "--quiet")


@pytest.fixture
def disc(folder):
    """A red disc on green, of radius 20 around row 40 and column 60, in a picture wider than high."""
    rows, columns = np.mgrid[:80, :120]
    mask = (rows - 40) ** 2 + (columns - 60) ** 2 <= 20**2
    flat = np.where(mask[..., None], (200, 40, 40), (40, 160, 60))
    noisy = np.clip(flat + np.random.default_rng(0).normal(0, 12, flat.shape), 0, 255)
    Image.fromarray(noisy.astype(np.uint8)).save("disc.png")
    return folder


def segment(*words):
    return invoke("segment", *words, *REDDISH).ok()


def wanted(photo, target=None, rule="gradient", model="mynets:reddish", **settings):
    """What the library makes of the same photograph."""
    network = load_model(model)
    image = open_photo(photo).image
    found = saliency(network, network.see(image), None if target is None else [target], Rectification(rule))
    picture = closer(network, image)
    return network, picture, found, segmented(picture, found.maps[0], **settings)


def test_figure_mask_overlay_and_manifest(disc):
    done = segment("disc.png")
    stem = "disc_segment"
    assert done.out.split() == [f"{stem}.png", f"{stem}_mask.png", f"{stem}_overlay.png", f"{stem}.json"]
    network, picture, found, cut = wanted("disc.png")
    seen = photo_tile(picture.numpy())
    assert seen.shape == (224, 224, 3)  # seven times as fine as what the network saw
    for name, tile in (("mask", mask_tile(cut.mask)), ("overlay", object_tile(seen, cut.mask))):
        with Image.open(f"{stem}_{name}.png") as written:
            np.testing.assert_array_equal(np.asarray(written), tile)
            assert json.loads(written.text["Description"])["image"]["name"] == "disc.png"
    said = facts(disc / f"{stem}.png")
    own = in_photograph(cut.box, (120, 80), network)
    boxes = {"mask": cut.box, "seen": cut.box.coarser(7), "photograph": own}
    assert said["box"] == {name: box._asdict() for name, box in boxes.items()}
    assert said["mask"] == {"width": 224, "height": 224, "share": cut.share}
    assert (said["image"]["width"], said["image"]["height"]) == (120, 80)
    assert (said["target"], said["class"]) == (0, "red")
    assert said["score"] == pytest.approx(found.scores[0].item(), rel=1e-5)
    assert said["probability"] == pytest.approx(found.probabilities[0].item(), rel=1e-5)
    kept = {"rule": "gradient", "foreground": 0.95, "background": 0.3, "pinned": 0.0, "iterations": 1}
    assert {name: said[name] for name in kept} == kept
    assert said["foreground_above"] == pytest.approx(cut.foreground_above, rel=1e-5)
    assert said["background_below"] == pytest.approx(cut.background_below, rel=1e-5)


def test_the_box_is_that_of_the_disc(disc):
    segment("disc.png")
    said = facts(disc / "disc_segment.png")
    disc_box = {"top": 20, "left": 40, "height": 41, "width": 41}
    assert all(abs(said["box"]["photograph"][name] - disc_box[name]) <= 2 for name in disc_box)
    assert said["mask"]["share"] == pytest.approx(np.pi * 20**2 / 80**2, abs=0.02)


def test_arrays_that_are_the_same_again(disc):
    words = ("--iterations", "0", "--foreground", "0.9", "--background", "0.4", "--pinned", "0.01")
    done = [segment("disc.png", "--arrays", *words, "--out", f"{name}.png") for name in "ab"]
    assert done[0].out.split() == ["a.png", "a_mask.png", "a_overlay.png", "a.npz", "a.json"]
    found, again = (arrays(disc / f"{name}.npz") for name in "ab")
    settings = {"iterations": 0, "foreground": 0.9, "background": 0.4, "pinned": 0.01}
    network, _, salient, cut = wanted("disc.png", **settings)
    assert list(found) == ["input", "saliency", "mask", "box", "seeds"]
    assert all(np.array_equal(found[name], again[name]) for name in found)
    np.testing.assert_array_equal(found["input"], network.see(open_photo("disc.png").image)[0].numpy())
    np.testing.assert_allclose(found["saliency"], salient.maps[0].numpy(), rtol=1e-5)
    np.testing.assert_array_equal(found["mask"], cut.mask)
    assert tuple(found["box"]) == cut.box
    np.testing.assert_array_equal(found["seeds"] == 1, cut.foreground_seeds)
    np.testing.assert_array_equal(found["seeds"] == -1, cut.background_seeds)


def test_the_object_of_another_class_by_another_rule(disc):
    words = ("--target", "CLASS_3", "--rule", "guided", "--pinned", "0.02", "--iterations", "0", "--arrays")
    invoke("segment", "disc.png", *words, *MODEL).ok()
    cut = wanted("disc.png", 3, "guided", "mynets:tiny", pinned=0.02, iterations=0)[3]
    np.testing.assert_array_equal(arrays(disc / "disc_segment.npz")["mask"], cut.mask)
    said = facts(disc / "disc_segment.png")
    assert (said["target"], said["class"], said["rule"]) == (3, "class 3", "guided")


def test_several_photographs_in_a_folder(disc):
    (disc / "other.png").write_bytes((disc / "disc.png").read_bytes())
    done = segment("disc.png", "other.png", "--out", "cut/")
    assert len(done.paths) == 8
    assert {path.parent.name for path in done.paths} == {"cut"}


def test_a_vector_figure(disc):
    done = segment("disc.png", "--out", "figure.svg")
    assert done.out.split() == ["figure.svg", "figure_mask.png", "figure_overlay.png", "figure.json"]


def test_a_network_that_branches_and_has_no_class_names(disc):
    words = ("--model", "mynets:Residual", "--quiet", "--pinned", "0.02")
    done = invoke("segment", "disc.png", *words).ok()
    said = facts(done.paths[0])
    assert said["class"] == f"class {said['target']}"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--foreground", "0.3"], "--foreground 0.3 must be above --background 0.3"),
        (["--foreground", "0.2", "--background", "0.6"], "must be above --background 0.6"),
        (["--foreground", "1.5"], "--foreground"),
        (["--foreground", "1"], "--foreground"),
        (["--background", "0"], "--background"),
        (["--background", "half"], "--background"),
        (["--pinned", "0.7"], "--pinned"),
        (["--iterations", "-1"], "--iterations"),
        (["--rule", "saliency"], "--rule"),
        (["--out", "figure.bmp"], ".png, .svg, .pdf"),
        (["dog.png", "--out", "one.png"], "one file for 2 figures"),
    ],
)
def test_wrong_usage(folder, words, says):
    said = refused("cat.png", *words, *MODEL, command="segment", code=2)
    assert says in said
    assert said.endswith("(see 'deconvviz segment --help')")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--target", "clas 3"], "no class 'clas 3'; did you mean 'class 3'"),
        (["--target", "10"], "10 classes, 0 to 9"),
        (["--model", "mynets:small"], "not (N, classes) scores"),
        (["--weights", "none.pth"], "none.pth does not exist"),
    ],
)
def test_what_was_asked_for_is_not_there(folder, words, says):
    assert says in refused("cat.png", *MODEL, *words, command="segment")


def test_photographs_of_which_nothing_can_be_cut_out(disc):
    Image.new("RGB", (40, 30), "firebrick").save("brick.png")
    assert refused("brick.png", *REDDISH, command="segment").startswith(
        "brick.png: the picture is of one colour"
    )
    said = refused("disc.png", "--target", "nothing", *REDDISH, command="segment")
    assert said.startswith("disc.png: the saliency is 0 in every pixel")
    assert said.endswith("try another target or rule")
    done = invoke("segment", "brick.png", "text.jpg", "disc.png", *REDDISH)
    assert [line.split()[1] for line in done.err.splitlines()] == ["brick.png:", "text.jpg", "2"]
    assert len(done.paths) == 4
    assert done.code == 1


def test_a_cut_that_leaves_nothing(folder):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save("noise.png")
    answer = invoke("segment", "noise.png", *MODEL, "--model", "mynets:Residual")
    said = complaint(answer)
    assert said.startswith("noise.png: the cut leaves no object")
    assert "pin the most salient pixels (--pinned 0.005)" in said


def test_help_imports_neither_torch_nor_opencv():
    code = "import sys, deconvviz_cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert not {"torch", "cv2", "numpy"} & set(done.stdout.split())
