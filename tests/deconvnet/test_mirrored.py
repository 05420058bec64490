"""A mirrored layer stands on its own; layers of a user's own are registered."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from deconvviz import MirroredLayer, Record, Rules, Unit, mirror, project, record, transpose
from deconvviz.deconvnet import Rectification
from deconvviz.deconvnet.windows import Windows
from deconvviz.errors import ChainError

from ..oracle import autograd_twin, relative_error
from ..strategies import noise, randomised


class Doubling(nn.Module):
    """A layer of a user's own."""

    def forward(self, maps: Tensor) -> Tensor:
        return 2 * maps


class MirroredDoubling(MirroredLayer):
    """Its transpose."""

    def descend(self, signal: Tensor, above: Windows, below: Windows) -> Tensor:
        return 2 * signal


def test_a_layer_of_ones_own_is_registered() -> None:
    chain = [nn.Conv2d(3, 4, 3), Doubling(), nn.ReLU(), nn.Conv2d(4, 2, 3)]
    net, images = randomised(nn.Sequential(*chain), 2), noise(1, 1, 3, 8, 8)
    with pytest.raises(ChainError, match="'1' is a Doubling, which has no known transpose"):
        project(net, images, [Unit("3", 0)])

    @transpose.register
    def _(module: Doubling, record: Record, rules: Rules) -> MirroredLayer:
        return MirroredDoubling(record)

    trace = record(net, images, ["3"])
    signal = noise(4, *trace.features("3").shape)
    wanted = autograd_twin(chain, images, signal, Rectification.DECONVNET)
    assert relative_error(mirror(trace, "3")(signal), wanted).max() < 1e-10


def test_a_mirror_can_be_walked_and_printed() -> None:
    chain = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2)]
    net, images = randomised(nn.Sequential(*chain), 2), noise(1, 1, 3, 8, 8)
    trace = record(net, images, ["4"])
    mirrored = mirror(trace, "4")
    signal = noise(2, 1, 2)
    step = signal
    for layer in mirrored:
        step = layer(step)
    assert torch.equal(step, mirrored(signal))
    assert mirrored.names == ("4", "3", "2", "1", "0")
    lines = str(mirrored).splitlines()
    assert lines[0] == "Mirror of '4', from its activations down to pixels:"
    kinds = ["MirroredLinear", "Reshape", "Unpool", "Rectify", "Filtering"]
    for line, name, kind in zip(lines[1:], mirrored.names, kinds, strict=True):
        assert line.split()[0] == name
        assert f"{kind}(" in line


def test_each_signal_goes_through_the_switches_of_its_own_image() -> None:
    net, images = nn.Sequential(nn.MaxPool2d(2)), noise(1, 2, 3, 4, 4)
    mirrored = mirror(record(net, images, ["0"]), "0")
    signal = noise(2, 3, 3, 2, 2)
    picked = mirrored(signal, images=(1, 0, 1))
    for k, image in enumerate((1, 0, 1)):
        alone = mirror(record(net, images[image, None], ["0"]), "0")
        assert torch.equal(picked[k, None], alone(signal[k, None]))
    assert not torch.equal(mirrored(signal[:2]), picked[:2])
