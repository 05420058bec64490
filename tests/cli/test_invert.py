"""``deconvviz invert``: what it writes, how it ends, and what it refuses."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from deconvviz_cli.invert import invert
from PIL import Image

from deconvviz import load_model, read_image
from deconvviz.metrics import feature_error_mv16, psnr
from deconvviz.preimage.inversion import AT_ONCE, METHODS
from deconvviz.tiles import photo_tile

from .support import MODEL, arrays, complaint, facts, invoke, refused, write_photo

COMMAND = "invert"
QUICK = ("--iterations", "3", *MODEL)


def found_in(folder, stem="cat"):
    return arrays(folder / f"{stem}_inversion.npz"), facts(folder / f"{stem}_inversion.png")


def test_what_it_writes(folder):
    words = ("--layer", "conv2", "--layer", "conv1", "--arrays", "--each", "--seed", "3", "--out", "here")
    done = invoke(COMMAND, "cat.png", *words, *QUICK).ok()
    names = ["cat_inversion.png", "cat_inversion.npz", "inversion/input.png", "inversion/conv2.png"]
    names += ["inversion/conv1.png", "cat_inversion.json"]
    assert [str(path) for path in done.paths] == [f"here/{name}" for name in names]
    numbers, told = found_in(folder / "here")
    assert list(numbers) == ["input", "preimage", "layer", "curve"]
    network = load_model("mynets:tiny", seed=3)
    batch = read_image("cat.png", network)
    np.testing.assert_array_equal(numbers["input"], batch[0].numpy(), strict=True)
    assert numbers["preimage"].shape == (2, 3, 32, 32)
    assert numbers["preimage"].dtype == numbers["curve"].dtype == np.float32
    assert numbers["layer"].tolist() == ["conv2", "conv1"]
    assert numbers["curve"].shape == (3, 2, 1)
    assert [row["layer"] for row in told["layers"]] == ["conv2", "conv1"]
    assert [row["module"] for row in told["layers"]] == ["5", "1"]
    how = {"preset": "best", "iterations": 3, "restarts": 1, "stopped": "", "slower": 1.0, "seed": 3}
    assert how.items() <= told.items()
    assert 0 < told["seconds"] < 60
    assert told["image"]["sha256"] == hashlib.sha256((folder / "cat.png").read_bytes()).hexdigest()
    for i, row in enumerate(told["layers"]):
        made = torch.from_numpy(numbers["preimage"][i : i + 1])
        with torch.inference_mode():
            seen = [network.module[: int(row["module"]) + 1](images) for images in (batch, made)]
        errors = row["errors"]
        assert errors["feature_error_mv16"] == pytest.approx(feature_error_mv16(*seen).item(), rel=1e-4)
        assert errors["psnr"] == pytest.approx(psnr(network.pixels(batch), network.pixels(made)).item())
        assert errors["feature_error_mv15"] is None
        assert row["restarts"] == {name: [value] for name, value in errors.items()}
        assert row["curve"]["step"] == [1, 2, 3]
        assert row["curve"]["feature_error_mv16"] == pytest.approx(numbers["curve"][:, i, 0].tolist())
        with Image.open(done.paths[3 + i]) as picture:
            tile = photo_tile(network.pixels(made)[0].numpy())
            shown = np.asarray(picture)[4::8, 4::8].astype(int)  # enlarged, pixel by pixel
            np.testing.assert_allclose(shown, tile, atol=1)
    with Image.open(done.paths[0]) as figure:
        assert min(figure.size) > 400
        assert json.loads(figure.text["Description"])["image"]["name"] == "cat.png"


def test_several_images_one_of_them_damaged(folder):
    write_photo(folder / "dog.png", seed=1)
    (folder / "bad.png").write_text("no picture")
    words = ("--layer", "conv2", "--restarts", "2", "--arrays", "--each", "--iterations", "130")
    done = invoke(COMMAND, "cat.png", "bad.png", "dog.png", *words, "--preset", "mahendran2016", *MODEL)
    assert done.code == 1
    lines = done.err.splitlines()
    assert lines[0].startswith("deconvviz: bad.png is not a picture")
    assert lines[1] == "deconvviz: 1 of 3 images could not be shown; the others are done"
    parts = [f"inversion/{name}.png" for name in ("input", "conv2_restart1", "conv2_restart2")]
    assert done.out.split() == [
        name
        for stem in ("cat", "dog")
        for name in (
            f"{stem}_inversion.png",
            f"{stem}_inversion.npz",
            *[f"{stem}/{part}" for part in parts],
            f"{stem}_inversion.json",
        )
    ]
    assert all(path.is_file() for path in done.paths)
    network = load_model("mynets:tiny")
    for stem in ("cat", "dog"):
        numbers, told = found_in(folder, stem)
        np.testing.assert_array_equal(numbers["input"], read_image(f"{stem}.png", network)[0].numpy())
        assert numbers["restarts"].shape == (1, 2, 3, 32, 32)
        (row,) = told["layers"]
        errors = row["restarts"]["feature_error_mv16"]
        assert row["chosen"] == int(np.argmin(errors))
        assert row["errors"]["feature_error_mv16"] == min(errors) < numbers["curve"][0, 0].min()
        np.testing.assert_array_equal(numbers["preimage"][0], numbers["restarts"][0, row["chosen"]])
        assert row["errors"]["feature_error_mv15"] > 0  # there is another image now
        steps = row["curve"]["step"]
        assert (len(steps), steps[0], steps[-1]) == (100, 1, 130)
        chosen = numbers["curve"][np.array(steps) - 1, 0, row["chosen"]]
        assert row["curve"]["feature_error_mv16"] == pytest.approx(chosen.tolist())


def test_progress_is_told_unless_quiet(folder):
    loud = [word for word in QUICK if word != "--quiet"]
    done = invoke(COMMAND, "cat.png", "--layer", "conv1", "--layer", "conv2", *loud)
    assert done.code == 0
    last = done.err.replace("\r", "\n").strip().splitlines()[-1]
    assert "3/3" in last
    told = facts(folder / "cat_inversion.png")
    for row in told["layers"]:
        assert f"{row['layer']} {row['curve']['feature_error_mv16'][-1]:.3f}" in last


def interrupted_at(step, monkeypatch):
    def watch(now, steps, errors):
        if now == step:
            raise KeyboardInterrupt

    shown = contextlib.nullcontext(watch)
    monkeypatch.setattr(sys.modules[invert.callback.__module__], "shown_progress", lambda *_: shown)


def test_an_interrupted_run_writes_what_it_has(folder, monkeypatch):
    interrupted_at(2, monkeypatch)
    done = invoke(COMMAND, "cat.png", "--layer", "conv2", "--arrays", "--iterations", "9", *MODEL)
    assert done.code == 130
    (line,) = done.err.strip().splitlines()
    assert line.startswith("deconvviz: interrupted; what was printed before is complete")
    assert done.out.split() == ["cat_inversion.png", "cat_inversion.npz", "cat_inversion.json"]
    numbers, told = found_in(folder)
    assert (told["stopped"], told["iterations"]) == ("interrupted", 3)
    assert np.isfinite(numbers["preimage"]).all()


@pytest.mark.parametrize(
    "at", ["deconvviz.preimage.inversion.targets_of", "deconvviz.preimage.optimising.leaking"]
)
def test_an_interrupt_before_the_first_step_writes_nothing(folder, monkeypatch, at):
    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(at, interrupt)
    before = {*folder.rglob("*")}
    done = invoke(COMMAND, "cat.png", "--layer", "conv2", "--out", "new/", *QUICK)
    assert (done.code, done.out) == (130, "")
    assert {path for path in folder.rglob("*") if "__pycache__" not in str(path)} == before


def test_a_run_that_diverges_writes_the_best_so_far(folder):
    words = ("--layer", "2", "--arrays", "--model", "mynets:falling", "--device", "cpu", "--quiet")
    done = invoke(COMMAND, "cat.png", *words)
    assert complaint(done) == (
        "the optimisation led to no numbers even at rates 1/256 of the preset's; the best so far is shown"
    )
    assert len(done.paths) == 3
    numbers, told = found_in(folder)
    assert (told["stopped"], told["slower"], told["iterations"]) == ("diverged", 1 / 256, 2)
    assert np.isfinite(numbers["preimage"]).all()


def test_steps_that_were_taken_back_are_told_of(folder):
    words = ("--layer", "2", "--iterations", "4", "--model", "mynets:stumbling", "--device", "cpu")
    done = invoke(COMMAND, "cat.png", *words)
    assert done.code == 0
    last = done.err.splitlines()[-1]
    assert last == "note: some steps led to no numbers and were taken back: rates fell to 1/2"
    assert facts(folder / "cat_inversion.png")["slower"] == 0.5


def test_options_are_those_of_the_library():
    options = {option.name: option for option in invert.params}
    assert options["batch_size"].default == AT_ONCE
    assert list(options["preset"].type.choices) == list(METHODS)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["cat.png", "--layer", "conv9"], "no layer 'conv9'; did you mean 'conv"),
        (["none.png", "--layer", "conv2"], "none.png does not exist"),
        (["cat.png", "--layer", "conv2", "--input-size", "2"], "do not pass"),
        (
            ["cat.png", "--layer", "3", "--model", "mynets:dead"],
            "cat.png: 3 is zero all over, there is nothing",
        ),
        (["cat.png", "--layer", "conv2", "--out", "mynets.py/a.png"], "cannot write mynets.py/a.png: "),
        (["cat.png", "--layer", "conv2", "--out", "mynets.py/deep/er/"], "mynets.py is no folder"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_file(folder, monkeypatch, words, says):
    monkeypatch.setattr("deconvviz.preimage.inversion.optimise", None)  # it does not come to that
    assert says in refused(*words[:3], *QUICK, *words[3:], command=COMMAND)


def test_a_place_that_is_not_ours_is_refused_before_anything_is_computed(folder, monkeypatch):
    monkeypatch.setattr("deconvviz_cli.invert.open_session", None)
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder and real(path, mode))
    said = refused("cat.png", "--layer", "conv2", "--out", "new/", *QUICK, command=COMMAND)
    assert said.startswith("cannot write new/cat_inversion.png: no permission to write in ")
    assert said.endswith("; choose another place with --out")


def test_too_little_memory_says_what_takes_less(folder, monkeypatch):
    def allocate(*_args):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr("deconvviz.preimage.inversion.optimise", allocate)
    said = refused("cat.png", "--layer", "conv2", *QUICK, command=COMMAND)
    assert said.startswith("not enough memory on cpu: give a smaller --batch-size than 16")


def test_wrong_usage(folder):
    for words in (["--restarts", "0"], ["--iterations", "0"], ["--batch-size", "0"], ["--preset", "adam"]):
        said = refused("cat.png", "--layer", "conv2", *words, *MODEL, command=COMMAND, code=2)
        assert words[0] in said
