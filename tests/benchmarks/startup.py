"""How long one picture takes as a command, from starting Python to the file on disk, against captum.

    python tests/benchmarks/startup.py
    python tests/benchmarks/startup.py --models alexnet --rounds 9 --json FILE

A photograph in, a PNG of nine projections beside their image patches out: by ``deconvviz project``, and by
the short script that one would write with captum and torchvision (`CAPTUM` below). Whole processes, in turn;
reading the weights from disk and importing everything is part of the time. Nearly all of it is: the ratio
says how much of a command's life goes into work that the picture does not need.

The weights are random ones that the benchmark saves in a temporary folder, so nothing is downloaded. The
first round only warms the disk's cache and is not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import quartiles, say, setting, spread, table, write_json

LAYERS = {"alexnet": ("conv5", "features.11"), "vgg16": ("conv5_3", "features.29")}  # ours, torchvision's
WANTED = 0.75  # ours, at most, as a part of captum's

CAPTUM = """
import sys
import captum.attr, matplotlib, torch, torchvision
from PIL import Image
matplotlib.use("Agg")
import matplotlib.pyplot as plt
photo, weights, name, layer, out = sys.argv[1:]
model = torchvision.models.get_model(name)
model.load_state_dict(torch.load(weights, weights_only=True))
model.eval()
preprocess = torchvision.models.get_model_weights(name).DEFAULT.transforms()
image = preprocess(Image.open(photo).convert("RGB"))[None].requires_grad_()
part, index = layer.split(".")
maps = model.get_submodule(part)[: int(index) + 1](image).detach()[0]
best, places = maps.flatten(1).max(1)
deconvolution = captum.attr.NeuronDeconvolution(model, model.get_submodule(layer))
picture = (image.detach()[0] * torch.tensor(preprocess.std)[:, None, None]
           + torch.tensor(preprocess.mean)[:, None, None]).clamp(0, 1).permute(1, 2, 0)
figure, axes = plt.subplots(3, 6, figsize=(9, 4.5))
for left, right, channel in zip(axes[:, ::2].flat, axes[:, 1::2].flat, best.topk(9).indices.tolist()):
    place = divmod(int(places[channel]), maps.shape[2])
    pixels = deconvolution.attribute(image, (channel, *place)).detach()[0].permute(1, 2, 0)
    reached = pixels.abs().sum(2).nonzero()
    (top, first), (bottom, last) = reached.min(0).values.tolist(), reached.max(0).values.tolist()
    left.imshow((0.5 + pixels / pixels.abs().max() / 2)[top : bottom + 1, first : last + 1])
    right.imshow(picture[top : bottom + 1, first : last + 1])
for axis in axes.flat:
    axis.set_axis_off()
figure.savefig(out, dpi=150)
"""


def saved_weights(model: str, folder: Path) -> Path:
    """A file of random weights, as ``torch.save`` writes a state dict."""
    import torch
    from torchvision.models import get_model

    torch.manual_seed(0)
    path = folder / f"{model}.pth"
    torch.save(get_model(model).state_dict(), path)
    return path


def commands(model: str, photo: Path, weights: Path, folder: Path) -> dict[str, list[str]]:
    """The two command lines; each writes a PNG under its own name."""
    script = folder / "with_captum.py"
    script.write_text(CAPTUM)
    layer, path = LAYERS[model]
    ours = ["-m", "deconvviz_cli", "project", str(photo), "--layer", layer, "--topk", "9", "--model", model]
    ours += ["--weights", str(weights), "--out", str(folder / f"{model}_ours.png")]
    captum = [str(script), str(photo), str(weights), model, path, str(folder / f"{model}_captum.png")]
    return {"ours": [sys.executable, *ours], "captum": [sys.executable, *captum]}


def seconds(command: list[str], out: Path) -> float:
    """Wall time of one process, which has to leave a picture behind."""
    out.unlink(missing_ok=True)
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "Agg"})
    spent = time.perf_counter() - start
    if done.returncode or not out.is_file():
        raise SystemExit(f"{' '.join(command)}\nfailed:\n{done.stderr}")
    return spent


def measure(model: str, photo: Path, rounds: int, folder: Path) -> dict[str, object]:
    """One row: medians and quartiles of both commands, and of their ratio round by round."""
    runs = commands(model, photo, saved_weights(model, folder), folder)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for r in range(rounds + 1):
        for name in list(runs)[:: 1 if r % 2 else -1]:
            spent = seconds(runs[name], folder / f"{model}_{name}.png")
            if r:
                times[name].append(spent)
        say(f"{model}: round {r} of {rounds}")
    ratios = [ours / captum for ours, captum in zip(times["ours"], times["captum"], strict=True)]
    row: dict[str, object] = {"model": model, "layer": LAYERS[model][0], "rounds": rounds}
    for name, values in (*times.items(), ("ratio", ratios)):
        unit = "" if name == "ratio" else "_s"
        row[f"{name}{unit}"] = statistics.median(values)
        row[f"{name}{unit}_quartiles"] = quartiles(values)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", nargs="?", type=Path, help="default: matplotlib's sample photograph")
    parser.add_argument("--models", nargs="+", choices=sorted(LAYERS), default=list(LAYERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    photo = options.photo
    if photo is None:
        from matplotlib.cbook import get_sample_data

        photo = Path(get_sample_data("grace_hopper.jpg", asfileobj=False))
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(model, photo, options.rounds, Path(folder)) for model in options.models]
    header = ["command", "rounds", "ours s", "captum s", f"ours / captum (wanted: {WANTED} at most)"]
    cells = [
        [f"{row['model']} {row['layer']}", str(row["rounds"])]
        + [spread(row[key]) for key in ("ours_s_quartiles", "captum_s_quartiles", "ratio_quartiles")]
        for row in rows
    ]
    print(f"{setting()}\n\n{table(header, cells)}")
    if options.json:
        write_json(options.json, rows)


if __name__ == "__main__":
    main()
