"""The networks that go by a name: what each is, and how it is built.

One table. A user's own network needs no entry: it is named ``package.module:function``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One named network.

    Attributes:
        builder: the function that builds it, without arguments.
        file: torchvision's module that holds the builder; empty for networks of this project.
        weights: torchvision's weights enum; empty where no trained weights are published.
        blocks: layers are named by block and place in it (``conv3_2``) rather than counted (``conv4``); None
            where the papers have no names for them.
        about: one line for ``deconvviz models``.
        parts: what the names of its parameters begin with, numbers as ``#``: a weights file with another name
            in it is another network's.
        input_size: the side of its square input.
        norm: trained with batch norms, folded into the weights afterwards; its builder takes ``norm``.
        options: what its builder is told always.
        training_only: what the names of parameters begin with that weights files hold for heads which only
            training needs; the network is built without them.
    """

    builder: str
    file: str
    weights: str
    blocks: bool | None
    about: str
    parts: tuple[str, ...]
    input_size: int = 224
    norm: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    training_only: tuple[str, ...] = ()


_CHAIN = ("features.#.", "classifier.#.")
_NAMED_CHAIN = ("features.conv#", "classifier.fc#")
_RESNET = ("conv#.weight", "bn#.", "layer#.#.", "fc.")
_DENSENET = (
    "features.conv#.",
    "features.norm#.",
    "features.denseblock#.",
    "features.transition#.",
    "classifier.",
)
_STEM = tuple(f"features.#.#.{end}" for end in ("weight", "bias", "running_", "num_batches_tracked"))
_MOBILENET_V2 = (*_STEM, "features.#.conv.", "classifier.#.")
_MOBILENET_V3 = (*_STEM, "features.#.block.", "classifier.#.")
_EFFICIENTNET = (*_STEM, "features.#.#.block.#.#.", "features.#.#.block.#.fc#.", "classifier.#.")
_CONVNEXT = (
    "features.#.#.weight",
    "features.#.#.bias",
    "features.#.#.layer_scale",
    "features.#.#.block.#.",
    "classifier.#.",
)

# The published weights were trained on images in [-1, 1]: `transform_input` takes the usual ones there. Of
# these networks' own initialisation torchvision itself warns that it is slow.
_INCEPTION: dict[str, Any] = {"transform_input": True, "aux_logits": False, "init_weights": False}


def _vgg(depth: int, bn: bool) -> Entry:
    name = f"vgg{depth}" + "_bn" * bn
    about = f"Simonyan & Zisserman 2014, {depth} layers" + ", batch-normalised" * bn
    return Entry(name, "models.vgg", f"VGG{depth}{'_BN' * bn}_Weights", True, about, _CHAIN)


def _branching(weights: str, file: str, about: str, parts: tuple[str, ...], **more: Any) -> Entry:
    """A network of torchvision's, with branches; its builder goes by its weights' name in lower case."""
    return Entry(weights.lower(), f"models.{file}", f"{weights}_Weights", None, about, parts, **more)


CATALOGUE: dict[str, Entry] = {
    "alexnet": Entry(
        "alexnet",
        "models.alexnet",
        "AlexNet_Weights",
        False,
        "Krizhevsky 2014, one tower, torchvision's",
        _CHAIN,
    ),
    **{f"vgg{depth}{'_bn' * bn}": _vgg(depth, bool(bn)) for depth in (11, 13, 16, 19) for bn in (0, 1)},
    "zfnet": Entry(
        "zfnet", "", "", False, "Zeiler & Fergus 2013, fig. 3, with contrast normalisation", _NAMED_CHAIN
    ),
    "mini": Entry(
        "mini",
        "",
        "",
        False,
        "AlexNet's shape for 64x64, ships with the package",
        _NAMED_CHAIN,
        64,
        norm=True,
    ),
    "cifar": Entry(
        "cifar", "", "", True, "VGG-like, for 32x32: train it yourself", _NAMED_CHAIN, 32, norm=True
    ),
    **{
        f"resnet{depth}": _branching(
            f"ResNet{depth}", "resnet", f"He et al. 2015, {depth} layers, residual", _RESNET
        )
        for depth in (18, 34, 50, 101, 152)
    },
    "resnext50_32x4d": _branching(
        "ResNeXt50_32X4D", "resnet", "Xie et al. 2016, resnet50 with 32 groups of 4 maps", _RESNET
    ),
    "wide_resnet50_2": _branching(
        "Wide_ResNet50_2", "resnet", "Zagoruyko & Komodakis 2016, resnet50 twice as wide", _RESNET
    ),
    "googlenet": _branching(
        "GoogLeNet",
        "googlenet",
        "Szegedy et al. 2014, Inception, batch-normalised",
        ("conv#.", "inception#", "fc."),
        options=_INCEPTION,
        training_only=("aux1.", "aux2."),
    ),
    "inception_v3": _branching(
        "Inception_V3",
        "inception",
        "Szegedy et al. 2015, for 299x299",
        ("Conv#d_", "Mixed_#", "fc."),
        input_size=299,
        options=_INCEPTION,
        training_only=("AuxLogits.",),
    ),
    **{
        f"squeezenet1_{version}": _branching(
            f"SqueezeNet1_{version}", "squeezenet", f"Iandola et al. 2016, version 1.{version}", _CHAIN
        )
        for version in (0, 1)
    },
    **{
        f"densenet{depth}": _branching(
            f"DenseNet{depth}", "densenet", f"Huang et al. 2016, {depth} layers, densely connected", _DENSENET
        )
        for depth in (121, 161, 169, 201)
    },
    "mobilenet_v2": _branching(
        "MobileNet_V2", "mobilenetv2", "Sandler et al. 2018, inverted residuals", _MOBILENET_V2
    ),
    **{
        f"mobilenet_v3_{size.lower()}": _branching(
            f"MobileNet_V3_{size}",
            "mobilenetv3",
            f"Howard et al. 2019, the {size.lower()} one",
            _MOBILENET_V3,
        )
        for size in ("Large", "Small")
    },
    "mnasnet1_0": _branching(
        "MNASNet1_0", "mnasnet", "Tan et al. 2018, found by search", ("layers.#.", "classifier.#.")
    ),
    "shufflenet_v2_x1_0": _branching(
        "ShuffleNet_V2_X1_0",
        "shufflenetv2",
        "Ma et al. 2018, shuffled channels",
        ("conv#.#.", "stage#.#.", "fc."),
    ),
    "efficientnet_b0": _branching(
        "EfficientNet_B0", "efficientnet", "Tan & Le 2019, the smallest", _EFFICIENTNET
    ),
    "convnext_tiny": _branching("ConvNeXt_Tiny", "convnext", "Liu et al. 2022, the smallest", _CONVNEXT),
    "regnet_y_400mf": _branching(
        "RegNet_Y_400MF",
        "regnet",
        "Radosavovic et al. 2020, the smallest",
        ("stem.#.", "trunk_output.", "fc."),
    ),
}
