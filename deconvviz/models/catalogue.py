"""The networks that go by a name: what each is, and how it is built.

One table. A user's own network needs no entry: it is named ``package.module:function``.
"""

from __future__ import annotations

from dataclasses import dataclass


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
        input_size: the side of its square input.
        norm: trained with batch norms, folded into the weights afterwards; its builder takes ``norm``.
    """

    builder: str
    file: str
    weights: str
    blocks: bool | None
    about: str
    input_size: int = 224
    norm: bool = False


def _vgg(depth: int, bn: bool) -> Entry:
    name = f"vgg{depth}" + "_bn" * bn
    about = f"Simonyan & Zisserman 2014, {depth} layers" + ", batch-normalised" * bn
    return Entry(name, "models.vgg", f"VGG{depth}{'_BN' * bn}_Weights", True, about)


CATALOGUE: dict[str, Entry] = {
    "alexnet": Entry(
        "alexnet", "models.alexnet", "AlexNet_Weights", False, "Krizhevsky 2014, one tower, torchvision's"
    ),
    **{f"vgg{depth}{'_bn' * bn}": _vgg(depth, bool(bn)) for depth in (11, 13, 16, 19) for bn in (0, 1)},
    "zfnet": Entry("zfnet", "", "", False, "Zeiler & Fergus 2013, fig. 3, with contrast normalisation"),
    "mobilenet_v2": Entry(
        "mobilenet_v2",
        "models.mobilenetv2",
        "MobileNet_V2_Weights",
        None,
        "Sandler et al. 2018, for training",
    ),
    "mini": Entry("mini", "", "", False, "AlexNet's shape for 64x64, ships with the package", 64, norm=True),
    "cifar": Entry("cifar", "", "", True, "VGG-like, for 32x32: train it yourself", 32, norm=True),
}
