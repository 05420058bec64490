"""Networks that squares are slid over, in double precision: AlexNet's and VGG's shapes, a branching one."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from deconvviz.models import Network, WeightsOrigin
from deconvviz.models.building import preset

from ..strategies import randomised
from .stand_ins import SIDE, Branching, chain


def wrapped(module: nn.Module, side: int, names: dict[str, str] | None = None) -> Network:
    shown = preset(True, side, resize_size=side, mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.3))
    return Network("net", module.eval(), shown, WeightsOrigin("made up"), names or {})


def scaled(net: nn.Sequential, seed: int) -> nn.Sequential:
    """Random, with activations of about one in every layer."""
    net = nn.Sequential(*randomised(net, seed))
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.weight.data *= (2 / layer.weight[0].numel()) ** 0.5
    return net


def alexnet() -> Network:
    """AlexNet's layers, with its strides, pads and contrast normalisation, a few maps wide."""
    layers = [nn.Conv2d(3, 6, 11, 4, 2), nn.ReLU(inplace=True), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2)]
    layers += [nn.Conv2d(6, 8, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True)]
    layers += [nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)]
    layers += [nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Dropout(), nn.Linear(72, 20), nn.ReLU(inplace=True)]
    net = scaled(nn.Sequential(*layers, nn.Linear(20, 7)), 1)
    return wrapped(net, 120, {"conv1": "1", "conv3": "9", "pool3": "10", "fc4": "15"})


def vgg() -> Network:
    """Pairs of 3x3 convolutions between 2x2 pools."""
    layers: list[nn.Module] = []
    for into, out in ((3, 4), (4, 6), (6, 8)):
        layers += [
            nn.Conv2d(into, out, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, padding=1),
            nn.ReLU(),
        ]
        layers += [nn.MaxPool2d(2)]
    net = scaled(nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 7 * 7, 5)), 2)
    return wrapped(net, 56, {"conv1_1": "1", "conv3_2": "13"})


def branching() -> Network:
    net = nn.Sequential(Branching(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(4 * 7 * 7, 5))
    return wrapped(scaled(net, 3), 30)


def small() -> Network:
    return wrapped(scaled(chain(), 1), SIDE, {"conv1": "1", "conv2": "4"})


LOOKED_AT: dict[str, tuple[Callable[[], Network], str, dict[str, int]]] = {
    "alexnet": (alexnet, "conv3", {"size": 27, "stride": 16}),
    "alexnet, pixels apart": (alexnet, "conv1", {"size": 8, "stride": 29}),
    "alexnet, pooled": (alexnet, "pool3", {"size": 27, "stride": 31}),
    "alexnet, fully connected": (alexnet, "fc4", {"size": 27, "stride": 31}),
    "vgg": (vgg, "conv3_2", {"size": 12, "stride": 7}),
    "branching": (branching, "0", {"size": 9, "stride": 5}),
}
"""Each with a layer to look at, and squares."""
