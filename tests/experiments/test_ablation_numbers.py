"""What is measured of an ablation's pictures, by its definitions, and how it is averaged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deconvviz import Unit, record, strongest
from deconvviz.experiments.ablation import ablate
from deconvviz.experiments.ablation_means import MeanRow, means_over_images
from deconvviz.experiments.combinations import COMBINATIONS
from deconvviz.experiments.detail import detail
from deconvviz.experiments.ways_down import MEASURES

from .ablated_loops import chain, noise

CODES = [each.code for each in COMBINATIONS]


def test_measures_by_their_definitions():
    net, image = chain(), noise(1, 3, 18, 15)
    (unit,) = strongest(record(net, image, ["5"]), "5", 1)
    found = ablate(net, image, [unit]).given
    top, left, height, width = found.windows[0].tolist()
    assert height * width < 18 * 15
    box = slice(None), slice(top, top + height), slice(left, left + width)
    full = found.pixels["FTT"][0].numpy()[box].ravel()
    order = np.argsort(np.argsort(full))
    for code in ("TTT", "FFF"):
        picture = found.pixels[code][0].numpy()[box]
        for measure, whole in (("explained", image), ("detail", detail(image))):
            target = whole[0].numpy()[box]
            left_over = whole_variance = 0.0
            for channel, given in zip(target, picture, strict=True):
                columns = np.stack([given.ravel(), np.ones(given.size)], axis=1)
                fit = columns @ np.linalg.lstsq(columns, channel.ravel(), rcond=None)[0]
                left_over += ((channel.ravel() - fit) ** 2).sum()
                whole_variance += ((channel - channel.mean()) ** 2).sum()
            share = float(getattr(found, measure)[code][0])
            assert share == pytest.approx(1 - left_over / whole_variance, abs=1e-10)
        assert float(found.correlation[code][0]) == pytest.approx(np.corrcoef(picture.ravel(), full)[0, 1])
        if len(np.unique(picture)) == picture.size == len(np.unique(full)):
            ranks = np.argsort(np.argsort(picture.ravel()))
            assert float(found.rank_correlation[code][0]) == pytest.approx(np.corrcoef(ranks, order)[0, 1])


def test_an_image_of_one_colour_has_nothing_to_explain():
    image = torch.full((1, 3, 18, 15), 0.3, dtype=torch.float64) + 1e-9 * noise(1, 3, 18, 15)
    found = ablate(chain(), image, [Unit("5", 0)]).given
    for code in CODES:
        assert found.pixels[code].any()
        assert found.explained[code].isnan().all()
        assert found.detail[code].isnan().all()


def test_detail_is_what_a_blur_takes_away():
    image = noise(1, 2, 5, 8)
    found, values = detail(image, blur=1 / 8)[0], image[0].numpy()
    for channel, row, column in np.ndindex(*values.shape):
        total = weights = 0.0
        for i in range(-2, 3):  # four times 5/8 and 8/8 are 2 and 4
            for j in range(-4, 5):
                weight = np.exp(-0.5 * ((i / (5 / 8)) ** 2 + j**2))
                total += weight * values[channel, min(max(row + i, 0), 4), min(max(column + j, 0), 7)]
                weights += weight
        wanted = values[channel, row, column] - total / weights
        assert float(found[channel, row, column]) == pytest.approx(wanted, abs=1e-12)


def test_means_over_images():
    net, images = chain(), noise(3, 3, 18, 15)
    found = [ablate(net, image[None], [Unit("8", 0), Unit("8", 2)], draws=2) for image in images]
    rows = means_over_images(found)
    assert [(row.weights, row.combination.code) for row in rows] == [
        (weights, code) for weights in ("given", "random") for code in CODES
    ]
    for row in rows:
        for measure in MEASURES:
            values = []
            for one in found:
                networks = [one.given] if row.weights == "given" else one.random
                each = [v for n in networks for v in getattr(n, measure)[row.combination.code].tolist()]
                each = [v for v in each if v == v]
                values += [np.mean(each)] if each else []
            check(row, measure, values)
    assert len(means_over_images([ablate(net, images[:1], [Unit("8", 0)])])) == 8
    with pytest.raises(ValueError, match="same combinations"):
        means_over_images([])


def check(row: MeanRow, measure: str, values: list[float]) -> None:
    assert row.counts[measure] == len(values)
    wanted = np.mean(values) if values else np.nan
    assert row.means[measure] == pytest.approx(wanted, nan_ok=True)
    spread = np.std(values, ddof=1) if len(values) > 1 else np.nan
    assert row.deviations[measure] == pytest.approx(spread, nan_ok=True, abs=1e-12)
