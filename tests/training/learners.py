"""Networks of a user's own that are trained by the tests; copied into the folder the command runs in.

``DIE_AT`` in the environment, as "step 5" or "state 3", has `dying` kill its process in its fifth training
step, or when its state dict is asked for the third time: in the middle of what an epoch writes.
"""

import os
import signal
import time
from collections import OrderedDict

import torch
from torch import nn


class Chain(nn.Sequential):
    """Images of 16 x 16 to class scores; counts its training steps."""

    input_size = 16
    mean = (0.5, 0.4, 0.3)
    std = (0.25, 0.2, 0.3)

    def __init__(self, num_classes, dropout):
        features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
        top = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(8 * 4 * 4, num_classes))
        super().__init__(OrderedDict(features=features, top=top))
        self.steps = 0

    def forward(self, images):
        self.steps += self.training
        return super().forward(images)


def small(num_classes=10):
    """Two convolutions with batch norms, dropout, one linear layer."""
    return Chain(num_classes, 0.2)


def pooled(num_classes=10):
    """As `small`, for images of any size."""
    net = Chain(num_classes, 0.2)
    net.features.append(nn.AdaptiveAvgPool2d(4))
    return net


class Dying(Chain):
    """Kills its process where ``DIE_AT`` says."""

    states = 0

    def forward(self, images):
        scores = super().forward(images)
        if self.training:
            time.sleep(0.01)  # so that there is time to kill it from outside
            self._die("step", self.steps)
        return scores

    def state_dict(self, *words, **options):
        self.states += 1
        self._die("state", self.states)
        return super().state_dict(*words, **options)

    @staticmethod
    def _die(what, number):
        if os.environ.get("DIE_AT") == f"{what} {number}":
            os.kill(os.getpid(), signal.SIGKILL)


def dying(num_classes=10):
    """As `small`, until it dies."""
    return Dying(num_classes, 0.2)


class Turning(Chain):
    """Its scores are multiplied from its ninth training step on: always, or only when it is evaluated."""

    def __init__(self, num_classes, factor, only_evaluated):
        super().__init__(num_classes, 0.0)
        self.factor, self.only_evaluated = factor, only_evaluated

    def forward(self, images):
        scores = super().forward(images)
        good = self.steps < 9 or (self.training and self.only_evaluated)
        return scores if good else scores * self.factor


def turning(num_classes=10):
    """Its scores become NaN in training."""
    return Turning(num_classes, torch.nan, only_evaluated=False)


def turning_when_evaluated(num_classes=10):
    """Its scores become NaN in evaluation."""
    return Turning(num_classes, torch.nan, only_evaluated=True)


def forgetting(num_classes=10):
    """In evaluation it says the opposite of what it has learned."""
    return Turning(num_classes, -1, only_evaluated=True)


def wrong_scores(num_classes=10):
    """Gives a map instead of scores."""
    net = nn.Sequential(nn.Conv2d(3, num_classes, 3))
    net.input_size = 16
    return net


def two_ways(num_classes=10):
    """Its top sees the images as well as the features."""
    return TwoWays(num_classes)


class TwoWays(Chain):
    """The images' mean is added to the features."""

    def __init__(self, num_classes):
        super().__init__(num_classes, 0.0)

    def forward(self, images):
        return self.top(self.features(images) + images.mean((1, 2, 3), keepdim=True))
