"""Networks that were trained here: what their run or file says about itself.

``train-classifier`` leaves a folder with ``run.json`` and ``best.safetensors``; an exported file carries the
same facts in its metadata. Either tells the network's name, its classes and its preprocessing, so that
``--weights`` alone is enough.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import WeightsError

RUN_FILE = "run.json"
BEST_FILE = "best.safetensors"
METADATA_KEY = "deconvviz"
"""The entry of a safetensors file's metadata that holds our facts, as JSON."""


@dataclass(frozen=True)
class Trained:
    """What a trained network is.

    Attributes:
        model: a name of the catalogue, or ``package.module:function``.
        input_size: the side of its square input.
        mean: of each channel, in [0, 1]: images are normalised with it.
        std: likewise.
        classes: class names by number.
        class_ids: folder names or WordNet ids by number.
        folded: batch norms are in the weights already.
    """

    model: str
    input_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]
    class_ids: tuple[str, ...]
    folded: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], label: str) -> Trained:
        """What `as_dict` wrote.

        Raises:
            WeightsError: something is missing from it.
        """
        try:
            known = {f.name for f in fields(cls)}
            values: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in content.items() if k in known
            }
            return cls(**values)
        except TypeError as error:
            raise WeightsError(f"{label} does not say what was trained: {error}") from None


def trained(path: Path) -> tuple[Trained, Path] | None:
    """What a run's folder or an exported file is, and its weights file; None for any other file.

    Raises:
        WeightsError: a folder that is no run, or whose run has no weights yet.
    """
    if path.is_dir():
        return _run(path)
    if path.suffix == ".safetensors" and path.is_file():
        content = _metadata(path)
        if content is not None:
            return Trained.from_dict(content, path.name), path
    return None


def exported(path: Path) -> tuple[Trained, Path]:
    """What an exported file is.

    Raises:
        WeightsError: it does not say.
    """
    found = trained(path)
    if found is None:
        raise WeightsError(f"{path} is damaged or does not say what was trained")
    return found


def _run(folder: Path) -> tuple[Trained, Path]:
    try:
        content = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        facts = Trained.from_dict(content["trained"], str(folder / RUN_FILE))
    except FileNotFoundError:
        raise WeightsError(
            f"{folder} is a folder without {RUN_FILE}, not a training run; name a weights file in it"
        ) from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise WeightsError(f"{folder / RUN_FILE} is damaged ({error})") from None
    if not (folder / BEST_FILE).is_file():
        raise WeightsError(f"{folder} has no {BEST_FILE} yet: its first epoch has not ended")
    return facts, folder / BEST_FILE


def _metadata(path: Path) -> dict[str, Any] | None:
    import safetensors

    try:
        with safetensors.safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
        content = json.loads(text).get("trained") if text else None
    except (safetensors.SafetensorError, OSError, ValueError, AttributeError):
        return None  # whoever reads the tensors will say what is wrong with the file
    return content if isinstance(content, dict) else None
