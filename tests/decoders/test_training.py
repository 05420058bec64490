"""Decoders that learn: alone and side by side, what is kept of them, and what stops them."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from deconvviz.decoders.decoder import load_decoder
from deconvviz.decoders.encoding import Encoder
from deconvviz.decoders.trainer import LayerTrainer
from deconvviz.errors import LayerError, TrainingError

from ..training.support import history, same, tensors
from .support import LAYERS, column, leaves, quick, tiny, train


@pytest.fixture(scope="module")
def data():
    return leaves()


@pytest.fixture(scope="module")
def long(tmp_path_factory, data):
    """Twelve epochs of two layers: the folder and the outcomes."""
    out = tmp_path_factory.mktemp("long")
    return out, train(out, data, quick(epochs=12, lr=5e-3))


def test_the_loss_falls_and_two_layers_are_trained_in_one_call(long):
    _, found = long
    assert list(found) == LAYERS
    for outcome in found.values():
        assert column(outcome, "epoch") == list(range(1, 13))
        losses = column(outcome, "train_loss")
        assert losses[-1] < (0.85 if outcome.layer == "pool2" else 0.97) * losses[0]
        assert outcome.parameters > 0
    assert found["pool2"].best["val_error"] < found["pool2"].rows[0]["val_error"]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_alone_ends_with_the_same_bits(tmp_path, data, long, layer):
    train(tmp_path, data, quick(epochs=12, lr=5e-3), [layer])
    for name in ("best", "last"):
        alone, beside = (tensors(out / layer / f"{name}.safetensors") for out in (tmp_path, long[0]))
        assert same(alone, beside)
    assert history(tmp_path / layer) == history(long[0] / layer)


def test_the_best_file_is_of_the_lowest_validation_error(long, data):
    out, found = long
    for layer, outcome in found.items():
        errors = column(outcome, "val_error")
        assert outcome.best["epoch"] == 1 + int(np.argmin(errors))
        decoder, encoder = load_decoder(out / layer), Encoder(tiny(), [layer])
        decoder.check(encoder)
        squares = []
        for row in data.val.rows:
            image = torch.from_numpy(data.val.pixels[[row]])
            made = decoder.reconstruct(encoder(encoder.see(image))[layer])
            squares.append(float((made - image.permute(0, 3, 1, 2) / 255).square().mean()))
        assert made.shape[-1] == 16  # the data's own size
        assert np.mean(squares) == pytest.approx(outcome.best["val_mse"], rel=2e-3)
        ratio = np.mean([-10 * np.log10(square) for square in squares])
        assert ratio == pytest.approx(outcome.best["val_psnr"], abs=0.02)


def test_a_decoder_that_gets_worse_leaves_the_best_behind(tmp_path, data, monkeypatch):
    validate, factors, averages = LayerTrainer.validate, [5, 1, 3, 1], []
    monkeypatch.setattr(
        LayerTrainer,
        "validate",
        lambda *words: validate(*words) * 0 + torch.tensor([8, 0.1, factors[len(averages)], 20]),
    )

    def after(layer, _row):
        last = tensors(tmp_path / layer / "last.safetensors")
        averages.append({n.removeprefix("model.average."): t for n, t in last.items() if ".average." in n})

    found = train(tmp_path, data, quick(epochs=4), ["fc3"], after_epoch=after)
    assert found["fc3"].best["epoch"] == 2
    best = tensors(tmp_path / "fc3" / "best.safetensors")
    assert [same(best, average) for average in averages] == [False, True, False, False]


def test_a_few_images_are_learned_by_heart(tmp_path):
    few = leaves(train=2, val=1)
    found = train(tmp_path, few, quick("half", epochs=100, lr=3e-3, schedule="constant", width=16), ["norm1"])
    assert found["norm1"].rows[0]["train_error"] > 0.5
    assert found["norm1"].rows[-1]["train_error"] < 0.35


def test_every_layer_gets_its_own_number_of_epochs(tmp_path, data):
    found = train(tmp_path, data, quick(epochs={"pool2": 3, "other": 1}))
    assert [len(found[layer].rows) for layer in LAYERS] == [3, 1]
    alone = train(tmp_path / "alone", data, quick(epochs=3), ["pool2"])
    assert column(alone["pool2"], "val_error") == column(found["pool2"], "val_error")
    assert len(history(tmp_path / "fc3")) == 1


def test_the_average_is_what_is_validated(tmp_path, data):
    found = {}
    for average in (0.0, 0.9, 0.999):
        out = tmp_path / str(average)
        found[average] = train(out, data, quick(average=average, schedule="constant"), ["fc3"])["fc3"]
        kept = tensors(out / "fc3" / "last.safetensors")
        alike = all(
            torch.equal(tensor, kept[name.replace(".decoder.", ".average.")])
            for name, tensor in kept.items()
            if name.startswith("model.decoder.")
        )
        assert alike is (not average)
    assert len({outcome.rows[0]["train_loss"] for outcome in found.values()}) == 1
    assert len({outcome.rows[0]["val_error"] for outcome in found.values()}) >= 2


def test_the_running_average_is_that_of_a_loop():
    torch.manual_seed(0)
    module, average = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    trainer = SimpleNamespace(module=module, average=average, _recipe=quick(average=0.9))
    wanted = None
    for step in range(200):
        with torch.no_grad():
            module.weight.normal_()
        LayerTrainer._follow(trainer, step)
        keep = min(0.9, 1 - 1 / (step / 10 + 1))
        now = module.weight.detach().clone()
        wanted = now if wanted is None else keep * wanted + (1 - keep) * now
    torch.testing.assert_close(average.weight.detach(), wanted)


def test_weighing_features_brings_them_closer(tmp_path):
    few = leaves(train=3, val=1)
    encoder = Encoder(tiny(), ["fc3"])
    found = []
    for weight in (0.0, 10.0):
        how = quick("half", epochs=40, lr=3e-3, schedule="constant", feature_weight=weight, batch_size=6)
        train(tmp_path / str(weight), few, how, ["fc3"])
        seen = encoder.see(torch.from_numpy(few.train.pixels[few.train.rows]))
        wanted = encoder(seen)["fc3"]
        with torch.no_grad():
            made = load_decoder(tmp_path / str(weight) / "fc3").module(wanted)
        ours = encoder(made)["fc3"]
        found.append(float((ours - wanted).square().sum() / wanted.square().sum()))
    assert found[1] < 0.9 * found[0]


@pytest.mark.parametrize("changes", [{"crop": "shift"}, {"crop": "resized", "flip": False}, {"loss": "l1"}])
@pytest.mark.parametrize("name", ["best", "paper"])
def test_every_kind_of_training_goes(tmp_path, data, name, changes):
    found = train(tmp_path, data, quick(name, **changes), ["pool2"])
    assert all(np.isfinite(value) for row in found["pool2"].rows for value in row.values())


def test_a_loss_that_is_no_number_stops_and_leaves_the_last_epoch(tmp_path, data, monkeypatch):
    step = LayerTrainer.step

    def turning(trainer, batch, number):
        found = step(trainer, batch, number)
        return found * torch.nan if number >= 5 and trainer.facts.layer == "fc3" else found

    how = quick(epochs=3)
    with monkeypatch.context() as patch:
        patch.setattr(LayerTrainer, "step", turning)
        with pytest.raises(TrainingError, match=r"of fc3 in epoch 2, step") as caught:
            train(tmp_path, data, how)
    assert "\n" not in str(caught.value)
    assert [len(history(tmp_path / layer)) for layer in LAYERS] == [1, 1]
    train(tmp_path, data, how, resume=True)
    whole = train(tmp_path / "whole", data, how)
    for layer in whole:
        assert same(*(tensors(out / layer / "best.safetensors") for out in (tmp_path, tmp_path / "whole")))


def test_validation_that_is_no_number_stops(tmp_path, data, monkeypatch):
    validate = LayerTrainer.validate
    monkeypatch.setattr(LayerTrainer, "validate", lambda *words: validate(*words) * torch.nan)
    with pytest.raises(TrainingError, match="of pool2 over the validation images after epoch 1"):
        train(tmp_path, data, quick())
    assert not (tmp_path / "pool2" / "best.safetensors").exists()


def test_the_network_stays_as_it_was(tmp_path, data):
    network = tiny()
    before = {name: tensor.clone() for name, tensor in network.module.state_dict().items()}
    train(tmp_path, data, quick(feature_weight=0.1, crop="shift"), network=network)
    assert same(network.module.state_dict(), before)
    assert not any(part.training or part._forward_hooks for part in network.module.modules())
    assert all(p.requires_grad and p.grad is None for p in network.module.parameters())


def test_the_users_random_states_stay(tmp_path, data):
    random.seed(1)
    np.random.seed(1)  # the global one is what is looked at
    torch.manual_seed(1)
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    train(tmp_path, data, quick(dropout=0.5))
    now = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    assert now == before


def test_seeds_decide_and_nothing_else(tmp_path, data):
    found = []
    for number, how in enumerate((quick(dropout=0.3), quick(dropout=0.3), quick(dropout=0.3, seed=1))):
        torch.manual_seed(number)
        found.append(column(train(tmp_path / str(number), data, how, ["fc3"])["fc3"], "train_loss"))
    assert found[0] == found[1] != found[2]


def test_mistakes_leave_nothing(tmp_path, data):
    with pytest.raises(TrainingError, match=r"^--batch-size 17 is larger than the 16 training images$"):
        train(tmp_path / "run", data, quick(batch_size=17))
    with pytest.raises(LayerError, match=r"^no layer 'pool3'; did you mean 'pool2'"):
        train(tmp_path / "run", data, quick(), ["pool2", "pool3"])
    assert not (tmp_path / "run").exists()


def test_an_images_error_is_that_of_the_definition(long, data):
    """Of an image that nothing is known of: the mean distance to the middle, over that of two images."""
    pixels = torch.from_numpy(data.val.pixels.copy()).float().flatten(1) / 255
    count = len(pixels)
    distances = torch.cdist(pixels, pixels).sum() / (count * (count - 1))
    for layer, outcome in long[1].items():
        row = outcome.rows[-1]
        assert row["val_error"] <= (row["val_mse"] * 16 * 16 * 3) ** 0.5 / float(distances) + 1e-6, layer
        assert row["val_error"] > 0.5 * (row["val_mse"] * 16 * 16 * 3) ** 0.5 / float(distances)


def test_a_run_records_what_it_decodes(long):
    record = json.loads((long[0] / "fc3" / "run.json").read_text())
    assert record["decoder"]["layer"] == "fc3"
    assert record["decoder"]["shape"] == [20]
    assert record["settings"]["epochs"] == 12
    assert record["data"]["training_images"] == 16
