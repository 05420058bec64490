"""A network's module from its name, before any weights: from the catalogue, or by a user's function.

A user's function takes no arguments, or ``num_classes``, and returns a `torch.nn.Module`. Five attributes
of the module are read where they exist: ``input_size`` (the side of its square input; 224), ``mean`` and
``std`` (three numbers each; ImageNet's), ``categories`` (class names), ``paper_names`` (layer name to module
path).
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..errors import ModelError, nearest
from .catalogue import CATALOGUE, Entry
from .network import leaves
from .paper_names import paper_names
from .torchvision_files import torchvision_module

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Built:
    """A module and what it says about itself.

    Attributes:
        module: with its own initialisation.
        input_size: the side of its square input.
        mean: images are normalised with it; likewise `std`.
        std: see `mean`.
        paper_names: layer names and their module paths.
        categories: class names, where it knows them.
    """

    module: nn.Module
    input_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    paper_names: Mapping[str, str]
    categories: tuple[str, ...] = ()


def entry_of(name: str) -> Entry:
    """The catalogue's entry.

    Raises:
        ModelError: there is none; the nearest names are offered.
    """
    if name not in CATALOGUE:
        raise ModelError(
            f"no model '{name}'; {nearest(name, CATALOGUE)}, or package.module:function for your own"
        )
    return CATALOGUE[name]


def builder(name: str, lean: bool) -> tuple[Callable[..., nn.Module], Any]:
    """The function that builds a named network, and torchvision's default weights for it, if any."""
    entry = entry_of(name)
    source = (
        torchvision_module(entry.file, lean)
        if entry.file
        else importlib.import_module(f".{name}", __package__)
    )
    function = partial(_module, entry, getattr(source, entry.builder))
    return function, getattr(source, entry.weights).DEFAULT if entry.weights else None


def _module(entry: Entry, function: Callable[..., nn.Module], **options: Any) -> nn.Module:
    """A network of the catalogue on torch's default device."""
    meta = torch.get_default_device().type == "meta"
    if meta and entry.file in ("models.regnet", "models.convnext"):
        with torch.device("cpu"):  # they compute with tensors, which on the meta device fails or takes longer
            return seeded(partial(function, **options), 0).to("meta")
    with _Undrawn() if meta else nullcontext():
        module = function(**{**entry.options, **options})
    if entry.file == "models.mnasnet":  # it loads only a state dict that bears its version, as files need not
        module._load_from_state_dict = MethodType(nn.Module._load_from_state_dict, module)  # type: ignore[method-assign]
    return module


class _Undrawn(TorchFunctionMode):
    """Leaves out the drawing of normal values: on the meta device it is for nothing and imports dynamo."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") == "normal_":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def build(
    name: str, *, classes: int | None = None, norm: bool = False, seed: int = 0, lean: bool = False
) -> Built:
    """A network with its own initialisation.

    Args:
        name: of the catalogue, or ``package.module:function``.
        classes: how many scores it shall give; None for as many as it comes with. A user's network whose
            function does not take ``num_classes`` gets a new last layer if it is linear.
        norm: the form with batch norms, for networks that are trained with them.
        seed: draws the initialisation; the caller's random state is left as it was.
        lean: import only the file of torchvision that is needed.

    Raises:
        ModelError: there is no such network, its function failed, or it cannot give so many scores.
    """
    if ":" in name:
        return _own(name, classes, seed)
    entry = entry_of(name)
    function = builder(name, lean)[0]
    options: dict[str, Any] = {} if classes is None else {"num_classes": classes}
    module = seeded(partial(function, **options, **({"norm": norm} if entry.norm else {})), seed)
    return Built(module, entry.input_size, IMAGENET_MEAN, IMAGENET_STD, names_of(module, entry))


def names_of(module: nn.Module, entry: Entry) -> Mapping[str, str]:
    """The papers' layer names of a network of the catalogue; none for one the papers do not name."""
    return {} if entry.blocks is None else paper_names(module, entry.blocks)


def seeded(function: Callable[[], nn.Module], seed: int) -> nn.Module:
    """What a function builds from this seed.

    Raises:
        ModelError: it failed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return function()
        except ModelError:
            raise
        except Exception as error:  # a user's builder may raise anything, and its own words say what
            raise ModelError(f"building the network failed: {type(error).__name__}: {error}") from error


def preset(lean: bool, side: int, **settings: Any) -> Callable[[Any], Tensor]:
    """Torchvision's preprocessing: shorter side to 8/7 of the crop unless said, centre crop, normalise."""
    settings.setdefault("resize_size", round(side * 256 / 224))
    presets = torchvision_module("transforms._presets", lean)
    made: Callable[[Any], Tensor] = presets.ImageClassification(crop_size=side, **settings)
    return made


def published_preset(weights: Any, side: int) -> Callable[[Any], Tensor]:
    """The preprocessing that published weights were measured with, for a crop of this side.

    Args:
        weights: a member of one of torchvision's weights enums.
        side: of the crop; the photograph is resized in proportion.
    """
    own = weights.transforms()
    made: Callable[[Any], Tensor] = weights.transforms(
        crop_size=side, resize_size=round(side * own.resize_size[0] / own.crop_size[0])
    )
    return made


def _own(name: str, classes: int | None, seed: int) -> Built:
    function = _function(name)
    takes = classes is not None and "num_classes" in _parameters(function)
    module = seeded(partial(function, num_classes=classes) if takes else function, seed)
    if not isinstance(module, nn.Module):
        raise ModelError(f"{name} returned a {type(module).__name__}, not a torch.nn.Module")
    if classes is not None and not takes:
        seeded(partial(_rescored, module, classes, name), seed)
    return Built(
        module,
        int(getattr(module, "input_size", 224)),
        tuple(getattr(module, "mean", IMAGENET_MEAN)),
        tuple(getattr(module, "std", IMAGENET_STD)),
        dict(getattr(module, "paper_names", {})),
        tuple(getattr(module, "categories", ())),
    )


def _parameters(function: Callable[..., nn.Module]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin or a class that does not tell
        return {}


def _rescored(module: nn.Module, classes: int, name: str) -> nn.Module:
    """The module with a last layer of so many scores, in place."""
    path, last = leaves(module)[-1]
    if not isinstance(last, nn.Linear):
        raise ModelError(
            f"{name} cannot be given {classes} classes: its last layer '{path}' is a {type(last).__name__}; "
            "let the function take num_classes"
        )
    if last.out_features != classes:
        parent, _, leaf = path.rpartition(".")
        setattr(
            module.get_submodule(parent), leaf, nn.Linear(last.in_features, classes, last.bias is not None)
        )
    return module


def _function(name: str) -> Callable[..., nn.Module]:
    """The user's function, looked up as Python would from the current folder."""
    package, _, function = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        source = importlib.import_module(package)
    except Exception as error:  # the user's own code may fail in any way; its own words say how
        raise ModelError(
            f"cannot import '{package}' for --model {name}: {type(error).__name__}: {error}"
        ) from error
    if not callable(getattr(source, function, None)):
        raise ModelError(f"'{package}' has no function '{function}'")
    made: Callable[..., nn.Module] = getattr(source, function)
    return made
