"""A decoder's one file: what comes back from it, and what is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import safetensors.torch
import torch

from deconvviz.decoders.architecture import Scale
from deconvviz.decoders.decoder import (
    Decoder,
    DecoderFacts,
    decoder_folders,
    in_pixels,
    load_decoder,
    save_decoder,
)
from deconvviz.decoders.encoding import Encoder, shown_as
from deconvviz.errors import ModelError, WeightsError

from ..training.support import same
from .support import facts_of, noise, quick, tiny

REACHED = {"epoch": 3, "val_error": 0.5}


@pytest.fixture(scope="module")
def encoder():
    return Encoder(tiny(), ["conv2", "fc3"])


@pytest.fixture(params=["conv2", "fc3"])
def saved(encoder, request, tmp_path):
    """A decoder's facts, module and file."""
    facts = facts_of(encoder, request.param, quick(epochs={"conv2": 2, "other": 1}), target=16)
    torch.manual_seed(1)
    module = facts.network()
    for part in module.modules():
        if isinstance(part, Scale):
            part.measure(noise(5, *facts.shape))
    file = save_decoder(tmp_path / "run" / request.param / "best.safetensors", facts, module, REACHED)
    return facts, module.eval(), file


def refused(path) -> str:
    with pytest.raises(WeightsError) as caught:
        load_decoder(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_was_saved_comes_back_bit_for_bit(saved):
    facts, module, file = saved
    for path in (file, file.parent, str(file.parent)):
        found = load_decoder(path)
        assert found.facts == replace(facts, recipe=found.facts.recipe)
        assert found.facts.settings == facts.settings
        assert found.label == str(path)
        assert found.layer == facts.layer
        assert not found.module.training
        assert same(found.module.state_dict(), module.state_dict())
    features = noise(3, *facts.shape)
    with torch.no_grad():
        wanted = in_pixels(module(features), facts.mean, facts.std).clamp(0, 1)
    made = load_decoder(file).reconstruct(features)
    torch.testing.assert_close(made, wanted, rtol=0, atol=0)
    assert made.shape == (3, 3, 16, 16)
    assert made.dtype == torch.float32


def test_the_file_says_what_was_reached(saved):
    with safetensors.safe_open(saved[2], framework="pt") as file:
        told = json.loads(file.metadata()["deconvviz"])
    assert {name: told[name] for name in REACHED} == REACHED
    assert DecoderFacts.from_dict(told["decoder"], "x").layer == saved[0].layer


def test_reconstructions_lie_in_the_visible_range(encoder):
    facts = facts_of(encoder, "fc3", quick(), target=8)
    module = torch.nn.Sequential(torch.nn.Linear(20, 192), torch.nn.Unflatten(1, (3, 8, 8)))
    made = Decoder(facts, module).reconstruct(100 * noise(2, 20))
    assert (float(made.min()), float(made.max())) == (0, 1)
    low, high = (torch.full((1, 3, 1, 1), v) for v in (0.0, 1.0))
    pixels = in_pixels(low, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)).flatten()
    torch.testing.assert_close(pixels, torch.tensor([0.1, 0.2, 0.3]))
    pixels = in_pixels(high, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)).flatten()
    torch.testing.assert_close(pixels, torch.tensor([0.6, 0.8, 1.0]))


def test_features_of_another_shape(saved):
    found = load_decoder(saved[2])
    with pytest.raises(ModelError, match=r" inverts \w+ with \(.*\), not \(7,\)$"):
        found.reconstruct(noise(2, 7))


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_file_that_was_cut_short(saved, length):
    file = saved[2]
    file.write_bytes(file.read_bytes()[:length])
    assert refused(file).startswith(f"{file} is damaged or not a safetensors file (")
    assert refused(file.parent).startswith(f"{file} is damaged")


def test_a_file_with_a_missing_or_misshapen_tensor(saved):
    facts, module, file = saved
    state, told = module.state_dict(), {"deconvviz": json.dumps({"decoder": facts.as_dict()})}
    name = next(reversed(state))
    safetensors.torch.save_file({n: t.contiguous() for n, t in state.items() if n != name}, file, told)
    assert refused(file).startswith(f"{file} is damaged: ")
    assert name in refused(file)
    safetensors.torch.save_file(
        {**{n: t.contiguous() for n, t in state.items()}, name: torch.ones(7)}, file, told
    )
    assert name in refused(file)


@pytest.mark.parametrize(
    "told", [None, {"trained": {"model": "mini"}}, {"decoder": None}, [1], {"decoder": []}]
)
def test_a_file_of_something_else(tmp_path, told):
    file = tmp_path / "classifier.safetensors"
    metadata = None if told is None else {"deconvviz": json.dumps(told)}
    safetensors.torch.save_file({"conv1.weight": torch.ones(3)}, file, metadata)
    assert refused(file) == f"{file} is no decoder; --decoder takes a run of train-decoder or its file"


def test_a_file_that_does_not_say_everything(saved):
    facts, _, file = saved
    content = facts.as_dict()
    del content["encoder"]
    safetensors.torch.save_file({"x": torch.ones(1)}, file, {"deconvviz": json.dumps({"decoder": content})})
    assert refused(file).startswith(f"{file} does not say what it decodes: ")
    assert "encoder" in refused(file)


def test_nothing_there(tmp_path):
    assert refused(tmp_path / "none").startswith(f"{tmp_path / 'none'} does not exist; --decoder takes")
    assert refused(tmp_path).startswith(f"{tmp_path} has no best.safetensors: its first epoch has not ended;")


def test_a_decoder_of_this_encoder_is_accepted(saved, encoder):
    load_decoder(saved[2]).check(encoder)
    load_decoder(saved[2]).check(Encoder(tiny(), [saved[0].layer]))


def test_another_encoder_is_refused_by_name(saved, encoder):
    facts, _, file = saved
    found = load_decoder(file)

    def said(other) -> str:
        with pytest.raises(WeightsError) as caught:
            found.check(other)
        return str(caught.value)

    renamed = Encoder(replace(encoder.network, name="alexnet"), [facts.layer])
    assert said(renamed) == f"{file} decodes tests.cli.mynets:tiny, not alexnet"
    assert (
        said(Encoder(encoder.network, ["conv1", "pool2"]))
        == f"{file} decodes {facts.layer}, not conv1, pool2"
    )
    smaller = Encoder(encoder.network, [facts.layer])
    smaller.network = shown_as(encoder.network, 31, encoder.network.mean, encoder.network.std)
    assert said(smaller).startswith(f"{file} decodes images of 32 pixels, not 31; say --input-size 32")
    other = said(Encoder(tiny(seed=1), [facts.layer]))
    assert other.startswith(f"{file} decodes tests.cli.mynets:tiny with other weights (random, sha256 ")
    assert facts.encoder[:12] in other
    assert other.endswith("than random (seed 1); name those with --weights")


def test_the_decoders_that_a_folder_holds(saved, tmp_path):
    facts, _, file = saved
    run = tmp_path / "run"
    assert decoder_folders(run) == [run / facts.layer]
    assert decoder_folders(run / facts.layer) == [run / facts.layer]
    assert decoder_folders(file) == [file]
    (run / "another").mkdir()
    (run / "another" / "best.safetensors").write_bytes(file.read_bytes())
    (run / "unfinished").mkdir()
    assert decoder_folders(run) == [run / "another", run / facts.layer]
    assert decoder_folders(tmp_path / "none") == [tmp_path / "none"]
    with pytest.raises(WeightsError, match="unfinished holds no decoder; train one with"):
        decoder_folders(run / "unfinished")
