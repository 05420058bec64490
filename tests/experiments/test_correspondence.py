"""Correspondence against a slow plain form, and where it has to be zero."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from deconvviz.errors import DataError, DeconvvizError, LayerError, ModelError
from deconvviz.experiments.correspondence import RANDOM, SAME_PLACE, correspondence
from deconvviz.experiments.squares import fill_image
from deconvviz.models import Network, WeightsOrigin
from deconvviz.models.building import preset

SIDE = 24
POINTS = {"left eye": [(4, 5), (7, 6), (2.4, 9), (21, 3)], "nose": [(12, 14), (15, 12), (10, 17), (23, 23)]}


def plain():
    """A small network in double precision with names as in the papers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        module = nn.Sequential(
            nn.Conv2d(3, 6, 5, stride=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(6, 5, 3),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(80, 12),
            nn.ReLU(),
            nn.Linear(12, 4),
        )
    names = {"conv1": "1", "conv2": "3", "pool2": "4", "fc3": "7", "fc4": "8"}
    return as_network(module.double().eval(), names)


def as_network(module, names=None):
    return Network("net", module, preset(True, SIDE), WeightsOrigin("as built"), names or {})


@pytest.fixture
def images():
    return torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def network():
    return plain()


def features(network, image, layer):
    """The features of one image alone, layer by layer."""
    names = list(network.module._modules)
    for name in names[: names.index(network.path_of(layer)) + 1]:
        image = network.module._modules[name](image)
    return image.detach().flatten().tolist()


def naive_signs(network, image, fill, point, size, layer):
    """Covers pixel by pixel, subtracts feature by feature."""
    hidden = image.clone()
    for row, column in itertools.product(range(SIDE), range(SIDE)):
        top, left = math.floor(point[1] + 1 - size / 2), math.floor(point[0] + 1 - size / 2)
        if top <= row < top + size and left <= column < left + size:
            hidden[:, row, column] = fill[:, row, column]
    before, after = features(network, image[None], layer), features(network, hidden[None], layer)
    signs = []
    for x, left in zip(before, after, strict=True):
        change = x - left
        signs.append(0 if abs(change) < 1e-12 else 1 if change > 0 else -1)
    return signs


@pytest.mark.parametrize(("fill", "size"), [("grey", 8), ("noise", 5)])
def test_a_slow_plain_loop_gives_the_same(network, images, fill, size):
    found = correspondence(network, images, POINTS, ["conv2", "fc3"], size=size, fill=fill, random_draws=0)
    assert [part.name for part in found.parts] == list(POINTS)
    assert found.pairs == ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
    cover = fill_image(network, images, fill)
    for part, layer in itertools.product(found.parts, found.layers):
        signs = [
            naive_signs(network, images[i], cover[i], POINTS[part.name][i], size, layer) for i in range(4)
        ]
        total, distances, chances = 0, [], []
        for i, j in itertools.permutations(range(4), 2):
            total += sum(a != b for a, b in zip(signs[i], signs[j], strict=True))
        for i, j in found.pairs:
            differ = [a != b for a, b in zip(signs[i], signs[j], strict=True)]
            distances.append(sum(differ) / len(differ))
            chances.append(sum(a != b for a in signs[i] for b in signs[j]) / len(differ) ** 2)
        assert 0 < max(distances) < 1
        assert part.distances[layer].tolist() == [pytest.approx(distances, abs=1e-12)]
        assert part.chances[layer].tolist() == [pytest.approx(chances, abs=1e-12)]
        mean = sum(distances) / 6
        assert part.mean(layer) == pytest.approx(mean)
        assert part.deviation(layer) == pytest.approx(math.sqrt(sum((d - mean) ** 2 for d in distances) / 6))
        assert part.chance(layer) == pytest.approx(sum(chances) / 6)
        assert part.total(layer) == total
        assert part.features[layer] == len(signs[0])


def test_layers_are_the_last_maps_and_the_last_features(network, images):
    found = correspondence(network, images, POINTS, random_draws=0)
    assert found.layers == ("conv2", "fc3")
    assert found.size == 5  # 50 of 224


def test_a_square_that_changes_nothing(network, images):
    found = correspondence(network, images, POINTS, fill=images, random_draws=3)
    for part, layer in itertools.product(found.parts, found.layers):
        assert not part.distances[layer].any()
        assert not part.chances[layer].any()
        assert part.mean(layer) == part.deviation(layer) == part.total(layer) == 0


def test_identical_images(network, images):
    same, places = images[:1].repeat(3, 1, 1, 1), {"nose": [(12, 14)] * 3}
    found = correspondence(network, same, places, size=8, random_draws=5)
    nose, apart, together = found.parts
    for layer in found.layers:
        assert not nose.distances[layer].any()
        assert not together.distances[layer].any()
        assert nose.chance(layer) > 0
    assert apart.distances["conv2"].all()


def test_the_order_of_the_images_does_not_matter(network, images):
    order = [2, 0, 3, 1]
    shuffled = {name: [places[i] for i in order] for name, places in POINTS.items()}
    found = correspondence(network, images, POINTS, size=8, random_draws=0)
    again = correspondence(network, images[order], shuffled, size=8, random_draws=0)
    for part, other, layer in itertools.product(found.parts, again.parts, found.layers):
        if part.name == other.name:
            by_pair = dict(zip(found.pairs, part.distances[layer][0].tolist(), strict=True))
            wanted = [by_pair[min(order[i], order[j]), max(order[i], order[j])] for i, j in again.pairs]
            assert other.distances[layer][0].tolist() == wanted
            assert other.total(layer) == part.total(layer)


def test_a_pair_alone_is_a_pair_among_others(network, images):
    among = correspondence(network, images, POINTS, size=8, random_draws=20)  # in several passes
    for k, (i, j) in enumerate(among.pairs):
        places = {name: [every[i], every[j]] for name, every in POINTS.items()}
        alone = correspondence(network, images[[i, j]], places, size=8, random_draws=0)
        for part, other in zip(alone.parts, among.parts, strict=False):
            for layer in alone.layers:
                assert part.distances[layer][0, 0] == other.distances[layer][0, k]
                assert math.isnan(part.deviation(layer))


def test_random_squares(network, images):
    found = correspondence(network, images, POINTS, size=6, random_draws=50)
    *named, apart, together = found.parts
    assert (apart.name, together.name) == (RANDOM, SAME_PLACE)
    for part in (apart, together):
        assert part.boxes.shape == (50, 4, 4)
        assert (part.boxes[..., 2:] == 6).all()
        assert part.boxes[..., :2].min() >= 0
        assert part.boxes[..., :2].max() <= SIDE - 6
        assert part.distances["conv2"].shape == (50, 6)
        assert len(part.boxes[:, 0].unique(dim=0)) > 30
    assert (together.boxes == together.boxes[:, :1]).all()
    assert (apart.boxes[:, 0] != apart.boxes[:, 1]).any(1).sum() > 40
    for draw, i in itertools.product(range(50), range(4)):
        middle = apart.boxes[draw, i, :2] + 3
        for part in named:
            top, left, height, width = part.boxes[0, i].tolist()
            assert not (top < middle[0] < top + height and left < middle[1] < left + width)


def test_the_seed_draws_them(network, images):
    first, again, other = (
        correspondence(network, images, POINTS, random_draws=4, seed=seed).parts[-2] for seed in (5, 5, 6)
    )
    assert torch.equal(first.boxes, again.boxes)
    assert not torch.equal(first.boxes, other.boxes)


class Drifting(nn.Module):
    """Gives the later images of a batch a little more, as another order of additions might."""

    def forward(self, images):
        return images + 2e-15 * torch.arange(len(images))[:, None, None, None]


def test_rounding_is_no_change(images):
    module = nn.Sequential(Drifting(), nn.ReLU()).double()
    found = correspondence(as_network(module), images, POINTS, ["1"], size=4, random_draws=0)
    for part in found.parts:
        assert part.chance("1") < 2 * 4 * 4 / SIDE**2  # the squares alone


def test_no_trace_is_left(network, images):
    module = network.module.train()
    module[0].weight.requires_grad_(False)
    values = {name: value.clone() for name, value in module.state_dict().items()}
    kept, state = images.clone(), torch.get_rng_state()
    correspondence(network, images, POINTS, fill="noise", random_draws=2)
    with pytest.raises(ModelError):
        correspondence(network, images[..., :20], {"a": [(3, 3)] * 4})
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(images, kept)
    assert all(m.training for m in module.modules())
    assert not any(m._forward_hooks for m in module.modules())
    assert [p.requires_grad for p in module.parameters()] == [False] + [True] * 7
    assert all(torch.equal(value, values[name]) for name, value in module.state_dict().items())
    assert all(p.grad is None for p in module.parameters())


@pytest.mark.parametrize(
    ("points", "more", "kind", "says"),
    [
        ({"nose": [(3, 3)] * 3}, {}, DataError, "3 points for 'nose' and 4 images"),
        ({"nose": [(3, 3), (3, 3), (3, 24), (3, 3)]}, {}, DataError, "'nose' at 3, 24 lies outside"),
        ({}, {}, DataError, "name at least one part"),
        ({"random": [(3, 3)] * 4}, {}, DataError, "called 'random'"),
        (POINTS, {"size": 25}, ModelError, "does not fit an image of 24x24: give a size from 1 to 24"),
        (POINTS, {"size": 24}, DataError, "take up the whole image"),
        (POINTS, {"random_draws": -1}, DataError, "no fewer than 0"),
        (POINTS, {"fill": "pink"}, DeconvvizError, "no fill 'pink'; there are: grey"),
        (POINTS, {"fill": torch.zeros(1)}, ModelError, "does not cover images"),
        (POINTS, {"layers": ["conv3"]}, LayerError, "no layer 'conv3'; did you mean"),
    ],
)
def test_what_cannot_be_done(network, images, points, more, kind, says):
    with pytest.raises(kind, match=says):
        correspondence(network, images, points, **more)


def test_one_image_is_too_few(network, images):
    with pytest.raises(DataError, match=r"1 image: .* two or more"):
        correspondence(network, images[:1], {"nose": [(3, 3)]})


def test_no_numbers(network, images):
    images[1, 0, 0, 0] = math.nan
    with pytest.raises(ModelError, match="the image tensor holds NaN"):
        correspondence(network, images, POINTS)


def test_a_name_of_random_squares_is_free_where_there_are_none(network, images):
    found = correspondence(network, images, {"random": POINTS["nose"]}, random_draws=0)
    assert [part.name for part in found.parts] == ["random"]
