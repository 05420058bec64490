"""Trained decoders for one command: loaded, each beside the encoder it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from deconvviz.errors import WeightsError

from .session import Session, open_session

if TYPE_CHECKING:
    from deconvviz.decoders.decoder import Decoder
    from deconvviz.decoders.encoding import Encoder
    from deconvviz.models import Network

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Group:
    """Decoders whose encoder sees images alike.

    Attributes:
        session: the network and its facts.
        encoder: as far as the last of their layers.
        decoders: the shallow ones first.
        labels: what each is called in tables and figures.
    """

    session: Session
    encoder: Encoder
    decoders: Sequence[Decoder]
    labels: Sequence[str]


def opened_decoders(
    runs: Sequence[Path],
    given: set[str],
    options: dict[str, Any],
    device: str,
    quiet: bool,
    layers: Sequence[str] = (),
) -> list[Group]:
    """The decoders of some runs with the networks that they belong to.

    Args:
        runs: runs of train-decoder, folders of several layers among them, or decoders' files.
        given: the options that stand on the command line.
        options: ``model``, ``weights``, ``seed``, ``input_size``: used where they were given, else those
            that each decoder was trained with.
        device: where to compute.
        quiet: say nothing on stderr.
        layers: leave decoders of other layers out, and those of layers that the weights have no values for;
            none for all.

    Raises:
        WeightsError: there is no decoder, or it belongs to another network, layer or weights.
    """
    from deconvviz.decoders.decoder import decoder_folders, load_decoder
    from deconvviz.decoders.encoding import Encoder, shown_as

    from .session import place_of

    place = place_of(device)
    found = [load_decoder(folder, place) for run in runs for folder in decoder_folders(run)]
    wanted = [decoder for decoder in found if not layers or decoder.layer in layers]
    if not wanted:
        there = ", ".join(dict.fromkeys(decoder.layer for decoder in found))
        raise WeightsError(f"the decoders are of {there}, and none of {', '.join(layers)}")
    groups = []
    for same in _alike(wanted, given):
        facts = same[0].facts
        session = open_session(
            options["model"] if "model" in given else facts.model,
            options["weights"] if "weights" in given else facts.weights,
            options["seed"] if "seed" in given else facts.settings.seed,
            device,
            options["input_size"] if "input_size" in given else facts.input_size,
            quiet,
        )
        network = shown_as(session.network, session.network.input_size, facts.mean, facts.std)
        session = replace(session, network=network)
        same = [decoder for decoder in same if not layers or _served(network, decoder.layer)] or same
        for decoder in same:
            if decoder.facts.model != network.name:
                decoder.check(Encoder(network, ()))
        encoder = Encoder(network, list(dict.fromkeys(decoder.layer for decoder in same)))
        for decoder in same:
            decoder.check(encoder)
        ordered = sorted(same, key=lambda decoder: encoder.depth(decoder.layer))
        groups.append(Group(session, encoder, ordered, ()))
    names = _labels([decoder for group in groups for decoder in group.decoders])
    return [replace(group, labels=[next(names) for _ in group.decoders]) for group in groups]


def decoder_option(required: bool = True) -> Callable[[F], F]:
    """``--decoder``, repeatable."""
    return click.option(
        "--decoder",
        "runs",
        multiple=True,
        required=required,
        type=click.Path(path_type=Path),
        metavar="RUN",
        help="A run of train-decoder, of one layer or of several; repeatable.",
    )


def _served(network: Network, layer: str) -> bool:
    from deconvviz.models import layer_path

    return network.serves(layer_path(network.module, layer, network.paper_names))


def _alike(decoders: Sequence[Decoder], given: set[str]) -> list[list[Decoder]]:
    """The decoders by the network and the way in which it sees images; weights that were given serve all."""
    found: dict[Any, list[Decoder]] = {}
    for decoder in decoders:
        facts = decoder.facts
        weights = "" if "weights" in given else facts.weights
        key = (facts.model, weights, facts.input_size, facts.mean, facts.std)
        found.setdefault(key, []).append(decoder)
    return list(found.values())


def _labels(decoders: Sequence[Decoder]) -> Iterator[str]:
    """The layers; where two are the same also the recipe, or else the folder."""
    layers = [decoder.layer for decoder in decoders]
    named = [f"{decoder.layer} {decoder.facts.settings.name}" for decoder in decoders]
    folders = [f"{decoder.layer} {Path(decoder.label).resolve().parent.name}" for decoder in decoders]
    for names in (layers, named, folders):
        if len(set(names)) == len(names):
            return iter(names)
    return iter(decoder.label for decoder in decoders)
