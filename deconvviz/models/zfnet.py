"""ZFNet: the network of Zeiler & Fergus 2013, their figure 3.

224x224 pixels; 96 filters of 7x7 at stride 2 and 256 of 5x5 at stride 2, each rectified, max-pooled over
3x3 at stride 2 and contrast-normalised across maps; three dense 3x3 layers of 384, 384 and 256 maps; a
last pool to 6x6; 4096, 4096 and the class scores. The paper does not print its paddings: these give the
map sizes of its figure (110, 55, 26, 13, 13, 13, 6). It does not print the constants of its contrast
normalisation either: these are Krizhevsky's (five neighbouring maps, k = 2, alpha = 1e-4, beta = 0.75;
torch divides alpha by the number of maps, hence the 5e-4).

Source: Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", arXiv 1311.2901v3, fig. 3,
sec. 3 (initialisation: weights 1e-2, biases 0) and sec. 5.1 (7x7, stride 2).
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn


class ZFNet(nn.Module):
    """Zeiler & Fergus's network: (N, 3, 224, 224) normalised images to (N, classes) scores."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5, lrn: bool = True) -> None:
        """Builds it with the paper's initialisation.

        Args:
            num_classes: how many scores come out.
            dropout: probability at fc6 and fc7 in training.
            lrn: contrast-normalise after pool1 and pool2, as in the paper.
        """
        super().__init__()

        def norm(number: int) -> list[tuple[str, nn.Module]]:
            return [(f"norm{number}", nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0))] if lrn else []

        self.features = nn.Sequential(
            OrderedDict[str, nn.Module](
                [
                    ("conv1", nn.Conv2d(3, 96, 7, stride=2, padding=1)),
                    ("relu1", nn.ReLU(inplace=True)),
                    ("pool1", nn.MaxPool2d(3, stride=2, ceil_mode=True)),
                    *norm(1),
                    ("conv2", nn.Conv2d(96, 256, 5, stride=2)),
                    ("relu2", nn.ReLU(inplace=True)),
                    ("pool2", nn.MaxPool2d(3, stride=2, ceil_mode=True)),
                    *norm(2),
                    ("conv3", nn.Conv2d(256, 384, 3, padding=1)),
                    ("relu3", nn.ReLU(inplace=True)),
                    ("conv4", nn.Conv2d(384, 384, 3, padding=1)),
                    ("relu4", nn.ReLU(inplace=True)),
                    ("conv5", nn.Conv2d(384, 256, 3, padding=1)),
                    ("relu5", nn.ReLU(inplace=True)),
                    ("pool5", nn.MaxPool2d(3, stride=2)),
                ]
            )
        )
        self.classifier = nn.Sequential(
            OrderedDict[str, nn.Module](
                [
                    ("flatten", nn.Flatten()),
                    ("fc6", nn.Linear(256 * 6 * 6, 4096)),
                    ("relu6", nn.ReLU(inplace=True)),
                    ("drop6", nn.Dropout(dropout)),
                    ("fc7", nn.Linear(4096, 4096)),
                    ("relu7", nn.ReLU(inplace=True)),
                    ("drop7", nn.Dropout(dropout)),
                    ("fc8", nn.Linear(4096, num_classes)),
                ]
            )
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d | nn.Linear):
                nn.init.normal_(m.weight, std=1e-2)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, 224, 224) normalised images to (N, classes) unnormalised scores."""
        scores: Tensor = self.classifier(self.features(images))
        return scores


def zfnet(num_classes: int = 1000) -> ZFNet:
    """ZFNet with the paper's initialisation: weights of standard deviation 1e-2, biases 0."""
    return ZFNet(num_classes)
