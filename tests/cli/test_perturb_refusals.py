"""``deconvviz perturb``: what it refuses, in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deconvviz import load_model
from deconvviz.decoders.decoder import DecoderFacts, load_decoder, save_decoder
from deconvviz.decoders.encoding import Encoder

from .support import complaint, invoke, refused, write_photo
from .untrained import untrained_decoders

COMMAND = "perturb"
PLACE = ("--device", "cpu", "--quiet")


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


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--decoder", "none"], "none does not exist; --decoder takes a run of train-decoder or its file"),
        (["--decoder", "run", "--layer", "conv2"], "the decoders are of fc3, fc4, pool2, and none of conv2"),
        (["--decoder", "run", "--layer", "fc3", "--layer", "fc7"], "no layer 'fc7'; did you mean 'fc"),
        (
            ["--decoder", "run/fc3", "--layer", "fc3", "--layer", "conv2"],
            "no decoder for conv2; train one with: deconvviz train-decoder --layer conv2 --model mynets:tiny",
        ),
        (["--decoder", "run/fc3", "--seed", "1"], "run/fc3 decodes mynets:tiny with other weights"),
        (["--decoder", "run/fc3", "--keep", "21"], "fc3 has 20 entries, so the 21 largest cannot be kept"),
        (["--decoder", "run/pool2", "--keep", "7"], "pool2 has 6 feature maps, so the 7 largest cannot be"),
        (["--decoder", "run/fc3", "--with", "none.png"], "none.png does not exist"),
        (["--decoder", "run/fc3", "--random", "2", "--data", "nowhere"], "no data set 'nowhere'"),
        (["--decoder", "run/fc3", "--out", "cat.png/x/"], "cannot write cat.png/x/"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_file(home, words, says):
    assert refused("cat.png", *words, *PLACE, command=COMMAND).startswith(says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name at least one image"),
        (["cat.png", "--with", "dog.png", "--random", "2"], "--with and --random are two experiments"),
        (["cat.png", "--random", "2"], "--random wants a data set"),
        (["cat.png", "--steps", "3"], "--steps goes with --with"),
        (["cat.png", "--with", "dog.png", "--keep", "3"], "--keep goes with an image alone"),
        (["cat.png", "--data", "dead-leaves"], "--data goes with --random"),
        (["cat.png", "--iterations", "3"], "--iterations goes with --optimised"),
        (["cat.png", "--sweep", "10,200"], "percentages from 0 to 100"),
        (["cat.png", "--sweep", "ten"], "percentages from 0 to 100"),
        (["cat.png", "--with", "dog.png", "--animation", "a.mp4"], "a .webp or a .gif file"),
        (["cat.png", "dog.png", "--with", "dog.png", "--animation", "a.gif"], "one file for 2 animations"),
        (["cat.png", "--out", "a.txt"], "a figure is a .png"),
    ],
)
def test_wrong_usage(home, words, says):
    answer = invoke(COMMAND, *words, "--decoder", "run/fc3", *PLACE)
    assert says in complaint(answer, 2)
    assert answer.out == ""


def test_a_layer_that_sees_nothing_is_named(home):
    state = load_decoder("run/fc3")
    network = load_model("mynets:dead", "random")
    encoder = Encoder(network, ["3"])
    told = {**state.facts.as_dict(), "model": network.name, "layer": "3", "shape": encoder.shapes["3"]}
    facts_of = DecoderFacts.from_dict({**told, "encoder": encoder.digest("3")}, "it")
    save_decoder(Path("dead.safetensors"), facts_of, facts_of.network(), {})
    said = complaint(invoke(COMMAND, "cat.png", "--decoder", "dead.safetensors", *PLACE))
    assert said == "cat.png: 3 is zero all over, there is nothing to decode"
