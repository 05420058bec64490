"""Networks of random weights: what is drawn, and what is left."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from deconvviz import record
from deconvviz.experiments.random_weights import with_random_weights


def calls_of(net, layer):
    return record(net, torch.ones(1, 3, 12, 12), [layer]).down_from(layer)


@pytest.fixture
def net():
    made = nn.Sequential(
        nn.Conv2d(3, 40, 5),
        nn.BatchNorm2d(40),
        nn.ReLU(),
        nn.Conv2d(40, 30, 3),
        nn.ReLU(),
        nn.Conv2d(30, 5, 1),
    )
    made[1].running_mean.fill_(3)
    made[1].weight.data.fill_(2)
    return made.eval()


def test_gaussian_weights_have_the_papers_deviation_and_no_biases(net):
    random = with_random_weights(net, calls_of(net, "4"), seed=3)
    for place, count in ((0, 3000), (3, 10800)):
        weight = random[place].weight.detach()
        assert weight.numel() == count
        assert float(weight.std()) == pytest.approx(0.01, rel=4 / (2 * count) ** 0.5)
        assert abs(float(weight.mean())) < 4 * 0.01 / count**0.5
        assert not random[place].bias.any()
    assert not random[1].running_mean.any()
    assert torch.equal(random[1].running_var, torch.ones(40))
    assert torch.equal(random[1].weight, torch.ones(40))


def test_own_weights_are_what_torch_gives_a_new_layer(net):
    random = with_random_weights(net, calls_of(net, "4"), seed=3, initialisation="own")
    bound = (3 * 25) ** -0.5
    for values in (random[0].weight, random[0].bias):
        assert values.abs().max() <= bound
        assert values.abs().max() > 0.8 * bound


@pytest.mark.parametrize("initialisation", ["gaussian", "own"])
def test_it_is_a_copy_below_the_layer_and_the_seed_draws_it(net, initialisation):
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    calls = calls_of(net, "4")
    a, b, c = (with_random_weights(net, calls, seed, initialisation) for seed in (1, 1, 2))
    assert a[5].weight is net[5].weight  # above the layer nothing is copied
    for place in (0, 3):
        assert torch.equal(a[place].weight, b[place].weight)
        assert not torch.equal(a[place].weight, c[place].weight)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_there_may_be_nothing_to_draw():
    net = nn.Sequential(nn.ReLU())
    assert with_random_weights(net, calls_of(net, "0"), 0) is None
    with pytest.raises(ValueError, match="gaussian or own"):
        with_random_weights(net, calls_of(net, "0"), 0, "uniform")
