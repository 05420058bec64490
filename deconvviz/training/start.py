"""What a training run starts from: a network with so many classes, fresh or with given weights."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from ..errors import TrainingError, WeightsError
from ..models.building import Built, build, builder
from ..models.catalogue import CATALOGUE
from ..models.downloads import as_built, downloaded
from ..models.embedded import embedded_weights
from ..models.trained import trained
from ..models.weights import read_state


def started(model: str, classes: int, weights: str, seed: int) -> tuple[Built, str]:
    """A network to be trained.

    Args:
        model: of the catalogue, or ``package.module:function``.
        classes: how many it shall tell apart.
        weights: ``random``, ``default`` (the published ones), a weights file, or the folder of a run. What
            fits by name and shape is taken; the rest, such as the scores of other classes, starts fresh.
        seed: draws what starts fresh.

    Returns:
        the network, and a note on what was taken: empty for ``random``.

    Raises:
        ModelError: there is no such network.
        WeightsError: the weights cannot be had or nothing of them fits.
    """
    built = build(model, classes=classes, norm=True, seed=seed)
    if weights == "random":
        return built, ""
    path = _file(model, weights)
    state, wanted = read_state(path), built.module.state_dict()
    if model in CATALOGUE:
        state = as_built(CATALOGUE[model], state)
    fitting = {n: t for n, t in state.items() if n in wanted and wanted[n].shape == t.shape}
    if not fitting:
        raise WeightsError(f"{path.name} is of another network: nothing in it fits {model}")
    built.module.load_state_dict(fitting, strict=False)
    fresh = [n for n in wanted if n not in fitting and not n.endswith("num_batches_tracked")]
    taken = f"{len(fitting)} of {len(wanted)} tensors from {path.name}"
    return built, f"{taken}; fresh: {', '.join(fresh)}" if fresh else taken


def _file(model: str, weights: str) -> Path:
    if weights == "default":
        if model == "mini":
            return embedded_weights()
        if model not in CATALOGUE:
            raise TrainingError(f"{model} has no published weights; give --weights FILE, or leave it away")
        return downloaded(model, builder(model, lean=False)[1])
    found = trained(Path(weights))
    return found[1] if found is not None else Path(weights)


def frozen_part(module: nn.Module, name: str) -> nn.Module:
    """The module to be frozen, by its path.

    Raises:
        TrainingError: there is none of that name.
    """
    try:
        return module.get_submodule(name)
    except AttributeError:
        there = ", ".join(n for n, _ in module.named_children())
        raise TrainingError(f"--freeze {name}: the network has no such part; it has {there}") from None
