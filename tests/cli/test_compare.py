"""``deconvviz compare IMAGE...``: figures and pages, and the same numbers as the single commands."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from deconvviz.compare import comparing
from deconvviz.compare.methods import METHODS
from deconvviz.decoders.decoder import save_decoder
from deconvviz.models import load_model
from deconvviz.models.trained import BEST_FILE

from ..compare.support import decoder_of
from .support import MODEL, arrays, facts, invoke, refused, save_weights, write_photo

COMMAND = "compare"
STEPS = ("--iterations", "2")
QUICK = ("--methods", "strongest,layer,decoder")


@pytest.fixture(scope="module")
def decoders(tmp_path_factory):
    """Decoders of the tiny network, not trained: of two of its layers, and one of other weights."""
    home = tmp_path_factory.mktemp("decoders")
    shutil.copy(Path(__file__).with_name("mynets.py"), home)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr(sys, "path", sys.path.copy())
        patch.delitem(sys.modules, "mynets", raising=False)
        weights = save_weights(home / "mine.pth")
        for name, network in (
            ("run", load_model("mynets:tiny", "random")),
            ("other", load_model("mynets:tiny", weights)),
        ):
            for layer in ("conv2", "fc3"):
                made = decoder_of(network, layer)
                (home / name / layer).mkdir(parents=True)
                told = replace(made.facts, weights="random" if name == "run" else str(weights))
                save_decoder(home / name / layer / BEST_FILE, told, made.module, {})
    return home


@pytest.fixture
def home(folder, decoders):
    """The current folder: holds those, ``cat.png`` and ``dog.png``."""
    for name in ("run", "other"):
        shutil.copytree(decoders / name, folder / name)
    write_photo(folder / "dog.png", seed=1, side=60)
    return folder


def compare(*words):
    return invoke(COMMAND, *words, *MODEL).ok()


def answers(path, image=0):
    """By layer and method, what the manifest tells."""
    return {(a["layer"], a["method"]): a for a in facts(path)["images"][image]["answers"]}


def test_pictures_and_numbers_are_those_of_the_single_commands(home):
    compare("cat.png", "--layers", "conv2, fc3", "--decoder", "run", *STEPS, "--arrays")
    path = Path("cat_compare.png")
    found, told = arrays(path.with_suffix(".npz")), answers(path)
    assert found["method"].tolist() == [*METHODS]
    assert told["fc3", "map"]["missing"]
    assert np.isnan(found["picture"][0, 1, 1]).all()
    assert np.isfinite(found["picture"][0, 0]).all()
    own = {method: found["signal"][0, 0, j] for j, method in enumerate(METHODS)}
    for method, words in {
        "strongest": ("--topk", "1"),
        "map": ("--topk", "1", "--from", "map"),
        "layer": ("--from", "layer"),
        "guided": ("--topk", "1", "--rule", "guided"),
        "gradient": ("--topk", "1", "--rule", "gradient", "--lrn", "transpose"),
    }.items():
        invoke("project", "cat.png", "--layer", "conv2", *words, "--arrays", *MODEL).ok()
        single = arrays(Path("cat_conv2.npz"))
        np.testing.assert_array_equal(own[method], single["pixels"][0])
        if method != "layer":
            unit = told["conv2", method]["unit"]
            assert [unit[key] for key in ("channel", "activation")] == [
                single[key][0] for key in ("channel", "activation")
            ]
    words = ("cat.png", "--decoder", "run/conv2", "--arrays", "--device", "cpu", "--quiet")
    invoke("reconstruct", *words).ok()
    single = arrays(Path("cat_reconstructions.npz"))
    np.testing.assert_array_equal(found["picture"][0, 0, 5], single["reconstruction"][0, 0])
    np.testing.assert_array_equal(found["input"], single["input"])
    for name in ("psnr", "ssim"):
        assert found[name][0, 0, 5] == single[name][0, 0]
    invoke("invert", "cat.png", "--layer", "conv2", *STEPS, "--arrays", *MODEL).ok()
    np.testing.assert_array_equal(own["optimised"], arrays(Path("cat_inversion.npz"))["preimage"][0])
    errors = facts(Path("cat_inversion.png"))["layers"][0]["errors"]
    for name, theirs in (("psnr", "psnr"), ("ssim", "ssim"), ("feature_error", "feature_error_mv16")):
        assert told["conv2", "optimised"]["errors"][name] == errors[theirs] == found[name][0, 0, 6]
    assert all(a.get("seconds", 0) > 0 for a in told.values() if "missing" not in a)


def test_a_figure_an_image_with_all_that_is_to_be_known(home):
    done = compare(
        "cat.png", "dog.png", "--layers", "conv1,conv2", "--decoder", "run", *QUICK, "--each", "--out", "out/"
    )
    figures = [Path("out/cat_compare.png"), Path("out/dog_compare.png")]
    assert [p for p in done.paths if p.name.endswith("_compare.png")] == figures
    assert Path("out/dog/compare/conv2_decoder.png") in done.paths
    for figure in figures:
        told = facts(figure)
        assert told["methods"]["decoder"]["given"] == METHODS["decoder"].given
        assert told["pair_distance"] > 0
        assert told["layers"] == ["conv1", "conv2"]
        cells = answers(figure)
        empty = cells["conv1", "decoder"]
        assert empty["missing"] == "no decoder for conv1"
        assert empty["advice"].startswith("deconvviz train-decoder --layer conv1 --model mynets:tiny")
        assert cells["conv2", "decoder"]["errors"]["image_error_fitted"] > 0


def test_one_image_of_several_layers_may_go_to_one_file(home):
    done = compare("cat.png", "--layers", "conv1,conv2", "--methods", "strongest", "--out", "one.png")
    assert done.paths[0] == Path("one.png")


def test_a_figure_a_layer_with_a_row_an_image(home):
    shutil.copytree(home, "again", ignore=shutil.ignore_patterns("run", "other", "*.py", "again"))
    done = compare(
        "cat.png",
        "again/cat.png",
        "--layer",
        "conv1",
        "--layer",
        "fc3",
        *QUICK,
        "--rows",
        "images",
        "--arrays",
    )
    assert [p.name for p in done.paths if p.suffix == ".png"] == [
        "pictures_conv1_compare.png",
        "pictures_fc3_compare.png",
    ]
    found = arrays(Path("pictures_fc3_compare.npz"))
    assert found["picture"].shape == (2, 1, 3, 3, 32, 32)
    np.testing.assert_array_equal(found["picture"][0], found["picture"][1])
    assert found["image"].tolist() == ["cat.png", "cat.png"]
    assert compare("cat.png", "again/cat.png", "--layer", "fc3", "--methods", "layer").paths[2:] == [
        Path("cat_2_compare.png"),
        Path("cat_2_compare.json"),
    ]
    one = ("cat.png", "--layer", "fc3", "--methods", "layer")
    alone = compare(*one, "--rows", "images", "--out", "one.pdf")
    assert alone.paths == [Path("one.pdf"), Path("one.json")]


def test_a_page(home):
    words = ("cat.png", "dog.png", "--layers", "conv1,fc3", *QUICK, "--format", "html")
    done = compare(*words, "--out", "page")
    assert done.paths == [Path("page/index.html"), Path("page/comparison.json")]
    assert len(answers(Path("page/comparison.json"), image=1)) == 6
    assert "no decoder for conv1" in Path("page/index.html").read_text(encoding="utf-8")
    assert len(list(Path("page/pictures").iterdir())) > 10


def test_layers_without_weights_are_empty_rows(home, decoders):
    with_all = torch.load(decoders / "mine.pth")
    torch.save({name: value for name, value in with_all.items() if name[0] in "04"}, "convs.pth")
    words = ("--decoder", "other", "--layers", "conv2,fc3", "--weights", "convs.pth")
    compare("cat.png", *words, *QUICK)
    cells = answers(Path("cat_compare.png"))
    assert {c: a.get("missing") for c, a in cells.items()} == {
        ("conv2", "strongest"): None,
        ("conv2", "layer"): None,
        ("conv2", "decoder"): None,
        **{("fc3", method): "no weights for fc3" for method in ("strongest", "layer", "decoder")},
    }


def test_layers_are_the_decoders_own_or_all(home):
    compare("cat.png", "--decoder", "run", "--methods", "strongest", "--methods", "decoder")
    assert facts(Path("cat_compare.png"))["layers"] == ["conv2", "fc3"]
    compare("cat.png", "--methods", "strongest")
    assert facts(Path("cat_compare.png"))["layers"] == ["conv1", "conv2", "fc3", "fc4"]


def test_what_is_wrong_is_said_before_anything_is_computed(home):
    good = ("cat.png", *QUICK, *MODEL)
    for words, code, said in (
        (("--layers", "conv1,cnv2"), 1, "no layer 'cnv2'; did you mean 'conv2'?"),
        (("--methods", "map,decodr"), 1, "no method 'decodr'"),
        (("--decoder", "run", "--layers", "conv1"), 1, "the decoders are of conv2, fc3, and none of conv1"),
        (("--decoder", "run", "--weights", "random", "--seed", "3"), 1, "other weights"),
        (("--decoder", "run", "--decoder", "run/conv2"), 1, "both decode conv2"),
        (("--decoder", "nowhere"), 1, "nowhere does not exist"),
        (("--limit", "3"), 2, "--limit needs a data set: --data"),
        (("--data", "dead-leaves"), 2, "IMAGES is for photographs, not for --data"),
        (("--format", "html"), 2, "name it with --out FOLDER/"),
        (("--format", "html", "--each", "--out", "page/"), 2, "--each is for figures"),
        (("--out", "cat.png/"), 1, "is no folder"),
    ):
        assert said in refused(*good, *words, command=COMMAND, code=code)
    Path("theirs").mkdir()
    Path("theirs/index.html").write_text("mine")
    page = ("--format", "html", "--out", "theirs")
    assert "no page of a comparison" in refused(*good, *page, "--layer", "fc3", command=COMMAND)
    decoded = ("--decoder", "run", "--model", "mini")
    said = refused("cat.png", *decoded, "--device", "cpu", "--quiet", command=COMMAND)
    assert "decodes mynets:tiny, not mini" in said


def test_decoders_of_different_weights_want_one_network(home, decoders):
    words = ("cat.png", "--decoder", "run/conv2", "--decoder", "other/fc3", *QUICK, "--quiet")
    said = refused(*words, "--device", "cpu", command=COMMAND)
    assert "name the one that both belong to with --weights" in said
    made = decoder_of(load_model("mini"), "conv1")
    Path("mini").mkdir()
    save_decoder(Path("mini") / BEST_FILE, replace(made.facts, weights="default"), made.module, {})
    words = ("cat.png", "--decoder", "run/conv2", "--decoder", "mini", *QUICK, "--quiet")
    said = refused(*words, "--device", "cpu", command=COMMAND)
    assert "run/conv2 decodes mynets:tiny, mini decodes mini: compare those of one network" in said


def test_one_bad_photograph_does_not_keep_the_others_from_being_compared(home):
    Path("bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    answer = invoke(COMMAND, "bad.jpg", "cat.png", "--layer", "fc3", *QUICK, *MODEL)
    assert answer.code == 1
    assert answer.paths == [Path("cat_compare.png"), Path("cat_compare.json")]
    first, last = answer.err.splitlines()
    assert "bad.jpg" in first
    assert "1 of 2 images could not be shown" in last
    assert "pair_distance" not in facts(Path("cat_compare.png"))


@pytest.mark.parametrize("form", ["figure", "html"])
def test_what_was_done_before_an_interruption_is_shown(home, monkeypatch, form):
    def ended(*_args, **_words):
        raise KeyboardInterrupt

    monkeypatch.setattr(comparing, "optimised", ended)
    words = (
        "cat.png",
        "dog.png",
        "--layers",
        "conv2,fc3",
        "--methods",
        "strongest,optimised",
        "--out",
        "out/",
    )
    answer = invoke(COMMAND, *words, "--format", form, *MODEL)
    assert answer.code == 130
    assert answer.err.splitlines()[-1].startswith(
        "deconvviz: interrupted; what was printed before is complete"
    )
    manifest = Path("out/comparison.json") if form == "html" else Path("out/cat_compare.json")
    assert manifest in answer.paths
    assert len(answer.paths) == 2
    cells = answers(manifest)
    assert {c: a.get("missing") for c, a in cells.items()} == {
        ("conv2", "strongest"): None,
        ("fc3", "strongest"): None,
        ("conv2", "optimised"): "interrupted",
        ("fc3", "optimised"): "interrupted",
    }
