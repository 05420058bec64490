"""What the commands that look at a finished atlas do first: its tables, its network, its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deconvviz.errors import DataError, LayerError, ModelError, WeightsError

from .options import F
from .session import Session, open_session

if TYPE_CHECKING:
    from deconvviz.atlas.atlas import Atlas
    from deconvviz.atlas.images import ImageList

_MOVED = "if they have moved, say with --root FOLDER from where their names lead to them"


def session_of(
    atlas: Atlas,
    model: str,
    weights: str,
    seed: int,
    device: str,
    input_size: int | None,
    root: Path | None,
    quiet: bool,
) -> tuple[Session, ImageList]:
    """Opens the network that an atlas is of, and the images that were scanned.

    Args:
        atlas: the tables.
        model: as on the command line; ``auto`` is the one that was scanned.
        weights: likewise; ``default`` are those that the network had then.
        seed: of random weights, where they are asked for here.
        device: as on the command line.
        input_size: side of the square that the network is shown; None for that of the scan.
        root: the folder from which the images' names lead to them; None for the current one or, where they
            are not there, for that in which the scan ran.
        quiet: say nothing on stderr.

    Raises:
        DataError: the images are not where they were.
        ModelError: the network cannot be had, or it is not the one that was scanned.
        WeightsError: likewise its weights.
    """
    asked = _network(atlas, model, weights, seed, input_size)
    images = _images(atlas, root)
    session = open_session(**asked, device=device, quiet=quiet)
    _check(atlas, session)
    return session, images


def _network(atlas: Atlas, model: str, weights: str, seed: int, input_size: int | None) -> dict[str, Any]:
    """How to load the network: as the atlas says, where nothing else is asked for.

    Raises:
        ModelError: it is another of the catalogue.
        WeightsError: the weights are not where they were.
    """
    from deconvviz.models import CATALOGUE

    facts = atlas.manifest
    if model in CATALOGUE and model != facts["model"]:
        raise ModelError(f"{atlas.folder} is of {facts['model']}, not of {model}: leave --model out")
    scanned = facts.get("weights", {})
    if weights == "default":
        random = str(scanned.get("label", "")).startswith("random ")
        weights = "random" if random else _found(scanned.get("file", "default"), atlas)
        seed = int(facts.get("seed", seed))
    return {
        "model": str(facts["model"]) if model == "auto" else model,
        "weights": weights,
        "seed": seed,
        "input_size": input_size or facts.get("input_size"),
    }


def _found(weights: str, atlas: Atlas) -> str:
    """A file named in the folder in which the scan ran, from here."""
    there = Path(str(atlas.manifest.get("working_folder", ""))) / weights
    if weights == "default" or Path(weights).exists():
        return weights
    if not there.exists():
        raise WeightsError(
            f"the atlas was scanned with {weights}, which is not there: give --weights where it is now"
        )
    return str(there)


def _images(atlas: Atlas, root: Path | None) -> ImageList:
    """The images where they are now."""
    from deconvviz.atlas.images import list_images

    places = atlas.manifest["images"]
    roots = [root] if root else [None, Path(str(atlas.manifest.get("working_folder", ".")))]
    problems = []
    for place in roots:
        try:
            return list_images(places, place)
        except DataError as error:
            problems.append(error)
    raise DataError(f"the images of {atlas.folder} cannot be opened: {problems[0]}; {_MOVED}")


def _check(atlas: Atlas, session: Session) -> None:
    """Refuses another network than was scanned."""
    from deconvviz.atlas.fingerprint import parameters_sha256, preprocessing_of

    facts, network = atlas.manifest, session.network
    scanned = f"{atlas.folder} is of {facts['model']}"
    try:
        for layer, told in facts["layers"].items():
            if network.path_of(layer) != told["path"]:
                raise LayerError(f"there '{layer}' is {network.path_of(layer)}, in the atlas {told['path']}")
    except LayerError as error:
        raise ModelError(f"{scanned}, not of {network.name}: {error}") from None
    if network.input_size != facts["input_size"]:
        raise ModelError(
            f"{scanned} shown {facts['input_size']} pixels a side, not {network.input_size}: leave "
            "--input-size out"
        )
    if facts.get("preprocessing") not in (None, preprocessing_of(network)):
        raise WeightsError(
            f"{scanned} with images prepared otherwise ({facts['preprocessing']}) than for "
            f"{network.origin.label}: give with --weights what was scanned, or scan again"
        )
    wanted = facts.get("parameters_sha256")
    if wanted is not None and parameters_sha256(network, list(facts["layers"])) != wanted:
        label = facts.get("weights", {}).get("label", "")
        raise WeightsError(
            f"{scanned} with the weights {label}, and those of {network.origin.label} are others: give with "
            "--weights what was scanned, or scan again"
        )


def root_option() -> Callable[[F], F]:
    """``--root``."""
    return click.option(
        "--root",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="From where the images' names lead to them  [default: here, or where the scan ran].",
    )


def units_option(default: str) -> Callable[[F], F]:
    """``--units`` as first and last number of each range; `default` says which without it."""
    return click.option(
        "--units",
        multiple=True,
        callback=_ranges,
        metavar="N-N,N,...",
        help=f"Of every layer these units; repeatable  [default: {default}].",
    )


def _ranges(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> tuple[tuple[int, int], ...]:
    ranges = []
    for part in (part.strip() for text in given for part in text.split(",")):
        ends = part.split("-")
        if len(ends) > 2 or not all(end.strip().isdecimal() for end in ends):
            raise click.UsageError(f"--units {','.join(given)}: give units' numbers such as 0-15,40")
        first, last = int(ends[0]), int(ends[-1])
        if first > last:
            raise click.UsageError(f"--units {part}: a range goes from the smaller number to the larger")
        ranges.append((first, last))
    return tuple(ranges)


def units_of(atlas: Atlas, layer: str, ranges: Sequence[tuple[int, int]]) -> list[int]:
    """The units of a layer that were named, each once, in that order.

    Raises:
        LayerError: the atlas has no such layer.
        UnitError: the layer has no such unit.
    """
    chosen: dict[int, None] = {}
    for first, last in ranges:
        atlas.entries(layer, last)  # refuses what is not there before a long range is written out
        chosen.update(dict.fromkeys(range(first, last + 1)))
    return list(chosen)
