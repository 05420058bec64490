"""Features that are computed once: the encoder's own to float16, kept under all that they depend on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from deconvviz.data.datasets import LabelledImages
from deconvviz.decoders.encoding import Encoder, shown_as
from deconvviz.decoders.features import kept_bytes, kept_features
from deconvviz.errors import TrainingError

from .support import pixels, tiny

LAYERS = ["conv1", "pool2", "fc3"]


class Counted(Encoder):
    """Counts the images it encodes."""

    images = 0

    def __call__(self, images):
        self.images += len(images)
        return super().__call__(images)


def labelled(values, key="key 1"):
    count = len(values)
    return LabelledImages(
        values.numpy(), np.zeros(count, np.int64), tuple(map(str, range(count))), np.arange(count), key
    )


IMAGES = labelled(pixels(7))


def kept(encoder, images=IMAGES, mirrored=True, label="training images"):
    return kept_features(encoder, images, label=label, mirrored=mirrored, progress=False)


def counted(network=None, layers=LAYERS):
    encoder = Counted(network or tiny(), layers)
    encoder.images = 0
    return encoder


def test_they_are_the_encoders_own_as_they_are_and_mirrored(cache):
    encoder = counted()
    found = kept(encoder)
    assert encoder.images == 14
    assert list(found) == LAYERS
    for view, images in enumerate((pixels(7), pixels(7).flip(2))):
        for layer, values in encoder(encoder.see(images)).items():
            assert len(found[layer]) == 2
            assert found[layer][view].dtype == np.float16
            np.testing.assert_allclose(found[layer][view], values.numpy(), rtol=1e-3, atol=1e-6)
    assert not np.allclose(*found["conv1"])


def test_one_view_where_nothing_is_mirrored(cache):
    encoder = counted()
    found = kept(encoder, mirrored=False)
    assert encoder.images == 7
    for layer, values in encoder(encoder.see(pixels(7))).items():
        (array,) = found[layer]
        assert array.shape == (7, *encoder.shapes[layer])
        np.testing.assert_allclose(array, values.numpy(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("before", "now", "images"), [(False, True, 7), (True, False, 0)])
def test_those_of_the_images_as_they_are_serve_with_and_without_mirrored_ones(cache, before, now, images):
    kept(counted(), mirrored=before)
    encoder = counted()
    found = kept(encoder, mirrored=now)
    assert encoder.images == images
    np.testing.assert_array_equal(found["fc3"][0], kept(counted(), mirrored=before)["fc3"][0])


def test_the_second_time_nothing_is_computed(cache):
    first, again = counted(), counted()
    one, two = kept(first), kept(again)
    assert (first.images, again.images) == (14, 0)
    for layer in LAYERS:
        np.testing.assert_array_equal(one[layer], two[layer])


def test_only_what_is_missing_is_computed(cache):
    first = kept(counted(layers=["pool2"]))
    places = {path: path.stat().st_mtime_ns for path in cache.glob("features*/*")}
    found = kept(counted())
    np.testing.assert_array_equal(found["pool2"], first["pool2"])
    now = {path: path.stat().st_mtime_ns for path in cache.glob("features*/*")}
    assert len(list(cache.glob("features*"))) == 6
    assert places.items() <= now.items()


def other_pixels():
    return labelled(pixels(7, seed=1), "another 1"), tiny(), "training images"


def changed_pixels():
    return labelled(pixels(7, seed=1), "key 2"), tiny(), "training images"


def other_weights():
    return IMAGES, tiny(seed=1), "training images"


def other_mean():
    network = tiny()
    return IMAGES, shown_as(network, 32, (0.1, 0.2, 0.3), network.std), "training images"


def pixels_without_a_key():
    return labelled(pixels(7, seed=1), ""), tiny(), "training images"


@pytest.mark.parametrize(
    "other", [other_pixels, changed_pixels, other_weights, other_mean, pixels_without_a_key]
)
def test_whatever_they_depend_on_makes_them_anew(cache, other):
    kept(counted())
    kept(counted(), labelled(pixels(7), ""))
    images, network, label = other()
    encoder = counted(network)
    found = kept(encoder, images, label=label)
    assert encoder.images == 14
    values = encoder(encoder.see(torch.from_numpy(images.pixels)))
    np.testing.assert_allclose(found["fc3"][0], values["fc3"].numpy(), rtol=1e-3, atol=1e-5)


def test_weights_behind_a_layer_do_not_touch_it(cache):
    kept(counted(layers=["pool2"]))
    network = tiny()
    with torch.no_grad():
        network.module[8].weight += 1
    encoder = counted(network, ["pool2"])
    kept(encoder)
    assert encoder.images == 0


def test_too_large_for_float16(cache):
    network = tiny()
    with torch.no_grad():
        network.module[8].weight *= 1e6
    with pytest.raises(TrainingError, match=r"^features of fc3 are too large for float16; .*--no-keep$"):
        kept(counted(network))
    np.testing.assert_array_equal(
        kept(counted(network, ["pool2"]))["pool2"], kept(counted(layers=["pool2"]))["pool2"]
    )


@pytest.mark.parametrize("mirrored", [False, True])
def test_how_much_room_they_take(cache, mirrored):
    encoder = counted()
    found = kept(encoder, mirrored=mirrored)
    assert kept_bytes(encoder, 7, mirrored) == sum(
        array.nbytes for views in found.values() for array in views
    )


def test_rows_without_an_image_do_not_shift_the_others(cache):
    whole = kept(counted())
    gaps = replace(IMAGES, rows=np.array([0, 2, 5]))
    np.testing.assert_array_equal(kept(counted(), gaps)["fc3"], whole["fc3"])
