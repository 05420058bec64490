"""`mini`: AlexNet's shape for 64x64 images, small enough to ship with the package.

Five rectified convolutions, overlapping 3x3 max-pools of stride 2 after the first, second and fifth, an
average pool to 3x3, two rectified fully connected layers and the class scores, under AlexNet's layer names.
The first layer keeps the stride 1 that small images need: with AlexNet's stride the maps of conv3 to conv5
would be 7x7. In training every layer is batch-normalised; `fold_norms` puts that into the weights afterwards,
and what is left is convolutions and rectifiers, as the papers draw them.

| | conv1 | pool1 | conv2 | pool2 | conv3 | conv4 | conv5 | pool5 | avgpool | fc6 | fc7 |
|---|---|---|---|---|---|---|---|---|---|---|---|
| maps | 48 | 48 | 128 | 128 | 192 | 192 | 192 | 192 | 192 | 512 | 512 |
| side | 64 | 31 | 31 | 15 | 15 | 15 | 15 | 7 | 3 | | |

Source: the shape is Krizhevsky et al. 2012, sec. 3.5; the average pool torchvision's AlexNet; batch
normalisation Ioffe & Szegedy 2015.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

_POOLED = (1, 2, 5)


class Mini(nn.Module):
    """AlexNet's shape at 64x64: (N, 3, H, W) normalised images to (N, classes) scores."""

    def __init__(self, num_classes: int = 100, norm: bool = False, dropout: float = 0.1) -> None:
        """Builds it with torch's initialisation.

        Args:
            num_classes: how many scores come out.
            norm: batch-normalise every layer but the last: the form for training.
            dropout: probability before fc6 and fc7 in training.
        """
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        maps = 3
        for number, (wide, kernel) in enumerate(((48, 7), (128, 3), (192, 3), (192, 3), (192, 3)), 1):
            layers[f"conv{number}"] = nn.Conv2d(maps, wide, kernel, padding=kernel // 2, bias=not norm)
            if norm:
                layers[f"bn{number}"] = nn.BatchNorm2d(wide)
            layers[f"relu{number}"] = nn.ReLU(inplace=True)
            if number in _POOLED:
                layers[f"pool{number}"] = nn.MaxPool2d(3, stride=2)
            maps = wide
        self.features = nn.Sequential(layers)
        self.avgpool = nn.AdaptiveAvgPool2d(3)
        top: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
        inputs = maps * 3 * 3
        for number in (6, 7):
            top[f"drop{number}"] = nn.Dropout(dropout)
            top[f"fc{number}"] = nn.Linear(inputs, 512, bias=not norm)
            if norm:
                top[f"bn{number}"] = nn.BatchNorm1d(512)
            top[f"relu{number}"] = nn.ReLU(inplace=True)
            inputs = 512
        top["fc8"] = nn.Linear(inputs, num_classes)
        self.classifier = nn.Sequential(top)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images to (N, classes) unnormalised scores."""
        scores: Tensor = self.classifier(self.avgpool(self.features(images)))
        return scores


def mini(num_classes: int = 100, norm: bool = False) -> Mini:
    """The network with torch's initialisation."""
    return Mini(num_classes, norm)
