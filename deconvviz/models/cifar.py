"""`cifar`: a VGG-like chain for 32x32 images, the network one trains oneself and then opens up.

Four blocks of one or two 3x3 convolutions, each closed by a max-pool, the last of which leaves one value a
map; then the class scores. The first pool comes early: at 32x32 pixels a convolution costs sixteen times what
it costs at 8x8, where wide layers do more for the accuracy. Layers go by VGG's names. As with `mini`, batch
normalisation serves training and is folded into the weights afterwards.

| | conv1_1 | pool1 | conv2_1 | conv2_2 | pool2 | conv3_1 | conv3_2 | pool3 | conv4_1 | pool4 |
|---|---|---|---|---|---|---|---|---|---|---|
| maps | 64 | 64 | 64 | 256 | 256 | 256 | 256 | 256 | 512 | 512 |
| side | 32 | 16 | 16 | 16 | 8 | 8 | 8 | 4 | 4 | 1 |

Source: the pattern is Simonyan & Zisserman 2014, sec. 2.1; batch normalisation Ioffe & Szegedy 2015; the
start as the identity is Zagoruyko & Komodakis 2017 (DiracNets).
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

_BLOCKS = ((64,), (64, 256), (256, 256), (512,))


class Cifar(nn.Module):
    """A VGG-like chain: (N, 3, 32, 32) normalised images to (N, classes) scores."""

    def __init__(self, num_classes: int = 10, norm: bool = False, dropout: float = 0.1) -> None:
        """Builds it with torch's initialisation, but for the maps that start as their input's.

        Args:
            num_classes: how many scores come out.
            norm: batch-normalise every layer but the last: the form for training.
            dropout: probability before the class scores in training.
        """
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        maps = 3
        for block, widths in enumerate(_BLOCKS, 1):
            for place, wide in enumerate(widths, 1):
                layers[f"conv{block}_{place}"] = _convolution(maps, wide, bias=not norm)
                if norm:
                    layers[f"bn{block}_{place}"] = nn.BatchNorm2d(wide)
                layers[f"relu{block}_{place}"] = nn.ReLU(inplace=True)
                maps = wide
            layers[f"pool{block}"] = nn.MaxPool2d(4 if block == len(_BLOCKS) else 2)
        self.features = nn.Sequential(layers)
        self.classifier = nn.Sequential(
            OrderedDict[str, nn.Module](
                flatten=nn.Flatten(), drop5=nn.Dropout(dropout), fc5=nn.Linear(maps, num_classes)
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, 32, 32) normalised images to (N, classes) unnormalised scores."""
        scores: Tensor = self.classifier(self.features(images))
        return scores


def _convolution(inputs: int, maps: int, bias: bool) -> nn.Conv2d:
    """A 3x3 convolution; above the first, its first maps start as its input's, which lets the lower learn."""
    made = nn.Conv2d(inputs, maps, 3, padding=1, bias=bias)
    if inputs > 3:
        nn.init.dirac_(made.weight[: min(inputs, maps)])
    return made


def cifar(num_classes: int = 10, norm: bool = False) -> Cifar:
    """The network, untrained."""
    return Cifar(num_classes, norm)
