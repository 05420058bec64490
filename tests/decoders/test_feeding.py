"""What decoders are fed with: kept features or computed ones, images that are mirrored or moved."""

from __future__ import annotations

import pytest
import torch

from deconvviz.decoders.encoding import Encoder
from deconvviz.decoders.trainer import LayerTrainer

from .support import LAYERS, column, leaves, quick, tiny, train


@pytest.fixture(scope="module")
def data():
    return leaves()


@pytest.mark.parametrize("flip", [False, True])
def test_kept_features_train_as_those_computed_in_the_loop(tmp_path, data, flip):
    how = quick(epochs=3, flip=flip)
    kept = train(tmp_path / "kept", data, how)
    looped = train(tmp_path / "looped", data, how, keep=False)
    for layer in LAYERS:
        assert column(kept[layer], "train_loss") != column(looped[layer], "train_loss")  # float16
        for name in ("train_loss", "train_error", "val_error", "val_psnr"):
            wanted = column(looped[layer], name)
            assert column(kept[layer], name) == pytest.approx(wanted, rel=2e-3), name


def test_moved_images_have_the_features_of_moved_images(tmp_path, data, monkeypatch):
    encoder, seen = Encoder(tiny(), ["pool2"]), []
    step = LayerTrainer.step

    def watched(trainer, batch, number):
        images = torch.nn.functional.interpolate(batch.images, size=(32, 32), mode="bilinear", antialias=True)
        torch.testing.assert_close(batch.features["pool2"], encoder(images)["pool2"], rtol=1e-4, atol=1e-4)
        seen.append(batch.images)
        return step(trainer, batch, number)

    monkeypatch.setattr(LayerTrainer, "step", watched)
    train(tmp_path, data, quick(crop="resized"), ["pool2"])
    assert len(seen) == 8
    assert not any(torch.equal(one, other) for i, one in enumerate(seen) for other in seen[:i])


def test_batches_go_through_the_whole_set_and_views_are_drawn(tmp_path, data, monkeypatch):
    seen = []
    step = LayerTrainer.step
    monkeypatch.setattr(
        LayerTrainer,
        "step",
        lambda trainer, batch, number: seen.append(batch.images) or step(trainer, batch, number),
    )
    train(tmp_path, data, quick(epochs=1), ["fc3"])
    train(tmp_path, data, quick(epochs=1, flip=False), ["fc3"])
    pixels = torch.from_numpy(data.train.pixels.copy()).permute(0, 3, 1, 2).float() / 255
    network = tiny()
    mean, std = (torch.tensor(v)[:, None, None] for v in (network.mean, network.std))

    def places(images):
        shown = torch.cat(images) * std + mean
        distance = torch.cdist(shown.flatten(1), torch.cat([pixels, pixels.flip(3)]).flatten(1))
        assert float(distance.min(1).values.max()) < 0.1
        return distance.argmin(1).tolist()

    flipped, plain = places(seen[:4]), places(seen[4:])
    assert sorted(place % 16 for place in flipped) == sorted(plain) == list(range(16))
    assert 2 < sum(place >= 16 for place in flipped) < 14
    assert plain != sorted(plain)
