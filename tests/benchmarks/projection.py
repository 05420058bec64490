"""How long nine projections take, against captum, zennit and the machine's own limit.

    python tests/benchmarks/projection.py
    python tests/benchmarks/projection.py --models alexnet --layers conv3 conv5 --rounds 5 --json FILE

The task: the nine strongest feature maps of one 224x224 image, each at its strongest place, back to pixels;
forward pass and selection of units included. The peers take turns in one process, in another order each
round. A peer's ratio is its time over ours within one round: the table gives the median and the quartiles.

- ours: `record`, `strongest`, `project_trace`, as in the README.
- captum loop: `NeuronDeconvolution`, one call a neuron.
- captum batch: one call, nine copies of the image, another neuron selected in each.
- zennit: its `DeconvNet` composite; one forward pass, nine backward passes.
- floor: the multiplications of the forward pass up to the layer and of nine windows cut at the edge of the
  map, at the best rate that large 3x3 convolutions reached in the same run. Ours is given as a multiple.

In the peers' favour, zennit's network and the pass that selects captum's units are cut at the layer. Before
anything is timed, all are compared with captum's loop. Weights and image are random (Kaiming normal, small
biases; smoothed noise): speed does not depend on them.

Memory is the peak above a process that has loaded the network, of each peer in a process of its own, for one
layer a model.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from peers import PEERS, contestants, differences, network_of, smooth_image
from report import quartiles, say, setting, spread, table, write_json
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

import deconvviz
from deconvviz.deconvnet import Windows
from deconvviz.deconvnet.filtering import Filtering
from deconvviz.deconvnet.mirrored import map_size
from deconvviz.models import Network

LAYERS = {
    "alexnet": ["conv1", "conv2", "conv3", "conv4", "conv5"],
    "vgg16": ["conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"],
}
SECONDS = 30.0  # what the rounds of one layer may take together
MOST, LEAST = 21, 3  # rounds


def multiplications(trace: deconvviz.Trace, layer: str) -> int:
    """Of the forward pass up to a layer, and of nine windows cut at the edge of the map."""
    mirror = deconvviz.mirror(trace, layer)
    whole = Windows.whole((0,), map_size(trace.features(layer).shape))
    starts = [
        Windows((0,), (unit.row or 0,), (unit.column or 0,), (1, 1), whole.map_size, clip=True)
        for unit in deconvviz.strongest(trace, layer, 9)
    ]
    total = 0
    for windows in (whole, *starts):  # the forward pass multiplies as often as the mirror on whole maps
        for m in mirror:
            if isinstance(m, Filtering):
                total += windows.size[0] * windows.size[1] * m.weight.numel()
            windows = m.below(windows)
    return total


def conv_rate(seconds: float = 0.15) -> float:
    """Multiplications a second of the best of a few large 3x3 convolutions."""
    best = 0.0
    for n, channels, side in ((1, 128, 112), (1, 256, 56), (1, 512, 28), (8, 256, 28), (8, 384, 13)):
        for order in (torch.contiguous_format, torch.channels_last):
            maps = torch.randn(n, channels, side, side).contiguous(memory_format=order)
            weight = torch.randn(channels, channels, 3, 3).contiguous(memory_format=order)
            end = time.perf_counter() + seconds
            while (start := time.perf_counter()) < end:
                F.conv2d(maps, weight, padding=1)
                best = max(best, maps.numel() * channels * 9 / (time.perf_counter() - start))
    return best


def timed(peers: dict[str, Callable[[], Tensor]], most: int) -> dict[str, list[float]]:
    """Seconds of each peer, round by round, as many rounds as `SECONDS` allows."""
    names, times = list(peers), {name: [] for name in peers}
    begun = time.perf_counter()
    for r in range(most):
        spent = time.perf_counter() - begun
        if r >= LEAST and spent * (r + 1) / r > SECONDS:
            break
        for name in names[r % len(names) :] + names[: r % len(names)]:
            start = time.perf_counter()
            peers[name]()
            times[name].append(time.perf_counter() - start)
    return times


def peak() -> float:
    """The most memory this process has held, in MiB. Linux: `ru_maxrss` would include the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def grown(model: str, layer: str, peer: str) -> float:
    """Peak memory in MiB of one peer above the loaded network, over three runs in this process."""
    network = network_of(model)
    run = contestants(network, layer, smooth_image())[peer]
    before = peak()
    for _ in range(3):
        run()
    return peak() - before


def memory_of(model: str, layer: str, peer: str) -> float:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--models", model, "--layers", layer, "--peak-of", peer]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(network: Network, layer: str, rounds: int) -> dict[str, object]:
    """One row: every peer checked, then timed. The floor follows once the machine's rate is known."""
    image = smooth_image()
    peers = contestants(network, layer, image)
    trace = deconvviz.record(network, image, [layer])
    values = deconvviz.project_trace(trace, deconvviz.strongest(trace, layer, 9)).activations
    away = differences(peers, values)
    times = timed(peers, rounds)
    row: dict[str, object] = {"model": network.name, "layer": layer, "rounds": len(times["ours"])}
    for peer in PEERS:
        row[f"{peer}_s"] = statistics.median(times[peer])
        row[f"{peer}_relative_l2"] = away[peer]
        ratios = [theirs / ours for theirs, ours in zip(times[peer], times["ours"], strict=True)]
        if peer == "ours":
            row["ours_s_quartiles"] = quartiles(times[peer])
        else:
            row[f"{peer}_ratio"], row[f"{peer}_ratio_quartiles"] = quartiles(ratios)[1], quartiles(ratios)
    row["multiplications"] = multiplications(trace, layer)
    say(f"{network.name} {layer}: relative L2 of ours to captum's loop {away['ours']:.1e}, worst of nine")
    return row


def shown(row: dict[str, object]) -> list[str]:
    """A row of the table."""
    cells = [f"{row['model']} {row['layer']}", str(row["rounds"]), spread(row["ours_s_quartiles"], 1, 1e3)]
    cells += [spread(row[f"{peer}_ratio_quartiles"], 2) for peer in PEERS[1:]]
    cells += [f"{row['floor_ratio']:.2f}", f"{row['ours_relative_l2']:.0e}"]
    memory = row.get("memory_mib")
    return [*cells, "/".join(f"{memory[peer]:.0f}" for peer in PEERS) if memory else ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=sorted(LAYERS), default=list(LAYERS))
    parser.add_argument("--layers", nargs="+", help="default: every convolution, for VGG the last of a block")
    parser.add_argument("--rounds", type=int, default=MOST, help="at most; slow layers get fewer")
    parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--peak-of", choices=PEERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for message in ("Setting .*hooks on ReLU", "Input Tensor .* did not already require"):
        warnings.filterwarnings("ignore", message)  # what captum does, and says on every call
    if options.peak_of:
        print(grown(options.models[0], options.layers[0], options.peak_of))
        return
    rows, rate = [], 0.0
    for model in options.models:
        network = network_of(model)
        layers = options.layers or LAYERS[model]
        for layer in layers:
            before = conv_rate()
            rows.append(measure(network, layer, options.rounds))
            rate = max(rate, before, conv_rate())  # the best of all: a machine that is shared has bad moments
        if options.memory:
            rows[-1]["memory_mib"] = {peer: memory_of(model, layers[-1], peer) for peer in PEERS}
    for row in rows:
        row["floor_s"] = row["multiplications"] / rate
        row["floor_ratio"] = row["ours_s"] / row["floor_s"]
    print(f"{setting()}; 3x3 convolution {2 * rate / 1e9:.0f} GFLOP/s\n")
    header = ["layer", "rounds", "ours ms", *(f"{peer.replace('_', ' ')} / ours" for peer in PEERS[1:])]
    header += ["ours / floor", "relative L2", "MiB " + "/".join(PEERS)]
    print(table(header, [shown(row) for row in rows]))
    if options.json:
        write_json(options.json, rows)


if __name__ == "__main__":
    main()
