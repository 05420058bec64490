"""Randomises a network from the top down, one layer at a time: which layers those are, and what they get.

    steps = stages(network.module, trace.down_from("conv5"), {"features.11": "conv5"})
    random = copied(network.module, [path for _, paths in steps for path in paths])
    for _ in cascade(random, [paths for _, paths in steps], seed=0):
        ...                                        # as trained; then one more layer is random each time

A layer is drawn anew by its own initialisation (`reset_parameters`); what has none gets normal values of the
trained ones' mean and standard deviation.

Source: Adebayo et al. 2018, arXiv 1810.03292: cascading randomisation.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

import torch
from torch import Tensor, nn

from ..deconvnet import Record
from ..errors import ModelError

Stage = tuple[str, tuple[str, ...]]
"""What one step randomises: its name, and the dotted paths of its modules."""
MOST_STAGES = 20
_FEWEST_BLOCKS = 4


def stages(module: nn.Module, calls: Sequence[Record], names: Mapping[str, str]) -> list[Stage]:
    """What is randomised step by step, the layer nearest to the unit first.

    A layer is a convolution, or whatever else has weights of several dimensions, with the norms that are
    called after it. Where there are more than 20, whole blocks are one stage: modules whose dotted paths
    begin alike, the beginning being the longest that leaves at most 20 stages; or runs of neighbours, where
    that would leave fewer than four.

    Args:
        module: the network.
        calls: of its modules, from the unit's layer down.
        names: the papers' names of layers by module path.
    """
    modules = dict(module.named_modules())
    found: list[Stage] = []
    name, waiting, seen = "", list[str](), set[str]()
    for call in calls:
        path = call.name.partition(":")[0]
        name = names.get(path, name)  # a convolution goes by the name of the rectifier after it
        above = [path[:i] for i, letter in enumerate(path) if letter == "."]  # blocks may have weights too
        new = [p for p in (path, *reversed(above)) if p not in seen and _own(modules.get(p))]
        seen.update(new)
        waiting += new
        if any(t.ndim > 1 for t in _own(modules.get(path)).values()):  # kernels; a norm has none
            if path in new:
                found.append((name or path, (path, *(p for p in waiting if p != path))))
                waiting = []
            name = ""
    if waiting:  # of a norm before the first convolution
        found.append((waiting[0], tuple(waiting)))
    return found if len(found) <= MOST_STAGES else _blocks(found)


def _blocks(layers: list[Stage]) -> list[Stage]:
    """The same in fewer stages."""
    for depth in range(max(paths[0].count(".") for _, paths in layers), 0, -1):
        starts = [".".join(paths[0].split(".")[:depth]) for _, paths in layers]
        runs = groupby(zip(starts, layers, strict=True), itemgetter(0))
        named = [(start, [layer for _, layer in run]) for start, run in runs]
        if _FEWEST_BLOCKS <= len(named) <= MOST_STAGES:
            break
    else:
        size = -(-len(layers) // MOST_STAGES)
        parts = [layers[i : i + size] for i in range(0, len(layers), size)]
        ends = [dict.fromkeys((part[0][0], part[-1][0])) for part in parts]
        named = list(zip(map(" to ".join, ends), parts, strict=True))
    return [(name, tuple(path for _, paths in part for path in paths)) for name, part in named]


def _own(module: nn.Module | None) -> dict[str, Tensor]:
    """A module's own tensors that can be drawn anew: its weights, and a batch norm's statistics."""
    if module is None:
        return {}
    own = {**module._parameters, **(module._buffers if _resets(module) else {})}
    return {name: tensor for name, tensor in own.items() if tensor is not None and not tensor.is_meta}


def _resets(module: nn.Module) -> bool:
    """Whether it says itself how its tensors are drawn."""
    return hasattr(module, "reset_parameters") and not module._modules


def copied(module: nn.Module, paths: Collection[str]) -> nn.Module:
    """A copy of a network that shares all tensors with it but those of the modules to be randomised.

    Args:
        module: the network.
        paths: of the modules whose tensors are copied.

    Raises:
        ModelError: it holds something that cannot be copied.
    """
    new = {id(t) for path in paths for t in _own(module.get_submodule(path)).values()}
    tensors = [*module.parameters(), *module.buffers()]
    try:
        with torch.inference_mode(False):  # its tensors could not be changed outside it
            return copy.deepcopy(module, {id(t): t for t in tensors if id(t) not in new})
    except Exception as error:  # a user's module may hold anything
        raise ModelError(f"the network cannot be copied: {type(error).__name__}: {error}") from error


def cascade(module: nn.Module, steps: Sequence[Sequence[str]], seed: int) -> Iterator[None]:
    """Draws the weights of a network anew, in place, one step after the other.

    Args:
        module: the network: a copy.
        steps: the paths of the modules that each step draws.
        seed: of all that is drawn; the caller's random state is left as it was.

    Yields:
        once before the first step, and once after each.
    """
    start = torch.randint(2**62, (), generator=torch.Generator().manual_seed(seed))
    state = torch.Generator().manual_seed(int(start)).get_state()  # a network built from the seed is another
    yield
    for paths in steps:
        with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.no_grad():
            torch.set_rng_state(state)
            for path in paths:
                _draw(module, path)
            state = torch.get_rng_state()
        yield


def _draw(module: nn.Module, path: str) -> None:
    """Random values for a module's own tensors, in place; drawn on the CPU, so that any device gets them."""
    m = module.get_submodule(path)
    own = _own(m)
    if _resets(m):
        fresh = copy.deepcopy(m).cpu()
        fresh.reset_parameters()  # type: ignore[operator]  # torch does not say that it is a method
        drawn: Mapping[str, Tensor | None] = {**fresh._parameters, **fresh._buffers}
    else:
        trained = {name: tensor.cpu() for name, tensor in own.items()}
        drawn = {n: torch.randn_like(t) * t.std(correction=0) + t.mean() for n, t in trained.items()}
    for name, tensor in own.items():
        value = drawn[name]
        assert value is not None  # noqa: S101  # a reset takes no tensor away
        tensor.copy_(value)
