"""Segmentation of photographs, against outlines drawn by hand, by the network that ships with the package."""

from __future__ import annotations

import pytest

from deconvviz import load_model, open_photo
from deconvviz.gradients.saliency import saliency
from deconvviz.gradients.segmentation import closer, segment

from .masks import drawn_mask, overlap

PLAIN = ("cat.jpg", "n03481172_hammer.JPEG", "n04044716_radio_telescope.JPEG")
"""Before a white wall, on asphalt, and before the sky: 'all is object' would score 0.49, 0.20 and 0.27."""


@pytest.fixture(scope="module")
def network():
    return load_model("mini")


@pytest.mark.data
@pytest.mark.parametrize("iterations", [0, 1], ids=["published", "default"])
@pytest.mark.parametrize("name", PLAIN)
def test_objects_before_a_plain_background(reference_data, network, name, iterations):
    path = reference_data / "photos" / name
    if not path.is_file():
        pytest.skip(f"no photograph {path}")
    image = open_photo(path).image
    found = saliency(network, network.see(image))
    cut = segment(closer(network, image), found.maps[0], iterations=iterations)
    assert overlap(cut.mask, drawn_mask(name, len(cut.mask))) >= 0.5
