"""Settings: the learning rate of every step, the way through JSON, and what differs."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, replace

import pytest

from deconvviz.errors import TrainingError
from deconvviz.training.settings import OPTIMISERS, Settings, differences

OTHER = Settings(
    epochs=3,
    batch_size=7,
    optimiser="adamw",
    lr=0.02,
    momentum=0.5,
    weight_decay=1e-4,
    schedule="step",
    warmup=0.1,
    step_epochs=2,
    gamma=0.3,
    label_smoothing=0.0,
    flip=False,
    crop="shift",
    smallest_crop=0.5,
    erase=0.25,
    crop_size=24,
    precision="bf16",
    channels_last=False,
    renormalise=0.2,
    freeze="features",
    patience=3,
    snapshots=True,
    seed=9,
)


def rates(settings, steps):
    return [settings.lr_at(step, steps) for step in range(settings.epochs * steps)]


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.25, 0.5])
@pytest.mark.parametrize(("epochs", "steps"), [(1, 8), (3, 7), (20, 5)])
def test_one_cycle_goes_up_in_a_line_and_down_in_a_cosine(warmup, epochs, steps):
    found = rates(Settings(epochs=epochs, lr=0.3, warmup=warmup), steps)
    total = epochs * steps
    rise = max(1, round(warmup * total))
    for number, rate in enumerate(found, 1):
        if number <= rise:
            expected = 0.3 * number / rise
        else:
            expected = 0.15 * (1 + math.cos(math.pi * (number - rise) / (total + 1 - rise)))
        assert rate == pytest.approx(expected)
    assert max(found) == found[rise - 1] == 0.3
    assert found == sorted(found[:rise]) + sorted(found[rise:], reverse=True)
    assert 0 < found[-1] < 0.3 * 5 / (total - rise) ** 2


def test_one_step_is_a_whole_cycle():
    assert rates(Settings(epochs=1, lr=0.3), 1) == [0.3]


def test_steps_drop():
    found = rates(Settings(epochs=5, lr=1.0, schedule="step", step_epochs=2, gamma=0.1), 3)
    assert found == pytest.approx([1.0] * 6 + [0.1] * 6 + [0.01] * 3)


def test_constant_stays():
    assert rates(Settings(epochs=3, lr=0.2, schedule="constant"), 4) == [0.2] * 12


@pytest.mark.parametrize(("optimiser", "rate"), OPTIMISERS.items())
def test_each_optimiser_has_its_usual_rate(optimiser, rate):
    assert Settings(optimiser=optimiser).highest_lr == rate
    assert Settings(optimiser=optimiser, lr=0.7).highest_lr == 0.7


@pytest.mark.parametrize("settings", [Settings(), OTHER], ids=["default", "other"])
def test_the_way_through_json(settings):
    content = json.loads(json.dumps(settings.as_dict()))
    assert Settings.from_dict(content) == settings
    assert differences(settings.as_dict(), content) == ""


def test_every_setting_is_set_by_the_other():
    assert not [name for name, value in OTHER.as_dict().items() if value == Settings().as_dict()[name]]


def test_names_of_later_versions_are_left_out():
    assert Settings.from_dict({"epochs": 3, "invented_later": 1}) == Settings(epochs=3)


@pytest.mark.parametrize(
    "content", [{"epochs": "ten"}, {"lr": [0.1]}, {"flip": "yes"}, {"freeze": 3}, {"seed": None}]
)
def test_a_value_of_the_wrong_type_is_refused(content):
    with pytest.raises(TrainingError, match="cannot be read"):
        Settings.from_dict(content)


def test_whole_numbers_will_do_for_rates():
    assert Settings.from_dict({"lr": 1, "weight_decay": 0}) == Settings(lr=1.0, weight_decay=0.0)


def test_settings_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Settings().epochs = 3


def test_what_differs():
    before, now = Settings(epochs=10, lr=0.1), Settings(epochs=20, lr=0.2)
    assert differences(before.as_dict(), now.as_dict()) == "epochs 10 -> 20, lr 0.1 -> 0.2"
    assert differences(before.as_dict(), {"lr": 0.1}) == ""
    assert differences(before.as_dict(), {"batch_size": 64}) == "batch-size 128 -> 64"
    assert differences(replace(before, crop_size=32).as_dict(), {"crop_size": None}) == "crop-size 32 -> None"
