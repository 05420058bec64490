"""Which units fire: against a slow count in plain networks, and through every kind of rectifier and sum."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from deconvviz.errors import ModelError, WeightsError
from deconvviz.experiments.filter_layers import filter_layers
from deconvviz.experiments.firing import firings
from deconvviz.models.load import preset
from deconvviz.models.network import Network, WeightsOrigin

BATCHES = [torch.randn(3, 3, 12, 12, generator=torch.Generator().manual_seed(i)) for i in range(2)]


def network(module):
    return Network("net", module.eval(), preset(True, 12), WeightsOrigin("made here"))


def looked(module, batches=BATCHES):
    found = network(module)
    return firings(found, filter_layers(found), batches)


def chain():
    """Two convolutions and two linear layers; the second convolution has a dead unit and one always on."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(6, 4, 3),
        nn.ReLU(), nn.Flatten(), nn.Dropout(), nn.Linear(36, 5), nn.ReLU6(), nn.Linear(5, 2),
    )  # fmt: skip
    with torch.no_grad():
        net[4].bias[1], net[4].bias[2] = -1e3, 1e3
        net[1].bias.normal_()
    return net


def slow(module, last, channels):
    """The share of places, and of images, at which the output of the first `last` modules is positive."""
    images = torch.cat(BATCHES)
    with torch.inference_mode():
        maps = module.eval()[:last](images)
    on = [[maps[i, c].flatten().gt(0).tolist() for i in range(len(images))] for c in range(channels)]
    shares = [sum(map(sum, images)) / sum(map(len, images)) for images in on]
    return shares, [sum(map(any, images)) / len(images) for images in on]


def test_a_chain_is_counted_as_by_hand():
    net = chain()
    found = looked(net)
    assert list(found) == ["0", "4", "8"]  # nothing rectifies the scores
    for path, last, channels in (("0", 3, 6), ("4", 6, 4), ("8", 10, 5)):
        shares, reach = slow(net, last, channels)
        one = found[path]
        assert one.shares.tolist() == pytest.approx(shares)
        assert one.reach.tolist() == pytest.approx(reach)
        assert one.zeros == pytest.approx(1 - sum(shares) / channels)
        assert one.images == 6
    assert found["4"].places == 6 * 9
    assert found["4"].dead == (1,)
    assert 2 in found["4"].always
    assert found["8"].places == 6


def test_rare_is_neither_dead_nor_common():
    net = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU())
    nn.init.eye_(net[0].weight.data[:, :, 0, 0])
    images = -torch.ones(2, 3, 40, 40)
    images[0, 0, 5, 5] = 1  # one place of 3200
    images[:, 1, :2, :2] = 1  # eight of them
    found = looked(net, [images])["0"]
    assert (found.rare, found.dead) == ((0,), (2,))
    assert found.reach.tolist() == [0.5, 1, 0]


def test_batches_do_not_matter():
    one, many = looked(chain(), [torch.cat(BATCHES)]), looked(chain(), torch.cat(BATCHES).split(1))
    for path, found in one.items():
        assert torch.equal(found.shares, many[path].shares)
        assert torch.equal(found.reach, many[path].reach)
        assert (found.images, found.places) == (many[path].images, many[path].places)


class Twice(nn.Module):
    """Calls a layer twice."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.eye_(self.layer.weight.data[:, :, 0, 0])

    def forward(self, images):
        return F.relu(self.layer(images)) + F.relu(self.layer(images))


def test_an_image_is_reached_once_however_often_a_layer_is_called():
    images = torch.ones(2, 3, 4, 4)
    images[1] = -1
    found = looked(Twice(), [images, -images[:1]])["layer"]
    assert found.reach.tolist() == pytest.approx([1 / 3] * 3)
    assert found.shares.tolist() == pytest.approx([1 / 3] * 3)
    assert (found.images, found.places) == (3, 2 * 3 * 16)


class Residual(nn.Module):
    """Rectifies by functions, methods, and after sums; gives one unit more to what is concatenated."""

    def __init__(self, rectify):
        super().__init__()
        torch.manual_seed(1)
        self.rectify = rectify
        self.stem, self.conv, self.way = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.norm, self.side, self.top = nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1), nn.Linear(6, 3)

    def forward(self, images):
        maps = self.rectify(self.stem(images))
        out = self.norm(self.conv(maps))
        out += self.way(maps)
        self.summed = out.clone()
        out = self.rectify(out)
        return self.top(torch.cat([out, self.side(out)], 1).mean((2, 3)))


@pytest.mark.parametrize(
    "rectify",
    [
        F.relu,
        F.relu_,
        F.relu6,
        torch.relu,
        lambda x: x.relu_(),
        lambda x: x.clamp(min=0),
        lambda x: F.hardtanh(x, 0, 6, inplace=True),
        nn.ReLU(inplace=True),
    ],
)
def test_every_rectifier_is_seen_and_sums_belong_to_both_branches(rectify):
    net = Residual(rectify)
    found = looked(net, BATCHES[:1])
    assert list(found) == ["stem", "conv", "way"]
    with torch.inference_mode():
        expected = net.eval().stem(BATCHES[0]).gt(0).double().mean((0, 2, 3))
    assert found["stem"].shares.tolist() == pytest.approx(expected.tolist())
    shares = net.summed.gt(0).double().mean((0, 2, 3))
    assert found["conv"].shares.tolist() == pytest.approx(shares.tolist())
    assert torch.equal(found["conv"].shares, found["way"].shares)


def test_what_is_no_rectifier_is_left_out():
    assert looked(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Conv2d(4, 4, 3), nn.LeakyReLU())) == {}


def test_where_the_weights_end_so_do_the_passes():
    net = chain()
    net[8].to("meta")
    assert list(looked(net)) == ["0", "4"]


def test_nothing_is_left_on_the_network():
    net = chain().train()
    before = {name: t.clone() for name, t in net.state_dict().items()}
    found = Network("net", net, preset(True, 12), WeightsOrigin("made here"))
    firings(found, filter_layers(found), BATCHES)
    with pytest.raises(ModelError, match=r"net does not take images of \(1, 2, 12, 12\)"):
        firings(found, filter_layers(found), [torch.zeros(1, 2, 12, 12)])
    assert all(m.training and not m._forward_hooks and not m._forward_pre_hooks for m in net.modules())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())


def test_what_is_no_number_does_not_count_as_dead():
    net = chain()
    with torch.no_grad():
        net[0].bias[0] = torch.nan
    with pytest.raises(WeightsError, match=r"NaN or infinity in '0.bias'"):
        looked(net)
