"""Networks that the tests of gradients look at."""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from torch import nn

from deconvviz.models import Network, WeightsOrigin


def as_network(module: nn.Module, name: str = "net", **more: Any) -> Network:
    """A module with what a `Network` has besides, except for preprocessing."""
    return Network(name, module.eval(), lambda image: image, WeightsOrigin("as built"), **more)


def architecture(name: str) -> nn.Module:
    """One of torchvision's networks for ten classes with random values in all weights, biases and statistics.

    AlexNet and VGG have 64 units in each fully connected layer: nearly all of their half gigabyte is there.
    """
    with torch.device("meta"):
        module = getattr(torchvision.models, name)(num_classes=10)
        for i, layer in enumerate(module.classifier if name in ("alexnet", "vgg16") else ()):
            if isinstance(layer, nn.Linear):
                into = layer.in_features if layer.in_features > 4096 else 64
                module.classifier[i] = nn.Linear(into, layer.out_features if layer.out_features == 10 else 64)
    module = module.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for path, value in (*module.named_parameters(), *module.named_buffers()):
        if value.is_floating_point():
            fan_in = value[0].numel() if value.ndim > 1 else 400
            fresh = torch.randn(value.shape, generator=generator) * (2 / fan_in) ** 0.5
            value.data.copy_(1 + fresh.abs() if path.endswith("running_var") else fresh)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.weight.data += 1.0
            norm.num_batches_tracked.zero_()
    return module.eval()
