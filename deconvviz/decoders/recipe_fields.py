"""What a field of a recipe may be: the words it chooses from, the range of its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from ..training.schedules import SCHEDULES
from ..training.settings import CROPS, PRECISIONS

CHOICES = {
    "crop": CROPS,
    "family": ("plain", "residual"),
    "optimiser": ("adam", "adamw"),
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
    "loss": ("mse", "l1"),
}
"""The fields that take one of a few words."""
_SHARES = ("slope", "dropout", "warmup", "average", "betas")
_COUNTS = ("epochs", "batch_size", "width", "fc_width", "fully_connected", "up_widths", "step_epochs")
_ABOVE_ZERO = ("lr", "gamma", "std", "smallest_crop", "val_share")


def complaint(name: str, value: Any, kind: Any) -> str:
    """How "NAME is VALUE" goes on where a field must not be that; empty where it may.

    Args:
        name: of the field.
        value: tables as dicts, rows as tuples.
        kind: its type hint.
    """
    if name in CHOICES and value not in CHOICES[name]:
        return f", not {' or '.join(CHOICES[name])}"
    if not _fits(value, kind):
        words = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
        words = words.replace("collections.abc.Mapping[str, int]", "table of ints by layer")
        return f", not {words.replace(' | ', ' or ')}"
    range_ = _out_of_range(name, value)
    return f"; {range_}" if range_ else ""


def _out_of_range(name: str, value: Any) -> str:
    """What the numbers of a field must be, where one of them is not."""
    numbers = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else (value,)
    )
    if value is None or isinstance(value, str | bool) or any(isinstance(n, str) for n in numbers):
        return ""
    if name in _SHARES and not all(0 <= n < 1 for n in numbers):
        return "it lies in [0, 1)"
    if name in _COUNTS and not all(n >= 1 for n in numbers):
        return "it is at least 1"
    if name in _ABOVE_ZERO and not all(n > 0 for n in numbers):
        return "it is more than 0"
    if not all(n >= (-1 if name == "output" else 0) for n in numbers):
        return "it is not negative"
    counts = {"betas": 2, "mean": 3, "std": 3}
    return f"these are {counts[name]} numbers" if len(numbers) != counts.get(name, len(numbers)) else ""


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value is of one of a type hint's kinds; whole numbers are numbers too."""
    for one in get_args(kind) if "|" in str(kind) else (kind,):
        origin = getattr(one, "__origin__", one)
        if origin is float:
            origin = (int, float)
        if isinstance(value, bool) and origin is not bool:
            continue
        if not isinstance(value, origin):
            continue
        inner = get_args(one)
        if origin is tuple and not all(_fits(v, inner[0]) for v in value):
            continue
        if isinstance(value, Mapping) and not all(_fits(v, inner[1]) for v in value.values()):
            continue
        return True
    return False
