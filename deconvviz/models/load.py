"""Networks by name, or one's own: built, given weights, and ready to look at photographs.

network = load_model("auto")                              # AlexNet if it can be had, else `mini`
network = load_model("alexnet", "alexnet_features.pth")
network = load_model("auto", "runs/cats")                 # what train-classifier left there
network = load_model("my_package.nets:tiny", "tiny.safetensors")
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelError
from .auto import chosen
from .building import Built, build, builder, entry_of, names_of, preset, published_preset, seeded
from .downloads import as_built, downloaded, published_as
from .embedded import embedded_weights
from .folding import fold_norms
from .network import Network, WeightsOrigin
from .trained import Trained, exported, trained
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
        name: one of `CATALOGUE`'s, ``package.module:function`` for one's own network, or ``auto``: the one
            that the weights belong to; without weights AlexNet, or `mini` where AlexNet's cannot be had.
        weights: ``default`` (the published ones; a network of one's own comes as its function made it),
            ``random`` (the network's own initialisation, drawn from `seed`), a file, or the folder of a
            training run.
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
    if weights not in ("default", "random"):
        found = trained(Path(weights))
        if found is not None:
            return _trained(name, *found, input_size, lean)
    if name == "auto":
        name = chosen(weights, progress=progress, lean=lean)
    if ":" in name:
        return _own(name, weights, seed, input_size, lean)
    entry = entry_of(name)
    function, enum = builder(name, lean)
    published = None
    if weights == "random":
        module, origin = seeded(function, seed), WeightsOrigin(f"random (seed {seed})")
    elif weights == "default" and name == "mini":
        return _trained(name, *exported(embedded_weights()), input_size, lean)
    else:
        path = downloaded(name, enum, progress) if weights == "default" else Path(weights)
        with torch.device("meta"):  # no initialisation: every value comes from the file
            module = function()
        fit_state(module, as_built(entry, read_state(path)), path.name, name)
        origin, published = WeightsOrigin(path.name, path), published_as(enum, path)
    side = input_size or entry.input_size
    whole: dict[str, Any] = {} if entry.file else {"resize_size": side}
    return Network(
        name=name,
        module=module.eval(),
        preset=published_preset(published, side) if published else preset(lean, side, **whole),
        origin=origin,
        paper_names=names_of(module, entry),
        categories=tuple(enum.meta["categories"]) if enum is not None else (),
    )


def outline(
    name: str, weights: str | os.PathLike[str] = "default", *, input_size: int | None = None
) -> Network:
    """A network without any weights, on torch's meta device: for its layers' names and shapes.

    Args:
        name: as in `load_model`; nothing is downloaded for ``auto``.
        weights: as in `load_model`: a run's folder says what was trained.
        input_size: as in `load_model`.

    Raises:
        ModelError: there is no such network, or its function failed.
        WeightsError: a run's folder or a file does not say what it is.
    """
    weights = os.fspath(weights)
    facts = None
    if weights not in ("default", "random") and (found := trained(Path(weights))) is not None:
        facts = _agreeing(name, found[0], Path(weights).name)
        name = facts.model
    elif name == "auto":
        name = chosen(weights, progress=False, lean=True, download=False)
    with torch.device("cpu" if ":" in name else "meta"):
        built = build(name, classes=len(facts.classes) if facts else None, lean=True)
    side = input_size or (facts.input_size if facts else built.input_size)
    module = built.module.eval().to("meta")
    return Network(name, module, preset(True, side), WeightsOrigin("none"), built.paper_names)


def _own(name: str, weights: str, seed: int, input_size: int | None, lean: bool) -> Network:
    built = build(name, seed=seed)
    origin = WeightsOrigin(f"random (seed {seed})" if weights == "random" else "as built")
    if weights not in ("default", "random"):
        path = Path(weights)
        fit_state(built.module, read_state(path), path.name, name)
        origin = WeightsOrigin(path.name, path)
    return _network(name, built, origin, built.categories, input_size or built.input_size, lean)


def _trained(name: str, facts: Trained, path: Path, input_size: int | None, lean: bool) -> Network:
    """A network trained here, from its run or its exported file."""
    label = path.name if facts.folded else f"{path.resolve().parent.name}/{path.name}"
    _agreeing(name, facts, label)
    with torch.device("cpu" if ":" in facts.model else "meta"):
        built = build(facts.model, classes=len(facts.classes), norm=not facts.folded, lean=lean)
    fit_state(built.module, read_state(path), label, facts.model)
    if ":" not in facts.model and entry_of(facts.model).norm:
        fold_norms(built.module.eval())
    built = replace(built, mean=facts.mean, std=facts.std)
    side = input_size or facts.input_size
    network = _network(facts.model, built, WeightsOrigin(label, path), facts.classes, side, lean)
    return replace(network, class_ids=facts.class_ids)


def _agreeing(name: str, facts: Trained, label: str) -> Trained:
    if name not in ("auto", facts.model):
        raise ModelError(f"{label} was trained as {facts.model}, not {name}; leave --model away")
    return facts


def _network(
    name: str, built: Built, origin: WeightsOrigin, categories: tuple[str, ...], side: int, lean: bool
) -> Network:
    shown = preset(lean, side, resize_size=side, mean=built.mean, std=built.std)
    return Network(name, built.module.eval(), shown, origin, built.paper_names, categories)
