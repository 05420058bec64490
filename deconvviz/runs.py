"""What made a result, written beside it, and writing that leaves either the old file or the new one.

Importing this module costs nothing: torch is looked at only when a manifest is made.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ._version import __version__
from .errors import OutputError

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
"""What a figure can be written as."""
_PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "pillow", "pyarrow", "matplotlib")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place once the block has ended well.

    Yields:
        the temporary path, with the same suffix.

    Raises:
        OutputError: the folder cannot be made or written, or the disk is full; an earlier file stays.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot write {path}: {reason}; choose another place with --out") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def remove(*paths: Path) -> None:
    """Deletes files; those that are not there are no matter.

    Raises:
        OutputError: one cannot be deleted.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot remove {path}: {error.strerror or error}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, content: Mapping[str, Any]) -> Path:
    """Writes a JSON file in place of an older one."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def write_arrays(path: Path, **arrays: Any) -> Path:
    """Writes arrays by name as an uncompressed .npz in place of an older one."""
    import numpy as np

    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    return path


def sha256_later(path: Path) -> Future[str]:
    """Starts to hash a file in the background: weights files are large, and reading them can overlap.

    Raises:
        OSError: from ``result()``, where the file cannot be read.
    """

    def digest() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    pool = ThreadPoolExecutor(1)
    future = pool.submit(digest)
    pool.shutdown(wait=False)
    return future


def manifest(**facts: Any) -> dict[str, Any]:
    """What made a result: the given facts, the command line, the versions and the date.

    Args:
        facts: model, weights, image, layer, units and whatever else the result depends on; those that are
            None are left out.
    """
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "made_by": f"deconvviz {__version__}",
        "command": " ".join(["deconvviz", *map(_quoted, sys.argv[1:])]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **{name: fact for name, fact in facts.items() if fact is not None},
        "versions": versions,
    }


def _quoted(word: str) -> str:
    return word if word and not set(word) & set(" '\"$`\\*?;&|<>()") else json.dumps(word, ensure_ascii=False)


def short_form(facts: Mapping[str, Any]) -> dict[str, str]:
    """The text chunks of a PNG by which a stray picture can be traced.

    Args:
        facts: a manifest.
    """
    chosen = {k: facts[k] for k in ("command", "model", "weights", "image", "layer", "date") if k in facts}
    return {"Software": str(facts["made_by"]), "Description": json.dumps(chosen, ensure_ascii=False)}
