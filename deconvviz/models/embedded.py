"""`mini`'s weights, which ship with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ..errors import WeightsError


def embedded_weights() -> Path:
    """The file of the embedded model.

    Raises:
        WeightsError: the installation is incomplete.
    """
    path = Path(str(files("deconvviz_assets") / "mini.safetensors"))
    if not path.is_file():
        raise WeightsError(f"the embedded model is missing from {path.parent}; install deconvviz again")
    return path
