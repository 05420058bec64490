"""How fast an atlas is made, against what bounds it and against zennit-crp and captum.

    python tests/benchmarks/atlas.py val/ --weights alexnet_features.pth
    python tests/benchmarks/atlas.py val/ --weights FILE --limit 200 --parts scan render --json FILE

Contestants take turns in one process, in another order each round; a ratio is of two times within one round,
and the tables give the median with the quartiles. All decode the images with the same preprocessing, from
files that have been read once before, and compute in float32 with as many threads. The ratio in CPU time is
what a machine with nothing else to do would show.

**scan**: the strongest nine activations of every unit of the layers, over all images.

- ours: `deconvviz.atlas.scanning.scan`, batches of 16, which also gathers means, histograms and counts.
- bare: a plain loop: decode 16 images, run the network up to the last layer, channels_last, no hooks, nothing
  kept; the network's own threads compute.
- bare_threads: the same in as many threads as ours has, each with whole batches: what the machine can do.
- crp: zennit-crp's `FeatureVisualization` (the strongest 40 by activation), on the same network cut after the
  last layer, without a composite, all images as one class, in the batches and memory format that were fastest
  in a trial. It decodes in threads, and always runs a backward pass, for relevance.
- crp_forward: the same with that pass taken out, which it does not offer: its hooks and sorting alone.

**memory**: the peak of a fresh process that scans 1,000, and one that scans 5,000 images.

**render**: the projections of some units' entries, from the image file to pixels.

- ours: `render_units`, forward and mirror inside the unit's window where that is smaller.
- captum: a loop that decodes each entry's image and calls `NeuronDeconvolution` on the whole network.
- captum_cut: the same on the network cut after the layer, which its users would have to do themselves.

**mixed**: the scan with --precision mixed against float32, and whether it gives the same atlas.

**gpu**: where there is one, the scan, its parts alone, and what follows for ImageNet.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import atlas_rendering
import atlas_scanning
import numpy as np
import torch
from atlas_scanning import BATCH, TOPK, few
from peers import network_of
from report import quartiles, say, setting, spread, table, write_json

from deconvviz.atlas.images import ImageList, list_images
from deconvviz.atlas.scanning import scan
from deconvviz.atlas.state import Scan
from deconvviz.models import Network, load_model

PARTS = ("scan", "memory", "render", "mixed", "gpu")
Row = dict[str, Any]
Times = Mapping[str, Sequence[tuple[float, float]]]
"""Wall and CPU seconds of each round, by contestant."""


def rounds_of(
    runs: Mapping[str, Callable[[], Any]], rounds: int, what: str
) -> dict[str, list[tuple[float, float]]]:
    """Lets the contestants take turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    names = list(runs)
    for r in range(rounds):
        for name in names[r % len(names) :] + names[: r % len(names)]:
            start = time.perf_counter(), time.process_time()
            runs[name]()
            times[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
        say(f"{what}, round {r + 1}: " + ", ".join(f"{n} {t[-1][0]:.1f} s" for n, t in times.items()))
    return times


def summary(times: Times, count: int) -> Row:
    """Of each contestant how many a second, how many CPU seconds each, and its time over ours."""
    row: Row = {}
    for name, all_times in times.items():
        row[f"{name}_rate"] = quartiles([count / wall for wall, _ in all_times])
        row[f"{name}_cpu_s"] = quartiles([cpu / count for _, cpu in all_times])
        if name != "ours":
            pairs = list(zip(all_times, times["ours"], strict=True))
            row[f"{name}_ratio"] = quartiles([theirs[0] / ours[0] for theirs, ours in pairs])
            row[f"{name}_cpu_ratio"] = quartiles([theirs[1] / ours[1] for theirs, ours in pairs])
    return row


def print_table(row: Row, names: Sequence[str], what: str) -> None:
    """One contestant a line."""
    rows = []
    for name in names:
        ratios = ["", ""]
        if name != "ours":
            ratios = [spread(row[f"{name}_{clock}ratio"]) for clock in ("", "cpu_")]
        cells = [spread(row[f"{name}_rate"], 1), spread(row[f"{name}_cpu_s"], 2, 1e3)]
        rows.append([name, *cells, *ratios])
    print(table([what, "a second", "CPU ms each", "its time / ours", "in CPU time"], rows) + "\n")


def scanned(network: Network, images: ImageList, layers: Sequence[str], rounds: int, threads: int) -> Row:
    """The part scan."""
    with tempfile.TemporaryDirectory() as folder:
        runs, crp = atlas_scanning.contestants(network, images, layers, threads, Path(folder))
        ours = runs["ours"]()
        runs["crp"]()
        agrees = crp.agrees(ours)
        times = rounds_of(runs, rounds, f"scan of {len(images)} images")
    row: Row = {"part": "scan", "model": network.name, "layers": list(layers), "images": len(images)}
    row |= {"rounds": rounds, "threads": threads, "crp_batch": crp.batch, "crp_agrees": agrees}
    row |= summary(times, len(images))
    print_table(row, atlas_scanning.PEERS, f"scan, {len(images)} images")
    for name in ("bare", "bare_threads"):
        print(f"ours has {spread(row[f'{name}_ratio'])} of the speed of {name}")
    print(
        f"ours is {spread(row['crp_ratio'], 1)} times as fast as zennit-crp, which finds {agrees:.1%} "
        "of our activations\n"
    )
    return row


def remembered(told: Row, counts: Sequence[int]) -> list[Row]:
    """The part memory."""
    script = Path(__file__).with_name("atlas_memory.py")
    rows = []
    for count in counts:
        command = [sys.executable, str(script), json.dumps({**told, "count": count})]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        rows.append({"part": "memory", **json.loads(done.stdout)})
        say(f"memory, {rows[-1]['images']} images: {rows[-1]['peak_mib']:.0f} MiB")
    cells = [[str(r["images"]), f"{r['before_mib']:.0f}", f"{r['peak_mib']:.0f}"] for r in rows]
    print(table(["images", "before the scan, MiB", "peak, MiB"], cells) + "\n")
    return rows


def rendered(
    network: Network, images: ImageList, layers: Sequence[str], units: int, rounds: int, threads: int
) -> list[Row]:
    """The part render: a row a layer, then one of all."""
    with tempfile.TemporaryDirectory() as folder:
        atlas = atlas_rendering.atlas_of(network, images, layers, threads, Path(folder))
    rows, total, everything = [], 0, dict[str, list[tuple[float, float]]]()
    for layer in layers:
        channels = atlas_rendering.alive(atlas, layer, units)
        count = sum(len(atlas.entries(layer, channel)) for channel in channels)
        runs = atlas_rendering.contestants(network, images, atlas, layer, channels, threads)
        away = atlas_rendering.away(runs["ours"](), runs["captum"]())
        times = rounds_of(runs, rounds, f"{layer}, {count} projections")
        for name, each in times.items():
            before = everything.get(name, [(0.0, 0.0)] * rounds)
            everything[name] = [(a + c, b + d) for (a, b), (c, d) in zip(before, each, strict=True)]
        total += count
        row = {"part": "render", "layer": layer, "projections": count, "rounds": rounds, "threads": threads}
        rows.append(
            row | {"away_median": float(np.median(away)), "away_most": max(away)} | summary(times, count)
        )
    rows.append({"part": "render", "layer": "all", "projections": total} | summary(everything, total))
    header = [
        "layer",
        "projections",
        "ours a second",
        "captum cut / ours",
        "captum / ours",
        "in CPU time",
        "away",
    ]
    cells = [
        [r["layer"], str(r["projections"]), spread(r["ours_rate"], 0)]
        + [spread(r[key], 1) for key in ("captum_cut_ratio", "captum_ratio", "captum_cpu_ratio")]
        + [f"{r['away_median']:.0e}, most {r['away_most']:.0e}" if "away_median" in r else ""]
        for r in rows
    ]
    print(table(header, cells) + "\n")
    return rows


def mixed(network: Network, images: ImageList, layers: Sequence[str], rounds: int, threads: int) -> Row:
    """The part mixed."""
    settings: Row = {"topk": TOPK, "batch_size": BATCH, "workers": threads}
    runs: dict[str, Callable[[], Scan]] = {
        "ours": lambda: scan(network, images, layers, **settings),
        "mixed": lambda: scan(network, images, layers, precision="mixed", **settings),
    }
    same = [_same(runs["ours"](), runs["mixed"](), layer) for layer in layers]
    row: Row = {"part": "mixed", "images": len(images), "rounds": rounds, "threads": threads}
    row |= {"same": dict(zip(layers, same, strict=True))}
    row |= summary(rounds_of(runs, rounds, f"mixed, {len(images)} images"), len(images))
    print_table(row, list(runs), f"precision, {len(images)} images")
    print(
        "the same image, place and value at "
        + ", ".join(f"{s:.2%} of {n}" for n, s in row["same"].items())
        + "\n"
    )
    return row


def _same(one: Scan, other: Scan, layer: str) -> float:
    """The share of units and ranks that are the same in two scans, to the last bit."""
    a, b = one.strongest[layer], other.strongest[layer]
    return float(((a.images == b.images) & (a.places == b.places) & (a.values == b.values)).mean())


def on_gpu(network: Network, images: ImageList, layers: Sequence[str], rounds: int, batch: int) -> list[Row]:
    """The part gpu: nothing where there is none."""
    if not torch.cuda.is_available():
        say("gpu: there is none here")
        return []
    import atlas_gpu

    network.move_to(torch.device("cuda"))
    threads = len(os.sched_getaffinity(0))
    row = atlas_gpu.measured(network, images, layers, batch, rounds, threads)
    print("\n".join(atlas_gpu.on_paper(row)) + "\n")
    return [row]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("places", nargs="+", type=Path, metavar="IMAGES")
    parser.add_argument("--model", choices=["alexnet", "mini", "vgg16"], default="alexnet")
    parser.add_argument("--weights", help="a file, or default; random ones unless given")
    parser.add_argument(
        "--layers", nargs="+", default=[f"conv{i}" for i in range(1, 6)], help="the last one last"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="evenly spaced images; default: all")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--units", type=int, default=16, help="of each layer, to render")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--memory-images", nargs="+", type=int, default=[1000, 5000], metavar="N")
    parser.add_argument("--mixed-limit", type=int, default=320, metavar="N", help="images of the part mixed")
    parser.add_argument("--gpu-batch", type=int, default=256)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = load_model(options.model, options.weights) if options.weights else network_of(options.model)
    images, layers = few(list_images(options.places), options.limit), options.layers
    for i in range(len(images)):
        images.read(i)
    print(f"{setting()}; {network.name}, weights {network.origin.label}\n")
    rows: list[Row] = []
    if "scan" in options.parts:
        rows.append(scanned(network, images, layers, options.rounds, options.threads))
    if "memory" in options.parts:
        told = {
            "model": options.model,
            "weights": options.weights,
            "layers": layers,
            "threads": options.threads,
        }
        rows += remembered({**told, "places": [str(p) for p in options.places]}, options.memory_images)
    if "render" in options.parts:
        rows += rendered(network, images, layers, options.units, options.rounds, options.threads)
    if "mixed" in options.parts:
        few_images = few(images, options.mixed_limit)
        rows.append(mixed(network, few_images, layers, options.rounds, options.threads))
    if "gpu" in options.parts:
        rows += on_gpu(network, images, layers, options.rounds, options.gpu_batch)
    if options.json:
        write_json(options.json, rows)


if __name__ == "__main__":
    main()
