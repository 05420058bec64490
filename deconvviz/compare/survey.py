"""A comparison over the images of a data set: in pieces, by one process or many, gone on with after a stop.

    settings = SurveySettings(("conv2", "conv5"), ("map", "layer", "decoder"))
    survey("RUN", network, data.val, settings, decoders, write=write)

`write` is told all numbers in the end, and makes of them what ``RUN`` shall hold: see `tables` and `writing`.
Every piece that is done lies in a file of its own, so that Ctrl-C or a kill costs one piece a process; see
`folder` and `parts`. The numbers are those of `compare`, and depend on neither stops nor processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..data.datasets import LabelledImages
from ..decoders.decoder import Decoder
from ..decoders.encoding import Encoder
from ..errors import DeconvvizError, OutputError
from ..locking import locked
from ..models import Network
from ..runs import write_json
from ..training.processes import Processes
from .agreeing import Begun, agreed, all_parts, shares
from .chunks import Chunk, SurveySettings, chunks_of
from .comparing import compare
from .folder import STARTED, earlier, opened, sweep
from .identity import identity, pair_distance, pixels_of
from .parts import PART, save_part
from .tables import Cell, cells_of

_ALONE = Processes(0, 1, torch.device("cpu"))


@dataclass(frozen=True)
class Survey:
    """What came of a comparison over many images.

    Attributes:
        known: settings and digests of network, decoders and images: plain data.
        cells: all numbers, by image, layer and method.
        pair_distance: mean distance of two images, which image errors are over.
    """

    known: Mapping[str, Any]
    cells: Sequence[Cell]
    pair_distance: float


@dataclass(frozen=True)
class Watch:
    """Who is told how a survey goes; all of it is optional. Cells are counted: of an image, layer and method.

    Attributes:
        begins: whether it is the optimisation that begins, how many cells of it are done and how many this
            process will fill.
        at: how many of these are filled, the layer and method at hand, and how much of how much of it is
            done: images, of the optimisation steps.
        note: something that the user should know.
    """

    begins: Callable[[bool, int, int], object] = lambda optimises, done, share: None
    at: Callable[[int, str, str, int, int], object] = lambda filled, layer, method, done, total: None
    note: Callable[[str], object] = lambda text: None


def survey(
    folder: Path | str,
    network: Network,
    images: LabelledImages,
    settings: SurveySettings,
    decoders: Sequence[Decoder] = (),
    *,
    write: Callable[[Survey], Sequence[Path]],
    options: Mapping[str, Any] | None = None,
    processes: Processes = _ALONE,
    resume: bool = False,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> tuple[Path, ...] | None:
    """Compares methods over many images.

    Args:
        folder: of the run; all processes see it.
        network: on its device.
        images: the same in all processes.
        settings: what is compared.
        decoders: at most one a layer; those of other layers are left out.
        write: makes the results, ``results.json`` with `Survey.known` under ``survey`` last; only then are
            the pieces removed.
        options: plain data to be kept with the run, for a later call to begin with.
        processes: this one among the others.
        resume: go on with an unfinished run.
        overwrite: throw an earlier run away.
        watch: who is told how it goes.

    Returns:
        what `write` wrote; nothing where the run was finished already; None in all processes but the first.

    Raises:
        DataError: there are no images; the folder holds a run already, or none to go on with, or one of
            other settings, or is written into by others, or is not the same in all processes.
        LayerError: there is no such layer.
        ModelError: a method or preset does not exist, or the network does not take the images.
        OutputError: the disk is full or the folder cannot be written; what is done stays.
        WeightsError: a decoder belongs to another network.
    """
    folder, watch = Path(folder), watch or Watch()
    chosen = [decoder for decoder in decoders if decoder.layer in settings.layers]
    known = {**identity(network, images, settings, chosen), "options": dict(options or {})}
    chunks = chunks_of(settings, len(images))
    with locked(folder, "comparison") if processes.first else nullcontext():
        left = processes.first and opened(folder, known, resume, overwrite)
        if processes.first and left:
            _measure(folder, network, images)
        begun = agreed(processes, folder, bool(left), known)
        if begun is None:
            if processes.first:
                sweep(folder)  # what was killed while it did so
            return () if processes.first else None
        try:
            for done, share in shares(processes, folder, chunks, begun.token, watch.note):
                if not share:
                    continue
                watch.begins(share[0].optimises, done, sum(chunk.cells for chunk in share))
                filled = 0
                for chunk in share:
                    bar = _Progress(watch, chunk, filled)
                    cells = _compared(network, images, settings, chosen, chunk, begun, bar)
                    save_part(folder, chunk, begun.token, cells)
                    filled += chunk.cells
            processes.wait()
            if not processes.first:
                return None
            cells = all_parts(folder, chunks, begun.token)
            written = tuple(write(Survey(known, cells, begun.pair_distance)))
        except OutputError as error:
            what = str(error).removesuffix("; choose another place with --out")
            raise OutputError(f"{what}; what is done is kept: make room and go on with --resume") from None
        except (DeconvvizError, KeyboardInterrupt):
            with suppress(DeconvvizError):  # of a folder that is damaged besides: the first error is told
                if processes.first and not any(PART.fullmatch(path.name) for path in folder.iterdir()):
                    sweep(folder)  # nothing to go on with
            raise
        sweep(folder)
        return written


def _measure(folder: Path, network: Network, images: LabelledImages) -> None:
    """Adds the mean distance of two images to what the run was begun with, unless it is there."""
    content = earlier(folder, STARTED)
    if content is not None and "pair_distance" not in content:
        content["pair_distance"] = pair_distance(network, images)
        write_json(folder / STARTED, content)


def _compared(
    network: Network,
    images: LabelledImages,
    settings: SurveySettings,
    decoders: Sequence[Decoder],
    chunk: Chunk,
    begun: Begun,
    bar: _Progress,
) -> list[Cell]:
    """One piece."""
    rows = images.rows[list(chunk.images)]
    found = compare(
        network,
        Encoder(network, ()).see(pixels_of(images, rows)),
        chunk.layers,
        chunk.methods,
        decoders=decoders,
        names=[images.names[row] for row in rows],
        preset=settings.preset,
        iterations=settings.iterations,
        seed=settings.seed,
        batch_size=settings.batch_size,
        pair_distance=begun.pair_distance,
        pictures=False,
        watch=bar.doing,
    )
    bar.end()
    return cells_of(found, chunk.images)


class _Progress:
    """Counts the cells that a piece fills, also those that are filled in part."""

    def __init__(self, watch: Watch, chunk: Chunk, before: int) -> None:
        self._watch, self._chunk, self._before = watch, chunk, before
        self._shares: dict[tuple[str, str], float] = {}

    def doing(self, layer: str, method: str, done: int, total: int) -> None:
        """So much of so much of one method is done."""
        self._shares[layer, method] = done / total
        filled = int(sum(self._shares.values()) * len(self._chunk.images))
        self._watch.at(self._before + filled, layer, method, done, total)

    def end(self) -> None:
        """Everything is done, also what was empty from the start."""
        last = self._chunk.layers[-1], self._chunk.methods[-1]
        self._watch.at(self._before + self._chunk.cells, *last, 1, 1)
