"""Every answer is what the method gives by itself; of many images, what each of them gives."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from deconvviz import project_trace, record, strongest
from deconvviz.compare.answers import Answer
from deconvviz.compare.comparing import compare
from deconvviz.compare.methods import METHODS
from deconvviz.decoders.encoding import Encoder
from deconvviz.decoders.showing import at_input_size
from deconvviz.deconvnet import ContrastNormalisation, Rectification, Rules
from deconvviz.gradients.projection import project_by_autograd
from deconvviz.metrics import psnr, ssim
from deconvviz.models import Network
from deconvviz.preimage.inversion import invert

from .support import LAYERS, decoder_of, named, seen, tiny

RULES = {
    "guided": Rules(Rectification.GUIDED),
    "gradient": Rules(Rectification.GRADIENT, lrn=ContrastNormalisation.TRANSPOSE),
}
"""Of the command line: ``--rule guided``, and ``--rule gradient --lrn transpose``."""


@pytest.fixture(scope="module")
def network() -> Network:
    return tiny()


@pytest.mark.parametrize("layer", LAYERS)
def test_projections_are_those_of_project(network: Network, layer: str) -> None:
    images = seen()
    methods = ["strongest", "map", "layer", "guided", "gradient"]
    (found,) = compare(network, images, [layer], methods)
    assert list(found.answers) == [(layer, method) for method in methods]
    for method in methods:
        answer, rules = found.answers[layer, method], RULES.get(method, Rules())
        if method == "map" and layer.startswith("fc"):
            assert answer.missing == "a vector has no maps"
            continue
        trace = record(network, images, [layer], masks=rules.rectification.masks)
        source = method if method in ("map", "layer") else "strongest"
        wanted = project_trace(trace, strongest(trace, layer, 1), rules=rules, source=source)
        assert same(answer.signal, wanted.pixels[0])
        assert same(answer.picture, network.pixels(wanted.pixels)[0])
        assert answer.signal is not None
        assert answer.signal.any()
        if method == "layer":
            assert answer.unit is None
            assert math.isnan(answer.activation)
        else:
            assert answer.unit == wanted.units[0]
            assert answer.activation == float(wanted.activations[0]) > 0


def same(found: Tensor | None, wanted: Tensor) -> bool:
    """Whether all bits are equal."""
    return found is not None and torch.equal(found, wanted)


def test_networks_with_branches() -> None:
    network, images = named("Branching"), seen()
    (found,) = compare(network, images, ["last"], iterations=1)
    for method, rules in {"strongest": Rules(), "layer": Rules(), **RULES}.items():
        trace = record(network, images, ["last"])
        source = "layer" if method == "layer" else "strongest"
        wanted = project_by_autograd(network, images, strongest(trace, "last", 1), rules=rules, source=source)
        assert same(found.answers["last", method].signal, wanted.pixels[0])
    assert found.answers["last", "optimised"].picture is not None


def test_reconstructions_are_those_of_reconstruct(network: Network) -> None:
    images, decoders = seen(), [decoder_of(network, layer) for layer in ("norm1", "fc3")]
    (found,) = compare(network, images, ["fc3", "conv2", "norm1"], ["decoder"], decoders=decoders)
    encoder = Encoder(network, ["norm1", "fc3"])
    for decoder in decoders:
        wanted = at_input_size(encoder, decoder, encoder(images)[decoder.layer])
        answer = found.answers[decoder.layer, "decoder"]
        assert same(answer.picture, wanted[0])
        assert answer.errors["psnr"] == float(psnr(network.pixels(images), wanted))
        assert answer.errors["ssim"] == float(ssim(network.pixels(images), wanted))
        assert answer.picture is not None
        assert not answer.picture.is_inference()
    assert found.answers["conv2", "decoder"].missing == "no decoder for conv2"


@pytest.mark.parametrize("layer", ["conv2", "fc3"])
def test_pre_images_are_those_of_invert(network: Network, layer: str) -> None:
    images, told = seen(), []
    (found,) = compare(
        network, images, [layer], ["optimised"], iterations=4, seed=3, watch=lambda *what: told.append(what)
    )
    wanted = invert(network, images, [layer], iterations=4, seed=3)
    answer = found.answers[layer, "optimised"]
    assert same(answer.signal, wanted.images[0, 0, 0])
    assert same(answer.picture, network.pixels(wanted.images[0, 0, 0]))
    for ours, theirs in (("psnr", "psnr"), ("ssim", "ssim"), ("feature_error", "feature_error_mv16")):
        assert answer.errors[ours] == float(wanted.errors[theirs])
    assert told[-1] == (layer, "optimised", 4, 4)
    assert len({what[2] for what in told}) == 4
    (other,) = compare(network, images, [layer], ["optimised"], iterations=4, preset="mahendran2015")
    assert not same(other.answers[layer, "optimised"].signal, wanted.images[0, 0, 0])


def close(one: Answer, other: Answer) -> None:
    """Equal but for the order of sums."""
    assert (one.layer, one.method, one.missing, one.unit) == (
        other.layer,
        other.method,
        other.missing,
        other.unit,
    )
    assert one.activation == pytest.approx(other.activation, rel=1e-4, nan_ok=True)
    for name, value in one.errors.items():
        if not name.startswith("image_error"):
            assert value == pytest.approx(other.errors[name], rel=1e-3, abs=1e-5), name


def test_many_images_are_compared_as_each_alone(network: Network) -> None:
    images, decoders = seen(3), [decoder_of(network, "conv2")]
    told: list[tuple[str, str, int, int]] = []
    together = compare(
        network,
        images,
        ["conv2", "fc4"],
        decoders=decoders,
        names=["a", "b", "c"],
        iterations=2,
        batch_size=2,
        pictures=False,
        watch=lambda *what: told.append(what),
    )
    assert [one.name for one in together] == ["a", "b", "c"]
    assert [done for layer, method, done, _ in told if (layer, method) == ("conv2", "map")] == [2, 3]
    assert [what[2:] for what in told if what[:2] == ("fc4", "optimised")][-1] == (6, 6)
    for k, found in enumerate(together):
        (alone,) = compare(network, images[k : k + 1], ["conv2", "fc4"], decoders=decoders, iterations=2)
        assert same(found.original, network.pixels(images[k]))
        assert found.layers == alone.layers == ("conv2", "fc4")
        assert found.methods == alone.methods == tuple(METHODS)
        for cell, answer in found.answers.items():
            close(answer, alone.answers[cell])
            assert answer.signal is answer.picture is None
            assert (answer.seconds > 0) == (not answer.missing)
            assert (alone.answers[cell].picture is not None) == (not answer.missing)


def test_rows_and_columns_come_once(network: Network) -> None:
    (found,) = compare(network, seen(), ["fc3", "5", "conv2", "5"], ["layer", "map", "layer"])
    assert found.layers == ("fc3", "5", "conv2")
    assert found.methods == ("map", "layer")
    assert found.name == "image 1"
    for method in found.methods:  # two names of one layer
        assert found.answers["5", method].errors["psnr"] == found.answers["conv2", method].errors["psnr"]


def test_a_decoder_serves_its_layer_by_any_name(network: Network) -> None:
    (found,) = compare(network, seen(), ["5"], ["decoder"], decoders=[decoder_of(network, "conv2")])
    assert found.answers["5", "decoder"].picture is not None


def test_the_network_is_left_as_it_was(network: Network) -> None:
    network.module.train()
    before = {name: value.clone() for name, value in network.module.state_dict().items()}
    compare(network, seen(), ["conv2"], decoders=[decoder_of(network, "conv2")], iterations=1)
    assert all(m.training for m in network.module.modules())
    assert all(not m._forward_hooks for m in network.module.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.module.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in network.module.parameters())
    network.module.eval()
