"""A trained network as one file to hand on: its weights, and in the metadata what it is."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..errors import TrainingError
from ..models import load_model
from ..models.catalogue import CATALOGUE
from ..models.trained import RUN_FILE, trained
from .checkpoint import read_tensors, save_tensors
from .settings import Settings

_OFF = {"channels_last": "--channels-first"}


def export_run(run: Path, out: Path, *, half: bool = False) -> Path:
    """Writes the best weights of a run, batch norms folded where the network can be built without them.

    Args:
        run: the folder that `train_classifier` made.
        out: the .safetensors file.
        half: store float16; reading makes float32 of it again.

    Raises:
        WeightsError: the folder is no run.
        TrainingError: a weight is too large for float16.
        OutputError: the file cannot be written.
    """
    found = trained(run) if run.is_dir() else None
    if found is None:
        raise TrainingError(f"{run} is not a training run's folder")
    facts, best = found
    folds = facts.model in CATALOGUE and CATALOGUE[facts.model].norm
    state = load_model("auto", run).module.state_dict()
    if half:
        state = {name: t.half() if t.is_floating_point() else t for name, t in state.items()}
        large = [name for name, t in state.items() if not bool(torch.isfinite(t).all())]
        if large:
            raise TrainingError(f"'{large[0]}' has values that float16 cannot hold; leave --half away")
    record = json.loads((run / RUN_FILE).read_text(encoding="utf-8"))
    reached = read_tensors(best)[1]
    data = {
        **record["data"],
        "data": Path(record["data"]["data"]).name,
        "source": Path(record["data"]["source"]).name,
    }
    told = {
        "trained": replace(facts, folded=folds).as_dict(),
        "made_by": record["made_by"],
        "command": command(record, run.resolve().name),
        "date": record["date"],
        "settings": record["settings"],
        "data": data,
        "epoch": reached["epoch"],
        "val_top1": reached["val_top1"],
    }
    return save_tensors(out, state, told)


def command(record: Mapping[str, Any], out: str) -> str:
    """The command that trains the same network, without the folders of the machine it was trained on.

    Args:
        record: the content of ``run.json``.
        out: the folder it should name.
    """
    usual = Settings().as_dict()
    task = {"model": record["trained"]["model"], "data": record["data"]["data"], **record.get("task", {})}
    task |= {"data_root": None, "out": out}
    task["data"] = Path(task["data"]).name
    if task.get("weights") not in (None, "default", "random"):
        task["weights"] = Path(task["weights"]).name
    settings = {
        k: v for k, v in record["settings"].items() if k in usual and v != usual[k] and k != "precision"
    }
    words = ["deconvviz", "train-classifier"]
    for name, value in {**task, **settings}.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(option if value else _OFF.get(name, f"--no-{name}"))
        elif isinstance(value, list):
            words += [word for one in value for word in (option, str(one))]
        elif value is not None and (name, value) != ("weights", "random"):
            words += [option, str(value)]
    return shlex.join(words)
