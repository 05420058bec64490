"""Images that classes and other units answer to most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deconvviz import load_model
from deconvviz.errors import DeconvvizError
from deconvviz.models import Network
from deconvviz.preimage import simonyan2013
from deconvviz.preimage.class_models import ClassModels, class_models
from deconvviz.preimage.frequencies import Frequencies
from deconvviz.preimage.methods import Draws, Setting
from deconvviz.preimage.optimising import PATIENCE
from deconvviz.preimage.targets import Place

from ..cli import mynets
from .support import coefficients_of
from .support import network as as_network


def built(make: Callable[[], nn.Module] = mynets.tiny, **changes: Any) -> Network:
    """A network of `mynets`, always with the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        found = as_network(make(), side=32)
    for name, value in changes.items():
        setattr(found.preset, name, value)
    return found


def find(network: Network, units: list[int], method: str = "legible", **options: Any) -> ClassModels:
    return class_models(network, units, method, **{"iterations": 4, **options})


def plain_climb(network: Network, unit: int, steps: int) -> Tensor:
    """The published method, as it stands in the paper."""
    std = torch.tensor(network.std)[:, None, None]
    x = torch.zeros(1, 3, network.input_size, network.input_size)
    for _ in range(steps):
        x.requires_grad_()
        goal = network.module(x / std)[0, unit] - simonyan2013.LAMBDA * x.square().sum()
        (gradient,) = torch.autograd.grad(goal, x)
        x = (x + simonyan2013.RATE * gradient).detach()
    return x / std


@pytest.mark.parametrize("make", [built, lambda: built(mynets.Residual), lambda: load_model("mini")])
def test_the_published_method_is_plain_gradient_ascent(make: Callable[[], Network]) -> None:
    network = make()
    found = find(network, [3, 1], "simonyan2013", iterations=3)
    for image, unit in zip(found.images, [3, 1], strict=True):
        expected = plain_climb(network, unit, 3)[0]
        assert expected.any()
        torch.testing.assert_close(image, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))
    assert (found.stopped, found.slower, found.place) == ("", 1, "")
    assert found.curve[-1].sum() > found.curve[0].sum()


def test_legible_images_raise_the_score_in_colours_that_there_are() -> None:
    network = built()
    found = find(network, [3, 8], iterations=40)
    blank = network.module(torch.zeros(1, 3, 32, 32))[0, [3, 8]]
    assert (found.values > blank + 0.1).all()
    mean, std = (torch.tensor(v)[:, None, None] for v in (network.mean, network.std))
    pixels = found.images * std + mean
    assert pixels.min() > -1e-6
    assert pixels.max() < 1 + 1e-6
    assert found.curve.shape == (40, 2)


def test_the_seed_decides() -> None:
    network = built()
    one, again, other = (find(network, [3], seed=seed).images for seed in (5, 5, 6))
    assert torch.equal(one, again)
    assert not torch.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("method", ["legible", "simonyan2013"])
def test_a_batch_is_as_many_single_ones(method: str) -> None:
    network = built()
    whole, parts = (find(network, [4, 0, 9], method, at_once=n) for n in (16, 2))
    torch.testing.assert_close(whole.images, parts.images, rtol=1e-3, atol=1e-3)
    for k, unit in enumerate([4, 0, 9]):
        alone = find(network, [unit], method)
        torch.testing.assert_close(whole.images[k], alone.images[0], rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(whole.values[k], alone.values[0])
    assert not torch.allclose(whole.images[0], whole.images[1], atol=1e-2)


@pytest.mark.parametrize("method", ["legible", "simonyan2013"])
def test_what_is_told_is_what_the_plain_network_makes_of_the_images(method: str) -> None:
    network = built()
    found = find(network, [3, 8], method)
    scores = network.module(found.images)
    torch.testing.assert_close(found.values, scores[[0, 1], [3, 8]])
    assert found.probabilities is not None
    torch.testing.assert_close(found.probabilities.float(), scores.softmax(1)[[0, 1], [3, 8]])


@pytest.mark.parametrize(
    ("layer", "depth", "centre", "everywhere"),
    [
        ("5", 6, lambda maps: maps[:, :, 6, 6], lambda maps: maps.mean((2, 3))),
        ("2", 3, lambda maps: maps[:, :, 7, 7], lambda maps: maps.mean((2, 3))),
        ("9", 10, lambda units: units, lambda units: units),
    ],
)
def test_other_units(layer: str, depth: int, centre: Any, everywhere: Any) -> None:
    network, told = built(), {}
    for place, value in (("centre", centre), ("everywhere", everywhere)):
        found = find(network, [2, 5], layer=layer, place=place, iterations=12)
        told[place] = value(network.module[:depth](found.images))[[0, 1], [2, 5]]
        torch.testing.assert_close(found.values, told[place])
        assert found.probabilities is None
        assert found.place == ("" if layer == "9" else place)
        assert found.values.max() > 0
        assert found.values.mean() > found.curve[0].mean()
    assert (layer == "9") == torch.equal(told["centre"], told["everywhere"])


@pytest.mark.parametrize("method", ["legible", "simonyan2013"])
def test_the_scoring_layer_is_the_output(method: str) -> None:
    network = built()
    unit, target = find(network, [3], method, layer="10"), find(network, [3], method)
    assert torch.equal(unit.images, target.images)
    assert torch.equal(unit.values, target.values)


def test_a_unit_that_is_off_is_found_by_the_leak_alone() -> None:
    network = built(mynets.small)
    with torch.no_grad():
        grey = network.module[:3](torch.zeros(1, 3, 32, 32))
        network.module[2].bias[1] -= grey[0, 1].max() + 0.05
    plain, leaky = (find(network, [1], m, layer="3", iterations=60) for m in ("simonyan2013", "legible"))
    assert plain.values.item() == 0
    assert not plain.images.any()
    assert leaky.values.item() > 0


def test_the_network_is_left_as_it_was_also_by_ctrl_c() -> None:
    network = built()
    network.module[0].train()
    network.module[4].weight.requires_grad_(False)
    before = [(p.requires_grad, p.clone()) for p in network.module.parameters()]
    told: list[Tensor] = []

    def watch(step: int, steps: int, values: Tensor) -> None:
        assert (step, steps) == (len(told), 9)
        told.append(values)
        if step == 3:
            raise KeyboardInterrupt

    found = find(network, [3, 8], iterations=9, watch=watch)
    assert found.stopped == "interrupted"
    assert torch.equal(found.curve, torch.stack(told))
    assert torch.equal(found.images, find(network, [3, 8], iterations=9, watch=watch_until(3)).images)
    for p, (free, value) in zip(network.module.parameters(), before, strict=True):
        assert p.requires_grad == free
        assert torch.equal(p, value)
        assert p.grad is None
    assert [m.training for m in network.module] == [True] + 10 * [False]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.module.modules())


def watch_until(last: int) -> Callable[[int, int, Tensor], None]:
    def watch(step: int, steps: int, values: Tensor) -> None:
        if step == last:
            raise KeyboardInterrupt

    return watch


def test_a_halved_rate_halves_the_step() -> None:
    setting = Setting(4, (0.5,) * 3, (0.2,) * 3, [Place(1.0, 1)], torch.device("cpu"), 4)
    climb = simonyan2013.started(setting, Draws(0, 1))
    climb.slower = 0.5
    climb.move(torch.ones(1, 3, 4, 4), 0)
    torch.testing.assert_close(climb.images(), torch.full((1, 3, 4, 4), -0.5 * simonyan2013.RATE / 0.2))


def test_steps_that_lead_nowhere_leave_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simonyan2013, "RATE", 1e30)
    found = find(built(), [3], "simonyan2013", iterations=20)
    assert (found.stopped, found.slower) == ("diverged", 0.5**PATIENCE)
    assert not found.images.any()
    assert torch.isfinite(found.values).all()


def test_it_does_not_matter_where_it_is_called() -> None:
    network = built()
    expected = find(network, [3]).images
    for mode in (torch.inference_mode(), torch.no_grad()):
        with mode:
            assert torch.equal(find(network, [3]).images, expected)


class Darkening(nn.Module):
    """Works in place on what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = nn.Linear(3, 4)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.scores(images.sub_(5.0).mean((2, 3)))
        return out


@pytest.mark.parametrize("method", ["legible", "simonyan2013"])
def test_a_network_that_works_in_place_on_its_images(method: str) -> None:
    network = built(Darkening)
    found = find(network, [2], method)
    assert found.images.abs().mean() < 2
    torch.testing.assert_close(found.values, network.module(found.images.clone())[:, 2])


def test_images_that_are_not_normalised() -> None:
    network = built(mean=[0.0, 0.0, 0.0], std=[1.0, 1.0, 1.0])
    found = find(network, [3], iterations=20)
    assert found.values > find(network, [3], iterations=1).values
    assert found.images.min() >= 0
    assert found.images.std() > 0.005


def test_a_blurred_image_is_convolved_with_a_gaussian() -> None:
    space, image = Frequencies(16), torch.zeros(1, 3, 16, 16)
    image[..., 8, 8] = 1
    blurred = space.images(coefficients_of(space, image), blur=1.5)
    away = torch.arange(16) - 8
    gauss = torch.exp(-(away**2) / (2 * 1.5**2))
    expected = gauss[:, None] * gauss / gauss.sum() ** 2
    torch.testing.assert_close(blurred[0, 0], expected, rtol=0, atol=1e-5)


def test_weights_of_the_first_layers_alone() -> None:
    network = built()
    network.module[8].to("meta")
    assert find(network, [2], layer="5").values.item() > 0
    for layer, says in (
        ("", "serve 0 to 7, not net's class scores"),
        ("9", "no values for '9'; they serve 0"),
    ):
        with pytest.raises(DeconvvizError, match=says):
            find(network, [2], layer=layer)


@pytest.mark.parametrize(
    ("make", "units", "options", "says"),
    [
        (mynets.tiny, [10], {}, "no class 10: net has 10 classes, 0 to 9"),
        (mynets.tiny, [3, -1], {}, "no class -1: net has 10 classes"),
        (mynets.tiny, [6], {"layer": "5"}, "no unit 6: 5 has 6 units, 0 to 5"),
        (mynets.tiny, [0], {"layer": "11"}, "no layer '11'"),
        (mynets.tiny, [], {}, "no units"),
        (mynets.tiny, [0], {"method": "dream"}, "no method 'dream' .*: legible, simonyan2013"),
        (mynets.small, [0], {}, r"net gives \(1, 5, 30, 30\), not \(N, classes\) scores"),
        (mynets.Labelling, [0], {}, r"net gives dict, not \(N, classes\) scores"),
        (lambda: mynets.tiny()[:-1].append(nn.Linear(7, 2)), [0], {}, r"\(1, 3, 32, 32\) do not pass"),
    ],
)
def test_what_cannot_be_climbed(make: Any, units: list[int], options: dict[str, Any], says: str) -> None:
    with pytest.raises(DeconvvizError, match=says) as told:
        find(built(make), units, **options)
    assert "\n" not in str(told.value)


def test_weights_that_are_no_numbers() -> None:
    network = built()
    network.module[4].weight.data[0, 0, 0, 0] = torch.nan
    with pytest.raises(DeconvvizError, match="the weights are damaged"):
        find(network, [3])
