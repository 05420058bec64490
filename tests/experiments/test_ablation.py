"""The eight combinations: by hand, in plain loops, by differentiation, and what is measured of them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from deconvviz import Unit, record, strongest
from deconvviz.errors import ChainError, LayerError, UnitError
from deconvviz.experiments.ablation import ablate
from deconvviz.experiments.combinations import COMBINATIONS, combinations
from deconvviz.experiments.ways_down import MEASURES

from .ablated_loops import chain, noise, taken_down

CODES = ("TTT", "TTF", "FTT", "FTF", "TFT", "TFF", "FFT", "FFF")


def by_hand():
    """A convolution, an overlapping pool, two maps, one unit; each followed by a rectifier."""
    net = nn.Sequential(
        nn.Conv2d(1, 1, (1, 2), bias=False),
        nn.ReLU(),
        nn.MaxPool2d(3, 1),
        nn.Conv2d(1, 2, 1),
        nn.ReLU(),
        nn.Conv2d(2, 1, 2),
        nn.ReLU(),
    ).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[[[1.0, -1.0]]]]))
        net[3].weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
        net[3].bias.copy_(torch.tensor([-4.0, 5.0]))
        net[5].weight.copy_(torch.tensor([[[[1.0, -1.0], [2.0, 3.0]], [[2.0, -3.0], [-1.0, 1.0]]]]))
        net[5].bias.fill_(10.0)
    return net


# Up.   image             map: left less right     pool 3 x 3, stride 1      A: p - 4        B: 5 - p
#   2  2  3  1  0           0 -1  2  1              4 from (2,0)  3 (1,1)     0  -1           1   2
#   0  2 -1  0  0          -2  3 -1  0              4 from (2,0)  5 (3,3)     0   1           1   0
#   3 -1 -2 -3 -4           4  1  1  1              A's rectifier is on at (1,1) alone, B's off there alone.
#   3  4  6  5  0          -1 -2  1  5              The unit: 3 + 2 - 6 - 1 + 10 = 8, on.
#
# Down. A one at the unit; A gets its kernel (1 -1 / 2 3), B its own (2 -3 / -1 1). Then both rectifiers:
#   mask, ReLU:  A (0  0 / 0 3)  B (2  0 /  0 0)     A - B = (-2 0 / 0 3)
#   mask:        A (0  0 / 0 3)  B (2 -3 / -1 0)             (-2 3 / 1 3)
#   ReLU:        A (1  0 / 2 3)  B (2  0 /  0 1)             (-1 0 / 2 2)
#   neither:     A (1 -1 / 2 3)  B (2 -3 / -1 1)             (-1 2 / 3 2)
# Switches: both windows on the left have theirs at (2,0), which gets the sum; the others at (1,1) and (3,3).
# Centres: (1,1), (1,2), (2,1), (2,2); of these the first rectifier was off at (1,2) alone (-1 on the way up).
# The first rectifier:
#   TTT  (2,0) -2, clamped; (3,3) 3                     TFT  (1,1) -2, clamped; (2,2) 3
#   TTF  (2,0) -1, (1,1) 3, (3,3) 3: all were on        TFF  (1,1) -2, (1,2) 3, cut; (2,1) 1, (2,2) 3
#   FTT  (2,0) 1, (3,3) 2                               FFT  (1,1) -1, clamped; (2,1) 2, (2,2) 2
#   FTF  (2,0) 2, (1,1) 2, (3,3) 2                      FFF  (1,1) -1, (1,2) 2, (2,1) 3, (2,2) 2
# The first convolution puts each value on its left pixel and takes it from its right one.
IMAGE = [[2, 2, 3, 1, 0], [0, 2, -1, 0, 0], [3, -1, -2, -3, -4], [3, 4, 6, 5, 0]]
EMPTY = [0, 0, 0, 0, 0]
BY_HAND = {
    "TTT": [EMPTY, EMPTY, EMPTY, [0, 0, 0, 3, -3]],
    "TTF": [EMPTY, [0, 3, -3, 0, 0], [-1, 1, 0, 0, 0], [0, 0, 0, 3, -3]],
    "FTT": [EMPTY, EMPTY, [1, -1, 0, 0, 0], [0, 0, 0, 2, -2]],
    "FTF": [EMPTY, [0, 2, -2, 0, 0], [2, -2, 0, 0, 0], [0, 0, 0, 2, -2]],
    "TFT": [EMPTY, EMPTY, [0, 0, 3, -3, 0], EMPTY],
    "TFF": [EMPTY, [0, -2, 2, 0, 0], [0, 1, 2, -3, 0], EMPTY],
    "FFT": [EMPTY, EMPTY, [0, 2, 0, -2, 0], EMPTY],
    "FFF": [EMPTY, [0, -1, 3, -2, 0], [0, 3, -1, -2, 0], EMPTY],
}


def test_all_eight_by_hand():
    net, image = by_hand(), torch.tensor(IMAGE, dtype=torch.float64)[None, None]
    found = ablate(net, image, [Unit("6", 0)])
    assert found.given.activations.tolist() == [8]
    assert [each.code for each in found.combinations] == list(CODES) == list(BY_HAND)
    for code, wanted in BY_HAND.items():
        assert found.given.pixels[code][0, 0].tolist() == wanted, code


def test_codes_are_what_they_say():
    for each in COMBINATIONS:
        assert each.code == "".join("FT"[x] for x in (each.mask, each.switches, each.backward_relu))
        assert each.rules.rectification.masks == each.mask
        assert each.rules.rectification.clamps == each.backward_relu
        assert (each.rules.unpooling.value == "switches") == each.switches
    assert {each.code: each.name() for each in COMBINATIONS if "Net" in each.name()} == {
        "TTT": "DeSaliNet (guided)",
        "TTF": "SaliNet (gradient)",
        "FTT": "DeConvNet",
    }
    names = {each.code: each.name(lrn=True) for each in combinations("both")}
    assert len(names) == len(set(names.values())) == 16
    assert (names["TTF"], names["TTFF"]) == ("SaliNet, LRN passed", "SaliNet (gradient)")
    with pytest.raises(ValueError, match="identity, transpose, both"):
        combinations("none")


def test_all_sixteen_in_plain_loops():
    net, image = chain(), noise(1, 3, 14, 11)
    (unit,) = strongest(record(net, image, ["8"]), "8", 1)
    found = ablate(net, image, [unit], combinations=combinations("both"))
    assert found.lrn
    pictures = set()
    for each in found.combinations:
        wanted = taken_down(net, image[0].numpy(), unit, each)
        np.testing.assert_allclose(found.given.pixels[each.code][0], wanted, rtol=0, atol=1e-12)
        pictures.add(wanted.round(9).tobytes())
    assert len(pictures) == 16  # no two are the same


def test_the_gradient_is_the_one_with_lrn_transposed():
    net, image = chain(), noise(1, 3, 18, 15).requires_grad_()
    (unit,) = strongest(record(net, image.detach(), ["8"]), "8", 1)
    (wanted,) = torch.autograd.grad(net(image)[0, unit.channel, unit.row, unit.column], image)
    found = ablate(net, image.detach(), [unit], combinations=combinations("both")).given.pixels
    torch.testing.assert_close(found["TTFF"], wanted, rtol=0, atol=1e-12)
    assert (found["TTF"] - wanted).abs().max() > 0.01 * wanted.abs().max()


class Functional(nn.Module):
    """The same chain, with nothing that a mirror could see of its rectifiers and pools."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.net[0](x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(F.relu(self.net[4](self.net[3](x))), 3, 1, padding=1)
        return self.net[8](self.net[7](x))


@pytest.mark.parametrize("source", ["strongest", "map", "layer"])
def test_networks_without_a_mirror_are_differentiated(source):
    net, images = chain(), noise(2, 3, 18, 15)
    units = [Unit("8", 1, image=1), Unit("8", 2, 0, 1)]
    ways = combinations("both")
    mirrored = ablate(net, images, units, combinations=ways, source=source, draws=1)
    units = [Unit("net.8", unit.channel, unit.row, unit.column, unit.image) for unit in units]
    found = ablate(Functional(net), images, units, combinations=ways, source=source, draws=1)
    assert (mirrored.engine, found.engine) == ("mirror", "autograd")
    for ours, theirs in ((found.given, mirrored.given), (found.random[0], mirrored.random[0])):
        assert torch.equal(ours.activations, theirs.activations)
        for code in theirs.pixels:
            scale = float(theirs.pixels[code].abs().max())
            torch.testing.assert_close(ours.pixels[code], theirs.pixels[code], rtol=0, atol=1e-12 * scale)


def test_several_images_are_as_each_alone():
    net, images = chain(), noise(2, 3, 18, 15)
    units = [Unit("8", 1, image=1), Unit("8", 2, 0, 1)]
    together = ablate(net, images, units, draws=2)
    for k, unit in enumerate(units):
        alone = ablate(
            net,
            images[unit.image : unit.image + 1],
            [Unit("8", unit.channel, unit.row, unit.column)],
            draws=2,
        )
        for one, other in zip((together.given, *together.random), (alone.given, *alone.random), strict=True):
            assert one.units[k].channel == other.units[0].channel
            for measure in MEASURES:
                for code in CODES:
                    value = getattr(one, measure)[code][k], getattr(other, measure)[code][0]
                    torch.testing.assert_close(*value, rtol=1e-9, atol=1e-12, equal_nan=True)


def test_what_stands_for_a_unit_where_weights_are_random():
    net, image = chain(), noise(1, 3, 18, 15)
    units = [Unit("5", 1, 2, 1), Unit("5", 3, 2, 1)]
    same = ablate(net, image, units, draws=1, random_unit="same", seed=5).random[0]
    assert same.units == tuple(units)
    place = ablate(net, image, units, draws=1, seed=5).random[0]
    assert all((u.row, u.column) == (2, 1) for u in place.units)
    assert place.units[0].channel != place.units[1].channel
    assert place.activations[0] >= place.activations[1] >= same.activations.min()
    own = ablate(net, image, units, draws=1, random_unit="own", seed=5).random[0]
    assert own.activations[0] >= own.activations[1] >= place.activations[1]
    assert own.activations[0] >= place.activations[0]


def test_the_same_networks_are_drawn_however_many():
    net, image, unit = chain(), noise(1, 3, 18, 15), Unit("8", 0, 0, 0)
    three, two = (ablate(net, image, [unit], draws=n, seed=1).random for n in (3, 2))
    assert [one.detail["FTT"].item() for one in two] == [one.detail["FTT"].item() for one in three[:2]]
    assert len({one.detail["FTT"].item() for one in three}) == 3
    assert three[0].pixels
    assert not three[1].pixels
    other = ablate(net, image, [unit], draws=1, seed=2).random[0]
    assert other.detail["FTT"].item() not in {one.detail["FTT"].item() for one in three}


def test_the_network_and_the_random_state_are_left_alone():
    net, image = chain(), noise(1, 3, 18, 15)
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    ablate(net, image, [Unit("8", 0)], draws=2, initialisation="own")
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(m._forward_hooks for m in net.modules())


def test_a_unit_that_is_off_has_no_picture_where_the_mask_counts():
    net, image = by_hand(), torch.tensor(IMAGE, dtype=torch.float64)[None, None]
    with torch.no_grad():
        net[5].bias.fill_(1.0)  # 8 becomes -1
    found = ablate(net, image, [Unit("6", 0)]).given
    assert not found.pixels["TTT"].any()
    assert found.pixels["FTT"][0, 0].tolist() == BY_HAND["FTT"]
    assert found.explained["TTT"].tolist() == [0]
    assert found.correlation["TTT"].isnan().all()
    assert found.rank_correlation["TTT"].isnan().all()


def test_what_cannot_be_ablated():
    net, image = chain(), noise(1, 3, 18, 15)
    with pytest.raises(UnitError, match="got no units"):
        ablate(net, image, [])
    with pytest.raises(UnitError, match="units of one layer"):
        ablate(net, image, [Unit("8", 0), Unit("5", 0)])
    with pytest.raises(LayerError, match="no layer '11'"):
        ablate(net, image, [Unit("11", 0)])
    with pytest.raises(LayerError, match="no layer up to '0' has weights"):
        ablate(nn.Sequential(nn.ReLU()).double(), image, [Unit("0", 0)], draws=1)
    with pytest.raises(ChainError, match="GELU"):
        ablate(nn.Sequential(nn.Conv2d(3, 2, 3), nn.GELU()).double(), image, [Unit("1", 0)])
