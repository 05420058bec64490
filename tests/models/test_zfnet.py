"""ZFNet has the map sizes, filters and initialisation of the paper's figure 3."""

from __future__ import annotations

import pytest
import torch

from deconvviz import load_model, record
from deconvviz.models import ZFNet, paper_names, zfnet


def shapes(net: ZFNet) -> dict[str, tuple[int, ...]]:
    """The output shape of one image at each of the paper's layers."""
    names = paper_names(net, blocks=False)
    with torch.device("meta"):
        images = torch.zeros(1, 3, 224, 224)
    trace = record(net.to("meta").eval(), images)
    by_path = {step.name: tuple(step.output_shape[1:]) for step in trace}
    return {name: by_path[path] for name, path in names.items()}


@pytest.mark.parametrize("lrn", [True, False])
def test_map_sizes_of_the_figure(lrn: bool) -> None:
    found = shapes(ZFNet(lrn=lrn))
    wanted = {
        "conv1": (96, 110, 110),
        "pool1": (96, 55, 55),
        "conv2": (256, 26, 26),
        "pool2": (256, 13, 13),
        "conv3": (384, 13, 13),
        "conv4": (384, 13, 13),
        "conv5": (256, 13, 13),
        "pool5": (256, 6, 6),
        "fc6": (4096,),
        "fc7": (4096,),
        "fc8": (1000,),
    }
    assert {name: found[name] for name in wanted} == wanted
    assert ("norm1" in found) == lrn
    if lrn:
        assert (found["norm1"], found["norm2"]) == (found["pool1"], found["pool2"])


def test_filters_of_the_paper() -> None:
    features = zfnet().features
    conv1, conv2 = features.conv1, features.conv2
    assert (conv1.kernel_size, conv1.stride) == ((7, 7), (2, 2))
    assert (conv2.kernel_size, conv2.stride) == ((5, 5), (2, 2))
    assert all(features.get_submodule(f"pool{i}").kernel_size == 3 for i in (1, 2, 5))
    assert all(features.get_submodule(f"pool{i}").stride == 2 for i in (1, 2, 5))


def test_initialisation_of_the_paper() -> None:
    module = load_model("zfnet", "random", seed=0).module
    for name, value in module.named_parameters():
        if name.endswith("bias"):
            assert not value.any()
        else:
            assert value.std().item() == pytest.approx(1e-2, rel=0.05)
            assert abs(value.mean().item()) < 1e-3


def test_scores_and_dropout() -> None:
    net = ZFNet(num_classes=7, dropout=0.25).eval()
    with torch.no_grad():
        assert net(torch.zeros(2, 3, 224, 224)).shape == (2, 7)
    assert (net.classifier.drop6.p, net.classifier.drop7.p) == (0.25, 0.25)
