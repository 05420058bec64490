"""Seconds until a pre-image is as close as wanted, and how close the published ways come in the same time.

    python tests/benchmarks/inversion.py --image snake.png --weights alexnet_features.pth [--json FILE]

First table: all layers in one batch, against the plain way: a loop over the layers, each with Adam on the
pixels through the network as far as that layer. Both are stopped at the step at which the relative feature
error falls to the target; what the plain way does not reach within --steps counts with the time it took,
and is marked. A round runs both; rounds are interleaved with each other.

Second table: the three presets with as many steps each as fit into the time of the 400 that `mahendran2015`
takes.

Without --image a smooth random image, without --weights random weights: enough to see the speed, not the
quality.
"""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from pathlib import Path

import torch
from report import quartiles, say, setting, spread, table, write_json
from torch import Tensor, nn

from deconvviz.data.images import read_image
from deconvviz.models import Network, load_model
from deconvviz.preimage.inversion import METHODS, invert
from deconvviz.preimage.mahendran2015 import ITERATIONS

LAYERS = ("features.0", "features.2", "features.4", "features.7", "features.9", "features.12")
TARGETS = (0.10, 0.10, 0.10, 0.12, 0.15, 0.20)
RATE = 0.05
STEPS = 250  # of ours: its schedule is stretched to them


class EnoughError(Exception):
    """All layers are as close as wanted."""


def plain(network: Network, image: Tensor, layer: str, target: float, steps: int) -> tuple[float, int, float]:
    """Adam on pixels until the error falls to the target: seconds, steps, and the last error."""
    whole = network.module.features
    cut = nn.Sequential(*list(whole)[: int(layer.rpartition(".")[2]) + 1])
    with torch.no_grad():
        wanted = cut(image)
    start = now(image)
    pixels = (0.01 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))).to(image.device)
    optimiser = torch.optim.Adam([pixels.requires_grad_()], lr=RATE)
    error, step = 1.0, 0
    while error > target and step < steps:
        step += 1
        loss = (cut(pixels) - wanted).square().sum() / wanted.square().sum()
        error = float(loss.detach().sqrt())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return now(image) - start, step, error


def batched(network: Network, image: Tensor, steps: int) -> dict[str, tuple[float, int]]:
    """All layers in one batch until each has been as close as wanted: seconds and steps by layer."""
    start, reached = now(image), {}

    def watch(step: int, _steps: int, errors: Tensor) -> None:
        for layer, error in zip(LAYERS, errors[0, :, 0].tolist(), strict=True):
            if layer not in reached and error <= TARGETS[LAYERS.index(layer)]:
                reached[layer] = now(image) - start, step + 1
        if len(reached) == len(LAYERS):
            raise EnoughError

    with suppress(EnoughError):
        invert(network, image, LAYERS, iterations=steps, watch=watch)
    return {layer: reached.get(layer, (now(image) - start, steps)) for layer in LAYERS}


def equal_time(network: Network, image: Tensor) -> list[dict[str, object]]:
    """Each preset with as many steps as fit into the time of mahendran2015's own."""
    pace = {}
    for name in METHODS:
        invert(network, image, LAYERS, name, iterations=2)
        start = now(image)
        invert(network, image, LAYERS, name, iterations=10)
        pace[name] = (now(image) - start) / 10
    budget, rows = ITERATIONS * pace["mahendran2015"], []
    for name in METHODS:
        start, steps = now(image), round(budget / pace[name])
        found = invert(network, image, LAYERS, name, iterations=steps)
        errors = found.errors["feature_error_mv16"][0, :, 0].tolist()
        ratios = found.errors["psnr"][0, :, 0].tolist()
        rows.append(
            {"preset": name, "steps": steps, "seconds": now(image) - start, "errors": errors, "psnr": ratios}
        )
        say(f"{name}: {steps} steps")
    return rows


def now(image: Tensor) -> float:
    """The time, once everything asked of a GPU is done."""
    if image.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path)
    parser.add_argument("--weights", default="random")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1000, help="the most that the plain way makes a layer")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    network = load_model("alexnet", given.weights)
    network.move_to(torch.device(given.device))
    for p in network.module.parameters():
        p.requires_grad_(False)
    for m in network.module.modules():
        if isinstance(m, nn.ReLU):
            m.inplace = False  # the plain way would else lose what it differentiates
    image = read_image(given.image, network) if given.image else torch.randn(1, 3, 224, 224).cumsum(2) / 15
    image = image.to(given.device)
    usual: dict[str, list[tuple[float, int, float]]] = {layer: [] for layer in LAYERS}
    ours: dict[str, list[tuple[float, int]]] = {layer: [] for layer in LAYERS}
    for round_ in range(given.rounds):
        for layer, target in zip(LAYERS, TARGETS, strict=True):
            usual[layer].append(plain(network, image, layer, target, given.steps))
        for layer, found in batched(network, image, STEPS).items():
            ours[layer].append(found)
        say(f"round {round_ + 1} of {given.rounds}")
    rows: list[dict[str, object]] = []
    for layer, target in zip(LAYERS, TARGETS, strict=True):
        _, steps, error = usual[layer][0]
        rows.append(
            {
                "layer": layer,
                "target": target,
                "plain": quartiles([s for s, _, _ in usual[layer]]),
                "plain_steps": steps,
                "plain_error": error,
                "ours": quartiles([s for s, _ in ours[layer]]),
                "ours_steps": ours[layer][0][1],
            }
        )
    print(
        table(
            ["layer", "error wanted", "plain loop, s", "steps", "its error", "one batch, s", "steps"],
            [
                [
                    str(row["layer"]),
                    f"{row['target']:.2f}",
                    spread(row["plain"], 1),
                    str(row["plain_steps"]),
                    f"{row['plain_error']:.3f}",
                    spread(row["ours"], 1),
                    str(row["ours_steps"]),
                ]
                for row in rows
            ],
        )
    )
    totals = [
        sum(usual[layer][r][0] for layer in LAYERS) / max(ours[layer][r][0] for layer in LAYERS)
        for r in range(given.rounds)
    ]
    print(f"all six layers, the plain loop takes longer by: {spread(quartiles(totals), 2)}\n")
    same = equal_time(network, image)
    print(
        table(
            ["preset", "steps", "s", *LAYERS],
            [
                [row["preset"], str(row["steps"]), f"{row['seconds']:.0f}"]
                + [f"{e:.3f} / {p:.1f} dB" for e, p in zip(row["errors"], row["psnr"], strict=True)]
                for row in same
            ],
        )
    )
    print(setting())
    if given.json:
        write_json(given.json, [*rows, {"faster": quartiles(totals)}, *same])


if __name__ == "__main__":
    main()
