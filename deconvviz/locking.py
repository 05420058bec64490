"""One writer a folder: a lock that every system knows, and that a process lets go of when it dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import DataError, OutputError

LOCK_FILE = ".lock"


@contextmanager
def locked(folder: Path, work: str) -> Iterator[None]:
    """Keeps others from writing into a folder.

    Args:
        folder: is made where it is not there.
        work: what is going on in it, such as ``scan``, for the message to others.

    Raises:
        DataError: another process is at it.
        OutputError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK_FILE, timeout=0)
        lock.acquire()
    except Timeout:
        raise DataError(
            f"another {work} is writing into {folder}: wait until it ends, or name another --out"
        ) from None
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot write into {folder}: {reason}; choose another place with --out") from None
    try:
        yield
    finally:
        lock.release()
