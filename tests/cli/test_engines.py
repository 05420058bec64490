"""``deconvviz project --engine``: which engine serves, that both draw the same, and what neither can do."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from .support import MODEL, arrays, facts, invoke, project, refused

WORDS = ("cat.png", "--layer", "conv2", "--arrays")


@pytest.mark.parametrize("rule", ["deconvnet", "gradient", "guided"])
def test_both_engines_draw_the_same(folder, rule):
    found = {}
    for engine in ("mirror", "autograd"):
        figure, _, _ = project(*WORDS, "--rule", rule, "--engine", engine, "--out", f"{engine}.png").paths
        found[engine] = arrays(figure.with_suffix(".npz"))
        assert facts(figure)["engine"] == engine
    mirror, autograd = found["mirror"], found["autograd"]
    assert mirror["pixels"].any()
    assert np.allclose(mirror["pixels"], autograd["pixels"], rtol=1e-4, atol=1e-6)
    for name in ("channel", "row", "column", "activation", "window"):
        assert np.array_equal(mirror[name], autograd[name]), name


def test_the_mirror_serves_chains_and_says_so(folder):
    figure = project(*WORDS).paths[0]
    assert facts(figure)["engine"] == "mirror"
    with Image.open(figure) as picture:
        assert "deconvviz" in picture.text["Software"]


@pytest.mark.parametrize("model", ["mynets:Functional", "mynets:Branching"])
def test_other_networks_go_by_autograd(folder, model):
    words = ["cat.png", "--layer", "last", "--model", model, "--quiet", "--arrays", "--rule"]
    pixels = {}
    for rule in ("gradient", "guided", "deconvnet"):
        figure = invoke("project", *words, rule, "--out", f"{rule}.png").ok().paths[0]
        assert facts(figure)["engine"] == "autograd"
        pixels[rule] = arrays(figure.with_suffix(".npz"))["pixels"]
        assert pixels[rule].any()
    if "Functional" in model:  # the other one's only rectifier is the layer itself
        assert not np.allclose(pixels["gradient"], pixels["guided"])
        assert not np.allclose(pixels["guided"], pixels["deconvnet"])


def test_a_map_and_all_the_other_choices(folder):
    more = [
        "--from",
        "map",
        "--unpooling",
        "centre",
        "--lrn",
        "transpose",
        "--seed-value",
        "one",
        "--unit",
        "3",
    ]
    both = []
    for engine in ("mirror", "autograd"):
        figure = project(*WORDS, *more, "--unit", "3", "--engine", engine, "--out", f"{engine}.png").paths[0]
        both.append(arrays(figure.with_suffix(".npz"))["pixels"])
    assert both[0].any()
    assert np.allclose(both[0], both[1], rtol=1e-4, atol=1e-6)


def test_no_rule_for_other_activations(folder):
    words = ["cat.png", "--layer", "3", "--model", "mynets:smooth", "--quiet"]
    assert "GELU" in refused(*words, "--engine", "autograd")
    figure = invoke("project", *words, "--rule", "gradient").ok().paths[0]
    assert facts(figure)["engine"] == "autograd"


def test_an_engine_that_is_none(folder):
    assert "--engine" in refused(*WORDS, *MODEL, "--engine", "steam", code=2)
