"""How long an occlusion experiment takes, against captum.

    python tests/benchmarks/occlusion.py
    python tests/benchmarks/occlusion.py --models alexnet --image dog.jpg --weights FILE --json FILE

The task: a grey square slides over one image; the result is captum's, at each pixel the mean of the drops in
the class's score over the squares that cover it. Ours gives it from `Occlusion.score`, and has the
activity of a map, the probabilities and the most probable classes besides. The peers take turns in one
process, in another order each round. A peer's ratio is its time over ours within one round: the table gives
the median and the quartiles. With one thread, the ratio in CPU time is what a machine with nothing else to do
would show.

- ours: `occlude`, with as many squares to a batch as captum has, and the drops spread over the pixels.
- whole: the same with `partial=False`: whole forward passes, in batches.
- captum: `Occlusion` with the `perturbations_per_eval` that was fastest in a trial beforehand, with squares
  further apart.

Before anything is timed, all are compared: the largest difference, over the largest score or drop. A drop is
the difference of two scores, and exact to their rounding only: against double precision, captum's is 2e-5 of
the largest drop off for VGG on noise, and ours 1e-5.

Weights and image are random unless given (Kaiming normal, small biases; smoothed noise): speed does not
depend on them. VGG's squares are further apart, so that it ends.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peers import network_of, smooth_image
from report import quartiles, say, setting, spread, table, write_json
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

import deconvviz
from deconvviz.experiments.occlusion import Occlusion, squares_of
from deconvviz.experiments.squares import fill_image
from deconvviz.models import Network, load_model

TASKS = {"alexnet": (50, 8), "vgg16": (50, 16), "mini": (14, 2), "resnet18": (50, 16)}
"""Size and stride of the square."""
PER_EVAL = (4, 8, 16, 32, 64)
AWAY = 1e-5  # that a peer's result may be from captum's
PEERS = ("ours", "whole", "captum")
Row = dict[str, Any]


def drops(found: Occlusion, size: tuple[int, int]) -> Tensor:
    """(H, W) at each pixel, the mean drop of the score over the squares that cover it."""
    total, count = torch.zeros(2, *size)
    for (top, left, height, width), score in zip(
        found.boxes.flatten(0, 1).tolist(), found.score.flatten().tolist(), strict=True
    ):
        total[top : top + height, left : left + width] += found.whole.score - score
        count[top : top + height, left : left + width] += 1
    return total / count


def contestants(
    network: Network, image: Tensor, size: int, stride: int, per_eval: int
) -> dict[str, Callable[[], Tensor]]:
    """Functions without arguments, each to the (H, W) drops of the most probable class."""
    from captum.attr import Occlusion as CaptumOcclusion

    target = int(network.module(image).argmax())
    shape = image.shape[2], image.shape[3]
    theirs, grey = CaptumOcclusion(network.module), fill_image(network, image, "grey")

    def ours(partial: bool) -> Tensor:
        how: dict[str, Any] = {"target": target, "size": size, "stride": stride, "batch_size": per_eval}
        found = deconvviz.occlude(network, image, partial=partial, **how)
        return drops(found, shape)

    def captum() -> Tensor:
        return theirs.attribute(
            image,
            sliding_window_shapes=(3, size, size),
            strides=(3, stride, stride),
            baselines=grey,
            target=target,
            perturbations_per_eval=per_eval,
        )[0, 0]

    return {"ours": lambda: ours(True), "whole": lambda: ours(False), "captum": captum}


def best_per_eval(network: Network, image: Tensor, size: int) -> int:
    """The `perturbations_per_eval` that captum is fastest with, on a few squares."""
    across = 5 if network.name == "vgg16" else 8
    stride = -(-(image.shape[2] - size) // (across - 1))
    seconds: dict[int, list[float]] = {n: [] for n in PER_EVAL if n <= across**2}
    for _ in range(3):
        for n, times in seconds.items():
            run = contestants(network, image, size, stride, n)["captum"]
            start = time.perf_counter()
            run()
            times.append((time.perf_counter() - start) / across**2)
    middle = {n: statistics.median(times) for n, times in seconds.items()}
    shown = ", ".join(f"{1e3 * s:.1f} by {n}" for n, s in middle.items())
    say(f"{network.name}: captum needs {shown}, milliseconds a square by squares a pass")
    return min(middle, key=middle.__getitem__)


def measure(network: Network, image: Tensor, size: int, stride: int, per_eval: int, rounds: int) -> Row:
    """One row: every peer compared with captum, then timed."""
    peers = contestants(network, image, size, stride, per_eval)
    results = {name: run() for name, run in peers.items()}
    wanted = results["captum"]
    with torch.no_grad():
        scale = max(wanted.abs().max(), network.module(image).abs().max())
    away = {n: float((result - wanted).abs().max() / scale) for n, result in results.items()}
    if max(away.values()) > AWAY:
        raise SystemExit(f"{network.name}: the results differ by {max(away.values()):.1e}: {away}")
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in PEERS}
    for r in range(rounds):
        for name in PEERS[r % len(PEERS) :] + PEERS[: r % len(PEERS)]:
            start = time.perf_counter(), time.process_time()
            peers[name]()
            times[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
        say(f"{network.name}, round {r + 1}: " + ", ".join(f"{n} {s[-1][0]:.1f} s" for n, s in times.items()))
    squares = len(squares_of((image.shape[2], image.shape[3]), size, stride).flatten(0, 1))
    row: Row = {"model": network.name, "size": size, "stride": stride, "squares": squares, "rounds": rounds}
    row |= {"captum_per_eval": per_eval, "threads": torch.get_num_threads(), "ours_away": away["ours"]}
    for clock, of in (("", 0), ("cpu_", 1)):
        for name in PEERS:
            row[f"{name}_{clock}s"] = quartiles([each[of] for each in times[name]])
            if name != "ours":
                pairs = zip(times[name], times["ours"], strict=True)
                row[f"{name}_{clock}ratio"] = quartiles([theirs[of] / ours[of] for theirs, ours in pairs])
    return row


def shown(row: Row) -> list[str]:
    """A row of the table."""
    cells = [f"{row['model']} {row['size']}/{row['stride']}", str(row["squares"]), str(row["rounds"])]
    cells += [spread(row[key], 2) for key in ("ours_s", "whole_ratio", "captum_ratio", "captum_cpu_ratio")]
    return [*cells, str(row["captum_per_eval"]), f"{row['ours_away']:.0e}"]


def image_for(network: Network, path: Path | None) -> Tensor:
    """(1, 3, H, W): the photograph, or noise."""
    if path is not None:
        return deconvviz.read_image(path, network)
    side = network.input_size
    return F.interpolate(smooth_image(), size=(side, side), mode="bilinear", antialias=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=sorted(TASKS), default=list(TASKS))
    parser.add_argument("--weights", help="a file, or default; of one model")
    parser.add_argument("--image", type=Path, metavar="FILE")
    parser.add_argument("--stride", type=int, help="default: AlexNet 8 pixels, mini 2, the others 16")
    parser.add_argument("--per-eval", type=int, metavar="N", help="captum's; default: what a trial finds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for model in options.models:
        if options.weights or model == "resnet18":  # its convolutions have no biases to draw
            network = load_model(model, options.weights or "random")
        else:
            network = network_of(model)
        size, stride = TASKS[model]
        image = image_for(network, options.image)
        per_eval = options.per_eval or best_per_eval(network, image, size)
        rows.append(measure(network, image, size, options.stride or stride, per_eval, options.rounds))
    print(f"{setting()}\n")
    header = [
        "square",
        "squares",
        "rounds",
        "ours s",
        "whole / ours",
        "captum / ours",
        "in CPU time",
        "per pass",
        "away",
    ]
    print(table(header, [shown(row) for row in rows]))
    if options.json:
        write_json(options.json, rows)


if __name__ == "__main__":
    main()
