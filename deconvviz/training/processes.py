"""One process or many: what ``torchrun`` starts, and what each does alone.

Every process holds the whole network and takes its part of each batch; gradients are averaged. Only the
first writes files and draws progress. gloo connects CPUs, NCCL GPUs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor
from torch import distributed as dist

from ..errors import TrainingError

_PATIENCE = timedelta(hours=4)
"""How long the others wait while the first decodes a data set."""


@dataclass(frozen=True)
class Processes:
    """This process among the others.

    Attributes:
        rank: its number; 0 writes.
        count: how many there are.
        device: where this one computes.
        local_rank: its number on its own machine.
    """

    rank: int
    count: int
    device: torch.device
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    @property
    def first_here(self) -> bool:
        """Whether this is the one that fills its machine's cache while the others wait."""
        return self.local_rank == 0

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
def joined(device: torch.device, patience: timedelta = _PATIENCE) -> Iterator[Processes]:
    """Joins the processes that torchrun started; a process started without it is alone.

    Args:
        device: where to compute; a plain ``cuda`` becomes this process's own GPU.
        patience: how long one waits for another before it gives up.

    Raises:
        TrainingError: the processes cannot reach each other.
    """
    count, rank, local = (
        int(os.environ.get(name, usual))
        for name, usual in (("WORLD_SIZE", "1"), ("RANK", "0"), ("LOCAL_RANK", "0"))
    )
    if str(device) == "cuda":
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    if count == 1:
        yield Processes(0, 1, device)
        return
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=patience)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"the {count} processes cannot reach each other: {error}") from None
    try:
        yield Processes(rank, count, device, local)
    finally:
        dist.destroy_process_group()
