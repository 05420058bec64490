"""``deconvviz perturb``: changed features, features between two images', and features that no image has."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from deconvviz_cli.perturb import perturb
from PIL import Image

from deconvviz import load_model, read_image
from deconvviz.decoders.decoder import load_decoder
from deconvviz.decoders.encoding import Encoder
from deconvviz.decoders.showing import at_input_size
from deconvviz.experiments.perturbing import perturbations
from deconvviz.metrics import psnr

from .support import arrays, facts, invoke, write_photo
from .untrained import untrained_decoders

COMMAND = "perturb"
PLACE = ("--device", "cpu", "--quiet")
TWO = ("--decoder", "run/fc3", "--decoder", "run/pool2")
LEAVES = ("--data", "dead-leaves", "--train-per-class", "3", "--val-per-class", "1")


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Decoders that have learnt nothing, made once."""
    return untrained_decoders(tmp_path_factory.mktemp("made"))


@pytest.fixture
def home(folder, made):
    """The current folder: holds the decoders, ``cat.png`` and ``dog.png``."""
    shutil.copytree(made / "run", folder / "run")
    write_photo(folder / "dog.png", seed=1, side=40)
    return folder


def by_row(path):
    return {row["row"]: row for row in facts(path)["rows"]}


def test_what_it_writes_for_a_vector_and_for_maps(home):
    words = ("--layer", "fc4", "--layer", "pool2", "--decoder", "run", "--arrays", "--each", "--keep", "2")
    done = invoke(
        COMMAND, "cat.png", *words, "--dropout", "30", "--sweep", "0,60", "--out", "here", *PLACE
    ).ok()
    network = load_model("mynets:tiny", "random")
    encoder = Encoder(network, ["fc4", "pool2"])
    seen = read_image("cat.png", network)
    for layer, sizes in (("fc4", ["1", "2", "5", "all 10"]), ("pool2", ["1", "2", "5", "all 6"])):
        figure = Path("here") / f"cat_{layer}_perturbed.png"
        assert {figure, figure.with_suffix(".json"), figure.with_suffix(".npz")} <= set(done.paths)
        numbers, rows, decoder = (
            arrays(figure.with_suffix(".npz")),
            by_row(figure),
            load_decoder(f"run/{layer}"),
        )
        assert [*rows] == ["decoder", "dropout_sweep", "kept_sweep"]
        features = encoder(seen)[layer]
        wanted = perturbations(features, 2, 0.3)
        stacked = torch.cat([features, *wanted.values()])
        np.testing.assert_array_equal(numbers["decoder_features"], stacked.numpy())
        np.testing.assert_array_equal(numbers["decoder"][0], network.pixels(seen)[0].numpy())
        for i in range(1, 6):
            picture = at_input_size(encoder, decoder, stacked[i : i + 1])
            np.testing.assert_array_equal(numbers["decoder"][i], picture[0].numpy())
            row = rows["decoder"]["pictures"][i]
            assert row["name"] == numbers["decoder_names"][i]
            assert row["psnr"] == pytest.approx(psnr(network.pixels(seen), picture).item())
            unchanged = torch.from_numpy(numbers["decoder"][1:2])
            if i > 1:
                assert row["psnr_unchanged"] == pytest.approx(psnr(unchanged, picture).item())
            moved = (stacked[i] - stacked[0]).norm() / stacked[0].norm()
            assert row["features_moved"] == pytest.approx(moved.item(), abs=1e-6)
        assert rows["decoder"]["pictures"][1]["psnr_unchanged"] is None  # the same: infinite
        sweep = [row["name"] for row in rows["dropout_sweep"]["pictures"]]
        assert sweep == ["0 %", "60 %"]
        assert [row["name"] for row in rows["kept_sweep"]["pictures"]] == sizes
        for sweep, place in (("dropout_sweep", 0), ("kept_sweep", -1)):
            np.testing.assert_array_equal(numbers[sweep][place], numbers["decoder"][1])
        parts = [path for path in done.paths if path.parent.name == layer]
        assert len(parts) == sum(len(row["pictures"]) for row in rows.values())
        with Image.open(parts[1]) as picture:
            shown = np.asarray(picture)[4::8, 4::8] / 255
        np.testing.assert_allclose(shown, numbers["decoder"][1].transpose(1, 2, 0), atol=0.51 / 255)
        told = facts(figure)
        assert told["changes"] == {
            "keep": 2,
            "by": "value",
            "dropout": 30,
            "rescaled": False,
            "sweep": [0, 60],
        }
        assert (told["layer"], told["decoder"]) == (layer, f"run/{layer}")
        assert "optimiser" not in told
        with Image.open(figure) as picture:
            assert min(picture.size) > 400
            assert json.loads(picture.text["Description"])["image"]["name"] == "cat.png"


def test_without_a_layer_all_decoders_are_shown_and_a_bad_image_keeps_nothing_from_it(home):
    Path("bad.png").write_text("no picture")
    words = ("cat.png", "bad.png", "dog.png", *TWO, "--keep", "3", "--sweep", "none")
    done = invoke(COMMAND, *words, "--by", "magnitude", "--rescale", *PLACE)
    assert done.code == 1
    assert done.err.splitlines()[-1].endswith("1 of 3 images could not be shown; the others are done")
    names = [f"{stem}_{layer}_perturbed" for stem in ("cat", "dog") for layer in ("pool2", "fc3")]
    assert [path.stem for path in done.paths] == [name for name in names for _ in range(2)]
    assert [*by_row(Path("cat_fc3_perturbed.png"))] == ["decoder"]


def test_the_optimiser_takes_the_same_features(home):
    words = ("--layer", "fc4", "--decoder", "run", "--sweep", "none", "--keep", "10", "--arrays", "--each")
    done = invoke(COMMAND, "cat.png", *words, "--optimised", "--iterations", "3", *PLACE).ok()
    figure = Path("cat_fc4_perturbed.png")
    numbers, rows = arrays(figure.with_suffix(".npz")), by_row(figure)
    assert [*rows] == ["decoder", "optimised"]
    np.testing.assert_array_equal(numbers["optimised_features"], numbers["decoder_features"])
    assert facts(figure)["optimiser"] == {"preset": "best", "iterations": 3, "stopped": ""}
    rest = rows["optimised"]["pictures"][3]  # all but all: nothing to be inverted
    assert (rest["name"], rest["psnr"], rest["features_moved"]) == ("all but those 10", None, 1)
    assert np.isnan(numbers["optimised"][3]).all()
    assert not any(path.name.startswith("optimised_03") for path in done.paths)
    invoke("invert", "cat.png", "--layer", "fc4", "--iterations", "3", "--model", "mynets:tiny", *PLACE).ok()
    (inverted,) = facts(Path("cat_inversion.png"))["layers"]
    assert rows["optimised"]["pictures"][1]["psnr"] == pytest.approx(inverted["errors"]["psnr"], abs=1e-3)
    error = inverted["errors"]["feature_error_mv16"]
    assert rows["optimised"]["pictures"][1]["feature_error_uncut"] == pytest.approx(error, rel=1e-4)
    assert rest["feature_error_uncut"] is None
    assert rows["optimised"]["pictures"][1]["feature_error"] == pytest.approx(error, abs=0.2)  # cut to [0, 1]


def test_ctrl_c_while_optimising_leaves_what_there_is(home, monkeypatch):
    def watch(now, steps, errors):
        if now == 2:
            raise KeyboardInterrupt

    making = sys.modules[perturb.callback.__module__.replace("perturb", "perturb_making")]
    monkeypatch.setattr(making, "shown_progress", lambda *_: contextlib.nullcontext(watch))
    done = invoke(
        COMMAND, "cat.png", "--layer", "fc4", "--decoder", "run/fc4", "--optimised", "--sweep", "none", *PLACE
    )
    assert done.code == 130
    assert done.err.strip().startswith("deconvviz: interrupted")
    assert [path.name for path in done.paths] == ["cat_fc4_perturbed.png", "cat_fc4_perturbed.json"]
    assert facts(done.paths[0])["optimiser"]["stopped"] == "interrupted"
    assert by_row(done.paths[0])["optimised"]["title"].endswith("(interrupted)")


def test_between_two_images(home):
    words = (
        "--with",
        "dog.png",
        "--layer",
        "pool2",
        "--decoder",
        "run",
        "--steps",
        "3",
        "--arrays",
        "--each",
        "--optimised",
        "--iterations",
        "2",
    )
    done = invoke(COMMAND, "cat.png", *words, *PLACE).ok()
    figure = Path("cat_dog_pool2_interpolated.png")
    path = figure.with_suffix(".webp")
    assert done.paths[-1] == path
    with Image.open(path) as opened:
        assert (opened.n_frames, opened.size) == (16, (32, 32))
    numbers, rows = arrays(figure.with_suffix(".npz")), by_row(figure)
    assert [*rows] == ["photographs", "decoder", "crossfade", "optimised"]
    np.testing.assert_array_equal(numbers["optimised_features"], numbers["decoder_features"])
    network = load_model("mynets:tiny", "random")
    encoder = Encoder(network, ["pool2"])
    cat, dog = (encoder(read_image(f"{stem}.png", network))["pool2"] for stem in ("cat", "dog"))
    decoder = load_decoder("run/pool2")
    for i, features in enumerate((cat, (cat + dog) / 2, dog)):
        made = at_input_size(encoder, decoder, features)[0].numpy()
        np.testing.assert_allclose(numbers["decoder"][i], made, atol=0 if i != 1 else 1e-5)
    fade = (numbers["decoder"][0] + numbers["decoder"][2]) / 2
    np.testing.assert_allclose(numbers["crossfade"][1], fade, atol=1e-6)
    middle = rows["decoder"]["pictures"][1]
    square = np.mean((numbers["decoder"][1].astype(float) - fade) ** 2)
    assert middle["psnr_crossfade"] == pytest.approx(-10 * np.log10(square), rel=1e-3)
    assert [row["psnr_first"] is None for row in rows["decoder"]["pictures"]] == [True, False, False]
    assert facts(figure)["other"]["name"] == "dog.png"
    assert (facts(figure)["steps"], middle["name"]) == (3, "50 % dog.png")


def test_features_that_no_image_has(home):
    words = ("--random", "2", "--decoder", "run/fc3", "--fit-images", "9", "--arrays", *LEAVES)
    kinds = ("empirical", "gaussian")
    both = ("cat.png", "dog.png", "--sweep", "none", "--statistics", "gaussian")
    found = [
        invoke(COMMAND, *images, *words, "--out", f"{i}/", *PLACE).ok()
        for i, images in enumerate((("cat.png",), both, ("--optimised", "--iterations", "2")))
    ]
    figures = [done.paths[0] for done in found]
    assert [path.name for path in figures] == ["random_fc3_perturbed.png"] * 3
    rows = [[*by_row(path)] for path in figures]
    assert rows[0] == ["images", "real", "drawn", "redrawn"]
    assert rows[1] == ["images", "real", "drawn", "redrawn_1", "redrawn_2"]
    assert rows[2] == ["images", "real", "drawn", "optimised"]
    assert [row["name"] for row in by_row(figures[1])["redrawn_2"]["pictures"]][1:] == ["100 %"]
    one, two, three = (arrays(path.with_suffix(".npz")) for path in figures)
    np.testing.assert_array_equal(one["drawn_features"], three["drawn_features"])  # drawn from the seed
    assert not np.array_equal(one["drawn_features"], two["drawn_features"])
    for path, kind in zip(figures, kinds, strict=False):
        assert facts(path)["statistics"] == {"kind": kind, "images": 9, "kept": 9}
    told = facts(figures[0])
    assert [image["name"] for image in told["images"]] == ["cat.png"]
    network = load_model("mynets:tiny", "random")
    encoder = Encoder(network, ["fc3"])
    decoder = load_decoder("run/fc3")
    for row in ("real", "drawn"):
        for features, picture in zip(one[f"{row}_features"], one[row], strict=True):
            made = at_input_size(encoder, decoder, torch.from_numpy(features)[None])[0]
            np.testing.assert_array_equal(made.numpy(), picture)
    own = encoder(read_image("cat.png", network))["fc3"][0].numpy()
    assert list(one["redrawn_names"]) == [
        "what the network saw",
        *(f"{n} %" for n in (0, 10, 25, 50, 75, 90, 100)),
    ]
    np.testing.assert_array_equal(one["redrawn_features"][1], own)
    np.testing.assert_array_equal(one["redrawn_features"][0], own)
    changed = [int((features != own).sum()) for features in one["redrawn_features"][1:]]
    assert changed == sorted(changed)
    assert changed[-1] > 0


def test_a_mixture_without_a_picture_of_one_end_has_no_cross_fade():
    from deconvviz_cli.perturb_mixed import _row

    pictures = [None, torch.rand(3, 16, 16), torch.rand(3, 16, 16)]  # the first search left none
    row = _row("optimised", "Optimised", ["a", "b", "c"], torch.rand(3, 4), pictures)
    assert np.isnan(row.numbers["psnr_crossfade"]).all()
    assert np.isnan(row.numbers["psnr_first"]).all()
    assert row.numbers["psnr_last"][2] == np.inf
    assert np.isfinite(row.numbers["psnr_last"][1])
