"""Occlusion against a plain loop and against captum; and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from captum.attr import Occlusion as CaptumOcclusion
from torch import Tensor, nn

from deconvviz import load_model, occlude
from deconvviz.errors import DeconvvizError, LayerError, ModelError, UnitError
from deconvviz.experiments import occlusion, partial
from deconvviz.experiments.occlusion import Occlusion, squares_of
from deconvviz.experiments.squares import FILLS, covered, fill_image
from deconvviz.models import Network, WeightsOrigin

from ..deconvnet.test_no_trace_left import Failing, snapshot
from ..deconvnet.test_no_trace_left import network as mixed
from ..gradients.support import as_network
from ..strategies import noise
from .occluded_nets import LOOKED_AT, small, wrapped
from .stand_ins import SIDE

Outcome = dict[str, Tensor]


def slowly(network: Network, image: Tensor, layer: str, found: Occlusion, fill: str) -> Outcome:
    """One square after the other, through the whole network."""
    cover, kept = fill_image(network, image, fill, seed=3), []
    hook = network.module.get_submodule(network.path_of(layer)).register_forward_hook(
        lambda _module, _args, output: kept.append(output[0, found.channel].sum())
    )
    rows = []
    for box in found.boxes.flatten(0, 1).tolist():
        with torch.no_grad():
            scores = network.module(covered(image, cover, tuple(box)))[0]
        probability = scores.exp() / scores.exp().sum()
        rows.append((kept[-1], scores[found.target], probability[found.target], scores.argmax()))
    hook.remove()
    names = ("activity", "score", "probability", "top_class")
    columns = zip(*rows, strict=True)
    return {n: torch.stack(c).view(found.boxes.shape[:2]) for n, c in zip(names, columns, strict=True)}


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[partial.Partial | None]:
    """What was planned, with patches also where whole passes would be somewhat cheaper."""
    made: list[partial.Partial | None] = []
    monkeypatch.setattr(partial, "_WORTH", float("inf"))
    monkeypatch.setattr(occlusion, "plan", lambda *args: made.append(partial.plan(*args)) or made[-1])
    return made


@pytest.mark.parametrize("which", LOOKED_AT)
@pytest.mark.parametrize("whole", [False, True], ids=["partial", "whole"])
def test_is_a_plain_loop(which: str, whole: bool, plans: list[partial.Partial | None]) -> None:
    build, layer, squares = LOOKED_AT[which]
    network = build()
    image = noise(4, 1, 3, network.input_size, network.input_size)
    for fill in FILLS if (which, whole) == ("vgg", False) else ("grey",):
        found = occlude(
            network, image, layer=layer, fill=fill, seed=3, batch_size=7, partial=not whole, **squares
        )
        wanted = slowly(network, image, layer, found, fill)
        for name in ("activity", "score", "probability"):
            got = getattr(found, name)
            torch.testing.assert_close(got, wanted[name], rtol=1e-11, atol=1e-12 * float(got.abs().max()))
        assert torch.equal(found.top_class, wanted["top_class"])
        assert found.probability.std() > 0
        assert found.activity.std() > 0
        assert [found is None for found in plans[-1:]] == ([] if whole else [which == "branching"])


def attribution(found: Occlusion, values: Tensor, whole: float, side: int) -> Tensor:
    """What captum makes of the drops: at each pixel, their mean over the squares that cover it."""
    total, count = torch.zeros(2, side, side, dtype=torch.float64)
    for (top, left, height, width), value in zip(
        found.boxes.flatten(0, 1).tolist(), values.flatten().tolist(), strict=True
    ):
        total[top : top + height, left : left + width] += whole - value
        count[top : top + height, left : left + width] += 1
    return total / count


@pytest.mark.parametrize(("which", "size", "stride"), [("alexnet", 31, 18), ("vgg", 13, 9), ("vgg", 12, 11)])
@pytest.mark.usefixtures("plans")
def test_drops_are_captums(which: str, size: int, stride: int) -> None:
    network = LOOKED_AT[which][0]()
    side = network.input_size
    image = noise(4, 1, 3, side, side)
    found = occlude(network, image, size=size, stride=stride)
    for forward, values, whole in (
        (network.module, found.score, found.whole.score),
        (lambda x: network.module(x).softmax(1), found.probability, found.whole.probability),
    ):
        wanted = CaptumOcclusion(forward).attribute(
            image,
            sliding_window_shapes=(3, size, size),
            strides=(3, stride, stride),
            baselines=fill_image(network, image, "grey"),
            target=found.target,
            perturbations_per_eval=9,
        )
        got = attribution(found, values, whole, side)
        assert got.abs().max() > 0
        torch.testing.assert_close(got.expand(1, 3, -1, -1).float(), wanted, rtol=1e-5, atol=1e-6)


def test_single_precision_differs_by_rounding_alone() -> None:
    network = load_model("mini")
    image = noise(1, 1, 3, 64, 64).float()
    quick, slow = (occlude(network, image, stride=13, partial=p) for p in (True, False))
    for name in ("activity", "score", "probability"):
        values = getattr(slow, name)
        torch.testing.assert_close(
            getattr(quick, name), values, rtol=1e-4, atol=1e-5 * float(values.abs().max())
        )
    assert torch.equal(quick.top_class, slow.top_class)
    assert (quick.size, quick.stride, quick.layer) == (14, 13, "conv5")


def test_a_first_layer_may_work_in_place() -> None:
    net = nn.Sequential(
        nn.Hardtanh(-0.1, 0.1, inplace=True), nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(3)
    )
    network, image = wrapped(net.double(), 12), noise(2, 1, 3, 12, 12)
    before = image.clone()
    network.module(image.clone())
    one, two = (occlude(network, image, layer="1", size=4, stride=4, partial=p) for p in (True, False))
    assert torch.equal(image, before)
    torch.testing.assert_close(one.score, two.score)


def test_what_is_looked_at_unless_asked() -> None:
    network, image = small(), noise(2, 1, 3, SIDE, SIDE)
    found = occlude(network, image)
    with torch.no_grad():
        sums = network.module[:5](image)[0].sum((1, 2))
        scores = network.module(image)[0]
    assert (found.layer, found.channel) == ("conv2", int(sums.argmax()))
    assert found.target == found.whole.top_class == int(scores.argmax())
    assert found.whole.activity == pytest.approx(float(sums.max()))
    assert found.whole.score == pytest.approx(float(scores.max()))
    assert found.whole.probability == pytest.approx(float(scores.softmax(0).max()))
    assert (found.size, found.stride) == (4, 1)
    other = occlude(network, image, target=2, layer="conv1", channel=1, size=16, stride=3)
    assert (other.layer, other.channel, other.target) == ("conv1", 1, 2)
    assert other.boxes.tolist() == [[[0, 0, 16, 16]]]


@pytest.mark.parametrize(
    ("side", "size", "stride"), [(9, 3, 2), (10, 3, 2), (10, 4, 4), (7, 7, 3), (8, 1, 5)]
)
def test_squares_reach_the_far_edge(side: int, size: int, stride: int) -> None:
    boxes = squares_of((side, side + 3), size, stride)
    tops, heights = boxes[:, 0, 0].tolist(), boxes[:, 0, 2].tolist()
    assert tops == [stride * i for i in range(len(tops))]
    assert tops[-1] + heights[-1] == min(side, tops[-1] + size)
    assert min(heights) > 0
    assert tops[-1] + max(size, stride) >= side > (tops[-2] + size if len(tops) > 1 else 0)
    assert torch.equal(boxes[0, :, 2], boxes[0, 0, 2].expand(boxes.shape[1]))
    assert (boxes[..., :2] + boxes[..., 2:]).amax((0, 1)).tolist()[0] <= side


def test_a_square_that_hides_nothing_changes_nothing() -> None:
    network = small()
    image = fill_image(network, torch.zeros(1, 3, SIDE, SIDE, dtype=torch.float64), "grey")
    found = occlude(network, image)
    for values, whole in ((found.activity, found.whole.activity), (found.score, found.whole.score)):
        torch.testing.assert_close(values, torch.full_like(values, whole), rtol=1e-12, atol=1e-12)


def test_progress_is_told() -> None:
    done: list[int] = []
    found = occlude(small(), noise(2, 1, 3, SIDE, SIDE), batch_size=50, advance=done.append)
    assert sum(done) == found.activity.numel() == 13 * 13
    assert max(done) == 50


@pytest.mark.parametrize(
    ("error", "says", "asked"),
    [
        (ModelError, "a square of 17 pixels does not fit .* 16x16: give a size from 1 to 16", {"size": 17}),
        (ModelError, "a square of 0 pixels .* from 1 to 16", {"size": 0}),
        (ModelError, "cannot move by 0 pixels: give a stride of at least 1", {"stride": 0}),
        (ModelError, "no fill 'gray'; did you mean 'grey'", {"fill": "gray"}),
        (ModelError, "0 squares at once: give a batch size of at least 1", {"batch_size": 0}),
        (UnitError, "no class 3: net has 3 classes, 0 to 2", {"target": 3}),
        (UnitError, "no class -1", {"target": -1}),
        (UnitError, "no map 5 in 'conv2': it has 5, 0 to 4", {"channel": 5}),
        (LayerError, "no layer 'conv3'; did you mean", {"layer": "conv3"}),
    ],
)
def test_refusals(error: type[DeconvvizError], says: str, asked: dict[str, Any]) -> None:
    with pytest.raises(error, match=says) as raised:
        occlude(small(), noise(2, 1, 3, SIDE, SIDE), **asked)
    assert "\n" not in str(raised.value)


def test_refuses_what_is_no_picture_or_no_classifier() -> None:
    image = noise(2, 1, 3, SIDE, SIDE)
    for images in (image[0], image.repeat(2, 1, 1, 1)):
        with pytest.raises(ModelError, match="one image"):
            occlude(small(), images)
    with pytest.raises(ModelError, match=r"does not take images of \(1, 3, 5, 5\)"):
        occlude(small(), image[..., :5, :5])
    with pytest.raises(ModelError, match="not \\(N, classes\\) scores"):
        occlude(wrapped(nn.Sequential(nn.Conv2d(3, 2, 3)).double(), SIDE), image)
    with pytest.raises(ModelError, match="NaN or infinity"):
        occlude(small(), image * float("nan"))


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.usefixtures("plans")
def test_leaves_no_trace(quick: bool) -> None:
    net = mixed()
    modes = [module.training for module in net.modules()]
    network = as_network(net)
    for module, training in zip(net.modules(), modes, strict=True):
        module.training = training
    if quick:
        net[2]._forward_hooks.clear()
    image = noise(1, 1, 3, 8, 8).requires_grad_()
    before, pixels = snapshot(net), image.detach().clone()
    found = occlude(network, image, layer="2", size=3, stride=2, fill="mean", partial=quick)
    assert snapshot(net) == before
    assert torch.equal(image, pixels)
    assert image.grad is None
    assert not found.score.requires_grad


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_leaves_no_trace_after_an_exception(error: BaseException) -> None:
    net = mixed(Failing(error))
    before = snapshot(net)
    with pytest.raises(type(error)):
        occlude(
            Network("net", net, None, WeightsOrigin("made up")), noise(1, 1, 3, 8, 8), layer="2", fill="mean"
        )
    assert snapshot(net) == before


@pytest.mark.usefixtures("plans")
def test_leaves_no_trace_when_stopped_on_the_way() -> None:
    network = small()
    before = snapshot(network.module)

    def stop(_places: int) -> None:
        raise KeyboardInterrupt

    for quick in (True, False):
        with pytest.raises(KeyboardInterrupt):
            occlude(network, noise(2, 1, 3, SIDE, SIDE), partial=quick, advance=stop)
        assert snapshot(network.module) == before


def test_a_network_that_is_shipped_is_run_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[partial.Partial | None] = []
    monkeypatch.setattr(occlusion, "plan", lambda *args: made.append(partial.plan(*args)) or made[-1])
    occlude(load_model("mini"), torch.zeros(1, 3, 64, 64), size=8, stride=28)
    assert made[0] is not None
    kinds = [type(step).__name__ for step in made[0].steps]
    assert kinds[:3] == ["CutOut", "CellByCell", "CutOut"]
    assert "Differences" in kinds
