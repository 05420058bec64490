"""``deconvviz invariance``: what it writes, whose class it follows, and what it refuses."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from deconvviz import load_model, open_photo
from deconvviz.experiments.invariance import invariance as found_for
from deconvviz.experiments.scenes import scene_of

from .support import MODEL, arrays, facts, invoke, refused, save_weights, write_photo

FEW = ("--steps", "3")


def invariance(*words):
    return invoke("invariance", *words, *MODEL).ok()


def wanted(*names, fill="edge", cropped=False, **more):
    """What the library finds for the same photographs."""
    network = load_model("mynets:tiny")
    scenes = [scene_of(network, open_photo(name).image, fill=fill, cropped=cropped) for name in names]
    return found_for(network, scenes, **{"steps": 3, **more})


def same(found, expected):
    """The file's arrays, and the library's result."""
    np.testing.assert_allclose(found["lengths"], expected.lengths, rtol=1e-5)
    np.testing.assert_allclose(found["between"], expected.between, rtol=1e-5, atol=1e-6)
    for kind, course in expected.courses.items():
        np.testing.assert_array_equal(found[kind], course.amounts)
        np.testing.assert_allclose(found[f"{kind}_distances"], course.distances, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[f"{kind}_probabilities"], course.probabilities, rtol=1e-4)


def test_one_figure_for_all_images(folder):
    write_photo(folder / "dog.png", seed=1, side=64)
    Image.open("dog.png").crop((0, 0, 64, 40)).save("wide.png")
    done = invariance("cat.png", "wide.png", "--arrays", *FEW)
    assert done.out.split() == [f"pictures_invariance.{suffix}" for suffix in ("png", "npz", "json")]
    found, expected = arrays("pictures_invariance.npz"), wanted("cat.png", "wide.png")
    same(found, expected)
    assert found["images"].tolist() == ["cat.png", "wide.png"]
    assert found["layers"].tolist() == ["conv1", "fc3"]
    assert found["targets"].tolist() == list(expected.targets)
    assert found["translation"].tolist() == [-9, 0, 9]  # 60 of 224 on 32
    assert (found["translation_distances"][:, :, 1] == 0).all()
    assert found["rotation_distances"][:, :, [0, 2]].max() == 0 < found["rotation_distances"].max()
    with Image.open("pictures_invariance.png") as figure:
        assert min(figure.size) > 800
        assert json.loads(figure.text["Description"])["model"] == "mynets:tiny"


def test_options_reach_the_library(folder):
    write_photo(folder / "tall.png", side=64)
    Image.open("tall.png").crop((0, 0, 40, 64)).save("tall.png")
    words = ["--translate", "5", "--scale-to", "0.5", "--rotate-to", "-90", "--fill", "grey", "--crop-first"]
    words += ["--layer", "conv2", "--relative", "--batch-size", "2", "--target", "7"]
    assert invariance("tall.png", "--arrays", *words, *FEW).out.startswith("tall_invariance.png")
    expected = wanted(
        "tall.png",
        fill="grey",
        cropped=True,
        layers=["conv2"],
        translate=5,
        scale_to=0.5,
        rotate_to=-90.0,
        targets=[7],
    ).in_lengths()
    found = arrays("tall_invariance.npz")
    same(found, expected)
    other = wanted("tall.png", fill="grey", layers=["conv2"], translate=5, targets=[7]).in_lengths()
    gap = found["translation_distances"] - other.courses["translation"].distances.numpy()
    assert np.abs(gap).max() > 0.01  # what the crop left out would have come in
    told = facts(folder / "tall_invariance.png")
    assert (told["fill"], told["crop_first"], told["relative"], told["steps"]) == ("grey", True, True, 3)


def test_a_target_for_each(folder):
    write_photo(folder / "dog.png", seed=1)
    invariance("cat.png", "dog.png", "--target", "class 2", "--target", "3", *FEW)
    told = facts(folder / "pictures_invariance.png")["results"]
    assert [row["target"] for row in told] == [2, 3]
    assert [row["class"] for row in told] == ["class 2", "class 3"]
    assert [row["asked"] for row in told] == ["class 2", "3"]


def test_manifest(folder):
    path = save_weights(folder / "mine.pth")
    done = invoke("invariance", "cat.png", "--weights", "mine.pth", "--steps", "5", *MODEL[:-1])
    assert "12/12" in done.err
    (note,) = [line for line in done.err.splitlines() if line.startswith("note: ")]
    told = facts(folder / "cat_invariance.png")
    assert told["weights"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    (image,) = told["images"]
    assert image["sha256"] == hashlib.sha256((folder / "cat.png").read_bytes()).hexdigest()
    assert told["layers"] == ["conv1", "fc3"]
    assert told["rotation"] == [0, 90, 180, 270, 360]
    (row,) = told["results"]
    curve = row["rotation"]["conv1"]
    assert list(curve) == ["largest", "largest_at", "ends", "share_of_first_step", "dips"]
    assert curve["ends"] == [0, 0]
    assert curve["largest_at"] in (90, 180, 270)
    assert 0 < curve["share_of_first_step"] <= 1
    assert 0 <= row["scale"]["probability"]["least"] <= row["probability"] <= 1
    assert "asked" not in row
    assert note.startswith(f"note: no --target: cat.png is taken for {row['class']} (")


def test_a_symmetric_image_dips_at_its_symmetry(folder):
    rough = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint16)
    Image.fromarray(((rough + rough[::-1, ::-1]) // 2).astype(np.uint8)).save("disc.png")
    words = ("--layer", "conv1", "--target", "7", "--out", "new/curves.svg")
    done = invariance("disc.png", "disc.png", "--steps", "5", *words)
    assert done.out.splitlines() == ["new/curves.svg", "new/curves.json"]
    assert (folder / "new" / "curves.svg").read_bytes().startswith(b"<?xml")
    for row in facts(folder / "new" / "curves.svg")["results"]:
        assert row["rotation"]["conv1"]["dips"] == [{"at": 180.0, "share": pytest.approx(0, abs=1e-5)}]
        assert (row["target"], row["asked"]) == (7, "7")  # one for both


@pytest.mark.parametrize(("model", "layer"), [("mynets:small", "0"), ("mynets:Labelling", "conv")])
def test_without_class_scores(folder, model, layer):
    words = ("cat.png", "--model", model, "--device", "cpu", "--layer", layer, *FEW)
    says = refused(*words, "--target", "1", "--quiet", command="invariance")
    assert says.startswith(f"{model} gives ")
    assert says.endswith("not (N, classes) scores")
    if model == "mynets:small":
        done = invoke("invariance", *words, "--arrays")
        assert done.code == 0, done.err
        (note,) = [line for line in done.err.splitlines() if line.startswith("note: ")]
        assert note == f"note: no probabilities are shown: {says}"
        assert {"targets", "scale_probabilities"}.isdisjoint(arrays("cat_invariance.npz"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["--translate", "32"],
            "a translation of 32 pixels moves an image of 32 pixels out of sight: give at",
        ),
        (["--scale-to", "0"], "cannot be scaled by 0: give 0.1 to 10"),
        (["--scale-to", "nan"], "a scale of nan is no number"),
        (["--rotate-to", "0"], "a rotation of 0 at most changes nothing"),
        (["--target", "clas 3"], "no class 'clas 3'; did you mean 'class 3'"),
        (["--target", "10"], "mynets:tiny has 10 classes, 0 to 9; there is no 10"),
        (["--layer", "conv9"], "no layer 'conv9'"),
        (["text.jpg", "cat.png"], "text.jpg is not a picture"),
        (["missing.jpg"], "missing.jpg does not exist"),
        (["--input-size", "48", "--target", "1"], "mynets:tiny does not take images of (1, 3, 48, 48)"),
        (["--out", "cat.png/results"], "cat.png is no folder; choose another place with --out"),
    ],
)
def test_what_was_asked_for_is_not_there(folder, words, says):
    (folder / "text.jpg").write_text("<html>")
    assert says in refused("cat.png", *MODEL, *words, command="invariance")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name at least one image"),
        (["cat.png"] * 10, "10 images for one figure: name at most 9"),
        (["cat.png"] * 3 + ["--target", "1", "--target", "2"], "given 2 times for 3 images"),
        (["cat.png", "--steps", "1"], "--steps"),
        (["cat.png", "--translate", "0"], "--translate"),
        (["cat.png", "--fill", "noise"], "mean"),
        (["cat.png", "--out", "figure.bmp"], ".png, .svg, .pdf"),
    ],
)
def test_wrong_usage(folder, words, says):
    assert says in refused(*words, *MODEL, command="invariance", code=2)
