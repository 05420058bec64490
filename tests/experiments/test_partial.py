"""Partial passes against whole ones, one square at a time, in double precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from deconvviz.experiments import partial, patch_offers
from deconvviz.experiments.partial import Partial, plan
from deconvviz.experiments.patches import Patches, Sliding

from ..gradients.support import as_network
from ..strategies import Case, average_pools, chains, convolutions, drawn, max_pools, noise, randomised
from .stand_ins import Branching

WAYS = {"CutOut": 0, "Differences": -1}
BY_WAY = pytest.mark.parametrize("way", WAYS)


def forced(patch: pytest.MonkeyPatch, way: str) -> None:
    """Patches wherever they are possible, whatever they cost; convolutions in one of the two ways."""

    def offers(*args: Any) -> Iterator[patch_offers.Offer]:
        found = list(patch_offers.offers(*args))[WAYS[way] :][:1]
        yield from (patch_offers.Offer(0.0, offer.build, offer.patches) for offer in found)

    patch.setattr(partial, "offers", offers)


def places(height: int, width: int) -> Tensor:
    """Squares in corners, across the middle, of a single pixel, over nearly everything."""
    boxes = [(0, 0, 1, 1), (height - 1, 0, 1, 1), (1, 1, height - 2, width - 2), (height // 2, 0, 2, width)]
    boxes += [(row, column, 3, 4) for row in (0, 3, height - 3) for column in (0, 2, width - 4)]
    return torch.tensor(boxes)


def slowly(net: nn.Sequential, image: Tensor, cover: Tensor, boxes: Tensor, upto: int, channel: int) -> Any:
    """One square at a time, through the whole network; the sum of one map after `upto` layers."""
    sums, scores = [], []
    for top, left, height, width in boxes.tolist():
        x = image.clone()
        for row in range(top, top + height):
            x[0, :, row, left : left + width] = cover[0, :, row, left : left + width]
        with torch.no_grad():
            for i, layer in enumerate(net, 1):
                x = layer(x)
                if i == upto:
                    sums.append(x[0, channel].sum())
        scores.append(x[0])
    return torch.stack(sums), torch.stack(scores)


def ending_in_scores(net: nn.Module, image: Tensor) -> nn.Sequential:
    layers = [*net] if isinstance(net, nn.Sequential) else [net]
    with torch.no_grad():
        output = net(image)
    if output.ndim == 4:
        layers += randomised(nn.Sequential(nn.Flatten(), nn.Linear(output[0].numel(), 3)), 7)
    return nn.Sequential(*layers)


def planned(net: nn.Sequential, image: Tensor, boxes: Tensor, layer: str = "0") -> Partial | None:
    with torch.no_grad():
        scores = net(image)
    return plan(as_network(net), layer, image, scores, boxes, 4)


def same(net: nn.Sequential, image: Tensor, upto: int, way: str) -> list[str]:
    """Compares every place; gives the kinds of steps that were on patches."""
    cover, boxes = noise(5, *image.shape), places(*image.shape[2:])
    with pytest.MonkeyPatch.context() as patch:
        forced(patch, way)
        patch.setattr(partial, "_ROWS", 6)
        found = planned(net, image, boxes, str(upto - 1))
        assert found is not None
        done: list[int] = []
        activity, scores = found.slide(cover, boxes, 0, 4, done.append)
    wanted_activity, wanted = slowly(net, image, cover, boxes, upto, 0)
    with torch.no_grad():
        size = float(wanted.abs().max()) + float(net(image).abs().max())
        maps = net[:upto](image).abs().max().item() * activity.numel()
    torch.testing.assert_close(scores, wanted, rtol=1e-12, atol=1e-12 * size)
    torch.testing.assert_close(activity, wanted_activity, rtol=1e-12, atol=1e-12 * maps)
    assert sum(done) == len(boxes)
    return [type(step).__name__ for step in found.steps]


@BY_WAY
@drawn(12)
@given(chains(images=1), st.data())
def test_random_chains(way: str, case: Case, data: st.DataObject) -> None:
    net = ending_in_scores(case.net, case.images)
    same(net, case.images, data.draw(st.integers(1, len(net))), way)


@BY_WAY
@drawn(12)
@given(convolutions(channels=3))
def test_any_convolution(way: str, case: Case) -> None:
    image = noise(3, 1, 3, *(n + 5 for n in case.images.shape[2:]))
    assert same(ending_in_scores(case.net, image), image, 1, way) == [way]


@drawn(15)
@given(st.one_of(max_pools(), average_pools()))
def test_any_pool(case: Case) -> None:
    first = randomised(nn.Conv2d(3, 2, 1), 4)
    image = noise(3, 1, 3, *(n + 5 for n in case.images.shape[2:]))
    net = ending_in_scores(nn.Sequential(first, case.net), image)
    assert same(net, image, 2, "CutOut") == ["CutOut", "CutOut"]


def test_grouped_and_valid_convolutions_are_cut_out() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.PReLU(6), nn.Conv2d(6, 4, 2, padding="valid"))
    image = noise(1, 1, 3, 12, 10)
    net = ending_in_scores(randomised(layers, 2), image)
    assert same(net, image, 3, "CutOut") == ["CutOut", "CellByCell", "CutOut"]
    assert same(net, image, 3, "Differences") == ["CutOut", "CellByCell", "Differences"]


@BY_WAY
def test_squares_that_no_output_sees(way: str) -> None:
    """A stride of 4 leaves the last two rows and columns of 18 out."""
    net = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.ReLU(), nn.Conv2d(4, 5, 3, padding=1))
    image = noise(1, 1, 3, 18, 18)
    net, boxes = ending_in_scores(randomised(net, 2), image), torch.tensor([[16, 16, 2, 2]] * 5)
    with pytest.MonkeyPatch.context() as patch:
        forced(patch, way)
        found = planned(net, image, boxes)
        assert found is not None
        _, scores = found.slide(noise(5, *image.shape), boxes, 0, 4, lambda _: None)
    with torch.no_grad():
        torch.testing.assert_close(scores, net(image).expand(5, -1))


class Doubled(nn.Conv2d):
    """Not what its base class does."""

    def forward(self, maps: Tensor) -> Tensor:
        return 2 * super().forward(maps)


@pytest.mark.parametrize(
    "unknown",
    [
        Doubled(4, 4, 3),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"),
        nn.InstanceNorm2d(4),
        nn.AdaptiveAvgPool2d(3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_that_are_not_known_get_whole_maps(unknown: nn.Module) -> None:
    image = noise(1, 1, 3, 12, 12)
    net = ending_in_scores(randomised(nn.Sequential(nn.Conv2d(3, 4, 3), unknown, nn.ReLU()), 2), image)
    assert same(net, image, 3, "Differences") == ["Differences"]


def small(*more: nn.Module) -> nn.Sequential:
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), *more)
    return ending_in_scores(randomised(layers, 1), noise(0, 1, 3, 32, 32))


def test_patches_are_used_only_where_they_pay() -> None:
    image, net = noise(0, 1, 3, 32, 32), small()
    found = planned(net, image, torch.tensor([[4, 4, 6, 6], [0, 0, 6, 6]]))
    assert found is not None
    assert len(found.steps) == 3
    assert planned(net, image, torch.tensor([[0, 0, 31, 31]])) is None


def test_not_where_something_else_comes_between() -> None:
    image, boxes = noise(0, 1, 3, 32, 32), torch.tensor([[4, 4, 6, 6]])
    hooked = small()
    hooked[1].register_forward_hook(lambda *_: None)
    assert planned(hooked, image, boxes) is None
    assert planned(nn.Sequential(SoftMaxed(*small())), image, boxes, "0.0") is None
    branching = nn.Sequential(Branching(), nn.Flatten(), nn.Linear(4 * 30 * 30, 3))
    assert planned(randomised(branching, 1), image, boxes) is None
    assert planned(small().half().float(), image.float(), boxes) is not None


class Listed(nn.Module):
    """Takes a list of maps."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        return torch.cat(maps, 1)


class Around(nn.Module):
    """Joins two convolutions by `Listed`, or makes maps of a convolution's maps by a view."""

    def __init__(self, listed: bool) -> None:
        super().__init__()
        self.first, self.join = nn.Conv2d(3, 4, 3), Listed() if listed else None
        self.second, self.scores = nn.Conv2d(8, 2, 3), nn.Linear(2, 3)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.first(images)
        maps = maps.view(-1, 8, 15, 30) if self.join is None else self.join([maps, maps])
        return self.scores(self.second(maps).mean((2, 3)))


@pytest.mark.parametrize("listed", [True, False])
def test_not_where_maps_are_listed_or_viewed_as_others(listed: bool) -> None:
    net = randomised(nn.Sequential(Around(listed)), 1)
    assert planned(net, noise(0, 1, 3, 32, 32), torch.tensor([[4, 4, 6, 6]]), "0.first") is None


class SoftMaxed(nn.Sequential):
    """Ends in something that is no layer."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).softmax(1)


@drawn(40)
@given(st.data())
def test_patches_hold_every_output_that_sees_the_box(data: st.DataObject) -> None:
    kernel, stride, padding, dilation = (data.draw(st.integers(low, 3)) for low in (1, 1, 0, 1))
    side = data.draw(st.integers(dilation * (kernel - 1) + 1, 12))
    padding = min(padding, kernel // 2)
    count = (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    first = data.draw(st.integers(0, side - 1))
    past = data.draw(st.integers(first + 1, side))
    sees = [
        row
        for row in range(count)
        if any(first <= row * stride - padding + i * dilation < past for i in range(kernel))
    ]
    layer = Sliding((kernel, 1), (stride, 1), (padding, 0), (dilation, 1), (count, 4))
    after = Patches.of(torch.tensor([[first, 1, past - first, 2]]), (side, 4)).beyond(layer)
    low, high = int(after.first[0, 0]), int(after.past[0, 0])
    if sees and dilation == 1:
        assert (low, high) == (min(sees), max(sees) + 1)
    elif sees:
        assert low <= min(sees) <= max(sees) < high
    elif dilation == 1:
        assert after.starts.tolist() == [0, 0]
    if sees:
        assert (after.first[0, 1], after.past[0, 1]) == (1, 3)
