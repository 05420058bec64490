"""The sanity check against a twin made by hand, and what it must leave alone."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from deconvviz import Rules, Unit, load_model, project, read_image, record, strongest
from deconvviz.data.images import sample_path
from deconvviz.deconvnet import ContrastNormalisation, Rectification
from deconvviz.errors import DeconvvizError, LayerError, UnitError, WeightsError
from deconvviz.gradients import randomising
from deconvviz.gradients.randomising import randomise

from ..conftest import smooth_noise

IMAGE = smooth_noise(24, 24)
RULES = ("deconvnet", "guided", "gradient")


def seeded(make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return make().double().eval()


def chain():
    """Two convolutions, the first with a batch norm that has seen images, and a linear layer."""
    net = nn.Sequential(
        nn.Conv2d(3, 8, 5, padding=2),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.LocalResponseNorm(3, alpha=0.5),
        nn.Conv2d(8, 6, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(600, 7),
    )
    norm = net[1]
    for values in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        values.uniform_(0.5, 2)
    return net


class Residual(nn.Module):
    """A block whose one rectifier is called twice: the second call closes it."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.relu = (
            nn.Conv2d(3, 6, 3, padding=1),
            nn.Conv2d(6, 6, 3, padding=1),
            nn.ReLU(True),
        )

    def forward(self, images):
        x = self.relu(self.first(images))
        return self.relu(self.second(x) - x)


def states(monkeypatch, net, unit, **options):
    """The weights of the randomised copy at each step."""
    found, seen = [], randomising._seen

    def spy(module, *rest):
        found.append({name: t.clone() for name, t in module.state_dict().items()})
        return seen(module, *rest)

    monkeypatch.setattr(randomising, "_seen", spy)
    randomise(net, IMAGE, unit, **options)
    return found


def test_layers_come_from_the_top_down():
    found = randomise(seeded(chain), IMAGE, Unit("8", 2))
    assert found.steps == ("trained", "8", "5", "0")
    assert found.modules == ((), ("8",), ("5",), ("0", "1"))
    assert (found.unit, found.engine) == (Unit("8", 2), "mirror")
    assert tuple(found.courses) == RULES
    for course in found.courses.values():
        assert course.projection.pixels.shape == (4, 3, 24, 24)
        assert course.projection.windows.tolist() == [[0, 0, 24, 24]] * 4
        for values in (course.rank_correlation, course.signed_rank_correlation, course.ssim):
            assert values[0] == pytest.approx(1)
            assert (values[1:] < 0.999).all()
    assert randomise(seeded(chain), IMAGE, Unit("3", 0)).steps == ("trained", "0")


def test_each_step_randomises_one_layer_more(monkeypatch):
    net = seeded(chain)
    names = [("8.",), ("5.",), ("0.", "1.")]
    found = states(monkeypatch, net, Unit("8", 2))
    assert len(found) == 4
    for k, (state, last) in enumerate(zip(found, [None, *found], strict=False)):
        for name, value in net.state_dict().items():
            random = name.startswith(tuple(n for step in names[:k] for n in step))
            assert torch.equal(value, state[name]) != (random and name != "1.num_batches_tracked"), name
            if last is not None and not name.startswith(names[k - 1]):
                assert torch.equal(last[name], state[name])  # what is random stays as it was drawn


def test_a_twin_randomised_by_hand():
    net = seeded(chain)
    found = randomise(net, IMAGE, Unit("6", 1, 4, 3), seed=5)
    twin = copy.deepcopy(net)[:6]  # without the rectifier that closes the layer
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        torch.manual_seed(int(torch.randint(2**62, ())))
        for k, layers in enumerate([(), (5,), (0, 1)]):
            for layer in layers:
                twin[layer].reset_parameters()
            images = IMAGE.clone().requires_grad_()
            with torch.enable_grad():
                (gradient,) = torch.autograd.grad(twin(images)[0, 1, 4, 3], images)
            torch.testing.assert_close(found.courses["gradient"].projection.pixels[k], gradient[0])
            for rule in (Rectification.DECONVNET, Rectification.GUIDED):
                by_hand = project(twin, IMAGE, [Unit("5", 1, 4, 3)], rules=Rules(rule), seed="one")
                course = found.courses[rule.value].projection
                torch.testing.assert_close(course.pixels[k], by_hand.pixels[0])
                torch.testing.assert_close(course.activations[k], by_hand.activations[0])
                assert course.windows[k].tolist() == by_hand.windows[0].tolist()


@pytest.mark.parametrize("layer", ["6", "8", "3"])
def test_either_engine_gives_the_same(monkeypatch, layer):
    unit = Unit(layer, 1)
    by_mirror = randomise(seeded(chain), IMAGE, unit)
    monkeypatch.setattr(randomising, "has_mirror", lambda *_: False)
    other = randomise(seeded(chain), IMAGE, unit)
    assert (by_mirror.engine, other.engine) == ("mirror", "autograd")
    assert by_mirror.unit == other.unit
    for rule in RULES:
        a, b = by_mirror.courses[rule], other.courses[rule]
        torch.testing.assert_close(a.projection.pixels, b.projection.pixels)
        assert torch.equal(a.projection.windows, b.projection.windows)
        torch.testing.assert_close(a.ssim, b.ssim, atol=1e-4, rtol=0, equal_nan=True)


@pytest.mark.parametrize("error", [None, RuntimeError("stop"), KeyboardInterrupt()])
def test_the_network_is_never_touched(monkeypatch, error):
    net = seeded(chain).train()
    net[5].weight.requires_grad_(False)
    before = copy.deepcopy(net.state_dict())
    modules, calls, seen = list(net.modules()), [], randomising._seen
    flags = [p.requires_grad for p in net.parameters()]

    def stops(*given):
        calls.append(1)
        if len(calls) == 3 and error is not None:
            raise error
        return seen(*given)

    monkeypatch.setattr(randomising, "_seen", stops)
    random = torch.get_rng_state()
    if error is None:
        randomise(net, IMAGE, Unit("8", 0))
    else:
        with pytest.raises(type(error)):
            randomise(net, IMAGE, Unit("8", 0))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())
    assert all(a is b for a, b in zip(net.modules(), modules, strict=True))
    assert [p.requires_grad for p in net.parameters()] == flags
    assert all(m.training and not m._forward_hooks and not m._forward_pre_hooks for m in net.modules())


def test_the_seed_draws_the_weights():
    a, b, c = (randomise(seeded(chain), IMAGE, Unit("8", 0), seed=seed) for seed in (0, 0, 1))
    for rule in RULES:
        x, y, z = (found.courses[rule].projection.pixels for found in (a, b, c))
        assert torch.equal(x, y)
        assert torch.equal(x[0], z[0])
        assert not any(torch.equal(x[k], z[k]) for k in (1, 2, 3))


def test_the_gradient_depends_on_the_top_and_guided_maps_on_the_bottom():
    network = load_model("mini")
    images = read_image(sample_path(), network)
    (unit,) = strongest(record(network, images, ["fc8"]), "fc8", 1)
    found = randomise(network, images, unit)
    assert found.steps == ("trained", "fc8", "fc7", "fc6", "conv5", "conv4", "conv3", "conv2", "conv1")
    courses = [found.courses["guided"], found.courses["gradient"]]
    for name in ("rank_correlation", "signed_rank_correlation"):
        guided, gradient = (getattr(course, name) for course in courses)
        assert guided[1] > gradient[1] + 0.1
        assert guided[-1] < guided[1] - 0.1  # they are not invariant: the lowest layers matter


def test_networks_with_branches():
    net = seeded(Residual)
    found = randomise(nn.Sequential(net), IMAGE, Unit("0", 2))
    assert (found.engine, found.steps) == ("autograd", ("trained", "0.second", "0.first"))
    unit = found.unit
    images = IMAGE.clone().requires_grad_()
    with torch.enable_grad():
        x = torch.relu(net.first(images))
        (gradient,) = torch.autograd.grad((net.second(x) - x)[0, 2, unit.row, unit.column], images)
    course = found.courses["gradient"]
    torch.testing.assert_close(course.projection.pixels[0], gradient[0])
    assert course.projection.windows[0].tolist()[2:] == [5, 5]
    assert all(found.courses[rule].projection.pixels.flatten(1).any(1).all() for rule in RULES)
    assert course.ssim.isnan().all()  # such a window is smaller than SSIM's own
    assert not course.rank_correlation.isnan().any()


def test_a_unit_that_is_off_has_maps_all_the_same():
    net = seeded(chain)
    with torch.no_grad():
        net[5].bias[1] = -1e3
    found = randomise(net, IMAGE, Unit("6", 1, 4, 4))
    assert found.activation == 0
    assert found.courses["guided"].projection.activations[0] < 0
    assert all(found.courses[rule].projection.pixels[0].any() for rule in RULES)


def test_a_map_without_signal_is_like_no_other():
    net = nn.Sequential(seeded(chain)[:7], nn.MaxPool2d(2))
    with torch.no_grad():
        net[0][5].bias[1] = -1e3
    course = randomise(net, IMAGE, Unit("1", 1, 2, 2)).courses["guided"]
    assert not course.projection.pixels[0].any()
    for values in (course.rank_correlation, course.signed_rank_correlation):
        assert math.isnan(values[0])


def test_layers_above_the_unit_need_no_weights():
    net = seeded(chain)
    net[8].to("meta")
    net[5].requires_grad_(False)
    found = randomise(net, IMAGE, Unit("6", 0))
    assert found.steps == ("trained", "5", "0")
    assert net[8].weight.is_meta
    with pytest.raises(WeightsError, match="no values for '8'"):
        randomise(net, IMAGE, Unit("8", 0))


def test_some_rules_and_one_image_of_several():
    images = torch.cat([IMAGE.flip(3), IMAGE])
    both = randomise(seeded(chain), images, Unit("6", 1, image=1), rules=[Rectification.GRADIENT])
    alone = randomise(seeded(chain), IMAGE, Unit("6", 1))
    assert list(both.courses) == ["gradient"]
    assert both.unit.image == 1
    torch.testing.assert_close(
        both.courses["gradient"].projection.pixels, alone.courses["gradient"].projection.pixels
    )
    exact = Rules(Rectification.GRADIENT, lrn=ContrastNormalisation.TRANSPOSE)
    own = project(seeded(chain), IMAGE, [alone.unit], rules=exact, seed="one").pixels[0]
    torch.testing.assert_close(alone.courses["gradient"].projection.pixels[0], own)


def test_inference_mode_changes_nothing():
    with torch.inference_mode():
        found = randomise(seeded(chain), IMAGE, Unit("8", 0))
    again = randomise(seeded(chain), IMAGE, Unit("8", 0))
    assert torch.equal(found.courses["guided"].projection.pixels, again.courses["guided"].projection.pixels)


@pytest.mark.parametrize(
    ("net", "unit", "error", "says"),
    [
        (chain, Unit("9", 0), LayerError, "no layer '9'"),
        (chain, Unit("6", 6), UnitError, "no unit 6"),
        (lambda: nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), Unit("1", 0), LayerError, "weights to randomise"),
        (lambda: nn.Sequential(nn.Conv2d(3, 2, 3), nn.GELU()), Unit("1", 0), DeconvvizError, "GELU"),
    ],
)
def test_what_cannot_be_checked(net, unit, error, says):
    with pytest.raises(error, match=says):
        randomise(seeded(net), IMAGE, unit)
