"""One process or many: what ``torchrun`` starts, and what each does alone.

Every process holds the whole network and takes its part of each batch; gradients are averaged. Only the
first writes files and draws progress. gloo connects CPUs, NCCL GPUs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist

from ..errors import TrainingError


@dataclass(frozen=True)
class Processes:
    """This process among the others.

    Attributes:
        rank: its number; 0 writes.
        count: how many there are.
        device: where this one computes.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def share(self, batch_size: int) -> slice:
        """The part of a global batch that this process takes.

        Raises:
            TrainingError: the batch cannot be divided evenly.
        """
        if batch_size % self.count:
            raise TrainingError(
                f"--batch-size {batch_size} cannot be divided among {self.count} processes; "
                f"try {batch_size // self.count * self.count or self.count}"
            )
        part = batch_size // self.count
        return slice(self.rank * part, (self.rank + 1) * part)

    def summed(self, values: Tensor) -> Tensor:
        """The sum of every process's tensor, on the CPU."""
        if self.count == 1:
            return values.cpu()
        total = values.to(self.device)
        dist.all_reduce(total)
        return total.cpu()

    def wait(self) -> None:
        """Waits until every process is here."""
        if self.count > 1:
            dist.barrier()


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Joins the processes that torchrun started; a process started without it is alone.

    Args:
        device: where to compute; a plain ``cuda`` becomes this process's own GPU.

    Raises:
        TrainingError: the processes cannot reach each other.
    """
    count, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if str(device) == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if count == 1:
        yield Processes(0, 1, device)
        return
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"the {count} processes cannot reach each other: {error}") from None
    try:
        yield Processes(rank, count, device)
    finally:
        dist.destroy_process_group()
