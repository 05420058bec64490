"""``deconvviz reconstruct``: photographs beside what decoders make of their features."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deconvviz import load_model
from deconvviz.decoders.decoder import load_decoder
from deconvviz.decoders.encoding import Encoder
from deconvviz.training.augment import resized

from ..data.support import class_folders
from .support import MODEL, arrays, complaint, facts, invoke, refused, save_weights, write_photo

COMMAND = "reconstruct"
PLACE = ("--device", "cpu", "--quiet")
DATA = ("--data", "photos", "--batch-size", "4")
THIN = ("--width", "8", "--up-widths", "8,8,8,8", "--fc-width", "16", "--epochs", "1")
LAYERS = ("fc3", "pool2")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with class folders, weights and decoders of two layers, made once."""
    home = tmp_path_factory.mktemp("trained")
    shutil.copy(Path(__file__).with_name("mynets.py"), home)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr(sys, "path", sys.path.copy())
        patch.delitem(sys.modules, "mynets", raising=False)
        counts = {f"{s}/{c}": n for s, n in (("train", 6), ("val", 3), ("test", 2)) for c in ("cats", "dogs")}
        class_folders(home / "photos", counts, side=16)
        save_weights(home / "mine.pth")
        layers = [word for layer in LAYERS for word in ("--layer", layer)]
        words = ("train-decoder", *layers, *DATA, *THIN, "--model", "mynets:tiny", *PLACE)
        invoke(*words, "--weights", "mine.pth", "--out", "run").ok()
        invoke(*words, "--weights", "random", "--recipe", "paper", "--out", "paper").ok()
    return home


@pytest.fixture
def home(folder, trained):
    """The current folder: holds all that, ``cat.png`` and ``dog.png``; the weights stay where they were."""
    for name in ("photos", "run", "paper"):
        shutil.copytree(trained / name, folder / name)
    write_photo(folder / "dog.png", seed=1, side=40)
    return folder


def reconstruct(*words):
    return invoke(COMMAND, *words, *PLACE).ok()


def test_two_photographs_from_two_layers(home, trained):
    done = reconstruct("cat.png", "dog.png", "--decoder", "run", "--arrays", "--each", "--out", "out/")
    figure = Path("out/pictures_reconstructions.png")
    written = [figure, figure.with_suffix(".json"), figure.with_suffix(".npz")]
    assert done.paths[:3] == written
    found = arrays(figure.with_suffix(".npz"))
    assert {*found} >= {"input", "reconstruction", "layer", "psnr", "ssim"}
    assert found["layer"].tolist() == ["pool2", "fc3"]  # shallow to deep
    assert found["input"].shape == (2, 3, 32, 32)
    assert found["reconstruction"].shape == (2, 2, 3, 32, 32)
    network = load_model("mynets:tiny", trained / "mine.pth")
    encoder = Encoder(network, ["pool2", "fc3"])
    for i, name in enumerate(("cat.png", "dog.png")):
        seen = network.see(Image.open(name).convert("RGB"))
        np.testing.assert_allclose(found["input"][i], network.pixels(seen)[0].numpy(), atol=1e-6)
        for j, layer in enumerate(("pool2", "fc3")):
            made = resized(load_decoder(f"run/{layer}").reconstruct(encoder(seen)[layer]), 32)[0]
            np.testing.assert_allclose(found["reconstruction"][i, j], made.numpy(), atol=1e-5)
            square = np.mean((found["reconstruction"][i, j] - found["input"][i]) ** 2)
            assert found["psnr"][i, j] == pytest.approx(-10 * np.log10(square), abs=1e-3)
            assert 0 < abs(found["ssim"][i, j]) < 1
    content = facts(figure)
    assert content["layers"] == ["pool2", "fc3"]
    assert [one["image"] for one in content["images"]] == ["cat.png", "dog.png"]
    assert content["images"][1]["errors"]["fc3"]["psnr"] == pytest.approx(found["psnr"][1, 1])
    assert content["model"] == "mynets:tiny"
    parts = done.paths[3:]
    assert [path.name for path in parts] == [
        f"{stem}_{name}.png" for stem in ("cat", "dog") for name in ("input", "pool2", "fc3")
    ]
    for path in (figure, *parts):
        with Image.open(path) as picture:
            picture.load()
    with Image.open(parts[1]) as picture:
        shown = np.asarray(picture.convert("RGB"))[4::8, 4::8] / 255  # enlarged, pixel by pixel
    np.testing.assert_allclose(shown, found["reconstruction"][0, 0].transpose(1, 2, 0), atol=1 / 255)


def test_one_photograph_one_decoder(home):
    done = reconstruct("cat.png", "--decoder", "run/fc3")
    assert done.paths == [Path("cat_reconstructions.png"), Path("cat_reconstructions.json")]
    assert facts(done.paths[0])["layers"] == ["fc3"]


def test_decoders_of_different_networks_beside_each_other(home):
    done = reconstruct("cat.png", "--decoder", "run", "--decoder", "paper/fc3", "--arrays", "--out", "a.png")
    assert facts(Path("a.png"))["layers"] == ["pool2 best", "fc3 best", "fc3 paper"]
    assert arrays(done.paths[2])["reconstruction"].shape == (1, 3, 3, 32, 32)
    shutil.copytree("run", "copy")
    reconstruct("cat.png", "--decoder", "run/fc3", "--decoder", "copy/fc3", "--out", "b.png")
    assert facts(Path("b.png"))["layers"] == ["fc3 run", "fc3 copy"]
    reconstruct("cat.png", "--decoder", "run/fc3", "--decoder", "run/fc3", "--out", "c.png")
    assert facts(Path("c.png"))["layers"] == ["run/fc3", "run/fc3"]


def test_a_bad_photograph_does_not_keep_the_next_from_it(home):
    Path("bad.png").write_text("no picture")
    answer = invoke(COMMAND, "bad.png", "cat.png", "--decoder", "run/fc3", *PLACE)
    assert answer.code == 1
    assert "1 of 2 images could not be shown" in answer.err
    assert [one["image"] for one in facts(answer.paths[0])["images"]] == ["cat.png"]


def test_weights_that_have_moved(home, trained):
    shutil.copy(trained / "mine.pth", "moved.pth")
    reconstruct("cat.png", "--decoder", "run/fc3", "--weights", "moved.pth")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--decoder", "none"], "none does not exist; --decoder takes a run of train-decoder or its file"),
        (["--decoder", "photos"], "photos holds no decoder; train one with"),
        (["--decoder", "cat.png"], "cat.png is damaged or not a safetensors file"),
        (["--decoder", "run/fc3", "--weights", "random"], "run/fc3 decodes mynets:tiny with other weights"),
        (["--decoder", "run/fc3", "--weights", "none.pth"], "none.pth does not exist"),
        (
            ["--decoder", "run/fc3", "--model", "mynets:small", "--weights", "random"],
            "run/fc3 decodes mynets:tiny",
        ),
        (["--decoder", "run/pool2", "--input-size", "31"], "run/pool2 decodes images of 32 pixels, not 31"),
        (["--decoder", "paper/fc3", "--seed", "1"], "paper/fc3 decodes mynets:tiny with other weights"),
        (["--decoder", "run/fc3", "none.png"], "2 of 2 images could not be shown"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_file(home, words, says):
    image = "cat.png" if "none.png" not in words else "nothing.png"
    if image != "cat.png":
        answer = invoke(COMMAND, image, *words, *PLACE)
        assert (answer.code, answer.out) == (1, "")
        assert says in answer.err.splitlines()[-1]
        return
    assert refused(image, *words, *PLACE, command=COMMAND).startswith(says)


def test_wrong_usage(home):
    assert "Missing option '--decoder'" in refused("cat.png", *MODEL, command=COMMAND, code=2)
    assert "name at least one image" in refused("--decoder", "run", *PLACE, command=COMMAND, code=2)
    said = refused("cat.png", "--decoder", "run", "--out", "a.txt", *PLACE, command=COMMAND, code=2)
    assert "a figure is a .png" in said


def test_weights_that_are_gone_are_named(home, trained):
    path = trained / "mine.pth"
    path.rename(path.with_suffix(".away"))
    try:
        said = complaint(invoke(COMMAND, "cat.png", "--decoder", "run/fc3", *PLACE))
    finally:
        path.with_suffix(".away").rename(path)
    assert said.startswith(f"{path} does not exist")


def test_the_encoder_stays(home, trained):
    before = torch.load(trained / "mine.pth", weights_only=True)
    reconstruct("cat.png", "--decoder", "run")
    after = torch.load(trained / "mine.pth", weights_only=True)
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
