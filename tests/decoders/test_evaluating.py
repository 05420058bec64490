"""Decoders whose reconstructions are known by construction, and the errors that they must get."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from deconvviz.data.datasets import LabelledImages
from deconvviz.decoders import evaluating
from deconvviz.decoders.decoder import Decoder, DecoderFacts
from deconvviz.decoders.encoding import Encoder
from deconvviz.decoders.evaluating import evaluate_decoders
from deconvviz.decoders.recipes import recipe
from deconvviz.decoders.surviving import survival
from deconvviz.errors import DataError, LayerError
from deconvviz.metrics import (
    feature_error_db,
    feature_error_mv15,
    feature_error_mv16,
    image_error_db,
    mean_pair_distance,
    mean_squared_error,
    mean_squared_pair_distance,
    psnr,
    ssim,
)
from deconvviz.models import load_model

SIDE = 24
MEAN, STD = torch.tensor([0.4, 0.5, 0.6])[:, None, None], torch.tensor([0.2, 0.3, 0.25])[:, None, None]


class Squares:
    """An encoder of two layers: the normalised image's values squared, and its rows' means."""

    def __init__(self):
        self.network = SimpleNamespace(
            pixels=lambda images: (images * STD + MEAN).clamp(0, 1),
            mean=tuple(MEAN.flatten().tolist()),
            std=tuple(STD.flatten().tolist()),
        )
        self.device = torch.device("cpu")
        self.seen = []

    def see(self, pixels):
        assert pixels.dtype == torch.uint8
        images = pixels.permute(0, 3, 1, 2).float() / 255
        return (F.interpolate(images, size=(SIDE, SIDE), mode="bilinear", antialias=True) - MEAN) / STD

    def __call__(self, images, layers=None):
        self.seen.append(len(images))
        return {"squares": images**2, "rows": images.mean(3).flatten(1)}


@dataclass
class Faded:
    """Knows the originals by heart, and gives them back faded, at half the side."""

    layer: str
    share: float = 0.5
    side: int = SIDE // 2

    def __post_init__(self):
        self.position = 0

    def reconstruct(self, features):
        rows = slice(self.position, self.position + len(features))
        self.position += len(features)
        return self.picture(PICTURES[rows])

    def picture(self, pixels):
        images = Squares().network.pixels(Squares().see(pixels))
        faded = self.share * images + (1 - self.share) * 0.5
        return F.interpolate(faded, size=(self.side, self.side), mode="bilinear", antialias=True)


@pytest.fixture(scope="module")
def images():
    """Thirteen pictures, of which two rows are empty."""
    pixels = np.zeros((13, 16, 16, 3), np.uint8)
    rows = np.array([0, 1, 2, 4, 5, 6, 7, 8, 9, 11, 12])
    pixels[rows] = PICTURES.numpy()
    return LabelledImages(pixels, np.zeros(13, np.int64), tuple(map(str, range(13))), rows)


PICTURES = torch.from_numpy(
    np.random.default_rng(0).integers(0, 256, (11, 16, 16, 3), dtype=np.uint8) // np.uint8(2)
    + np.arange(11, dtype=np.uint8)[:, None, None, None] * np.uint8(8)
)


def evaluated(images, decoders, encoder=None, **words):
    words = {"progress": False, "batch_size": 4, **words}
    return evaluate_decoders(encoder or Squares(), decoders, images, **words)


def test_errors_are_those_of_the_whole_set_at_the_encoders_size(images):
    encoder = Squares()
    decoders = [Faded("squares"), Faded("rows", 0.2, SIDE), Faded("rows", 1.0, 2 * SIDE)]
    found = evaluated(images, decoders)
    assert [each.layer for each in found] == ["squares", "rows", "rows"]
    originals = encoder.network.pixels(encoder.see(PICTURES))
    features = encoder(encoder.see(PICTURES))
    for decoder, errors in zip(decoders, found, strict=True):
        ours = F.interpolate(
            decoder.picture(PICTURES), size=(SIDE, SIDE), mode="bilinear", antialias=decoder.side > SIDE
        )
        own = features[decoder.layer]
        again = encoder((ours - MEAN) / STD)[decoder.layer]
        wanted = {
            "image_error": image_error_db(originals, ours, mean_pair_distance(originals)),
            "mse": mean_squared_error(originals, ours),
            "psnr": psnr(originals, ours),
            "ssim": ssim(originals, ours),
            "feature_error": feature_error_db(own, again, mean_pair_distance(own)),
            "feature_error_mv15": feature_error_mv15(own, again, mean_squared_pair_distance(own)),
            "feature_error_mv16": feature_error_mv16(own, again),
        }
        assert list(errors.errors) == list(wanted)
        for name, values in wanted.items():
            assert errors.errors[name].dtype == np.float64
            np.testing.assert_allclose(errors.errors[name], values.numpy(), rtol=1e-3, err_msg=name)
        assert errors.survival is None
        means = errors.means()
        assert means["psnr"] == pytest.approx(float(errors.errors["psnr"].mean()))
        assert list(means) == list(wanted)
    assert found[1].means()["image_error"] > found[0].means()["image_error"]


def test_a_perfect_decoder_has_no_error(images):
    found = evaluated(images, [Faded("squares", 1.0, SIDE)])[0].means()
    assert found["image_error"] == pytest.approx(0, abs=1e-6)
    assert found["feature_error"] == pytest.approx(0, abs=1e-5)
    assert found["ssim"] == pytest.approx(1, abs=1e-5)


def test_originals_are_encoded_once_for_all_decoders(images):
    encoder = Squares()
    evaluated(images, [Faded("squares"), Faded("rows")], encoder)
    assert encoder.seen == [4, 4, 4, 4, 4, 4, 3, 3, 3]  # the originals, then a reconstruction a decoder


def test_what_survives_is_that_of_the_whole_set(images):
    decoder = Faded("squares", 0.3, SIDE)
    (found,) = evaluated(images, [decoder], survives=True)
    originals = Squares().network.pixels(Squares().see(PICTURES))
    wanted = survival(originals, decoder.picture(PICTURES))
    assert found.survival is not None
    assert found.survival.images == 11
    assert found.survival.order == wanted.order
    assert found.survival.colour.mean == pytest.approx(wanted.colour.mean, rel=1e-3)
    assert found.survival.band_errors[:3] == pytest.approx(wanted.band_errors[:3], rel=1e-4)


def test_large_sets_are_thinned_where_everything_is_kept(images, monkeypatch):
    monkeypatch.setattr(evaluating, "_MOST_PAIRED_BYTES", 4 * 3 * SIDE**2 * 3)
    monkeypatch.setattr(evaluating, "_MOST_SURVIVING", 5)
    (found,) = evaluated(images, [Faded("rows")], survives=True)
    originals = Squares().network.pixels(Squares().see(PICTURES))
    features = Squares()(Squares().see(PICTURES))["rows"]
    assert len(found.errors["mse"]) == 11
    scale = np.sqrt(found.errors["mse"] * 3 * SIDE**2) / found.errors["image_error"]
    np.testing.assert_allclose(scale, mean_pair_distance(originals[[0, 5, 10]]), rtol=1e-5)
    lengths = features.double().norm(dim=1).numpy()
    scale = found.errors["feature_error_mv16"] * lengths / found.errors["feature_error"]
    np.testing.assert_allclose(scale, mean_pair_distance(features), rtol=1e-5)  # short vectors all fit
    assert found.survival is not None
    assert found.survival.images == 5


def test_lpips_is_asked_at_the_encoders_size(images):
    def shape(originals, ours):
        assert originals.shape == ours.shape
        assert originals.shape[1:] == (3, SIDE, SIDE)
        return torch.full((len(ours),), 0.25, dtype=torch.float64)

    found = evaluated(images, [Faded("squares")], lpips=shape)[0]
    assert found.errors["lpips"].tolist() == [0.25] * 11


def test_a_silent_layer_gives_no_warning(images):
    class Silent(Squares):
        def __call__(self, images, layers=None):
            return {"squares": torch.zeros(len(images), 4)}

    found = evaluated(images, [Faded("squares")], Silent())[0]
    assert np.isnan(found.errors["feature_error"]).all()
    assert np.isfinite(found.errors["image_error"]).all()


def test_accidents_are_told_in_a_line(images):
    with pytest.raises(LayerError, match="no layer 'square'; did you mean 'squares'"):
        evaluated(images, [Faded("square")])
    alone = LabelledImages(images.pixels, images.labels, images.names, images.rows[:1])
    with pytest.raises(DataError, match="at least two images, not 1"):
        evaluated(alone, [Faded("squares")])


def test_progress_is_a_bar_on_stderr(images, capsys):
    evaluated(images, [Faded("squares")], progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "11/11" in err
    evaluated(images, [Faded("squares")])
    assert capsys.readouterr() == ("", "")


def test_a_real_encoder_and_decoder_are_understood(images):
    network = load_model("mini", "random", input_size=32)
    encoder = Encoder(network, ["conv1", "pool2"])
    settings = recipe("half", width=8, up_widths=(8, 8))
    facts = DecoderFacts(
        model="mini",
        weights="random",
        layer="pool2",
        shape=encoder.shapes["pool2"],
        encoder=encoder.digest("pool2"),
        input_size=network.input_size,
        mean=network.mean,
        std=network.std,
        target=0,
        recipe=asdict(settings),
    )
    (found,) = evaluated(images, [Decoder(facts, facts.network().eval())], encoder, survives=True)
    assert all(np.isfinite(values).all() for values in found.errors.values())
    assert 0 < found.means()["ssim"] < 1
    assert found.survival is not None
    assert found.survival.images == 11
    assert not any(p.requires_grad is False for p in network.module.parameters())
