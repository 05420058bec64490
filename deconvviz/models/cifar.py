"""`cifar`: a VGG-like chain for 32x32 images, the network one trains oneself and then opens up.

Three blocks of two 3x3 convolutions, each block closed by a 2x2 max-pool, then one rectified fully connected
layer and the class scores. Layers go by VGG's names: conv1_1 ... conv3_2, pool1 ... pool3, fc4, fc5. As with
`mini`, batch normalisation serves training and is folded into the weights afterwards.

Source: the pattern is Simonyan & Zisserman 2014, sec. 2.1; batch normalisation Ioffe & Szegedy 2015.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

_BLOCKS = ((32, 64), (128, 128), (256, 256))
_HIDDEN = 256


class Cifar(nn.Module):
    """A VGG-like chain: (N, 3, 32, 32) normalised images to (N, classes) scores."""

    def __init__(self, num_classes: int = 10, norm: bool = False, dropout: float = 0.1) -> None:
        """Builds it with torch's initialisation.

        Args:
            num_classes: how many scores come out.
            norm: batch-normalise every layer but the last: the form for training.
            dropout: probability before the two fully connected layers in training.
        """
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        maps = 3
        for block, widths in enumerate(_BLOCKS, 1):
            for place, wide in enumerate(widths, 1):
                layers[f"conv{block}_{place}"] = nn.Conv2d(maps, wide, 3, padding=1, bias=not norm)
                if norm:
                    layers[f"bn{block}_{place}"] = nn.BatchNorm2d(wide)
                layers[f"relu{block}_{place}"] = nn.ReLU(inplace=True)
                maps = wide
            layers[f"pool{block}"] = nn.MaxPool2d(2)
        self.features = nn.Sequential(layers)
        top: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten(), drop4=nn.Dropout(dropout))
        top["fc4"] = nn.Linear(maps * 4 * 4, _HIDDEN, bias=not norm)
        if norm:
            top["bn4"] = nn.BatchNorm1d(_HIDDEN)
        top["relu4"] = nn.ReLU(inplace=True)
        top["drop5"] = nn.Dropout(dropout)
        top["fc5"] = nn.Linear(_HIDDEN, num_classes)
        self.classifier = nn.Sequential(top)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, 32, 32) normalised images to (N, classes) unnormalised scores."""
        scores: Tensor = self.classifier(self.features(images))
        return scores


def cifar(num_classes: int = 10, norm: bool = False) -> Cifar:
    """The network with torch's initialisation."""
    return Cifar(num_classes, norm)
