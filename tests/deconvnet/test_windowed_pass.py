"""The pass inside windows: the same numbers as passes over whole images, and nothing left behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import prune

from deconvviz import project_trace, record
from deconvviz.deconvnet import ContrastNormalisation, Rectification, Rules, Unit, Unpooling
from deconvviz.deconvnet.windowed import WindowedPass, windowed_pass
from deconvviz.errors import ModelError, UnitError

from .. import strategies as some
from ..oracle import relative_error
from ..strategies import Case, drawn, noise, randomised

RULES = st.builds(
    Rules,
    st.sampled_from(list(Rectification)),
    st.sampled_from(list(Unpooling)),
    st.sampled_from(list(ContrastNormalisation)),
)


def everywhere(inside: WindowedPass, images: int) -> list[Unit]:
    """Units at the corners, the middle of the edges and the middle of the map, of every image in turn."""
    height, width = inside.map_size
    places = sorted({(r, c) for r in (0, height // 2, height - 1) for c in (0, width // 2, width - 1)})
    return [Unit(inside.layer, i % inside.channels, *place, i % images) for i, place in enumerate(places)]


def agree(net: nn.Module, images: Tensor, inside: WindowedPass, rules: Rules) -> None:
    """Pixels and activations are those of whole passes."""
    units = everywhere(inside, len(images))
    trace = record(net, images, [inside.layer])
    whole = project_trace(trace, units, rules=rules, seed="one", windowed=False)
    found = inside.project(images, units, rules=rules, seed="one")
    assert relative_error(found.fields.paste(found.pixels), whole.pixels).max() < 1e-10
    assert torch.allclose(found.activations, whole.activations, rtol=1e-10, atol=1e-12)
    on_image = found.fields.crop(torch.ones(len(images), 1, *inside.image_size))
    assert not found.pixels[(on_image == 0).expand_as(found.pixels)].any()
    assert torch.equal(found.fields.boxes(), whole.windows)


@given(some.chains(flat=False, side=24), RULES)
@drawn(20)
def test_inside_equals_whole_on_random_chains(case: Case, rules: Rules) -> None:
    last = str(len(case.net) - 1)
    inside = windowed_pass(case.net, last, tuple(case.images.shape[2:]))
    assume(inside is not None)  # there is nothing to save where windows are as large as the images
    agree(case.net, case.images, inside, rules)


@given(some.convolutions(channels=3, size=(15, 17)), RULES)
@drawn(10)
def test_inside_equals_whole_after_any_convolution(case: Case, rules: Rules) -> None:
    net = nn.Sequential(case.net, nn.ReLU(inplace=True), nn.MaxPool2d(2, 1, 1))
    inside = windowed_pass(net, "2", (15, 17))
    if inside is not None:
        agree(net, case.images, inside, rules)


def vgg(channels: int) -> list[nn.Module]:
    """Two convolutions and a pool, as VGG begins."""
    first = [nn.Conv2d(3, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)]
    return [*first, nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(channels, 3, 3, padding=1), nn.ReLU()]


CHAINS = {
    "vgg": vgg(5),
    "groups and dilation": [
        nn.Conv2d(3, 4, 3, 2, 2, 2),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, 1, 1, 1, 2),
        nn.ReLU6(),
    ],
    "batch norm": [
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 3, 3),
    ],
    "ceil mode": [
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(4, 3, 3, padding=1),
    ],
    "a dilated pool": [nn.Conv2d(3, 4, 3), nn.MaxPool2d(2, 2, 1, dilation=2), nn.Conv2d(4, 3, 1)],
    "pool first": [nn.MaxPool2d(2), nn.Conv2d(3, 4, 3, padding=2), nn.ReLU(), nn.Dropout()],
    "averages": [
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(3, 2, 1),
        nn.Conv2d(4, 2, 3, padding=1),
    ],
    "contrast": [
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.LocalResponseNorm(3, 1.0),
        nn.MaxPool2d(3, 2, 1),
    ],
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("rule", list(Rectification), ids=lambda rule: rule.value)
def test_inside_equals_whole_for_every_layer(name: str, rule: Rectification) -> None:
    net = randomised(nn.Sequential(*CHAINS[name]), 3)
    inside = windowed_pass(net, str(len(net) - 1), (19, 21))
    assert inside is not None
    agree(net, noise(1, 2, 3, 19, 21), inside, Rules(rule, lrn=ContrastNormalisation.TRANSPOSE))


def test_inside_equals_whole_with_alexnets_kernels(photo_like: Tensor) -> None:
    layers = [
        nn.Conv2d(3, 4, 11, 4, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(4, 4, 5, padding=2),
        nn.ReLU(),
    ]
    layers += [nn.MaxPool2d(3, 2), *(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3)), nn.ReLU()]
    net = randomised(nn.Sequential(*layers), 1)
    inside = windowed_pass(net, "9", (224, 224))
    assert inside is not None
    assert (inside.map_size, inside.size) == ((13, 13), (163, 163))
    agree(net, torch.cat([photo_like, photo_like.flip(2, 3)]), inside, Rules())


def test_in_float32_nearly_all_agree_to_its_last_digits() -> None:
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
    ]
    net = nn.Sequential(*layers).eval()
    inside = windowed_pass(net, "4", (24, 24))
    assert inside is not None
    images = noise(0, 5, 3, 24, 24).float()
    units = [Unit("4", i % 8, i % 12, i // 12, i % 5) for i in range(144)]
    whole = project_trace(record(net, images, ["4"]), units, seed="one")
    found = inside.project(list(images), units, seed="one")
    error = relative_error(found.fields.paste(found.pixels), whole.pixels)
    assert error.quantile(0.95) < 1e-6
    assert error.max() < 1e-2


class Scaled(nn.Conv2d):
    """Not what its base class computes."""

    def forward(self, maps: Tensor) -> Tensor:
        return 2 * super().forward(maps)


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(3)],
        [nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 14 * 14, 2)],
        [nn.Conv2d(3, 4, 3, padding="same")],
        [nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")],
        [nn.Conv2d(3, 4, 3), nn.GELU()],
        [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)],
        [nn.Conv2d(3, 4, 3), nn.AvgPool2d(3, 2, 1, count_include_pad=False)],
        [Scaled(3, 4, 3)],
        [nn.Conv2d(3, 4, 16, padding=8)],
    ],
)
def test_where_it_does_not_apply(layers: list[nn.Module]) -> None:
    assert windowed_pass(nn.Sequential(*layers), str(len(layers) - 1), (16, 16)) is None


def test_branches_and_functions_do_not_apply() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.last(torch.relu(self.first(images)))

    assert windowed_pass(Functional(), "first", (16, 16)) is not None
    assert windowed_pass(Functional(), "last", (16, 16)) is None


def small() -> tuple[nn.Sequential, WindowedPass]:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2)
    )
    net = randomised(net, 0)
    inside = windowed_pass(net, "3", (12, 12))
    assert inside is not None
    return net, inside


def test_no_trace_is_left() -> None:
    net, inside = small()
    net.train()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    inside.project(noise(0, 1, 3, 12, 12), [Unit("3", 0, 0, 0)], rules=Rules(Rectification.GUIDED))
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    for module in net.modules():
        assert module.training
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert net[2].inplace
    assert not net[3].return_indices
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


def test_weights_that_are_computed_anew_and_hooks_have_no_windows() -> None:
    def net() -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))

    pruned, hooked, plain = net(), net(), net()
    prune.random_unstructured(pruned[2], "weight", amount=0.5)
    hooked[0].register_forward_hook(lambda _module, _args, maps: 2 * maps)
    assert windowed_pass(plain, "2", (16, 16)) is not None
    assert windowed_pass(pruned, "2", (16, 16)) is None
    assert windowed_pass(hooked, "2", (16, 16)) is None


def test_images_are_not_written_on_and_threads_do_not_disturb_each_other() -> None:
    _, inside = small()
    images = noise(0, 3, 3, 12, 12)
    before = images.clone()
    start = threading.Barrier(4)

    def work(k: int) -> list[Tensor]:
        start.wait()
        units = [Unit("3", k, k, 5 - k, k % 3), Unit("3", 0, 0, k, 1)]
        return [inside.project(images, units).pixels for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(4)))
    assert torch.equal(images, before)
    for k, pixels in enumerate(found):
        alone = inside.project(images, [Unit("3", k, k, 5 - k, k % 3), Unit("3", 0, 0, k, 1)]).pixels
        assert all(torch.equal(some_pixels, alone) for some_pixels in pixels)


def test_what_is_no_unit_is_refused() -> None:
    _, inside = small()
    images = noise(0, 1, 3, 12, 12)
    for unit in (Unit("3", 0), Unit("3", 4, 0, 0), Unit("3", 0, 6, 0), Unit("3", 0, 0, 0, 1)):
        with pytest.raises(UnitError, match="unit"):
            inside.project(images, [unit])
    with pytest.raises(UnitError, match="no units"):
        inside.project(images, [])
    with pytest.raises(ModelError, match="an image of"):
        inside.project(noise(0, 1, 3, 12, 13), [Unit("3", 0, 0, 0)])


def test_the_widest_map_counts() -> None:
    _, inside = small()
    assert inside.size == (4, 4)
    assert inside.cells() == 3 * 4 * 4
