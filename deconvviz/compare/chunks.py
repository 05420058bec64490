"""A comparison over a data set, cut into pieces that are done one after the other, by whoever is free.

Pieces follow from the settings alone, so that it does not matter which of several processes does which, nor
in how many calls. Optimisation takes far longer than all other methods together: it has pieces of its own, of
few images and one layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..metrics import evenly_spaced

OPTIMISED = "optimised"
_OPTIMISED_SHARE = 4  # of a batch is sought together, so that a stop loses minutes and not an hour
_OPTIONS = {
    "model": "--model",
    "layers": "--layers",
    "weights": "--weights",
    "input_size": "--input-size",
    "preprocessing": "preprocessing",
    "decoders": "--decoder",
    "methods": "--methods",
    "count": "--limit",
    "images": "images",
    "optimised_limit": "--optimised-limit",
    "preset": "--preset",
    "iterations": "--iterations",
    "batch_size": "--batch-size",
    "seed": "--seed",
}
"""What must be the same for a run to go on, and how the command line calls it."""
_SAYS_IT = {
    "weights": ("model", "layers"),
    "input_size": ("model",),
    "preprocessing": ("model", "input_size"),
    "images": ("count",),
}
"""What differs because something else does."""


@dataclass(frozen=True)
class SurveySettings:
    """What is compared over a data set.

    Attributes:
        layers: names: the rows.
        methods: their names, in the table's order.
        optimised_limit: evenly spaced images that pre-images are sought for.
        preset: of pre-images; see `deconvviz.invert`.
        iterations: its steps; None for its own.
        batch_size: images that go through the network together.
        seed: of the noise that pre-images start from.
    """

    layers: tuple[str, ...]
    methods: tuple[str, ...]
    optimised_limit: int = 16
    preset: str = "best"
    iterations: int | None = None
    batch_size: int = 16
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Names and values, as JSON gives them back."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class Chunk:
    """A piece of the work.

    Attributes:
        number: from 0.
        images: places among those compared.
        layers: all of them, or the one that is inverted.
        methods: all that do not optimise, or the one that does.
    """

    number: int
    images: tuple[int, ...]
    layers: tuple[str, ...]
    methods: tuple[str, ...]

    @property
    def optimises(self) -> bool:
        """Whether it is one of the slow ones."""
        return self.methods == (OPTIMISED,)

    @property
    def cells(self) -> int:
        """How many answers it gives."""
        return len(self.images) * len(self.layers) * len(self.methods)


def chunks_of(settings: SurveySettings, count: int) -> list[Chunk]:
    """All pieces, the quick ones first.

    Args:
        settings: what is compared.
        count: how many images.

    Example:
        >>> settings = SurveySettings(("conv1", "conv2"), ("map", "optimised"), 2, batch_size=8)
        >>> [(chunk.layers, chunk.methods, len(chunk.images)) for chunk in chunks_of(settings, 9)[1:3]]
        [(('conv1', 'conv2'), ('map',), 1), (('conv1',), ('optimised',), 2)]
    """
    pieces: list[tuple[tuple[int, ...], tuple[str, ...], tuple[str, ...]]] = []
    quick = tuple(method for method in settings.methods if method != OPTIMISED)
    if quick:
        pieces += [(part, settings.layers, quick) for part in _cut(range(count), settings.batch_size)]
    if OPTIMISED in settings.methods and settings.optimised_limit:
        few = evenly_spaced(count, settings.optimised_limit).tolist()
        at_once = max(1, settings.batch_size // _OPTIMISED_SHARE)
        pieces += [(p, (layer,), (OPTIMISED,)) for layer in settings.layers for p in _cut(few, at_once)]
    return [Chunk(number, *piece) for number, piece in enumerate(pieces)]


def _cut(places: Sequence[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(places[first : first + size]) for first in range(0, len(places), size)]


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """``"--limit 500, not 100"``: in what two runs differ that must agree; empty where nothing does.

    Args:
        before: what the one knows: settings, network, decoders and images.
        now: what the other knows.
    """
    found = [name for name in _OPTIONS if before[name] != now[name]]
    said = [name for name in found if not {*found} & {*_SAYS_IT.get(name, ())}]
    return "; ".join(_told(name, before, now) for name in said)


def _told(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if name == "images":
        return "--data or --split: other images"
    if name == "preprocessing":
        return "images prepared otherwise"
    if name == "weights":
        labels = [facts["weights_label"] for facts in (before, now)]
        named = f" ({labels[0]}, not {labels[1]})" if labels[0] != labels[1] else ""
        return f"--weights with other values{named}"
    was, is_ = (_plainly(facts[name]) for facts in (before, now))
    return f"{_OPTIONS[name]} {was}, not {is_}" if was != is_ else f"{_OPTIONS[name]} with other weights"


def _plainly(value: Any) -> str:
    """A value in a line: of decoders the layers, of what was not given that."""
    if isinstance(value, dict):
        value = list(value)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "its own" if value is None else str(value)
