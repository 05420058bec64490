"""Networks by name, or one's own: built, given weights, and ready to look at photographs.

    network = load_model("alexnet", "alexnet_features.pth")
    network = load_model("vgg16")                             # ImageNet weights, downloaded once
    network = load_model("my_package.nets:tiny", "tiny.safetensors")

A user's function takes no arguments and returns a `torch.nn.Module`. Five attributes of the module are
read where they exist: ``input_size`` (the side of its square input; 224), ``mean`` and ``std`` (three
numbers each; ImageNet's), ``categories`` (class names), ``paper_names`` (layer name to module path).
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import ModelError, nearest
from .catalogue import CATALOGUE
from .downloads import downloaded
from .network import Network, WeightsOrigin
from .paper_names import paper_names
from .torchvision_files import torchvision_module
from .weights import fit_state, read_state


def load_model(
    name: str,
    weights: str | os.PathLike[str] = "default",
    *,
    seed: int = 0,
    input_size: int | None = None,
    lean: bool = False,
    progress: bool = True,
) -> Network:
    """A network in evaluation mode with its preprocessing, layer names and classes.

    Args:
        name: one of `CATALOGUE`'s, or ``package.module:function`` for one's own network.
        weights: ``default`` (the published ones; a network of one's own comes as its function made it),
            ``random`` (the network's own initialisation, drawn from `seed`), or a file.
        seed: for random weights; the caller's random state is left as it was.
        input_size: side of the square image it is shown, in pixels; None for the network's own.
        lean: import only the file of torchvision that is needed (see `torchvision_files`).
        progress: show a progress bar while weights are downloaded.

    Raises:
        ModelError: there is no such network, or its function failed.
        WeightsError: the weights cannot be had, cannot be trusted or do not fit.

    Example:
        >>> load_model("alexnet", "random").path_of("conv5")
        'features.11'
    """
    weights = os.fspath(weights)
    if ":" in name:
        return _own(name, weights, seed, input_size, lean)
    if name not in CATALOGUE:
        raise ModelError(_unknown(name))
    build, enum = _builder(name, lean)
    if weights == "random":
        module, origin = _seeded(build, seed), WeightsOrigin(f"random (seed {seed})")
    else:
        path = downloaded(name, enum, progress) if weights == "default" else Path(weights)
        with torch.device("meta"):  # no initialisation: every value comes from the file
            module = build()
        state = read_state(path)
        fit_state(module, state, path.name, name)
        origin = WeightsOrigin(path.name, path)
    categories = tuple(enum.meta["categories"]) if enum is not None else ()
    return Network(
        name=name,
        module=module.eval(),
        preset=_preset(lean, input_size or 224),
        origin=origin,
        paper_names=paper_names(module, CATALOGUE[name].blocks),
        categories=categories,
    )


def outline(name: str, *, input_size: int | None = None) -> Network:
    """A network without any weights, on torch's meta device: for its layers' names and shapes.

    Args:
        name: as in `load_model`.
        input_size: as in `load_model`.

    Raises:
        ModelError: there is no such network, or its function failed.
    """
    if ":" in name:
        network = _own(name, "default", 0, input_size, lean=True)
        return replace(network, module=network.module.to("meta"))
    if name not in CATALOGUE:
        raise ModelError(_unknown(name))
    build, _ = _builder(name, lean=True)
    with torch.device("meta"):
        module = build().eval()
    names = paper_names(module, CATALOGUE[name].blocks)
    return Network(name, module, _preset(True, input_size or 224), WeightsOrigin("none"), names)


def _builder(name: str, lean: bool) -> tuple[Callable[[], nn.Module], Any]:
    """The function that builds a named network, and torchvision's default weights for it, if any."""
    entry = CATALOGUE[name]
    source = (
        torchvision_module(entry.file, lean)
        if entry.file
        else importlib.import_module(f".{name}", __package__)
    )
    return getattr(source, entry.builder), getattr(source, entry.weights).DEFAULT if entry.weights else None


def _unknown(name: str) -> str:
    return f"no model '{name}'; {nearest(name, CATALOGUE)}, or package.module:function for your own"


def _own(name: str, weights: str, seed: int, input_size: int | None, lean: bool) -> Network:
    build = _function(name)
    module = _seeded(build, seed)
    if not isinstance(module, nn.Module):
        raise ModelError(f"{name} returned a {type(module).__name__}, not a torch.nn.Module")
    origin = WeightsOrigin(f"random (seed {seed})" if weights == "random" else "as built")
    if weights not in ("default", "random"):
        path = Path(weights)
        fit_state(module, read_state(path), path.name, name)
        origin = WeightsOrigin(path.name, path)
    names: Mapping[str, str] = getattr(module, "paper_names", {})
    side = input_size or int(getattr(module, "input_size", 224))
    own: dict[str, Any] = {k: tuple(getattr(module, k)) for k in ("mean", "std") if hasattr(module, k)}
    return Network(
        name=name,
        module=module.eval(),
        preset=_preset(lean, side, resize_size=side, **own),
        origin=origin,
        paper_names=dict(names),
        categories=tuple(getattr(module, "categories", ())),
    )


def _function(name: str) -> Callable[[], nn.Module]:
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
    made: Callable[[], nn.Module] = getattr(source, function)
    return made


def _seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return build()
        except Exception as error:  # as above: whatever a user's builder raises is the answer
            raise ModelError(f"building the network failed: {type(error).__name__}: {error}") from error


def _preset(lean: bool, side: int, **settings: Any) -> Callable[[Any], torch.Tensor]:
    """Torchvision's preprocessing: shorter side to 8/7 of the crop unless said, centre crop, normalise."""
    settings.setdefault("resize_size", round(side * 256 / 224))
    presets = torchvision_module("transforms._presets", lean)
    preset: Callable[[Any], torch.Tensor] = presets.ImageClassification(crop_size=side, **settings)
    return preset
