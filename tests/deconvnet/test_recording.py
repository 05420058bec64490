"""What a recorded pass holds: names, shapes, switches, masks; where it stops; what it refuses."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from deconvviz import load_model, mirror, record
from deconvviz.deconvnet import Rectification, Rules
from deconvviz.errors import ChainError, LayerError, ModelError, WeightsError
from deconvviz.models import ZFNet

from .. import strategies as some
from ..strategies import Case, drawn, noise


def network() -> nn.Sequential:
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2), nn.Conv2d(4, 5, 3)]
    return nn.Sequential(*layers, nn.ReLU6(), nn.Flatten(), nn.Linear(45, 6)).double()


def test_names_shapes_and_maps() -> None:
    net, images = network().eval(), noise(0, 2, 3, 13, 13)
    trace = record(net, images, ["3", "1"])
    assert [step.name for step in trace] == ["0", "1", "2", "3"]
    assert [step.module for step in trace] == list(net)[:4]
    assert [tuple(step.output_shape) for step in trace] == [(2, 4, 11, 11)] * 2 + [(2, 4, 5, 5), (2, 5, 3, 3)]
    assert [step.input_shape for step in trace][1:] == [step.output_shape for step in trace][:-1]
    assert trace.image_shape == images.shape
    with torch.no_grad():
        torch.testing.assert_close(trace.maps["1"], net[:2](images))
        torch.testing.assert_close(trace.maps["3"], net[:4](images))
    assert [step.name for step in trace.down_from("1")] == ["1", "0"]


def test_without_wanted_layers_the_whole_pass_is_recorded() -> None:
    trace = record(network(), noise(0, 1, 3, 13, 13))
    assert [step.name for step in trace] == list("0123456")
    assert trace.maps == {}
    with pytest.raises(LayerError, match="'6' was not recorded; recorded: no layer"):
        trace.features("6")


def test_a_functional_flattening_becomes_a_record() -> None:
    trace = record(load_model("alexnet", "random"), torch.zeros(1, 3, 64, 64), ["fc6"])
    names = [step.name for step in trace]
    assert names[names.index("avgpool") + 1] == "flatten"
    assert not any(step.broken for step in trace)


@given(some.max_pools())
@drawn(100)
def test_switches_are_torchs_indices(case: Case) -> None:
    pool = case.net
    trace = record(nn.Sequential(pool), case.images, ["0"])
    (kh, kw), (sh, sw) = pool.kernel_size, pool.stride or pool.kernel_size
    switches = trace[0].switches.long()
    assert ((switches >= 0) & (switches < kh * kw)).all()
    h, w = switches.shape[2:]
    rows = switches // kw * pool.dilation[0] + torch.arange(h)[:, None] * sh - pool.padding[0]
    columns = switches % kw * pool.dilation[1] + torch.arange(w) * sw - pool.padding[1]
    settings = (pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode, True)
    values, indices = F.max_pool2d(case.images, *settings)
    assert torch.equal(rows * case.images.shape[3] + columns, indices)
    assert torch.equal(trace.maps["0"], values)


def test_switches_take_the_smallest_integers_that_hold_them() -> None:
    def kind(kernel: int) -> torch.dtype:
        return record(nn.Sequential(nn.MaxPool2d(kernel)), torch.zeros(1, 1, 20, 20))[0].switches.dtype

    assert (kind(2), kind(16), kind(17)) == (torch.uint8, torch.uint8, torch.int16)


def test_masks_are_kept_unless_not_wanted() -> None:
    net, images = network(), 5 * noise(0, 1, 3, 13, 13)
    trace = record(net, images, ["0", "1", "3", "4"])
    first, second = trace[1].mask, trace[4].mask
    assert torch.equal(first, trace.maps["0"] > 0)
    assert torch.equal(second, (trace.maps["3"] > 0) & (trace.maps["3"] < 6))
    without = record(net, images, ["4"], masks=False)
    assert without[1].mask is None
    with pytest.raises(ChainError, match=r"'4' was recorded without its mask, which the guided rule wants"):
        mirror(without, "4", Rules(Rectification.GUIDED))


def test_the_pass_stops_at_the_last_wanted_layer() -> None:
    net, called = network(), []
    for path, module in net.named_children():
        module.register_forward_hook(lambda *_, path=path: called.append(path))
    record(net, noise(0, 1, 3, 13, 13), ["2", "0"])
    assert called == ["0", "1", "2"]


def test_on_the_meta_device_the_shapes_are_the_same() -> None:
    real = record(ZFNet(10).eval(), torch.zeros(1, 3, 224, 224))
    with torch.device("meta"):
        shapes = record(ZFNet(10).eval(), torch.zeros(1, 3, 224, 224))
    described = [[(s.name, s.input_shape, s.output_shape, s.broken) for s in t] for t in (real, shapes)]
    assert described[0] == described[1]


def test_the_same_image_in_a_batch_or_alone() -> None:
    net, images = network(), noise(0, 3, 3, 13, 13)
    batch, alone = record(net, images, ["4"]), record(net, images[1:2], ["4"])
    torch.testing.assert_close(batch.maps["4"][1:2], alone.maps["4"])
    assert torch.equal(batch[2].switches[1:2], alone[2].switches)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_weights_are_named(value: float) -> None:
    net, images = network(), noise(0, 1, 3, 13, 13).abs() + 1
    net[3].weight.data[2, 1, 0, 0] = value
    net[1] = nn.Identity()
    with pytest.raises(WeightsError, match=r"NaN or infinity in '3\.weight'"):
        record(net, images, ["3"])
    record(net, images, ["2"])


def test_broken_images_are_named() -> None:
    images = noise(0, 1, 3, 13, 13)
    images[0, 1, 6, 6] = float("nan")
    with pytest.raises(ModelError, match=r"^the image tensor holds NaN or infinity$"):
        record(network(), images, ["4"])


@pytest.mark.parametrize("size", [(2, 2), (30, 30)])
def test_images_of_the_wrong_size(size: tuple[int, int]) -> None:
    with pytest.raises(ModelError, match=r"images of \(1, 3, \d+, \d+\) do not pass '\d'") as caught:
        record(network(), noise(0, 1, 3, *size))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "images", [torch.zeros(1, 1, 13, 13), torch.zeros(13, 13), torch.zeros(1, 3, 13, 13)], ids=str
)
def test_images_of_the_wrong_kind(images: Tensor) -> None:
    with pytest.raises(ModelError, match="do not pass '0'"):
        record(network(), images.to(torch.float64) if images.shape[:2] != (1, 3) else images)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8])
def test_passes_are_recorded_in_float32_or_float64(dtype: torch.dtype) -> None:
    with pytest.raises(ModelError, match="recorded in float32 or float64"):
        record(network(), torch.zeros(1, 3, 13, 13, dtype=dtype))


def test_missing_layers() -> None:
    net, images = network(), noise(0, 1, 3, 13, 13)
    with pytest.raises(LayerError, match=r"no layer '9'; there are: 0, 1, 2"):
        record(net, images, ["9"])
    net.add_module("never", nn.Identity())
    net.forward = lambda x: nn.Sequential.forward(net[:3], x)
    with pytest.raises(LayerError, match="the forward pass never reaches 'never'"):
        record(net, images, ["never"])


def test_autocast_does_not_reach_the_recorded_pass() -> None:
    net, images = network().float(), noise(0, 1, 3, 13, 13).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = record(net, images, ["4"]).maps["4"]
    assert inside.dtype is torch.float32
    assert torch.equal(inside, record(net, images, ["4"]).maps["4"])
