"""torchvision's models, and a way to import just the file that defines one.

``import torchvision`` takes about a second, nearly all of it spent on ``torch._dynamo``, which its
detection operators pull in and no classifier uses. A command that lives for two seconds imports only the
model's own file: the classes are torchvision's, the packages around them are left out, and afterwards
``sys.modules`` is as it was, so that a later ``import torchvision`` is the ordinary one.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

_PACKAGES = ("torchvision", "torchvision.models", "torchvision.ops")
_ALONE: dict[str, ModuleType] = {}
"""What was imported alone so far, by name: each file is read once."""


def torchvision_module(name: str, lean: bool) -> ModuleType:
    """A module of torchvision, such as ``models.alexnet`` or ``transforms._presets``.

    Args:
        name: the dotted name below ``torchvision``.
        lean: import its file without the packages around it. Its classes are then not the same objects as
            those of a later ``import torchvision``, which only a long-lived program would notice.
    """
    if not lean or "torchvision" in sys.modules:
        return importlib.import_module(f"torchvision.{name}")
    try:
        return _alone(f"torchvision.{name}")
    except (ImportError, AttributeError):  # a torchvision laid out otherwise: the ordinary way serves
        return importlib.import_module(f"torchvision.{name}")


def _alone(name: str) -> ModuleType:
    try:
        sys.modules.update(_ALONE or _shells())
        return importlib.import_module(name)
    finally:
        for loaded in [m for m in sys.modules if m.split(".")[0] == "torchvision"]:
            _ALONE[loaded] = sys.modules.pop(loaded)


def _shells() -> dict[str, ModuleType]:
    """The packages without what their ``__init__.py`` imports."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ImportError("torchvision is not installed")
    shells = {name: ModuleType(name) for name in _PACKAGES}
    for name, shell in shells.items():
        shell.__path__ = [str(Path(spec.origin).parent.joinpath(*name.split(".")[1:]))]
    vars(shells["torchvision.ops"])["__getattr__"] = _operator
    return shells


def _operator(name: str) -> Any:
    """The one class that a model's file takes from the package of operators itself."""
    if name != "StochasticDepth":
        raise AttributeError(name)
    return importlib.import_module("torchvision.ops.stochastic_depth").StochasticDepth
