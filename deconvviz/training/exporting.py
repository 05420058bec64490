"""A trained network as one file: its weights, and in the metadata what it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch

from ..errors import TrainingError
from ..models import load_model
from ..models.catalogue import CATALOGUE
from ..models.trained import RUN_FILE, trained
from .checkpoint import read_tensors, save_tensors


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
    found = trained(run)
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
    kept = {
        name: record[name] for name in ("made_by", "command", "date", "settings", "data") if name in record
    }
    reached = read_tensors(best)[1]
    told = {**kept, "epoch": reached.get("epoch"), "val_top1": reached.get("val_top1")}
    return save_tensors(out, state, {"trained": replace(facts, folded=folds).as_dict(), **told})
