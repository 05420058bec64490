"""Whatever is wrong with what a user gives becomes one line that says so."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from .support import MODEL, facts, invoke, refused, write_photo


@pytest.fixture
def bad_photos(folder):
    whole = write_photo(folder / "whole.jpg").read_bytes()
    contents = {
        "empty.jpg": b"",
        "text.jpg": b"<html>not found</html>\n",
        "half.jpg": whole[: len(whole) // 2],
        "head.png": (folder / "cat.png").read_bytes()[:40],
        "zeros.png": bytes(3000),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "photos").mkdir()
    return folder


@pytest.mark.parametrize("command", ["project", "maps"])
@pytest.mark.parametrize(
    ("photo", "says"),
    [
        ("missing.jpg", "missing.jpg does not exist"),
        ("empty.jpg", "empty.jpg is empty"),
        ("text.jpg", "text.jpg is not a picture"),
        ("half.jpg", "half.jpg is damaged"),
        ("head.png", "head.png is "),
        ("zeros.png", "zeros.png is not a picture"),
        ("photos", "photos is a folder"),
        ("cat.png/cat.png", "cat.png/cat.png cannot be read"),
    ],
)
def test_photographs(bad_photos, command, photo, says):
    assert refused(photo, "--layer", "conv2", *MODEL, command=command).startswith(says)


def test_one_bad_photograph_among_good_ones(bad_photos):
    write_photo(bad_photos / "dog.png", seed=1)
    done = invoke("project", "cat.png", "text.jpg", "none.png", "dog.png", "--layer", "conv2", *MODEL)
    assert done.code == 1
    assert done.out.split() == ["cat_conv2.png", "cat_conv2.json", "dog_conv2.png", "dog_conv2.json"]
    assert all(path.is_file() for path in done.paths)
    assert facts(bad_photos / "dog_conv2.png")["image"]["name"] == "dog.png"
    lines = done.err.splitlines()
    assert [line.split()[1] for line in lines] == ["text.jpg", "none.png", "2"]
    assert all(line.startswith("deconvviz: ") for line in lines)


def test_a_photograph_that_excites_nothing_among_others(folder):
    Image.new("RGB", (16, 16), "black").save("black.png")
    Image.new("RGB", (16, 16), "white").save("white.png")
    done = invoke(
        "project", "black.png", "white.png", "--layer", "1", "--quiet", "--model", "mynets:brightness"
    )
    assert done.code == 1
    assert done.err.splitlines()[0].startswith("deconvviz: black.png: 1 has no positive activation")
    assert done.out.split() == ["white_1.png", "white_1.json"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--layer", "conv9"], "no layer 'conv9'; did you mean 'conv"),
        (["--layer", "conv9"], "there are: conv1, pool1, norm1, conv2, pool2, fc3, fc4"),
        (["--layer", "features.3"], "no layer 'features.3'"),
        (["--layer", "conv2", "--unit", "6"], "no unit 6 in conv2: it has 6 feature maps, 0 to 5"),
        (["--layer", "conv2", "--unit", "0,13,0"], "no place (13, 0) in conv2: its maps are 13 x 13"),
        (["--layer", "conv2", "--unit", "0,0,99"], "no place (0, 99) in conv2"),
        (["--layer", "fc4", "--unit", "10"], "no unit 10 in fc4: it has 10 units"),
        (["--layer", "fc4", "--unit", "1,0,0"], "fc4 is fully connected"),
        (["--layer", "conv2", "--topk", "7"], "7 strongest units asked for; conv2 has 6 feature maps"),
        (["--layer", "conv2", "--by", "activation", "--topk", "9999"], "conv2 has 1014 activations"),
        (["--layer", "fc4", "--input-size", "64"], "images of (1, 3, 64, 64) do not pass"),
        (["--layer", "conv2", "--input-size", "2"], "images of (1, 3, 2, 2) do not pass"),
        (["--layer", "conv2", "--device", "abacus"], "cannot compute on 'abacus'"),
        (["--layer", "conv2", "--device", "cuda:99"], "try --device cpu"),
        (["--layer", "conv2", "--weights", "none.pth"], "none.pth does not exist"),
        (["--layer", "conv2", "--weights", "."], ". is a folder without run.json, not a training run"),
        (["--layer", "conv2", "--out", "cat.png/results"], "cannot write cat.png/results/cat_conv2.png"),
        (["--layer", "conv2", "--out", "mynets.py/figure.png"], "cannot write mynets.py/figure.png"),
    ],
)
def test_what_was_asked_for_is_not_there(folder, words, says):
    assert says in refused("cat.png", *MODEL, *words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["cat.png", "--layer", "conv2", "--topk", "0"], "--topk"),
        (["cat.png", "--layer", "conv2", "--unit", "-1"], "--unit"),
        (["cat.png", "--layer", "conv2", "--unit", "1,2"], "--unit"),
        (["cat.png", "--layer", "conv2", "--out", "figure.bmp"], ".png, .svg, .pdf"),
        (["cat.png", "cat.png", "--layer", "conv2", "--out", "one.png"], "one file for 2 figures"),
        (["cat.png", "--layer", "conv1", "--layer", "conv2", "--out", "a.svg"], "name a folder"),
        (["--layer", "conv2"], "name at least one image"),
        (["cat.png", "--sample", "--layer", "conv2"], "not both"),
        (["cat.png"], "--layer"),
        (["cat.png", "--layer", "conv2", "--seed", "one"], "--seed"),
        (["cat.png", "--layer", "conv2", "--seed", "9" * 30], "--seed"),
    ],
)
def test_wrong_usage(folder, words, says):
    said = refused(*words, *MODEL, code=2)
    assert says in said
    assert said.endswith("(see 'deconvviz project --help')")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("alexnett", "no model 'alexnett'; did you mean 'alexnet'"),
        ("vit_b_16", "package.module:function"),
        ("nowhere:tiny", "cannot import 'nowhere'"),
        ("mynets:huge", "'mynets' has no function 'huge'"),
        ("mynets:NAMES", "'mynets' has no function 'NAMES'"),
        ("mynets:", "'mynets' has no function ''"),
        (":tiny", "cannot import ''"),
        ("mynets:not_a_network", "returned a int, not a torch.nn.Module"),
        ("mynets:fails", "ValueError: no such blueprint"),
        ("mynets:smooth", "GELU"),
        ("mynets:dead", "no positive activation"),
    ],
)
def test_networks(folder, model, says):
    assert says in refused("cat.png", "--layer", "3", "--quiet", "--model", model)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("mynets:Functional", "the input of 'second' is not the output of 'first'"),
        ("mynets:Branching", "the network branches there"),
    ],
)
def test_networks_without_a_mirror(folder, model, says):
    words = ["cat.png", "--layer", "last", "--quiet", "--model", model, "--engine"]
    assert says in refused(*words, "mirror")


def test_a_unit_that_saw_nothing_but_padding(folder):
    (folder / "wide.py").write_text(
        "from torch import nn\n\ndef net():\n    return nn.Sequential(nn.Conv2d(3, 4, 1, padding=2))\n"
    )
    words = ["--model", "wide:net", "--input-size", "16", "--layer", "0", "--quiet", "--each", "--arrays"]
    invoke("project", "cat.png", "--unit", "0,0,0", "--unit", "0,8,8", *words).ok()
    with np.load("cat_0.npz") as found:
        assert not found["pixels"][0].any()
        assert (found["window"] >= 0).all()
    with Image.open("0/unit_0000_patch.png") as patch:
        assert np.asarray(patch).min() == 255  # all of it lies beyond the image


def test_names_that_the_font_has_no_glyph_for(folder):
    write_photo(folder / "猫.png")
    assert invoke("project", "猫.png", "--layer", "conv2", *MODEL).ok().out == "猫_conv2.png\n猫_conv2.json\n"
