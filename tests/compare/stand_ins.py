"""Pictures, cells and a comparer that computes nothing, for tests of runs over a data set."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import nn

from deconvviz.compare.answers import Answer, Comparison
from deconvviz.compare.chunks import SurveySettings
from deconvviz.compare.tables import NUMBERS
from deconvviz.data.datasets import LabelledImages
from deconvviz.deconvnet import Unit
from deconvviz.models import Network, WeightsOrigin
from deconvviz.models.building import preset

SETTINGS = SurveySettings(("a", "b"), ("strongest", "map", "optimised"), optimised_limit=5, batch_size=3)


def network(seed=0):
    """Two layers for images of 16 x 16."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU()).eval()
    return Network("tiny", net, preset(True, 16), WeightsOrigin("made up"), {"a": "1", "b": "3"})


def labelled(count=11, side=16, seed=0):
    """Random pictures, every second row of a larger array."""
    pixels = np.random.default_rng(seed).integers(0, 256, (2 * count, side, side, 3), dtype=np.uint8)
    names = tuple(f"image {i}" for i in range(2 * count))
    return LabelledImages(pixels, np.zeros(2 * count, np.int64), names, np.arange(0, 2 * count, 2), "key")


def number(*words):
    """A number in [0, 1) that depends on nothing but the words."""
    return int(hashlib.sha256(repr(words).encode()).hexdigest()[:8], 16) / 2**32


def comparer(calls=None, stop_at=None):
    """Stands in for `compare`: errors follow from image, layer and method; ends as Ctrl-C at a call."""

    def compare(network, images, layers, methods, *, names, pair_distance, pictures, watch, **_):
        assert not pictures
        if calls is not None:
            calls.append((tuple(names), tuple(layers), tuple(methods)))
            if len(calls) == stop_at:
                raise KeyboardInterrupt
        found = []
        for name, image in zip(names, images, strict=True):
            answers = {}
            for layer in layers:
                for method in methods:
                    words = (name, layer, method)
                    errors = {e: number(e, *words) + image.sum().item() / pair_distance for e in NUMBERS}
                    silent = method == "map" and number(*words) < 0.3
                    answers[layer, method] = (
                        Answer(layer, method, missing="no positive activation")
                        if silent
                        else Answer(
                            layer,
                            method,
                            unit=Unit(layer, 3, 1, 2) if method != "optimised" else None,
                            activation=number("activation", *words),
                            seconds=0.5,
                            errors=errors,
                        )
                    )
                    watch(layer, method, len(names), len(names))
            found.append(Comparison(name, image, tuple(layers), tuple(methods), answers))
        return found

    return compare
