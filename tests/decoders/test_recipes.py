"""Recipes: the named ones hold what they promise, any field can be changed, and mistakes are one line."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from deconvviz.decoders.recipe_fields import CHOICES
from deconvviz.decoders.recipes import DEFAULT_RECIPE, Recipe, from_fields, recipe, recipes
from deconvviz.errors import TrainingError
from deconvviz.training.schedules import rate_at

from ..cli.support import invoke

FOUR = ("conv2", "conv5", "fc6", "fc8")


def said(*words, **options) -> str:
    with pytest.raises(TrainingError) as caught:
        recipe(*words, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def printed(name) -> str:
    done = invoke("recipes", name)
    assert (done.code, done.err) == (0, "")
    return done.out


def test_five_are_named_and_each_says_what_it_is():
    assert list(recipes()) == ["best", "paper", "half", "compact", "steps"]
    assert DEFAULT_RECIPE == "best"
    assert recipe() == recipes()["best"]
    for name, found in recipes().items():
        assert found.name == name
        assert found.about
        assert found.layers
        assert recipe(name) == found


def test_paper():
    found = recipe("paper")
    assert (found.family, found.width, found.convolutions) == ("plain", 256, 3)
    assert found.up_widths == (256, 128, 64, 32)
    assert (found.fully_connected, found.fc_width) == (3, 4096)
    assert found.slope in (0.2, 0.3)
    assert (found.optimiser, found.loss, found.classes) == ("adam", "mse", None)
    assert found.layers == FOUR


def test_half():
    found, paper = recipe("half"), recipe("paper")
    assert 2 * found.width == paper.width
    assert [2 * wide for wide in found.up_widths] == list(paper.up_widths)
    assert found.layers == FOUR
    assert (found.family, found.loss) == ("plain", "mse")
    assert (found.classes, found.val_per_class) == (20, 50)


def test_compact():
    found = recipe("compact")
    assert found.layers == ("conv2", "conv5", "fc8")
    assert [found.up_convolutions_of(layer) for layer in found.layers] == [4, 6, 5]
    assert found.up_convolutions_of("fc6") is None
    assert [found.epochs_of(layer) for layer in found.layers] == [10, 15, 20]
    assert (found.family, found.optimiser, found.loss, found.batch_size) == ("plain", "adam", "mse", 128)


def test_steps():
    found = recipe("steps")
    assert (found.input_size, found.output) == (227, 227)
    assert found.mean == found.std == (0.5, 0.5, 0.5)
    assert (found.batch_size, found.betas, found.weight_decay) == (64, (0.9, 0.99), 1e-4)
    assert (found.val_share, found.val_per_class) == (0.1, None)
    assert found.epochs_of("conv5") == 30

    def rate(epoch):
        return rate_at(
            found.schedule,
            found.lr,
            7 * epoch,
            steps_per_epoch=7,
            epochs=30,
            warmup=found.warmup,
            step_epochs=found.step_epochs,
            gamma=found.gamma,
        )

    rates = [rate(epoch) for epoch in range(30)]
    assert rates == pytest.approx([1e-3 * 0.5 ** (epoch // 4) for epoch in range(30)])


def test_any_field_can_be_overridden():
    found = recipe("half", epochs=3, up_widths=[8, 4], lr=1, mean=(0.1, 0.2, 0.3))
    assert (found.epochs, found.up_widths, found.lr, found.name) == (3, (8, 4), 1, "half")
    assert replace(found, epochs=20, up_widths=recipe("half").up_widths, lr=1e-3, mean=None) == recipe("half")
    assert recipe("half").epochs == 20


def test_a_table_by_layer():
    found = recipe("half", epochs={"conv2": 2, "other": 1})
    assert [found.epochs_of(layer) for layer in FOUR] == [2, 1, 1, 1]
    assert recipe("half", epochs={"conv2": 2}).epochs_of("conv5") == 20


def test_a_file_of_ones_own(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('about = "a"\nwidth = 12\nup_widths = [4, 2]\nepochs = { "features.3" = 2, other = 1 }\n')
    found = recipe(str(file), slope=0)
    assert found == replace(
        Recipe(),
        name="mine",
        about="a",
        width=12,
        up_widths=(4, 2),
        epochs={"features.3": 2, "other": 1},
        slope=0,
    )
    assert found.epochs_of("features.3") == 2


@pytest.mark.parametrize("name", ["best", "paper", "half", "compact", "steps"])
def test_what_is_printed_of_one_is_a_file_that_gives_it_again(tmp_path, name):
    file = tmp_path / f"{name}.toml"
    file.write_text(printed(name))
    assert recipe(str(file)) == recipe(name)
    other = tmp_path / "mine.toml"
    other.write_text(file.read_text())
    assert recipe(str(other)) == replace(recipe(name), name="mine")


def test_a_file_with_dotted_layers_is_printed_as_it_can_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text('about = "\\"ö\\" 🦉"\nepochs = { "features.3" = 2, other = 1 }\n')
    (tmp_path / "again.toml").write_text(printed("mine.toml"), encoding="utf-8")
    assert replace(recipe("again.toml"), name="mine") == recipe("mine.toml")


def test_as_dict_survives_json():
    for found in (*recipes().values(), recipe("half", epochs={"fc8": 1})):
        assert from_fields(json.loads(json.dumps(found.as_dict())), "x") == found
        assert {*found.as_dict()} == {field.name for field in fields(Recipe)}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"name": "bets"}, "no recipe 'bets'; did you mean 'best'?"),
        ({"name": "none.toml"}, "cannot read the recipe none.toml: No such file"),
        ({"epoch": 3}, "recipe best: no field 'epoch'; did you mean 'epochs'?"),
        ({"width": "wide"}, "recipe best: width is 'wide', not int"),
        ({"width": 3.5}, "recipe best: width is 3.5, not int"),
        ({"width": True}, "recipe best: width is True, not int"),
        ({"lr": True}, "recipe best: lr is True, not float"),
        ({"flip": 1}, "recipe best: flip is 1, not bool"),
        ({"lr": "1e-3"}, "recipe best: lr is '1e-3', not float"),
        ({"layers": "conv5"}, "recipe best: layers is 'conv5', not tuple[str, ...]"),
        ({"up_widths": [8, "x"]}, "recipe best: up_widths is [8, 'x'], not tuple[int, ...]"),
        ({"epochs": {"conv2": 1.5}}, "recipe best: epochs is {'conv2': 1.5}, not int or table of ints by"),
        ({"family": "plane"}, "recipe best: family is 'plane', not plain or residual"),
        ({"loss": "l2"}, "recipe best: loss is 'l2', not mse or l1"),
        ({"loss": 2}, "recipe best: loss is 2, not mse or l1"),
    ],
)
def test_mistakes_are_one_line_with_the_nearest(words, says):
    assert said(**words).startswith(says)


@pytest.mark.parametrize("content", [b"width 3\n", b"\xff\xfe", b"width = 3\nwidth = 4\n"])
def test_a_file_that_is_no_toml(tmp_path, content):
    (tmp_path / "mine.toml").write_bytes(content)
    assert f"{tmp_path / 'mine.toml'} is not TOML" in said(str(tmp_path / "mine.toml"))


def test_a_file_with_a_mistake_is_named(tmp_path):
    (tmp_path / "mine.toml").write_text("dropuot = 0.5\n")
    message = said(str(tmp_path / "mine.toml"))
    assert message.startswith(f"recipe {tmp_path / 'mine.toml'}: no field 'dropuot'; did you mean 'dropout'?")


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_is_a_field_and_its_default_is_one(name):
    assert getattr(Recipe(), name) in CHOICES[name]
    for choice in CHOICES[name]:
        assert getattr(recipe("paper", **{name: choice}), name) == choice
