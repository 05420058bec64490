"""What the tests of figures look at: texts, images and the data behind them."""

from __future__ import annotations

import numpy as np
import torch

SIDE = 40
UNCUT = [(5, 7, 11, 11), (-3, 30, 11, 11), (20, 0, 11, 11), (34, -5, 11, 11)]
CUT = [(5, 7, 11, 11), (0, 30, 8, 10), (20, 0, 11, 11), (34, 0, 6, 6)]
CHANNELS = [42, 7, 113, 7]


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def texts(figure):
    """Every text of a figure and of its axes."""
    own = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        own += [
            text.get_text()
            for text in (*axes.texts, axes.title, *axes.get_xticklabels(), *axes.get_yticklabels())
        ]
        own += [axes.get_xlabel(), axes.get_ylabel()]
    return [text for text in own if text]


def artists(figure):
    """Every image, in the order in which they were put there."""
    return [image for axes in figure.axes for image in axes.images]


def images(figure):
    """The data of every image."""
    return [np.asarray(image.get_array()) for image in artists(figure)]
