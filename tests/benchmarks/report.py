"""What the benchmarks share: summaries of repeated timings, a table on stdout, rows to a JSON file."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile; of a single value, that value three times."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def spread(low_middle_high: Sequence[float], digits: int = 2, unit: float = 1) -> str:
    """Quartiles as ``3.60 (3.45-3.82)``, the median first, in thousandths for a unit of 1e3."""
    low, middle, high = (unit * value for value in low_middle_high)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell: the first to the left, numbers to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    text = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(text)


def rounded(value: object, digits: int = 5) -> object:
    """The same value with all floating-point numbers in it cut to a few significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {key: rounded(inner, digits) for key, inner in value.items()}
    return [rounded(inner, digits) for inner in value] if isinstance(value, list | tuple) else value


def write_json(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """Writes the rows as a list of objects, in one piece: whole or not at all."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.resolve().parent, prefix=f".{path.name}.", suffix=".part", delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            json.dump(rounded(rows), file, indent=2)
            file.write("\n")
        except BaseException:
            temporary.unlink()
            raise
    umask = os.umask(0)
    os.umask(umask)
    temporary.chmod(0o666 & ~umask)  # a temporary file is private; what it becomes is not
    temporary.replace(path)


def setting() -> str:
    """One line on what the numbers were measured with: versions, cores, threads."""
    from importlib.metadata import version

    import torch

    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "captum"))
    return (
        f"Python {platform.python_version()}, {packages}; {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads"
    )


def say(text: str) -> None:
    """Progress, to stderr: stdout carries the table only."""
    print(text, file=sys.stderr, flush=True)
