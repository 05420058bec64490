"""What every comparison does first: one network, the decoders that belong to it, and the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deconvviz.errors import WeightsError

from .decoder_session import opened_decoders
from .session import Session, open_session

if TYPE_CHECKING:
    from deconvviz.decoders.decoder import Decoder
    from deconvviz.models import Network


@dataclass(frozen=True)
class Compared:
    """What is compared.

    Attributes:
        session: the network and its facts.
        layers: their names, in the order of the rows.
        decoders: of some of them, one each.
    """

    session: Session
    layers: Sequence[str]
    decoders: Sequence[Decoder]


def opened_comparison(
    layers: Sequence[str],
    runs: Sequence[Path],
    given: set[str],
    options: dict[str, Any],
    device: str,
    quiet: bool,
) -> Compared:
    """The network of one comparison, with its decoders.

    Args:
        layers: those asked for; none for the decoders', and without decoders for all that have the papers'
            names.
        runs: of ``--decoder``; a run's decoders of other layers are left out.
        given: the options that stand on the command line.
        options: ``model``, ``weights``, ``seed``, ``input_size``: without decoders all are used, with
            decoders those that were given.
        device: where to compute.
        quiet: say nothing on stderr.

    Raises:
        LayerError: there is no such layer.
        WeightsError: the decoders belong to different networks, to other layers, or two to one layer.
    """
    if not runs:
        named = {name: options[name] for name in ("model", "weights", "seed", "input_size")}
        session = open_session(**named, device=device, quiet=quiet)
        return Compared(session, _known(session.network, layers), ())
    groups = opened_decoders(runs, given, options, device, quiet, layers)
    decoders = [decoder for group in groups for decoder in group.decoders]
    if len(groups) > 1:
        models = [group.session.network.name for group in groups[:2]]
        if models[0] != models[1]:
            each = [f"{group.decoders[0].label} decodes {group.session.network.name}" for group in groups[:2]]
            raise WeightsError(f"{', '.join(each)}: compare those of one network at a time")
        differ = [f"{group.decoders[0].label} ({group.decoders[0].facts.weights})" for group in groups[:2]]
        raise WeightsError(
            f"{' and '.join(differ)} were trained on different networks: name the one that both belong to "
            "with --weights, or compare them one by one"
        )
    for i, decoder in enumerate(decoders):
        for other in decoders[:i]:
            if other.layer == decoder.layer:
                raise WeightsError(
                    f"{other.label} and {decoder.label} both decode {decoder.layer}: give one of them"
                )
    session = groups[0].session
    return Compared(session, _known(session.network, layers or [d.layer for d in decoders]), decoders)


def _known(network: Network, layers: Sequence[str]) -> list[str]:
    """The layers, looked up; those with the papers' names whose weights are there where none are named."""
    from deconvviz.models.network import layer_path

    for layer in layers:
        layer_path(network.module, layer, network.paper_names)  # a typing mistake shall not wait for the rest
    if layers:
        return list(layers)
    known = [name for name, path in network.paper_names.items() if network.serves(path)]
    found = [name for name in known if name.startswith(("conv", "fc"))] or known
    if not found:
        raise click.UsageError(f"name the layers of {network.name} with --layers")
    return found
