"""The peak memory of one scan, as a process of its own that prints it; see `atlas`."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import torch
from atlas_scanning import BATCH, TOPK, few
from peers import network_of

from deconvviz.atlas.images import list_images
from deconvviz.atlas.scanning import scan
from deconvviz.models import load_model


def peak() -> float:
    """MiB of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 2**20 if sys.platform == "darwin" else used / 2**10


def main() -> None:
    told = json.loads(sys.argv[1])
    torch.set_num_threads(told["threads"])
    network = load_model(told["model"], told["weights"]) if told["weights"] else network_of(told["model"])
    images = few(list_images([Path(place) for place in told["places"]]), told["count"])
    before = peak()
    scan(network, images, told["layers"], topk=TOPK, batch_size=BATCH, workers=told["threads"])
    print(json.dumps({"images": len(images), "before_mib": before, "peak_mib": peak()}))


if __name__ == "__main__":
    main()
