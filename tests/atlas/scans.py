"""Scans of a few pictures into folders, by one process or several that are threads here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deconvviz.atlas.images import ImageList, list_images
from deconvviz.atlas.running import Outcome, scan_atlas
from deconvviz.atlas.settings import ScanSettings
from deconvviz.models.network import Network
from deconvviz.training.processes import Processes

TABLES = ("units.parquet", "statistics.parquet", "images.parquet")
LAYERS = ("conv1", "conv2", "fc4")


class Killed(BaseException):
    """Ends a scan without a word, as the system does."""


class Meeting:
    """Where threads that stand for processes meet."""

    def __init__(self, count: int) -> None:
        self.count, self.barrier, self.sums = count, threading.Barrier(count, timeout=60), [0] * count

    def run(self, work: Callable[[Processes], Any]) -> list[Any]:
        """What each of them returns; an error of one ends the others, and is raised."""

        def one(rank: int) -> Any:
            try:
                return work(Together(rank, self.count, torch.device("cpu"), meeting=self))
            except BaseException:
                self.barrier.abort()
                raise

        with ThreadPoolExecutor(self.count) as pool:
            coming = [pool.submit(one, rank) for rank in range(self.count)]
            errors = [error for one_ in coming if (error := one_.exception()) is not None]
        for error in errors:
            if not isinstance(error, threading.BrokenBarrierError):
                raise error
        return [one_.result() for one_ in coming]


@dataclass(frozen=True)
class Together(Processes):
    """A process that is a thread."""

    meeting: Meeting | None = None

    def wait(self) -> None:
        self.meeting.barrier.wait()

    def summed(self, values: Tensor) -> Tensor:
        self.meeting.sums[self.rank] = values
        self.meeting.barrier.wait()
        total = sum(self.meeting.sums[1:], self.meeting.sums[0])
        self.meeting.barrier.wait()
        return total


def facts(network: Network, images: ImageList, folder: Path) -> dict[str, Any]:
    """What the command line would say of them."""
    return {
        "model": network.name,
        "weights": {"label": network.origin.label},
        "images": list(images.places),
        "working_folder": str(folder),
    }


def scanned(
    out: Path, network: Network, images: ImageList, processes: int = 1, working: str = "/", **settings: Any
) -> list[Outcome | None]:
    """A scan of them by so many processes."""
    how = {name: settings.pop(name) for name in ("topk", "per_image", "batch_size") if name in settings}
    chosen = ScanSettings(settings.pop("layers", LAYERS), **{"batch_size": 4, "topk": 3, **how})

    def work(one: Processes) -> Outcome | None:
        return scan_atlas(
            out, network, images, chosen, facts=facts(network, images, Path(working)), processes=one,
            workers=1, **settings,
        )  # fmt: skip

    alone = Processes(0, 1, torch.device("cpu"))
    return [work(alone)] if processes == 1 else Meeting(processes).run(work)


def tables(folder: Path) -> dict[str, bytes]:
    """The bytes of the three tables."""
    return {name: (folder / name).read_bytes() for name in TABLES}


def listed(folder: Path) -> ImageList:
    """The pictures of a folder."""
    return list_images([folder])
