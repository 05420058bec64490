"""``deconvviz randomise``: the sanity check of one unit's maps."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from deconvviz import load_model, read_image, record, strongest
from deconvviz.gradients.randomising import randomise as randomised

from . import mynets
from .support import MODEL, arrays, complaint, facts, invoke, refused, save_weights, write_photo

RULES = ["deconvnet", "guided", "gradient"]


def randomise(*words):
    return invoke("randomise", "cat.png", *words, *MODEL).ok()


def test_figure_numbers_and_manifest(folder):
    done = randomise("--layer", "conv2", "--arrays", "--seed", "4")
    stem = "cat_conv2_randomise"
    assert done.out == f"{stem}.png\n{stem}.npz\n{stem}.json\n"
    network = load_model("mynets:tiny", seed=4)
    images = read_image("cat.png", network)
    (unit,) = strongest(record(network, images, ["conv2"]), "conv2", 1)
    expected = randomised(network, images, unit, seed=4)
    found = arrays(folder / f"{stem}.npz")
    similarities = ["rank_correlation", "signed_rank_correlation", "ssim"]
    assert list(found) == ["input", *RULES, *similarities, "steps", "rules"]
    assert found["steps"].tolist() == ["trained", "conv2", "conv1"]
    assert found["rules"].tolist() == RULES
    np.testing.assert_array_equal(found["input"], images[0])
    for i, rule in enumerate(RULES):
        course = expected.courses[rule]
        np.testing.assert_array_equal(found[rule], course.projection.pixels)
        for name in similarities:
            np.testing.assert_array_equal(found[name][i], getattr(course, name))
    said = facts(folder / f"{stem}.png")
    assert (said["layer"], said["module"], said["engine"], said["seed"]) == ("conv2", "5", "mirror", 4)
    assert said["chosen_by"] == "strongest"
    window = expected.courses["guided"].projection.windows[0].tolist()
    assert said["unit"] == {
        "channel": unit.channel,
        "row": unit.row,
        "column": unit.column,
        "activation": expected.activation,
        "window": window,
    }
    assert [(step["name"], step["randomised"]) for step in said["steps"]] == [
        ("trained", []),
        ("conv2", ["4"]),
        ("conv1", ["0"]),
    ]
    for k, step in enumerate(said["steps"]):
        for i, rule in enumerate(RULES):
            for name in similarities[:2]:
                assert step[rule][name] == pytest.approx(found[name][i][k], abs=1e-4)
    with Image.open(folder / f"{stem}.png") as figure:
        assert json.loads(figure.text["Description"])["layer"] == "conv2"


def test_the_seed_draws_the_weights(folder):
    save_weights(folder / "mine.pth")
    more = ("--arrays", "--weights", "mine.pth")
    for name, seed in (("a", 0), ("b", 1)):
        randomise("--layer", "conv1", "--seed", str(seed), "--out", f"{name}.png", *more)
    a, b = (arrays(folder / f"{name}.npz")["guided"] for name in "ab")
    np.testing.assert_array_equal(a[0], b[0])
    assert not np.array_equal(a[1], b[1])


def test_a_chosen_unit_and_class_scores(folder):
    randomise("--layer", "conv2", "--unit", "3,5,6", "--rule", "gradient", "--arrays")
    said = facts(folder / "cat_conv2_randomise.png")
    assert [said["unit"][name] for name in ("channel", "row", "column")] == [3, 5, 6]
    assert said["chosen_by"] == "unit"
    assert arrays(folder / "cat_conv2_randomise.npz")["rules"].tolist() == ["gradient"]
    randomise("--layer", "fc4", "--unit", "7")
    said = facts(folder / "cat_fc4_randomise.png")
    assert (said["unit"]["channel"], said["unit"]["class"]) == (7, "class 7")
    assert [step["name"] for step in said["steps"]] == ["trained", "fc4", "fc3", "conv2", "conv1"]


def test_several_images_and_layers(folder):
    write_photo(folder / "dog.png", seed=1)
    more = ("--rule", "gradient", "--out", "all/")
    done = randomise("dog.png", "--layer", "conv1", "--layer", "pool2", *more)
    names = [f"all/{stem}_{layer}_randomise" for stem in ("cat", "dog") for layer in ("conv1", "pool2")]
    assert [str(path) for path in done.paths] == [f"{n}.{s}" for n in names for s in ("png", "json")]
    steps = facts(folder / "all" / "cat_conv1_randomise.png")["steps"]
    assert steps[1]["gradient"]["ssim"] is None  # conv1 sees 5 x 5 pixels
    assert steps[1]["gradient"]["rank_correlation"] < 1


@pytest.mark.parametrize(
    ("model", "engine", "steps"),
    [("Branching", "autograd", ["second", "first"]), ("small", "mirror", ["2", "0"])],
)
def test_networks_of_a_users_own(folder, model, engine, steps):
    layer = "last" if model == "Branching" else "3"
    words = ["cat.png", "--layer", layer, "--model", f"mynets:{model}", "--quiet"]
    done = invoke("randomise", *words).ok()
    said = facts(done.paths[0])
    assert said["engine"] == engine
    assert [step["name"] for step in said["steps"]] == ["trained", *steps]


def test_weights_of_the_first_layers_alone(folder):
    whole = torch.load(save_weights(folder / "mine.pth"))
    torch.save({name: t for name, t in whole.items() if name[0] in "04"}, "part.pth")
    words = ("--arrays", "--weights", "mine.pth"), ("--arrays", "--weights", "part.pth")
    for name, more in zip("ab", words, strict=True):
        randomise("--layer", "conv2", "--out", f"{name}.png", *more)
    np.testing.assert_array_equal(*(arrays(folder / f"{name}.npz")["guided"] for name in "ab"))
    said = refused("cat.png", "--layer", "fc3", "--weights", "part.pth", *MODEL, command="randomise")
    assert "have no values for 'fc3'; they serve conv1 to pool2" in said


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (["--layer", "conv2", "--unit", "1,2"], "number,row,column", 2),
        (["--layer", "conv2", "--unit", "6"], "no unit 6 in conv2", 1),
        (["--layer", "conv9"], "no layer 'conv9'", 1),
        (["--layer", "conv2", "--rule", "lime"], "--rule", 2),
        (["--layer", "conv2", "--layer", "conv1", "--out", "one.png"], "2 figures", 2),
        (["--layer", "3", "--model", "mynets:dead"], "no positive activation; name a unit with --unit", 1),
        (["--layer", "3", "--model", "mynets:smooth"], "GELU", 1),
    ],
)
def test_what_cannot_be_checked(folder, words, says, code):
    model = () if "--model" in words else MODEL
    assert says in refused("cat.png", "--quiet", *words, *model, command="randomise", code=code)


def test_a_unit_that_is_off_can_be_named(folder):
    words = ["cat.png", "--layer", "3", "--model", "mynets:dead", "--quiet", "--unit", "2", "--arrays"]
    done = invoke("randomise", *words).ok()
    assert facts(done.paths[0])["unit"]["activation"] == 0
    assert arrays(done.paths[1])["guided"][0].any()


def test_smooth_networks_have_a_gradient(folder):
    words = ["cat.png", "--layer", "3", "--model", "mynets:smooth", "--quiet", "--rule", "gradient"]
    assert facts(invoke("randomise", *words).ok().paths[0])["engine"] == "autograd"


def test_it_says_what_random_weights_show(folder):
    words = ["cat.png", "--layer", "conv1", "--model", "mynets:tiny", "--weights", "random"]
    done = invoke("randomise", *words)
    assert done.code == 0
    assert "random weights" in done.err
    assert complaint(invoke("randomise", "--layer", "conv1"), code=2).startswith("name at least one image")
    assert mynets.NAMES["conv1"] == facts(done.paths[0])["module"]
