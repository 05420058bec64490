"""The three methods against the same formulas written out as plain loops, and what they are made of."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from deconvviz.preimage import best
from deconvviz.preimage.frequencies import Frequencies
from deconvviz.preimage.inversion import METHODS, invert
from deconvviz.preimage.leaking import leaking
from deconvviz.preimage.methods import Draws, Setting, segments
from deconvviz.preimage.steppers import Adam
from deconvviz.preimage.targets import Place

from .support import SIDE, WIDE, coefficients_of, network, photos, same

STD = torch.tensor([0.23, 0.22, 0.24])[:, None, None]
PLACES = {"conv1": (0.5, 4), "pool1": (0.75, 16), "conv2": (1.0, 16)}
"""Depth and stride of each layer."""


def features(layer: str, images: Tensor, leaks: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    """The chain's, in functions instead of modules."""
    net = network().module

    def relu(x: Tensor) -> Tensor:
        leaky = x.clamp_min(0) + leaks[0] * x.clamp_max(0)
        return leaky + (x.clamp_min(0) - leaky).detach()

    def pool(x: Tensor) -> Tensor:
        leaky = (1 - leaks[1]) * F.max_pool2d(x, 4) + leaks[1] * F.avg_pool2d(x, 4)
        return leaky + (F.max_pool2d(x, 4) - leaky).detach()

    maps = relu(F.conv2d(images, net[0].weight, net[0].bias, stride=4, padding=2))
    if layer != "conv1":
        maps = pool(maps)
    if layer == "conv2":
        maps = relu(F.conv2d(maps, net[3].weight, net[3].bias, padding=1))
    return maps[0]


def slope(layer: str, image: Tensor, wanted: Tensor) -> tuple[float, Tensor]:
    """‖Φ - Φ0‖² / ‖Φ0‖² of a normalised image, and its gradient."""
    image = image.clone().requires_grad_()
    error = (features(layer, image[None]) - wanted).square().sum() / wanted.square().sum()
    (gradient,) = torch.autograd.grad(error, image)
    return error.item(), gradient


def variation_slope(x: Tensor) -> Tensor:
    """Of Σ dx² + dy²: each difference pulls at its two ends."""
    found = torch.zeros_like(x)
    right, down = x[:, :, 1:] - x[:, :, :-1], x[:, 1:] - x[:, :-1]
    found[:, :, 1:] += 2 * right
    found[:, :, :-1] -= 2 * right
    found[:, 1:] += 2 * down
    found[:, :-1] -= 2 * down
    return found


def slow_2015(layer: str, wanted: Tensor, steps: int, seed: int) -> tuple[Tensor, list[float]]:
    sigma, depth = 27098.1157 * WIDE / 227, PLACES[layer][0]
    weight = 1 if depth <= 0.4 else 10 if depth <= 0.8 else 100
    x = torch.randn(3, WIDE, WIDE, generator=torch.Generator().manual_seed(seed))
    x = x / x.norm() * sigma
    velocity, before, curve = torch.zeros_like(x), None, []
    for step in range(steps):
        rate = 0.004 if step < steps / 4 else 0.0004 if step < 3 * steps / 4 else 0.00004
        error, gradient = slope(layer, x / 255 / STD, wanted)
        gradient = gradient / 255 / STD
        gradient = gradient + 8e-10 / (2 * sigma**2) * 6 * x**5
        gradient = gradient + weight / (2 * sigma**2) * variation_slope(x)
        if rate != before:
            velocity, before = torch.zeros_like(x), rate
        velocity = 0.9 * velocity - rate * sigma**2 * gradient
        x = x + velocity
        curve.append(error**0.5)
    return x / 255 / STD, curve


def slow_2016(layer: str, wanted: Tensor, steps: int, seed: int) -> tuple[Tensor, list[float]]:
    bound, (depth, stride) = 80, PLACES[layer]
    room, pixels = max(round(stride / 4), 1), SIDE**2
    weight = 300 if depth <= 0.6 else 100 if depth <= 0.8 else 20
    side = SIDE + room - 1
    x = 2 * torch.rand(3, side, side, generator=torch.Generator().manual_seed(seed)) - 1
    x = x / torch.quantile(x, 0.95) * bound / math.sqrt(3)
    draws, first = torch.Generator().manual_seed(seed), pixels * 0.05 * bound**2 / 6
    velocity, squares, before, curve = torch.zeros_like(x), torch.zeros_like(x), None, []
    for step in range(steps):
        early = step < round(steps * 300 / 350)
        rate = first if early else first * 0.1
        top = left = (room - 1) // 2
        if early:
            top, left = (int(share * room) for share in torch.rand(2, generator=draws, dtype=torch.float64))
        error, shown = slope(layer, x[:, top : top + SIDE, left : left + SIDE] / 255 / STD, wanted)
        gradient = 6 * x.square().sum(0) ** 2 * x / (pixels * bound**6)
        gradient = gradient + variation_slope(x) / (pixels * (bound / 6.5) ** 2)
        gradient[:, top : top + SIDE, left : left + SIDE] += weight * shown / 255 / STD
        squares = 0.9 * squares + gradient**2
        if rate != before:
            velocity, before = torch.zeros_like(x), rate
        velocity = 0.9 * velocity - gradient / (1 / rate + squares.sqrt())
        x = x + velocity
        lengths = x.norm(dim=0)
        x = torch.where(lengths > 2 * bound, x * 2 * bound / lengths, x)
        curve.append(error**0.5)
    middle = slice((room - 1) // 2, (room - 1) // 2 + SIDE)
    return x[:, middle, middle] / 255 / STD, curve


def slow_best(layer: str, wanted: Tensor, steps: int, seed: int) -> tuple[Tensor, list[float]]:
    """The numbers are taken from the module: they are ours to tune."""
    far = torch.fft.fftfreq(SIDE)[:, None] ** 2 + torch.fft.rfftfreq(SIDE)[None] ** 2
    amplitudes = 1 / far.sqrt().clamp(min=1 / SIDE)
    amplitudes = amplitudes / (amplitudes**2).mean().sqrt()
    shape = (3, *amplitudes.shape, 2)
    z = best._START * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    optimiser, curve = torch.optim.Adam([z.requires_grad_()], betas=best._BETAS), []

    def image() -> Tensor:
        return torch.fft.irfft2(
            torch.complex(z[..., 0], z[..., 1]) * amplitudes, s=(SIDE, SIDE), norm="ortho"
        )

    for step in range(steps):
        left = max(0, 1 - step / (best._LEAKS_UNTIL * steps))
        found = features(layer, image()[None], (best._LEAK * left, best._POOLS_LEAK * left))
        error = (found - wanted).square().sum() / wanted.square().sum()
        x = image() * STD
        rough = (x[:, :, 1:] - x[:, :, :-1]).square().sum() + (x[:, 1:] - x[:, :-1]).square().sum()
        optimiser.zero_grad()
        (error + best.variation_weight(PLACES[layer][0]) * rough / SIDE**2).backward()
        warm, fall = min(1, (step + 1) / best._WARM_UP), (1 + math.cos(math.pi * step / steps)) / 2
        optimiser.param_groups[0]["lr"] = best._RATE * warm * fall
        optimiser.step()
        curve.append(error.item() ** 0.5)
    return image().detach(), curve


SLOW: dict[str, Callable[[str, Tensor, int, int], tuple[Tensor, list[float]]]] = {
    "best": slow_best,
    "mahendran2015": slow_2015,
    "mahendran2016": slow_2016,
}


@pytest.mark.parametrize(
    ("method", "layer"),
    [
        ("best", "pool1"),
        ("best", "conv2"),
        ("mahendran2015", "conv1"),
        ("mahendran2015", "conv2"),
        ("mahendran2016", "conv1"),
        ("mahendran2016", "conv2"),
    ],
)
def test_a_method_is_its_formula(method: str, layer: str) -> None:
    assert {*SLOW} == {*METHODS}
    side = WIDE if method == "mahendran2015" else SIDE
    image = photos(1, side)
    wanted = features(layer, image).detach()
    expected, curve = SLOW[method](layer, wanted, 12, 5)
    found = invert(network(side=side), image, [layer], method, iterations=12, seed=5)
    assert (found.stopped, found.slower) == ("", 1)
    same(found.images[0, 0, 0], expected, 1e-3)
    same(found.curve[:, 0, 0, 0], torch.tensor(curve), 1e-3)
    assert len({*curve}) == 12


def test_colours_stay_in_the_box_of_2016() -> None:
    setting = Setting(4, (0.5,) * 3, (0.25,) * 3, [Place(1.0, 16)] * 2, torch.device("cpu"), 2)
    method = METHODS["mahendran2016"].started(setting, Draws(0, 2))
    colours = torch.tensor([300.0, -400.0, 0.0])[:, None, None]
    method.variable[0] = colours
    method.variable[1] = colours / 10
    method.move(torch.zeros_like(method.variable), 0)
    same(method.variable[0], (0.32 * colours).expand(3, 7, 7), 1e-6)  # from a length of 500 to 160
    same(method.variable[1], (colours / 10).expand(3, 7, 7), 1e-6)


def test_published_numbers_of_steps() -> None:
    lengths = {name: method.ITERATIONS for name, method in METHODS.items()}
    assert (lengths["mahendran2015"], lengths["mahendran2016"]) == (400, 350)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 399, 1000])
def test_a_schedule_has_a_value_for_every_step(steps: int) -> None:
    found = segments([(100, 3.0), (200, 2.0), (100, 1.0)], steps)
    assert len(found) == steps
    assert found == sorted(found, reverse=True)


def test_adam_is_torchs() -> None:
    found = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    wanted = found.clone()
    ours, theirs = Adam(found, (0.8, 0.99)), torch.optim.Adam([wanted], betas=(0.8, 0.99))
    for step in range(15):
        gradient = torch.randn(7, 5, generator=torch.Generator().manual_seed(step))
        ours.step(gradient, 0.1 / (step + 1))
        wanted.grad, theirs.param_groups[0]["lr"] = gradient, 0.1 / (step + 1)
        theirs.step()
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("side", [8, 9])
def test_coefficients_and_images_are_each_others_inverse(side: int) -> None:
    space, images = Frequencies(side), photos(2, side)
    coefficients = coefficients_of(space, images)
    assert coefficients.shape == (2, *space.shape)
    same(space.images(coefficients), images, 1e-5)


def test_what_is_drawn_depends_on_the_restart_alone() -> None:
    many, one = Draws(7, 3), Draws(7, 1)
    rows = many.normal(6, 4)
    assert torch.equal(rows[0], one.normal(1, 4)[0])
    assert torch.equal(rows[:3], rows[3:])
    assert len({*rows[:, 0].tolist()}) == 3
    assert torch.equal(many.uniform(3, 5), one.uniform(0, 5))
    assert not torch.equal(many.uniform(4, 5), one.uniform(0, 5))
    for _ in range(2):
        shares = many.shares(6)
        assert torch.equal(shares[0], one.shares(1)[0])
        assert torch.equal(shares[:3], shares[3:])
    assert not torch.equal(many.shares(6), shares)


def test_leaks_change_the_way_down_and_nothing_else() -> None:
    x = torch.tensor([[-1.0, 2.0, 3.0, 7.0]], requires_grad=True)
    for call in (torch.relu, F.relu, F.relu6, lambda x: F.relu(x + 0, inplace=True)):
        with leaking(0.25):
            y = call(x)
        assert torch.equal(y, call(x))
        (found,) = torch.autograd.grad(y.sum(), x)
        assert found.tolist() == [[0.25, 1, 1, 0.25 if call is F.relu6 else 1]]
    with leaking(0.25, pools=0.5):
        y = F.max_pool2d(x[None], (1, 2))
    assert y.tolist() == [[[2, 7]]]
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [[0.25, 0.75, 0.25, 0.75]]
