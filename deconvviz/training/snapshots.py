"""The snapshots of a training run: the network as it was after some of its epochs.

    for snapshot in snapshots_of("runs/mini"):        # epochs 1, 2, 5, 10, 20, 30, 40, 64
        network = snapshot.network()

``train-classifier --snapshots`` writes them. Each is a weights file of its own that says what was trained,
so that it also serves wherever weights are asked for.

Source: the epochs of Zeiler & Fergus 2013, fig. 4.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors

from ..errors import TrainingError, WeightsError
from ..models import Network, load_model
from ..models.trained import METADATA_KEY, RUN_FILE, Trained
from .classifier import SNAPSHOTS

_NAME = re.compile(r"epoch_(\d+)\.safetensors")


@dataclass(frozen=True)
class Snapshot:
    """The network after one epoch.

    Attributes:
        epoch: counted from 1.
        path: its weights file.
        accuracy: top-1 over the validation images after that epoch, in [0, 1].
    """

    epoch: int
    path: Path
    accuracy: float

    def network(self) -> Network:
        """The network in evaluation mode, on the CPU, as `load_model` gives it.

        Raises:
            WeightsError: the file is damaged.
            ModelError: the network cannot be built any more.
        """
        return load_model("auto", self.path, lean=True)


def snapshots_of(run: str | os.PathLike[str]) -> list[Snapshot]:
    """The snapshots that a run has kept so far, first epoch first; at least one.

    Args:
        run: the folder of a training run.

    Raises:
        TrainingError: it is no run, it has no snapshots, or one of them is damaged or of another run.

    Example:
        >>> snapshots_of("photos")
        Traceback (most recent call last):
        deconvviz.errors.TrainingError: photos is not there; name the folder of a train-classifier run
    """
    folder = Path(run)
    record = run_record(folder)
    files = {
        int(match[1]): path for path in folder.glob(f"{SNAPSHOTS}/*") if (match := _NAME.fullmatch(path.name))
    }
    if not files and not record["settings"].get("snapshots"):
        raise TrainingError(f"{folder} kept no snapshots; train with train-classifier --snapshots")
    if not files:
        raise TrainingError(
            f"{folder} has no snapshot yet, the first is that of epoch 1; go on with it by "
            "train-classifier --resume"
        )
    trained = Trained.from_dict(record["trained"], str(folder / RUN_FILE))
    return [_read(files[epoch], epoch, trained) for epoch in sorted(files)]


def run_record(run: str | os.PathLike[str]) -> dict[str, Any]:
    """What a run says of itself: ``trained``, ``settings``, ``data``, and ``task`` by the command line.

    Args:
        run: the folder of a training run.

    Raises:
        TrainingError: there is none, or its record is damaged.
    """
    path = Path(run) / RUN_FILE
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        whole = isinstance(content["settings"], dict) and isinstance(content["data"], dict)
        if not whole or not isinstance(content, dict):
            raise TypeError("it is not the record of a run")
        Trained.from_dict(content["trained"], str(path))
    except (FileNotFoundError, NotADirectoryError):
        what = "is not there" if not Path(run).exists() else f"is no folder with a {RUN_FILE} in it"
        raise TrainingError(f"{run} {what}; name the folder of a train-classifier run") from None
    except (KeyError, WeightsError):
        raise TrainingError(f"{run} is not the run of a classifier; name that of train-classifier") from None
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise TrainingError(f"{path} is damaged ({error})") from None
    return content


def _read(path: Path, epoch: int, trained: Trained) -> Snapshot:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})[METADATA_KEY])
        of, accuracy = Trained.from_dict(facts["trained"], path.name), float(facts["val_top1"])
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"{path} is damaged or no snapshot ({error}); without that file the other epochs can be shown"
        ) from None
    except WeightsError as error:
        raise TrainingError(str(error)) from None
    if of != trained:
        raise TrainingError(f"{path} is a snapshot of another run; move it out of the folder")
    return Snapshot(epoch, path, accuracy)
