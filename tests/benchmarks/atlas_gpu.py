"""What bounds a scan on a GPU: decoding alone, computing alone, both; see `atlas`."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from atlas_scanning import TOPK, cut_after
from PIL import Image

from deconvviz.atlas.images import ImageList
from deconvviz.atlas.scanning import scan
from deconvviz.data.images import decode
from deconvviz.models import Network

IMAGENET = 1_281_167
LARGE = (500, 375)
"""The size of a typical ImageNet photograph."""


def decoding(network: Network, images: ImageList, threads: int) -> None:
    """Decodes every image to what the network sees."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda i: network.see(images.picture(i)), range(len(images))))


def large_files(images: ImageList, count: int) -> list[bytes]:
    """The first images as JPEGs of ImageNet's size."""
    files = []
    for i in range(min(count, len(images))):
        buffer = io.BytesIO()
        images.picture(i).resize(LARGE, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return files


def measured(
    network: Network, images: ImageList, layers: Sequence[str], batch: int, rounds: int, threads: int
) -> dict[str, Any]:
    """Images per second of a scan and its parts; the network is on the GPU."""
    device = next(network.module.parameters()).device
    cut = cut_after(network, layers[-1])
    side = network.input_size
    pixels = torch.randn(batch, 3, side, side, device=device).to(memory_format=torch.channels_last)
    files = large_files(images, 256)
    passes = max(1, len(images) // batch)

    def forward() -> None:
        with torch.inference_mode():
            for _ in range(passes):
                cut(pixels)
        torch.cuda.synchronize()

    def large() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda data: network.see(decode(data, "a photograph")), files))

    settings = {"topk": TOPK, "batch_size": batch, "workers": threads}
    runs: dict[str, tuple[Callable[[], Any], int]] = {
        "scan": (lambda: scan(network, images, layers, **settings), len(images)),
        "mixed": (lambda: scan(network, images, layers, precision="mixed", **settings), len(images)),
        "decode": (lambda: decoding(network, images, threads), len(images)),
        "decode_500x375": (large, len(files)),
        "forward": (forward, passes * batch),
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    forward()
    for _ in range(rounds):
        for name, (run, count) in runs.items():
            start = time.perf_counter()
            run()
            rates[name].append(count / (time.perf_counter() - start))
    row: dict[str, Any] = {"part": "gpu", "gpu": torch.cuda.get_device_name(device), "threads": threads}
    return {**row, "batch": batch, **{f"{name}_rate": statistics.median(r) for name, r in rates.items()}}


def on_paper(row: dict[str, Any]) -> list[str]:
    """What follows for ImageNet, if each GPU has as many cores as this one."""
    speed = min(max(row["scan_rate"], row["mixed_rate"]), row["decode_500x375_rate"])
    bound = "decoding" if row["decode_rate"] < row["forward_rate"] else "the forward pass"
    hours = IMAGENET / speed / 3600
    return [
        f"{row['gpu']}, {row['threads']} threads: a scan of {row['scan_rate']:.0f} images/s (mixed "
        f"{row['mixed_rate']:.0f}) is bound by {bound}: decoding alone {row['decode_rate']:.0f}, the forward "
        f"pass alone {row['forward_rate']:.0f}",
        f"on paper, ImageNet's {IMAGENET} images of {LARGE[0]} x {LARGE[1]}, which decode at "
        f"{row['decode_500x375_rate']:.0f} images/s: {60 * hours:.0f} minutes on one such GPU, "
        f"{60 * hours / 8:.1f} on eight with as many cores each",
    ]
