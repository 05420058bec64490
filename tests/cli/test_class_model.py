"""``deconvviz class-model``: what it writes, of whom, how it ends, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from deconvviz import load_model
from deconvviz.figures.class_models import coloured_tiles, signed_tiles
from deconvviz.preimage import simonyan2013
from deconvviz.preimage.class_models import class_models
from deconvviz.preimage.legible import Legible

from .support import MODEL, arrays, complaint, facts, invoke, refused, save_weights

FEW = ("--iterations", "3")


def class_model(*words, steps=FEW, model=MODEL):
    return invoke("class-model", *words, *steps, *model).ok()


def own(name):
    """The options of another network of `mynets`."""
    return ("--model", f"mynets:{name}", "--device", "cpu", "--quiet")


def shown(tile, path):
    """Whether a picture is that tile, enlarged by whole pixels."""
    with Image.open(path) as image:
        times = image.size[0] // tile.shape[0]
        assert np.array_equal(np.asarray(image), tile.repeat(times, 0).repeat(times, 1))


@pytest.mark.parametrize("preset", ["legible", "simonyan2013"])
def test_several_classes_in_one_figure(folder, preset):
    words = ["--target", "class 3", "--target", "CLASS_8", "--target", "3", "--preset", preset]
    done = class_model(*words, "--arrays", "--each", "--seed", "4", "--batch-size", "1")
    parts = ["class_models/class_0003.png", "class_models/class_0008.png"]
    assert done.out.split() == ["class_models.png", "class_models.npz", *parts, "class_models.json"]
    network = load_model("mynets:tiny", seed=4)
    expected = class_models(network, [3, 8], preset, iterations=3, seed=4, at_once=1)
    found = arrays(folder / "class_models.npz")
    assert list(found) == ["images", "target", "value", "probability", "curve"]
    np.testing.assert_array_equal(found["images"], expected.images)
    np.testing.assert_array_equal(found["curve"], expected.curve)
    np.testing.assert_array_equal(found["value"], expected.values)
    np.testing.assert_allclose(found["probability"], expected.probabilities, rtol=1e-6)
    assert found["target"].tolist() == [3, 8]
    said = facts(folder / "class_models.png")
    assert (said["preset"], said["iterations"], said["stopped"], said["slower"]) == (preset, 3, "", 1)
    assert (said["model"], said["seed"]) == ("mynets:tiny", 4)
    assert said["seconds"] > 0
    for k, target in enumerate(said["targets"]):
        assert (target["target"], target["class"]) == [(3, "class 3"), (8, "class 8")][k]
        assert target["score"] == pytest.approx(expected.values[k].item())
        assert target["probability"] == pytest.approx(expected.probabilities[k].item())
        assert target["curve"] == {"step": [1, 2, 3], "value": expected.curve[:, k].tolist()}
    std = torch.tensor(network.std)[:, None, None]
    coloured, signed = coloured_tiles(network.pixels(expected.images)), signed_tiles(expected.images * std)
    for tile, path in zip(coloured if preset == "legible" else signed, parts, strict=True):
        shown(tile, path)
    with Image.open("class_models.png") as figure:
        assert json.loads(figure.text["Description"])["model"] == "mynets:tiny"


@pytest.mark.parametrize(
    ("model", "target", "stem"),
    [
        (MODEL, "class 3", "class_3_class_model"),
        (own("Residual"), "2", "class_2_class_model"),
        (own("twins"), "1", "crane_1_class_model"),
        (own("twins"), "2", "jack_o_lantern_猫_class_model"),
        (own("twins"), "3", "class_3_class_model"),
        (own("twins"), "4", f"{('a_long_name_' * 9)[:60]}_class_model"),
    ],
)
def test_one_class_names_the_file(folder, model, target, stem):
    done = class_model("--target", target, model=model)
    assert done.out == f"{stem}.png\n{stem}.json\n"


def test_other_units(folder):
    more = ("--unit", "4", "--arrays", "--each", "--place", "everywhere")
    done = class_model("--layer", "conv2", "--unit", "1", *more)
    parts = ["conv2_units/unit_0001.png", "conv2_units/unit_0004.png"]
    assert done.out.split() == ["conv2_units.png", "conv2_units.npz", *parts, "conv2_units.json"]
    expected = class_models(
        load_model("mynets:tiny"), [1, 4], layer="conv2", place="everywhere", iterations=3
    )
    found, said = arrays(folder / "conv2_units.npz"), facts(folder / "conv2_units.png")
    assert list(found) == ["images", "unit", "value", "curve"]
    np.testing.assert_array_equal(found["images"], expected.images)
    assert (said["layer"], said["module"], said["place"]) == ("conv2", "5", "everywhere")
    assert [unit["unit"] for unit in said["units"]] == [1, 4]
    assert [unit["activation"] for unit in said["units"]] == pytest.approx(expected.values.tolist())


def test_units_of_the_layer_that_scores_are_called_by_their_classes(folder):
    done = class_model("--layer", "fc4", "--unit", "7", "--out", "seven/figure.svg")
    assert done.out == "seven/figure.svg\nseven/figure.json\n"
    said = facts(folder / "seven" / "figure.svg")
    (unit,) = said["units"]
    assert (unit["unit"], unit["class"]) == (7, "class 7")
    assert "place" not in said
    assert "unit 7: class 7" in (folder / "seven" / "figure.svg").read_text(encoding="utf-8")
    class_model("--target", "7", "--out", "seven/")
    score = facts(folder / "seven" / "class_7_class_model.png")["targets"][0]["score"]
    assert score == pytest.approx(unit["activation"])


def test_units_that_are_off_are_told(folder):
    words = ["class-model", "--layer", "3", "--unit", "1", *FEW]
    model = own("half_dead")[:-1]
    plain, leaky = (invoke(*words, "--preset", p, *model) for p in ("simonyan2013", "legible"))
    assert plain.code == leaky.code == 0
    last = plain.err.splitlines()[-1]
    assert last.startswith("note: unit 1 of 3 stays off: plain rectifiers give no signal")
    assert last.endswith("try --preset legible")
    assert "note: unit 1 of 3 stays off: no image that turns it on was found" in leaky.err
    assert facts(plain.paths[0])["units"][0]["activation"] == 0


def test_progress_on_stderr_with_the_mean_score(folder):
    done = invoke("class-model", "--target", "3", *FEW, *MODEL[:-1])
    assert done.code == 0
    assert "mean score" in done.err
    assert "3/3" in done.err


def at_call(monkeypatch, of, name, number, do):
    """Does something at the so-manieth call of a method."""
    calls, usual = [], getattr(of, name)

    def patched(self, *args):
        calls.append(args)
        return do(usual(self, *args)) if len(calls) == number else usual(self, *args)

    monkeypatch.setattr(of, name, patched)


def interrupted(_):
    raise KeyboardInterrupt


def test_an_interrupted_search_leaves_the_best_so_far(folder, monkeypatch):
    at_call(monkeypatch, Legible, "move", 3, interrupted)
    done = invoke("class-model", "--target", "3", "--target", "8", "--arrays", *MODEL)
    assert done.code == 130
    assert done.err.strip().startswith("deconvviz: interrupted; what was printed before is complete")
    assert [path.name for path in done.paths] == [f"class_models.{s}" for s in ("png", "npz", "json")]
    said = facts(done.paths[0])
    assert (said["stopped"], said["iterations"]) == ("interrupted", 3)
    assert arrays(done.paths[1])["curve"].shape == (3, 2)


def test_a_search_interrupted_before_its_first_step_leaves_nothing(folder, monkeypatch):
    at_call(monkeypatch, Legible, "energy", 1, interrupted)
    done = invoke("class-model", "--target", "3", *MODEL)
    assert (done.code, done.out, [*folder.glob("*.json")]) == (130, "", [])


def test_a_search_that_leads_to_no_numbers(folder, monkeypatch):
    monkeypatch.setattr(simonyan2013, "RATE", 1e30)
    more = ("--preset", "simonyan2013", "--iterations", "20")
    done = invoke("class-model", "--target", "3", *more, *MODEL)
    said = complaint(done)
    assert said.startswith("the optimisation led to no numbers even at rates 1/256 of the preset's")
    assert said.endswith("try --preset legible")
    assert facts(done.paths[0])["stopped"] == "diverged"


def test_steps_that_were_taken_back_are_told(folder, monkeypatch):
    at_call(monkeypatch, Legible, "energy", 2, lambda energy: energy * torch.nan)
    done = invoke("class-model", "--target", "3", *FEW, *MODEL[:-1])
    assert done.code == 0
    assert "taken back: rates fell to 1/2" in done.err
    assert facts(done.paths[0])["slower"] == 0.5


def test_weights_of_the_first_layers_alone(folder):
    whole = torch.load(save_weights(folder / "mine.pth"))
    torch.save({name: t for name, t in whole.items() if name[0] in "04"}, "part.pth")
    some, more = ("--weights", "part.pth"), ("--layer", "conv2", "--unit", "1")
    class_model(*more, *some)
    one = facts(folder / "conv2_unit_1.png")["units"]
    class_model(*more, "--weights", "mine.pth")
    assert facts(folder / "conv2_unit_1.png")["units"] == one
    for words, what in ((["--target", "3"], "class scores"), (["--layer", "fc3", "--unit", "0"], "'fc3'")):
        said = refused(*words, *some, *MODEL, command="class-model")
        assert "serve conv1 to pool2" in said
        assert what in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--target", "10"], "mynets:tiny has 10 classes, 0 to 9; there is no 10"),
        (["--target", "clas 3"], "no class 'clas 3'; did you mean 'class 3'"),
        (["--target", "lynx", *own("Residual")], "no class names; give a class by its number, 0 to 4"),
        (["--target", "crane", *own("twins")], "several classes 'crane'; give one by its number: 0, 1"),
        (["--layer", "conv2", "--unit", "6"], "no unit 6: conv2 has 6 units, 0 to 5"),
        (["--layer", "conv9", "--unit", "0"], "no layer 'conv9'; did you mean 'conv"),
        (["--target", "3", "--input-size", "64"], "images of (1, 3, 64, 64) do not pass"),
        (["--target", "1", *own("Labelling")], "mynets:Labelling gives dict, not (N, classes) scores"),
        (["--target", "1", *own("small")], "mynets:small gives (1, 5, 30, 30), not (N, classes) scores"),
        (["--target", "1", "--out", "cat.png/a/"], "cannot write cat.png/a/class_1_class_model.png"),
    ],
)
def test_what_is_not_there(folder, words, says):
    assert says in refused(*([] if "--model" in words else MODEL), *words, command="class-model")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name classes with --target, or units with --layer and --unit"),
        (["--target", "3", "--layer", "conv2"], "give one or the other"),
        (["--target", "3", "--unit", "1"], "give one or the other"),
        (["--layer", "conv2"], "which units of conv2, with --unit"),
        (["--unit", "2"], "whose units they are, with --layer"),
        (["--layer", "conv1", "--layer", "conv2", "--unit", "1"], "give one --layer"),
        (["--layer", "conv1", "--unit", "-1"], "--unit"),
        (["--target", "3", "--preset", "dream"], "simonyan2013"),
        (["--target", "3", "--iterations", "0"], "--iterations"),
        (["--target", "3", "--out", "figure.bmp"], ".png, .svg, .pdf"),
        (["cat.png", "--target", "3"], "cat.png"),
    ],
)
def test_wrong_usage(folder, words, says):
    said = refused(*words, *MODEL, command="class-model", code=2)
    assert says in said
    assert said.endswith("(see 'deconvviz class-model --help')")
