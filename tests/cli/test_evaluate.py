"""``deconvviz evaluate``: the same numbers in the table, the CSV and the JSON, of the right images."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from deconvviz import load_model
from deconvviz.decoders.decoder import load_decoder
from deconvviz.decoders.encoding import Encoder

from .support import complaint, facts, invoke, refused, save_weights
from .test_reconstruct import PLACE, home, trained

__all__ = ["home", "trained"]

COMMAND = "evaluate"
MEASURED = {"image_error", "mse", "psnr", "ssim", "feature_error", "feature_error_mv15", "feature_error_mv16"}


def evaluate(*words):
    done = invoke(COMMAND, *words, *PLACE)
    assert (done.code, done.err) == (0, "")
    return done


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_table_csv_and_json_agree(home, trained):
    done = evaluate("run", "--out", "out/")
    figure = Path("out/decoders_run.png")
    lines = done.out.splitlines()
    assert [Path(line) for line in lines[3:]] == [
        figure,
        figure.with_suffix(".json"),
        figure.with_suffix(".csv"),
    ]
    assert all(Path(line).is_file() for line in lines[3:])
    assert lines[0].split("  ")[0] == "layer"
    assert [line.split()[0] for line in lines[1:3]] == ["pool2", "fc3"]
    content, rows = facts(figure), table(figure.with_suffix(".csv"))
    assert (content["split"], content["images"]) == ("validation", 6)
    assert content["decoders"] == ["run/pool2", "run/fc3"]
    assert content["model"] == "mynets:tiny"
    for line, row, errors in zip(lines[1:3], rows, content["errors"], strict=True):
        assert row["layer"] == errors["layer"] == line.split()[0]
        assert {*errors} >= MEASURED
        for name, value in errors.items():
            if name != "layer":
                assert float(row[name]) == pytest.approx(value, rel=1e-5)
        assert f"{errors['psnr']:.4g}" in line.split()
        assert f"{errors['image_error']:.4g}" in line.split()
    assert content["errors"][0]["mse"] == pytest.approx(mean_square("pool2", "val", trained), rel=1e-3)
    assert "survives" not in content


def mean_square(layer, split, trained):
    """Over the class folders' images, one by one."""
    from PIL import Image

    encoder = Encoder(load_model("mynets:tiny", trained / "mine.pth"), [layer])
    decoder, squares = load_decoder(f"run/{layer}"), []
    for path in sorted(Path("photos", split).glob("*/*.png")):
        pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB")))[None]
        seen = encoder.see(pixels)
        made = decoder.reconstruct(encoder(seen)[layer])
        made = torch.nn.functional.interpolate(made, (32, 32), mode="bilinear", antialias=True)
        squares.append(float((made - encoder.network.pixels(seen)).square().mean()))
    return np.mean(squares)


def test_json_can_be_parsed_and_nothing_else_is_printed(home):
    done = evaluate("run/fc3", "--json", "--out", "out/")
    content = json.loads(done.out)
    assert content["images"] == 6
    assert [row["layer"] for row in content["errors"]] == ["fc3"]
    assert content["errors"] == facts(Path("out/decoders_fc3.png"))["errors"]


@pytest.mark.parametrize(("split", "where", "count"), [("test", "test", 4), ("training", "train", 12)])
def test_other_splits(home, trained, split, where, count):
    done = json.loads(evaluate("run/pool2", "--split", split, "--json").out)
    assert done["images"] == count
    assert done["errors"][0]["mse"] == pytest.approx(mean_square("pool2", where, trained), rel=1e-3)


def test_so_many_images(home):
    assert json.loads(evaluate("run/fc3", "--images", "3", "--json").out)["images"] == 3
    assert json.loads(evaluate("run/fc3", "--images", "300", "--json").out)["images"] == 6


def test_what_survives(home):
    done = evaluate("run", "--what-survives")
    assert [line for line in done.out.splitlines() if line.endswith("_survives.png")] == [
        "decoders_run_survives.png"
    ]
    assert Path("decoders_run_survives.png").is_file()
    survives = facts(Path("decoders_run.png"))["survives"]
    assert [one["layer"] for one in survives] == ["pool2", "fc3"]
    assert survives[0]["images"] == 6
    assert json.loads(evaluate("run", "--what-survives", "--json").out)["survives"] == survives


def test_decoders_of_two_runs(home):
    rows = json.loads(evaluate("run", "paper", "--json").out)["errors"]
    assert [row["layer"] for row in rows] == ["pool2 best", "fc3 best", "pool2 paper", "fc3 paper"]


def test_the_images_that_a_run_held_out_are_seen_again(home):
    shutil.rmtree("photos")
    words = ("--data", "dead-leaves", "--only", "plain discs", "--only", "plain bars", "--val-per-class", "3")
    thin = (
        "--width",
        "8",
        "--up-widths",
        "8,8,8,8",
        "--fc-width",
        "16",
        "--epochs",
        "1",
        "--batch-size",
        "4",
    )
    more = ("--train-per-class", "4", "--model", "mynets:tiny", "--weights", "random", "--seed", "3")
    invoke("train-decoder", "--layer", "fc3", *words, *thin, *more, "--out", "leaves", *PLACE).ok()
    done = evaluate("leaves", "--out", "a.png")
    content = facts(Path("a.png"))
    assert (content["images"], content["data"]["seed"]) == (6, 3)
    with Path("leaves/fc3/history.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    # at the decoder's own size, 32 here, which is that of the encoder
    assert content["errors"][0]["psnr"] == pytest.approx(float(row["val_psnr"]), abs=0.02), done.out


def test_another_data_set(home):
    words = ("--data", "dead-leaves", "--val-per-class", "1", "--train-per-class", "1")
    evaluate("run/fc3", *words, "--out", "a.png")
    assert facts(Path("a.png"))["data"]["data"] == "dead-leaves"
    shutil.copy("run/fc3/best.safetensors", "alone.safetensors")
    evaluate("alone.safetensors", "--data", "photos", "--out", "b.png")
    evaluate("run/fc3", "--out", "c.png")
    assert facts(Path("b.png"))["errors"] == facts(Path("c.png"))["errors"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["none"], "none does not exist; --decoder takes a run of train-decoder"),
        (["photos"], "photos holds no decoder"),
        (
            ["alone.safetensors"],
            "alone.safetensors does not say what it was trained on: name a set with --data",
        ),
        (["run/fc3", "--data", "dead-leafs"], "no data set 'dead-leafs'; did you mean 'dead-leaves'?"),
        (["run/fc3", "--weights", "random"], "run/fc3 decodes mynets:tiny with other weights"),
        (["run/fc3", "--lpips", "other.pth"], "other.pth does not hold AlexNet's ImageNet weights"),
        (["run/fc3", "--lpips", "none.pth"], "none.pth does not exist"),
        (
            ["run/fc3", "--data", "plain", "--split", "test"],
            "plain has no test images besides its validation",
        ),
    ],
)
def test_mistakes_are_one_line_and_leave_no_file(home, words, says):
    shutil.copy("run/fc3/best.safetensors", "alone.safetensors")
    save_weights(Path("other.pth"))
    shutil.copytree("photos/train", "plain")
    assert refused(*words, *PLACE, command=COMMAND).startswith(says)


def test_wrong_usage(home):
    assert "Missing argument 'RUNS...'" in refused(*PLACE, command=COMMAND, code=2)
    assert "'--split'" in refused("run", "--split", "val", *PLACE, command=COMMAND, code=2)
    assert "'--images'" in refused("run", "--images", "1", *PLACE, command=COMMAND, code=2)


def test_data_that_is_gone(home):
    shutil.rmtree("photos")
    assert complaint(invoke(COMMAND, "run", *PLACE)).startswith("no data set 'photos'; ")
