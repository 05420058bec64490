"""A scan from beginning to end: one process or many, begun anew or gone on with, and written as an atlas.

    outcome = scan_atlas("ATLAS", network, images, ScanSettings(("conv1", "conv5")))

Every process scans its share of the batches and keeps what it has found in the folder; the first one joins
all of it and writes the tables. See `deconvviz.atlas.underway` for what is where meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..errors import DataError, DeconvvizError, OutputError
from ..locking import locked
from ..models import Network
from ..training.processes import Processes
from .agreeing import agreed, whole_scan
from .checkpoint import load_scan, save_scan
from .fingerprint import parameters_sha256, preprocessing_of
from .images import ImageList
from .opening import opened
from .rescoring import finished
from .scanning import scan
from .settings import ScanSettings, in_order
from .shares import partial_path, partials, without
from .state import Scan
from .underway import sweep
from .writing import write_atlas

_ALONE = Processes(0, 1, torch.device("cpu"))


@dataclass(frozen=True)
class Outcome:
    """What came of a scan.

    Attributes:
        paths: what was written: the tables and the manifest; empty where the atlas was there already.
        scan: the whole state; None where the atlas was there already.
    """

    paths: tuple[Path, ...] = ()
    scan: Scan | None = None


def scan_atlas(
    folder: Path | str,
    network: Network,
    images: ImageList,
    settings: ScanSettings,
    *,
    facts: Mapping[str, Any] | None = None,
    processes: Processes = _ALONE,
    resume: bool = False,
    overwrite: bool = False,
    every: float = 60.0,
    workers: int | None = None,
    begins: Callable[[int, int], object] = lambda done, share: None,
    progress: Callable[[int, int], object] = lambda read, left_out: None,
    rescoring: Callable[[int, int], object] = lambda read, of: None,
) -> Outcome | None:
    """Scans a list of images and writes the atlas.

    Args:
        folder: of the atlas; all processes see it.
        network: on its device.
        images: the same list in all processes.
        settings: what is kept.
        facts: what else the manifest says, ``model``, ``weights`` with its ``label``, ``seed``, ``images``
            and ``working_folder`` among it; None for what network and images say of themselves.
        processes: this one among the others.
        resume: go on with an unfinished scan.
        overwrite: throw an earlier atlas away.
        every: seconds between checkpoints.
        workers: threads; None for as many as there are processors.
        begins: told how many images earlier calls have done, and how many this process will do.
        progress: told after each batch how many images were read since then, and how many left out.
        rescoring: told at the end of a scan in mixed precision how many images were read again, of how many.

    Returns:
        what came of it; None in all processes but the first.

    Raises:
        DataError: there are fewer images than are to be kept, none can be read, the folder holds an atlas
            already, was begun with other settings, is written into by others, or is not the same in all
            processes.
        LayerError: there is no such layer.
        OutputError: the disk is full or the folder cannot be written; the last checkpoint stays.
        WeightsError: the weights file has no values for a layer.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from deconvviz import ScanSettings, list_images, load_model
        >>> from deconvviz.data.images import sample_path
        >>> images, settings = list_images([sample_path()]), ScanSettings(("conv1",), topk=1)
        >>> with TemporaryDirectory() as folder:
        ...     [path.name for path in scan_atlas(folder, load_model("mini"), images, settings).paths]
        ['units.parquet', 'statistics.parquet', 'images.parquet', 'manifest.json']
    """
    folder, facts = Path(folder), facts or _told_by(network, images)
    settings = replace(settings, layers=in_order(network, settings.layers))
    if settings.topk > len(images):
        raise DataError(f"--topk {settings.topk}: there are only {len(images)} images; ask for fewer")
    known = {
        **facts,
        **asdict(settings),
        "input_size": network.input_size,
        "preprocessing": preprocessing_of(network),
        "parameters_sha256": parameters_sha256(network, settings.layers),
        "list_key": images.key,
        "listed": len(images),
    }
    known["layers"] = list(settings.layers)
    with locked(folder, "scan") if processes.first and (folder.is_dir() or not resume) else nullcontext():
        generation = 0
        if processes.first:
            batches = -(-len(images) // settings.batch_size)
            generation = opened(folder, known, Scan.none(batches), resume, overwrite)
        generation, token, base = agreed(processes, folder, generation, known)
        if base is None:
            return Outcome() if processes.first else None
        own = partial_path(folder, generation, processes.rank)
        begun = base if processes.first else without(base)

        def keep(state: Scan) -> None:
            done = state.done if processes.first else state.done & ~base.done
            save_scan(own, replace(state, done=done), {**known, "token": token})

        begins(*_counts(base, len(images), settings.batch_size, processes))
        try:
            found = scan(
                network,
                images,
                settings.layers,
                topk=settings.topk,
                per_image=settings.per_image,
                batch_size=settings.batch_size,
                workers=workers,
                precision=settings.precision,
                begun=begun,
                share=(processes.rank, processes.count),
                progress=progress,
                rescoring=rescoring,
                checkpoint=keep,
                every=every,
            )
            keep(found)
            processes.wait()
            if not processes.first:
                return None
            whole = finished(
                network,
                images,
                whole_scan(folder, generation),
                settings.layers,
                topk=settings.topk,
                per_image=settings.per_image,
                batch_size=settings.batch_size,
                workers=workers,
                progress=rescoring,
            )
            said = {name: fact for name, fact in known.items() if name != "listed"}
            paths = write_atlas(folder, network, images, whole, said)
        except OutputError as error:
            what = str(error).removesuffix("; choose another place with --out")
            raise OutputError(f"{what}; what was found is kept: make room and go on with --resume") from None
        except DeconvvizError:
            with suppress(DeconvvizError):  # of a folder that is damaged besides: this is what is told
                if processes.first and not _any_found(folder, generation):
                    sweep(folder)  # nothing to go on with
            raise
        sweep(folder)
        return Outcome(tuple(paths), whole)


def _any_found(folder: Path, generation: int) -> bool:
    """Whether there is anything to go on with."""
    return any(load_scan(path).strongest for path in partials(folder).get(generation, []))


def _told_by(network: Network, images: ImageList) -> dict[str, Any]:
    """What the manifest says of a scan that no command began."""
    path = network.origin.path
    file = {} if path is None else {"file": str(path.resolve())}
    return {
        "model": network.name,
        "weights": {"label": network.origin.label, **file},
        "seed": 0,
        "images": list(images.places),
        "working_folder": str(Path.cwd()),
    }


def _counts(base: Scan, images: int, batch_size: int, processes: Processes) -> tuple[int, int]:
    """How many images are done, and how many this process will do."""
    sizes = [min(batch_size, images - b * batch_size) for b in range(len(base.done))]
    left = [size for size, done in zip(sizes, base.done, strict=True) if not done]
    return images - sum(left), sum(left[processes.rank :: processes.count])
