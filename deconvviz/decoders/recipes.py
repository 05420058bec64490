"""Recipes: everything that decides how a decoder is built and trained, as data.

    recipe("best").epochs
    recipe("half", epochs=3)           # any field can be overridden
    recipe("mine.toml")                # a file of one's own with the same fields

The named ones lie in one TOML file that ships with the package; a field that a recipe does not name has the
default below.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, get_type_hints

from ..errors import TrainingError, nearest
from .recipe_fields import complaint

DEFAULT_RECIPE = "best"
_EVERY = "other"  # of a setting that differs by layer: what holds for the layers it does not name


@dataclass(frozen=True)
class Recipe:
    """How a decoder is built and trained.

    A field of type ``int or table`` is one number for every layer, or a table by layer name; in a table
    ``other`` stands for the layers that it does not name.

    Attributes:
        name: what it goes by.
        about: one line for ``deconvviz recipes``.
        layers: what is trained where no layer is named.
        family: ``plain`` or ``residual``, see `architecture`.
        convolutions: 3x3 convolutions (plain) or residual blocks (residual) before the up-sampling.
        width: their maps; in the residual family for sides of up to 16, beyond that in proportion fewer.
        fully_connected: fully connected layers for a vector.
        fc_width: units of those but the last.
        up_widths: maps after each up-sampling; the last ones are taken where fewer are needed. The plain
            family adds 3 for the image.
        up_convolutions: how many, int or table; None for as many as fit.
        slope: of the leaky rectifiers.
        norm: group norms in residual blocks.
        linear: start decoders of vectors from the best linear one, see `linear`; residual family.
        dropout: of the features, in [0, 1); residual family.
        output: side of the predicted images in pixels; 0 for what the up-convolutions give (plain) or the
            encoder's input size (residual); -1 for the data's own, where that is smaller than the input.
        input_size: side of the encoder's input; None for the network's own.
        mean: what the encoder's input is normalised with, a channel; None for the network's own.
        std: likewise.
        optimiser: ``adam`` or ``adamw``.
        lr: the highest learning rate.
        betas: of Adam.
        weight_decay: of kernels and matrices.
        schedule: ``one-cycle``, ``step``, ``constant``.
        warmup: share of the steps over which one-cycle rises.
        step_epochs: epochs between the drops of ``step``.
        gamma: what a drop multiplies the rate by.
        batch_size: images a step, over all processes.
        epochs: int or table.
        clip: the gradient's norm is cut to it; 0 never.
        average: decay of the running average of the weights that is kept and evaluated; 0 for the weights.
        loss: ``mse`` or ``l1``, over normalised pixels.
        feature_weight: of the squared error of the re-encoded reconstruction's features, relative to theirs.
        flip: mirror every second training image.
        crop: ``none``, ``shift`` (training images moved by up to an eighth) or ``resized`` (a random part,
            scaled); other than ``none`` the encoder works in every step.
        smallest_crop: least share of the area that ``resized`` takes.
        classes: draw so many classes; None takes all.
        val_per_class: hold out so many images a class.
        val_share: hold out this share of each class; only without `val_per_class`.
        precision: ``float32``, ``bf16``, or ``auto``: bf16 where it is native.
        channels_last: memory layout.
        seed: of every draw.
    """

    name: str = ""
    about: str = ""
    layers: tuple[str, ...] = ()
    family: str = "plain"
    convolutions: int = 3
    width: int = 256
    fully_connected: int = 3
    fc_width: int = 4096
    up_widths: tuple[int, ...] = (256, 128, 64, 32)
    up_convolutions: int | Mapping[str, int] | None = None
    slope: float = 0.2
    norm: bool = False
    linear: bool = False
    dropout: float = 0.0
    output: int = 0
    input_size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    optimiser: str = "adam"
    lr: float = 1e-3
    betas: tuple[float, ...] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup: float = 0.1
    step_epochs: int = 4
    gamma: float = 0.5
    batch_size: int = 64
    epochs: int | Mapping[str, int] = 20
    clip: float = 0.0
    average: float = 0.0
    loss: str = "mse"
    feature_weight: float = 0.0
    flip: bool = False
    crop: str = "none"
    smallest_crop: float = 0.35
    classes: int | None = None
    val_per_class: int | None = None
    val_share: float | None = None
    precision: str = "auto"
    channels_last: bool = True
    seed: int = 0

    def epochs_of(self, layer: str) -> int:
        """How many passes over the training images a layer's decoder gets."""
        found = _of(self.epochs, layer)
        return 20 if found is None else found

    def up_convolutions_of(self, layer: str) -> int | None:
        """How many up-convolutions a layer's decoder gets; None for as many as fit."""
        return _of(self.up_convolutions, layer)

    def as_dict(self) -> dict[str, Any]:
        """Names and values, for JSON."""
        return {k: dict(v) if isinstance(v, Mapping) else v for k, v in asdict(self).items()}


def _of(value: int | Mapping[str, int] | None, layer: str) -> int | None:
    return value.get(layer, value.get(_EVERY)) if isinstance(value, Mapping) else value


@cache
def recipes() -> Mapping[str, Recipe]:
    """The named recipes."""
    text = (files("deconvviz_assets") / "recipes.toml").read_text(encoding="utf-8")
    return {
        name: replace(from_fields(content, name), name=name) for name, content in tomllib.loads(text).items()
    }


def recipe(name: str = DEFAULT_RECIPE, **fields_: Any) -> Recipe:
    """A recipe by its name or from a file, with some of its fields overridden.

    Args:
        name: of `recipes`, or a ``.toml`` file with the same fields.
        fields_: see `Recipe`.

    Raises:
        TrainingError: there is no such recipe or field, or a value is of the wrong kind.

    Example:
        >>> recipe("half", epochs=3).width
        128
    """
    if name in recipes():
        return changed(recipes()[name], fields_, name)
    if not name.endswith(".toml"):
        raise TrainingError(f"no recipe '{name}'; {nearest(name, recipes())}, or a .toml file of your own")
    try:
        content = tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"cannot read the recipe {name}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{name} is not TOML: {error}") from None
    return replace(changed(from_fields(content, name), fields_, name), name=Path(name).stem)


def from_fields(content: Mapping[str, Any], label: str) -> Recipe:
    """A recipe from plain data; what is not named has the default.

    Raises:
        TrainingError: there is no such field, or a value is of the wrong kind.
    """
    return changed(Recipe(), content, label)


def changed(base: Recipe, content: Mapping[str, Any], label: str) -> Recipe:
    """`base` with other values in some fields, each checked.

    Raises:
        TrainingError: see `from_fields`.
    """
    kinds = get_type_hints(Recipe)
    values: dict[str, Any] = {}
    for name, given in content.items():
        if name not in kinds:
            raise TrainingError(f"recipe {label}: no field '{name}'; {nearest(name, kinds)}")
        values[name] = tuple(given) if isinstance(given, list) else given
        wrong = complaint(name, values[name], kinds[name])
        if wrong:
            raise TrainingError(f"recipe {label}: {name} is {given!r}{wrong}")
    return replace(base, **values)
