"""The digest of a network's weights changes with all that an atlas depends on, and with nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deconvviz.atlas.fingerprint import parameters_sha256
from deconvviz.errors import LayerError

from .nets import branching, chain, network, seeded


def test_the_weights_digest_ends_at_the_last_layer():
    net = chain()
    before = parameters_sha256(net, ["conv1", "conv2"])
    assert before == parameters_sha256(net, ["4"]) == parameters_sha256(chain(), ["conv2"])
    with torch.no_grad():
        net.module[6].weight[0, 0] += 1
    assert parameters_sha256(net, ["conv2"]) == before
    assert parameters_sha256(net, ["fc3"]) != parameters_sha256(chain(), ["fc3"])
    with torch.no_grad():
        net.module[0].bias[0] += 1
    assert parameters_sha256(net, ["conv2"]) != before
    buffered = branching()
    before = parameters_sha256(buffered, ["norm"])
    buffered.module.norm.running_mean[0] += 1
    assert parameters_sha256(buffered, ["norm"]) != before


def test_the_weights_digest_is_of_what_runs_before_the_layer():
    net = branching()
    before = parameters_sha256(net, ["last"])
    with torch.no_grad():
        net.module.scores.weight.mul_(2)  # runs afterwards
    assert parameters_sha256(net, ["last"]) == before
    with torch.no_grad():
        net.module.norm.weight.mul_(3)  # registered behind the layer
    assert parameters_sha256(net, ["last"]) != before
    assert parameters_sha256(net, ["second"]) == parameters_sha256(branching(), ["second"])


class _Attending(nn.Module):
    """Attention, whose last projection is used and never called, and a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.mixed, self.own = nn.MultiheadAttention(3, 1, batch_first=True), nn.Parameter(torch.ones(3))
        self.last = nn.Linear(3, 2)

    def forward(self, images):
        rows = images.flatten(2).mean(2)[:, None] * self.own
        return self.last(self.mixed(rows, rows, rows)[0][:, 0])


@pytest.mark.parametrize("of", ["mixed.out_proj.weight", "own", "last.weight"])
def test_the_weights_digest_has_what_is_used_without_being_called(of):
    net = network(seeded(_Attending))
    before = parameters_sha256(net, ["last"])
    with torch.no_grad():
        net.module.get_parameter(of).mul_(2)
    assert parameters_sha256(net, ["last"]) != before


def test_the_weights_digest_leaves_the_network_as_it_was():
    net = branching()
    before = parameters_sha256(net, ["last", "first"])
    net.module.train()
    values = {name: value.clone() for name, value in net.module.state_dict().items()}
    assert parameters_sha256(net, ["first", "last"]) == before
    assert net.module.training
    assert net.module.norm.training
    assert all(p.requires_grad for p in net.module.parameters())
    assert all((value == values[name]).all() for name, value in net.module.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.module.modules())
    net.module.scores.to("meta")  # as where a file lacks the last layer
    assert parameters_sha256(net, ["first", "last"]) == before
    with pytest.raises(LayerError, match="never reaches 'norm'"):
        parameters_sha256(network(seeded(_Skipping)), ["norm"])


class _Skipping(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, images):
        return self.first(images)
