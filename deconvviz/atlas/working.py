"""Who does the passes of a scan: threads side by side, each on one core, or beside a GPU.

On a CPU every thread decodes a batch and runs its own replica of the network; a network that cannot be copied
has one thread. On a GPU threads decode, and the network runs in the thread that asked. Never are more batches
under way than keep the threads busy.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple, TypeVar

import torch

from ..data.images import quiet_decoding
from ..errors import ModelError
from ..models import Network
from ..models.features import frozen
from .images import ImageList
from .passes import Batch, Pass, Runner, decoded, device_of, replica
from .reducing import Bar

_Out = TypeVar("_Out")


class Task(NamedTuple):
    """A batch to be done.

    Attributes:
        number: of the batch.
        rows: the numbers of its images.
        size: how many the pass takes; the last batch is filled up, since sums can depend on that.
    """

    number: int
    rows: Sequence[int]
    size: int


def passes_over(
    network: Network,
    images: ImageList,
    paths: Mapping[str, str],
    tasks: Sequence[Task],
    bars: Mapping[str, Bar],
    per_image: int,
    workers: int | None = None,
    precision: torch.dtype | None = None,
) -> Generator[Pass, None, None]:
    """What passes give, in whatever order they end; closing the iterator stops those under way.

    Args:
        network: on its device; it is left as it was.
        images: the list.
        paths: the layers' names and module paths.
        tasks: the batches.
        bars: what candidates have to pass; may be raised while the passes go on.
        per_image: how many places of one image a unit may keep.
        workers: threads; None for one a core, divided among the processes of this machine.
        precision: what to compute in; None for the network's own.

    Raises:
        DeconvvizError: see `Runner.run`.
    """
    threads = workers or cores()
    try:
        first = replica(network.module, precision)
    except ModelError:
        if precision:
            raise
        first, threads = network.module, 1  # then it does all passes itself, one after the other
    stop, local = threading.Event(), threading.local()
    on_cpu = device_of(network.module).type == "cpu"
    before = torch.get_num_threads()
    with frozen(network.module), frozen(first), quiet_decoding(), ThreadPoolExecutor(threads) as pool:

        def runner() -> Runner:
            own = first if first is network.module else replica(first)
            return Runner(network, own, paths, per_image, stop)

        def decode(task: Task) -> Batch:
            torch.set_num_threads(1)
            return decoded(network, images, task.number, task.rows, task.size, stop)

        def whole(task: Task) -> Pass:
            if not hasattr(local, "runner"):
                local.runner = runner()
            done: Pass = local.runner.run(decode(task), bars)
            return done

        try:
            if on_cpu:
                yield from _ahead(pool, whole, tasks, 2 * threads)
            else:
                alone = runner()
                for batch in _ahead(pool, decode, tasks, 2 * threads):
                    yield alone.run(batch, bars)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(before)  # a thread that sets its own sets what later ones begin with


def cores() -> int:
    """How many cores this process may use, divided among those that torchrun started beside it."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, available // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[Task], _Out], tasks: Sequence[Task], most: int
) -> Iterator[_Out]:
    """What comes of each task, as soon as it is there; at most so many are under way."""
    coming: set[Future[_Out]] = set()
    following = iter(tasks)
    while True:
        while len(coming) < most and (task := next(following, None)) is not None:
            coming.add(pool.submit(work, task))
        if not coming:
            return
        ready, coming = wait(coming, return_when=FIRST_COMPLETED)
        for one in ready:
            yield one.result()
